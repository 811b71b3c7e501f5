%% What a verb of the command `rustls-dist' is: a module that says what it takes, and does it.
%%
%% @private
-module(rustls_dist_command_verb).

-export_type([help/0, option/0, arguments/0, result/0]).

%% summary: half a line, for the overview; usage: what follows the verb, once for each form; about: paragraphs.
%% The options help and json need not be named: every verb has them.
-type help() :: #{summary := string(), usage := [string(), ...], about := [string()], options := [option()]}.

%% takes: how the value is called in the help, or nothing for an option without one. An option may be given once.
-type option() :: #{name := atom(), takes := string() | nothing, help := string()}.

%% options: what was given, a flag as `true'; words: what is no option; flags: what follows `--', or none where that is not
%% there. say: prints text now, for what takes its time; nothing with --json.
-type arguments() :: #{options := #{atom() => rustls_dist_command_arguments:word() | true},
                       words := [rustls_dist_command_arguments:word()],
                       flags := [rustls_dist_command_arguments:word()] | none,
                       say := fun((rustls_dist_command_text:text()) -> ok)}.

%% Whether something was found that somebody has to look after; what is printed, as text (what was not said before) or
%% with --json. Or why the verb cannot be called so: a sentence without a full stop.
-type result() :: {ok | finding, rustls_dist_command_text:text(), rustls_dist_command_json:json()}
                | {usage, unicode:chardata()}.

-callback help() -> help().
-callback run(arguments()) -> result().
