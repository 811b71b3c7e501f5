%% Writes JSON (RFC 8259): OTP has a module for that since release 27 only. Pure.
-module(rustls_dist_bench_json).

-export([encode/1]).

-export_type([value/0]).

-type value() :: #{atom() | binary() => value()} | [value()] | number() | atom() | binary().

%% Maps become objects with sorted keys, lists arrays, binaries (UTF-8) and atoms strings; true, false and null
%% themselves.
-spec encode(value()) -> iodata().
encode(Value) ->
    [value(Value, 0), $\n].

value(Map, Depth) when is_map(Map) ->
    Members = [[name(Key), ": ", value(Value, Depth + 1)] || {Key, Value} <- lists:keysort(1, maps:to_list(Map))],
    enclosed(${, Members, $}, Depth);
value(List, Depth) when is_list(List) ->
    enclosed($[, [value(Value, Depth + 1) || Value <- List], $], Depth);
value(Number, _Depth) when is_integer(Number) ->
    integer_to_binary(Number);
value(Number, _Depth) when is_float(Number) ->
    float_to_binary(Number, [{decimals, 4}, compact]);
value(Word, _Depth) when Word =:= true; Word =:= false; Word =:= null ->
    atom_to_binary(Word);
value(Text, _Depth) ->
    name(Text).

%% Two levels are broken into lines, so that a line is one figure; what lies deeper stays on its line.
enclosed(Open, Members, Close, Depth) when Depth < 2, Members =/= [] ->
    Indent = lists:duplicate(Depth + 1, $\s),
    [Open, $\n, lists:join(",\n", [[Indent, Member] || Member <- Members]), $\n, tl(Indent), Close];
enclosed(Open, Members, Close, _Depth) ->
    [Open, lists:join(", ", Members), Close].

name(Atom) when is_atom(Atom) ->
    name(atom_to_binary(Atom));
name(Text) when is_binary(Text) ->
    [$", [escaped(Char) || Char <- unicode:characters_to_list(Text)], $"].

escaped($") -> "\\\"";
escaped($\\) -> "\\\\";
escaped(Char) when Char < 32 -> io_lib:format("\\u~4.16.0b", [Char]);
escaped(Char) -> unicode:characters_to_binary([Char]).
