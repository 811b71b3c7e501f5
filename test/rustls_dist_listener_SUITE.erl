%% A listener that cannot be stalled (issue 2, point 5): crowds of peers that connect and say nothing, or anything but TLS,
%% neither delay a real join nor keep threads, sockets or memory; a join during start-up is served; accept errors and a
%% dead accept loop are got over.
-module(rustls_dist_listener_SUITE).

-export([all/0, init_per_suite/1, end_per_suite/1]).
-export([silent_crowd/1, garbage_crowd/1, tls_garbage_crowd/1, half_hello_crowd/1, plain_distribution_crowd/1,
         join_while_starting/1, no_file_descriptors/1, accept_loop_dies/1]).
-export([exhaust_descriptors/0]).

-include_lib("common_test/include/ct.hrl").
-include_lib("stdlib/include/assert.hrl").

-define(CROWD, 1000).
-define(JOINS, 9).
-define(SETUP_S, 3).

%% What the issue allows a crowd to delay a join by, and how often a noisy machine may be measured anew.
-define(MAX_DELAY_MS, 200).
-define(MEASUREMENTS, 3).

%% How long a node's start is drawn out.
-define(START_MS, 3000).

all() ->
    [silent_crowd, garbage_crowd, tls_garbage_crowd, half_hello_crowd, plain_distribution_crowd,
     join_while_starting, no_file_descriptors, accept_loop_dies].

init_per_suite(Config) ->
    {Keeper, {Cluster, Optfile, Listener, Peer}} = rustls_dist_cluster:keep(fun start/0),
    [{keeper, Keeper}, {cluster, Cluster}, {optfile, Optfile}, {listener, Listener}, {peer, Peer} | Config].

start() ->
    Cluster = rustls_dist_cluster:new(),
    Dir = rustls_dist_cluster:dir(Cluster),
    Cert = rustls_dist_certs:cert(Dir, rustls_dist_certs:ca(Dir, "ca"), "node", #{}),
    Optfile = rustls_dist_cluster:optfile(Cluster, "node", rustls_dist_certs:options(Cert)),
    %% Nothing but the test itself makes links, so that they end when it says so.
    Options = #{optfile => Optfile, args => ["-kernel", "net_setuptime", integer_to_list(?SETUP_S),
                                             "-kernel", "dist_auto_connect", "never", "-connect_all", "false"]},
    {Cluster, Optfile, rustls_dist_cluster:start(Cluster, Options), rustls_dist_cluster:start(Cluster, Options)}.

end_per_suite(Config) ->
    rustls_dist_cluster:stop(?config(cluster, Config)),
    rustls_dist_cluster:release(?config(keeper, Config)).

silent_crowd(Config) ->
    withstand(Config, fun(_Socket) -> ok end).

garbage_crowd(Config) ->
    withstand(Config, fun(Socket) -> gen_tcp:send(Socket, crypto:strong_rand_bytes(200)) end).

%% A record header, and nothing behind it that makes sense.
tls_garbage_crowd(Config) ->
    withstand(Config, fun(Socket) -> gen_tcp:send(Socket, [<<22, 3, 1, 200:16>>, crypto:strong_rand_bytes(200)]) end).

half_hello_crowd(Config) ->
    withstand(Config, fun(Socket) -> gen_tcp:send(Socket, <<22, 3, 1, 512:16, 1, 0, 1, 252, 3, 3>>) end).

plain_distribution_crowd(Config) ->
    Name = <<"stranger@127.0.0.1">>,
    Packet = <<$N, 0:64, 1:32, (byte_size(Name)):16, Name/binary>>,
    withstand(Config, fun(Socket) -> gen_tcp:send(Socket, [<<(byte_size(Packet)):16>>, Packet]) end).

%% Joins are timed with and without the crowd; then the crowd must be gone, and all that it took.
withstand(Config, Act) ->
    Listener = ?config(listener, Config),
    Peer = ?config(peer, Config),
    _ = times(Peer, Listener),
    Before = taken(Listener),
    ?assert(is_delay_bounded(Peer, Listener, Act, ?MEASUREMENTS)),
    rustls_dist_cluster:poll(
      fun() ->
              #{ports := Ports, handshakes := Handshakes, processes := Processes} = taken(Listener),
              Ports =< maps:get(ports, Before) andalso Handshakes =< maps:get(handshakes, Before)
                  andalso Processes =< maps:get(processes, Before)
      end),
    _ = [rustls_dist_cluster:call(Listener, erlang, garbage_collect, [Pid])
         || Pid <- rustls_dist_cluster:call(Listener, erlang, processes, [])],
    %% A leak would be a thousand times anything's size.
    ?assert(maps:get(memory, taken(Listener)) < maps:get(memory, Before) + 8000000).

is_delay_bounded(_Peer, _Listener, _Act, 0) ->
    false;
is_delay_bounded(Peer, Listener, Act, Tries) ->
    Undisturbed = times(Peer, Listener),
    Threads = threads(Listener),
    Port = rustls_dist_cluster:listening_port(Listener),
    Crowd = [crowd_member(Port, Act) || _ <- lists:seq(1, ?CROWD)],
    Disturbed = times(Peer, Listener),
    ?assertEqual(Threads, threads(Listener)),
    _ = [dropped(Socket) || Socket <- Crowd],
    ct:log("undisturbed ~w ms, with the crowd ~w ms", [Undisturbed, Disturbed]),
    case Disturbed - Undisturbed =< ?MAX_DELAY_MS of
        true -> true;
        false -> is_delay_bounded(Peer, Listener, Act, Tries - 1)
    end.

crowd_member(Port, Act) ->
    {ok, Socket} = gen_tcp:connect({127, 0, 0, 1}, Port, [binary, {active, false}]),
    _ = Act(Socket),
    Socket.

%% Every one is dropped, at net_setuptime and a little at the latest; some are sent an alert before.
dropped(Socket) ->
    case gen_tcp:recv(Socket, 0, (?SETUP_S + 3) * 1000) of
        {ok, _Alert} -> dropped(Socket);
        {error, Reason} ->
            ?assertNotEqual(timeout, Reason),
            gen_tcp:close(Socket)
    end.

%% Median of some joins, in milliseconds.
times(Peer, Listener) ->
    Times = [begin
                 {Us, true} = rustls_dist_cluster:call(Peer, timer, tc, [net_kernel, connect_node, [Node]]),
                 ok = rustls_dist_cluster:part(Peer, Listener),
                 Us / 1000
             end || Node <- lists:duplicate(?JOINS, rustls_dist_cluster:name(Listener))],
    lists:nth(?JOINS div 2 + 1, lists:sort(Times)).

taken(Node) ->
    #{ports => length(rustls_dist_cluster:call(Node, erlang, ports, [])),
      processes => rustls_dist_cluster:call(Node, erlang, system_info, [process_count]),
      handshakes => maps:get(handshakes, rustls_dist_cluster:call(Node, rustls_dist_nif, resources, [])),
      memory => rustls_dist_cluster:call(Node, erlang, memory, [total])}.

threads(Node) ->
    {ok, Status} = file:read_file(["/proc/", rustls_dist_cluster:os_pid(Node), "/status"]),
    {match, [Threads]} = re:run(Status, "Threads:\\s+(\\d+)", [{capture, [1], list}]),
    list_to_integer(Threads).

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
    Starved = rustls_dist_cluster:start(Cluster, starved, #{optfile => ?config(optfile, Config)}),
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
