%% What a node tells a peer that breaks the rules of TLS before anything is encrypted: the alert on the wire is the one that the
%% log names, in both roles, with each version, and where verify_fun has the last word. (Alerts that are encrypted, and those
%% of established links, are read in test/handshake/untold.rs and test/record.)
-module(rustls_dist_last_alerts_SUITE).

-include_lib("stdlib/include/assert.hrl").

-export([all/0, init_per_suite/1, end_per_suite/1, init_per_testcase/2]).
-export([told_by_server/1, told_by_client/1, no_scheme_for_the_key/1]).

%% run on the nodes
-export([accept/3]).

-define(TIMEOUT_MS, 10000).

all() ->
    [told_by_server, told_by_client, no_scheme_for_the_key].

init_per_suite(Config) ->
    {ok, _} = application:ensure_all_started(ssl),
    {Keeper, World} = rustls_dist_cluster:keep(fun start/0),
    [{keeper, Keeper}, {world, World} | Config].

%% One node with both versions, one for each of them, and one whose peers a function judges.
start() ->
    Cluster = rustls_dist_cluster:new(),
    Dir = rustls_dist_cluster:dir(Cluster),
    Cert = rustls_dist_certs:cert(Dir, rustls_dist_certs:ca(Dir, "ca"), "node", #{}),
    Nodes = [begin
                 Optfile = rustls_dist_cluster:optfile(Cluster, Name, rustls_dist_certs:options(Cert, Extra)),
                 rustls_dist_cluster:start(Cluster, #{optfile => Optfile})
             end || {Name, Extra} <- [{"both", #{}}, {"new", #{versions => ['tlsv1.3']}}, {"old", #{versions => ['tlsv1.2']}},
                                      {"judged", #{verify_fun => {?MODULE, accept, none}}}]],
    #{cluster => Cluster, cert => Cert, nodes => Nodes}.

end_per_suite(Config) ->
    #{cluster := Cluster} = proplists:get_value(world, Config),
    ok = rustls_dist_cluster:stop(Cluster),
    rustls_dist_cluster:release(proplists:get_value(keeper, Config)).

init_per_testcase(_Case, Config) ->
    #{nodes := Nodes} = proplists:get_value(world, Config),
    ok = lists:foreach(fun rustls_dist_reports:collect/1, Nodes),
    Config.

%% verify_fun of the node that is judged.
-spec accept(term(), term(), State) -> {valid, State}.
accept(_Certificate, _Event, State) ->
    {valid, State}.

%% What does not begin like a hello is not TLS for a server, and closed without a word (rustls_dist_first_bytes).
told_by_server(Config) ->
    #{nodes := Nodes} = proplists:get_value(world, Config),
    [?assertEqual({Fault, Alert, Alert}, {Fault, sent_to_client(Node, Bytes), logged(Node)})
     || Node <- Nodes, {Fault, Bytes, Alert} <- faults(), hd(binary_to_list(iolist_to_binary(Bytes))) =:= 22].

told_by_client(Config) ->
    #{nodes := Nodes, cluster := Cluster} = proplists:get_value(world, Config),
    {ok, Listen} = gen_tcp:listen(0, [{ip, {127, 0, 0, 1}}, binary, {active, false}]),
    {ok, Port} = inet:port(Listen),
    Epmd = rustls_dist_cluster:fake_node(Cluster, "breaker", Port),
    [?assertEqual({Fault, Alert, Alert}, {Fault, sent_to_server(Node, Listen, Bytes), logged(Node)})
     || Node <- Nodes, {Fault, Bytes, Alert} <- faults()],
    ok = gen_tcp:close(Epmd),
    ok = gen_tcp:close(Listen).

%% A node whose key is on P-256, and clients of TLS 1.2 and 1.3 that verify SHA-384 and SHA-512 alone.
no_scheme_for_the_key(Config) ->
    #{nodes := Nodes, cert := #{cert := Cert, key := Key}} = proplists:get_value(world, Config),
    [begin
         Options = [{verify, verify_none}, {log_level, none}, {versions, [Version]}, {certfile, Cert}, {keyfile, Key} | Schemes],
         {error, {tls_alert, {Told, _}}} =
             ssl:connect({127, 0, 0, 1}, rustls_dist_cluster:listening_port(Node), Options, ?TIMEOUT_MS),
         ?assertEqual({handshake_failure, handshake_failure}, {Told, logged(Node)})
     end || Node <- [hd(Nodes), lists:last(Nodes)],
            {Version, Schemes} <- [{'tlsv1.2', [{signature_algs, [{sha384, ecdsa}, {sha512, ecdsa}]}]},
                                   {'tlsv1.3', [{signature_algs, [ecdsa_secp384r1_sha384, ecdsa_secp521r1_sha512]}]}]].

%% What a peer sends in the place of its hello, or as its beginning, and the alert that it gets.
faults() ->
    Half = <<22, 3, 3, 40:16, 2, 0, 0, 200, 3, 3, 0:(34 * 8)>>,
    Warning = <<21, 3, 3, 2:16, 1, 90>>,
    [{alert_between_fragments, [Half, Warning], unexpected_message},
     {data_between_fragments, [Half, <<23, 3, 3, 1:16, 0>>], unexpected_message},
     {too_many_warnings, lists:duplicate(40, Warning), unexpected_message},
     {data_instead_of_a_hello, <<23, 3, 3, 1:16, 0>>, unexpected_message},
     {record_of_16385_bytes, <<22, 3, 3, 16385:16>>, record_overflow},
     {record_of_16640_bytes, <<22, 3, 3, 16640:16>>, record_overflow},
     {message_of_128_kilobytes, <<22, 3, 3, 4:16, 2, 2, 0, 0>>, decode_error},
     {empty_message, <<22, 3, 3, 0:16>>, decode_error}].

sent_to_client(Node, Bytes) ->
    {ok, Socket} = gen_tcp:connect({127, 0, 0, 1}, rustls_dist_cluster:listening_port(Node), [binary, {active, false}]),
    ok = gen_tcp:send(Socket, Bytes),
    alert(Socket).

sent_to_server(Node, Listen, Bytes) ->
    Key = rpc:async_call(node(), rustls_dist_cluster, call, [Node, net_kernel, connect_node, ['breaker@127.0.0.1']]),
    {ok, Socket} = gen_tcp:accept(Listen, ?TIMEOUT_MS),
    {ok, <<22, 3, _/binary>>} = gen_tcp:recv(Socket, 0, ?TIMEOUT_MS),
    ok = gen_tcp:send(Socket, Bytes),
    Alert = alert(Socket),
    false = rpc:yield(Key),
    Alert.

%% The fatal alert in the clear that is all there comes, before the connection ends in order.
alert(Socket) ->
    {ok, <<21, 3, 3, 2:16, 2, Code>>} = gen_tcp:recv(Socket, 7, ?TIMEOUT_MS),
    {error, closed} = gen_tcp:recv(Socket, 0, ?TIMEOUT_MS),
    ok = gen_tcp:close(Socket),
    maps:get(Code, #{10 => unexpected_message, 22 => record_overflow, 50 => decode_error}).

%% The alert that the one new entry of the log claims; its sentence says so, too.
logged(Node) ->
    [#{reason := {tls, #{alert := {_Code, Name}}}, line := Line}] = rustls_dist_reports:await(Node, 1),
    ok = rustls_dist_reports:collect(Node),
    ?assertNotEqual(nomatch, string:find(Line, "the peer was sent the alert " ++ atom_to_list(Name))),
    Name.
