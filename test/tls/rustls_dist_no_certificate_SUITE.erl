%% Nodes without a certificate of their own: tools and remote shells that dial and are not dialled (issue 9, point 16). What
%% inet_tls does with the same options stands beside it.
-module(rustls_dist_no_certificate_SUITE).

-include_lib("common_test/include/ct.hrl").
-include_lib("stdlib/include/assert.hrl").

-export([all/0, init_per_suite/1, end_per_suite/1]).
-export([dials/1, nobody_dials/1, said_once/1, not_listening/1, starts_again/1, log_is_limited/1, other_peers/1,
         half_a_certificate/1, escript/1]).

-define(TIMEOUT_MS, 15000).

all() ->
    [dials, nobody_dials, said_once, not_listening, starts_again, log_is_limited, other_peers, half_a_certificate,
     escript].

%% Two nodes to dial: one asks for certificates, the other encrypts only. And one of each carrier without any option.
init_per_suite(Config) ->
    {ok, Applications} = application:ensure_all_started(ssl),
    {Keeper, World} = rustls_dist_cluster:keep(fun start/0),
    [{keeper, Keeper}, {world, World}, {applications, Applications} | Config].

start() ->
    Cluster = rustls_dist_cluster:new(),
    Dir = rustls_dist_cluster:dir(Cluster),
    #{cert := File, key := Key} = Cert = rustls_dist_certs:cert(Dir, rustls_dist_certs:ca(Dir, "ca"), "node", #{}),
    Pair = [{certfile, File}, {keyfile, Key}],
    World = #{cluster => Cluster, cert => Cert},
    World#{strict => node(World, "rustls", rustls_dist_certs:options(Cert)),
           open => node(World, "rustls", [{server, Pair}, {client, Pair}]),
           bare => [{Proto, bare(World, Proto)} || Proto <- carriers_of_bare_nodes()]}.

%% From OTP 26 on a node of inet_tls without any option verifies whom it dials, by nothing, and so dials nobody; and ssl closes
%% the connection of who dials it without an alert.
carriers_of_bare_nodes() ->
    case list_to_integer(erlang:system_info(otp_release)) >= 26 of
        true -> ["rustls"];
        false -> ["rustls", "inet_tls"]
    end.

end_per_suite(Config) ->
    ok = rustls_dist_cluster:stop(get(cluster, Config)),
    rustls_dist_cluster:release(?config(keeper, Config)),
    lists:foreach(fun application:stop/1, lists:reverse(?config(applications, Config))).

%% An escript finds what OTP's own folders hold: so does that of a release whose `erl' is OTP's, as Debian's is with OTP 29.
%% With the release's folder in ERL_LIBS it finds the carrier, too.
escript(Config) ->
    #{cluster := #{epmd_port := EpmdPort} = Cluster, cert := Cert} = world(Config),
    Dir = rustls_dist_cluster:dir(Cluster),
    File = filename:join(Dir, "tool"),
    ok = file:write_file(File, ["#!/usr/bin/env escript\n",
                                "main([Node]) -> io:format(\"~p\", [net_adm:ping(list_to_atom(Node))]).\n"]),
    [{server, _}, Client] = rustls_dist_certs:options(Cert),
    Optfile = rustls_dist_cluster:optfile(Cluster, "tool", [Client]),
    Command = lists:concat(["cd ", Dir, " && ERL_EPMD_PORT=", EpmdPort,
                            " ERL_FLAGS='-proto_dist rustls -ssl_dist_optfile ", Optfile, " -name tool@127.0.0.1 -dist_listen false -setcookie rustls_dist_test -kernel logger_level none'",
                            " escript tool ", rustls_dist_cluster:name(get(strict, Config)), " 2>&1"]),
    Libs = filename:dirname(filename:dirname(rustls_dist_cluster:ebin())),
    ?assertEqual("pong", os:cmd("export ERL_LIBS=" ++ Libs ++ "; " ++ Command)),
    ?assertEqual(nomatch, string:find(os:cmd("unset ERL_LIBS; " ++ Command), "pong")).

