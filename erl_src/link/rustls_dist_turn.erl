%% Whose turn it is to seal and send on a link. Records carry numbers, so they have to reach the socket in the order in which
%% they were sealed; whoever seals holds the turn until the socket has them. Two processes do: the controller, and the
%% link's supervisor, whose ticks must not wait for a process of normal priority. The input handler takes the turn for good
%% to say the last words.
%%
%% A turn that is never given back, because its holder ended or failed in between, means that there may be a gap in the
%% numbers: nothing sealed later could be read.
%%
%% @private
-module(rustls_dist_turn).

-export([new/0, take/1, give/1, is_taken/1]).

-export_type([turn/0]).

-opaque turn() :: atomics:atomics_ref().

%% A turn that nobody has.
-spec new() -> turn().
new() ->
    atomics:new(1, [{signed, false}]).

%% Takes the turn if nobody has it.
-spec take(turn()) -> boolean().
take(Turn) ->
    atomics:compare_exchange(Turn, 1, 0, 1) =:= ok.

%% Everything that was sealed is the socket's.
-spec give(turn()) -> ok.
give(Turn) ->
    atomics:put(Turn, 1, 0).

%% Whether somebody has the turn, or has kept it.
-spec is_taken(turn()) -> boolean().
is_taken(Turn) ->
    atomics:get(Turn, 1) =:= 1.
