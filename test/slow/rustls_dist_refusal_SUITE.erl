%% A node with bad configuration does not come up, and its log says in one sentence which option, on which side, from
%% which flag or file, what is wrong and how to mend it (issue 2, point 3).
%%
%% Each row of a table is tried twice: on the server's side out of the options file and on the client's out of the
%% flags, or the other way round, in turns.
-module(rustls_dist_refusal_SUITE).

-include_lib("stdlib/include/assert.hrl").

-export([all/0, init_per_suite/1, end_per_suite/1]).
-export([names/1, values/1, unsupported_options/1, combinations/1, certificate_files/1, key_files/1, key_kinds/1,
         passwords/1, authority_files/1, optfile/1, flag_grammar/1, at_run_time/1,
         refused_modules/1]).

all() ->
    [names, values, unsupported_options, combinations, certificate_files, key_files, key_kinds, passwords,
     authority_files, optfile, flag_grammar, at_run_time,
     refused_modules].

init_per_suite(Config) ->
    {Keeper, Cluster} = rustls_dist_cluster:keep(fun rustls_dist_cluster:new/0),
    Dir = rustls_dist_cluster:dir(Cluster),
    Good = rustls_dist_certs:self_signed(Dir, "good", #{}),
    ok = file:write_file(filename:join(Dir, "text"), "no PEM at all\n"),
    ok = file:write_file(filename:join(Dir, "garbage"),
                         "-----BEGIN CERTIFICATE-----\nMAMCAQE=\n-----END CERTIFICATE-----\n"),
    ok = file:make_symlink(filename:join(Dir, "nowhere"), filename:join(Dir, "dangling")),
    [{keeper, Keeper}, {cluster, Cluster}, {dir, Dir}, {good, Good} | Config].

end_per_suite(Config) ->
    ok = rustls_dist_cluster:stop(cluster(Config)),
    rustls_dist_cluster:release(proplists:get_value(keeper, Config)).

%% what is given as an option --------------------------------------------------------------------------------

names(Config) ->
    refuse(Config, [{certfil, [{certfil, "x"}], "is not a TLS option", "certfile"},
                    {'Verify', [{'Verify', "verify_peer"}], "is not a TLS option", "correct or remove|verify"},
                    {frobnicate, [{frobnicate, "x"}], "is not a TLS option", "correct or remove"}]).

values(Config) ->
    refuse(Config, [{verify, [{verify, 'maybe'}], "maybe", "verify_peer or verify_none"},
                    {depth, [{depth, 256}], "256", "from 0 to 255"},
                    {versions, [{versions, ['tlsv1.1']}], "tlsv1.1", "tlsv1.3, tlsv1.2"},
                    {ciphers, [{ciphers, "TLS_NO_SUCH_SUITE"}], "TLS_NO_SUCH_SUITE", "TLS_AES_256_GCM_SHA384"},
                    {ciphers, [{ciphers, "AES128-SHA"}], "AES128-SHA.* not supported", "ECDHE-RSA-AES256-GCM-SHA384"},
                    {ciphers, [{ciphers, "TLS_AES_256_GCM_SHA384"}, {versions, ['tlsv1.2']}], "tlsv1.2", "add one"},
                    {supported_groups, [{supported_groups, "x25519,x448"}], "not supported: .*x448", "x25519mlkem768, x25519"},
                    {eccs, [{eccs, "P-256"}], "no names of groups: .*P-256", "remove"},
                    {supported_groups, [{supported_groups, "x25519mlkem768"}, {versions, ['tlsv1.2']}], "tlsv1.2", "add one"},
                    {key_update_at, [{key_update_at, 0}], "0", "at least 1"},
                    {verify_fun, [{verify_fun, "m"}], "m", "{Module, Function, State}"},
                    {crl_check, [{crl_check, "often"}], "often", "true or peer or best_effort or false"},
                    {verify_node, [{verify_node, "ip"}], "ip", "host, name, {uri"}]).

unsupported_options(Config) ->
    refuse(Config, [{Key, [{Key, Value}], "not supported", Mend}
                    || {Key, Value, Mend} <- [{partial_chain, "x", "remove it"}, {cert, "x", "certfile"},
                                              {psk_identity, "x", "certificates"}]]).

combinations(Config) ->
    #{cert := Cert} = good(Config),
    refuse(Config, [{verify, [{verify, verify_peer}], "cacertfile", "add .*cacertfile"}]),
    refused(Config, {client, flag}, {keyfile, [{keyfile, Cert}], "no(ne| certificate)", "add client_certfile"}),
    refused(Config, {client, optfile}, {password, [{password, "s3cr3t"}], "no(ne| certificate)", "add certfile"}),
    [refused(Config, {server, Source}, {fail_if_no_peer_cert, [{fail_if_no_peer_cert, true}], "verify_peer", "set .*verify"})
     || Source <- [flag, optfile]].

%% files -----------------------------------------------------------------------------------------------------

certificate_files(Config) ->
    #{key := Key} = good(Config),
    refuse(Config, [{certfile, [{certfile, path(Config, Name)}, {keyfile, Key}], [Name, ".* ", What], Mend}
                    || {Name, What, Mend} <- [{"absent", "does not exist", "correct|create"},
                                              {"dangling", "does not exist", "correct|create"},
                                              {".", "is not a regular file", "name the PEM file"},
                                              {"text", "is not a PEM file", "openssl x509"},
                                              {"garbage", "cannot be parsed", "openssl storeutl"},
                                              {"good.key", "holds no certificate", "name the|add the"}]]).

key_files(Config) ->
    #{cert := Cert} = good(Config),
    _Other = rustls_dist_certs:self_signed(dir(Config), "other", #{}),
    refuse(Config, [{keyfile, [{certfile, Cert}, {keyfile, path(Config, Name)}], [Name, ".* ", What], Mend}
                    || {Name, What, Mend} <- [{"absent", "does not exist", "correct|create"},
                                              {".", "is not a regular file", "name the PEM file"},
                                              {"text", "is not a PEM file", "openssl pkey"},
                                              {"good.pem", "holds no private key", "set keyfile"},
                                              {"other.key", "does not belong to", "openssl pkey"}]]),
    %% Without keyfile the key is looked for in certfile, so that is the option to blame.
    refuse(Config, [{certfile, [{certfile, Cert}], "holds no private key", "set keyfile"}]).

key_kinds(Config) ->
    refuse(Config, [{keyfile, [{certfile, Cert}, {keyfile, Key}], What, "openssl genpkey"}
                    || {What, #{cert := Cert, key := Key}} <- unsupported_keys(dir(Config))]).

unsupported_keys(Dir) ->
    [{"DSA", certificate_for(Dir, "dsa", "dsaparam -genkey -noout 1024")}
     | [{What, certificate_for(Dir, atom_to_list(Name), "genpkey -algorithm " ++ Make)}
        || {Name, Make, _} <- rustls_dist_providers:table(), not rustls_dist_providers:takes(Name),
           {Known, What} <- [{p521, "P-521"}, {rsa1024, "1024 bits"}, {exponent3, "exponent"}, {ed448, "Ed448"}],
           Known =:= Name]].

%% openssl's dsaparam takes the size last.
certificate_for(Dir, Name, Make) ->
    Cert = filename:join(Dir, Name ++ ".pem"),
    Key = filename:join(Dir, Name ++ ".key"),
    [Command | Words] = string:split(Make, " "),
    rustls_dist_certs:openssl("~ts -out ~ts ~ts", [Command, Key, Words]),
    rustls_dist_certs:openssl("req -new -x509 -key ~ts -out ~ts -subj /CN=~ts -days 2", [Key, Cert, Name]),
    #{cert => Cert, key => Key}.

passwords(Config) ->
    #{cert := Cert, key := Key} = good(Config),
    Encrypted = path(Config, "encrypted.key"),
    rustls_dist_certs:openssl("pkcs8 -topk8 -v2 aes-256-cbc -in ~ts -out ~ts -passout pass:right", [Key, Encrypted]),
    Legacy = path(Config, "legacy.key"),
    rustls_dist_certs:openssl("ec -aes256 -in ~ts -out ~ts -passout pass:right", [Key, Legacy]),
    Files = [{certfile, Cert}, {keyfile, Encrypted}],
    refuse(Config, [{password, Files, "is encrypted", "set password"},
                    {password, [{password, "wr0ng"} | Files], "does not decrypt", "correct|openssl"},
                    {keyfile, [{certfile, Cert}, {keyfile, Legacy}, {password, "right"}], "old format",
                     "openssl pkcs8 -topk8"}]).

authority_files(Config) ->
    Dir = dir(Config),
    Root = rustls_dist_certs:ca(Dir, "root", #{}),
    rustls_dist_certs:cert(Dir, Root, "middle", #{san => none, extensions => ["basicConstraints=critical,CA:TRUE"]}),
    #{cert := Cert, key := Key} = good(Config),
    Own = [{certfile, Cert}, {keyfile, Key}],
    refuse(Config, [{cacertfile, [{cacertfile, path(Config, Name)} | Own], [Name, ".* ", What], Mend}
                    || {Name, What, Mend} <- [{"absent", "does not exist", "correct|create"},
                                              {".", "is not a regular file", "name the PEM file"},
                                              {"text", "is not a PEM file", "openssl x509"},
                                              {"middle.pem", "no self-signed certificate", "add the root"}]]).

%% the options file and the flag themselves ------------------------------------------------------------------

optfile(Config) ->
    [begin
         File = path(Config, Name),
         Content =:= none orelse file:write_file(File, Content),
         ?assertMatch([_], found(lines(Config, ["-ssl_dist_optfile", File]),
                                 ["-ssl_dist_optfile", Name, What, Mend]), Name)
     end || {Name, Content, What, Mend} <-
                [{"absent", none, "does not exist", "correct the path or create"},
                 {"dangling", none, "does not exist", "correct the path or create"},
                 {".", none, "is a directory", "name a file"},
                 {"syntax.conf", "[{server,\n [{certfile \"x\"}]}].\n", "syntax error in line 2", "correct it there"},
                 {"open.conf", "[{server, []}]\n", "full stop", "write one"},
                 {"shape.conf", "{srever, []}.\n", "does not hold a list", "write "}]],
    ?assertMatch([_], found(lines(Config, ["-ssl_dist_optfile", "a", "b"]), ["-ssl_dist_optfile", "one file"])).

flag_grammar(Config) ->
    #{cert := Cert, key := Key} = good(Config),
    Good = rustls_dist_cluster:flags([{server, [{certfile, Cert}, {keyfile, Key}]}]),
    ?assertMatch([_], found(lines(Config, Good ++ ["-ssl_dist_opt", "certfile", Cert]),
                            ["-ssl_dist_opt", "certfile", "server_ or client_"])),
    ?assertMatch([_], found(lines(Config, Good ++ ["-ssl_dist_opt", "client_verify"]),
                            ["-ssl_dist_opt", "client_verify", "no value", "write one"])).

%% net_kernel:start/1 on a node that lives on when it is refused.
at_run_time(Config) ->
    Log = path(Config, "run_time.log"),
    Handler = io_lib:format("[{handler, default, logger_std_h, #{config => #{file => \"~ts\"}}}]", [Log]),
    Start = "io:format(\"started: ~0p~n\", [element(1, net_kernel:start(['a@127.0.0.1', longnames]))]), init:stop().",
    {0, Output} = rustls_dist_cluster:run_until_exit(
                    cluster(Config), ["-proto_dist", "rustls", "-kernel", "logger", lists:flatten(Handler),
                                      "-ssl_dist_opt", "server_certfile", path(Config, "absent"), "-eval", Start]),
    ?assertMatch({match, _}, re:run(Output, "started: error")),
    {ok, Logged} = file:read_file(Log),
    ?assertMatch({match, _}, re:run(Logged, "rustls_dist: server option certfile .*absent does not exist")).

%% Modules that this Erlang does not take, as after an upgrade of OTP without compiling anew: here one with another format.
refused_modules(Config) ->
    Ebin = path(Config, "app/ebin"),
    ok = filelib:ensure_dir(filename:join(Ebin, "x")),
    [{ok, _} = file:copy(File, filename:join(Ebin, filename:basename(File)))
     || File <- filelib:wildcard(filename:join(rustls_dist_cluster:ebin(), "*"))],
    ok = file:make_symlink(filename:join(rustls_dist_cluster:ebin(), "../priv"), path(Config, "app/priv")),
    ok = file:write_file(filename:join(Ebin, "rustls_dist_packets.beam"), "FOR1 of another time"),
    Lines = lines(Config, ["-pa", Ebin]),
    ?assertMatch([_], found(Lines, ["refuses modules of rustls_dist in ", Ebin, "1, rustls_dist_packets the first",
                                    "compile them with OTP " ++ erlang:system_info(otp_release)])).

%% -----------------------------------------------------------------------------------------------------------

%% Rows: {Option that the sentence names, Options of the side, What is wrong, How to mend it}, the last two as regular
%% expressions.
refuse(Config, Rows) ->
    lists:foldl(fun(Row, [{First, _} = A, {Second, _} = B] = Places) ->
                        [refused(Config, Place, Row) || Place <- Places],
                        [{First, element(2, B)}, {Second, element(2, A)}]
                end, [{server, optfile}, {client, flag}], Rows).

refused(Config, {Side, Source}, {Option, Options, What, Mend}) ->
    {Arguments, From} = given(Config, Side, Source, Options, Option),
    Lines = lines(Config, Arguments),
    ct:log("~tp~n~tp~n~tp", [{Side, Source, Option}, Arguments, Lines]),
    ?assertMatch([_], found(Lines, [atom_to_list(Side), atom_to_list(Option), From, What, Mend])),
    [?assertEqual([], found(Lines, [Password])) || {password, Password} <- Options].

%% The other side's options, and a certificate for a server whose options are about something else, are good.
given(Config, Side, Source, Options, Option) ->
    #{cert := Cert, key := Key} = good(Config),
    Own = [{certfile, Cert}, {keyfile, Key}],
    Sides = case Side of
                client -> [{server, Own}, {client, Options}];
                server -> [{server, [Pair || not lists:keymember(certfile, 1, Options), Pair <- Own] ++ Options},
                           {client, []}]
            end,
    case Source of
        flag ->
            %% An option that was not given is blamed by its name alone.
            {rustls_dist_cluster:flags(Sides), case lists:keymember(Option, 1, Options) of
                                                   true -> "-ssl_dist_opt ?";
                                                   false -> ""
                                               end};
        optfile ->
            File = optfile(Config, Sides),
            {["-ssl_dist_optfile", File], case lists:keymember(Option, 1, Options) of
                                              true -> re_quote(File);
                                              false -> ""
                                          end}
    end.

%% What a node with these arguments logs before it gives up.
lines(Config, Arguments) ->
    {Status, Output} = rustls_dist_cluster:run_until_exit(
                         cluster(Config), ["-proto_dist", "rustls", "-name", "refused@127.0.0.1" | Arguments]),
    ?assertNotEqual(0, Status, Output),
    case re:run(Output, "^=ERROR REPORT.*\n(rustls_dist: .*)$", [multiline, global, unicode, {capture, [1], list}]) of
        {match, Lines} -> [Line || [Line] <- Lines];
        nomatch -> error({nothing_logged, Output})
    end.

found(Lines, Patterns) ->
    [Line || Line <- Lines, lists:all(fun(Pattern) -> re:run(Line, Pattern, [unicode]) =/= nomatch end, Patterns)].

re_quote(Text) ->
    re:replace(Text, "[.]", "[.]", [global, {return, list}]).

optfile(Config, Sides) ->
    rustls_dist_cluster:optfile(cluster(Config), lists:concat(["o", erlang:unique_integer([positive])]), Sides).

path(Config, Name) -> filename:join(dir(Config), Name).

cluster(Config) -> proplists:get_value(cluster, Config).
dir(Config) -> proplists:get_value(dir, Config).
good(Config) -> proplists:get_value(good, Config).
