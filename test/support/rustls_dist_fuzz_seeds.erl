%% Seeds for `make fuzz' that are made when it runs: the chains of rustls_dist_chains for the target `chain', hellos of OTP's ssl
%% for `handshake', certificates and keys for `identity'. The others are in test/fuzz/corpus.
-module(rustls_dist_fuzz_seeds).

-export([write/1]).

%% From the command line: `erl -s rustls_dist_fuzz_seeds write FOLDER'. Makes a folder for each of the three targets, and the
%% certificate and key of the nodes that are fuzzed.
-spec write([atom()]) -> no_return().
write([Folder]) ->
    Dir = atom_to_list(Folder),
    [ok = filelib:ensure_path(filename:join(Dir, Target)) || Target <- ["chain", "handshake", "identity"]],
    Server = rustls_dist_x509:leaf("server", self),
    {Pem, KeyPem} = {rustls_dist_x509:pem([Server]), rustls_dist_x509:key_pem(Server)},
    ok = file:write_file(filename:join(Dir, "server.pem"), Pem),
    ok = file:write_file(filename:join(Dir, "server.key"), KeyPem),
    [ok = file:write_file(filename:join([Dir, "chain", Name]), chain(rustls_dist_chains:row(Name)))
     || Name <- rustls_dist_chains:names()],
    {ok, _} = application:ensure_all_started(ssl),
    [ok = file:write_file(filename:join([Dir, "handshake", Version]), hello(Version)) || Version <- ['tlsv1.2', 'tlsv1.3']],
    [ok = file:write_file(filename:join([Dir, "identity", integer_to_list(N)]), Seed)
     || {N, Seed} <- lists:enumerate([[0, Pem, KeyPem], certificate(Server) | lists:map(fun key/1, keys())])],
    halt().

%% The target trusts one certificate: the last of the trust store.
chain(#{sent := Sent, trusted := Trusted}) ->
    [<<(byte_size(Der)):16, Der/binary>> || #{der := Der} <- lists:nthtail(max(0, length(Trusted) - 1), Trusted) ++ Sent].

%% To a node that takes both versions, in pieces of 100 bytes.
hello(Version) ->
    {ok, Listen} = gen_tcp:listen(0, [binary, {active, false}, {ip, {127, 0, 0, 1}}]),
    {ok, Port} = inet:port(Listen),
    _ = spawn(ssl, connect, [{127, 0, 0, 1}, Port, [{versions, [Version]}, {verify, verify_none}], 5000]),
    {ok, Socket} = gen_tcp:accept(Listen, 5000),
    {ok, Hello} = gen_tcp:recv(Socket, 0, 5000),
    [gen_tcp:close(S) || S <- [Socket, Listen]],
    [0, 100, Hello].

%% What stands in a section of PEM, behind the number of its label (test/fuzz/fuzz_targets/identity.rs).
certificate(#{der := Der}) ->
    [1, Der].

%% Keys of every form that is read; those that are encrypted with the password that the target has.
keys() ->
    [{2, "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256"},
     {2, "genpkey -algorithm ED25519"},
     {2, "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048"},
     {3 + 8, "genpkey -algorithm ED25519 -aes-256-cbc -pass pass:password"},
     {3 + 8, "genpkey -algorithm ED25519 -des3 -pass pass:password"},
     {4, "ecparam -name secp384r1 -genkey -noout"},
     {4, "ecparam -name secp521r1 -genkey -noout"},
     {5, "genrsa -traditional 2048"}].

key({Label, Command}) ->
    [{_, Der, _} | _] = public_key:pem_decode(list_to_binary(os:cmd("openssl " ++ Command ++ " 2>/dev/null"))),
    [Label, Der].
