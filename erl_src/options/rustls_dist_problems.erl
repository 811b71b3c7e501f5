%% Faults of the configuration, for a node that does not come up: each once. Most options files give both sides the same
%% certificates, and what is wrong with a file is then wrong twice.
%%
%% @private
-module(rustls_dist_problems).

-export([merged/1]).

%% Where a sentence names its side: before "option" and "side", in a flag, in an options file.
-define(SIDE, "(?:(?<=^)|(?<=the ))(?:server|client)(?= option| side)").
-define(FLAG, "(?<=-ssl_dist_opt )(?:server|client)_(\\w+)").
-define(IN_FILE, "(?<=\\{)(?:server|client)(?=, \\[)").

%% Sentences that differ in the side alone become one that names both.
-spec merged([binary()]) -> [binary()].
merged(Texts) ->
    merge(lists:usort(Texts)).

merge([]) ->
    [];
merge([Text | Others]) ->
    Both = for_both(Text),
    case lists:partition(fun(Other) -> for_both(Other) =:= Both end, Others) of
        {[], _} -> [Text | merge(Others)];
        {_Same, Different} -> [Both | merge(Different)]
    end.

for_both(Text) ->
    lists:foldl(fun({Pattern, Replacement}, Sentence) ->
                        unicode:characters_to_binary(re:replace(Sentence, Pattern, Replacement, [global, unicode]))
                end, Text, [{?SIDE, "server and client"}, {?FLAG, "server_\\1 and client_\\1"}, {?IN_FILE, "server and client"}]).
