%% Throughput and CPU time: many messages of one size, from one node to one or more others, or both ways.
-module(rustls_dist_bench_throughput).

-export([all/4]).

-define(CALL_MS, 120000).

%% What the first attempt sends, from which the length of a run is estimated.
-define(PILOT_BYTES, 2097152).
-define(PILOT_MESSAGES, 2000).

%% Measures all points of the plan, see point/4.
-spec all([rustls_dist_bench_carriers:star()], rustls_dist_bench_floor:floor(),
          #{throughput := [rustls_dist_bench_plan:point()], rounds := pos_integer(), _ => _},
          fun((io:format(), [term()]) -> ok)) -> [map()].
all(Stars, Floor, #{throughput := Points, rounds := Rounds}, Progress) ->
    lists:append([begin
                      Progress("throughput ~w of ~w: ~w B, ~w sender(s), ~w peer(s), ~w way(s)",
                               [Nth, length(Points), Size, Senders, Peers, Ways]),
                      point(Stars, Floor, Point, Rounds)
                  end || {Nth, #{size := Size, senders := Senders, peers := Peers, directions := Ways} = Point}
                             <- lists:enumerate(Points)]).

%% Measures one point with all carriers, and the bare-Rust program where it can do the same, interleaved. A warm-up
%% finds how many messages fill run_ms. Gives a map of figures a carrier, with the point's keys; mb_per_s counts payload
%% only, and is 0 when there is none.
point(Stars, Floor, Point, Rounds) ->
    Carriers = [{Name, warm(Star, Point)} || #{carrier := Name} = Star <- Stars],
    Runs = rustls_dist_bench_rounds:interleaved(Rounds, Carriers ++ rustls_dist_bench_floor:contender(Floor, Point)),
    [(maps:merge(maps:without([run_ms], Point), rustls_dist_bench_stats:medians(Figures)))
     #{carrier => Name, runs => [maps:get(messages_per_s, Run) || Run <- Figures]}
     || {Name, Figures} <- Runs].

%% Two attempts: the first is mostly latency when the carrier is fast.
warm(Star, #{size := Size, senders := Senders, run_ms := RunMs} = Point) ->
    First = max(1, min(?PILOT_MESSAGES, ?PILOT_BYTES div max(1, Size)) div Senders),
    Second = enough(First, timed(Star, Point, First), RunMs div 3),
    Count = enough(Second, timed(Star, Point, Second), RunMs),
    fun() -> run(Star, Point, Count) end.

enough(Count, Ns, WantedMs) ->
    max(1, round(Count * WantedMs * 1.0e6 / Ns)).

run(Star, #{size := Size} = Point, Count) ->
    Nodes = nodes_of(Star, Point),
    Before = rustls_dist_bench_carriers:cpu_s(Nodes),
    Ns = timed(Star, Point, Count),
    Cpu = rustls_dist_bench_carriers:cpu_s(Nodes) - Before,
    Messages = Count * lists:sum([length(To) || {_, To} <- flows(Star, Point)]),
    Bytes = Messages * Size,
    #{messages_per_s => Messages * 1.0e9 / Ns, mb_per_s => Bytes * 1000 / Ns,
      cpu_s_per_million => Cpu * 1.0e6 / Messages, cpu_s_per_gb => per_gb(Cpu, Bytes)}.

per_gb(_Cpu, 0) -> 0.0;
per_gb(Cpu, Bytes) -> Cpu * 1.0e9 / Bytes.

timed(Star, #{size := Size} = Point, Count) ->
    rustls_dist_cluster:call(rustls_dist_bench_carriers:first(Star), rustls_dist_bench_load, run,
                             [flows(Star, Point), Size, Count], ?CALL_MS).

nodes_of(Star, #{peers := Peers}) ->
    [rustls_dist_bench_carriers:first(Star) | lists:sublist(rustls_dist_bench_carriers:peers(Star), Peers)].

%% Who sends to whom. Senders are spread over the peers; one that is alone with several peers takes them in turn.
flows(Star, #{senders := Senders, directions := Directions} = Point) ->
    [First | Peers] = [rustls_dist_cluster:name(Node) || Node <- nodes_of(Star, Point)],
    There = case Senders < length(Peers) of
                true -> [{First, Peers} || _ <- lists:seq(1, Senders)];
                false -> [{First, [lists:nth(Nth rem length(Peers) + 1, Peers)]} || Nth <- lists:seq(1, Senders)]
            end,
    There ++ [{Peer, [First]} || Directions =:= 2, {_, To} <- There, Peer <- To].
