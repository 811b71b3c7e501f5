%% Whatever stands where options or revocation lists ought to: an answer or a sentence, and no crash. What was right is changed at
%% random, some thousand times; a failure shows what was given.
-module(rustls_dist_mutations_SUITE).

-include_lib("stdlib/include/assert.hrl").
-include_lib("public_key/include/public_key.hrl").

-export([suite/0, all/0, init_per_testcase/2, end_per_testcase/2]).
-export([options_files/1, option_terms/1, option_words/1, revocation_lists/1]).
-export([lookup/3, select/2, fresh_crl/2]).

suite() ->
    [{timetrap, {minutes, 1}}].

all() ->
    [options_files, option_terms, option_words, revocation_lists].

init_per_testcase(_Case, Config) ->
    _ = rand:seed(exsss),
    Config.

end_per_testcase(_Case, _Config) ->
    ok.

options_files(Config) ->
    File = filename:join(proplists:get_value(priv_dir, Config), "dist.conf"),
    Right = iolist_to_binary(io_lib:format("%% of a node~n~tp.~n", [[{Side, written(Side)} || Side <- [server, client]]])),
    {accepted, accepted} = read(File, Right),
    {Read, Refused} = lists:partition(fun(Outcome) -> Outcome =/= refused end,
                                      [read(File, rustls_dist_mutations:bytes(Right)) || _ <- lists:seq(1, 1500)]),
    %% Both ways are tried.
    ?assert(length(Read) > 50),
    ?assert(length(Refused) > 50).

option_terms(_Config) ->
    Outcomes = [parsed(Side, {optfile, "F", [{Side, mutated_options(Side)}]})
                || _ <- lists:seq(1, 3000), Side <- [server, client]],
    ?assertEqual([accepted, refused], lists:usort(Outcomes)).

option_words(_Config) ->
    Words = ["server_certfile", "c.pem", "server_verify", "verify_peer", "server_cacertfile", "ca.pem", "server_depth", "1",
             "client_cacertfile", "ca.pem", "client_versions", "tlsv1.3,tlsv1.2", "client_hibernate_after", "1000"],
    refused = parsed(server, {flag, ["a\nb\e[31m", "x"]}),
    Outcomes = [parsed(Side, {flag, mutated_words(Words)}) || _ <- lists:seq(1, 1500), Side <- [server, client]],
    ?assertEqual([accepted, refused], lists:usort(Outcomes)).

