%% The #hs_data{} that dist_util drives the distribution handshake with: TLS underneath, a controller process instead of
%% a port, otherwise as inet_tcp_dist fills it.
-module(rustls_dist_hs_data).

-export([new/3]).

-include_lib("kernel/include/net_address.hrl").
-include_lib("kernel/include/dist_util.hrl").

%% Fills in what both directions have in common. Controller: the link's controller process, still waiting.
-spec new(inet | inet6, rustls_dist_handshake:tls(), pid()) -> #hs_data{}.
new(Family, #{socket := Socket, role := Role} = Tls, Controller) ->
    Turn = rustls_dist_turn:new(),
    Unheard = counters:new(1, []),
    #hs_data{socket = Controller,
             this_flags = 0,
             f_send = fun(_, Packet) -> noted(Controller, rustls_dist_channel:send(Tls, Packet)) end,
             f_recv = fun(_, _Length, Timeout) -> recv(Tls, Controller, Timeout) end,
             f_setopts_pre_nodeup = fun(_) -> ok end,
             f_setopts_post_nodeup = fun(_) -> inet:setopts(Socket, rustls_dist_sockopts:established(Role)) end,
             f_getll = fun(_) -> getll(Controller, Tls) end,
             f_address = fun(_, Node) -> address(Family, Socket, Node) end,
             f_handshake_complete = fun(_, Node, DHandle) -> rustls_dist_controller:up(Controller, Node, DHandle, Tls, Turn) end,
             mf_tick = fun(_) -> rustls_dist_tick:send(Controller, Tls, Turn) end,
             mf_getstat = fun(_) -> rustls_dist_tick:getstat(Socket, Unheard) end,
             mf_setopts = fun(_, Options) -> rustls_dist_sockopts:set(Socket, Options) end,
             mf_getopts = fun(_, Options) -> rustls_dist_sockopts:get(Socket, Options) end}.

recv(Tls, Controller, Timeout) ->
    case noted(Controller, rustls_dist_channel:recv(Tls, Timeout)) of
        {ok, Packet} -> {ok, binary_to_list(Packet)};
        Error -> Error
    end.

%% The last step before the link is up.
getll(Controller, Tls) ->
    ok = rustls_dist_links:add(Controller, Tls),
    {ok, Controller}.

%% dist_util keeps most reasons to itself; the controller, which reports the failure, is told before.
noted(Controller, {error, Reason} = Error) ->
    rustls_dist_controller:note_failure(Controller, Reason),
    Error;
noted(_Controller, Result) ->
    Result.

address(Family, Socket, Node) ->
    case {inet:peername(Socket), dist_util:split_node(Node)} of
        {{ok, Address}, {node, _Name, Host}} ->
            #net_address{address = Address, host = Host, protocol = tls, family = Family};
        _ ->
            ?shutdown2(Node, {no_peer_address, Node})
    end.
