%% Where this carrier's verify_fun is rightly told something else than ssl's, and where a link ends otherwise. The table is
%% data: rustls_dist_events_SUITE asserts each row of it, and doc/verification.md shows it as markdown/0 prints it.
-module(rustls_dist_event_differences).

-export([judge/4, markdown/0]).

-type otp() :: all | {until | since, pos_integer()}.

%% Events without extensions, and whether the link comes up.
-type way() :: {joined | refused, [{Certificate :: string(), Event :: term()}]}.

%% How the two differ.
%% webpki: where ssl's walk ends well, the faults are told of the peer's certificate after it, each of which refuses unless
%% accepted.
%% last: in this role the last event is another one, or several.
%% also_told: ssl tells this certificate, too.
%% without_fun: only without a function, and then how each ends.
%% ways: what ssl may do and what this carrier does, by what the function answers.
-type kind() :: {webpki, Fault :: term() | [Fault :: term()]}
              | {last, client | server | any, Ssl :: term(), Own :: [term()]}
              | {also_told, string()}
              | {without_fun, Ssl :: joined | refused, Own :: joined | refused}
              | {ways, #{rustls_dist_event_runs:answers() => {[way(), ...], way()}}}.

-type difference() :: #{rows := [atom(), ...], otp := otp(), kind := kind(), ssl := string(), own := string(),
                        why := string()}.

-define(UNTIL_25, {until, 25}).
-define(SINCE_26, {since, 26}).

