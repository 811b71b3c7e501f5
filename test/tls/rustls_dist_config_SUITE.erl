%% The configuration as a value that all share: it is not copied to those who use it, it outlives the process that made it,
%% and it goes when distribution is stopped.
-module(rustls_dist_config_SUITE).

-export([all/0, init_per_suite/1, end_per_suite/1]).
-export([shared/1, judged_with_what_is_shared/1, restarted_without_files/1, stray_messages/1, gone_when_stopped/1]).

%% run on a node
-export([memory_of_user/0, memory_in/1, terms/0, configs/0, insult/0]).

-include_lib("stdlib/include/assert.hrl").

-define(AUTHORITIES, 144).

%% A process that uses the configuration, and one that judges a chain: decoded, the authorities are 600 kB and more.
-define(USER_BYTES, 10000).
-define(JUDGE_BYTES, 200000).

-define(KILLS, 5).
-define(ARGUMENTS, ["-kernel", "dist_auto_connect", "never", "-connect_all", "false"]).

all() ->
    [shared, judged_with_what_is_shared, restarted_without_files, stray_messages, gone_when_stopped].

init_per_suite(Config) ->
    {Keeper, World} = rustls_dist_cluster:keep(fun start/0),
    [{keeper, Keeper}, {world, World} | Config].

%% `heavy' has many authorities, and a function that has not done with the peer when the test looks.
start() ->
    Cluster = rustls_dist_cluster:new(),
    Dir = rustls_dist_cluster:dir(Cluster),
    #{cert := Root} = Ca = rustls_dist_certs:ca(Dir, "ca"),
    #{cert := Other} = rustls_dist_certs:ca(Dir, "other", #{key => {rsa, 2048}}),
    Authorities = rustls_dist_certs:concat(filename:join(Dir, "authorities.pem"),
                                           [Root | lists:duplicate(?AUTHORITIES, Other)]),
    Cert = rustls_dist_certs:cert(Dir, Ca, "node", #{}),
    #{cert := File} = Fragile = rustls_dist_certs:cert(Dir, Ca, "fragile", #{}),
    [{server, Server}, Client] = rustls_dist_certs:options(Cert#{ca => Authorities}),
    Hanging = {verify_fun, {rustls_dist_verdicts, by_peer_answer, {hang, "node"}}},
    Start = fun(Options) -> rustls_dist_pair:start(Cluster, optfile, Options, #{args => ?ARGUMENTS}) end,
    #{cluster => Cluster, cert => Cert, file => File,
      heavy => Start([{server, [Hanging | Server]}, Client]),
      peer => Start(rustls_dist_certs:options(Cert)),
      fragile => Start(rustls_dist_certs:options(Fragile))}.

end_per_suite(Config) ->
    rustls_dist_cluster:stop(get(cluster, Config)),
    rustls_dist_cluster:release(proplists:get_value(keeper, Config)).

shared(Config) ->
    Bytes = call(get(heavy, Config), ?MODULE, memory_of_user, []),
    ?assertEqual({Bytes, true}, {Bytes, Bytes < ?USER_BYTES}).

memory_of_user() ->
    Self = self(),
    {Pid, Ref} = spawn_monitor(fun() ->
                                       {ok, Server} = rustls_dist_config:fetch(server),
                                       Self ! fetched,
                                       receive done -> exit({used, map_size(Server)}) end
                               end),
    receive fetched -> ok end,
    {memory, Bytes} = process_info(Pid, memory),
    Pid ! done,
    receive {'DOWN', Ref, process, Pid, {used, _}} -> Bytes end.

%% The process that judges a peer's chain gets no copy either.
judged_with_what_is_shared(Config) ->
    #{pid := Control} = get(peer, Config),
    Heavy = get(heavy, Config),
    Key = rpc:async_call(node(), peer, call, [Control, net_kernel, connect_node, [rustls_dist_cluster:name(Heavy)], 15000]),
    [Bytes] = rustls_dist_cluster:poll(fun() ->
                                               Found = call(Heavy, ?MODULE, memory_in, [hang]),
                                               Found =/= [] andalso Found
                                       end),
    ?assertEqual({Bytes, true}, {Bytes, Bytes < ?JUDGE_BYTES}),
    ?assertNot(rpc:yield(Key)).

%% The memory of the processes that are in a function of rustls_dist_verdicts.
memory_in(Function) ->
    [Bytes || Pid <- processes(),
              [{current_function, {rustls_dist_verdicts, Name, 3}}, {memory, Bytes}]
                  <- [process_info(Pid, [current_function, memory])], Name =:= Function].

%% What was read is kept, whether the files are there or not.
restarted_without_files(Config) ->
    [Node, Peer] = [get(Name, Config) || Name <- [fragile, peer]],
    File = get(file, Config),
    ok = file:rename(File, File ++ ".away"),
    lists:foreach(fun(_) ->
                          Before = server(Node),
                          true = call(Node, erlang, exit, [Before, kill]),
                          rustls_dist_cluster:poll(fun() -> not lists:member(server(Node), [Before, undefined]) end),
                          [begin
                               ok = rustls_dist_cluster:join(From, To),
                               ok = rustls_dist_cluster:part(From, To)
                           end || {From, To} <- [{Node, Peer}, {Peer, Node}]]
                  end, lists:seq(1, ?KILLS)),
    ?assertEqual(2, call(Node, ?MODULE, configs, [])),
    ok = file:rename(File ++ ".away", File).

server(Node) ->
    call(Node, erlang, whereis, [rustls_dist_config]).

stray_messages(Config) ->
    Node = get(peer, Config),
    Before = server(Node),
    ok = call(Node, ?MODULE, insult, []),
    ?assertEqual(Before, server(Node)),
    ?assertMatch({ok, _}, call(Node, rustls_dist_config, fetch, [client])).

insult() ->
    Messages = [hello, {'EXIT', self(), reason}, {make_ref(), answer}, {'DOWN', make_ref(), process, self(), reason}],
    _ = [rustls_dist_config ! Message || Message <- Messages],
    ok = gen_server:cast(rustls_dist_config, hello),
    _ = gen_server:send_request(rustls_dist_config, {fetch, nobody}),
    _ = sys:get_state(rustls_dist_config),
    ok.

%% The private keys too.
gone_when_stopped(Config) ->
    Cluster = get(cluster, Config),
    Optfile = rustls_dist_cluster:optfile(Cluster, "stopped", rustls_dist_certs:options(get(cert, Config))),
    Node = rustls_dist_cluster:start_undistributed(Cluster, #{optfile => Optfile}),
    [begin
         {ok, _} = call(Node, net_kernel, start, [['stopped@127.0.0.1', longnames]]),
         ?assertEqual(1, call(Node, rustls_dist_generation, number, [])),
         ok = call(Node, net_kernel, stop, []),
         rustls_dist_cluster:poll(fun() -> call(Node, ?MODULE, terms, []) =:= [] end),
         rustls_dist_cluster:poll(fun() -> call(Node, ?MODULE, configs, []) =:= 0 end)
     end || _ <- [first, second]],
    rustls_dist_cluster:stop_node(Node).

terms() ->
    [Key || {{rustls_dist_generation, _Run, _Role, _Number} = Key, _} <- persistent_term:get()].

configs() ->
    _ = [garbage_collect(Pid) || Pid <- processes()],
    maps:get(configs, rustls_dist_nif:resources()).

get(Name, Config) -> maps:get(Name, proplists:get_value(world, Config)).

call(Node, M, F, A) -> rustls_dist_cluster:call(Node, M, F, A).
