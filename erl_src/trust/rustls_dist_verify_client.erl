%% The ready-made verify_fun for servers: the client's certificate must name the address it connects from, or a host that
%% net_kernel:allow/1 lists. Users know it as rustls_dist:verify_client/3 and inet_tls_dist:verify_client/3.
%%
%% @private
-module(rustls_dist_verify_client).

-export([verify/4, connection_state/2]).

-include_lib("public_key/include/public_key.hrl").

%% The state of a verify_client/3 for one connection; any other function keeps its own.
-spec connection_state(rustls_dist_verify:user_fun(), inet:ip_address()) -> rustls_dist_verify:user_fun().
connection_state({Fun, _State, Label} = VerifyFun, PeerIp) ->
    case rustls_dist_ready_made:which(Fun) of
        verify_client ->
            {ok, Allowed} = net_kernel:allowed(),
            Hosts = lists:usort([Host || Node <- Allowed, {ok, Host} <- [rustls_dist_hostname:of_node(Node)]]),
            {Fun, {Hosts, PeerIp}, Label};
        _ ->
            VerifyFun
    end.

%% See rustls_dist:verify_client/3. Names: whether the peer's common name may stand in for alternative names.
-spec verify(#'OTPCertificate'{}, term(), State, rustls_dist_hostname:names()) ->
          {valid, State} | {unknown, State} | {fail, term()} when
      State :: {[string()], inet:ip_address()}.
verify(_Cert, {bad_cert, _} = Fault, _State, _Names) ->
    {fail, Fault};
verify(_Cert, {extension, _}, State, _Names) ->
    {unknown, State};
verify(_Cert, valid, State, _Names) ->
    {valid, State};
verify(_Cert, valid_peer, {[], _PeerIp} = State, _Names) ->
    {valid, State};
verify(Cert, valid_peer, {Hosts, PeerIp} = State, Names) ->
    References = [{ip, PeerIp} | [{dns_id, Host} || Host <- Hosts]],
    case rustls_dist_hostname:counts(Cert, Names) andalso public_key:pkix_verify_hostname(Cert, References) of
        true -> {valid, State};
        false -> {fail, cert_no_hostname_nor_ip_match}
    end.
