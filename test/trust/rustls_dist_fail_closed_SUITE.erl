%% Whatever is wrong with a peer's certificate, it never gets a link: every row of rustls_dist_matrix, in both
%% directions, with the TLS alert that the peer receives and the line that the judge logs (issue 3, point 6).
%%
%% Peers played with OTP's ssl and openssl on TLS 1.2 and 1.3 tell the alert exactly; nodes of the carrier show that it
%% reaches the other side's log.
-module(rustls_dist_fail_closed_SUITE).

-include_lib("stdlib/include/assert.hrl").

-export([all/0, suite/0, init_per_suite/1, end_per_suite/1]).
-export([good_peers/1, tls_1_3/1, tls_1_2/1, anonymous/1, rustls_nodes/1, inet_tls_nodes/1, verify_fun/1, documented/1]).

%% a verify_fun that adds nothing to what OTP decides
-export([as_otp/3]).

suite() ->
    [{timetrap, {minutes, 5}}].

all() ->
    [good_peers, tls_1_3, tls_1_2, anonymous, rustls_nodes, inet_tls_nodes, verify_fun, documented].

init_per_suite(Config) ->
    {ok, Applications} = application:ensure_all_started(ssl),
    {Keeper, Started} = rustls_dist_cluster:keep(fun start/0),
    [{keeper, Keeper}, {world, Started}, {applications, Applications} | Config].

