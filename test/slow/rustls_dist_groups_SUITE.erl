%% The group of the key exchange (issue 14, point 2): X25519MLKEM768 between nodes of ours and with openssl that knows it, in
%% both directions and with one hello; X25519 with who does not know it, with one hello as well; and the options
%% supported_groups and eccs, as `rustls_dist:info/1' shows what they do.
-module(rustls_dist_groups_SUITE).

-include_lib("stdlib/include/assert.hrl").

-export([all/0, init_per_suite/1, end_per_suite/1]).
-export([by_default/1, inet_tls/1, inet_tls_of_otp27/1, inet_tls_of_otp29/1, openssl_knows_it/1, openssl_does_not/1,
         openssl_asks_again/1, in_the_file/1, on_the_command_line/1, tls12/1]).

-define(HYBRID, <<"x25519mlkem768">>).

all() ->
    [by_default, inet_tls, inet_tls_of_otp27, inet_tls_of_otp29, openssl_knows_it, openssl_does_not, openssl_asks_again,
     in_the_file, on_the_command_line, tls12].

init_per_suite(Config) ->
    {Keeper, Shared} = rustls_dist_cluster:keep(fun shared/0),
    [{keeper, Keeper} | Shared ++ Config].

%% The node that offers what it has by default serves all cases.
shared() ->
    Cluster = rustls_dist_cluster:new(),
    Dir = rustls_dist_cluster:dir(Cluster),
    Shared = [{cluster, Cluster}, {cert, rustls_dist_certs:cert(Dir, rustls_dist_certs:ca(Dir, "ca"), "node", #{})}],
    [{node, start(Shared, #{}, #{})} | Shared].

end_per_suite(Config) ->
    ok = rustls_dist_cluster:stop(cluster(Config)),
    rustls_dist_cluster:release(proplists:get_value(keeper, Config)).

by_default(Config) ->
    joins(Config, start(Config, #{}, #{}), ?HYBRID).

%% inet_tls of OTP 25 to 27 does not know it; the share of X25519 is in the hello, too.
inet_tls(Config) ->
    Inet = start_inet_tls(Config, #{}),
    Groups = rustls_dist_cluster:call(Inet, ssl, groups, []),
    joins(Config, Inet, case lists:member(x25519mlkem768, Groups) of true -> ?HYBRID; false -> <<"x25519">> end).

inet_tls_of_otp27(Config) ->
    with_inet_tls_of(27, <<"x25519">>, Config).

%% It knows it, and offers its share alone.
inet_tls_of_otp29(Config) ->
    with_inet_tls_of(29, ?HYBRID, Config).

with_inet_tls_of(Release, Group, Config) ->
    case rustls_dist_other_otp:available(Release) of
        true -> joins(Config, start_inet_tls(Config, rustls_dist_other_otp:prepare(cluster(Config), Release)), Group);
        Skip -> Skip
    end.

start_inet_tls(Config, Options) ->
    start(Config, #{versions => ['tlsv1.3']}, Options#{proto => "inet_tls"}).

%% Pinned, so that nothing else can come of it.
openssl_knows_it(Config) ->
    case rustls_dist_openssl_peer:with_ml_kem(cluster(Config), proplists:get_value(cert, Config)) of
        {skip, _} = Skip -> Skip;
        Files -> with_openssl(Config, Files, ["-groups", "X25519MLKEM768"], ?HYBRID, 1)
    end.

openssl_does_not(Config) ->
    with_openssl(Config, proplists:get_value(cert, Config), ["-groups", "P-521:X25519:P-256"], <<"x25519">>, 1).

%% Whoever has neither as a server asks for another hello, and costs a round trip.
openssl_asks_again(Config) ->
    with_openssl(Config, proplists:get_value(cert, Config), ["-groups", "P-384"], <<"secp384r1">>, 2).

%% Hellos: those that the node needs, with openssl as the server; openssl's own shows a share of the group that it is told first.
with_openssl(Config, Files, Arguments, Group, Hellos) ->
    Node = proplists:get_value(node, Config),
    Server = #{name := ServerName} = rustls_dist_openssl_peer:listen(cluster(Config), Files, ["-tls1_3" | Arguments]),
    Key = rpc:async_call(node(), rustls_dist_cluster, call, [Node, net_kernel, connect_node, [ServerName]]),
    ok = rustls_dist_openssl_peer:serve(Server),
    ?assertEqual(true, rpc:yield(Key)),
    ?assertEqual(Group, group(Node, ServerName)),
    ?assertEqual(Hellos, hellos(Server)),
    ok = rustls_dist_openssl_peer:stop(Server),
    Port = rustls_dist_openssl_peer:port_of(Node),
    Client = #{name := ClientName} = rustls_dist_openssl_peer:dial(cluster(Config), Files, Port, ["-tls1_3" | Arguments]),
    ?assertEqual(Group, group(Node, ClientName)),
    ok = rustls_dist_openssl_peer:stop(Client).

hellos(Peer) ->
    length([Line || Line <- rustls_dist_openssl_peer:tls_messages(Peer), string:find(Line, "ClientHello") =/= nomatch]).

%% Terms of ssl, and names.
in_the_file(Config) ->
    [joins(Config, start(Config, #{supported_groups => Groups}, #{}), Dialling, Dialled)
     || {Groups, Dialling, Dialled} <- [{[secp384r1, x25519], <<"secp384r1">>, <<"x25519">>},
                                        {"secp256r1, X25519MLKEM768", <<"secp256r1">>, ?HYBRID}]].

on_the_command_line(Config) ->
    Args = ["-ssl_dist_opt", "server_supported_groups", "secp256r1,secp384r1", "client_supported_groups", "secp256r1:secp384r1"],
    joins(Config, start(Config, #{}, #{args => Args}), <<"secp256r1">>).

tls12(Config) ->
    [joins(Config, start(Config, Options#{versions => ['tlsv1.2']}, #{}), Expected)
     || {Options, Expected} <- [{#{}, <<"x25519">>}, {#{eccs => [secp384r1]}, <<"secp384r1">>},
                                {#{supported_groups => [secp256r1]}, <<"secp256r1">>}]].

joins(Config, Other, Group) ->
    joins(Config, Other, Group, Group).

%% With the node that lists all: Dialling, where Other dials. The order is the dialling node's.
joins(Config, Other, Dialling, Dialled) ->
    Node = proplists:get_value(node, Config),
    [begin
         ok = rustls_dist_cluster:join(From, To),
         Taken = group(Node, rustls_dist_cluster:name(Other)),
         ok = rustls_dist_cluster:part(From, To),
         ?assertEqual(Group, Taken)
     end || {From, To, Group} <- [{Other, Node, Dialling}, {Node, Other, Dialled}]].

group(Node, Name) ->
    {ok, #{group := Group}} = rustls_dist_cluster:call(Node, rustls_dist, info, [Name]),
    Group.

start(Config, Extra, Options) ->
    Name = "options" ++ integer_to_list(erlang:unique_integer([positive])),
    Cert = proplists:get_value(cert, Config),
    Optfile = rustls_dist_cluster:optfile(cluster(Config), Name, rustls_dist_certs:options(Cert, Extra)),
    rustls_dist_cluster:start(cluster(Config), Options#{optfile => Optfile}).

cluster(Config) -> proplists:get_value(cluster, Config).
