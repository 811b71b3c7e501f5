%% Revocation lists as bytes: out of a file or an HTTP answer, and into the form that public_key judges.
%%
%% @private
-module(rustls_dist_crl_lists).

-export([parse/1, decode/1, issuers/1, is_delta/1]).

-export_type([named/0, issuer/0, decoded/0]).

-include_lib("public_key/include/public_key.hrl").

%% The short hash of an issuer's name, which finds a list. That the names are the same public_key makes sure of.
-type issuer() :: string().

-type named() :: {issuer(), public_key:der_encoded()}.

%% As public_key:pkix_crls_validate/3 takes lists.
-type decoded() :: {public_key:der_encoded(), #'CertificateList'{}}.

-define(IS_BLANK(Byte), (Byte =:= $\s orelse Byte =:= $\t orelse Byte =:= $\f orelse Byte =:= $\v)).

%% The lists in Bytes, PEM or DER, and the time in seconds of the system's clock when the first of them is out of date.
%% One entry that cannot be used spoils them all: to leave a list out is to forget what it revokes.
-spec parse(binary()) -> {ok, [named(), ...], NextUpdate :: integer()} | {error, unicode:chardata()}.
parse(Bytes) ->
    case ders(Bytes) of
        {error, Text} -> {error, Text};
        Ders -> named(Ders, [], [])
    end.

%% A list for public_key, and when it is out of date. `error' also for what makes public_key crash, with an error or, in OTP
%% 29, an exit: a list without nextUpdate, which RFC 5280 section 5.1.2.5 demands, or with one in no form that section allows,
%% or an issuer whose name is no text.
-spec decode(public_key:der_encoded()) -> {ok, decoded(), NextUpdate :: integer()} | error.
decode(Der) ->
    try
        #'CertificateList'{tbsCertList = #'TBSCertList'{nextUpdate = Time}} = Decoded =
            public_key:der_decode('CertificateList', Der),
        _ = issuer(public_key:pkix_crl_issuer(Decoded)),
        {ok, {Der, Decoded}, rustls_dist_asn1_time:unix_seconds(Time)}
    catch
        _:_ -> error
    end.

%% The issuers that lists are asked for by: one name, or the general names of a distribution point.
-spec issuers(public_key:issuer_name() | [{directoryName, public_key:issuer_name()} | term()]) -> [issuer()].
issuers(Names) when is_list(Names) -> [issuer(Name) || {directoryName, Name} <- Names];
issuers(Name) -> [issuer(Name)].

%% Whether a list only holds what has changed since another (RFC 5280 section 5.2.4).
-spec is_delta(decoded()) -> boolean().
is_delta({_Der, #'CertificateList'{tbsCertList = #'TBSCertList'{crlExtensions = Extensions}}}) ->
    is_list(Extensions) andalso lists:keymember(?'id-ce-deltaCRLIndicator', #'Extension'.extnID, Extensions).

%% public_key wants PEM as openssl writes it: what the way to a node's files adds is taken away, as from certificates
%% (src/pem.rs).
ders(<<Mark:2/binary, _/binary>>) when Mark =:= <<16#FF, 16#FE>>; Mark =:= <<16#FE, 16#FF>> ->
    {error, "it begins with a byte-order mark of UTF-16; save it as plain text"};
ders(Bytes) ->
    case binary:match(Bytes, <<"-----BEGIN">>) of
        nomatch -> [Bytes];
        _ -> pem_ders(iolist_to_binary(lists:join("\n", lines(Bytes))))
    end.

pem_ders(Text) ->
    try [Der || {'CertificateList', Der, not_encrypted} <- public_key:pem_decode(Text)] of
        [] -> {error, pem_fault(Text)};
        Ders -> Ders
    catch
        error:_ -> {error, pem_fault(Text)}
    end.

pem_fault(Text) ->
    Has = fun(Marker) -> re:run(Text, Marker, [multiline, {capture, none}]) =:= match end,
    case {Has("BEGIN X509 CRL"), Has("^-----BEGIN X509 CRL-----$"), Has("^-----END X509 CRL-----$")} of
        {false, _, _} -> "there is no revocation list in it";
        {true, false, _} -> "no line of it is -----BEGIN X509 CRL-----, with nothing beside";
        {true, true, false} -> "it has BEGIN X509 CRL, and no END to it";
        {true, true, true} -> "its PEM is broken"
    end.

lines(Bytes) ->
    Joined = binary:replace(Bytes, <<"----------BEGIN">>, <<"-----\n-----BEGIN">>, [global]),
    [trimmed(without_mark(Line))
     || Line <- binary:split(Joined, [<<"\r">>, <<"\n">>, <<"\\r">>, <<"\\n">>], [global])].

without_mark(<<16#FEFF/utf8, Line/binary>>) -> Line;
without_mark(Line) -> Line.

%% Whatever the bytes are: `string' takes UTF-8 alone.
trimmed(<<Blank, Line/binary>>) when ?IS_BLANK(Blank) ->
    trimmed(Line);
trimmed(<<>>) ->
    <<>>;
trimmed(Line) ->
    Bytes = byte_size(Line) - 1,
    case Line of
        <<Before:Bytes/binary, Blank>> when ?IS_BLANK(Blank) -> trimmed(Before);
        _ -> Line
    end.

%% Of a name in any of the forms that public_key has for it: ssl passes names on with their values now decoded, now not.
issuer(Name) ->
    public_key:short_name_hash(Name).

named([], Lists, Times) ->
    {ok, lists:reverse(Lists), lists:min(Times)};
named([Der | Ders], Lists, Times) ->
    case decode(Der) of
        {ok, {_, Decoded}, NextUpdate} ->
            named(Ders, [{issuer(public_key:pkix_crl_issuer(Decoded)), Der} | Lists], [NextUpdate | Times]);
        error ->
            {error, "it cannot be parsed as a revocation list with a nextUpdate"}
    end.
