%% A certificate as people and programs read it: whose it is, who says so, and until when.
%%
%% @private
-module(rustls_dist_ping_certificate).

-export([facts/2, lines/1, json/1]).

-export_type([facts/0]).

-include_lib("public_key/include/public_key.hrl").

-type facts() :: #{subject := binary(), issuer := binary(), serial := binary(), names := [binary()],
                   not_before := integer(), not_after := integer(), fingerprint := binary(), days_left := integer()}.

-define(DAY_SECONDS, 86400).

%% Certificate: what the library made of Der.
-spec facts(rustls_dist_nif:certificate(), public_key:der_encoded()) -> facts().
facts(#{not_after := NotAfter} = Certificate, Der) ->
    Days = floor((NotAfter - erlang:system_time(second)) / ?DAY_SECONDS),
    (maps:with([subject, issuer, serial, not_before, not_after], Certificate))#{names => names(Der),
                                                                               fingerprint => fingerprint(Der),
                                                                               days_left => Days}.

%% As `openssl x509 -fingerprint -sha256' prints it.
fingerprint(Der) ->
    iolist_to_binary(lists:join($:, [io_lib:format("~2.16.0B", [Byte]) || <<Byte>> <= crypto:hash(sha256, Der)])).

names(Der) ->
    case rustls_dist_peer_certificate:decoded(Der) of
        {ok, #'OTPCertificate'{tbsCertificate = #'OTPTBSCertificate'{extensions = Extensions}}} when is_list(Extensions) ->
            lists:append([[unicode:characters_to_binary(rustls_dist_peer_text:cut(name(Name))) || Name <- Names]
                          || #'Extension'{extnID = ?'id-ce-subjectAltName', extnValue = Names} <- Extensions]);
        _ ->
            []
    end.

name({dNSName, Name}) -> "DNS:" ++ Name;
name({uniformResourceIdentifier, Uri}) -> "URI:" ++ Uri;
name({iPAddress, <<A, B, C, D>>}) -> "IP:" ++ inet:ntoa({A, B, C, D});
name({iPAddress, <<_:128>> = Bytes}) -> "IP:" ++ inet:ntoa(list_to_tuple([Part || <<Part:16>> <= Bytes]));
name({Kind, _Value}) -> atom_to_list(Kind).

%% Names and values.
-spec lines(facts()) -> [{string(), unicode:chardata()}].
lines(#{subject := Subject, issuer := Issuer, names := Names, not_after := NotAfter, fingerprint := Fingerprint,
        days_left := Days}) ->
    [{"subject", rustls_dist_peer_text:cut(Subject)},
     {"names", case Names of [] -> "none"; _ -> lists:join(", ", Names) end},
     {"issuer", rustls_dist_peer_text:cut(Issuer)},
     {"valid until", [date(NotAfter), until(Days)]},
     {"SHA-256", Fingerprint}].

until(Days) when Days < 0 -> ": it has expired";
until(Days) -> io_lib:format(" (~w days)", [Days]).

date(Seconds) ->
    calendar:system_time_to_rfc3339(Seconds, [{offset, "Z"}]).

-spec json(facts()) -> rustls_dist_command_json:json().
json(Facts) -> Facts.
