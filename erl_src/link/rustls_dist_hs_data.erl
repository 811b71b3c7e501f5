%% The #hs_data{} that dist_util drives the distribution handshake with: TLS underneath, a controller process instead of
%% a port, otherwise as inet_tcp_dist fills it.
-module(rustls_dist_hs_data).

-export([new/4]).

-include_lib("kernel/include/net_address.hrl").
-include_lib("kernel/include/dist_util.hrl").

%% Fills in what both directions have in common. Controller: the link's controller process, still waiting.
-spec new(inet | inet6, rustls_dist_handshake:tls(), node(), pid()) -> #hs_data{}.
new(Family, #{socket := Socket, role := Role} = Tls, MyNode, Controller) ->
    Turn = rustls_dist_turn:new(),
    Unheard = counters:new(1, []),
    #hs_data{socket = Controller,
             this_node = MyNode,
             this_flags = 0,
             f_send = fun(_, Packet) -> noted(Controller, rustls_dist_handshake_io:send(Tls, Packet)) end,
             f_recv = fun(_, _Length, Timeout) -> recv(Tls, MyNode, Controller, Timeout) end,
             f_setopts_pre_nodeup = fun(_) -> ok end,
             f_setopts_post_nodeup = fun(_) -> inet:setopts(Socket, rustls_dist_sockopts:established(Role)) end,
             f_getll = fun(_) -> getll(Controller, Tls) end,
             f_address = fun(_, Node) -> address(Family, Tls, Node) end,
             f_handshake_complete = fun(_, Node, DHandle) -> rustls_dist_controller:up(Controller, Node, DHandle, Tls, Turn) end,
             mf_tick = fun(_) -> rustls_dist_tick:send(Controller, Tls, Turn) end,
             mf_getstat = fun(_) -> rustls_dist_tick:getstat(Socket, Unheard) end,
             mf_setopts = fun(_, Options) -> rustls_dist_sockopts:set(Socket, Options) end,
             mf_getopts = fun(_, Options) -> rustls_dist_sockopts:get(Socket, Options) end}.

recv(Tls, MyNode, Controller, Timeout) ->
    case noted(Controller, judged(Tls, MyNode, rustls_dist_handshake_io:recv(Tls, Timeout))) of
        {ok, Packet} -> {ok, binary_to_list(Packet)};
        Error -> Error
    end.

judged(#{role := Role}, MyNode, {ok, Packet}) ->
    Direction = case Role of
                    client -> out;
                    server -> in
                end,
    case rustls_dist_packets:judge(Direction, MyNode, Packet) of
        ok -> {ok, Packet};
        {error, _} = Error -> Error
    end;
judged(_Tls, _MyNode, Error) ->
    Error.

%% The last step before the link is up.
getll(Controller, Tls) ->
    ok = rustls_dist_links:add(Controller, Tls),
    {ok, Controller}.

%% dist_util keeps most reasons to itself; the controller, which reports the failure, is told before.
%% Whether the peer ended the connection in order, or it was cut, is what dist_util does not ask about.
noted(Controller, {error, close_notify}) ->
    rustls_dist_controller:note_failure(Controller, {closed, in_order}),
    {error, closed};
noted(Controller, {error, closed} = Error) ->
    rustls_dist_controller:note_failure(Controller, {closed, cut}),
    Error;
noted(Controller, {error, Reason} = Error) ->
    rustls_dist_controller:note_failure(Controller, Reason),
    Error;
noted(_Controller, Result) ->
    Result.

%% The address is kept from when the connection was new: a socket that was reset does not tell it any more.
address(Family, #{address := Address}, Node) ->
    {node, _Name, Host} = dist_util:split_node(Node),
    #net_address{address = case Address of
                               none -> undefined;
                               _ -> Address
                           end,
                 host = Host, protocol = tls, family = Family}.
