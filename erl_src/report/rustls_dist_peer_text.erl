%% What a peer sent, fit for a line of the log: cut, and without anything that a terminal or a parser of logs would obey.
%%
%% Every text that a stranger may choose goes through here before it becomes a part of a sentence: names in the
%% distribution handshake, first bytes, answers of an epmd, names in certificates.
%%
%% @private
-module(rustls_dist_peer_text).

-export([cut/1, line/1]).

-define(MAX_CHARS, 200).

%% A sentence holds several such texts, and advice behind them that must not be lost.
-define(MAX_LINE_CHARS, 1500).

%% At most 200 characters; what is not printable stands as \xHH, bytes that are not UTF-8 as themselves.
-spec cut(unicode:chardata() | atom()) -> unicode:chardata().
cut(Name) when is_atom(Name) ->
    cut(atom_to_binary(Name));
cut(Text) ->
    bounded(Text, ?MAX_CHARS).

%% A whole sentence that others composed, the Rust library or a user's function: one line, and not endless.
-spec line(unicode:chardata()) -> unicode:chardata().
line(Text) ->
    bounded(Text, ?MAX_LINE_CHARS).

%% A character may take four bytes, so that no more of them than this have to be looked at.
bounded(Text, Max) ->
    Bytes = bytes(Text),
    Size = byte_size(Bytes),
    case taken(Bytes, Max, []) of
        {all, Shown} -> Shown;
        {some, Shown} -> [Shown, io_lib:format("... (~w bytes)", [Size])]
    end.

bytes(Text) when is_binary(Text) ->
    Text;
bytes(Text) ->
    case unicode:characters_to_binary(Text) of
        Utf8 when is_binary(Utf8) -> Utf8;
        {_Why, Good, _Rest} -> Good
    end.

taken(<<>>, _Left, Shown) -> {all, lists:reverse(Shown)};
taken(_Bytes, 0, Shown) -> {some, lists:reverse(Shown)};
taken(<<Char/utf8, Rest/binary>>, Left, Shown) -> taken(Rest, Left - 1, [shown(Char) | Shown]);
taken(<<Byte, Rest/binary>>, Left, Shown) -> taken(Rest, Left - 1, [escaped(Byte) | Shown]).

%% Controls of both kinds (C0, C1), and what turns the order of a line around or hides in it.
shown(Char) when Char < 32; Char >= 127, Char < 160 -> escaped(Char);
shown(Char) when Char >= 16#200B, Char =< 16#200F; Char >= 16#2028, Char =< 16#202E;
                 Char >= 16#2066, Char =< 16#2069; Char =:= 16#FEFF -> io_lib:format("\\x{~.16B}", [Char]);
shown(Char) -> Char.

escaped(Byte) -> io_lib:format("\\x~2.16.0B", [Byte]).
