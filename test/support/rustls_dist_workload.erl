%% What the suites run on the nodes: traffic with checksums, senders that meet back-pressure, and looks at a link's
%% processes and socket. Nodes have the tests' folder in their code path; rustls_dist_cluster:call/4 calls these.
-module(rustls_dist_workload).

-export([start_echo/0, round_trip/2, stream/4, start_traffic/1, ping/1]).
-export([flood_start/3, flood_start/4, flood_status/0, flood_finish/0, flood_lost/0]).
-export([watch_nodes/0, node_events/0, start_collector/0, collected/0]).
-export([connect_at/2, connect_all_at/2, link_processes/1, hold_input/1, link_socket/1, sockets/0, write_raw/2, census/0]).
-export([echo/0, stream_receiver/1]).

-define(TIMEOUT_MS, 60000).

%% Starts the process that round_trip/2 talks to.
-spec start_echo() -> pid().
start_echo() ->
    Pid = spawn(?MODULE, echo, []),
    true = register(?MODULE, Pid),
    Pid.

-spec echo() -> no_return().
echo() ->
    receive {From, Ref, Data} -> From ! {Ref, erlang:md5(Data), Data} end,
    echo().

%% Sends Bytes random bytes to Node's echo process and checks what arrived there and what came back.
-spec round_trip(node(), non_neg_integer()) -> ok | damaged_there | damaged_back | timeout.
round_trip(Node, Bytes) ->
    Data = crypto:strong_rand_bytes(Bytes),
    Sum = erlang:md5(Data),
    Ref = make_ref(),
    {?MODULE, Node} ! {self(), Ref, Data},
    receive
        {Ref, Sum, Data} -> ok;
        {Ref, Sum, _Other} -> damaged_back;
        {Ref, _Other, _Data} -> damaged_there
    after ?TIMEOUT_MS ->
        timeout
    end.

%% Whether Node answers over the link that is there. Makes none: net_adm:ping/1 would.
-spec ping(node()) -> boolean().
ping(Node) ->
    lists:member(Node, nodes(connected)) andalso rpc:call(Node, erlang, node, [], ?TIMEOUT_MS) =:= Node.

%% Sends Count messages of Bytes bytes to Node from each of Streams senders at once. Each message has a number and a
%% checksum, which the receivers check. `ok' when all arrived, whole and in order.
-spec stream(node(), pos_integer(), pos_integer(), pos_integer()) -> ok | [term()].
stream(Node, Streams, Count, Bytes) ->
    Senders = [spawn_monitor(fun() -> exit(stream(Node, Count, Bytes)) end) || _ <- lists:seq(1, Streams)],
    case [Reason || {Pid, Ref} <- Senders, Reason <- [down(Pid, Ref)], Reason =/= {received, Count}] of
        [] -> ok;
        Failed -> Failed
    end.

stream(Node, Count, Bytes) ->
    Block = crypto:strong_rand_bytes(Bytes),
    {Receiver, Ref} = spawn_monitor(Node, ?MODULE, stream_receiver, [self()]),
    send_numbered(Receiver, Ref, Block, 0, Count).

send_numbered(Receiver, Ref, _Block, Count, Count) ->
    Receiver ! last,
    receive
        {Receiver, Result} -> Result;
        {'DOWN', Ref, process, Receiver, Reason} -> Reason
    end;
send_numbered(Receiver, Ref, Block, N, Count) ->
    receive
        {'DOWN', Ref, process, Receiver, Reason} -> Reason
    after 0 ->
        Receiver ! numbered(N, Block),
        send_numbered(Receiver, Ref, Block, N + 1, Count)
    end.

%% Starts streams to Node that go on until the link ends, and waits until they flow. Where nodes connect by themselves
%% they may make a new link then.
-spec start_traffic(node()) -> ok.
start_traffic(Node) ->
    Socket = link_socket(Node),
    {ok, [{send_cnt, Before}]} = inet:getstat(Socket, [send_cnt]),
    _ = [spawn(fun() -> stream(Node, infinity, 10000) end) || _ <- [1, 2]],
    await_sent(Socket, Before + 50).

await_sent(Socket, Count) ->
    case inet:getstat(Socket, [send_cnt]) of
        {ok, [{send_cnt, Sent}]} when Sent >= Count -> ok;
        {ok, _} -> receive after 1 -> await_sent(Socket, Count) end
    end.

numbered(N, Block) ->
    Data = <<N:64, Block/binary>>,
    {N, erlang:md5(Data), Data}.

%% Reports to To what it got, once `last' is there. Ends when To does.
-spec stream_receiver(pid()) -> term().
stream_receiver(To) ->
    receive_stream(To, monitor(process, To), 0, none).

