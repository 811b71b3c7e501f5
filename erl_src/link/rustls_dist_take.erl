%% What a link's controller takes from the VM's queue, and when.
%%
%% The VM suspends a sender that finds the queue at its limit (+zdbbl), and who puts the packet that reaches the limit. All are
%% resumed at once, in the order in which they were suspended, by the take that brings the queue below half
%% (erts/emulator/beam/dist.c, dist_ctrl_get_data_1). A sender of large messages fills the other half within some 25 us, which
%% is less than a scheduler needs to wake: another sender that was resumed with it comes too late, is suspended again, and so
%% on, cycle after cycle, as long as there is bulk.
%%
%% But between the limit and half the queue is open: who sends is suspended, but its packet is in. So when several senders
%% were resumed, the controller waits until the one that is fast has reached the limit and is suspended, and takes as much as
%% does not resume it. From then on the queue is open: whoever comes, however late, puts its message and waits behind less than
%% the limit. What was taken for that is held in hand and goes out first, before anything else is taken: it is never more than
%% half a queue, and the order of packets never changes.
%%
%% A bulk transfer that has the link to itself does not pay for this, and neither do several:
%% only where small packets lie among large ones is there somebody to look after.
%%
%% @private
-module(rustls_dist_take).

-export([new/1, next/1]).

-export_type([take/0, packet/0]).

%% A packet of so many bytes at most among large ones is of another sender; and for how many batches, half a second or so, it is
%% remembered: a sender that is suspended over and over sends nothing.
-define(SMALL_BYTES, 4096).
-define(LONG_ALONE, 16384).

-record(take, {dhandle :: erlang:dist_handle(),
               hand = [] :: [packet()],                        % taken, not given yet; oldest first
               large = false :: boolean(),                     % whether the batch before was one of few, large packets
               alone = ?LONG_ALONE :: 0..?LONG_ALONE,          % batches of large packets since there was a small one among them
               shared = 0 :: non_neg_integer()}).              % resumptions left for which other senders are looked after

-opaque take() :: #take{}.
-type packet() :: {Bytes :: non_neg_integer(), iodata()}.

%% Gathered before it is sealed and sent: large enough to spread the cost of a system call, small enough for a
%% NIF call on a normal scheduler to stay well below a millisecond. Twice as many bytes, two of the VM's fragments, made
%% bulk transfers a quarter slower. The number of packets keeps the heap of this process small: when thousands of little
%% ones are gathered, it comes from the system and goes back with each batch, at 120,000 page faults a second.
-define(BATCH_BYTES, 65536).
-define(BATCH_PACKETS, 256).

%% A batch of at most so many packets is of large ones. Small ones do not fill the queue faster than a scheduler wakes.
-define(LARGE_PACKETS, 16).

%% The queue may cross the half in the next batch when it is no more than this above it. The VM counts some 200 bytes for each
%% packet besides its own.
-define(NEAR_BYTES, (4 * ?BATCH_BYTES)).

%% What a take costs in reductions: 2 to 6, and 5 more for each process that it resumed; 27 and more where a garbage collection
%% came in between, which tells nothing. Two resumed make 12 at least, one at most 11, or 38 with a collection.
-define(SEVERAL_RESUMED(Reductions), (Reductions >= 12 andalso Reductions < 25 orelse Reductions >= 48)).

%% For how many more resumptions senders are taken to share the link after several were resumed at once. A garbage collection
%% may hide the next ones, and a sender that waits for an answer is not always among the suspended.
-define(SHARED_RESUMPTIONS, 64).

%% How long the fast sender gets to reach the limit: it has to be woken and to fill half a queue.
-define(REFILL_US, 60).

%% How full the queue is left: above half by more than a packet, or all would be resumed again.
-define(OPEN_TO(Limit), (Limit * 5 div 8)).

%% Never more than this in hand, but for the last packet: what is in hand is memory that the VM's limit does not count.
-define(HAND_BYTES, 2097152).

%% To begin with, when the VM says that there is data.
-spec new(erlang:dist_handle()) -> take().
new(DHandle) ->
    #take{dhandle = DHandle}.

%% What to send next, oldest first, and its bytes. Full: there may be more. Closed: the link is gone; the VM raises badarg for
%% a handle that belongs to an earlier link, and notsup when the process is not that of a link any more.
-spec next(take()) -> {full, [packet()], non_neg_integer(), take()} | {drained, [packet()], non_neg_integer()} | closed.
next(Take) ->
    try
        batch(Take)
    catch
        _:_ -> closed
    end.

