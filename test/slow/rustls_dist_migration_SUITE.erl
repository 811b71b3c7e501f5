%% The steps of doc/from_inet_tls.md: three nodes of inet_tls become nodes of rustls, one at a time, with the same options
%% file, and go back. At every step each node is linked to each other.
-module(rustls_dist_migration_SUITE).

-include_lib("stdlib/include/assert.hrl").

-export([all/0, suite/0, init_per_suite/1, end_per_suite/1]).
-export([there_and_back/1, differs/1]).

suite() ->
    [{timetrap, {minutes, 3}}].

all() ->
    [there_and_back, differs].

init_per_suite(Config) ->
    {Keeper, World} = rustls_dist_cluster:keep(fun start/0),
    [{keeper, Keeper}, {world, World} | Config].

start() ->
    Cluster = rustls_dist_cluster:new(),
    Dir = rustls_dist_cluster:dir(Cluster),
    Cert = rustls_dist_certs:cert(Dir, rustls_dist_certs:ca(Dir, "ca"), "node", #{}),
    Optfile = rustls_dist_cluster:optfile(Cluster, "ssl_dist", rustls_dist_certs:options(Cert)),
    #{cluster => Cluster, optfile => Optfile}.

end_per_suite(Config) ->
    #{cluster := Cluster} = world(Config),
    ok = rustls_dist_cluster:stop(Cluster),
    rustls_dist_cluster:release(proplists:get_value(keeper, Config)).

there_and_back(Config) ->
    #{optfile := Optfile} = world(Config),
    Names = [a, b, c],
    %% 1. Look before.
    {0, Checked} = command(Config, ["check", "--optfile", Optfile, "--node", "a@127.0.0.1"]),
    ?assertMatch({match, _}, re:run(Checked, "0 errors, 0 warnings")),
    Old = maps:from_list([{Name, node(Config, Name, "inet_tls")} || Name <- Names]),
    ok = joined(Old),
    %% 2. and 3. One node after the other.
    New = lists:foldl(fun(Name, Nodes) -> moved(Config, Nodes, Name, "rustls") end, Old, Names),
    [?assertMatch({ok, _}, rustls_dist_cluster:call(maps:get(a, New), rustls_dist, info, [name(maps:get(Name, New))]))
     || Name <- [b, c]],
    %% Going back.
    Back = lists:foldl(fun(Name, Nodes) -> moved(Config, Nodes, Name, "inet_tls") end, New, Names),
    rustls_dist_pair:stop(maps:values(Back)).

%% Stops a node and starts it anew with another carrier; ping says which one it has.
moved(Config, Nodes, Name, Proto) ->
    #{optfile := Optfile} = world(Config),
    ok = rustls_dist_cluster:stop_node(maps:get(Name, Nodes)),
    Node = node(Config, Name, Proto),
    {0, Pinged} = command(Config, ["ping", atom_to_list(name(Node)), "--optfile", Optfile]),
    ?assertMatch({{match, _}, _}, {re:run(Pinged, "^peer +" ++ Proto, [multiline]), Pinged}),
    Now = Nodes#{Name := Node},
    ok = joined(Now),
    Now.

%% Each dials each, as far as there is no link yet.
joined(Nodes) ->
    All = maps:values(Nodes),
    [?assertEqual(pong, rustls_dist_cluster:call(From, net_adm, ping, [name(To)])) || From <- All, To <- All, From =/= To],
    [?assertEqual(lists:sort([name(Other) || Other <- All, Other =/= Node]),
                  lists:sort(rustls_dist_cluster:call(Node, erlang, nodes, [])))
     || Node <- All],
    ok.

%% What only rustls knows has to go before a node goes back; check notes it.
differs(Config) ->
    #{cluster := Cluster, optfile := Optfile} = world(Config),
    {ok, [[{server, Server}, {client, Client}]]} = file:consult(Optfile),
    Bound = rustls_dist_cluster:optfile(Cluster, "bound", [{server, [{verify_node, host} | Server]}, {client, Client}]),
    {0, Checked} = command(Config, ["check", "--optfile", Bound, "--node", "a@127.0.0.1"]),
    ?assertMatch({match, _}, re:run(Checked, "inet_tls does not know verify_node, and does not start with it")).

node(Config, Name, Proto) ->
    #{cluster := Cluster, optfile := Optfile} = world(Config),
    rustls_dist_cluster:start(Cluster, Name, #{proto => Proto, optfile => Optfile}).

command(Config, Words) ->
    #{cluster := Cluster} = world(Config),
    App = filename:dirname(filename:absname(os:getenv("RUSTLS_DIST_EBIN"))),
    Port = open_port({spawn_executable, filename:join([App, "priv", "rustls-dist"])},
                     [{args, Words}, {env, rustls_dist_cluster:env(Cluster)}, exit_status, stderr_to_stdout, binary]),
    collected(Port, <<>>).

collected(Port, Output) ->
    receive
        {Port, {data, Data}} -> collected(Port, <<Output/binary, Data/binary>>);
        {Port, {exit_status, Status}} -> {Status, unicode:characters_to_list(Output)}
    after 60000 ->
        error({still_running, Output})
    end.

name(Node) -> rustls_dist_cluster:name(Node).
world(Config) -> proplists:get_value(world, Config).
