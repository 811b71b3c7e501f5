%% The carrier for IPv6: `erl -proto_dist rustls6'. See rustls_dist, of which it differs by the family alone.
-module(rustls6_dist).

%% proto_dist callbacks
-export([childspecs/0, select/1, address/0, is_node_name/1,
         listen/1, listen/2, accept/1, accept_connection/5, setup/5, close/1, setopts/2, getopts/2]).

-include_lib("kernel/include/net_address.hrl").

-define(FAMILY, inet6).

%% What net_kernel's supervisor is to run beside it.
-spec childspecs() -> {ok, [supervisor:child_spec()]}.
childspecs() ->
    {ok, [rustls_dist_sup:child_spec()]}.

%% Whether this carrier serves Node.
-spec select(node()) -> boolean().
select(Node) ->
    rustls_dist_lookup:select(?FAMILY, Node).

%% The address of a node that does not listen.
-spec address() -> #net_address{}.
address() ->
    rustls_dist_listener:address(?FAMILY).

%% Whether Node has the form Name@Host.
-spec is_node_name(node()) -> boolean().
is_node_name(Node) ->
    rustls_dist_lookup:is_node_name(Node).

%% Opens the listening socket, on this host's name.
-spec listen(atom()) -> rustls_dist_listener:result().
listen(Name) ->
    {ok, Host} = inet:gethostname(),
    listen(Name, Host).

%% Opens the listening socket and makes the node known.
-spec listen(atom(), string()) -> rustls_dist_listener:result().
listen(Name, Host) ->
    rustls_dist_listener:listen(?FAMILY, Name, Host).

%% Starts the accept loop.
-spec accept(inet:socket()) -> pid().
accept(Listen) ->
    rustls_dist_acceptor:start(?FAMILY, Listen).

%% Starts the supervisor of a link that a peer opened.
-spec accept_connection(pid(), rustls_dist_handshake:tls(), node(), list(), timeout()) -> pid().
accept_connection(Acceptor, Tls, MyNode, Allowed, SetupTime) ->
    rustls_dist_link_in:start(?FAMILY, Acceptor, Tls, MyNode, Allowed, SetupTime).

%% Starts the supervisor of a link that this node opens.
-spec setup(node(), atom(), node(), longnames | shortnames, timeout()) -> pid().
setup(Node, Type, MyNode, LongOrShortNames, SetupTime) ->
    rustls_dist_link_out:start(?FAMILY, Node, Type, MyNode, LongOrShortNames, SetupTime).

%% Closes the listening socket.
-spec close(inet:socket()) -> ok.
close(Listen) ->
    gen_tcp:close(Listen).

%% For net_kernel:setopts(new, Options).
-spec setopts(inet:socket(), [inet:socket_setopt()]) -> ok | {error, term()}.
setopts(Listen, Options) ->
    rustls_dist_sockopts:set_new(Listen, Options).

%% For net_kernel:getopts(new, Options).
-spec getopts(inet:socket(), [inet:socket_getopt()]) -> {ok, [inet:socket_setopt()]} | {error, term()}.
getopts(Listen, Options) ->
    rustls_dist_sockopts:get(Listen, Options).
