%% What the carrier is to reach beside the others, as ratios within one run. Pure.
-module(rustls_dist_bench_targets).

-export([ratios/2]).

-export_type([ratio/0]).

%% One row: rustls' figure by the other carrier's, or for memory the difference in bytes, and the bound it is to keep.
-type ratio() :: #{figure := binary(), against := binary(), value := float(), bound := number(),
                   kind := at_least | at_most, unit := times | bytes | links | us, met := boolean()}.

-define(OURS, <<"rustls">>).
-define(TLS, <<"inet_tls">>).
-define(TUNED_TLS, <<"inet_tls tuned">>).
-define(TCP, <<"inet_tcp">>).
-define(TUNED_TCP, <<"inet_tcp tuned">>).
-define(FLOOR, <<"floor">>).

-define(IDLE_LINK_BYTES, 32000).
-define(NIF_CALL_US, 1000).

%% The rows for which Result has both figures. Release is OTP's: inet_tls is faster from 26 on, and the bounds differ.
-spec ratios(pos_integer(), #{atom() => term()}) -> [ratio()].
ratios(Release, Result) ->
    lists:append([messages(Release, Result), bytes(Release, Result), cpu(Release, Result), round_trips(Release, Result),
                  setup(Result), idle_link(Result), nif_calls(Result)]).

messages(Release, #{throughput := Points}) ->
    [Row || Size <- [64, 1024],
            {Against, Bound} <- [{?TUNED_TLS, before_26(Release, 3, 2)}, {?TUNED_TCP, 4}],
            Row <- compare(main(Points, Size), messages_per_s, Against, {at_least, Bound},
                           io_lib:format("~ts, messages/s", [bytes_text(Size)]))].

bytes(Release, #{throughput := Points}) ->
    [Row || Size <- [16384, 65536, 262144, 1048576],
            {Against, Bound} <- [{?TUNED_TLS, before_26(Release, 2.2, 1.7)}, {?TLS, 25}, {?TUNED_TCP, 0.75}, {?FLOOR, 0.95}],
            Row <- compare(main(Points, Size), mb_per_s, Against, {at_least, Bound},
                           io_lib:format("~ts, MB/s", [bytes_text(Size)]))].

cpu(Release, #{throughput := Points}) ->
    [Row || Size <- [65536, 1048576],
            {Against, Bound} <- [{?TUNED_TLS, before_26(Release, 0.45, 0.6)}, {?FLOOR, 1.15}],
            Row <- compare(main(Points, Size), cpu_s_per_gb, Against, {at_most, Bound},
                           io_lib:format("~ts, CPU s/GB", [bytes_text(Size)]))].

round_trips(Release, #{round_trip := Trips}) ->
    Idle = [Row || Size <- [0, 1024],
                   {Against, Bound} <- [{?TUNED_TLS, before_26(Release, 0.5, 0.55)}, {?TUNED_TCP, 1.05}],
                   Row <- compare(trips(Trips, idle, Size), p50_us, Against, {at_most, Bound},
                                  io_lib:format("round trip ~ts, p50", [bytes_text(Size)]))],
    Beside = [Row || Size <- [0, 1024],
                     Row <- compare(trips(Trips, other_link, Size), p99_us, ?TUNED_TCP, {at_most, 1.2},
                                    io_lib:format("round trip ~ts, p99, bulk on another link", [bytes_text(Size)]))],
    Idle ++ Beside.

setup(#{setup := Setup, at_once := AtOnce}) ->
    compare(Setup, p50_us, ?TLS, {at_most, 0.3}, "set-up one by one, p50")
        ++ compare(AtOnce, all_ms, ?TLS, {at_most, 0.3}, "set-up at once, until all are up")
        ++ [row("set-up at once, refused", <<"none">>, float(Refused), {at_most, 0}, links)
            || #{carrier := ?OURS, refused := Refused} <- AtOnce].

idle_link(#{idle_link := Links}) ->
    [row("idle link, VM memory, more than", ?TCP, Ours - Theirs, {at_most, ?IDLE_LINK_BYTES}, bytes)
     || #{carrier := ?OURS, vm_bytes := Ours} <- Links, #{carrier := ?TCP, vm_bytes := Theirs} <- Links].

nif_calls(#{nif_calls := Calls}) ->
    Longest = lists:max([Max || #{max_us := Max} <- Calls]),
    [row("longest call into Rust on a normal scheduler, us", <<"none">>, Longest, {at_most, ?NIF_CALL_US}, us)].

main(Points, Size) ->
    [Point || #{size := S, senders := 1, peers := 1, directions := 1} = Point <- Points, S =:= Size].

trips(Trips, Load, Size) ->
    [Trip || #{load := L, size := S} = Trip <- Trips, L =:= Load, S =:= Size].

compare(Figures, Key, Against, Bound, Text) ->
    [row(Text, Against, Ours / Theirs, Bound, times)
     || #{carrier := ?OURS, Key := Ours} <- Figures, #{carrier := Name, Key := Theirs} <- Figures,
        Name =:= Against, Theirs > 0].

row(Text, Against, Value, {Kind, Bound}, Unit) ->
    #{figure => iolist_to_binary(Text), against => Against, value => Value, bound => Bound, kind => Kind, unit => Unit,
      met => keeps(Kind, Value, Bound)}.

keeps(at_least, Value, Bound) -> Value >= Bound;
keeps(at_most, Value, Bound) -> Value =< Bound.

before_26(Release, Bound, _Later) when Release < 26 -> Bound;
before_26(_Release, _Bound, Later) -> Later.

bytes_text(Size) when Size >= 1048576 -> io_lib:format("~w MiB", [Size div 1048576]);
bytes_text(Size) when Size >= 1024 -> io_lib:format("~w KiB", [Size div 1024]);
bytes_text(Size) -> io_lib:format("~w B", [Size]).
