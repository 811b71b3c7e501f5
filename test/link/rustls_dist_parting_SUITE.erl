%% Links that end while their processes are in the middle of something: nothing is logged but what somebody ought to know,
%% nothing that users sent is ever shown, and no memory stays behind.
-module(rustls_dist_parting_SUITE).

-include_lib("stdlib/include/assert.hrl").

-export([all/0, init_per_suite/1, end_per_suite/1, init_per_testcase/2, end_per_testcase/2]).
-export([parted_behind/1, reconnected_behind/1, ping_and_part/1, large_messages_and_part/1, processes_killed/1,
         crash_without_terms/1]).

%% run on the nodes
-export([ping_and_disconnect/2, large_and_disconnect/3, exit_with/2, flood/2]).

-define(NO_AUTO_CONNECT, ["-kernel", "dist_auto_connect", "never", "-connect_all", "false"]).
-define(MARK, "Mark-of-a-secret").
-define(PARTINGS, 100).
-define(LARGE_BYTES, 8 bsl 20).
-define(LARGE_PARTINGS, 5).

%% What allocators and the code server may keep.
-define(GROWTH_BYTES, 16 bsl 20).

all() ->
    [parted_behind, reconnected_behind, ping_and_part, large_messages_and_part, processes_killed, crash_without_terms].

