%% Further ways to say whom to trust and what to show: cacerts, certs_keys, server_name_indication and
%% customize_hostname_check, on real links (issue 3, point 4).
-module(rustls_dist_own_certificates_SUITE).

-include_lib("stdlib/include/assert.hrl").

-export([all/0, suite/0, init_per_suite/1, end_per_suite/1]).
-export([trusted_in_der/1, by_what_the_peer_can/1, by_what_the_server_names/1, files_of_pairs/1, several_roots/1,
         cross_signed/1, customized_host_check/1, other_name/1]).

%% a match_fun
-export([any_of_the_cluster/2]).

suite() ->
    [{timetrap, {minutes, 2}}].

all() ->
    [trusted_in_der, by_what_the_peer_can, by_what_the_server_names, files_of_pairs, several_roots, cross_signed,
     customized_host_check, other_name].

init_per_suite(Config) ->
    {Keeper, World} = rustls_dist_cluster:keep(fun start/0),
    [{keeper, Keeper}, {world, World} | Config].

start() ->
    Cluster = rustls_dist_cluster:new(),
    Dir = rustls_dist_cluster:dir(Cluster),
    Ca = rustls_dist_certs:ca(Dir, "ca"),
    #{cluster => Cluster, dir => Dir, ca => Ca,
      rsa => rustls_dist_certs:cert(Dir, Ca, "rsa", #{key => {rsa, 2048}}),
      ecdsa => rustls_dist_certs:cert(Dir, Ca, "ecdsa", #{})}.

end_per_suite(Config) ->
    ok = rustls_dist_cluster:stop(get(cluster, Config)),
    rustls_dist_cluster:release(proplists:get_value(keeper, Config)).

%% The authority as DER in the file, in the place of cacertfile, and before it where both are given.
trusted_in_der(Config) ->
    #{cert := CaFile} = get(ca, Config),
    #{cert := OtherFile} = OtherCa = rustls_dist_certs:ca(get(dir, Config), "der_other"),
    Stranger = node(Config, rustls_dist_certs:options(rustls_dist_certs:cert(get(dir, Config), OtherCa, "der_stranger", #{}))),
    Peer = node(Config, rustls_dist_certs:options(get(ecdsa, Config), #{})),
    [begin
         Own = [{cacerts, [der(CaFile)]} | pair(get(rsa, Config))] ++ More,
         Node = node(Config, [{server, [{fail_if_no_peer_cert, true} | Own]}, {client, Own}]),
         [rustls_dist_pair:joins(From, To, any) || {From, To} <- [{Node, Peer}, {Peer, Node}]],
         _ = rustls_dist_pair:refused(Node, Stranger, Node, unknown_issuer),
         rustls_dist_pair:stop([Node])
     end || More <- [[], [{cacertfile, OtherFile}]]],
    rustls_dist_pair:stop([Peer, Stranger]).

%% RSA beside ECDSA, in both orders: the first that the peer can verify is shown.
by_what_the_peer_can(Config) ->
    #{cert := Ca} = get(ca, Config),
    Common = [{cacertfile, Ca}, {verify, verify_peer}],
    [begin
         Pairs = [maps:from_list(pair(get(Kind, Config))) || Kind <- Kinds],
         Own = [{certs_keys, Pairs} | Common],
         Node = node(Config, [{server, [{fail_if_no_peer_cert, true} | Own]}, {client, Own}]),
         [begin
              Peer = node(Config, [{Side, [Option | Options]}
                                   || {Side, Options} <- rustls_dist_certs:options(get(ecdsa, Config), #{versions => ['tlsv1.2']}),
                                      Option <- [{ciphers, Ciphers}]]),
              #{peer_certificate := #{subject := Subject}} = rustls_dist_pair:joins(Peer, Node, any),
              ?assertEqual({Kinds, Ciphers, Expected}, {Kinds, Ciphers, Subject}),
              rustls_dist_pair:stop([Peer])
          end || {Ciphers, Expected} <- [{["ECDHE-RSA-AES256-GCM-SHA384"], <<"CN=rsa">>},
                                         {["ECDHE-ECDSA-AES256-GCM-SHA384"], <<"CN=ecdsa">>}]],
         Modern = node(Config, rustls_dist_certs:options(get(ecdsa, Config))),
         #{peer_certificate := #{subject := First}} = rustls_dist_pair:joins(Modern, Node, any),
         ?assertEqual(list_to_binary("CN=" ++ atom_to_list(hd(Kinds))), First),
         rustls_dist_pair:stop([Node, Modern])
     end || Kinds <- [[rsa, ecdsa], [ecdsa, rsa]]].

%% A client shows the certificate that comes from an authority which the server names.
by_what_the_server_names(Config) ->
    Dir = get(dir, Config),
    OtherCa = rustls_dist_certs:ca(Dir, "named_other"),
    Other = rustls_dist_certs:cert(Dir, OtherCa, "of_other", #{}),
    Both = rustls_dist_certs:concat(filename:join(Dir, "both_cas.pem"), [maps:get(cert, get(ca, Config)), maps:get(cert, OtherCa)]),
    Pairs = [maps:from_list(pair(Cert)) || Cert <- [get(ecdsa, Config), Other]],
    Own = [{certs_keys, Pairs}, {cacertfile, Both}, {verify, verify_peer}],
    Client = node(Config, [{server, Own}, {client, Own}]),
    [begin
         Server = node(Config, rustls_dist_certs:options(Cert)),
         _ = rustls_dist_pair:joins(Client, Server, {Shown, Shown}),
         rustls_dist_pair:stop([Server])
     end || {Cert, Shown} <- [{get(ecdsa, Config), "CN=ecdsa"}, {Other, "CN=of_other"}]],
    rustls_dist_pair:stop([Client]).

%% What is wrong with a pair's files is said with the option's name.
files_of_pairs(Config) ->
    #{key := RsaKey} = get(rsa, Config),
    #{cert := Cert} = get(ecdsa, Config),
    [begin
         File = rustls_dist_cluster:optfile(get(cluster, Config), "bad_pair", [{server, [{certs_keys, [Pair]}]}, {client, []}]),
         {Status, Output} = rustls_dist_cluster:run_until_exit(
                              get(cluster, Config), ["-name", "bad_pair@127.0.0.1", "-proto_dist", "rustls",
                                                     "-ssl_dist_optfile", File]),
         ?assertNotEqual(0, Status),
         ?assertMatch({match, _}, re:run(Output, ["server option certs_keys \\(from -ssl_dist_optfile .*", Text], [dotall]), Output)
     end || {Pair, Text} <- [{#{certfile => Cert, keyfile => RsaKey}, "does not belong"},
                             {#{certfile => "/nowhere/cert.pem"}, "/nowhere/cert.pem does not exist"}]].

%% One file with two roots.
several_roots(Config) ->
    Dir = get(dir, Config),
    OtherCa = rustls_dist_certs:ca(Dir, "second_root"),
    Both = rustls_dist_certs:concat(filename:join(Dir, "two_roots.pem"), [maps:get(cert, get(ca, Config)), maps:get(cert, OtherCa)]),
    A = (get(ecdsa, Config))#{ca => Both},
    B = (rustls_dist_certs:cert(Dir, OtherCa, "of_second", #{}))#{ca => Both},
    [Na, Nb] = [node(Config, rustls_dist_certs:options(Cert)) || Cert <- [A, B]],
    [rustls_dist_pair:joins(From, To, any) || {From, To} <- [{Na, Nb}, {Nb, Na}]],
    rustls_dist_pair:stop([Na, Nb]).

%% An intermediate that two roots signed: each peer knows one of them.
cross_signed(Config) ->
    Dir = get(dir, Config),
    [First, Second] = [rustls_dist_certs:ca(Dir, Name) || Name <- ["cross_first", "cross_second"]],
    Authority = #{extensions => ["basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign"], san => none},
    Middle = rustls_dist_certs:cert(Dir, First, "cross_middle", Authority),
    Cross = filename:join(Dir, "cross_by_second.pem"),
    Base = filename:rootname(maps:get(cert, Middle)),
    rustls_dist_certs:openssl("x509 -req -in ~ts.pem.csr -CA ~ts -CAkey ~ts -set_serial 77 -days 30 -extfile ~ts.pem.ext -out ~ts",
                              [Base, maps:get(cert, Second), maps:get(key, Second), Base, Cross]),
    Leaf = rustls_dist_certs:cert(Dir, Middle, "cross_leaf", #{}),
    Chain = rustls_dist_certs:concat(filename:join(Dir, "cross_chain.pem"), [maps:get(cert, Leaf), maps:get(cert, Middle), Cross]),
    Node = node(Config, rustls_dist_certs:options(Leaf#{cert => Chain, ca => maps:get(cert, get(ca, Config))})),
    [begin
         Peer = node(Config, rustls_dist_certs:options((get(ecdsa, Config))#{ca => maps:get(cert, Root)})),
         _ = rustls_dist_pair:joins(Peer, Node, any),
         rustls_dist_pair:stop([Peer])
     end || Root <- [First, Second]],
    rustls_dist_pair:stop([Node]).

%% The function decides what names a host; without it the certificate does not name this one.
customized_host_check(Config) ->
    Cert = rustls_dist_certs:cert(get(dir, Config), get(ca, Config), "elsewhere", #{san => "DNS:any.cluster.example"}),
    Server = node(Config, rustls_dist_certs:options(Cert)),
    Match = [{match_fun, fun ?MODULE:any_of_the_cluster/2}],
    [{server, Own}, {client, Plain}] = rustls_dist_certs:options(get(ecdsa, Config)),
    [begin
         Client = node(Config, [{server, Own}, {client, Options ++ Plain}]),
         case Result of
             joins -> _ = rustls_dist_pair:joins(Client, Server, any);
             Kind -> _ = rustls_dist_pair:refused(Client, Server, Client, Kind)
         end,
         rustls_dist_pair:stop([Client])
     end || {Options, Result} <- [{[], name_mismatch}, {[{customize_hostname_check, []}], name_mismatch},
                                  {[{customize_hostname_check, Match}], joins}]],
    %% It does not make a chain good.
    #{cert := OtherCa} = rustls_dist_certs:ca(get(dir, Config), "custom_other"),
    Distrusting = node(Config, [{server, Own}, {client, [{customize_hostname_check, Match}, {cacertfile, OtherCa}
                                                         | lists:keydelete(cacertfile, 1, Plain)]}]),
    ok = rustls_dist_pair:refused(Distrusting, Server),
    rustls_dist_pair:stop([Server, Distrusting]).

any_of_the_cluster(_Reference, {dNSName, Name}) -> lists:suffix(".cluster.example", Name);
any_of_the_cluster(_Reference, _Presented) -> default.

%% server_name_indication: another name than the node's host, or none.
other_name(Config) ->
    Cert = rustls_dist_certs:cert(get(dir, Config), get(ca, Config), "by_name", #{san => "DNS:by.name.example"}),
    Server = node(Config, rustls_dist_certs:options(Cert)),
    [{server, Own}, {client, Plain}] = rustls_dist_certs:options(get(ecdsa, Config)),
    [begin
         Client = node(Config, [{server, Own}, {client, [{server_name_indication, Name} | Plain]}]),
         case Result of
             joins -> _ = rustls_dist_pair:joins(Client, Server, any);
             Kind -> _ = rustls_dist_pair:refused(Client, Server, Client, Kind)
         end,
         rustls_dist_pair:stop([Client])
     end || {Name, Result} <- [{"by.name.example", joins}, {disable, joins}, {"other.name.example", name_mismatch}]],
    rustls_dist_pair:stop([Server]).

%% -----------------------------------------------------------------------------------------------------------

node(Config, Options) ->
    rustls_dist_pair:start(get(cluster, Config), optfile, Options, #{}).

pair(#{cert := Cert, key := Key}) ->
    [{certfile, Cert}, {keyfile, Key}].

der(File) ->
    {ok, Pem} = file:read_file(File),
    [{'Certificate', Der, not_encrypted}] = public_key:pem_decode(Pem),
    Der.

get(Name, Config) ->
    maps:get(Name, proplists:get_value(world, Config)).
