%% What runs beside the links may fail, and again, and neither the node nor a link ends with it; and no process of the carrier
%% minds a message that it does not know.
-module(rustls_dist_services_SUITE).

-include_lib("stdlib/include/assert.hrl").

-export([all/0, init_per_suite/1, end_per_suite/1, init_per_testcase/2]).
-export([stray_messages/1, services_killed/1, supervisors_killed/1, ended_meanwhile/1, services_in_order/1,
         nothing_told_of_a_server/1]).

%% run on the nodes
-export([kill_in_a_row/2, by_initial_call/1, stray/1]).

-define(KILLS, 50).
-define(SERVICES, [rustls_dist_attempts, rustls_dist_log_limit, rustls_dist_events, rustls_dist_links, rustls_dist_crl_store,
                   rustls_dist_config, rustls_dist_reload, rustls_dist_own_certificate]).
-define(NO_AUTO_CONNECT, ["-kernel", "dist_auto_connect", "never", "-connect_all", "false"]).

all() ->
    [stray_messages, services_killed, supervisors_killed, ended_meanwhile, services_in_order, nothing_told_of_a_server].

init_per_suite(Config) ->
    {Keeper, {Cluster, A, B}} = rustls_dist_cluster:keep(fun start/0),
    [{cluster, Cluster}, {keeper, Keeper}, {a, A}, {b, B} | Config].

start() ->
    Cluster = rustls_dist_cluster:new(),
    Dir = rustls_dist_cluster:dir(Cluster),
    Cert = rustls_dist_certs:cert(Dir, rustls_dist_certs:ca(Dir, "ca"), "node", #{}),
    Options = #{optfile => rustls_dist_cluster:optfile(Cluster, "node", rustls_dist_certs:options(Cert)),
                args => ?NO_AUTO_CONNECT},
    {Cluster, rustls_dist_cluster:start(Cluster, Options), rustls_dist_cluster:start(Cluster, Options)}.

end_per_suite(Config) ->
    ok = rustls_dist_cluster:stop(proplists:get_value(cluster, Config)),
    rustls_dist_cluster:release(proplists:get_value(keeper, Config)).

init_per_testcase(_Case, Config) ->
    {A, B} = pair(Config),
    rustls_dist_cluster:poll(fun() -> rustls_dist_cluster:connected(A, B) =:= rustls_dist_cluster:connected(B, A) end),
    _ = [rustls_dist_cluster:part(A, B) || rustls_dist_cluster:connected(A, B)],
    ok = rustls_dist_cluster:join(A, B),
    Config.

%% Every process drops what it does not know: it is still the same one, its queue is empty, and nobody logged a word.
stray_messages(Config) ->
    {A, B} = pair(Config),
    #{controller := Controller, input := Input} = call(A, rustls_dist_workload, link_processes, [name(B)]),
    Acceptor = call(A, ?MODULE, by_initial_call, [{rustls_dist_acceptor, init, 3}]),
    Pids = [Controller, Input, Acceptor | [pid(A, Name) || Name <- [rustls_dist_keeper | ?SERVICES]]],
    _ = [call(A, ?MODULE, stray, [Pid]) || Pid <- Pids, _ <- lists:seq(1, 20)],
    Drained = fun(Pid) -> {message_queue_len, 0} =:= call(A, erlang, process_info, [Pid, message_queue_len]) end,
    _ = [rustls_dist_cluster:poll(fun() -> Drained(Pid) end) || Pid <- Pids -- [Acceptor]],
    ?assertEqual([], rustls_dist_cluster:all_logged(A)),
    %% The accept loop sees to its queue when somebody connects, and every minute.
    {ok, Socket} = gen_tcp:connect({127, 0, 0, 1}, rustls_dist_cluster:listening_port(A), []),
    rustls_dist_cluster:poll(fun() -> Drained(Acceptor) end),
    ok = gen_tcp:close(Socket),
    ?assertEqual(Pids, [Controller, Input, Acceptor | [pid(A, Name) || Name <- [rustls_dist_keeper | ?SERVICES]]]),
    ?assert(call(A, rustls_dist_workload, ping, [name(B)])).

services_killed(Config) ->
    survives(Config, ?SERVICES).

supervisors_killed(Config) ->
    survives(Config, [rustls_dist_services, rustls_dist_keeper]).

