%% The supervisor process of a link that a peer opened: runs the distribution handshake, then ticks (dist_util).
-module(rustls_dist_accept).

-export([start/6]).
-export([init/7]).

-include_lib("kernel/include/dist_util.hrl").

%% Called by net_kernel. Acceptor: the process that did the TLS handshake and still owns the socket.
-spec start(inet | inet6, pid(), rustls_dist_handshake:tls(), node(), list(), timeout()) -> pid().
start(Family, Acceptor, Tls, MyNode, Allowed, SetupTime) ->
    spawn_opt(?MODULE, init, [Family, self(), Acceptor, Tls, MyNode, Allowed, SetupTime],
              dist_util:net_ticker_spawn_options()).

-spec init(inet | inet6, pid(), pid(), rustls_dist_handshake:tls(), node(), list(), timeout()) -> no_return().
init(Family, Kernel, Acceptor, Tls, MyNode, Allowed, SetupTime) ->
    Ref = erlang:monitor(process, Acceptor),
    receive
        {Acceptor, controller} ->
            erlang:demonitor(Ref, [flush]),
            handshake(Family, Kernel, Tls, MyNode, Allowed, SetupTime);
        {Acceptor, exit} ->
            ?shutdown2(MyNode, connection_setup_failed);
        {'DOWN', Ref, process, Acceptor, _Reason} ->
            ?shutdown2(MyNode, connection_setup_failed)
    end.

handshake(Family, Kernel, #{socket := Socket} = Tls, MyNode, Allowed, SetupTime) ->
    Timer = dist_util:start_timer(SetupTime),
    Controller = rustls_dist_controller:start_link(#{direction => in, stage => distribution_handshake,
                                                     address => rustls_dist_log:peer(Socket)}),
    HsData = rustls_dist_hs_data:new(Family, Tls, Controller),
    case rustls_dist_allow:nodes(Tls, Allowed) of
        {ok, Nodes} ->
            dist_util:handshake_other_started(HsData#hs_data{kernel_pid = Kernel,
                                                             this_node = MyNode,
                                                             timer = Timer,
                                                             allowed = Nodes});
        {error, Reason} ->
            rustls_dist_controller:note_failure(Controller, Reason),
            ?shutdown2(MyNode, Reason)
    end.