-spec differences() -> [difference()].
differences() ->
    [#{rows => [no_basic_constraints_nor_key_usage], otp => ?UNTIL_25, kind => {webpki, missing_basic_constraint},
       ssl => "joins", own => "`missing_basic_constraint` after `valid_peer`",
       why => "webpki takes no certificate for an authority that does not say it is one (RFC 5280 section 4.2.1.9)"},
     #{rows => [leaf_with_ca_true], otp => all, kind => {webpki, {webpki, peer_is_authority}},
       ssl => "joins", own => "`{webpki,peer_is_authority}` after `valid_peer`",
       why => "webpki takes no authority for a peer; `openssl req -x509` makes such certificates, "
              "`-addext basicConstraints=CA:FALSE` mends it"},
     #{rows => [seven_intermediates], otp => all, kind => {webpki, {webpki, too_many_intermediates}},
       ssl => "joins, with `depth` 7 or more", own => "`{webpki,too_many_intermediates}` after `valid_peer`",
       why => "webpki follows six intermediates at most"},
     #{rows => [v1_leaf], otp => all, kind => {webpki, {webpki, unsupported_certificate_version}},
       ssl => "joins (OTP 27.3.4.1 of Debian 13: version 1 names no host)",
       own => "`{webpki,unsupported_certificate_version}` after `valid_peer`",
       why => "webpki knows version 3 only; a self-signed one can be pinned, for it is in no path"},
     #{rows => [v1_intermediate], otp => all,
       kind => {webpki, [{webpki, unsupported_certificate_version}, missing_basic_constraint]},
       ssl => "joins (OTP 27.3.4.1 of Debian 13: version 1 names no host), or tells `missing_basic_constraint` (OTP 29)",
       own => "`{webpki,unsupported_certificate_version}` and then `missing_basic_constraint` after `valid_peer`",
       why => "as above; and version 1 cannot say that it is one of an authority"},
     #{rows => [root_without_key_cert_sign], otp => all, kind => {webpki, invalid_key_usage},
       ssl => "joins", own => "`invalid_key_usage` after `valid_peer`",
       why => "an authority that may not sign certificates may not do so at the top either (RFC 5280 section 4.2.1.3)"},
     #{rows => [unknown_extension_root_critical], otp => all, kind => {webpki, unknown_critical_extension},
       ssl => "joins", own => "`unknown_critical_extension` after `valid_peer`",
       why => "what is critical and not understood must not be passed over (RFC 5280 section 4.2), at the top either"},
     #{rows => [name_constraints_of_nothing], otp => all,
       kind => {webpki, [{webpki, extension_malformed}, {webpki, unjudged}]},
       ssl => "joins", own => "`{webpki,extension_malformed}` and then `{webpki,unjudged}` after `valid_peer`",
       why => "name constraints have to permit or exclude something (RFC 5280 section 4.2.1.10); what was meant is not known"},
     #{rows => [sha1_leaf, sha1_intermediate], otp => ?UNTIL_25, kind => {webpki, {webpki, unsupported_signature_algorithm}},
       ssl => "joins", own => "`{webpki,unsupported_signature_algorithm}` after `valid_peer`",
       why => "signatures over SHA-1 can be forged; webpki does not check them"},
     #{rows => [sha1_intermediate], otp => ?SINCE_26,
       kind => {ways, #{defaults => {[{joined, [{"ca", valid}, {"leaf", valid_peer}]},
                                      {refused, [{"ca", {bad_cert, unsupported_signature}}]}],
                                     {refused, [{"ca", valid}, {"leaf", valid_peer},
                                                {"leaf", {bad_cert, {webpki, unsupported_signature_algorithm}}}]}},
                        accept => {[{joined, [{"ca", valid}, {"leaf", valid_peer}]},
                                    {joined, [{"ca", {bad_cert, unsupported_signature}}, {"leaf", valid_peer}]}],
                                   {joined, [{"ca", valid}, {"leaf", valid_peer},
                                             {"leaf", {bad_cert, {webpki, unsupported_signature_algorithm}}}]}}}},
       ssl => "refuses without a function; with one it joins, or tells `unsupported_signature` instead of `valid` (OTP 29)",
       own => "`{webpki,unsupported_signature_algorithm}` after `valid_peer`", why => "as above"},
     #{rows => [sha1_leaf], otp => ?SINCE_26,
       kind => {last, any, {bad_cert, unsupported_signature},
                [valid_peer, {bad_cert, {webpki, unsupported_signature_algorithm}}]},
       ssl => "`unsupported_signature` instead of `valid_peer`",
       own => "`{webpki,unsupported_signature_algorithm}` after `valid_peer`",
       why => "the same fault, found by webpki and not by ssl"},
     #{rows => [policies_critical, policy_demanded], otp => ?SINCE_26, kind => {webpki, unknown_critical_extension},
       ssl => "follows certificate policies (RFC 5280 section 6.1.3)",
       own => "`unknown_critical_extension` after `valid_peer` where they are critical",
       why => "webpki does not follow policies, and what is critical must not be passed over"},
     #{rows => [address], otp => ?UNTIL_25, kind => {last, client, {bad_cert, hostname_check_failed}, [valid_peer]},
       ssl => "compares the address of a node name with DNS names only: `hostname_check_failed`",
       own => "`valid_peer`", why => "addresses belong among the addresses; OTP 27 compares so, too"},
     #{rows => [address_as_dns_name], otp => ?UNTIL_25,
       kind => {last, client, valid_peer, [{bad_cert, hostname_check_failed}]},
       ssl => "takes a DNS name `127.0.0.1` for the address: `valid_peer`", own => "`hostname_check_failed`",
       why => "as above"},
     #{rows => [common_name_constrained], otp => ?UNTIL_25,
       kind => {last, client, valid_peer, [{bad_cert, hostname_check_failed}]},
       ssl => "takes a common name for the host, whatever nameConstraints say: `valid_peer`",
       own => "`hostname_check_failed`",
       why => "constraints are about alternative names, and a common name would escape them; OpenSSL refuses, too"},
     #{rows => [out_of_order_root_sent_along, cross_signed_root_sent_along], otp => ?UNTIL_25, kind => {also_told, "root"},
       ssl => "tells the root twice over: as the anchor and as the first certificate below it",
       own => "does not tell the anchor", why => "a slip of ssl, which tells no anchor of a chain that is in order"},
     #{rows => [renewed_root], otp => all,
       kind => {ways, #{defaults => {[{joined, [{"ca", valid}, {"leaf", valid_peer}]},
                                      {refused, [{"old_root", {bad_cert, cert_expired}}]}],
                                     {joined, [{"ca", valid}, {"leaf", valid_peer}]}},
                        accept => {[{joined, [{"ca", valid}, {"leaf", valid_peer}]},
                                    {joined, [{"old_root", {bad_cert, cert_expired}}, {"ca", valid},
                                              {"leaf", valid_peer}]}],
                                   {joined, [{"ca", valid}, {"leaf", valid_peer}]}}}},
       ssl => "takes one of two roots with the same name and key by chance, and with a function refuses when it was the "
              "expired one",
       own => "takes the one that is valid longest", why => "ssl's trust store has no order"},
     #{rows => [missing_lower_trusted], otp => ?UNTIL_25, kind => {without_fun, refused, joined},
       ssl => "`unknown_ca`", own => "the same with a function; without one, webpki finds the path through the trust store",
       why => "ssl completes a chain at its end, not in its middle"},
     #{rows => [missing_lower_trusted], otp => ?SINCE_26,
       kind => {ways, #{defaults => nothing_or({refused, [{"lower", {bad_cert, unknown_ca}}]}),
                        accept => nothing_or({joined, [{"lower", {bad_cert, unknown_ca}}, {"leaf", valid_peer}]}),
                        no_fun => {[{refused, []}], {joined, []}}}},
       ssl => "refuses and tells nothing, or as with OTP 25 (OTP 29)", own => "as with OTP 25",
       why => "as below, and as above"},
     #{rows => [missing_lower], otp => ?SINCE_26,
       kind => {ways, #{defaults => nothing_or({refused, [{"leaf", {bad_cert, unknown_ca}}]}),
                        accept => nothing_or({joined, [{"leaf", {bad_cert, unknown_ca}}]})}},
       ssl => "refuses and tells nothing (Debian's 27.3.4.1, where no certificate sent has signed the peer's), or tells "
              "`unknown_ca` (OTP 29)",
       own => "`unknown_ca`", why => "a function that knows the peer by its fingerprint has to be asked"},
     #{rows => [cross_signed_first_trusted], otp => ?SINCE_26,
       kind => {ways, #{defaults => either({joined, [{"ca_by_second", {bad_cert, unknown_ca}}, {"ca_by_first", valid},
                                                     {"leaf", valid_peer}]},
                                           {joined, [{"ca_by_first", valid}, {"leaf", valid_peer}]}),
                        accept => either({joined, [{"ca_by_second", {bad_cert, unknown_ca}}, {"leaf", valid_peer}]},
                                         {joined, [{"ca_by_first", valid}, {"leaf", valid_peer}]})}},
       ssl => by_chance(), own => as_25(), why => no_order()},
     #{rows => [cross_signed_second_trusted], otp => ?SINCE_26,
       kind => {ways, #{defaults => either({joined, [{"ca_by_second", valid}, {"leaf", valid_peer}]},
                                           {joined, [{"ca_by_first", {bad_cert, unknown_ca}}, {"ca_by_second", valid},
                                                     {"leaf", valid_peer}]}),
                        accept => either({joined, [{"ca_by_second", valid}, {"leaf", valid_peer}]},
                                         {joined, [{"ca_by_first", {bad_cert, unknown_ca}}, {"leaf", valid_peer}]})}},
       ssl => by_chance(), own => as_25(), why => no_order()},
     #{rows => [cross_signed_both_trusted], otp => ?SINCE_26,
       kind => {ways, maps:from_keys([defaults, accept],
                                     either({joined, [{"ca_by_second", valid}, {"leaf", valid_peer}]},
                                            {joined, [{"ca_by_first", valid}, {"leaf", valid_peer}]}))},
       ssl => by_chance(), own => as_25(), why => no_order()},
     #{rows => [cross_signed_first_expired], otp => ?SINCE_26,
       kind => {ways, #{defaults => either({joined, [{"ca_by_second", valid}, {"leaf", valid_peer}]},
                                           {joined, [{"ca_by_first", {bad_cert, cert_expired}}, {"ca_by_second", valid},
                                                     {"leaf", valid_peer}]}),
                        accept => either({joined, [{"ca_by_second", valid}, {"leaf", valid_peer}]},
                                         {joined, [{"ca_by_first", {bad_cert, cert_expired}}, {"ca_by_first", valid},
                                                   {"leaf", valid_peer}]})}},
       ssl => by_chance(), own => as_25(), why => no_order()},
     #{rows => [cross_signed_root_sent_along], otp => ?SINCE_26,
       kind => {ways, #{defaults => {[{joined, [{"root_by_older", {bad_cert, unknown_ca}}, {"root", valid}, {"ca", valid},
                                                {"leaf", valid_peer}]},
                                      {joined, [{"root_by_older", {bad_cert, unknown_ca}}, {"ca", valid},
                                                {"leaf", valid_peer}]}],
                                     {joined, [{"ca", valid}, {"leaf", valid_peer}]}},
                        accept => {[{joined, [{"root_by_older", {bad_cert, unknown_ca}}, {"root", valid}, {"ca", valid},
                                              {"leaf", valid_peer}]},
                                    {joined, [{"root_by_older", {bad_cert, unknown_ca}}, {"ca", valid},
                                              {"leaf", valid_peer}]}],
                                   {joined, [{"ca", valid}, {"leaf", valid_peer}]}}}},
       ssl => "climbs past the trusted root to one that it does not know, and tells `unknown_ca` first",
       own => "ends at the trusted root", why => "a path ends where trust begins"},
     #{rows => [purpose_against_key_usage], otp => ?SINCE_26, kind => {without_fun, refused, joined},
       ssl => "`{key_usage_mismatch,_}`", own => "the same with a function; without one it is not checked",
       why => "webpki does not look at the keyUsage of a peer, and neither does OTP 25"}].

