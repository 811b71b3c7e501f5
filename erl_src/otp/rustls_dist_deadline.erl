%% When something has to be over, by the clock that is never set: what several waits have to share.
%%
%% @private
-module(rustls_dist_deadline).

-export([in/1, left_ms/1]).

-export_type([deadline/0]).

-opaque deadline() :: integer().

%% The moment that comes TimeoutMs from now.
-spec in(non_neg_integer()) -> deadline().
in(TimeoutMs) ->
    erlang:monotonic_time(millisecond) + TimeoutMs.

%% How long it is until then; 0 when it is past.
-spec left_ms(deadline()) -> non_neg_integer().
left_ms(Deadline) ->
    max(0, Deadline - erlang:monotonic_time(millisecond)).
