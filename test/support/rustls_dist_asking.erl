%% The command rustls-dist, run on a node without distribution that uses the cluster's epmd: as the command runs, without a VM for
%% each call.
-module(rustls_dist_asking).

-export([start/1, run/2, json/2]).
-export([collected/1]).

-spec start(rustls_dist_cluster:cluster()) -> rustls_dist_cluster:peer().
start(Cluster) ->
    rustls_dist_cluster:start_undistributed(Cluster, #{}).

%% The exit status, and all that was printed, to either device.
-spec run(rustls_dist_cluster:peer(), [string()]) -> {0..2, string()}.
run(Asker, Words) ->
    rustls_dist_cluster:call(Asker, ?MODULE, collected, [Words], 60000).

%% The same with --json; what was printed is one line.
-spec json(rustls_dist_cluster:peer(), [string()]) -> {0..2, string()}.
json(Asker, [Verb | Words]) ->
    {Status, Text} = run(Asker, [Verb, "--json" | Words]),
    [Line, ""] = string:split(Text, "\n"),
    {Status, Line}.

%% On the node.
-spec collected([string()]) -> {0..2, string()}.
collected(Words) ->
    Self = self(),
    Ref = make_ref(),
    Print = fun(_Device, Text) -> Self ! {Ref, rustls_dist_command_text:plain(Text)}, ok end,
    Status = rustls_dist_command:run(Words, Print),
    {Status, unicode:characters_to_list(said(Ref))}.

said(Ref) ->
    receive
        {Ref, Text} -> [Text | said(Ref)]
    after 0 ->
        []
    end.
