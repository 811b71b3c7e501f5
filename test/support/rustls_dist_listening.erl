%% Ports for nodes that are told where to listen, and where they do listen.
-module(rustls_dist_listening).

-export([free_ports/2, addresses/1, peers/1, joined_both_ways/2]).

%% run on the node
-export([sockets/0]).

-include_lib("stdlib/include/assert.hrl").

%% Count ports that are free on every address of a family, below those that the system gives to others. Suites of other
%% VMs look for ports at the same time: while a UDP socket of the same number is open, which is until the calling process
%% ends, none of them takes the port.
-spec free_ports(inet | inet6, pos_integer()) -> [inet:port_number()].
free_ports(Family, Count) ->
    [free_port(Family) || _ <- lists:seq(1, Count)].

free_port(Family) ->
    Port = 15000 + rand:uniform(15000),
    case gen_udp:open(Port, [{ip, {127, 0, 0, 1}}]) of
        {ok, Claim} ->
            case gen_tcp:listen(Port, [Family, {reuseaddr, false}]) of
                {ok, Socket} ->
                    ok = gen_tcp:close(Socket),
                    Port;
                {error, eaddrinuse} ->
                    ok = gen_udp:close(Claim),
                    free_port(Family)
            end;
        {error, eaddrinuse} ->
            free_port(Family)
    end.

%% Where Node listens for links. A listening socket of the node's is the distribution's: nothing else listens there.
-spec addresses(rustls_dist_cluster:peer()) -> [{inet:ip_address(), inet:port_number()}].
addresses(Node) ->
    [Own || {Own, {error, enotconn}} <- rustls_dist_cluster:call(Node, ?MODULE, sockets, [])].

%% The addresses at the other ends of Node's links; its connection to epmd is none of them.
-spec peers(rustls_dist_cluster:peer()) -> [{inet:ip_address(), inet:port_number()}].
peers(Node) ->
    EpmdPort = list_to_integer(rustls_dist_cluster:call(Node, os, getenv, ["ERL_EPMD_PORT"])),
    [Peer || {_Own, {ok, {_Ip, Port} = Peer}} <- rustls_dist_cluster:call(Node, ?MODULE, sockets, []),
             Port =/= EpmdPort].

-spec sockets() -> [{term(), {ok, term()} | {error, inet:posix()}}].
sockets() ->
    [{Own, inet:peername(Port)} || Port <- erlang:ports(), {name, "tcp_inet"} =:= erlang:port_info(Port, name),
                                   {ok, Own} <- [inet:sockname(Port)]].

%% Either node dials the other, and both get through to the other each time. Carriers of OTP's are welcome.
-spec joined_both_ways(rustls_dist_cluster:peer(), rustls_dist_cluster:peer()) -> ok.
joined_both_ways(A, B) ->
    lists:foreach(fun({From, To}) ->
                          ok = rustls_dist_cluster:join(From, To),
                          ?assertEqual([pong, pong], [ping(From, To), ping(To, From)]),
                          ok = rustls_dist_cluster:part(From, To)
                  end, [{A, B}, {B, A}]).

ping(From, To) ->
    rustls_dist_cluster:call(From, net_adm, ping, [rustls_dist_cluster:name(To)]).
