%% The pieces of doc/command.md and doc/operations.md that the command itself says: its help, what it finds, and what it prints
%% for set-ups that are broken. They stand between marks, and `make operations' writes them.
-module(rustls_dist_command_pages).

-export([pieces/1, write/0]).

%% Each piece with its page and its mark.
-spec pieces(rustls_dist_broken_setups:world()) -> [{Page :: string(), Mark :: string(), Text :: unicode:chardata()}].
pieces(World) ->
    [{"doc/command.md", "help", help()},
     {"doc/command.md", "findings", rustls_dist_broken_setups:table(World)},
     {"doc/operations.md", "set-ups", rustls_dist_broken_setups:markdown(World)}].

%% For `make operations', in the checkout's folder; with the incident list.
-spec write() -> ok.
write() ->
    Dir = string:trim(os:cmd("mktemp -d /tmp/rustls_dist.XXXXXX")),
    try
        lists:foreach(fun write/1, pieces(rustls_dist_broken_setups:world(Dir)) ++ rustls_dist_incidents:pieces())
    after
        file:del_dir_r(Dir)
    end.

write({Page, Mark, Text}) ->
    {ok, Before} = file:read_file(Page),
    Begin = "<!-- " ++ Mark ++ ": made by make operations -->\n",
    End = "<!-- end of " ++ Mark ++ " -->",
    [Above, Rest] = string:split(Before, Begin),
    [_Old, Below] = string:split(Rest, End),
    ok = file:write_file(Page, unicode:characters_to_binary([Above, Begin, Text, End, Below])).

%% Of all verbs, in the order of the overview.
help() ->
    {match, Verbs} = re:run(said(["--help"]), "^    (\\w+)  ", [global, multiline, {capture, all_but_first, list}]),
    [["## ", Verb, "\n\n```\n", said([Verb, "--help"]), "```\n\n"] || [Verb] <- Verbs].

said(Words) ->
    Self = self(),
    0 = rustls_dist_command:run(Words, fun(standard_io, Text) -> Self ! {said, rustls_dist_command_text:plain(Text)}, ok end),
    receive {said, Text} -> unicode:characters_to_list(Text) end.
