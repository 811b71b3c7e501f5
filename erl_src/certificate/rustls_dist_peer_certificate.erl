%% A peer's certificate as public_key has it. What webpki accepts may be too much for it, as a country of one character:
%% nothing in such a certificate can be compared with anything, and the peer is told so.
%%
%% @private
-module(rustls_dist_peer_certificate).

-export([decoded/1, undecodable/0]).

-export_type([undecodable/0]).

-include_lib("public_key/include/public_key.hrl").

%% A certificate that cannot be decoded, and the alert that the peer is owed.
-type undecodable() :: {tls, rustls_dist_nif:error_map()}.

%% The certificate, or why the link fails. (In OTP 29 public_key's fault may be an exit.)
-spec decoded(public_key:der_encoded()) -> {ok, #'OTPCertificate'{}} | {error, undecodable()}.
decoded(Der) ->
    try
        {ok, public_key:pkix_decode_cert(Der, otp)}
    catch
        _:_ ->
            {error, {tls, #{kind => bad_certificate_encoding, option => none, text => undecodable(),
                            alert => {rustls_dist_alert:code(bad_certificate), bad_certificate}, received => none}}}
    end.

%% What people are told.
-spec undecodable() -> binary().
undecodable() ->
    <<"the peer sent a certificate that cannot be decoded, or names that are no text">>.
