%% What a distribution link costs, carrier beside carrier in one run on this machine.
%%
%% rustls_dist_bench_plan says what is measured, rustls_dist_bench_carriers with what; each kind of figure has a module
%% of its own. Runs of the carriers are interleaved and medians are reported, so that ratios mean something on a machine
%% whose speed drifts. A figure without full delivery is an error that ends the run.
-module(rustls_dist_bench).

-export([main/1]).

%% For `erl -run': the mode, quick or full, and the folder for the result, result-otpNN.json (result-otpNN-quick.json).
%% Ends the node: 0, or 1 with the reason.
-spec main([string()]) -> no_return().
main([Mode, Folder]) ->
    Status = try
                 run(mode(Mode), Folder),
                 0
             catch
                 Class:Reason:Stack ->
                     io:format(standard_error, "the benchmark failed: ~tp:~tp~n~tp~n", [Class, Reason, Stack]),
                     1
             end,
    halt(Status).

mode("quick") -> quick;
mode("full") -> full.

run(Mode, Folder) ->
    Cluster = rustls_dist_cluster:new(),
    try measured(Cluster, Mode) of
        Result ->
            rustls_dist_bench_report:print(Result),
            File = filename:join(Folder, file_name(Mode)),
            ok = filelib:ensure_dir(File),
            ok = file:write_file(File, rustls_dist_bench_json:encode(Result)),
            io:format("~nwritten to ~ts~n", [File])
    after
        rustls_dist_cluster:stop(Cluster)
    end.

file_name(quick) -> "result-otp" ++ erlang:system_info(otp_release) ++ "-quick.json";
file_name(full) -> "result-otp" ++ erlang:system_info(otp_release) ++ ".json".

measured(Cluster, Mode) ->
    Plan = #{rounds := Rounds} = rustls_dist_bench_plan:plan(Mode),
    Machine = rustls_dist_bench_machine:describe(),
    Started = erlang:monotonic_time(second),
    Progress = fun(Format, Arguments) -> rustls_dist_bench_rounds:progress(Started, Format, Arguments) end,
    Progress("OTP ~ts: starting the nodes", [erlang:system_info(otp_release)]),
    Optfile = rustls_dist_bench_carriers:optfile(Cluster),
    Figures = with_stars(Cluster, Optfile, Plan, Progress),
    Calls = rustls_dist_bench_nif:measure(rustls_dist_cluster:dir(Cluster), Progress),
    {AtOnce, Idle} = rustls_dist_bench_crowd:measure(Cluster, Optfile, rustls_dist_bench_carriers:untuned(), Plan, Progress),
    Progress("done", []),
    Result = Figures#{mode => Mode, rounds => Rounds, machine => Machine,
                      nif_calls => Calls, at_once => AtOnce, idle_link => Idle},
    Result#{ratios => rustls_dist_bench_targets:ratios(list_to_integer(erlang:system_info(otp_release)), Result)}.

%% The figures that the same nodes give. They end before the crowd starts, which needs the memory.
with_stars(Cluster, Optfile, #{peers := Peers} = Plan, Progress) ->
    Stars = [rustls_dist_bench_carriers:start(Cluster, Optfile, Carrier, Peers) || Carrier <- rustls_dist_bench_carriers:all()],
    Figures = #{throughput => throughput(Stars, Plan, Progress),
                round_trip => rustls_dist_bench_round_trip:measure(Stars, Plan, Progress),
                scheduler => rustls_dist_bench_scheduler:measure(Stars, Plan, Progress),
                setup => rustls_dist_bench_setup:measure(Stars, Plan, Progress)},
    lists:foreach(fun rustls_dist_bench_carriers:stop/1, Stars),
    Figures.

throughput(Stars, #{throughput := Points, rounds := Rounds}, Progress) ->
    Floor = rustls_dist_bench_floor:find(),
    _ = [Progress("the bare-Rust floor is not built and left out", []) || Floor =:= none],
    lists:append([begin
                      Progress("throughput ~w of ~w: ~w B, ~w sender(s), ~w peer(s), ~w way(s)",
                               [Nth, length(Points), Size, Senders, Peers, Ways]),
                      rustls_dist_bench_throughput:measure(Stars, Floor, Point, Rounds)
                  end || {Nth, #{size := Size, senders := Senders, peers := Peers, directions := Ways} = Point}
                             <- lists:enumerate(Points)]).
