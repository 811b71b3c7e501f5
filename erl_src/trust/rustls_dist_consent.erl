%% What a user's function accepted by name, and what that leaves to judge.
%%
%% webpki stops at the first fault that it finds. Where the function accepts that one, nobody has looked for others, and
%% somebody with an ordinary certificate could hide them behind a date that is forgiven. So webpki is asked again, about
%% copies of the certificates without what was accepted (src/trust/chain/again.rs), until it has nothing against them or names
%% a fault that the function refuses. Each round adds a kind of fault to what is accepted; there are about a dozen.
-module(rustls_dist_consent).

-export([settle/3]).

-export_type([judgement/0, ask/1]).

%% A path that was walked, the peer's certificate first, its anchor, and which faults of which certificate were accepted, under
%% the names that a verify_fun gets.
-type judgement() :: #{role := client | server, depth := non_neg_integer(),
                       path := [public_key:der_encoded(), ...], anchor := public_key:der_encoded() | none,
                       accepted := [{public_key:der_encoded(), Fault :: term()}]}.

%% Asks the function about a fault of the peer's certificate, which webpki told so.
-type ask(Refusal) :: fun((Fault :: term(), rustls_dist_nif:error_map(), State :: term()) ->
                                 {accepted, NewState :: term()} | {refused, Refusal}).

%% `ok', or the function's first refusal. A fault that cannot be left out of a copy, as a certificate that webpki cannot read,
%% hides others for good: then the function is asked about `{webpki, unjudged}', too.
-spec settle(judgement(), ask(Refusal), State :: term()) -> ok | Refusal.
settle(Case, Ask, State) ->
    settle(Case, Ask, State, []).

settle(Case, Ask, State, Everywhere) ->
    case judge(Case, Everywhere) of
        ok ->
            ok;
        {error, #{kind := Kind} = Error} ->
            Fault = as_otp(Kind),
            case {consents(Fault), consents(Fault) -- Everywhere} of
                {[], []} -> ask_all([Fault, {webpki, unjudged}], Error, Ask, State);
                {_, []} -> ask_all([{webpki, unjudged}], Error, Ask, State);
                {_, New} ->
                    case Ask(Fault, Error, State) of
                        {accepted, Next} -> settle(Case, Ask, Next, New ++ Everywhere);
                        {refused, Refusal} -> Refusal
                    end
            end
    end.

ask_all([], _Error, _Ask, _State) ->
    ok;
ask_all([Fault | Faults], Error, Ask, State) ->
    case Ask(Fault, Error, State) of
        {accepted, Next} -> ask_all(Faults, Error, Ask, Next);
        {refused, Refusal} -> Refusal
    end.

judge(#{role := Role, depth := Depth, path := Path, anchor := Anchor, accepted := Accepted}, Everywhere) ->
    Forgiven = fun(Der) ->
                       {Der, lists:usort(Everywhere ++ [Consent || {Of, Fault} <- Accepted, Of =:= Der,
                                                                   Consent <- consents(Fault)])}
               end,
    Top = case Anchor of
              none -> none;
              Der -> Forgiven(Der)
          end,
    rustls_dist_nif:chain_judge(Role, Depth, Top, [Forgiven(Der) || Der <- Path]).

%% Which kinds of faults (src/trust/chain/again.rs) a fault is of. None: revocation and host names are not webpki's to judge,
%% and what it cannot read cannot be mended.
-spec consents(term()) -> [rustls_dist_nif:consent()].
consents(cert_expired) -> [validity];
consents(invalid_ext_key_usage) -> [purpose];
consents({invalid_ext_keyusage, _}) -> [purpose];
consents({ca_invalid_ext_keyusage, _}) -> [purpose];
consents({webpki, wrong_key_usage}) -> [purpose];
consents(unknown_ca) -> [issuer];
consents(invalid_issuer) -> [issuer];
consents(invalid_signature) -> [signature];
consents({webpki, unsupported_signature_algorithm}) -> [algorithm];
consents(max_path_length_reached) -> [path_length];
consents({webpki, too_many_intermediates}) -> [too_many_intermediates];
consents(name_not_permitted) -> [names];
consents(missing_basic_constraint) -> [not_an_authority];
consents(invalid_key_usage) -> [may_not_sign];
consents({webpki, peer_is_authority}) -> [peer_is_authority];
consents({webpki, unsupported_certificate_version}) -> [version];
consents({webpki, weak_key}) -> [weak_key];
consents({critical_extension, Id}) -> [{extension, dotted(Id)}];
consents(unknown_critical_extension) -> [any_extension];
consents(_Others) -> [].

dotted(Id) ->
    iolist_to_binary(lists:join($., [integer_to_list(Arc) || Arc <- tuple_to_list(Id)])).

%% webpki's faults under OTP's names, where there is one.
-spec as_otp(rustls_dist_nif:kind()) -> Fault :: term().
as_otp(certificate_expired) -> cert_expired;
as_otp(certificate_not_yet_valid) -> cert_expired;
as_otp(trust_anchor_not_valid) -> cert_expired;
as_otp(self_signed_peer) -> selfsigned_peer;
as_otp(authority_may_not_sign) -> invalid_key_usage;
as_otp(unknown_issuer) -> unknown_ca;
as_otp(issuer_in_other_bytes) -> unknown_ca;
as_otp(bad_signature) -> invalid_signature;
as_otp(name_mismatch) -> hostname_check_failed;
as_otp(unhandled_critical_extension) -> unknown_critical_extension;
as_otp(chain_too_deep) -> max_path_length_reached;
as_otp(path_length_exceeded) -> max_path_length_reached;
as_otp(not_an_authority) -> missing_basic_constraint;
as_otp(name_not_permitted) -> name_not_permitted;
as_otp(Kind) -> {webpki, Kind}.
