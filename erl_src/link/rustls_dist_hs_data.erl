%% The #hs_data{} that dist_util drives the distribution handshake with: TLS underneath, a controller process instead of
%% a port, otherwise as inet_tcp_dist fills it.
%%
%% @private
-module(rustls_dist_hs_data).

-export([new/4]).

-include_lib("kernel/include/net_address.hrl").
-include_lib("kernel/include/dist_util.hrl").

%% Fills in what both directions have in common, and starts the link's controller. Called by the link's supervisor.
%% Undertaker: who is told why it fails.
-spec new(inet | inet6, rustls_dist_handshake:tls(), node(), pid()) -> #hs_data{}.
new(Family, #{socket := Socket, role := Role} = Tls, MyNode, Undertaker) ->
    Turn = rustls_dist_turn:new(),
    Controller = rustls_dist_controller:start_link(Tls, Turn),
    Unheard = counters:new(1, []),
    #hs_data{socket = Controller,
             this_node = MyNode,
             this_flags = 0,
             f_send = fun(_, Packet) -> noted(Undertaker, rustls_dist_handshake_io:send(Tls, Packet)) end,
             f_recv = fun(_, _Length, Timeout) -> recv(Tls, MyNode, Undertaker, Timeout) end,
             f_setopts_pre_nodeup = fun(_) -> ok end,
             f_setopts_post_nodeup = fun(_) -> inet:setopts(Socket, rustls_dist_sockopts:established(Role)) end,
             f_getll = fun(_) -> getll(Controller, Tls, Turn) end,
             f_address = fun(_, Node) -> address(Family, Tls, Node) end,
             f_handshake_complete = fun(_, Node, DHandle) -> complete(Undertaker, Controller, Tls#{node => Node}, DHandle) end,
             mf_tick = fun(_) -> rustls_dist_tick:send(Controller, Tls, Turn) end,
             mf_getstat = fun(_) -> rustls_dist_tick:getstat(Socket, Unheard) end,
             mf_setopts = fun(_, Options) -> rustls_dist_sockopts:set(Socket, Options) end,
             mf_getopts = fun(_, Options) -> rustls_dist_sockopts:get(Socket, Options) end}.

recv(Tls, MyNode, Undertaker, Timeout) ->
    case noted(Undertaker, judged(Tls, MyNode, rustls_dist_handshake_io:recv(Tls, Timeout))) of
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
getll(Controller, Tls, Turn) ->
    ok = rustls_dist_links:add(Controller, Tls, Turn),
    {ok, Controller}.

complete(Undertaker, Controller, #{node := Node} = Tls, DHandle) ->
    ok = rustls_dist_undertaker:dismiss(Undertaker),
    ok = rustls_dist_controller:up(Controller, Node, DHandle),
    rustls_dist_links:up(Controller, Tls).

%% dist_util keeps most reasons to itself; the undertaker, which reports the failure, is told before.
%% Whether the peer ended the connection in order, or it was cut, is what dist_util does not ask about.
noted(Undertaker, {error, close_notify}) ->
    rustls_dist_undertaker:note_failure(Undertaker, {closed, in_order}),
    {error, closed};
noted(Undertaker, {error, closed} = Error) ->
    rustls_dist_undertaker:note_failure(Undertaker, {closed, cut}),
    Error;
noted(Undertaker, {error, Reason} = Error) ->
    rustls_dist_undertaker:note_failure(Undertaker, Reason),
    Error;
noted(_Undertaker, Result) ->
    Result.

%% The address is kept from when the connection was new: a socket that was reset does not tell it any more.
address(Family, #{address := Address}, Node) ->
    {node, _Name, Host} = dist_util:split_node(Node),
    #net_address{address = case Address of
                               none -> undefined;
                               _ -> Address
                           end,
                 host = Host, protocol = tls, family = Family}.
