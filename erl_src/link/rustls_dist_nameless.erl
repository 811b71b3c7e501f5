%% A budget for peers that ask this node for a name and have not proven the cookie. net_kernel makes up a name for each, which is
%% an atom for good, and uses those of one host again; but a peer may be of another host each time. Who proves the cookie takes
%% nothing from the budget.
%%
%% It is kept as the moment when it will be full again, in one cell that belongs to no process.
%%
%% @private
-module(rustls_dist_nameless).

-export([new/0, spend/0, give_back/0, refusal/0]).

%% So many at once; after that one more in each period.
-define(AT_ONCE, 500).
-define(PERIOD_MS, 60000).

%% Makes the cell, unless it is there.
-spec new() -> ok.
new() ->
    case persistent_term:get(?MODULE, none) of
        none ->
            Cell = atomics:new(1, []),
            ok = atomics:put(Cell, 1, now_ms()),
            persistent_term:put(?MODULE, Cell);
        _Cell ->
            ok
    end.

%% For one peer. Whether there was something left.
-spec spend() -> boolean().
spend() ->
    case persistent_term:get(?MODULE, none) of
        none -> false;
        Cell -> spend(Cell, atomics:get(Cell, 1), now_ms())
    end.

spend(Cell, FullAt, Now) ->
    Next = max(FullAt, Now) + ?PERIOD_MS,
    case Next - Now > ?AT_ONCE * ?PERIOD_MS of
        true ->
            false;
        false ->
            case atomics:compare_exchange(Cell, 1, FullAt, Next) of
                ok -> true;
                Other -> spend(Cell, Other, Now)
            end
    end.

%% What a peer took that has proven the cookie.
-spec give_back() -> ok.
give_back() ->
    case persistent_term:get(?MODULE, none) of
        none -> ok;
        Cell -> atomics:sub(Cell, 1, ?PERIOD_MS)
    end.

%% The reason why one is turned away, with the numbers.
-spec refusal() -> {too_many_nameless, AtOnce :: pos_integer(), PeriodMs :: pos_integer()}.
refusal() ->
    {too_many_nameless, ?AT_ONCE, ?PERIOD_MS}.

now_ms() ->
    erlang:monotonic_time(millisecond).
