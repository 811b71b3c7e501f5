%% Monitors across a link, run on the nodes: rustls_dist_cluster:call/4 calls these.
-module(rustls_dist_monitors).

-export([process_end/1, watch/1, seen/1, watch_nodes/0, nodes_seen/0]).
-export([wait/0]).

-define(TIMEOUT_MS, 10000).

%% Starts a process on Node, ends it with the reason `stopped', and gives the reason that its monitor tells.
-spec process_end(node()) -> term().
process_end(Node) ->
    {Pid, Ref} = spawn_monitor(Node, ?MODULE, wait, []),
    exit(Pid, stopped),
    receive
        {'DOWN', Ref, process, Pid, Reason} -> Reason
    after ?TIMEOUT_MS ->
        timeout
    end.

%% Starts to watch Node, and a process there. Gives the watcher, for seen/1.
-spec watch(node()) -> pid().
watch(Node) ->
    Caller = self(),
    Watcher = spawn(fun() ->
                            true = erlang:monitor_node(Node, true),
                            _ = spawn_monitor(Node, ?MODULE, wait, []),
                            Caller ! {self(), watching},
                            receive {seen, From} -> From ! {self(), [event(), event()]} end
                    end),
    receive {Watcher, watching} -> Watcher end.

%% What the watcher was told when the link ended, sorted: nodedown, and the reason of the process's end.
-spec seen(pid()) -> [term()].
seen(Watcher) ->
    Watcher ! {seen, self()},
    receive
        {Watcher, Events} -> lists:sort(Events)
    after ?TIMEOUT_MS ->
        timeout
    end.

event() ->
    receive
        {nodedown, _Node} -> nodedown;
        {'DOWN', _Ref, process, _Pid, Reason} -> Reason
    end.

%% Notes from now on which nodes come up, hidden ones, too.
-spec watch_nodes() -> ok.
watch_nodes() ->
    Caller = self(),
    Watcher = spawn(fun() ->
                            ok = net_kernel:monitor_nodes(true, [{node_type, all}]),
                            Caller ! {self(), watching},
                            receive {nodes_seen, From} -> From ! {self(), ups()} end
                    end),
    receive {Watcher, watching} -> true = register(?MODULE, Watcher) end,
    ok.

%% The types of those that came up.
-spec nodes_seen() -> [visible | hidden].
nodes_seen() ->
    %% net_kernel has done by then what it had to do.
    _ = net_kernel:get_net_ticktime(),
    Watcher = whereis(?MODULE),
    Watcher ! {nodes_seen, self()},
    receive {Watcher, Types} -> Types after ?TIMEOUT_MS -> timeout end.

ups() ->
    receive
        {nodeup, _Node, Info} -> [proplists:get_value(node_type, Info) | ups()];
        {nodedown, _Node, _Info} -> ups()
    after 0 ->
        []
    end.

-spec wait() -> no_return().
wait() ->
    receive never -> exit(never) end.
