%% The crypto provider (issue 14, point 3): which one it is, and that a node takes the keys, and does with them, what the table
%% of rustls_dist_providers says of it.
-module(rustls_dist_provider_SUITE).

-include_lib("stdlib/include/assert.hrl").

-export([all/0, init_per_suite/1, end_per_suite/1]).
-export([its_name/1, keys/1, links/1]).

all() ->
    [its_name, keys, links].

init_per_suite(Config) ->
    ok = rustls_dist_nif:load(),
    {Keeper, Cluster} = rustls_dist_cluster:keep(fun rustls_dist_cluster:new/0),
    Dir = rustls_dist_cluster:dir(Cluster),
    [{keeper, Keeper}, {cluster, Cluster}, {dir, Dir}, {ca, rustls_dist_certs:ca(Dir, "ca")} | Config].

end_per_suite(Config) ->
    ok = rustls_dist_cluster:stop(proplists:get_value(cluster, Config)),
    rustls_dist_cluster:release(proplists:get_value(keeper, Config)).

%% The one that `make' was told.
its_name(_Config) ->
    Expected = case os:getenv("RUSTLS_DIST_PROVIDER", "ring") of
                   "ring" -> ring;
                   "aws_lc_rs" ++ _ -> aws_lc_rs
               end,
    {ok, [{application, rustls_dist, App}]} = file:consult(filename:join(rustls_dist_cluster:ebin(), "rustls_dist.app")),
    ?assertEqual(#{provider => Expected, version => list_to_binary(proplists:get_value(vsn, App)),
                   otp => list_to_binary(erlang:system_info(otp_release))},
                 rustls_dist_build:facts()).

keys(Config) ->
    Dir = proplists:get_value(dir, Config),
    [begin
         [Key, Cert] = [filename:join(Dir, atom_to_list(Name) ++ Extension) || Extension <- [".key", ".pem"]],
         rustls_dist_certs:openssl("genpkey -algorithm ~ts -out ~ts", [Make, Key]),
         rustls_dist_certs:openssl("req -new -x509 -key ~ts -out ~ts -subj /CN=~ts -days 2", [Key, Cert, Name]),
         Options = #{verify => verify_none, judged_by => webpki, depth => 10,
                     certfile => list_to_binary(Cert), keyfile => list_to_binary(Key)},
         case {rustls_dist_providers:takes(Name), rustls_dist_nif:config_new(server, Options)} of
             {true, Made} -> ?assertMatch({ok, _, _, _}, Made, Name);
             {false, Made} -> ?assertMatch({error, #{kind := unsupported_key, option := keyfile}}, Made, Name)
         end
     end || {Name, Make, _} <- rustls_dist_providers:table()].

%% What the provider takes carries links, with either version, and with inet_tls.
links(Config) ->
    Options = [#{key => p256}] ++ [#{key => p521} || rustls_dist_providers:takes(p521)]
        ++ [#{key => {rsa, 2560}} || rustls_dist_providers:takes(rsa2560)],
    [begin
         Cert = rustls_dist_certs:cert(proplists:get_value(dir, Config), proplists:get_value(ca, Config), name(), Key),
         [A, B] = [start(Config, Cert, Version, Proto) || Proto <- ["rustls", "inet_tls"]],
         [begin
              ok = rustls_dist_cluster:join(From, To),
              ok = rustls_dist_cluster:part(From, To)
          end || {From, To} <- [{A, B}, {B, A}]]
     end || Key <- Options, Version <- ['tlsv1.3', 'tlsv1.2']].

start(Config, Cert, Version, Proto) ->
    Cluster = proplists:get_value(cluster, Config),
    Optfile = rustls_dist_cluster:optfile(Cluster, name(), rustls_dist_certs:options(Cert, #{versions => [Version]})),
    rustls_dist_cluster:start(Cluster, #{optfile => Optfile, proto => Proto}).

name() ->
    "provider" ++ integer_to_list(erlang:unique_integer([positive])).
