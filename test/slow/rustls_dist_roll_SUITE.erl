%% A change of authority, certificates and all, and back, over a live cluster of four nodes of two carriers: no link goes down,
%% and whoever joins meanwhile is let in.
-module(rustls_dist_roll_SUITE).

-include_lib("stdlib/include/assert.hrl").

-export([all/0, suite/0, init_per_suite/1, end_per_suite/1]).
-export([there_and_back/1]).

suite() ->
    [{timetrap, {minutes, 5}}].

all() ->
    [there_and_back].

init_per_suite(Config) ->
    {Keeper, Cluster} = rustls_dist_cluster:keep(fun rustls_dist_cluster:new/0),
    [{keeper, Keeper}, {cluster, Cluster} | Config].

end_per_suite(Config) ->
    ok = rustls_dist_cluster:stop(proplists:get_value(cluster, Config)),
    rustls_dist_cluster:release(proplists:get_value(keeper, Config)).

there_and_back(Config) ->
    Cluster = proplists:get_value(cluster, Config),
    Dir = rustls_dist_cluster:dir(Cluster),
    [#{cert := OldCa} = Old, #{cert := NewCa} = New] = [rustls_dist_certs:ca(Dir, Name) || Name <- ["old_ca", "new_ca"]],
    Both = rustls_dist_certs:concat(filename:join(Dir, "both.pem"), [OldCa, NewCa]),
    %% Nodes of inet_tls keep what they have read, so they know both from the start.
    Others = [begin
                  Cert = rustls_dist_certs:cert(Dir, Old, Name, #{}),
                  started(Cluster, Name, Cert#{ca => Both}, "inet_tls")
              end || Name <- ["i1", "i2"]],
    Rolled = [roll_member(Cluster, Name, Old, New) || Name <- ["r1", "r2"]],
    Nodes = [Node || {Node, _Files, _Certs} <- Rolled] ++ Others,
    _ = [ok = rustls_dist_cluster:join(A, B) || A <- Nodes, B <- Nodes, rustls_dist_cluster:name(A) < rustls_dist_cluster:name(B)],
    _ = [ok = rustls_dist_cluster:call(Node, rustls_dist_workload, watch_nodes, []) || Node <- Nodes],
    Steps = [{ca, Both}, {certs, new}, {ca, NewCa}, {ca, Both}, {certs, old}, {ca, OldCa}],
    lists:foreach(fun(Step) -> step(Cluster, Step, Rolled, {Old, New, Both}) end, Steps),
    ?assertEqual([[] || _ <- Nodes], [seen_down(Node, Nodes) || Node <- Nodes]),
    [?assertEqual(lists:sort([rustls_dist_cluster:name(Other) || Other <- Nodes, Other =/= Node]),
                  lists:sort(rustls_dist_cluster:call(Node, erlang, nodes, [connected]) -- [node()])) || Node <- Nodes].

%% A node with files of its own, and the certificates that it has by turns.
roll_member(Cluster, Name, Old, New) ->
    Dir = rustls_dist_cluster:dir(Cluster),
    Certs = #{old => rustls_dist_certs:cert(Dir, Old, Name ++ "_old", #{}),
              new => rustls_dist_certs:cert(Dir, New, Name ++ "_new", #{})},
    Files = maps:from_list([{Key, filename:join(Dir, lists:concat([Name, "_", Key, ".pem"]))} || Key <- [cert, key, ca]]),
    #{old := #{cert := Cert, key := PrivateKey}} = Certs,
    [{ok, _} = file:copy(From, maps:get(To, Files)) || {From, To} <- [{Cert, cert}, {PrivateKey, key}, {maps:get(cert, Old), ca}]],
    {started(Cluster, Name, Files, "rustls"), Files, Certs}.

started(Cluster, Name, Cert, Proto) ->
    File = rustls_dist_cluster:optfile(Cluster, Name, rustls_dist_certs:options(Cert, #{versions => ['tlsv1.3', 'tlsv1.2']})),
    rustls_dist_cluster:start(Cluster, Name, #{optfile => File, proto => Proto, args => ["-connect_all", "false"]}).

%% One node after the other; after each, somebody joins it who knows both authorities.
step(Cluster, Step, Rolled, {Old, _New, Both}) ->
    lists:foreach(fun({Node, Files, Certs}) ->
                          ok = change(Step, Files, Certs),
                          {ok, [_ | _]} = rustls_dist_cluster:call(Node, rustls_dist, reload, []),
                          case Step of
                              %% Only one authority is known now, and it is not the guest's.
                              {ca, Ca} when Ca =/= Both -> ok;
                              _ -> guest(Cluster, Node, Old, Both)
                          end
                  end, Rolled).

guest(Cluster, Node, Old, Both) ->
    Name = lists:concat(["guest", erlang:unique_integer([positive])]),
    Cert = rustls_dist_certs:cert(rustls_dist_cluster:dir(Cluster), Old, Name, #{}),
    Guest = started(Cluster, Name, Cert#{ca => Both}, "rustls"),
    ok = rustls_dist_cluster:join(Guest, Node),
    ok = rustls_dist_cluster:part(Guest, Node),
    ok = rustls_dist_cluster:join(Node, Guest),
    ok = rustls_dist_cluster:part(Node, Guest),
    rustls_dist_pair:stop([Guest]).

change({ca, File}, #{ca := Live}, _Certs) ->
    replace(Live, File);
change({certs, Which}, #{cert := Cert, key := Key}, Certs) ->
    #{Which := #{cert := NewCert, key := NewKey}} = Certs,
    ok = replace(Cert, NewCert),
    replace(Key, NewKey).

replace(Live, From) ->
    {ok, _} = file:copy(From, Live ++ ".tmp"),
    file:rename(Live ++ ".tmp", Live).

%% Which of the others went down.
seen_down(Node, Nodes) ->
    Names = [rustls_dist_cluster:name(Other) || Other <- Nodes],
    [Down || {nodedown, Down, _Info} <- rustls_dist_cluster:call(Node, rustls_dist_workload, node_events, []),
             lists:member(Down, Names)].
