%% The order of measuring: every contender once, then every contender again, so that a machine whose speed drifts treats
%% all alike. Also says how far a long run is.
-module(rustls_dist_bench_rounds).

-export([interleaved/2, progress/3]).

%% Calls each contender's function Rounds times. Gives what each returned, first to last.
-spec interleaved(pos_integer(), [{Name, fun(() -> Figures)}]) -> [{Name, [Figures]}].
interleaved(Rounds, Contenders) ->
    Runs = [[Measure() || {_, Measure} <- Contenders] || _ <- lists:seq(1, Rounds)],
    [{Name, [lists:nth(Nth, Run) || Run <- Runs]} || {Nth, {Name, _}} <- lists:enumerate(Contenders)].

%% A line with the time since Started (erlang:monotonic_time(second)).
-spec progress(integer(), io:format(), [term()]) -> ok.
progress(Started, Format, Arguments) ->
    Seconds = erlang:monotonic_time(second) - Started,
    io:format("[~2..0w:~2..0w] " ++ Format ++ "~n", [Seconds div 60, Seconds rem 60 | Arguments]).