%% A list that was changed never says that a certificate is good which the list revokes.
revocation_lists(_Config) ->
    Root = rustls_dist_x509:root("ca"),
    Leaf = rustls_dist_x509:leaf("leaf", Root),
    Der = rustls_dist_x509:revocations(Root, [Leaf], {-1, 30}),
    ?assertMatch({bad_cert, {revoked, _}}, status(Root, Leaf, Der)),
    Pem = public_key:pem_encode([{'CertificateList', Der, not_encrypted}]),
    {ok, [_], _} = rustls_dist_crl_lists:parse(Pem),
    %% What was found: an issuer, or a line, that is no UTF-8.
    NoText = binary:replace(Der, <<12, 2, "ca">>, <<12, 2, 16#E3, "a">>),
    ?assertMatch({bad_cert, _}, status(Root, Leaf, NoText)),
    [?assertMatch({error, _}, parse_list(Bytes)) || Bytes <- [NoText, <<16#82, Pem/binary>>]],
    {ok, [_], _} = parse_list(<<"of \xfc\x82\n", Pem/binary>>),
    [case parse_list(rustls_dist_mutations:bytes(Right)) of
         {ok, Lists, NextUpdate} when is_integer(NextUpdate) ->
             [?assertMatch({bad_cert, _}, status(Root, Leaf, List), List) || {Issuer, List} <- Lists, is_list(Issuer)];
         {error, Text} ->
             sentence(Text)
     end || _ <- lists:seq(1, 1000), Right <- [Der, Pem]],
    [?assertMatch({bad_cert, _}, status(Root, Leaf, rustls_dist_mutations:bytes(Der))) || _ <- lists:seq(1, 1000)].

parse_list(Bytes) ->
    try rustls_dist_crl_lists:parse(Bytes)
    catch Class:Reason:Stack -> ct:fail({Class, Reason, Stack, Bytes})
    end.

status(#{der := RootDer, otp := RootOtp}, #{der := LeafDer, otp := LeafOtp}, List) ->
    Policy = #{check => true, sources => [{?MODULE, List}]},
    try rustls_dist_crl:check(Policy, valid_peer, LeafOtp, [{LeafDer, LeafOtp}], [{RootDer, RootOtp}])
    catch Class:Reason:Stack -> ct:fail({Class, Reason, Stack, List})
    end.

%% A source with one list, which is its handle.
lookup(_Point, _Issuer, _List) -> not_available.
select(_Issuer, List) -> [List].
fresh_crl(_Point, List) -> List.

%% What may be given, written as in a file.
written(server) ->
    [{certfile, "/p/ü.pem"}, {keyfile, "/p/key.pem"}, {password, "secret"}, {verify_node, host} | common()];
written(client) ->
    [{server_name_indication, "node.example"}, {certs_keys, [#{certfile => "c.pem", keyfile => "k.pem"}]} | common()].

common() ->
    [{cacertfile, "ca.pem"}, {verify, verify_peer}, {depth, 1}, {versions, ['tlsv1.2', 'tlsv1.3']},
     {ciphers, "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384"}, {supported_groups, [x25519, secp256r1]}, {eccs, [secp256r1]},
     {hibernate_after, 1000}, {key_update_at, 1000000}, {recheck, 60}, {crl_check, best_effort}, {crlfile, "lists.pem"},
     {crl_cache, {ssl_crl_cache, {internal, [{http, 5000}]}}}, {secure_renegotiate, true}].

%% With what a file can only compute.
options(server) -> [{fail_if_no_peer_cert, true}, {verify_fun, {fun lists:keyfind/3, []}} | written(server)];
options(client) -> [{customize_hostname_check, [{match_fun, fun(_, _) -> true end}]}, {verify_fun, {m, f, []}} | written(client)].

%% A file that gives no list has been refused before (rustls_dist_optfile).
mutated_options(Side) ->
    case rustls_dist_mutations:term(options(Side)) of
        Options when length(Options) >= 0 -> Options;
        _ -> mutated_options(Side)
    end.

%% The command line has no other terms.
mutated_words(Words) ->
    N = rand:uniform(length(Words)),
    {Before, [Word | After]} = lists:split(N - 1, Words),
    case rand:uniform(4) of
        1 -> Before ++ After;
        2 -> Before ++ [Word, Word | After];
        _ -> Before ++ [binary_to_list(rustls_dist_mutations:bytes(list_to_binary(Word))) | After]
    end.

read(File, Bytes) ->
    ok = file:write_file(File, Bytes),
    try rustls_dist_optfile:consult(File) of
        {ok, Sides} ->
            {parsed(server, {optfile, File, Sides}), parsed(client, {optfile, File, Sides})};
        {error, Reason} ->
            sentence(rustls_dist_optfile:format_error(Reason)),
            refused
    catch
        Class:Fault:Stack -> ct:fail({Class, Fault, Stack, Bytes})
    end.

parsed(Side, Source) ->
    try rustls_dist_opts:parse(Side, [Source]) of
        {ok, #{options := #{}, origins := #{}, notices := Notices}} ->
            [sentence(rustls_dist_opts:format_notice(Notice)) || Notice <- Notices],
            accepted;
        {error, Problem} ->
            sentence(rustls_dist_opts:format_problem(Problem)),
            refused
    catch
        Class:Fault:Stack -> ct:fail({Class, Fault, Stack, Source})
    end.

sentence(Chardata) ->
    Text = unicode:characters_to_list(Chardata),
    ?assert(is_list(Text), Chardata),
    ?assert(length(Text) > 10, Text),
    ?assertNot(lists:member($\n, Text), Text).
