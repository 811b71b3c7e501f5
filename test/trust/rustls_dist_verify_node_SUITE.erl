%% verify_node: the name that a peer states must be in its certificate (issue 3, point 5). Each row on real links, with the
%% judge as the server and as the client.
-module(rustls_dist_verify_node_SUITE).

-include_lib("stdlib/include/assert.hrl").
-include_lib("public_key/include/public_key.hrl").

-export([all/0, suite/0, init_per_suite/1, end_per_suite/1]).
-export([by_host/1, by_name/1, by_directory_name/1, by_uri/1, off/1, no_certificate/1, dynamic_name/1, inet_tls_peers/1,
         one_part_only/1, allowed_nodes/1, undecodable/1]).

-define(HOST, "127.0.0.1").

suite() ->
    [{timetrap, {minutes, 2}}].

all() ->
    [by_host, by_name, by_directory_name, by_uri, off, no_certificate, dynamic_name, inet_tls_peers, one_part_only,
     allowed_nodes, undecodable].

init_per_suite(Config) ->
    {Keeper, World} = rustls_dist_cluster:keep(fun start/0),
    [{keeper, Keeper}, {world, World} | Config].

%% The host name of a server is checked in TLS as well; names that only verify_node looks for come on top.
start() ->
    Cluster = rustls_dist_cluster:new(),
    Dir = rustls_dist_cluster:dir(Cluster),
    Ca = rustls_dist_certs:ca(Dir, "ca"),
    #{cluster => Cluster, dir => Dir, ca => Ca, own => rustls_dist_certs:cert(Dir, Ca, "judge", #{})}.

end_per_suite(Config) ->
    ok = rustls_dist_cluster:stop(get(cluster, Config)),
    rustls_dist_cluster:release(proplists:get_value(keeper, Config)).

%% A client's address is nobody's business until verify_node asks for it.
by_host(Config) ->
    judged(Config, host, [{"h1", "DNS:other.example,IP:" ++ ?HOST, joins},
                          {"h2", "DNS:other.example", {refused_as_client, "DNS:other.example"}},
                          {"h3", "URI:erlang:h3@" ++ ?HOST, {refused_as_client, "URI:erlang:h3"}}]).

by_name(Config) ->
    Ip = "IP:" ++ ?HOST ++ ",",
    judged(Config, name, [{"n1", Ip ++ "URI:erlang:n1@" ++ ?HOST, joins},
                          {"n2", Ip ++ "URI:erlang:n1@" ++ ?HOST, {refused, "URI:erlang:n1@127.0.0.1"}},
                          {"n3", Ip ++ "URI:erlang:n3@other.example", {refused, "erlang:n3@other.example"}},
                          {"n4", Ip ++ "DNS:n4@" ++ ?HOST, {refused, "DNS:n4@127.0.0.1"}},
                          {"n5", "IP:" ++ ?HOST, {refused, "IP:127.0.0.1"}}]).

%% As inet_tls_dist:cert_nodes/1 reads certificates: the name as a directoryName's common name, the host as a DNS name.
by_directory_name(Config) ->
    San = fun(Name) -> {section, "IP:" ++ ?HOST ++ ",DNS:" ++ ?HOST ++ ",dirName:dn", ["[dn]", "CN=" ++ Name]} end,
    judged(Config, name, [{"d1", San("d1"), joins}, {"d2", San("d1"), {refused, "directory name d1"}}]).

by_uri(Config) ->
    San = fun(Path) -> "IP:" ++ ?HOST ++ ",URI:spiffe://example.org/" ++ Path end,
    judged(Config, {uri, "spiffe://example.org/%h/%n"},
           [{"u1", San("127.0.0.1/u1"), joins},
            {"u2", San("127.0.0.1/u1"), {refused, "spiffe://example.org/127.0.0.1/u1"}},
            {"u3", San("127.0.0.1/u3x"), {refused, "u3x"}},
            {"u4", San("127.0.0.1/%n"), {refused, "%n"}}]).

off(Config) ->
    judged(Config, false, [{"o1", "IP:" ++ ?HOST, joins}]).

