%% JSON (RFC 8259) into terms, as json:decode/1 of OTP 27 does it: objects are maps, strings binaries. For texts that are right;
%% what is wrong fails.
-module(rustls_dist_json).

-export([decode/1]).

-type json() :: #{binary() => json()} | [json()] | binary() | number() | boolean() | null.

-spec decode(binary()) -> json().
decode(Text) ->
    {Value, Rest} = value(blank(Text)),
    <<>> = blank(Rest),
    Value.

value(<<"{", Rest/binary>>) -> members(blank(Rest), #{});
value(<<"[", Rest/binary>>) -> elements(blank(Rest), []);
value(<<"\"", Rest/binary>>) -> text(Rest, []);
value(<<"true", Rest/binary>>) -> {true, Rest};
value(<<"false", Rest/binary>>) -> {false, Rest};
value(<<"null", Rest/binary>>) -> {null, Rest};
value(Text) ->
    {match, [{0, Length}]} = re:run(Text, "^-?[0-9]+(\\.[0-9]+)?([eE][-+]?[0-9]+)?", [{capture, first}]),
    <<Digits:Length/binary, Rest/binary>> = Text,
    {number(Digits), Rest}.

number(Digits) ->
    try
        binary_to_integer(Digits)
    catch
        error:badarg -> binary_to_float(Digits)
    end.

members(<<"}", Rest/binary>>, Members) ->
    {Members, Rest};
members(<<",", Rest/binary>>, Members) ->
    members(blank(Rest), Members);
members(<<"\"", Rest/binary>>, Members) ->
    {Name, Colon} = text(Rest, []),
    <<":", From/binary>> = blank(Colon),
    {Value, Then} = value(blank(From)),
    members(blank(Then), Members#{Name => Value}).

elements(<<"]", Rest/binary>>, Elements) ->
    {lists:reverse(Elements), Rest};
elements(<<",", Rest/binary>>, Elements) ->
    elements(blank(Rest), Elements);
elements(Text, Elements) ->
    {Value, Rest} = value(Text),
    elements(blank(Rest), [Value | Elements]).

text(Text, Before) ->
    {Position, 1} = binary:match(Text, [<<"\"">>, <<"\\">>]),
    case Text of
        <<Part:Position/binary, "\"", Rest/binary>> -> {iolist_to_binary(lists:reverse([Part | Before])), Rest};
        <<Part:Position/binary, "\\u", Escaped/binary>> ->
            {Character, Rest} = escaped(Escaped),
            text(Rest, [<<Character/utf8>>, Part | Before]);
        <<Part:Position/binary, "\\", Character, Rest/binary>> -> text(Rest, [escape(Character), Part | Before])
    end.

%% Beyond 16 bits there are two of them (section 7).
escaped(<<High:4/binary, "\\u", Low:4/binary, Rest/binary>>) when High >= <<"d800">>, High < <<"dc00">> ->
    {16#10000 + ((binary_to_integer(High, 16) - 16#D800) bsl 10) + binary_to_integer(Low, 16) - 16#DC00, Rest};
escaped(<<Code:4/binary, Rest/binary>>) ->
    {binary_to_integer(Code, 16), Rest}.

escape($n) -> "\n";
escape($r) -> "\r";
escape($t) -> "\t";
escape($b) -> "\b";
escape($f) -> "\f";
escape(Character) -> [Character].

blank(<<Character, Rest/binary>>) when Character =:= $\s; Character =:= $\n; Character =:= $\r; Character =:= $\t -> blank(Rest);
blank(Text) -> Text.
