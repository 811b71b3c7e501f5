%% TLS options: flag words and file terms (rustls_dist_opts), and the options file (rustls_dist_optfile).
-module(rustls_dist_opts_SUITE).

-include_lib("stdlib/include/assert.hrl").

-export([all/0, groups/0]).
-export([verdict_options/1, accepts/1, refuses_values/1, password_fun/1, cipher_suites_of_ssl/1,
         notices/1, refusals/1, harmless_values/1, other_side_only/1, every_name_judged/1, otp_options_known/1,
         flag_grammar/1, flag_secrets/1, file_entries/1, unknown_names/1,
         precedence/1, losing_values/1, skips_other_side/1,
         needs/1, no_certificate/1, verify_none_with_function/1, defaults/1, warnings/1, origins/1,
         file_accepted/1, file_refused/1, file_secrets/1, file_relative/1]).

-define(CERT, ["server_certfile", "c.pem"]).

all() ->
    [{group, G} || {G, _, _} <- groups()].

groups() ->
    [{values, [], [accepts, refuses_values, verdict_options, password_fun, cipher_suites_of_ssl]},
     {tables, [], [notices, refusals, harmless_values, other_side_only, every_name_judged,
                   otp_options_known]},
     {grammar, [], [flag_grammar, flag_secrets, file_entries, unknown_names]},
     {sources, [], [precedence, losing_values, skips_other_side]},
     {whole, [], [needs, no_certificate, verify_none_with_function, defaults, warnings, origins]},
     {optfile, [], [file_accepted, file_refused, file_secrets, file_relative]}].

%% values -----------------------------------------------------------------------------------------------

accepts(_Config) ->
    [?assertEqual({Key, Given, Value}, {Key, Given, judged_value(Key, Given)})
     || {Key, Forms, Value} <- accepted(), Given <- Forms].

