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
    maybe_identify(HsData#hs_data{kernel_pid = Kernel, this_node = MyNode, timer = Timer}, Tls, Allowed).

%% Both rules are applied before dist_util lets the peer in.
maybe_identify(#hs_data{socket = Controller} = HsData, Tls, Allowed) ->
    case rustls_dist_allow:nodes(Tls, Allowed) of
        {ok, Nodes} -> identify(HsData#hs_data{allowed = Nodes}, Tls);
        {error, Reason} -> refuse(Controller, rustls_dist_channel:tell(Tls, Reason))
    end.

identify(HsData, #{verify_node := false}) ->
    dist_util:handshake_other_started(HsData);
identify(#hs_data{socket = Controller, f_recv = Recv, f_send = Send} = HsData,
         #{verify_node := Policy, facts := #{peer_der := Der}} = Tls) ->
    case Recv(Controller, 0, infinity) of
        {ok, First} ->
            case stated(Policy, list_to_binary(First), Der) of
                ok ->
                    dist_util:handshake_other_started(HsData#hs_data{f_recv = once_again(First, Recv)});
                {error, {tls, _} = Reason} ->
                    refuse(Controller, rustls_dist_channel:tell(Tls, Reason));
                {error, Reason} ->
                    _ = Send(Controller, "snot_allowed"),
                    refuse(Controller, Reason)
            end;
        {error, Reason} ->
            refuse(Controller, Reason)
    end.

stated(Policy, Packet, Der) ->
    case rustls_dist_identity:stated_name(Packet) of
        {ok, Name} -> rustls_dist_identity:check(Policy, Name, Der);
        error -> {error, {bad_name_packet, binary:part(Packet, 0, min(16, byte_size(Packet)))}}
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

-spec refuse(pid(), term()) -> no_return().
refuse(Controller, Reason) ->
    rustls_dist_controller:note_failure(Controller, Reason),
    ?shutdown2(Controller, Reason).
