%% What a run measures, and how long each measurement takes. The quick plan answers "does everything arrive, and is the
%% order of magnitude right" in a minute; the full plan makes the tables of doc/performance.md; that for two hosts has what
%% can be measured with a node on each.
-module(rustls_dist_bench_plan).

-export([plan/2]).

-export_type([mode/0, plan/0, point/0, crowd/0, slow/0]).

-type mode() :: quick | full | two_hosts.
%% One situation of a throughput measurement. size: bytes of payload a message; directions: 2 when the peer sends as much
%% at the same time; run_ms: how long one run is to take.
-type point() :: #{size := non_neg_integer(), senders := pos_integer(), peers := pos_integer(), directions := 1 | 2,
                   run_ms := pos_integer()}.
%% rounds: measured runs of each figure; peers: nodes that each carrier's first node is linked to; ping_sizes: bytes; pings: a
%% run; loads: what else the node does meanwhile; beside_rounds: runs of each figure beside a bulk transfer, whose
%% busy_ms are the length of a run; reconnects: links set up one after the other, a run.
-type plan() :: #{rounds := pos_integer(), peers := pos_integer(), throughput := [point()],
                  ping_sizes := [non_neg_integer()], pings := pos_integer(),
                  loads := [rustls_dist_bench_round_trip:load()], beside_rounds := pos_integer(), busy_ms := pos_integer(),
                  scheduler := boolean(), reconnects := pos_integer(), slow := slow() | none, crowd := crowd() | none}.
%% nodes: small ones that each carrier has; at_once: how many connect to one at the same moment; idle_links: fewer and more
%% links of the memory measurement, if there is one; many_links: situations between one node and many; meshes: how many
%% nodes all connect to each other, and how many runs of it.
-type crowd() :: #{rounds := pos_integer(), nodes := pos_integer(), at_once := pos_integer(),
                   idle_links := {pos_integer(), pos_integer()} | none, many_links := [point()],
                   meshes := [{Nodes :: pos_integer(), Rounds :: pos_integer()}]}.
%% A receiver that takes no messages: bytes of payload that wait for it, in messages of each of the sizes.
-type slow() :: #{rounds := pos_integer(), bytes := pos_integer(), sizes := [pos_integer()]}.

-define(SIZES, [0, 64, 1024, 4096, 16384, 65536, 262144, 1048576]).
-define(SIDE_SIZES, [64, 1024, 65536, 1048576]).
-define(MANY_SIZES, [64, 1024, 65536]).
-define(QUICK_SIZES, [64, 1024, 65536, 1048576]).

%% The CPU time of a process is counted in hundredths of a second: runs whose CPU is reported are long beside that.
-define(MAIN_RUN_MS, 600).
-define(SIDE_RUN_MS, 150).
-define(QUICK_RUN_MS, 150).

%% The 99th percentile beside a bulk transfer differs from run to run: fewer runs would hide the bad ones.
-define(BESIDE_ROUNDS, 5).

%% Rounds: so many in the place of the plan's own; `default' keeps those.
-spec plan(mode(), pos_integer() | default) -> plan().
plan(quick, Rounds) ->
    #{rounds => rounds(Rounds, 3), peers => 1, throughput => [one_way(Size, 1, 1, ?QUICK_RUN_MS) || Size <- ?QUICK_SIZES],
      ping_sizes => [0, 1024], pings => 500, loads => [idle], beside_rounds => 1, busy_ms => 300, scheduler => false,
      reconnects => 30, slow => #{rounds => 1, bytes => 2097152, sizes => [65536]},
      crowd => #{rounds => 1, nodes => 4, at_once => 4, idle_links => none,
                 many_links => [both_ways(1024, 4, 4, ?SIDE_RUN_MS)], meshes => [{4, 1}]}};
plan(full, Wanted) ->
    Rounds = rounds(Wanted, 5),
    Side = [one_way(Size, Senders, Peers, ?SIDE_RUN_MS)
            || Peers <- [1, 4], Senders <- [1, 4, 16], {Senders, Peers} =/= {1, 1}, Size <- ?SIDE_SIZES],
    Both = [both_ways(Size, 1, 1, ?SIDE_RUN_MS) || Size <- ?SIDE_SIZES],
    #{rounds => Rounds, peers => 4, throughput => main_points() ++ Side ++ Both,
      ping_sizes => [0, 1024], pings => 3000, loads => [idle, same_link, other_link],
      beside_rounds => max(Rounds, ?BESIDE_ROUNDS), busy_ms => 700, scheduler => true, reconnects => 100,
      slow => #{rounds => min(Rounds, 3), bytes => 16777216, sizes => [64, 65536]},
      crowd => #{rounds => Rounds, nodes => 60, at_once => 50, idle_links => {4, 20},
                 many_links => [both_ways(Size, 16, 16, ?SIDE_RUN_MS) || Size <- ?MANY_SIZES],
                 meshes => [{24, min(Rounds, 3)}, {60, min(Rounds, 2)}]}};
plan(two_hosts, Wanted) ->
    Rounds = rounds(Wanted, 5),
    Side = [one_way(Size, 16, 1, ?SIDE_RUN_MS) || Size <- ?SIDE_SIZES],
    Both = [both_ways(Size, 1, 1, ?SIDE_RUN_MS) || Size <- ?SIDE_SIZES],
    #{rounds => Rounds, peers => 1, throughput => main_points() ++ Side ++ Both,
      ping_sizes => [0, 1024], pings => 3000, loads => [idle, same_link], beside_rounds => max(Rounds, ?BESIDE_ROUNDS),
      busy_ms => 700, scheduler => true, reconnects => 100, slow => none, crowd => none}.

main_points() ->
    [one_way(Size, 1, 1, ?MAIN_RUN_MS) || Size <- ?SIZES].

rounds(default, Own) -> Own;
rounds(Wanted, _Own) -> Wanted.

one_way(Size, Senders, Peers, RunMs) ->
    #{size => Size, senders => Senders, peers => Peers, directions => 1, run_ms => RunMs}.

both_ways(Size, Senders, Peers, RunMs) ->
    (one_way(Size, Senders, Peers, RunMs))#{directions => 2}.
