%% Time: a small cluster with every kind of configuration, to which everything happens again and again
%% (rustls_dist_endurance), and the nodes hold at the end what they held at the beginning.
%%
%% RUSTLS_DIST_SOAK_MINUTES is for how long, RUSTLS_DIST_SOAK_FIGURES a file for what was held, to draw a chart of (make soak).
-module(rustls_dist_endurance_SUITE).

-include_lib("stdlib/include/assert.hrl").

-export([all/0, suite/0]).
-export([holds_what_it_held/1]).

-define(DEFAULT_MINUTES, "0.5").

%% The first part of the time fills caches and allocators. Of the rest the first third is compared with the last.
-define(WARM_UP, 4).
%% In less than some minutes resident memory goes up and down by 12 MB, and modules are loaded that name things.
-define(MAX_GROWTH, #{vm_bytes => 1 bsl 20, resident_bytes => 20 bsl 20, atoms => 100}).
-define(COLUMNS, [vm_bytes, resident_bytes, atoms, ports, processes, descriptors, handshakes]).

-define(CHARTED, [second, kind, vm_bytes, resident_bytes]).

suite() ->
    [{timetrap, {seconds, 600 + trunc(minutes() * 90)}}].

all() ->
    [holds_what_it_held].

minutes() ->
    Text = os:getenv("RUSTLS_DIST_SOAK_MINUTES", ?DEFAULT_MINUTES),
    try list_to_float(Text) catch error:badarg -> float(list_to_integer(Text)) end.

holds_what_it_held(_Config) ->
    Cluster = rustls_dist_cluster:new(),
    try
        World = rustls_dist_endurance:start(Cluster),
        {Done, Samples} = logs_shown(World, fun() -> rustls_dist_endurance:run(World, trunc(minutes() * 60000)) end),
        ok = write(Samples),
        Growths = [growth(Kind, [Sample || #{kind := Of} = Sample <- Samples, Of =:= Kind])
                   || {Kind, _} <- rustls_dist_endurance:settings()],
        ct:pal("~.1f minutes: ~0tp~n~ts", [minutes(), Done, table(Growths)]),
        ?assert(maps:get(key_update, Done) > 0),
        ?assertEqual([], [{Kind, Key, Then, Now} || {Kind, Held} <- Growths, {Key, Max} <- maps:to_list(?MAX_GROWTH),
                                                    {Then, Now} <- [maps:get(Key, Held)], Now - Then > Max]),
        rustls_dist_endurance:stop(World)
    after
        rustls_dist_cluster:stop(Cluster)
    end.

%% The nodes' logs go with them.
logs_shown(#{members := Members}, Run) ->
    try
        Run()
    catch
        Class:Reason:Stack ->
            _ = [ct:pal("~s~n~ts", [Kind, rustls_dist_cluster:log(Peer)]) || #{kind := Kind, peer := Peer} <- Members],
            erlang:raise(Class, Reason, Stack)
    end.

%% What was held in the first third and in the last, when it was warm.
growth(Kind, Samples) ->
    Warm = lists:nthtail(length(Samples) div ?WARM_UP, Samples),
    Third = max(1, length(Warm) div 3),
    {First, Last} = {lists:sublist(Warm, Third), lists:nthtail(length(Warm) - Third, Warm)},
    {Kind, maps:from_list([{Key, {median(Key, First), median(Key, Last)}} || Key <- ?COLUMNS])}.

median(Key, Samples) ->
    lists:nth((length(Samples) + 1) div 2, lists:sort([maps:get(Key, Sample) || Sample <- Samples])).

table(Growths) ->
    [io_lib:format("~-13s", ["from, to"]), [io_lib:format("~-24s", [Key]) || Key <- ?COLUMNS], "\n",
     [[io_lib:format("~-13s", [Kind]),
       [io_lib:format("~-24s", [io_lib:format("~w, ~w", tuple_to_list(maps:get(Key, Held)))]) || Key <- ?COLUMNS], "\n"]
      || {Kind, Held} <- Growths]].

%% A line for each sample, for bench/charts.
write(Samples) ->
    case os:getenv("RUSTLS_DIST_SOAK_FIGURES", "") of
        "" -> ok;
        File -> file:write_file(File, [io_lib:format("~w,~w,~w,~w~n", [maps:get(Key, Sample) || Key <- ?CHARTED])
                                       || Sample <- Samples])
    end.
