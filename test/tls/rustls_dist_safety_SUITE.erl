%% Issue 2, "Done means": a panic in Rust is an Erlang error and neither the node nor its links end by it, and private
%% keys are not visible from Erlang: the crash dump of a live node does not hold them.
-module(rustls_dist_safety_SUITE).

-include_lib("stdlib/include/assert.hrl").
-include_lib("public_key/include/public_key.hrl").

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
    {ok, Pem} = file:read_file(KeyFile),
    not_in_dump(Config, Cert, Pem, #{}).

%% Of a key that is encrypted in its file, neither the file's content nor the key.
password_protected_key_not_in_dump(Config) ->
    #{key := KeyFile} = Cert = cert(Config, "protected", #{}),
    {ok, Pem} = file:read_file(KeyFile),
    ok = rustls_dist_certs:openssl("pkcs8 -topk8 -in ~ts -out ~ts.encrypted -passout pass:a-long-password",
                                   [KeyFile, KeyFile]),
    not_in_dump(Config, Cert#{key := KeyFile ++ ".encrypted"}, Pem, #{password => "a-long-password"}).

not_in_dump(Config, Cert, Pem, Extra) ->
    {A, _B} = linked(Config, Cert, Extra),
    [Small, Large, Listed, Spelt] = [crypto:strong_rand_bytes(Bytes) || Bytes <- [40, 1000, 32, 32]],
    _ = call(A, ?MODULE, hold, [{Small, Large, binary_to_list(Listed), binary:encode_hex(Spelt)}]),
    Dump = dump(Config, A),
    %% The search finds what the node held in each of the forms that the key could have.
    ?assertEqual([{base64, [base64]}, {base64, [base64]}, {list, [list]}, {hex, [hex]}],
                 [{Form, found(Dump, Bytes)}
                  || {Form, Bytes} <- [{base64, Small}, {base64, binary:part(Large, 500, 32)}, {list, Listed},
                                       {hex, Spelt}]]),
    [?assertEqual({Secret, []}, {Secret, found(Dump, Bytes)})
     || {Secret, Bytes} <- secrets(Pem)].

%% Runs on a node: a process whose stack and heap hold Term.
hold(Term) ->
    spawn(fun() -> receive forget -> Term end end).

%% The key's structure, the lines of its file and the numbers that are the secret.
secrets(Pem) ->
    [{_, Der, not_encrypted} = Entry] = public_key:pem_decode(Pem),
    [_Begin, _Same | Lines] = lists:droplast(binary:split(Pem, <<"\n">>, [global, trim_all])),
    Numbers = case public_key:pem_entry_decode(Entry) of
                  #'ECPrivateKey'{privateKey = Scalar} -> [Scalar];
                  #'RSAPrivateKey'{privateExponent = D, prime1 = P, prime2 = Q} ->
                      [binary:encode_unsigned(Number) || Number <- [D, P, Q]]
              end,
    %% The first bytes, and the first line, of a key are the same for all of its kind: it is the rest that counts.
    [{der, binary:part(Der, byte_size(Der), -32)}]
        ++ [{pem_line, binary:part(Line, 0, min(32, byte_size(Line)))} || Line <- Lines]
        ++ [{number, binary:part(Number, 0, min(32, byte_size(Number)))} || Number <- Numbers].

%% Makes the node write a crash dump, which ends it, and reads it.
dump(Config, #{pid := Pid} = Peer) ->
    File = filename:join(proplists:get_value(dir, Config), "erl_crash.dump"),
    _ = file:delete(File),
    true = unlink(Pid),
    "" = os:cmd("kill -USR1 " ++ rustls_dist_cluster:os_pid(Peer)),
    rustls_dist_cluster:poll(fun() ->
                                     case file:read_file(File) of
                                         {ok, Dump} -> binary:match(Dump, <<"\n=end">>) =/= nomatch andalso Dump;
                                         {error, enoent} -> false
                                     end
                             end).

%% The forms in which Bytes are in the dump. It shows binaries in base64, so the bytes in the middle of one can stand in
%% three ways, and lists as one line per element.
found(Dump, Bytes) ->
    [Form || Form <- [raw, base64, hex, list], binary:match(searched(Form, Dump), patterns(Form, Bytes)) =/= nomatch].

searched(list, Dump) ->
    {match, Elements} = re:run(Dump, ":lI([0-9]+)\\|", [global, {capture, all_but_first, binary}]),
    Forward = << <<(binary_to_integer(Element) band 255)>> || [Element] <- Elements >>,
    <<Forward/binary, (list_to_binary(lists:reverse(binary_to_list(Forward))))/binary>>;
searched(_Form, Dump) ->
    Dump.

patterns(raw, Bytes) -> [Bytes];
patterns(list, Bytes) -> [Bytes];
patterns(hex, Bytes) ->
    Hex = binary:encode_hex(Bytes),
    patterns(base64, Hex) ++ patterns(base64, string:lowercase(Hex)) ++ [Hex, string:lowercase(Hex)];
patterns(base64, Bytes) ->
    [base64_inside(Before, Bytes) || Before <- [<<>>, <<0>>, <<0, 0>>]].

%% What stays the same of Bytes in base64 whatever stands before them (as many bytes as in Before, modulo 3) and behind.
base64_inside(Before, Bytes) ->
    Encoded = base64:encode(<<Before/binary, Bytes/binary>>),
    Skip = case byte_size(Before) of 0 -> 0; 1 -> 2; 2 -> 3 end,
    Whole = (byte_size(Before) + byte_size(Bytes)) * 8 div 6,
    binary:part(Encoded, Skip, Whole - Skip).

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
