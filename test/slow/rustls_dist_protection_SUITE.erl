%% The three levels of protection and the options that shape them, on real links: encryption only, the client verifies
%% the server, both verify; from -ssl_dist_opt, from -ssl_dist_optfile, and from both (issue 2, point 3). What must not
%% come up at all is in rustls_dist_refusal_SUITE; chains and kinds of keys are in rustls_dist_identity_SUITE.
-module(rustls_dist_protection_SUITE).

-include_lib("stdlib/include/assert.hrl").

-export([all/0, groups/0, init_per_suite/1, end_per_suite/1]).
-export([encryption_only/1, client_verifies/1, both_verify/1, file_wins_over_flag/1,
         verify_follows_cacertfile/1, warning_when_unauthenticated/1, client_part_fail_if_no_peer_cert/1,
         anonymous_client/1,
         versions/1, ciphers/1, no_version_in_common/1, no_cipher_in_common/1,
         address/1, host_name/1, common_name/1, wrong_name/1, server_name_indication/1]).

all() ->
    [{group, G} || {G, _, _} <- groups()].

groups() ->
    [{levels, [], [encryption_only, client_verifies, both_verify, file_wins_over_flag]},
     {defaults, [], [verify_follows_cacertfile, warning_when_unauthenticated, client_part_fail_if_no_peer_cert,
                     anonymous_client]},
     {negotiation, [], [versions, ciphers, no_version_in_common, no_cipher_in_common]},
     {names, [], [address, host_name, common_name, wrong_name, server_name_indication]}].

