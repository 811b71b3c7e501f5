%% kernel's check_ip: only peers on one of this host's own networks may connect.
%%
%% @private
-module(rustls_dist_check_ip).

-export([check/1, on_same_network/2]).

%% `ok' when check_ip is off or the peer's address is on the network of one of our interfaces.
-spec check(inet:socket()) -> ok | {error, {check_ip, term()}}.
check(Socket) ->
    case application:get_env(kernel, check_ip) of
        {ok, true} -> check_peer(inet:peername(Socket), inet:getifaddrs());
        _ -> ok
    end.

%% Whether Ip shares the network of an interface, by that interface's own netmask.
-spec on_same_network(inet:ip_address(), [{string(), [{atom(), term()}]}]) -> boolean().
on_same_network(Ip, Interfaces) ->
    lists:any(fun({_Name, Options}) -> lists:any(fun(Net) -> same_network(Ip, Net) end, networks(Options)) end,
              Interfaces).

check_peer({ok, {Ip, _Port}}, {ok, Interfaces}) ->
    case on_same_network(Ip, Interfaces) of
        true -> ok;
        false -> {error, {check_ip, Ip}}
    end;
check_peer(Peer, Interfaces) ->
    {error, {check_ip, {unknown, Peer, Interfaces}}}.

%% getifaddrs gives each address followed by its netmask.
networks([{addr, Addr}, {netmask, Mask} | Rest]) -> [{Addr, Mask} | networks(Rest)];
networks([_Other | Rest]) -> networks(Rest);
networks([]) -> [].

same_network(Ip, {Addr, Mask}) when tuple_size(Ip) =:= tuple_size(Addr), tuple_size(Ip) =:= tuple_size(Mask) ->
    masked(Ip, Mask) =:= masked(Addr, Mask);
same_network(_Ip, _OtherFamily) ->
    false.

masked(Ip, Mask) ->
    lists:zipwith(fun(A, B) -> A band B end, tuple_to_list(Ip), tuple_to_list(Mask)).
