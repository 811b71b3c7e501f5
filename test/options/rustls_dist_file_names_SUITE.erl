%% Names of files beyond ASCII, on the command line and in the options file, in a locale with UTF-8 and in locale C; the
%% encodings of the options file, and of passwords in it.
%%
%% The node of the test may itself run in either locale: names are bytes here, and words go through an -args_file.
-module(rustls_dist_file_names_SUITE).

-include_lib("stdlib/include/assert.hrl").

-export([all/0, init_per_suite/1, end_per_suite/1]).
-export([options_file/1, command_line/1, latin1_file/1, passwords/1, lists_and_pins/1, words_of_no_text/1]).

-define(LOCALES, ["C.UTF-8", "C"]).
-define(FOLDER, "zertifikate-ü-🔑").

all() ->
    [options_file, command_line, latin1_file, passwords, lists_and_pins, words_of_no_text].

init_per_suite(Config) ->
    {Keeper, Started} =
        rustls_dist_cluster:keep(
          fun() ->
                  Cluster = rustls_dist_cluster:new(),
                  Dir = rustls_dist_cluster:dir(Cluster),
                  Ca = rustls_dist_certs:ca(Dir, "ca"),
                  Files = rustls_dist_certs:cert(Dir, Ca, "named", #{}),
                  Plain = rustls_dist_pair:start(Cluster, optfile, rustls_dist_certs:options(Files), #{}),
                  Folder = utf8(filename:join(Dir, ?FOLDER)),
                  ok = file:make_dir(Folder),
                  [{ok, _} = file:copy(File, filename:join(Folder, utf8(filename:basename(File))))
                   || File <- maps:values(Files)],
                  [{cluster, Cluster}, {dir, Dir}, {ca, Ca}, {files, Files}, {plain, Plain}]
          end),
    [{keeper, Keeper} | Started ++ Config].

end_per_suite(Config) ->
    ok = rustls_dist_cluster:stop(get(cluster, Config)),
    rustls_dist_cluster:release(get(keeper, Config)).

%% The file's own name, the names in it as strings and as binaries, with and without a comment and a byte-order mark.
options_file(Config) ->
    Texts = [["%% coding: utf-8\n", options_text(Config, "\"~ts\"")],
             options_text(Config, "\"~ts\""),
             [16#FEFF, options_text(Config, "<<\"~ts\">>")]],
    [begin
         File = filename:join([get(dir, Config), ?FOLDER, "options-ß.conf"]),
         ok = file:write_file(utf8(File), utf8(Text)),
         joins(Config, Locale, ["-ssl_dist_optfile ", File])
     end || {Locale, Text} <- [{"C.UTF-8", lists:nth(1, Texts)}, {"C", lists:nth(2, Texts)}, {"C.UTF-8", lists:nth(2, Texts)},
                               {"C.UTF-8", lists:nth(3, Texts)}, {"C", lists:nth(3, Texts)}]].

command_line(Config) ->
    [joins(Config, Locale, lists:join(" ", rustls_dist_cluster:flags(options(Config))))
     || Locale <- ?LOCALES].

%% With a comment that says so, and without one where it cannot be UTF-8.
latin1_file(Config) ->
    Dir = get(dir, Config),
    Folder = filename:join(Dir, "ümlaut"),
    ok = file:make_dir(utf8(Folder)),
    Names = [{Option, filename:join(Folder, filename:basename(File))} || {Option, File} <- named_files(Config)],
    [{ok, _} = file:copy(File, utf8(Name))
     || {{_, File}, {_, Name}} <- lists:zip(named_files(Config), Names)],
    [begin
         File = filename:join(Dir, "latin1.conf"),
         Text = [Comment, options_text(Names, [], "\"~ts\"")],
         ok = file:write_file(File, unicode:characters_to_binary(Text, unicode, latin1)),
         joins(Config, "C.UTF-8", ["-ssl_dist_optfile ", File])
     end || Comment <- ["%% coding: latin-1\n", ""]].

%% A key's password was given to openssl by a terminal, in UTF-8 or in latin1.
passwords(Config) ->
    #{key := Key} = get(files, Config),
    Dir = get(dir, Config),
    Password = "pässwörd",
    Locked = fun(Encoding) ->
                     File = filename:join(Dir, lists:concat(["locked.", Encoding])),
                     Secret = filename:join(Dir, lists:concat(["secret.", Encoding])),
                     ok = file:write_file(Secret, unicode:characters_to_binary(Password, unicode, Encoding)),
                     rustls_dist_certs:openssl("pkcs8 -topk8 -v2 aes-256-cbc -iter 1000 -in ~ts -out ~ts -passout file:~ts",
                                               [Key, File, Secret]),
                     File
             end,
    [Utf8, Latin1] = [Locked(Encoding) || Encoding <- [utf8, latin1]],
    [begin
         File = filename:join(Dir, "password.conf"),
         Names = lists:keyreplace(keyfile, 1, named_files(Config), {keyfile, LockedFile}),
         Text = options_text(Names, [io_lib:format("{password, ~ts}", [Written])], "\"~ts\""),
         ok = file:write_file(File, unicode:characters_to_binary(Text, unicode, Encoding)),
         joins(Config, Locale, ["-ssl_dist_optfile ", File])
     end || {Locale, LockedFile, Encoding, Written} <-
                [{"C.UTF-8", Utf8, utf8, ["\"", Password, "\""]}, {"C", Utf8, utf8, ["<<\"", Password, "\">>"]},
                 {"C.UTF-8", Utf8, latin1, ["\"", Password, "\""]},
                 {"C.UTF-8", Latin1, utf8, ["fun() -> \"", Password, "\" end"]}]].

%% Files that are read in Erlang.
lists_and_pins(Config) ->
    #{cert := Cert} = get(files, Config),
    Dir = get(dir, Config),
    Folder = filename:join(Dir, ?FOLDER),
    List = rustls_dist_crls:list(Dir, get(ca, Config), "crl", #{}),
    {ok, _} = file:copy(List, utf8(filename:join(Folder, "liste-ü"))),
    ok = file:write_file(utf8(filename:join(Folder, "stifte-ü")), fingerprint_line(Cert)),
    More = [io_lib:format("{crl_check, true}, {crlfile, \"~ts/liste-ü\"}", [Folder]),
            io_lib:format("{verify_fun, {fun rustls_dist:verify_pinned/3, \"~ts/stifte-ü\"}}", [Folder])],
    [begin
         File = filename:join(Dir, "lists.conf"),
         ok = file:write_file(File, utf8(options_text(named_files(Config), More, "\"~ts\""))),
         joins(Config, Locale, ["-ssl_dist_optfile ", File])
     end || Locale <- ?LOCALES].

%% As openssl prints it, in a file that Windows saved.
fingerprint_line(Cert) ->
    [<<16#FEFF/utf8>>, os:cmd("openssl x509 -noout -fingerprint -sha256 -in " ++ Cert), "\r\n"].

%% Bytes that are no UTF-8 name a file all the same, and are told where they name none or stand for something else.
words_of_no_text(Config) ->
    #{cert := Cert, key := Key} = get(files, Config),
    Odd = <<(utf8(get(dir, Config)))/binary, "/", 252, ".pem">>,
    {ok, _} = file:copy(Cert, Odd),
    Words = fun(File) -> ["-ssl_dist_opt server_certfile ", File, " server_keyfile ", Key] end,
    [begin
         Node = start(Config, Locale, Words(Odd)),
         rustls_dist_cluster:stop_node(Node)
     end || Locale <- ?LOCALES],
    [?assertMatch({match, _}, re:run(refusal(Config, Locale, Arguments), What, [unicode]))
     || Locale <- ?LOCALES,
        {Arguments, What} <- [{Words([Odd, "absent"]), "certfile.*does not exist"},
                              {["-ssl_dist_opt server_verify ", 252], "verify"},
                              {["-ssl_dist_opt ", 252, " x"], "word 1 after -ssl_dist_opt"},
                              {["-ssl_dist_optfile ", Odd, "absent"], "options file.*does not exist"}]].

%% -----------------------------------------------------------------------------------------------------------

joins(Config, Locale, Arguments) ->
    Node = start(Config, Locale, Arguments),
    Plain = get(plain, Config),
    rustls_dist_pair:joins(Node, Plain, {"CN=named", "CN=named"}),
    rustls_dist_pair:joins(Plain, Node, {"CN=named", "CN=named"}),
    rustls_dist_cluster:stop_node(Node).

start(Config, Locale, Arguments) ->
    rustls_dist_cluster:start(get(cluster, Config), #{env => [{"LC_ALL", Locale}], args => arguments(Config, Arguments)}).

refusal(Config, Locale, Arguments) ->
    {Status, Output} =
        rustls_dist_cluster:run_until_exit(
          get(cluster, Config), [{"LC_ALL", Locale}],
          ["-proto_dist", "rustls", "-name", "refused@127.0.0.1" | arguments(Config, Arguments)]),
    ?assertNotEqual(0, Status),
    ?assertEqual(nomatch, string:find(Output, "crash"), Output),
    Output.

%% Bytes as they are, and the rest in UTF-8.
arguments(Config, Arguments) ->
    File = filename:join(get(dir, Config), lists:concat(["args", erlang:unique_integer([positive])])),
    ok = file:write_file(File, [bytes(Part) || Part <- Arguments]),
    ["-args_file", File].

bytes(Byte) when is_integer(Byte), Byte < 256 -> Byte;
bytes(Bytes) when is_binary(Bytes) -> Bytes;
bytes([Bytes, More]) when is_binary(Bytes) -> [Bytes, More];
bytes(Text) -> utf8([Text]).

options(Config) ->
    Own = [{Option, filename:join([get(dir, Config), ?FOLDER, filename:basename(File)])}
           || {Option, File} <- named_files(Config)],
    [{server, [{verify, verify_peer}, {fail_if_no_peer_cert, true} | Own]}, {client, [{verify, verify_peer} | Own]}].

named_files(Config) ->
    #{cert := Cert, key := Key, ca := Ca} = get(files, Config),
    [{certfile, Cert}, {keyfile, Key}, {cacertfile, Ca}].

options_text(Config, Form) ->
    [{client, [_Verify | Own]}] = [Side || {client, _} = Side <- options(Config)],
    options_text(Own, [], Form).

options_text(Names, More, Form) ->
    Own = lists:join(", ", ["{verify, verify_peer}" | More]
                     ++ [io_lib:format("{~w, " ++ Form ++ "}", [Option, Name]) || {Option, Name} <- Names]),
    ["[{server, [{fail_if_no_peer_cert, true}, ", Own, "]}, {client, [", Own, "]}].\n"].

utf8(Text) ->
    unicode:characters_to_binary(Text).

get(Key, Config) ->
    proplists:get_value(Key, Config).
