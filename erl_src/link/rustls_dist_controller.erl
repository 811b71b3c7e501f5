%% The output handler of a link, and its distribution controller.
%%
%% Who there is on a link that is up, and how it ends:
%%
%% - The supervisor: the process that net_kernel knows as the link's owner and that dist_util runs in (started by
%%   rustls_dist_link_out or rustls_dist_link_in). It seals and sends ticks. It owns the socket until the link is up. Max priority.
%% - The controller: this module. Holds the distribution handle's output side; seals and sends everything but ticks, by turns
%%   with the supervisor (rustls_dist_turn). Blocks in gen_tcp:send/2 when the peer is slow; the VM's queue then fills and
%%   senders are suspended.
%% - The input handler: rustls_dist_input. Owns the socket, the only one that opens. Never waits for the controller.
%%
%% All three are linked. Only the input handler traps exits, to say goodbye to the peer: whoever ends first, the others
%% follow with that reason, and the socket closes with its owner. A process that fails because the link is already
%% going down does not end at once but waits for the reason to arrive, so that the first one survives.
%% net_kernel links to the supervisor and to the controller.
%%
%% Who comes before them, from the accepted connection on, is drawn in doc/architecture.md, and the way of a message, too.
%%
%% Before the link is up the controller waits and traps exits: if the supervisor ends, for whatever reason and at
%% whatever stage, the controller is the one left to report why, once.
-module(rustls_dist_controller).

-export([start_link/1, note_progress/2, note_failure/2, up/5, tick/1, answer_key_update/1, refuse_renegotiation/1]).
-export([init/2, woken/1]).

-record(link, {dhandle :: erlang:dist_handle(),
               socket :: inet:socket(),
               peer :: rustls_dist_log:peer(),
               tx :: rustls_dist_nif:tx(),
               hibernate_after :: timeout(),                   % of the ssl option of that name
               turn :: rustls_dist_turn:turn()}).

%% Gathered before it is sealed and sent: large enough to spread the cost of a system call, small enough for a
%% NIF call on a normal scheduler to stay well below a millisecond. Twice as many bytes, two of the VM's fragments, made
%% bulk transfers a quarter slower. The number of packets keeps the heap of this process small: when thousands of little
%% ones are gathered, it comes from the system and goes back with each batch, at 120,000 page faults a second.
-define(BATCH_BYTES, 65536).
-define(BATCH_PACKETS, 256).

%% Above this a seal goes to a dirty scheduler. Only messages that the VM does not cut into fragments get there.
-define(LARGE_BYTES, 262144).

%% How long the first exit reason of a link is waited for.
-define(DEATH_ROW_MS, 5000).

%% The supervisor has the turn for microseconds, once in a quarter of net_ticktime at most.
-define(TURN_MS, 1).
-define(TURN_TRIES, 5000).

-define(SPAWN_OPTIONS, [link, {message_queue_data, off_heap}, {fullsweep_after, 0}]).

%% Starts a controller that waits for its link to come up. Called by the link's supervisor, which runs at a higher
%% priority and may be about to end: the controller traps exits when this returns.
-spec start_link(rustls_dist_log:setup()) -> pid().
start_link(Setup) ->
    Controller = spawn_opt(?MODULE, init, [Setup, self()], ?SPAWN_OPTIONS),
    receive {Controller, ready} -> Controller end.

%% Says how far the supervisor got: the stage it enters, and what it learned of the peer.
-spec note_progress(pid(), #{stage := rustls_dist_failure:stage(), ip => inet:ip_address(),
                             address => rustls_dist_log:address(), states => string()}) -> ok.
note_progress(Controller, Progress) ->
    Controller ! {note_progress, Progress},
    ok.

%% Says why the supervisor is about to give up.
-spec note_failure(pid(), term()) -> ok.
note_failure(Controller, Reason) ->
    Controller ! {note_failure, Reason},
    ok.

