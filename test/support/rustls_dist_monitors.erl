%% Monitors across a link, run on the nodes: rustls_dist_cluster:call/4 calls these.
-module(rustls_dist_monitors).

-export([process_end/1, watch/1, seen/1]).
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

-spec wait() -> no_return().
wait() ->
    receive never -> exit(never) end.