receive_stream(To, Ref, Next, Fault) ->
    receive
        last when Fault =:= none -> To ! {self(), {received, Next}};
        last -> To ! {self(), Fault};
        {'DOWN', Ref, process, To, _Reason} -> gone;
        {Next, Sum, Data} ->
            case erlang:md5(Data) of
                Sum -> receive_stream(To, Ref, Next + 1, Fault);
                _ -> receive_stream(To, Ref, Next + 1, {damaged, Next})
            end;
        {N, _Sum, _Data} -> receive_stream(To, Ref, Next, {out_of_order, Next, N})
    end.

down(Pid, Ref) ->
    receive {'DOWN', Ref, process, Pid, Reason} -> Reason end.

%% Starts Senders processes that send messages of Bytes bytes to Node, each to a receiver of its own, until
%% flood_finish/0. The process that oversees them notes busy_dist_port events.
-spec flood_start(node(), pos_integer(), pos_integer()) -> ok.
flood_start(Node, Senders, Bytes) ->
    flood_start(Node, Senders, Bytes, 0).

%% The same with a pause before each message.
-spec flood_start(node(), pos_integer(), pos_integer(), PauseMs :: non_neg_integer()) -> ok.
flood_start(Node, Senders, Bytes, PauseMs) ->
    Caller = self(),
    Overseer = spawn(fun() -> flood(Caller, Node, Senders, Bytes, PauseMs) end),
    receive {Overseer, ready} -> ok end.

%% suspended: how many of the senders wait for the link; busy: busy_dist_port events so far; sent: messages handed over;
%% memory: erlang:memory(total).
-spec flood_status() -> #{suspended := non_neg_integer(), busy := non_neg_integer(), sent := non_neg_integer(),
                          memory := pos_integer()}.
flood_status() ->
    flood_call(status).

%% Tells the senders to stop, waits until every message arrived, and gives each receiver's verdict.
-spec flood_finish() -> [{received, Count :: pos_integer()} | term()].
flood_finish() ->
    {Results, _Sent} = flood_call(finish),
    Results.

%% The same, for messages that must all have arrived: how many were sent, and how many of those were lost or wrong.
-spec flood_lost() -> {Sent :: pos_integer(), Lost :: non_neg_integer()}.
flood_lost() ->
    {Results, Sent} = flood_call(finish),
    {Sent, Sent - lists:sum([Received || {received, Received} <- Results])}.

flood_call(Question) ->
    Ref = erlang:monitor(process, flood),
    flood ! {Question, self(), Ref},
    receive
        {Ref, Answer} -> erlang:demonitor(Ref, [flush]), Answer;
        {'DOWN', Ref, process, _, Reason} -> error({flood, Reason})
    after ?TIMEOUT_MS ->
        error(timeout)
    end.

flood(Caller, Node, Count, Bytes, PauseMs) ->
    true = register(flood, self()),
    _ = erlang:system_monitor(self(), [busy_dist_port]),
    Sent = counters:new(1, []),
    Block = crypto:strong_rand_bytes(Bytes),
    Receivers = [spawn(Node, ?MODULE, stream_receiver, [self()]) || _ <- lists:seq(1, Count)],
    Senders = [spawn_link(fun() -> flood_sender(Receiver, Block, PauseMs, Sent, 0) end) || Receiver <- Receivers],
    Caller ! {self(), ready},
    oversee(Senders, Receivers, Sent, 0).

flood_sender(Receiver, Block, PauseMs, Sent, N) ->
    receive
        stop -> Receiver ! last
    after PauseMs ->
        Receiver ! numbered(N, Block),
        counters:add(Sent, 1, 1),
        flood_sender(Receiver, Block, PauseMs, Sent, N + 1)
    end.

oversee(Senders, Receivers, Sent, Busy) ->
    receive
        {monitor, _Suspended, busy_dist_port, _Link} ->
            oversee(Senders, Receivers, Sent, Busy + 1);
        {status, From, Ref} ->
            Suspended = [Pid || Pid <- Senders, process_info(Pid, status) =:= {status, suspended}],
            From ! {Ref, #{suspended => length(Suspended), busy => Busy, sent => counters:get(Sent, 1),
                           memory => erlang:memory(total)}},
            oversee(Senders, Receivers, Sent, Busy);
        {finish, From, Ref} ->
            [Sender ! stop || Sender <- Senders],
            Results = [receive {Receiver, Result} -> Result end || Receiver <- Receivers],
            From ! {Ref, {Results, counters:get(Sent, 1)}}
    end.

