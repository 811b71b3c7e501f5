%% Keeps the services (rustls_dist_services) running: starts them, and starts them anew a moment after they ended, for whatever
%% reason and however often. A supervisor would give up some time, and above is net_sup, whose end is the node's.
%%
%% @private
-module(rustls_dist_keeper).

-behaviour(gen_server).

-export([start_link/0]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2, terminate/2]).

-type state() :: #{services => pid()}.          % none while they are down

%% Services that fail at once are not tried again in a busy loop.
-define(RETRY_MS, 100).

-spec start_link() -> {ok, pid()} | {error, term()}.
start_link() ->
    gen_server:start_link({local, ?MODULE}, ?MODULE, [], []).

%% The services are up when this returns: net_kernel is about to listen.
-spec init([]) -> {ok, state()}.
init([]) ->
    _ = process_flag(trap_exit, true),
    {ok, start(#{})}.

-spec handle_call(term(), gen_server:from(), state()) -> {noreply, state()}.
handle_call(_Unknown, _From, State) ->
    {noreply, State}.

-spec handle_cast(term(), state()) -> {noreply, state()}.
handle_cast(_Unknown, State) ->
    {noreply, State}.

-spec handle_info(term(), state()) -> {noreply, state()}.
handle_info({'EXIT', Services, _Reason}, #{services := Services}) ->
    {noreply, retry(#{})};
handle_info(start, State) when not is_map_key(services, State) ->
    {noreply, start(State)};
handle_info(_Unknown, State) ->
    {noreply, State}.

-spec terminate(term(), state()) -> ok.
terminate(_Reason, #{services := Services}) ->
    Ref = erlang:monitor(process, Services),
    exit(Services, shutdown),
    receive {'DOWN', Ref, process, Services, _} -> ok end;
terminate(_Reason, #{}) ->
    ok.

%% The services of a keeper that was killed may still be about to end.
start(State) ->
    case rustls_dist_services:start_link() of
        {ok, Services} -> State#{services => Services};
        {error, _} -> retry(State)
    end.

retry(State) ->
    _ = erlang:send_after(?RETRY_MS, self(), start),
    State.
