%% A small cluster, a node of each kind of configuration, to which everything happens in a short time that happens to a cluster in
%% a long one: traffic, partings, cut connections, killed processes, strangers, new certificates, renewed keys. After each round
%% there is peace, and each node has to hold what it held before.
-module(rustls_dist_endurance).

-export([start/1, stop/1, run/2, settings/0]).

-export_type([world/0, sample/0]).

-include_lib("stdlib/include/assert.hrl").

-type peer() :: rustls_dist_cluster:peer().
-type member() :: #{kind := rustls_dist_crowds:configuration(), peer := peer(), cert := rustls_dist_certs:cert()}.
-type world() :: #{cluster := rustls_dist_cluster:cluster(), members := [member()], pool := [rustls_dist_certs:cert()]}.

%% What a node holds when nothing happens.
-type sample() :: #{second := non_neg_integer(), kind := rustls_dist_crowds:configuration(), vm_bytes | resident_bytes
                    | atoms | ports | processes | descriptors | handshakes := non_neg_integer()}.

-define(POOL, 3).
-define(ACTIONS_IN_A_ROUND, 40).
-define(SETUP_S, 3).
-define(KEY_UPDATE_AT, 100000).
-define(SETTLE_MS, 20000).

%% Until everything happened to everybody.
-define(ROUNDS_BEFORE, 3).
-define(SERVICES, [rustls_dist_attempts, rustls_dist_log_limit, rustls_dist_events, rustls_dist_links, rustls_dist_crl_store,
                   rustls_dist_config, rustls_dist_reload, rustls_dist_recheck, rustls_dist_own_certificate, rustls_dist_services,
                   rustls_dist_keeper]).

%% The members' own settings beside the configuration: one knows TLS 1.2 alone, so that there are links of both versions.
-spec settings() -> [{rustls_dist_crowds:configuration(), map()}].
settings() ->
    [{Kind, case Kind of
                crlfile -> #{versions => ['tlsv1.2']};
                _ -> #{key_update_at => ?KEY_UPDATE_AT}
            end} || Kind <- rustls_dist_crowds:configurations()].

%% Starts the nodes, linked to the caller.
-spec start(rustls_dist_cluster:cluster()) -> world().
start(Cluster) ->
    Dir = rustls_dist_cluster:dir(Cluster),
    Ca = rustls_dist_certs:ca(Dir, "ca"),
    Pool = [rustls_dist_certs:cert(Dir, Ca, lists:concat(["node", Nth]), #{}) || Nth <- lists:seq(1, ?POOL)],
    #{cluster => Cluster, pool => Pool, members => [member(Cluster, Ca, Pool, Setting) || Setting <- settings()]}.

member(Cluster, Ca, [First | _] = Pool, {Kind, Extra}) ->
    Dir = rustls_dist_cluster:dir(Cluster),
    Own = #{cert => filename:join(Dir, lists:concat(["of_", Kind, ".pem"])),
            key => filename:join(Dir, lists:concat(["of_", Kind, ".key"])), ca => maps:get(ca, First)},
    ok = install(First, Own),
    Sides = [{Side, maps:to_list(Extra) ++ Options} || {Side, Options} <- options(Kind, Dir, Ca, Own, Pool)],
    Peer = rustls_dist_cluster:start(Cluster, Kind, #{optfile => rustls_dist_cluster:optfile(Cluster, atom_to_list(Kind), Sides),
                                                      args => ["-kernel", "net_setuptime", integer_to_list(?SETUP_S),
                                                               "-kernel", "dist_auto_connect", "never",
                                                               "-connect_all", "false"]}),
    #{kind => Kind, peer => Peer, cert => Own}.

