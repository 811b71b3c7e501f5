%% Faults between two nodes: a proxy that flips, drops, repeats, delays and reorders bytes, and cuts connections. Nothing that
%% was not sent is ever delivered, nothing is lost while a link stays, links come back, and each end of a link is told once on
%% each side, with a reason that is true.
%%
%% RUSTLS_DIST_FAULTS_S is for how many seconds there is traffic, of all configurations together; RUSTLS_DIST_FAULTS_SEED the seed
%% of a run that is to be played again, as it was printed.
-module(rustls_dist_faults_SUITE).

-include_lib("stdlib/include/assert.hrl").

-export([all/0, suite/0, init_per_suite/1, end_per_suite/1]).
-export([without_tls/1, silence/1, tls13_aes/1, tls13_aes_authorities/1, tls13_chacha_judged/1, tls13_chacha_crls/1, tls12_aes/1,
         tls12_aes_judged/1, tls12_chacha_pinned/1, tls12_chacha_hash_dir/1]).

-define(CONFIGURATIONS, 8).
-define(DEFAULT_S, "40").

%% As many bytes as a direction carries in a tenth of a second or two, so that a link lives for about that.
-define(MEAN_BYTES, 1000000).
-define(KINDS, [flip, drop, repeat, reorder, delay, split, reset, close]).
-define(KEY_UPDATE_AT, 250000).

suite() ->
    [{timetrap, {minutes, 10}}].

all() ->
    [without_tls, silence, tls13_aes, tls13_aes_authorities, tls13_chacha_judged, tls13_chacha_crls, tls12_aes, tls12_aes_judged,
     tls12_chacha_pinned, tls12_chacha_hash_dir].

init_per_suite(Config) ->
    {Keeper, Cluster} = rustls_dist_cluster:keep(fun rustls_dist_cluster:new/0),
    Dir = rustls_dist_cluster:dir(Cluster),
    Ca = rustls_dist_certs:ca(Dir, "ca"),
    Seed = case os:getenv("RUSTLS_DIST_FAULTS_SEED", "") of
               "" -> erlang:system_time(second);
               Text -> list_to_integer(Text)
           end,
    Seconds = list_to_integer(os:getenv("RUSTLS_DIST_FAULTS_S", ?DEFAULT_S)),
    ct:pal("RUSTLS_DIST_FAULTS_SEED=~w RUSTLS_DIST_FAULTS_S=~w", [Seed, Seconds]),
    [{cluster, Cluster}, {keeper, Keeper}, {ca, Ca}, {cert, rustls_dist_certs:cert(Dir, Ca, "node", #{})}, {seed, Seed},
     {duration_ms, Seconds * 1000 div ?CONFIGURATIONS} | Config].

end_per_suite(Config) ->
    ok = rustls_dist_cluster:stop(get(cluster, Config)),
    rustls_dist_cluster:release(get(keeper, Config)).

%% The same checks can fail: without TLS, bits that are flipped arrive.
without_tls(Config) ->
    World = rustls_dist_faults:start(get(cluster, Config), #{proto => "inet_tcp", seed => get(seed, Config), kinds => [flip],
                                                             mean_bytes => ?MEAN_BYTES div 4}),
    {corrupted, What} = rustls_dist_faults:corruption(World, 20000),
    ct:pal("without TLS: ~0tp", [What]),
    rustls_dist_faults:stop(World).

%% A connection that falls silent is found out by its ticks: dist_util says so, once.
silence(Config) ->
    Options = rustls_dist_certs:options(get(cert, Config)),
    World = rustls_dist_faults:start(get(cluster, Config),
                                     #{optfile => rustls_dist_cluster:optfile(get(cluster, Config), "silence", Options),
                                       seed => get(seed, Config), kinds => [silence], mean_bytes => ?MEAN_BYTES}),
    #{{told, net_tick_timeout} := Count} = Figures = rustls_dist_faults:run(World, 1000),
    Logged = [Line || Side <- [a, b], Line <- rustls_dist_cluster:all_logged(maps:get(Side, World)),
                      nomatch =/= string:find(Line, "not responding")],
    ?assertEqual({Count, Logged}, {length(Logged), Logged}),
    ct:pal("silence~n~ts", [lines(Figures)]),
    rustls_dist_faults:stop(World).

tls13_aes(Config) -> survived(Config, 1, plain, 'tlsv1.3', "TLS_AES_256_GCM_SHA384", #{key_update_at => ?KEY_UPDATE_AT}).
tls13_aes_authorities(Config) -> survived(Config, 2, authorities, 'tlsv1.3', "TLS_AES_128_GCM_SHA256", #{}).
tls13_chacha_judged(Config) -> survived(Config, 3, verify_fun, 'tlsv1.3', "TLS_CHACHA20_POLY1305_SHA256", #{}).
tls13_chacha_crls(Config) ->
    survived(Config, 4, crlfile, 'tlsv1.3', "TLS_CHACHA20_POLY1305_SHA256", #{key_update_at => ?KEY_UPDATE_AT}).
tls12_aes(Config) -> survived(Config, 5, plain, 'tlsv1.2', "ECDHE-ECDSA-AES256-GCM-SHA384", #{}).
tls12_aes_judged(Config) -> survived(Config, 6, verify_fun, 'tlsv1.2', "ECDHE-ECDSA-AES128-GCM-SHA256", #{}).
tls12_chacha_pinned(Config) -> survived(Config, 7, pinned, 'tlsv1.2', "ECDHE-ECDSA-CHACHA20-POLY1305", #{}).
tls12_chacha_hash_dir(Config) -> survived(Config, 8, crl_hash_dir, 'tlsv1.2', "ECDHE-ECDSA-CHACHA20-POLY1305", #{}).

survived(Config, Nth, Kind, Version, Cipher, Extra) ->
    Cluster = get(cluster, Config),
    Sides = rustls_dist_crowds:options(Kind, rustls_dist_cluster:dir(Cluster), get(ca, Config), get(cert, Config)),
    Common = maps:to_list(Extra#{versions => [Version], ciphers => Cipher}),
    Optfile = rustls_dist_cluster:optfile(Cluster, lists:concat([Kind, Nth]), [{Side, Common ++ Own} || {Side, Own} <- Sides]),
    World = rustls_dist_faults:start(Cluster, #{optfile => Optfile, seed => get(seed, Config) * ?CONFIGURATIONS + Nth,
                                                kinds => ?KINDS, mean_bytes => ?MEAN_BYTES}),
    Figures = rustls_dist_faults:run(World, get(duration_ms, Config)),
    ct:pal("~s, ~s, ~s: nothing damaged, repeated, lost or out of order~n~ts", [Version, Cipher, Kind, lines(Figures)]),
    ?assert(maps:get(links, Figures) > 1),
    rustls_dist_faults:stop(World).

lines(Figures) ->
    [io_lib:format("  ~12w ~0tp~n", [Count, What]) || {What, Count} <- lists:sort(maps:to_list(Figures))].

get(Key, Config) ->
    proplists:get_value(Key, Config).
