%% Certificate chains, right ones and wrong ones, one row each: what a peer sends, what is trusted, and what else decides
%% whether that is good enough. rustls_dist_events_SUITE shows them to ssl and to this carrier.
%%
%% This module is also the cache of revocation lists that the rows name (ssl_crl_cache_api).
-module(rustls_dist_chains).

-behaviour(ssl_crl_cache_api).

-export([names/0, row/1]).
-export([lookup/3, select/2, fresh_crl/2]).

-export_type([row/0]).

-include_lib("public_key/include/public_key.hrl").

-import(rustls_dist_x509, [root/1, root/2, authority/2, authority/3, leaf/2, leaf/3, extension/2, extension/3, with/2,
                           new_key/0, revocations/3]).

%% sent: the peer's certificate first; trusted: the trust store; host: what a server's certificate must name; crl: the
%% check, and the lists that there are.
-type row() :: #{name := atom(), sent := [rustls_dist_x509:cert(), ...], trusted := [rustls_dist_x509:cert(), ...],
                 host := string(), depth := non_neg_integer(),
                 crl := off | {true | peer | best_effort, [public_key:der_encoded()]}}.

-define(UNKNOWN_EXTENSION, {1, 3, 6, 1, 4, 1, 99999, 1}).
-define(POLICY, {1, 3, 6, 1, 4, 1, 99999, 2}).
-define(CODE_SIGNING, {1, 3, 6, 1, 5, 5, 7, 3, 3}).
-define(ANY_PURPOSE, {2, 5, 29, 37, 0}).
-define(DER_NULL, <<5, 0>>).

-define(EXPIRED, {-20, -10}).
-define(NOT_YET, {10, 20}).
-define(CURRENT, {-1, 7}).

%% All rows.
-spec names() -> [atom(), ...].
names() ->
    [one_level, two_levels, three_levels, root_sent_along, authority_by_serial, authority_by_name_only,
     expired_leaf, expired_intermediate, expired_root, expired_root_sent_along, expired_everything,
     not_yet_valid_leaf, not_yet_valid_intermediate, not_yet_valid_root, unknown_ca, unknown_ca_two_levels,
     unknown_ca_root_sent_along, root_of_same_name, root_of_same_name_other_sent_along, self_signed_peer,
     self_signed_peer_trusted, self_signed_authority_as_peer_trusted, bad_signature_leaf,
     bad_signature_intermediate, bad_signature_expired_leaf, no_basic_constraints,
     no_basic_constraints_nor_key_usage, intermediate_with_ca_false, leaf_with_ca_true, path_length_exceeded,
     path_length_met, depth_exceeded, depth_met, seven_intermediates, no_key_cert_sign,
     root_without_key_cert_sign, purpose_of_neither_role, purpose_of_neither_role_one_level,
     purpose_of_servers_only, purpose_of_clients_only, any_purpose_leaf, no_purpose, purpose_against_key_usage,
     purpose_of_intermediate_right, purpose_of_intermediate_wrong, any_purpose_intermediate,
     any_purpose_intermediate_critical, unknown_extension_leaf, unknown_extension_intermediate,
     unknown_extension_leaf_critical, unknown_extension_intermediate_critical, unknown_extension_root_critical,
     policies, policies_critical, policy_demanded, name_constraints_kept, name_constraints_violated,
     name_constraints_excluded, name_constraints_on_addresses, name_constraints_of_nothing, not_revoked,
     revoked_leaf, revoked_leaf_best_effort, revoked_leaf_wrong_host, revoked_intermediate,
     revoked_intermediate_peer, no_list, no_list_best_effort, stale_list, wrongly_signed_list, wrong_host,
     host_in_capitals, wildcard, wildcard_one_label_short, address, address_not_named, address_as_dns_name,
     common_name_only, common_name_constrained, common_name_only_wildcard, common_name_only_wrong,
     common_name_beside_other_name, no_names, no_subject, out_of_order, out_of_order_root_sent_along,
     stranger_between, stranger_last, stranger_of_same_name, sent_twice, missing_upper_trusted,
     missing_both_trusted, missing_lower_trusted, missing_upper, missing_lower, intermediate_trusted_root_not,
     intermediate_trusted_and_sent_root_not, cross_signed_first_trusted, cross_signed_second_trusted,
     cross_signed_both_trusted, cross_signed_first_expired, cross_signed_root, cross_signed_root_sent_along,
     renewed_root, renewed_root_old_sent_along, changed_key, changed_key_of_root, changed_key_outside_names,
     changed_key_limit_exceeded, v1_leaf, v1_leaf_self_signed, v1_intermediate, v1_root, sha1_leaf,
     sha1_intermediate].

