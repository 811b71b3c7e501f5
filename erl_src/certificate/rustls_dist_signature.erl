%% Whether a certificate or a revocation list is signed with an authority's key.
%%
%% @private
-module(rustls_dist_signature).

-export([signs_certificate/2, signs_list/2]).

-include_lib("public_key/include/public_key.hrl").

%% What ring takes as well. An exponent as long as the modulus makes one check take milliseconds, and anybody may send it.
-define(MAX_RSA_EXPONENT, (1 bsl 33)).

%% Whether Issuer's key signed the certificate. Fails with an error for a kind of signature that public_key does not know.
-spec signs_certificate(Issuer :: #'OTPCertificate'{}, public_key:der_encoded()) -> boolean().
signs_certificate(Issuer, Der) ->
    case usable_key(Issuer) of
        {ok, Key} -> public_key:pkix_verify(Der, Key);
        none -> false
    end.

%% Whether Issuer's key signed the revocation list. False for signatures of unknown kinds, too.
-spec signs_list(Issuer :: #'OTPCertificate'{}, public_key:der_encoded() | #'CertificateList'{}) -> boolean().
signs_list(Issuer, List) ->
    try
        usable_key(Issuer) =/= none andalso public_key:pkix_crl_verify(List, Issuer)
    catch
        _:_ -> false
    end.

usable_key(Issuer) ->
    try key(Issuer) of
        #'RSAPublicKey'{publicExponent = Exponent} when Exponent > ?MAX_RSA_EXPONENT -> none;
        Key -> {ok, Key}
    catch
        _:_ -> none
    end.

key(#'OTPCertificate'{tbsCertificate = #'OTPTBSCertificate'{subjectPublicKeyInfo = Info}}) ->
    #'OTPSubjectPublicKeyInfo'{algorithm = #'PublicKeyAlgorithm'{algorithm = Algorithm, parameters = Parameters},
                               subjectPublicKey = Key} = Info,
    case Algorithm of
        ?'id-ecPublicKey' -> {Key, Parameters};
        ?'id-Ed25519' -> {Key, {namedCurve, ?'id-Ed25519'}};
        ?'id-Ed448' -> {Key, {namedCurve, ?'id-Ed448'}};
        ?'id-RSASSA-PSS' -> {Key, Parameters};
        _ -> Key
    end.
