%% Run on a node: all that Erlang shows of it to who may ask, as one binary that can be searched.
-module(rustls_dist_inspection).

-export([shown/0, start_trace/1, traced/0, fail_everything/0]).
-export([hold/1, collect_garbage/0]).

-define(STATE_MS, 1000).
-define(TRACED, rustls_dist_traced).

%% Each process as process_info shows it, and sys where it answers; tables, persistent terms, environments, arguments.
-spec shown() -> binary().
shown() ->
    term_to_binary([[{Pid, process(Pid)} || Pid <- processes(), Pid =/= self()],
                    [{Table, catch ets:tab2list(Table)} || Table <- ets:all()],
                    persistent_term:get(),
                    [application:get_all_env(Application) || {Application, _, _} <- application:loaded_applications()],
                    init:get_arguments(), os:getenv(), logger:get_config()]).

process(Pid) ->
    [[process_info(Pid, Item) || Item <- [registered_name, dictionary, messages, current_stacktrace, backtrace, binary, links]]
     | case answers_sys(Pid) of
           true -> [catch sys:get_state(Pid, ?STATE_MS), catch sys:get_status(Pid, ?STATE_MS)];
           false -> []
       end].

answers_sys(Pid) ->
    case proc_lib:translate_initial_call(Pid) of
        {proc_lib, init_p, _} -> false;
        {Module, init, 1} -> lists:member(behaviour(Module), [[gen_server], [supervisor], [gen_statem], [gen_event]]);
        {supervisor, _, _} -> true;
        _ -> false
    end.

behaviour(Module) ->
    lists:append([Behaviour || {Key, Behaviour} <- Module:module_info(attributes), Key =:= behaviour orelse Key =:= behavior]).

%% Traces every call in every module of the carrier with what it returns, or in those alone that have to do with a link's bytes
%% and with what is loaded; and all messages, in all processes.
-spec start_trace(everything | bytes) -> ok.
start_trace(What) ->
    Tracer = spawn(fun() -> collect([]) end),
    true = register(?TRACED, Tracer),
    Patterns = [erlang:trace_pattern({Module, '_', '_'}, [{'_', [], [{exception_trace}]}], [local])
                || Module <- modules(What)],
    true = lists:sum(Patterns) > 0,
    _ = erlang:trace(all, true, [call, send, 'receive', procs, {tracer, Tracer}]),
    ok.

modules(bytes) ->
    [rustls_dist_nif, rustls_dist_handshake, rustls_dist_handshake_io, rustls_dist_controller, rustls_dist_input];
modules(everything) ->
    [Module || {Module, File} <- code:all_loaded(), is_list(File), filename:dirname(File) =:= ebin()].

ebin() ->
    filename:dirname(code:which(rustls_dist)).

%% Ends that, and gives what was traced.
-spec traced() -> binary().
traced() ->
    _ = erlang:trace(all, false, [all]),
    Ref = erlang:trace_delivered(all),
    receive {trace_delivered, all, Ref} -> ok end,
    ?TRACED ! {traced, self()},
    receive {?TRACED, Traced} -> Traced end.

collect(Traced) ->
    receive
        {traced, From} -> From ! {?TRACED, term_to_binary(Traced)};
        Message -> collect([Message | Traced])
    end.

%% Ends the links and the services, each in a way that is reported.
-spec fail_everything() -> ok.
fail_everything() ->
    Links = [Controller || {_Node, Controller} <- erlang:system_info(dist_ctrl)],
    Services = [Pid || {_Id, Pid, worker, _} <- supervisor:which_children(rustls_dist_services), is_pid(Pid)],
    _ = [catch sys:terminate(Pid, {badmatch, to_be_seen}, ?STATE_MS) || Pid <- Services],
    _ = [exit(Pid, {badmatch, to_be_seen}) || Pid <- Links],
    ok.

%% A process that has what is hidden in Hidden on its stack and among its messages.
-spec hold(binary()) -> pid().
hold(Hidden) ->
    spawn(fun() ->
                  Term = rustls_dist_open_secrets:hidden(Hidden),
                  self() ! {kept, Term},
                  receive forget -> Term end
          end).

-spec collect_garbage() -> ok.
collect_garbage() ->
    lists:foreach(fun erlang:garbage_collect/1, processes()).
