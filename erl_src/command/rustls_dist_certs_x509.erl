%% Makes the certificates and revocation lists of `rustls-dist certs', in memory: keys on P-256, signed with SHA-256 (RFC 5280).
%%
%% @private
-module(rustls_dist_certs_x509).

-export([new_key/0, authority/3, node/4, revocations/5, serial/1, not_after/1]).

-export_type([key/0, serial/0]).

-include_lib("public_key/include/public_key.hrl").

-type key() :: #'ECPrivateKey'{}.
-type serial() :: pos_integer().

%% Clocks of nodes differ: what is made now is valid a little before.
-define(SKEW_SECONDS, 3600).

%% RFC 5280, ub-common-name.
-define(MAX_COMMON_NAME, 64).

-spec new_key() -> key().
new_key() ->
    public_key:generate_key({namedCurve, secp256r1}).

%% A self-signed authority for certificates of nodes, and no other authorities.
-spec authority(string(), key(), Until :: integer()) -> public_key:der_encoded().
authority(Name, Key, Until) ->
    Subject = common_name(Name),
    signed(#{subject => Subject, issuer => Subject, key => Key, signer => Key, until => Until,
             extensions => [extension(?'id-ce-basicConstraints', #'BasicConstraints'{cA = true, pathLenConstraint = 0}, true),
                            extension(?'id-ce-keyUsage', [keyCertSign, cRLSign], true)]}).

%% The certificate of a node, for both roles. Its names: the host, and erlang:NAME@HOST, which verify_node looks for.
-spec node(string(), {Issuer :: public_key:der_encoded(), key()}, key(), Until :: integer()) -> public_key:der_encoded().
node(Node, {Issuer, IssuerKey}, Key, Until) ->
    {node, _Name, Host} = dist_util:split_node(Node),
    #'OTPCertificate'{tbsCertificate = #'OTPTBSCertificate'{subject = IssuerName}} = public_key:pkix_decode_cert(Issuer, otp),
    signed(#{subject => common_name(Node), issuer => IssuerName, key => Key, signer => IssuerKey, until => Until,
             extensions => [extension(?'id-ce-basicConstraints', #'BasicConstraints'{cA = false}, true),
                            extension(?'id-ce-keyUsage', [digitalSignature], true),
                            extension(?'id-ce-extKeyUsage', [?'id-kp-serverAuth', ?'id-kp-clientAuth'], false),
                            extension(?'id-ce-subjectAltName',
                                      host_names(Host) ++ [{uniformResourceIdentifier, "erlang:" ++ Node}], false)]}).

%% inet_tls of OTP 25 looks for an address among the DNS names. One of IPv6 has characters that no such name has.
host_names(Host) ->
    case inet:parse_strict_address(Host) of
        {ok, {A, B, C, D}} -> [{iPAddress, <<A, B, C, D>>}, {dNSName, Host}];
        {ok, Ip6} -> [{iPAddress, << <<Part:16>> || Part <- tuple_to_list(Ip6) >>}];
        {error, _} -> [{dNSName, Host}]
    end.

signed(#{subject := Subject, issuer := Issuer, key := Key, signer := Signer, until := Until, extensions := Extensions}) ->
    Now = erlang:system_time(second),
    public_key:pkix_sign(#'OTPTBSCertificate'{version = v3,
                                              serialNumber = random_serial(),
                                              signature = #'SignatureAlgorithm'{algorithm = ?'ecdsa-with-SHA256',
                                                                                parameters = asn1_NOVALUE},
                                              issuer = Issuer,
                                              validity = #'Validity'{notBefore = time(Now - ?SKEW_SECONDS),
                                                                     notAfter = time(Until)},
                                              subject = Subject,
                                              subjectPublicKeyInfo = public_key_info(Key),
                                              extensions = Extensions
                                                  ++ [extension(?'id-ce-subjectKeyIdentifier', identifier(Key), false),
                                                      extension(?'id-ce-authorityKeyIdentifier', authority_key(Signer), false)]},
                         Signer).

%% 128 bits that nobody can foresee, and not zero.
random_serial() ->
    case binary:decode_unsigned(crypto:strong_rand_bytes(16)) of
        0 -> random_serial();
        Serial -> Serial
    end.

%% A revocation list. Number: grows from list to list.
-spec revocations(public_key:der_encoded(), key(), [{serial(), RevokedAt :: integer()}], Number :: pos_integer(),
                  NextUpdate :: integer()) -> public_key:der_encoded().
revocations(Issuer, Key, Revoked, Number, NextUpdate) ->
    {'Certificate', Plain, _Algorithm, _Signature} = public_key:pkix_decode_cert(Issuer, plain),
    Algorithm = {'AlgorithmIdentifier', ?'ecdsa-with-SHA256', asn1_NOVALUE},
    Entries = [{'TBSCertList_revokedCertificates_SEQOF', Serial, time(At), asn1_NOVALUE} || {Serial, At} <- Revoked],
    Extensions = [encoded(?'id-ce-cRLNumber', 'CRLNumber', Number),
                  encoded(?'id-ce-authorityKeyIdentifier', 'AuthorityKeyIdentifier', authority_key(Key))],
    Tbs = #'TBSCertList'{version = v2, signature = Algorithm, issuer = element(#'TBSCertificate'.subject, Plain),
                         thisUpdate = time(erlang:system_time(second)), nextUpdate = time(NextUpdate),
                         revokedCertificates = case Entries of [] -> asn1_NOVALUE; _ -> Entries end,
                         crlExtensions = Extensions},
    Signature = public_key:sign(public_key:der_encode('TBSCertList', Tbs), sha256, Key),
    public_key:der_encode('CertificateList', #'CertificateList'{tbsCertList = Tbs, signatureAlgorithm = Algorithm,
                                                                signature = Signature}).

-spec serial(public_key:der_encoded()) -> serial().
serial(Der) ->
    #'OTPTBSCertificate'{serialNumber = Serial} = to_be_signed(Der),
    Serial.

%% Unix time.
-spec not_after(public_key:der_encoded()) -> integer().
not_after(Der) ->
    #'OTPTBSCertificate'{validity = #'Validity'{notAfter = NotAfter}} = to_be_signed(Der),
    rustls_dist_asn1_time:unix_seconds(NotAfter).

to_be_signed(Der) ->
    #'OTPCertificate'{tbsCertificate = Tbs} = public_key:pkix_decode_cert(Der, otp),
    Tbs.

common_name(Name) ->
    Value = {utf8String, unicode:characters_to_binary(lists:sublist(Name, ?MAX_COMMON_NAME))},
    {rdnSequence, [[#'AttributeTypeAndValue'{type = ?'id-at-commonName', value = Value}]]}.

public_key_info(#'ECPrivateKey'{parameters = Parameters, publicKey = Point}) ->
    #'OTPSubjectPublicKeyInfo'{algorithm = #'PublicKeyAlgorithm'{algorithm = ?'id-ecPublicKey', parameters = Parameters},
                               subjectPublicKey = #'ECPoint'{point = Point}}.

authority_key(Key) ->
    #'AuthorityKeyIdentifier'{keyIdentifier = identifier(Key)}.

%% RFC 5280 section 4.2.1.2, the first method.
identifier(#'ECPrivateKey'{publicKey = Point}) ->
    crypto:hash(sha, Point).

extension(Id, Value, Critical) ->
    #'Extension'{extnID = Id, critical = Critical, extnValue = Value}.

encoded(Id, Type, Value) ->
    extension(Id, public_key:der_encode(Type, Value), false).

%% RFC 5280 section 4.1.2.5.
time(Seconds) ->
    {{Year, Month, Day}, {Hour, Minute, Second}} = calendar:system_time_to_universal_time(Seconds, second),
    Rest = io_lib:format("~2..0w~2..0w~2..0w~2..0w~2..0wZ", [Month, Day, Hour, Minute, Second]),
    case Year < 2050 of
        true -> {utcTime, lists:flatten([io_lib:format("~2..0w", [Year rem 100]), Rest])};
        false -> {generalTime, lists:flatten([io_lib:format("~4..0w", [Year]), Rest])}
    end.
