%% The listening socket: its port, its registration with the epmd module, and the gate that keeps a node with bad
%% configuration from coming up.
-module(rustls_dist_listener).

-export([listen/3, address/1]).

-export_type([result/0]).

-include_lib("kernel/include/net_address.hrl").

-type result() :: {ok, {inet:socket(), #net_address{}, Creation :: integer()}} | {error, term()}.

%% Opens the listening socket and registers it. Errors are those of inet and of the epmd module, and a sentence for
%% configuration that cannot work; net_kernel prints it and ends the node.
-spec listen(inet | inet6, atom(), string()) -> result().
listen(Family, Name, Host) ->
    case configured([server, client]) of
        ok ->
            Epmd = net_kernel:epmd_module(),
            case open(Family, ports(Epmd, Name, Host)) of
                {ok, Socket} -> register(Epmd, Family, Name, Host, Socket);
                {error, _} = Error -> Error
            end;
        {error, _} = Error ->
            Error
    end.

%% The address of a node that does not listen (-dist_listen false); such a node only needs the client's configuration.
-spec address(inet | inet6) -> #net_address{}.
address(Family) ->
    case configured([client]) of
        ok ->
            {ok, Host} = inet:gethostname(),
            #net_address{host = Host, protocol = tls, family = Family};
        {error, Reason} ->
            error(Reason)
    end.

configured(Roles) ->
    Checked = rustls_dist_config:check(),
    case lists:usort([Text || Role <- Roles, {error, Text} <- [maps:get(Role, Checked)]]) of
        [] ->
            ok;
        Problems ->
            _ = [rustls_dist_log:configuration(Text) || Text <- Problems],
            {error, {rustls_dist, hd(Problems)}}
    end.

%% Which ports to try: the epmd module's wish, else the kernel parameters, else any.
ports(Epmd, Name, Host) ->
    case rustls_dist_lookup:call_epmd(Epmd, listen_port_please, [Name, Host]) of
        {ok, 0} -> port_range();
        {ok, Port} -> {Port, Port}
    end.

port_range() ->
    case {application:get_env(kernel, inet_dist_listen_min), application:get_env(kernel, inet_dist_listen_max)} of
        {{ok, Min}, {ok, Max}} when is_integer(Min), is_integer(Max) -> {Min, Max};
        {{ok, Min}, _} when is_integer(Min) -> {Min, Min};
        _ -> {0, 0}
    end.

open(Family, {First, Last}) when First =< Last ->
    case gen_tcp:listen(First, rustls_dist_sockopts:listen(Family)) of
        {error, eaddrinuse} -> open(Family, {First + 1, Last});
        Result -> Result
    end;
open(_Family, _Exhausted) ->
    {error, eaddrinuse}.

register(Epmd, Family, Name, Host, Socket) ->
    {ok, {_, Port} = Address} = inet:sockname(Socket),
    case Epmd:register_node(Name, Port, Family) of
        {ok, Creation} ->
            NetAddress = #net_address{address = Address, host = Host, protocol = tls, family = Family},
            {ok, {Socket, NetAddress, Creation}};
        Error ->
            ok = gen_tcp:close(Socket),
            Error
    end.