%% Whatever certificate of the pool a node shows is pinned.
options(pinned, _Dir, _Ca, Own, Pool) ->
    Pins = [begin
                {ok, Pem} = file:read_file(File),
                [{'Certificate', Der, not_encrypted}] = public_key:pem_decode(Pem),
                binary_to_list(binary:encode_hex(crypto:hash(sha256, Der)))
            end || #{cert := File} <- Pool],
    rustls_dist_certs:options(Own, #{verify_fun => {rustls_dist, verify_pinned, Pins}});
options(Kind, Dir, Ca, Own, _Pool) ->
    rustls_dist_crowds:options(Kind, Dir, Ca, Own).

-spec stop(world()) -> ok.
stop(#{members := Members}) ->
    lists:foreach(fun(#{peer := Peer}) -> rustls_dist_cluster:stop_node(Peer) end, Members).

%% Rounds for so long. Gives what happened how often, and what each node held after each round.
-spec run(world(), pos_integer()) -> {#{atom() => pos_integer()}, [sample()]}.
run(World, DurationMs) ->
    Start = erlang:monotonic_time(millisecond),
    {Done, Samples} = rounds(World, {Start, Start + DurationMs}, ?ROUNDS_BEFORE, #{}, []),
    {Done#{key_update => key_updates(World)}, Samples}.

key_updates(#{members := Members}) ->
    lists:sum([Count || #{peer := Peer} <- Members,
                        #{name := rustls_dist_key_updates_total, value := Count} <- call(Peer, rustls_dist, metrics, [])]).

%% Baseline: what was held when the first rounds were over, or how many of these there still are.
rounds(World, {Start, Until} = Time, Baseline, Done, Samples) ->
    {More, Strangers} = lists:foldl(fun(_, {Counts, Before}) -> act(World, drawn(), Counts, Before) end, {Done, []},
                                    lists:seq(1, ?ACTIONS_IN_A_ROUND)),
    lists:foreach(fun gen_tcp:close/1, Strangers),
    Second = (erlang:monotonic_time(millisecond) - Start) div 1000,
    Taken = [sample(Second, Member, Baseline) || Member <- in_peace(World)],
    Held = case Baseline of
               #{} -> Baseline;
               1 -> maps:from_list([{Kind, Sample} || #{kind := Kind} = Sample <- Taken]);
               _ -> Baseline - 1
           end,
    case erlang:monotonic_time(millisecond) < Until of
        true -> rounds(World, Time, Held, More, Samples ++ Taken);
        false -> {More, Samples ++ Taken}
    end.

%% Actions --------------------------------------------------------------------------------------------------

drawn() ->
    one_of([traffic, traffic, traffic, traffic, traffic, parting, parting, parting, cut_connection, killed_link, killed_link,
            killed_service, stranger, stranger, stranger, new_certificate]).

act(#{members := Members, pool := Pool}, Action, Done, Strangers) ->
    #{peer := A} = Member = one_of(Members),
    #{peer := B} = one_of(Members -- [Member]),
    Stayed = case Action of
                 stranger -> [stranger(A) | Strangers];
                 new_certificate -> renewed(Member, one_of(Pool)), Strangers;
                 killed_service -> killed_service(A, one_of(?SERVICES)), Strangers;
                 _ -> ok = joined(A, B), on_link(Action, A, B), Strangers
             end,
    {maps:update_with(Action, fun(Before) -> Before + 1 end, 1, Done), Stayed}.

one_of(List) -> lists:nth(rand:uniform(length(List)), List).

%% Of a link that ended a moment ago one side may not know yet.
joined(A, B) ->
    rustls_dist_cluster:poll(fun() ->
                                     are_joined(A, B) orelse call(A, net_kernel, connect_node, [name(B)]) andalso are_joined(A, B)
                             end),
    ok.

are_joined(A, B) -> rustls_dist_cluster:connected(A, B) andalso rustls_dist_cluster:connected(B, A).

on_link(traffic, A, B) ->
    {Senders, Count, Bytes} = one_of([{4, 200, 10}, {2, 50, 20000}, {2, 10, 300000}, {1, 2, 4 bsl 20}]),
    ?assertEqual(ok, call(A, rustls_dist_workload, stream, [name(B), Senders, Count, Bytes]));
on_link(parting, A, B) ->
    rustls_dist_cluster:part(A, B);
on_link(cut_connection, A, B) ->
    ok = call(A, gen_tcp, shutdown, [call(A, rustls_dist_workload, link_socket, [name(B)]), write]),
    await_parted(A, B);
on_link(killed_link, A, B) ->
    Pid = one_of(maps:values(call(A, rustls_dist_workload, link_processes, [name(B)]))),
    true = call(A, erlang, exit, [Pid, one_of([kill, boom])]),
    await_parted(A, B).

await_parted(A, B) ->
    rustls_dist_cluster:poll(fun() ->
                                     not rustls_dist_cluster:connected(A, B) andalso not rustls_dist_cluster:connected(B, A)
                             end).

killed_service(Peer, Name) ->
    Pid = rustls_dist_cluster:poll(fun() -> alive(Peer, Name, none) end),
    true = call(Peer, erlang, exit, [Pid, kill]),
    _ = [rustls_dist_cluster:poll(fun() -> alive(Peer, Each, Pid) end) || Each <- ?SERVICES],
    ok.

%% Its process, unless that is the one that was killed.
alive(Peer, Name, Killed) ->
    Pid = call(Peer, erlang, whereis, [Name]),
    is_pid(Pid) andalso Pid =/= Killed andalso Pid.

stranger(Peer) ->
    Socket = rustls_dist_crowds:member(rustls_dist_cluster:listening_port(Peer), one_of(rustls_dist_crowds:kinds())),
    _ = [gen_tcp:close(Socket) || one_of([true, false])],
    Socket.

%% Another certificate and key are in use when this returns. The server that sees to it may have been killed a moment ago.
renewed(#{peer := Peer, cert := Own}, From) ->
    ok = install(From, Own),
    rustls_dist_cluster:poll(fun() -> ok =:= element(1, call(Peer, rustls_dist, reload, [])) end).

install(From, To) ->
    lists:foreach(fun(Which) ->
                          #{Which := File} = To,
                          {ok, _} = file:copy(maps:get(Which, From), File ++ ".new"),
                          ok = file:rename(File ++ ".new", File)
                  end, [cert, key]).

%% Samples --------------------------------------------------------------------------------------------------

%% All links are ended.
in_peace(#{members := Members}) ->
    Peers = [Peer || #{peer := Peer} <- Members],
    _ = [call(Peer, erlang, disconnect_node, [Node]) || Peer <- Peers, Node <- call(Peer, erlang, nodes, [connected])],
    _ = [rustls_dist_cluster:poll(fun() -> [] =:= call(Peer, erlang, nodes, [connected]) end) || Peer <- Peers],
    Members.

%% Whatever is counted is back at what it was after the first rounds.
sample(Second, #{kind := Kind, peer := Peer}, Baseline) ->
    Counts = settled(Peer, Kind, Baseline, erlang:monotonic_time(millisecond) + ?SETTLE_MS),
    Memory = maps:from_list(call(Peer, erlang, memory, [])),
    Counts#{second => Second, kind => Kind, vm_bytes => maps:get(total, Memory),
            resident_bytes => rustls_dist_crowds:resident_kb(Peer) * 1024,
            atoms => call(Peer, erlang, system_info, [atom_count])}.

settled(Peer, Kind, Baseline, Deadline) ->
    Counts = counts(Peer),
    Before = case Baseline of
                 #{Kind := Held} -> Held;
                 _ -> Counts#{links := 0, handshakes := 0}
             end,
    case [{Kind, Key, maps:get(Key, Before), Count} || {Key, Count} <- maps:to_list(Counts), Count > maps:get(Key, Before)] of
        [] ->
            Counts;
        More ->
            ?assert(erlang:monotonic_time(millisecond) < Deadline, More),
            receive after 50 -> settled(Peer, Kind, Baseline, Deadline) end
    end.

counts(Peer) ->
    #{resources := #{senders := Senders, receivers := Receivers, handshakes := Handshakes}, processes := Processes,
      ports := Ports} = call(Peer, rustls_dist_workload, census, []),
    {ok, Descriptors} = file:list_dir(["/proc/", rustls_dist_cluster:os_pid(Peer), "/fd"]),
    #{links => Senders + Receivers, handshakes => Handshakes, processes => Processes, ports => Ports,
      descriptors => length(Descriptors)}.

name(Peer) -> rustls_dist_cluster:name(Peer).
call(Peer, M, F, A) -> rustls_dist_cluster:call(Peer, M, F, A, 60000).
