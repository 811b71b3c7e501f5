%% Many nodes that form a full mesh at the same moment: each link is tried from both sides at once, and one of the two tries
%% is given up. That is normal, and no log says anything.
-module(rustls_dist_mesh_SUITE).

-include_lib("stdlib/include/assert.hrl").

-export([all/0, suite/0, mesh_of_24/1, mesh_of_60/1]).

suite() ->
    [{timetrap, {minutes, 10}}].

all() ->
    [mesh_of_24, mesh_of_60].

mesh_of_24(_Config) ->
    mesh(24).

mesh_of_60(_Config) ->
    mesh(60).

mesh(Size) ->
    Cluster = rustls_dist_cluster:new(),
    Dir = rustls_dist_cluster:dir(Cluster),
    Options = rustls_dist_certs:options(rustls_dist_certs:cert(Dir, rustls_dist_certs:ca(Dir, "ca"), "node", #{})),
    File = rustls_dist_cluster:optfile(Cluster, "mesh", Options),
    %% Nobody connects before all are told to, and global makes no links of its own.
    Nodes = [rustls_dist_cluster:start(Cluster, #{optfile => File,
                                                  args => ["+S", "1", "-connect_all", "false", "-kernel",
                                                           "prevent_overlapping_partitions", "false"]})
             || _ <- lists:seq(1, Size)],
    Names = [rustls_dist_cluster:name(Node) || Node <- Nodes],
    At = erlang:system_time(microsecond) + 2000000,
    Keys = [rpc:async_call(node(), rustls_dist_cluster, call,
                           [Node, rustls_dist_workload, connect_all_at, [Names, At], 120000]) || Node <- Nodes],
    _ = [rpc:yield(Key) || Key <- Keys],
    [rustls_dist_cluster:poll(fun() -> length(rustls_dist_cluster:call(Node, erlang, nodes, [connected])) =:= Size - 1 end,
                              60000) || Node <- Nodes],
    ?assertEqual([], [Log || Node <- Nodes, Log <- [rustls_dist_cluster:log(Node)], Log =/= ""]),
    lists:foreach(fun rustls_dist_cluster:stop_node/1, Nodes),
    ok = rustls_dist_cluster:stop(Cluster).
