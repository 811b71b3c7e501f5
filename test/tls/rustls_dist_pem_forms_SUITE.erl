%% PEM files as people have them, keys in every form, long lists of cipher suites, and more authorities than fit a message: what
%% can be read is, on real links, and what cannot is told by its name.
-module(rustls_dist_pem_forms_SUITE).

-include_lib("stdlib/include/assert.hrl").

-export([all/0, init_per_suite/1, end_per_suite/1]).
-export([forms_on_links/1, forms_of_lists/1, told/1, key_without_public_part/1, key_kinds/1, ciphers/1, many_authorities/1,
         large_chain/1]).

-define(AUTHORITIES, 800).

all() ->
    [forms_on_links, forms_of_lists, told, key_without_public_part, key_kinds, ciphers, many_authorities, large_chain].

init_per_suite(Config) ->
    ok = rustls_dist_nif:load(),
    {Keeper, Started} =
        rustls_dist_cluster:keep(
          fun() ->
                  Cluster = rustls_dist_cluster:new(),
                  Dir = rustls_dist_cluster:dir(Cluster),
                  Ca = rustls_dist_certs:ca(Dir, "ca"),
                  Files = rustls_dist_certs:cert(Dir, Ca, "plain", #{}),
                  Plain = rustls_dist_pair:start(Cluster, optfile, rustls_dist_certs:options(Files), #{}),
                  [{cluster, Cluster}, {dir, Dir}, {ca, Ca}, {files, Files}, {plain, Plain}]
          end),
    [{keeper, Keeper} | Started ++ Config].

end_per_suite(Config) ->
    ok = rustls_dist_cluster:stop(get(cluster, Config)),
    rustls_dist_cluster:release(get(keeper, Config)).

%% PEM -------------------------------------------------------------------------------------------------------

%% All three files of a node in each form.
forms() ->
    [{"mark", fun(Pem) -> [<<16#FEFF/utf8>>, Pem] end},
     {"indented", fun(Pem) -> ["pem: |\n", [["    ", Line, "\n"] || Line <- string:lexemes(Pem, "\n")]] end},
     {"blank_before", fun(Pem) -> [" ", Pem, "\t"] end},
     {"dos", fun(Pem) -> string:replace(Pem, "\n", "\r\n", all) end},
     {"old_label", fun(Pem) -> string:replace(Pem, " CERTIFICATE", " X509 CERTIFICATE", all) end},
     {"written_out", fun(Pem) -> string:replace(Pem, "\n", "\\n", all) end},
     {"text_around", fun(Pem) -> ["Subject: someone\nIssuer: nobody\n\n", Pem, "\nThat was it, \\no more\n"] end},
     {"no_final_end", fun(Pem) -> string:trim(Pem) end}].

forms_on_links(Config) ->
    [begin
         Formed = maps:map(fun(_Kind, File) -> formed(Config, Name, File, Form) end, get(files, Config)),
         Options = rustls_dist_certs:options(Formed),
         Node = rustls_dist_pair:start(get(cluster, Config), optfile, Options, #{}),
         rustls_dist_pair:joins(Node, get(plain, Config), {"CN=plain", "CN=plain"}),
         rustls_dist_pair:joins(get(plain, Config), Node, {"CN=plain", "CN=plain"}),
         rustls_dist_pair:stop([Node])
     end || {Name, Form} <- forms()],
    %% Files that were joined though the first had no line end: the key is found behind the certificate.
    #{cert := Cert, key := Key, ca := Ca} = get(files, Config),
    Joined = filename:join(get(dir, Config), "joined"),
    ok = file:write_file(Joined, [string:trim(read(Cert)), read(Key)]),
    ?assertMatch({ok, _, [[_, _]], [_]}, configured(#{certfile => Joined, cacertfile => Ca})).

formed(Config, Name, File, Form) ->
    New = filename:join(get(dir, Config), lists:concat([filename:basename(File), ".", Name])),
    ok = file:write_file(New, Form(read(File))),
    New.

%% Revocation lists, which Erlang reads.
forms_of_lists(Config) ->
    List = rustls_dist_crls:list(get(dir, Config), get(ca, Config), "crl", #{}),
    [?assertMatch({Name, {ok, [_], _}}, {Name, rustls_dist_crl_lists:parse(iolist_to_binary(Form(read(List))))})
     || {Name, Form} <- forms()],
    [begin
         {error, Text} = rustls_dist_crl_lists:parse(Bytes),
         ?assertMatch({match, _}, re:run(Text, What))
     end || {Bytes, What} <- [{unicode:characters_to_binary([16#FEFF, read(List)], utf8, {utf16, little}), "UTF-16"},
                              {iolist_to_binary(["crl: \"", read(List)]), "no line of it is -----BEGIN X509 CRL-----"},
                              {iolist_to_binary(hd(string:split(read(List), "-----END"))), "no END"}]].

%% What cannot be read is told, with the line; never that there is no BEGIN.
told(Config) ->
    #{cert := Cert, key := Key} = get(files, Config),
    [begin
         File = formed(Config, Name, Bad, Form),
         {error, #{text := Text}} = configured(maps:merge(#{certfile => Cert, keyfile => Key}, #{Option => File})),
         ?assertMatch({match, _}, re:run(Text, What, [unicode]), {Name, Text}),
         ?assertEqual(nomatch, string:find(Text, "no \"-----BEGIN"))
     end || {Option, Bad} <- [{certfile, Cert}, {keyfile, Key}],
            {Name, Form, What} <-
                [{"utf16", fun(Pem) -> unicode:characters_to_binary([16#FEFF, Pem], utf8, {utf16, little}) end,
                  "begins with a byte-order mark of UTF-16"},
                 {"quoted", fun(Pem) -> ["tls: \"", Pem] end, "has BEGIN in line 1, but not at the start of a line"},
                 {"commented", fun(Pem) -> ["\n# ", Pem] end, "has BEGIN in line 2, but not at the start of a line"},
                 {"on_one_line", fun(Pem) -> string:replace(Pem, "\n", " ", all) end, "has more than BEGIN in line 1"},
                 {"four_hyphens", fun(Pem) -> string:replace(Pem, "-----", "----", all) end, "not between five hyphens"}]],
    Trusted = filename:join(get(dir, Config), "trusted"),
    rustls_dist_certs:openssl("x509 -in ~ts -trustout -addtrust serverAuth -out ~ts", [Cert, Trusted]),
    {error, #{text := Text}} = configured(#{certfile => Trusted, keyfile => Key}),
    ?assertMatch({match, _}, re:run(Text, "TRUSTED CERTIFICATE.*openssl x509 -in")),
    rustls_dist_certs:openssl("x509 -in ~ts -out ~ts", [Trusted, Trusted ++ ".new"]),
    ?assertMatch({ok, _, [[_]], []}, configured(#{certfile => Trusted ++ ".new", keyfile => Key})).

%% keys ------------------------------------------------------------------------------------------------------

%% The public part is taken from the certificate.
key_without_public_part(Config) ->
    #{cert := OtherCert, key := OtherKey} = rustls_dist_certs:cert(get(dir, Config), get(ca, Config), "other", #{}),
    [begin
         #{key := Key} = Files =
             rustls_dist_certs:cert(get(dir, Config), get(ca, Config), lists:concat(["bare_", Kind]), #{key => Kind}),
         rustls_dist_certs:openssl("~ts -in ~ts -out ~ts.bare", [Make, Key, Key]),
         Options = rustls_dist_certs:options(Files#{key := Key ++ ".bare"}),
         Node = rustls_dist_pair:start(get(cluster, Config), optfile, Options, #{}),
         rustls_dist_pair:joins(Node, get(plain, Config), any),
         rustls_dist_pair:joins(get(plain, Config), Node, any),
         rustls_dist_pair:stop([Node]),
         %% One that belongs to another certificate is not made to fit.
         ?assertMatch({error, #{option := keyfile}}, configured(#{certfile => OtherCert, keyfile => Key ++ ".bare"}))
     end || {Kind, Make} <- [{p256, "ec -no_public"}, {p384, "ec -conv_form compressed"}]],
    rustls_dist_certs:openssl("ec -no_public -in ~ts | openssl pkcs8 -topk8 -nocrypt -out ~ts.pkcs8", [OtherKey, OtherKey]),
    ?assertMatch({ok, _, [[_]], []}, configured(#{certfile => OtherCert, keyfile => OtherKey ++ ".pkcs8"})).

key_kinds(Config) ->
    #{cert := Cert} = get(files, Config),
    [begin
         Key = filename:join(get(dir, Config), Name),
         _ = os:cmd(lists:flatten(io_lib:format(Make, [Key]))),
         {error, #{text := Text, option := keyfile}} = configured(#{certfile => Cert, keyfile => Key}),
         ?assertMatch({match, _}, re:run(Text, What), {Name, Text})
     end || {Name, Make, What} <-
                [{atom_to_list(Name), "openssl genpkey -algorithm " ++ Make ++ " -out ~ts", What}
                 || {Name, Make, _} <- rustls_dist_providers:table(), not rustls_dist_providers:takes(Name),
                    {Known, What} <- [{rsa2056, "RSA key of 2056 bits .2048, 3072 and 4096 are supported"},
                                      {rsa2560, "RSA key of 2560 bits .2048, 3072 and 4096 are supported"},
                                      {rsa_pss, "is an RSA-PSS key"}, {exponent3, "exponent below 65537"}],
                    Known =:= Name]
                ++
                [{"three_primes",
                  "openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -pkeyopt rsa_keygen_primes:3 -out ~ts",
                  "more than two primes"},
                 {"exponent_large", "openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_pubexp:1099511627777 -out ~ts",
                  "of more than 33 bits"}]],
    Ssh = filename:join(get(dir, Config), "ssh"),
    ok = file:write_file(Ssh, "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n"),
    {error, #{text := Text}} = configured(#{certfile => Cert, keyfile => Ssh}),
    ?assertMatch({match, _}, re:run(Text, "in the format of OpenSSH.*ssh-keygen -p -m PEM")).

%% cipher suites ---------------------------------------------------------------------------------------------

%% All of a long list are told at once, and the filter in the message makes one that is taken.
ciphers(Config) ->
    Files = get(files, Config),
    Names = ["AES128-SHA", "TLS_AES_256_GCM_SHA384", "NO-SUCH-SUITE", "ECDHE-RSA-AES256-SHA384", "TLS_NO_SUCH_SUITE"],
    Options = rustls_dist_certs:options(Files, #{ciphers => Names}),
    File = rustls_dist_cluster:optfile(get(cluster, Config), "ciphers", Options),
    {_, Output} = rustls_dist_cluster:run_until_exit(
                    get(cluster, Config),
                    ["-proto_dist", "rustls", "-name", "refused@127.0.0.1", "-ssl_dist_optfile", File]),
    [?assertNotEqual(nomatch, string:find(Output, lists:concat(["\"", Name, "\""])), Output)
     || Name <- Names -- ["TLS_AES_256_GCM_SHA384"]],
    {match, [Filter]} = re:run(Output, "{ciphers, (\\[S .*\\])}", [{capture, all_but_first, list}]),
    Filtered = rustls_dist_cluster:optfile(get(cluster, Config), "filtered",
                                           rustls_dist_certs:options(Files, #{ciphers => here})),
    ok = file:write_file(Filtered, string:replace(read(Filtered), "here", Filter, all)),
    Node = rustls_dist_cluster:start(get(cluster, Config), #{optfile => Filtered}),
    rustls_dist_pair:joins(Node, get(plain, Config), any),
    rustls_dist_pair:joins(get(plain, Config), Node, any),
    rustls_dist_pair:stop([Node]).

%% sizes -----------------------------------------------------------------------------------------------------

%% Their names are together more than a handshake message holds, so none is sent.
many_authorities(Config) ->
    #{ca := Ca} = Files = get(files, Config),
    File = filename:join(get(dir, Config), "many.pem"),
    Key = rustls_dist_x509:new_key(),
    Roots = [rustls_dist_x509:root(lists:concat(["an authority among very many others, of which this is number ", N,
                                                 " in the order of their making"]), #{key => Key})
             || N <- lists:seq(1, ?AUTHORITIES)],
    ok = file:write_file(File, [read(Ca), rustls_dist_x509:pem(Roots)]),
    [begin
         Options = rustls_dist_certs:options(Files#{ca := File}, #{versions => [Version]}),
         Node = rustls_dist_pair:start(get(cluster, Config), optfile, Options, #{}),
         rustls_dist_pair:joins(Node, get(plain, Config), any),
         ?assertMatch(#{version := Version}, rustls_dist_pair:joins(get(plain, Config), Node, any)),
         Inet = rustls_dist_pair:start(get(cluster, Config), optfile,
                                       rustls_dist_certs:options(Files, #{versions => [Version]}), #{proto => "inet_tls"}),
         ok = rustls_dist_cluster:join(Inet, Node),
         rustls_dist_pair:stop([Node, Inet])
     end || Version <- ['tlsv1.3', 'tlsv1.2']].

%% A chain that no peer could read stops the node.
large_chain(Config) ->
    San = lists:join(",", ["DNS:localhost" | [io_lib:format("DNS:host~b.some.where.example", [N]) || N <- lists:seq(1, 2600)]]),
    #{cert := Cert, key := Key} = rustls_dist_certs:cert(get(dir, Config), get(ca, Config), "large", #{san => San}),
    {error, #{text := Text, option := certfile}} = configured(#{certfile => Cert, keyfile => Key}),
    ?assertMatch({match, _}, re:run(Text, "a message of [0-9]+ bytes, and peers take at most 65535")).

%% -----------------------------------------------------------------------------------------------------------

configured(Files) ->
    Verify = case Files of
                 #{cacertfile := _} -> verify_peer;
                 #{} -> verify_none
             end,
    Named = maps:map(fun(_Key, File) -> unicode:characters_to_binary(File) end, Files),
    rustls_dist_nif:config_new(server, Named#{verify => Verify, judged_by => webpki, depth => 10}).

read(File) ->
    {ok, Bytes} = file:read_file(File),
    Bytes.

get(Key, Config) ->
    proplists:get_value(Key, Config).