%% The distribution handshake is over: traffic begins. Called by the supervisor, which gives the socket away.
-spec up(pid(), node(), erlang:dist_handle(), rustls_dist_handshake:tls(), rustls_dist_turn:turn()) -> ok.
up(Controller, Node, DHandle, #{socket := Socket} = Tls, Turn) ->
    Ref = erlang:monitor(process, Controller),
    Controller ! {up, self(), Ref, DHandle, Tls#{node => Node}, Turn},
    receive
        {Ref, Input} ->
            erlang:demonitor(Ref, [flush]),
            case gen_tcp:controlling_process(Socket, Input) of
                ok -> rustls_dist_input:go(Input);
                {error, Reason} -> exit({controlling_process, Reason})
            end;
        {'DOWN', Ref, process, Controller, Reason} ->
            exit(Reason)
    end.

%% A tick that could not be sealed is the controller's to look into.
-spec tick(pid()) -> ok.
tick(Controller) ->
    Controller ! tick,
    ok.

%% The peer renewed its keys and wants ours renewed.
-spec answer_key_update(pid()) -> ok.
answer_key_update(Controller) ->
    Controller ! answer_key_update,
    ok.

%% A TLS 1.2 peer asked for a renegotiation.
-spec refuse_renegotiation(pid()) -> ok.
refuse_renegotiation(Controller) ->
    Controller ! refuse_renegotiation,
    ok.

-spec init(rustls_dist_log:setup(), pid()) -> no_return().
init(Setup, Supervisor) ->
    process_flag(trap_exit, true),
    Supervisor ! {self(), ready},
    rustls_dist_crash:without_terms(fun() -> wait(Setup, Supervisor, none) end).

wait(Setup, Supervisor, Noted) ->
    receive
        {note_progress, Progress} ->
            wait(maps:merge(Setup, Progress), Supervisor, Noted);
        {note_failure, Reason} ->
            wait(Setup, Supervisor, {noted, Reason});
        {up, From, Ref, DHandle, Tls, Turn} ->
            Link = start(DHandle, Tls, Turn, Supervisor, {From, Ref}),
            process_flag(trap_exit, false),
            %% An exit that became a message just before must not be lost.
            receive {'EXIT', _Pid, Reason} -> exit(Reason) after 0 -> ok end,
            loop(Link);
        {'EXIT', _Pid, Reason} ->
            rustls_dist_log:failed_setup(Setup, Noted, Reason),
            exit(Reason);
        _Unknown ->
            wait(Setup, Supervisor, Noted)
    end.

start(DHandle, #{socket := Socket, tx := Tx, hibernate_after := HibernateAfter} = Tls, Turn, Supervisor, {From, Ref}) ->
    Input = rustls_dist_input:start_link(DHandle, Tls, Supervisor, Turn),
    ok = alive(fun() -> erlang:dist_ctrl_input_handler(DHandle, Input) end),
    _ = alive(fun() -> erlang:dist_ctrl_set_opt(DHandle, get_size, true) end),
    From ! {Ref, Input},
    ok = alive(fun() -> erlang:dist_ctrl_get_data_notification(DHandle) end),
    #link{dhandle = DHandle, socket = Socket, peer = rustls_dist_log:established(Tls), tx = Tx,
          hibernate_after = HibernateAfter, turn = Turn}.

%% Goes on where a process that hibernated left off: hibernation discards the stack.
-spec woken(#link{}) -> no_return().
woken(Link) ->
    rustls_dist_crash:without_terms(fun() -> loop(Link) end).

-spec loop(#link{}) -> no_return().
loop(#link{hibernate_after = HibernateAfter} = Link) ->
    receive
        dist_data -> send_data(Link);
        tick -> transmit(Link, fun(Tx) -> rustls_dist_nif:tx_seal(Tx, [{0, []}]) end);
        answer_key_update -> transmit(Link, fun(Tx) -> rustls_dist_nif:tx_seal(Tx, []) end);
        refuse_renegotiation -> transmit(Link, fun rustls_dist_nif:tx_refuse_renegotiation/1);
        _Other -> ok
    after HibernateAfter ->
        erlang:hibernate(?MODULE, woken, [Link])
    end,
    loop(Link).

send_data(#link{dhandle = DHandle} = Link) ->
    case gather(DHandle, [], 0, ?BATCH_PACKETS) of
        {drained, Packets, Bytes} ->
            send_packets(Link, Packets, Bytes),
            notify(DHandle);
        {full, Packets, Bytes} ->
            send_packets(Link, Packets, Bytes),
            send_data(Link)
    end.

gather(_DHandle, Packets, Bytes, PacketsLeft) when Bytes >= ?BATCH_BYTES; PacketsLeft =:= 0 ->
    {full, lists:reverse(Packets), Bytes};
gather(DHandle, Packets, Bytes, PacketsLeft) ->
    try erlang:dist_ctrl_get_data(DHandle) of
        none -> {drained, lists:reverse(Packets), Bytes};
        {Size, _Data} = Packet -> gather(DHandle, [Packet | Packets], Bytes + Size, PacketsLeft - 1)
    catch
        _:_ -> death_row(connection_closed)
    end.

notify(DHandle) ->
    try
        erlang:dist_ctrl_get_data_notification(DHandle)
    catch
        _:_ -> death_row(connection_closed)
    end.

%% Calls the VM about a distribution handle. It raises badarg for one that belongs to an earlier link, and notsup when the
%% process is not that of a link any more (erts/emulator/beam/dist.c): whatever it is, the link is gone.
alive(Call) ->
    try
        Call()
    catch
        _:_ -> death_row(connection_closed)
    end.

send_packets(_Link, [], _Bytes) ->
    ok;
send_packets(Link, Packets, Bytes) when Bytes > ?LARGE_BYTES ->
    transmit(Link, fun(Tx) -> rustls_dist_nif:tx_seal_large(Tx, Packets) end);
send_packets(Link, Packets, _Bytes) ->
    transmit(Link, fun(Tx) -> rustls_dist_nif:tx_seal(Tx, Packets) end).

transmit(#link{socket = Socket, peer = Peer, tx = Tx, turn = Turn}, Seal) ->
    ok = await_turn(Turn, ?TURN_TRIES),
    case Seal(Tx) of
        {ok, Records} ->
            case gen_tcp:send(Socket, Records) of
                ok -> rustls_dist_turn:give(Turn);
                {error, Reason} -> death_row({send_error, Reason})
            end;
        {error, #{kind := closed}} ->
            death_row(connection_closed);
        {error, #{kind := Kind} = Error} ->
            ok = rustls_dist_turn:give(Turn),
            rustls_dist_log:broken_link(Peer, {tls, Error}),
            exit({tls_error, Kind})
    end.

await_turn(_Turn, 0) ->
    death_row(connection_closed);
await_turn(Turn, Tries) ->
    case rustls_dist_turn:take(Turn) of
        true -> ok;
        false -> receive after ?TURN_MS -> await_turn(Turn, Tries - 1) end
    end.

-spec death_row(term()) -> no_return().
death_row(Reason) ->
    receive after ?DEATH_ROW_MS -> exit(Reason) end.
