%% One accepted connection until net_kernel takes it over: the address check, the TLS handshake, and handing the result on.
-module(rustls_dist_incoming).

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

-spec init(inet | inet6, pid()) -> ok.
init(Family, Kernel) ->
    receive {go, Socket} -> rustls_dist_crash:without_terms(fun() -> serve(Family, Kernel, Socket) end) end.

serve(Family, Kernel, Socket) ->
    Peer = rustls_dist_log:peer(Socket),
    case secure(Socket) of
        {ok, Tls} ->
            hand_over(Family, Kernel, Tls, Peer);
        {error, Reason} ->
            rustls_dist_log:failed_incoming(Peer, Reason),
            rustls_dist_handshake:close_gently(Socket)
    end.

secure(Socket) ->
    case rustls_dist_check_ip:check(Socket) of
        ok ->
            case rustls_dist_config:fetch(server) of
                {ok, Config} -> rustls_dist_handshake:run(Socket, server, {Config, any}, net_kernel:connecttime());
                {error, Text} -> {error, {configuration, Text}}
            end;
        {error, _} = Error ->
            Error
    end.

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
