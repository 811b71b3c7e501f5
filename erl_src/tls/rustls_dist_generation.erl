%% The configuration that is in use, of both roles, and its number. A handshake that fetches once works with one generation from
%% its beginning to its end, and its link does not hold it afterwards.
%%
%% It is a row of a table of rustls_dist_sup, with whose run it goes, keys and all. What is large, the policy with its decoded
%% authorities, is a persistent term beside it, so that nobody copies it. A persistent term that is replaced makes the VM
%% look through the heaps of all processes, so one that stays the same is left where it is: new certificates and keys, which
%% are what changes often, replace none.
%%
%% @private
-module(rustls_dist_generation).

-export([new_table/0, number/0, role/1, put/2, notices/0]).
-export([used/0, used/1, seen/0, seen/1]).
-export([erase_with/1]).

-define(TABLE, ?MODULE).

%% Whoever has fetched the row and finds its policy replaced fetches again.
-define(TRIES, 10).

%% Makes the table, which is the caller's.
-spec new_table() -> ok.
new_table() ->
    ?TABLE = ets:new(?TABLE, [named_table, public, {read_concurrency, true}]),
    _ = spawn(?MODULE, erase_with, [self()]),
    ok.

%% 0 before the first.
-spec number() -> non_neg_integer().
number() ->
    try
        ets:lookup_element(?TABLE, current, 2)
    catch
        error:badarg -> 0
    end.

%% What became of a role's options; `none' where there is no configuration.
-spec role(server | client) -> rustls_dist_roles:role() | none.
role(Role) ->
    role(Role, ?TRIES).

role(_Role, 0) ->
    none;
role(Role, Tries) ->
    try ets:lookup(?TABLE, current) of
        [{current, _Number, #{Role := {ok, #{policy := {held, Key}} = Config}}, _Notices}] ->
            {ok, Config#{policy := persistent_term:get(Key)}};
        [{current, _Number, #{Role := Result}, _Notices}] -> Result;
        [] -> none
    catch
        error:badarg -> role(Role, Tries - 1)
    end.

%% What the user was told of this generation.
-spec notices() -> [rustls_dist_opts:notice()].
notices() ->
    ets:lookup_element(?TABLE, current, 4).

%% Takes a configuration into use, and gives its number.
-spec put(rustls_dist_roles:roles(), [rustls_dist_opts:notice()]) -> pos_integer().
put(Roles, Notices) ->
    Number = number() + 1,
    Kept = maps:map(fun(Role, Result) -> hold(Role, Number, Result) end, Roles),
    Before = held_keys(),
    true = ets:insert(?TABLE, {current, Number, Kept, Notices}),
    lists:foreach(fun persistent_term:erase/1, Before -- held_keys()),
    Number.

hold(_Role, Number, {ok, #{policy := none} = Config}) ->
    {ok, Config#{generation => Number}};
hold(Role, Number, {ok, #{policy := Policy} = Config}) ->
    Key = case [Key || Key <- held_keys(), element(3, Key) =:= Role, is_same(persistent_term:get(Key), Policy)] of
              [Same] ->
                  Same;
              [] ->
                  New = {?MODULE, ets:info(?TABLE, owner), Role, Number},
                  ok = persistent_term:put(New, Policy),
                  New
          end,
    {ok, Config#{policy := {held, Key}, generation => Number}};
hold(_Role, _Number, Other) ->
    Other.

%% Certificates are the same when their bytes are; what they decode to is a hundred times as much to compare.
is_same(#{trusted := Held} = A, #{trusted := New} = B) ->
    [Der || {Der, _Otp} <- Held] =:= [Der || {Der, _Otp} <- New] andalso maps:remove(trusted, A) =:= maps:remove(trusted, B).

held_keys() ->
    [Key || [Roles] <- ets:match(?TABLE, {current, '_', '$1', '_'}), {ok, #{policy := {held, Key}}} <- maps:values(Roles)].

%% The state of the files that are in use.
-spec used() -> rustls_dist_material:stamps().
used() -> stamps(used).

-spec used(rustls_dist_material:stamps()) -> ok.
used(Stamps) -> keep(used, Stamps).

%% The state of the files that were judged last, whether they came into use or not.
-spec seen() -> rustls_dist_material:stamps().
seen() -> stamps(seen).

-spec seen(rustls_dist_material:stamps()) -> ok.
seen(Stamps) -> keep(seen, Stamps).

stamps(Which) ->
    case ets:lookup(?TABLE, Which) of
        [{Which, Stamps}] -> Stamps;
        [] -> #{}
    end.

keep(Which, Stamps) ->
    true = ets:insert(?TABLE, {Which, Stamps}),
    ok.

%% A process of its own, since persistent terms belong to nobody.
-spec erase_with(pid()) -> ok.
erase_with(Run) ->
    Ref = monitor(process, Run),
    receive
        {'DOWN', Ref, process, Run, _Reason} ->
            lists:foreach(fun persistent_term:erase/1,
                          [Key || {{?MODULE, Owner, _Role, _Number} = Key, _Policy} <- persistent_term:get(), Owner =:= Run])
    end.
