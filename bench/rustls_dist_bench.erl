%% What a distribution link costs, carrier beside carrier in one run on this machine.
%%
%% rustls_dist_bench_plan says what is measured, rustls_dist_bench_carriers with what; each kind of figure has a module
%% of its own. Runs of the carriers are interleaved and medians are reported, so that ratios mean something on a machine
%% whose speed drifts. A figure without full delivery is an error that ends the run.
-module(rustls_dist_bench).

-export([main/1]).

%% For `erl -run': the mode, quick or full, and the folder for the result. Ends the node: 0, or 1 with the reason.
-spec main([string()]) -> no_return().
main([Mode, Folder]) ->
    rustls_dist_bench_outcome:halt_after(fun() -> run(mode(Mode), Folder) end).

mode("quick") -> quick;
mode("full") -> full.

run(Mode, Folder) ->
    Cluster = rustls_dist_cluster:new(),
    try measured(Cluster, Mode) of
        {Plan, Figures} -> rustls_dist_bench_outcome:leave(Folder, Mode, Plan, rustls_dist_bench_machine:name(), Figures)
    after
        rustls_dist_cluster:stop(Cluster)
    end.

measured(Cluster, Mode) ->
    Plan = rustls_dist_bench_plan:plan(Mode, rustls_dist_bench_outcome:wanted_rounds()),
    Machine = rustls_dist_bench_machine:describe(),
    Progress = rustls_dist_bench_rounds:progress(),
    Progress("OTP ~ts: starting the nodes", [erlang:system_info(otp_release)]),
    Optfile = rustls_dist_bench_carriers:optfile(Cluster),
    OfStars = with_stars(Cluster, Optfile, Plan, Progress),
    Calls = rustls_dist_bench_nif:measure(rustls_dist_cluster:dir(Cluster), Progress),
    OfCrowds = with_crowds(Cluster, Optfile, Plan, Progress),
    Progress("done", []),
    Joined = maps:merge_with(fun(_Key, Few, More) -> Few ++ More end, OfStars, OfCrowds),
    {Plan, Joined#{machine => Machine, nif_calls => Calls}}.

%% The figures that the same nodes give. They end before the crowd starts, which needs the memory.
with_stars(Cluster, Optfile, #{peers := Peers} = Plan, Progress) ->
    Stars = [rustls_dist_bench_carriers:start(Cluster, Optfile, Carrier, Peers) || Carrier <- rustls_dist_bench_carriers:all()],
    Floor = rustls_dist_bench_floor:find(),
    _ = [Progress("the bare-Rust floor is not built and left out", []) || Floor =:= none],
    Figures = #{throughput => rustls_dist_bench_throughput:all(Stars, Floor, Plan, Progress),
                round_trip => rustls_dist_bench_round_trip:measure(Stars, Plan, Progress),
                scheduler => rustls_dist_bench_scheduler:measure(Stars, Plan, Progress),
                setup => rustls_dist_bench_setup:measure(Stars, Plan, Progress),
                slow => rustls_dist_bench_slow:measure(Stars, Plan, Progress)},
    lists:foreach(fun rustls_dist_bench_carriers:stop/1, Stars),
    Figures.

with_crowds(_Cluster, _Optfile, #{crowd := none}, _Progress) ->
    #{throughput => [], at_once => [], idle_link => [], mesh => []};
with_crowds(Cluster, Optfile, #{crowd := Plan}, Progress) ->
    Crowds = rustls_dist_bench_crowd:start(Cluster, Optfile, rustls_dist_bench_carriers:untuned(), Plan, Progress),
    {AtOnce, Idle} = rustls_dist_bench_crowd:measure(Crowds, Plan, Progress),
    Figures = #{at_once => AtOnce, idle_link => Idle,
                throughput => rustls_dist_bench_crowd:many_links(Crowds, Plan, Progress),
                mesh => rustls_dist_bench_mesh:measure(Crowds, Plan, Progress)},
    lists:foreach(fun rustls_dist_bench_crowd:stop/1, Crowds),
    Figures.
