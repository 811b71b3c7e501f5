%% What a link's controller takes from the VM's queue, and when.
%%
%% A sender that finds the VM's queue at its limit (+zdbbl) is suspended, its packet still in its hand; so is who reaches the
%% limit. All are resumed at once, in the order in which they were suspended, by the take that brings the queue below half
%% (erts/emulator/beam/dist.c, erts_dsig_send and dist_ctrl_get_data_1). Where a sender of large messages and another one share
%% a scheduler's run queue, the first is always ahead: it fills the other half within some 25 us and is suspended, the second
%% runs a microsecond later, finds the queue at its limit, and is suspended behind the first. So it goes on, cycle after cycle,
%% as long as there is bulk, or until another scheduler happens to steal the second one.
%%
%% But between limit and half the queue is open: who puts something in is suspended, and its packet is in. So when several
%% senders were resumed at once, the controller gets a moment between the first and the second. It empties the queue into its
%% hand and waits to be told of the next packet, with a higher priority: where all of them share a scheduler it runs next, when
%% the first has filled the queue, and takes as much as leaves room and resumes nobody. Where it has a scheduler of its own,
%% that is idle for the moment and steals the second sender, or the controller sees the queue full and makes room.
%%
%% What is in hand goes out before anything else is taken: the order of packets never changes.
%%
%% @private
-module(rustls_dist_take).

-export([new/1, next/1]).

-export_type([take/0, packet/0]).

-record(take, {dhandle :: erlang:dist_handle(),
               hand = [] :: [packet()],                % taken, not given yet; oldest first
               few = true :: boolean(),                % whether the batch before was one of few packets
               let_in_at :: integer() | never}).       % monotonic time, native

-opaque take() :: #take{}.
-type packet() :: {Bytes :: non_neg_integer(), iodata()}.

%% Gathered before it is sealed and sent: large enough to spread the cost of a system call, small enough for a
%% NIF call on a normal scheduler to stay well below a millisecond. Twice as many bytes, two of the VM's fragments, made
%% bulk transfers a quarter slower. The number of packets keeps the heap of the controller small: when thousands of little
%% ones are gathered, it comes from the system and goes back with each batch, at 120,000 page faults a second.
-define(BATCH_BYTES, 65536).
-define(BATCH_PACKETS, 256).

%% A batch of at most so many packets is of large ones. Small ones do not fill the queue faster than a scheduler wakes.
-define(FEW_PACKETS, 16).

%% What a take costs in reductions: 2 to 6, and 5 more for each process that it resumed; some 25 more where a garbage collection
%% came in between. Two resumed make 12 at least, one at most 11, or 38 with a collection. What a collection hides may be several
%% where the queue crossed the half, and may be hidden in each cycle.
-define(HAS_RESUMED_SEVERAL(Reductions), (Reductions >= 12 andalso Reductions < 25 orelse Reductions >= 48)).
-define(IS_HIDDEN(Reductions), (Reductions >= 25 andalso Reductions < 48)).

%% Senders of large messages among themselves need no help, which costs some 30 us, nor does one that has the link to itself: it
%% comes no more often than this, and less often where nobody knows whether several were resumed.
-define(LET_IN_EVERY_US, 1000).
-define(LET_IN_UNSEEN_EVERY_US, 10000).

%% Emptied into the hand at most; making room takes some three eighths of the limit more. It is memory that the VM's limit does not
%% count.
-define(HAND_BYTES, 1048576).

%% How long is waited for the first packet, and then for the limit.
-define(FIRST_MS, 1).
-define(REFILL_US, 60).

%% How full the queue is left: above half by more than a packet, or all would be resumed again.
-define(OPEN_TO(Limit), (Limit * 5 div 8)).

%% To begin with, when the VM says that there is data.
-spec new(erlang:dist_handle()) -> take().
new(DHandle) ->
    #take{dhandle = DHandle, let_in_at = never}.

%% What to send next, oldest first, and its bytes. Full: there may be more. Closed: the link is gone; the VM raises badarg for
%% a handle that belongs to an earlier link, and notsup when the process is not that of a link any more.
-spec next(take()) -> {full, [packet()], non_neg_integer(), take()} | {drained, [packet()], non_neg_integer()} | closed.
next(Take) ->
    try
        batch(Take)
    catch
        _:_ -> closed
    end.

