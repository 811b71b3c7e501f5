%% Clusters of rustls and inet_tls nodes (issue 2, point 6): they join in either direction, on TLS 1.2 and 1.3, with and
%% without client certificates, on one release and on two; an inet_tls peer that renews its keys under load is kept up
%% with. The long version with bulk data is slow/rustls_dist_interop_bulk_SUITE.
-module(rustls_dist_interop_SUITE).

-export([all/0, groups/0, init_per_suite/1, end_per_suite/1, init_per_group/2, end_per_group/2]).
-export([mutual_tls12/1, mutual_tls13/1, server_only_tls12/1, server_only_tls13/1, encryption_only/1, as_they_come/1]).
-export([otp_rekeys/1, rustls_rekeys/1, otp_refuses_us/1, we_refuse_otp/1]).
-export([rustls_with_rustls/1, rustls_with_inet_tls/1, inet_tls_with_rustls/1, releases_among_themselves/1]).

-include_lib("common_test/include/ct.hrl").
-include_lib("stdlib/include/assert.hrl").

-define(SIZES, [0, 1, 65536, 1048576]).

%% Small against what is sent, so that keys are renewed many times.
-define(KEY_UPDATE_AT, 100000).
-define(STREAMS, 4).
-define(MESSAGES, 250).
-define(MESSAGE_BYTES, 32768).
-define(MIN_KEY_UPDATES, 20).
-define(LOAD_TIMEOUT_MS, 60000).

all() ->
    [mutual_tls12, mutual_tls13, server_only_tls12, server_only_tls13, encryption_only, as_they_come,
     otp_rekeys, rustls_rekeys, otp_refuses_us, we_refuse_otp, {group, otp27}, {group, otp29}, {group, both}].

groups() ->
    Cases = [rustls_with_rustls, rustls_with_inet_tls, inet_tls_with_rustls],
    [{otp27, [], Cases}, {otp29, [], Cases}, {both, [], [releases_among_themselves]}].

