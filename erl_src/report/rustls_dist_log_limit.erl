%% Keeps failures that repeat from flooding the log: a process that sends to a node which is down makes net_kernel try a
%% link for each message. The first entries about one peer and stage are logged, the others counted, and the count is
%% logged when the period is over.
%%
%% @private
-module(rustls_dist_log_limit).

-behaviour(gen_server).

-export([start_link/1, admit/1]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2, format_status/1]).

-export_type([key/0]).

%% What makes two failures the same: direction, peer, stage; or the module that finds revocation lists.
-type key() :: {in | out | established | ended, Peer :: term(), rustls_dist_failure:stage()}
             | {probe, inet:ip_address() | unknown | others}
             | {crl_source, module()}.

%% Says how many entries of a key were left out in a period.
-type tell() :: fun((key() | others, Count :: pos_integer(), PeriodMs :: pos_integer()) -> ok).

-record(state, {tell :: tell(),
                entries = #{} :: #{key() | others => rustls_dist_rate:rate()}}).   % those of the current period

-define(ENTRIES, 5).
-define(PERIOD_MS, 10000).

%% Beyond this many different keys in a period the rest share one.
-define(MAX_KEYS, 1000).

%% Tell: is called, in this server, when entries were left out.
-spec start_link(tell()) -> {ok, pid()} | {error, term()}.
start_link(Tell) ->
    gen_server:start_link({local, ?MODULE}, ?MODULE, Tell, []).

%% Whether an entry is to be logged. When in doubt it is.
-spec admit(key()) -> boolean().
admit(Key) ->
    try
        gen_server:call(?MODULE, {admit, Key})
    catch
        exit:_ -> true
    end.

-spec init(tell()) -> {ok, #state{}}.
init(Tell) ->
    {ok, #state{tell = Tell}}.

-spec handle_call(term(), gen_server:from(), #state{}) -> {reply, boolean(), #state{}} | {noreply, #state{}}.
handle_call({admit, Given}, _From, #state{entries = Entries} = State) ->
    Key = case map_size(Entries) >= ?MAX_KEYS andalso not is_map_key(Given, Entries) of
              true -> shared(Given);
              false -> Given
          end,
    case Entries of
        #{Key := Rate} ->
            spend(Key, Rate, State);
        #{} ->
            _ = erlang:send_after(?PERIOD_MS, self(), {period_over, Key}),
            spend(Key, rustls_dist_rate:new(entries(Key), ?PERIOD_MS), State)
    end;
handle_call(_Unknown, _From, State) ->
    {noreply, State}.

-spec handle_cast(term(), #state{}) -> {noreply, #state{}}.
handle_cast(_Cast, State) ->
    {noreply, State}.

-spec handle_info(term(), #state{}) -> {noreply, #state{}}.
handle_info({period_over, Key}, #state{tell = Tell, entries = Entries} = State) when is_map_key(Key, Entries) ->
    {Rate, Rest} = maps:take(Key, Entries),
    tell(Tell, Key, rustls_dist_rate:left_out(Rate)),
    {noreply, State#state{entries = Rest}};
handle_info(_Unknown, State) ->
    {noreply, State}.

-spec format_status(gen_server:format_status()) -> gen_server:format_status().
format_status(Status) ->
    rustls_dist_crash:format_status(Status).

%% The period may be over a moment before its timer is.
spend(Key, Rate, #state{tell = Tell, entries = Entries} = State) ->
    {IsAdmitted, Before, Next} = rustls_dist_rate:spend(Rate),
    tell(Tell, Key, Before),
    {reply, IsAdmitted, State#state{entries = Entries#{Key => Next}}}.

tell(_Tell, _Key, 0) -> ok;
tell(Tell, Key, Count) -> Tell(Key, Count, ?PERIOD_MS).

%% Connections without a word are no failures. They are counted, and only the count is logged.
entries({probe, _Ip}) -> 0;
entries(_Failure) -> ?ENTRIES.

shared({probe, _Ip}) -> {probe, others};
shared(_Failure) -> others.