%% One judge for each set of options.
start() ->
    Cluster = rustls_dist_cluster:new(),
    Dir = rustls_dist_cluster:dir(Cluster),
    Ca = rustls_dist_certs:ca(Dir, "ca"),
    Own = rustls_dist_certs:cert(Dir, Ca, "judge", #{}),
    #{lists := Lists} = Peers = rustls_dist_bad_peers:make(Dir, Ca),
    World = Peers#{cluster => Cluster, ca => Ca, own => Own},
    Judges = maps:from_list([{Needs, judge(World, rustls_dist_matrix:options(Needs, Lists))}
                             || Needs <- [nothing, depth, crls, no_crls, names]]),
    World#{judges => Judges}.

judge(#{cluster := Cluster, own := Own}, Extra) ->
    rustls_dist_pair:start(Cluster, optfile, rustls_dist_certs:options(Own, Extra), #{}).

end_per_suite(Config) ->
    #{cluster := Cluster} = world(Config),
    ok = rustls_dist_cluster:stop(Cluster),
    rustls_dist_cluster:release(proplists:get_value(keeper, Config)),
    lists:foreach(fun application:stop/1, lists:reverse(proplists:get_value(applications, Config))).

%% What is refused below is refused for its fault: the same peers are let in without it.
good_peers(Config) ->
    #{cluster := Cluster, judges := Judges, files := #{crl_missing := Good}, presented := Presented} = world(Config),
    [?assertEqual({Needs, Version, [let_in, let_in]},
                  {Needs, Version,
                   [rustls_dist_bad_peers:dial(Judge, Presented(crl_missing, ssl, server), Version),
                    rustls_dist_bad_peers:answer(Cluster, Judge, Presented(crl_missing, ssl, client), Version)]})
     || {Needs, Judge} <- maps:to_list(Judges), Needs =/= no_crls, Version <- ['tlsv1.2', 'tlsv1.3']],
    [begin
         Node = rustls_dist_pair:start(Cluster, optfile, rustls_dist_certs:options(Good),
                                       #{proto => Proto, args => ["-kernel", "dist_auto_connect", "never"]}),
         [ok = part_again(From, To) || Judge <- [maps:get(Needs, Judges) || Needs <- [nothing, depth, crls, names]],
                                       {From, To} <- [{Judge, Node}, {Node, Judge}]],
         rustls_dist_pair:stop([Node])
     end || Proto <- ["rustls", "inet_tls"]].

part_again(From, To) ->
    ok = rustls_dist_cluster:join(From, To),
    rustls_dist_cluster:part(From, To).

tls_1_3(Config) ->
    played(Config, 'tlsv1.3').

tls_1_2(Config) ->
    played(Config, 'tlsv1.2').

played(Config, Version) ->
    World = world(Config),
    mismatches([{Name, Side, {alert, Alert}, Log, play(World, judge_of(World, Row), Row, {Peer, Side}, Version)}
                || #{name := Name} = Row <- rustls_dist_matrix:rows(), Side <- [client, server],
                   #{Side := #{alert := Alert, log := Log, peers := [Peer | _]}} <- [Row], is_played(Peer)]).

is_played(Peer) -> lists:member(Peer, [ssl, openssl]).

play(#{cluster := Cluster, presented := Presented}, Judge, #{name := Name}, {Peer, Side}, Version) ->
    ok = rustls_dist_reports:collect(Judge),
    Shown = Presented(Name, Peer, Side),
    Outcome = case Side of
                  server -> rustls_dist_bad_peers:dial(Judge, Shown, Version);
                  client -> rustls_dist_bad_peers:answer(Cluster, Judge, Shown, Version)
              end,
    [Report | _] = rustls_dist_reports:await(Judge, 1),
    {Outcome, linked(Judge), maps:get(line, Report)}.

%% There are no cipher suites without authentication here, and so no server without a certificate.
anonymous(Config) ->
    #{cluster := Cluster, judges := #{nothing := Judge}} = world(Config),
    [#{client := #{alert := {sent_by_peer, handshake_failure}, log := Log}}] =
        [Row || #{name := none} = Row <- rustls_dist_matrix:rows()],
    ok = rustls_dist_reports:collect(Judge),
    ?assertMatch({match, _}, re:run(rustls_dist_bad_peers:answer_anonymously(Cluster, Judge),
                                    ">>> .*Alert.*\n?.*handshake_failure")),
    [#{line := Line} | _] = rustls_dist_reports:await(Judge, 1),
    ?assertMatch({match, _}, re:run(Line, Log)),
    ?assertEqual([], linked(Judge)).

rustls_nodes(Config) ->
    between_nodes(Config, rustls, "rustls").

inet_tls_nodes(Config) ->
    between_nodes(Config, inet_tls, "inet_tls").

between_nodes(Config, Kind, Proto) ->
    World = world(Config),
    mismatches([{Name, Side, Alert, Log, meet(World, judge_of(World, Row), Row, Side, Proto)}
                || #{name := Name} = Row <- rustls_dist_matrix:rows(), Side <- [client, server],
                   #{Side := #{alert := Alert, log := Log, peers := Peers}} <- [Row], lists:member(Kind, Peers)]).

%% The alert is looked for in the peer's log.
meet(#{cluster := Cluster} = World, Judge, Row, Side, Proto) ->
    #{alert := Alert} = maps:get(Side, Row),
    Peer = rustls_dist_pair:start(Cluster, optfile, peer_options(World, Row, Side), #{proto => Proto}),
    ok = rustls_dist_reports:collect(Judge),
    {From, To} = case Side of
                     client -> {Judge, Peer};
                     server -> {Peer, Judge}
                 end,
    ok = rustls_dist_pair:refused(From, To),
    [Report | _] = rustls_dist_reports:await(Judge, 1),
    Heard = heard(Peer, Alert, Proto),
    rustls_dist_pair:stop([Peer]),
    {Heard, linked(Judge), maps:get(line, Report)}.

%% inet_tls tells its log nothing about TLS.
heard(_Peer, Expected, "inet_tls") ->
    Expected;
heard(Peer, {status, _NotAllowed} = Expected, "rustls") ->
    _ = rustls_dist_cluster:await_log(Peer, "does not allow this node"),
    Expected;
heard(Peer, Alert, "rustls") ->
    _ = rustls_dist_cluster:await_log(Peer, ["the peer sent the alert ", atom_to_list(Alert)]),
    Alert.

%% Such a peer does not mind whom it talks to. A server always has a certificate.
peer_options(#{own := #{cert := Cert, key := Key}}, #{name := none}, server) ->
    [{server, [{certfile, Cert}, {keyfile, Key}]}, {client, [{verify, verify_none}]}];
peer_options(#{files := Files}, #{name := Name}, _Side) ->
    #{Name := #{cert := Cert, key := Key}} = Files,
    Own = [{certfile, Cert}, {keyfile, Key}],
    [{server, Own}, {client, [{verify, verify_none} | Own]}].

%% The other way to judge, by public_key's walk and a user's function: it refuses all of the same.
verify_fun(Config) ->
    #{lists := Lists} = World = world(Config),
    Judges = maps:from_list(
               [{Needs, judge(World, (rustls_dist_matrix:options(Needs, Lists))
                                     #{verify_fun => {?MODULE, as_otp, none}})}
                || Needs <- [nothing, depth, crls, no_crls, names]]),
    Outcomes = [{Name, Side, Version, play(World, maps:get(Needs, Judges), Row, {Peer, Side}, Version)}
                || #{name := Name, needs := Needs} = Row <- rustls_dist_matrix:rows(), Side <- [client, server],
                   #{Side := #{peers := [Peer | _]}} <- [Row], is_played(Peer), Version <- ['tlsv1.2', 'tlsv1.3']],
    ct:log("~tp", [Outcomes]),
    ?assertEqual([], [Bad || {_, _, _, {Outcome, Linked, _}} = Bad <- Outcomes,
                             Linked =/= [] orelse not is_refusal(Outcome)]),
    rustls_dist_pair:stop(maps:values(Judges)).

is_refusal({alert, Alert}) -> not lists:member(Alert, [internal_error, close_notify]);
is_refusal({ended, closed}) -> true;
is_refusal(_) -> false.

-spec as_otp(term(), term(), State) -> {valid, State} | {unknown, State} | {fail, term()}.
as_otp(_Cert, {bad_cert, _} = Fault, _State) -> {fail, Fault};
as_otp(_Cert, {extension, _}, State) -> {unknown, State};
as_otp(_Cert, _Valid, State) -> {valid, State}.

%% doc/verification.md shows this very table.
documented(_Config) ->
    {ok, Text} = file:read_file(rustls_dist_documents:path("verification.md")),
    ?assertEqual(unicode:characters_to_binary(rustls_dist_matrix:markdown()), rustls_dist_matrix:section(Text)).

%% -----------------------------------------------------------------------------------------------------------

%% All rows are played, and what differs is shown together.
mismatches(Played) ->
    ct:log("~tp", [Played]),
    ?assertEqual([], [Row || {_Name, _Side, Expected, Log, {Outcome, Linked, Line}} = Row <- Played,
                             Outcome =/= Expected orelse Linked =/= [] orelse re:run(Line, Log) =:= nomatch]).

linked(Judge) ->
    rustls_dist_cluster:call(Judge, erlang, nodes, [connected]).

judge_of(#{judges := Judges}, #{needs := Needs}) ->
    maps:get(Needs, Judges).

world(Config) ->
    proplists:get_value(world, Config).
