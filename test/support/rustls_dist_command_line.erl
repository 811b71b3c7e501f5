%% The command rustls-dist as its user runs it, beside the nodes of a cluster: its exit status, and what it prints.
-module(rustls_dist_command_line).

-export([app/0, script/0, command/2, shell/2, environment/1, run/2]).

-define(TIMEOUT_MS, 30000).

%% The application as it was built, and the command in it.
-spec app() -> file:filename().
app() ->
    filename:dirname(rustls_dist_cluster:ebin()).

-spec script() -> file:filename().
script() ->
    filename:join([app(), "priv", "rustls-dist"]).

%% Runs it with these words.
-spec command(rustls_dist_cluster:cluster(), [string()]) -> {Status :: non_neg_integer(), string()}.
command(Cluster, Words) ->
    shell(Cluster, lists:join(" ", [script() | Words])).

%% Runs a line of the shell.
-spec shell(rustls_dist_cluster:cluster(), iolist()) -> {Status :: non_neg_integer(), string()}.
shell(Cluster, Line) ->
    run(environment(Cluster), Line).

%% The cluster's, and nothing of who runs the tests that would change what is printed.
-spec environment(rustls_dist_cluster:cluster()) -> [{string(), string() | false}].
environment(Cluster) ->
    rustls_dist_cluster:env(Cluster) ++ [{"ERL_FLAGS", false}, {"ERL_AFLAGS", false}, {"ERL_ZFLAGS", false}, {"NO_COLOR", false}].

-spec run([{string(), string() | false}], iolist()) -> {Status :: non_neg_integer(), string()}.
run(Environment, Line) ->
    Port = open_port({spawn_executable, "/bin/sh"}, [{args, ["-c", lists:flatten(Line)]}, {env, Environment}, exit_status,
                                                     stderr_to_stdout, binary]),
    collect(Port, <<>>).

collect(Port, Output) ->
    receive
        {Port, {data, Data}} -> collect(Port, <<Output/binary, Data/binary>>);
        {Port, {exit_status, Status}} -> {Status, unicode:characters_to_list(Output)}
    after ?TIMEOUT_MS ->
        ct:fail({still_running, Output})
    end.
