%% What a peer may send to the judge of chains: what cannot be read, and what hides behind a fault that the user's function
%% accepts. The judge is called as rustls_dist_handshake calls it, with webpki's verdict of each case.
-module(rustls_dist_judge_SUITE).

-include_lib("stdlib/include/assert.hrl").
-include_lib("public_key/include/public_key.hrl").

-export([all/0, init_per_suite/1, end_per_suite/1]).
-export([unreadable_names/1, garbage/1, many_certificates/1, issuers_in_a_circle/1, members_issue_nothing/1,
         hidden_behind_expiry/1, hidden_behind_no_anchor/1, weak_signature_hidden/1, revoked_vouches_for_itself/1,
         pinned_as_sent/1, owner_gone/1, not_decided/1]).

-define(BAD_CERTIFICATE, 42).
-define(CERTIFICATE_UNKNOWN, 46).

all() ->
    [unreadable_names, garbage, many_certificates, issuers_in_a_circle, members_issue_nothing, hidden_behind_expiry,
     hidden_behind_no_anchor, weak_signature_hidden, revoked_vouches_for_itself, pinned_as_sent, owner_gone, not_decided].

init_per_suite(Config) ->
    ok = rustls_dist_nif:load(),
    Config.

end_per_suite(_Config) ->
    ok.

