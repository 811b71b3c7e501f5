%% The flags of a node that a verb is asked about, as erl would see them: out of a file of arguments (vm.args), out of what
%% follows `--', and an options file. Where none of these is given, out of the environment: ERL_AFLAGS, ERL_FLAGS, ERL_ZFLAGS.
%%
%% The rules are erl's own: how words are quoted is read off erlexec.c (build_args_from_string), which word is a flag off
%% init.erl (parse_boot_args).
%%
%% @private
-module(rustls_dist_command_flags).

-export([options/0, about/0, of_node/1, argument/2, words/1]).

-export_type([flags/0]).

%% In order, each with its words. Flags of the emulator (+A) are there with their sign.
-type flags() :: [{Flag :: string(), [rustls_dist_command_arguments:word()]}].

%% Files of arguments may name others: so deep, and so long.
-define(MAX_DEPTH, 10).
-define(MAX_BYTES, (1 bsl 20)).

%% The launcher puts the environment aside, so that it is not taken for the command's own flags.
-define(ENVIRONMENT, ["RUSTLS_DIST_ERL_AFLAGS", "RUSTLS_DIST_ERL_FLAGS", "RUSTLS_DIST_ERL_ZFLAGS"]).

%% The options with which verbs are told of a node.
-spec options() -> [rustls_dist_command_verb:option()].
options() ->
    [#{name => optfile, takes => "FILE", help => "the node's options file, as in -ssl_dist_optfile FILE"},
     #{name => 'vm-args', takes => "FILE", help => "a file with the node's flags: vm.args, or what -args_file names"}].

%% The paragraph of the help that goes with them.
-spec about() -> string().
about() ->
    "The node's flags are those of --vm-args, then those behind --, and --optfile counts instead of a file that they name. Where "
    "none of these is given they are taken from ERL_AFLAGS, ERL_FLAGS and ERL_ZFLAGS. Paths are relative to the current folder.".

%% Error: a sentence without a full stop.
-spec of_node(rustls_dist_command_verb:arguments()) -> {ok, flags()} | {error, unicode:chardata()}.
of_node(#{options := Options, flags := Flags}) ->
    try
        Given = [vm_args(File) || #{'vm-args' := File} <- [Options]] ++ [Words || Words <- [Flags], Words =/= none],
        Found = case {Given, Options} of
                    {[], #{optfile := _}} -> [];
                    {[], _} -> [split(os:getenv(Name, ""), no_comments) || Name <- ?ENVIRONMENT];
                    {_, _} -> Given
                end,
        {ok, with_optfile(Options, parsed(nested(lists:append(Found), 0)))}
    catch
        throw:{?MODULE, Why} -> {error, Why}
    end.

%% What the flag is given, as init:get_argument/1 has it.
-spec argument(atom(), flags()) -> {ok, [[rustls_dist_command_arguments:word()]]} | error.
argument(Flag, Flags) ->
    case [Words || {Name, Words} <- Flags, Name =:= [$- | atom_to_list(Flag)]] of
        [] -> error;
        Found -> {ok, Found}
    end.

%% The flags as words of a command line.
-spec words(flags()) -> [rustls_dist_command_arguments:word()].
words(Flags) ->
    [Word || {Flag, Words} <- Flags, Word <- [Flag | Words]].

vm_args(File) ->
    split(replaced(File, read(File)), comments).

read(File) ->
    case rustls_dist_raw_file:read(File, ?MAX_BYTES) of
        {ok, Bytes} -> text(Bytes);
        {error, too_large} -> fail("~ts is larger than a file of arguments", [rustls_dist_file_name:shown(File)]);
        {error, Reason} -> fail("~ts cannot be read: ~ts", [rustls_dist_file_name:shown(File), reason(Reason)])
    end.

reason(Reason) when is_atom(Reason) -> file:format_error(Reason);
reason(_Other) -> "it is no file".

text(Bytes) ->
    case unicode:characters_to_list(Bytes) of
        Text when is_list(Text) -> Text;
        _ -> binary_to_list(Bytes)
    end.

%% relx replaces ${NAME} and ${NAME:-default} in a vm.args.src when the release starts.
replaced(File, Text) ->
    case re:run(Text, "\\$\\{(\\w+)(?::-([^}]*))?\\}", [unicode, {capture, all, index}]) of
        nomatch ->
            Text;
        {match, [{Start, Length} | Groups]} ->
            Bytes = unicode:characters_to_binary(Text),
            <<Before:Start/binary, _:Length/binary, After/binary>> = Bytes,
            unicode:characters_to_list(Before) ++ variable(File, [binary:part(Bytes, Group) || Group <- Groups])
                ++ replaced(File, unicode:characters_to_list(After))
    end.

variable(File, [Name | Default]) ->
    case {os:getenv(binary_to_list(Name)), Default} of
        {false, [Text]} -> unicode:characters_to_list(Text);
        {false, []} -> fail("~ts wants ${~ts} replaced, which is not in the environment",
                            [rustls_dist_file_name:shown(File), Name]);
        {Value, _} -> Value
    end.

%% Words are divided by blanks and line ends. Quotes hold together what is between them, where a backslash is nothing
%% special; outside it takes what follows as it is. A comment begins anywhere outside of quotes.
split(Text, Comments) ->
    split(Text, none, Comments).

split([], none, _Comments) -> [];
split([], Word, _Comments) -> [lists:reverse(Word)];
split([Char | Rest], none, Comments) when Char =:= $\s; Char >= $\t, Char =< $\r -> split(Rest, none, Comments);
split([Char | Rest], Word, Comments) when Char =:= $\s; Char >= $\t, Char =< $\r ->
    [lists:reverse(Word) | split(Rest, none, Comments)];
split([$# | Rest], none, comments) -> split(lists:dropwhile(fun(Char) -> Char =/= $\n end, Rest), none, comments);
split([$# | _] = Comment, Word, comments) -> [lists:reverse(Word) | split(Comment, none, comments)];
split([Quote | Rest], Word, Comments) when Quote =:= $"; Quote =:= $' ->
    {Quoted, After} = lists:splitwith(fun(Char) -> Char =/= Quote end, Rest),
    split(lists:nthtail(min(1, length(After)), After), lists:reverse(Quoted, begun(Word)), Comments);
split([$\\, Char | Rest], Word, Comments) -> split(Rest, [Char | begun(Word)], Comments);
split([Char | Rest], Word, Comments) -> split(Rest, [Char | begun(Word)], Comments).

begun(none) -> [];
begun(Word) -> Word.

%% A file of arguments may name another one.
nested(_Words, ?MAX_DEPTH) ->
    fail("files of arguments name each other more than ~b times", [?MAX_DEPTH]);
nested(["-args_file", File | Words], Depth) ->
    nested(vm_args(File), Depth + 1) ++ nested(Words, Depth);
nested([Word | Words], Depth) ->
    [Word | nested(Words, Depth)];
nested([], _Depth) ->
    [].

%% What stands behind -extra is the program's own; -- ends the words of a flag.
parsed(Words) ->
    {Flags, _Extra} = lists:splitwith(fun(Word) -> Word =/= "-extra" end, Words),
    flags(Flags).

flags([]) ->
    [];
flags([Flag | Words]) ->
    {Values, Rest} = lists:splitwith(fun(Word) -> not is_flag(Word) end, Words),
    case is_flag(Flag) andalso Flag =/= "--" of
        true -> [{Flag, Values} | flags(Rest)];
        false -> flags(Rest)
    end.

is_flag([Sign | _]) -> Sign =:= $- orelse Sign =:= $+;
is_flag(_) -> false.

with_optfile(#{optfile := File}, Flags) ->
    lists:keydelete("-ssl_dist_optfile", 1, Flags) ++ [{"-ssl_dist_optfile", [File]}];
with_optfile(#{}, Flags) ->
    Flags.

-spec fail(io:format(), [term()]) -> no_return().
fail(Format, Arguments) ->
    throw({?MODULE, io_lib:format(Format, Arguments)}).
