%% The load that the benchmark runs on its nodes.
-module(rustls_dist_bench_load).

-export([send/3, round_trips/2, memory/0]).
-export([receive_all/4, echo/1]).

%% When memory counts as settled: so many readings in a row that differ by less than this.
-define(SETTLED, 4).
-define(SAME_BYTES, 16384).
-define(SETTLE_MS, 250).
-define(SETTLE_TRIES, 40).

%% Sends Total bytes to Node in messages of Size bytes, numbered, and returns the microseconds until the receiver has
%% seen all of them, in order and with every byte right: it is told beforehand what to expect, which costs all carriers
%% the same and far less than a checksum.
-spec send(node(), pos_integer(), pos_integer()) -> pos_integer().
send(Node, Size, Total) ->
    Messages = Total div Size,
    Filler = crypto:strong_rand_bytes(Size - 8),
    {Receiver, Ref} = spawn_monitor(Node, ?MODULE, receive_all, [self(), Filler, 0, Messages]),
    Started = erlang:monotonic_time(microsecond),
    send_numbered(Receiver, Filler, 0, Messages),
    receive
        {all_received, Receiver} ->
            erlang:demonitor(Ref, [flush]),
            erlang:monotonic_time(microsecond) - Started;
        {'DOWN', Ref, process, Receiver, Reason} ->
            error({not_delivered, Reason})
    end.

send_numbered(_Receiver, _Filler, Messages, Messages) ->
    ok;
send_numbered(Receiver, Filler, Number, Messages) ->
    Receiver ! {<<Number:64>>, Filler},
    send_numbered(Receiver, Filler, Number + 1, Messages).

-spec receive_all(pid(), binary(), non_neg_integer(), pos_integer()) -> term().
receive_all(From, _Filler, Messages, Messages) ->
    From ! {all_received, self()};
receive_all(From, Filler, Number, Messages) ->
    receive
        {<<Number:64>>, Filler} -> receive_all(From, Filler, Number + 1, Messages);
        Other -> exit({unexpected, Number, erlang:external_size(Other)})
    end.

%% Median and 99th percentile of Count round trips of a small message, in microseconds.
-spec round_trips(node(), pos_integer()) -> {float(), float()}.
round_trips(Node, Count) ->
    Echo = spawn_link(Node, ?MODULE, echo, [self()]),
    Sorted = lists:sort([round_trip(Echo) || _ <- lists:seq(1, Count)]),
    unlink(Echo),
    exit(Echo, kill),
    {lists:nth(Count div 2, Sorted) / 1000, lists:nth(Count * 99 div 100, Sorted) / 1000}.

round_trip(Echo) ->
    Started = erlang:monotonic_time(nanosecond),
    Echo ! ping,
    receive pong -> erlang:monotonic_time(nanosecond) - Started end.

-spec echo(pid()) -> no_return().
echo(From) ->
    receive ping -> From ! pong end,
    echo(From).

%% The VM's memory and the resident memory of this node, in bytes, once garbage is collected and neither changes any more:
%% the VM gives memory back to the system some time after it is free.
-spec memory() -> {non_neg_integer(), non_neg_integer()}.
memory() ->
    settle(reading(), 0, ?SETTLE_TRIES).

settle(Reading, _Still, 0) ->
    Reading;
settle(Reading, ?SETTLED, _Tries) ->
    Reading;
settle({Vm, Resident}, Still, Tries) ->
    _ = [erlang:garbage_collect(Pid) || Pid <- processes()],
    receive after ?SETTLE_MS -> ok end,
    case reading() of
        {VmNow, ResidentNow} = Now when abs(VmNow - Vm) < ?SAME_BYTES, abs(ResidentNow - Resident) < ?SAME_BYTES ->
            settle(Now, Still + 1, Tries - 1);
        Now ->
            settle(Now, 0, Tries - 1)
    end.

reading() ->
    {ok, Status} = file:read_file("/proc/self/status"),
    {match, [Kb]} = re:run(Status, "VmRSS:\\s+(\\d+)", [{capture, [1], list}]),
    {erlang:memory(total), list_to_integer(Kb) * 1024}.
