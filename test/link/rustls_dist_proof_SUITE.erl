%% Who dials a node proves the cookie before the node hears of it (rustls_dist_proof): nothing of a peer without the cookie
%% stays or stands in the way, and two nodes that dial each other at once agree as they would otherwise.
-module(rustls_dist_proof_SUITE).

-include_lib("kernel/include/dist.hrl").
-include_lib("stdlib/include/assert.hrl").

-export([all/0, init_per_suite/1, end_per_suite/1, init_per_testcase/2, end_per_testcase/2]).
-export([unknown_without_proof/1, link_that_is_up/1, attempt_before/1, attempt_meanwhile/1, turned_away_quietly/1,
         budget_of_the_nameless/1, nameless_node/1]).

%% run on the node
-export([is_known/1, state/1]).

-define(COOKIE, "rustls_dist_test").

%% A lesser and a greater name than the node's.
-define(NODE, "middle").
-define(LESSER, "alpha@127.0.0.1").
-define(GREATER, "zeta@127.0.0.1").

-define(SILENCE_MS, 300).

all() ->
    %% The last one leaves net_kernel with a list of those that are allowed.
    [unknown_without_proof, link_that_is_up, attempt_before, attempt_meanwhile, budget_of_the_nameless, nameless_node,
     turned_away_quietly].

init_per_suite(Config) ->
    {ok, _} = application:ensure_all_started(ssl),
    {Keeper, World} = rustls_dist_cluster:keep(fun start/0),
    [{keeper, Keeper}, {world, World} | Config].

start() ->
    Cluster = rustls_dist_cluster:new(),
    Dir = rustls_dist_cluster:dir(Cluster),
    Cert = rustls_dist_certs:cert(Dir, rustls_dist_certs:ca(Dir, "ca"), "node", #{}),
    Optfile = rustls_dist_cluster:optfile(Cluster, "node", rustls_dist_certs:options(Cert)),
    Options = #{optfile => Optfile, args => ["-kernel", "net_setuptime", "3", "-kernel", "dist_auto_connect", "never",
                                             "-connect_all", "false"]},
    #{cluster => Cluster, cert => Cert, optfile => Optfile, node => rustls_dist_cluster:start(Cluster, ?NODE, Options)}.

end_per_suite(Config) ->
    ok = rustls_dist_cluster:stop(world(cluster, Config)),
    rustls_dist_cluster:release(proplists:get_value(keeper, Config)).

init_per_testcase(_Case, Config) ->
    ok = rustls_dist_reports:collect(world(node, Config)),
    Config.

end_per_testcase(_Case, Config) ->
    %% Links of this case have gone.
    rustls_dist_cluster:poll(fun() -> rustls_dist_cluster:call(world(node, Config), erlang, nodes, [connected]) =:= [] end),
    ok.

world(Key, Config) ->
    maps:get(Key, proplists:get_value(world, Config)).

