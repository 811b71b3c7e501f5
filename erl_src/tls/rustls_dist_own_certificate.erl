%% Looks at this node's own certificates at boot, and again every day, so that what is wrong with them (rustls_dist_own_faults)
%% is told before its peers find out.
%%
%% A peer's refusal would be the first sign otherwise, and then for all links at once.
%%
%% @private
-module(rustls_dist_own_certificate).

-behaviour(gen_server).

-export([start_link/0, start_link/1, look_again/0]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2, format_status/1]).

%% told: that certificates are to expire, once for each and each number of days left.
-record(state, {period_ms :: pos_integer(), told = [] :: [tuple()]}).

-define(PERIOD_MS, 86400000).

%% At boot, until logger writes where the user wants it and the node has its name.
-define(LOGGER_TRIES, 100).
-define(LOGGER_POLL_MS, 100).

%% A node that was made one at run time is looked at when it has lasted so long.
-define(SETTLED_MS, 60000).

-spec start_link() -> {ok, pid()} | {error, term()}.
start_link() ->
    start_link(?PERIOD_MS).

%% PeriodMs: between two looks at the certificates.
-spec start_link(pos_integer()) -> {ok, pid()} | {error, term()}.
start_link(PeriodMs) ->
    gen_server:start_link({local, ?MODULE}, ?MODULE, PeriodMs, []).

%% There are new certificates.
-spec look_again() -> ok.
look_again() ->
    gen_server:cast(?MODULE, look).

-spec init(pos_integer()) -> {ok, #state{}}.
init(PeriodMs) ->
    self() ! {look, ?LOGGER_TRIES},
    {ok, #state{period_ms = PeriodMs}}.

-spec handle_call(term(), gen_server:from(), #state{}) -> {noreply, #state{}}.
handle_call(_Call, _From, State) ->
    {noreply, State}.

-spec handle_cast(term(), #state{}) -> {noreply, #state{}} | {noreply, #state{}, hibernate}.
handle_cast(look, State) ->
    {noreply, look(State), hibernate};
handle_cast(_Cast, State) ->
    {noreply, State}.

-spec handle_info(term(), #state{}) -> {noreply, #state{}} | {noreply, #state{}, hibernate}.
handle_info({look, Tries}, State) when is_integer(Tries), Tries > 0 ->
    _ = case is_up() of
            false -> erlang:send_after(?LOGGER_POLL_MS, self(), {look, Tries - 1});
            true ->
                ok = rustls_dist_log:be_visible(),
                erlang:send_after(first_look_ms(), self(), {look, 0})
        end,
    {noreply, State};
handle_info({look, 0}, #state{period_ms = PeriodMs} = State) ->
    _ = erlang:send_after(PeriodMs, self(), {look, 0}),
    %% A day is too long to keep what was looked at: a configuration, private keys and all.
    {noreply, look(State), hibernate};
handle_info(_Other, State) ->
    {noreply, State}.

-spec format_status(gen_server:format_status()) -> gen_server:format_status().
format_status(Status) ->
    rustls_dist_crash:format_status(Status).

%% Tools start distribution for a call or two, and what they print is taken for their answer (relx's nodetool).
first_look_ms() ->
    case net_kernel:get_state() of
        #{started := static} -> 0;
        _ -> ?SETTLED_MS
    end.

%% A node that gets its name from a peer, or none, is not waited for long.
is_up() ->
    rustls_dist_log:is_set_up() andalso is_alive().

look(#state{told = Told} = State) ->
    New = [Fault || {Kind, _Text} = Fault <- rustls_dist_own_faults:of_roles(rustls_dist_config:check()), not lists:member(Kind, Told)],
    lists:foreach(fun({_Kind, Text}) -> rustls_dist_log:own_certificate(Text) end, New),
    State#state{told = [Kind || {{expires, _, _} = Kind, _Text} <- New] ++ Told}.
