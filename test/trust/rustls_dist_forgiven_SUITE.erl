%% What hides behind a fault that a user's function forgives: every fault that can be forgiven beside every fault that webpki
%% finds and public_key does not tell of, in both roles. The function forgives the first and is not asked about the second, or
%% refuses it: the chain is refused. It accepts both by name: the chain is good.
-module(rustls_dist_forgiven_SUITE).

-include_lib("stdlib/include/assert.hrl").
-include_lib("public_key/include/public_key.hrl").

-export([all/0, init_per_suite/1, end_per_suite/1]).
-export([table/1, signatures_are_of_what_was_sent/1, own_authority/1, unreadable/1, one_extension_is_not_all/1,
         constrained_common_names/1]).

-import(rustls_dist_x509, [root/2, authority/2, authority/3, leaf/2, leaf/3, extension/2, extension/3, with/2, without/2,
                           new_key/0, new_key/1]).

-define(UNKNOWN_EXTENSION, {1, 3, 6, 1, 4, 1, 99999, 1}).
-define(CODE_SIGNING, {1, 3, 6, 1, 5, 5, 7, 3, 3}).
-define(POLICY, {1, 3, 6, 1, 4, 1, 99999, 2}).

all() ->
    [table, signatures_are_of_what_was_sent, own_authority, unreadable, one_extension_is_not_all, constrained_common_names].

init_per_suite(Config) ->
    ok = rustls_dist_nif:load(),
    Keys = #{rsa512 => new_key({rsa, 512, 65537}), rsa1024 => new_key({rsa, 1024, 65537}),
             small_curve => new_key({namedCurve, secp112r1})},
    [{keys, Keys} | Config].

end_per_suite(_Config) ->
    ok.

