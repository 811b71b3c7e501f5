%% Names of files and words of the command line: between the strings of Erlang and the bytes of the operating system.
%%
%% Where the VM's file names are Unicode (file:native_name_encoding/0), a string holds characters. In locale C it holds the
%% bytes themselves: init, os:getenv/1 and OTP's file functions have it so. A string that was read out of a UTF-8 file holds
%% characters in either locale, and is taken for what it says: files are named in UTF-8.
%%
%% @private
-module(rustls_dist_file_name).

-export([word/1, of_word/1, bytes/1, local/1, shown/1]).

%% What init makes of a word: of one that is not UTF-8 where file names are Unicode, a pair of what could be decoded and
%% what not (init:get_argument/1 of OTP 25).
-type given() :: string() | {error | incomplete, string(), binary()}.

%% A word of the command line: a string or, where it is none, its bytes.
-spec word(given()) -> string() | binary().
word({_, Decoded, Rest}) -> iolist_to_binary([unicode:characters_to_binary(Decoded), Rest]);
word(Word) -> Word.

%% The bytes that stood on the command line.
-spec of_word(string() | binary()) -> {ok, binary()} | error.
of_word(Word) when is_list(Word) ->
    case file:native_name_encoding() of
        utf8 -> utf8(Word);
        latin1 -> raw(Word)
    end;
of_word(Bytes) ->
    {ok, Bytes}.

%% The bytes of a file's name that stands in an options file. A binary is taken as it is.
-spec bytes(file:filename_all()) -> {ok, binary()} | error.
bytes(Name) when is_binary(Name) ->
    {ok, Name};
bytes(Name) ->
    case {file:native_name_encoding(), raw(Name)} of
        {latin1, {ok, Raw}} ->
            case unicode:characters_to_list(Raw) of
                Text when is_list(Text) -> {ok, Raw};
                _ -> utf8(Name)
            end;
        _ ->
            utf8(Name)
    end.

%% The same name as OTP's file functions take it.
-spec local(file:filename_all()) -> file:filename_all().
local(Name) when is_list(Name) ->
    case {file:native_name_encoding(), bytes(Name)} of
        {latin1, {ok, Bytes}} -> binary_to_list(Bytes);
        _ -> Name
    end;
local(Name) ->
    Name.

%% A name or a word as people read it, whatever it holds: what is no character but an order to a terminal or a log is escaped.
-spec shown(file:filename_all()) -> string().
shown(Name) ->
    Bytes = case bytes(Name) of
                {ok, Found} -> Found;
                error -> iolist_to_binary(io_lib:format("~0tp", [Name]))
            end,
    case unicode:characters_to_list(Bytes) of
        Text when is_list(Text) -> lists:flatmap(fun visible/1, Text);
        _ -> lists:flatmap(fun visible/1, binary_to_list(Bytes))
    end.

visible(Char) when Char < $\s; Char >= 127, Char < 160 -> lists:flatten(io_lib:format("\\x~2.16.0B", [Char]));
visible(Char) -> [Char].

utf8(Chars) ->
    try unicode:characters_to_binary(Chars) of
        Bytes when is_binary(Bytes) -> {ok, Bytes};
        _ -> error
    catch
        error:badarg -> error
    end.

raw(Chars) ->
    try {ok, list_to_binary(Chars)}
    catch
        error:badarg -> error
    end.
