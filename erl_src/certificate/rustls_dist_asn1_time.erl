%% The two forms of time in certificates and revocation lists (RFC 5280 sections 4.1.2.5 and 5.1.2.5), as public_key leaves them.
%%
%% @private
-module(rustls_dist_asn1_time).

-export([sortable/1, unix_seconds/1]).

-export_type([time/0]).

-type time() :: {utcTime | generalTime, string()}.

-define(GREGORIAN_TO_SYSTEM_SECONDS, 62167219200).

%% As a text that sorts by time: two digits of a year stand for 1950 to 2049.
-spec sortable(time()) -> string().
sortable({utcTime, [Decade | _] = Text}) when Decade >= $5 -> "19" ++ Text;
sortable({utcTime, Text}) -> "20" ++ Text;
sortable({generalTime, Text}) -> Text.

%% In seconds of the system's clock. Fails with an error for what is in no form that RFC 5280 allows.
-spec unix_seconds(time()) -> integer().
unix_seconds(Time) ->
    [Y1, Y2, Y3, Y4, M1, M2, D1, D2, H1, H2, N1, N2, S1, S2, $Z] = sortable(Time),
    [Year, Month, Day, Hour, Minute, Second] =
        [list_to_integer(Digits) || Digits <- [[Y1, Y2, Y3, Y4], [M1, M2], [D1, D2], [H1, H2], [N1, N2], [S1, S2]]],
    calendar:datetime_to_gregorian_seconds({{Year, Month, Day}, {Hour, Minute, Second}}) - ?GREGORIAN_TO_SYSTEM_SECONDS.
