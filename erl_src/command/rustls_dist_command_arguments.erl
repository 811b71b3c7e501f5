%% The words behind a verb: options (--name VALUE, --name=VALUE, --flag), other words, and after `--' flags for a node.
%%
%% @private
-module(rustls_dist_command_arguments).

-export([parse/2, with_common/1]).

-export_type([word/0]).

%% A word of the command line; its bytes, if it is no text (rustls_dist_file_name:word/1).
-type word() :: string() | binary().

-type parsed() :: #{options := #{atom() => word() | true}, words := [word()], flags := [word()] | none}.

%% Options: those of the verb. Error: why the words are none that it takes.
-spec parse([rustls_dist_command_verb:option()], [word()]) -> {ok, parsed()} | {error, unicode:chardata()}.
parse(Options, Words) ->
    Known = maps:from_list([{"--" ++ atom_to_list(Name), Option} || #{name := Name} = Option <- with_common(Options)]),
    parse(Words, Known, #{options => #{}, words => [], flags => none}).

%% What every verb takes besides its own.
-spec with_common([rustls_dist_command_verb:option()]) -> [rustls_dist_command_verb:option()].
with_common(Options) ->
    Options ++ [#{name => json, takes => nothing, help => "prints JSON"},
                #{name => help, takes => nothing, help => "prints this"}].

parse([], _Known, #{words := Words} = Parsed) ->
    {ok, Parsed#{words := lists:reverse(Words)}};
parse(["--" | Flags], Known, Parsed) ->
    parse([], Known, Parsed#{flags := Flags});
parse(["-h" | Words], Known, Parsed) ->
    parse(["--help" | Words], Known, Parsed);
parse(["--" ++ _ = Word | Words], Known, Parsed) ->
    case string:split(Word, "=") of
        [Name] -> option(Name, none, Words, Known, Parsed);
        [Name, Value] -> option(Name, {value, Value}, Words, Known, Parsed)
    end;
parse(["-" ++ [_ | _] = Word | _], _Known, _Parsed) ->
    {error, io_lib:format("~ts is no option of it; flags for a node stand behind --", [Word])};
parse([Word | Words], Known, #{words := Before} = Parsed) ->
    parse(Words, Known, Parsed#{words := [Word | Before]}).

option(Name, Value, Words, Known, #{options := Given} = Parsed) ->
    case {Known, Value, Words} of
        {#{Name := #{name := Key}}, _, _} when is_map_key(Key, Given) ->
            {error, io_lib:format("~ts is given twice", [Name])};
        {#{Name := #{name := Key, takes := nothing}}, none, _} ->
            parse(Words, Known, Parsed#{options := Given#{Key => true}});
        {#{Name := #{takes := nothing}}, {value, _}, _} ->
            {error, io_lib:format("~ts takes no value", [Name])};
        {#{Name := #{name := Key}}, {value, Text}, _} ->
            parse(Words, Known, Parsed#{options := Given#{Key => Text}});
        {#{Name := #{name := Key}}, none, [Text | Rest]} when Text =/= "--" ->
            parse(Rest, Known, Parsed#{options := Given#{Key => Text}});
        {#{Name := #{takes := Wanted}}, none, _} ->
            {error, io_lib:format("~ts wants a value: ~ts ~ts", [Name, Name, Wanted])};
        {#{}, _, _} ->
            {error, io_lib:format("there is no option ~ts", [Name])}
    end.
