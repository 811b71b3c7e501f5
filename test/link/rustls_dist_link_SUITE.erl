%% Issue 2, point 2: everything that a distribution link does for its users, on TLS 1.3 and on TLS 1.2.
%%
%% Two nodes per TLS version serve all cases of its group; each case starts with the link it needs.
-module(rustls_dist_link_SUITE).

-include_lib("stdlib/include/assert.hrl").
-include_lib("kernel/include/net_address.hrl").

-export([all/0, groups/0, init_per_suite/1, end_per_suite/1, init_per_group/2, end_per_group/2]).
-export([messages/1, order/1, spawning/1, links/1, monitors/1, calls/1, global_names/1,
         node_monitoring/1, disconnecting/1, last_messages/1, reconnecting/1,
         socket_options/1, node_info/1, controller/1, sockets_visible/1, protection_info/1,
         remote_shell/1, hidden/1, connect_all_false/1]).
-export([link_to/1, add/2, crash/1, try_lock/1, inet_i/1]).

-define(RECONNECTS, 50).
-define(SIZES, [0, 1, 100, 16383, 16384, 16385, 65535, 65536, 1 bsl 20, (1 bsl 20) + 1, 64 bsl 20]).

all() ->
    [{group, Group} || {Group, _, _} <- groups()].

groups() ->
    Everything = [messages, order, spawning, links, monitors, calls, global_names, node_monitoring, disconnecting,
                  last_messages, reconnecting, socket_options, node_info, controller, sockets_visible, protection_info],
    [{tls13, [], Everything}, {tls12, [], Everything}, {topology, [], [remote_shell, hidden, connect_all_false]}].

