%% The throughput load, run on the nodes that are measured.
%%
%% A flow is a process on one node that sends numbered messages to a process on each of some others. A receiver is told
%% beforehand what to expect and compares every byte of every message, and the numbers, with that: it costs all carriers
%% the same and less than a checksum would, and misses nothing that a checksum finds.
-module(rustls_dist_bench_load).

-export([run/3]).
-export([sender/3, receiver/3]).

-define(READY_MS, 15000).
-define(DELIVERED_MS, 60000).

%% Sends Count messages with Size bytes of payload from each flow's first node to each of its others, all flows at
%% once. Gives the nanoseconds from the start until the last receiver has seen everything, in order and unchanged; fails
%% with not_delivered otherwise.
-spec run([{node(), [node()]}], non_neg_integer(), pos_integer()) -> pos_integer().
run(Flows, Size, Count) ->
    Payload = crypto:strong_rand_bytes(Size),
    Started = [flow(Flow, Payload, Count) || Flow <- Flows],
    Senders = [Sender || {Sender, _} <- Started],
    Receivers = lists:append([Receivers || {_, Receivers} <- Started]),
    ok = await(ready, Senders ++ Receivers, ?READY_MS),
    From = erlang:monotonic_time(nanosecond),
    _ = [Sender ! go || {Sender, _Ref} <- Senders],
    ok = await(delivered, Receivers, ?DELIVERED_MS),
    Ns = erlang:monotonic_time(nanosecond) - From,
    _ = [erlang:demonitor(Ref, [flush]) || {_Pid, Ref} <- Senders ++ Receivers],
    Ns.

flow({From, To}, Payload, Count) ->
    Receivers = [spawn_monitor(Node, ?MODULE, receiver, [self(), Payload, Count]) || Node <- To],
    Sender = spawn_monitor(From, ?MODULE, sender, [[Pid || {Pid, _} <- Receivers], Payload, {self(), Count}]),
    {Sender, Receivers}.

await(_What, [], _TimeoutMs) ->
    ok;
await(What, [{Pid, Ref} | Rest], TimeoutMs) ->
    receive
        {What, Pid} -> await(What, Rest, TimeoutMs);
        {'DOWN', Ref, process, Pid, Reason} -> error({not_delivered, Reason})
    after TimeoutMs ->
        error({not_delivered, {What, timeout}})
    end.

-spec sender([pid()], binary(), {pid(), pos_integer()}) -> ok.
sender(Receivers, Payload, {Coordinator, Count}) ->
    Coordinator ! {ready, self()},
    receive go -> ok end,
    send(Receivers, Payload, 0, Count).

send(_Receivers, _Payload, Count, Count) ->
    ok;
send([Receiver] = Receivers, Payload, Number, Count) ->
    Receiver ! {Number, Payload},
    send(Receivers, Payload, Number + 1, Count);
send(Receivers, Payload, Number, Count) ->
    _ = [Receiver ! {Number, Payload} || Receiver <- Receivers],
    send(Receivers, Payload, Number + 1, Count).

-spec receiver(pid(), binary(), pos_integer()) -> term().
receiver(Coordinator, Payload, Count) ->
    Coordinator ! {ready, self()},
    expect(Coordinator, Payload, 0, Count).

expect(Coordinator, _Payload, Count, Count) ->
    Coordinator ! {delivered, self()};
expect(Coordinator, Payload, Number, Count) ->
    receive
        {Number, Payload} -> expect(Coordinator, Payload, Number + 1, Count);
        Other -> exit({unexpected, Number, erlang:external_size(Other)})
    end.
