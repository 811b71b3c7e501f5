%% The incident list of doc/operations.md is complete: a row for each reason that can be counted and for each event that can be
%% logged, with the lines as the code says them; and no sentence of rustls_dist_failure_text is left out.
-module(rustls_dist_incidents_SUITE).

-include_lib("stdlib/include/assert.hrl").

-export([all/0, suite/0, init_per_suite/1, end_per_suite/1]).
-export([every_reason/1, every_event/1, every_sentence/1, every_literal/1, page/1, cited_tests/1]).

suite() ->
    [{timetrap, {minutes, 1}}].

all() ->
    [every_reason, every_event, every_sentence, every_literal, page, cited_tests].

init_per_suite(Config) ->
    ok = rustls_dist_nif:load(),
    Config.

end_per_suite(_Config) ->
    ok.

%% A reason of rustls_dist_reason:all() is in a row, and the samples of a row are of its reasons.
every_reason(_Config) ->
    Rows = rustls_dist_incidents:reasons() ++ rustls_dist_incidents:alerts(),
    Listed = [Reason || {Reasons, _, _, _} <- Rows ++ rustls_dist_rust_incidents:tls() ++ rustls_dist_rust_incidents:files(),
                        Reason <- Reasons],
    ?assertEqual([], rustls_dist_reason:all() -- Listed),
    ?assertEqual([], lists:usort(Listed) -- rustls_dist_reason:all()),
    [?assert(lists:member(tag(Sample), Reasons), {Sample, Reasons}) || {Reasons, Samples, _, _} <- Rows, Sample <- Samples].

tag({listener, What, _LeftOut}) -> rustls_dist_reason:tag(What);
tag({_Setup, Reason}) -> rustls_dist_reason:tag(Reason).

%% The atoms that stand as `event' in the reports of rustls_dist_log.
every_event(_Config) ->
    Logged = lists:usort(events(forms(rustls_dist_log))),
    ?assertEqual([], [link_failed, own_certificate, configuration_refused] -- Logged),
    ?assertEqual(Logged, lists:usort([Event || {Events, _, _, _} <- rustls_dist_incidents:events(), Event <- Events])).

events({map_field_assoc, _, {atom, _, event}, {atom, _, Event}}) -> [Event];
events(Form) when is_tuple(Form) -> events(tuple_to_list(Form));
events([Form | Forms]) -> events(Form) ++ events(Forms);
events(_Other) -> [].

%% Each clause that makes a sentence of a failure is reached by a sample: a new one without a sample leaves a line that was not
%% executed.
every_sentence(_Config) ->
    {ok, _} = cover:start(),
    try
        {ok, Module} = cover:compile_beam(rustls_dist_failure_text),
        Tls = #{kind => bad_record, text => <<"a record failed authentication">>, alert => {20, bad_record_mac}},
        [?assert(iolist_size(unicode:characters_to_binary(Module:text(Setup, Reason))) > 0)
         || {Setup, Reason} <- [{#{direction => in}, {tls, Tls}}, {#{direction => in}, {tls, Tls#{alert := none}}}
                                | rustls_dist_incidents:samples()]],
        {ok, Lines} = cover:analyse(Module, coverage, line),
        ?assertEqual([], [Line || {{_, Line}, {0, _}} <- Lines, Line > 0])
    after
        cover:stop()
    end.

%% Other modules make sentences, too. What is longer than a few words in their code stands in the page.
every_literal(_Config) ->
    {ok, Page} = file:read_file(rustls_dist_documents:path("operations.md")),
    Modules = [rustls_dist_verify, rustls_dist_verdict, rustls_dist_pin, rustls_dist_peer_certificate, rustls_dist_own_faults,
               rustls_dist_failure, rustls_dist_log],
    Pieces = [{Module, Piece} || Module <- Modules, Literal <- literals(forms(Module)),
                                 Piece <- re:split(Literal, "~[0-9.]*[a-zA-Z]+", [{return, list}]), length(Piece) > 12],
    ?assert(length(Pieces) > 30),
    ?assertEqual([], [Missing || {_Module, Piece} = Missing <- Pieces, string:find(Page, Piece) =:= nomatch]).

%% logger's macros have the file's name.
literals({string, _, Text}) -> [Text || filename:extension(Text) =/= ".erl"];
literals({attribute, _, _, _}) -> [];
literals(Form) when is_tuple(Form) -> literals(tuple_to_list(Form));
literals([Form | Forms]) -> literals(Form) ++ literals(Forms);
literals(_Other) -> [].

%% What stands in the page is what the code says.
page(_Config) ->
    {ok, Page} = file:read_file(rustls_dist_documents:path("operations.md")),
    [begin
         Made = unicode:characters_to_binary(["<!-- ", Mark, ": made by make operations -->\n", Text, "<!-- end of ", Mark,
                                              " -->"]),
         ?assertMatch({Mark, Made, {_, _}}, {Mark, Made, binary:match(Page, Made)})
     end || {"doc/operations.md", Mark, Text} <- rustls_dist_incidents:pieces()].

%% The tests that the pages for operators name are there: `name.rs': `function', ..., and name_SUITE:case, or name_SUITE:
%% `case', ...
cited_tests(_Config) ->
    Cited = [{Source, Names} || Page <- ["operations.md", "security.md", "from_inet_tls.md"], {Source, Names} <- cited(Page)],
    ?assert(length([Name || {_Source, Names} <- Cited, Name <- Names]) > 40),
    ?assertEqual([], [Missing || {Source, Names} = Missing <- Cited, not are_tests(Source, Names)]).

cited(Page) ->
    {ok, Text} = file:read_file(rustls_dist_documents:path(Page)),
    {match, Found} = re:run(Text,
                            "`?(?:rustls_dist_)?([a-z_]+(?:\\.rs|_SUITE))`?(?::([a-z_0-9]+)`|: ((?:`[a-z_0-9]+`(?:, )?)+))?",
                            [global, {capture, all_but_first, list}]),
    [{Source, string:lexemes(lists:append(Names), "`, ")} || [Source | Names] <- Found].

%% A suite alone has to be there; Rust's files are also sources.
are_tests(Source, Names) ->
    {Pattern, Begin} = case filename:extension(Source) of
                           ".rs" -> {Source, fun(Name) -> ["^fn ", Name, "\\(\\)"] end};
                           "" -> {["rustls_dist_", Source, ".erl"], fun(Name) -> ["^", Name, "\\("] end}
                       end,
    Root = filename:join(rustls_dist_documents:path(".."), "test"),
    Texts = [begin {ok, Text} = file:read_file(filename:join(Root, File)), Text end
             || File <- filelib:wildcard(unicode:characters_to_list(["**/", Pattern]), Root)],
    (Names =:= [] andalso (filename:extension(Source) =:= ".rs" orelse Texts =/= []))
        orelse lists:all(fun(Name) ->
                                 lists:any(fun(Text) -> re:run(Text, Begin(Name), [multiline, {capture, none}]) =:= match end,
                                           Texts)
                         end, Names) andalso Texts =/= [].

forms(Module) ->
    {Module, Beam, _File} = code:get_object_code(Module),
    {ok, {Module, [{abstract_code, {raw_abstract_v1, Forms}}]}} = beam_lib:chunks(Beam, [abstract_code]),
    Forms.
