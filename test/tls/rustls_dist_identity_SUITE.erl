%% A node's own certificate and key on real links: chains of intermediates, depth, chains completed from cacertfile,
%% encrypted keys, and the kinds and formats of keys (issue 2, point 3).
-module(rustls_dist_identity_SUITE).

-include_lib("stdlib/include/assert.hrl").

-export([all/0, init_per_suite/1, end_per_suite/1]).
-export([depth/1, chain_is_completed/1, passwords/1, keys_on_links/1, keys_load/1]).

all() ->
    [depth, chain_is_completed, passwords, keys_on_links, keys_load].

%% One node is there for all cases: both of its sides verify, and require, certificates of the one authority.
init_per_suite(Config) ->
    {Keeper, Started} =
        rustls_dist_cluster:keep(
          fun() ->
                  Cluster = rustls_dist_cluster:new(),
                  Dir = rustls_dist_cluster:dir(Cluster),
                  Ca = rustls_dist_certs:ca(Dir, "ca"),
                  Known = [{cluster, Cluster}, {dir, Dir}, {ca, Ca}],
                  Options = rustls_dist_certs:options(cert(Known, "strict", #{})),
                  Known ++ [{strict, start(Known, optfile, Options)}]
          end),
    [{keeper, Keeper} | Started ++ Config].

end_per_suite(Config) ->
    ok = rustls_dist_cluster:stop(get(cluster, Config)),
    rustls_dist_cluster:release(get(keeper, Config)).

%% chains ---------------------------------------------------------------------------------------------------

%% Two intermediates: depth 2 is enough for either side, depth 1 for none.
depth(Config) ->
    #{files := Files, root := Root} = chain(Config),
    Chained = start(Config, optfile, rustls_dist_certs:options(Files#{ca => Root})),
    Direct = rustls_dist_certs:cert(get(dir, Config), root_ca(Config), "direct", #{}),
    [Enough, Short] = [start(Config, Source, rustls_dist_certs:options(Direct, #{depth => Depth}))
                       || {Source, Depth} <- [{optfile, 2}, {flag, 1}]],
    rustls_dist_pair:joins(Enough, Chained, {"CN=direct", "CN=chained"}),
    rustls_dist_pair:joins(Chained, Enough, {"CN=chained", "CN=direct"}),
    [?assertMatch({match, _}, re:run(rustls_dist_pair:refused(From, To, Short, chain_too_deep),
                                     "2 intermediate certificates, .*1"))
     || {From, To} <- [{Short, Chained}, {Chained, Short}]],
    rustls_dist_pair:stop([Chained, Enough, Short]).

%% certfile holds the leaf alone, cacertfile the intermediates; the peer knows the root alone.
chain_is_completed(Config) ->
    #{leaf := Leaf, root := Root, middle := Middle} = chain(Config),
    All = rustls_dist_certs:concat(filename:join(get(dir, Config), "root_and_middle.pem"), [Root | Middle]),
    Leafy = start(Config, flag, rustls_dist_certs:options(Leaf#{ca => All})),
    Plain = start(Config, optfile,
                  rustls_dist_certs:options(rustls_dist_certs:cert(get(dir, Config), root_ca(Config), "rooted", #{}))),
    rustls_dist_pair:joins(Leafy, Plain, {"CN=chained", "CN=rooted"}),
    rustls_dist_pair:joins(Plain, Leafy, {"CN=rooted", "CN=chained"}),
    rustls_dist_pair:stop([Leafy, Plain]).

root_ca(Config) ->
    #{root := Root} = chain(Config),
    #{cert => Root, key => filename:rootname(Root) ++ ".key"}.

%% A root, two intermediates and a leaf; made once.
chain(Config) ->
    Dir = get(dir, Config),
    File = fun(Name) -> filename:join(Dir, Name) end,
    case filelib:is_file(File("chained.pem")) of
        true -> ok;
        false ->
            Authority = #{san => none, extensions => ["basicConstraints=critical,CA:TRUE", "keyUsage=keyCertSign"]},
            Root = rustls_dist_certs:ca(Dir, "root"),
            First = rustls_dist_certs:cert(Dir, Root, "first", Authority),
            Second = rustls_dist_certs:cert(Dir, First, "second", Authority),
            rustls_dist_certs:cert(Dir, Second, "chained", #{})
    end,
    Middle = [File("second.pem"), File("first.pem")],
    Whole = rustls_dist_certs:concat(File("chained_whole.pem"), [File("chained.pem") | Middle]),
    #{root => File("root.pem"), middle => Middle,
      leaf => #{cert => File("chained.pem"), key => File("chained.key")},
      files => #{cert => Whole, key => File("chained.key")}}.

%% keys -----------------------------------------------------------------------------------------------------

passwords(Config) ->
    Strict = get(strict, Config),
    #{key := Key} = Cert = cert(Config, "locked", #{}),
    Locked = Key ++ ".locked",
    rustls_dist_certs:openssl("pkcs8 -topk8 -v2 aes-256-cbc -in ~ts -out ~ts -passout pass:open", [Key, Locked]),
    [begin
         Node = start(Config, Source, rustls_dist_certs:options(Cert#{key := Locked}, #{password => "open"})),
         rustls_dist_pair:joins(Node, Strict, {"CN=locked", "CN=strict"}),
         rustls_dist_pair:joins(Strict, Node, {"CN=strict", "CN=locked"}),
         rustls_dist_pair:stop([Node])
     end || Source <- [optfile, flag]].

%% A sample of kinds and formats, each as a server's and as a client's, on TLS 1.3 and on 1.2.
keys_on_links(Config) ->
    Old = start(Config, optfile, rustls_dist_certs:options(cert(Config, "old", #{}), #{versions => ['tlsv1.2']})),
    [begin
         #{key := Key} = Cert = cert(Config, Name, #{key => Kind}),
         Node = start(Config, optfile, rustls_dist_certs:options(Cert#{key := written(Key, Format)})),
         [?assertMatch(#{version := Version}, rustls_dist_pair:joins(From, To, any))
          || {Peer, Version} <- [{get(strict, Config), 'tlsv1.3'}, {Old, 'tlsv1.2'}],
             {From, To} <- [{Node, Peer}, {Peer, Node}]],
         rustls_dist_pair:stop([Node])
     end || {Name, Kind, Format} <- [{"on_rsa", {rsa, 3072}, pkcs1}, {"on_p256", p256, sec1}, {"on_p384", p384, pkcs8},
                                     {"on_ed25519", ed25519, pkcs8}]],
    rustls_dist_pair:stop([Old]).

%% All kinds in all formats, read by either side.
keys_load(Config) ->
    ok = rustls_dist_nif:load(),
    [begin
         #{cert := Cert, key := Key} = rustls_dist_certs:self_signed(get(dir, Config), Name, #{key => Kind}),
         [?assertMatch({{Name, Format, Role}, {ok, _, [[#{subject := _}]], []}},
                       {{Name, Format, Role},
                        rustls_dist_nif:config_new(Role, #{certfile => unicode:characters_to_binary(Cert),
                                                           keyfile => unicode:characters_to_binary(written(Key, Format)),
                                                           password => <<"open">>,
                                                           verify => verify_none, judged_by => webpki, depth => 10})})
          || Format <- Formats, Role <- [server, client]]
     end || {Name, Kind, Formats} <- [{"rsa2048", {rsa, 2048}, [pkcs8, pkcs1, encrypted]},
                                      {"rsa3072", {rsa, 3072}, [pkcs8, pkcs1, encrypted]},
                                      {"rsa4096", {rsa, 4096}, [pkcs8, pkcs1, encrypted]},
                                      {"p256", p256, [pkcs8, sec1, sec1_with_parameters, encrypted]},
                                      {"p384", p384, [pkcs8, sec1, encrypted]},
                                      {"ed25519", ed25519, [pkcs8, encrypted]}]].

%% The same key in another format; openssl's genpkey writes PKCS#8.
written(Key, pkcs8) ->
    Key;
written(Key, Format) ->
    File = lists:concat([Key, ".", Format]),
    case Format of
        pkcs1 -> rustls_dist_certs:openssl("rsa -traditional -in ~ts -out ~ts", [Key, File]);
        sec1 -> rustls_dist_certs:openssl("ec -in ~ts -out ~ts", [Key, File]);
        sec1_with_parameters ->
            rustls_dist_certs:openssl("ecparam -name prime256v1 -out ~ts.params", [File]),
            rustls_dist_certs:concat(File, [File ++ ".params", written(Key, sec1)]);
        encrypted ->
            rustls_dist_certs:openssl("pkcs8 -topk8 -v2 aes-256-cbc -in ~ts -out ~ts -passout pass:open", [Key, File])
    end,
    File.

%% ----------------------------------------------------------------------------------------------------------

cert(Config, Name, Options) ->
    rustls_dist_certs:cert(get(dir, Config), get(ca, Config), Name, Options).

start(Config, Source, Options) ->
    rustls_dist_pair:start(get(cluster, Config), Source, Options, #{}).

get(Key, Config) ->
    proplists:get_value(Key, Config).
