%% Hosts and the certificates that name them: as ssl asks it of a server's (ssl_certificate:verify_hostname/4), and what the
%% rules about nodes need of it. A server's is asked about here where the user has a say; elsewhere the name is judged in
%% src/trust/hostname.rs, and told in src/error/text.rs.
%%
%% @private
-module(rustls_dist_hostname).

-export([verify/4, names/1, counts/2, of_node/1, reference/2, same_dns_name/2]).

-export_type([names/0, wanted/0]).

-include_lib("public_key/include/public_key.hrl").

%% Whether an authority above a certificate constrains names (RFC 5280 section 4.2.1.10). Constraints are about alternative
%% names, and a common name would escape them: there it does not count, as with OpenSSL.
-type names() :: free | constrained.

%% What a certificate has to name, as public_key:pkix_verify_hostname/2 takes it.
-type wanted() :: {ip, inet:ip_address()} | {dns_id, string()}.

%% Which texts stand for an address: all that inet dials as one, the short forms of IPv4 such as 127.1 among them, or only
%% those that are written out.
-type form() :: as_dialled | written_out.

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
    Reference = reference(unicode:characters_to_list(Host), as_dialled),
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

%% The host that a node's name states, or that stands for all nodes on it in net_kernel:allow/1.
-spec of_node(node() | string()) -> {ok, string()} | none.
of_node(Node) ->
    case dist_util:split_node(Node) of
        {node, _Name, Host} -> {ok, Host};
        {host, Host} -> {ok, Host};
        _NameOnly -> none
    end.

%% What a certificate has to name for Host.
-spec reference(string(), form()) -> wanted().
reference(Host, Form) ->
    case address(Host, Form) of
        {ok, Ip} -> {ip, Ip};
        {error, _} -> {dns_id, Host}
    end.

address(Host, as_dialled) -> inet:parse_address(Host);
address(Host, written_out) -> inet:parse_strict_address(Host).

%% DNS names are compared without regard to the case of ASCII letters (RFC 4343), and of no others.
-spec same_dns_name(string(), string()) -> boolean().
same_dns_name(A, B) ->
    lowered(A) =:= lowered(B).

lowered(Name) ->
    [case Char of
         _ when Char >= $A, Char =< $Z -> Char + 32;
         _ -> Char
     end || Char <- Name].
