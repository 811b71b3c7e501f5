%% The input handler of a link: owns the socket, opens what arrives, and gives the packets to the VM.
%% The census of a link's processes is in rustls_dist_controller.
-module(rustls_dist_input).

-export([start_link/4, go/1]).
-export([init/5, loop/1]).

%% Socket messages that may wait here at most; each holds up to `buffer` bytes. The credit is renewed before it is used up:
%% a socket that fell silent would be taken out of the schedulers' own poll set (erts/emulator/sys/common/erl_check_io.c),
%% and each of its next messages would have to wake a scheduler from another thread.
-define(ACTIVE, 16).
-define(RENEWED, 8).

-record(link, {dhandle :: erlang:dist_handle(),
               socket :: inet:socket(),
               controller :: pid(),
               tls :: rustls_dist_handshake:tls(),
               rx :: rustls_dist_nif:rx(),
               hibernate_after :: timeout(),                   % of the ssl option of that name
               unrenewed = 0 :: 0..?RENEWED,                   % socket messages handled since the credit was renewed
               sending :: atomics:atomics_ref()}).             % the controller's

%% Packets that one call returns at most; there is no reason to leave any.
-define(ALL_PACKETS, 16#ffffffff).

-define(DEATH_ROW_MS, 5000).
-define(CONTROLLER_EXIT_MS, 100).

-define(SPAWN_OPTIONS, [link, {message_queue_data, off_heap}, {fullsweep_after, 0}]).

%% Starts a handler that waits for the socket. Called by the controller.
-spec start_link(erlang:dist_handle(), rustls_dist_handshake:tls(), pid(), atomics:atomics_ref()) -> pid().
start_link(DHandle, Tls, Supervisor, Sending) ->
    spawn_opt(?MODULE, init, [DHandle, Tls, Supervisor, self(), Sending], ?SPAWN_OPTIONS).

%% The socket is the handler's now.
-spec go(pid()) -> ok.
go(Input) ->
    Input ! go,
    ok.

-spec init(erlang:dist_handle(), rustls_dist_handshake:tls(), pid(), pid(), atomics:atomics_ref()) -> no_return().
init(DHandle, #{socket := Socket, rx := Rx, hibernate_after := HibernateAfter} = Tls, Supervisor, Controller, Sending) ->
    process_flag(trap_exit, true),
    link(Supervisor),
    Link = #link{dhandle = DHandle, socket = Socket, controller = Controller, tls = Tls, rx = Rx,
                 hibernate_after = HibernateAfter, sending = Sending},
    receive
        go -> ok;
        {'EXIT', _Pid, Reason} -> exit(Reason)
    end,
    ok = rustls_dist_nif:rx_established(Rx),
    %% Packets may have come with the last one of the distribution handshake.
    opened(Link, <<>>),
    case grant(Link, ?ACTIVE) of
        ok -> loop(Link);
        {error, _} -> death_row(connection_closed)
    end.

%% Exported because a process that hibernates goes on in a call of its own.
-spec loop(#link{}) -> no_return().
loop(#link{socket = Socket, hibernate_after = HibernateAfter} = Link) ->
    receive
        {tcp, Socket, Data} ->
            opened(Link, Data),
            loop(renew_credit(Link));
        {tcp_closed, Socket} ->
            exit(connection_closed);
        {tcp_error, Socket, Reason} ->
            exit({tcp_error, Reason});
        {'EXIT', _Pid, Reason} ->
            farewell(Link, Reason);
        _Other ->
            loop(Link)
    after HibernateAfter ->
        erlang:hibernate(?MODULE, loop, [Link])
    end.

%% Every message that was handled is granted again, so tcp_passive, when the peer was faster than this process, needs no
%% answer. A socket that is closed by now left a message that says so, behind data that are still to be handled.
renew_credit(#link{unrenewed = Unrenewed} = Link) when Unrenewed + 1 < ?RENEWED ->
    Link#link{unrenewed = Unrenewed + 1};
renew_credit(Link) ->
    _ = grant(Link, ?RENEWED),
    Link#link{unrenewed = 0}.

grant(#link{socket = Socket}, Messages) ->
    inet:setopts(Socket, [{active, Messages}]).

opened(#link{rx = Rx} = Link, Data) ->
    case rustls_dist_nif:rx_open(Rx, Data, ?ALL_PACKETS) of
        {ok, Packets, Events} ->
            put_packets(Link, Packets),
            handle_events(Link, Events);
        {error, #{kind := Kind} = Error} ->
            exit(Link#link.controller, {tls_error, Kind}),
            Sent = last_words(Link, Error#{alert => none}, fun() -> rustls_dist_channel:send_alert(Link#link.tls, Error) end),
            rustls_dist_log:broken_link(Link#link.socket, {tls, Sent}),
            exit({tls_error, Kind})
    end.

put_packets(#link{dhandle = DHandle}, Packets) ->
    try
        put_all(DHandle, Packets)
    catch
        error:badarg -> death_row(connection_closed)
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
handle_events(_Link, [close_notify | _]) ->
    exit(connection_closed);
handle_events(#link{socket = Socket}, [{alert, {_Code, Name} = Alert} | _]) ->
    rustls_dist_log:broken_link(Socket, {tls_alert, Alert}),
    exit({tls_alert, Name}).

%% The link is ended from our side: say close_notify (RFC 8446 section 6.1).
-spec farewell(#link{}, term()) -> no_return().
farewell(#link{tls = #{socket := Socket, tx := Tx}} = Link, Reason) ->
    _ = last_words(Link, unsaid, fun() -> close_notify(Socket, rustls_dist_nif:tx_close_notify(Tx)) end),
    exit(Reason).

close_notify(Socket, {ok, Record}) -> rustls_dist_channel:send_now(Socket, Record);
close_notify(_Socket, {error, _Closed} = Error) -> Error.

%% Speaks to the peer a last time, if that can be done in order and without waiting: the controller, which does not trap
%% exits and is on its way out, must be gone, everything it sealed must have gone to the socket, and the socket must have
%% sent it. Returns what Speak does, or Unsaid.
-spec last_words(#link{}, Unsaid, fun(() -> Said)) -> Said | Unsaid.
last_words(#link{socket = Socket, controller = Controller, sending = Sending}, Unsaid, Speak) ->
    Ref = erlang:monitor(process, Controller),
    Gone = receive {'DOWN', Ref, process, Controller, _} -> true after ?CONTROLLER_EXIT_MS -> false end,
    case Gone andalso {atomics:get(Sending, 1), inet:getstat(Socket, [send_pend])} of
        {0, {ok, [{send_pend, 0}]}} -> Speak();
        _ -> Unsaid
    end.

-spec death_row(term()) -> no_return().
death_row(Reason) ->
    receive
        {'EXIT', _Pid, First} -> exit(First)
    after ?DEATH_ROW_MS ->
        exit(Reason)
    end.
