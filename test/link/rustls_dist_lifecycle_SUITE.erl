%% Issue 2, point 2: how links begin, live, are held up and end. Both nodes connecting at once, net_kernel:stop and
%% start, ticks, frozen and killed peers, back-pressure, the reason of an ended link, names and dist_auto_connect, and
%% that an ended link leaves nothing behind. Each case starts its own nodes; they end with the case's process.
-module(rustls_dist_lifecycle_SUITE).

-include_lib("stdlib/include/assert.hrl").

-export([all/0, groups/0, init_per_suite/1, end_per_suite/1]).
-export([at_once_tls13/1, at_once_tls12/1, stop_and_start/1, ticks/1, frozen_peer/1, killed_peer/1,
         back_pressure/1, slow_peer_alone/1, exit_reason/1, peer_reason/1,
         short_names/1, auto_connect_once/1, auto_connect_never/1, undertaker/1, nothing_left/1, nothing_left_verify_fun/1]).

-define(AT_ONCE, 50).
-define(CYCLES, 50).
-define(JUDGED_CYCLES, 20).
-define(TICK_TIME_S, 4).
-define(TICKS_PER_PERIOD, 4).           % kernel's net_tickintensity

%% For cases whose traffic, or global, would make a new link before the end of the old one was looked at. A new link
%% from the peer also hides the reason of the old one: nodedown then says wait_pending (dist_util).
-define(NO_AUTO_CONNECT, ["-kernel", "dist_auto_connect", "never"]).

%% What is under way when a link stands still: the VM's queue (dist_buf_busy_limit), one batch, and what the sockets of
%% both sides hold, as far as Linux' autotuning lets them grow (tcp_wmem and tcp_rmem: 4 and 6 MiB), and as much again.
-define(HELD_BYTES, 24 bsl 20).

all() ->
    [{group, parallel}, {group, one_by_one}].

%% Cases that mostly wait run side by side.
groups() ->
    [{parallel, [parallel], [ticks, frozen_peer, stop_and_start, short_names, auto_connect_once, auto_connect_never,
                             undertaker]},
     {one_by_one, [], [at_once_tls13, at_once_tls12, killed_peer, back_pressure, slow_peer_alone, exit_reason,
                       peer_reason, nothing_left, nothing_left_verify_fun]}].

