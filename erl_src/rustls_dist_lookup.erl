%% From a node name to an address and port: the resolver and the epmd module.
-module(rustls_dist_lookup).

-export([is_node_name/1, select/2, resolve/3]).

-export_type([target/0, failure/0]).

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
        {node, Name, Host} -> sole_carrier() orelse is_address(rustls_dist_discovery:address(Name, Host, Family));
        _ -> false
    end.

%% Finds where Node listens.
-spec resolve(inet | inet6, node(), longnames | shortnames) -> {ok, target()} | {error, failure()}.
resolve(Family, Node, LongOrShortNames) ->
    case host(Family, Node, LongOrShortNames) of
        {ok, Name, Host} ->
            case rustls_dist_discovery:address(Name, Host, Family) of
                {ok, Ip} -> port(Name, Host, Ip);
                {ok, Ip, Port, Version} -> {ok, target(Host, Ip, Port, Version)};
                {error, Reason} -> {error, {name_lookup, {Host, Reason}}};
                Other -> {error, {name_lookup, {Host, Other}}}
            end;
        {error, Reason} ->
            {error, {name_lookup, Reason}}
    end.

sole_carrier() ->
    case init:get_argument(proto_dist) of
        {ok, Given} -> length(lists:append(Given)) =< 1;
        error -> true
    end.

is_address({ok, _Ip}) -> true;
is_address({ok, _Ip, _Port, _Version}) -> true;
is_address(_Other) -> false.

port(Name, Host, Ip) ->
    case rustls_dist_discovery:port(Name, Ip) of
        {port, Port, Version} -> {ok, target(Host, Ip, Port, Version)};
        noport -> {error, {epmd, {Name, Host, Ip, why_no_port(Ip)}}};
        Other -> {error, {epmd, {Name, Host, Ip, Other}}}
    end.

%% erl_epmd has one answer for a name that epmd does not know and for an epmd that is not there.
why_no_port(Ip) ->
    case rustls_dist_discovery:is_answered(Ip) of
        true -> noport;
        false -> no_answer;
        unknown -> {no_port_from, net_kernel:epmd_module()}
    end.

target(Host, Ip, Port, Version) ->
    #{host => Host, ip => Ip, port => Port, version => Version}.

%% Long names need a dot or an address, short names must have none (inet_tcp_dist).
host(Family, Node, LongOrShortNames) ->
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