batch(#take{dhandle = DHandle, hand = Hand} = Take) ->
    case is_near_half(Take) of
        true ->
            watched(Take, gather(DHandle, Hand, [], 0, ?BATCH_PACKETS, 0));
        false ->
            unwatched(Take, gather(DHandle, Hand, [], 0, ?BATCH_PACKETS))
    end.

unwatched(Take, {full, Packets, Bytes, Left, Hand}) ->
    {full, Packets, Bytes, given(Packets, Left, Take#take{hand = Hand})};
unwatched(_Take, Drained) ->
    Drained.

watched(Take, {full, Packets, Bytes, Left, Hand, Most}) ->
    Taken = given(Packets, Left, Take#take{hand = Hand}),
    {full, Packets, Bytes, resumed(has_crossed(Take), ?SEVERAL_RESUMED(Most), Taken)};
watched(_Take, Drained) ->
    Drained.

%% What the batch says of who sends.
given(Packets, PacketsLeft, #take{alone = Alone} = Take) when ?BATCH_PACKETS - PacketsLeft =< ?LARGE_PACKETS ->
    case lists:any(fun({Bytes, _Data}) -> Bytes =< ?SMALL_BYTES end, Packets) of
        true -> Take#take{large = true, alone = 0};
        false -> Take#take{large = true, alone = min(?LONG_ALONE, Alone + 1)}
    end;
given(_Packets, _PacketsLeft, Take) ->
    Take#take{large = false}.

%% Whether the next batch may be the one that lets the VM resume senders.
is_near_half(#take{large = Large, alone = Alone, dhandle = DHandle}) ->
    Large andalso Alone < ?LONG_ALONE andalso is_near(queued(DHandle) - limit() div 2).

is_near(Above) ->
    Above >= 0 andalso Above < ?NEAR_BYTES.

has_crossed(#take{dhandle = DHandle}) ->
    queued(DHandle) < limit() div 2.

resumed(_Crossed, true, Take) -> open(Take#take{shared = ?SHARED_RESUMPTIONS});
resumed(true, false, #take{shared = Shared} = Take) when Shared > 0 -> open(Take#take{shared = Shared - 1});
resumed(_Crossed, false, Take) -> Take.

%% Waits until the queue was at its limit and is below it again.
open(#take{dhandle = DHandle, hand = Hand} = Take) ->
    Until = erlang:monotonic_time() + erlang:convert_time_unit(?REFILL_US, microsecond, native),
    Take#take{hand = Hand ++ await_limit(DHandle, limit(), ?HAND_BYTES - bytes(Hand), Until)}.

%% Yields while it waits: where the schedulers are few, those who were resumed need this one.
await_limit(DHandle, Limit, RoomBytes, Until) ->
    true = erlang:yield(),
    case opened(DHandle, Limit, RoomBytes) of
        [] ->
            case erlang:monotonic_time() < Until of
                true -> await_limit(DHandle, Limit, RoomBytes, Until);
                false -> []
            end;
        Packets ->
            true = erlang:yield(),
            Packets
    end.

opened(DHandle, Limit, RoomBytes) ->
    case queued(DHandle) >= Limit of
        true -> down_to(DHandle, ?OPEN_TO(Limit), RoomBytes);
        false -> []
    end.

down_to(DHandle, Bound, RoomBytes) when RoomBytes > 0 ->
    case queued(DHandle) > Bound andalso erlang:dist_ctrl_get_data(DHandle) of
        {Bytes, _Data} = Packet -> [Packet | down_to(DHandle, Bound, RoomBytes - Bytes)];
        _ -> []
    end;
down_to(_DHandle, _Bound, _RoomBytes) ->
    [].

gather(_DHandle, Hand, Packets, Bytes, Left) when Bytes >= ?BATCH_BYTES; Left =:= 0 ->
    {full, lists:reverse(Packets), Bytes, Left, Hand};
gather(DHandle, [{Size, _} = Packet | Hand], Packets, Bytes, Left) ->
    gather(DHandle, Hand, [Packet | Packets], Bytes + Size, Left - 1);
gather(DHandle, [], Packets, Bytes, Left) ->
    case erlang:dist_ctrl_get_data(DHandle) of
        none -> {drained, lists:reverse(Packets), Bytes};
        {Size, _Data} = Packet -> gather(DHandle, [], [Packet | Packets], Bytes + Size, Left - 1)
    end.

%% The same, and the most reductions that one take cost.
gather(_DHandle, Hand, Packets, Bytes, Left, Most) when Bytes >= ?BATCH_BYTES; Left =:= 0 ->
    {full, lists:reverse(Packets), Bytes, Left, Hand, Most};
gather(DHandle, [{Size, _} = Packet | Hand], Packets, Bytes, Left, Most) ->
    gather(DHandle, Hand, [Packet | Packets], Bytes + Size, Left - 1, Most);
gather(DHandle, [], Packets, Bytes, Left, Most) ->
    {reductions, Before} = erlang:process_info(self(), reductions),
    Taken = erlang:dist_ctrl_get_data(DHandle),
    {reductions, After} = erlang:process_info(self(), reductions),
    case Taken of
        none -> {drained, lists:reverse(Packets), Bytes};
        {Size, _Data} -> gather(DHandle, [], [Taken | Packets], Bytes + Size, Left - 1, max(Most, After - Before))
    end.

%% The bytes in the VM's queue, as the VM counts them.
queued(DHandle) ->
    {ok, _In, _Out, Queued} = erlang:dist_get_stat(DHandle),
    Queued.

limit() ->
    erlang:system_info(dist_buf_busy_limit).

bytes(Packets) ->
    lists:sum([Bytes || {Bytes, _Data} <- Packets]).
