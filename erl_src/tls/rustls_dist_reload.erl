%% Takes changed files into use without a restart (rustls_dist_material): looks at them every few seconds, judges what is new, and
%% makes it the next generation, or tells why not and leaves what was in use.
%%
%% Files are looked at and read in a process of its own with a deadline: a file system that hangs holds nobody up. Who writes
%% several files, or one in pieces, is waited for until two looks see the same.
%%
%% @private
-module(rustls_dist_reload).

-behaviour(gen_server).

-export([start_link/0, now/0]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2, format_status/1]).
-export([work/2]).

-export_type([result/0]).

%% The files that were taken into use, none if nothing has changed; or the sentence that says what is wrong with them.
-type result() :: {ok, [Name :: binary()]} | {error, binary()}.

%% worker: looks and reads; callers: wait for what it finds; queue: came when it had begun already.
-record(state, {worker = none :: {pid(), reference(), reference()} | none,
                callers = [] :: [gen_server:from()],
                queue = [] :: [gen_server:from()],
                last :: rustls_dist_material:stamps(),
                is_stuck = false :: boolean()}).

-define(PERIOD_MS, 2000).
-define(WORK_MS, 30000).

%% A caller may have to wait for a work that has begun before its own.
-define(CALL_MS, 65000).

-spec start_link() -> {ok, pid()} | {error, term()}.
start_link() ->
    gen_server:start_link({local, ?MODULE}, ?MODULE, [], []).

%% Looks now, and does not wait for a second look.
-spec now() -> result().
now() ->
    try
        gen_server:call(?MODULE, reload, ?CALL_MS)
    catch
        exit:_ -> {error, <<"rustls_dist does not run on this node, or its files cannot be read in time">>}
    end.

-spec init([]) -> {ok, #state{}}.
init([]) ->
    _ = erlang:send_after(?PERIOD_MS, self(), look),
    {ok, #state{last = rustls_dist_generation:used()}}.

-spec handle_call(term(), gen_server:from(), #state{}) -> {noreply, #state{}}.
handle_call(reload, From, #state{worker = none} = State) ->
    {noreply, (begin_work(at_once, State))#state{callers = [From]}};
handle_call(reload, From, #state{queue = Queue} = State) ->
    {noreply, State#state{queue = [From | Queue]}};
handle_call(_Unknown, _From, State) ->
    {noreply, State}.

-spec handle_cast(term(), #state{}) -> {noreply, #state{}}.
handle_cast(_Unknown, State) ->
    {noreply, State}.

-spec handle_info(term(), #state{}) -> {noreply, #state{}}.
handle_info(look, State) ->
    _ = erlang:send_after(?PERIOD_MS, self(), look),
    case State of
        #state{worker = none} -> {noreply, begin_work(when_steady, State)};
        _ -> {noreply, State}
    end;
handle_info({'DOWN', Ref, process, Pid, Reason}, #state{worker = {Pid, Ref, Timer}, callers = Callers, queue = Queue} = State) ->
    _ = erlang:cancel_timer(Timer),
    {Result, Next} = outcome(Reason, State#state{worker = none, callers = [], queue = []}),
    _ = [gen_server:reply(From, Result) || From <- Callers],
    case Queue of
        [] -> {noreply, Next};
        _ -> {noreply, (begin_work(at_once, Next))#state{callers = Queue}}
    end;
handle_info({late, Pid}, #state{worker = {Pid, _Ref, _Timer}} = State) ->
    exit(Pid, kill),
    {noreply, State};
handle_info(_Other, State) ->
    {noreply, State}.

-spec format_status(gen_server:format_status()) -> gen_server:format_status().
format_status(Status) ->
    rustls_dist_crash:format_status(Status).

begin_work(How, #state{last = Last} = State) ->
    {Pid, Ref} = spawn_monitor(?MODULE, work, [How, Last]),
    State#state{worker = {Pid, Ref, erlang:send_after(?WORK_MS, self(), {late, Pid})}}.

outcome({worked, Result, Stamps}, State) ->
    {Result, State#state{last = Stamps, is_stuck = false}};
outcome(_Failed, #state{is_stuck = true} = State) ->
    {unreadable(), State};
outcome(_Failed, State) ->
    {error, Text} = Error = unreadable(),
    ok = rustls_dist_log:notice(Text),
    {Error, State#state{is_stuck = true}}.

unreadable() ->
    {error, <<"the files of the TLS configuration could not be looked at; what was in use stays, and they are looked at again "
              "every few seconds">>}.

%% The worker. Last: what the look before this saw.
-spec work(at_once | when_steady, rustls_dist_material:stamps()) -> no_return().
work(How, Last) ->
    rustls_dist_crash:without_terms(fun() -> exit(worked(How, Last)) end).

%% Stamps are taken before anything is read: what changes meanwhile is another change.
worked(How, Last) ->
    OptionsFile = rustls_dist_material:stamps(rustls_dist_material:options_file(), Last),
    Stamps = maps:merge(rustls_dist_material:stamps(files(OptionsFile, Last), Last), OptionsFile),
    Changed = rustls_dist_material:changed(rustls_dist_generation:used(), Stamps),
    case Changed =/= [] andalso is_due(How, Last, Stamps) of
        true -> {worked, take(Changed, Stamps), Stamps};
        false -> {worked, {ok, []}, Stamps}
    end.

%% The options file is read only when it has changed: it says which files there are. Where it cannot be read, they stay those of before.
files(OptionsFile, Last) ->
    case rustls_dist_material:changed(Last, OptionsFile) of
        [] ->
            maps:keys(Last);
        _Changed ->
            case sources() of
                {ok, Sources} -> rustls_dist_material:files(Sources);
                {error, _} -> maps:keys(Last)
            end
    end.

sources() ->
    rustls_dist_roles:sources(fun init:get_argument/1).

%% What was refused is not judged again before it changes, unless somebody asks.
is_due(at_once, _Last, _Stamps) ->
    true;
is_due(when_steady, Last, Stamps) ->
    rustls_dist_material:changed(Last, Stamps) =:= []
        andalso rustls_dist_material:changed(rustls_dist_generation:seen(), Stamps) =/= [].

take(Changed, Stamps) ->
    ok = rustls_dist_generation:seen(Stamps),
    case rustls_dist_config:successor(sources()) of
        {ok, Number} ->
            ok = rustls_dist_generation:used(Stamps),
            ok = rustls_dist_log:reloaded(Number, Changed),
            ok = rustls_dist_events:reloaded(ok, Number),
            ok = rustls_dist_own_certificate:look_again(),
            {ok, Changed};
        {error, Text} ->
            ok = rustls_dist_log:not_reloaded(Changed, Text),
            ok = rustls_dist_events:reloaded(refused, rustls_dist_generation:number()),
            {error, unicode:characters_to_binary(Text)}
    end.
