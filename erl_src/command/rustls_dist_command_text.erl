%% Text for people at a terminal, or for a file: colours are marks in the text, and become escape sequences only where a
%% terminal shows them.
%%
%% @private
-module(rustls_dist_command_text).

-export([terminal_colours/0, plain_or_coloured/2, plain/1, wrap/3]).

-export_type([text/0, style/0]).

-type style() :: bold | dim | red | yellow | green | blue.
-type text() :: char() | binary() | {style(), text()} | [text()].

%% Whether standard output is a terminal that shows colours. NO_COLOR in the environment says that none are wanted
%% (no-color.org).
-spec terminal_colours() -> boolean().
terminal_colours() ->
    %% A VM without a shell does not know; the shell's test does, for the file descriptors that it is handed.
    os:getenv("NO_COLOR", "") =:= "" andalso os:getenv("TERM", "dumb") =/= "dumb"
        andalso os:getenv("RUSTLS_DIST_TERMINAL", "") =/= "".

-spec plain_or_coloured(text(), Colours :: boolean()) -> unicode:chardata().
plain_or_coloured(Text, true) -> coloured(Text);
plain_or_coloured(Text, false) -> plain(Text).

%% The text without its marks.
-spec plain(text()) -> unicode:chardata().
plain({Style, Text}) when is_atom(Style) -> plain(Text);
plain([First | Rest]) -> [plain(First) | plain(Rest)];
plain(Text) -> Text.

coloured({Style, Text}) when is_atom(Style) -> ["\e[", code(Style), "m", plain(Text), "\e[0m"];
coloured([First | Rest]) -> [coloured(First) | coloured(Rest)];
coloured(Text) -> Text.

%% ECMA-48, SGR.
code(bold) -> "1";
code(dim) -> "2";
code(red) -> "31";
code(green) -> "32";
code(yellow) -> "33";
code(blue) -> "34".

%% Lines of at most Width columns, each with Indent blanks in front and a line end. A word that is longer, as a path, has a line
%% to itself.
-spec wrap(unicode:chardata(), non_neg_integer(), pos_integer()) -> unicode:chardata().
wrap(Text, Indent, Width) ->
    Words = string:lexemes(unicode:characters_to_list(Text), " \n"),
    [[lists:duplicate(Indent, $\s), Line, $\n] || Line <- lines(Words, Width - Indent)].

lines([], _Width) ->
    [];
lines([Word | Words], Width) ->
    lines(Words, Word, Width).

lines([], Line, _Width) ->
    [Line];
lines([Word | Words], Line, Width) ->
    case string:length(Line) + 1 + string:length(Word) =< Width of
        true -> lines(Words, Line ++ " " ++ Word, Width);
        false -> [Line | lines(Words, Word, Width)]
    end.
