%% One node and many small ones: how long it takes when all of them connect to it at the same moment, what an idle link
%% takes on it, and what it does when it talks to many at once.
-module(rustls_dist_bench_crowd).

-export([start/5, stop/1, measure/3, many_links/3]).
-export([connect_at/2]).

-export_type([crowd/0]).

-define(CALL_MS, 120000).

%% From the order to connect until the moment at which all do.
-define(LEAD_MS, 500).

%% Nodes are started by so many processes at a time.
-define(STARTERS, 2).

%% hub: starts a fresh node for the middle.
-type crowd() :: #{carrier := binary(), hub := fun(() -> rustls_dist_cluster:peer()), nodes := [rustls_dist_cluster:peer()]}.

%% The small nodes of all carriers. Nobody has a link.
-spec start(rustls_dist_cluster:cluster(), file:filename(), [rustls_dist_bench_carriers:carrier()],
            rustls_dist_bench_plan:crowd(), fun((io:format(), [term()]) -> ok)) -> [crowd()].
start(Cluster, Optfile, Carriers, #{nodes := Count}, Progress) ->
    Progress("starting ~w small nodes a carrier", [Count]),
    [crowd(Cluster, Optfile, Carrier, Count) || Carrier <- Carriers].

-spec stop(crowd()) -> ok.
stop(#{nodes := Nodes}) ->
    lists:foreach(fun rustls_dist_cluster:stop_node/1, Nodes).

%% Gives two lists of maps, one a carrier: the set-up at once, and the idle link.
-spec measure([crowd()], rustls_dist_bench_plan:crowd(), fun((io:format(), [term()]) -> ok)) ->
          {AtOnce :: [map()], Idle :: [map()]}.
measure(Crowds, #{rounds := Rounds, at_once := Count, idle_links := Links}, Progress) ->
    Progress("~w nodes connect at once; memory of an idle link", [Count]),
    Contenders = [{Name, fun() -> run(Crowd, Count, Links) end} || #{carrier := Name} = Crowd <- Crowds],
    Runs = rustls_dist_bench_rounds:interleaved(Rounds, Contenders),
    {medians(at_once, Runs), case Links of none -> []; _ -> medians(idle_link, Runs) end}.

medians(Key, Runs) ->
    [(rustls_dist_bench_stats:medians([maps:get(Key, Run) || Run <- Figures]))#{carrier => Name} || {Name, Figures} <- Runs].

%% Throughput between one node and many, as rustls_dist_bench_throughput gives it.
-spec many_links([crowd()], rustls_dist_bench_plan:crowd(), fun((io:format(), [term()]) -> ok)) -> [map()].
many_links(Crowds, #{many_links := Points, rounds := Rounds}, Progress) ->
    Count = lists:max([Peers || #{peers := Peers} <- Points]),
    Stars = [star(Crowd, Count) || Crowd <- Crowds],
    Figures = rustls_dist_bench_throughput:all(Stars, none, #{throughput => Points, rounds => Rounds}, Progress),
    _ = [left(Hub, Peers) || #{first := Hub, peers := Peers} <- Stars],
    Figures.

star(#{carrier := Name, hub := Start, nodes := Nodes}, Count) ->
    Hub = Start(),
    Peers = lists:sublist(Nodes, Count),
    _ = [rustls_dist_cluster:join(Hub, Node) || Node <- Peers],
    #{carrier => Name, first => Hub, peers => Peers}.

%% Ends the hub, and waits until the others have seen it.
left(Hub, Nodes) ->
    rustls_dist_cluster:stop_node(Hub),
    lists:foreach(fun(Node) -> rustls_dist_cluster:poll(fun() -> not rustls_dist_cluster:connected(Node, Hub) end) end, Nodes).

-spec crowd(rustls_dist_cluster:cluster(), file:filename(), rustls_dist_bench_carriers:carrier(), pos_integer()) -> crowd().
crowd(Cluster, Optfile, #{name := Name} = Carrier, Count) ->
    #{args := Args} = Options = rustls_dist_bench_carriers:node_options(Optfile, Carrier),
    Small = Options#{args => Args ++ ["+S", "1", "+A", "1", "+SDcpu", "1", "+SDio", "1"]},
    #{carrier => Name, hub => fun() -> rustls_dist_cluster:start(Cluster, Options) end,
      nodes => start_many(Cluster, Small, Count)}.

%% A node is linked to the process that starts it, so that those stay as long as this one.
start_many(Cluster, Options, Count) ->
    Self = self(),
    Starters = [spawn_link(fun() ->
                                   Shares = lists:seq(Nth, Count, ?STARTERS),
                                   Self ! {self(), [rustls_dist_cluster:start(Cluster, Options) || _ <- Shares]},
                                   receive stop -> ok end
                           end) || Nth <- lists:seq(1, ?STARTERS)],
    lists:append([receive {Starter, Nodes} -> Nodes end || Starter <- Starters]).

%% The node in the middle is a fresh one each time: one that has had many links keeps memory that hides the next.
run(#{hub := Start, nodes := Nodes}, Count, Links) ->
    Hub = Start(),
    Slope = idle_link(Hub, Nodes, Links),
    AtOnce = at_once(Hub, lists:sublist(Nodes, Count)),
    left(Hub, Nodes),
    #{idle_link => Slope, at_once => AtOnce}.

idle_link(_Hub, _Nodes, none) ->
    none;
idle_link(Hub, Nodes, {Fewer, More}) ->
    {First, Rest} = lists:split(Fewer, lists:sublist(Nodes, More)),
    AtFewer = joined(Hub, First),
    AtMore = joined(Hub, Rest),
    _ = [ok = rustls_dist_cluster:part(Hub, Node) || Node <- First ++ Rest],
    maps:map(fun(Key, Value) -> (Value - maps:get(Key, AtFewer)) / (More - Fewer) end, AtMore).

joined(Hub, Nodes) ->
    _ = [rustls_dist_cluster:join(Hub, Node) || Node <- Nodes],
    rustls_dist_cluster:call(Hub, rustls_dist_bench_memory, settled, [], ?CALL_MS).

%% all_ms: until the last one that came through was up.
at_once(Hub, Nodes) ->
    At = erlang:system_time(millisecond) + ?LEAD_MS,
    Results = rustls_dist_bench_rounds:together(
                [fun() -> rustls_dist_cluster:call(Node, ?MODULE, connect_at, [rustls_dist_cluster:name(Hub), At], ?CALL_MS) end
                 || Node <- Nodes]),
    Up = lists:sort([Ns / 1.0e6 || {true, Ns} <- Results]),
    Up =/= [] orelse error({all_refused, Results}),
    #{nodes => length(Nodes), refused => length(Nodes) - length(Up), p50_ms => rustls_dist_bench_stats:percentile(500, Up),
      all_ms => lists:last(Up)}.

%% Runs on a small node: connects to Hub at a moment of the system clock, in milliseconds.
-spec connect_at(node(), integer()) -> {boolean() | ignored, non_neg_integer()}.
connect_at(Hub, AtMs) ->
    receive after max(0, AtMs - erlang:system_time(millisecond)) -> ok end,
    rustls_dist_bench_setup:connect(Hub).
