%% Whether a decoded certificate names a host, as ssl asks it of a server's (ssl_certificate:verify_hostname/4). It is asked
%% where the user has a say; elsewhere the name is judged in src/trust/hostname.rs, and told in src/error/text.rs.
-module(rustls_dist_hostname).

-export([verify/4, names/1, counts/2, takes_common_name/0]).

-export_type([names/0]).

-include_lib("public_key/include/public_key.hrl").

%% Whether an authority above a certificate constrains names (RFC 5280 section 4.2.1.10). Constraints are about alternative
%% names, and a common name would escape them: there it does not count, as with OpenSSL.
-type names() :: free | constrained.

%% What the certificates of a path, its anchor among them, say of names. The peer's own has none below it.
-spec names([#'OTPCertificate'{}, ...]) -> names().
names(Certs) ->
    case lists:any(fun constrains/1, Certs) of
        true -> constrained;
        false -> free
    end.

constrains(#'OTPCertificate'{tbsCertificate = #'OTPTBSCertificate'{extensions = Extensions}}) ->
    is_list(Extensions) andalso lists:keymember(?'id-ce-nameConstraints', #'Extension'.extnID, Extensions).

%% Host: a DNS name or an address in text, which is only compared with addresses (OTP 27; OTP 25 compares it with DNS
%% names, too). How: options of public_key:pkix_verify_hostname/3, as customize_hostname_check gives them.
-spec verify(#'OTPCertificate'{}, unicode:chardata(), [{atom(), function()}], names()) -> boolean().
verify(Cert, Host, How, Names) ->
    Text = unicode:characters_to_list(Host),
    Reference = case inet:parse_address(Text) of
                    {ok, Ip} -> {ip, Ip};
                    {error, _} -> {dns_id, Text}
                end,
    counts(Cert, Names) andalso public_key:pkix_verify_hostname(Cert, [Reference], How).

%% Whether the certificate may be compared with a host: by its alternative names, or else by its common name.
-spec counts(#'OTPCertificate'{}, names()) -> boolean().
counts(_Cert, free) ->
    true;
counts(#'OTPCertificate'{tbsCertificate = #'OTPTBSCertificate'{extensions = Extensions}}, constrained) ->
    is_list(Extensions) andalso
        case lists:keyfind(?'id-ce-subjectAltName', #'Extension'.extnID, Extensions) of
            #'Extension'{extnValue = [_ | _]} -> true;
            _ -> false
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
