%% The project's pages for the suites: where they are, and the pieces of text that a page marks to be tried.
-module(rustls_dist_documents).

-export([path/1, pieces/2]).

%% A file of the folder doc, found from where this module was compiled.
-spec path(string()) -> file:filename().
path(Name) ->
    Source = proplists:get_value(source, ?MODULE:module_info(compile)),
    filename:join([filename:dirname(filename:dirname(filename:dirname(Source))), "doc", Name]).

%% The fenced pieces of a page's section, in order, each with the word after its fence, which says what kind it is.
%% Section: the mark `<!-- tried: Section -->' stands above the pieces, `<!-- end -->' below.
-spec pieces(file:filename(), string()) -> [{Kind :: string(), Text :: string()}, ...].
pieces(File, Section) ->
    {ok, Page} = file:read_file(File),
    [_, From] = string:split(unicode:characters_to_list(Page), "<!-- tried: " ++ Section ++ " -->"),
    [Text, _] = string:split(From, "<!-- end -->"),
    {match, Found} = re:run(Text, "^```(\\S+)\n(.*?)^```$", [global, dotall, multiline, {capture, all_but_first, list},
                                                            unicode]),
    [{Kind, Piece} || [Kind, Piece] <- Found].
