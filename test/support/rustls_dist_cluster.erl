%% Real nodes for the suites: an epmd of their own, a temporary folder, and Erlang nodes that are controlled over their
%% standard input, so that the node that runs the tests takes no part in distribution.
%%
%% A suite calls new/0 in init_per_suite or init_per_testcase and stop/1 at the end; everything started in between
%% ends with it.
-module(rustls_dist_cluster).

-export([new/0, new/1, stop/1, dir/1]).
-export([optfile/3, start/2, start/3, stop_node/1, call/4, call/5, name/1, os_pid/1, log/1, await_log/2, all_logged/1]).
-export([run_until_exit/2, run_until_exit/3, env/1, ebin/0]).
-export([flags/1, fake_node/3, listening_port/1]).
-export([keep/1, release/1]).
-export([start_undistributed/2, join/2, join_at_once/2, connect_at_once/2, part/2, connected/2]).
-export([poll/1, poll/2]).

-export_type([cluster/0, peer/0]).

-define(POLL_MS, 20).
-define(DEADLINE_MS, 15000).
-define(BOOT_MS, 30000).

%% Until both nodes have been told.
-define(AT_ONCE_US, 3000).

-type cluster() :: #{dir := file:filename(), epmd_port := inet:port_number(), epmd := port()}.
-type peer() :: #{pid := pid(), node := node(), log := file:filename(), os_pid := string()}.

