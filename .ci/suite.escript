%% Runs a compiled suite with common_test, names the cases that failed and counts what happened.
%%
%%   escript suite.escript SUITE FOLDER LOGS CODE_PATH...
%%
%% CASE in the environment narrows the run. The last line counts: N passed, N failed, N skipped.
%% A case skipped because its init failed ("auto-skipped") is a failure: what it tests was not tested.
%% The exit status is 0 only when nothing failed.
-mode(compile).

main([Name, Folder, Logs | CodePath]) ->
    ok = code:add_pathsa([Folder | CodePath]),
    Suite = list_to_atom(Name),
    Options = [{dir, Folder}, {suite, Suite} | narrowed(Suite, os:getenv("CASE", ""))]
        ++ [{logdir, Logs}, {auto_compile, false}, {abort_if_missing_suites, true}],
    {Passed, Failed, Skipped} = count(ct:run_test(Options)),
    Failed > 0 andalso name_failed(Logs),
    io:format("~b passed, ~b failed, ~b skipped~n", [Passed, Failed, Skipped]),
    halt(case Failed of 0 -> 0; _ -> 1 end).

%% A case of groups needs what its groups prepare, and runs in each of them.
narrowed(_Suite, "") ->
    [];
narrowed(Suite, Name) ->
    Case = list_to_atom(Name),
    case lists:member(Case, Suite:all()) of
        true -> [{testcase, Case}];
        false -> [{group, all}, {testcase, Case}]
    end.

%% What ct:run_test/1 returns; anything but the counts means that the run itself broke.
count({Passed, Failed, {UserSkipped, AutoSkipped}}) ->
    {Passed, Failed + AutoSkipped, UserSkipped};
count(Other) ->
    io:format("common_test did not run: ~tp~n", [Other]),
    {0, 1, 0}.

%% Out of the log that common_test writes for programs: lines of "=key value", for each case first its name.
name_failed(Logs) ->
    [begin
         {ok, Text} = file:read_file(Log),
         {match, Results} = re:run(Text, "^=case +(\\S+)(?:\n(?!=case).*)*?\n=result +(failed|auto_skipped)",
                                   [global, multiline, {capture, [1], list}]),
         [io:format("failed: ~ts~n", [Case]) || [Case] <- Results]
     end || Log <- newest(filelib:wildcard(filename:join(Logs, "ct_run.*/*/run.*/suite.log")))],
    io:format("logs: ~ts/index.html~n", [Logs]).

%% The folders are named by time.
newest([]) -> [];
newest(Logs) -> [lists:last(Logs)].
