%% verify_none together with a verify_fun, as ssl takes it: a client asks the function, a server has nothing to ask it about
%% (issue 9, point 16). Each case runs with inet_tls and with the same options here.
-module(rustls_dist_verify_none_SUITE).

-include_lib("common_test/include/ct.hrl").
-include_lib("stdlib/include/assert.hrl").

-export([all/0, init_per_suite/1, end_per_suite/1]).
-export([client_asks/1, client_refuses/1, without_authority/1, server_does_not_ask/1, function_alone/1]).

all() ->
    [client_asks, client_refuses, without_authority, server_does_not_ask, function_alone].

%% The peer encrypts only, and shows its certificate. `stranger' is one that nobody vouches for.
init_per_suite(Config) ->
    {Keeper, World} = rustls_dist_cluster:keep(fun start/0),
    [{keeper, Keeper}, {world, World} | Config].

start() ->
    Cluster = rustls_dist_cluster:new(),
    Dir = rustls_dist_cluster:dir(Cluster),
    Good = rustls_dist_certs:cert(Dir, rustls_dist_certs:ca(Dir, "ca"), "good", #{}),
    Misnamed = rustls_dist_certs:cert(Dir, #{cert => filename:join(Dir, "ca.pem"), key => filename:join(Dir, "ca.key")},
                                      "misnamed", #{san => "DNS:elsewhere.example"}),
    World = #{cluster => Cluster, dir => Dir, good => Good},
    World#{peer => node(World, "rustls", sides(Good, [], [])),
           misnamed => node(World, "rustls", sides(Misnamed, [], []))}.

end_per_suite(Config) ->
    ok = rustls_dist_cluster:stop(get(cluster, Config)),
    rustls_dist_cluster:release(?config(keeper, Config)).

%% About the same events; extensions come in another order. Nobody is warned that the peer is not verified.
client_asks(Config) ->
    Calls = [begin
                 Record = record_file(Config, Proto),
                 Node = client(Config, Proto, [authority(Config), {verify_fun, {rustls_dist_verdicts, record, {Record, 0}}}]),
                 joins(Node, get(peer, Config)),
                 ?assertEqual(nomatch, re:run(rustls_dist_cluster:log(Node), "client side does not verify")),
                 rustls_dist_pair:stop([Node]),
                 lists:usort([{Name, Event} || {_, Name, Event} <- rustls_dist_verdicts:calls(Record)])
             end || Proto <- carriers()],
    ?assertMatch([[_ | _] = Events, Events], Calls),
    ?assert(lists:member({"good", valid_peer}, hd(Calls))).

%% A sound chain, a name that is another's, a chain without an authority that is trusted: what the function says is done.
client_refuses(Config) ->
    [begin
         Node = client(Config, Proto, Authority ++ [{verify_fun, VerifyFun}]),
         ?assertEqual({Proto, VerifyFun, Expected}, {Proto, VerifyFun, connects(Node, get(Peer, Config))}),
         rustls_dist_pair:stop([Node])
     end || {Authority, VerifyFun, Peer, Expected} <-
                [{[authority(Config)], {rustls_dist_verdicts, refuse_peer, "good"}, peer, false},
                 {[authority(Config)], {rustls_dist_verdicts, as_otp, none}, misnamed, false},
                 {[authority(Config)], {rustls_dist_verdicts, trust_all, none}, misnamed, true}],
            Proto <- carriers()].

%% Without cacertfile no chain has an anchor, which is a fault like others.
without_authority(Config) ->
    [begin
         Node = client(Config, Proto, [{verify_fun, VerifyFun}]),
         ?assertEqual({Proto, VerifyFun, Expected}, {Proto, VerifyFun, connects(Node, get(peer, Config))}),
         rustls_dist_pair:stop([Node])
     end || {VerifyFun, Expected} <- [{{rustls_dist_verdicts, as_otp, none}, false},
                                      {{rustls_dist_verdicts, whitelist, [unknown_ca]}, true}],
            Proto <- carriers()].

%% Clients are asked for no certificate, and come in with and without one, whatever the function would say.
server_does_not_ask(Config) ->
    Verdict = [{verify, verify_none}, {verify_fun, {rustls_dist_verdicts, crash, none}}],
    Bare = rustls_dist_cluster:start(get(cluster, Config), #{}),
    [begin
         Node = node(get(world, Config), Proto, sides(get(good, Config), Verdict, [])),
         [joins(Peer, Node) || Peer <- [get(peer, Config), Bare]],
         Proto =:= "rustls" andalso
             rustls_dist_cluster:await_log(Node, "verify_fun .* has no meaning here: with verify_none clients are asked for"),
         rustls_dist_pair:stop([Node])
     end || Proto <- carriers()],
    rustls_dist_pair:stop([Bare]).

%% Where only the function is given it decides, on the server side as well: OTP up to 25 never asks it there.
function_alone(Config) ->
    Verdict = [{verify_fun, {rustls_dist_verdicts, refuse_peer, "good"}}],
    Node = node(get(world, Config), "rustls", sides(get(good, Config), Verdict, Verdict)),
    [?assertNot(connects(From, To)) || {From, To} <- [{Node, get(peer, Config)}, {get(peer, Config), Node}]],
    rustls_dist_pair:stop([Node]).

%% ----------------------------------------------------------------------------------------------------------------

carriers() -> ["inet_tls", "rustls"].

%% A node whose client side has verify_none and this.
client(Config, Proto, Options) ->
    node(get(world, Config), Proto, sides(get(good, Config), [], [{verify, verify_none} | Options])).

sides(#{cert := Cert, key := Key}, Server, Client) ->
    Pair = [{certfile, Cert}, {keyfile, Key}],
    [{server, Pair ++ Server}, {client, Pair ++ Client}].

authority(Config) ->
    #{ca := Ca} = get(good, Config),
    {cacertfile, Ca}.

%% A message that is on its way when a link is ended must not open another. A verify_fun is given as a fun, which either
%% carrier takes.
node(#{cluster := Cluster}, Proto, Sides) ->
    rustls_dist_pair:start(Cluster, optfile, [{Side, [with_fun(Option) || Option <- Options]} || {Side, Options} <- Sides],
                           #{proto => Proto, args => ["-kernel", "dist_auto_connect", "never"]}).

with_fun({verify_fun, {Module, Function, State}}) -> {verify_fun, {fun Module:Function/3, State}};
with_fun(Option) -> Option.

joins(From, To) ->
    ok = rustls_dist_cluster:join(From, To),
    rustls_dist_cluster:part(From, To).

connects(From, To) ->
    Connected = rustls_dist_cluster:call(From, net_kernel, connect_node, [rustls_dist_cluster:name(To)]),
    Connected andalso rustls_dist_cluster:part(From, To),
    Connected.

record_file(Config, Name) ->
    filename:join(get(dir, Config), lists:concat(["calls-", Name, erlang:unique_integer([positive])])).

get(world, Config) -> ?config(world, Config);
get(Name, Config) -> maps:get(Name, get(world, Config)).
