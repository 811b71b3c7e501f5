%% From a node name to an address and port: the resolver and the epmd module.
%%
%% @private
-module(rustls_dist_lookup).

-export([is_node_name/1, select/2, host/3, port/1]).

-export_type([host/0, target/0, failure/0]).

%% Where a node's host is. target: where the node is, from an epmd module that tells both at once.
-type host() :: #{name := string(), host := string(), ip := inet:ip_address(), target => target()}.
-type target() :: #{host := string(), ip := inet:ip_address(), port := inet:port_number(), version := integer()}.
-type failure() :: {name_lookup | epmd, Reason :: term()}.

%% Whether Node has the form Name@Host.
-spec is_node_name(node()) -> boolean().
is_node_name(Node) ->
    case dist_util:split_node(Node) of
        {node, _Name, _Host} -> true;
        _ -> false
    end.

%% Whether this carrier serves Node. A sole carrier serves every proper name: what is wrong with it then comes to light,
%% and to the log, in setup/5, and the resolver does not hold net_kernel. Beside others, the family decides.
-spec select(inet | inet6, node()) -> boolean().
select(Family, Node) ->
    case dist_util:split_node(Node) of
        {node, Name, Host} -> sole_carrier() orelse is_address(rustls_dist_epmd_client:address(Name, Host, Family));
        _ -> false
    end.

%% Finds the host that Node is on.
-spec host(inet | inet6, node(), longnames | shortnames) -> {ok, host()} | {error, failure()}.
host(Family, Node, LongOrShortNames) ->
    case parts(Family, Node, LongOrShortNames) of
        {ok, Name, Host} ->
            case rustls_dist_epmd_client:address(Name, Host, Family) of
                {ok, Ip} -> {ok, #{name => Name, host => Host, ip => Ip}};
                {ok, Ip, Port, Version} ->
                    {ok, #{name => Name, host => Host, ip => Ip, target => target(Host, Ip, Port, Version)}};
                {error, Reason} -> {error, {name_lookup, {Host, Reason}}};
                Other -> {error, {name_lookup, {Host, Other}}}
            end;
        {error, Reason} ->
            {error, {name_lookup, Reason}}
    end.

%% Finds the port that the node listens on.
-spec port(host()) -> {ok, target()} | {error, failure()}.
port(#{target := Target}) ->
    {ok, Target};
port(#{name := Name, host := Host, ip := Ip}) ->
    case rustls_dist_epmd_client:port(Name, Ip) of
        {port, Port, Version} -> {ok, target(Host, Ip, Port, Version)};
        noport -> {error, {epmd, {Name, Host, Ip, rustls_dist_epmd_client:why_no_port(Name, Ip)}}};
        Other -> {error, {epmd, {Name, Host, Ip, Other}}}
    end.

sole_carrier() ->
    case init:get_argument(proto_dist) of
        {ok, Given} -> length(lists:append(Given)) =< 1;
        error -> true
    end.

is_address({ok, _Ip}) -> true;
is_address({ok, _Ip, _Port, _Version}) -> true;
is_address(_Other) -> false.

target(Host, Ip, Port, Version) ->
    #{host => Host, ip => Ip, port => Port, version => Version}.

%% Long names need a dot or an address, short names must have none (inet_tcp_dist).
parts(Family, Node, LongOrShortNames) ->
    case dist_util:split_node(Node) of
        {node, Name, Host} ->
            Dotted = lists:member($., Host),
            case LongOrShortNames of
                longnames when not Dotted ->
                    case literal(Family, Host) of
                        {ok, _} -> {ok, Name, Host};
                        {error, _} -> {error, {not_a_long_name, Host}}
                    end;
                shortnames when Dotted ->
                    {error, {not_a_short_name, Host}};
                _ ->
                    {ok, Name, Host}
            end;
        _ ->
            {error, {not_a_node_name, Node}}
    end.

literal(inet, Host) -> inet:parse_ipv4strict_address(Host);
literal(inet6, Host) -> inet:parse_ipv6strict_address(Host).
