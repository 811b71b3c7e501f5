%% How long a node stood still: a process that wakes every few milliseconds and keeps the longest time that it was not let run.
%% In the VM of the tests it tells a machine that paused, which proves nothing about anybody, from a node that did.
-module(rustls_dist_pulse).

-export([start/0, stop/1]).

-define(BEAT_MS, 10).

%% On the node that calls, or is called; the process is nobody's, so that it outlives the call.
-spec start() -> pid().
start() ->
    spawn_opt(fun() -> beat(now_ms(), 0) end, [{priority, high}]).

%% The longest time in milliseconds between two beats.
-spec stop(pid()) -> non_neg_integer().
stop(Pid) ->
    Ref = monitor(process, Pid),
    Pid ! {stop, self()},
    receive
        {Pid, LongestMs} ->
            demonitor(Ref, [flush]),
            LongestMs;
        {'DOWN', Ref, process, Pid, Reason} ->
            error({no_pulse, Reason})
    end.

beat(LastMs, LongestMs) ->
    receive
        {stop, Asker} -> Asker ! {self(), max(LongestMs, now_ms() - LastMs)}
    after ?BEAT_MS ->
        Now = now_ms(),
        beat(Now, max(LongestMs, Now - LastMs))
    end.

now_ms() ->
    erlang:monotonic_time(millisecond).
