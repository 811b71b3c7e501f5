%% The carrier: `erl -proto_dist rustls' makes net_kernel call these functions (erts' alt_dist guide; the callbacks are
%% those of inet_tcp_dist). It handles no bytes: each callback delegates, and rustls6_dist differs by the family alone.
%%
%% For users: info/0,1, i/0 and peercert/1 tell what protects a link and what it carries, metrics/0,1 what happened on this node;
%% verify_client/3 and verify_pinned/3,4 are ready-made verify_funs. With rustls_dist_epmd as an epmd module and
%% rustls_dist_prometheus as a collector these are all that they may rely on; every other function, here and elsewhere, is
%% private.
-module(rustls_dist).

%% proto_dist callbacks
-export([childspecs/0, select/1, address/0, is_node_name/1,
         listen/1, listen/2, accept/1, accept_connection/5, setup/5, close/1, setopts/2, getopts/2]).

-export([info/0, info/1, i/0, peercert/1, metrics/0, metrics/1]).

-export([reload/0]).

%% verify_funs
-export([verify_client/3, verify_pinned/3, verify_pinned/4]).

-include_lib("kernel/include/net_address.hrl").
-include_lib("public_key/include/public_key.hrl").

-define(FAMILY, inet).

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

%% What is known of each link of this node. No function of this kind waits for a process.
-spec info() -> #{node() => rustls_dist_links:info()}.
info() ->
    rustls_dist_links:all().

%% What is known of the link to Node: who opened it, when, and from or to which address; TLS version, cipher suite,
%% key-exchange group, both certificates, the peer's fingerprint, what was verified and by what; how long the TLS handshake
%% took (microseconds), what the link carried since, and how often keys were renewed.
-spec info(node()) -> {ok, rustls_dist_links:info()} | {error, not_connected}.
info(Node) ->
    rustls_dist_links:one(Node).

%% Prints the links as a table, where the caller's group leader is: in a remote shell, too.
-spec i() -> ok.
i() ->
    io:put_chars(rustls_dist_table:text(maps:values(info()), erlang:system_time(second))).

%% The certificate that Node showed, in DER.
-spec peercert(node()) -> {ok, public_key:der_encoded()} | {error, not_connected | no_peercert}.
peercert(Node) ->
    rustls_dist_links:peer_der(Node).

%% The figures of this node.
-spec metrics() -> [rustls_dist_metrics:sample()].
metrics() ->
    rustls_dist_metrics:samples(info()).

%% The same as text for Prometheus.
-spec metrics(prometheus) -> binary().
metrics(prometheus) ->
    rustls_dist_exposition:text(rustls_dist_metrics:families(info())).

%% Takes changed files into use now: options file, certificates, keys, authorities. They are looked at every few seconds anyway; here
%% nobody waits for two looks that see the same. Gives the files that had changed, none if there were none, or the sentence that
%% says why they cannot be used; what was in use stays then.
-spec reload() -> rustls_dist_reload:result().
reload() ->
    rustls_dist_reload:now().

%% A verify_fun for the server side: the client's certificate must name the address it connects from, or one of the hosts
%% that net_kernel:allow/1 lists; without such a list any valid certificate will do. What the user gives as state is
%% replaced by {AllowedHosts, PeerIp} for each connection (inet_tls_dist:verify_client/3, which works here, too).
-spec verify_client(#'OTPCertificate'{}, Event, State) -> {valid, State} | {unknown, State} | {fail, term()} when
      Event :: {bad_cert, term()} | {extension, #'Extension'{}} | valid | valid_peer,
      State :: {[string()], inet:ip_address()}.
verify_client(Cert, Event, State) ->
    rustls_dist_verify_client:verify(Cert, Event, State, free).

%% A verify_fun that accepts exactly the certificates whose SHA-256 fingerprints are listed: in the state itself, or in the
%% file that the state names. See rustls_dist_pin.
-spec verify_pinned(#'OTPCertificate'{}, Event, State) -> {valid, State} | {unknown, State} | {fail, term()} when
      Event :: {bad_cert, term()} | {extension, #'Extension'{}} | valid | valid_peer,
      State :: [string() | binary()] | file:filename().
verify_pinned(Cert, Event, State) ->
    verify_pinned(Cert, public_key:pkix_encode('OTPCertificate', Cert, otp), Event, State).

%% The same with the certificate as it was sent, which is what the fingerprint is of. This carrier calls it wherever the
%% options name verify_pinned/3.
-spec verify_pinned(#'OTPCertificate'{}, public_key:der_encoded(), Event, State) ->
          {valid, State} | {unknown, State} | {fail, term()} when
      Event :: {bad_cert, term()} | {extension, #'Extension'{}} | valid | valid_peer,
      State :: [string() | binary()] | file:filename().
verify_pinned(Cert, Der, Event, State) ->
    rustls_dist_pin:verify(Cert, Der, Event, State).
