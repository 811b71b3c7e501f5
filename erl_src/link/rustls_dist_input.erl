%% The input handler of a link: owns the socket, opens what arrives, and gives the packets to the VM.
%% The census of a link's processes is in rustls_dist_controller.
%%
%% @private
-module(rustls_dist_input).

-export([start_link/2, go/1]).
-export([init/2, woken/2]).

-include("rustls_dist_link.hrl").

%% Socket messages that may wait here at most; each holds up to `buffer` bytes. The credit is renewed before it is used up:
%% a socket that fell silent would be taken out of the schedulers' own poll set (erts/emulator/sys/common/erl_check_io.c),
%% and each of its next messages would have to wake a scheduler from another thread.
-define(ACTIVE, 16).
-define(RENEWED, 8).

%% Packets that are wanted of one call; there is no reason to leave any.
-define(ALL_PACKETS, 16#ffffffff).

-define(CONTROLLER_EXIT_MS, 100).

%% More than a busy peer has under way: the buffers of two sockets, as large as Linux makes them by itself.
-define(UNDER_WAY_BYTES, 16777216).

%% Starts a handler that waits for the socket. Called by the controller.
-spec start_link(#link{}, pid()) -> pid().
start_link(Link, Supervisor) ->
    spawn_opt(?MODULE, init, [Link, Supervisor], ?SPAWN_OPTIONS).

%% The socket is the handler's now.
-spec go(pid()) -> ok.
go(Input) ->
    Input ! go,
    ok.

%% The process itself.
-spec init(#link{}, pid()) -> no_return().
init(#link{tls = #{rx := Rx}} = Link, Supervisor) ->
    process_flag(trap_exit, true),
    link(Supervisor),
    receive
        go -> ok;
        {'EXIT', _Pid, Reason} -> exit(Reason)
    end,
    ok = rustls_dist_nif:rx_established(Rx),
    rustls_dist_crash:without_terms(fun() -> begin_reading(Link) end).

begin_reading(Link) ->
    %% Packets may have come with the last one of the distribution handshake.
    opened(Link, <<>>),
    case grant(Link, ?ACTIVE) of
        ok -> loop(Link, 0);
        {error, _} -> death_row(Link)
    end.

%% Goes on where a process that hibernated left off: hibernation discards the stack.
-spec woken(#link{}, 0..?RENEWED) -> no_return().
woken(Link, Unrenewed) ->
    rustls_dist_crash:without_terms(fun() -> loop(Link, Unrenewed) end).

%% Unrenewed: socket messages handled since the credit was renewed.
-spec loop(#link{}, 0..?RENEWED) -> no_return().
loop(#link{socket = Socket, hibernate_after = HibernateAfter} = Link, Unrenewed) ->
    receive
        {tcp, Socket, Data} ->
            opened(Link, Data),
            loop(Link, renew_credit(Link, Unrenewed));
        {tcp_closed, Socket} ->
            ended(Link, cut),
            exit(connection_closed);
        {tcp_error, Socket, Reason} ->
            ended(Link, {tcp_error, Reason}),
            exit({tcp_error, Reason});
        {'EXIT', _Pid, Reason} ->
            farewell(Link, Reason);
        _Other ->
            loop(Link, Unrenewed)
    after HibernateAfter ->
        erlang:hibernate(?MODULE, woken, [Link, Unrenewed])
    end.

%% Every message that was handled is granted again, so tcp_passive, when the peer was faster than this process, needs no
%% answer. A socket that is closed by now left a message that says so, behind data that are still to be handled.
renew_credit(_Link, Unrenewed) when Unrenewed + 1 < ?RENEWED ->
    Unrenewed + 1;
renew_credit(Link, _Unrenewed) ->
    _ = grant(Link, ?RENEWED),
    0.

grant(#link{socket = Socket}, Messages) ->
    inet:setopts(Socket, [{active, Messages}]).

opened(#link{tls = #{rx := Rx} = Tls} = Link, Data) ->
    case rustls_dist_nif:rx_open(Rx, Data, ?ALL_PACKETS) of
        {ok, Packets, Events} ->
            put_packets(Link, Packets),
            handle_events(Link, Events);
        %% One call is over before it holds the scheduler for long, whatever the peer sends.
        {more, Packets, Events, Rest} ->
            put_packets(Link, Packets),
            handle_events(Link, Events),
            opened(Link, Rest);
        {error, #{kind := Kind} = Error} ->
            end_controller(Link, {tls_error, Kind}),
            Sent = last_words(Link, Error#{alert => none}, fun() -> rustls_dist_handshake_io:send_alert(Tls, Error) end),
            rustls_dist_log:broken_link(rustls_dist_log:established(Tls), {tls, Sent}),
            close(Link),
            exit({tls_error, Kind})
    end.

%% Whatever the VM raises (rustls_dist_controller:alive/1), and a stack trace would show the packet.
put_packets(#link{dhandle = DHandle} = Link, Packets) ->
    try
        put_all(DHandle, Packets)
    catch
        _:_ -> death_row(Link)
    end.

put_all(_DHandle, []) ->
    ok;
put_all(DHandle, [Packet | Packets]) ->
    erlang:dist_ctrl_put_data(DHandle, Packet),
    put_all(DHandle, Packets).

handle_events(_Link, []) ->
    ok;
handle_events(#link{controller = Controller} = Link, [key_update_requested | Events]) ->
    rustls_dist_controller:answer_key_update(Controller),
    handle_events(Link, Events);
handle_events(#link{controller = Controller} = Link, [renegotiation_requested | Events]) ->
    rustls_dist_controller:refuse_renegotiation(Controller),
    handle_events(Link, Events);
%% It is answered (RFC 5246 section 7.2.1), which the link does not outlive.
handle_events(Link, [close_notify | _]) ->
    ended(Link, in_order),
    end_controller(Link, connection_closed),
    farewell(Link, connection_closed);
handle_events(#link{tls = Tls}, [{alert, {_Code, Name} = Alert} | _]) ->
    rustls_dist_log:broken_link(rustls_dist_log:established(Tls), {tls_alert, Alert}),
    exit({tls_alert, Name}).

%% Behind what it is sending, if that is over soon: the last words could not follow half of it.
end_controller(#link{controller = Controller, turn = Turn}, Reason) ->
    _ = rustls_dist_turn:keep(Turn),
    true = exit(Controller, Reason).

ended(#link{tls = Tls}, How) ->
    rustls_dist_log:ended_link(rustls_dist_log:established(Tls), How).

%% The link is ended from our side: say close_notify (RFC 8446 section 6.1), or why it must not go on. Or the controller can send
%% nothing more, and waited in vain for a reason from elsewhere.
-spec farewell(#link{}, term()) -> no_return().
farewell(Link, {send_error, Reason} = Exit) ->
    ended(Link, {tcp_error, Reason}),
    exit(Exit);
farewell(#link{tls = #{socket := Socket, tx := Tx}} = Link, Reason) ->
    _ = last_words(Link, unsaid, fun() -> rustls_dist_handshake_io:say(Socket, goodbye(Tx, Reason)) end),
    close(Link),
    exit(Reason).

%% `certificate_no_longer_valid' is rustls_dist_recheck's.
goodbye(Tx, certificate_no_longer_valid) ->
    rustls_dist_nif:tx_alert(Tx, rustls_dist_alert:code(certificate_unknown));
goodbye(Tx, _Reason) ->
    rustls_dist_nif:tx_close_notify(Tx).

%% The link is down for the VM by now, its controller being gone: nobody waits while the last words are on their way. Where the
%% socket has not sent them there is no use in it.
close(#link{socket = Socket}) ->
    stop_reading(Socket),
    case inet:getstat(Socket, [send_pend]) of
        {ok, [{send_pend, 0}]} -> rustls_dist_closing:gently(Socket, ?UNDER_WAY_BYTES);
        _ -> ok
    end.

%% Speaks to the peer a last time, if that can be done in order and without waiting: the controller, which does not trap
%% exits and is on its way out, must be gone, everything that was sealed must have gone to the socket, and the socket must
%% have sent it. Nobody seals after that: the turn is kept. Returns what Speak does, or Unsaid.
-spec last_words(#link{}, Unsaid, fun(() -> Said)) -> Said | Unsaid.
last_words(#link{socket = Socket, controller = Controller, turn = Turn}, Unsaid, Speak) ->
    Ref = erlang:monitor(process, Controller),
    Gone = receive {'DOWN', Ref, process, Controller, _} -> true after ?CONTROLLER_EXIT_MS -> false end,
    case Gone andalso rustls_dist_turn:keep_at_once(Turn) andalso inet:getstat(Socket, [send_pend]) of
        {ok, [{send_pend, 0}]} -> Speak();
        _ -> Unsaid
    end.

%% Nothing can be delivered any more: the link is going down, and the first reason is to survive. Meanwhile nothing more is
%% read, and what was read is dropped.
-spec death_row(#link{}) -> no_return().
death_row(#link{socket = Socket} = Link) ->
    stop_reading(Socket),
    receive
        {'EXIT', _Pid, First} -> farewell(Link, First)
    after ?DEATH_ROW_MS ->
        exit(connection_closed)
    end.

stop_reading(Socket) ->
    _ = inet:setopts(Socket, [{active, false}]),
    drop_data(Socket).

drop_data(Socket) ->
    receive {tcp, Socket, _Data} -> drop_data(Socket) after 0 -> ok end.
