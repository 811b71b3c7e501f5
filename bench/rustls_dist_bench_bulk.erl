%% A bulk transfer that goes on until it is stopped: what saturates a link while something else is measured. Run on the
%% nodes that are measured.
-module(rustls_dist_bench_bulk).

-export([start/1, stop/1]).
-export([send/3, receive_counted/3]).

-define(BULK_BYTES, 65536).
-define(STOP_MS, 60000).

%% Sends messages with 64 KiB of payload to a receiver on Node until stop/1. Gives the sender, once data flows.
-spec start(node()) -> pid().
start(Node) ->
    Payload = crypto:strong_rand_bytes(?BULK_BYTES),
    Caller = self(),
    {Sender, Ref} = spawn_monitor(fun() ->
                                          Receiver = spawn_link(Node, ?MODULE, receive_counted, [self(), Payload, 0]),
                                          send(Receiver, {Caller, Payload}, 0)
                                  end),
    receive
        {flowing, Sender} ->
            erlang:demonitor(Ref, [flush]),
            Sender;
        {'DOWN', Ref, process, Sender, Reason} ->
            error({not_delivered, Reason})
    end.

%% Ends it. Gives the number of messages; fails when not all of them arrived, in order and unchanged.
-spec stop(pid()) -> non_neg_integer().
stop(Sender) ->
    Ref = erlang:monitor(process, Sender),
    Sender ! {stop, self()},
    receive
        {delivered, Sender, Messages} ->
            erlang:demonitor(Ref, [flush]),
            Messages;
        {'DOWN', Ref, process, Sender, Reason} ->
            error({not_delivered, Reason})
    after ?STOP_MS ->
        error({not_delivered, timeout})
    end.

-spec send(pid(), {pid(), binary()}, non_neg_integer()) -> term().
send(Receiver, {Caller, Payload} = Bulk, Number) ->
    receive
        {first, Receiver} ->
            Caller ! {flowing, self()},
            send(Receiver, Bulk, Number);
        {stop, From} ->
            Receiver ! {last, Number},
            receive {seen, Receiver, Number} -> From ! {delivered, self(), Number} end
    after 0 ->
        Receiver ! {Number, Payload},
        send(Receiver, Bulk, Number + 1)
    end.

-spec receive_counted(pid(), binary(), non_neg_integer()) -> term().
receive_counted(Sender, Payload, Number) ->
    receive
        {Number, Payload} ->
            _ = [Sender ! {first, self()} || Number =:= 0],
            receive_counted(Sender, Payload, Number + 1);
        {last, Number} ->
            Sender ! {seen, self(), Number};
        Other ->
            exit({unexpected, Number, erlang:external_size(Other)})
    end.
