%% Two nodes that ought to join, or ought not to: what the suites about certificates and options have in common.
-module(rustls_dist_pair).

-include_lib("stdlib/include/assert.hrl").

-define(DIALS, 5).

-export([start/4, stop/1, ring/1, joins/3, refused/2, refused/4]).

-type cluster() :: rustls_dist_cluster:cluster().
-type peer() :: rustls_dist_cluster:peer().
-type subject() :: none | string().

%% Starts a node whose options come from an options file or from -ssl_dist_opt. More: as for rustls_dist_cluster:start/2.
-spec start(cluster(), optfile | flag, [{server | client, list()}], map()) -> peer().
start(Cluster, optfile, Options, More) ->
    Name = lists:concat(["o", erlang:unique_integer([positive])]),
    rustls_dist_cluster:start(Cluster, More#{optfile => rustls_dist_cluster:optfile(Cluster, Name, Options)});
start(Cluster, flag, Options, More) ->
    rustls_dist_cluster:start(Cluster, More#{args => rustls_dist_cluster:flags(Options)}).

-spec stop([peer()]) -> ok.
stop(Nodes) ->
    lists:foreach(fun rustls_dist_cluster:stop_node/1, Nodes).

%% Each element with the next one, the last with the first.
-spec ring([Element]) -> [{Element, Element}].
ring([First | Rest] = Elements) ->
    lists:zip(Elements, Rest ++ [First]).

%% From dials To; both get through to the other, and each knows what the other presented: Shown are the subjects of the
%% client's and of the server's certificate. The link is ended again. Gives the client's rustls_dist:info/1.
-spec joins(peer(), peer(), {Client :: subject(), Server :: subject()} | any) -> rustls_dist_links:info().
joins(From, To, Shown) ->
    ok = dialled(From, To, ?DIALS),
    ?assertEqual([pong, pong], [ping(From, To), ping(To, From)]),
    #{role := client} = ClientSide = info(From, To),
    #{role := server} = ServerSide = info(To, From),
    case Shown of
        any ->
            ok;
        {Client, Server} ->
            ?assertEqual({Client, Server}, {subject(peer_certificate, ServerSide), subject(peer_certificate, ClientSide)}),
            ?assertEqual(Server, subject(own_certificate, ServerSide)),
            Client =:= none orelse ?assertEqual(Client, subject(own_certificate, ClientSide))
    end,
    ok = rustls_dist_cluster:part(From, To),
    ClientSide.

%% Of nodes that parted a moment ago the other one may dial at the same time: OTP's global, when it misses somebody.
dialled(From, To, Dials) ->
    ok = rustls_dist_cluster:join(From, To),
    case info(From, To) of
        #{role := server} when Dials > 1 ->
            ok = rustls_dist_cluster:part(From, To),
            dialled(From, To, Dials - 1);
        #{} ->
            ok
    end.

%% From dials To in vain, and tries again in vain: there is no second attempt with less security.
-spec refused(peer(), peer()) -> ok.
refused(From, To) ->
    ?assertEqual(false, rustls_dist_cluster:call(From, net_kernel, connect_node, [rustls_dist_cluster:name(To)])),
    ?assertEqual(pang, ping(From, To)),
    ?assertNot(rustls_dist_cluster:connected(From, To)),
    ?assertNot(rustls_dist_cluster:connected(To, From)).

%% The same, and Judge, one of the two, names errors of this kind. Gives the line that it logged.
-spec refused(peer(), peer(), peer(), Kind :: atom()) -> string().
refused(From, To, Judge, Kind) ->
    ok = rustls_dist_reports:collect(Judge),
    ok = refused(From, To),
    [First, Second] = rustls_dist_reports:await(Judge, 2),
    [?assertMatch(#{reason := {tls, #{kind := Kind}}}, Report) || Report <- [First, Second]],
    maps:get(line, First).

ping(From, To) ->
    rustls_dist_cluster:call(From, net_adm, ping, [rustls_dist_cluster:name(To)]).

info(Node, Peer) ->
    {ok, Info} = rustls_dist_cluster:call(Node, rustls_dist, info, [rustls_dist_cluster:name(Peer)]),
    Info.

subject(Key, Info) ->
    case Info of
        #{Key := none} -> none;
        #{Key := #{subject := Subject}} -> binary_to_list(Subject)
    end.
