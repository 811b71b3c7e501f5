%% verify_pinned/3 on real links: certificates that nobody certified, accepted by their fingerprints, on both versions and
%% in both directions; and that the proof of the private key is asked for all the same (issue 3, point 1).
-module(rustls_dist_pinned_SUITE).

-include_lib("stdlib/include/assert.hrl").

-export([all/0, suite/0, init_per_suite/1, end_per_suite/1]).
-export([spellings/1, not_listed/1, file_is_read_again/1, broken_file/1, without_authority/1, whatever_is_wrong/1,
         authority_is_not_peer/1, other_key/1, other_key_on_a_node/1]).

-define(VERSIONS, ['tlsv1.2', 'tlsv1.3']).

%% A message that is on its way when a link is ended must not open another.
-define(ARGUMENTS, ["-kernel", "dist_auto_connect", "never"]).

suite() ->
    [{timetrap, {minutes, 3}}].

all() ->
    [spellings, not_listed, file_is_read_again, broken_file, without_authority, whatever_is_wrong, authority_is_not_peer,
     other_key, other_key_on_a_node].

%% `alice' is self-signed, of version 3, `victor' of version 1. Each is a node, too, which pins nobody.
init_per_suite(Config) ->
    {ok, Applications} = application:ensure_all_started(ssl),
    {Keeper, Started} = rustls_dist_cluster:keep(fun start/0),
    [{keeper, Keeper}, {world, Started}, {applications, Applications} | Config].

