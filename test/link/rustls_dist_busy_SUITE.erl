%% A link whose node is kept busy by a process of high priority, on the only scheduler: ticks go out and are heard all the
%% same, as with inet_tcp, also while there is traffic.
-module(rustls_dist_busy_SUITE).

-include_lib("stdlib/include/assert.hrl").

-export([all/0, groups/0, init_per_suite/1, end_per_suite/1]).
-export([one_side/1, both_sides/1, many_ticks/1, under_traffic/1, frozen_meanwhile/1,
         overtaken/1]).

%% run on the nodes
-export([keep_busy/1, be_overtaken/0]).

-define(TICK_TIME_S, 2).
-define(BUSY_MS, 3 * ?TICK_TIME_S * 1000).

%% With 16 ticks in a tick time more come than a link grants its socket messages (rustls_dist_input).
-define(MANY_TICKS, ["-kernel", "net_tickintensity", "16"]).

all() ->
    [{group, side_by_side}].

groups() ->
    [{side_by_side, [parallel], [one_side, both_sides, many_ticks, under_traffic, frozen_meanwhile,
                                 overtaken]}].

init_per_suite(Config) ->
    {Keeper, Cluster} = rustls_dist_cluster:keep(fun rustls_dist_cluster:new/0),
    Dir = rustls_dist_cluster:dir(Cluster),
    Cert = rustls_dist_certs:cert(Dir, rustls_dist_certs:ca(Dir, "ca"), "node", #{}),
    Optfile = rustls_dist_cluster:optfile(Cluster, "node", rustls_dist_certs:options(Cert)),
    [{cluster, Cluster}, {keeper, Keeper}, {optfile, Optfile} | Config].

end_per_suite(Config) ->
    ok = rustls_dist_cluster:stop(proplists:get_value(cluster, Config)),
    rustls_dist_cluster:release(proplists:get_value(keeper, Config)).

one_side(Config) ->
    {A, B} = joined(Config, []),
    holds(A, B, [A]).

both_sides(Config) ->
    {A, B} = joined(Config, []),
    holds(A, B, [A, B]).

many_ticks(Config) ->
    {A, B} = joined(Config, ?MANY_TICKS),
    holds(A, B, [A]).

%% The peer sends more than is read.
under_traffic(Config) ->
    {A, B} = joined(Config, []),
    [ok = call(From, rustls_dist_workload, start_traffic, [name(To)]) || {From, To} <- [{A, B}, {B, A}]],
    holds(A, B, [A]).

holds(A, B, Busy) ->
    Links = links(A, B),
    [ok = call(Peer, rustls_dist_workload, watch_nodes, []) || Peer <- [A, B]],
    [_ = call(Peer, ?MODULE, keep_busy, [?BUSY_MS]) || Peer <- Busy],
    %% They answer when it is over.
    ?assertEqual([[], []], [call(Peer, rustls_dist_workload, node_events, []) || Peer <- [A, B]]),
    ?assertEqual(Links, links(A, B)),
    ?assert(call(A, rustls_dist_workload, ping, [name(B)])),
    stop([A, B]).

links(A, B) ->
    [call(From, rustls_dist_workload, link_processes, [name(To)]) || {From, To} <- [{A, B}, {B, A}]].

%% A peer that is gone is missed all the same.
frozen_meanwhile(Config) ->
    {A, B} = joined(Config, []),
    ok = call(A, rustls_dist_workload, watch_nodes, []),
    "" = os:cmd("kill -STOP " ++ rustls_dist_cluster:os_pid(B)),
    try
        _ = call(A, ?MODULE, keep_busy, [?BUSY_MS]),
        ?assertMatch([{nodedown, _, #{nodedown_reason := net_tick_timeout}}],
                     call(A, rustls_dist_workload, node_events, []))
    after
        os:cmd("kill -CONT " ++ rustls_dist_cluster:os_pid(B))
    end,
    stop([A, B]).

%% Whoever is overtaken while it has the turn to seal and send is helped through it by the tick that finds it so.
overtaken(Config) ->
    {A, B} = joined(Config, []),
    ?assertEqual(ok, call(A, ?MODULE, be_overtaken, [])),
    stop([A, B]).

%% Runs on a node. The turn is taken by a process of normal priority that needs more than a timeslice for it, and then a busy
%% one begins.
be_overtaken() ->
    Turn = rustls_dist_turn:new(),
    Test = self(),
    Ends = erlang:monotonic_time(millisecond) + ?BUSY_MS,
    Holder = spawn(fun() ->
                           true = rustls_dist_turn:take(Turn),
                           Test ! taken,
                           ok = count_down(20000),
                           ok = rustls_dist_turn:give(Turn),
                           receive stop -> ok end
                   end),
    receive taken -> ok end,
    _ = spawn_opt(fun() -> burn(Ends) end, [{priority, high}]),
    {Helper, Ref} = spawn_opt(fun() -> help(Holder, Turn, Ends) end, [monitor, {priority, max}]),
    receive {'DOWN', Ref, process, Helper, Result} -> Holder ! stop, Result end.

count_down(0) -> ok;
count_down(N) -> count_down(N - 1).

help(Holder, Turn, Ends) ->
    %% The holder is not through, and stays where it is.
    [receive after 100 -> true = rustls_dist_turn:is_taken(Turn) end || _ <- [1, 2, 3]],
    ok = rustls_dist_tick:send(Holder, #{socket => none, tx => none}, Turn),
    receive after 100 -> false = rustls_dist_turn:is_taken(Turn) end,
    true = erlang:monotonic_time(millisecond) < Ends,
    exit(ok).

%% Runs on a node: what every process of normal priority has to wait for.
keep_busy(Ms) ->
    spawn_opt(fun() -> burn(erlang:monotonic_time(millisecond) + Ms) end, [{priority, high}]).

burn(EndsMs) ->
    case erlang:monotonic_time(millisecond) < EndsMs of
        true -> burn(EndsMs);
        false -> ok
    end.

%% --------------------------------------------------------------------------------------------------------------

joined(Config, Args) ->
    Options = #{optfile => proplists:get_value(optfile, Config),
                args => ["+S", "1", "-kernel", "net_ticktime", integer_to_list(?TICK_TIME_S),
                         "-kernel", "dist_auto_connect", "never", "-connect_all", "false" | Args]},
    [A, B] = [rustls_dist_cluster:start(proplists:get_value(cluster, Config), Options) || _ <- [a, b]],
    ok = rustls_dist_cluster:join(A, B),
    {A, B}.

stop(Peers) ->
    lists:foreach(fun rustls_dist_cluster:stop_node/1, Peers).

name(Peer) -> rustls_dist_cluster:name(Peer).
call(Peer, M, F, A) -> rustls_dist_cluster:call(Peer, M, F, A, 60000).
