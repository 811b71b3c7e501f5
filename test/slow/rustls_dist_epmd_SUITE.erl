%% Without epmd: `-epmd_module rustls_dist_epmd', which asks nobody (issue 4, point 3).
%%
%% No case finds its nodes by epmd: the one that the cluster has would be asked only by mistake, and its list is empty
%% after each case.
-module(rustls_dist_epmd_SUITE).

-include_lib("common_test/include/ct.hrl").
-include_lib("stdlib/include/assert.hrl").

-export([all/0, groups/0, init_per_suite/1, end_per_suite/1, init_per_testcase/2, end_per_testcase/2]).
-export([one_port/1, map/1, map_and_common_port/1, environment/1, flag_wins/1, file/1, file_changes/1,
         broken_file_keeps_the_old_map/1, otp_port/1, otp_kernel_parameter/1,
         not_listening/1, remote_shell/1, dynamic_name/1,
         hidden/1, restart/1, names/1, port_is_in_use/1, other_carrier/1,
         bad_ports/1, bad_maps/1, bad_files/1, no_port_for_own_name/1, no_port_for_peer/1,
         bad_port_without_listening/1]).

all() ->
    [{group, G} || {G, _, _} <- groups()].

groups() ->
    [{given, [], [one_port, map, map_and_common_port, environment, flag_wins, file, file_changes,
                  broken_file_keeps_the_old_map, otp_port, otp_kernel_parameter]},
     {ways_to_start, [], [not_listening, remote_shell, dynamic_name, hidden, restart, names, port_is_in_use,
                           other_carrier]},
     {mistakes, [], [bad_ports, bad_maps, bad_files, no_port_for_own_name, no_port_for_peer,
                     bad_port_without_listening]}].

init_per_suite(Config) ->
    {Keeper, Started} =
        rustls_dist_cluster:keep(
          fun() ->
                  Cluster = rustls_dist_cluster:new(),
                  Dir = rustls_dist_cluster:dir(Cluster),
                  Cert = rustls_dist_certs:cert(Dir, rustls_dist_certs:ca(Dir, "ca"), "node",
                                                #{san => "DNS:localhost,DNS:127.0.0.1,DNS:127.0.0.2,"
                                                      "IP:127.0.0.1,IP:127.0.0.2"}),
                  [{cluster, Cluster}, {dir, Dir},
                   {optfile, rustls_dist_cluster:optfile(Cluster, "node", rustls_dist_certs:options(Cert))}]
          end),
    [{keeper, Keeper} | Started ++ Config].

end_per_suite(Config) ->
    ok = rustls_dist_cluster:stop(?config(cluster, Config)),
    rustls_dist_cluster:release(?config(keeper, Config)).

init_per_testcase(_Case, Config) ->
    Config.

end_per_testcase(_Case, Config) ->
    #{epmd_port := Port} = ?config(cluster, Config),
    ?assertEqual([], names_at_epmd(Port)).

%% given ----------------------------------------------------------------------------------------------------

%% The whole cluster on one port, each node on a host of its own.
one_port(Config) ->
    [Port] = rustls_dist_listening:free_ports(inet, 1),
    [A, B] = [start(Config, a, Host, ["-rustls_dist_port", text(Port)] ++ on(Host))
              || Host <- ["127.0.0.1", "127.0.0.2"]],
    rustls_dist_listening:joined_both_ways(A, B),
    [?assertEqual({Ip, Port}, address(Node)) || {Node, Ip} <- [{A, {127, 0, 0, 1}}, {B, {127, 0, 0, 2}}]],
    stop([A, B]).

map(Config) ->
    [P, Q] = rustls_dist_listening:free_ports(inet, 2),
    Map = ["-rustls_dist_ports", entries([{a, P}, {b, Q}])],
    [A, B] = [start(Config, Name, Map) || Name <- [a, b]],
    rustls_dist_listening:joined_both_ways(A, B),
    ?assertEqual([P, Q], [port(A), port(B)]),
    stop([A, B]).

%% Who is not in the map has the common port.
map_and_common_port(Config) ->
    [P, Q] = rustls_dist_listening:free_ports(inet, 2),
    Given = ["-rustls_dist_port", text(P), "-rustls_dist_ports", entries([{b, Q}])],
    [A, B] = [start(Config, Name, Given) || Name <- [a, b]],
    rustls_dist_listening:joined_both_ways(A, B),
    ?assertEqual([P, Q], [port(A), port(B)]),
    stop([A, B]).

environment(Config) ->
    [P, Q] = rustls_dist_listening:free_ports(inet, 2),
    [A, B] = [start(Config, Name, #{env => Env})
              || {Name, Env} <- [{a, [{"RUSTLS_DIST_PORT", text(P)}, {"RUSTLS_DIST_PORTS", entries([{b, Q}])}]},
                                 {b, [{"RUSTLS_DIST_PORT", text(P)},
                                      {"RUSTLS_DIST_PORT_FILE", port_file(Config, [entries([{b, Q}])])}]}]],
    rustls_dist_listening:joined_both_ways(A, B),
    ?assertEqual([P, Q], [port(A), port(B)]),
    stop([A, B]).

%% Over the environment; an empty variable is none.
flag_wins(Config) ->
    [P, Q, R] = rustls_dist_listening:free_ports(inet, 3),
    Node = start(Config, a, #{args => ["-rustls_dist_port", text(P)],
                              env => [{"RUSTLS_DIST_PORT", text(Q)}, {"RUSTLS_DIST_PORTS", ""}]}),
    ?assertEqual(P, port(Node)),
    stop([Node]),
    Mapped = start(Config, a, #{args => ["-rustls_dist_ports", entries([{a, P}]), "-rustls_dist_ports", "c=1,"],
                                env => [{"RUSTLS_DIST_PORT", text(Q)}, {"RUSTLS_DIST_PORTS", entries([{a, R}])}]}),
    ?assertEqual(P, port(Mapped)),
    stop([Mapped]).

file(Config) ->
    [P, Q] = rustls_dist_listening:free_ports(inet, 2),
    File = port_file(Config, ["# the cluster\n\n", [" a = ", text(P), " # the first\r\n"], ["b=", text(Q), ",c=1"]]),
    [A, B] = [start(Config, Name, ["-rustls_dist_port_file", File]) || Name <- [a, b]],
    rustls_dist_listening:joined_both_ways(A, B),
    ?assertEqual([P, Q], [port(A), port(B)]),
    stop([A, B]).

%% A node that comes to the cluster later is entered in the file, and found.
file_changes(Config) ->
    [P, Q] = rustls_dist_listening:free_ports(inet, 2),
    File = port_file(Config, [entries([{a, P}])]),
    A = start(Config, a, ["-rustls_dist_port_file", File]),
    ?assertEqual(false, connect(A, 'b@127.0.0.1')),
    ok = file:write_file(File, entries([{a, P}, {b, Q}])),
    B = start(Config, b, ["-rustls_dist_port_file", File]),
    rustls_dist_listening:joined_both_ways(A, B),
    stop([A, B]).

broken_file_keeps_the_old_map(Config) ->
    [P, Q] = rustls_dist_listening:free_ports(inet, 2),
    File = port_file(Config, [entries([{a, P}, {b, Q}])]),
    [A, B] = [start(Config, Name, ["-rustls_dist_port_file", File]) || Name <- [a, b]],
    ok = rustls_dist_reports:collect(A),
    ok = file:write_file(File, "a=1\na=2\n"),
    rustls_dist_listening:joined_both_ways(A, B),
    ok = file:delete(File),
    rustls_dist_listening:joined_both_ways(A, B),
    ?assertMatch([#{level := error, event := configuration_error}, #{}], rustls_dist_reports:all(A)),
    [Twice, Gone] = [Line || #{line := Line} <- rustls_dist_reports:all(A)],
    has(Twice, [File ++ " line 1 and ", "line 2 both name a", "stay in force"]),
    has(Gone, [File, "does not exist", "stay in force"]),
    stop([A, B]).

%% -erl_epmd_port counts where ours is not given.
otp_port(Config) ->
    [P, Q, R] = rustls_dist_listening:free_ports(inet, 3),
    [A, B] = [start(Config, Name, ["-erl_epmd_port", text(P), "-rustls_dist_ports", entries([{b, Q}])])
              || Name <- [a, b]],
    rustls_dist_listening:joined_both_ways(A, B),
    ?assertEqual([P, Q], [port(A), port(B)]),
    stop([A]),
    Own = start(Config, a, ["-erl_epmd_port", text(P), "-rustls_dist_port", text(R)]),
    ?assertEqual(R, port(Own)),
    stop([B, Own]).

otp_kernel_parameter(Config) ->
    [P] = rustls_dist_listening:free_ports(inet, 1),
    Node = start(Config, a, ["-kernel", "erl_epmd_node_listen_port", text(P)]),
    ?assertEqual(P, port(Node)),
    stop([Node]),
    fails(Config, a, ["-kernel", "erl_epmd_node_listen_port", text(P), "-erl_epmd_port", text(P)],
          ["-erl_epmd_port", "erl_epmd_node_listen_port", "remove one"]).

%% ways to start ---------------------------------------------------------------------------------------------

not_listening(Config) ->
    [P, Q] = rustls_dist_listening:free_ports(inet, 2),
    Given = ["-rustls_dist_port", text(P)],
    A = start(Config, a, Given),
    Shell = start(Config, shell, Given ++ ["-dist_listen", "false"]),
    ?assertEqual(true, connect(Shell, name(A))),
    ?assertEqual([name(Shell)], call(A, erlang, nodes, [hidden])),
    ?assertEqual({ok, []}, call(Shell, rustls_dist_epmd, names, [])),
    stop([Shell]),
    %% A map is enough, though it does not name the shell.
    Mapped = start(Config, shell, ["-rustls_dist_ports", entries([{a, P}, {other, Q}]), "-dist_listen", "false"]),
    ?assertEqual(true, connect(Mapped, name(A))),
    stop([Mapped, A]).

%% `erl -remsh' on a terminal, as a person uses it, with a name that the peer gives.
remote_shell(Config) ->
    [P] = rustls_dist_listening:free_ports(inet, 1),
    Given = ["-rustls_dist_port", text(P)],
    A = start(Config, a, "localhost", #{args => Given, longnames => false}),
    Command = ["erl -sname undefined -remsh a@localhost -pa ", os:getenv("RUSTLS_DIST_EBIN", ""),
               [[" ", Word] || Word <- arguments(Config) ++ Given]],
    Terminal = open_port({spawn_executable, os:find_executable("script")},
                         [{args, ["-q", "-e", "-c", lists:flatten(Command), "/dev/null"]}, binary, stderr_to_stdout,
                          {env, [{"TERM", "xterm"} | rustls_dist_cluster:env(?config(cluster, Config))]}]),
    await_text(Terminal, "a@localhost\\)1> ", <<>>),
    true = port_command(Terminal, "{answer, node(), 6 * 7}.\r"),
    await_text(Terminal, "{answer,a@localhost,42}", <<>>),
    ?assertMatch([_], call(A, erlang, nodes, [hidden])),
    {os_pid, OsPid} = erlang:port_info(Terminal, os_pid),
    _ = os:cmd("kill " ++ integer_to_list(OsPid)),
    rustls_dist_cluster:poll(fun() -> call(A, erlang, nodes, [hidden]) =:= [] end),
    stop([A]).

await_text(Terminal, Pattern, Before) ->
    case re:run(Before, Pattern, [{capture, none}]) of
        match ->
            ok;
        nomatch ->
            receive
                {Terminal, {data, More}} -> await_text(Terminal, Pattern, <<Before/binary, More/binary>>)
            after 20000 ->
                ct:fail({not_seen, Pattern, Before})
            end
    end.

%% The peer gives the name and the creation.
dynamic_name(Config) ->
    [P] = rustls_dist_listening:free_ports(inet, 1),
    Given = ["-rustls_dist_port", text(P)],
    A = start(Config, a, Given),
    Dynamic = undistributed(Config, Given),
    {ok, _} = call(Dynamic, net_kernel, start, [['undefined@127.0.0.1', longnames]]),
    ?assertEqual(true, call(Dynamic, net_kernel, connect_node, [name(A)])),
    Name = rustls_dist_cluster:poll(fun() ->
                                            Node = call(Dynamic, erlang, node, []),
                                            Node =/= nonode@nohost andalso Node
                                    end),
    ?assertEqual([Name], call(A, erlang, nodes, [hidden])),
    ?assertEqual(pong, call(A, net_adm, ping, [Name])),
    ?assert(call(Dynamic, erlang, system_info, [creation]) > 3),
    stop([Dynamic, A]),
    %% On the command line, with the host's own short name.
    Short = start(Config, a, "localhost", #{args => Given, longnames => false}),
    Script = "case {net_kernel:connect_node(a@localhost), rpc:call(a@localhost, erlang, nodes, [hidden])} of "
        "{true, [N]} when N =:= node() -> io:format(\"named~n\"), halt(0);"
        "Else -> io:format(\"~p~n\", [Else]), halt(1) end.",
    Arguments = ["-sname", "undefined", "-eval", Script | arguments(Config)] ++ Given,
    ?assertMatch({0, "named" ++ _}, rustls_dist_cluster:run_until_exit(?config(cluster, Config), Arguments)),
    stop([Short]).

hidden(Config) ->
    [P, Q] = rustls_dist_listening:free_ports(inet, 2),
    Map = ["-rustls_dist_ports", entries([{a, P}, {b, Q}])],
    [A, B] = [start(Config, a, Map), start(Config, b, ["-hidden" | Map])],
    ?assertEqual(true, connect(A, name(B))),
    ?assertEqual({[], [name(B)]}, {call(A, erlang, nodes, []), call(A, erlang, nodes, [hidden])}),
    stop([A, B]).

%% net_kernel:stop/0 and start/1 again: the same port, another creation.
restart(Config) ->
    [P, Q] = rustls_dist_listening:free_ports(inet, 2),
    File = port_file(Config, [entries([{a, P}, {b, Q}])]),
    Given = ["-rustls_dist_port_file", File],
    A = start(Config, a, Given),
    B = undistributed(Config, Given),
    Creations = [begin
                     {ok, _} = call(B, net_kernel, start, [['b@127.0.0.1', longnames]]),
                     rustls_dist_listening:joined_both_ways(A, B#{node := 'b@127.0.0.1'}),
                     ?assertEqual(Q, port(B)),
                     Creation = call(B, erlang, system_info, [creation]),
                     ok = call(B, net_kernel, stop, []),
                     ?assertEqual(undefined, call(B, erlang, whereis, [rustls_dist_epmd])),
                     Creation
                 end || _ <- [1, 2, 3]],
    ?assertEqual(3, length(lists:usort(Creations))),
    stop([A, B]).

%% What is known to run here, and of other hosts nothing.
names(Config) ->
    [P, Q] = rustls_dist_listening:free_ports(inet, 2),
    A = start(Config, a, ["-rustls_dist_ports", entries([{a, P}, {b, Q}])]),
    [?assertEqual({Host, {ok, [{"a", P}]}}, {Host, call(A, net_adm, names, [Host])})
     || Host <- [localhost, "localhost", '127.0.0.1', {127, 0, 0, 1}, list_to_atom(net_adm:localhost())]],
    ?assertEqual({ok, [{"a", P}]}, call(A, rustls_dist_epmd, names, [])),
    [?assertEqual({error, address}, call(A, net_adm, names, [Host])) || Host <- ['elsewhere.invalid', {192, 0, 2, 1}]],
    stop([A]).

port_is_in_use(Config) ->
    [P] = rustls_dist_listening:free_ports(inet, 1),
    A = start(Config, a, ["-rustls_dist_port", text(P)]),
    fails(Config, b, ["-rustls_dist_port", text(P)], ["port " ++ text(P), "in use", "another port"]),
    stop([A]).

%% The module serves OTP's carriers too.
other_carrier(Config) ->
    [P, Q] = rustls_dist_listening:free_ports(inet, 2),
    Given = #{proto => "inet_tls", args => ["-rustls_dist_ports", entries([{a, P}, {b, Q}])]},
    A = start(Config, a, Given),
    B = start(Config, b, maps:without([proto], Given)),
    rustls_dist_listening:joined_both_ways(A, B),
    stop([A, B]).

%% mistakes -------------------------------------------------------------------------------------------------

bad_ports(Config) ->
    [fails(Config, a, [Flag, Value], [Flag, Value, "from 1 to 65535"])
     || {Flag, Value} <- [{"-rustls_dist_port", "0"}, {"-rustls_dist_port", "70000"}, {"-rustls_dist_port", "many"},
                          {"-rustls_dist_port", "9100x"}, {"-erl_epmd_port", "0"}, {"-erl_epmd_port", "many"}]],
    fails(Config, a, ["-rustls_dist_port"], ["-rustls_dist_port has no value"]),
    fails(Config, a, ["-rustls_dist_port", "1", "-rustls_dist_port", "2"], ["-rustls_dist_port", "1 2", "keep one"]),
    fails_in(Config, a, #{env => [{"RUSTLS_DIST_PORT", "http"}]}, ["RUSTLS_DIST_PORT", "http", "from 1 to 65535"]).

bad_maps(Config) ->
    [fails(Config, a, ["-rustls_dist_ports", Value], ["-rustls_dist_ports" | Said])
     || {Value, Said} <- [{"a=0", ["a=0", "from 1 to 65535"]}, {"a=70000", ["a=70000", "from 1 to 65535"]},
                          {"b=1,a=x", ["a=x", "from 1 to 65535"]}, {"a", ["name=port"]}, {"a=1=2", ["name=port"]},
                          {"=1", ["name=port"]}, {"a b=1", ["name=port"]}, {"a@host=1", ["before the @"]},
                          {"a=1,b=2,a=3", ["names a twice"]}]],
    fails_in(Config, a, #{env => [{"RUSTLS_DIST_PORTS", "a=b"}]}, ["RUSTLS_DIST_PORTS", "a=b"]).

bad_files(Config) ->
    Missing = filename:join(?config(dir, Config), "no_such_file"),
    Flag = "-rustls_dist_port_file",
    fails(Config, a, [Flag, Missing], [Flag, Missing, "does not exist"]),
    fails(Config, a, [Flag, ?config(dir, Config)], [Flag, "is a directory"]),
    fails(Config, a, [Flag], [Flag, "has no value"]),
    Wrong = port_file(Config, ["a=1\n\nb=0\n"]),
    fails(Config, a, [Flag, Wrong], [Wrong ++ " line 3", "b=0", "from 1 to 65535"]),
    Twice = port_file(Config, ["a=1\n"]),
    fails(Config, a, [Flag, Twice, "-rustls_dist_ports", "a=1"],
          ["-rustls_dist_ports", Twice ++ " line 1", "both name a"]),
    fails(Config, a, [Flag, port_file(Config, [<<"a=1\n", 255>>])], ["not UTF-8"]),
    fails_in(Config, a, #{env => [{"RUSTLS_DIST_PORT_FILE", Missing}]}, ["RUSTLS_DIST_PORT_FILE", "does not exist"]),
    %% The superuser reads every file.
    os:cmd("id -u") =:= "0\n" orelse
        begin
            ok = file:change_mode(Twice, 0),
            fails(Config, a, [Flag, Twice], [Flag, Twice, "cannot be read"])
        end.

no_port_for_own_name(Config) ->
    fails(Config, a, [], ["no port is given for the node a", "-rustls_dist_port"]),
    fails(Config, a, ["-rustls_dist_ports", "b=1"], ["no port is given for the node a", "a=PORT"]).

no_port_for_peer(Config) ->
    [P] = rustls_dist_listening:free_ports(inet, 1),
    A = start(Config, a, ["-rustls_dist_ports", entries([{a, P}])]),
    ok = rustls_dist_reports:collect(A),
    ?assertEqual(false, connect(A, 'b@127.0.0.1')),
    [#{line := Line}] = rustls_dist_reports:await(A, 1),
    has(Line, ["link to b@127.0.0.1", "no port is given for the node b", "b=PORT"]),
    stop([A]).

%% A node that does not listen comes up, says at once what is wrong, and says it again for a link.
bad_port_without_listening(Config) ->
    Shell = start(Config, shell, ["-rustls_dist_port", "0", "-dist_listen", "false"]),
    ok = rustls_dist_reports:collect(Shell),
    ?assertEqual(false, connect(Shell, 'a@127.0.0.1')),
    [#{line := Line}] = rustls_dist_reports:await(Shell, 1),
    has(Line, ["-rustls_dist_port", "from 1 to 65535"]),
    stop([Shell]).

%% ----------------------------------------------------------------------------------------------------------

start(Config, Name, Given) ->
    start(Config, Name, "127.0.0.1", Given).

start(Config, Name, Host, Arguments) when is_list(Arguments) ->
    start(Config, Name, Host, #{args => Arguments});
start(Config, Name, Host, Options) ->
    rustls_dist_cluster:start(?config(cluster, Config), Name,
                              Options#{host => Host, optfile => ?config(optfile, Config),
                                       args => no_epmd() ++ maps:get(args, Options, [])}).

undistributed(Config, Arguments) ->
    rustls_dist_cluster:start_undistributed(?config(cluster, Config),
                                            #{optfile => ?config(optfile, Config),
                                              args => no_epmd() ++ Arguments}).

no_epmd() ->
    ["-start_epmd", "false", "-epmd_module", "rustls_dist_epmd", "-connect_all", "false"].

on(Host) ->
    {ok, Ip} = inet:parse_address(Host),
    ["-kernel", "inet_dist_use_interface", lists:flatten(io_lib:format("~w", [Ip]))].

arguments(Config) ->
    ["-proto_dist", "rustls", "-setcookie", "rustls_dist_test", "-ssl_dist_optfile", ?config(optfile, Config)
    | no_epmd()].

stop(Nodes) ->
    lists:foreach(fun rustls_dist_cluster:stop_node/1, Nodes).

%% The node does not come up; what it prints has all of Said, and once only as a line of the log.
fails(Config, Name, Given, Said) ->
    fails_in(Config, Name, #{args => Given}, Said).

fails_in(Config, Name, Options, Said) ->
    _ = [os:putenv(Variable, Value) || {Variable, Value} <- maps:get(env, Options, [])],
    Node = lists:concat([Name, "@127.0.0.1"]),
    {Status, Output} = rustls_dist_cluster:run_until_exit(?config(cluster, Config),
                                                          ["-name", Node | arguments(Config)]
                                                          ++ maps:get(args, Options, [])),
    _ = [os:unsetenv(Variable) || {Variable, _} <- maps:get(env, Options, [])],
    ?assertNotEqual(0, Status, Output),
    Lines = [Line || Line <- string:lexemes(Output, "\n"), string:find(Line, "rustls_dist: ") =/= nomatch],
    ?assertMatch([_], Lines, Output),
    has(hd(Lines), Said).

has(Text, Parts) ->
    [?assertNotEqual(nomatch, string:find(Text, Part), {Text, Part}) || Part <- Parts].

connect(From, Node) ->
    call(From, net_kernel, connect_node, [Node]).

port(Node) ->
    {_Ip, Port} = address(Node),
    Port.

address(Node) ->
    [Address] = rustls_dist_listening:addresses(Node),
    Address.

port_file(Config, Contents) ->
    File = filename:join(?config(dir, Config), lists:concat(["ports", erlang:unique_integer([positive])])),
    ok = file:write_file(File, Contents),
    File.

entries(Ports) ->
    lists:flatten(lists:join(",", [lists:concat([Name, "=", Port]) || {Name, Port} <- Ports])).

names_at_epmd(Port) ->
    {ok, Socket} = gen_tcp:connect({127, 0, 0, 1}, Port, [binary, {active, false}]),
    ok = gen_tcp:send(Socket, <<1:16, $n>>),
    {ok, <<Port:32>>} = gen_tcp:recv(Socket, 4, 5000),
    Names = case gen_tcp:recv(Socket, 0, 5000) of
                {ok, Text} -> string:lexemes(binary_to_list(Text), "\n");
                {error, closed} -> []
            end,
    ok = gen_tcp:close(Socket),
    Names.

text(Port) -> integer_to_list(Port).
name(Peer) -> rustls_dist_cluster:name(Peer).
call(Peer, M, F, A) -> rustls_dist_cluster:call(Peer, M, F, A).