batch(#take{dhandle = DHandle, hand = Hand, few = Few} = Take) ->
    case gather(DHandle, Hand, [], 0, ?BATCH_PACKETS, watch(Few)) of
        {full, Packets, Bytes, Left, RestOfHand, Watched} ->
            Taken = Take#take{hand = RestOfHand, few = ?BATCH_PACKETS - Left =< ?FEW_PACKETS},
            {full, Packets, Bytes, let_in(Watched, Taken)};
        Drained ->
            Drained
    end.

%% Whether takes are watched, and what they showed.
watch(true) -> nobody;
watch(false) -> unwatched.

gather(_DHandle, Hand, Packets, Bytes, Left, Watched) when Bytes >= ?BATCH_BYTES; Left =:= 0 ->
    {full, lists:reverse(Packets), Bytes, Left, Hand, Watched};
gather(DHandle, [{Size, _} = Packet | Hand], Packets, Bytes, Left, Watched) ->
    gather(DHandle, Hand, [Packet | Packets], Bytes + Size, Left - 1, Watched);
gather(DHandle, [], Packets, Bytes, Left, Watched) ->
    case get_data(DHandle, Watched) of
        {none, _} -> {drained, lists:reverse(Packets), Bytes};
        {{Size, _Data} = Packet, Seen} -> gather(DHandle, [], [Packet | Packets], Bytes + Size, Left - 1, Seen)
    end.

get_data(DHandle, Watched) when Watched =:= nobody; Watched =:= hidden ->
    {reductions, Before} = process_info(self(), reductions),
    Packet = erlang:dist_ctrl_get_data(DHandle),
    {reductions, After} = process_info(self(), reductions),
    {Packet, stronger(Watched, resumed(DHandle, Packet, After - Before))};
get_data(DHandle, Watched) ->
    {erlang:dist_ctrl_get_data(DHandle), Watched}.

stronger(hidden, nobody) -> hidden;
stronger(_Before, Seen) -> Seen.

resumed(_DHandle, _Packet, Reductions) when ?HAS_RESUMED_SEVERAL(Reductions) -> several;
resumed(DHandle, {Bytes, _Data}, Reductions) when ?IS_HIDDEN(Reductions) -> crossed(queued(DHandle), Bytes);
resumed(_DHandle, _Packet, _Reductions) -> nobody.

crossed(Queued, Bytes) ->
    Half = erlang:system_info(dist_buf_busy_limit) div 2,
    case Queued < Half andalso Queued + Bytes >= Half of
        true -> hidden;
        false -> nobody
    end.

let_in(several, Take) -> let_in_after(?LET_IN_EVERY_US, Take);
let_in(hidden, Take) -> let_in_after(?LET_IN_UNSEEN_EVERY_US, Take);
let_in(_Watched, Take) -> Take.

%% Senders are resumed by takes from the queue, and those come when the hand is empty.
let_in_after(Us, #take{let_in_at = At, hand = []} = Take) ->
    Now = erlang:monotonic_time(),
    case At =:= never orelse Now - At > native(Us) of
        true -> Take#take{hand = made_room(Take), let_in_at = Now};
        false -> Take
    end.

%% The priority is the controller's for some microseconds, in which it only moves what senders have put.
made_room(#take{dhandle = DHandle}) ->
    Priority = process_flag(priority, high),
    try
        Emptied = emptied(DHandle, ?HAND_BYTES),
        Emptied ++ until_open(DHandle, erlang:system_info(dist_buf_busy_limit), erlang:monotonic_time() + native(?REFILL_US))
    after
        process_flag(priority, Priority),
        erlang:yield()
    end.

emptied(DHandle, RoomBytes) when RoomBytes > 0 ->
    case erlang:dist_ctrl_get_data(DHandle) of
        none ->
            ok = await_first(DHandle),
            [];
        {Bytes, _Data} = Packet ->
            [Packet | emptied(DHandle, RoomBytes - Bytes)]
    end;
emptied(_DHandle, _RoomBytes) ->
    [].

%% Others run meanwhile. Nobody may have anything to send: then what is in hand does not wait longer.
await_first(DHandle) ->
    _ = erlang:dist_ctrl_get_data_notification(DHandle),
    receive
        dist_data -> ok
    after ?FIRST_MS ->
        ok
    end.

until_open(DHandle, Limit, Until) ->
    case queued(DHandle) >= Limit of
        true ->
            down_to(DHandle, ?OPEN_TO(Limit));
        false ->
            case erlang:monotonic_time() < Until of
                true -> until_open(DHandle, Limit, Until);
                false -> []
            end
    end.

%% Who put the queue over its limit is suspended: nothing is added but by who is not.
down_to(DHandle, Bound) ->
    case queued(DHandle) > Bound andalso erlang:dist_ctrl_get_data(DHandle) of
        {_Bytes, _Data} = Packet -> [Packet | down_to(DHandle, Bound)];
        _ -> []
    end.

queued(DHandle) ->
    {ok, _In, _Out, Bytes} = erlang:dist_get_stat(DHandle),
    Bytes.

native(Us) ->
    erlang:convert_time_unit(Us, microsecond, native).
