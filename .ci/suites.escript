%% Runs every compiled suite in a folder with common_test and counts what happened.
%%
%%   escript suites.escript SUITES LOGS CODE_PATH...
%%
%% SUITE and CASE in the environment narrow the run. The last line counts: N passed, N failed, N skipped.
%% A case skipped because its init failed ("auto-skipped") is a failure: what it tests was not tested.
%% The exit status is 0 only when nothing failed.
-mode(compile).

main([Suites, Logs | CodePath]) ->
    ok = code:add_pathsa([Suites | CodePath]),
    Options = [{logdir, Logs}, {auto_compile, false}, {abort_if_missing_suites, true} | selection(Suites)],
    {Passed, Failed, Skipped} = count(ct:run_test(Options)),
    Failed > 0 andalso io:format("logs: ~ts/index.html~n", [Logs]),
    io:format("~b passed, ~b failed, ~b skipped~n", [Passed, Failed, Skipped]),
    halt(case Failed of 0 -> 0; _ -> 1 end).

selection(Suites) ->
    case {os:getenv("SUITE", ""), os:getenv("CASE", "")} of
        {"", _} -> [{dir, Suites}];
        {Suite, ""} -> [{dir, Suites}, {suite, list_to_atom(Suite)}];
        {Suite, Case} -> [{dir, Suites}, {suite, list_to_atom(Suite)}, {testcase, list_to_atom(Case)}]
    end.

%% What ct:run_test/1 returns; anything but the counts means that the run itself broke.
count({Passed, Failed, {UserSkipped, AutoSkipped}}) ->
    {Passed, Failed + AutoSkipped, UserSkipped};
count(Other) ->
    io:format("common_test did not run: ~tp~n", [Other]),
    {0, 1, 0}.