%% Starts an epmd on a free port, and another if somebody who does not ask for free ports took it meanwhile.
-spec new() -> cluster().
new() ->
    new(#{}).

%% The same. Options: epmd_port => this one and no other; address => IPv4 address at which epmd listens beside 127.0.0.1.
-spec new(#{epmd_port => inet:port_number(), address => string()}) -> cluster().
new(Options) ->
    Dir = string:trim(os:cmd("mktemp -d -t rustls_dist.XXXXXX")),
    new(Dir, Options, case Options of #{epmd_port := _} -> 1; #{} -> 10 end).

new(_Dir, Options, 0) ->
    error({epmd_does_not_start, Options});
new(Dir, Options, Tries) ->
    Port = case Options of
               #{epmd_port := Wanted} -> Wanted;
               #{} -> hd(rustls_dist_listening:free_ports(inet, 1))
           end,
    Epmd = open_port({spawn_executable, epmd()},
                     [{args, ["-port", integer_to_list(Port), "-address", maps:get(address, Options, "127.0.0.1")]},
                      exit_status, binary]),
    case await_epmd(Epmd, Port, deadline()) of
        ok -> #{dir => Dir, epmd_port => Port, epmd => Epmd};
        failed -> new(Dir, Options, Tries - 1)
    end.

await_epmd(Epmd, Port, Deadline) ->
    receive
        {Epmd, {exit_status, _}} -> failed
    after ?POLL_MS ->
        case gen_tcp:connect({127, 0, 0, 1}, Port, [], 1000) of
            {ok, Socket} -> gen_tcp:close(Socket);
            {error, _} ->
                true = now_ms() < Deadline,
                await_epmd(Epmd, Port, Deadline)
        end
    end.

epmd() ->
    case filelib:wildcard(filename:join([code:root_dir(), "erts-*", "bin", "epmd"])) of
        [Found | _] -> Found;
        [] -> os:find_executable("epmd")
    end.

%% Ends epmd and removes the folder. Nodes are linked to the process that started them.
-spec stop(cluster()) -> ok.
stop(#{dir := Dir, epmd := Epmd}) ->
    case erlang:port_info(Epmd, os_pid) of
        {os_pid, OsPid} -> _ = os:cmd("kill " ++ integer_to_list(OsPid));
        undefined -> ok
    end,
    _ = file:del_dir_r(Dir),
    ok.

-spec dir(cluster()) -> file:filename().
dir(#{dir := Dir}) -> Dir.

%% Writes an options file and gives its path.
-spec optfile(cluster(), string(), [{server | client, list()}]) -> file:filename().
optfile(#{dir := Dir}, Name, Terms) ->
    File = filename:join(Dir, Name ++ ".conf"),
    ok = file:write_file(File, io_lib:format("~tp.~n", [Terms])),
    File.

start(Cluster, Options) ->
    start(Cluster, maps:get(name, Options, peer:random_name()), Options).

%% Starts a node. Options: proto => "rustls" (default) | "inet_tls" | "inet_tcp"; optfile => File; host => "127.0.0.1"
%% (default); args => more arguments for erl; env => more environment; cookie => Cookie;
%% exec => a command to start instead of erl; ebin, helpers => folders of what it loads, instead of what this node runs.
%% The node is ready when this returns.
-spec start(cluster(), atom() | string(), map()) -> peer().
start(#{dir := Dir} = Cluster, Name, Options) ->
    Log = filename:join(Dir, lists:concat([Name, "-", erlang:unique_integer([positive]), ".log"])),
    Exec = maps:with([exec], Options),
    {ok, Pid, Node} = peer:start_link(Exec#{name => Name,
                                            host => maps:get(host, Options, "127.0.0.1"),
                                            longnames => maps:get(longnames, Options, true),
                                            connection => standard_io,
                                            wait_boot => ?BOOT_MS,
                                            env => env(Cluster) ++ maps:get(env, Options, []),
                                            args => arguments(Options) ++ logger_arguments(Log)
                                                ++ maps:get(args, Options, [])}),
    #{pid => Pid, node => Node, log => Log, os_pid => peer:call(Pid, os, getpid, [])}.

%% Starts a node without a name: for net_kernel:start/1. Options as for start/2.
-spec start_undistributed(cluster(), map()) -> peer().
start_undistributed(#{dir := Dir} = Cluster, Options) ->
    Log = filename:join(Dir, lists:concat(["undistributed-", erlang:unique_integer([positive]), ".log"])),
    {ok, Pid, Node} = peer:start_link(#{connection => standard_io,
                                        wait_boot => ?BOOT_MS,
                                        env => env(Cluster) ++ maps:get(env, Options, []),
                                        args => arguments(Options) ++ logger_arguments(Log) ++ maps:get(args, Options, [])}),
    #{pid => Pid, node => Node, log => Log, os_pid => peer:call(Pid, os, getpid, [])}.

%% Runs Start in a process that stays, so that what it starts, and is linked to, outlives the process that common_test
%% uses for init_per_suite or init_per_group. Gives that process, for release/1, and what Start returned.
-spec keep(fun(() -> Result)) -> {pid(), Result}.
keep(Start) ->
    Caller = self(),
    {Keeper, Ref} = spawn_monitor(fun() ->
                                          Caller ! {self(), Start()},
                                          receive release -> ok end
                                  end),
    receive
        {Keeper, Result} ->
            erlang:demonitor(Ref, [flush]),
            {Keeper, Result};
        {'DOWN', Ref, process, Keeper, Reason} ->
            error({start_failed, Reason})
    end.

%% Ends what keep/1 started: nodes that are linked to the process.
-spec release(pid()) -> ok.
release(Keeper) ->
    Ref = erlang:monitor(process, Keeper),
    Keeper ! release,
    receive {'DOWN', Ref, process, Keeper, _Reason} -> ok end.

%% Connects From to To and waits until both have the link.
-spec join(peer(), peer()) -> ok.
join(From, To) ->
    true = call(From, net_kernel, connect_node, [name(To)]),
    poll(fun() -> connected(From, To) andalso connected(To, From) andalso ok end).

%% Lets both connect to each other at the same moment. Both must succeed.
-spec join_at_once(peer(), peer()) -> ok.
join_at_once(A, B) ->
    {true, true} = connect_at_once(A, B),
    ok.

%% The same. Gives what A's and B's attempts answered; whatever that was, the link is up on both sides when this returns.
-spec connect_at_once(peer(), peer()) -> {boolean(), boolean()}.
connect_at_once(A, B) ->
    At = erlang:system_time(microsecond) + ?AT_ONCE_US,
    Keys = [rpc:async_call(node(), ?MODULE, call, [From, rustls_dist_workload, connect_at, [name(To), At]])
            || {From, To} <- [{A, B}, {B, A}]],
    Answers = [rpc:yield(Key) || Key <- Keys],
    poll(fun() -> connected(A, B) andalso connected(B, A) andalso ok end),
    list_to_tuple(Answers).

%% Ends the link from From's side and waits until neither has it. A link that is ended just after it came up may come back
%% once: kernel's rpc and global greet every new peer, and an answer that comes when the link is gone makes a new one.
-spec part(peer(), peer()) -> ok.
part(From, To) ->
    true = call(From, erlang, disconnect_node, [name(To)]),
    poll(fun() -> parted(From, To) end).

parted(From, To) ->
    case connected(From, To) orelse connected(To, From) of
        true -> call(From, erlang, disconnect_node, [name(To)]), false;
        false -> ok
    end.

%% Whether Peer has a link to Other, hidden or not.
-spec connected(peer(), peer()) -> boolean().
connected(Peer, Other) ->
    lists:member(name(Other), call(Peer, erlang, nodes, [connected])).

-spec stop_node(peer()) -> ok.
stop_node(#{pid := Pid}) ->
    peer:stop(Pid).

call(Peer, Module, Function, Arguments) ->
    call(Peer, Module, Function, Arguments, ?DEADLINE_MS).

%% Calls a function on a node, over its standard input: works whatever the state of its distribution.
-spec call(peer(), module(), atom(), [term()], timeout()) -> term().
call(#{pid := Pid}, Module, Function, Arguments, TimeoutMs) ->
    peer:call(Pid, Module, Function, Arguments, TimeoutMs).

-spec name(peer()) -> node().
name(#{node := Node}) -> Node.

-spec os_pid(peer()) -> string().
os_pid(#{os_pid := OsPid}) -> OsPid.

%% What the node logged so far.
-spec log(peer()) -> string().
log(#{log := Log}) ->
    case file:read_file(Log) of
        {ok, Text} -> unicode:characters_to_list(Text);
        {error, enoent} -> ""
    end.

%% Waits until the node's log has a line that matches Regexp, and gives it.
-spec await_log(peer(), iodata()) -> string().
await_log(Peer, Regexp) ->
    {ok, Line} = poll(fun() ->
                              case re:run(log(Peer), ["[^\n]*", Regexp, "[^\n]*"], [unicode, {capture, first, list}]) of
                                  {match, [Line]} -> {ok, Line};
                                  nomatch -> false
                              end
                      end),
    Line.

%% The lines of all that the node logged until now. A process that crashed is reported by way of the VM, behind whatever it
%% reported before, so the last word is given to one.
-spec all_logged(peer()) -> [string()].
all_logged(Peer) ->
    LastWord = lists:concat([last_word_, erlang:unique_integer([positive])]),
    _ = call(Peer, erlang, spawn, [erlang, error, [LastWord]]),
    _ = await_log(Peer, LastWord),
    [Line || Line <- string:lexemes(log(Peer), "\n"), nomatch =:= string:find(Line, "last_word_")].

%% Runs erl until it ends by itself: for nodes that must not come up. Gives its exit status and all that it printed.
-spec run_until_exit(cluster(), [string()]) -> {integer(), string()}.
run_until_exit(Cluster, Arguments) ->
    run_until_exit(Cluster, [], Arguments).

%% The same with more environment.
-spec run_until_exit(cluster(), [{string(), string()}], [string()]) -> {integer(), string()}.
run_until_exit(#{dir := Dir} = Cluster, More, Arguments) ->
    Erl = os:find_executable("erl"),
    Port = open_port({spawn_executable, Erl},
                     [{args, ["-noshell", "-noinput", "-pa", ebin() | Arguments]}, {env, env(Cluster) ++ More}, {cd, Dir},
                      exit_status, stderr_to_stdout, binary]),
    collect(Port, [], now_ms() + ?BOOT_MS).

collect(Port, Output, Deadline) ->
    receive
        {Port, {data, Data}} ->
            collect(Port, [Output, Data], Deadline);
        {Port, {exit_status, Status}} ->
            {Status, unicode:characters_to_list(iolist_to_binary(Output))}
    after max(0, Deadline - now_ms()) ->
        {os_pid, OsPid} = erlang:port_info(Port, os_pid),
        _ = os:cmd("kill -9 " ++ integer_to_list(OsPid)),
        ct:fail({still_running, iolist_to_binary(Output)})
    end.

%% The contents of an options file as the words of -ssl_dist_opt: arguments for erl. Lists of atoms become words with
%% commas between.
-spec flags([{server | client, [{atom(), term()}]}]) -> [string()].
flags(Sides) ->
    [Word || {Side, Options} <- Sides, {Key, Value} <- Options,
             Word <- ["-ssl_dist_opt", lists:concat([Side, "_", Key]), word(Value)]].

word([Atom | _] = List) when is_atom(Atom) -> lists:concat(lists:join(",", List));
word(Atom) when is_atom(Atom) -> atom_to_list(Atom);
word(Number) when is_integer(Number) -> integer_to_list(Number);
word(Text) -> Text.

%% Tells the cluster's epmd that a node called Name listens on Port: for peers that the test plays itself. Gives the
%% connection to epmd, which forgets the name when it is closed (EPMD protocol, ALIVE2_REQ).
-spec fake_node(cluster(), string(), inet:port_number()) -> gen_tcp:socket().
fake_node(#{epmd_port := EpmdPort}, Name, Port) ->
    {ok, Epmd} = gen_tcp:connect({127, 0, 0, 1}, EpmdPort, [binary, {packet, raw}, {active, false}]),
    Request = [<<120, Port:16, 77, 0, 6:16, 5:16, (length(Name)):16>>, Name, <<0:16>>],
    ok = gen_tcp:send(Epmd, [<<(iolist_size(Request)):16>>, Request]),
    {ok, <<_Tag, 0, _Creation/binary>>} = gen_tcp:recv(Epmd, 0, ?DEADLINE_MS),
    Epmd.

%% The port that a node listens on, as its epmd knows it.
-spec listening_port(peer()) -> inet:port_number().
listening_port(Peer) ->
    [Name, _Host] = string:split(atom_to_list(name(Peer)), "@"),
    {port, Port, _Version} = call(Peer, erl_epmd, port_please, [Name, {127, 0, 0, 1}]),
    Port.

-spec env(cluster()) -> [{string(), string()}].
env(#{dir := Dir, epmd_port := Port}) ->
    [{"ERL_EPMD_PORT", integer_to_list(Port)}, {"ERL_CRASH_DUMP", filename:join(Dir, "erl_crash.dump")},
     {"HOME", Dir}].

arguments(Options) ->
    Optfile = case Options of
                  #{optfile := File} -> ["-ssl_dist_optfile", File];
                  #{} -> []
              end,
    ["-pa", maps:get(ebin, Options, ebin()), "-pa", maps:get(helpers, Options, filename:dirname(code:which(?MODULE))),
     "-proto_dist", maps:get(proto, Options, "rustls"),
     "-setcookie", maps:get(cookie, Options, "rustls_dist_test")] ++ Optfile.

logger_arguments(Log) ->
    Handler = [{handler, default, logger_std_h,
                #{config => #{file => Log}, formatter => {logger_formatter, #{single_line => true}}}}],
    ["-kernel", "logger", lists:flatten(io_lib:format("~0p", [Handler]))].

%% The folder of the application that the nodes run.
-spec ebin() -> file:filename().
ebin() ->
    filename:absname(os:getenv("RUSTLS_DIST_EBIN", "_build/default/lib/rustls_dist/ebin")).

poll(Fun) ->
    poll(Fun, ?DEADLINE_MS).

%% Calls Fun until it gives something else than false, or fails when the deadline has passed.
-spec poll(fun(() -> false | Result), timeout()) -> Result.
poll(Fun, TimeoutMs) ->
    poll_until(Fun, now_ms() + TimeoutMs).

poll_until(Fun, Deadline) ->
    case Fun() of
        false ->
            now_ms() < Deadline orelse ct:fail(deadline_passed),
            receive after ?POLL_MS -> poll_until(Fun, Deadline) end;
        Result ->
            Result
    end.

deadline() ->
    now_ms() + ?DEADLINE_MS.

now_ms() ->
    erlang:monotonic_time(millisecond).
