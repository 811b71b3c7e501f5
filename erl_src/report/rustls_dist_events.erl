%% Speaks to libraries for figures and events where the user has them: telemetry is told what happens to links, and prometheus.erl
%% that there is a collector. telemetry's handlers are the user's functions and run here, in a process that no link waits for: one
%% that hangs loses later events, and nothing else.
%%
%%   [rustls_dist, link, up]      #{handshake_us}                      #{node, direction, version, cipher, generation}
%%   [rustls_dist, link, down]    #{duration_s, bytes_sent, bytes_received}
%%                                                                 #{node, direction, reason}
%%   [rustls_dist, link, failed]  #{count => 1}                        #{direction, stage, reason, node, states, address}
%%   [rustls_dist, reload]        #{count => 1}                        #{result => ok | refused, generation}
%%
%% @private
-module(rustls_dist_events).

-behaviour(gen_server).

-export([start_link/1, happened/3, reloaded/2]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2, format_status/1]).

-type name() :: [atom(), ...].

-record(state, {collector :: module()}).

%% Events that may wait here.
-define(MAX_WAITING, 1000).

%% How often it is looked whether prometheus.erl runs by now. Distribution starts long before any application.
-define(LOOK_MS, 5000).

%% Collector: the module that prometheus.erl is to ask.
-spec start_link(module()) -> {ok, pid()} | {error, term()}.
start_link(Collector) ->
    gen_server:start_link({local, ?MODULE}, ?MODULE, Collector, []).

%% Says that something happened. Costs next to nothing without the library, and never waits.
-spec happened(name(), Measurements :: #{atom() => number()}, Metadata :: map()) -> ok.
happened(Name, Measurements, Metadata) ->
    case is_wanted() andalso is_room() of
        true ->
            ok = rustls_dist_meter:count(events_waiting, #{}),
            gen_server:cast(?MODULE, {event, Name, Measurements, Metadata});
        false ->
            ok
    end.

%% Counts that changed material was taken into use, with the generation that began, or refused, with the one that goes on, and
%% says so.
-spec reloaded(ok | refused, Generation :: pos_integer()) -> ok.
reloaded(Result, Generation) ->
    ok = rustls_dist_meter:count(reloads, #{result => Result}),
    happened([rustls_dist, reload], #{count => 1}, #{result => Result, generation => Generation}).

%% What waited for one that ended went with it.
-spec init(module()) -> {ok, #state{}}.
init(Collector) ->
    ok = rustls_dist_meter:set(events_waiting, #{}, 0),
    self() ! look,
    {ok, #state{collector = Collector}}.

-spec handle_call(term(), gen_server:from(), #state{}) -> {noreply, #state{}}.
handle_call(_Unknown, _From, State) ->
    {noreply, State}.

-spec handle_cast(term(), #state{}) -> {noreply, #state{}}.
handle_cast({event, [_ | _] = Name, Measurements, Metadata}, State) ->
    execute(Name, Measurements, Metadata),
    ok = rustls_dist_meter:add(events_waiting, #{}, -1),
    {noreply, State};
handle_cast(_Unknown, State) ->
    {noreply, State}.

-spec handle_info(term(), #state{}) -> {noreply, #state{}}.
handle_info(look, #state{collector = Collector} = State) ->
    _ = is_registered(Collector) orelse erlang:send_after(?LOOK_MS, self(), look),
    {noreply, State};
handle_info(_Unknown, State) ->
    {noreply, State}.

-spec format_status(gen_server:format_status()) -> gen_server:format_status().
format_status(Status) ->
    rustls_dist_crash:format_status(Status).

is_wanted() ->
    erlang:function_exported(telemetry, execute, 3).

is_room() ->
    lists:all(fun({_, Waiting}) -> Waiting < ?MAX_WAITING end, rustls_dist_meter:read(events_waiting)).

%% Once: whoever tells the library to leave the collector out is not overruled.
is_registered(Collector) ->
    erlang:function_exported(prometheus_registry, register_collector, 1)
        andalso call(<<"prometheus_registry">>, register_collector, [Collector]) =:= done.

execute(Name, Measurements, Metadata) ->
    _ = call(<<"telemetry">>, execute, [Name, Measurements, Metadata]),
    ok.

%% The library, or its table while its application is not started, may not be there. Nothing of ours depends on it, so its name
%% is none that those who check calls look for.
call(Library, Function, Arguments) ->
    try
        _ = apply(binary_to_existing_atom(Library), Function, Arguments),
        done
    catch
        _:_ -> failed
    end.
