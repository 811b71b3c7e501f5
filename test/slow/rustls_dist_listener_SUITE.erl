%% A listener that cannot be stalled: crowds of peers that connect and say nothing, or anything but TLS, neither delay a real
%% join nor keep threads, sockets or memory, whoever judges certificates (rustls_dist_crowd_SUITE has every kind of
%% configuration); the same for servers that a node dials; a join during start-up is served; accept errors, few file
%% descriptors and a dead accept loop are got over.
-module(rustls_dist_listener_SUITE).

-export([all/0, groups/0, init_per_suite/1, end_per_suite/1, init_per_group/2, end_per_group/2]).
-export([silent_crowd/1, garbage_crowd/1, tls_garbage_crowd/1, half_hello_crowd/1, endless_hello_crowd/1,
         plain_distribution_crowd/1, resident_memory/1, hello_too_long/1, silent_servers/1, servers_that_end/1,
         join_while_starting/1, no_file_descriptors/1, few_file_descriptors/1, accept_loop_dies/1]).
-export([exhaust_descriptors/0, open_file/1]).

-include_lib("common_test/include/ct.hrl").
-include_lib("stdlib/include/assert.hrl").

-define(LARGE_CROWD, 1000).
-define(CROWD, 300).
-define(JOINS, 9).

%% Endless hellos one after the other, and what may be left of the memory that they took: allocators keep some.
-define(HELLOS, 400).
-define(KEPT_KB, 6000).

-define(DIALS, 20).

%% How long a node's start is drawn out.
-define(START_MS, 3000).

%% A process that may have few descriptors, a crowd that would take them all, and what a join may take then.
-define(DESCRIPTORS, 256).
-define(SILENT, 400).
-define(JOIN_MS, 1000).

all() ->
    [{group, plain}, {group, authorities}].

groups() ->
    Crowds = [silent_crowd, garbage_crowd, tls_garbage_crowd, half_hello_crowd, endless_hello_crowd,
              plain_distribution_crowd],
    [{plain, [], Crowds ++ [hello_too_long, join_while_starting, no_file_descriptors, few_file_descriptors,
                            accept_loop_dies]},
     {authorities, [], Crowds ++ [resident_memory, silent_servers, servers_that_end]}].

init_per_suite(Config) ->
    Config.

end_per_suite(_Config) ->
    ok.

init_per_group(Configuration, Config) ->
    #{cluster := Cluster, optfile := Optfile, listener := Listener, peer := Peer} = World =
        rustls_dist_crowds:start(Configuration),
    [{world, World}, {cluster, Cluster}, {optfile, Optfile}, {listener, Listener}, {peer, Peer} | Config].

end_per_group(_Configuration, Config) ->
    rustls_dist_crowds:stop(?config(world, Config)).

silent_crowd(Config) -> withstand(Config, silent, ?LARGE_CROWD).
garbage_crowd(Config) -> withstand(Config, garbage, ?CROWD).
tls_garbage_crowd(Config) -> withstand(Config, tls_garbage, ?CROWD).
half_hello_crowd(Config) -> withstand(Config, half_hello, ?LARGE_CROWD).
endless_hello_crowd(Config) -> withstand(Config, endless_hello, ?CROWD).
plain_distribution_crowd(Config) -> withstand(Config, plain_distribution, ?CROWD).