init_per_suite(Config) ->
    {Keeper, Cluster} = rustls_dist_cluster:keep(fun rustls_dist_cluster:new/0),
    Dir = rustls_dist_cluster:dir(Cluster),
    Cert = rustls_dist_certs:cert(Dir, rustls_dist_certs:ca(Dir, "ca"), "node", #{}),
    Optfile = rustls_dist_cluster:optfile(Cluster, "node", rustls_dist_certs:options(Cert)),
    [{cluster, Cluster}, {keeper, Keeper}, {optfile, Optfile} | Config].

end_per_suite(Config) ->
    ok = rustls_dist_cluster:stop(proplists:get_value(cluster, Config)),
    rustls_dist_cluster:release(proplists:get_value(keeper, Config)).

init_per_testcase(crash_without_terms, Config) ->
    Config;
init_per_testcase(Case, Config) ->
    Args = case Case of
               ping_and_part -> [];
               _ -> ?NO_AUTO_CONNECT
           end,
    Options = #{optfile => proplists:get_value(optfile, Config), args => Args},
    Start = fun() -> rustls_dist_cluster:start(proplists:get_value(cluster, Config), Options) end,
    {Keeper, {A, B}} = rustls_dist_cluster:keep(fun() -> {Start(), Start()} end),
    [{nodes, Keeper}, {a, A}, {b, B} | Config].

end_per_testcase(crash_without_terms, _Config) ->
    ok;
end_per_testcase(_Case, Config) ->
    rustls_dist_cluster:release(proplists:get_value(nodes, Config)).

%% The input handler has messages of the peer still to deliver when its own node ends the link. The peer is told goodbye.
parted_behind(Config) ->
    {A, B} = pair(Config),
    ok = call(A, rustls_dist_workload, watch_nodes, []),
    lists:foreach(fun(N) ->
                          ok = rustls_dist_cluster:join(A, B),
                          Holder = held_with_messages(A, B),
                          true = call(B, erlang, disconnect_node, [name(A)]),
                          true = call(B, erlang, exit, [Holder, kill]),
                          ?assertEqual(connection_closed, nodedown_reason(A, B, N))
                  end, lists:seq(1, 5)),
    silent(Config).

%% The peer has ended the link and makes another while the old one still delivers.
reconnected_behind(Config) ->
    {A, B} = pair(Config),
    lists:foreach(fun(_) ->
                          ok = rustls_dist_cluster:join(A, B),
                          Holder = held_with_messages(A, B),
                          true = call(A, erlang, disconnect_node, [name(B)]),
                          true = call(A, net_kernel, connect_node, [name(B)]),
                          true = call(B, erlang, exit, [Holder, kill]),
                          rustls_dist_cluster:poll(fun() -> rustls_dist_cluster:connected(B, A) end),
                          ?assert(call(A, rustls_dist_workload, ping, [name(B)])),
                          ok = rustls_dist_cluster:part(A, B)
                  end, lists:seq(1, 5)),
    silent(Config).

held_with_messages(A, B) ->
    Holder = call(B, rustls_dist_workload, hold_input, [name(A)]),
    Before = received(A, B),
    _ = [call(A, erlang, send, [{nobody, name(B)}, ?MARK]) || _ <- lists:seq(1, 3)],
    rustls_dist_cluster:poll(fun() -> received(A, B) > Before end),
    Holder.

received(A, B) ->
    {ok, [{recv_oct, Bytes}]} = call(B, erlang, apply,
                                     [fun() -> inet:getstat(rustls_dist_workload:link_socket(name(A)), [recv_oct]) end, []]),
    Bytes.

%% As fast as they go, with the greetings of rpc and global that every new link carries.
ping_and_part(Config) ->
    {A, B} = pair(Config),
    ?assert(call(A, ?MODULE, ping_and_disconnect, [name(B), ?PARTINGS], 60000) > ?PARTINGS div 2),
    silent(Config).

%% Messages of 8 MB are under way in both directions whenever the link ends.
large_messages_and_part(Config) ->
    {A, B} = pair(Config),
    Round = fun() -> call(A, ?MODULE, large_and_disconnect, [name(B), ?LARGE_BYTES, ?LARGE_PARTINGS], 60000) end,
    ?assertEqual(ok, Round()),
    Before = [held(Peer) || Peer <- [A, B]],
    ?assertEqual(ok, Round()),
    After = [held(Peer) || Peer <- [A, B]],
    Growth = lists:max([Now - Then || {Then, Now} <- lists:zip(Before, After)]),
    ?assertEqual({grown_by, Growth, true}, {grown_by, Growth, Growth < ?GROWTH_BYTES}),
    silent(Config).

%% Memory, once the links' last process is gone.
held(Peer) ->
    rustls_dist_cluster:poll(fun() ->
                                     case call(Peer, rustls_dist_workload, census, []) of
                                         #{resources := #{senders := 0, receivers := 0}} ->
                                             call(Peer, erlang, memory, [total]);
                                         _ ->
                                             false
                                     end
                             end).

%% Whatever process of the carrier ends, and however, with messages under way: the log does not show them.
processes_killed(Config) ->
    {A, B} = pair(Config),
    Services = [rustls_dist_log_limit, rustls_dist_links, rustls_dist_crl_store, rustls_dist_config, rustls_dist_keeper],
    lists:foreach(fun({Which, Reason}) ->
                          ok = rustls_dist_cluster:join(A, B),
                          _ = [call(From, ?MODULE, flood, [name(To), ?MARK]) || {From, To} <- [{A, B}, {B, A}]],
                          #{Which := Pid} = call(A, rustls_dist_workload, link_processes, [name(B)]),
                          true = call(A, erlang, exit, [Pid, Reason]),
                          rustls_dist_cluster:poll(fun() -> not rustls_dist_cluster:connected(A, B)
                                                                andalso not rustls_dist_cluster:connected(B, A) end)
                  end, [{Which, Reason} || Which <- [supervisor, controller, input], Reason <- [boom, kill]]),
    ok = rustls_dist_cluster:join(A, B),
    _ = [call(From, ?MODULE, flood, [name(To), ?MARK]) || {From, To} <- [{A, B}, {B, A}]],
    _ = [call(A, ?MODULE, exit_with, [Service, Reason]) || Service <- Services, Reason <- [boom, kill]],
    ?assert(call(A, rustls_dist_workload, ping, [name(B)])),
    %% Binaries in a term that is not all text are shown as numbers.
    Numbers = lists:join(",", [integer_to_list(Byte) || Byte <- ?MARK]),
    ?assertEqual([], [Line || Peer <- [A, B], Line <- rustls_dist_cluster:all_logged(Peer), Shown <- [?MARK, Numbers],
                              nomatch =/= string:find(Line, Shown)]).

%% What is left of an error: its kind and the place.
crash_without_terms(_Config) ->
    Mark = list_to_binary(?MARK),
    Errors = [fun() -> ok = lists:last([Mark]) end,
              fun() -> case lists:last([Mark]) of nobody -> ok end end,
              fun() -> erlang:port_command(Mark, Mark) end,
              fun() -> maps:get(nobody, maps:from_list([{mark, Mark}])) end,
              fun() -> lists:nosuch(Mark) end,
              fun() -> lists:foldl(Mark, Mark, Mark) end,
              fun() -> throw(Mark) end,
              fun() -> error({made, up, Mark}) end,
              fun() -> error(Mark) end],
    Kinds = [badmatch, case_clause, badarg, badkey, undef, function_clause, nocatch, made, left_out],
    ?assertEqual(Kinds, [kind(Error) || Error <- Errors]),
    ?assertEqual({exit, {chosen, Mark}}, try rustls_dist_crash:without_terms(fun() -> exit({chosen, Mark}) end)
                                         catch Class:Reason -> {Class, Reason} end),
    ?assertEqual(done, rustls_dist_crash:without_terms(fun() -> done end)),
    #{state := State, message := Message, log := Log, reason := Reason0} =
        rustls_dist_crash:format_status(#{state => Mark, message => {admit, Mark}, log => [{in, Mark}],
                                          reason => {{badmatch, Mark}, [{lists, nth, [Mark], []}]}}),
    ?assertEqual({left_out, admit, [], {badmatch, [{lists, nth, 1, []}]}}, {State, Message, Log, Reason0}).

