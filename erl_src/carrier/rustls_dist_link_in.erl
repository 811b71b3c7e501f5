%% The supervisor process of a link that a peer opened: runs the distribution handshake, then ticks (dist_util).
-module(rustls_dist_link_in).

-export([start/6]).
-export([init/7]).

-include_lib("kernel/include/dist_util.hrl").

%% Called by net_kernel. Acceptor: the process that did the TLS handshake (rustls_dist_accepted) and still owns the socket.
-spec start(inet | inet6, pid(), rustls_dist_handshake:tls(), node(), list(), timeout()) -> pid().
start(Family, Acceptor, Tls, MyNode, Allowed, SetupTime) ->
    spawn_opt(?MODULE, init, [Family, self(), Acceptor, Tls, MyNode, Allowed, SetupTime],
              dist_util:net_ticker_spawn_options()).

-spec init(inet | inet6, pid(), pid(), rustls_dist_handshake:tls(), node(), list(), timeout()) -> no_return().
init(Family, Kernel, Acceptor, Tls, MyNode, Allowed, SetupTime) ->
    rustls_dist_crash:without_terms(fun() -> accept(Family, Kernel, Acceptor, Tls, MyNode, Allowed, SetupTime) end).

accept(Family, Kernel, Acceptor, Tls, MyNode, Allowed, SetupTime) ->
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

handshake(Family, Kernel, #{address := Address} = Tls, MyNode, Allowed, SetupTime) ->
    Timer = dist_util:start_timer(SetupTime),
    Controller = rustls_dist_controller:start_link(#{direction => in, stage => distribution_handshake,
                                                     address => Address}),
    HsData = rustls_dist_hs_data:new(Family, Tls, MyNode, Controller),
    maybe_identify(HsData#hs_data{kernel_pid = Kernel, timer = Timer}, Tls, Allowed).

%% Both rules are applied before dist_util lets the peer in.
maybe_identify(#hs_data{socket = Controller} = HsData, Tls, Allowed) ->
    case rustls_dist_negotiation:guarded(Controller, Tls, fun() -> rustls_dist_allow:nodes(Tls, Allowed) end) of
        {ok, Nodes} -> identify(HsData#hs_data{allowed = Nodes}, Tls);
        {error, Reason} -> refuse(Controller, Tls, rustls_dist_handshake_io:tell(Tls, Reason))
    end.

%% The name is read here, too, since dist_util tells nobody who it was that it turned away.
identify(#hs_data{socket = Controller, f_recv = Recv, f_send = Send} = HsData,
         #{verify_node := Policy, facts := #{peer_der := Der}} = Tls) ->
    case Recv(Controller, 0, infinity) of
        {ok, First} ->
            Name = stated_name(Controller, Tls, list_to_binary(First)),
            case rustls_dist_negotiation:guarded(Controller, Tls,
                                                 fun() -> rustls_dist_verify_node:check(Policy, Name, Der) end) of
                ok ->
                    rustls_dist_negotiation:other_started(HsData#hs_data{f_recv = once_again(First, Recv)}, Tls);
                {error, {tls, _} = Reason} ->
                    refuse(Controller, Tls, rustls_dist_handshake_io:tell(Tls, Reason));
                {error, Reason} ->
                    _ = Send(Controller, "snot_allowed"),
                    refuse(Controller, Tls, Reason)
            end;
        {error, _Noted} ->
            rustls_dist_negotiation:turn_away(Tls),
            exit(shutdown)
    end.

stated_name(Controller, Tls, Packet) ->
    case rustls_dist_packets:name(Packet) of
        {ok, Name} ->
            rustls_dist_controller:note_progress(Controller, #{stage => distribution_handshake, states => Name}),
            Name;
        {error, Fault} ->
            refuse(Controller, Tls, Fault)
    end.

%% dist_util shall find the packet that was looked at where it expects it.
once_again(First, Recv) ->
    Given = atomics:new(1, []),
    fun(Socket, Length, Timeout) ->
            case atomics:exchange(Given, 1, 1) of
                0 -> {ok, First};
                1 -> Recv(Socket, Length, Timeout)
            end
    end.

-spec refuse(pid(), rustls_dist_handshake:tls(), term()) -> no_return().
refuse(Controller, Tls, Reason) ->
    rustls_dist_controller:note_failure(Controller, Reason),
    rustls_dist_negotiation:turn_away(Tls),
    ?shutdown2(Controller, Reason).
