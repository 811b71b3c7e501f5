%% A budget for log entries: so many in a period, and a count of those that were left out.
-module(rustls_dist_rate).

-export([new/2, spend/1]).

-export_type([rate/0]).

-record(rate, {max :: pos_integer(),
               period_ms :: pos_integer(),
               started_ms :: integer(),
               spent = 0 :: non_neg_integer()}).

-opaque rate() :: #rate{}.

%% Max entries per PeriodMs.
-spec new(pos_integer(), pos_integer()) -> rate().
new(Max, PeriodMs) ->
    #rate{max = Max, period_ms = PeriodMs, started_ms = erlang:monotonic_time(millisecond)}.

%% Spends one entry: `ok' with the number that were suppressed since the last period, or `exhausted'.
-spec spend(rate()) -> {ok, rate(), Suppressed :: non_neg_integer()} | {exhausted, rate()}.
spend(#rate{max = Max, period_ms = PeriodMs, started_ms = Started, spent = Spent} = Rate) ->
    Now = erlang:monotonic_time(millisecond),
    if
        Now - Started >= PeriodMs -> {ok, Rate#rate{started_ms = Now, spent = 1}, max(0, Spent - Max)};
        Spent < Max -> {ok, Rate#rate{spent = Spent + 1}, 0};
        true -> {exhausted, Rate#rate{spent = Spent + 1}}
    end.
