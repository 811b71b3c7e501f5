%% The input handler of a link: owns the socket, opens what arrives, and gives the packets to the VM.
%% The census of a link's processes is in rustls_dist_controller.
-module(rustls_dist_input).

-export([start_link/3, go/1]).
-export([init/4]).

-record(link, {dhandle :: erlang:dist_handle(),
               socket :: inet:socket(),
               controller :: pid(),
               tls :: rustls_dist_handshake:tls(),
               rx :: rustls_dist_nif:rx()}).

%% Socket messages before the socket falls silent until it is told to go on: enough that it never idles, few enough
%% that what is not handled yet stays bounded.
-define(ACTIVE, 16).

%% Packets that one call returns at most; there is no reason to leave any.
-define(ALL_PACKETS, 16#ffffffff).

-define(DEATH_ROW_MS, 5000).
-define(CONTROLLER_EXIT_MS, 100).

-define(SPAWN_OPTIONS, [link, {message_queue_data, off_heap}, {fullsweep_after, 0}]).

%% Starts a handler that waits for the socket. Called by the controller.
-spec start_link(erlang:dist_handle(), rustls_dist_handshake:tls(), pid()) -> pid().
start_link(DHandle, Tls, Supervisor) ->
    spawn_opt(?MODULE, init, [DHandle, Tls, Supervisor, self()], ?SPAWN_OPTIONS).

%% The socket is the handler's now.
-spec go(pid()) -> ok.
go(Input) ->
    Input ! go,
    ok.

-spec init(erlang:dist_handle(), rustls_dist_handshake:tls(), pid(), pid()) -> no_return().
init(DHandle, #{socket := Socket, rx := Rx} = Tls, Supervisor, Controller) ->
    process_flag(trap_exit, true),
    link(Supervisor),
    Link = #link{dhandle = DHandle, socket = Socket, controller = Controller, tls = Tls, rx = Rx},
    receive
        go -> ok;
        {'EXIT', _Pid, Reason} -> exit(Reason)
    end,
    ok = rustls_dist_nif:rx_established(Rx),
    %% Packets may have come with the last one of the distribution handshake.
    opened(Link, <<>>),
    activate(Link),
    loop(Link).

loop(#link{socket = Socket} = Link) ->
    receive
        {tcp, Socket, Data} ->
            opened(Link, Data),
            loop(Link);
        {tcp_passive, Socket} ->
            activate(Link),
            loop(Link);
        {tcp_closed, Socket} ->
            exit(connection_closed);
        {tcp_error, Socket, Reason} ->
            exit({tcp_error, Reason});
        {'EXIT', _Pid, Reason} ->
            farewell(Link, Reason);
        _Other ->
            loop(Link)
    end.

activate(#link{socket = Socket}) ->
    case inet:setopts(Socket, [{active, ?ACTIVE}]) of
        ok -> ok;
        {error, _} -> death_row(connection_closed)
    end.

opened(#link{rx = Rx} = Link, Data) ->
    case rustls_dist_nif:rx_open(Rx, Data, ?ALL_PACKETS) of
        {ok, Packets, Events} ->
            put_packets(Link, Packets),
            handle_events(Link, Events);
        {error, #{kind := Kind} = Error} ->
            rustls_dist_log:broken_link(Link#link.socket, {tls, Error}),
            rustls_dist_channel:send_alert(Link#link.tls, Error),
            exit({tls_error, Kind})
    end.

put_packets(#link{dhandle = DHandle}, Packets) ->
    try
        lists:foreach(fun(Packet) -> erlang:dist_ctrl_put_data(DHandle, Packet) end, Packets)
    catch
        error:badarg -> death_row(connection_closed)
    end.

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

%% The link is ended from our side: say close_notify (RFC 8446 section 6.1), if that can be done without waiting and in
%% order, which is when nothing sealed is still unsent. The controller does not trap exits, so it is gone in an instant;
%% only then is the order of records certain.
-spec farewell(#link{}, term()) -> no_return().
farewell(#link{socket = Socket, controller = Controller, tls = #{tx := Tx}}, Reason) ->
    Ref = erlang:monitor(process, Controller),
    receive {'DOWN', Ref, process, Controller, _} -> ok after ?CONTROLLER_EXIT_MS -> ok end,
    case inet:getstat(Socket, [send_pend]) of
        {ok, [{send_pend, 0}]} -> close_notify(Socket, rustls_dist_nif:tx_close_notify(Tx));
        _ -> ok
    end,
    exit(Reason).

close_notify(Socket, {ok, Record}) -> rustls_dist_channel:send_now(Socket, Record);
close_notify(_Socket, {error, _Closed}) -> ok.

-spec death_row(term()) -> no_return().
death_row(Reason) ->
    receive
        {'EXIT', _Pid, First} -> exit(First)
    after ?DEATH_ROW_MS ->
        exit(Reason)
    end.
