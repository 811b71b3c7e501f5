%% Medians and percentiles. Pure.
-module(rustls_dist_bench_stats).

-export([median/1, percentile/2, latency/1, medians/1]).

%% The middle of the list, or the mean of the two in the middle.
-spec median([number(), ...]) -> number().
median(List) ->
    Sorted = lists:sort(List),
    Half = length(List) div 2,
    case length(List) rem 2 of
        1 -> lists:nth(Half + 1, Sorted);
        0 -> (lists:nth(Half, Sorted) + lists:nth(Half + 1, Sorted)) / 2
    end.

%% The smallest member that PerMille thousandths of the list do not exceed (nearest rank). The list is sorted.
-spec percentile(1..1000, [number(), ...]) -> number().
percentile(PerMille, Sorted) ->
    lists:nth((length(Sorted) * PerMille + 999) div 1000, Sorted).

%% What is reported of a list of durations in nanoseconds: microseconds.
-spec latency([integer(), ...]) -> #{atom() => number()}.
latency(DurationsNs) ->
    Sorted = lists:sort(DurationsNs),
    #{samples => length(Sorted), p50_us => percentile(500, Sorted) / 1000, p99_us => percentile(990, Sorted) / 1000,
      p999_us => percentile(999, Sorted) / 1000, max_us => lists:last(Sorted) / 1000}.

%% Each key's median over the runs, which all have the same keys.
-spec medians([#{atom() => number()}, ...]) -> #{atom() => number()}.
medians([First | _] = Runs) ->
    maps:map(fun(Key, _) -> median([maps:get(Key, Run) || Run <- Runs]) end, First).