%% What ssl does in some releases, where it does not do what this carrier does in all of them: ssl's updates changed it.
nothing_or(Own) -> {[{refused, []}, Own], Own}.

%% What ssl may do, the first of which this carrier does.
either(Own, Other) -> {[Own, Other], Own}.

by_chance() -> "tries the certificates of one authority in an order that is chance (Debian's 27.3.4.1)".
as_25() -> "tries what was sent last first, as OTP 25 does".
no_order() -> "an order that can be relied on".

%% Alerts that differ where both refuse: since or until which OTP, in which role, with a function or without, the rows, ssl's
%% and ours.
-spec alerts() -> [{otp(), client | any, with_fun | no_fun | both, [atom(), ...], atom(), atom()}].
alerts() ->
    [{?UNTIL_25, client, both, [wrong_host, wildcard, wildcard_one_label_short, address_not_named, common_name_only_wrong,
                        common_name_beside_other_name, no_names], handshake_failure, bad_certificate},
     {?UNTIL_25, client, with_fun, [revoked_leaf_wrong_host], handshake_failure, bad_certificate},
     {all, client, no_fun, [revoked_leaf_wrong_host], certificate_revoked, bad_certificate},
     {?UNTIL_25, any, both, [purpose_of_neither_role, purpose_of_neither_role_one_level, purpose_of_servers_only,
                        purpose_of_clients_only, any_purpose_leaf, purpose_of_intermediate_wrong,
                        any_purpose_intermediate], handshake_failure, unsupported_certificate},
     {all, any, both, [any_purpose_intermediate_critical], handshake_failure, unsupported_certificate},
     {all, any, both, [depth_exceeded], handshake_failure, unknown_ca},
     {all, any, both, [path_length_exceeded, changed_key_limit_exceeded], handshake_failure, unknown_ca},
     {all, any, both, [no_basic_constraints, intermediate_with_ca_false], handshake_failure, bad_certificate},
     {all, any, with_fun, [no_key_cert_sign], handshake_failure, bad_certificate},
     {?SINCE_26, any, both, [no_basic_constraints_nor_key_usage], handshake_failure, bad_certificate},
     {?SINCE_26, any, both, [sha1_leaf], unsupported_certificate, bad_certificate},
     {?SINCE_26, any, both, [sha1_intermediate], unsupported_certificate, bad_certificate},
     {?SINCE_26, any, with_fun, [v1_intermediate], handshake_failure, bad_certificate},
     {?SINCE_26, any, no_fun, [v1_intermediate], handshake_failure, unsupported_certificate},
     {all, any, no_fun, [no_key_cert_sign], handshake_failure, unsupported_certificate},
     {all, any, no_fun, [self_signed_authority_as_peer_trusted, v1_leaf_self_signed], bad_certificate,
      unsupported_certificate},
     {?SINCE_26, any, no_fun, [v1_leaf], bad_certificate, unsupported_certificate},
     {all, any, with_fun, [name_constraints_on_addresses], internal_error, certificate_unknown},
     {all, any, no_fun, [name_constraints_on_addresses], internal_error, bad_certificate},
     {all, any, no_fun, [bad_signature_leaf], bad_certificate, decrypt_error},
     {all, any, no_fun, [bad_signature_intermediate, root_of_same_name, root_of_same_name_other_sent_along],
      unknown_ca, decrypt_error},
     {all, any, no_fun, [self_signed_peer], bad_certificate, unknown_ca},
     {all, any, no_fun, [unknown_extension_leaf_critical, unknown_extension_intermediate_critical],
      unsupported_certificate, bad_certificate},
     {?UNTIL_25, any, no_fun, [policies_critical, policy_demanded], unsupported_certificate, bad_certificate},
     {?SINCE_26, any, no_fun, [policy_demanded], handshake_failure, bad_certificate}].