accepted() ->
    Path = [{text, "/p/ü.pem"}, {term, "/p/ü.pem"}, {term, <<"/p/ü.pem"/utf8>>}],
    [{certfile, Path, <<"/p/ü.pem"/utf8>>},
     {keyfile, Path, <<"/p/ü.pem"/utf8>>},
     {cacertfile, Path, <<"/p/ü.pem"/utf8>>},
     {password, [{text, "pw"}, {term, "pw"}, {term, <<"pw">>}, {term, ["p", <<"w">>]}], <<"pw">>},
     {password, [{text, [255]}, {term, [255]}], <<255>>},
     {password, [{text, [16#20ac]}, {term, [16#20ac]}], <<16#20ac/utf8>>},
     {verify, [{text, "verify_peer"}, {term, verify_peer}], verify_peer},
     {verify, [{text, "verify_none"}, {term, verify_none}], verify_none},
     {fail_if_no_peer_cert, [{text, "true"}, {term, true}], true},
     {fail_if_no_peer_cert, [{text, "false"}, {term, false}], false},
     {depth, [{text, "0"}, {term, 0}], 0},
     {depth, [{text, "255"}, {term, 255}], 255},
     {versions, [{text, "tlsv1.2"}, {term, ['tlsv1.2']}, {term, ["tlsv1.2"]}], ['tlsv1.2']},
     {versions, [{text, "tlsv1.2,tlsv1.3"}, {text, "tlsv1.3, tlsv1.2,tlsv1.3"},
                 {term, ['tlsv1.2', 'tlsv1.3']}, {term, ['tlsv1.3', 'tlsv1.2', 'tlsv1.3']}],
      ['tlsv1.3', 'tlsv1.2']},
     {ciphers, [{text, "A:B"}, {text, "A,B"}, {term, "A:B"}, {term, <<"A:B">>}, {term, ["A", "B"]},
                {term, [<<"A">>, "B"]}], [<<"A">>, <<"B">>]},
     {supported_groups, [{text, "a:b"}, {text, "a, b"}, {term, [a, b]}, {term, "a,b"}, {term, [<<"a">>, "b"]}], [<<"a">>, <<"b">>]},
     {eccs, [{text, "a"}, {term, [a]}, {term, ["a"]}], [<<"a">>]},
     {key_update_at, [{text, "1000"}, {term, 1000}], 1000},
     {recheck, [{text, "60"}, {term, 60}], 60},
     {hibernate_after, [{text, "0"}, {term, 0}], 0},
     {hibernate_after, [{text, "1000"}, {term, 1000}], 1000},
     {hibernate_after, [{text, "infinity"}, {term, infinity}], infinity},
     {server_name_indication, [{text, "disable"}, {term, disable}], disable},
     {server_name_indication, [{text, "n.example"}, {term, "n.example"}, {term, <<"n.example">>}],
      <<"n.example">>}].

refuses_values(_Config) ->
    [begin
         {error, Problem} = with(Side, Key, Form),
         ?assertMatch({wrong_value, Side, _, Key, _, _}, Problem, {Key, Form}),
         sentence_has(Problem, [atom_to_list(Side), atom_to_list(Key), source_text(Form), "give "])
     end || {Key, Forms} <- wrong(), Form <- Forms, Side <- sides_of(Key)].

wrong() ->
    Path = [{text, ""}, {term, ""}, {term, <<>>}, {term, a}, {term, "a\0b"}, {term, <<255>>}, {term, [a]}],
    [{certfile, Path}, {keyfile, Path}, {cacertfile, Path},
     {password, [{term, pw}, {term, 1}, {term, [a]}, {term, fun erlang:node/0}, {term, fun lists:sort/1}]},
     {verify, [{text, "true"}, {term, true}, {term, "verify_peer"}]},
     {fail_if_no_peer_cert, [{text, "yes"}, {term, 1}]},
     {depth, [{text, "x"}, {text, "1x"}, {text, ""}, {text, "256"}, {text, "-1"}, {term, -1}, {term, 256},
              {term, "1"}, {term, 1.0}]},
     {versions, [{text, ""}, {text, "tlsv1.1"}, {text, "tlsv1.2,tlsv1.1"}, {term, 'tlsv1.2'}, {term, []},
                 {term, ['tlsv1.2', 'tlsv1.1']}, {term, [tlsv1]}, {term, ['dtlsv1.2']},
                 {term, ['tlsv1.2' | x]}]},
     {ciphers, [{text, ""}, {text, ":"}, {term, []}, {term, a}, {term, [a]}, {term, [{a, b}]},
                {term, ["A" | b]}, {term, [#{}]}, {term, [{1, 2, 3}]}, {term, [<<0, 0>>, <<255, 254>>]}]},
     {supported_groups, [{text, ""}, {text, ","}, {term, []}, {term, x25519}, {term, [{a, b}]}, {term, [a | b]}]},
     {eccs, [{text, ""}, {term, []}, {term, secp256r1}, {term, [{1, 2}]}]},
     {key_update_at, [{text, "0"}, {text, "many"}, {term, 0}, {term, infinity}]},
     {recheck, [{text, "0"}, {text, "daily"}, {term, 0}, {term, 2592001}, {term, infinity}]},
     {server_name_indication, [{text, ""}, {term, true}, {term, undefined}]},
     {secure_renegotiate, [{text, "maybe"}, {term, 1}]},
     {certs_keys, [{text, "x"}, {term, []}, {term, [#{}]}, {term, [#{certfile => ""}]}, {term, #{certfile => "c"}},
                   {term, [#{certfile => "c", key => {'RSAPrivateKey', <<1>>}}]}, {term, [#{cert => <<1>>}]},
                   {term, [#{certfile => "c"} | x]}]},
     {cacerts, [{text, "x"}, {term, []}, {term, "ca.pem"}, {term, [<<1>>, a]}, {term, [<<1>> | x]}]},
     {customize_hostname_check, [{text, "x"}, {term, [{match_fun, fun erlang:is_atom/1}]}, {term, [match_fun]},
                                {term, [{fqdn_fun, fun erlang:is_atom/1} | x]}]},
     {verify_fun, [{text, "m"}, {text, "{m,f"}, {term, m}, {term, {m, f}}, {term, fun erlang:is_atom/1},
                   {term, {fun erlang:is_atom/1, s}}]},
     {crl_check, [{text, "yes"}, {term, 1}]},
     {crl_cache, [{text, "x"}, {term, {ssl_crl_cache, {internal, [{https, 5000}]}}},
                  {term, {ssl_crl_cache, {internal, [{http, 0}]}}},
                  {term, {ssl_crl_cache, {internal, [{http, 1}, {http, 1}]}}},
                  {term, {ssl_crl_cache, {internal, [{allowed_hosts, ["crl.example"]}]}}},
                  {term, {ssl_crl_cache, {internal, [{http, 1}, {allowed_hosts, ["crl.example/list"]}]}}},
                  {term, {ssl_crl_cache, {internal, [{http, 1}, {allowed_hosts, ["crl.example:0"]}]}}}, {term, {ssl_crl_cache, {file, "x"}}}, {term, m},
                  {term, {ssl_crl_cache, {internal, [{http, 1} | x]}}},
                  {term, {ssl_crl_cache, {internal, [{http, 1}, {allowed_hosts, ["crl.example" | x]}]}}},
                  {term, {ssl_crl_hash_dir, {internal, [{dir, ["d" | x]}]}}}]},
     {crlfile, Path},
     {verify_node, [{text, "true"}, {term, true}, {term, {uri, ""}}, {term, {uri, 1}}, {text, "uri"}, {term, {uri, <<255>>}},
                   {term, {uri, [a]}}]},
     {handshake, [{text, "hello"}, {term, hello}]},
     {hibernate_after, [{text, "soon"}, {text, "-1"}, {term, -1}, {term, 16#100000000}, {term, 1.0}]},
     {max_handshake_size, [{text, "1000"}, {term, 65534}]}].

%% As OTP's documentation writes them, in either form.
verdict_options(_Config) ->
    [?assertMatch({_, s, "m:f/3"}, judged_value(verify_fun, Form))
     || Form <- [{text, "{m,f,s}"}, {term, {m, f, s}}]],
    ?assertMatch({_, s, "fun m:f/4"}, judged_value(verify_fun, {term, {fun m:f/4, s}})),
    Http = {ssl_crl_cache, {internal, [{http, 5000}]}},
    [?assertEqual(Http, judged_value(crl_cache, Form))
     || Form <- [{text, "{ssl_crl_cache,{internal,[{http,5000}]}}"}, {term, Http}]],
    Hosts = {ssl_crl_cache, {internal, [{http, 5000}, {allowed_hosts, ["crl.example", "10.0.0.1:8080", "[fd00::1]:80"]}]}},
    ?assertEqual(Hosts, judged_value(crl_cache, {term, Hosts})),
    ?assertEqual({mine, {handle, x}}, judged_value(crl_cache, {term, {mine, {handle, x}}})),
    ?assertEqual([<<1>>, <<2>>], judged_value(cacerts, {term, [<<1>>, {cert, <<2>>, decoded}]})),
    ?assertEqual([#{certfile => <<"r">>}, #{certfile => <<"e">>, keyfile => <<"k">>, password => <<"p">>}],
                 judged_value(certs_keys, {term, [#{certfile => "r"}, #{certfile => <<"e">>, keyfile => "k",
                                                                        password => fun() -> "p" end}]})),
    [?assertEqual(Policy, judged_value(verify_node, {term, Policy})) || Policy <- [host, name, false]],
    ?assertEqual({uri, "spiffe://x/%n"}, judged_value(verify_node, {text, "{uri,\"spiffe://x/%n\"}"})),
    %% Instead of cacertfile and certfile.
    ?assertMatch({ok, #{options := #{verify := verify_peer}}},
                 parse_file(server, [{cacerts, [<<1>>]}, {certs_keys, [#{certfile => "c"}]}])),
    {error, Blind} = parse_file(server, [{certfile, "c"}, {crl_check, true}]),
    ?assertMatch({needs, server, {optfile, "F"}, crl_check, verify}, Blind).

password_fun(_Config) ->
    ?assertEqual(<<"pw">>, judged_value(password, {term, fun() -> "pw" end})),
    {error, Problem} = with(server, password, {term, fun() -> error({secret, "hidden"}) end}),
    ?assertMatch({wrong_value, server, _, password, withheld, _}, Problem),
    sentence_lacks(Problem, "hidden").

cipher_suites_of_ssl(_Config) ->
    ?assertNot(lists:keymember(ssl, 1, application:which_applications())),
    Name = <<"TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256">>,
    Map = #{key_exchange => ecdhe_rsa, cipher => aes_128_gcm, mac => aead, prf => sha256},
    [?assertEqual([Name], judged_value(ciphers, {term, [Suite]}))
     || Suite <- [Map, {ecdhe_rsa, aes_128_gcm, aead, sha256}, {ecdhe_rsa, aes_128_gcm, sha256, sha256},
                  <<16#c0, 16#2f>>]],
    ?assertEqual([<<"TLS_AES_256_GCM_SHA384">>],
                 judged_value(ciphers, {term, [#{key_exchange => any, cipher => aes_256_gcm, mac => aead,
                                                 prf => sha384}]})).

%% tables -----------------------------------------------------------------------------------------------

notices(_Config) ->
    [begin
         {ok, #{options := Options, notices := Notices}} = with(Side, Key, Form),
         ?assertNot(is_map_key(Key, Options)),
         Notice = lists:keyfind(no_meaning, 1, Notices),
         ?assertMatch({no_meaning, Side, _, Key, _}, Notice),
         notice_has(Notice, [atom_to_list(Side), atom_to_list(Key), source_text(Form), "no meaning here: "])
     end || {Key, Forms} <- meaningless(), Form <- Forms, Side <- [server, client]],
    {ok, #{options := Client, notices := Notices}} = with(client, fail_if_no_peer_cert, {text, "true"}),
    ?assertNot(is_map_key(fail_if_no_peer_cert, Client)),
    ?assertMatch({no_meaning, client, flag, fail_if_no_peer_cert, _}, lists:keyfind(no_meaning, 1, Notices)).

meaningless() ->
    [{dhfile, [{text, "dh.pem"}, {term, "dh.pem"}]}, {dh, [{term, <<1>>}]},
     {secure_renegotiate, [{text, "true"}, {term, true}]}, {client_renegotiation, [{term, false}]},
     {honor_cipher_order, [{text, "true"}, {term, true}]}, {honor_ecc_order, [{term, false}]},
     {reuse_sessions, [{text, "false"}, {term, save}]}, {reuse_session, [{term, fun erlang:is_atom/1}]},
     {session_tickets, [{term, disabled}, {term, stateless}]}, {log_level, [{text, "debug"}, {term, none}]},
     {log_alert, [{term, false}]},
     {handshake, [{term, full}]}, {padding_check, [{term, true}]}, {beast_mitigation, [{term, disabled}]},
     {erl_dist, [{term, true}]}, {ktls, [{text, "true"}, {term, true}, {term, false}]}, {max_handshake_size, [{term, 262144}]},
     {mode, [{term, binary}]}, {active, [{term, true}]}, {packet, [{term, 4}]}, {nodelay, [{term, true}]},
     {sndbuf, [{term, 1000}]}].

refusals(_Config) ->
    [begin
         {error, Problem} = with(Side, Key, Form),
         ?assertMatch({refused, Side, _, Key, _}, Problem),
         {_Harmless, Instead} = rustls_dist_opt_table:refused(Key),
         sentence_has(Problem, [atom_to_list(Side), atom_to_list(Key), source_text(Form),
                                "not supported yet by rustls_dist", Instead])
     end || Key <- rustls_dist_opt_table:names(), rustls_dist_opt_table:refused(Key) =/= false,
            Side <- [server, client],
            Form <- [{text, "true"}, {term, true}, {term, {m, f, x}}]].

harmless_values(_Config) ->
    [?assertMatch({ok, #{notices := [{no_meaning, server, _, Key, _} | _]}}, with(server, Key, Form))
     || {Key, Form} <- [{protocol, {term, tls}}, {stapling, {term, no_staple}},
                        {sni_hosts, {term, []}}]].

other_side_only(_Config) ->
    {error, Problem} = with(server, server_name_indication, {text, "n"}),
    sentence_has(Problem, ["server", "server_name_indication", "-ssl_dist_opt",
                           "client_server_name_indication"]),
    {error, InFile} = with(server, server_name_indication, {term, "n"}),
    sentence_has(InFile, ["the options file F", "in {client, [...]}"]).

every_name_judged(_Config) ->
    Names = rustls_dist_opt_values:names(),
    ?assertEqual(lists:sort(Names), lists:usort(Names)),
    [?assertNotEqual(unknown, rustls_dist_opt_values:judge(Side, Name, Form), Name)
     || Name <- Names, Side <- [server, client], Form <- [{text, "true"}, {term, true}]].

%% The options that inet_tls_dist takes from the command line (OTP 25 and 27), and all that ssl lists.
otp_options_known(_Config) ->
    Flag = [certfile, keyfile, password, cacertfile, dhfile, verify, verify_fun, crl_check, crl_cache,
            reuse_sessions, secure_renegotiate, depth, hibernate_after, ciphers, versions,
            fail_if_no_peer_cert, ktls],
    Ssl = [alpn_advertised_protocols, alpn_preferred_protocols, anti_replay, beast_mitigation, cacerts, cert,
           certs_keys, certificate_authorities, client_renegotiation, cookie, customize_hostname_check, dh,
           early_data, eccs, erl_dist, fallback, handshake, honor_cipher_order, honor_ecc_order, keep_secrets,
           key, key_update_at, log_level, log_alert, max_handshake_size, middlebox_comp_mode,
           max_fragment_length, next_protocol_selector, next_protocols_advertised,
           client_preferred_next_protocols, stapling, ocsp_stapling, ocsp_nonce, ocsp_responder_certs,
           padding_check, partial_chain, protocol, psk_identity, receiver_spawn_opts, sender_spawn_opts,
           renegotiate_at, reuse_session, server_name_indication, session_tickets, stateless_tickets_seed,
           signature_algs, signature_algs_cert, sni_fun, sni_hosts, srp_identity, ssl_imp, supported_groups,
           use_ticket, use_srtp, user_lookup_fun, cert_policy_opts, allow_any_ca_purpose, cb_info],
    ?assertEqual([], (Flag ++ Ssl) -- rustls_dist_opt_values:names()).

%% grammar ----------------------------------------------------------------------------------------------

flag_grammar(_Config) ->
    {error, NoValue} = parse(server, ?CERT ++ ["server_depth"]),
    ?assertEqual({no_value, server, "server_depth"}, NoValue),
    sentence_has(NoValue, ["server", "server_depth", "-ssl_dist_opt", "write one"]),
    {error, NoPrefix} = parse(server, ?CERT ++ ["keyfile", "k.pem"]),
    ?assertEqual({no_prefix, server, {shown, "keyfile"}, 3}, NoPrefix),
    sentence_has(NoPrefix, ["keyfile", "word 3", "-ssl_dist_opt", "server_ or client_"]),
    ?assertMatch({error, {no_prefix, client, _, _}}, parse(client, ["x"])),
    ?assertMatch({error, {no_value, client, "server_depth"}}, parse(client, ["server_depth"])).

flag_secrets(_Config) ->
    {error, Problem} = parse(server, ["server_certfile", "server_password", "s3cret", "x"]),
    sentence_lacks(Problem, "s3cret"),
    {error, Wrong} = with(server, password, {term, {"s3cret"}}),
    sentence_lacks(Wrong, "s3cret").

file_entries(_Config) ->
    {ok, #{notices := Notices}} = parse_file(server, [{certfile, "c"}, binary, secure_renegotiate]),
    ?assertEqual([binary, secure_renegotiate], [Key || {no_meaning, server, _, Key, _} <- Notices]),
    ?assertMatch({ok, #{options := #{fail_if_no_peer_cert := true}}},
                 parse_file(server, [{certfile, "c"}, {cacertfile, "a"}, fail_if_no_peer_cert])),
    ?assertMatch({error, {refused, server, _, raw, _}}, parse_file(server, [{raw, 6, 18, <<1:32>>}])),
    [begin
         {error, Problem} = parse_file(server, [{certfile, "c"}, Bad]),
         ?assertEqual({malformed, server, {optfile, "F"}, 2}, Problem),
         sentence_has(Problem, ["element 2", "server", "the options file F", "write {Name, Value}"])
     end || Bad <- ["x", 1, {}, {a, b, c}, []]],
    ?assertMatch({error, {unknown, server, _, "certfile", none}}, parse_file(server, [{"certfile", "c"}])).

unknown_names(_Config) ->
    [begin
         {error, Problem} = parse(Side, [atom_to_list(Side) ++ "_" ++ Misspelt, "x"]),
         ?assertEqual({unknown, Side, flag, Misspelt, Near}, Problem),
         sentence_has(Problem, [atom_to_list(Side), Misspelt, "-ssl_dist_opt",
                                atom_to_list(Side) ++ "_" ++ atom_to_list(Near)])
     end || Side <- [server, client],
            {Misspelt, Near} <- [{"certfil", certfile}, {"cert_file", certfile}, {"cafile", cacertfile},
                                 {"cacert_file", cacertfile}, {"verfy", verify}, {"dept", depth},
                                 {"version", versions}, {"cipher", ciphers}, {"server_keyfile", keyfile},
                                 {"fail_if_no_peercert", fail_if_no_peer_cert}]],
    {error, InFile} = parse_file(client, [{server_certfile, "c"}]),
    sentence_has(InFile, ["client", "server_certfile", "the options file F", "certfile in {client, [...]}"]),
    {error, Strange} = parse(server, ["server_zzzzzzzzzz", "x"]),
    ?assertEqual({unknown, server, flag, "zzzzzzzzzz", none}, Strange),
    sentence_has(Strange, ["remove it"]).

%% sources ----------------------------------------------------------------------------------------------

precedence(_Config) ->
    Flag = {flag, ["server_certfile", "flag", "server_depth", "1", "server_depth", "2"]},
    File = {optfile, "F", [{server, [{certfile, "file"}, {depth, 3}, {keyfile, "k"}]}]},
    {ok, #{options := O1, origins := G1, notices := N1}} = rustls_dist_opts:parse(server, [Flag, File]),
    ?assertMatch(#{certfile := <<"flag">>, depth := 2, keyfile := <<"k">>}, O1),
    ?assertMatch(#{certfile := flag, depth := flag, keyfile := {optfile, "F"}}, G1),
    ?assertEqual([{certfile, flag, {optfile, "F"}}, {depth, flag, flag}, {depth, flag, {optfile, "F"}}],
                 lists:sort([{Key, Used, Dropped} || {overridden, server, Key, Used, Dropped} <- N1])),
    {ok, #{options := O2}} = rustls_dist_opts:parse(server, [File, Flag]),
    ?assertMatch(#{certfile := <<"file">>, depth := 3}, O2),
    [notice_has(Notice, ["server", atom_to_list(element(3, Notice))])
     || Notice <- N1, element(1, Notice) =:= overridden],
    {ok, #{notices := Same}} = parse(server, ?CERT ++ ?CERT),
    ?assertNot(lists:keymember(overridden, 1, Same)).

losing_values(_Config) ->
    File = {optfile, "F", [{server, [{depth, many}]}]},
    ?assertMatch({error, {wrong_value, server, {optfile, "F"}, depth, _, _}},
                 rustls_dist_opts:parse(server, [{flag, ?CERT ++ ["server_depth", "1"]}, File])).

skips_other_side(_Config) ->
    {ok, #{options := Options}} = parse(client, ["server_nonsense", "x", "client_depth", "4"]),
    ?assertMatch(#{depth := 4}, Options),
    ?assertMatch({ok, _}, rustls_dist_opts:parse(client, [{optfile, "F", [{server, [{nonsense, 1}]}]}])).

%% whole ------------------------------------------------------------------------------------------------

needs(_Config) ->
    [begin
         {error, Problem} = parse(Side, Words),
         ?assertMatch({needs, Side, flag, Key, Needed}, Problem),
         sentence_has(Problem, [atom_to_list(Side), atom_to_list(Key), "-ssl_dist_opt",
                                atom_to_list(Side) ++ "_" ++ atom_to_list(Needed)])
     end || {Side, Words, Key, Needed} <-
                [{server, ["server_keyfile", "k"], keyfile, certfile},
                 {client, ["client_keyfile", "k"], keyfile, certfile},
                 {client, ["client_password", "p"], password, certfile},
                 {client, ["client_verify", "verify_peer"], verify, cacertfile},
                 {server, ?CERT ++ ["server_verify", "verify_peer"], verify, cacertfile},
                 {server, ?CERT ++ ["server_fail_if_no_peer_cert", "true"], fail_if_no_peer_cert, verify},
                 {server, ?CERT ++ ["server_cacertfile", "a", "server_verify", "verify_none",
                                    "server_fail_if_no_peer_cert", "true"], fail_if_no_peer_cert, verify},
                 {server, ["server_password", "p"], password, certfile},
                 {server, ?CERT ++ ["server_verify", "verify_none", "server_verify_fun", "{m,f,s}", "server_crl_check", "true"],
                  crl_check, verify}]].

%% A side need not have one; how well a server side without one verifies is nobody's concern.
no_certificate(_Config) ->
    [begin
         {ok, #{options := Options, notices := []}} = rustls_dist_opts:parse(server, Sources),
         ?assertNot(rustls_dist_opts:has_certificate(Options))
     end || Sources <- [[], [{flag, []}], [{flag, ["client_certfile", "c"]}], [{optfile, "F", []}],
                        [{flag, ["server_verify", "verify_none"]}],
                        [{flag, ["server_cacertfile", "a", "server_fail_if_no_peer_cert", "false"]}]]],
    [begin
         {ok, #{options := Options}} = parse_file(Side, [Option]),
         ?assert(rustls_dist_opts:has_certificate(Options))
     end || Side <- [server, client], Option <- [{certfile, "c"}, {certs_keys, [#{certfile => "c"}]}]],
    notice_has(no_certificate, ["nobody can dial", "-ssl_dist_opt server_certfile", "-ssl_dist_optfile"]).

%% A function takes the place of verify_none where there is something to ask it about.
verify_none_with_function(_Config) ->
    Fun = {verify_fun, {m, f, s}},
    [?assertMatch({ok, #{options := #{verify := verify_peer, verify_fun := _}, notices := []}}, parse_file(client, Options))
     || Options <- [[Fun], [Fun, {verify, verify_none}], [Fun, {verify, verify_none}, {crl_check, true}]]],
    ?assertMatch({ok, #{options := #{verify := verify_peer, verify_fun := _}}}, parse_file(server, [{certfile, "c"}, Fun])),
    {ok, #{options := Server, notices := [NoMeaning, {unauthenticated, server}]}} =
        parse_file(server, [{certfile, "c"}, Fun, {verify, verify_none}]),
    ?assertNot(is_map_key(verify_fun, Server)),
    notice_has(NoMeaning, ["server", "verify_fun", "the options file F", "no meaning here: ", "asked for no certificate"]).

defaults(_Config) ->
    {ok, #{options := Server}} = parse(server, ?CERT),
    ?assertEqual(#{certfile => <<"c.pem">>, verify => verify_none, fail_if_no_peer_cert => false, depth => 10,
                   versions => ['tlsv1.3', 'tlsv1.2'], hibernate_after => infinity}, Server),
    {ok, #{options := Client}} = parse(client, []),
    ?assertEqual(#{verify => verify_none, depth => 10, versions => ['tlsv1.3', 'tlsv1.2'], hibernate_after => infinity}, Client),
    ?assertMatch({ok, #{options := #{verify := verify_peer}}}, parse(client, ["client_cacertfile", "a"])),
    ?assertMatch({ok, #{options := #{verify := verify_none, depth := 1}}},
                 parse(server, ?CERT ++ ["server_cacertfile", "a", "server_verify", "verify_none", "server_depth", "1"])).

warnings(_Config) ->
    {ok, #{notices := [Unauthenticated]}} = rustls_dist_opts:parse(client, []),
    ?assertEqual({unauthenticated, client}, Unauthenticated),
    notice_has(Unauthenticated, ["client", "encrypted but not authenticated", "cacertfile"]),
    Verified = ?CERT ++ ["server_cacertfile", "a"],
    {ok, #{notices := [Optional]}} = parse(server, Verified ++ ["server_fail_if_no_peer_cert", "false"]),
    ?assertEqual(peer_certificate_optional, Optional),
    notice_has(Optional, ["server", "fail_if_no_peer_cert"]),
    %% As ssl of the running release has it.
    Insists = list_to_integer(erlang:system_info(otp_release)) >= 26,
    ?assertMatch({ok, #{options := #{fail_if_no_peer_cert := Insists}}}, parse(server, Verified)),
    ?assertMatch({ok, #{notices := []}}, parse(server, Verified ++ ["server_fail_if_no_peer_cert", "true"])),
    ?assertMatch({ok, #{notices := []}}, parse(client, ["client_cacertfile", "a"])).

origins(_Config) ->
    {ok, #{origins := Origins}} = parse(server, ?CERT),
    ?assertEqual(#{certfile => flag, verify => default, fail_if_no_peer_cert => default, depth => default,
                   versions => default, hibernate_after => default}, Origins).

%% optfile ----------------------------------------------------------------------------------------------

file_accepted(Config) ->
    [?assertEqual({ok, Value}, consult(Config, Bytes), Bytes)
     || {Bytes, Value} <-
            [{"[{server,[{certfile,\"a\"}]},{client,[]}].", [{server, [{certfile, "a"}]}, {client, []}]},
             {"[].\n", []},
             {"{server,[binary]}.", [{server, [binary]}]},
             {"[{client,lists:append([a],[b])}].\n% end", [{client, [a, b]}]},
             {"[{server,[{verify_fun,{fun lists:keyfind/3,s}}]}].",
              [{server, [{verify_fun, {fun lists:keyfind/3, s}}]}]},
             {<<"[{server,[{certfile,\"", 252, "\"}]}].">>, [{server, [{certfile, [252]}]}]},
             {<<"%% coding: latin-1\n[{server,[{certfile,\"", 252, "\"}]}].">>,
              [{server, [{certfile, [252]}]}]},
             {<<"%% coding: utf-8\n[{server,[{certfile,\"", 16#20ac/utf8, "\"}]}].">>,
              [{server, [{certfile, [16#20ac]}]}]}]],
    {ok, [{server, [{password, Fun}]}]} = consult(Config, "[{server,[{password,fun() -> \"pw\" end}]}]."),
    ?assertEqual("pw", Fun()).

file_refused(Config) ->
    [begin
         {error, Reason} = consult(Config, Bytes),
         has(rustls_dist_optfile:format_error(Reason), [file(Config), "-ssl_dist_optfile" | Parts])
     end || {Bytes, Parts} <-
                [{"[{server,\n [{certfile \"a\"}]}].", ["line 2", "before: a string", "correct it"]},
                 {"[{server,\n\n [a b]}].", ["line 3", "before: b"]},
                 {"[{server,\n[{certfile,\"a}]}].", ["line 2", "not closed with \""]},
                 {"[{server,['a]}].", ["line 1", "not closed with '"]},
                 {"[{server,[]}]", ["full stop"]},
                 {"", ["full stop"]},
                 {"[], [].", ["several expressions"]},
                 {"[]. [].", ["line 1"]},
                 {"[{server,[{certfile,File}]}].", ["variable File has no value"]},
                 {"[{server,X=[]}].", ["binds the variables X"]},
                 {"[{server,f(1)}].", ["calls f/1 without naming a module"]},
                 {"[{server,nomod:f(1)}].", ["nomod:f/1, which does not exist"]},
                 {"[{server,hd([])}].", ["cannot be evaluated", "badarg"]},
                 {"#{server => []}.", ["does not hold a list"]},
                 {"[{certfile,\"a\"}].", ["element 1", "{server, [...]} or {client, [...]}"]},
                 {"[{server,[]},{servr,[]}].", ["element 2"]},
                 {"[{server,[]}|x].", ["does not hold a list"]},
                 {"[{server,a}].", ["gives server something else than a list"]},
                 {"[{server,[a|b]}].", ["gives server something else than a list"]},
                 {"[{client,[]},{client,[]}].", ["{client, ...} twice"]},
                 {<<"%% coding: utf-8\n[{server,[{certfile,\"", 252, "\"}]}].">>, ["UTF-8"]}]],
    {error, Missing} = rustls_dist_optfile:consult("/no/such/file.conf"),
    has(rustls_dist_optfile:format_error(Missing), ["/no/such/file.conf", "does not exist", "correct the"]),
    {error, Directory} = rustls_dist_optfile:consult(dir(Config)),
    has(rustls_dist_optfile:format_error(Directory), [dir(Config), "is a directory", "name a file"]).

file_secrets(Config) ->
    [begin
         {error, Reason} = consult(Config, Bytes),
         lacks(rustls_dist_optfile:format_error(Reason), "s3cret")
     end || Bytes <- ["[{server,[{password,\"s3cret}]}].", "[{server,[{password \"s3cret\"}]}].",
                      "[{server,[{password,hd({\"s3cret\"})}]}].", "[{server,begin {a} = \"s3cret\" end}].",
                      "[{server,error({x,\"s3cret\"})}].", "[{server,\"s3cret\":f()}].", "[\"s3cret\"]."]].

%% A name without a directory is one of the working directory, not of the code path.
file_relative(Config) ->
    ok = file:write_file(file(Config), "[]."),
    {ok, Cwd} = file:get_cwd(),
    ok = file:set_cwd(dir(Config)),
    try ?assertEqual({ok, []}, rustls_dist_optfile:consult(filename:basename(file(Config))))
    after file:set_cwd(Cwd)
    end.

%% ------------------------------------------------------------------------------------------------------

parse(Side, Words) ->
    rustls_dist_opts:parse(Side, [{flag, Words}]).

parse_file(Side, Options) ->
    rustls_dist_opts:parse(Side, [{optfile, "F", [{Side, Options}]}]).

%% One option on top of a configuration that is complete without it.
with(Side, Key, {text, Text}) ->
    parse(Side, [atom_to_list(Side) ++ "_" ++ atom_to_list(Key), Text
                 | lists:append([[atom_to_list(Side) ++ "_" ++ atom_to_list(K), V] || {K, V} <- base(Key)])]);
with(Side, Key, {term, Term}) ->
    parse_file(Side, [{Key, Term} | base(Key)]).

base(Key) ->
    lists:keydelete(Key, 1, [{certfile, "c.pem"}, {cacertfile, "ca.pem"}]).

judged_value(Key, Form) ->
    [Side | _] = lists:reverse(sides_of(Key)),
    {ok, Value} = rustls_dist_opt_values:judge(Side, Key, Form),
    case Key of
        certfile -> Value;
        _ -> {ok, #{options := #{Key := Value}}} = with(Side, Key, Form), Value
    end.

sides_of(server_name_indication) -> [client];
sides_of(customize_hostname_check) -> [client];
sides_of(_) -> [client, server].

source_text({text, _}) -> "-ssl_dist_opt";
source_text({term, _}) -> "the options file F".

sentence_has(Problem, Parts) -> has(rustls_dist_opts:format_problem(Problem), Parts).
sentence_lacks(Problem, Part) -> lacks(rustls_dist_opts:format_problem(Problem), Part).
notice_has(Notice, Parts) -> has(rustls_dist_opts:format_notice(Notice), Parts).

has(Chardata, Parts) ->
    Text = unicode:characters_to_list(Chardata),
    ?assertEqual({[], Text}, {[Part || Part <- Parts, string:find(Text, Part) =:= nomatch], Text}),
    ?assertNot(lists:member($\n, Text)).

lacks(Chardata, Part) ->
    ?assertEqual(nomatch, string:find(unicode:characters_to_list(Chardata), Part)).

dir(Config) -> proplists:get_value(priv_dir, Config).
file(Config) -> filename:join(dir(Config), "dist.conf").

consult(Config, Bytes) ->
    ok = file:write_file(file(Config), Bytes),
    rustls_dist_optfile:consult(file(Config)).