no_certificate(Config) ->
    Judge = judge(Config, [{server, name}], [{fail_if_no_peer_cert, false}]),
    #{cert := Cert, key := Key, ca := Ca} = get(own, Config),
    Anonymous = node(Config, "nobody", [{server, [{certfile, Cert}, {keyfile, Key}]}, {client, [{cacertfile, Ca}]}], #{}),
    ok = refuses(Anonymous, Judge, Judge, "the peer says it is nobody@127.0.0.1 and showed no certificate"),
    rustls_dist_pair:stop([Judge, Anonymous]).

%% A node that asks for a name states its host only: enough for `host', not for a name.
dynamic_name(Config) ->
    #{cert := File} = cert(Config, "dynamic", "IP:" ++ ?HOST ++ ",URI:erlang:dynamic@" ++ ?HOST),
    {ok, Pem} = file:read_file(File),
    [{'Certificate', Der, not_encrypted}] = public_key:pem_decode(Pem),
    ?assertEqual(ok, rustls_dist_verify_node:check(host, ?HOST, Der)),
    [?assertMatch({error, {verify_node, Policy, ?HOST, [_, _]}}, rustls_dist_verify_node:check(Policy, ?HOST, Der))
     || Policy <- [name, {uri, "erlang:%n@%h"}]],
    ?assertMatch({error, _}, rustls_dist_verify_node:check(host, "other.example", Der)).

%% The peer's carrier makes no difference.
inet_tls_peers(Config) ->
    Judge = judge(Config, [{server, name}, {client, name}], []),
    [begin
         Peer = node(Config, Name, rustls_dist_certs:options(cert(Config, Name, San)), #{proto => "inet_tls"}),
         [case Result of
              joins ->
                  ok = rustls_dist_cluster:join(From, To),
                  ok = rustls_dist_cluster:part(From, To);
              refused ->
                  ok = refuses(From, To, Judge, "does not say so")
          end || {From, To} <- [{Judge, Peer}, {Peer, Judge}]],
         rustls_dist_pair:stop([Peer])
     end || {Name, San, Result} <- [{"i1", inet_san("i1"), joins}, {"i2", inet_san("i1"), refused}]],
    rustls_dist_pair:stop([Judge]).

inet_san(Name) ->
    "DNS:127.0.0.1,IP:" ++ ?HOST ++ ",URI:erlang:" ++ Name ++ "@" ++ ?HOST.

%% webpki looks at no country; public_key, which has to look for names, cannot decode one of a single character, and in OTP 29
%% one that is no text.
undecodable(Config) ->
    San = "IP:" ++ ?HOST ++ ",URI:erlang:c1@" ++ ?HOST,
    #{cert := File} = Files = cert(Config, "c1", San),
    Value = case otp() < 29 of
                true -> <<19, 1, $X>>;
                false -> <<12, 2, 255, 255>>
            end,
    ok = rename(File, get(ca, Config), #'AttributeTypeAndValue'{type = ?'id-at-countryName', value = Value}),
    Peer = node(Config, "c1", rustls_dist_certs:options(Files), #{}),
    Judge = judge(Config, [{server, name}, {client, name}], []),
    Line = "certificate verification: .* cannot be decoded.*was sent the alert bad_certificate",
    [ok = refuses(From, To, Judge, Line) || {From, To} <- [{Judge, Peer}, {Peer, Judge}]],
    ok = rustls_dist_cluster:call(Judge, net_kernel, allow, [[rustls_dist_cluster:name(Peer)]]),
    ok = refuses(Peer, Judge, Judge, Line),
    ?assertEqual(nomatch, re:run(rustls_dist_cluster:log(Judge), "crash|function_clause|asn1", [caseless])),
    rustls_dist_pair:stop([Judge, Peer]).

otp() ->
    list_to_integer(erlang:system_info(otp_release)).

%% The same certificate with another subject, signed by Ca anew.
rename(File, #{key := CaKey}, Attribute) ->
    {ok, Pem} = file:read_file(File),
    [{'Certificate', Der, not_encrypted} | Others] = public_key:pem_decode(Pem),
    {ok, KeyPem} = file:read_file(CaKey),
    Key = public_key:pem_entry_decode(lists:last(public_key:pem_decode(KeyPem))),
    #'Certificate'{tbsCertificate = Tbs} = Cert = public_key:pkix_decode_cert(Der, plain),
    Renamed = Tbs#'TBSCertificate'{subject = {rdnSequence, [[Attribute]]}},
    Signature = public_key:sign(public_key:der_encode('TBSCertificate', Renamed), sha256, Key),
    Anew = public_key:der_encode('Certificate', Cert#'Certificate'{tbsCertificate = Renamed, signature = Signature}),
    file:write_file(File, public_key:pem_encode([{'Certificate', Anew, not_encrypted} | Others])).

%% The option of one part says nothing about the other one's links.
one_part_only(Config) ->
    Misnamed = node(Config, "p1", rustls_dist_certs:options(cert(Config, "p1", inet_san("p2"))), #{}),
    [begin
         Judge = judge(Config, [{Part, name}], []),
         {Good, Bad} = case Part of
                           server -> {{Judge, Misnamed}, {Misnamed, Judge}};
                           client -> {{Misnamed, Judge}, {Judge, Misnamed}}
                       end,
         ok = rustls_dist_cluster:join(element(1, Good), element(2, Good)),
         ok = rustls_dist_cluster:part(element(1, Good), element(2, Good)),
         ok = refuses(element(1, Bad), element(2, Bad), Judge, "does not say so"),
         rustls_dist_pair:stop([Judge])
     end || Part <- [server, client]],
    rustls_dist_pair:stop([Misnamed]).

%% net_kernel:allow/1 besides: a name that the certificate carries is still no allowed one.
allowed_nodes(Config) ->
    Judge = judge(Config, [{server, name}], []),
    [Listed, Other] = [node(Config, Name, rustls_dist_certs:options(cert(Config, Name, inet_san(Name))), #{})
                       || Name <- ["a1", "a2"]],
    ok = rustls_dist_cluster:call(Judge, net_kernel, allow, [[rustls_dist_cluster:name(Listed)]]),
    ok = rustls_dist_cluster:join(Listed, Judge),
    ok = refuses(Other, Judge, Judge, "net_kernel:allow/1"),
    rustls_dist_pair:stop([Judge, Listed, Other]).

%% -----------------------------------------------------------------------------------------------------------

%% Peers that the judge meets in both directions: name, subjectAltName, and what becomes of it. With `host' a server that
%% lacks the host fails in TLS already.
judged(Config, Policy, Rows) ->
    Judge = judge(Config, [{server, Policy}, {client, Policy}], []),
    [begin
         Peer = node(Config, Name, rustls_dist_certs:options(cert(Config, Name, San)), #{}),
         ok = meets(Result, Judge, Peer),
         rustls_dist_pair:stop([Peer])
     end || {Name, San, Result} <- Rows],
    rustls_dist_pair:stop([Judge]).

meets(joins, Judge, Peer) ->
    [begin
         ok = rustls_dist_cluster:join(From, To),
         ok = rustls_dist_cluster:part(From, To)
     end || {From, To} <- [{Judge, Peer}, {Peer, Judge}]],
    ok;
meets({refused, Names}, Judge, Peer) ->
    ok = refuses(Peer, Judge, Judge, line(Peer, Names)),
    refuses(Judge, Peer, Judge, line(Peer, Names));
meets({refused_as_client, Names}, Judge, Peer) ->
    ok = refuses(Peer, Judge, Judge, line(Peer, Names)),
    refuses(Judge, Peer, Judge, "does not name the host").

line(Peer, Names) ->
    ["the peer says it is ", atom_to_list(rustls_dist_cluster:name(Peer)), ", and its certificate, which names .*", Names,
     ".*, does not say so"].

%% From dials To in vain, and the judge says why, with both names.
refuses(From, To, Judge, Line) ->
    ok = rustls_dist_reports:collect(Judge),
    ok = rustls_dist_pair:refused(From, To),
    [#{line := Logged} | _] = rustls_dist_reports:await(Judge, 1),
    ?assertMatch({match, _}, re:run(Logged, Line, [unicode]), Logged),
    ok.

judge(Config, Policies, Extra) ->
    Options = [{Part, Extra ++ [{verify_node, Policy} || {P, Policy} <- Policies, P =:= Part]
                ++ lists:filter(fun({Key, _}) -> not lists:keymember(Key, 1, Extra) end, Common)}
               || {Part, Common} <- rustls_dist_certs:options(get(own, Config))],
    rustls_dist_pair:start(get(cluster, Config), optfile, Options, #{args => ["-kernel", "dist_auto_connect", "never"]}).

node(Config, Name, Options, More) ->
    File = rustls_dist_cluster:optfile(get(cluster, Config), Name, Options),
    rustls_dist_cluster:start(get(cluster, Config), Name,
                              More#{optfile => File, args => ["-kernel", "dist_auto_connect", "never"]}).

cert(Config, Name, {section, San, Lines}) ->
    rustls_dist_certs:cert(get(dir, Config), get(ca, Config), Name,
                           #{extensions => ["basicConstraints=CA:FALSE", "subjectAltName=" ++ San | Lines], san => none});
cert(Config, Name, San) ->
    rustls_dist_certs:cert(get(dir, Config), get(ca, Config), Name, #{san => San}).

get(Name, Config) ->
    maps:get(Name, proplists:get_value(world, Config)).
