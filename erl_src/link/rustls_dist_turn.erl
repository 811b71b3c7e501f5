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
-export([keep/1, keep_at_once/1]).

-export_type([turn/0]).

-opaque turn() :: atomics:atomics_ref().

-define(FREE, 0).
-define(TAKEN, 1).
-define(KEPT, 2).

%% How long the one is waited for who has the turn: a peer that does not read keeps it for longer, and its link from ending no
%% longer than this.
-define(KEEP_MS, 100).

%% A turn that nobody has.
-spec new() -> turn().
new() ->
    atomics:new(1, [{signed, false}]).

%% Takes the turn if nobody has it.
-spec take(turn()) -> boolean().
take(Turn) ->
    atomics:compare_exchange(Turn, 1, ?FREE, ?TAKEN) =:= ok.

%% Everything that was sealed is the socket's.
-spec give(turn()) -> ok.
give(Turn) ->
    atomics:put(Turn, 1, ?FREE).

%% Whether somebody has the turn, or has kept it.
-spec is_taken(turn()) -> boolean().
is_taken(Turn) ->
    atomics:get(Turn, 1) =/= ?FREE.

%% Keeps the turn for the last words, as soon as nobody has it. `false' if somebody has it for too long.
-spec keep(turn()) -> boolean().
keep(Turn) ->
    keep(Turn, rustls_dist_deadline:in(?KEEP_MS)).

keep(Turn, Deadline) ->
    keep_at_once(Turn) orelse
        case rustls_dist_deadline:left_ms(Deadline) of
            0 -> false;
            _ -> receive after 1 -> keep(Turn, Deadline) end
        end.

%% Whether the turn is kept for the last words, by now at the latest.
-spec keep_at_once(turn()) -> boolean().
keep_at_once(Turn) ->
    lists:member(atomics:compare_exchange(Turn, 1, ?FREE, ?KEPT), [ok, ?KEPT]).