-spec row(atom()) -> row().
row(Name) ->
    maps:merge(#{name => Name, host => "localhost", depth => 10, crl => off}, chain(Name)).

chain(one_level) -> one_level(#{});
chain(two_levels) -> two_levels(#{});
chain(three_levels) ->
    {Leaf, Lower, Upper, Root} = three_levels(),
    sends([Leaf, Lower, Upper], [Root]);
chain(root_sent_along) ->
    {Leaf, Lower, Upper, Root} = three_levels(),
    sends([Leaf, Lower, Upper, Root], [Root]);
chain(authority_by_serial) -> two_levels(#{authority_key => serial}, #{authority_key => serial});
chain(authority_by_name_only) -> two_levels(#{authority_key => none}, #{authority_key => none});

chain(expired_leaf) -> two_levels(#{days => ?EXPIRED});
chain(expired_intermediate) -> two_levels(#{}, #{days => ?EXPIRED});
chain(expired_root) -> two_levels(#{}, #{}, #{days => ?EXPIRED});
chain(expired_root_sent_along) ->
    #{sent := Sent, trusted := Trusted} = chain(expired_root),
    sends(Sent ++ Trusted, Trusted);
chain(expired_everything) -> two_levels(#{days => ?EXPIRED}, #{days => ?EXPIRED}, #{days => ?EXPIRED});
chain(not_yet_valid_leaf) -> two_levels(#{days => ?NOT_YET});
chain(not_yet_valid_intermediate) -> two_levels(#{}, #{days => ?NOT_YET});
chain(not_yet_valid_root) -> two_levels(#{}, #{}, #{days => ?NOT_YET});

chain(unknown_ca) -> (chain(one_level))#{trusted := [root("another")]};
chain(unknown_ca_two_levels) -> (chain(two_levels))#{trusted := [root("another")]};
chain(unknown_ca_root_sent_along) -> (chain(root_sent_along))#{trusted := [root("another")]};
chain(root_of_same_name) -> (chain(two_levels))#{trusted := [root("namesake", #{subject => "root"})]};
chain(root_of_same_name_other_sent_along) ->
    (chain(root_sent_along))#{trusted := [root("namesake", #{subject => "root"})]};
chain(self_signed_peer) -> sends([leaf("leaf", self)], [root("another")]);
chain(self_signed_peer_trusted) ->
    Leaf = leaf("leaf", self),
    sends([Leaf], [Leaf]);
chain(self_signed_authority_as_peer_trusted) ->
    Peer = leaf("leaf", self, constraints(true, asn1_NOVALUE)),
    sends([Peer], [Peer]);

chain(bad_signature_leaf) -> two_levels(#{signed_with => new_key()});
chain(bad_signature_intermediate) -> two_levels(#{}, #{signed_with => new_key()});
chain(bad_signature_expired_leaf) -> two_levels(#{signed_with => new_key(), days => ?EXPIRED});

chain(no_basic_constraints) -> two_levels(#{}, leaving_out([?'id-ce-basicConstraints']));
chain(no_basic_constraints_nor_key_usage) ->
    two_levels(#{}, leaving_out([?'id-ce-basicConstraints', ?'id-ce-keyUsage']));
chain(intermediate_with_ca_false) -> two_levels(#{}, constraints(false, asn1_NOVALUE));
chain(leaf_with_ca_true) -> two_levels(constraints(true, asn1_NOVALUE));
chain(path_length_exceeded) -> below_limited(0);
chain(path_length_met) -> below_limited(1);
chain(depth_exceeded) -> (chain(three_levels))#{depth => 1};
chain(depth_met) -> (chain(three_levels))#{depth => 2};
chain(seven_intermediates) ->
    Root = root("root"),
    Below = fun(Number, [Above | _] = Cas) -> [authority("ca" ++ integer_to_list(Number), Above) | Cas] end,
    [Lowest | _] = Cas = lists:foldl(Below, [Root], lists:seq(1, 7)),
    sends([leaf("leaf", Lowest) | lists:droplast(Cas)], [Root]);
chain(no_key_cert_sign) -> two_levels(#{}, key_usage([cRLSign]));
chain(root_without_key_cert_sign) -> two_levels(#{}, #{}, key_usage([cRLSign]));

chain(purpose_of_neither_role) -> two_levels(purposes([?CODE_SIGNING]));
chain(purpose_of_neither_role_one_level) -> one_level(purposes([?CODE_SIGNING]));
chain(purpose_of_servers_only) -> two_levels(purposes([?'id-kp-serverAuth']));
chain(purpose_of_clients_only) -> two_levels(purposes([?'id-kp-clientAuth']));
chain(any_purpose_leaf) -> two_levels(purposes([?ANY_PURPOSE]));
chain(no_purpose) -> two_levels(leaving_out([?'id-ce-extKeyUsage']));
chain(purpose_against_key_usage) -> two_levels(key_usage([cRLSign]));
chain(purpose_of_intermediate_right) -> two_levels(#{}, purposes([?'id-kp-serverAuth', ?'id-kp-clientAuth']));
chain(purpose_of_intermediate_wrong) -> two_levels(#{}, purposes([?CODE_SIGNING]));
chain(any_purpose_intermediate) -> two_levels(#{}, purposes([?ANY_PURPOSE]));
chain(any_purpose_intermediate_critical) ->
    two_levels(#{}, including(extension(?'id-ce-extKeyUsage', [?ANY_PURPOSE], true)));

chain(unknown_extension_leaf) -> two_levels(unknown_extension(false));
chain(unknown_extension_intermediate) -> two_levels(#{}, unknown_extension(false));
chain(unknown_extension_leaf_critical) -> two_levels(unknown_extension(true));
chain(unknown_extension_intermediate_critical) -> two_levels(#{}, unknown_extension(true));
chain(unknown_extension_root_critical) -> two_levels(#{}, #{}, unknown_extension(true));
chain(policies) -> two_levels(policies(false), policies(false));
chain(policies_critical) -> two_levels(policies(true), policies(true));
chain(policy_demanded) ->
    two_levels(#{}, including(extension(?'id-ce-policyConstraints',
                                        #'PolicyConstraints'{requireExplicitPolicy = 0,
                                                             inhibitPolicyMapping = asn1_NOVALUE}, true)));

chain(name_constraints_kept) -> two_levels(#{}, name_constraints([{dNSName, "localhost"}], asn1_NOVALUE));
chain(name_constraints_violated) -> two_levels(#{}, name_constraints([{dNSName, "example.org"}], asn1_NOVALUE));
chain(name_constraints_excluded) -> two_levels(#{}, name_constraints(asn1_NOVALUE, [{dNSName, "localhost"}]));
chain(name_constraints_of_nothing) -> two_levels(#{}, name_constraints(asn1_NOVALUE, asn1_NOVALUE));
chain(name_constraints_on_addresses) ->
    two_levels(#{}, name_constraints([{iPAddress, <<10, 0, 0, 0, 255, 0, 0, 0>>}], asn1_NOVALUE));

chain(not_revoked) -> checked(true, fun(_Leaf, _Ca) -> {[], []} end);
chain(revoked_leaf) -> checked(true, fun(Leaf, _Ca) -> {[Leaf], []} end);
chain(revoked_leaf_best_effort) -> checked(best_effort, fun(Leaf, _Ca) -> {[Leaf], []} end);
chain(revoked_leaf_wrong_host) -> (chain(revoked_leaf))#{host => "elsewhere"};
chain(revoked_intermediate) -> checked(true, fun(_Leaf, Ca) -> {[], [Ca]} end);
chain(revoked_intermediate_peer) -> checked(peer, fun(_Leaf, Ca) -> {[], [Ca]} end);
chain(no_list) -> (two_levels(#{}))#{crl => {true, []}};
chain(no_list_best_effort) -> (two_levels(#{}))#{crl => {best_effort, []}};
chain(stale_list) ->
    #{sent := [_, Ca], trusted := [Root]} = Row = two_levels(#{}),
    Row#{crl => {true, [revocations(Ca, [], ?EXPIRED), revocations(Root, [], ?CURRENT)]}};
chain(wrongly_signed_list) ->
    #{sent := [_, Ca], trusted := [Root]} = Row = two_levels(#{}),
    Row#{crl => {true, [revocations(Ca#{key := new_key()}, [], ?CURRENT), revocations(Root, [], ?CURRENT)]}};

chain(wrong_host) -> (two_levels(#{}))#{host => "elsewhere"};
chain(host_in_capitals) -> (two_levels(#{}))#{host => "LOCALHOST"};
chain(wildcard) -> (two_levels(names([{dNSName, "*.example.org"}])))#{host => "a.example.org"};
chain(wildcard_one_label_short) -> (two_levels(names([{dNSName, "*.example.org"}])))#{host => "a.b.example.org"};
chain(address) -> (two_levels(#{}))#{host => "127.0.0.1"};
chain(address_not_named) -> (two_levels(names([{dNSName, "localhost"}])))#{host => "127.0.0.1"};
chain(address_as_dns_name) -> (two_levels(names([{dNSName, "127.0.0.1"}])))#{host => "127.0.0.1"};
chain(common_name_only) -> two_levels(common_name("localhost"));
chain(common_name_constrained) ->
    two_levels(common_name("localhost"), name_constraints([{dNSName, "example.org"}], asn1_NOVALUE));
chain(common_name_only_wildcard) -> (two_levels(common_name("*.example.org")))#{host => "a.example.org"};
chain(common_name_only_wrong) -> two_levels(common_name("elsewhere"));
chain(common_name_beside_other_name) -> two_levels((names([{dNSName, "elsewhere"}]))#{subject => "localhost"});
chain(no_names) -> two_levels((leaving_out([?'id-ce-subjectAltName']))#{subject_rdn => {rdnSequence, []}});
chain(no_subject) -> two_levels(#{subject_rdn => {rdnSequence, []}});

chain(out_of_order) ->
    {Leaf, Lower, Upper, Root} = three_levels(),
    sends([Leaf, Upper, Lower], [Root]);
chain(out_of_order_root_sent_along) ->
    {Leaf, Lower, Upper, Root} = three_levels(),
    sends([Leaf, Root, Lower, Upper], [Root]);
chain(stranger_between) ->
    {Leaf, Lower, Upper, Root} = three_levels(),
    sends([Leaf, root("another"), Lower, Upper], [Root]);
chain(stranger_last) ->
    {Leaf, Lower, Upper, Root} = three_levels(),
    sends([Leaf, Lower, Upper, root("another")], [Root]);
chain(stranger_of_same_name) ->
    {Leaf, Lower, Upper, Root} = three_levels(),
    sends([Leaf, authority("namesake", Root, #{subject => "lower"}), Lower, Upper], [Root]);
chain(sent_twice) ->
    {Leaf, Lower, Upper, Root} = three_levels(),
    sends([Leaf, Lower, Lower, Upper], [Root]);
chain(missing_upper_trusted) ->
    {Leaf, Lower, Upper, Root} = three_levels(),
    sends([Leaf, Lower], [Upper, Root]);
chain(missing_both_trusted) ->
    {Leaf, Lower, Upper, Root} = three_levels(),
    sends([Leaf], [Lower, Upper, Root]);
chain(missing_lower_trusted) ->
    {Leaf, Lower, Upper, Root} = three_levels(),
    sends([Leaf, Upper], [Lower, Root]);
chain(missing_upper) ->
    {Leaf, Lower, _Upper, Root} = three_levels(),
    sends([Leaf, Lower], [Root]);
chain(missing_lower) ->
    {Leaf, _Lower, Upper, Root} = three_levels(),
    sends([Leaf, Upper], [Root]);
chain(intermediate_trusted_root_not) ->
    {Leaf, Lower, Upper, _Root} = three_levels(),
    sends([Leaf, Lower], [Upper, root("another")]);
chain(intermediate_trusted_and_sent_root_not) ->
    {Leaf, Lower, Upper, _Root} = three_levels(),
    sends([Leaf, Lower, Upper], [Upper, root("another")]);

chain(cross_signed_first_trusted) -> cross_signed(#{}, fun(First, _Second) -> [First] end);
chain(cross_signed_second_trusted) -> cross_signed(#{}, fun(_First, Second) -> [Second] end);
chain(cross_signed_both_trusted) -> cross_signed(#{}, fun(First, Second) -> [First, Second] end);
chain(cross_signed_first_expired) -> cross_signed(#{days => ?EXPIRED}, fun(First, Second) -> [First, Second] end);
chain(cross_signed_root) ->
    {Leaf, Ca, Crossed, Root} = below_crossed_root(),
    sends([Leaf, Ca, Crossed], [Root]);
chain(cross_signed_root_sent_along) ->
    {Leaf, Ca, Crossed, Root} = below_crossed_root(),
    sends([Leaf, Ca, Crossed, Root], [Root]);
chain(renewed_root) ->
    {Leaf, Ca, Old, New} = below_renewed_root(),
    sends([Leaf, Ca], [Old, New]);
chain(renewed_root_old_sent_along) ->
    {Leaf, Ca, Old, New} = below_renewed_root(),
    sends([Leaf, Ca, Old], [Old, New]);

chain(changed_key) ->
    {New, Old, Root} = changed_key(),
    sends([leaf("leaf", New), New, Old], [Root]);
chain(changed_key_of_root) ->
    Old = root("old_root", #{subject => "root"}),
    New = authority("new_root", Old, #{subject => "root"}),
    sends([leaf("leaf", New), New], [Old]);
chain(changed_key_outside_names) ->
    Old = root("old_root", (name_constraints([{dNSName, "localhost"}], asn1_NOVALUE))#{subject => "root"}),
    New = authority("new_root", Old, (names([{dNSName, "elsewhere"}]))#{subject => "root"}),
    sends([leaf("leaf", New), New], [Old]);
chain(changed_key_limit_exceeded) ->
    {New, Old, Root} = changed_key(),
    Lower = authority("lower", New),
    sends([leaf("leaf", Lower), Lower, New, Old], [Root]);

chain(v1_leaf) -> two_levels(#{version => v1, subject => "localhost"});
chain(v1_leaf_self_signed) ->
    Leaf = leaf("leaf", self, #{version => v1, subject => "localhost"}),
    sends([Leaf], [Leaf]);
chain(v1_intermediate) -> two_levels(#{}, #{version => v1});
chain(v1_root) -> two_levels(#{}, #{}, #{version => v1});
chain(sha1_leaf) -> two_levels(#{digest => sha});
chain(sha1_intermediate) -> two_levels(#{}, #{digest => sha}).

sends(Sent, Trusted) ->
    #{sent => Sent, trusted => Trusted}.

one_level(LeafOptions) ->
    Root = root("root"),
    sends([leaf("leaf", Root, LeafOptions)], [Root]).

two_levels(LeafOptions) -> two_levels(LeafOptions, #{}).

two_levels(LeafOptions, CaOptions) -> two_levels(LeafOptions, CaOptions, #{}).

%% A leaf below an intermediate below the root.
two_levels(LeafOptions, CaOptions, RootOptions) ->
    Root = root("root", RootOptions),
    Ca = authority("ca", Root, CaOptions),
    sends([leaf("leaf", Ca, LeafOptions), Ca], [Root]).

three_levels() ->
    Root = root("root"),
    Upper = authority("upper", Root),
    Lower = authority("lower", Upper),
    {leaf("leaf", Lower), Lower, Upper, Root}.

%% Two authorities below the root, of which the upper one allows PathLength below it.
below_limited(PathLength) ->
    Root = root("root"),
    Upper = authority("upper", Root, constraints(true, PathLength)),
    Lower = authority("lower", Upper),
    sends([leaf("leaf", Lower), Lower, Upper], [Root]).

%% Two levels and the lists of both issuers. Revoked says what they name.
checked(Check, Revoked) ->
    #{sent := [Leaf, Ca], trusted := [Root]} = Row = two_levels(#{}),
    {ByCa, ByRoot} = Revoked(Leaf, Ca),
    Row#{crl => {Check, [revocations(Ca, ByCa, ?CURRENT), revocations(Root, ByRoot, ?CURRENT)]}}.

%% An authority that two roots certify; both certificates are sent. FirstOptions: of the first of them.
cross_signed(FirstOptions, Trusted) ->
    {First, Second} = {root("first"), root("second")},
    #{key := Key} = ByFirst = authority("ca_by_first", First, FirstOptions#{subject => "ca"}),
    BySecond = authority("ca_by_second", Second, #{subject => "ca", key => Key}),
    sends([leaf("leaf", ByFirst), ByFirst, BySecond], Trusted(First, Second)).

%% A new root, which an older one, unknown here, has certified as well.
below_crossed_root() ->
    #{key := Key} = Root = root("root"),
    Crossed = authority("root_by_older", root("older"), #{subject => "root", key => Key}),
    Ca = authority("ca", Root),
    {leaf("leaf", Ca), Ca, Crossed, Root}.

%% An expired root, and its successor with the same name and key.
below_renewed_root() ->
    #{key := Key} = Old = root("old_root", #{subject => "root", days => ?EXPIRED}),
    New = root("new_root", #{subject => "root", key => Key}),
    Ca = authority("ca", New),
    {leaf("leaf", Ca), Ca, Old, New}.

%% An authority that no other may follow, and the one that it becomes with another key (RFC 5280 section 6.1: self-issued).
changed_key() ->
    Root = root("root"),
    Old = authority("old_ca", Root, (constraints(true, 0))#{subject => "ca"}),
    {authority("new_ca", Old, (constraints(true, 0))#{subject => "ca"}), Old, Root}.

including(Extension) -> #{extensions => fun(Usual) -> with(Extension, Usual) end}.

leaving_out(Ids) -> #{extensions => fun(Usual) -> lists:foldl(fun rustls_dist_x509:without/2, Usual, Ids) end}.

names(Names) -> including(extension(?'id-ce-subjectAltName', Names)).

common_name(Name) -> (leaving_out([?'id-ce-subjectAltName']))#{subject => Name}.

purposes(Ids) -> including(extension(?'id-ce-extKeyUsage', Ids)).

key_usage(Uses) -> including(extension(?'id-ce-keyUsage', Uses, true)).

unknown_extension(Critical) -> including(extension(?UNKNOWN_EXTENSION, ?DER_NULL, Critical)).

constraints(Ca, PathLength) ->
    including(extension(?'id-ce-basicConstraints', #'BasicConstraints'{cA = Ca, pathLenConstraint = PathLength}, true)).

policies(Critical) ->
    Policy = #'PolicyInformation'{policyIdentifier = ?POLICY, policyQualifiers = asn1_NOVALUE},
    including(extension(?'id-ce-certificatePolicies', [Policy], Critical)).

name_constraints(Permitted, Excluded) ->
    including(extension(?'id-ce-nameConstraints',
                        #'NameConstraints'{permittedSubtrees = subtrees(Permitted),
                                           excludedSubtrees = subtrees(Excluded)}, true)).

subtrees(asn1_NOVALUE) -> asn1_NOVALUE;
subtrees(Names) -> [#'GeneralSubtree'{base = Name, minimum = 0, maximum = asn1_NOVALUE} || Name <- Names].

%% There are no distribution points.
-spec lookup(#'DistributionPoint'{}, public_key:issuer_name(), term()) -> not_available.
lookup(_Point, _Issuer, _Handle) ->
    not_available.

%% The lists of an issuer, out of the handle. Names come in several forms; their hash is the same for all.
-spec select(public_key:issuer_name(), {[public_key:der_encoded()], []}) -> [public_key:der_encoded()].
select(Issuer, {Lists, []}) ->
    Wanted = public_key:short_name_hash(Issuer),
    [List || List <- Lists, public_key:short_name_hash(public_key:pkix_crl_issuer(List)) =:= Wanted].

-spec fresh_crl(#'DistributionPoint'{}, List) -> List.
fresh_crl(_Point, List) ->
    List.