init_per_suite(Config) ->
    {Keeper, Cluster} = rustls_dist_cluster:keep(fun rustls_dist_cluster:new/0),
    Dir = rustls_dist_cluster:dir(Cluster),
    Cert = rustls_dist_certs:cert(Dir, rustls_dist_certs:ca(Dir, "ca"), "node", #{}),
    Optfile = rustls_dist_cluster:optfile(Cluster, "both", rustls_dist_certs:options(Cert)),
    Tls12 = rustls_dist_cluster:optfile(Cluster, "tls12", rustls_dist_certs:options(Cert, #{versions => ['tlsv1.2']})),
    VerifyFun = rustls_dist_certs:options(Cert, #{verify_fun => {rustls_dist_verdicts, as_otp, none}}),
    Judged = rustls_dist_cluster:optfile(Cluster, "verify_fun", VerifyFun),
    [{cluster, Cluster}, {keeper, Keeper}, {optfile, Optfile}, {tls12, Tls12}, {verify_fun, Judged} | Config].

end_per_suite(Config) ->
    ok = rustls_dist_cluster:stop(cluster(Config)),
    rustls_dist_cluster:release(proplists:get_value(keeper, Config)).

%% beginning ----------------------------------------------------------------------------------------------------

at_once_tls13(Config) -> at_once(Config, optfile).
at_once_tls12(Config) -> at_once(Config, tls12).

at_once(Config, Optfile) ->
    [A, B] = start(Config, 2, #{optfile => proplists:get_value(Optfile, Config)}),
    lists:foreach(fun(_) ->
                          ok = rustls_dist_cluster:join_at_once(A, B),
                          ?assert(call(A, rustls_dist_workload, ping, [name(B)])),
                          ok = rustls_dist_cluster:part(A, B)
                  end, lists:seq(1, ?AT_ONCE)).

%% It has gone from both ends of a link that is up, and left the controller alone.
undertaker(Config) ->
    Pair = [A, B] = start(Config, 2, #{}),
    ok = rustls_dist_cluster:join(A, B),
    [rustls_dist_cluster:poll(fun() ->
                                      {running(Node, {rustls_dist_undertaker, init, 2}),
                                       running(Node, {rustls_dist_controller, init, 3})} =:= {0, 1}
                              end) || Node <- Pair],
    ?assert(call(A, rustls_dist_workload, ping, [name(B)])).

running(Node, InitialCall) ->
    length([Pid || Pid <- call(Node, erlang, processes, []),
                   call(Node, erlang, process_info, [Pid, initial_call]) =:= {initial_call, InitialCall}]).

%% Distribution that begins and ends at run time, more than once and under different names.
stop_and_start(Config) ->
    [B] = start(Config, 1, #{}),
    Optfile = proplists:get_value(optfile, Config),
    Changing = rustls_dist_cluster:start_undistributed(cluster(Config), #{optfile => Optfile}),
    lists:foreach(fun(Name) ->
                          Node = list_to_atom(lists:concat([Name, "@127.0.0.1"])),
                          {ok, _} = call(Changing, net_kernel, start, [[Node, longnames]]),
                          true = call(Changing, erlang, set_cookie, [rustls_dist_test]),
                          A = Changing#{node := Node},
                          ok = rustls_dist_cluster:join(A, B),
                          ?assert(call(B, rustls_dist_workload, ping, [Node])),
                          ok = call(Changing, net_kernel, stop, []),
                          rustls_dist_cluster:poll(fun() -> call(B, erlang, nodes, [connected]) =:= [] end),
                          ?assertEqual(nonode@nohost, call(Changing, erlang, node, [])),
                          ?assertEqual(undefined, call(Changing, erlang, whereis, [rustls_dist_sup])),
                          ?assertEqual([], call(Changing, rustls_dist_workload, sockets, []))
                  end, [first, second, first]).

short_names(Config) ->
    Options = #{host => "localhost", longnames => false},
    [A, B] = start(Config, 2, Options),
    ?assertMatch([_, "localhost"], string:split(atom_to_list(name(A)), "@")),
    ok = rustls_dist_cluster:join(A, B),
    ?assert(call(B, rustls_dist_workload, ping, [name(A)])).

%% The first message makes the link; once it went down, only net_kernel:connect_node/1 makes another.
auto_connect_once(Config) ->
    [B] = start(Config, 1, #{}),
    [A] = start(Config, 1, #{args => ["-kernel", "dist_auto_connect", "once"]}),
    ?assertEqual(pong, call(A, net_adm, ping, [name(B)])),
    ok = rustls_dist_cluster:part(A, B),
    ?assertEqual(pang, call(A, net_adm, ping, [name(B)])),
    ?assertNot(rustls_dist_cluster:connected(A, B)),
    ok = rustls_dist_cluster:join(A, B),
    ?assertEqual(pong, call(A, net_adm, ping, [name(B)])).

auto_connect_never(Config) ->
    [B] = start(Config, 1, #{}),
    [A] = start(Config, 1, #{args => ["-kernel", "dist_auto_connect", "never"]}),
    ?assertEqual(pang, call(A, net_adm, ping, [name(B)])),
    ?assertNot(rustls_dist_cluster:connected(A, B)),
    ok = rustls_dist_cluster:join(A, B),
    ?assertEqual(pong, call(A, net_adm, ping, [name(B)])).

%% living -------------------------------------------------------------------------------------------------------

%% A link on which nobody says anything stays up for more than three tick periods, because both sides tick.
ticks(Config) ->
    [A, B] = start_ticking(Config, 2),
    ok = rustls_dist_cluster:join(A, B),
    Links = [link_of(A, B), link_of(B, A)],
    Wanted = 3 * ?TICKS_PER_PERIOD + 1,
    Start = [packets(A, B), packets(B, A)],
    rustls_dist_cluster:poll(fun() ->
                                     Now = [packets(A, B), packets(B, A)],
                                     lists:all(fun({Before, After}) -> After - Before >= Wanted end,
                                               lists:zip(lists:append(Start), lists:append(Now)))
                             end, 60000),
    ?assertEqual(Links, [link_of(A, B), link_of(B, A)]).

start_ticking(Config, Count) ->
    start(Config, Count, #{args => ["-kernel", "net_ticktime", integer_to_list(?TICK_TIME_S) | ?NO_AUTO_CONNECT]}).

%% Received and sent, as the socket counts.
packets(Peer, Other) ->
    {ok, [{recv_cnt, Received}, {send_cnt, Sent}]} =
        on(Peer, fun() -> inet:getstat(rustls_dist_workload:link_socket(name(Other)), [recv_cnt, send_cnt]) end),
    [Received, Sent].

link_of(Peer, Other) ->
    call(Peer, rustls_dist_workload, link_processes, [name(Other)]).

%% Stopped, so that its kernel still acknowledges what arrives: only the missing ticks tell.
frozen_peer(Config) ->
    [A, B] = start_ticking(Config, 2),
    ok = call(A, rustls_dist_workload, watch_nodes, []),
    ok = rustls_dist_cluster:join(A, B),
    ok = signal("STOP", B),
    try
        ?assertEqual(net_tick_timeout, nodedown_reason(A, B, 60000))
    after
        signal("CONT", B)
    end,
    rustls_dist_cluster:poll(fun() -> not rustls_dist_cluster:connected(B, A) end),
    ok = rustls_dist_cluster:join(B, A).

%% With the default tick time of 60 s, what is seen within 15 s was not found by ticks.
killed_peer(Config) ->
    [A] = start(Config, 1, #{}),
    ok = call(A, rustls_dist_workload, watch_nodes, []),
    Test = self(),
    _ = spawn(fun() ->
                      process_flag(trap_exit, true),
                      [B] = start(Config, 1, #{}),
                      ok = rustls_dist_cluster:join(A, B),
                      Test ! {killed, B, signal("KILL", B)},
                      receive {'EXIT', _, _} -> ok end
              end),
    receive
        {killed, B, ok} -> ?assertEqual(connection_closed, nodedown_reason(A, B, 15000))
    after 60000 ->
        ct:fail(not_started)
    end.

%% A receiver that does not read suspends all senders, holds no more than what the buffers hold, and gets every
%% message in order when it goes on.
back_pressure(Config) ->
    [A, B] = start(Config, 2, #{}),
    ok = rustls_dist_cluster:join(A, B),
    Bytes = 65536,
    Before = call(A, erlang, memory, [total]),
    ok = call(A, rustls_dist_workload, flood_start, [name(B), 4, Bytes]),
    rustls_dist_cluster:poll(fun() -> maps:get(sent, call(A, rustls_dist_workload, flood_status, [])) > 100 end),
    ok = signal("STOP", B),
    try
        #{sent := Sent, memory := Memory, busy := Busy} = all_suspended(A, 4),
        ?assert(Busy > 0),
        ?assertEqual({grown_by, Memory - Before, true}, {grown_by, Memory - Before, Memory - Before < ?HELD_BYTES}),
        #{sent := StillSent} = all_suspended(A, 4),
        ?assert((StillSent - Sent) * Bytes < ?HELD_BYTES)
    after
        signal("CONT", B)
    end,
    Verdicts = call(A, rustls_dist_workload, flood_finish, [], 60000),
    ?assertMatch([{received, _}, {received, _}, {received, _}, {received, _}], Verdicts),
    ?assert(rustls_dist_cluster:connected(A, B)).

%% Suspended, and nothing moved while that was looked at again and again.
all_suspended(Peer, Count) ->
    rustls_dist_cluster:poll(fun() ->
                                     Looks = [call(Peer, rustls_dist_workload, flood_status, [])
                                              || _ <- lists:seq(1, 20)],
                                     case lists:usort([{Suspended, Sent}
                                                       || #{suspended := Suspended, sent := Sent} <- Looks]) of
                                         [{Count, _Sent}] -> lists:last(Looks);
                                         _ -> false
                                     end
                             end, 30000).

%% Two links at once: one that stands still does not hold up the other.
slow_peer_alone(Config) ->
    [A, B, C] = start(Config, 3, #{args => ["-connect_all", "false"]}),
    _ = call(B, rustls_dist_workload, start_echo, []),
    ok = rustls_dist_cluster:join(A, B),
    ok = rustls_dist_cluster:join(A, C),
    ok = call(A, rustls_dist_workload, flood_start, [name(C), 2, 65536]),
    ok = signal("STOP", C),
    try
        _ = all_suspended(A, 2),
        ?assertEqual(ok, call(A, rustls_dist_workload, stream, [name(B), 4, 200, 65536], 60000)),
        ?assertEqual(ok, call(A, rustls_dist_workload, round_trip, [name(B), 1 bsl 20])),
        #{suspended := 2} = call(A, rustls_dist_workload, flood_status, [])
    after
        signal("CONT", C)
    end,
    ?assertMatch([{received, _}, {received, _}], call(A, rustls_dist_workload, flood_finish, [], 60000)).

%% ending -------------------------------------------------------------------------------------------------------

%% Whichever process of a link ends first, its reason is the one that nodedown reports, also while the others are
%% busy in both directions and fail because of it; the peer sees a closed link.
exit_reason(Config) ->
    [A, B] = start(Config, 2, #{args => ?NO_AUTO_CONNECT}),
    [ok = call(Peer, rustls_dist_workload, watch_nodes, []) || Peer <- [A, B]],
    lists:foreach(fun(Which) ->
                          ok = rustls_dist_cluster:join(A, B),
                          {DownsA, DownsB} = {downs(A, B), downs(B, A)},
                          ok = busy(A, B),
                          #{Which := Pid} = Processes = link_of(A, B),
                          true = call(A, erlang, exit, [Pid, {ended, Which}]),
                          ?assertEqual(DownsA ++ [{ended, Which}], await_downs(A, B, length(DownsA) + 1, 30000)),
                          ?assertEqual(DownsB ++ [connection_closed], await_downs(B, A, length(DownsB) + 1, 30000)),
                          rustls_dist_cluster:poll(fun() -> none_alive(A, maps:values(Processes)) end)
                  end, lists:append(lists:duplicate(3, [supervisor, controller, input]))).

busy(A, B) ->
    [ok = call(From, rustls_dist_workload, start_traffic, [name(To)]) || {From, To} <- [{A, B}, {B, A}]],
    ok.

none_alive(Peer, Pids) ->
    not lists:any(fun(Pid) -> call(Peer, erlang, is_process_alive, [Pid]) end, Pids).

%% The peer ends the link in the middle of traffic: the reason is not that of a process that was about to send.
peer_reason(Config) ->
    [A, B] = start(Config, 2, #{args => ?NO_AUTO_CONNECT}),
    ok = call(A, rustls_dist_workload, watch_nodes, []),
    lists:foreach(fun(N) ->
                          ok = rustls_dist_cluster:join(A, B),
                          ok = busy(A, B),
                          true = call(B, erlang, disconnect_node, [name(A)]),
                          ?assertEqual(connection_closed, lists:last(await_downs(A, B, N, 30000)))
                  end, lists:seq(1, 5)).

%% Links that come and go in both directions, some of them busy, leave no Rust resource, process, port or entry.
nothing_left(Config) ->
    nothing_left(start(Config, 2, #{}), ?CYCLES).

%% The same where Erlang judges in the middle of a handshake.
nothing_left_verify_fun(Config) ->
    nothing_left(start(Config, 2, #{optfile => proplists:get_value(verify_fun, Config)}), ?JUDGED_CYCLES).

nothing_left([A, B], Cycles) ->
    _ = [call(Peer, rustls_dist_workload, start_echo, []) || Peer <- [A, B]],
    ok = cycle(A, B),
    ok = cycle(B, A),
    Before = [settled(Peer) || Peer <- [A, B]],
    lists:foreach(fun(N) ->
                          case N rem 2 of
                              0 -> cycle(A, B);
                              1 -> cycle(B, A)
                          end
                  end, lists:seq(1, Cycles)),
    ?assertEqual(Before, [settled(Peer) || Peer <- [A, B]]).

cycle(From, To) ->
    ok = rustls_dist_cluster:join(From, To),
    %% A link keeps nothing of its handshake.
    rustls_dist_cluster:poll(fun() -> is_one_link(call(From, rustls_dist_workload, census, [])) end),
    ok = call(From, rustls_dist_workload, round_trip, [name(To), 100000]),
    ok = rustls_dist_cluster:part(To, From).

is_one_link(#{resources := #{handshakes := 0, senders := 1, receivers := 1}}) -> true;
is_one_link(_) -> false.

%% The census once the link's last process is gone.
settled(Peer) ->
    rustls_dist_cluster:poll(fun() ->
                                     Census = call(Peer, rustls_dist_workload, census, []),
                                     idle(Census) andalso Census
                             end).

idle(#{resources := #{handshakes := 0, senders := 0, receivers := 0}}) -> true;
idle(_) -> false.

%% --------------------------------------------------------------------------------------------------------------

cluster(Config) ->
    proplists:get_value(cluster, Config).

start(Config, Count, Options) ->
    All = maps:merge(#{optfile => proplists:get_value(optfile, Config)}, Options),
    [rustls_dist_cluster:start(cluster(Config), All) || _ <- lists:seq(1, Count)].

signal(Name, Peer) ->
    "" = os:cmd("kill -" ++ Name ++ " " ++ rustls_dist_cluster:os_pid(Peer)),
    ok.

nodedown_reason(Peer, Other, TimeoutMs) ->
    lists:last(await_downs(Peer, Other, 1, TimeoutMs)).

%% The reasons of the nodedowns that Peer saw of Other, once there are Count.
await_downs(Peer, Other, Count, TimeoutMs) ->
    rustls_dist_cluster:poll(fun() ->
                                     Downs = downs(Peer, Other),
                                     length(Downs) >= Count andalso Downs
                             end, TimeoutMs).

downs(Peer, Other) ->
    [Reason || {nodedown, Node, #{nodedown_reason := Reason}} <- call(Peer, rustls_dist_workload, node_events, []),
               Node =:= name(Other)].

name(Peer) -> rustls_dist_cluster:name(Peer).
call(Peer, M, F, A) -> rustls_dist_cluster:call(Peer, M, F, A).
call(Peer, M, F, A, TimeoutMs) -> rustls_dist_cluster:call(Peer, M, F, A, TimeoutMs).
on(Peer, Fun) -> call(Peer, erlang, apply, [Fun, []]).
