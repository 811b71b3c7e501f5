%% Certificates that OTP or OpenSSL take and that are refused here for a field that is not as RFC 5280 has it, and ones as odd
%% that everybody takes, one row each. rustls_dist_oddities_SUITE plays them and has OTP and OpenSSL judge them; markdown/0
%% prints the rows for doc/verification.md.
-module(rustls_dist_oddities).

-export([rows/0, chain/1, markdown/0, section/1]).

-export_type([row/0]).

-include_lib("public_key/include/public_key.hrl").

%% kind: the error's; says: what the judge's log says, as text; taken_by: of those that judge it in the test's node, `otp' with
%% public_key:pkix_path_validation/3 and `openssl' with its verify command. Where a field stands in the peer's certificate it
%% may as well stand in an intermediate.
-type row() :: #{name := atom(), what := string(), says := string() | none, alert := atom() | none, taken_by := [otp | openssl]}.

-define(UNKNOWN, {2, 5, 29, 99}).

-spec rows() -> [row(), ...].
rows() ->
    [refused(other_string_type, "an issuer in another string type than the authority's subject (PrintableString and UTF8String)",
             unknown_ca, "in other bytes than the authority's subject", [otp, openssl]),
     refused(other_capitals, "an issuer in other capitals, or with other blanks, than the authority's subject",
             unknown_ca, "in other bytes than the authority's subject", [otp, openssl]),
     refused(before_1970, "a validity that begins before 1970", bad_certificate, "begins or ends before 1970", [otp, openssl]),
     refused(fraction_of_second, "a time with a fraction of a second", bad_certificate,
             "validity that is not written as RFC 5280", []),
     refused(unique_id, "an issuerUniqueID or subjectUniqueID", bad_certificate, "has an issuerUniqueID or a subjectUniqueID",
             [otp, openssl]),
     refused(extension_twice, "an extension that is there twice", bad_certificate, "has one extension twice", [otp]),
     refused(extension_malformed, "an extension with contents that are not those of its kind", bad_certificate,
             "has an extension whose contents are not encoded", []),
     taken(serial_zero, "a serial number of 0"),
     taken(serial_negative, "a negative serial number"),
     taken(serial_long, "a serial number of 21 bytes"),
     taken(no_key_identifiers, "no key identifiers")].

refused(Name, What, Alert, Says, By) ->
    #{name => Name, what => What, says => Says, alert => Alert, taken_by => By}.

taken(Name, What) ->
    #{name => Name, what => What, says => none, alert => none, taken_by => [otp, openssl]}.

%% The peer's certificate with the oddity, and the authority that is trusted.
-spec chain(atom()) -> {rustls_dist_x509:cert(), rustls_dist_x509:cert()}.
chain(Name) ->
    Root = rustls_dist_x509:root("root", #{subject_rdn => name({printableString, "Cluster Authority"})}),
    Leaf = rustls_dist_x509:leaf("odd", Root, options(Name)),
    {patched(Name, Leaf), Root}.

options(other_string_type) -> #{issuer_rdn => name({utf8String, <<"Cluster Authority">>})};
options(other_capitals) -> #{issuer_rdn => name({printableString, "cluster  AUTHORITY"})};
options(before_1970) -> #{validity => validity({utcTime, "690101000000Z"})};
options(fraction_of_second) -> #{validity => validity({generalTime, "20240101000000.5Z"})};
options(unique_id) -> #{unique_id => <<1, 2, 3>>};
options(extension_twice) -> #{extensions => fun([First | Rest]) -> [First, First | Rest] end};
options(extension_malformed) ->
    #{extensions => fun(Usual) -> Usual ++ [rustls_dist_x509:extension(?UNKNOWN, <<5, 0>>)] end};
options(serial_zero) -> #{serial => 0};
options(serial_negative) -> #{serial => -4711};
options(serial_long) -> #{serial => 1 bsl 166};
options(no_key_identifiers) -> #{authority_key => none}.

%% An extension of nobody's becomes name constraints, which begin with another tag.
patched(extension_malformed, #{der := Der} = Leaf) ->
    Leaf#{der := binary:replace(Der, <<6, 3, 85, 29, 99>>, <<6, 3, 85, 29, 30>>)};
patched(_Name, Leaf) ->
    Leaf.

name(Value) ->
    {rdnSequence, [[#'AttributeTypeAndValue'{type = ?'id-at-organizationName', value = Value}]]}.

validity(NotBefore) ->
    #'Validity'{notBefore = NotBefore, notAfter = {utcTime, "491231235959Z"}}.

%% The table for doc/verification.md.
-spec markdown() -> unicode:chardata().
markdown() ->
    ["| a certificate has | alert | the judge's log says | taken by |\n|---|---|---|---|\n",
     [io_lib:format("| ~ts | `~ts` | \"~ts\" | ~ts |\n", [What, Alert, Says, taken_by(By)])
      || #{what := What, alert := Alert, says := Says, taken_by := By} <- rows(), Says =/= none]].

taken_by([]) -> "nobody";
taken_by(By) -> lists:join(", ", [case Judge of otp -> "`ssl`"; openssl -> "OpenSSL" end || Judge <- By]).

%% The table in a Markdown text.
-spec section(binary()) -> binary().
section(Text) ->
    [_, Rest] = binary:split(Text, <<"<!-- oddities -->\n">>),
    [Table, _] = binary:split(Rest, <<"<!-- end of oddities -->">>),
    Table.
