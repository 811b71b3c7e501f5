%% Senders that share a link with a bulk transfer: they get on however fast it fills the VM's queue, nothing changes the order,
%% and a transfer that has the link to itself is left alone.
-module(rustls_dist_take_SUITE).

-include_lib("stdlib/include/assert.hrl").

-export([all/0, init_per_suite/1, end_per_suite/1]).
-export([alone/1, beside_bulk/1, order_beside_bulk/1, one_scheduler/1]).

%% run on the nodes
-export([start_bulk/2, stop_bulk/0, bulk_sent/0, count_openings/0, openings/0, round_trips/2, answered_within/3, sink/0]).

-define(BULK_BYTES, 65536).
-define(BULK_MESSAGES, 3000).
-define(ROUND_TRIPS, 150).

%% Bulk transfers on nodes with one scheduler, round trips beside each, and how long those may take.
-define(TRANSFERS, 5).
-define(ROUND_TRIPS_ALONE, 10).
-define(ALONE_MS, 10000).

%% How many bulk senders there are, and how often in a row a sender beside them may be suspended before its message is in. On
%% a busy machine who is fast may be late itself: 68 were seen beside one. Locked out is who is suspended until the bulk ends.
-define(SUSPENDED_IN_A_ROW, [{1, 1000}, {4, 1000}]).

%% Schedulers that sleep as soon as they have nothing to do: more of them than processors, so that who is resumed is late.
-define(SLEEPY, ["+S", "4:4", "+sbwt", "none"]).

all() ->
    [alone, beside_bulk, order_beside_bulk, one_scheduler].

init_per_suite(Config) ->
    {Keeper, Cluster} = rustls_dist_cluster:keep(fun rustls_dist_cluster:new/0),
    Dir = rustls_dist_cluster:dir(Cluster),
    Cert = rustls_dist_certs:cert(Dir, rustls_dist_certs:ca(Dir, "ca"), "node", #{}),
    Optfile = rustls_dist_cluster:optfile(Cluster, "node", rustls_dist_certs:options(Cert)),
    {Nodes, {A, B}} = rustls_dist_cluster:keep(fun() -> start_two(Cluster, Optfile, ?SLEEPY) end),
    [{cluster, Cluster}, {keeper, Keeper}, {nodes, Nodes}, {optfile, Optfile}, {a, A}, {b, B} | Config].

end_per_suite(Config) ->
    rustls_dist_cluster:release(proplists:get_value(nodes, Config)),
    ok = rustls_dist_cluster:stop(proplists:get_value(cluster, Config)),
    rustls_dist_cluster:release(proplists:get_value(keeper, Config)).

start_two(Cluster, Optfile, Flags) ->
    Options = #{optfile => Optfile,
                args => Flags ++ ["-connect_all", "false", "-pa", filename:dirname(code:which(?MODULE))]},
    [A, B] = [rustls_dist_cluster:start(Cluster, Options) || _ <- [a, b]],
    ok = rustls_dist_cluster:join(A, B),
    _ = call(B, rustls_dist_workload, start_echo, []),
    ok = call(A, ?MODULE, count_openings, []),
    {A, B}.

%% One sender is resumed alone, thousands of times over: hardly ever is it taken for several.
alone(Config) ->
    {A, B} = pair(Config),
    Before = call(A, ?MODULE, openings, []),
    ok = call(A, ?MODULE, start_bulk, [name(B), 1]),
    await_bulk(A, ?BULK_MESSAGES),
    ok = call(A, ?MODULE, stop_bulk, []),
    Openings = call(A, ?MODULE, openings, []) - Before,
    ct:log("~w times in ~w messages and more", [Openings, ?BULK_MESSAGES]),
    ?assert(Openings < ?BULK_MESSAGES div 16).

%% With one bulk sender, and with several.
beside_bulk(Config) ->
    {A, B} = pair(Config),
    lists:foreach(
      fun({Senders, Most}) ->
              Before = call(A, ?MODULE, openings, []),
              ok = call(A, ?MODULE, start_bulk, [name(B), Senders]),
              Suspended = call(A, ?MODULE, round_trips, [name(B), ?ROUND_TRIPS], 60000),
              await_bulk(A, ?BULK_MESSAGES),
              ok = call(A, ?MODULE, stop_bulk, []),
              ct:log("~w bulk senders, suspended before an answer: ~w", [Senders, Suspended]),
              ?assert(call(A, ?MODULE, openings, []) > Before),
              ?assertEqual(?ROUND_TRIPS, length(Suspended)),
              ?assertEqual([], [Times || Times <- Suspended, Times > Most])
      end, ?SUSPENDED_IN_A_ROW).

%% What is held in hand goes out before what comes later.
order_beside_bulk(Config) ->
    {A, B} = pair(Config),
    Before = call(A, ?MODULE, openings, []),
    Sent = [{8, 300, ?BULK_BYTES}, {8, 2000, 10}, {2, 100, 1 bsl 20}],
    Calls = [rpc:async_call(node(), rustls_dist_cluster, call,
                            [A, rustls_dist_workload, stream, [name(B), Streams, Count, Bytes], 60000])
             || {Streams, Count, Bytes} <- Sent],
    ?assertEqual([ok, ok, ok], [rpc:yield(Key) || Key <- Calls]),
    ?assert(call(A, ?MODULE, openings, []) > Before).