%% Notes nodeup and nodedown from now on, in a process called `watcher', with reason and node type.
-spec watch_nodes() -> ok.
watch_nodes() ->
    Caller = self(),
    Watcher = spawn(fun() ->
                            true = register(watcher, self()),
                            ok = net_kernel:monitor_nodes(true, [nodedown_reason, {node_type, all}]),
                            Caller ! {self(), ready},
                            watch([])
                    end),
    receive {Watcher, ready} -> ok end.

%% What was noted, oldest first.
-spec node_events() -> [{nodeup | nodedown, node(), map() | list()}].
node_events() ->
    Ref = make_ref(),
    watcher ! {events, self(), Ref},
    receive {Ref, Events} -> Events end.

watch(Events) ->
    receive
        {events, From, Ref} -> From ! {Ref, lists:reverse(Events)}, watch(Events);
        {Kind, Node, Info} -> watch([{Kind, Node, maps:from_list(Info)} | Events])
    end.

%% Starts the process `collector', which keeps the messages it gets.
-spec start_collector() -> pid().
start_collector() ->
    Pid = spawn(fun() -> collect([]) end),
    true = register(collector, Pid),
    Pid.

%% What the collector got, oldest first.
-spec collected() -> [term()].
collected() ->
    Ref = make_ref(),
    collector ! {collected, self(), Ref},
    receive {Ref, Messages} -> Messages end.

collect(Messages) ->
    receive
        {collected, From, Ref} -> From ! {Ref, lists:reverse(Messages)}, collect(Messages);
        Message -> collect([Message | Messages])
    end.

%% Connects to Node when the system's clock shows At (microseconds), not before.
-spec connect_at(node(), integer()) -> boolean().
connect_at(Node, At) ->
    case erlang:system_time(microsecond) >= At of
        true -> net_kernel:connect_node(Node);
        false -> connect_at(Node, At)
    end.

%% The same for many nodes, whatever becomes of each.
-spec connect_all_at([node()], integer()) -> ok.
connect_all_at(Nodes, At) ->
    Callers = [spawn_monitor(?MODULE, connect_at, [Node, At]) || Node <- Nodes, Node =/= node()],
    _ = [receive {'DOWN', Ref, process, Pid, _} -> ok end || {Pid, Ref} <- Callers],
    ok.

%% The three processes of the link to Node.
-spec link_processes(node()) -> #{supervisor := pid(), controller := pid(), input := pid()}.
link_processes(Node) ->
    {Node, Controller} = lists:keyfind(Node, 1, erlang:system_info(dist_ctrl)),
    {ok, Supervisor} = net_kernel:node_info(Node, owner),
    {connected, Input} = erlang:port_info(link_socket(Node), connected),
    #{supervisor => Supervisor, controller => Controller, input => Input}.

%% Suspends the input handler of the link to Node for as long as the process lives that this gives.
-spec hold_input(node()) -> pid().
hold_input(Node) ->
    #{input := Input} = link_processes(Node),
    Caller = self(),
    Holder = spawn(fun() ->
                           true = erlang:suspend_process(Input),
                           Caller ! {held, self()},
                           receive after infinity -> ok end
                   end),
    receive {held, Holder} -> Holder end.

%% The socket of the link to Node: the one that is owned by a process which the link's controller is linked to, once it
%% is not the supervisor any more, which a link that came up this moment may still have to do.
-spec link_socket(node()) -> port().
link_socket(Node) ->
    rustls_dist_cluster:poll(fun() ->
                                     {Node, Controller} = lists:keyfind(Node, 1, erlang:system_info(dist_ctrl)),
                                     {ok, Supervisor} = net_kernel:node_info(Node, owner),
                                     {links, Linked} = process_info(Controller, links),
                                     Owners = Linked -- [Supervisor],
                                     case [Port || Port <- sockets(), lists:member(owner(Port), Owners)] of
                                         [Socket] -> Socket;
                                         [] -> false
                                     end
                             end).

owner(Port) ->
    case erlang:port_info(Port, connected) of
        {connected, Pid} -> Pid;
        undefined -> closed
    end.

%% Connected TCP sockets.
-spec sockets() -> [port()].
sockets() ->
    [Port || Port <- erlang:ports(), erlang:port_info(Port, name) =:= {name, "tcp_inet"},
             {ok, _} <- [inet:peername(Port)]].

%% Writes Bytes to the socket of the link to Node, around TLS.
-spec write_raw(node(), binary()) -> ok.
write_raw(Node, Bytes) ->
    gen_tcp:send(link_socket(Node), Bytes).

%% What a node holds, after garbage collection of all processes.
-spec census() -> #{resources := map(), processes := non_neg_integer(), ports := non_neg_integer(),
                    known_links := non_neg_integer()}.
census() ->
    [garbage_collect(Pid) || Pid <- processes()],
    #{resources => rustls_dist_nif:resources(),
      processes => length(processes()),
      ports => length(erlang:ports()),
      known_links => map_size(rustls_dist:info())}.
