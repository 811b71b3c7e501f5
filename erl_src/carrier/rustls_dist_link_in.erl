%% The supervisor process of a link that a peer opened: runs the distribution handshake, then ticks (dist_util).
%%
%% @private
-module(rustls_dist_link_in).

-export([start/6]).
-export([init/7]).

-include_lib("kernel/include/dist_util.hrl").

%% Called by net_kernel. Acceptor: the process that did the TLS handshake (rustls_dist_accepted) and still owns the socket.
-spec start(inet | inet6, pid(), rustls_dist_handshake:tls(), node(), list(), timeout()) -> pid().
start(Family, Acceptor, Tls, MyNode, Allowed, SetupTime) ->
    spawn_opt(?MODULE, init, [Family, self(), Acceptor, Tls, MyNode, Allowed, SetupTime],
              dist_util:net_ticker_spawn_options()).

%% The process itself.
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
    Undertaker = rustls_dist_undertaker:start_link(#{direction => in, stage => distribution_handshake, address => Address}),
    Nodes = permitted(Undertaker, Tls, Allowed),
    HsData = rustls_dist_hs_data:new(Family, Tls, MyNode, Undertaker),
    First = identified(HsData, Tls, Undertaker, Nodes),
    rustls_dist_negotiation:other_started(HsData#hs_data{kernel_pid = Kernel, timer = Timer, allowed = Nodes}, First, Tls,
                                          Undertaker).

%% This rule and the next are applied before dist_util lets the peer in.
permitted(Undertaker, Tls, Allowed) ->
    case rustls_dist_negotiation:guarded(Undertaker, Tls, fun() -> rustls_dist_allow:nodes(Tls, Allowed) end) of
        {ok, Nodes} -> Nodes;
        {error, Reason} -> refuse(Undertaker, Tls, rustls_dist_handshake_io:tell(Tls, Reason))
    end.

%% The peer's first packet, with a name that its certificate carries. It is read here, since dist_util tells nobody who it was
%% that it turned away.
identified(#hs_data{socket = Socket, f_recv = Recv} = HsData, Tls, Undertaker, Nodes) ->
    case Recv(Socket, 0, infinity) of
        {ok, Packet} ->
            First = list_to_binary(Packet),
            ok = no_question(Undertaker, Tls, Nodes, rustls_dist_packets:question(First)),
            ok = named(HsData, Tls, Undertaker, stated_name(Undertaker, Tls, First)),
            First;
        {error, _Noted} ->
            rustls_dist_negotiation:turn_away(Tls),
            exit(shutdown)
    end.

%% Who only asks is answered here, and net_kernel never hears of it.
no_question(_Undertaker, _Tls, _Nodes, error) ->
    ok;
no_question(Undertaker, Tls, Nodes, {ok, Name}) ->
    Answer = fun() -> rustls_dist_ping:answer(Tls, Nodes, Name) end,
    case rustls_dist_negotiation:guarded(Undertaker, Tls, Answer) of
        ok ->
            rustls_dist_negotiation:turn_away(Tls),
            exit(shutdown);
        {error, Reason} ->
            refuse(Undertaker, Tls, rustls_dist_handshake_io:tell(Tls, Reason))
    end.

named(#hs_data{socket = Socket, f_send = Send}, #{verify_node := Policy, facts := #{peer_der := Der}} = Tls, Undertaker, Name) ->
    Check = fun() -> rustls_dist_verify_node:check(Policy, Name, Der) end,
    case rustls_dist_negotiation:guarded(Undertaker, Tls, Check) of
        ok ->
            ok;
        {error, {tls, _} = Reason} ->
            refuse(Undertaker, Tls, rustls_dist_handshake_io:tell(Tls, Reason));
        {error, Reason} ->
            _ = Send(Socket, "snot_allowed"),
            refuse(Undertaker, Tls, Reason)
    end.

stated_name(Undertaker, Tls, Packet) ->
    case rustls_dist_packets:name(Packet) of
        {ok, Name} ->
            rustls_dist_undertaker:note_progress(Undertaker, #{stage => distribution_handshake, states => Name}),
            Name;
        {error, Fault} ->
            refuse(Undertaker, Tls, Fault)
    end.

-spec refuse(pid(), rustls_dist_handshake:tls(), term()) -> no_return().
refuse(Undertaker, Tls, Reason) ->
    rustls_dist_undertaker:note_failure(Undertaker, Reason),
    rustls_dist_negotiation:turn_away(Tls),
    ?shutdown2(Undertaker, Reason).
