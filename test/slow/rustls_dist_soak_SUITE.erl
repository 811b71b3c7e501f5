%% Issue 2, point 2, at length: 500 times both nodes connect at once, a thousand links that come and go, key updates
%% under gigabytes, and a receiver that stands still again and again.
-module(rustls_dist_soak_SUITE).

-include_lib("stdlib/include/assert.hrl").

-export([all/0, suite/0, init_per_suite/1, end_per_suite/1]).
-export([at_once_tls13/1, at_once_tls12/1, reconnecting_leaves_nothing/1, reconnecting_judged_leaves_nothing/1,
         ended_under_load/1, key_updates_under_load/1, stop_and_go/1]).

-define(AT_ONCE, 500).
%% Only the cases make links: on OTP 27 kernel's rpc would, with an answer that comes when the link is gone.
-define(NO_AUTO_CONNECT, ["-kernel", "dist_auto_connect", "never"]).
-define(CYCLES, 1000).
-define(KEY_UPDATE_AT, 250000).
-define(STOPS, 20).
-define(ENDS, 200).
-define(GROWTH_BYTES, 8 bsl 20).
-define(LOAD_TIMEOUT_MS, 300000).

suite() ->
    [{timetrap, {minutes, 15}}].

all() ->
    [at_once_tls13, at_once_tls12, reconnecting_leaves_nothing, reconnecting_judged_leaves_nothing, ended_under_load,
     key_updates_under_load, stop_and_go].

