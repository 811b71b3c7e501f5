%% Keeps failures that repeat from flooding the log: a process that sends to a node which is down makes net_kernel try a
%% link for each message. The first entries about one peer and stage are logged, the others counted, and the count is
%% logged when the period is over.
-module(rustls_dist_log_limit).

-behaviour(gen_server).

-export([start_link/0, admit/1]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2, format_status/1]).

-export_type([key/0]).

%% What makes two failures the same: direction, peer, stage; or the module that finds revocation lists.
-type key() :: {in | out | established, Peer :: term(), rustls_dist_failure:stage()}
             | {probe, inet:ip_address() | unknown | others}
             | {crl_source, module()}.

-type state() :: #{key() | others => non_neg_integer()}.   % entries in the current period

-define(ENTRIES, 5).
-define(PERIOD_MS, 10000).

%% Beyond this many different keys in a period the rest share one.
-define(MAX_KEYS, 1000).

-spec start_link() -> {ok, pid()} | {error, term()}.
start_link() ->
    gen_server:start_link({local, ?MODULE}, ?MODULE, [], []).

%% Whether an entry is to be logged. When in doubt it is.
-spec admit(key()) -> boolean().
admit(Key) ->
    try
        gen_server:call(?MODULE, {admit, Key})
    catch
        exit:_ -> true
    end.

-spec init([]) -> {ok, state()}.
init([]) ->
    {ok, #{}}.

-spec handle_call(term(), gen_server:from(), state()) -> {reply, boolean(), state()} | {noreply, state()}.
handle_call({admit, Given}, _From, State) ->
    Key = case map_size(State) >= ?MAX_KEYS andalso not is_map_key(Given, State) of
              true -> shared(Given);
              false -> Given
          end,
    case State of
        #{Key := Count} ->
            {reply, Count < entries(Key), State#{Key := Count + 1}};
        #{} ->
            _ = erlang:send_after(?PERIOD_MS, self(), {period_over, Key}),
            {reply, entries(Key) > 0, State#{Key => 1}}
    end;
handle_call(_Unknown, _From, State) ->
    {noreply, State}.

-spec handle_cast(term(), state()) -> {noreply, state()}.
handle_cast(_Cast, State) ->
    {noreply, State}.

-spec handle_info(term(), state()) -> {noreply, state()}.
handle_info({period_over, Key}, State) when is_map_key(Key, State) ->
    {Count, Rest} = maps:take(Key, State),
    Count > entries(Key) andalso rustls_dist_log:repeated(Key, Count - entries(Key), ?PERIOD_MS),
    {noreply, Rest};
handle_info(_Unknown, State) ->
    {noreply, State}.

-spec format_status(#{atom() => term()}) -> #{atom() => term()}.
format_status(Status) ->
    rustls_dist_crash:format_status(Status).

%% Connections without a word are no failures. They are counted, and only the count is logged.
entries({probe, _Ip}) -> 0;
entries(_Failure) -> ?ENTRIES.

shared({probe, _Ip}) -> {probe, others};
shared(_Failure) -> others.
