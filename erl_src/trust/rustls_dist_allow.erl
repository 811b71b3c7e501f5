%% net_kernel:allow/1 with certificates: a peer that must show a certificate may only be one of the allowed nodes that its
%% certificate names (the rule of inet_tls_dist). Without a certificate it is none of them; inet_tls gives it the whole
%% list.
-module(rustls_dist_allow).

-export([nodes/2, verify_client/4, connection_state/2]).

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
    case rustls_dist_verify_node:decoded(Der) of
        {ok, Certificate} ->
            Counts = rustls_dist_hostname:counts(Certificate, Names),
            case [Node || Node <- Allowed, Counts, names(Certificate, dist_util:split_node(Node))] of
                [] -> {error, {not_allowed, certificate_names_no_allowed_node}};
                Named -> {ok, Named}
            end;
        Error ->
            Error
    end.

%% The state of a verify_client/3 for one connection; any other function keeps its own.
-spec connection_state(rustls_dist_verify:user_fun(), inet:ip_address()) -> rustls_dist_verify:user_fun().
connection_state({Fun, _State, Label} = VerifyFun, PeerIp) ->
    case lists:member(Fun, [fun inet_tls_dist:verify_client/3, fun rustls_dist:verify_client/3]) of
        true ->
            {ok, Allowed} = net_kernel:allowed(),
            Hosts = lists:usort([Host || Node <- Allowed, {ok, Host} <- [host(dist_util:split_node(Node))]]),
            {fun rustls_dist:verify_client/3, {Hosts, PeerIp}, Label};
        false ->
            VerifyFun
    end.

host({node, _Name, Host}) -> {ok, Host};
host({host, Host}) -> {ok, Host};
host(_NameOnly) -> none.

%% See rustls_dist:verify_client/3. Names: whether the peer's common name may stand in for alternative names.
-spec verify_client(#'OTPCertificate'{}, term(), State, rustls_dist_hostname:names()) ->
          {valid, State} | {unknown, State} | {fail, term()} when
      State :: {[string()], inet:ip_address()}.
verify_client(_Cert, {bad_cert, _} = Fault, _State, _Names) ->
    {fail, Fault};
verify_client(_Cert, {extension, _}, State, _Names) ->
    {unknown, State};
verify_client(_Cert, valid, State, _Names) ->
    {valid, State};
verify_client(_Cert, valid_peer, {[], _PeerIp} = State, _Names) ->
    {valid, State};
verify_client(Cert, valid_peer, {Hosts, PeerIp} = State, Names) ->
    References = [{ip, PeerIp} | [{dns_id, Host} || Host <- Hosts]],
    case rustls_dist_hostname:counts(Cert, Names) andalso public_key:pkix_verify_hostname(Cert, References) of
        true -> {valid, State};
        false -> {fail, cert_no_hostname_nor_ip_match}
    end.

names(Certificate, {node, _Name, Host}) -> is_host(Certificate, Host);
names(Certificate, {host, Host}) -> is_host(Certificate, Host);
names(_Certificate, _NameOnly) -> false.

is_host(Certificate, Host) ->
    Identifier = case inet:parse_strict_address(Host) of
                     {ok, Ip} -> {ip, Ip};
                     {error, _} -> {dns_id, Host}
                 end,
    public_key:pkix_verify_hostname(Certificate, [Identifier]).