start() ->
    Cluster = rustls_dist_cluster:new(),
    Dir = rustls_dist_cluster:dir(Cluster),
    Own = rustls_dist_certs:self_signed(Dir, "own", #{}),
    Alice = rustls_dist_certs:self_signed(Dir, "alice", #{}),
    Victor = rustls_dist_certs:v1(Dir, "victor", #{}),
    World = #{cluster => Cluster, dir => Dir, own => Own, alice => Alice, victor => Victor},
    World#{alice_node => unpinned(World, Alice), victor_node => unpinned(World, Victor)}.

end_per_suite(Config) ->
    ok = rustls_dist_cluster:stop(get(cluster, Config)),
    rustls_dist_cluster:release(proplists:get_value(keeper, Config)),
    lists:foreach(fun application:stop/1, lists:reverse(proplists:get_value(applications, Config))).

%% the list ---------------------------------------------------------------------------------------------------

%% Hex of either case, with colons or without, as openssl and others print it; strings or binaries; among others.
spellings(Config) ->
    Colons = fingerprint(get(alice, Config)),
    Plain = [Char || Char <- Colons, Char =/= $:],
    Other = fingerprint(get(own, Config)),
    [begin
         Node = pinning(Config, List),
         joins_both_ways(Node, get(alice_node, Config)),
         rustls_dist_pair:stop([Node])
     end || List <- [[Colons], [string:lowercase(Colons)], [Plain], [string:lowercase(Plain)],
                     [list_to_binary(Colons)], [Other, Plain]]].

%% However well it is certified, and with an empty list as well. The log says which fingerprint would have to be listed.
not_listed(Config) ->
    Fingerprint = [Char || Char <- fingerprint(get(alice, Config)), Char =/= $:],
    [begin
         Node = pinning(Config, List),
         refused(Config, Node, get(alice, Config), [Fingerprint, " is not among the pinned"]),
         never_joins(Node, get(alice_node, Config)),
         rustls_dist_pair:stop([Node])
     end || List <- [[], [fingerprint(get(victor, Config))]]],
    Ca = rustls_dist_certs:ca(get(dir, Config), "ca"),
    Certified = rustls_dist_certs:cert(get(dir, Config), Ca, "certified", #{}),
    Node = node(Config, get(own, Config), #{verify => verify_peer, cacertfile => maps:get(cert, Ca),
                                            verify_fun => {rustls_dist, verify_pinned, [Fingerprint]}}),
    refused(Config, Node, Certified, [[Char || Char <- fingerprint(Certified), Char =/= $:]]),
    rustls_dist_pair:stop([Node]).

%% While the node runs. Comments and empty lines are passed over.
file_is_read_again(Config) ->
    File = filename:join(get(dir, Config), "pins"),
    ok = file:write_file(File, "# nobody yet\n"),
    Node = pinning(Config, File),
    never_joins(Node, get(alice_node, Config)),
    ok = file:write_file(File, ["# the peers of this node\n\n", fingerprint(get(alice, Config)), "   # alice\r\n"]),
    joins_both_ways(Node, get(alice_node, Config)),
    never_joins(Node, get(victor_node, Config)),
    ok = file:write_file(File, [fingerprint(get(victor, Config)), "\n"]),
    joins_both_ways(Node, get(victor_node, Config)),
    never_joins(Node, get(alice_node, Config)),
    rustls_dist_pair:stop([Node]).

%% A file that cannot be used lets nobody in, and the log says what is wrong with it.
broken_file(Config) ->
    Absent = filename:join(get(dir, Config), "absent"),
    Garbled = filename:join(get(dir, Config), "garbled"),
    ok = file:write_file(Garbled, [fingerprint(get(alice, Config)), "\nnot a fingerprint\n"]),
    [begin
         Node = pinning(Config, File),
         refused(Config, Node, get(alice, Config), Why),
         rustls_dist_pair:stop([Node])
     end || {File, Why} <- [{Absent, "pinned fingerprints cannot be used.*absent cannot be read: no such file"},
                            {Garbled, "pinned fingerprints cannot be used.*is no SHA-256 fingerprint"}]].

%% what is accepted -------------------------------------------------------------------------------------------

%% No cacertfile on either side: both pin, mutually; version 3 and version 1, TLS 1.3 and 1.2.
without_authority(Config) ->
    [begin
         [A, B] = [node(Config, Cert, pins([Other], #{versions => [Version]})) || {Cert, Other} <- rustls_dist_pair:ring(Pair)],
         [?assertMatch(#{version := Version}, rustls_dist_pair:joins(From, To, any)) || {From, To} <- [{A, B}, {B, A}]],
         rustls_dist_pair:stop([A, B])
     end || Pair <- [[get(own, Config), get(alice, Config)], [get(own, Config), get(victor, Config)],
                     [get(victor, Config), get(alice, Config)]],
            Version <- ?VERSIONS].

%% The list is all the trust there is: what would be a fault is none.
whatever_is_wrong(Config) ->
    Dir = get(dir, Config),
    Ca = rustls_dist_certs:ca(Dir, "forgiven_ca"),
    Certs = [rustls_dist_certs:dated_cert(Dir, Ca, "old", {-10, -1}, #{}),
             rustls_dist_certs:dated_cert(Dir, Ca, "early", {1, 10}, #{}),
             rustls_dist_certs:cert(Dir, Ca, "misnamed", #{san => "DNS:elsewhere.example"}),
             rustls_dist_certs:cert(Dir, Ca, "nameless", #{san => none}),
             rustls_dist_certs:cert(Dir, Ca, "odd", #{extensions => ["1.2.3.4=critical,ASN1:NULL"]}),
             rustls_dist_certs:cert(Dir, Ca, "misused", #{extensions => ["extendedKeyUsage=codeSigning"]})],
    Node = node(Config, get(own, Config), pins(Certs, #{})),
    [begin
         Presented = rustls_dist_bad_peers:presented(Cert),
         ?assertEqual({File, Version, [let_in, let_in]},
                      {File, Version, [rustls_dist_bad_peers:dial(Node, Presented, Version),
                                       rustls_dist_bad_peers:answer(get(cluster, Config), Node, Presented, Version)]})
     end || #{cert := File} = Cert <- Certs, Version <- ?VERSIONS],
    rustls_dist_pair:stop([Node]).

%% Whom a pinned certificate has certified is not pinned.
authority_is_not_peer(Config) ->
    Dir = get(dir, Config),
    Ca = rustls_dist_certs:ca(Dir, "pinned_ca"),
    Leaf = rustls_dist_certs:cert(Dir, Ca, "below_pinned", #{}),
    Chain = Leaf#{cert => rustls_dist_certs:concat(filename:join(Dir, "below_chain.pem"),
                                                   [maps:get(cert, Leaf), maps:get(cert, Ca)])},
    Node = node(Config, get(own, Config), pins([Ca], #{})),
    Presented = rustls_dist_bad_peers:presented(Chain),
    [?assertMatch({Version, [{alert, _}, {alert, _}]},
                  {Version, [rustls_dist_bad_peers:dial(Node, Presented, Version),
                             rustls_dist_bad_peers:answer(get(cluster, Config), Node, Presented, Version)]})
     || Version <- ?VERSIONS],
    ?assertEqual([], rustls_dist_cluster:call(Node, erlang, nodes, [connected])),
    rustls_dist_pair:stop([Node]).

%% who may not --------------------------------------------------------------------------------------------------

%% A certificate is public. OTP's ssl does not check that the key it is given belongs to it.
other_key(Config) ->
    Node = node(Config, get(own, Config), pins([get(alice, Config), get(victor, Config)], #{})),
    Impostor = rustls_dist_bad_peers:presented(get(own, Config)),
    [begin
         #{chain := Chain} = rustls_dist_bad_peers:presented(get(Name, Config)),
         Stolen = Impostor#{chain := Chain},
         ok = rustls_dist_reports:collect(Node),
         ?assertEqual({Name, Version, [{alert, decrypt_error}, {alert, decrypt_error}]},
                      {Name, Version, [rustls_dist_bad_peers:dial(Node, Stolen, Version),
                                       rustls_dist_bad_peers:answer(get(cluster, Config), Node, Stolen, Version)]}),
         [?assertMatch({match, _}, re:run(Line, "does not hold its key"))
          || #{line := Line} <- rustls_dist_reports:await(Node, 2)],
         ?assertEqual([], rustls_dist_cluster:call(Node, erlang, nodes, [connected]))
     end || Name <- [alice, victor], Version <- ?VERSIONS],
    rustls_dist_pair:stop([Node]).

%% The same with a node of inet_tls, on either version.
other_key_on_a_node(Config) ->
    Node = node(Config, get(own, Config), pins([get(alice, Config)], #{})),
    [begin
         Options = [{certfile, maps:get(cert, get(alice, Config))}, {keyfile, Key}, {versions, [Version]}],
         Thief = rustls_dist_pair:start(get(cluster, Config), optfile, [{server, Options}, {client, [{verify, verify_none} | Options]}],
                                        #{proto => "inet_tls", args => ?ARGUMENTS}),
         Judge(Node, Thief),
         rustls_dist_pair:stop([Thief])
     end || Version <- ?VERSIONS,
            {Key, Judge} <- [{maps:get(key, get(own, Config)), fun never_joins/2},
                             %% With the right key it is let in: nothing else was wrong.
                             {maps:get(key, get(alice, Config)), fun joins_both_ways/2}]],
    rustls_dist_pair:stop([Node]).

%% -----------------------------------------------------------------------------------------------------------

pinning(Config, State) ->
    node(Config, get(own, Config), #{verify => verify_peer, verify_fun => {rustls_dist, verify_pinned, State}}).

%% Options that accept these certificates.
pins(Certs, Others) ->
    Others#{verify => verify_peer, verify_fun => {rustls_dist, verify_pinned, [fingerprint(Cert) || Cert <- Certs]}}.

%% Both sides verify; there is no cacertfile unless it is among the options.
node(Config, #{cert := Cert, key := Key}, Options) ->
    Common = [{certfile, Cert}, {keyfile, Key} | maps:to_list(Options)],
    rustls_dist_pair:start(get(cluster, Config), optfile,
                           [{server, [{fail_if_no_peer_cert, true} | Common]}, {client, Common}], #{args => ?ARGUMENTS}).

unpinned(#{cluster := Cluster}, #{cert := Cert, key := Key}) ->
    Common = [{certfile, Cert}, {keyfile, Key}],
    rustls_dist_pair:start(Cluster, optfile, [{server, Common}, {client, Common}], #{args => ?ARGUMENTS}).

%% As openssl prints it: two digits and a colon in turns.
fingerprint(#{cert := File}) ->
    "sha256 Fingerprint=" ++ Fingerprint =
        string:trim(os:cmd("openssl x509 -noout -fingerprint -sha256 -in " ++ File)),
    Fingerprint.

joins_both_ways(Node, Peer) ->
    [begin
         ok = rustls_dist_cluster:join(From, To),
         ok = rustls_dist_cluster:part(From, To)
     end || {From, To} <- [{Node, Peer}, {Peer, Node}]],
    ok.

never_joins(Node, Peer) ->
    [begin
         ?assertNot(rustls_dist_cluster:call(From, net_kernel, connect_node, [rustls_dist_cluster:name(To)])),
         ?assertNot(rustls_dist_cluster:connected(From, To))
     end || {From, To} <- [{Node, Peer}, {Peer, Node}]],
    ?assertNot(rustls_dist_cluster:connected(Node, Peer)),
    ok.

%% In both directions, on both versions: an alert about certificates, and a line that matches.
refused(Config, Node, Cert, Line) ->
    [begin
         ok = rustls_dist_reports:collect(Node),
         {alert, Alert} = case Side of
                              client -> rustls_dist_bad_peers:answer(get(cluster, Config), Node, {openssl, Cert}, Version);
                              server -> rustls_dist_bad_peers:dial(Node, {openssl, Cert}, Version)
                          end,
         ?assert(lists:member(Alert, [bad_certificate, handshake_failure, unknown_ca]), {Side, Version, Alert}),
         [#{line := Logged} | _] = rustls_dist_reports:await(Node, 1),
         ?assertMatch({match, _}, re:run(Logged, Line), Logged)
     end || Side <- [client, server], Version <- ?VERSIONS],
    ok.

get(Name, Config) ->
    maps:get(Name, proplists:get_value(world, Config)).
