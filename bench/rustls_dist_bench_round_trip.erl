%% Round trips of a message and its echo: on an idle link, while the same link carries a bulk transfer, and while
%% another link of the same node does.
-module(rustls_dist_bench_round_trip).

-export([measure/3]).
-export([pings/3, pings_beside/4, echo/0]).

-export_type([load/0]).

-type load() :: idle | same_link | other_link.

-define(CALL_MS, 120000).
-define(WARM_UP_PINGS, 200).
-define(ECHO_MS, 30000).

%% Measures the plan's loads and sizes with all carriers, interleaved. Gives a map a carrier, load and size: medians
%% over the runs of each run's percentiles; samples is the number of round trips a run; p99_worst_us is the 99th
%% percentile of the run where it is highest, runs how many there were.
-spec measure([rustls_dist_bench_carriers:star()], rustls_dist_bench_plan:plan(), fun((io:format(), [term()]) -> ok)) ->
          [map()].
measure(Stars, #{loads := Loads, ping_sizes := Sizes} = Plan, Progress) ->
    lists:append([situation(Stars, Plan, Load, Size, Progress) || Load <- Loads, Size <- Sizes]).

situation(Stars, Plan, Load, Size, Progress) ->
    Progress("round trip, ~w B, ~w", [Size, Load]),
    Runs = rustls_dist_bench_rounds:interleaved(
             rounds(Load, Plan), [{Name, fun() -> run(Star, Load, Size, Plan) end} || #{carrier := Name} = Star <- Stars]),
    [(rustls_dist_bench_stats:medians(Figures))#{carrier => Name, load => Load, size => Size, runs => length(Figures),
                                                 p99_worst_us => lists:max([P99 || #{p99_us := P99} <- Figures])}
     || {Name, Figures} <- Runs].

rounds(idle, #{rounds := Rounds}) -> Rounds;
rounds(_Beside, #{beside_rounds := Rounds}) -> Rounds.

run(Star, Load, Size, #{pings := Pings, busy_ms := Ms}) ->
    First = rustls_dist_bench_carriers:first(Star),
    [Peer | Others] = [rustls_dist_cluster:name(Node) || Node <- rustls_dist_bench_carriers:peers(Star)],
    {Function, Arguments} = case Load of
                                idle -> {pings, [Peer, Size, Pings]};
                                same_link -> {pings_beside, [Peer, Size, Peer, Ms]};
                                other_link -> {pings_beside, [Peer, Size, hd(Others), Ms]}
                            end,
    rustls_dist_bench_stats:latency(rustls_dist_cluster:call(First, ?MODULE, Function, Arguments, ?CALL_MS)).

%% Runs on a measured node. Count round trips of Size bytes of payload to Node and back, in nanoseconds. Every echo is
%% compared with what was sent.
-spec pings(node(), non_neg_integer(), pos_integer()) -> [pos_integer()].
pings(Node, Size, Count) ->
    with_echo(Node, fun(Echo) ->
                            Payload = crypto:strong_rand_bytes(Size),
                            _ = [ping(Echo, Payload, Number) || Number <- lists:seq(1, ?WARM_UP_PINGS)],
                            [ping(Echo, Payload, Number) || Number <- lists:seq(1, Count)]
                    end).

%% Runs on a measured node. The same for so many milliseconds, with a bulk transfer to BulkTo all the time. A carrier may let
%% a message wait as long as there is bulk, and its sender with it: another process ends the bulk, so that the last round
%% trip comes to an end, counts with what it took, and is known to have arrived.
-spec pings_beside(node(), non_neg_integer(), node(), pos_integer()) -> [pos_integer(), ...].
pings_beside(Node, Size, BulkTo, Ms) ->
    with_echo(Node, fun(Echo) ->
                            Bulk = rustls_dist_bench_bulk:start(BulkTo),
                            {Stopper, Ref} = spawn_monitor(fun() -> stop_after(Bulk, Ms) end),
                            Until = erlang:monotonic_time(millisecond) + Ms,
                            Durations = pings_until(Echo, crypto:strong_rand_bytes(Size), Until, []),
                            receive {'DOWN', Ref, process, Stopper, Reason} -> normal = Reason end,
                            Durations
                    end).

stop_after(Bulk, Ms) ->
    receive after Ms -> ok end,
    _ = rustls_dist_bench_bulk:stop(Bulk),
    ok.

with_echo(Node, Measure) ->
    {Echo, Ref} = spawn_monitor(Node, ?MODULE, echo, []),
    Durations = Measure(Echo),
    erlang:demonitor(Ref, [flush]),
    exit(Echo, kill),
    Durations.

pings_until(Echo, Payload, Until, Durations) ->
    Longer = [ping(Echo, Payload, make_ref()) | Durations],
    case erlang:monotonic_time(millisecond) < Until of
        true -> pings_until(Echo, Payload, Until, Longer);
        false -> Longer
    end.

ping(Echo, Payload, Tag) ->
    From = erlang:monotonic_time(nanosecond),
    Echo ! {self(), Tag, Payload},
    receive
        {Echo, Tag, Payload} -> erlang:monotonic_time(nanosecond) - From
    after ?ECHO_MS ->
        error({not_delivered, echo})
    end.

-spec echo() -> no_return().
echo() ->
    receive {From, Tag, Payload} -> From ! {self(), Tag, Payload} end,
    echo().