init_per_suite(Config) ->
    {Keeper, Cluster} = rustls_dist_cluster:keep(fun rustls_dist_cluster:new/0),
    Dir = rustls_dist_cluster:dir(Cluster),
    Cert = rustls_dist_certs:cert(Dir, rustls_dist_certs:ca(Dir, "ca"), "node", #{}),
    [{cluster, Cluster}, {cluster_keeper, Keeper}, {cert, Cert} | Config].

end_per_suite(Config) ->
    ok = rustls_dist_cluster:stop(cluster(Config)),
    rustls_dist_cluster:release(proplists:get_value(cluster_keeper, Config)).

init_per_group(topology, Config) ->
    [{optfile, optfile(Config, topology, #{})} | Config];
init_per_group(Group, Config) ->
    Version = case Group of tls13 -> 'tlsv1.3'; tls12 -> 'tlsv1.2' end,
    Optfile = optfile(Config, Group, #{versions => [Version]}),
    {Keeper, {A, B}} = rustls_dist_cluster:keep(fun() -> {start(Config, Optfile), start(Config, Optfile)} end),
    _ = [rustls_dist_cluster:call(Peer, rustls_dist_workload, start_echo, []) || Peer <- [A, B]],
    _ = [rustls_dist_cluster:call(Peer, rustls_dist_workload, watch_nodes, []) || Peer <- [A, B]],
    [{a, A}, {b, B}, {version, Version}, {keeper, Keeper} | Config].

end_per_group(topology, _Config) ->
    ok;
end_per_group(_Group, Config) ->
    rustls_dist_cluster:release(proplists:get_value(keeper, Config)).

%% traffic ------------------------------------------------------------------------------------------------

messages(Config) ->
    {A, B} = joined(Config),
    [begin
         ?assertEqual({Bytes, ok}, {Bytes, call(A, rustls_dist_workload, round_trip, [name(B), Bytes], 60000)}),
         ?assertEqual({Bytes, ok}, {Bytes, call(B, rustls_dist_workload, round_trip, [name(A), Bytes], 60000)})
     end || Bytes <- ?SIZES].

%% Many at once in both directions, small and large mixed.
order(Config) ->
    {A, B} = joined(Config),
    Sent = [{A, B, 3, 5000, 10}, {B, A, 3, 5000, 10}, {A, B, 2, 100, 100000}, {B, A, 2, 100, 100000}],
    Calls = [rpc:async_call(node(), rustls_dist_cluster, call,
                            [From, rustls_dist_workload, stream, [name(To), Streams, Count, Bytes], 60000])
             || {From, To, Streams, Count, Bytes} <- Sent],
    ?assertEqual([ok, ok, ok, ok], [rpc:yield(Key) || Key <- Calls]).

spawning(Config) ->
    {A, B} = joined(Config),
    ?assertEqual({name(B), 42}, call(A, erpc, call, [name(B), fun() -> {node(), 6 * 7} end])),
    Spawn = fun() ->
                    Self = self(),
                    Pid = spawn(name(B), fun() -> Self ! {self(), node()} end),
                    {Monitored, Ref} = spawn_monitor(name(B), fun() -> exit({from, node()}) end),
                    Request = spawn_request(name(B), erlang, send, [Self, requested], []),
                    {receive {Pid, Node} -> {Node, node(Pid)} end,
                     receive {'DOWN', Ref, process, Monitored, Reason} -> Reason end,
                     receive {spawn_reply, Request, ok, Started} -> node(Started) end,
                     receive requested -> ok end}
            end,
    ?assertEqual({{name(B), name(B)}, {from, name(B)}, name(B), ok}, call(A, erlang, apply, [Spawn, []])).

%% Exit signals cross a link in both directions, and its end reaches linked processes as noconnection.
links(Config) ->
    {A, B} = joined(Config),
    ?assertEqual(crashed, call(A, ?MODULE, link_to, [{name(B), crashed}])),
    ?assertEqual(crashed, call(B, ?MODULE, link_to, [{name(A), crashed}])),
    ?assertEqual(noconnection, call(A, ?MODULE, link_to, [{name(B), disconnect}])).

%% Runs on a node: links to a process on Node and gives the reason of the exit signal that comes.
link_to({Node, What}) ->
    process_flag(trap_exit, true),
    Pid = spawn_link(Node, ?MODULE, crash, [self()]),
    receive {Pid, running} -> ok end,
    case What of
        disconnect -> true = erlang:disconnect_node(Node);
        Reason -> Pid ! {crash, Reason}
    end,
    receive {'EXIT', Pid, Exit} -> Exit after 15000 -> timeout end.

crash(From) ->
    From ! {self(), running},
    receive {crash, Reason} -> exit(Reason) end.

monitors(Config) ->
    {A, B} = joined(Config),
    Echo = call(B, erlang, whereis, [rustls_dist_workload]),
    Down = fun(Monitor) ->
                   Ref = monitor(process, Monitor),
                   true = erlang:disconnect_node(name(B)),
                   receive {'DOWN', Ref, process, Object, Reason} -> {Object, Reason} after 15000 -> timeout end
           end,
    ?assertEqual({Echo, noconnection}, call(A, erlang, apply, [Down, [Echo]])),
    {A, B} = joined(Config),
    Named = {rustls_dist_workload, name(B)},
    ?assertEqual({Named, noconnection}, call(A, erlang, apply, [Down, [Named]])),
    {A, B} = joined(Config),
    Nobody = {nobody_by_that_name, name(B)},
    NoProcess = fun() ->
                        Ref = monitor(process, Nobody),
                        receive {'DOWN', Ref, process, Nobody, Reason} -> Reason after 15000 -> timeout end
                end,
    ?assertEqual(noproc, call(A, erlang, apply, [NoProcess, []])).

calls(Config) ->
    {A, B} = joined(Config),
    ?assertEqual(5, call(A, rpc, call, [name(B), ?MODULE, add, [2, 3]])),
    ?assertEqual(5, call(B, erpc, call, [name(A), ?MODULE, add, [2, 3]])),
    ?assertMatch({badrpc, {'EXIT', {badarith, _}}}, call(A, rpc, call, [name(B), ?MODULE, add, [2, x]])),
    ?assertEqual([{ok, 3}, {ok, 3}], call(A, erpc, multicall, [[name(A), name(B)], ?MODULE, add, [1, 2]])),
    ?assertEqual({[3, 3], []}, call(A, rpc, multicall, [[name(A), name(B)], ?MODULE, add, [1, 2]])).

add(X, Y) -> X + Y.

%% A name registered on one node is known on the other, a lock is exclusive, and both end with what they stand for.
global_names(Config) ->
    {A, B} = joined(Config),
    ok = call(A, global, sync, []),
    ok = call(B, global, sync, []),
    Echo = call(A, erlang, whereis, [rustls_dist_workload]),
    yes = call(A, global, register_name, [the_echo, Echo]),
    ?assertEqual(Echo, call(B, global, whereis_name, [the_echo])),
    ?assertEqual(no, call(B, global, register_name, [the_echo, call(B, erlang, whereis, [rustls_dist_workload])])),
    Inside = fun() -> {node(), erpc:call(name(B), ?MODULE, try_lock, [another])} end,
    ?assertEqual({name(A), aborted},
                 call(A, global, trans, [{the_resource, holder}, Inside, [name(A), name(B)]])),
    ?assertEqual(locked, call(B, ?MODULE, try_lock, [another])),
    _ = call(A, global, unregister_name, [the_echo]),
    ?assertEqual(undefined, call(B, global, whereis_name, [the_echo])).

%% Runs on a node: one attempt to take the lock.
try_lock(Requester) ->
    global:trans({the_resource, Requester}, fun() -> locked end, [node()], 0).

%% coming and going -------------------------------------------------------------------------------------------

node_monitoring(Config) ->
    {A, B} = joined(Config),
    Before = length(events(A, B)),
    ok = rustls_dist_cluster:part(A, B),
    ok = rustls_dist_cluster:join(B, A),
    ok = rustls_dist_cluster:part(B, A),
    Ended = {nodedown, connection_closed, visible},
    Seen = rustls_dist_cluster:poll(fun() ->
                                            All = [brief(Event) || Event <- lists:nthtail(Before, events(A, B))],
                                            length(All) >= 3 andalso lists:last(All) =:= Ended andalso All
                                    end),
    %% Kernel's own processes may make a link in between that nobody asked for.
    ?assertMatch([{nodedown, disconnect, visible}, {nodeup, none, visible} | _], Seen).

brief({What, Info}) ->
    {What, maps:get(nodedown_reason, Info, none), maps:get(node_type, Info)}.

events(Peer, Other) ->
    [{Kind, Info} || {Kind, Node, Info} <- call(Peer, rustls_dist_workload, node_events, []), Node =:= name(Other)].

disconnecting(Config) ->
    {A, B} = joined(Config),
    ?assertEqual(true, call(A, net_kernel, disconnect, [name(B)])),
    rustls_dist_cluster:poll(fun() -> not rustls_dist_cluster:connected(B, A) end),
    ?assertEqual([], call(A, erlang, nodes, [connected])),
    ?assertEqual([], call(A, erlang, system_info, [dist_ctrl])),
    ?assertEqual(false, call(A, net_kernel, disconnect, [name(B)])),
    %% The next message makes a new link.
    ?assertEqual(ok, call(B, rustls_dist_workload, round_trip, [name(A), 10])).

%% What arrived before the link ended is delivered, however far behind the input handler is: by less than the socket
%% messages it may have waiting, and by more. A tick in between, when the socket is closed already, changes nothing.
last_messages(Config) ->
    {_, B} = joined(Config),
    _ = call(B, rustls_dist_workload, start_collector, []),
    lists:foreach(fun(Numbers) -> last_messages(Config, Numbers) end, [lists:seq(1, 4), lists:seq(5, 44)]),
    ?assertEqual(lists:seq(1, 44), call(B, rustls_dist_workload, collected, [])).

%% What waits to be read may be global's, too, whose answer makes a new link: it is the old one whose end is awaited.
last_messages(Config, [First | _] = Numbers) ->
    {A, B} = joined(Config),
    #{input := Input, supervisor := Supervisor} = call(B, rustls_dist_workload, link_processes, [name(A)]),
    Socket = call(B, rustls_dist_workload, link_socket, [name(A)]),
    Holder = call(B, rustls_dist_workload, hold_input, [name(A)]),
    _ = [send_apart(A, B, Number, Number - First < 12) || Number <- Numbers],
    ?assertEqual(First - 1, length(call(B, rustls_dist_workload, collected, []))),
    true = call(A, erlang, disconnect_node, [name(B)]),
    First =:= 1 andalso rustls_dist_cluster:poll(fun() -> is_over(B, Socket) end),
    _ = call(B, erlang, send, [Supervisor, {call(B, erlang, whereis, [net_kernel]), tick}]),
    true = call(B, erlang, exit, [Holder, kill]),
    rustls_dist_cluster:poll(fun() -> not call(B, erlang, is_process_alive, [Input]) end).

%% With Await the next message is not sent before this one has come, so that each is a socket message of its own. A socket that
%% fell silent reads no more, which others' messages make it sooner.
send_apart(A, B, Number, Await) ->
    Before = received(A, B),
    _ = call(A, erlang, send, [{collector, name(B)}, Number]),
    Await andalso rustls_dist_cluster:poll(fun() -> received(A, B) > Before orelse is_silent(A, B) end).

received(A, B) ->
    {ok, [{recv_cnt, Count}]} = on(B, fun() -> inet:getstat(port(name(A)), [recv_cnt]) end),
    Count.

%% Closed; or not read any more, so that its end is not seen.
is_over(Peer, Socket) ->
    error =:= element(1, call(Peer, inet, getstat, [Socket]))
        orelse {ok, [{active, false}]} =:= call(Peer, inet, getopts, [Socket, [active]]).

is_silent(A, B) ->
    {ok, [{active, false}]} =:= on(B, fun() -> inet:getopts(port(name(A)), [active]) end).

reconnecting(Config) ->
    {A, B} = joined(Config),
    lists:foreach(fun(N) ->
                          {From, To} = case N rem 2 of 0 -> {A, B}; 1 -> {B, A} end,
                          ok = rustls_dist_cluster:part(From, To),
                          ok = rustls_dist_cluster:join(To, From),
                          ?assertEqual(ok, call(A, rustls_dist_workload, round_trip, [name(B), 1000]))
                  end, lists:seq(1, ?RECONNECTS)).

%% what tools see ---------------------------------------------------------------------------------------------

socket_options(Config) ->
    {A, B} = joined(Config),
    ?assertEqual({ok, [{nodelay, true}]}, call(A, net_kernel, getopts, [name(B), [nodelay]])),
    ?assertEqual(ok, call(A, net_kernel, setopts, [name(B), [{nodelay, false}, {priority, 1}]])),
    ?assertEqual({ok, [{nodelay, false}, {priority, 1}]},
                 on(A, fun() -> inet:getopts(port(name(B)), [nodelay, priority]) end)),
    ?assertEqual({ok, [{nodelay, false}]}, call(A, net_kernel, getopts, [name(B), [nodelay]])),
    ?assertMatch({error, _}, call(A, net_kernel, setopts, [name(B), [{active, false}]])),
    ?assertEqual(ok, call(A, rustls_dist_workload, round_trip, [name(B), 1000])),
    ?assertMatch({error, _}, call(A, net_kernel, getopts, ['nobody@127.0.0.1', [nodelay]])).

node_info(Config) ->
    {A, B} = joined(Config),
    {ok, Info} = call(A, net_kernel, node_info, [name(B)]),
    ?assertEqual({up, normal}, {proplists:get_value(state, Info), proplists:get_value(type, Info)}),
    ?assertMatch(#net_address{address = {{127, 0, 0, 1}, _}, host = "127.0.0.1", protocol = tls, family = inet},
                 proplists:get_value(address, Info)),
    {ok, #net_address{address = Address}} = call(A, net_kernel, node_info, [name(B), address]),
    ?assertEqual({ok, Address}, on(A, fun() -> inet:peername(port(name(B))) end)),
    ?assert(proplists:get_value(in, Info) > 0),
    ?assert(proplists:get_value(out, Info) > 0).

controller(Config) ->
    {A, B} = joined(Config),
    [{Node, Controller}] = call(A, erlang, system_info, [dist_ctrl]),
    ?assertEqual(name(B), Node),
    ?assert(call(A, erlang, is_process_alive, [Controller])),
    #{supervisor := Supervisor, input := Input} = call(A, rustls_dist_workload, link_processes, [name(B)]),
    ?assertEqual(3, length(lists:usort([Controller, Supervisor, Input]))).

%% Ordinary inet ports: inet:i/0 shows the link's with the peer's address, and inet:getopts/2 and getstat/1 work.
sockets_visible(Config) ->
    {A, B} = joined(Config),
    {ok, {_, Port}} = on(A, fun() -> inet:peername(port(name(B))) end),
    File = filename:join(rustls_dist_cluster:dir(cluster(Config)), "inet_i"),
    Lines = string:split(call(A, ?MODULE, inet_i, [File]), "\n", all),
    Pattern = io_lib:format("(127\\.0\\.0\\.1|localhost):~w\\s+CONNECTED", [Port]),
    ?assertMatch([_ | _], [Line || Line <- Lines, re:run(Line, Pattern, [{capture, none}]) =:= match]),
    {ok, Options} = on(A, fun() -> inet:getopts(port(name(B)), [mode, packet, keepalive]) end),
    ?assertEqual([{mode, binary}, {packet, 0}], [Option || {Key, _} = Option <- Options, Key =/= keepalive]),
    {ok, [{recv_oct, Received}]} = on(A, fun() -> inet:getstat(port(name(B)), [recv_oct]) end),
    ?assert(Received > 0).

%% Runs on a node: what inet:i/0 prints.
inet_i(File) ->
    {ok, Device} = file:open(File, [write]),
    true = group_leader(Device, self()),
    ok = inet:i(),
    ok = file:close(Device),
    {ok, Text} = file:read_file(File),
    binary_to_list(Text).

protection_info(Config) ->
    Version = proplists:get_value(version, Config),
    {A, B} = joined(Config),
    {ok, Here} = call(A, rustls_dist, info, [name(B)]),
    {ok, There} = call(B, rustls_dist, info, [name(A)]),
    ?assertMatch(#{version := Version, own_certificate := #{subject := _}, peer_certificate := #{not_after := _}}, Here),
    ?assertEqual(maps:with([version, cipher, group], Here), maps:with([version, cipher, group], There)),
    ?assertEqual([client, server], lists:sort([maps:get(role, Here), maps:get(role, There)])),
    ?assert(maps:get(handshake_us, Here) > 0),
    NameB = name(B),
    #{NameB := Same} = call(A, rustls_dist, info, []),
    ?assertEqual(maps:remove(traffic, Here), maps:remove(traffic, Same)),
    ?assertEqual({error, not_connected}, call(A, rustls_dist, info, ['nobody@127.0.0.1'])).

%% more nodes -------------------------------------------------------------------------------------------------

%% `erl -remsh' on a terminal of its own, as a person would use it (on a dumb one erl has no remote shell).
remote_shell(Config) ->
    Optfile = proplists:get_value(optfile, Config),
    Target = start(Config, Optfile),
    Command = ["erl -name remote_shell@127.0.0.1 -hidden -setcookie rustls_dist_test -proto_dist rustls -pa ",
               os:getenv("RUSTLS_DIST_EBIN", ""), " -ssl_dist_optfile ", Optfile,
               " -remsh ", atom_to_list(name(Target))],
    Terminal = open_port({spawn_executable, os:find_executable("script")},
                         [{args, ["-q", "-e", "-c", lists:flatten(Command), "/dev/null"]}, binary, stderr_to_stdout,
                          {env, [{"TERM", "xterm"} | rustls_dist_cluster:env(cluster(Config))]}]),
    await_text(Terminal, "\\)1> ", <<>>),
    true = port_command(Terminal, "{answer, node(), 6 * 7}.\r"),
    Expected = io_lib:format("{answer,'~ts',42}", [name(Target)]),
    await_text(Terminal, Expected, <<>>),
    true = port_command(Terminal, "rustls_dist:i().\r"),
    await_text(Terminal, "remote_shell@127.0.0.1 +in ", <<>>),
    ?assertEqual(['remote_shell@127.0.0.1'], call(Target, erlang, nodes, [hidden])),
    ?assertMatch({ok, #{version := 'tlsv1.3'}}, call(Target, rustls_dist, info, ['remote_shell@127.0.0.1'])),
    {os_pid, OsPid} = erlang:port_info(Terminal, os_pid),
    _ = os:cmd("kill " ++ integer_to_list(OsPid)),
    rustls_dist_cluster:poll(fun() -> call(Target, erlang, nodes, [hidden]) =:= [] end),
    rustls_dist_cluster:stop_node(Target).

await_text(Terminal, Pattern, Before) ->
    case re:run(Before, Pattern, [{capture, none}]) of
        match ->
            ok;
        nomatch ->
            receive
                {Terminal, {data, Data}} -> await_text(Terminal, Pattern, <<Before/binary, Data/binary>>)
            after 15000 ->
                ct:fail({not_seen, Pattern, Before})
            end
    end.

hidden(Config) ->
    Optfile = proplists:get_value(optfile, Config),
    A = start(Config, Optfile),
    Hidden = rustls_dist_cluster:start(cluster(Config), #{optfile => Optfile, args => ["-hidden"]}),
    ok = call(A, rustls_dist_workload, watch_nodes, []),
    ok = rustls_dist_cluster:join(A, Hidden),
    ?assertEqual({[], [name(Hidden)]}, {call(A, erlang, nodes, []), call(A, erlang, nodes, [hidden])}),
    ?assertEqual({[], [name(A)]}, {call(Hidden, erlang, nodes, []), call(Hidden, erlang, nodes, [hidden])}),
    ?assertMatch([{nodeup, #{node_type := hidden}}], events(A, Hidden)),
    ?assert(call(A, rustls_dist_workload, ping, [name(Hidden)])),
    ?assert(call(Hidden, rustls_dist_workload, ping, [name(A)])),
    stop([A, Hidden]).

%% By default global connects all to all; told not to, it leaves it at what was asked for.
connect_all_false(Config) ->
    Optfile = proplists:get_value(optfile, Config),
    Ring = fun(Args) ->
                   [A, B, C] = Nodes = [rustls_dist_cluster:start(cluster(Config), #{optfile => Optfile, args => Args})
                                        || _ <- [a, b, c]],
                   ok = rustls_dist_cluster:join(A, B),
                   ok = rustls_dist_cluster:join(B, C),
                   Nodes
           end,
    [A, _, C] = Meshed = Ring([]),
    rustls_dist_cluster:poll(fun() -> rustls_dist_cluster:connected(A, C) end),
    stop(Meshed),
    [D, E, F] = Apart = Ring(["-connect_all", "false"]),
    %% What made the mesh above would be under way by the time both neighbours have answered.
    _ = [?assert(call(Peer, rustls_dist_workload, ping, [name(E)])) || Peer <- [D, F], _ <- lists:seq(1, 20)],
    ?assertNot(rustls_dist_cluster:connected(D, F)),
    ?assertEqual([name(E)], call(D, erlang, nodes, [])),
    stop(Apart).

%% --------------------------------------------------------------------------------------------------------------

cluster(Config) ->
    proplists:get_value(cluster, Config).

optfile(Config, Name, Extra) ->
    Options = rustls_dist_certs:options(proplists:get_value(cert, Config), Extra),
    rustls_dist_cluster:optfile(cluster(Config), atom_to_list(Name), Options).

start(Config, Optfile) ->
    rustls_dist_cluster:start(cluster(Config), #{optfile => Optfile}).

stop(Peers) ->
    lists:foreach(fun rustls_dist_cluster:stop_node/1, Peers).

%% The group's nodes with a link between them.
joined(Config) ->
    {A, B} = {proplists:get_value(a, Config), proplists:get_value(b, Config)},
    rustls_dist_cluster:poll(fun() ->
                                     rustls_dist_cluster:connected(A, B) =:= rustls_dist_cluster:connected(B, A)
                             end),
    ok = rustls_dist_cluster:join(A, B),
    {A, B}.

name(Peer) -> rustls_dist_cluster:name(Peer).
port(Node) -> rustls_dist_workload:link_socket(Node).
call(Peer, M, F, A) -> rustls_dist_cluster:call(Peer, M, F, A).
call(Peer, M, F, A, TimeoutMs) -> rustls_dist_cluster:call(Peer, M, F, A, TimeoutMs).
on(Peer, Fun) -> call(Peer, erlang, apply, [Fun, []]).