%% One node is there for all cases: both of its sides verify, and require, certificates of the one authority.
init_per_suite(Config) ->
    {Keeper, Started} =
        rustls_dist_cluster:keep(
          fun() ->
                  Cluster = rustls_dist_cluster:new(),
                  Dir = rustls_dist_cluster:dir(Cluster),
                  Ca = rustls_dist_certs:ca(Dir, "ca"),
                  Known = [{cluster, Cluster}, {dir, Dir}, {ca, Ca}],
                  Options = rustls_dist_certs:options(cert(Known, "strict", #{})),
                  Known ++ [{strict, start(Known, optfile, Options)}]
          end),
    [{keeper, Keeper} | Started ++ Config].

end_per_suite(Config) ->
    ok = rustls_dist_cluster:stop(get(cluster, Config)),
    rustls_dist_cluster:release(get(keeper, Config)).

%% levels ---------------------------------------------------------------------------------------------------

%% A self-signed certificate and its key, in two files or in one; also of X.509 version 1, on TLS 1.3 and 1.2. Every
%% node is a server once and a client once.
encryption_only(Config) ->
    Dir = get(dir, Config),
    #{cert := Cert, key := Key} = rustls_dist_certs:self_signed(Dir, "self", #{}),
    Both = rustls_dist_certs:concat(filename:join(Dir, "self_both.pem"), [Cert, Key]),
    #{cert := V1, key := V1Key} = rustls_dist_certs:v1(Dir, "v1", #{}),
    #{cert := V1Rsa, key := V1RsaKey} = rustls_dist_certs:v1(Dir, "v1_rsa", #{key => {rsa, 2048}}),
    Nodes = [{start(Config, Source, [{server, Options}]), Name}
             || {Source, Name, Options} <-
                    [{optfile, "CN=self", [{certfile, Cert}, {keyfile, Key}]},
                     {flag, "CN=self", [{certfile, Cert}, {keyfile, Key}]},
                     {optfile, "CN=self", [{certfile, Both}]},
                     {flag, "CN=self", [{certfile, Both}]},
                     {flag, "CN=v1", [{certfile, V1}, {keyfile, V1Key}]},
                     {optfile, "CN=v1", [{certfile, V1}, {keyfile, V1Key}, {versions, ['tlsv1.2']}]},
                     {flag, "CN=v1_rsa", [{certfile, V1Rsa}, {keyfile, V1RsaKey}]},
                     {optfile, "CN=v1_rsa", [{certfile, V1Rsa}, {keyfile, V1RsaKey}, {versions, ['tlsv1.2']}]}]],
    [rustls_dist_pair:joins(From, To, {none, Name}) || {{From, _}, {To, Name}} <- rustls_dist_pair:ring(Nodes)],
    rustls_dist_pair:stop([Node || {Node, _} <- Nodes]).

client_verifies(Config) ->
    #{cert := Cert, key := Key, ca := Ca} = cert(Config, "verified", #{}),
    Options = [{server, [{certfile, Cert}, {keyfile, Key}]}, {client, [{cacertfile, Ca}, {verify, verify_peer}]}],
    Nodes = [File, Flag] = [start(Config, Source, Options) || Source <- [optfile, flag]],
    [rustls_dist_pair:joins(From, To, {none, "CN=verified"}) || {From, To} <- rustls_dist_pair:ring(Nodes)],
    #{cert := Stranger, key := StrangersKey} = rustls_dist_certs:self_signed(get(dir, Config), "stranger", #{}),
    Unknown = start(Config, flag, [{server, [{certfile, Stranger}, {keyfile, StrangersKey}]}]),
    [rustls_dist_pair:refused(Client, Unknown, Client, unknown_issuer) || Client <- [File, Flag]],
    rustls_dist_pair:stop([Unknown | Nodes]).

both_verify(Config) ->
    Strict = get(strict, Config),
    Options = rustls_dist_certs:options(cert(Config, "mutual", #{})),
    Nodes = [start(Config, Source, Options) || Source <- [optfile, flag]],
    [rustls_dist_pair:joins(From, To, {"CN=mutual", "CN=mutual"}) || {From, To} <- rustls_dist_pair:ring(Nodes)],
    [rustls_dist_pair:joins(Node, Strict, {"CN=mutual", "CN=strict"}) || Node <- Nodes],
    [rustls_dist_pair:joins(Strict, Node, {"CN=strict", "CN=mutual"}) || Node <- Nodes],
    rustls_dist_pair:stop(Nodes),
    Other = rustls_dist_certs:ca(get(dir, Config), "other_ca"),
    #{cert := Cert, key := Key} = rustls_dist_certs:cert(get(dir, Config), Other, "foreign", #{}),
    Own = [{certfile, Cert}, {keyfile, Key}],
    Foreign = start(Config, optfile, [{server, Own}, {client, Own}]),
    rustls_dist_pair:refused(Foreign, Strict, Strict, unknown_issuer),
    rustls_dist_pair:refused(Strict, Foreign, Strict, unknown_issuer),
    rustls_dist_pair:stop([Foreign]).

%% As with inet_tls, where ssl takes the last of two values, the file's value is used, the log tells so, and what is
%% given in one place only counts.
file_wins_over_flag(Config) ->
    Strict = get(strict, Config),
    [{server, Server}, {client, Client}] = rustls_dist_certs:options(cert(Config, "from_file", #{})),
    #{cert := FlagCert, key := FlagKey} = cert(Config, "from_flag", #{}),
    Flag = [{Side, [{certfile, FlagCert}, {keyfile, FlagKey}, {versions, ['tlsv1.2']}]} || Side <- [server, client]],
    Node = rustls_dist_pair:start(get(cluster, Config), optfile, [{server, Server}, {client, Client}],
                                  #{args => rustls_dist_cluster:flags(Flag)}),
    #{version := 'tlsv1.2'} = rustls_dist_pair:joins(Node, Strict, {"CN=from_file", "CN=strict"}),
    #{version := 'tlsv1.2'} = rustls_dist_pair:joins(Strict, Node, {"CN=strict", "CN=from_file"}),
    [rustls_dist_cluster:await_log(Node, [Side, " option ", Option, " from -ssl_dist_opt is not used"])
     || Side <- ["server", "client"], Option <- ["certfile", "keyfile"]],
    rustls_dist_pair:stop([Node]).

%% defaults -------------------------------------------------------------------------------------------------

%% cacertfile alone makes both sides verify.
verify_follows_cacertfile(Config) ->
    #{cert := Cert, key := Key, ca := Ca} = cert(Config, "trusting", #{}),
    Own = [{certfile, Cert}, {keyfile, Key}, {cacertfile, Ca}],
    Node = start(Config, optfile, [{server, Own}, {client, Own}]),
    rustls_dist_pair:joins(Node, get(strict, Config), {"CN=trusting", "CN=strict"}),
    rustls_dist_pair:joins(get(strict, Config), Node, {"CN=strict", "CN=trusting"}),
    #{cert := Stranger, key := StrangersKey} = rustls_dist_certs:self_signed(get(dir, Config), "self_made", #{}),
    Self = [{certfile, Stranger}, {keyfile, StrangersKey}],
    Unknown = start(Config, optfile, [{server, Self}, {client, Self}]),
    rustls_dist_pair:refused(Node, Unknown, Node, unknown_issuer),
    rustls_dist_pair:refused(Unknown, Node, Node, unknown_issuer),
    rustls_dist_pair:stop([Node, Unknown]).

%% One entry in the log, whichever sides do not verify; none where both do.
warning_when_unauthenticated(Config) ->
    #{cert := Cert, key := Key, ca := Ca} = cert(Config, "warned", #{}),
    Own = [{certfile, Cert}, {keyfile, Key}],
    [begin
         Node = start(Config, Source, Options),
         _ = rustls_dist_cluster:await_log(Node, "rustls_dist: .*encrypted but not authenticated"),
         {match, Found} = re:run(rustls_dist_cluster:log(Node), "not authenticated", [global]),
         ?assertEqual({Options, 1}, {Options, length(Found)}),
         rustls_dist_pair:stop([Node])
     end || {Source, Options} <- [{optfile, [{server, Own}]},
                                  {flag, [{server, Own}]},
                                  {optfile, [{server, Own}, {client, [{cacertfile, Ca}]}]},
                                  {flag, [{server, [{verify, verify_none} | Own]}, {client, [{verify, verify_none}]}]}]],
    %% A failed link shows that entries do get into this log.
    Strict = get(strict, Config),
    false = rustls_dist_cluster:call(Strict, net_kernel, connect_node, ['nobody@127.0.0.1']),
    _ = rustls_dist_cluster:await_log(Strict, "nobody"),
    ?assertEqual(nomatch, string:find(rustls_dist_cluster:log(Strict), "not authenticated")).

client_part_fail_if_no_peer_cert(Config) ->
    Strict = get(strict, Config),
    [{server, Server}, {client, Client}] = rustls_dist_certs:options(cert(Config, "common", #{})),
    [begin
         Node = start(Config, Source, [{server, Server}, {client, [{fail_if_no_peer_cert, true} | Client]}]),
         rustls_dist_pair:joins(Node, Strict, {"CN=common", "CN=strict"}),
         _ = rustls_dist_cluster:await_log(Node, "the client option fail_if_no_peer_cert .*has no meaning here"),
         rustls_dist_pair:stop([Node])
     end || Source <- [optfile, flag]].

anonymous_client(Config) ->
    Strict = get(strict, Config),
    #{cert := Cert, key := Key, ca := Ca} = cert(Config, "named_server", #{}),
    [begin
         Node = start(Config, optfile, [{server, [{certfile, Cert}, {keyfile, Key}]},
                                        {client, [{cacertfile, Ca}, {versions, [Version]}]}]),
         rustls_dist_pair:refused(Node, Strict, Strict, no_peer_certificate),
         rustls_dist_pair:stop([Node])
     end || Version <- ['tlsv1.3', 'tlsv1.2']].

%% negotiation ----------------------------------------------------------------------------------------------

versions(Config) ->
    Strict = get(strict, Config),
    [begin
         Node = mutual(Config, Source, #{versions => Versions}),
         [?assertMatch(#{version := Expected}, rustls_dist_pair:joins(From, To, any))
          || {From, To} <- [{Node, Strict}, {Strict, Node}]],
         rustls_dist_pair:stop([Node])
     end || {Source, Versions, Expected} <- [{optfile, ['tlsv1.2'], 'tlsv1.2'}, {flag, ['tlsv1.3'], 'tlsv1.3'},
                                             {flag, ['tlsv1.2', 'tlsv1.3'], 'tlsv1.3'}]].

%% The names of OTP and those of OpenSSL; the certificates are for ECDSA keys.
ciphers(Config) ->
    Strict = get(strict, Config),
    [begin
         Node = mutual(Config, Source, #{ciphers => Names}),
         [?assertMatch(#{version := Version, cipher := Expected}, rustls_dist_pair:joins(From, To, any))
          || {From, To} <- [{Node, Strict}, {Strict, Node}]],
         rustls_dist_pair:stop([Node])
     end || {Source, Names, Version, Expected} <-
                [{optfile, "TLS_CHACHA20_POLY1305_SHA256", 'tlsv1.3', <<"TLS_CHACHA20_POLY1305_SHA256">>},
                 {flag, "TLS_AES_128_GCM_SHA256", 'tlsv1.3', <<"TLS_AES_128_GCM_SHA256">>},
                 {optfile, "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", 'tlsv1.2',
                  <<"TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256">>},
                 {flag, "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES256-GCM-SHA384", 'tlsv1.2',
                  <<"TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384">>}]].

no_version_in_common(Config) ->
    [New, Old] = Nodes = [mutual(Config, optfile, #{versions => [V]}) || V <- ['tlsv1.3', 'tlsv1.2']],
    [rustls_dist_pair:refused(From, To) || {From, To} <- [{New, Old}, {Old, New}]],
    rustls_dist_pair:stop(Nodes).

no_cipher_in_common(Config) ->
    [A, B] = Nodes = [mutual(Config, flag, #{ciphers => Name})
                      || Name <- ["TLS_AES_256_GCM_SHA384", "TLS_AES_128_GCM_SHA256"]],
    [rustls_dist_pair:refused(From, To) || {From, To} <- [{A, B}, {B, A}]],
    rustls_dist_pair:stop(Nodes).

%% names ----------------------------------------------------------------------------------------------------

%% The host part of the node names here is 127.0.0.1.
address(Config) ->
    Node = mutual(Config, optfile, #{}, #{san => "IP:127.0.0.1"}),
    rustls_dist_pair:joins(get(strict, Config), Node, any),
    rustls_dist_pair:stop([Node]).

host_name(Config) ->
    localhost(Config, #{san => "DNS:localhost"}, joins).

%% As public_key:pkix_verify_hostname/3 of the release that runs, and only where there is no other name.
common_name(Config) ->
    Expected = case rustls_dist_release:takes_common_name() of
                   true -> joins;
                   false -> name_mismatch
               end,
    localhost(Config, #{san => none, name => "localhost"}, Expected),
    localhost(Config, #{san => "DNS:other.example", name => "localhost"}, name_mismatch).

wrong_name(Config) ->
    localhost(Config, #{san => "DNS:other.example,IP:127.0.0.1"}, name_mismatch),
    Node = mutual(Config, optfile, #{}, #{san => "DNS:localhost,IP:127.0.0.2"}),
    rustls_dist_pair:refused(get(strict, Config), Node, get(strict, Config), name_mismatch),
    %% A client's certificate need not name its host.
    rustls_dist_pair:joins(Node, get(strict, Config), any),
    rustls_dist_pair:stop([Node]).

server_name_indication(Config) ->
    Elsewhere = mutual(Config, optfile, #{}, #{san => "DNS:elsewhere.example"}),
    [{server, Server}, {client, Client}] = rustls_dist_certs:options(cert(Config, "asking", #{})),
    [begin
         Node = start(Config, Source, [{server, Server}, {client, [{server_name_indication, Name} | Client]}]),
         case Expected of
             joins -> rustls_dist_pair:joins(Node, Elsewhere, any);
             Kind -> rustls_dist_pair:refused(Node, Elsewhere, Node, Kind)
         end,
         rustls_dist_pair:stop([Node])
     end || {Source, Name, Expected} <- [{optfile, "elsewhere.example", joins}, {flag, "third.example", name_mismatch},
                                         {optfile, disable, joins}]],
    rustls_dist_pair:stop([Elsewhere]).

%% ----------------------------------------------------------------------------------------------------------

%% Two nodes of short names at localhost, which they find whether the machine knows it or not; the second one has a
%% certificate made with these options.
localhost(Config, CertOptions, Expected) ->
    Resolver = filename:join(get(dir, Config), "inetrc"),
    ok = file:write_file(Resolver, "{lookup, [file]}.\n{host, {127,0,0,1}, [\"localhost\"]}.\n"),
    Short = #{host => "localhost", longnames => false, env => [{"ERL_INETRC", Resolver}]},
    [From, To] = Nodes =
        [begin
             Cert = cert(Config, maps:get(name, Options, "at_localhost"), Options),
             rustls_dist_pair:start(get(cluster, Config), optfile, rustls_dist_certs:options(Cert), Short)
         end || Options <- [#{}, CertOptions]],
    case Expected of
        joins -> rustls_dist_pair:joins(From, To, any);
        Kind -> rustls_dist_pair:refused(From, To, From, Kind)
    end,
    rustls_dist_pair:stop(Nodes).

mutual(Config, Source, Extra) ->
    mutual(Config, Source, Extra, #{}).

mutual(Config, Source, Extra, CertOptions) ->
    Name = lists:concat(["mutual", erlang:unique_integer([positive])]),
    start(Config, Source, rustls_dist_certs:options(cert(Config, Name, CertOptions), Extra)).

cert(Config, Name, Options) ->
    rustls_dist_certs:cert(get(dir, Config), get(ca, Config), Name, Options).

start(Config, Source, Options) ->
    rustls_dist_pair:start(get(cluster, Config), Source, Options, #{}).

get(Key, Config) ->
    proplists:get_value(Key, Config).
