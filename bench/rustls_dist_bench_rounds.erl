%% The order of measuring: every contender once, then every contender again, so that a machine whose speed drifts treats
%% all alike. Also says how far a long run is.
-module(rustls_dist_bench_rounds).

-export([interleaved/2, together/1, progress/0]).

%% Calls each contender's function Rounds times. Gives what each returned, first to last.
-spec interleaved(pos_integer(), [{Name, fun(() -> Figures)}]) -> [{Name, [Figures]}].
interleaved(Rounds, Contenders) ->
    Runs = [[Measure() || {_, Measure} <- Contenders] || _ <- lists:seq(1, Rounds)],
    [{Name, [lists:nth(Nth, Run) || Run <- Runs]} || {Nth, {Name, _}} <- lists:enumerate(Contenders)].

%% Calls all functions at the same time, and gives what each returned, in their order.
-spec together([fun(() -> Result)]) -> [Result].
together(Calls) ->
    Self = self(),
    Callers = [spawn_link(fun() -> Self ! {self(), Call()} end) || Call <- Calls],
    [receive {Caller, Result} -> Result end || Caller <- Callers].

%% Gives a function that prints a line with the time since now.
-spec progress() -> fun((io:format(), [term()]) -> ok).
progress() ->
    Started = erlang:monotonic_time(second),
    fun(Format, Arguments) ->
            Seconds = erlang:monotonic_time(second) - Started,
            io:format("[~2..0w:~2..0w] " ++ Format ++ "~n", [Seconds div 60, Seconds rem 60 | Arguments])
    end.