survives(Config, Names) ->
    {A, B} = pair(Config),
    Link = {Processes, Info} = known_link(A, B),
    _ = [?assertEqual(?KILLS, call(A, ?MODULE, kill_in_a_row, [Name, ?KILLS], 60000)) || Name <- Names],
    _ = [rustls_dist_cluster:poll(fun() -> is_pid(pid(A, Name)) end) || Name <- ?SERVICES],
    ?assertEqual({Processes, Info}, known_link(A, B)),
    %% A second link, and the first one once more, come up with what was started last.
    ok = rustls_dist_cluster:part(A, B),
    rustls_dist_cluster:poll(fun() -> #{} =:= call(A, rustls_dist, info, []) end),
    ok = rustls_dist_cluster:join(B, A),
    ?assertNotEqual(Link, known_link(A, B)),
    ?assert(call(A, rustls_dist_workload, ping, [name(B)])).

%% The link's processes, and what is known of it, but for what grows.
known_link(A, B) ->
    NameB = name(B),
    {ok, Info} = call(A, rustls_dist, info, [NameB]),
    #{NameB := Same} = Known = call(A, rustls_dist, info, []),
    ?assertEqual([NameB], maps:keys(Known)),
    ?assertEqual(maps:remove(traffic, Info), maps:remove(traffic, Same)),
    {call(A, rustls_dist_workload, link_processes, [NameB]), maps:remove(traffic, Info)}.

%% A link that ends while nobody looks after the table is forgotten all the same, and one that begins is known.
ended_meanwhile(Config) ->
    {A, B} = pair(Config),
    ok = call(A, supervisor, terminate_child, [rustls_dist_services, rustls_dist_links]),
    {_, #{role := client}} = known_link(A, B),
    ok = rustls_dist_cluster:part(A, B),
    ok = rustls_dist_cluster:join(B, A),
    {_, #{role := server}} = known_link(A, B),
    ?assertEqual(2, call(A, ets, info, [rustls_dist_links, size])),
    {ok, _} = call(A, supervisor, restart_child, [rustls_dist_services, rustls_dist_links]),
    rustls_dist_cluster:poll(fun() -> call(A, ets, info, [rustls_dist_links, size]) =:= 1 end),
    {_, #{role := server}} = known_link(A, B),
    ok = rustls_dist_cluster:part(A, B),
    rustls_dist_cluster:poll(fun() -> call(A, ets, info, [rustls_dist_links, size]) =:= 0 end).

%% They end with distribution, and come with it.
services_in_order(Config) ->
    {A, _B} = pair(Config),
    Names = [rustls_dist_sup, rustls_dist_keeper, rustls_dist_services | ?SERVICES],
    ?assertEqual([], [Name || Name <- Names, not is_pid(pid(A, Name))]),
    ?assertEqual(lists:sort(?SERVICES),
                 lists:sort([Id || {Id, Pid, worker, _} <- call(A, supervisor, which_children, [rustls_dist_services]),
                                   is_pid(Pid)])).

%% What sys and a crash report show of a server is no state and no message.
nothing_told_of_a_server(Config) ->
    {A, _B} = pair(Config),
    Shown = [{Name, lists:flatten(io_lib:format("~0p", [call(A, sys, get_status, [Name])]))} || Name <- ?SERVICES],
    ?assertEqual([], [Name || {Name, Text} <- Shown, nomatch =:= string:find(Text, "left_out")]),
    ?assertEqual([], [Name || {Name, Text} <- Shown, nomatch =/= string:find(Text, "config =>")]).

%% on the nodes -------------------------------------------------------------------------------------------------

%% Kills the process of that name, waits for its successor, kills that, and so on. Gives how many it killed.
kill_in_a_row(_Name, 0) ->
    0;
kill_in_a_row(Name, Count) ->
    Pid = rustls_dist_cluster:poll(fun() ->
                                           case whereis(Name) of
                                               undefined -> false;
                                               Found -> Found
                                           end
                                   end),
    Ref = erlang:monitor(process, Pid),
    true = exit(Pid, kill),
    receive {'DOWN', Ref, process, Pid, _} -> ok end,
    1 + kill_in_a_row(Name, Count - 1).

by_initial_call(Call) ->
    [Pid] = [Pid || Pid <- processes(), {initial_call, Call} =:= process_info(Pid, initial_call)],
    Pid.

stray(Pid) ->
    Ref = make_ref(),
    _ = [Pid ! Message || Message <- [hello, {hello, self()}, <<"hello">>, {period_over, hello}, {Ref, hello},
                                      {'DOWN', Ref, process, self(), hello}, {tcp, self(), <<"hello">>},
                                      {tcp_closed, self()}, {hello, Ref, hello, hello}, {self(), get_status},
                                      {'$gen_call', {self(), Ref}, hello}, {'$gen_call', {self(), Ref}, {fetch, hello}},
                                      {'$gen_cast', hello}]],
    ok.

%% --------------------------------------------------------------------------------------------------------------

pair(Config) ->
    {proplists:get_value(a, Config), proplists:get_value(b, Config)}.

pid(Peer, Name) -> call(Peer, erlang, whereis, [Name]).
name(Peer) -> rustls_dist_cluster:name(Peer).
call(Peer, M, F, A) -> rustls_dist_cluster:call(Peer, M, F, A).
call(Peer, M, F, A, TimeoutMs) -> rustls_dist_cluster:call(Peer, M, F, A, TimeoutMs).
