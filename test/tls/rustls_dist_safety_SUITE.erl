%% Issue 2, "Done means": a panic in Rust is an Erlang error and neither the node nor its links end by it, and private
%% keys are not visible from Erlang: the crash dump of a live node does not hold them.
-module(rustls_dist_safety_SUITE).

-include_lib("stdlib/include/assert.hrl").

-export([all/0, init_per_suite/1, end_per_suite/1]).
-export([panic/1, panic_on_pool/1, reload/1, key_not_in_dump_p256/1, key_not_in_dump_ed25519/1, key_not_in_dump_rsa/1,
         password_protected_key_not_in_dump/1]).
-export([hold/1]).

all() ->
    [panic, panic_on_pool, reload, key_not_in_dump_p256, key_not_in_dump_ed25519, key_not_in_dump_rsa,
     password_protected_key_not_in_dump].

init_per_suite(Config) ->
    {Keeper, Cluster} = rustls_dist_cluster:keep(fun rustls_dist_cluster:new/0),
    Dir = rustls_dist_cluster:dir(Cluster),
    [{cluster, Cluster}, {keeper, Keeper}, {dir, Dir}, {ca, rustls_dist_certs:ca(Dir, "ca")} | Config].

end_per_suite(Config) ->
    ok = rustls_dist_cluster:stop(cluster(Config)),
    rustls_dist_cluster:release(proplists:get_value(keeper, Config)).

%% panics -------------------------------------------------------------------------------------------------------

%% The caller gets an error; the link that is up stays the same one and carries on.
panic(Config) ->
    {A, B} = linked(Config, cert(Config, "panic", #{})),
    Link = link_of(A, B),
    [?assertError(_, call(A, rustls_dist_nif, selftest_panic, [])) || _ <- lists:seq(1, 20)],
    ?assertEqual(Link, link_of(A, B)),
    ?assertEqual(ok, call(A, rustls_dist_workload, stream, [name(B), 2, 100, 10000])),
    ?assertEqual(ok, call(B, rustls_dist_workload, stream, [name(A), 2, 100, 10000])).

%% Jobs that panic on the threads that do handshakes: handshakes work afterwards, in both roles and more of them than
%% there are threads.
panic_on_pool(Config) ->
    {A, B} = linked(Config, cert(Config, "panic_on_pool", #{})),
    Threads = threads(A),
    [?assertEqual(ok, call(A, rustls_dist_nif, selftest_pool_panic, [])) || _ <- lists:seq(1, 5)],
    ?assert(call(A, rustls_dist_workload, ping, [name(B)])),
    [begin
         ok = rustls_dist_cluster:part(A, B),
         ok = rustls_dist_cluster:join(From, To),
         ?assert(call(A, rustls_dist_workload, ping, [name(B)]))
     end || _ <- lists:seq(1, 6), {From, To} <- [{A, B}, {B, A}]],
    ?assertEqual(Threads, threads(A)).

%% The module that the library belongs to stays, whoever reloads it, and so do the links.
reload(Config) ->
    {A, B} = linked(Config, cert(Config, "reload", #{})),
    Link = link_of(A, B),
    ?assertEqual({error, sticky_directory}, call(A, code, load_file, [rustls_dist_nif])),
    ?assertEqual(ok, call(A, rustls_dist_nif, load, [])),
    ?assert(call(A, rustls_dist_workload, ping, [name(B)])),
    ?assertEqual(Link, link_of(A, B)).

link_of(Peer, Other) ->
    call(Peer, rustls_dist_workload, link_processes, [name(Other)]).

%% Threads of rustls_dist in the node's process, by the names they have there.
threads(Peer) ->
    Files = filelib:wildcard("/proc/" ++ rustls_dist_cluster:os_pid(Peer) ++ "/task/*/comm"),
    Names = [Name || File <- Files, {ok, <<"rustls_dist", _/binary>> = Name} <- [file:read_file(File)]],
    ?assertNotEqual([], Names),
    lists:sort(Names).

%% private keys -------------------------------------------------------------------------------------------------

key_not_in_dump_p256(Config) -> key_not_in_dump(Config, #{key => p256}).
key_not_in_dump_ed25519(Config) -> key_not_in_dump(Config, #{key => ed25519}).
key_not_in_dump_rsa(Config) -> key_not_in_dump(Config, #{key => {rsa, 2048}}).

key_not_in_dump(Config, Options) ->
    #{key := KeyFile} = Cert = cert(Config, "dump", Options),
    not_in_dump(Config, Cert, KeyFile, #{}).

%% Of a key that is encrypted in its file, neither the file's content nor the key.
password_protected_key_not_in_dump(Config) ->
    #{key := KeyFile} = Cert = cert(Config, "protected", #{}),
    ok = rustls_dist_certs:openssl("pkcs8 -topk8 -in ~ts -out ~ts.encrypted -passout pass:a-long-password",
                                   [KeyFile, KeyFile]),
    not_in_dump(Config, Cert#{key := KeyFile ++ ".encrypted"}, KeyFile, #{password => "a-long-password"}).

not_in_dump(Config, Cert, KeyFile, Extra) ->
    {A, _B} = linked(Config, Cert, Extra),
    [Small, Large, Listed, Spelt] = [crypto:strong_rand_bytes(Bytes) || Bytes <- [40, 1000, 32, 32]],
    _ = call(A, ?MODULE, hold, [{Small, Large, binary_to_list(Listed), binary:encode_hex(Spelt)}]),
    Dump = rustls_dist_needles:crash_dump(proplists:get_value(dir, Config), A, signal),
    %% The search finds what the node held in each of the forms that the key could have.
    ?assertEqual([{small, [base64]}, {large, [base64]}, {listed, [list]}, {spelt, [hex]}],
                 rustls_dist_needles:found(Dump, [{small, Small}, {large, binary:part(Large, 500, 32)}, {listed, Listed},
                                                  {spelt, Spelt}])),
    ?assertEqual([], rustls_dist_needles:found(Dump, rustls_dist_key_forms:file(KeyFile))).

%% Runs on a node: a process whose stack and heap hold Term.
hold(Term) ->
    spawn(fun() -> receive forget -> Term end end).

%% --------------------------------------------------------------------------------------------------------------

cluster(Config) -> proplists:get_value(cluster, Config).

cert(Config, Name, Options) ->
    rustls_dist_certs:cert(proplists:get_value(dir, Config), proplists:get_value(ca, Config), Name, Options).

linked(Config, Cert) ->
    linked(Config, Cert, #{}).

linked(Config, Cert, Extra) ->
    Optfile = rustls_dist_cluster:optfile(cluster(Config), "options", rustls_dist_certs:options(Cert, Extra)),
    [A, B] = [rustls_dist_cluster:start(cluster(Config), #{optfile => Optfile}) || _ <- [a, b]],
    ok = rustls_dist_cluster:join(A, B),
    {A, B}.

name(Peer) -> rustls_dist_cluster:name(Peer).
call(Peer, M, F, A) -> rustls_dist_cluster:call(Peer, M, F, A).
