%% The beginning and the end of a run: what the environment asks for, and where the result goes.
-module(rustls_dist_bench_outcome).

-export([halt_after/1, wanted_rounds/0, leave/5]).

%% Runs the benchmark and ends the node: 0, or 1 with the reason.
-spec halt_after(fun(() -> term())) -> no_return().
halt_after(Run) ->
    Status = try
                 _ = Run(),
                 0
             catch
                 Class:Reason:Stack ->
                     io:format(standard_error, "the benchmark failed: ~tp:~tp~n~tp~n", [Class, Reason, Stack]),
                     1
             end,
    halt(Status).

%% The variable BENCH_ROUNDS: runs of each figure, for less time or less chance.
-spec wanted_rounds() -> pos_integer() | default.
wanted_rounds() ->
    case os:getenv("BENCH_ROUNDS", "") of
        "" -> default;
        Text ->
            case string:to_integer(Text) of
                {Rounds, ""} when Rounds > 0 -> Rounds;
                _ -> error({bench_rounds_is_no_number_above_0, Text})
            end
    end.

%% Prints the figures and writes them, with their ratios, into result-NAME-otpNN.json (result-NAME-otpNN-quick.json) of the
%% folder.
-spec leave(file:filename(), rustls_dist_bench_plan:mode(), rustls_dist_bench_plan:plan(), Name :: binary(),
            #{atom() => term()}) -> ok.
leave(Folder, Mode, #{rounds := Rounds}, Name, #{machine := Machine} = Figures) ->
    Measured = Figures#{mode => Mode, rounds => Rounds, machine => Machine#{name => Name}},
    Result = Measured#{ratios => rustls_dist_bench_targets:ratios(Measured)},
    rustls_dist_bench_report:print(Result),
    File = filename:join(Folder, lists:concat(["result-", binary_to_list(Name), "-otp", erlang:system_info(otp_release),
                                               case Mode of quick -> "-quick"; _ -> "" end, ".json"])),
    ok = filelib:ensure_dir(File),
    ok = file:write_file(File, rustls_dist_bench_json:encode(Result)),
    io:format("~nwritten to ~ts~n", [File]).
