%% Whether a decoded certificate names a host, as ssl asks it of a server's (ssl_certificate:verify_hostname/4).
-module(rustls_dist_hostname).

-export([verify/2]).

-include_lib("public_key/include/public_key.hrl").

%% Host: a DNS name or an address in text, which is only compared with addresses (OTP 27; OTP 25 compares it with DNS
%% names, too).
-spec verify(#'OTPCertificate'{}, unicode:chardata()) -> boolean().
verify(Cert, Host) ->
    Text = unicode:characters_to_list(Host),
    Reference = case inet:parse_address(Text) of
                    {ok, Ip} -> {ip, Ip};
                    {error, _} -> {dns_id, Text}
                end,
    public_key:pkix_verify_hostname(Cert, [Reference]).