%% A common name that is no UTF-8: refused, with a text that can be sent and logged, unless public_key of the release takes it,
%% as webpki does. Whether the names are met in the search for a path or in public_key's walk depends on the release, too,
%% and the alert on that.
unreadable_names(_Config) ->
    Named = fun(Bytes) ->
                    {rdnSequence, [[#'AttributeTypeAndValue'{type = ?'id-at-commonName', value = {utf8String, Bytes}}]]}
            end,
    Root = rustls_dist_x509:root("root"),
    [begin
         Peer = rustls_dist_x509:leaf("peer", Issuer, #{subject_rdn => Named(<<"x", 255, 254>>)}),
         case judge([Root], [Peer], as_otp(), error_map(unknown_issuer)) of
             ok ->
                 ?assertMatch({ok, _}, walked(Root, Peer));
             {refused, Alert, Text} ->
                 ?assert(lists:member(Alert, [?BAD_CERTIFICATE, ?CERTIFICATE_UNKNOWN]), Alert),
                 ?assert(is_binary(unicode:characters_to_binary(Text)), Text)
         end
     end || Issuer <- [self, Root]].

walked(#{der := Root}, #{der := Peer}) ->
    public_key:pkix_path_validation(Root, [Peer], []).

garbage(_Config) ->
    Root = rustls_dist_x509:root("root"),
    [?assertMatch({refused, ?BAD_CERTIFICATE, _},
                  rustls_dist_verify:judge(policy([Root], as_otp()), Chain, error_map(bad_certificate_encoding)))
     || Chain <- [[<<>>], [<<"no certificate">>], [<<48, 3, 1, 2, 3>>]]].

many_certificates(_Config) ->
    Root = rustls_dist_x509:root("root"),
    Peer = rustls_dist_x509:leaf("peer", Root),
    {refused, ?BAD_CERTIFICATE, Text} = judge([Root], lists:duplicate(33, Peer), as_otp(), ok),
    ?assertMatch({match, _}, re:run(Text, "more than 32 certificates")).

%% Two authorities that issued each other, in every order: the search for a path ends (ssl's did not: CVE-2026-58227). So it
%% does in Rust, for those who have no function.
issuers_in_a_circle(_Config) ->
    Root = rustls_dist_x509:root("root"),
    #{key := Key} = First = rustls_dist_x509:root("a"),
    B = rustls_dist_x509:authority("b", First),
    A = rustls_dist_x509:authority("a", B, #{key => Key}),
    Peer = rustls_dist_x509:leaf("peer", A),
    [begin
         ?assertMatch({refused, _, _}, judge([Root], [Peer | Above], as_otp(), error_map(unknown_issuer))),
         ?assertMatch({error, #{kind := unknown_issuer}},
                      rustls_dist_nif:config_judge(config(Root), any, [Der || #{der := Der} <- [Peer | Above]]))
     end || Above <- [[A, B], [B, A], [A, B, A, B], [B, A, B, A]]].

%% A member's certificate issues no other one, also without keyUsage (public_key took that: CVE-2026-42789).
members_issue_nothing(_Config) ->
    Root = rustls_dist_x509:root("root"),
    [begin
         Member = rustls_dist_x509:leaf("member", Root, #{extensions => Extensions}),
         Chain = [Der || #{der := Der} <- [rustls_dist_x509:leaf("evil", Member), Member]],
         ?assertMatch({error, #{kind := not_an_authority}}, rustls_dist_nif:config_judge(config(Root), any, Chain))
     end || Extensions <- [without([]), without([?'id-ce-keyUsage']), without([?'id-ce-keyUsage', ?'id-ce-basicConstraints'])]].

config(#{der := Root}) ->
    {ok, Config, _Own, _Trusted} = rustls_dist_nif:config_new(client, #{verify => verify_peer, cacerts => [Root], depth => 10,
                                                                    versions => ['tlsv1.3'], judged_by => webpki,
                                                                    common_name_fallback => false}),
    Config.

%% webpki stops at the date. An ordinary member that signs certificates itself is found all the same, unless the function
%% accepts that by name as well.
hidden_behind_expiry(_Config) ->
    Root = rustls_dist_x509:root("root"),
    Expired = #{days => {-10, -1}},
    Accepting = fun(Faults) -> accept(fun(_Cert, Fault) -> lists:member(Fault, Faults) end) end,
    [begin
         Member = rustls_dist_x509:leaf("member", Root, #{extensions => Extensions}),
         Evil = rustls_dist_x509:leaf("evil", Member, Expired),
         ?assertMatch({refused, _, _}, judge([Root], [Evil, Member], Accepting([cert_expired]), error_map(certificate_expired))),
         ?assertEqual(ok, judge([Root], [Evil, Member], Accepting([cert_expired, missing_basic_constraint, invalid_key_usage,
                                                                 {webpki, not_an_authority}]),
                                error_map(certificate_expired)))
     end || Extensions <- [without([?'id-ce-keyUsage']), without([?'id-ce-keyUsage', ?'id-ce-basicConstraints'])]],
    Ca = rustls_dist_x509:authority("ca", Root),
    ?assertEqual(ok, judge([Root], [rustls_dist_x509:leaf("honest", Ca, Expired), Ca], Accepting([cert_expired]),
                           error_map(certificate_expired))).

%% A function that takes one certificate for an authority although it is in no trust store takes no more than that.
hidden_behind_no_anchor(_Config) ->
    Pinned = #{der := PinnedDer} = rustls_dist_x509:root("pinned"),
    Fun = accept(fun(Cert, unknown_ca) -> public_key:pkix_encode('OTPCertificate', Cert, otp) =:= PinnedDer;
                    (Cert, selfsigned_peer) -> public_key:pkix_encode('OTPCertificate', Cert, otp) =:= PinnedDer;
                    (_Cert, _Fault) -> false
                 end),
    Member = rustls_dist_x509:leaf("member", Pinned, #{extensions => without([?'id-ce-keyUsage'])}),
    Evil = rustls_dist_x509:leaf("evil", Member),
    ?assertEqual(ok, judge([], [Member, Pinned], Fun, error_map(unknown_issuer))),
    ?assertMatch({refused, _, _}, judge([], [Evil, Member, Pinned], Fun, error_map(unknown_issuer))).

weak_signature_hidden(_Config) ->
    Root = rustls_dist_x509:root("root"),
    Peer = rustls_dist_x509:leaf("peer", Root, #{digest => sha, days => {-10, -1}}),
    Fun = accept(fun(_Cert, Fault) -> Fault =:= cert_expired end),
    ?assertMatch({refused, _, _}, judge([Root], [Peer], Fun, error_map(certificate_expired))).

%% A revoked authority's key signs a certificate with the root's name, and that one a list that revokes nobody.
revoked_vouches_for_itself(_Config) ->
    Root = rustls_dist_x509:root("root"),
    Middle = rustls_dist_x509:authority("middle", Root),
    Fake = rustls_dist_x509:authority("fake", Middle, #{subject => "root"}),
    Leaf = rustls_dist_x509:leaf("leaf", Middle),
    Evil = rustls_dist_x509:leaf("evil", Fake),
    [Faked, OfMiddle, OfRoot, Revoking] = [rustls_dist_x509:revocations(Issuer, Revoked, {-1, 30})
                                           || {Issuer, Revoked} <- [{Fake, []}, {Middle, []}, {Root, []}, {Root, [Middle]}]],
    Judge = fun(Lists, Chain) ->
                    Policy = policy([Root], none),
                    Sources = [{rustls_dist_chains, {Lists, []}}],
                    rustls_dist_verify:judge(Policy#{crl => #{check => true, sources => Sources}},
                                             [Der || #{der := Der} <- Chain], ok)
            end,
    ?assertEqual(ok, Judge([OfRoot, OfMiddle], [Leaf, Middle])),
    ?assertMatch({refused, _, _}, Judge([Revoking, OfMiddle], [Leaf, Middle])),
    ?assertMatch({undecided, _, _}, Judge([Faked, OfMiddle], [Evil, Fake, Middle])).

%% The fingerprint is of what was sent: an extension that spells out the default `critical FALSE' comes back otherwise from
%% decoding and encoding.
pinned_as_sent(_Config) ->
    #{der := Der, otp := Otp} = rustls_dist_x509:leaf("peer", self),
    Hex = binary:encode_hex(crypto:hash(sha256, Der)),
    ?assertMatch({valid, _}, rustls_dist:verify_pinned(Otp, Der, valid_peer, [Hex])),
    ?assertMatch({fail, {not_pinned, _}}, rustls_dist:verify_pinned(Otp, <<Der/binary, 0>>, valid_peer, [Hex])),
    Policy = policy([], {fun rustls_dist:verify_pinned/3, [Hex], "pinned"}),
    ?assertEqual(ok, rustls_dist_verify:judge(Policy, [Der], error_map(self_signed_peer))).

%% A function that hangs does not outlive the process that owned the handshake.
owner_gone(_Config) ->
    Self = self(),
    Root = rustls_dist_x509:root("root"),
    #{der := Der} = rustls_dist_x509:leaf("peer", Root),
    Hang = {fun(_Cert, _Event, _State) -> Self ! {judging, self()}, receive never -> ok end end, none, "hang"},
    Owner = spawn(fun() ->
                          rustls_dist_verdict:reach(policy([Root], Hang), [Der], ok, 60000)
                  end),
    Judge = receive {judging, Pid} -> Pid after 5000 -> ct:fail(not_judging) end,
    Ref = monitor(process, Judge),
    exit(Owner, kill),
    receive {'DOWN', Ref, process, Judge, killed} -> ok after 5000 -> ct:fail(still_judging) end.

%% Of a peer whose link is up: what is not the chain's fault is no refusal, unlike in a handshake.
not_decided(_Config) ->
    Root = rustls_dist_x509:root("root"),
    #{der := Der} = rustls_dist_x509:leaf("peer", Root),
    Fun = fun(Answer) -> policy([Root], {fun(_Cert, _Event, _State) -> Answer() end, none, "fun"}) end,
    Lists = (policy([Root], none))#{crl => #{check => true, sources => [{rustls_dist_no_such_source, none}]}},
    [begin
         {undecided, Text} = rustls_dist_verdict:again(Policy, [Der], ok, 1000),
         ?assertMatch({match, _}, re:run(Text, Why), Text),
         ?assertMatch({_Alert, Refused} when is_binary(Refused), rustls_dist_verdict:reach(Policy, [Der], ok, 1000))
     end || {Policy, Why} <- [{Fun(fun() -> receive never -> ok end end), "did not return within 1 s"},
                              {Fun(fun() -> exit(gone) end), "failed with exit:gone"},
                              {Fun(fun() -> exit(self(), kill) end), "ended its process"},
                              {Fun(fun() -> rubbish end), "returned rubbish"},
                              {Lists, "the source of revocation lists rustls_dist_no_such_source failed"}]],
    ?assertMatch({refused, _}, rustls_dist_verdict:again(Fun(fun() -> {fail, no} end), [Der], ok, 1000)).

%% -----------------------------------------------------------------------------------------------------------

judge(Trusted, Chain, VerifyFun, Webpki) ->
    rustls_dist_verify:judge(policy(Trusted, VerifyFun), [Der || #{der := Der} <- Chain], Webpki).

policy(Trusted, VerifyFun) ->
    #{role => client, trusted => [{Der, Otp} || #{der := Der, otp := Otp} <- Trusted], depth => 10, host => any,
      host_check => [], verify_fun => VerifyFun, crl => off}.

as_otp() ->
    accept(fun(_Cert, _Fault) -> false end).

accept(Accepts) ->
    {fun(_Cert, {extension, _}, State) -> {unknown, State};
        (Cert, {bad_cert, Fault} = Event, State) ->
             case Accepts(Cert, Fault) of
                 true -> {valid, State};
                 false -> {fail, Event}
             end;
        (_Cert, _Valid, State) -> {valid, State}
     end, none, "accept"}.

without(Ids) ->
    fun(Extensions) -> [Extension || #'Extension'{extnID = Id} = Extension <- Extensions, not lists:member(Id, Ids)] end.

error_map(Kind) ->
    {error, #{kind => Kind, option => none, text => <<"webpki says so">>, alert => {46, certificate_unknown},
              received => none}}.
