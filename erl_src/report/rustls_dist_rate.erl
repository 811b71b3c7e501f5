%% A budget for log entries: so many in a period, and a count of those that were left out. One kind of entry has one budget;
%% rustls_dist_log_limit keeps those of failed links, the accept loop its own, since it waits for nobody.
%%
%% @private
-module(rustls_dist_rate).

-export([new/2, spend/1, left_out/1]).

-export_type([rate/0]).

-record(rate, {max :: non_neg_integer(),
               period_ms :: pos_integer(),
               started_ms :: integer(),
               spent = 0 :: non_neg_integer()}).

-opaque rate() :: #rate{}.

%% Max entries per PeriodMs.
-spec new(non_neg_integer(), pos_integer()) -> rate().
new(Max, PeriodMs) ->
    #rate{max = Max, period_ms = PeriodMs, started_ms = erlang:monotonic_time(millisecond)}.

%% Spends one entry. IsAdmitted: whether it may be logged; Before: how many were left out in a period that ended since.
-spec spend(rate()) -> {IsAdmitted :: boolean(), Before :: non_neg_integer(), rate()}.
spend(#rate{max = Max, period_ms = PeriodMs, started_ms = Started, spent = Spent} = Rate) ->
    Now = erlang:monotonic_time(millisecond),
    case Now - Started >= PeriodMs of
        true -> {Max > 0, left_out(Rate), Rate#rate{started_ms = Now, spent = 1}};
        false -> {Spent < Max, 0, Rate#rate{spent = Spent + 1}}
    end.

%% How many were left out in this period.
-spec left_out(rate()) -> non_neg_integer().
left_out(#rate{max = Max, spent = Spent}) ->
    max(0, Spent - Max).