init_per_suite(Config) ->
    {Keeper, Cluster} = rustls_dist_cluster:keep(fun rustls_dist_cluster:new/0),
    Dir = rustls_dist_cluster:dir(Cluster),
    Ca = rustls_dist_certs:ca(Dir, "ca"),
    [{keeper, Keeper}, {cluster, Cluster},
     {prepared, maps:from_list([{Release, rustls_dist_other_otp:prepare(Cluster, Release)}
                                || Release <- [27, 29], rustls_dist_other_otp:available(Release) =:= true])},
     {ecdsa, rustls_dist_certs:cert(Dir, Ca, "ecdsa", #{})},
     {rsa, rustls_dist_certs:cert(Dir, Ca, "rsa", #{key => {rsa, 2048}})},
     {stranger, rustls_dist_certs:cert(Dir, rustls_dist_certs:ca(Dir, "other_ca"), "stranger", #{})} | Config].

end_per_suite(Config) ->
    rustls_dist_cluster:stop(?config(cluster, Config)),
    rustls_dist_cluster:release(?config(keeper, Config)).

init_per_group(otp27, Config) -> with_releases([27], Config);
init_per_group(otp29, Config) -> with_releases([29], Config);
init_per_group(both, Config) -> with_releases([27, 29], Config).

with_releases(Releases, Config) ->
    case [Skip || Release <- Releases, Skip <- [rustls_dist_other_otp:available(Release)], Skip =/= true] of
        [] -> [{releases, Releases} | Config];
        [Skip | _] -> Skip
    end.

end_per_group(_Group, _Config) ->
    ok.

mutual_tls12(Config) ->
    both_ways(Config, mutual(?config(rsa, Config), ['tlsv1.2']), #{version => 'tlsv1.2', client => "CN=rsa"}).

mutual_tls13(Config) ->
    both_ways(Config, mutual(?config(ecdsa, Config), ['tlsv1.3']), #{version => 'tlsv1.3', client => "CN=ecdsa"}).

server_only_tls12(Config) ->
    both_ways(Config, server_only(?config(ecdsa, Config), ['tlsv1.2']), #{version => 'tlsv1.2', client => none}).

server_only_tls13(Config) ->
    both_ways(Config, server_only(?config(rsa, Config), ['tlsv1.3']), #{version => 'tlsv1.3', client => none}).

%% The least that anybody configures: a self-signed certificate for the server, and nothing for the client.
encryption_only(Config) ->
    Dir = rustls_dist_cluster:dir(?config(cluster, Config)),
    #{cert := Cert, key := Key} = rustls_dist_certs:self_signed(Dir, "alone", #{}),
    Options = [{server, [{certfile, Cert}, {keyfile, Key}, {verify, verify_none}]}, {client, [{verify, verify_none}]}],
    both_ways(Config, Options, #{client => none}).

%% Neither side says which versions it wants: inet_tls of OTP 25 offers TLS 1.2 only.
as_they_come(Config) ->
    both_ways(Config, rustls_dist_certs:options(?config(ecdsa, Config)), #{client => "CN=ecdsa"}).

%% The inet_tls node renews its keys as it sends.
otp_rekeys(Config) ->
    {Rustls, Inet} = rekeying(Config, #{}, #{key_update_at => ?KEY_UPDATE_AT}),
    [begin
         ok = rustls_dist_cluster:join(From, To),
         load(From, To),
         #{key_updates := #{received := Received}} = info(Rustls, Inet),
         ct:log("~w key updates received", [Received]),
         ?assert(Received >= ?MIN_KEY_UPDATES),
         ok = rustls_dist_cluster:part(From, To)
     end || {From, To} <- [{Rustls, Inet}, {Inet, Rustls}]].

%% The rustls node does: inet_tls follows.
rustls_rekeys(Config) ->
    {Rustls, Inet} = rekeying(Config, #{key_update_at => ?KEY_UPDATE_AT}, #{}),
    [begin
         ok = rustls_dist_cluster:join(From, To),
         load(From, To),
         #{key_updates := #{sent := Sent}} = info(Rustls, Inet),
         ct:log("~w key updates sent", [Sent]),
         ?assert(Sent >= ?MIN_KEY_UPDATES),
         ok = rustls_dist_cluster:part(From, To)
     end || {From, To} <- [{Rustls, Inet}, {Inet, Rustls}]].

%% A certificate of an unknown authority is refused by either kind of node, whoever dials.
otp_refuses_us(Config) ->
    Rustls = node(Config, "rustls", trusting(?config(stranger, Config)), #{}),
    Inet = node(Config, "inet_tls", mutual(?config(ecdsa, Config), ['tlsv1.3', 'tlsv1.2']), #{}),
    refused(Rustls, Inet),
    refused(Inet, Rustls),
    _ = rustls_dist_cluster:await_log(Rustls, "link from a peer .*unknown_ca").

we_refuse_otp(Config) ->
    Rustls = node(Config, "rustls", mutual(?config(ecdsa, Config), ['tlsv1.3', 'tlsv1.2']), #{}),
    Inet = node(Config, "inet_tls", trusting(?config(stranger, Config)), #{}),
    refused(Rustls, Inet),
    refused(Inet, Rustls),
    _ = rustls_dist_cluster:await_log(Rustls, "link from a peer .*unknown_ca").

refused(From, To) ->
    ?assertEqual(false, rustls_dist_cluster:call(From, net_kernel, connect_node, [rustls_dist_cluster:name(To)])),
    ?assertNot(rustls_dist_cluster:connected(From, To)),
    ?assertNot(rustls_dist_cluster:connected(To, From)).

rustls_with_rustls(Config) ->
    mixed(Config, "rustls", "rustls").

rustls_with_inet_tls(Config) ->
    mixed(Config, "rustls", "inet_tls").

inet_tls_with_rustls(Config) ->
    mixed(Config, "inet_tls", "rustls").

%% One node of the other release with two of the release that runs this, one on TLS 1.2 and one on 1.3.
mixed(Config, Proto, OtherProto) ->
    Cert = ?config(ecdsa, Config),
    [Release] = ?config(releases, Config),
    New = other(Config, Release, OtherProto),
    Looks = [Peer || {Peer, "rustls"} <- [{New, OtherProto}, {old, Proto}]],
    [begin
         Old = node(Config, Proto, mutual(Cert, [Version]), #{}),
         Expected = #{version => Version, client => "CN=ecdsa"},
         Watched = [case Look of old -> {Old, New}; New -> {New, Old} end || Look <- Looks],
         joins(Old, New, Watched, Expected),
         joins(New, Old, Watched, Expected),
         rustls_dist_cluster:stop_node(Old)
     end || Version <- ['tlsv1.2', 'tlsv1.3']].

%% The other releases with each other.
releases_among_themselves(Config) ->
    [A, B] = [other(Config, Release, "rustls") || Release <- ?config(releases, Config)],
    [joins(From, To, [{A, B}, {B, A}], #{version => 'tlsv1.3', client => "CN=ecdsa"}) || {From, To} <- [{A, B}, {B, A}]].

other(Config, Release, Proto) ->
    Node = node(Config, Proto, mutual(?config(ecdsa, Config), ['tlsv1.3', 'tlsv1.2']),
                maps:get(Release, ?config(prepared, Config))),
    ?assertEqual(integer_to_list(Release), rustls_dist_cluster:call(Node, erlang, system_info, [otp_release])),
    Node.

%% A rustls and an inet_tls node with the same options, joined from either side.
both_ways(Config, Options, Expected) ->
    Rustls = node(Config, "rustls", Options, #{}),
    Inet = node(Config, "inet_tls", Options, #{}),
    joins(Rustls, Inet, [{Rustls, Inet}], Expected),
    joins(Inet, Rustls, [{Rustls, Inet}], Expected).

%% From dials To. Watched: the rustls nodes, each with its peer; what they know of the link is as Expected.
joins(From, To, Watched, Expected) ->
    ok = rustls_dist_cluster:join(From, To),
    [check(info(Node, Peer), Node =:= From, Expected) || {Node, Peer} <- Watched],
    exchange(From, To),
    exchange(To, From),
    Watchers = [{Node, rustls_dist_cluster:call(Node, rustls_dist_monitors, watch, [rustls_dist_cluster:name(Peer)])}
                || {Node, Peer} <- [{From, To}, {To, From}]],
    ok = rustls_dist_cluster:part(From, To),
    [?assertEqual([noconnection, nodedown], rustls_dist_cluster:call(Node, rustls_dist_monitors, seen, [Watcher]))
     || {Node, Watcher} <- Watchers].

check(Info, Dialled, Expected) ->
    Role = case Dialled of true -> client; false -> server end,
    ?assertEqual(Role, maps:get(role, Info)),
    [?assertEqual(Version, maps:get(version, Info)) || #{version := Version} <- [Expected]],
    %% What the client shows, the server sees; the server always shows one.
    Shown = case Role of client -> own_certificate; server -> peer_certificate end,
    ?assertEqual(maps:get(client, Expected), subject(maps:get(Shown, Info))),
    ?assertNotEqual(none, maps:get(case Role of client -> peer_certificate; server -> own_certificate end, Info)).

subject(none) -> none;
subject(#{subject := Subject}) -> binary_to_list(Subject).

exchange(From, To) ->
    Node = rustls_dist_cluster:name(To),
    [?assertEqual(ok, rustls_dist_cluster:call(From, rustls_dist_workload, round_trip, [Node, Size])) || Size <- ?SIZES],
    ?assertEqual(stopped, rustls_dist_cluster:call(From, rustls_dist_monitors, process_end, [Node])).

rekeying(Config, RustlsMore, InetMore) ->
    Cert = ?config(ecdsa, Config),
    Options = fun(More) -> rustls_dist_certs:options(Cert, More#{versions => ['tlsv1.3']}) end,
    {node(Config, "rustls", Options(RustlsMore), #{}), node(Config, "inet_tls", Options(InetMore), tuned())}.

%% Both send at once.
load(A, B) ->
    Keys = [rpc:async_call(node(), rustls_dist_cluster, call,
                           [From, rustls_dist_workload, stream,
                            [rustls_dist_cluster:name(To), ?STREAMS, ?MESSAGES, ?MESSAGE_BYTES], ?LOAD_TIMEOUT_MS])
            || {From, To} <- [{A, B}, {B, A}]],
    ?assertEqual([ok, ok], [rpc:yield(Key) || Key <- Keys]).

%% inet_tls as it comes reads 1460 bytes at a time.
tuned() ->
    #{args => lists:append([["-kernel", Key, "[{buffer,262144}]"]
                            || Key <- ["inet_dist_listen_options", "inet_dist_connect_options"]])}.

mutual(Cert, Versions) ->
    rustls_dist_certs:options(Cert, #{versions => Versions}).

%% Shows a certificate and judges none.
trusting(#{cert := Cert, key := Key}) ->
    Options = [{certfile, Cert}, {keyfile, Key}, {verify, verify_none}],
    [{server, Options}, {client, Options}].

%% The client verifies the server and has no certificate of its own.
server_only(#{cert := Cert, key := Key, ca := Ca}, Versions) ->
    [{server, [{certfile, Cert}, {keyfile, Key}, {verify, verify_none}, {versions, Versions}]},
     {client, [{cacertfile, Ca}, {verify, verify_peer}, {versions, Versions}]}].

%% A node that makes links when the test says so, with an echo process. It ends with the case.
node(Config, Proto, Options, More) ->
    Cluster = ?config(cluster, Config),
    Optfile = rustls_dist_cluster:optfile(Cluster, lists:concat([Proto, erlang:unique_integer([positive])]), Options),
    Args = ["-connect_all", "false", "-kernel", "dist_auto_connect", "never"] ++ maps:get(args, More, []),
    Node = rustls_dist_cluster:start(Cluster, More#{proto => Proto, optfile => Optfile, args => Args}),
    _ = rustls_dist_cluster:call(Node, rustls_dist_workload, start_echo, []),
    Node.

info(Node, Peer) ->
    {ok, Info} = rustls_dist_cluster:call(Node, rustls_dist, info, [rustls_dist_cluster:name(Peer)]),
    Info.
