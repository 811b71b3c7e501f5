%% The certificate paths that a chain may be validated along: what the peer sent, put in order, completed from and
%% anchored in the trust store.
%%
%% The behaviour is that of ssl (ssl_certificate:trusted_cert_and_paths/4), so that a verify_fun is told the same: an
%% anchor is a self-signed certificate of the store, a lone self-signed peer is `selfsigned_peer' whatever the store says,
%% and a path without anchor is tried all the same, under the name of what is wrong with it.
%%
%% @private
-module(rustls_dist_chain).

-export([candidates/2, shortened/2, to_root/2, subject/1]).

-export_type([cert/0, path/0]).

-include_lib("public_key/include/public_key.hrl").

-type cert() :: {public_key:der_encoded(), #'OTPCertificate'{}}.

%% The trust anchor, or why there is none, and the certificates from the one below it down to the peer's.
-type path() :: {cert() | unknown_ca | selfsigned_peer | invalid_issuer, [cert(), ...]}.

%% Several certificates of one subject make several paths possible; each is expensive to validate.
-define(MAX_PATHS, 16).

%% A chain of more certificates than this is no chain.
-define(MAX_LENGTH, 20).

%% The paths to try, in order. Chain: what the peer sent, its own certificate first. Trusted: the trust store.
-spec candidates([cert(), ...], [cert()]) -> [path(), ...].
candidates([Peer] = Chain, Trusted) ->
    case self_signed(Peer) of
        true -> [{selfsigned_peer, Chain}];
        false -> [completed(Chain, {unknown_ca, Chain}, Trusted)]
    end;
candidates(Chain, Trusted) ->
    [case anchored(Path, Trusted) of
         {unknown_ca, _} = Unanchored -> completed(Chain, Unanchored, Trusted);
         Anchored -> Anchored
     end || Path <- orders(Chain)].

%% What to try when nobody accepts that Path has no anchor: the longest part of it, the peer's end kept, whose topmost
%% certificate a root of the trust store has signed (ssl_certificate:find_cross_sign_root_paths/4).
-spec shortened([cert()], [cert()]) -> [path()].
shortened([], _Trusted) ->
    [];
shortened([Top | Below] = Path, Trusted) ->
    case issuer(Top, Trusted) of
        {ok, Issuer} ->
            case self_signed(Issuer) of
                true -> [{Issuer, Path}];
                false -> shortened(Below, Trusted)
            end;
        none ->
            shortened(Below, Trusted)
    end.

%% The self-signed certificate above Cert and the decoded certificates from there down to it, out of Known, as
%% public_key's issuer_fun returns them; without a root, the topmost one stands for it.
-spec to_root(cert(), [cert()]) -> {ok, #'OTPCertificate'{}, [#'OTPCertificate'{}]}.
to_root(Cert, Known) ->
    [{_, Root} | _] = Path = climb([Cert], Known),
    {ok, Root, [Otp || {_, Otp} <- Path]}.

%% Whose certificate it is, in a form that can be compared.
-spec subject(#'OTPCertificate'{}) -> public_key:issuer_name().
subject(#'OTPCertificate'{tbsCertificate = #'OTPTBSCertificate'{subject = Subject}}) ->
    public_key:pkix_normalize_name(Subject).

%% From the root side down to the peer.
orders([Peer | Rest] = Chain) ->
    case is_ordered(Chain) of
        true -> [lists:reverse(Chain)];
        false -> without_repeats(through_changed_keys(Peer, Rest) ++ [climb([Peer], Candidate) || Candidate <- selections(Rest)])
    end.

without_repeats([]) -> [];
without_repeats([Path | Paths]) -> [Path | without_repeats([Other || Other <- Paths, Other =/= Path])].

%% An authority that changed its key has two certificates in one path, the new one self-issued and signed with the old one (RFC
%% 5280 section 6.1). Other than ssl, which takes one of them, this one follows the signatures as well.
through_changed_keys(Peer, Rest) ->
    case lists:any(fun is_changed_key/1, Rest) of
        true -> [climb_by_signatures([Peer], Rest)];
        false -> []
    end.

is_changed_key({Der, Otp} = Cert) ->
    self_signed(Cert) andalso not rustls_dist_signature:signs_certificate(Otp, Der).

climb_by_signatures([Top | _] = Path, Certs) when length(Path) < ?MAX_LENGTH ->
    case issuer(Top, Certs -- Path) of
        {ok, Issuer} -> climb_by_signatures([Issuer | Path], Certs);
        none -> Path
    end;
climb_by_signatures(Path, _Certs) ->
    Path.

is_ordered([{_, Subject}, {_, Issuer} = Next | Rest]) ->
    public_key:pkix_is_issuer(Subject, Issuer) andalso is_ordered([Next | Rest]);
is_ordered([_]) ->
    true.

%% Of the certificates that share a subject, one each: all combinations, up to a bound, what was sent last first.
selections(Certs) ->
    BySubject = lists:foldl(fun({_Der, Otp} = Cert, Acc) ->
                                    maps:update_with(subject(Otp), fun(Same) -> [Cert | Same] end, [Cert], Acc)
                            end, #{}, Certs),
    lists:sublist(combinations(maps:values(BySubject)), ?MAX_PATHS).

combinations([]) -> [[]];
combinations([Same | Others]) ->
    Rest = lists:sublist(combinations(Others), ?MAX_PATHS),
    [[Cert | Combination] || Combination <- Rest, Cert <- Same].

%% Follows the issuers through Certs as far as they go.
climb([Top | _] = Path, Certs) when length(Path) < ?MAX_LENGTH ->
    case (not self_signed(Top)) andalso issuer(Top, Certs) of
        {ok, Issuer} -> climb([Issuer | Path], Certs);
        _ -> Path
    end;
climb(Path, _Certs) ->
    Path.

anchored([{TopDer, _} = Top | Below] = Path, Trusted) ->
    case self_signed(Top) of
        true ->
            case [Der || {Der, _} = Cert <- Trusted, same_identity(Cert, Top)] of
                [TopDer | _] -> {Top, Below};
                [_Other | _] -> {invalid_issuer, Path};
                [] -> {unknown_ca, Path}
            end;
        false ->
            case issuer(Top, Trusted) of
                {ok, Issuer} ->
                    case self_signed(Issuer) of
                        true -> {Issuer, Path};
                        false -> {unknown_ca, [Issuer | Path]}
                    end;
                none ->
                    {unknown_ca, Path}
            end
    end.

%% A chain that stops short is continued with intermediates of the trust store.
completed([Peer | _] = Chain, Otherwise, Trusted) ->
    Longer = climb([Peer], Trusted),
    case lists:prefix(Chain, lists:reverse(Longer)) andalso length(Longer) > length(Chain) of
        true -> anchored(Longer, Trusted);
        false -> Otherwise
    end.

%% By name and by signature. Of several with one key, as of a renewed authority, the one that is valid longest.
issuer({Der, Otp}, Certs) ->
    Issuers = [{not_after(Candidate), Cert} || {_, Candidate} = Cert <- Certs,
                                               public_key:pkix_is_issuer(Otp, Candidate),
                                               rustls_dist_signature:signs_certificate(Candidate, Der)],
    case lists:reverse(lists:keysort(1, Issuers)) of
        [{_NotAfter, Issuer} | _] -> {ok, Issuer};
        [] -> none
    end.

not_after(#'OTPCertificate'{tbsCertificate = #'OTPTBSCertificate'{validity = #'Validity'{notAfter = Time}}}) ->
    rustls_dist_asn1_time:sortable(Time).

self_signed({_Der, Otp}) ->
    public_key:pkix_is_self_signed(Otp).

same_identity({_, A}, {_, B}) ->
    public_key:pkix_issuer_id(A, self) =:= public_key:pkix_issuer_id(B, self).
