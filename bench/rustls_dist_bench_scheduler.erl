%% What a saturated link does to other processes of its nodes: a process of each node wants to run every millisecond,
%% and it is measured how much later it does.
-module(rustls_dist_bench_scheduler).

-export([measure/3]).
-export([lateness/1]).

-define(CALL_MS, 120000).

%% Measures each carrier's sending and receiving node under a bulk transfer, and a node with nothing to do, interleaved.
%% Gives a map of latency figures a carrier and node.
-spec measure([rustls_dist_bench_carriers:star()], rustls_dist_bench_plan:plan(), fun((io:format(), [term()]) -> ok)) ->
          [map()].
measure(_Stars, #{scheduler := false}, _Progress) ->
    [];
measure([Quiet | _] = Stars, #{rounds := Rounds, busy_ms := Ms}, Progress) ->
    Progress("scheduler interference", []),
    Runs = rustls_dist_bench_rounds:interleaved(
             Rounds, [{<<"no load">>, fun() -> quiet(Quiet, Ms) end}
                      | [{Name, fun() -> run(Star, Ms) end} || #{carrier := Name} = Star <- Stars]]),
    [(rustls_dist_bench_stats:medians([maps:get(Node, Run) || Run <- Figures]))#{carrier => Name, node => Node}
     || {Name, [First | _] = Figures} <- Runs, Node <- maps:keys(First)].

quiet(Star, Ms) ->
    #{sender => late(rustls_dist_bench_carriers:first(Star), Ms)}.

run(Star, Ms) ->
    First = rustls_dist_bench_carriers:first(Star),
    [Peer | _] = rustls_dist_bench_carriers:peers(Star),
    Bulk = rustls_dist_cluster:call(First, rustls_dist_bench_bulk, start, [rustls_dist_cluster:name(Peer)], ?CALL_MS),
    Self = self(),
    Receiver = spawn_link(fun() -> Self ! {self(), late(Peer, Ms)} end),
    AtSender = late(First, Ms),
    AtReceiver = receive {Receiver, Figures} -> Figures end,
    _ = rustls_dist_cluster:call(First, rustls_dist_bench_bulk, stop, [Bulk], ?CALL_MS),
    #{sender => AtSender, receiver => AtReceiver}.

late(Node, Ms) ->
    rustls_dist_bench_stats:latency(rustls_dist_cluster:call(Node, ?MODULE, lateness, [Ms], ?CALL_MS)).

%% Runs on a measured node. How late each of Count timers, one a millisecond, had its process running, in nanoseconds.
%% The timers' times are fixed beforehand: one delay that covers several of them counts for each.
-spec lateness(pos_integer()) -> [non_neg_integer()].
lateness(Count) ->
    Start = erlang:monotonic_time(millisecond) + 2,
    [late_for(Start + Nth) || Nth <- lists:seq(1, Count)].

late_for(AtMs) ->
    Timer = erlang:start_timer(AtMs, self(), now, [{abs, true}]),
    receive
        {timeout, Timer, now} -> max(0, erlang:monotonic_time(nanosecond) - AtMs * 1000000)
    end.
