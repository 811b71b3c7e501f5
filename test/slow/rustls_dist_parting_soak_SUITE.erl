%% Partings at length: 500 times a ping and a parting, connections that are cut in the middle of traffic, and large messages.
%% Nothing is logged, and no memory stays behind.
-module(rustls_dist_parting_soak_SUITE).

-include_lib("stdlib/include/assert.hrl").

-export([all/0, suite/0, init_per_suite/1, end_per_suite/1, init_per_testcase/2, end_per_testcase/2]).
-export([partings/1, cut_connections/1, large_messages/1]).

-define(PARTINGS, 500).
-define(CUTS, 50).
-define(LARGE_BYTES, 8 bsl 20).
-define(LARGE_PARTINGS, 40).
-define(GROWTH_BYTES, 16 bsl 20).
-define(NO_AUTO_CONNECT, ["-kernel", "dist_auto_connect", "never", "-connect_all", "false"]).

suite() ->
    [{timetrap, {minutes, 10}}].

all() ->
    [partings, cut_connections, large_messages].

init_per_suite(Config) ->
    {Keeper, Cluster} = rustls_dist_cluster:keep(fun rustls_dist_cluster:new/0),
    Dir = rustls_dist_cluster:dir(Cluster),
    Cert = rustls_dist_certs:cert(Dir, rustls_dist_certs:ca(Dir, "ca"), "node", #{}),
    Optfile = rustls_dist_cluster:optfile(Cluster, "node", rustls_dist_certs:options(Cert)),
    [{cluster, Cluster}, {keeper, Keeper}, {optfile, Optfile} | Config].

end_per_suite(Config) ->
    ok = rustls_dist_cluster:stop(proplists:get_value(cluster, Config)),
    rustls_dist_cluster:release(proplists:get_value(keeper, Config)).

init_per_testcase(Case, Config) ->
    Args = case Case of
               partings -> [];
               _ -> ?NO_AUTO_CONNECT
           end,
    Options = #{optfile => proplists:get_value(optfile, Config), args => Args},
    {Keeper, Peers} =
        rustls_dist_cluster:keep(fun() ->
                                         [rustls_dist_cluster:start(proplists:get_value(cluster, Config), Options)
                                          || _ <- [a, b]]
                                 end),
    [{nodes, Keeper}, {peers, Peers} | Config].

end_per_testcase(_Case, Config) ->
    rustls_dist_cluster:release(proplists:get_value(nodes, Config)).

partings(Config) ->
    [A, B] = peers(Config),
    Part = fun(Count) -> call(A, rustls_dist_parting_SUITE, ping_and_disconnect, [name(B), Count]) end,
    _ = Part(50),
    leaves_nothing(Config, fun() -> Part(?PARTINGS) end).

%% The connection is cut below TLS while both nodes send: nobody said goodbye, and one node makes a new link while the other
%% still delivers what came over the old one.
cut_connections(Config) ->
    [A, B] = peers(Config),
    leaves_nothing(Config, fun() -> lists:foreach(fun(_) -> cut(A, B) end, lists:seq(1, ?CUTS)) end).

cut(A, B) ->
    rustls_dist_cluster:poll(fun() -> call(A, net_kernel, connect_node, [name(B)]) end),
    rustls_dist_cluster:poll(fun() -> call(A, rustls_dist_workload, ping, [name(B)]) end),
    [ok = call(From, rustls_dist_parting_SUITE, flood, [name(To), "traffic"]) || {From, To} <- [{A, B}, {B, A}]],
    ok = call(A, gen_tcp, shutdown, [call(A, rustls_dist_workload, link_socket, [name(B)]), write]),
    rustls_dist_cluster:poll(fun() -> not rustls_dist_cluster:connected(A, B) end).

large_messages(Config) ->
    [A, B] = peers(Config),
    Round = fun() ->
                    ?assertEqual(ok, call(A, rustls_dist_parting_SUITE, large_and_disconnect,
                                          [name(B), ?LARGE_BYTES, ?LARGE_PARTINGS]))
            end,
    Round(),
    leaves_nothing(Config, Round).

leaves_nothing(Config, Act) ->
    Peers = peers(Config),
    Before = [held(Peer) || Peer <- Peers],
    _ = Act(),
    After = [held(Peer) || Peer <- Peers],
    Growth = lists:max([Now - Then || {Then, Now} <- lists:zip(Before, After)]),
    ?assertEqual({grown_by, Growth, true}, {grown_by, Growth, Growth < ?GROWTH_BYTES}),
    ?assertEqual([[], []], [rustls_dist_cluster:all_logged(Peer) || Peer <- Peers]).

%% Memory, once the links' last process is gone.
held(Peer) ->
    rustls_dist_cluster:poll(fun() ->
                                     case call(Peer, rustls_dist_workload, census, []) of
                                         #{resources := #{senders := 0, receivers := 0}} ->
                                             call(Peer, erlang, memory, [total]);
                                         _ ->
                                             false
                                     end
                             end).

peers(Config) -> proplists:get_value(peers, Config).
name(Peer) -> rustls_dist_cluster:name(Peer).
call(Peer, M, F, A) -> rustls_dist_cluster:call(Peer, M, F, A, 300000).
