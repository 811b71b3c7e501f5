%% The command `rustls-dist': the first word is a verb, and each verb is a module (rustls_dist_command_verb). This one knows
%% which there are, and turns what a verb found into output and an exit status: 0, 1 where something was found, 2 where the
%% command was called wrongly.
%%
%% It runs in a VM of its own, started by the shell script beside this file.
%%
%% @private
-module(rustls_dist_command).

-export([main/0, run/2]).

-type status() :: 0..2.

%% One line for each verb, in the order in which the help shows them.
verbs() ->
    [{"check", rustls_dist_command_check},
     {"ping", rustls_dist_command_ping},
     {"certs", rustls_dist_command_certs},
     {"status", rustls_dist_command_status}].

%% For the script. Never returns.
-spec main() -> no_return().
main() ->
    %% What is printed is UTF-8, whatever VM and locale make of it.
    ok = io:setopts(standard_io, [{encoding, unicode}]),
    ok = io:setopts(standard_error, [{encoding, unicode}]),
    Words = [rustls_dist_file_name:word(Word) || Word <- init:get_plain_arguments()],
    %% What the modules of a node log is no output of a command.
    ok = logger:set_primary_config(level, none),
    Colours = rustls_dist_command_text:terminal_colours(),
    halt(run(Words, fun(Device, Text) -> io:put_chars(Device, rustls_dist_command_text:plain_or_coloured(Text, Colours)) end)).

%% Does what the words say. Print is called with what is to be read, as it comes.
-spec run([rustls_dist_command_arguments:word()], Print) -> status() when
      Print :: fun((standard_io | standard_error, rustls_dist_command_text:text()) -> ok).
run([], Print) ->
    Print(standard_error, overview()),
    2;
run([Help], Print) when Help =:= "--help"; Help =:= "-h"; Help =:= "help" ->
    Print(standard_io, overview()),
    0;
run(["help", Verb | _], Print) ->
    run([Verb, "--help"], Print);
run(["--version"], Print) ->
    _ = application:load(rustls_dist),
    {ok, Version} = application:get_key(rustls_dist, vsn),
    Print(standard_io, [Version, "\n"]),
    0;
run([Verb | Words], Print) ->
    case lists:keyfind(Verb, 1, verbs()) of
        {Verb, Module} ->
            verb(Verb, Module, Words, Print);
        false ->
            misused(io_lib:format("there is no verb ~ts; `rustls-dist --help' lists them", [rustls_dist_file_name:shown(Verb)]),
                    Print)
    end.

verb(Verb, Module, Words, Print) ->
    Help = Module:help(),
    case rustls_dist_command_arguments:parse(maps:get(options, Help), Words) of
        {ok, #{options := #{help := true}}} ->
            Print(standard_io, rustls_dist_command_help:verb(Verb, Help)),
            0;
        {ok, #{options := Options} = Arguments} ->
            Json = is_map_key(json, Options),
            Say = fun(Text) -> Json orelse Print(standard_io, Text), ok end,
            concluded(Module:run(Arguments#{say => Say}), Json, Verb, Print);
        {error, Why} ->
            concluded({usage, Why}, false, Verb, Print)
    end.

concluded({usage, Why}, _Json, Verb, Print) ->
    misused([Why, "; `rustls-dist ", Verb, " --help' says what it takes"], Print);
concluded({Outcome, Text, Json}, AsJson, _Verb, Print) ->
    Print(standard_io, case AsJson of
                           true -> [rustls_dist_command_json:encode(Json), "\n"];
                           false -> Text
                       end),
    case Outcome of
        ok -> 0;
        finding -> 1
    end.

misused(Why, Print) ->
    Print(standard_error, ["rustls-dist: ", Why, "\n"]),
    2.

overview() ->
    rustls_dist_command_help:overview([{Verb, Module:help()} || {Verb, Module} <- verbs()]).
