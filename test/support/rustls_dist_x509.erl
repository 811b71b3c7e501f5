%% Certificates and revocation lists with any content, right or wrong, for tests of what is made of them. Made in memory
%% with public_key, which, other than openssl, lets everything be said.
-module(rustls_dist_x509).

-export([root/1, root/2, authority/2, authority/3, leaf/2, leaf/3]).
-export([extension/2, extension/3, with/2, without/2]).
-export([new_key/0, new_key/1, revocations/3, pem/1, key_pem/1]).

-export_type([cert/0, options/0]).

-include_lib("public_key/include/public_key.hrl").

%% A made certificate: its name in messages, its encoded and its decoded form, and its private key.
-type cert() :: #{name := string(), der := public_key:der_encoded(), otp := #'OTPCertificate'{},
                  key := key()}.
-type key() :: #'ECPrivateKey'{} | #'RSAPrivateKey'{}.

%% days: begin and end of its validity, counted from now; subject: the common name, if it is not the certificate's name;
%% subject_rdn: all of the subject; key: an existing key; signed_with: a key that is not the issuer's; extensions: what
%% becomes of the usual ones; issuer_rdn, validity, serial: other ones than belong there; authority_key: how the issuer is pointed at (RFC 5280 section 4.2.1.1).
-type options() :: #{days => {integer(), integer()}, subject => string(), subject_rdn => {rdnSequence, list()},
                     issuer_rdn => {rdnSequence, list()}, validity => #'Validity'{}, serial => integer(),
                     key => key(), signed_with => key(), digest => sha256 | sha, unique_id => bitstring(),
                     version => v1 | v3, extensions => fun(([#'Extension'{}]) -> [#'Extension'{}]),
                     authority_key => none | identifier | serial}.

-define(DAY_SECONDS, 86400).

root(Name) -> root(Name, #{}).

%% A self-signed authority.
-spec root(string(), options()) -> cert().
root(Name, Options) -> issue(Name, self, authority_extensions(), Options).

authority(Name, Issuer) -> authority(Name, Issuer, #{}).

%% An intermediate authority.
-spec authority(string(), cert(), options()) -> cert().
authority(Name, Issuer, Options) -> issue(Name, Issuer, authority_extensions(), Options).

leaf(Name, Issuer) -> leaf(Name, Issuer, #{}).

%% A certificate for both roles that names localhost and 127.0.0.1. `self': self-signed.
-spec leaf(string(), cert() | self, options()) -> cert().
leaf(Name, Issuer, Options) -> issue(Name, Issuer, leaf_extensions(), Options).

issue(Name, Issuer, Extensions, Options) ->
    Key = case Options of
              #{key := Given} -> Given;
              #{} -> new_key()
          end,
    Subject = maps:get(subject_rdn, Options, common_name(maps:get(subject, Options, Name))),
    Above = case Issuer of
                self -> #{subject => Subject, key => Key};
                #{otp := Otp, key := IssuerKey} -> (facts(Otp))#{key => IssuerKey}
            end,
    Signer = maps:get(signed_with, Options, maps:get(key, Above)),
    Digest = maps:get(digest, Options, sha256),
    Tbs = #'OTPTBSCertificate'{version = maps:get(version, Options, v3),
                               serialNumber = maps:get(serial, Options, rand:uniform(1 bsl 60)),
                               signature = signature_algorithm(Signer, Digest),
                               issuer = maps:get(issuer_rdn, Options, maps:get(subject, Above)),
                               validity = maps:get(validity, Options, validity(maps:get(days, Options, {-1, 30}))),
                               subject = Subject,
                               subjectPublicKeyInfo = public_key_info(Key),
                               issuerUniqueID = maps:get(unique_id, Options, asn1_NOVALUE),
                               subjectUniqueID = asn1_NOVALUE,
                               extensions = extensions(Extensions, Key, Above, Options)},
    Der = sign(Tbs, Digest, Signer),
    #{name => Name, der => Der, otp => public_key:pkix_decode_cert(Der, otp), key => Key}.

%% As public_key:pkix_sign/2, but whatever it thinks of the digest.
sign(#'OTPTBSCertificate'{signature = Algorithm} = Tbs, Digest, Key) ->
    Signature = public_key:sign(public_key:pkix_encode('OTPTBSCertificate', Tbs, otp), Digest, Key),
    public_key:pkix_encode('OTPCertificate',
                           #'OTPCertificate'{tbsCertificate = Tbs, signatureAlgorithm = Algorithm,
                                             signature = Signature}, otp).

signature_algorithm(#'RSAPrivateKey'{}, sha256) ->
    #'SignatureAlgorithm'{algorithm = ?sha256WithRSAEncryption, parameters = null()};
signature_algorithm(#'ECPrivateKey'{}, sha256) ->
    #'SignatureAlgorithm'{algorithm = ?'ecdsa-with-SHA256', parameters = asn1_NOVALUE};
signature_algorithm(#'ECPrivateKey'{}, sha) ->
    #'SignatureAlgorithm'{algorithm = ?'ecdsa-with-SHA1', parameters = asn1_NOVALUE}.

%% RFC 4055 section 5 demands it, and OTP 29 has no other way to write it.
null() ->
    case list_to_integer(erlang:system_info(otp_release)) < 29 of
        true -> 'NULL';
        false -> {asn1_OPENTYPE, <<5, 0>>}
    end.

-spec new_key() -> #'ECPrivateKey'{}.
new_key() ->
    new_key({namedCurve, secp256r1}).

%% As public_key:generate_key/1.
-spec new_key({namedCurve, atom()} | {rsa, pos_integer(), pos_integer()}) -> key().
new_key(Kind) ->
    public_key:generate_key(Kind).

facts(#'OTPCertificate'{tbsCertificate = #'OTPTBSCertificate'{subject = Subject, issuer = Issuer,
                                                              serialNumber = Serial}}) ->
    #{subject => Subject, issuer => Issuer, serial => Serial}.

common_name(Name) ->
    Value = {utf8String, list_to_binary(Name)},
    {rdnSequence, [[#'AttributeTypeAndValue'{type = ?'id-at-commonName', value = Value}]]}.

public_key_info(#'ECPrivateKey'{parameters = Parameters, publicKey = Point}) ->
    #'OTPSubjectPublicKeyInfo'{algorithm = #'PublicKeyAlgorithm'{algorithm = ?'id-ecPublicKey',
                                                                 parameters = Parameters},
                               subjectPublicKey = #'ECPoint'{point = Point}};
public_key_info(#'RSAPrivateKey'{} = Key) ->
    #'OTPSubjectPublicKeyInfo'{algorithm = #'PublicKeyAlgorithm'{algorithm = ?rsaEncryption, parameters = 'NULL'},
                               subjectPublicKey = public(Key)}.

public(#'RSAPrivateKey'{modulus = Modulus, publicExponent = Exponent}) ->
    #'RSAPublicKey'{modulus = Modulus, publicExponent = Exponent}.

authority_extensions() ->
    [extension(?'id-ce-basicConstraints', #'BasicConstraints'{cA = true, pathLenConstraint = asn1_NOVALUE}, true),
     extension(?'id-ce-keyUsage', [keyCertSign, cRLSign], true)].

leaf_extensions() ->
    [extension(?'id-ce-basicConstraints', #'BasicConstraints'{cA = false, pathLenConstraint = asn1_NOVALUE}),
     extension(?'id-ce-keyUsage', [digitalSignature], true),
     extension(?'id-ce-extKeyUsage', [?'id-kp-serverAuth', ?'id-kp-clientAuth']),
     extension(?'id-ce-subjectAltName', [{dNSName, "localhost"}, {iPAddress, <<127, 0, 0, 1>>}])].

extensions(_Usual, _Key, _Above, #{version := v1}) ->
    asn1_NOVALUE;
extensions(Usual, Key, Above, Options) ->
    Change = maps:get(extensions, Options, fun(Same) -> Same end),
    Own = extension(?'id-ce-subjectKeyIdentifier', identifier(Key)),
    Change(Usual ++ [Own | authority_key(maps:get(authority_key, Options, identifier), Above)]).

authority_key(none, _Above) ->
    [];
authority_key(identifier, #{key := Key}) ->
    [authority_key(Key, asn1_NOVALUE, asn1_NOVALUE)];
authority_key(serial, #{key := Key, issuer := Name, serial := Serial}) ->
    [authority_key(Key, [{directoryName, Name}], Serial)].

authority_key(Key, Names, Serial) ->
    extension(?'id-ce-authorityKeyIdentifier',
              #'AuthorityKeyIdentifier'{keyIdentifier = identifier(Key), authorityCertIssuer = Names,
                                        authorityCertSerialNumber = Serial}).

identifier(#'ECPrivateKey'{publicKey = Point}) ->
    crypto:hash(sha, Point);
identifier(#'RSAPrivateKey'{} = Key) ->
    crypto:hash(sha, public_key:der_encode('RSAPublicKey', public(Key))).

extension(Id, Value) -> extension(Id, Value, false).

-spec extension(tuple(), term(), boolean()) -> #'Extension'{}.
extension(Id, Value, Critical) ->
    #'Extension'{extnID = Id, critical = Critical, extnValue = Value}.

%% For the `extensions' of options(): in the place of its namesake, or in front.
-spec with(#'Extension'{}, [#'Extension'{}]) -> [#'Extension'{}].
with(#'Extension'{extnID = Id} = Extension, Extensions) ->
    case lists:keymember(Id, #'Extension'.extnID, Extensions) of
        true -> lists:keyreplace(Id, #'Extension'.extnID, Extensions, Extension);
        false -> [Extension | Extensions]
    end.

%% For the `extensions' of options().
-spec without(tuple(), [#'Extension'{}]) -> [#'Extension'{}].
without(Id, Extensions) ->
    lists:keydelete(Id, #'Extension'.extnID, Extensions).

%% A revocation list of Issuer that names Revoked. Days: its begin and end, as in options().
-spec revocations(cert(), [cert()], {integer(), integer()}) -> public_key:der_encoded().
revocations(#{der := IssuerDer, key := Key}, Revoked, {From, Until}) ->
    #'Certificate'{tbsCertificate = #'TBSCertificate'{subject = Issuer}} = public_key:pkix_decode_cert(IssuerDer, plain),
    Algorithm = #'AlgorithmIdentifier'{algorithm = ?'ecdsa-with-SHA256', parameters = asn1_NOVALUE},
    Entries = [#'TBSCertList_revokedCertificates_SEQOF'{userCertificate = maps:get(serial, facts(Otp)),
                                                        revocationDate = time(From),
                                                        crlEntryExtensions = asn1_NOVALUE} || #{otp := Otp} <- Revoked],
    Tbs = #'TBSCertList'{version = v2, signature = Algorithm, issuer = Issuer,
                         thisUpdate = time(From), nextUpdate = time(Until),
                         revokedCertificates = case Entries of [] -> asn1_NOVALUE; _ -> Entries end,
                         crlExtensions = asn1_NOVALUE},
    Signature = public_key:sign(public_key:der_encode('TBSCertList', Tbs), sha256, Key),
    public_key:der_encode('CertificateList',
                          #'CertificateList'{tbsCertList = Tbs, signatureAlgorithm = Algorithm, signature = Signature}).

validity({From, Until}) ->
    #'Validity'{notBefore = time(From), notAfter = time(Until)}.

%% RFC 5280 section 4.1.2.5, for years before 2050.
time(DaysFromNow) ->
    Seconds = erlang:system_time(second) + DaysFromNow * ?DAY_SECONDS,
    {{Year, Month, Day}, {Hour, Minute, Second}} = calendar:system_time_to_universal_time(Seconds, second),
    {utcTime, lists:flatten(io_lib:format("~2..0w~2..0w~2..0w~2..0w~2..0w~2..0wZ",
                                          [Year rem 100, Month, Day, Hour, Minute, Second]))}.

%% Certificates as the text of a PEM file.
-spec pem([cert()]) -> binary().
pem(Certs) ->
    public_key:pem_encode([{'Certificate', Der, not_encrypted} || #{der := Der} <- Certs]).

%% The private key of a certificate as the text of a PEM file.
-spec key_pem(cert()) -> binary().
key_pem(#{key := Key}) ->
    public_key:pem_encode([public_key:pem_entry_encode('PrivateKeyInfo', Key)]).
