%% net_kernel:allow/1 with certificates: a peer that must show a certificate may only be one of the allowed nodes that its
%% certificate names (the rule of inet_tls_dist). Without a certificate it is none of them; inet_tls gives it the whole
%% list.
%%
%% @private
-module(rustls_dist_allow).

-export([nodes/2]).

-include_lib("public_key/include/public_key.hrl").

%% The nodes of Allowed that the peer may call itself. [] allows all (dist_util).
-spec nodes(rustls_dist_handshake:tls(), [node() | string()]) -> {ok, [node() | string()]} | {error, term()}.
nodes(_Tls, []) ->
    {ok, []};
nodes(#{verify := verify_none}, Allowed) ->
    %% No certificates are asked for; the list is all there is, as with inet_tcp.
    {ok, Allowed};
nodes(#{facts := #{peer_der := none}}, _Allowed) ->
    {error, {not_allowed, no_certificate}};
nodes(#{facts := #{peer_der := Der, names := Names}}, Allowed) ->
    case rustls_dist_peer_certificate:decoded(Der) of
        {ok, Certificate} ->
            Counts = rustls_dist_hostname:counts(Certificate, Names),
            case [Node || Node <- Allowed, Counts, is_named(Certificate, Node)] of
                [] -> {error, {not_allowed, certificate_names_no_allowed_node}};
                Named -> {ok, Named}
            end;
        Error ->
            Error
    end.

is_named(Certificate, Node) ->
    case rustls_dist_hostname:of_node(Node) of
        {ok, Host} -> public_key:pkix_verify_hostname(Certificate, [rustls_dist_hostname:reference(Host, written_out)]);
        none -> false
    end.
