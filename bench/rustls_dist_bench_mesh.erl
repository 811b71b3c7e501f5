%% Many nodes that all connect to each other: how long it takes from the moment at which all of them begin until each has a
%% link to each. Two nodes often dial each other at the same time; that is a part of it.
-module(rustls_dist_bench_mesh).

-export([measure/3]).
-export([connect_all_at/2, part_all/0]).

%% From the order to connect until the moment at which all do.
-define(LEAD_MS, 1000).

%% A mesh that is not complete by then never will be.
-define(DEADLINE_MS, 180000).
-define(CALL_MS, (?LEAD_MS + ?DEADLINE_MS + 10000)).
-define(PAUSE_MS, 10).

%% Gives a map a carrier and number of nodes: milliseconds until the node that was last had all its links, and of the middle
%% one.
-spec measure([rustls_dist_bench_crowd:crowd()], rustls_dist_bench_plan:crowd(), fun((io:format(), [term()]) -> ok)) -> [map()].
measure(Crowds, #{meshes := Meshes}, Progress) ->
    lists:append([size(Crowds, Count, Rounds, Progress) || {Count, Rounds} <- Meshes]).

size(Crowds, Count, Rounds, Progress) ->
    Progress("a mesh of ~w nodes", [Count]),
    Runs = rustls_dist_bench_rounds:interleaved(
             Rounds, [{Name, fun() -> run(lists:sublist(Nodes, Count)) end} || #{carrier := Name, nodes := Nodes} <- Crowds]),
    [(rustls_dist_bench_stats:medians(Figures))#{carrier => Name, nodes => Count, runs => Rounds} || {Name, Figures} <- Runs].

run(Nodes) ->
    Names = [rustls_dist_cluster:name(Node) || Node <- Nodes],
    At = erlang:system_time(millisecond) + ?LEAD_MS,
    Done = lists:sort(on_all(Nodes, connect_all_at, [Names, At])),
    _ = on_all(Nodes, part_all, []),
    _ = [rustls_dist_cluster:poll(fun() -> rustls_dist_cluster:call(Node, erlang, nodes, [connected]) =:= [] end)
         || Node <- Nodes],
    #{p50_ms => rustls_dist_bench_stats:percentile(500, Done), all_ms => lists:last(Done)}.

on_all(Nodes, Function, Arguments) ->
    rustls_dist_bench_rounds:together(
      [fun() -> rustls_dist_cluster:call(Node, ?MODULE, Function, Arguments, ?CALL_MS) end || Node <- Nodes]).

%% Runs on each node. Connects to all the others, those behind itself in the list first, so that not all begin with the same.
%% Gives the milliseconds from the given moment of the system clock until all links were up.
-spec connect_all_at([node(), ...], integer()) -> number().
connect_all_at(Names, AtMs) ->
    {Before, [_Self | Behind]} = lists:splitwith(fun(Name) -> Name =/= node() end, Names),
    receive after max(0, AtMs - erlang:system_time(millisecond)) -> ok end,
    From = erlang:monotonic_time(microsecond),
    connect_all(Behind ++ Before, From + ?DEADLINE_MS * 1000),
    (erlang:monotonic_time(microsecond) - From) / 1000.

%% An attempt may fail when the other node's own attempt wins: what counts is the link.
connect_all([], _DeadlineUs) ->
    ok;
connect_all(Missing, DeadlineUs) ->
    _ = [net_kernel:connect_node(Name) || Name <- Missing],
    case Missing -- nodes(connected) of
        [] ->
            ok;
        Still ->
            erlang:monotonic_time(microsecond) < DeadlineUs orelse error({no_mesh, Still}),
            receive after ?PAUSE_MS -> ok end,
            connect_all(Still, DeadlineUs)
    end.

%% Runs on each node.
-spec part_all() -> ok.
part_all() ->
    lists:foreach(fun erlang:disconnect_node/1, nodes(connected)).
