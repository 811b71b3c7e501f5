%% What differs by the release of OTP that runs, each under the name of what it is for. Nobody else asks for the number.
%%
%% @private
-module(rustls_dist_release).

-export([servers_insist/0, clients_verify/0, inet_tls_versions/0, epmd_family/1, purpose_fault/2,
         takes_common_name/0]).

-include_lib("public_key/include/public_key.hrl").

%% Whether a server of ssl that verifies its clients refuses those that show no certificate, where nobody said so: the default
%% of fail_if_no_peer_cert beside verify_peer.
-spec servers_insist() -> boolean().
servers_insist() ->
    since(26).

%% Whether a client of ssl verifies servers where nobody said so: the default of verify.
-spec clients_verify() -> boolean().
clients_verify() ->
    since(26).

%% What inet_tls offers where nobody said so: up to OTP 26 TLS 1.2 alone (inet_tls_dist:dist_defaults/1), from 27 on what ssl
%% does.
-spec inet_tls_versions() -> ['tlsv1.2' | 'tlsv1.3', ...].
inet_tls_versions() ->
    case since(27) of
        true -> ['tlsv1.3', 'tlsv1.2'];
        false -> ['tlsv1.2']
    end.

%% What inet_tcp_dist passes to the epmd module's register_node/3. Before OTP 26 it named the driver, and a module may know
%% nothing else.
-spec epmd_family(inet | inet6) -> inet | inet6 | inet_tcp | inet6_tcp.
epmd_family(Family) ->
    case {since(26), Family} of
        {true, _} -> Family;
        {false, inet} -> inet_tcp;
        {false, inet6} -> inet6_tcp
    end.

%% The name that ssl gives to the fault of an extended key usage without the purpose. OTP 25 has one; later ones tell the
%% peer's certificate from an authority's, by the length of the whole path.
-spec purpose_fault(PathLength :: pos_integer(), Purposes :: [tuple()]) ->
          invalid_ext_key_usage | {invalid_ext_keyusage | ca_invalid_ext_keyusage, [tuple()]}.
purpose_fault(PathLength, Purposes) ->
    case since(26) of
        false -> invalid_ext_key_usage;
        true when PathLength =:= 1 -> {invalid_ext_keyusage, Purposes};
        true -> {ca_invalid_ext_keyusage, Purposes}
    end.

%% Whether the public_key that runs lets a common name stand in for a subjectAltName that is absent. OTP 25 does, OTP 27 too,
%% until it has the correction of which 27.3.4.1 of Debian 13 has got: so it is asked, and not the release's number.
-spec takes_common_name() -> boolean().
takes_common_name() ->
    Name = "localhost",
    CommonName = #'AttributeTypeAndValue'{type = ?'id-at-commonName', value = {utf8String, list_to_binary(Name)}},
    Subject = {rdnSequence, [[CommonName]]},
    Tbs = #'OTPTBSCertificate'{subject = Subject, extensions = asn1_NOVALUE},
    public_key:pkix_verify_hostname(#'OTPCertificate'{tbsCertificate = Tbs}, [{dns_id, Name}]).

since(Release) ->
    list_to_integer(erlang:system_info(otp_release)) >= Release.
