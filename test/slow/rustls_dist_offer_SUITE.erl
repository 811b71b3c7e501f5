%% What a listener offers, seen from outside by openssl: each row of the table in doc/cryptography.md is tried on nodes that
%% speak TLS 1.2 and 1.3, and TLS 1.3 alone. Peers show a good certificate unless the row is about it.
-module(rustls_dist_offer_SUITE).

-include_lib("stdlib/include/assert.hrl").

-export([all/0, suite/0, init_per_suite/1, end_per_suite/1]).
-export([as_documented/1, renegotiation/1, post_quantum/1, no_tickets/1]).

-define(TIMEOUT_MS, 15000).

suite() ->
    [{timetrap, {minutes, 3}}].

all() ->
    [as_documented, renegotiation, post_quantum, no_tickets].

init_per_suite(Config) ->
    {Keeper, World} = rustls_dist_cluster:keep(fun start/0),
    [{keeper, Keeper}, {world, World} | Config].

start() ->
    Cluster = rustls_dist_cluster:new(),
    Dir = rustls_dist_cluster:dir(Cluster),
    Ca = rustls_dist_certs:ca(Dir, "ca"),
    Ec = rustls_dist_certs:cert(Dir, Ca, "ec", #{}),
    Rsa = rustls_dist_certs:cert(Dir, Ca, "rsa", #{key => {rsa, 2048}}),
    Start = fun(Name, Cert, Extra) ->
                    Optfile = rustls_dist_cluster:optfile(Cluster, Name, rustls_dist_certs:options(Cert, Extra)),
                    rustls_dist_cluster:start(Cluster, #{optfile => Optfile})
            end,
    #{cluster => Cluster, cert => Ec, rsa_cert => Rsa, stranger => rustls_dist_certs:self_signed(Dir, "stranger", #{}),
      both => Start("both", Ec, #{}), rsa => Start("both_rsa", Rsa, #{}),
      new => Start("new", Ec, #{versions => ['tlsv1.3']})}.

end_per_suite(Config) ->
    #{cluster := Cluster} = proplists:get_value(world, Config),
    ok = rustls_dist_cluster:stop(Cluster),
    rustls_dist_cluster:release(proplists:get_value(keeper, Config)).

%% The table and what was tried are the same, row by row, and have the same rows.
as_documented(Config) ->
    World = proplists:get_value(world, Config),
    Documented = table(),
    Tried = [[Row, text(Try(World, both)), text(Try(World, new))] || {Row, Try} <- rows()],
    ct:pal("~ts", [[io_lib:format("| ~ts | ~ts | ~ts |~n", Line) || Line <- Tried]]),
    ?assertEqual(Documented, Tried).

table() ->
    {ok, Page} = file:read_file(rustls_dist_documents:path("cryptography.md")),
    [_, From] = string:split(unicode:characters_to_list(Page), "<!-- tried by rustls_dist_offer_SUITE -->"),
    [Text, _] = string:split(From, "<!-- end -->"),
    [_Title, _Rule | Rows] = [Line || "|" ++ _ = Line <- string:split(Text, "\n", all)],
    [[string:trim(Cell) || Cell <- string:split(string:trim(Row, both, "|"), "|", all)] || Row <- Rows].

text(let_in) -> "let in";
text({alert, Name}) -> "`" ++ Name ++ "`";
text({let_in, Names}) -> lists:flatten(lists:join(", ", ["`" ++ Name ++ "`" || Name <- Names]));
text(Other) -> lists:flatten(io_lib:format("~p", [Other])).

%% What to try, in the order of the table.
rows() ->
    [{"SSL 3.0", fun ssl3/2},
     {"TLS 1.0", with(["-tls1" | weak("ALL")])},
     {"TLS 1.1", with(["-tls1_1" | weak("ALL")])},
     {"TLS 1.2", with(["-tls1_2"])},
     {"TLS 1.3", with(["-tls1_3"])},
     {"suites of TLS 1.2, of all that openssl has, with a key on P-256", suites(both, "-tls1_2")},
     {"suites of TLS 1.2, of all that openssl has, with an RSA key", suites(rsa, "-tls1_2")},
     {"suites of TLS 1.3", fun tls13_suites/2},
     {"groups in TLS 1.3", groups(cert, both, "-tls1_3", ["X25519", "P-256", "P-384", "P-521", "X448", "ffdhe2048", "ffdhe3072"])},
     {"groups in TLS 1.2, with RSA keys", groups(rsa_cert, rsa, "-tls1_2", ["X25519", "P-256", "P-384", "P-521", "X448", "secp256k1", "brainpoolP256r1"])},
     {"signatures with SHA-1 alone", with(["-tls1_2", "-sigalgs", "ECDSA+SHA1:RSA+SHA1" | weak("ALL")])},
     {"signatures that the key cannot make (P-256, and SHA-384 alone)", with(["-sigalgs", "ECDSA+SHA384"])},
     {"compression alone", hello_with(fun compression/1)},
     {"no extended master secret", hello_with(fun no_extended_master_secret/1)},
     {"no certificate of the peer, TLS 1.3", nobody("-tls1_3")},
     {"no certificate of the peer, TLS 1.2", nobody("-tls1_2")},
     {"a certificate of its own, TLS 1.3", stranger("-tls1_3")},
     {"a certificate of its own, TLS 1.2", stranger("-tls1_2")},
     {"an application protocol (ALPN)", with(["-alpn", "h2"])},
     {"any server name (SNI)", with(["-servername", "elsewhere.example"])},
     {"plain HTTP", raw(<<"GET / HTTP/1.1\r\n\r\n">>)}].

weak(Ciphers) -> ["-cipher", Ciphers ++ ":@SECLEVEL=0"].

with(Arguments) -> fun(World, Node) -> dialled(World, maps:get(cert, World), Node, Arguments) end.

nobody(Version) ->
    fun(#{cert := Cert} = World, Node) -> dialled(World, maps:with([ca], Cert), Node, [Version]) end.

stranger(Version) ->
    fun(#{stranger := Cert, cert := #{ca := Ca}} = World, Node) -> dialled(World, Cert#{ca => Ca}, Node, [Version]) end.

suites(Node, Version) ->
    fun(World, Which) ->
            All = string:lexemes(os:cmd("openssl ciphers -tls1_2 ALL:COMPLEMENTOFALL:@SECLEVEL=0"), ":\n"),
            Classic = [Name || Name <- All, not lists:prefix("TLS_", Name)],
            Target = case Which of both -> Node; new -> new end,
            let_in([{Name, dialled(World, maps:get(cert, World), Target, [Version | weak(Name)])} || Name <- Classic])
    end.

tls13_suites(World, Node) ->
    let_in([{Name, dialled(World, maps:get(cert, World), Node, ["-tls1_3", "-ciphersuites", Name])}
            || Name <- ["TLS_AES_256_GCM_SHA384", "TLS_AES_128_GCM_SHA256", "TLS_CHACHA20_POLY1305_SHA256",
                        "TLS_AES_128_CCM_SHA256", "TLS_AES_128_CCM_8_SHA256"]]).

%% (In TLS 1.2 openssl lets the groups restrict the curves of certificates, too.)
groups(Cert, Both, Version, Names) ->
    fun(World, Node) ->
            Target = case Node of both -> Both; new -> new end,
            let_in([{Name, dialled(World, maps:get(Cert, World), Target, [Version, "-curves", Name | weak("ALL")])}
                    || Name <- Names])
    end.

%% Those that were let in; where none was, the alert that all got. (Some suites openssl does not even ask for, such as those
%% with keys that are shared beforehand.)
let_in(Outcomes) ->
    case [Name || {Name, let_in} <- Outcomes] of
        [] -> [Alert] = lists:usort([Alert || {_, {alert, _} = Alert} <- Outcomes]), Alert;
        Names -> {let_in, lists:sort(Names)}
    end.

%% Both handshakes, or the alert that ended the first.
dialled(#{cluster := Cluster} = World, Cert, Node, Arguments) ->
    try rustls_dist_openssl_peer:dial(Cluster, Cert, rustls_dist_cluster:listening_port(maps:get(Node, World)), Arguments) of
        Peer -> ok = rustls_dist_openssl_peer:stop(Peer), let_in
    catch
        error:{openssl_ended, _Status, Messages} -> ended(Messages)
    end.

ended(Messages) ->
    case [Name || "<<<" ++ Line <- Messages,
                  {match, [Name]} <- [re:run(Line, "Alert.*fatal (\\S+)", [{capture, all_but_first, list}])]] of
        [Name] -> {alert, Name};
        [] -> {ended, Messages}
    end.

%% What openssl does not say is made of what it says: the hello of one that dials this test.
hello_with(Change) ->
    fun(World, Node) -> (raw(Change(hello())))(World, Node) end.

hello() ->
    {ok, Listen} = gen_tcp:listen(0, [{ip, {127, 0, 0, 1}}, binary, {active, false}]),
    {ok, Port} = inet:port(Listen),
    Openssl = open_port({spawn_executable, os:find_executable("openssl")},
                        [{args, ["s_client", "-quiet", "-connect", "127.0.0.1:" ++ integer_to_list(Port)]}, binary,
                         stderr_to_stdout, exit_status]),
    {ok, Socket} = gen_tcp:accept(Listen, ?TIMEOUT_MS),
    {ok, <<22, 3, _, Bytes:16>> = Header} = gen_tcp:recv(Socket, 5, ?TIMEOUT_MS),
    {ok, Hello} = gen_tcp:recv(Socket, Bytes, ?TIMEOUT_MS),
    ok = gen_tcp:close(Socket),
    ok = gen_tcp:close(Listen),
    receive {Openssl, {exit_status, _}} -> ok after ?TIMEOUT_MS -> error(openssl_hangs) end,
    <<Header/binary, Hello/binary>>.

%% A hello with DEFLATE in the place of no compression.
compression(Hello) ->
    changed(Hello, fun(Before, <<1, 0>>, Extensions) -> [Before, 1, 1, Extensions] end).

%% A hello for TLS 1.2 without the extension 23.
no_extended_master_secret(Hello) ->
    changed(Hello, fun(Before, Compression, <<_:16, Extensions/binary>>) ->
                           Kept = << <<Type:16, (byte_size(Body)):16, Body/binary>>
                                     || <<Type:16, Bytes:16, Body:Bytes/binary>> <= Extensions, Type =/= 23, Type =/= 43 >>,
                           [Before, Compression, <<(byte_size(Kept)):16>>, Kept]
                   end).

changed(<<22, 3, 1, _:16, 1, _:24, Version:16, Random:32/binary, SessionBytes, Session:SessionBytes/binary, SuiteBytes:16,
          Suites:SuiteBytes/binary, CompressionBytes, Compressions:CompressionBytes/binary, Extensions/binary>>, Change) ->
    Before = <<Version:16, Random/binary, SessionBytes, Session/binary, SuiteBytes:16, Suites/binary>>,
    Body = iolist_to_binary(Change(Before, <<CompressionBytes, Compressions/binary>>, Extensions)),
    <<22, 3, 1, (byte_size(Body) + 4):16, 1, (byte_size(Body)):24, Body/binary>>.

%% A client of SSL 3.0, as it was: no extensions, and suites that only exist there.
ssl3(World, Node) ->
    Body = <<3, 0, 0:(32 * 8), 0, 4:16, 0, 10, 0, 5, 1, 0>>,
    (raw(<<22, 3, 0, (byte_size(Body) + 4):16, 1, (byte_size(Body)):24, Body/binary>>))(World, Node).

raw(Bytes) ->
    fun(World, Node) ->
            Port = rustls_dist_cluster:listening_port(maps:get(Node, World)),
            {ok, Socket} = gen_tcp:connect({127, 0, 0, 1}, Port, [binary, {active, false}]),
            ok = gen_tcp:send(Socket, Bytes),
            Answer = gen_tcp:recv(Socket, 0, ?TIMEOUT_MS),
            ok = gen_tcp:close(Socket),
            case Answer of
                {ok, <<21, 3, _, 2:16, 2, Code>>} -> {alert, alert_name(Code)};
                {ok, <<22, 3, _/binary>>} -> let_in;
                {error, closed} -> closed
            end
    end.

alert_name(40) -> "handshake_failure";
alert_name(47) -> "illegal_parameter";
alert_name(50) -> "decode_error";
alert_name(70) -> "protocol_version";
alert_name(Code) -> integer_to_list(Code).

%% A peer of TLS 1.2 that asks for renegotiation is warned that there is none (RFC 5246 section 7.2.2).
renegotiation(Config) ->
    #{cluster := Cluster, cert := #{cert := Cert, key := Key, ca := Ca}, both := Node} = proplists:get_value(world, Config),
    Messages = filename:join(rustls_dist_cluster:dir(Cluster), "renegotiation.tls"),
    Openssl = open_port({spawn_executable, os:find_executable("openssl")},
                        [{args, ["s_client", "-tls1_2", "-msg", "-msgfile", Messages, "-cert", Cert, "-key", Key, "-CAfile", Ca,
                                 "-connect", "127.0.0.1:" ++ integer_to_list(rustls_dist_cluster:listening_port(Node))]},
                         binary, stderr_to_stdout, exit_status]),
    Said = said(Openssl, <<"Secure Renegotiation IS supported">>),
    ?assertNotEqual(nomatch, string:find(Said, "Compression: NONE")),
    true = port_command(Openssl, "R\n"),
    rustls_dist_cluster:poll(fun() ->
                                     {ok, Text} = file:read_file(Messages),
                                     re:run(Text, "<<< .*Alert.*warning no_renegotiation", [{capture, none}]) =:= match
                             end),
    _ = [os:cmd("kill " ++ integer_to_list(Pid)) || {os_pid, Pid} <- [erlang:port_info(Openssl, os_pid)]],
    receive {Openssl, {exit_status, _}} -> ok after ?TIMEOUT_MS -> error(openssl_hangs) end.

%% What openssl has printed when Text is in it, and the rest of that piece.
said(Openssl, Text) -> said(Openssl, Text, <<>>).

said(Openssl, Text, Before) ->
    receive
        {Openssl, {data, Data}} ->
            Said = <<Before/binary, Data/binary>>,
            case binary:match(Said, Text) =/= nomatch andalso binary:match(Said, <<"Compression">>) =/= nomatch of
                true -> Said;
                false -> said(Openssl, Text, Said)
            end
    after ?TIMEOUT_MS ->
        error({not_said, Text, Before})
    end.

%% X25519MLKEM768 alone is let in, where there is an openssl that has it.
post_quantum(Config) ->
    #{cluster := Cluster, cert := Cert} = World = proplists:get_value(world, Config),
    case rustls_dist_openssl_peer:with_ml_kem(Cluster, Cert) of
        {skip, _} = Skip ->
            Skip;
        Knowing ->
            [?assertEqual({Node, let_in}, {Node, dialled(World, Knowing, Node, ["-groups", "X25519MLKEM768"])})
             || Node <- [both, new]]
    end.

%% Nobody gets a ticket, in either version.
no_tickets(Config) ->
    #{cluster := Cluster, cert := Cert, both := Node} = proplists:get_value(world, Config),
    [begin
         Peer = rustls_dist_openssl_peer:dial(Cluster, Cert, rustls_dist_cluster:listening_port(Node), [Version]),
         ?assertEqual([], [Line || Line <- rustls_dist_openssl_peer:tls_messages(Peer),
                                   string:find(Line, "NewSessionTicket") =/= nomatch]),
         ok = rustls_dist_openssl_peer:stop(Peer)
     end || Version <- ["-tls1_3", "-tls1_2"]].
