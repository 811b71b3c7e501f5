%% Which versions of TLS and which suites a peer takes, of those that there are here. Each question is a whole handshake, over
%% a connection that is then ended in order. Everything that is left is offered, what the peer chose is taken away, and so on
%% until nothing is left or the peer refuses: so there are at most as many as there are suites, and one refusal for a
%% version, in the log of the peer, too. They come one after the other, with a pause.
%%
%% @private
-module(rustls_dist_ping_suites).

-export([taken/3]).

-export_type([taken/0]).

-include_lib("public_key/include/public_key.hrl").

%% The suites in the order of the peer's choice.
-type taken() :: [{'tlsv1.3' | 'tlsv1.2', [Suite :: binary()]}].

%% So that a listener that counts, or a log that limits, has time.
-define(PAUSE_MS, 50).

-define(TLS13, [<<"TLS_AES_256_GCM_SHA384">>, <<"TLS_AES_128_GCM_SHA256">>, <<"TLS_CHACHA20_POLY1305_SHA256">>]).
-define(ECDSA, [<<"TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384">>, <<"TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256">>,
                <<"TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256">>]).
-define(RSA, [<<"TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384">>, <<"TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256">>,
              <<"TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256">>]).

%% Ask: does one handshake with these options of the client, and gives the suite that the peer chose. Der: the peer's
%% certificate: suites for keys of another kind are not asked for. Refused: versions that are known to be.
-spec taken(fun((#{versions := [atom()], ciphers := [binary()]}) -> {ok, binary()} | refused), binary() | none, [atom()]) ->
          taken().
taken(Ask, Der, Refused) ->
    [{Version, case lists:member(Version, Refused) of
                   true -> [];
                   false -> chosen(Ask, Version, Suites, [])
               end} || {Version, Suites} <- [{'tlsv1.3', ?TLS13}, {'tlsv1.2', for_key(Der)}]].

chosen(_Ask, _Version, [], Chosen) ->
    lists:reverse(Chosen);
chosen(Ask, Version, Left, Chosen) ->
    receive after ?PAUSE_MS -> ok end,
    case Ask(#{versions => [Version], ciphers => Left}) of
        {ok, Suite} ->
            case lists:member(Suite, Left) of
                true -> chosen(Ask, Version, lists:delete(Suite, Left), [Suite | Chosen]);
                false -> lists:reverse(Chosen)
            end;
        refused ->
            lists:reverse(Chosen)
    end.

for_key(none) ->
    ?ECDSA ++ ?RSA;
for_key(Der) ->
    case rustls_dist_peer_certificate:decoded(Der) of
        {ok, #'OTPCertificate'{tbsCertificate = #'OTPTBSCertificate'{subjectPublicKeyInfo = Info}}} ->
            #'OTPSubjectPublicKeyInfo'{algorithm = #'PublicKeyAlgorithm'{algorithm = Algorithm}} = Info,
            case Algorithm of
                ?rsaEncryption -> ?RSA;
                _ -> ?ECDSA
            end;
        {error, _} ->
            for_key(none)
    end.