%% The client part alone, in a file or on the command line; a server part that has no certificate; nothing at all.
dials(Config) ->
    #{cert := Cert} = World = world(Config),
    [{server, _}, {client, Client}] = rustls_dist_certs:options(Cert),
    Verifying = [{cacertfile, maps:get(ca, Cert)}, {verify, verify_peer}],
    [begin
         Node = case Source of
                    file -> node(World, Proto, Options);
                    flag -> started(World, Proto, rustls_dist_cluster:flags(Options))
                end,
         joins(Node, get(Peer, Config)),
         rustls_dist_pair:stop([Node])
     end || {Source, Options, Peer} <- [{file, [{client, Client}], strict},
                                        {flag, [{client, Client}], strict},
                                        {file, [{client, Verifying}], open},
                                        {file, [{server, Verifying}, {client, Client}], strict}],
            Proto <- ["rustls", "inet_tls"]],
    [joins(Node, get(open, Config)) || {_Proto, Node} <- get(bare, Config)],
    %% The strict one takes no client without a certificate.
    [?assertNot(connects(Node, get(strict, Config))) || {_Proto, Node} <- get(bare, Config)].

%% Who dials it hears the alert that ssl sends, and its own log says so.
nobody_dials(Config) ->
    [begin
         ?assertEqual({Proto, {alert, handshake_failure}}, {Proto, rustls_dist_bad_peers:dial(Node, none, 'tlsv1.2')}),
         ?assertNot(connects(get(open, Config), Node))
     end || {Proto, Node} <- get(bare, Config)],
    Node = bare_of("rustls", Config),
    ok = rustls_dist_reports:collect(Node),
    %% ssl of OTP 25 crashes without an alert there.
    ?assertEqual({alert, handshake_failure}, rustls_dist_bad_peers:dial(Node, none, 'tlsv1.3')),
    [#{line := Line, reason := no_certificate}] = rustls_dist_reports:await(Node, 1),
    ?assertMatch({match, _}, re:run(Line, "127.0.0.1.*this node has no certificate.*certfile.*alert handshake_failure")),
    Peer = get(open, Config),
    ok = rustls_dist_reports:collect(Peer),
    ?assertNot(connects(Peer, Node)),
    [#{line := Heard} | _] = rustls_dist_reports:await(Peer, 1),
    ?assertMatch({match, _}, re:run(Heard, "alert handshake_failure.*none of its own")).

%% Why nobody can dial, and how to mend it; that clients are not verified is no matter then.
said_once(Config) ->
    Node = bare(world(Config), "rustls"),
    Line = rustls_dist_cluster:await_log(Node, "nobody can dial"),
    [?assertMatch({match, _}, re:run(Line, Part)) || Part <- ["server side has no certificate", "server_certfile",
                                                              "-ssl_dist_optfile"]],
    _ = rustls_dist_cluster:await_log(Node, "the client side does not verify its peers"),
    joins(Node, get(open, Config)),
    ?assertEqual(1, lines(Node, "nobody can dial")),
    ?assertEqual(0, lines(Node, "neither side|server side does not verify|fail_if_no_peer_cert")),
    rustls_dist_pair:stop([Node]).

%% Nobody dials a node that does not listen, whatever it has.
not_listening(Config) ->
    Node = started(world(Config), "rustls", ["-dist_listen", "false"]),
    joins(Node, get(open, Config)),
    ?assertEqual(0, lines(Node, "nobody can dial")),
    rustls_dist_pair:stop([Node]).

%% Distribution that begins at run time, twice.
starts_again(Config) ->
    Undistributed = rustls_dist_cluster:start_undistributed(get(cluster, Config), #{}),
    [begin
         {ok, _} = call(Undistributed, net_kernel, start, [['tool@127.0.0.1', longnames]]),
         true = call(Undistributed, erlang, set_cookie, [rustls_dist_test]),
         Node = Undistributed#{node := 'tool@127.0.0.1'},
         ok = rustls_dist_cluster:join(Node, get(open, Config)),
         rustls_dist_cluster:poll(fun() -> lines(Undistributed, "nobody can dial") =:= Times end),
         ok = call(Undistributed, net_kernel, stop, [])
     end || Times <- [1, 2]],
    rustls_dist_pair:stop([Undistributed]).

%% As with every other failure.
log_is_limited(Config) ->
    Node = bare(world(Config), "rustls"),
    Before = taken(Node),
    ok = rustls_dist_reports:collect(Node),
    [?assertEqual({alert, handshake_failure}, rustls_dist_bad_peers:dial(Node, none, 'tlsv1.2')) || _ <- lists:seq(1, 30)],
    ?assert(length(rustls_dist_reports:await(Node, 1)) < 30),
    rustls_dist_cluster:poll(fun() -> taken(Node) =:= Before end),
    rustls_dist_pair:stop([Node]).

%% Those that are no TLS peers are called what they are, and one that says nothing is let go.
other_peers(Config) ->
    Node = started(world(Config), "rustls", ["-kernel", "net_setuptime", "1"]),
    [begin
         ok = rustls_dist_reports:collect(Node),
         ?assertEqual({Bytes, {error, closed}}, {Bytes, answer(Node, Bytes)}),
         [#{reason := Reason}] = rustls_dist_reports:await(Node, 1),
         ?assertEqual(Expected, Reason)
     end || {Bytes, Expected} <- [{<<0, 9, $N, 0, 0>>, plain_distribution},
                                  {<<"GET / HTTP/1.0\r\n\r\n">>, {not_tls, <<"GET / HTTP/1.0\r\n">>}},
                                  {<<22>>, {timeout, true}},
                                  {<<>>, {timeout, false}}]],
    rustls_dist_pair:stop([Node]).

%% A key whose certificate was forgotten stops the node, as before.
half_a_certificate(Config) ->
    #{key := Key} = get(cert, Config),
    {Status, Output} = rustls_dist_cluster:run_until_exit(
                         get(cluster, Config),
                         ["-proto_dist", "rustls", "-name", "never@127.0.0.1", "-ssl_dist_opt", "server_keyfile", Key]),
    ?assertNotEqual(0, Status),
    ?assertMatch({match, _}, re:run(Output, "the server option keyfile .* there is none: add server_certfile")).

%% ----------------------------------------------------------------------------------------------------------------

bare(World, Proto) ->
    started(World, Proto, []).

bare_of(Proto, Config) ->
    {Proto, Node} = lists:keyfind(Proto, 1, get(bare, Config)),
    Node.

node(#{cluster := Cluster} = World, Proto, Options) ->
    Name = lists:concat(["options", erlang:unique_integer([positive])]),
    started(World, Proto, ["-ssl_dist_optfile", rustls_dist_cluster:optfile(Cluster, Name, Options)]).

%% A message that is on its way when a link is ended must not open another.
started(#{cluster := Cluster}, Proto, Arguments) ->
    rustls_dist_cluster:start(Cluster, #{proto => Proto, args => ["-kernel", "dist_auto_connect", "never" | Arguments]}).

joins(From, To) ->
    ok = rustls_dist_cluster:join(From, To),
    ?assertEqual([pong, pong], [call(A, net_adm, ping, [rustls_dist_cluster:name(B)]) || {A, B} <- [{From, To}, {To, From}]]),
    rustls_dist_cluster:part(From, To).

connects(From, To) ->
    call(From, net_kernel, connect_node, [rustls_dist_cluster:name(To)]).

%% How many lines of the node's log match.
lines(Node, Pattern) ->
    length([Line || Line <- string:split(rustls_dist_cluster:log(Node), "\n", all),
                    re:run(Line, Pattern, [unicode, {capture, none}]) =:= match]).

answer(Node, Bytes) ->
    {ok, Socket} = gen_tcp:connect({127, 0, 0, 1}, rustls_dist_cluster:listening_port(Node), [binary, {active, false}]),
    ok = gen_tcp:send(Socket, Bytes),
    Answer = gen_tcp:recv(Socket, 0, ?TIMEOUT_MS),
    ok = gen_tcp:close(Socket),
    Answer.

taken(Node) ->
    {length(call(Node, erlang, ports, [])), call(Node, rustls_dist_nif, resources, [])}.

call(Node, Module, Function, Arguments) ->
    rustls_dist_cluster:call(Node, Module, Function, Arguments).

world(Config) -> ?config(world, Config).
get(Name, Config) -> maps:get(Name, world(Config)).