%% What may be forgiven: its name, how a chain comes by it, and the names by which it is accepted.
forgivable() ->
    [{expired_leaf, leaf(#{days => {-20, -10}}), [cert_expired]},
     {early_leaf, leaf(#{days => {10, 20}}), [cert_expired]},
     {expired_authority, ca(#{days => {-20, -10}}), [cert_expired]},
     {expired_root, root(#{days => {-20, -10}}), [cert_expired]},
     {never_valid_together, fun(Spec) -> (leaf(#{days => {-20, -10}}))((ca(#{days => {-5, 5}}))(Spec)) end, [cert_expired]},
     {purpose, changed(leaf, with(extension(?'id-ce-extKeyUsage', [?CODE_SIGNING]))), [invalid_ext_key_usage]},
     {unknown_authority, fun(Spec) -> Spec#{trusted => false} end, [unknown_ca]},
     {host, fun(Spec) -> Spec#{host => <<"elsewhere">>} end, [hostname_check_failed]},
     {depth, fun(Spec) -> Spec#{depth => 0} end, [max_path_length_reached, policy_requirement_not_met]},
     {path_length, changed(root, with(extension(?'id-ce-basicConstraints',
                                                #'BasicConstraints'{cA = true, pathLenConstraint = 0}, true))),
      [max_path_length_reached]},
     {extension, changed(leaf, with(extension(?UNKNOWN_EXTENSION, <<5, 0>>, true))), [?UNKNOWN_EXTENSION]},
     {names, changed(ca, with(extension(?'id-ce-nameConstraints', permitted("example.org"), true))), [name_not_permitted]},
     {signature, leaf(#{signed_with => new_key()}), [invalid_signature]},
     {no_authority, changed(ca, with(extension(?'id-ce-basicConstraints',
                                               #'BasicConstraints'{cA = false, pathLenConstraint = asn1_NOVALUE}))),
      [missing_basic_constraint, invalid_key_usage]},
     {no_key_cert_sign, changed(ca, with(extension(?'id-ce-keyUsage', [cRLSign], true))), [invalid_key_usage]}].

%% What webpki finds. The names are those that its first fault goes by, and what public_key may tell beside it.
hidden(#{rsa512 := Rsa512, rsa1024 := Rsa1024, small_curve := SmallCurve}) ->
    [{none, fun(Spec) -> Spec end, []},
     {rsa512_authority, ca(#{key => Rsa512}), [invalid_signature]},
     {small_curve_authority, ca(#{key => SmallCurve}), [{webpki, unsupported_signature_algorithm}]},
     {authority_as_peer, changed(leaf, with(extension(?'id-ce-basicConstraints',
                                                      #'BasicConstraints'{cA = true, pathLenConstraint = asn1_NOVALUE}))),
      [{webpki, peer_is_authority}]},
     {version_1_leaf, leaf(#{version => v1}), [{webpki, unsupported_certificate_version}]},
     {version_1_authority, ca(#{version => v1}), [{webpki, unsupported_certificate_version}, missing_basic_constraint]},
     {sha1_leaf, leaf(#{digest => sha}), [{webpki, unsupported_signature_algorithm}]},
     {sha1_authority, ca(#{digest => sha}), [{webpki, unsupported_signature_algorithm}]},
     {rsa1024_leaf, leaf(#{key => Rsa1024}), [{webpki, weak_key}]},
     {silent_authority, fun(Spec) -> (changed(ca, fun(Extensions) -> without(?'id-ce-basicConstraints',
                                                                             without(?'id-ce-keyUsage', Extensions)) end))(Spec)
                        end, [missing_basic_constraint]},
     {root_without_key_cert_sign, changed(root, with(extension(?'id-ce-keyUsage', [cRLSign], true))), [invalid_key_usage]},
     {critical_extension_of_root, changed(root, with(extension(?UNKNOWN_EXTENSION, <<5, 0>>, true))),
      [unknown_critical_extension]},
     {names_of_nothing, changed(ca, with(extension(?'id-ce-nameConstraints', of_nothing(), true))),
      [{webpki, extension_malformed}, {webpki, unjudged}]},
     {seven_between, fun(Spec) -> Spec#{more => 6} end, [{webpki, too_many_intermediates}]},
     {purpose_of_authority, changed(ca, with(extension(?'id-ce-extKeyUsage', [?CODE_SIGNING]))),
      [invalid_ext_key_usage, key_usage_mismatch]},
     {weak_and_sha1, fun(Spec) -> (leaf(#{key => Rsa1024, digest => sha}))(Spec) end,
      [{webpki, weak_key}, {webpki, unsupported_signature_algorithm}]}].

%% Pairs of which one takes the other away, or is the same fault by name.
is_pair(Forgivable, Hidden) ->
    not lists:member({Forgivable, Hidden},
                     [{unknown_authority, root_without_key_cert_sign},           % no root is looked at
                      {unknown_authority, critical_extension_of_root},
                      {unknown_authority, sha1_authority},                       % nor what it signed
                      {signature, rsa512_authority}, {signature, small_curve_authority}, {signature, sha1_leaf},
                      {signature, weak_and_sha1},
                      {no_authority, silent_authority}, {no_authority, root_without_key_cert_sign},
                      {no_authority, version_1_authority},
                      {no_key_cert_sign, root_without_key_cert_sign},
                      {names, names_of_nothing},
                      {purpose, purpose_of_authority}]).

table(Config) ->
    Hidden = hidden(proplists:get_value(keys, Config)),
    [begin
         Spec = Hide(Forgive(#{role => Role})),
         Chain = chain(Spec),
         Where = {Role, Forgivable, Name},
         case Name of
             none -> ?assertEqual(ok, judged(Spec, Chain, Accepted), Where);
             _ -> ?assertMatch({refused, _, _}, judged(Spec, Chain, Accepted), Where)
         end,
         ?assertEqual(ok, judged(Spec, Chain, Accepted ++ Names), Where)
     end || Role <- [client, server],
            {Forgivable, Forgive, Accepted} <- forgivable(), Role =:= client orelse Forgivable =/= host,
            {Name, Hide, Names} <- Hidden, is_pair(Forgivable, Name)],
    ok.

%% webpki judges copies of certificates. No copy is taken for signed where the certificate itself was not, nor is a certificate
%% that looks like a copy taken for the one that was signed.
signatures_are_of_what_was_sent(_Config) ->
    Root = #{der := RootDer} = root("root", #{}),
    Judge = fun(Der, Consents) ->
                    case rustls_dist_nif:chain_judge(client, 10, {RootDer, []}, [{Der, Consents}]) of
                        ok -> ok;
                        {error, #{kind := Kind}} -> Kind
                    end
            end,
    #{der := Expired, otp := Otp} = leaf("leaf", Root, #{days => {-20, -10}}),
    #{der := Forged} = leaf("leaf", Root, #{days => {-20, -10}, signed_with => new_key()}),
    ?assertEqual(certificate_expired, Judge(Expired, [])),
    ?assertEqual(ok, Judge(Expired, [validity])),
    ?assertEqual(bad_signature, Judge(Forged, [validity])),
    ?assertEqual(ok, Judge(Forged, [validity, signature])),
    #'OTPCertificate'{tbsCertificate = Tbs} = Otp,
    Always = #'Validity'{notBefore = {utcTime, "700101000000Z"}, notAfter = {generalTime, "99991231235959Z"}},
    LooksLikeTheCopy = public_key:pkix_encode('OTPCertificate',
                                              Otp#'OTPCertificate'{tbsCertificate = Tbs#'OTPTBSCertificate'{validity = Always}},
                                              otp),
    [?assertEqual(bad_signature, Judge(LooksLikeTheCopy, Consents)) || Consents <- [[], [validity], [purpose, validity]]],
    ok.

%% A lone self-signed certificate: its version, and that it says to be an authority, mean nothing. Its key does.
own_authority(Config) ->
    #{rsa1024 := Weak} = proplists:get_value(keys, Config),
    Judge = fun(Options, Accepted) ->
                    Peer = leaf("peer", self, Options),
                    judge(#{role => client}, [], [Peer], Accepted, error_map(self_signed_peer))
            end,
    ?assertEqual(ok, Judge(#{}, [selfsigned_peer])),
    ?assertMatch({refused, _, _}, Judge(#{}, [])),
    ?assertEqual(ok, Judge(#{version => v1}, [selfsigned_peer])),
    Authority = extension(?'id-ce-basicConstraints', #'BasicConstraints'{cA = true, pathLenConstraint = asn1_NOVALUE}),
    ?assertEqual(ok, Judge(#{extensions => with(Authority)}, [selfsigned_peer])),
    [begin
         ?assertMatch({refused, _, _}, Judge(Options, [selfsigned_peer]), Fault),
         ?assertEqual(ok, Judge(Options, [selfsigned_peer, Fault]))
     end || {Options, Fault} <- [{#{key => Weak}, {webpki, weak_key}},
                                 {#{extensions => with(extension(?'id-ce-extKeyUsage', [?CODE_SIGNING]))},
                                  invalid_ext_key_usage}]].

%% What webpki cannot read cannot be mended in a copy either: what else it might have found has to be accepted by name.
unreadable(_Config) ->
    Spec = (leaf(#{unique_id => <<1, 2, 3>>, days => {-20, -10}}))(#{role => client}),
    Chain = chain(Spec),
    Judge = fun(Accepted) -> judged(Spec, Chain, Accepted) end,
    ?assertMatch({refused, _, _}, Judge([cert_expired])),
    {refused, _, Text} = Judge([cert_expired, {webpki, unique_identifier}]),
    ?assertMatch({match, _}, re:run(Text, "it hides what else may be wrong")),
    ?assertEqual(ok, Judge([cert_expired, {webpki, unique_identifier}, {webpki, unjudged}])).

%% A function that understands one critical extension does not understand those that public_key knows and webpki does not.
one_extension_is_not_all(_Config) ->
    Policies = extension(?'id-ce-certificatePolicies',
                         [#'PolicyInformation'{policyIdentifier = ?POLICY, policyQualifiers = asn1_NOVALUE}], true),
    Understood = changed(leaf, with(extension(?UNKNOWN_EXTENSION, <<5, 0>>, true))),
    Spec = (changed(ca, with(Policies)))(Understood(#{role => client})),
    Chain = chain(Spec),
    ?assertMatch({refused, _, _}, judged(Spec, Chain, [?UNKNOWN_EXTENSION])),
    ?assertEqual(ok, judged(Spec, Chain, [?UNKNOWN_EXTENSION, ?'id-ce-certificatePolicies', unknown_critical_extension])).

%% Constraints are about alternative names: a common name would escape them, so it does not count.
constrained_common_names(_Config) ->
    Constrained = with(extension(?'id-ce-nameConstraints', permitted("example.org"), true)),
    Unnamed = (changed(leaf, fun(Extensions) -> without(?'id-ce-subjectAltName', Extensions) end))
                ((leaf(#{subject => "localhost"}))(#{role => client, host => <<"localhost">>})),
    Free = case rustls_dist_release:takes_common_name() of
               true -> ok;
               false -> refused
           end,
    ?assertEqual(Free, outcome(judged(Unnamed, chain(Unnamed), []))),
    [begin
         Spec = (changed(Who, Constrained))(Unnamed),
         #{sent := [#{der := Peer} | _]} = Chain = chain(Spec),
         ?assertEqual(refused, outcome(judged(Spec, Chain, [])), Who),
         Allowed = fun(Names) ->
                           Tls = #{verify => verify_peer, facts => #{peer_der => Peer, names => Names}},
                           rustls_dist_allow:nodes(Tls, ['a@localhost'])
                   end,
         ?assertMatch({error, {not_allowed, _}}, Allowed(constrained)),
         [?assertEqual({ok, ['a@localhost']}, Allowed(free)) || Free =:= ok]
     end || Who <- [ca, root]].

%% -----------------------------------------------------------------------------------------------------------

outcome(ok) -> ok;
outcome({refused, _, _}) -> refused.

%% Changes of a chain's specification.
leaf(Options) -> merged(leaf, Options).
ca(Options) -> merged(ca, Options).
root(Options) -> merged(root, Options).

merged(Who, Options) ->
    fun(Spec) -> Spec#{Who => maps:merge(maps:get(Who, Spec, #{}), Options)} end.

changed(Who, Change) ->
    fun(Spec) ->
            Options = maps:get(Who, Spec, #{}),
            Before = maps:get(extensions, Options, fun(Same) -> Same end),
            Spec#{Who => Options#{extensions => fun(Extensions) -> Change(Before(Extensions)) end}}
    end.

with(Extension) ->
    fun(Extensions) -> with(Extension, Extensions) end.

permitted(Name) ->
    Subtree = #'GeneralSubtree'{base = {dNSName, Name}, minimum = 0, maximum = asn1_NOVALUE},
    #'NameConstraints'{permittedSubtrees = [Subtree], excludedSubtrees = asn1_NOVALUE}.

of_nothing() ->
    #'NameConstraints'{permittedSubtrees = asn1_NOVALUE, excludedSubtrees = asn1_NOVALUE}.

%% `ca' is the one that issued the peer's certificate; `more' are above it.
chain(Spec) ->
    [Root, Ca, Leaf] = [maps:get(Who, Spec, #{}) || Who <- [root, ca, leaf]],
    Top = root("root", Root),
    Above = lists:foldl(fun(Number, [Issuer | _] = Path) -> [authority("a" ++ integer_to_list(Number), Issuer) | Path] end,
                        [Top], lists:seq(1, maps:get(more, Spec, 0))),
    Lowest = authority("ca", hd(Above), Ca),
    #{sent => [leaf("leaf", Lowest, Leaf), Lowest | lists:droplast(Above)],
      trusted => [Top || maps:get(trusted, Spec, true)]}.

judged(#{role := Role} = Spec, #{sent := Sent, trusted := Trusted}, Accepted) ->
    Webpki = case Trusted of
                 [#{der := Root}] ->
                     rustls_dist_nif:chain_judge(Role, maps:get(depth, Spec, 10), {Root, []},
                                                 [{Der, []} || #{der := Der} <- Sent]);
                 [] ->
                     error_map(unknown_issuer)
             end,
    judge(Spec, Trusted, Sent, Accepted, Webpki).

judge(#{role := Role} = Spec, Trusted, Sent, Accepted, Webpki) ->
    Policy = #{role => Role, trusted => [{Der, Otp} || #{der := Der, otp := Otp} <- Trusted],
               depth => maps:get(depth, Spec, 10), host => maps:get(host, Spec, any), host_check => [],
               verify_fun => accepting(Accepted), crl => off},
    rustls_dist_verify:judge(Policy, [Der || #{der := Der} <- Sent], Webpki).

%% Accepts faults, and critical extensions by their identifiers.
accepting(Accepted) ->
    Answer = fun(What, Event, State) ->
                     case lists:member(What, Accepted) of
                         true -> {valid, State};
                         false -> {fail, Event}
                     end
             end,
    {fun(_Cert, {extension, #'Extension'{critical = true, extnID = Id}} = Event, State) -> Answer(Id, Event, State);
        (_Cert, {extension, _}, State) -> {unknown, State};
        (_Cert, {bad_cert, Fault} = Event, State) -> Answer(brief(Fault), Event, State);
        (_Cert, _Valid, State) -> {valid, State}
     end, none, "accepting"}.

%% Under one name, whatever the release calls it. From OTP 27 on public_key holds the two usages
%% against each other, and misses a policy where a path is too long.
brief({invalid_ext_keyusage, _}) -> invalid_ext_key_usage;
brief({key_usage_mismatch, _}) -> key_usage_mismatch;
brief({policy_requirement_not_met, _}) -> policy_requirement_not_met;
brief({ca_invalid_ext_keyusage, _}) -> invalid_ext_key_usage;
brief({webpki, wrong_key_usage}) -> invalid_ext_key_usage;
brief(Fault) -> Fault.

error_map(Kind) ->
    {error, #{kind => Kind, option => none, text => <<"webpki says so">>, alert => {46, certificate_unknown},
              received => none}}.
