%% The output handler of a link, and its distribution controller.
%%
%% Who there is on a link that is up, and how it ends:
%%
%% - The supervisor: the process that net_kernel knows as the link's owner and that dist_util runs in (started by
%%   rustls_dist_link_out or rustls_dist_link_in). It seals and sends ticks. It owns the socket until the link is up. It has
%%   the highest priority.
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
%% A controller is there a moment before its link is: dist_util names it to the VM, which then makes the link. Until then it
%% only waits. Who reports a link's failure:
%%
%% - Until net_kernel has taken an accepted connection over: the process that accepted it, rustls_dist_accepted.
%% - While the supervisor sets the link up: its rustls_dist_undertaker, which sees it end for whatever reason.
%% - When the link is up: who of the controller and the input handler met with a fault of TLS. That the peer or the network ended
%%   the link is told by the input handler, at level info. All else is told by net_kernel's nodedown, with the reason.
%%
%% doc/architecture.md draws the way of a handshake, and that of a message.
%%
%% @private
-module(rustls_dist_controller).

-export([start_link/2, up/3, tick/1, answer_key_update/1, refuse_renegotiation/1]).
-export([init/3, woken/1]).

-include("rustls_dist_link.hrl").

%% Above this a seal goes to a dirty scheduler: as much as rx_open does in a call (src/record/work.rs), which a processor without
%% instructions for its cipher does in less than half a millisecond. A batch of the VM's fragments, each of 64 KiB and a
%% header, stays below; only what the VM does not cut gets there.
-define(LARGE_BYTES, 135168).

%% The supervisor has the turn for microseconds, once in a quarter of net_ticktime at most.
-define(TURN_MS, 1).
-define(TURN_TRIES, 5000).

%% Starts a controller that waits for its link to come up. Called by the link's supervisor.
-spec start_link(rustls_dist_handshake:tls(), rustls_dist_turn:turn()) -> pid().
start_link(Tls, Turn) ->
    spawn_opt(?MODULE, init, [Tls, Turn, self()], ?SPAWN_OPTIONS).

%% The distribution handshake is over: traffic begins. Called by the supervisor, which gives the socket away.
-spec up(pid(), node(), erlang:dist_handle()) -> ok.
up(Controller, Node, DHandle) ->
    Ref = erlang:monitor(process, Controller),
    Controller ! {up, self(), Ref, Node, DHandle},
    receive
        {Ref, Socket, Input} ->
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

%% The process itself.
-spec init(rustls_dist_handshake:tls(), rustls_dist_turn:turn(), pid()) -> no_return().
init(Tls, Turn, Supervisor) ->
    rustls_dist_crash:without_terms(fun() -> loop(await_link(Tls, Turn, Supervisor)) end).

await_link(#{socket := Socket, hibernate_after := HibernateAfter} = Tls, Turn, Supervisor) ->
    receive
        {up, Supervisor, Ref, Node, DHandle} ->
            Link = #link{dhandle = DHandle, socket = Socket, controller = self(), tls = Tls#{node => Node},
                         hibernate_after = HibernateAfter, turn = Turn},
            Input = rustls_dist_input:start_link(Link, Supervisor),
            ok = alive(fun() -> erlang:dist_ctrl_input_handler(DHandle, Input) end),
            _ = alive(fun() -> erlang:dist_ctrl_set_opt(DHandle, get_size, true) end),
            Supervisor ! {Ref, Socket, Input},
            ok = alive(fun() -> erlang:dist_ctrl_get_data_notification(DHandle) end),
            Link
    end.

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
    send_data(Link, rustls_dist_take:new(DHandle)).

send_data(#link{dhandle = DHandle} = Link, Take) ->
    case rustls_dist_take:next(Take) of
        {full, Packets, Bytes, More} ->
            send_packets(Link, Packets, Bytes),
            send_data(Link, More);
        {drained, Packets, Bytes} ->
            send_packets(Link, Packets, Bytes),
            notify(DHandle);
        closed ->
            death_row(connection_closed)
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

transmit(#link{socket = Socket, tls = #{tx := Tx} = Tls, turn = Turn}, Seal) ->
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
            rustls_dist_log:broken_link(rustls_dist_log:established(Tls), {tls, Error}),
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
