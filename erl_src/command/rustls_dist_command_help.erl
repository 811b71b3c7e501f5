%% What `rustls-dist --help' and `rustls-dist VERB --help' print.
%%
%% @private
-module(rustls_dist_command_help).

-export([overview/1, verb/2]).

-define(WIDTH, 100).

%% All verbs, in order.
-spec overview([{string(), rustls_dist_command_verb:help()}]) -> rustls_dist_command_text:text().
overview(Verbs) ->
    Longest = lists:max([length(Verb) || {Verb, _Help} <- Verbs]),
    [{bold, "rustls-dist"}, ": checks, tries out and watches Erlang distribution over TLS (-proto_dist rustls)\n\n",
     "    rustls-dist VERB [OPTION...] [WORD...]\n",
     "    rustls-dist VERB --help\n",
     "    rustls-dist --version\n\n",
     [["    ", {bold, string:pad(Verb, Longest + 2)}, Summary, "\n"] || {Verb, #{summary := Summary}} <- Verbs],
     "\nExit status: 0, 1 where something was found, 2 where the command was called wrongly.\n"].

%% One verb.
-spec verb(string(), rustls_dist_command_verb:help()) -> rustls_dist_command_text:text().
verb(Verb, #{summary := Summary, usage := Usage, about := About, options := Options}) ->
    [{bold, ["rustls-dist ", Verb]}, ": ", Summary, "\n\n",
     [["    rustls-dist ", Verb, " ", Form, "\n"] || Form <- Usage],
     "\n",
     [[rustls_dist_command_text:wrap(Paragraph, 0, ?WIDTH), "\n"] || Paragraph <- About],
     options(rustls_dist_command_arguments:with_common(Options))].

options(Options) ->
    Named = [{name(Option), Help} || #{help := Help} = Option <- Options],
    Longest = lists:max([length(Name) || {Name, _Help} <- Named]),
    [["    ", {bold, string:pad(Name, Longest + 2)},
      string:trim(rustls_dist_command_text:wrap(Help, Longest + 6, ?WIDTH), leading)]
     || {Name, Help} <- Named].

name(#{name := Name, takes := nothing}) -> "--" ++ atom_to_list(Name);
name(#{name := Name, takes := Value}) -> "--" ++ atom_to_list(Name) ++ " " ++ Value.