kind(Fun) ->
    try
        rustls_dist_crash:without_terms(Fun)
    catch
        error:Kind:Stack ->
            Text = lists:flatten(io_lib:format("~0p ~0p", [Kind, Stack])),
            ?assertEqual(nomatch, string:find(Text, ?MARK)),
            ?assertEqual([], [Frame || {_, _, Arguments, _} = Frame <- Stack, is_list(Arguments)]),
            Kind
    end.

%% on the nodes -------------------------------------------------------------------------------------------------

%% Gives how many pings were answered.
ping_and_disconnect(Node, Count) ->
    length([pong || _ <- lists:seq(1, Count),
                    Answer <- [net_adm:ping(Node)],
                    erlang:disconnect_node(Node) =/= ignored,
                    Answer =:= pong]).

%% Ends the link as soon as the message is on its way, Count times.
large_and_disconnect(_Node, _Bytes, 0) ->
    ok;
large_and_disconnect(Node, Bytes, Count) ->
    true = rustls_dist_cluster:poll(fun() -> net_kernel:connect_node(Node) end),
    Data = binary:copy(<<?MARK>>, Bytes div length(?MARK)),
    Sender = spawn(fun() -> send_on(Node, Data, 3) end),
    _ = erlang:spawn(Node, fun() -> send_on(node(Sender), Data, 3) end),
    Socket = rustls_dist_workload:link_socket(Node),
    rustls_dist_cluster:poll(fun() ->
                                     case inet:getstat(Socket, [recv_oct]) of
                                         {ok, [{recv_oct, Received}]} -> Received > Bytes div 2;
                                         {error, _} -> true
                                     end
                             end),
    true = erlang:disconnect_node(Node),
    exit(Sender, kill),
    rustls_dist_cluster:poll(fun() -> not lists:member(Node, nodes(connected)) end),
    large_and_disconnect(Node, Bytes, Count - 1).

send_on(Node, Data, Count) ->
    _ = [{nobody, Node} ! Data || _ <- lists:seq(1, Count)],
    ok.

%% Sends marked messages until the link has ended.
flood(Node, Mark) ->
    Data = lists:duplicate(100, list_to_binary(Mark)),
    _ = [spawn(fun() -> flood_on(Node, Data) end) || _ <- [1, 2]],
    ok.

flood_on(Node, Data) ->
    case lists:member(Node, nodes(connected)) of
        true -> {nobody, Node} ! Data, flood_on(Node, Data);
        false -> ok
    end.

exit_with(Name, Reason) ->
    rustls_dist_cluster:poll(fun() -> is_pid(whereis(Name)) end),
    exit(whereis(Name), Reason).

%% --------------------------------------------------------------------------------------------------------------

%% Neither node logged anything.
silent(Config) ->
    {A, B} = pair(Config),
    ?assertEqual([[], []], [rustls_dist_cluster:all_logged(Peer) || Peer <- [A, B]]).

nodedown_reason(Peer, Other, Count) ->
    rustls_dist_cluster:poll(fun() ->
                                     Reasons = [Reason || {nodedown, Node, #{nodedown_reason := Reason}}
                                                              <- call(Peer, rustls_dist_workload, node_events, []),
                                                          Node =:= name(Other)],
                                     length(Reasons) >= Count andalso lists:last(Reasons)
                             end).

pair(Config) ->
    {proplists:get_value(a, Config), proplists:get_value(b, Config)}.

name(Peer) -> rustls_dist_cluster:name(Peer).
call(Peer, M, F, A) -> rustls_dist_cluster:call(Peer, M, F, A).
call(Peer, M, F, A, TimeoutMs) -> rustls_dist_cluster:call(Peer, M, F, A, TimeoutMs).