%% All on one run queue, where who sends bulk is ahead of another sender each time: that one's message never got in before the
%% bulk was over. On a busy machine it may still be unlucky now and then.
one_scheduler(Config) ->
    {A, B} = start_two(proplists:get_value(cluster, Config), proplists:get_value(optfile, Config), ["+S", "1:1"]),
    Served = [is_served(A, B) || _ <- lists:seq(1, ?TRANSFERS)],
    ct:log("answered beside bulk: ~w", [Served]),
    ?assert(2 * length([yes || true <- Served]) > ?TRANSFERS),
    lists:foreach(fun rustls_dist_cluster:stop_node/1, [A, B]).

is_served(A, B) ->
    ok = call(A, ?MODULE, start_bulk, [name(B), 1]),
    Served = call(A, ?MODULE, answered_within, [name(B), ?ROUND_TRIPS_ALONE, ?ALONE_MS], 2 * ?ALONE_MS),
    ok = call(A, ?MODULE, stop_bulk, []),
    Served.

%% on the nodes -------------------------------------------------------------------------------------------------

%% Counts calls of the function that waits until the queue is open.
count_openings() ->
    _ = code:ensure_loaded(rustls_dist_take),
    1 = erlang:trace_pattern({rustls_dist_take, made_room, 1}, true, [local, call_count]),
    ok.

openings() ->
    {call_count, Count} = erlang:trace_info({rustls_dist_take, made_room, 1}, call_count),
    Count.

start_bulk(Node, Senders) ->
    Payload = crypto:strong_rand_bytes(?BULK_BYTES),
    Sent = counters:new(1, []),
    ok = persistent_term:put(?MODULE, Sent),
    Caller = self(),
    Overseer = spawn(fun() ->
                             true = register(bulk, self()),
                             Pids = [spawn_link(fun() -> bulk(spawn_link(Node, ?MODULE, sink, []), Payload, Sent) end)
                                     || _ <- lists:seq(1, Senders)],
                             Caller ! {self(), ready},
                             receive {stop, From} -> [bulk_end(Pid) || Pid <- Pids], From ! {self(), stopped} end
                     end),
    receive {Overseer, ready} -> ok end.

stop_bulk() ->
    Overseer = whereis(bulk),
    Overseer ! {stop, self()},
    receive {Overseer, stopped} -> ok end.

bulk_end(Pid) ->
    Ref = erlang:monitor(process, Pid),
    Pid ! stop,
    receive {'DOWN', Ref, process, Pid, normal} -> ok end.

bulk_sent() ->
    counters:get(persistent_term:get(?MODULE), 1).

bulk(Sink, Payload, Sent) ->
    receive
        stop ->
            Sink ! {last, self()},
            receive seen -> ok end
    after 0 ->
        Sink ! Payload,
        ok = counters:add(Sent, 1, 1),
        bulk(Sink, Payload, Sent)
    end.

sink() ->
    receive
        {last, Sender} -> Sender ! seen;
        _Payload -> sink()
    end.

%% Whether so many round trips of a short message come to an end in time.
answered_within(Node, Count, Ms) ->
    {Sender, Ref} = spawn_monitor(fun() -> [ok = rustls_dist_workload:round_trip(Node, 10) || _ <- lists:seq(1, Count)] end),
    receive
        {'DOWN', Ref, process, Sender, normal} -> true
    after Ms ->
        erlang:demonitor(Ref, [flush]),
        exit(Sender, kill),
        false
    end.

%% For each round trip of a short message: how often its sender was suspended meanwhile.
round_trips(Node, Count) ->
    Caller = self(),
    {Sender, Ref} = spawn_monitor(fun() -> receive watched -> round_trips(Node, Count, Caller) end end),
    _ = erlang:system_monitor(self(), [busy_dist_port]),
    Sender ! watched,
    Suspended = suspended(Sender, Ref, 0, []),
    _ = erlang:system_monitor(undefined),
    Suspended.

round_trips(_Node, 0, _Caller) ->
    ok;
round_trips(Node, Count, Caller) ->
    ok = rustls_dist_workload:round_trip(Node, 10),
    Caller ! {answered, self()},
    round_trips(Node, Count - 1, Caller).

suspended(Sender, Ref, Count, Suspended) ->
    receive
        {monitor, Sender, busy_dist_port, _Link} -> suspended(Sender, Ref, Count + 1, Suspended);
        {monitor, _Other, busy_dist_port, _Link} -> suspended(Sender, Ref, Count, Suspended);
        {answered, Sender} -> suspended(Sender, Ref, 0, [Count | Suspended]);
        {'DOWN', Ref, process, Sender, normal} -> Suspended
    end.

%% --------------------------------------------------------------------------------------------------------------

await_bulk(Peer, Messages) ->
    rustls_dist_cluster:poll(fun() -> call(Peer, ?MODULE, bulk_sent, []) >= Messages end, 60000).

pair(Config) ->
    {proplists:get_value(a, Config), proplists:get_value(b, Config)}.

name(Peer) -> rustls_dist_cluster:name(Peer).

call(Peer, Module, Function, Arguments) -> rustls_dist_cluster:call(Peer, Module, Function, Arguments).

call(Peer, Module, Function, Arguments, TimeoutMs) ->
    rustls_dist_cluster:call(Peer, Module, Function, Arguments, TimeoutMs).
