%% One accepted connection until net_kernel takes it over: the address check, the first bytes, the TLS handshake, and
%% handing the result on. The configuration is that of the moment when the first bytes are there.
%%
%% @private
-module(rustls_dist_accepted).

-export([start/2, go/2]).
-export([init/2]).

%% Starts a process that waits for its socket. It is monitored, not linked: no peer ends the accept loop.
-spec start(inet | inet6, pid()) -> {pid(), reference()}.
start(Family, Kernel) ->
    spawn_opt(?MODULE, init, [Family, Kernel], [monitor]).

%% The socket is the process's now.
-spec go(pid(), inet:socket()) -> ok.
go(Pid, Socket) ->
    Pid ! {go, Socket},
    ok.

%% The process itself.
-spec init(inet | inet6, pid()) -> ok.
init(Family, Kernel) ->
    receive
        {go, Socket} -> rustls_dist_crash:without_terms(fun() -> serve(Family, Kernel, Socket) end)
    after net_kernel:connecttime() ->
        ok
    end.

serve(Family, Kernel, Socket) ->
    Peer = rustls_dist_log:peer(Socket),
    case secure(Socket) of
        {ok, Tls} ->
            hand_over(Family, Kernel, Tls, Peer);
        {error, Reason} ->
            rustls_dist_log:failed_incoming(Peer, Reason),
            rustls_dist_closing:gently(Socket)
    end.

secure(Socket) ->
    case rustls_dist_check_ip:check(Socket) of
        ok ->
            case rustls_dist_first_bytes:await(Socket, net_kernel:connecttime()) of
                {ok, First, LeftMs} -> handshake(Socket, First, LeftMs);
                {error, _} = Error -> Error
            end;
        {error, _} = Error ->
            Error
    end.

handshake(Socket, First, TimeoutMs) ->
    case rustls_dist_config:fetch(server) of
        {ok, Config} ->
            rustls_dist_handshake:accept(Socket, Config, First, TimeoutMs);
        no_certificate ->
            _ = gen_tcp:send(Socket, fatal(handshake_failure)),
            {error, no_certificate};
        {error, Text} ->
            {error, {configuration, Text}}
    end.

%% What a node without a certificate answers, as OTP's ssl does: a plain record of TLS 1.2 with that fatal alert (RFC 5246
%% sections 6.2.1 and 7.2).
fatal(Alert) ->
    <<21, 3, 3, 2:16, 2, (rustls_dist_alert:code(Alert))>>.

%% net_kernel's side of this is in accept_connection/5.
hand_over(Family, Kernel, #{socket := Socket} = Tls, Peer) ->
    Ref = erlang:monitor(process, Kernel),
    Kernel ! {accept, self(), Tls, Family, tls},
    receive
        {Kernel, controller, Supervisor} ->
            case gen_tcp:controlling_process(Socket, Supervisor) of
                ok -> Supervisor ! {self(), controller};
                {error, _} -> Supervisor ! {self(), exit}
            end,
            ok;
        {Kernel, unsupported_protocol} ->
            rustls_dist_log:failed_incoming(Peer, unsupported_protocol);
        {'DOWN', Ref, process, Kernel, _Reason} ->
            ok
    after net_kernel:connecttime() ->
        rustls_dist_log:failed_incoming(Peer, net_kernel_busy)
    end.
