%% Bulk data between rustls and inet_tls nodes, and between releases (issue 2, point 6): 256 MiB each way at once over a
%% link that either node opened, every message numbered and with a checksum.
-module(rustls_dist_interop_bulk_SUITE).

-export([all/0, suite/0, groups/0, init_per_suite/1, end_per_suite/1, init_per_group/2, end_per_group/2]).
-export([inet_tls_tls12/1, inet_tls_tls13/1, inet_tls_rekeys/1]).
-export([rustls_with_rustls/1, rustls_with_inet_tls/1, inet_tls_with_rustls/1]).

-include_lib("common_test/include/ct.hrl").
-include_lib("stdlib/include/assert.hrl").

%% 256 MiB each way.
-define(STREAMS, 4).
-define(MESSAGES, 256).
-define(MESSAGE_BYTES, 262144).
-define(TOTAL_BYTES, (?STREAMS * ?MESSAGES * ?MESSAGE_BYTES)).
-define(TIMEOUT_MS, 300000).

-define(KEY_UPDATE_AT, 10000000).

suite() ->
    [{timetrap, {minutes, 12}}].

all() ->
    [inet_tls_tls12, inet_tls_tls13, inet_tls_rekeys, {group, otp27}, {group, otp29}].

groups() ->
    [{Release, [], [rustls_with_rustls, rustls_with_inet_tls, inet_tls_with_rustls]} || Release <- [otp27, otp29]].

init_per_suite(Config) ->
    {Keeper, Cluster} = rustls_dist_cluster:keep(fun rustls_dist_cluster:new/0),
    Dir = rustls_dist_cluster:dir(Cluster),
    Cert = rustls_dist_certs:cert(Dir, rustls_dist_certs:ca(Dir, "ca"), "node", #{}),
    [{keeper, Keeper}, {cluster, Cluster}, {cert, Cert} | Config].

end_per_suite(Config) ->
    rustls_dist_cluster:stop(?config(cluster, Config)),
    rustls_dist_cluster:release(?config(keeper, Config)).

init_per_group(otp27, Config) -> with_release(27, Config);
init_per_group(otp29, Config) -> with_release(29, Config).

with_release(Release, Config) ->
    case rustls_dist_other_otp:available(Release) of
        true -> [{release, integer_to_list(Release)},
                 {prepared, rustls_dist_other_otp:prepare(?config(cluster, Config), Release)} | Config];
        Skip -> Skip
    end.

end_per_group(_Group, _Config) ->
    ok.

inet_tls_tls12(Config) ->
    Options = #{versions => ['tlsv1.2']},
    either_way(node(Config, "rustls", Options, #{}), node(Config, "inet_tls", Options, #{})).

inet_tls_tls13(Config) ->
    Options = #{versions => ['tlsv1.3']},
    either_way(node(Config, "rustls", Options, #{}), node(Config, "inet_tls", Options, #{})).

%% Both sides renew their keys, some hundred times.
inet_tls_rekeys(Config) ->
    Options = #{versions => ['tlsv1.3'], key_update_at => ?KEY_UPDATE_AT},
    Rustls = node(Config, "rustls", Options, #{}),
    Inet = node(Config, "inet_tls", Options, #{}),
    ok = rustls_dist_cluster:join(Rustls, Inet),
    each_way(Rustls, Inet),
    {ok, #{key_updates := #{sent := Sent, received := Received}}} =
        rustls_dist_cluster:call(Rustls, rustls_dist, info, [rustls_dist_cluster:name(Inet)]),
    ct:log("key updates: ~w sent, ~w received", [Sent, Received]),
    Least = ?TOTAL_BYTES div ?KEY_UPDATE_AT div 2,
    ?assert(Sent >= Least),
    ?assert(Received >= Least).

rustls_with_rustls(Config) ->
    mixed(Config, "rustls", "rustls").

rustls_with_inet_tls(Config) ->
    mixed(Config, "rustls", "inet_tls").

inet_tls_with_rustls(Config) ->
    mixed(Config, "inet_tls", "rustls").

mixed(Config, Proto, OtherProto) ->
    Options = #{versions => ['tlsv1.3']},
    New = node(Config, OtherProto, Options, ?config(prepared, Config)),
    ?assertEqual(?config(release, Config), rustls_dist_cluster:call(New, erlang, system_info, [otp_release])),
    either_way(node(Config, Proto, Options, #{}), New).

either_way(A, B) ->
    [begin
         ok = rustls_dist_cluster:join(From, To),
         each_way(From, To),
         ok = rustls_dist_cluster:part(From, To)
     end || {From, To} <- [{A, B}, {B, A}]].

each_way(A, B) ->
    Started = erlang:monotonic_time(millisecond),
    Keys = [rpc:async_call(node(), rustls_dist_cluster, call,
                           [From, rustls_dist_workload, stream,
                            [rustls_dist_cluster:name(To), ?STREAMS, ?MESSAGES, ?MESSAGE_BYTES], ?TIMEOUT_MS])
            || {From, To} <- [{A, B}, {B, A}]],
    ?assertEqual([ok, ok], [rpc:yield(Key) || Key <- Keys]),
    ct:log("~w bytes each way in ~w ms", [?TOTAL_BYTES, erlang:monotonic_time(millisecond) - Started]).

%% inet_tls reads 1460 bytes at a time unless it is told otherwise; rustls takes care of that itself.
node(Config, Proto, Options, More) ->
    Cluster = ?config(cluster, Config),
    Optfile = rustls_dist_cluster:optfile(Cluster, lists:concat([Proto, erlang:unique_integer([positive])]),
                                          rustls_dist_certs:options(?config(cert, Config), Options)),
    Tuning = [["-kernel", Key, "[{buffer,262144}]"]
              || Proto =:= "inet_tls", Key <- ["inet_dist_listen_options", "inet_dist_connect_options"]],
    rustls_dist_cluster:start(Cluster, More#{proto => Proto, optfile => Optfile,
                                             args => ["-connect_all", "false" | lists:append(Tuning)]}).
