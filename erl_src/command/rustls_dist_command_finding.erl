%% What `rustls-dist check' finds: how bad it is, what, where, and what to do.
%%
%% @private
-module(rustls_dist_command_finding).

-export([of_sentence/4, text/1, json/1, count/2]).

-export_type([finding/0, severity/0, name/0]).

%% error: the node does not come up, or peers refuse it; warning: it will be so soon, or is so for some peers; note: nothing is
%% wrong, and somebody may want to know.
-type severity() :: error | warning | note.

%% All that there is. rustls_dist_check_SUITE has a set-up for each.
-type name() :: options_file | option | material | no_meaning | overridden | nobody_verified | certificate_optional
              | revocation_list_unusable | cannot_be_dialled | carrier
              | name_unknown | name_malformed | name_of_other_form | host_elsewhere | host_unknown | host_not_named
              | node_not_named
              | usage_missing | expired | not_yet_valid | expires_within_a_day | expires_within_a_week | expires_within_a_month
              | authority_expires | weak_signature | key_of_few
              | revocation_folder_unusable | revocation_list_unreachable | revocation_list_outdated
              | revocation_list_outdated_soon
              | refused_as_server | refused_as_client | not_tried_out
              | key_readable_by_others | key_readable_by_group | file_writable_by_others | relative_path | password_in_flags
              | password_readable_by_others
              | inet_tls_lacks | inet_tls_not_as_flag | inet_tls_verifies_nobody | inet_tls_other_versions | inet_tls_reads_latin1
              | inet_tls_wants_dns_name | inet_tls_refuses | otp26_verifies | otp26_wants_authorities | otp26_wrong_side.

%% is: its name, for programs; where: a file, an option, a flag.
-type finding() :: #{severity := severity(), is := name(), where := unicode:chardata(),
                     what := unicode:chardata(), remedy := unicode:chardata()}.

-define(WIDTH, 100).
-define(INDENT, 9).

%% A finding out of a sentence of the house, which says what is wrong and then, behind a semicolon or the last colon, what to do.
-spec of_sentence(severity(), name(), unicode:chardata(), unicode:chardata()) -> finding().
of_sentence(Severity, Is, Where, Sentence) ->
    {What, Remedy} = case string:split(Sentence, "; ") of
                         [Before, After] ->
                             {Before, After};
                         [_] ->
                             case string:split(Sentence, ": ", trailing) of
                                 [Before, After] -> {Before, After};
                                 [_] -> {Sentence, "see doc/options.md"}
                             end
                     end,
    #{severity => Severity, is => Is, where => Where, what => What, remedy => Remedy}.

%% One finding: its severity and what is wrong, then where, then the remedy.
-spec text(finding()) -> rustls_dist_command_text:text().
text(#{severity := Severity, is := Is, where := Where, what := What, remedy := Remedy}) ->
    [{colour(Severity), string:pad(atom_to_list(Severity), ?INDENT)}, {bold, atom_to_list(Is)}, "  ",
     unicode:characters_to_list(Where), "\n", wrapped(What), wrapped(["-> ", Remedy])].

wrapped(Text) ->
    rustls_dist_command_text:wrap(Text, ?INDENT, ?WIDTH).

colour(error) -> red;
colour(warning) -> yellow;
colour(note) -> blue.

-spec json(finding()) -> rustls_dist_command_json:json().
json(#{severity := Severity, is := Is} = Finding) ->
    Texts = maps:map(fun(_Key, Text) -> unicode:characters_to_binary(Text) end, maps:with([where, what, remedy], Finding)),
    Texts#{severity => Severity, is => Is}.

%% How many there are of a severity.
-spec count(severity(), [finding()]) -> non_neg_integer().
count(Severity, Findings) ->
    length([found || #{severity := Found} <- Findings, Found =:= Severity]).
