%% What `rustls-dist check' finds: how bad it is, what, where, and what to do.
%%
%% @private
-module(rustls_dist_command_finding).

-export([text/1, json/1, count/2]).

-export_type([finding/0, severity/0]).

%% error: the node does not come up, or peers refuse it; warning: it will be so soon, or is so for some peers; note: nothing is
%% wrong, and somebody may want to know.
-type severity() :: error | warning | note.

%% is: its name, for programs; where: a file, an option, a flag.
-type finding() :: #{severity := severity(), is := atom(), where := unicode:chardata(),
                     what := unicode:chardata(), remedy := unicode:chardata()}.

-define(WIDTH, 100).
-define(INDENT, 9).

%% One finding: its severity and what is wrong, then where, then the remedy.
-spec text(finding()) -> rustls_dist_command_text:text().
text(#{severity := Severity, is := Is, where := Where, what := What, remedy := Remedy}) ->
    [{colour(Severity), string:pad(atom_to_list(Severity), ?INDENT)}, {bold, atom_to_list(Is)}, "  ",
     unicode:characters_to_list(Where), "\n", wrapped(What), wrapped(["-> ", Remedy])].

wrapped(Text) ->
    rustls_dist_command_text:wrap(Text, ?INDENT, ?WIDTH).

colour(error) -> red;
colour(warning) -> yellow;
colour(note) -> blue.

-spec json(finding()) -> rustls_dist_command_json:json().
json(#{severity := Severity, is := Is} = Finding) ->
    Texts = maps:map(fun(_Key, Text) -> unicode:characters_to_binary(Text) end, maps:with([where, what, remedy], Finding)),
    Texts#{severity => Severity, is => Is}.

%% How many there are of a severity.
-spec count(severity(), [finding()]) -> non_neg_integer().
count(Severity, Findings) ->
    length([found || #{severity := Found} <- Findings, Found =:= Severity]).
