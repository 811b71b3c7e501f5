%% hibernate_after: the processes of an idle link hibernate, the link works as before, and ticks do not end it
%% (issue 4, point 1).
-module(rustls_dist_hibernate_SUITE).

-include_lib("common_test/include/ct.hrl").
-include_lib("stdlib/include/assert.hrl").

-export([all/0, init_per_suite/1, end_per_suite/1]).
-export([idle_link_hibernates/1, flag/1, each_side_its_own/1, off_by_default/1, ticks/1, busy_link/1, ends_as_ever/1]).

-define(SHORT_MS, 50).
-define(HIBERNATING, {erlang, hibernate, 3}).

%% The shortest net_ticktime is a second, with 4 ticks.
-define(TICKTIME, ["-kernel", "net_ticktime", "2"]).
-define(TICKS, 12).

all() ->
    [idle_link_hibernates, flag, each_side_its_own, off_by_default, ticks, busy_link, ends_as_ever].

init_per_suite(Config) ->
    {Keeper, Started} =
        rustls_dist_cluster:keep(
          fun() ->
                  Cluster = rustls_dist_cluster:new(),
                  Dir = rustls_dist_cluster:dir(Cluster),
                  Cert = rustls_dist_certs:cert(Dir, rustls_dist_certs:ca(Dir, "ca"), "node", #{}),
                  [{cluster, Cluster}, {cert, Cert}]
          end),
    [{keeper, Keeper} | Started ++ Config].

end_per_suite(Config) ->
    ok = rustls_dist_cluster:stop(?config(cluster, Config)),
    rustls_dist_cluster:release(?config(keeper, Config)).

%% Asleep, awake with traffic in either direction, and asleep again.
idle_link_hibernates(Config) ->
    [A, B] = Nodes = [start(Config, optfile, #{hibernate_after => ?SHORT_MS}, []) || _ <- [a, b]],
    _ = [call(Node, rustls_dist_workload, start_echo, []) || Node <- Nodes],
    ok = rustls_dist_cluster:join(A, B),
    Processes = [link_of(A, B), link_of(B, A)],
    [begin
         await_asleep(A, B),
         await_asleep(B, A),
         [?assertEqual(ok, call(From, rustls_dist_workload, round_trip, [name(To), Bytes]))
          || Bytes <- [0, 100, 1 bsl 20]]
     end || {From, To} <- [{A, B}, {B, A}, {A, B}]],
    ?assertEqual(Processes, [link_of(A, B), link_of(B, A)]),
    rustls_dist_pair:stop(Nodes).

%% On the command line, where inet_tls takes the option too.
flag(Config) ->
    [A, B] = Nodes = [start(Config, flag, #{hibernate_after => ?SHORT_MS}, []) || _ <- [a, b]],
    ok = rustls_dist_cluster:join(A, B),
    await_asleep(A, B),
    await_asleep(B, A),
    rustls_dist_pair:stop(Nodes).

%% It is the role in the link that counts: here the servers' processes hibernate, the clients' do not.
each_side_its_own(Config) ->
    [A, B] = Nodes = [start_sides(Config, #{hibernate_after => ?SHORT_MS}, #{}) || _ <- [a, b]],
    [begin
         ok = rustls_dist_cluster:join(Client, Server),
         await_asleep(Server, Client),
         stays_awake(Client, Server),
         ok = rustls_dist_cluster:part(Client, Server)
     end || {Client, Server} <- [{A, B}, {B, A}]],
    rustls_dist_pair:stop(Nodes).

off_by_default(Config) ->
    [A, B, C] = Nodes = [start(Config, optfile, Options, []) || Options <- [#{}, #{}, #{hibernate_after => infinity}]],
    ok = rustls_dist_cluster:join(A, B),
    ok = rustls_dist_cluster:join(C, A),
    [stays_awake(From, To) || {From, To} <- [{A, B}, {B, A}, {C, A}]],
    rustls_dist_pair:stop(Nodes).

%% Ticks wake the processes for a moment; the link outlives many times net_ticktime, with traffic at its end.
ticks(Config) ->
    [A, B] = Nodes = [start(Config, optfile, #{hibernate_after => ?SHORT_MS}, ?TICKTIME) || _ <- [a, b]],
    ok = call(A, rustls_dist_workload, watch_nodes, []),
    ok = rustls_dist_cluster:join(A, B),
    Processes = [link_of(A, B), link_of(B, A)],
    Before = sent(A, B),
    rustls_dist_cluster:poll(fun() -> sent(A, B) >= Before + ?TICKS end, 60000),
    await_asleep(A, B),
    await_asleep(B, A),
    ?assertEqual(true, call(A, rustls_dist_workload, ping, [name(B)])),
    ?assertEqual(Processes, [link_of(A, B), link_of(B, A)]),
    ?assertEqual([], [Event || {nodedown, _, _} = Event <- call(A, rustls_dist_workload, node_events, [])]),
    rustls_dist_pair:stop(Nodes).

%% As often as can be, under traffic.
busy_link(Config) ->
    [A, B] = Nodes = [start(Config, optfile, #{hibernate_after => 0}, []) || _ <- [a, b]],
    ok = rustls_dist_cluster:join(A, B),
    [?assertEqual(ok, call(From, rustls_dist_workload, stream, [name(To), 4, 200, Bytes], 60000))
     || {From, To} <- [{A, B}, {B, A}], Bytes <- [10, 70000]],
    await_asleep(A, B),
    await_asleep(B, A),
    rustls_dist_pair:stop(Nodes).

%% Whichever process ends while all are asleep, the others end with its reason.
ends_as_ever(Config) ->
    [A, B] = Nodes = [start(Config, optfile, #{hibernate_after => 0}, ["-connect_all", "false"]) || _ <- [a, b]],
    ok = call(A, rustls_dist_workload, watch_nodes, []),
    [begin
         ok = rustls_dist_cluster:join(A, B),
         await_asleep(A, B),
         #{Which := Pid} = link_of(A, B),
         true = call(A, erlang, exit, [Pid, {ended, Which}]),
         ?assertEqual({ended, Which}, lists:last(await_downs(A, N)))
     end || {N, Which} <- [{1, controller}, {2, input}]],
    ok = rustls_dist_cluster:join(A, B),
    await_asleep(A, B),
    ok = rustls_dist_cluster:part(B, A),
    ?assertEqual(connection_closed, lists:last(await_downs(A, 3))),
    rustls_dist_pair:stop(Nodes).

%% ----------------------------------------------------------------------------------------------------------

start(Config, Source, Extra, Arguments) ->
    Options = rustls_dist_certs:options(?config(cert, Config), Extra),
    Given = case Source of
                flag -> rustls_dist_cluster:flags(Options);
                optfile -> ["-ssl_dist_optfile", file(Config, Options)]
            end,
    rustls_dist_cluster:start(?config(cluster, Config), #{args => Given ++ Arguments}).

start_sides(Config, ServerExtra, ClientExtra) ->
    [{server, Server}, {client, Client}] = rustls_dist_certs:options(?config(cert, Config)),
    Options = [{server, Server ++ maps:to_list(ServerExtra)}, {client, Client ++ maps:to_list(ClientExtra)}],
    rustls_dist_cluster:start(?config(cluster, Config), #{optfile => file(Config, Options)}).

file(Config, Options) ->
    Name = lists:concat(["h", erlang:unique_integer([positive])]),
    rustls_dist_cluster:optfile(?config(cluster, Config), Name, Options).

link_of(Node, Peer) ->
    call(Node, rustls_dist_workload, link_processes, [name(Peer)]).

await_asleep(Node, Peer) ->
    rustls_dist_cluster:poll(fun() -> functions(Node, Peer) =:= [?HIBERNATING, ?HIBERNATING] end).

%% Looked at for much longer than it takes to fall asleep.
stays_awake(Node, Peer) ->
    Until = erlang:monotonic_time(millisecond) + 10 * ?SHORT_MS,
    ok = rustls_dist_cluster:poll(
           fun() ->
                   ?assertNot(lists:member(?HIBERNATING, functions(Node, Peer))),
                   erlang:monotonic_time(millisecond) > Until andalso ok
           end).

functions(Node, Peer) ->
    #{controller := Controller, input := Input} = link_of(Node, Peer),
    [begin
         {current_function, Function} = call(Node, erlang, process_info, [Pid, current_function]),
         Function
     end || Pid <- [Controller, Input]].

%% Packets that the socket of the link to Peer has sent.
sent(Node, Peer) ->
    Socket = call(Node, rustls_dist_workload, link_socket, [name(Peer)]),
    {ok, [{send_cnt, Count}]} = call(Node, inet, getstat, [Socket, [send_cnt]]),
    Count.

await_downs(Node, Count) ->
    rustls_dist_cluster:poll(
      fun() ->
              Reasons = [Reason || {nodedown, _, #{nodedown_reason := Reason}}
                                       <- call(Node, rustls_dist_workload, node_events, [])],
              length(Reasons) >= Count andalso Reasons
      end).

name(Peer) -> rustls_dist_cluster:name(Peer).
call(Peer, M, F, A) -> rustls_dist_cluster:call(Peer, M, F, A).
call(Peer, M, F, A, TimeoutMs) -> rustls_dist_cluster:call(Peer, M, F, A, TimeoutMs).
