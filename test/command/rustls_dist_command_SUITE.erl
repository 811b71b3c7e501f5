%% The command `rustls-dist' as it is called: its words, what it prints and to whom, its exit status, where it may lie; and
%% one visit to a node that runs (the others are in rustls_dist_status_SUITE).
-module(rustls_dist_command_SUITE).

-include_lib("stdlib/include/assert.hrl").

-import(rustls_dist_command_line, [app/0, script/0]).

-export([all/0, suite/0, init_per_suite/1, end_per_suite/1]).
-export([help/1, wrong_words/1, json/1, text/1, colours/1, places/1, release/1, flags_of_nodes/1, judged_by/1]).
-export([status/1]).

suite() ->
    [{timetrap, {minutes, 2}}].

all() ->
    [help, wrong_words, json, text, colours, places, release, flags_of_nodes, status, judged_by].

init_per_suite(Config) ->
    {Keeper, World} = rustls_dist_cluster:keep(fun start/0),
    [{keeper, Keeper}, {world, World} | Config].

%% One node, which status visits.
start() ->
    Cluster = rustls_dist_cluster:new(),
    Dir = rustls_dist_cluster:dir(Cluster),
    Ca = rustls_dist_certs:ca(Dir, "ca"),
    Cert = rustls_dist_certs:cert(Dir, Ca, "node", #{san => "IP:127.0.0.1,URI:erlang:visitor@127.0.0.1"}),
    Optfile = rustls_dist_cluster:optfile(Cluster, "node", rustls_dist_certs:options(Cert)),
    Cookie = filename:join(Dir, ".erlang.cookie"),
    ok = file:write_file(Cookie, "rustls_dist_test\n"),
    ok = file:change_mode(Cookie, 8#400),
    #{cluster => Cluster, dir => Dir, optfile => Optfile, cert => Cert,
      node => rustls_dist_cluster:start(Cluster, a, #{optfile => Optfile})}.

end_per_suite(Config) ->
    #{cluster := Cluster} = proplists:get_value(world, Config),
    ok = rustls_dist_cluster:stop(Cluster),
    rustls_dist_cluster:release(proplists:get_value(keeper, Config)).

%% Each verb says what it takes, and what it is for stands in the overview.
help(Config) ->
    {0, Overview, ""} = said(["--help"]),
    ?assertEqual({0, Overview}, command(Config, ["--help"])),
    {match, Found} = re:run(Overview, "^    (\\w+)  +(.+)$", [global, multiline, {capture, all_but_first, list}]),
    Verbs = [Verb || [Verb, _] <- Found],
    ?assertMatch({_, []}, {Verbs, ["check", "status"] -- Verbs}),
    [begin
         {0, Help, ""} = said([Verb, "--help"]),
         ?assertMatch({_, true}, {Help, lists:prefix("rustls-dist " ++ Verb ++ ": " ++ Summary, Help)}),
         [?assertMatch({Help, {match, _}}, {Help, re:run(Help, "^    " ++ Option ++ " ", [multiline])}) || Option <- ["--json",
                                                                                                                      "--help"]],
         ?assertEqual([], [Line || Line <- string:split(Help, "\n", all), string:length(Line) > 100]),
         ?assertEqual({0, Help, ""}, said(["help", Verb]))
     end || [Verb, Summary] <- Found].

%% They are told on standard error, with the exit status 2.
wrong_words(Config) ->
    [begin
         {Status, Printed, Told} = said(Words),
         ?assertMatch({Words, 2, "", {match, _}}, {Words, Status, Printed, re:run(Told, Text)})
     end || {Words, Text} <- [{[], "rustls-dist VERB"}, {["chekc"], "no verb chekc"}, {["check", "--nothing"], "no option "
                                                                                                               "--nothing"},
                              {["check", "--optfile"], "--optfile wants a value"}, {["check", "--json=1"], "--json takes no "
                                                                                                           "value"},
                              {["check", "--json", "--json"], "given twice"}, {["check", "-x"], "-x is no option"},
                              {["check"], "nothing says what is to be checked"},
                              {["check", "word", "--optfile", "x"], "no word word"},
                              {["check", "--vm-args", "/nowhere"], "/nowhere cannot be read"},
                              {["status", "nonode"], "NAME@HOST"}, {["status", "a@b", "c@d"], "one node"},
                              {["status", "a@b", "--timeout", "0"], "seconds"}]],
    ?assertEqual({2, ""}, shell(Config, script() ++ " chekc 2>/dev/null")).

%% Which crypto provider judged stands below the findings, and in the JSON.
judged_by(Config) ->
    #{optfile := Optfile} = proplists:get_value(world, Config),
    Check = ["check", "--optfile", Optfile, "--node", "a@127.0.0.1"],
    {_, Text, ""} = said(Check),
    #{version := Version, provider := Provider, otp := Release} = rustls_dist_build:facts(),
    ?assertEqual(lists:concat(["judged by rustls_dist ", binary_to_list(Version), " with ", Provider, ", on OTP ",
                               binary_to_list(Release)]),
                 lists:last(string:lexemes(Text, "\n"))),
    {_, Json, ""} = said(Check ++ ["--json"]),
    ?assertNotEqual(nomatch, string:find(Json, lists:concat(["\"provider\":\"", Provider, "\""]))).

%% The command's own code, in this VM: the exit status, what comes to standard output, and to standard error.
said(Words) ->
    Self = self(),
    Print = fun(Device, Text) ->
                    Self ! {Device, unicode:characters_to_list(rustls_dist_command_text:plain(Text))},
                    ok
            end,
    Status = rustls_dist_command:run(Words, Print),
    {Status, printed(standard_io), printed(standard_error)}.

printed(Device) ->
    receive
        {Device, Text} -> Text ++ printed(Device)
    after 0 ->
        ""
    end.

json(_Config) ->
    Term = #{text => <<"a \"b\" \\ \n\t\e ü €"/utf8>>, list => [1, -2.5, true, false, null, an_atom], object => #{<<"k">> => []},
             bytes => <<"\xff">>},
    Text = unicode:characters_to_binary(rustls_dist_command_json:encode(Term)),
    ?assertEqual(<<"{\"bytes\":\"ÿ\",\"list\":[1,-2.5,true,false,null,\"an_atom\"],\"object\":{\"k\":[]},"
                   "\"text\":\"a \\\"b\\\" \\\\ \\n\\t\\u001b ü €\"}"/utf8>>, Text),
    _ = [?assertMatch(#{<<"list">> := [1, -2.5, true, false, null, <<"an_atom">>]}, json:decode(Text))
         || {module, json} <- [code:ensure_loaded(json)]].

text(_Config) ->
    Marked = [{bold, "a"}, [" ", {red, [<<"b">>, {green, $c}]}]],
    ?assertEqual("a bc", unicode:characters_to_list(rustls_dist_command_text:plain_or_coloured(Marked, false))),
    ?assertEqual("\e[1ma\e[0m \e[31mbc\e[0m", unicode:characters_to_list(rustls_dist_command_text:plain_or_coloured(Marked,
                                                                                                                    true))),
    ?assertEqual("  one two\n  three\n  /a/path/that/is/long\n",
                 unicode:characters_to_list(rustls_dist_command_text:wrap("one two  three\n/a/path/that/is/long", 2, 10))).

%% Escape sequences come to a terminal that takes them, and nowhere else.
colours(Config) ->
    {0, Piped} = command(Config, ["--help"]),
    ?assertEqual(nomatch, string:find(Piped, "\e")),
    case os:find_executable("script") of
        false ->
            {comment, "no script(1): terminals were not tried"};
        _ ->
            [begin
                 {0, Seen} = shell(Config, Environment ++ " SHELL=/bin/sh script -qec '" ++ script() ++ " --help' /dev/null "
                                                                                                        "</dev/null"),
                 ?assertEqual({Environment, Coloured}, {Environment, string:find(Seen, "\e[1m") =/= nomatch})
             end || {Environment, Coloured} <- [{"TERM=xterm", true}, {"TERM=dumb", false}, {"TERM=xterm NO_COLOR=1", false}]]
    end.

%% By links, by the PATH, and from any folder.
places(Config) ->
    #{dir := Dir} = proplists:get_value(world, Config),
    {0, Version} = command(Config, ["--version"]),
    Links = filename:join(Dir, "links"),
    ok = file:make_dir(Links),
    ok = file:make_symlink(script(), filename:join(Links, "first")),
    ok = file:make_symlink("first", filename:join(Links, "second")),
    [?assertEqual({Line, {0, Version}}, {Line, shell(Config, Line)})
     || Line <- [Links ++ "/second --version", "cd / && PATH=" ++ Links ++ ":$PATH second --version",
                 "cd " ++ Links ++ " && ./first --version"]],
    Lost = filename:join(Dir, "lost"),
    ok = filelib:ensure_dir(filename:join(Lost, "x")),
    {ok, _} = file:copy(script(), filename:join(Lost, "rustls-dist")),
    {2, Told} = shell(Config, "sh " ++ filename:join(Lost, "rustls-dist") ++ " --version"),
    ?assertMatch({match, _}, re:run(Told, "application rustls_dist is not beside")).

%% A release with a VM of its own needs no `erl' on the PATH: from priv, and copied into bin.
release(Config) ->
    #{dir := Dir} = proplists:get_value(world, Config),
    {0, Version} = command(Config, ["--version"]),
    Root = filename:join(Dir, "release"),
    [ok = filelib:ensure_dir(filename:join([Root, Folder, "x"])) || Folder <- ["bin", "releases/1"]],
    Erts = "erts-" ++ erlang:system_info(version),
    ok = file:make_symlink(filename:join(code:root_dir(), Erts), filename:join(Root, Erts)),
    ok = file:make_symlink(code:lib_dir(), filename:join(Root, "otp")),
    ok = file:make_dir(filename:join(Root, "lib")),
    [ok = file:make_symlink(filename:join(code:lib_dir(), Lib), filename:join([Root, "lib", Lib]))
     || Lib <- element(2, file:list_dir(code:lib_dir()))],
    App = filename:join([Root, "lib", "rustls_dist-" ++ string:trim(Version)]),
    ok = file:make_symlink(app(), App),
    ok = file:write_file(filename:join(Root, "releases/start_erl.data"), [erlang:system_info(version), " 1"]),
    {ok, _} = file:copy(filename:join([code:root_dir(), "bin", "start_clean.boot"]),
                        filename:join(Root, "releases/1/start_clean.boot")),
    {ok, _} = file:copy(script(), filename:join(Root, "bin/rustls-dist")),
    ok = file:change_mode(filename:join(Root, "bin/rustls-dist"), 8#755),
    Path = filename:join(Dir, "path"),
    ok = file:make_dir(Path),
    [ok = file:make_symlink(os:find_executable(Tool), filename:join(Path, Tool)) || Tool <- ["sh", "readlink", "sed", "dirname",
                                                                                             "basename"]],
    Runs = fun(From) -> shell(Config, "PATH=" ++ Path ++ " " ++ filename:join(Root, From) ++ " --version") end,
    ?assertEqual({0, Version}, Runs("bin/rustls-dist")),
    %% systools writes no such file.
    ok = file:delete(filename:join(Root, "releases/start_erl.data")),
    ?assertEqual({0, Version}, Runs("lib/rustls_dist-" ++ string:trim(Version) ++ "/priv/rustls-dist")),
    {2, Told} = shell(Config, "PATH=" ++ Path ++ " " ++ script() ++ " --version"),
    ?assertMatch({match, _}, re:run(Told, "no erl on the PATH")).

%% ERL_FLAGS and the like are a node's, not the command's own.
flags_of_nodes(Config) ->
    #{optfile := Optfile} = proplists:get_value(world, Config),
    Environment = "ERL_FLAGS='-proto_dist rustls -ssl_dist_optfile " ++ Optfile ++ "' ERL_ZFLAGS='-name a@127.0.0.1' ",
    {0, Said} = shell(Config, Environment ++ script() ++ " check"),
    ?assertMatch({match, _}, re:run(Said, "0 errors, 0 warnings")).

%% The table, and figures that are not 0.
status(Config) ->
    #{optfile := Optfile} = proplists:get_value(world, Config),
    {0, Text} = command(Config, ["status", "a@127.0.0.1", "--optfile", Optfile]),
    ?assertMatch({match, _}, re:run(Text, "^node +dir", [multiline])),
    ?assertMatch({match, _}, re:run(Text, "rustls_dist_links\\{.*\\} +1\n")).

command(Config, Words) ->
    rustls_dist_command_line:command(cluster(Config), Words).

shell(Config, Line) ->
    rustls_dist_command_line:shell(cluster(Config), Line).

cluster(Config) ->
    maps:get(cluster, proplists:get_value(world, Config)).
