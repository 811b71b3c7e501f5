%% The supervisor process of a link that we open: finds the peer, connects, does both handshakes, then ticks (dist_util).
%% It does not trap exits: net_kernel ends it when the peer's own attempt wins.
%%
%% @private
-module(rustls_dist_link_out).

-export([start/6, connect/3, role/2]).
-export([init/7]).

-include_lib("kernel/include/dist_util.hrl").

%% Called by net_kernel.
-spec start(inet | inet6, node(), atom(), node(), longnames | shortnames, timeout()) -> pid().
start(Family, Node, Type, MyNode, LongOrShortNames, SetupTime) ->
    spawn_opt(?MODULE, init, [Family, self(), Node, Type, MyNode, LongOrShortNames, SetupTime],
              dist_util:net_ticker_spawn_options()).

%% The process itself.
-spec init(inet | inet6, pid(), node(), atom(), node(), longnames | shortnames, timeout()) -> no_return().
init(Family, Kernel, Node, Type, MyNode, LongOrShortNames, SetupTime) ->
    rustls_dist_crash:without_terms(fun() -> set_up(Family, Kernel, Node, Type, MyNode, LongOrShortNames, SetupTime) end).

set_up(Family, Kernel, Node, Type, MyNode, LongOrShortNames, SetupTime) ->
    Timer = dist_util:start_timer(SetupTime),
    Undertaker = rustls_dist_undertaker:start_link(#{direction => out, node => Node, stage => name_lookup}),
    Link = #{node => Node, undertaker => Undertaker},
    Config = succeed(Link, configuration()),
    Host = succeed(Link, rustls_dist_lookup:host(Family, Node, LongOrShortNames)),
    dist_util:reset_timer(Timer),
    rustls_dist_undertaker:note_progress(Undertaker, (maps:with([ip], Host))#{stage => epmd}),
    #{version := Version} = Target = succeed(Link, rustls_dist_lookup:port(Host)),
    dist_util:reset_timer(Timer),
    rustls_dist_undertaker:note_progress(Undertaker, #{stage => tcp, address => address(Target)}),
    ok = rustls_dist_attempts:begun(self(), Node, maps:get(ip, Target)),
    Socket = succeed(Link, connect(Family, Target, SetupTime)),
    dist_util:reset_timer(Timer),
    rustls_dist_undertaker:note_progress(Undertaker, #{stage => tls}),
    Tls = secure(Link, Target, Socket, Config, SetupTime),
    ok = identified(Link, Tls),
    %% This process lives as long as the link, and is not to keep the configuration, private keys and all, for so long.
    true = erlang:garbage_collect(),
    dist_util:reset_timer(Timer),
    rustls_dist_undertaker:note_progress(Undertaker, #{stage => distribution_handshake}),
    HsData = rustls_dist_hs_data:new(Family, Tls, MyNode, Undertaker),
    rustls_dist_negotiation:we_started(HsData#hs_data{kernel_pid = Kernel,
                                                      other_node = Node,
                                                      timer = Timer,
                                                      other_version = Version,
                                                      request_type = Type},
                                       Tls, Undertaker).

configuration() ->
    case rustls_dist_config:fetch(client) of
        {ok, Config} -> {ok, Config};
        {error, Text} -> {error, {configuration, Text}}
    end.

%% Opens the connection.
-spec connect(inet | inet6, rustls_dist_lookup:target(), timeout()) ->
          {ok, inet:socket()} | {error, {connect, inet:posix() | timeout}}.
connect(Family, #{ip := Ip, port := Port}, SetupTime) ->
    case gen_tcp:connect(Ip, Port, rustls_dist_sockopts:connect(Family), own_timeout(SetupTime)) of
        {ok, Socket} -> {ok, Socket};
        {error, Reason} -> {error, {connect, Reason}}
    end.

secure(Link, Target, Socket, Config, SetupTime) ->
    case rustls_dist_handshake:connect(Socket, role(Config, Target), own_timeout(SetupTime)) of
        {ok, Tls} ->
            Tls;
        {error, Reason} ->
            rustls_dist_closing:gently(Socket),
            give_up(Link, Reason)
    end.

%% A little before dist_util's timer, which would end this process with less to say.
own_timeout(SetupTime) ->
    max(1, SetupTime - SetupTime div 20).

%% What a handshake with Target takes: the configuration, and what the certificate must name.
-spec role(rustls_dist_roles:role_config(), rustls_dist_lookup:target()) ->
          {rustls_dist_roles:role_config(), any | binary()}.
role(Config, Target) ->
    {Config, expected_name(Config, Target)}.

expected_name(#{name := node_host}, #{host := Host}) -> unicode:characters_to_binary(Host);
expected_name(#{name := Name}, _Target) -> Name.

address(#{ip := Ip, port := Port}) -> {Ip, Port}.

succeed(_Link, {ok, Value}) -> Value;
succeed(Link, {error, Reason}) -> give_up(Link, Reason).

identified(#{node := Node, undertaker := Undertaker} = Link, #{verify_node := Policy, facts := #{peer_der := Der}} = Tls) ->
    Check = fun() -> rustls_dist_verify_node:check(Policy, atom_to_list(Node), Der) end,
    case rustls_dist_negotiation:guarded(Undertaker, Tls, Check) of
        ok ->
            ok;
        {error, Reason} ->
            Told = rustls_dist_handshake_io:tell(Tls, Reason),
            rustls_dist_negotiation:turn_away(Tls),
            give_up(Link, Told)
    end.

-spec give_up(#{node := node(), undertaker := pid()}, term()) -> no_return().
give_up(#{node := Node, undertaker := Undertaker}, Reason) ->
    rustls_dist_undertaker:note_failure(Undertaker, Reason),
    ?shutdown2(Node, {rustls_dist, Reason}).
