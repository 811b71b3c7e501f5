%% JSON (RFC 8259) out of Erlang's terms. OTP has a module for that from 27 on only.
%%
%% @private
-module(rustls_dist_command_json).

-export([encode/1]).

-export_type([json/0]).

%% Text is a binary in UTF-8; a list is an array.
-type json() :: null | boolean() | atom() | number() | binary() | [json()] | #{atom() | binary() => json()}.

%% Objects have their members in the order of their names, so that the same is printed for the same.
-spec encode(json()) -> iodata().
encode(Number) when is_integer(Number) -> integer_to_binary(Number);
encode(Number) when is_float(Number) -> float_to_binary(Number, [short]);
encode(Atom) when Atom =:= null; is_boolean(Atom) -> atom_to_binary(Atom);
encode(Atom) when is_atom(Atom) -> string(atom_to_binary(Atom));
encode(Text) when is_binary(Text) -> string(Text);
encode(Items) when is_list(Items) -> [$[, lists:join($,, [encode(Item) || Item <- Items]), $]];
encode(#{} = Object) ->
    Members = lists:sort([{name(Name), Value} || {Name, Value} <- maps:to_list(Object)]),
    [${, lists:join($,, [[string(Name), $:, encode(Value)] || {Name, Value} <- Members]), $}].

name(Name) when is_atom(Name) -> atom_to_binary(Name);
name(Name) -> Name.

%% A name of a file may be no text at all: its bytes are taken for characters then.
string(Text) ->
    Chars = case unicode:characters_to_list(Text) of
                Decoded when is_list(Decoded) -> Decoded;
                _ -> binary_to_list(Text)
            end,
    [$", [escaped(Char) || Char <- Chars], $"].

%% RFC 8259 section 7.
escaped($") -> <<"\\\"">>;
escaped($\\) -> <<"\\\\">>;
escaped($\n) -> <<"\\n">>;
escaped($\t) -> <<"\\t">>;
escaped(Char) when Char < 16#20; Char =:= 16#7F -> iolist_to_binary(io_lib:format("\\u~4.16.0b", [Char]));
escaped(Char) -> <<Char/utf8>>.
