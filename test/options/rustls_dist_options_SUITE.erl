%% No option of OTP is forgotten, here or in doc/options.md (issue 4, point 1). What there is is read from OTP itself: the
%% words that inet_tls_dist takes from the command line, and the types that ssl documents.
-module(rustls_dist_options_SUITE).

-include_lib("stdlib/include/assert.hrl").

-export([all/0]).
-export([command_line/1, types_of_ssl/1, documented/1]).

all() ->
    [command_line, types_of_ssl, documented].

%% Every word that inet_tls_dist:ssl_option/2 knows is known here, on the side that has it.
command_line(_Config) ->
    Words = lists:usort(strings([Clauses || {function, _, ssl_option, 2, Clauses} <- forms(inet_tls_dist)])),
    ct:log("~p", [Words]),
    ?assert(length(Words) >= 15, Words),
    ?assert(lists:member("certfile", Words)),
    ?assertEqual([], Words -- [atom_to_list(Name) || Name <- rustls_dist_opt_values:names()]),
    %% The value of each is judged, not its name refused.
    [?assertNotEqual(unknown, rustls_dist_opt_values:judge(server, list_to_existing_atom(Word), {text, "true"}))
     || Word <- Words].

%% Every option of a connection that ssl's types list.
types_of_ssl(_Config) ->
    Types = maps:from_list([{Name, Type} || {attribute, _, type, {Name, Type, _}} <- forms(ssl)]),
    Roots = [Root || Root <- [client_option, server_option, tls_client_option, tls_server_option, tls_option],
                     is_map_key(Root, Types)],
    Keys = lists:usort(lists:append([keys(maps:get(Root, Types), Types, [Root]) || Root <- Roots])),
    ct:log("~p ~p", [Roots, Keys]),
    ?assert(length(Keys) >= 50, length(Keys)),
    ?assertEqual([], [certfile, verify_fun, versions, server_name_indication] -- Keys),
    ?assertEqual([], Keys -- rustls_dist_opt_values:names()).

%% A row for each option with a meaning; the tables of the others are printed from what the carrier says.
documented(_Config) ->
    {ok, Page} = file:read_file(rustls_dist_documents:path("options.md")),
    [_, Acting | _] = binary:split(Page, [<<"<!-- acted upon -->">>, <<"<!-- end of acted upon -->">>], [global]),
    {match, Rows} = re:run(Acting, "^\\| `([a-z_]+)` \\|", [global, multiline, {capture, all_but_first, list}]),
    Acted = [Name || Name <- rustls_dist_opt_values:names(), not lists:member(Name, rustls_dist_opt_table:names())],
    ?assertEqual(lists:sort([atom_to_list(Name) || Name <- Acted]), lists:sort(lists:append(Rows))),
    Printed = unicode:characters_to_binary(rustls_dist_option_tables:markdown()),
    ?assertNotEqual(nomatch, binary:match(Page, Printed), "make options prints the tables anew").

%% -----------------------------------------------------------------------------------------------------------

forms(Module) ->
    {ok, {Module, [{abstract_code, {raw_abstract_v1, Forms}}]}} = beam_lib:chunks(code:which(Module), [abstract_code]),
    Forms.

%% The strings that stand in patterns of `case'.
strings({'case', _, _Expression, Clauses}) -> strings(Clauses);
strings({clause, _, Patterns, _Guards, Body}) -> [Text || {string, _, Text} <- Patterns] ++ strings(Body);
strings(List) when is_list(List) -> lists:flatmap(fun strings/1, List);
strings(_Form) -> [].

%% The keys of the tuples, and the atoms, that a type of options comes down to.
keys({type, _, union, Members}, Types, Seen) ->
    lists:flatmap(fun(Member) -> keys(Member, Types, Seen) end, Members);
keys({type, _, tuple, [{atom, _, Key} | _]}, _Types, _Seen) ->
    [Key];
keys({user_type, _, Name, _}, Types, Seen) ->
    case {lists:member(Name, Seen), Types} of
        {false, #{Name := Type}} -> keys(Type, Types, [Name | Seen]);
        _ -> []
    end;
keys({ann_type, _, [_Variable, Type]}, Types, Seen) ->
    keys(Type, Types, Seen);
keys(_Other, _Types, _Seen) ->
    [].
