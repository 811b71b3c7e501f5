%% Socket options as with inet_tcp: net_kernel:setopts/2 and getopts/2, for links that are there and for those to come, and
%% kernel's inet_backend, which is for other sockets.
-module(rustls_dist_sockopts_SUITE).

-include_lib("stdlib/include/assert.hrl").

-export([all/0, init_per_suite/1, end_per_suite/1]).
-export([as_with_inet_tcp/1, refused/1, both_families/1, inet_backend/1, inet_backend_given/1]).

-define(NO_AUTO_CONNECT, ["-kernel", "dist_auto_connect", "never", "-connect_all", "false"]).

all() ->
    [as_with_inet_tcp, refused, both_families, inet_backend, inet_backend_given].

init_per_suite(Config) ->
    {Keeper, Cluster} = rustls_dist_cluster:keep(fun rustls_dist_cluster:new/0),
    Dir = rustls_dist_cluster:dir(Cluster),
    Cert = rustls_dist_certs:cert(Dir, rustls_dist_certs:ca(Dir, "ca"), "node", #{}),
    Optfile = rustls_dist_cluster:optfile(Cluster, "node", rustls_dist_certs:options(Cert)),
    [{cluster, Cluster}, {keeper, Keeper}, {optfile, Optfile} | Config].

end_per_suite(Config) ->
    ok = rustls_dist_cluster:stop(proplists:get_value(cluster, Config)),
    rustls_dist_cluster:release(proplists:get_value(keeper, Config)).

%% The same calls on nodes of both carriers give the same answers.
as_with_inet_tcp(Config) ->
    Answers = [answers(Config, Proto) || Proto <- ["rustls", "inet_tcp"]],
    [_ = ct:log("~tp", [Each]) || Each <- Answers],
    ?assertEqual(lists:last(Answers), hd(Answers)).

answers(Config, Proto) ->
    [A, B] = start(Config, Proto, []),
    ok = rustls_dist_cluster:join(A, B),
    Link = calls(A, [{setopts, [name(B), [{priority, 3}, {nodelay, false}]]},
                     {getopts, [name(B), [priority, nodelay]]},
                     {setopts, [name(B), [{send_timeout, 1}, {send_timeout_close, true}]]},
                     {setopts, [name(B), [{active, false}, {priority, 1}]]},
                     {setopts, [name(B), [{deliver, port}]]},
                     {setopts, [name(B), [{packet, 2}]]},
                     {setopts, [name(B), [{nosuch, 1}]]},
                     {getopts, [name(B), [priority, packet_size]]},
                     {getopts, [name(B), [nosuch]]},
                     {setopts, ['nobody@127.0.0.1', [{nodelay, true}]]},
                     {getopts, ['nobody@127.0.0.1', [nodelay]]}]),
    New = calls(A, [{getopts, [new, [nodelay]]},
                    {setopts, [new, []]},
                    {setopts, [new, [{active, true}]]},
                    {setopts, [new, [{packet, 4}]]},
                    {setopts, [new, [{nosuch, 1}]]},
                    {setopts, [new, [{nodelay, false}, {priority, 5}, {keepalive, true}, {recbuf, 20000}]]}]),
    Parameters = [call(A, application, get_env, [kernel, Key])
                  || Key <- [inet_dist_connect_options, inet_dist_listen_options, dist_nodelay]],
    %% The link that is there keeps what it has; the next ones, whoever dials, have the new options.
    Options = [nodelay, priority, keepalive, recbuf],
    Old = call(A, net_kernel, getopts, [name(B), [priority, nodelay]]),
    Next = [begin
                ok = rustls_dist_cluster:part(A, B),
                ok = rustls_dist_cluster:join(From, To),
                call(A, net_kernel, getopts, [name(B), Options])
            end || {From, To} <- [{A, B}, {B, A}]],
    ok = call(A, net_kernel, setopts, [new, [{nodelay, true}]]),
    ok = rustls_dist_cluster:part(A, B),
    ok = rustls_dist_cluster:join(A, B),
    Again = call(A, net_kernel, getopts, [name(B), Options]),
    lists:foreach(fun rustls_dist_cluster:stop_node/1, [A, B]),
    #{link => Link, new => New, parameters => Parameters, old => Old, next => Next, again => Again}.

%% What each call answers, beside what was asked: names of nodes differ.
calls(Peer, Calls) ->
    [{Function, Options, call(Peer, net_kernel, Function, [Node, Options])} || {Function, [Node, Options]} <- Calls].

%% What only this carrier depends on, and what net_kernel crashes over.
refused(Config) ->
    [A, B] = start(Config, "rustls", []),
    ok = rustls_dist_cluster:join(A, B),
    [?assertEqual({error, {badopts, [Option]}}, call(A, net_kernel, setopts, [Target, [Option, {priority, 1}]]))
     || Target <- [name(B), new], Option <- [{mode, list}, {header, 2}]],
    [?assertEqual({error, {badopts, [Option]}}, call(A, net_kernel, setopts, [new, [Option]]))
     || Option <- [binary, {raw, 6, 1, <<1:32/native>>}]],
    ?assertEqual(ok, call(A, net_kernel, setopts, [name(B), [{raw, 6, 1, <<1:32/native>>}]])),
    ?assert(call(A, rustls_dist_workload, ping, [name(B)])),
    lists:foreach(fun rustls_dist_cluster:stop_node/1, [A, B]).

both_families(_Config) ->
    {ok, Listen} = gen_tcp:listen(0, [{ip, {127, 0, 0, 1}}]),
    [begin
         ?assertEqual(ok, Carrier:setopts(Listen, [{nodelay, Value}])),
         ?assertEqual({ok, [{nodelay, Value}]}, Carrier:getopts(Listen, [nodelay])),
         ?assertEqual({error, {badopts, [{active, true}]}}, Carrier:setopts(Listen, [{active, true}]))
     end || Carrier <- [rustls_dist, rustls6_dist], Value <- [true, false]],
    gen_tcp:close(Listen).

%% Nodes whose other sockets are made with OTP's new module join, tick, talk, and part with a goodbye.
inet_backend(Config) ->
    joins_and_parts(Config, ["-kernel", "inet_backend", "socket"]).

%% The same asked for with the socket options of distribution.
inet_backend_given(Config) ->
    Given = "[{nodelay,true},{inet_backend,socket},{keepalive,true}]",
    joins_and_parts(Config, ["-kernel", "inet_dist_listen_options", Given, "-kernel", "inet_dist_connect_options", Given]).

joins_and_parts(Config, Args) ->
    [A, B] = start(Config, "rustls", Args),
    [ok = call(Peer, rustls_dist_workload, watch_nodes, []) || Peer <- [A, B]],
    ok = rustls_dist_cluster:join(A, B),
    ?assertEqual(ok, call(A, rustls_dist_workload, stream, [name(B), 2, 10, 100000])),
    ?assertMatch({ok, [{nodelay, true}]}, call(A, net_kernel, getopts, [name(B), [nodelay]])),
    ok = rustls_dist_cluster:part(B, A),
    ?assertMatch([{nodeup, _, _}, {nodedown, _, #{nodedown_reason := connection_closed}}],
                 call(A, rustls_dist_workload, node_events, [])),
    ?assertEqual([[], []], [rustls_dist_cluster:all_logged(Peer) || Peer <- [A, B]]),
    lists:foreach(fun rustls_dist_cluster:stop_node/1, [A, B]).

%% --------------------------------------------------------------------------------------------------------------

start(Config, Proto, Args) ->
    Options = case Proto of
                  "rustls" -> #{optfile => proplists:get_value(optfile, Config)};
                  _ -> #{}
              end,
    [rustls_dist_cluster:start(proplists:get_value(cluster, Config), Options#{proto => Proto, args => ?NO_AUTO_CONNECT ++ Args})
     || _ <- [a, b]].

name(Peer) -> rustls_dist_cluster:name(Peer).
call(Peer, M, F, A) -> rustls_dist_cluster:call(Peer, M, F, A).
