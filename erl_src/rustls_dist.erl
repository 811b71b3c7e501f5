%% The carrier: `erl -proto_dist rustls' makes net_kernel call these functions (erts' alt_dist guide; the callbacks are
%% those of inet_tcp_dist). It handles no bytes: each callback delegates, and rustls6_dist differs by the family alone.
%%
%% For people: info/0 and info/1 tell what protects a link.
-module(rustls_dist).

%% proto_dist callbacks
-export([childspecs/0, select/1, address/0, is_node_name/1,
         listen/1, listen/2, accept/1, accept_connection/5, setup/5, close/1]).

-export([info/0, info/1]).

-include_lib("kernel/include/net_address.hrl").

-define(FAMILY, inet).

-spec childspecs() -> {ok, [supervisor:child_spec()]}.
childspecs() ->
    {ok, [rustls_dist_sup:child_spec()]}.

-spec select(node()) -> boolean().
select(Node) ->
    rustls_dist_lookup:select(?FAMILY, Node).

-spec address() -> #net_address{}.
address() ->
    rustls_dist_listener:address(?FAMILY).

-spec is_node_name(node()) -> boolean().
is_node_name(Node) ->
    rustls_dist_lookup:is_node_name(Node).

-spec listen(atom()) -> rustls_dist_listener:result().
listen(Name) ->
    {ok, Host} = inet:gethostname(),
    listen(Name, Host).

-spec listen(atom(), string()) -> rustls_dist_listener:result().
listen(Name, Host) ->
    rustls_dist_listener:listen(?FAMILY, Name, Host).

-spec accept(inet:socket()) -> pid().
accept(Listen) ->
    rustls_dist_acceptor:start(?FAMILY, Listen).

-spec accept_connection(pid(), rustls_dist_handshake:tls(), node(), list(), timeout()) -> pid().
accept_connection(Acceptor, Tls, MyNode, Allowed, SetupTime) ->
    rustls_dist_accept:start(?FAMILY, Acceptor, Tls, MyNode, Allowed, SetupTime).

-spec setup(node(), atom(), node(), longnames | shortnames, timeout()) -> pid().
setup(Node, Type, MyNode, LongOrShortNames, SetupTime) ->
    rustls_dist_setup:start(?FAMILY, Node, Type, MyNode, LongOrShortNames, SetupTime).

-spec close(inet:socket()) -> ok.
close(Listen) ->
    gen_tcp:close(Listen).

%% What protects each link of this node.
-spec info() -> #{node() => rustls_dist_links:info()}.
info() ->
    maps:from_list([{Node, Info} || {Node, Controller} <- erlang:system_info(dist_ctrl),
                                    is_pid(Controller),
                                    {ok, Info} <- [rustls_dist_links:info(Controller)]]).

%% What protects the link to Node: TLS version, cipher suite, key-exchange group, both certificates, and how long the
%% TLS handshake took.
-spec info(node()) -> {ok, rustls_dist_links:info()} | {error, not_connected}.
info(Node) ->
    case lists:keyfind(Node, 1, erlang:system_info(dist_ctrl)) of
        {Node, Controller} when is_pid(Controller) -> rustls_dist_links:info(Controller);
        _ -> {error, not_connected}
    end.