init_per_suite(Config) ->
    {Keeper, Cluster} = rustls_dist_cluster:keep(fun rustls_dist_cluster:new/0),
    Dir = rustls_dist_cluster:dir(Cluster),
    Cert = rustls_dist_certs:cert(Dir, rustls_dist_certs:ca(Dir, "ca"), "node", #{}),
    [{cluster, Cluster}, {keeper, Keeper}, {cert, Cert} | Config].

end_per_suite(Config) ->
    ok = rustls_dist_cluster:stop(proplists:get_value(cluster, Config)),
    rustls_dist_cluster:release(proplists:get_value(keeper, Config)).

at_once_tls13(Config) -> at_once(start(Config, #{versions => ['tlsv1.3']}, ?NO_AUTO_CONNECT)).
at_once_tls12(Config) -> at_once(start(Config, #{versions => ['tlsv1.2']}, ?NO_AUTO_CONNECT)).

%% The link always comes up. On OTP 27 one of the two callers was told otherwise in one of some thousand rounds, on a machine
%% that was busy; why is not known, so the nodes' logs are shown when it happens, and twice is a failure.
at_once({A, B}) ->
    Answers = [at_once(A, B, Round) || Round <- lists:seq(1, ?AT_ONCE)],
    Told = [{Round, Answer} || {Round, Answer} <- lists:enumerate(Answers), Answer =/= {true, true}],
    _ = [ct:pal("told otherwise: ~p~n~ts~n~ts", [Told | [rustls_dist_cluster:log(Node) || Node <- [A, B]]]) || Told =/= []],
    ?assert(length(Told) =< 1, Told).

at_once(A, B, Round) ->
    Answer = rustls_dist_cluster:connect_at_once(A, B),
    ?assert(call(A, rustls_dist_workload, ping, [name(B)]), Round),
    ok = rustls_dist_cluster:part(A, B),
    Answer.

%% The first hundred links fill caches and allocators; the rest must not add to what the node holds.
reconnecting_leaves_nothing(Config) ->
    leaves_nothing(start(Config, #{})).

%% The same where Erlang judges in the middle of each handshake.
reconnecting_judged_leaves_nothing(Config) ->
    leaves_nothing(start(Config, #{verify_fun => {rustls_dist_verdicts, as_otp, none}})).

leaves_nothing({A, B}) ->
    ok = cycles(A, B, 100),
    Before = held(A),
    ok = cycles(A, B, ?CYCLES - 100),
    After = held(A),
    ?assertEqual(maps:remove(memory, Before), maps:remove(memory, After)),
    Growth = maps:get(memory, After) - maps:get(memory, Before),
    ?assertEqual({grown_by, Growth, true}, {grown_by, Growth, Growth < ?GROWTH_BYTES}).

cycles(A, B, Count) ->
    lists:foreach(fun(N) ->
                          {From, To} = case N rem 2 of 0 -> {A, B}; 1 -> {B, A} end,
                          ok = rustls_dist_cluster:join(From, To),
                          ?assertEqual(ok, call(A, rustls_dist_workload, stream, [name(B), 1, 10, 10000])),
                          ok = rustls_dist_cluster:part(To, From)
                  end, lists:seq(1, Count)).

held(Peer) ->
    rustls_dist_cluster:poll(fun() ->
                                     case call(Peer, rustls_dist_workload, census, []) of
                                         #{resources := #{senders := 0, receivers := 0, handshakes := 0}} = Census ->
                                             Census#{memory => call(Peer, erlang, memory, [total])};
                                         _ ->
                                             false
                                     end
                             end).

%% A link that is ended in the middle of traffic is a closed link for the peer, never a broken one. Nodes do not connect
%% by themselves, or the traffic would make new links.
ended_under_load(Config) ->
    {A, B} = start(Config, #{}, ?NO_AUTO_CONNECT),
    ok = call(B, rustls_dist_workload, watch_nodes, []),
    lists:foreach(fun(_) ->
                          ok = rustls_dist_cluster:join(A, B),
                          ok = call(A, rustls_dist_workload, start_traffic, [name(B)]),
                          ok = call(B, rustls_dist_workload, start_traffic, [name(A)]),
                          ok = rustls_dist_cluster:part(A, B)
                  end, lists:seq(1, ?ENDS)),
    Reasons = [Reason || {nodedown, _, #{nodedown_reason := Reason}} <- call(B, rustls_dist_workload, node_events, [])],
    ?assertEqual([{connection_closed, ?ENDS}],
                 [{Reason, length([Same || Same <- Reasons, Same =:= Reason])} || Reason <- lists:usort(Reasons)]),
    ?assertEqual(nomatch, string:find(rustls_dist_cluster:log(B), "broke")).

%% A quarter of a gigabyte in each direction at the same time.
key_updates_under_load(Config) ->
    {A, B} = start(Config, #{versions => ['tlsv1.3'], key_update_at => ?KEY_UPDATE_AT}),
    ok = rustls_dist_cluster:join(A, B),
    Keys = [rpc:async_call(node(), rustls_dist_cluster, call,
                           [From, rustls_dist_workload, stream, [name(To), 4, 1024, 65536], ?LOAD_TIMEOUT_MS])
            || {From, To} <- [{A, B}, {B, A}]],
    ?assertEqual([ok, ok], [rpc:yield(Key) || Key <- Keys]),
    {ok, #{key_updates := #{sent := Sent, received := Received}}} = call(A, rustls_dist, info, [name(B)]),
    ?assert(Sent > 900),
    ?assert(Received > 900).

%% The receiver stops in the middle of traffic and goes on, again and again: every message arrives, in order.
stop_and_go(Config) ->
    {A, B} = start(Config, #{}),
    ok = rustls_dist_cluster:join(A, B),
    ok = call(A, rustls_dist_workload, flood_start, [name(B), 4, 65536]),
    lists:foreach(fun(_) ->
                          Before = sent(A),
                          rustls_dist_cluster:poll(fun() -> sent(A) > Before + 200 end),
                          "" = os:cmd("kill -STOP " ++ rustls_dist_cluster:os_pid(B)),
                          try
                              rustls_dist_cluster:poll(fun() ->
                                                               Status = call(A, rustls_dist_workload, flood_status, []),
                                                               maps:get(suspended, Status) =:= 4
                                                       end)
                          after
                              os:cmd("kill -CONT " ++ rustls_dist_cluster:os_pid(B))
                          end
                  end, lists:seq(1, ?STOPS)),
    Verdicts = rustls_dist_cluster:call(A, rustls_dist_workload, flood_finish, [], 60000),
    ?assertMatch([{received, _}, {received, _}, {received, _}, {received, _}], Verdicts).

sent(Peer) ->
    maps:get(sent, call(Peer, rustls_dist_workload, flood_status, [])).

start(Config, Extra) ->
    start(Config, Extra, []).

start(Config, Extra, Args) ->
    Cluster = proplists:get_value(cluster, Config),
    Optfile = rustls_dist_cluster:optfile(Cluster, "options",
                                          rustls_dist_certs:options(proplists:get_value(cert, Config), Extra)),
    Options = #{optfile => Optfile, args => Args},
    {rustls_dist_cluster:start(Cluster, Options), rustls_dist_cluster:start(Cluster, Options)}.

name(Peer) -> rustls_dist_cluster:name(Peer).
call(Peer, M, F, A) -> rustls_dist_cluster:call(Peer, M, F, A).
