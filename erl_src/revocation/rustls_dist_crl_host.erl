%% Which servers may be asked for revocation lists: a certificate says where its list is, and whoever has a certificate made
%% would otherwise have this node send requests to whatever this node can reach (ssl_crl_cache of OTP 29, allowed_hosts).
%%
%% Servers that the user lists are asked. Without a list, those on the outside are, on the ports of HTTP; an address is
%% judged and then connected to, so that a name cannot have another one in between.
%%
%% @private
-module(rustls_dist_crl_host).

-export([addresses/3]).

-export_type([allowed/0]).

-include_lib("kernel/include/inet.hrl").

%% As rustls_dist_host_port parses them; none means the outside.
-type allowed() :: [string()].

-define(HTTP_PORT, 80).
-define(OUTSIDE_PORTS, [80, 8080]).

%% The addresses of the server that Uri names, those of IPv6 first, or why it may not be asked.
-spec addresses(uri_string:uri_map(), allowed(), rustls_dist_deadline:deadline()) ->
          {ok, [inet:ip_address(), ...]} | {error, unicode:chardata()}.
addresses(#{host := Host} = Uri, Allowed, Deadline) ->
    Port = maps:get(port, Uri, ?HTTP_PORT),
    case is_listed(Host, Port, Allowed) of
        true -> resolve(Host, Deadline);
        false when Allowed =/= [] -> {error, [shown(Host, Port), " is not one of allowed_hosts in crl_cache"]};
        false ->
            case lists:member(Port, ?OUTSIDE_PORTS) of
                true -> outside(Host, Port, resolve(Host, Deadline));
                false -> {error, ["port ", integer_to_list(Port), " is asked only where it is listed: ", remedy(Host, Port)]}
            end
    end.

outside(Host, Port, {ok, Addresses}) ->
    case lists:filter(fun is_outside/1, Addresses) of
        [] -> {error, [inet:ntoa(hd(Addresses)), " is an internal address, which is asked only where it is listed: ",
                       remedy(Host, Port)]};
        Outside -> {ok, Outside}
    end;
outside(_Host, _Port, Error) ->
    Error.

remedy(Host, Port) ->
    ["{allowed_hosts, [\"", shown(Host, Port), "\"]} beside http in crl_cache"].

shown(Host, Port) ->
    Name = case lists:member($:, Host) of
               true -> ["[", Host, "]"];
               false -> Host
           end,
    [Name, ":", integer_to_list(Port)].

is_listed(Host, Port, Allowed) ->
    lists:member({ok, {string:lowercase(Host), Port}}, [rustls_dist_host_port:parse(Entry) || Entry <- Allowed]).

%% Half of the time for IPv6, so that IPv4 gets its turn.
resolve(Host, Deadline) ->
    case inet:parse_address(Host) of
        {ok, Address} ->
            {ok, [Address]};
        {error, einval} ->
            Sixth = look_up(Host, inet6, rustls_dist_deadline:left_ms(Deadline) div 2),
            case Sixth ++ look_up(Host, inet, rustls_dist_deadline:left_ms(Deadline)) of
                [] -> {error, ["the host ", Host, " is not known"]};
                Addresses -> {ok, Addresses}
            end
    end.

look_up(Host, Family, TimeoutMs) ->
    case inet:gethostbyname(Host, Family, TimeoutMs) of
        {ok, #hostent{h_addr_list = Addresses}} -> Addresses;
        {error, _} -> []
    end.

%% IPv6 has several ways to write an address of IPv4 (RFC 4291 section 2.5.5.2, RFC 6052, RFC 3056).
is_outside({0, 0, 0, 0, 0, 16#ffff, High, Low}) -> is_outside(fourth(High, Low));
is_outside({16#64, 16#ff9b, 0, 0, 0, 0, High, Low}) -> is_outside(fourth(High, Low));
is_outside({16#2002, High, Low, _, _, _, _, _}) -> is_outside(fourth(High, Low));
%% Loopback, the unspecified address, unique local, link-local, multicast: only what is allotted to the world is outside.
is_outside({First, _, _, _, _, _, _, _}) -> First >= 16#2000 andalso First < 16#4000;
%% The special-purpose addresses of RFC 6890, and multicast.
is_outside({0, _, _, _}) -> false;
is_outside({10, _, _, _}) -> false;
is_outside({100, Second, _, _}) -> Second < 64 orelse Second > 127;
is_outside({127, _, _, _}) -> false;
is_outside({169, 254, _, _}) -> false;
is_outside({172, Second, _, _}) -> Second < 16 orelse Second > 31;
is_outside({192, 0, 0, _}) -> false;
is_outside({192, 168, _, _}) -> false;
is_outside({198, Second, _, _}) -> Second < 18 orelse Second > 19;
is_outside({First, _, _, _}) -> First < 224.

fourth(High, Low) ->
    {High bsr 8, High band 255, Low bsr 8, Low band 255}.
