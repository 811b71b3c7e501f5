%% What a run measures, and how long each measurement takes. The quick plan answers "does everything arrive, and is the
%% order of magnitude right" in a minute; the full plan makes the table of doc/performance.md.
-module(rustls_dist_bench_plan).

-export([plan/1]).

-export_type([mode/0, plan/0, point/0]).

-type mode() :: quick | full.
%% One situation of a throughput measurement. size: bytes of payload a message; directions: 2 when the peer sends as much
%% at the same time; run_ms: how long one run is to take.
-type point() :: #{size := non_neg_integer(), senders := pos_integer(), peers := pos_integer(), directions := 1 | 2,
                   run_ms := pos_integer()}.
%% rounds: measured runs of each figure; peers: nodes that each carrier's first node is linked to; ping_sizes: bytes; pings: a
%% run; loads: what else the node does meanwhile; busy_ms: length of a run beside a bulk transfer; reconnects: links set
%% up one after the other, a run; at_once: nodes that connect at the same moment; idle_links: fewer and more links of the
%% memory measurement.
-type plan() :: #{rounds := pos_integer(), peers := pos_integer(), throughput := [point()],
                  ping_sizes := [non_neg_integer()], pings := pos_integer(),
                  loads := [rustls_dist_bench_round_trip:load()], busy_ms := pos_integer(), scheduler := boolean(),
                  reconnects := pos_integer(),
                  crowd := none | #{rounds := pos_integer(), at_once := pos_integer(),
                                    idle_links := {pos_integer(), pos_integer()}}}.

-define(SIZES, [0, 64, 1024, 4096, 16384, 65536, 262144, 1048576]).
-define(QUICK_SIZES, [64, 1024, 65536, 1048576]).

%% The CPU time of a process is counted in hundredths of a second: runs whose CPU is reported are long beside that.
-define(MAIN_RUN_MS, 600).
-define(SIDE_RUN_MS, 150).
-define(QUICK_RUN_MS, 250).

-spec plan(mode()) -> plan().
plan(quick) ->
    #{rounds => 3, peers => 1, throughput => [one_way(Size, 1, 1, ?QUICK_RUN_MS) || Size <- ?QUICK_SIZES],
      ping_sizes => [0, 1024], pings => 1000, loads => [idle], busy_ms => 300, scheduler => false,
      reconnects => 34, crowd => none};
plan(full) ->
    Main = [one_way(Size, 1, 1, ?MAIN_RUN_MS) || Size <- ?SIZES],
    Side = [one_way(Size, Senders, Peers, ?SIDE_RUN_MS)
            || Peers <- [1, 4], Senders <- [1, 4, 16], {Senders, Peers} =/= {1, 1}, Size <- ?SIZES],
    Both = [(one_way(Size, 1, 1, ?SIDE_RUN_MS))#{directions => 2} || Size <- ?SIZES],
    #{rounds => 5, peers => 4, throughput => Main ++ Side ++ Both,
      ping_sizes => [0, 1024], pings => 3000, loads => [idle, same_link, other_link], busy_ms => 700, scheduler => true,
      reconnects => 100, crowd => #{rounds => 5, at_once => 50, idle_links => {4, 20}}}.

one_way(Size, Senders, Peers, RunMs) ->
    #{size => Size, senders => Senders, peers => Peers, directions => 1, run_ms => RunMs}.
