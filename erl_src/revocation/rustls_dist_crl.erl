%% Revocation: ssl's crl_check and crl_cache (ssl_handshake:maybe_check_crl/5), with public_key judging the lists.
%%
%% Where the lists come from is a module with ssl's ssl_crl_cache_api behaviour: the user's own, OTP's ssl_crl_hash_dir,
%% or, in the place of OTP's ssl_crl_cache, which needs ssl to be started, rustls_dist_crl_cache. A crlfile is one more
%% source.
%%
%% @private
-module(rustls_dist_crl).

-export([check/5]).

-export_type([policy/0, source/0]).

-include_lib("public_key/include/public_key.hrl").

%% A module and the handle that its functions get.
-type source() :: {module(), term()}.

%% `peer' leaves authorities out; `best_effort' takes a certificate whose status cannot be told for good.
-type policy() :: off | #{check := true | peer | best_effort, sources := [source(), ...]}.

%% The status of one certificate of a path. Kind: whether it is the peer's; Path: the certificates below the anchor;
%% Trusted: the trust store, for the issuers of lists.
-spec check(policy(), valid | valid_peer, #'OTPCertificate'{}, [rustls_dist_chain:cert()], [rustls_dist_chain:cert()]) ->
          valid | {bad_cert, term()}.
check(off, _Kind, _Cert, _Path, _Trusted) ->
    valid;
check(#{check := peer}, valid, _Cert, _Path, _Trusted) ->
    valid;
check(#{check := Check, sources := Sources}, _Kind, Cert, Path, Trusted) ->
    %% What stands below it may not vouch for the lists that judge it.
    Above = lists:takewhile(fun({_Der, Otp}) -> Otp =/= Cert end, Path),
    Options = [{issuer_fun, {fun(_Dp, Crl, _Issuer, Known) -> issuer_path(Crl, Known) end, Above ++ Trusted}},
               {update_crl, fun(Dp, Crl) -> fresh(Sources, Dp, Crl) end},
               {undetermined_details, true}],
    case public_key:pkix_dist_points(Cert) of
        [] ->
            by_issuer(Check, Sources, Cert, Options);
        Points ->
            case status(Cert, by_distribution_point(Sources, Points, Cert), Options) of
                {bad_cert, {revocation_status_undetermined, _}} ->
                    _ = [rustls_dist_crl_cache:doubt(Points, Arguments) || {rustls_dist_crl_cache, Arguments} <- Sources],
                    by_issuer(Check, Sources, Cert, Options);
                Status ->
                    Status
            end
    end.

%% The lists that the certificate's own distribution points lead to.
by_distribution_point(Sources, Points, #'OTPCertificate'{tbsCertificate = #'OTPTBSCertificate'{issuer = Issuer}}) ->
    Lists = usable(lists:flatmap(fun(Source) -> first_available(Source, Points, Issuer) end, Sources)),
    [{Point, List} || Point <- Points, List <- Lists].

first_available(_Source, [], _Issuer) ->
    [];
first_available({Module, Handle} = Source, [Point | Points], Issuer) ->
    case logged(Module, lookup(Module, Point, Issuer, Handle)) of
        not_available -> first_available(Source, Points, Issuer);
        Lists -> Lists
    end.

%% Old modules have no Issuer argument.
lookup(Module, Point, Issuer, Handle) ->
    _ = code:ensure_loaded(Module),
    case erlang:function_exported(Module, lookup, 3) of
        true -> ask(Module, lookup, [Point, Issuer, Handle]);
        false -> ask(Module, lookup, [Point, Handle])
    end.

%% A source that fails is no fault of the chain: this ends the process that judges, and rustls_dist_handshake names it.
ask(Module, Function, Arguments) ->
    try
        apply(Module, Function, Arguments)
    catch
        _:Reason -> exit({crl_source, Module, Function, Reason})
    end.

%% The lists of the certificate's issuer, whatever the distribution points say.
by_issuer(Check, Sources, Cert, Options) ->
    #'DistributionPoint'{distributionPoint = {fullName, Names}} = Point = public_key:pkix_dist_point(Cert),
    Lists = usable([List || {directoryName, Issuer} <- Names, {Module, Handle} <- Sources,
                            List <- logged(Module, ask(Module, select, [Issuer, Handle]))]),
    case status(Cert, [{Point, List} || List <- Lists], Options) of
        {bad_cert, {revocation_status_undetermined, _}} when Check =:= best_effort -> valid;
        Status -> Status
    end.

%% What the lists say together, as public_key has it. It lets the first complete list decide, in no particular order;
%% with several, from several sources or an old one beside its successor, one that revokes is enough, and one that is of
%% no use does not take the others with it.
status(Cert, Lists, Options) ->
    Together = validate(Cert, Lists, Options),
    {Deltas, Complete} = lists:partition(fun({_Point, List}) -> rustls_dist_crl_lists:is_delta(List) end, Lists),
    Each = case Complete of
               [_, _ | _] -> [validate(Cert, [List | Deltas], Options) || List <- Complete];
               _ -> []
           end,
    case [Revoked || {bad_cert, {revoked, _}} = Revoked <- [Together | Each]] of
        [Revoked | _] ->
            Revoked;
        [] ->
            case lists:member(valid, Each) of
                true -> valid;
                false -> Together
            end
    end.

%% A list whose insides cannot be decoded makes public_key crash, in OTP 29 with an exit; it is one that tells nothing. Other
%% exits are a source's.
validate(Cert, Lists, Options) ->
    try
        public_key:pkix_crls_validate(Cert, Lists, Options)
    catch
        error:_ -> malformed();
        exit:{error, {asn1, _}} -> malformed()
    end.

malformed() ->
    {bad_cert, {revocation_status_undetermined, {bad_crls, malformed}}}.

%% A module may give a better list for one that is out of date, with its decoded form or without.
fresh([], _Point, Crl) ->
    Crl;
fresh([{Module, _Handle} | Sources], Point, {Der, _} = Crl) ->
    case logged(Module, ask(Module, fresh_crl, [Point, Crl])) of
        {Fresh, #'CertificateList'{}} when Fresh =/= Der -> replacement(Fresh, Crl);
        Fresh when is_binary(Fresh), Fresh =/= Der -> replacement(Fresh, Crl);
        _ -> fresh(Sources, Point, Crl)
    end.

replacement(Der, Otherwise) ->
    case usable([Der]) of
        [Fresh] -> Fresh;
        [] -> Otherwise
    end.

%% Modules may send something for the log along.
logged(Module, {logger, {Level, Report, Meta}, Result}) ->
    ok = rustls_dist_log:crl_source(Module, Level, Report, Meta),
    Result;
logged(_Module, Result) ->
    Result.

%% Decoded, without those that cannot be, or say nothing of how long they are valid.
usable(Ders) ->
    [Decoded || Der <- Ders, {ok, Decoded, _NextUpdate} <- [rustls_dist_crl_lists:decode(Der)]].

%% The certificate that signed a list, and the path from it up to its root.
issuer_path(Crl, Known) ->
    Issuer = public_key:pkix_normalize_name(public_key:pkix_crl_issuer(Crl)),
    Candidates = [Cert || {_, Otp} = Cert <- Known, rustls_dist_chain:subject(Otp) =:= Issuer,
                          rustls_dist_signature:signs_list(Otp, Crl)],
    case Candidates of
        [] -> {error, unknown_ca};
        [Signer | _] -> rustls_dist_chain:to_root(Signer, Known)
    end.