withstand(Config, Kind, Size) ->
    rustls_dist_crowds:withstand(?config(world, Config), Kind, #{crowd => Size, joins => ?JOINS}).

%% What Rust held for strangers is free, which the VM's own count would not tell. The first ones fill the allocators, which take a
%% piece more now and then; what is not freed shows each time.
resident_memory(Config) ->
    Listener = ?config(listener, Config),
    ok = endless_hellos(Listener),
    Growths = [begin
                   Before = rustls_dist_crowds:resident_kb(Listener),
                   ok = endless_hellos(Listener),
                   rustls_dist_crowds:resident_kb(Listener) - Before
               end || _ <- lists:seq(1, 3)],
    ?assertEqual({Growths, true}, {Growths, lists:min(Growths) < ?KEPT_KB}).

%% Each goes away in the middle of its hello, when all are there.
endless_hellos(Node) ->
    Port = rustls_dist_cluster:listening_port(Node),
    #{ports := Ports} = rustls_dist_crowds:taken(Node),
    Sockets = [begin
                   {ok, Socket} = gen_tcp:connect({127, 0, 0, 1}, Port, [binary, {active, false}]),
                   ok = gen_tcp:send(Socket, rustls_dist_hellos:endless(32768)),
                   Socket
               end || _ <- lists:seq(1, ?HELLOS)],
    _ = [gen_tcp:close(Socket) || Socket <- Sockets],
    rustls_dist_cluster:poll(fun() ->
                                     #{ports := Now, handshakes := Handshakes} = rustls_dist_crowds:taken(Node),
                                     Now =< Ports andalso Handshakes =:= 0 andalso ok
                             end).

%% More than 32 KiB without a complete hello: the alert decode_error, and a line in the log that says why.
hello_too_long(Config) ->
    %% The listener has said so much of crowds that its log counts them only.
    Node = ?config(peer, Config),
    {ok, Socket} = gen_tcp:connect({127, 0, 0, 1}, rustls_dist_cluster:listening_port(Node), [binary, {active, false}]),
    ok = gen_tcp:send(Socket, rustls_dist_hellos:endless(33000)),
    ?assertEqual({ok, <<21, 3, 3, 2:16, 2, 50>>}, gen_tcp:recv(Socket, 7, 5000)),
    ?assertEqual({error, closed}, gen_tcp:recv(Socket, 0, 5000)),
    ok = gen_tcp:close(Socket),
    _ = rustls_dist_cluster:await_log(Node, "client hello is longer than 32768 bytes.*alert decode_error").

%% The other way round: a node dials servers that take its hello in silence, or end in the middle of theirs.
silent_servers(Config) ->
    dials(Config, fun(Socket) -> {error, closed} = gen_tcp:recv(Socket, 100000, 10000) end).

servers_that_end(Config) ->
    dials(Config, fun(Socket) ->
                          {ok, _Hello} = gen_tcp:recv(Socket, 0, 5000),
                          ok = gen_tcp:send(Socket, <<22, 3, 3, 122:16, 2, 0, 0, 118, 3, 3>>),
                          ok = gen_tcp:close(Socket)
                  end).

%% Lets the peer dial a server that does with each connection what Serve says, at the same time, and all that they took must
%% be free.
dials(Config, Serve) ->
    #{pid := Control} = Peer = ?config(peer, Config),
    {ok, Listen} = gen_tcp:listen(0, [binary, {active, false}, {ip, {127, 0, 0, 1}}]),
    {ok, Port} = inet:port(Listen),
    Names = [lists:concat(["server", N]) || N <- lists:seq(1, ?DIALS)],
    Epmd = [rustls_dist_cluster:fake_node(?config(cluster, Config), Name, Port) || Name <- Names],
    Keys = [rpc:async_call(node(), peer, call, [Control, net_kernel, connect_node, [list_to_atom(Name ++ "@127.0.0.1")],
                                                15000]) || Name <- Names],
    Served = [begin
                  {ok, Socket} = gen_tcp:accept(Listen, 10000),
                  {Pid, _Ref} = spawn_monitor(fun() -> receive go -> Serve(Socket) end end),
                  ok = gen_tcp:controlling_process(Socket, Pid),
                  Pid ! go,
                  Pid
              end || _ <- Names],
    ?assertEqual([false], lists:usort([rpc:yield(Key) || Key <- Keys])),
    _ = [receive {'DOWN', _, process, Pid, Reason} -> ?assertEqual(normal, Reason) end || Pid <- Served],
    _ = [ok = gen_tcp:close(Socket) || Socket <- [Listen | Epmd]],
    rustls_dist_cluster:poll(fun() -> #{handshakes := Left} = rustls_dist_crowds:taken(Peer), Left =:= 0 end).

%% Kernel waits for a node that never comes, so that the node stays in the middle of its start for a while. The first
%% attempt to join, made as soon as epmd knows the node, is served then and there.
join_while_starting(Config) ->
    Cluster = ?config(cluster, Config),
    Peer = ?config(peer, Config),
    Node = 'late@127.0.0.1',
    Self = self(),
    Kernel = ["-kernel", "sync_nodes_optional", "['never@127.0.0.1']",
              "-kernel", "sync_nodes_timeout", integer_to_list(?START_MS)],
    Starter = spawn_link(fun() ->
                                 Late = rustls_dist_cluster:start(Cluster, late, #{optfile => ?config(optfile, Config),
                                                                                   args => Kernel}),
                                 Self ! {self(), started, Late},
                                 receive stop -> rustls_dist_cluster:stop_node(Late) end
                         end),
    {port, _Port, _Version} =
        rustls_dist_cluster:poll(fun() ->
                                         Found = rustls_dist_cluster:call(Peer, erl_epmd, port_please,
                                                                          ["late", {127, 0, 0, 1}]),
                                         Found =/= noport andalso Found
                                 end),
    ?assert(rustls_dist_cluster:call(Peer, net_kernel, connect_node, [Node])),
    receive {Starter, started, _} -> ct:fail(had_already_started) after 0 -> ok end,
    receive
        {Starter, started, Late} ->
            ?assert(rustls_dist_cluster:connected(Peer, Late)),
            ?assert(rustls_dist_cluster:connected(Late, Peer)),
            Starter ! stop
    end.

%% Out of file descriptors: said in the log, tried again, and over as soon as there are some.
no_file_descriptors(Config) ->
    Cluster = ?config(cluster, Config),
    Peer = ?config(peer, Config),
    Starved = rustls_dist_cluster:start(Cluster, starved, #{optfile => ?config(optfile, Config), args => ["-pa", own_folder()]}),
    "" = os:cmd("prlimit --pid " ++ rustls_dist_cluster:os_pid(Starved) ++ " --nofile=100:100"),
    Port = rustls_dist_cluster:listening_port(Starved),
    Holder = rustls_dist_cluster:call(Starved, ?MODULE, exhaust_descriptors, []),
    {ok, Waiting} = gen_tcp:connect({127, 0, 0, 1}, Port, [binary, {active, false}]),
    _ = rustls_dist_cluster:await_log(Starved, "file descriptors are used up"),
    true = rustls_dist_cluster:call(Starved, erlang, exit, [Holder, kill]),
    rustls_dist_cluster:poll(fun() -> rustls_dist_cluster:call(Peer, net_kernel, connect_node,
                                                               [rustls_dist_cluster:name(Starved)]) end),
    gen_tcp:close(Waiting),
    rustls_dist_cluster:stop_node(Starved).

%% A crowd that would take all descriptors of the process gets its share of them: joins come through, files are opened.
%% Then others take so many that the share is not there: the oldest of the crowd make room.
few_file_descriptors(Config) ->
    Limit = integer_to_list(?DESCRIPTORS),
    Few = rustls_dist_cluster:start(?config(cluster, Config), few,
                                    #{optfile => ?config(optfile, Config),
                                      exec => {os:find_executable("prlimit"),
                                               ["--nofile=" ++ Limit ++ ":" ++ Limit, os:find_executable("erl")]},
                                      args => ["-kernel", "dist_auto_connect", "never", "-connect_all", "false", "-pa", own_folder()]}),
    World = (?config(world, Config))#{listener => Few},
    Port = rustls_dist_cluster:listening_port(Few),
    _ = rustls_dist_crowds:join_times(World, 1),
    Crowd = silent(Port, ?SILENT),
    ?assertMatch([Slowest | _] when Slowest < ?JOIN_MS, descending(rustls_dist_crowds:join_times(World, ?JOINS))),
    ?assertEqual(ok, rustls_dist_cluster:call(Few, ?MODULE, open_file, [maps:get(log, Few)])),
    _ = rustls_dist_cluster:await_log(Few, "the oldest is dropped for a new one"),
    Holder = rustls_dist_cluster:call(Few, ?MODULE, exhaust_descriptors, []),
    More = silent(Port, 3),
    ?assertMatch([Slowest | _] when Slowest < ?JOIN_MS, descending(rustls_dist_crowds:join_times(World, 1))),
    true = rustls_dist_cluster:call(Few, erlang, exit, [Holder, kill]),
    %% What was dropped is counted, by the reason for it.
    ?assert(dropped(Few, <<"too_many">>) >= ?SILENT - ?DESCRIPTORS),
    ?assert(dropped(Few, <<"no_descriptor">>) > 0),
    _ = [gen_tcp:close(Socket) || Socket <- Crowd ++ More],
    rustls_dist_cluster:stop_node(Few).

%% For nodes that run functions of this module.
own_folder() ->
    filename:dirname(code:which(?MODULE)).

dropped(Node, Why) ->
    Figures = rustls_dist_cluster:call(Node, rustls_dist, metrics, []),
    [Count] = [Value || #{name := rustls_dist_connections_dropped_total, labels := #{reason := Reason}, value := Value} <- Figures,
                        Reason =:= Why],
    Count.

silent(Port, Count) ->
    [begin {ok, Socket} = gen_tcp:connect({127, 0, 0, 1}, Port, []), Socket end || _ <- lists:seq(1, Count)].

descending(Times) ->
    lists:reverse(lists:sort(Times)).

%% Called on a node.
open_file(Name) ->
    {ok, File} = file:open(Name, [read]),
    file:close(File).

%% net_kernel starts another one.
accept_loop_dies(Config) ->
    Listener = ?config(listener, Config),
    Peer = ?config(peer, Config),
    [Loop] = accept_loops(Listener),
    true = rustls_dist_cluster:call(Listener, erlang, exit, [Loop, kill]),
    rustls_dist_cluster:poll(fun() -> accept_loops(Listener) =/= [Loop] andalso accept_loops(Listener) =/= [] end),
    ok = rustls_dist_cluster:join(Peer, Listener),
    ok = rustls_dist_cluster:part(Peer, Listener).

accept_loops(Node) ->
    Processes = rustls_dist_cluster:call(Node, erlang, processes, []),
    [Pid || Pid <- Processes,
            {initial_call, {rustls_dist_acceptor, init, 3}}
                <- [rustls_dist_cluster:call(Node, erlang, process_info, [Pid, initial_call])]].

%% Called on a node: opens sockets until there is no descriptor left, in a process that lives until it is killed.
exhaust_descriptors() ->
    Self = self(),
    Holder = spawn(fun() -> hold(Self, []) end),
    receive {Holder, full} -> Holder end.

hold(From, Held) ->
    case gen_udp:open(0) of
        {ok, Socket} ->
            hold(From, [Socket | Held]);
        {error, _} ->
            From ! {self(), full},
            receive {never, Held} -> ok end
    end.
