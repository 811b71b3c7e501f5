%% What the carrier is to reach beside the others, as ratios within one run. Pure.
-module(rustls_dist_bench_targets).

-export([ratios/1]).

-export_type([ratio/0]).

%% One row: rustls' figure by the other carrier's, or the figure itself, and the bound it is to keep.
-type ratio() :: #{figure := binary(), against := binary(), value := float(), bound := number(),
                   kind := at_least | at_most, unit := times | us, met := boolean()}.

-define(OURS, <<"rustls">>).
-define(TLS, <<"inet_tls">>).
-define(TUNED_TLS, <<"inet_tls tuned">>).
-define(TCP, <<"inet_tcp">>).
-define(TUNED_TCP, <<"inet_tcp tuned">>).
-define(FLOOR, <<"floor">>).

-define(NIF_CALL_US, 500).

%% With fewer cores than this, both nodes share each of them.
-define(MANY_CORES, 8).

%% The rows for which Result has both figures. Bounds differ with the cores, and with the release: inet_tls is faster from 26 on.
-spec ratios(#{atom() => term()}) -> [ratio()].
ratios(#{machine := #{cores := Number, otp := Otp}} = Result) ->
    Cores = case Number < ?MANY_CORES of true -> few; false -> many end,
    lists:append([throughput(Cores, binary_to_integer(Otp), Result), round_trips(Cores, Result), setup(Result),
                  nif_calls(Result)]).

throughput(Cores, Release, #{throughput := All}) ->
    lists:append([compare(situation(All, Size, {Senders, Peers}), Key, Against, Bound,
                          io_lib:format("~ts~ts, ~ts", [bytes_text(Size), senders_text(Senders, Peers), Unit]))
                  || {Size, {Senders, Peers}, {Key, Unit}, Against, Bound} <- wanted(Cores, Release), Bound =/= none]).

wanted(Cores, Release) ->
    Mb = {mb_per_s, "MB/s"},
    Messages = {messages_per_s, "messages/s"},
    One = {1, 1},
    [{65536, One, Mb, ?FLOOR, at_least(Cores, 1.0, 0.9)},
     {1048576, One, Mb, ?FLOOR, at_least(Cores, 1.0, 0.9)},
     {65536, One, Mb, ?TUNED_TLS, against_tls(Cores, Release)},
     {1024, One, Messages, ?TUNED_TCP, at_least(Cores, 4.5, 4)},
     {64, One, Messages, ?TUNED_TCP, {at_least, 4.5}},
     {65536, One, {cpu_s_per_gb, "CPU s/GB"}, ?FLOOR, at_most(Cores, 1.05, 1.25)},
     {65536, {16, 4}, Mb, ?TUNED_TCP, at_least(Cores, none, 0.75)}].

against_tls(few, Release) when Release < 26 -> {at_least, 2};
against_tls(few, _Release) -> {at_least, 1.6};
against_tls(many, Release) when Release < 26 -> {at_least, 2.2};
against_tls(many, _Release) -> none.

round_trips(Cores, #{round_trip := Trips}) ->
    Idle = [compare(trips(Trips, idle, Size), p50_us, ?TCP, at_most(Cores, 1.15, 1.2),
                    io_lib:format("round trip ~ts, idle, p50", [bytes_text(Size)])) || Size <- [0, 1024]],
    Beside = [worst(trips(Trips, same_link, Size), ?TUNED_TCP, {at_most, 1.5},
                    io_lib:format("round trip ~ts beside bulk on the same link, p99 of the worst run", [bytes_text(Size)]))
              || Size <- [0, 1024]],
    lists:append(Idle ++ Beside).

setup(#{setup := Setup, at_once := AtOnce}) ->
    compare(Setup, p50_us, ?TLS, {at_most, 0.35}, "set-up one by one, p50")
        ++ lists:append([compare(AtOnce, all_ms, ?TLS, {at_most, 0.35},
                                 io_lib:format("set-up of ~w at once, until all are up", [round(Nodes)]))
                         || #{carrier := ?OURS, nodes := Nodes} <- AtOnce]).

nif_calls(#{nif_calls := Calls}) ->
    [row("longest call into Rust on a normal scheduler, us", <<"none">>, lists:max([Max || #{max_us := Max} <- Calls]),
         {at_most, ?NIF_CALL_US}, us) || Calls =/= []].

situation(Points, Size, {Senders, Peers}) ->
    [Point || #{size := S, senders := Ss, peers := Ps, directions := 1} = Point <- Points,
              {S, Ss, Ps} =:= {Size, Senders, Peers}].

trips(Trips, Load, Size) ->
    [Trip || #{load := L, size := S} = Trip <- Trips, L =:= Load, S =:= Size].

compare(Figures, Key, Against, Bound, Text) ->
    [row(Text, Against, Ours / Theirs, Bound, times)
     || #{carrier := ?OURS, Key := Ours} <- Figures, #{carrier := Name, Key := Theirs} <- Figures,
        Name =:= Against, Theirs > 0].

%% Every run is to keep the bound: the worst one beside the other's middle one.
worst(Trips, Against, Bound, Text) ->
    [row(Text, Against, Ours / Theirs, Bound, times)
     || #{carrier := ?OURS, p99_worst_us := Ours} <- Trips, #{carrier := Name, p99_us := Theirs} <- Trips, Name =:= Against].

row(Text, Against, Value, {Kind, Bound}, Unit) ->
    #{figure => iolist_to_binary(Text), against => Against, value => Value, bound => Bound, kind => Kind, unit => Unit,
      met => keeps(Kind, Value, Bound)}.

keeps(at_least, Value, Bound) -> Value >= Bound;
keeps(at_most, Value, Bound) -> Value =< Bound.

at_least(Cores, Few, Many) -> bound(at_least, Cores, Few, Many).

at_most(Cores, Few, Many) -> bound(at_most, Cores, Few, Many).

bound(_Kind, few, none, _Many) -> none;
bound(Kind, few, Few, _Many) -> {Kind, Few};
bound(Kind, many, _Few, Many) -> {Kind, Many}.

senders_text(1, 1) -> "";
senders_text(Senders, Peers) -> io_lib:format(", ~w senders, ~w peers", [Senders, Peers]).

bytes_text(Size) when Size >= 1048576 -> io_lib:format("~w MiB", [Size div 1048576]);
bytes_text(Size) when Size >= 1024 -> io_lib:format("~w KiB", [Size div 1024]);
bytes_text(Size) -> io_lib:format("~w B", [Size]).
