%% Seeds for `make fuzz': the chains of rustls_dist_chains for the target `chain', and hellos of OTP's ssl for `handshake'.
-module(rustls_dist_fuzz_seeds).

-export([write/1]).

%% From the command line: `erl -s rustls_dist_fuzz_seeds write FOLDER'. Makes FOLDER/chain and FOLDER/handshake, and the
%% certificate and key of the server that is fuzzed.
-spec write([atom()]) -> no_return().
write([Folder]) ->
    Dir = atom_to_list(Folder),
    [ok = filelib:ensure_path(filename:join(Dir, Target)) || Target <- ["chain", "handshake"]],
    Server = rustls_dist_x509:leaf("server", self),
    ok = file:write_file(filename:join(Dir, "server.pem"), rustls_dist_x509:pem([Server])),
    ok = file:write_file(filename:join(Dir, "server.key"), rustls_dist_x509:key_pem(Server)),
    [ok = file:write_file(filename:join([Dir, "chain", Name]), chain(rustls_dist_chains:row(Name)))
     || Name <- rustls_dist_chains:names()],
    {ok, _} = application:ensure_all_started(ssl),
    [ok = file:write_file(filename:join([Dir, "handshake", Version]), hello(Version)) || Version <- ['tlsv1.2', 'tlsv1.3']],
    halt().

%% The target trusts one certificate: the last of the trust store.
chain(#{sent := Sent, trusted := Trusted}) ->
    [<<(byte_size(Der)):16, Der/binary>> || #{der := Der} <- lists:nthtail(max(0, length(Trusted) - 1), Trusted) ++ Sent].

%% Cut in the middle of the record's header.
hello(Version) ->
    {ok, Listen} = gen_tcp:listen(0, [binary, {active, false}, {ip, {127, 0, 0, 1}}]),
    {ok, Port} = inet:port(Listen),
    _ = spawn(ssl, connect, [{127, 0, 0, 1}, Port, [{versions, [Version]}, {verify, verify_none}], 5000]),
    {ok, Socket} = gen_tcp:accept(Listen, 5000),
    {ok, Hello} = gen_tcp:recv(Socket, 0, 5000),
    [gen_tcp:close(S) || S <- [Socket, Listen]],
    [3, Hello].