%% Whether the two are the same, or differ as listed; if not, what was expected of this carrier.
-spec judge(rustls_dist_chains:row(), rustls_dist_event_runs:how(), Ssl, Own) -> ok | {not_as_listed, Expected :: term()} when
      Ssl :: rustls_dist_event_runs:told(), Own :: rustls_dist_event_runs:told().
judge(#{name := Row, sent := [#{name := Peer} | _]}, How, {SslEnd, SslEvents} = Ssl, {OwnEnd, OwnEvents}) ->
    Kind = case [Kind || #{rows := Rows, otp := Otp, kind := Kind} <- differences(), lists:member(Row, Rows), is_now(Otp)] of
               [] -> same;
               [Listed] -> Listed
           end,
    Result = case expected(Kind, How, {ended(SslEnd), SslEvents}, Peer) of
                 {way, Way} -> {Way, told_way({ended(OwnEnd), OwnEvents})};
                 Told -> {Told, {ended(OwnEnd), OwnEvents}}
             end,
    case Result of
        {Same, Same} when OwnEnd =/= ok, SslEnd =/= ok -> judge_alert(Row, How, Ssl, OwnEnd);
        {Same, Same} -> ok;
        {Expected, _} -> {not_as_listed, Expected}
    end.

judge_alert(Row, {Role, _Version, Answers}, {SslAlert, _}, OwnAlert) ->
    With = case Answers of no_fun -> no_fun; _ -> with_fun end,
    Listed = [{Ssl, Own} || {Otp, Where, When, Rows, Ssl, Own} <- alerts(), lists:member(Row, Rows), is_now(Otp),
                            Where =:= any orelse Where =:= Role, When =:= both orelse When =:= With],
    case Listed of
        [] when SslAlert =:= OwnAlert -> ok;
        [{SslAlert, OwnAlert}] -> ok;
        [] -> {not_as_listed, {alert, SslAlert}};
        _ -> {not_as_listed, {alerts, Listed}}
    end.

%% What this carrier has to do, given what ssl did; `way': without extensions.
expected(same, _How, Ssl, _Peer) ->
    Ssl;
expected({webpki, _Fault}, {_, _, no_fun}, _Ssl, _Peer) ->
    {refused, []};
expected({webpki, [_ | _] = Faults}, {_, _, accept}, {joined, Events}, Peer) ->
    %% What public_key found as well, both have told where it is.
    Left = Faults -- [Fault || {_Count, _Certificate, {bad_cert, Fault}} <- Events],
    Told = [{Count, Peer, {bad_cert, Fault}} || {Count, Fault} <- lists:enumerate(length(Events) + 1, Left)],
    {joined, Events ++ Told};
expected({webpki, [First | _]}, _How, {joined, Events}, Peer) ->
    {refused, Events ++ [{length(Events) + 1, Peer, {bad_cert, First}}]};
expected({webpki, Fault}, How, {joined, Events}, Peer) ->
    expected({webpki, [Fault]}, How, {joined, Events}, Peer);
expected({webpki, _Fault}, _How, Ssl, _Peer) ->
    Ssl;
expected({last, Only, _SslEvent, _Own}, {Role, _, _}, Ssl, _Peer) when Only =/= any, Only =/= Role ->
    Ssl;
expected({last, _Role, SslEvent, Own}, {_, _, no_fun}, {SslEnd, []}, _Peer) ->
    case end_of([SslEvent]) of
        SslEnd -> {end_of(Own), []};
        Other -> {ssl_should_have, Other}
    end;
expected({last, _Role, SslEvent, Own}, {_, _, Answers}, {_End, Events}, Peer) ->
    case lists:last(Events) of
        {Count, Peer, SslEvent} ->
            Numbered = lists:zip3(lists:seq(Count, Count + length(Own) - 1), lists:duplicate(length(Own), Peer), Own),
            {case Answers of accept -> joined; _ -> end_of(Own) end, lists:droplast(Events) ++ Numbered};
        _ ->
            {ssl_should_have_told, SslEvent}
    end;
expected({also_told, _Name}, {_, _, no_fun}, Ssl, _Peer) ->
    Ssl;
expected({also_told, Name}, _How, {End, Events}, _Peer) ->
    case [{Certificate, Event} || {_, Certificate, Event} <- Events, Certificate =/= Name] of
        Others when length(Others) < length(Events) ->
            {End, [{Count, Certificate, Event} || {Count, {Certificate, Event}} <- lists:enumerate(Others)]};
        _ ->
            {ssl_should_have_told, Name}
    end;
expected({without_fun, SslEnd, OwnEnd}, {_, _, no_fun}, {SslEnd, []}, _Peer) ->
    {OwnEnd, []};
expected({without_fun, SslEnd, _OwnEnd}, {_, _, no_fun}, _Ssl, _Peer) ->
    {ssl_should_have, SslEnd};
expected({without_fun, _SslEnd, _OwnEnd}, _How, Ssl, _Peer) ->
    Ssl;
expected({ways, Ways}, {_, _, Answers}, Ssl, _Peer) ->
    case maps:find(case Answers of accept_extensions -> defaults; _ -> Answers end, Ways) of
        {ok, {SslWays, Own}} ->
            case lists:member(told_way(Ssl), SslWays) of
                true -> {way, Own};
                false -> {ssl_should_have_gone, SslWays}
            end;
        error ->
            Ssl
    end.

told_way({End, Events}) ->
    {End, [{Certificate, Event} || {_, Certificate, Event} <- Events, not is_extension(Event)]}.

is_extension({extension, _}) -> true;
is_extension(_) -> false.

end_of(Events) ->
    case [Fault || {bad_cert, Fault} <- Events] of
        [] -> joined;
        _ -> refused
    end.

ended(ok) -> joined;
ended(_Alert) -> refused.

is_now(all) -> true;
is_now({until, Otp}) -> otp() =< Otp;
is_now({since, Otp}) -> otp() >= Otp.

otp() ->
    list_to_integer(erlang:system_info(otp_release)).

%% Both tables, as they stand in the documentation.
-spec markdown() -> unicode:chardata().
markdown() ->
    [["| Chains | OTP | `ssl` | `rustls_dist` | Why |\n|---|---|---|---|---|\n"],
     [["| ", codes(Rows), " | ", otp_text(Otp), " | ", Ssl, " | ", Own, " | ", Why, " |\n"]
      || #{rows := Rows, otp := Otp, ssl := Ssl, own := Own, why := Why} <- differences()],
     "\nAlerts that differ where both refuse:\n\n",
     ["| Chains | OTP | Seen by | verify_fun | `ssl` | `rustls_dist` |\n|---|---|---|---|---|---|\n"],
     [["| ", codes(Rows), " | ", otp_text(Otp), " | ", role_text(Where), " | ", with_text(When), " | ", codes([Ssl]), " | ",
       codes([Own]), " |\n"] || {Otp, Where, When, Rows, Ssl, Own} <- alerts()]].

codes(Atoms) ->
    lists:join(", ", [["`", atom_to_list(Atom), "`"] || Atom <- Atoms]).

otp_text(all) -> "all";
otp_text({until, Otp}) -> ["up to ", integer_to_list(Otp)];
otp_text({since, Otp}) -> ["from ", integer_to_list(Otp)].

role_text(any) -> "both";
role_text(client) -> "clients".

with_text(with_fun) -> "given";
with_text(no_fun) -> "none";
with_text(both) -> "either".
