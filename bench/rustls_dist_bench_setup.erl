%% Setting up links one after the other between two nodes: name lookup, TCP, TLS, certificates, distribution handshake.
-module(rustls_dist_bench_setup).

-export([measure/3]).
-export([connect/1]).

-define(CALL_MS, 60000).

%% Parts and connects reconnects times a run, all untuned carriers interleaved. Gives a map of latency figures a carrier.
-spec measure([rustls_dist_bench_carriers:star()], rustls_dist_bench_plan:plan(), fun((io:format(), [term()]) -> ok)) ->
          [map()].
measure(Stars, #{rounds := Rounds, reconnects := Count}, Progress) ->
    Progress("set-up, ~w links one after the other", [Count]),
    Untuned = [Name || #{name := Name} <- rustls_dist_bench_carriers:untuned()],
    Contenders = [{Name, fun() -> run(Star, Count) end} || #{carrier := Name} = Star <- Stars, lists:member(Name, Untuned)],
    [(rustls_dist_bench_stats:medians(Figures))#{carrier => Name}
     || {Name, Figures} <- rustls_dist_bench_rounds:interleaved(Rounds, Contenders)].

run(Star, Count) ->
    First = rustls_dist_bench_carriers:first(Star),
    [Peer | _] = rustls_dist_bench_carriers:peers(Star),
    rustls_dist_bench_stats:latency([reconnected(First, Peer) || _ <- lists:seq(1, Count)]).

%% The old link is gone on both sides before the clock starts.
reconnected(First, Peer) ->
    ok = rustls_dist_cluster:part(First, Peer),
    {true, Ns} = rustls_dist_cluster:call(First, ?MODULE, connect, [rustls_dist_cluster:name(Peer)], ?CALL_MS),
    Ns.

%% Runs on a measured node: whether the link came up, and the nanoseconds until that was known.
-spec connect(node()) -> {boolean() | ignored, non_neg_integer()}.
connect(Node) ->
    From = erlang:monotonic_time(nanosecond),
    Result = net_kernel:connect_node(Node),
    {Result, erlang:monotonic_time(nanosecond) - From}.
