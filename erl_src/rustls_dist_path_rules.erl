%% What webpki demands of a path and public_key does not, or not of every release: authorities are of X.509 version 3 and
%% say that they are authorities, and nothing is signed with an algorithm that can be forged.
%%
%% webpki stops at the first fault that it finds. Where a user's function accepts that one, the others have not been
%% looked at, and somebody with an ordinary certificate could issue others: so they are looked for here.
-module(rustls_dist_path_rules).

-export([faults/1]).

-include_lib("public_key/include/public_key.hrl").

-define(RSASSA_PSS, {1, 2, 840, 113549, 1, 1, 10}).
-define(ED25519, {1, 3, 101, 112}).

-define(SIGNATURES, [?sha256WithRSAEncryption, ?sha384WithRSAEncryption, ?sha512WithRSAEncryption,
                     ?'ecdsa-with-SHA256', ?'ecdsa-with-SHA384', ?'ecdsa-with-SHA512', ?RSASSA_PSS, ?ED25519]).

%% The faults of a path (the topmost certificate first, the peer's last), under the names that a verify_fun gets.
-spec faults([rustls_dist_path:cert(), ...]) -> [term()].
faults(Path) ->
    Certs = [Otp#'OTPCertificate'.tbsCertificate || {_Der, Otp} <- Path],
    Authorities = lists:droplast(Certs),
    lists:uniq([Fault || Cert <- Authorities, Fault <- authority(Cert)]
               ++ [{webpki, unsupported_signature_algorithm} || Cert <- Certs, not is_self_signed(Cert), not is_sound(Cert)]).

authority(#'OTPTBSCertificate'{version = Version}) when Version =/= v3 ->
    [{webpki, unsupported_certificate_version}];
authority(#'OTPTBSCertificate'{extensions = Extensions}) when is_list(Extensions) ->
    case lists:keyfind(?'id-ce-basicConstraints', #'Extension'.extnID, Extensions) of
        #'Extension'{extnValue = #'BasicConstraints'{cA = true}} -> [];
        _ -> [missing_basic_constraint]
    end;
authority(_NoExtensions) ->
    [missing_basic_constraint].

%% Whose own key signed it proves nothing, and is not asked.
is_self_signed(#'OTPTBSCertificate'{subject = Subject, issuer = Issuer}) ->
    Subject =:= Issuer.

is_sound(#'OTPTBSCertificate'{signature = #'SignatureAlgorithm'{algorithm = Algorithm}}) ->
    lists:member(Algorithm, ?SIGNATURES).
