%% `rustls-dist status' beside nodes that run.
-module(rustls_dist_status_SUITE).

-include_lib("stdlib/include/assert.hrl").

-import(rustls_dist_command_line, [environment/1, run/2, script/0]).

-export([all/0, suite/0, init_per_suite/1, end_per_suite/1]).
-export([epmds_only_node/1, json/1, leaves_nothing/1, fails/1, hides_cookies/1, under_a_name/1]).

suite() ->
    [{timetrap, {minutes, 2}}].

all() ->
    [epmds_only_node, json, leaves_nothing, fails, hides_cookies, under_a_name].

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

json(Config) ->
    {0, Text} = status(Config, ["a@127.0.0.1", "--json"]),
    ?assertMatch({match, _}, re:run(Text, "^\\{\"links\":\\{.*\"metrics\":\\[\\{.*\"node\":\"a@127.0.0.1\"")),
    ?assertMatch({match, _}, re:run(Text, "\"visitor\":\"[^\"]+@[^\"]+\"")),
    _ = [?assertMatch(#{<<"links">> := #{}}, json:decode(list_to_binary(Text))) || {module, json} <- [code:ensure_loaded(json)]].

%% The node lends the same name again, and is alone when the visitor has gone.
leaves_nothing(Config) ->
    #{node := Node} = proplists:get_value(world, Config),
    Known = fun() -> rustls_dist_cluster:call(Node, erlang, nodes, [known]) end,
    Alone = fun() -> rustls_dist_cluster:call(Node, erlang, nodes, [[connected]]) =:= [] andalso ok end,
    {0, _} = status(Config, ["a@127.0.0.1"]),
    rustls_dist_cluster:poll(Alone),
    Before = Known(),
    [{0, _} = status(Config, ["a@127.0.0.1"]) || _ <- [1, 2]],
    rustls_dist_cluster:poll(Alone),
    ?assertEqual(lists:sort(Before), lists:sort(Known())).

%% The flags name it; or epmd knows one, and then it is tried under this host's name.
epmds_only_node(Config) ->
    #{node := #{log := Log}} = proplists:get_value(world, Config),
    {0, Text} = status(Config, ["--", "-proto_dist", "rustls", "-name", "a@127.0.0.1"]),
    ?assertMatch({match, _}, re:run(Text, "^a@127.0.0.1\n")),
    {1, Tried} = status(Config, []),
    {ok, Host} = inet:gethostname(),
    ?assertMatch({_, {match, _}}, {Log, re:run(Tried, "no connection to a@" ++ Host)}),
    #{cluster := Cluster} = proplists:get_value(world, Config),
    {ok, Closed} = gen_tcp:listen(0, []),
    {ok, Port} = inet:port(Closed),
    ok = gen_tcp:close(Closed),
    {2, Told} = run([{"ERL_EPMD_PORT", integer_to_list(Port)}, {"HOME", rustls_dist_cluster:dir(Cluster)}],
                    script() ++ " status"),
    ?assertMatch({match, _}, re:run(Told, "no epmd answers")).

%% Each with its reason.
fails(Config) ->
    #{dir := Dir, cluster := Cluster} = proplists:get_value(world, Config),
    Other = filename:join(Dir, "other.cookie"),
    ok = file:write_file(Other, "another"),
    ok = rustls_dist_pair:stop([rustls_dist_cluster:start(Cluster, plain, #{proto => "inet_tcp"})]),
    [begin
         {Status, Output} = status(Config, Words),
         ?assertMatch({Words, 1, {match, _}}, {Words, Status, re:run(Output, Text, [dotall])})
     end || {Words, Text} <- [{["nobody@127.0.0.1"], "no connection to nobody@127.0.0.1.*failed at epmd"},
                              {["a@127.0.0.1", "--cookie-file", Other], "no connection to a@127.0.0.1.*cookies"},
                              {["a@127.0.0.1", "--", "-proto_dist", "rustls", "-ssl_dist_opt", "client_dept", "1"],
                               "did not come up.*client_dept"}]].

%% Whoever looks at the processes of the machine does not see it. Of kernel's parameters the visitor takes what is about
%% connections.
hides_cookies(Config) ->
    #{dir := Dir, optfile := Optfile} = proplists:get_value(world, Config),
    VmArgs = filename:join(Dir, "cookie.args"),
    ok = file:write_file(VmArgs, ["-proto_dist rustls -ssl_dist_optfile ", Optfile, " -name a@127.0.0.1\n",
                                  "-setcookie a_secret_cookie\n",
                                  "-kernel logger_level all inet_dist_use_interface {127,0,0,1}\n"]),
    Line = script() ++ " status --vm-args " ++ VmArgs,
    Port = open_port({spawn_executable, "/bin/sh"}, [{args, ["-c", Line]}, {env, environment(cluster(Config))}, exit_status,
                                                     stderr_to_stdout]),
    {Seen, Output} = watched(Port, [], []),
    ?assertMatch({_, [_ | _]}, {Output, [Arguments || Arguments <- Seen, string:find(Arguments,
                                                                                     "rustls_dist_command_visit") =/= nomatch]}),
    Visitors = [Arguments || Arguments <- Seen, string:find(Arguments, "rustls_dist_command_visit") =/= nomatch],
    ?assertMatch([_ | _], [Arguments || Arguments <- Visitors, string:find(Arguments, "inet_dist_use_interface") =/= nomatch]),
    ?assertEqual([], [Arguments || Arguments <- Visitors, string:find(Arguments, "logger_level") =/= nomatch]),
    ?assertEqual([], [Arguments || Arguments <- Seen, string:find(Arguments, "a_secret_cookie") =/= nomatch]).

watched(Port, Seen, Output) ->
    receive
        {Port, {data, Data}} -> watched(Port, Seen, [Output, Data]);
        {Port, {exit_status, _}} -> {Seen, lists:flatten(Output)}
    after 10 ->
        Now = [Arguments || File <- filelib:wildcard("/proc/[0-9]*/cmdline"), {ok, Arguments} <- [file:read_file(File)]],
        watched(Port, lists:usort(Now ++ Seen), Output)
    end.

%% Where the node wants names that certificates carry, the visitor has one of its own.
under_a_name(Config) ->
    #{cluster := Cluster, optfile := Optfile, cert := Cert} = proplists:get_value(world, Config),
    Strict = rustls_dist_cluster:optfile(Cluster, "strict", [{Side, Options ++ [{verify_node, name} || Side =:= server]}
                                                             || {Side, Options} <- rustls_dist_certs:options(Cert)]),
    Node = rustls_dist_cluster:start(Cluster, strict, #{optfile => Strict}),
    {1, Refused} = run(environment(cluster(Config)), lists:flatten([script(), " status strict@127.0.0.1 --optfile ", Optfile])),
    ?assertMatch({match, _}, re:run(Refused, "no connection")),
    {0, Text} = run(environment(cluster(Config)), lists:flatten([script(), " status strict@127.0.0.1 --as visitor@127.0.0.1 --optfile ",
                                                        Optfile])),
    ?assertMatch({match, _}, re:run(Text, "^visitor@127.0.0.1 +in", [multiline])),
    rustls_dist_pair:stop([Node]).

status(Config, Words) ->
    #{optfile := Optfile} = proplists:get_value(world, Config),
    {Own, Flags} = lists:splitwith(fun(Word) -> Word =/= "--" end, Words),
    command(Config, ["status" | Own] ++ ["--optfile", Optfile] ++ Flags).

command(Config, Words) ->
    rustls_dist_command_line:command(cluster(Config), Words).

cluster(Config) ->
    maps:get(cluster, proplists:get_value(world, Config)).