%% A name that is stated with a wrong cookie, or none, is no atom; with the right one it is a node's.
unknown_without_proof(Config) ->
    Name = "fresh@127.0.0.1",
    Wrong = named(Config, Name),
    {<<"sok">>, _Challenge} = challenged(Wrong),
    ok = rustls_dist_scripted_peer:send(Wrong, <<$r, 7:32, 0:128>>),
    {error, closed} = rustls_dist_scripted_peer:recv(Wrong),
    [#{line := Line}] = rustls_dist_reports:await(world(node, Config), 1),
    ?assertEqual(match, re:run(Line, "calls itself fresh@127.0.0.1 .*the cookies differ", [{capture, none}]), Line),
    Silent = named(Config, Name),
    {<<"sok">>, _} = challenged(Silent),
    ?assertNot(is_known(Config, Name)),
    Right = dial(Config),
    ok = rustls_dist_scripted_peer:join(Right, Name, ?COOKIE),
    await(Config, Name, up),
    [ok = rustls_dist_scripted_peer:close(Peer) || Peer <- [Wrong, Silent, Right]],
    ok.

%% A link that is up is not touched by who states its node's name, unless that is proven to be that node.
link_that_is_up(Config) ->
    Name = ?GREATER,
    First = dial(Config),
    ok = rustls_dist_scripted_peer:join(First, Name, ?COOKIE),
    await(Config, Name, up),
    Silent = named(Config, Name),
    {ok, <<"salive">>} = rustls_dist_scripted_peer:recv(Silent),
    No = named(Config, Name),
    {ok, <<"salive">>} = rustls_dist_scripted_peer:recv(No),
    ok = rustls_dist_scripted_peer:send(No, "sfalse"),
    {error, closed} = rustls_dist_scripted_peer:recv(No),
    Wrong = named(Config, Name),
    {ok, <<"salive">>} = rustls_dist_scripted_peer:recv(Wrong),
    ok = rustls_dist_scripted_peer:send(Wrong, "strue"),
    {ok, <<$N, _/binary>>} = rustls_dist_scripted_peer:recv(Wrong),
    ok = rustls_dist_scripted_peer:send(Wrong, <<$r, 7:32, 0:128>>),
    {error, closed} = rustls_dist_scripted_peer:recv(Wrong),
    ?assertEqual(up, state(Config, Name)),
    %% It started anew, and the node has not noticed.
    Again = named(Config, Name),
    {ok, <<"salive">>} = rustls_dist_scripted_peer:recv(Again),
    ok = rustls_dist_scripted_peer:send(Again, "strue"),
    {ok, <<$N, _:64, Challenge:32, _/binary>>} = rustls_dist_scripted_peer:recv(Again),
    ok = proven(Again, Challenge),
    ok = read_to_the_end(First),
    await(Config, Name, up),
    [ok = rustls_dist_scripted_peer:close(Peer) || Peer <- [First, Silent, No, Wrong, Again]],
    ok.

%% What comes over a link that is up, until it ends.
read_to_the_end(Peer) ->
    case rustls_dist_scripted_peer:recv(Peer) of
        {ok, _Packet} -> read_to_the_end(Peer);
        {error, closed} -> ok
    end.

%% This node dialled first: the lesser name waits for that, the greater one wins.
attempt_before(Config) ->
    while_dialled(Config, ?LESSER, fun() ->
                                           Peer = named(Config, ?LESSER),
                                           ?assertEqual({ok, <<"snok">>}, rustls_dist_scripted_peer:recv(Peer)),
                                           ok = rustls_dist_scripted_peer:close(Peer)
                                   end),
    while_dialled(Config, ?GREATER, fun() ->
                                            Impostor = named(Config, ?GREATER),
                                            {<<"sok_simultaneous">>, _} = challenged(Impostor),
                                            ?assertEqual(pending, state(Config, ?GREATER)),
                                            Peer = named(Config, ?GREATER),
                                            {<<"sok_simultaneous">>, Challenge} = challenged(Peer),
                                            ok = proven(Peer, Challenge),
                                            await(Config, ?GREATER, up),
                                            ok = rustls_dist_scripted_peer:close(Impostor),
                                            rustls_dist_scripted_peer:close(Peer)
                                    end).

%% This node dials while the peer is asked for the cookie: as before, but the lesser name hears nothing, and is not cut off.
attempt_meanwhile(Config) ->
    [begin
         Peer = named(Config, Name),
         {<<"sok">>, Challenge} = challenged(Peer),
         while_dialled(Config, Name, fun() -> Rest(Peer, Challenge) end),
         ok = rustls_dist_scripted_peer:close(Peer)
     end || {Name, Rest} <-
                [{?LESSER, fun(Peer, Challenge) ->
                                   ok = answer(Peer, Challenge),
                                   ?assertEqual({error, timeout}, ssl:recv(maps:get(ssl, Peer), 0, ?SILENCE_MS)),
                                   ok
                           end},
                 {?GREATER, fun(Peer, Challenge) ->
                                    ok = proven(Peer, Challenge),
                                    await(Config, ?GREATER, up)
                            end}]],
    ok.

%% While the node is in the middle of an attempt of its own to Name.
while_dialled(Config, Name, Do) ->
    [Short, _Host] = string:split(Name, "@"),
    rustls_dist_scripted_peer:serve({world(cluster, Config), world(node, Config)}, Short, world(cert, Config),
                                    fun(Served) ->
                                            {ok, <<$N, _/binary>>} = rustls_dist_scripted_peer:recv(Served),
                                            ok = Do(),
                                            rustls_dist_scripted_peer:close(Served)
                                    end).

%% What dist_util refuses with a notice of OTP's for each attempt: the carrier's line alone, and no atom.
turned_away_quietly(Config) ->
    Node = world(node, Config),
    Old = dial(Config),
    ok = rustls_dist_scripted_peer:send(Old, rustls_dist_scripted_peer:name(?DFLAG_PUBLISHED, "old@127.0.0.1")),
    ?assertEqual({ok, <<"snot_allowed">>}, rustls_dist_scripted_peer:recv(Old)),
    ok = rustls_dist_cluster:call(Node, net_kernel, allow, [['friend@127.0.0.1', 'middle@127.0.0.1']]),
    Stranger = named(Config, "foe@127.0.0.1"),
    ?assertEqual({ok, <<"snot_allowed">>}, rustls_dist_scripted_peer:recv(Stranger)),
    [#{line := TooOld}, #{line := NotListed}] = rustls_dist_reports:await(Node, 2),
    ?assertEqual(match, re:run(TooOld, "old@127.0.0.1 .*cannot handle EXTENDED_REFERENCES, FUN_TAGS", [{capture, none}]), TooOld),
    ?assertEqual(match, re:run(NotListed, "foe@127.0.0.1 .*allow/1 does not list the peer", [{capture, none}]), NotListed),
    ?assertEqual([], [Line || Line <- rustls_dist_cluster:all_logged(Node), string:find(Line, "onnection attempt") =/= nomatch]),
    ?assertEqual([false, false], [is_known(Config, Name) || Name <- ["old@127.0.0.1", "foe@127.0.0.1"]]),
    [ok = rustls_dist_scripted_peer:close(Peer) || Peer <- [Old, Stranger]],
    ok.

budget_of_the_nameless(_Config) ->
    _ = persistent_term:erase(rustls_dist_nameless),
    ?assertNot(rustls_dist_nameless:spend()),
    ok = rustls_dist_nameless:give_back(),
    ok = rustls_dist_nameless:new(),
    {too_many_nameless, AtOnce, _PeriodMs} = rustls_dist_nameless:refusal(),
    ?assertEqual([true], lists:usort([rustls_dist_nameless:spend() || _ <- lists:seq(1, AtOnce)])),
    ?assertNot(rustls_dist_nameless:spend()),
    ok = rustls_dist_nameless:give_back(),
    ?assertEqual([true, false], [rustls_dist_nameless:spend() || _ <- [1, 2]]),
    true = persistent_term:erase(rustls_dist_nameless),
    ok.

%% One that is started without a name gets one, and takes nothing from the budget.
nameless_node(Config) ->
    Node = world(node, Config),
    ?assert(rustls_dist_cluster:call(Node, ?MODULE, state, [nameless]) =< 0),
    Peer = dial(Config),
    ok = rustls_dist_scripted_peer:send(Peer, rustls_dist_scripted_peer:name((1 bsl 64) - 1, "127.0.0.1")),
    {ok, <<"snamed:", Length:16, Name:Length/binary, _Creation:32>>} = rustls_dist_scripted_peer:recv(Peer),
    {ok, <<$N, _:64, Challenge:32, _/binary>>} = rustls_dist_scripted_peer:recv(Peer),
    ?assert(rustls_dist_cluster:call(Node, ?MODULE, state, [nameless]) > 0),
    ok = proven(Peer, Challenge),
    await(Config, binary_to_list(Name), up),
    ?assert(rustls_dist_cluster:call(Node, ?MODULE, state, [nameless]) =< 0),
    ok = rustls_dist_scripted_peer:close(Peer).

%% ----------------------------------------------------------------------------------------------------------

dial(Config) ->
    rustls_dist_scripted_peer:dial(world(node, Config), world(cert, Config)).

named(Config, Name) ->
    Peer = dial(Config),
    ok = rustls_dist_scripted_peer:send(Peer, rustls_dist_scripted_peer:name(Name)),
    Peer.

challenged(Peer) ->
    {ok, Status} = rustls_dist_scripted_peer:recv(Peer),
    {ok, <<$N, _Flags:64, Challenge:32, _/binary>>} = rustls_dist_scripted_peer:recv(Peer),
    {Status, Challenge}.

answer(Peer, Challenge) ->
    rustls_dist_scripted_peer:send(Peer, [<<$r, 7:32>>, erlang:md5([?COOKIE, integer_to_list(Challenge)])]).

proven(Peer, Challenge) ->
    ok = answer(Peer, Challenge),
    Digest = erlang:md5([?COOKIE, "7"]),
    ?assertEqual({ok, <<$a, Digest/binary>>}, rustls_dist_scripted_peer:recv(Peer)),
    ok.

is_known(Config, Name) ->
    rustls_dist_cluster:call(world(node, Config), ?MODULE, is_known, [list_to_binary(Name)]).

await(Config, Name, State) ->
    rustls_dist_cluster:poll(fun() -> state(Config, Name) =:= State andalso ok end).

state(Config, Name) ->
    rustls_dist_cluster:call(world(node, Config), ?MODULE, state, [list_to_binary(Name)]).

-spec is_known(binary()) -> boolean().
is_known(Name) ->
    try is_atom(binary_to_existing_atom(Name)) catch error:badarg -> false end.

%% How far net_kernel is with a node; in how many milliseconds the budget of the nameless is full again.
-spec state(binary() | nameless) -> term().
state(nameless) ->
    atomics:get(persistent_term:get(rustls_dist_nameless), 1) - erlang:monotonic_time(millisecond);
state(Name) ->
    case is_known(Name) andalso ets:lookup(sys_dist, binary_to_existing_atom(Name)) of
        [Connection] -> element(4, Connection);
        _ -> none
    end.
