%% A receiver that is slow: what waits for it, and what that holds in memory on both nodes.
%%
%% Once the process alone takes nothing: messages wait in the receiving node. Once its whole node does not: the sender is
%% suspended when its node's queue is full, and what it sent until then lies in that queue and in the sockets' buffers.
-module(rustls_dist_bench_slow).

-export([measure/3]).
-export([hold/0, waiting/1, release/1, fill/3, press/2, relieve/1]).

-define(CALL_MS, 60000).
-define(ANSWER_MS, 30000).

%% A sender is held up when so many looks in a row find it suspended and its count unchanged.
-define(LOOKS, 10).
-define(LOOK_MS, 20).
-define(MOST_LOOKS, 500).

-type holder() :: pid().

%% Measures the untuned carriers, interleaved. Gives a map a carrier and message size: bytes of memory for each byte of
%% payload that waits, on the receiver's and on the sender's node; then the bytes that a sender gets rid of before it is
%% suspended, and what its node holds of them.
-spec measure([rustls_dist_bench_carriers:star()], rustls_dist_bench_plan:plan(), fun((io:format(), [term()]) -> ok)) ->
          [map()].
measure(_Stars, #{slow := none}, _Progress) ->
    [];
measure(Stars, #{slow := #{rounds := Rounds, bytes := Bytes, sizes := Sizes}}, Progress) ->
    Untuned = [Name || #{name := Name} <- rustls_dist_bench_carriers:untuned()],
    lists:append([begin
                      Progress("a slow receiver, ~w B", [Size]),
                      Runs = rustls_dist_bench_rounds:interleaved(
                               Rounds, [{Name, fun() -> run(Star, Size, Bytes) end}
                                        || #{carrier := Name} = Star <- Stars, lists:member(Name, Untuned)]),
                      [(rustls_dist_bench_stats:medians(Figures))#{carrier => Name, size => Size} || {Name, Figures} <- Runs]
                  end || Size <- Sizes]).

run(Star, Size, Bytes) ->
    First = rustls_dist_bench_carriers:first(Star),
    [Peer | _] = rustls_dist_bench_carriers:peers(Star),
    maps:merge(unread(First, Peer, Size, Bytes), stopped(First, Peer, Size)).

%% The process takes nothing.
unread(First, Peer, Size, Bytes) ->
    {Holder, Receiver} = rustls_dist_cluster:call(Peer, ?MODULE, hold, []),
    Count = Bytes div Size,
    {SenderBefore, ReceiverBefore} = {memory(First, []), memory(Peer, [Receiver])},
    ok = rustls_dist_cluster:call(First, ?MODULE, fill, [{Holder, Receiver}, Size, Count], ?CALL_MS),
    {SenderThen, ReceiverThen} = {memory(First, []), memory(Peer, [Receiver])},
    ok = rustls_dist_cluster:call(Peer, ?MODULE, release, [Holder]),
    #{receiver_per_byte => (ReceiverThen - ReceiverBefore) / (Count * Size),
      sender_per_byte => (SenderThen - SenderBefore) / (Count * Size)}.

%% The node does nothing: its process is stopped by the system.
stopped(First, Peer, Size) ->
    {Holder, Receiver} = rustls_dist_cluster:call(Peer, ?MODULE, hold, []),
    Before = memory(First, []),
    signal("STOP", Peer),
    {Sender, Sent} = try rustls_dist_cluster:call(First, ?MODULE, press, [Receiver, Size], ?CALL_MS)
                     catch Class:Reason -> signal("CONT", Peer), erlang:raise(Class, Reason, [])
                     end,
    Held = memory(First, [Sender]) - Before,
    signal("CONT", Peer),
    ok = rustls_dist_cluster:call(First, ?MODULE, relieve, [{Sender, Holder}], ?CALL_MS),
    ok = rustls_dist_cluster:call(Peer, ?MODULE, release, [Holder]),
    #{taken_bytes => Sent * Size, held_bytes => Held}.

signal(Name, Peer) ->
    "" = os:cmd("kill -" ++ Name ++ " " ++ rustls_dist_cluster:os_pid(Peer)),
    ok.

%% The processes named are left as they are: a look at them would have them take their messages.
memory(Node, Untouched) ->
    rustls_dist_cluster:call(Node, rustls_dist_bench_memory, vm_bytes, [Untouched], ?CALL_MS).

%% Runs on the receiving node. A process that does not run, and the one that keeps it from running.
-spec hold() -> {holder(), pid()}.
hold() ->
    Caller = self(),
    Holder = spawn(fun() ->
                           Receiver = spawn_link(fun() -> receive never -> ok end end),
                           true = erlang:suspend_process(Receiver),
                           Caller ! {self(), Receiver},
                           waiting(Receiver)
                   end),
    receive {Holder, Receiver} -> {Holder, Receiver} after ?ANSWER_MS -> error({no_answer, Holder}) end.

%% Says how many messages wait, when asked.
-spec waiting(pid()) -> ok.
waiting(Receiver) ->
    receive
        {how_many, From} ->
            {message_queue_len, Count} = process_info(Receiver, message_queue_len),
            From ! {waiting, self(), Count},
            waiting(Receiver);
        {release, From} ->
            unlink(Receiver),
            Ref = erlang:monitor(process, Receiver),
            exit(Receiver, kill),
            receive {'DOWN', Ref, process, Receiver, _Reason} -> ok end,
            From ! {released, self()},
            ok
    end.

-spec release(holder()) -> ok.
release(Holder) ->
    Holder ! {release, self()},
    receive {released, Holder} -> ok after ?ANSWER_MS -> error({no_answer, Holder}) end.

%% Runs on the sending node. Returns when all the messages wait at the receiver; fails when any is missing.
-spec fill({holder(), pid()}, pos_integer(), pos_integer()) -> ok.
fill({Holder, Receiver}, Size, Count) ->
    Payload = crypto:strong_rand_bytes(Size),
    _ = [Receiver ! {Number, Payload} || Number <- lists:seq(1, Count)],
    case asked(Holder) of
        Count -> ok;
        Fewer -> error({not_delivered, Fewer, Count})
    end.

asked(Holder) ->
    Holder ! {how_many, self()},
    receive {waiting, Holder, Count} -> Count after ?ANSWER_MS -> error({not_delivered, timeout}) end.

%% Runs on the sending node. Sends until the sender is suspended. Gives it, and how many messages it got rid of.
-spec press(pid(), pos_integer()) -> {pid(), non_neg_integer()}.
press(Receiver, Size) ->
    Sent = counters:new(1, [atomics]),
    Payload = crypto:strong_rand_bytes(Size),
    Sender = spawn(fun() -> send(Receiver, Payload, Sent) end),
    {Sender, held_up(Sender, Sent, 0, ?LOOKS, ?MOST_LOOKS)}.

%% Each message has a binary of its own: one that all share would be held once.
-spec send(pid(), binary(), counters:counters_ref()) -> no_return().
send(Receiver, Payload, Sent) ->
    Receiver ! binary:copy(Payload),
    ok = counters:add(Sent, 1, 1),
    send(Receiver, Payload, Sent).

held_up(_Sender, _Sent, Count, 0, _Most) ->
    Count;
held_up(Sender, _Sent, Count, _Looks, 0) ->
    exit(Sender, kill),
    error({never_suspended, Count});
held_up(Sender, Sent, Count, Looks, Most) ->
    receive after ?LOOK_MS -> ok end,
    case {process_info(Sender, status), counters:get(Sent, 1)} of
        {{status, suspended}, Count} -> held_up(Sender, Sent, Count, Looks - 1, Most - 1);
        {_Status, Now} -> held_up(Sender, Sent, Now, ?LOOKS, Most - 1)
    end.

%% Runs on the sending node. Ends the sender, and returns when the link has carried what was sent before.
-spec relieve({pid(), holder()}) -> ok.
relieve({Sender, Holder}) ->
    Ref = erlang:monitor(process, Sender),
    exit(Sender, kill),
    receive {'DOWN', Ref, process, Sender, _Reason} -> ok end,
    _ = asked(Holder),
    ok.
