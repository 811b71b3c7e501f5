%% The links that this node opened or is opening: to tell a peer that failed from one that gave its own attempt up.
%%
%% When two nodes connect to each other at the same moment, the node with the lesser name ends its own attempt as soon as it
%% has seen the name of the greater one in the other direction (net_kernel, accept_pending). The greater one sees a
%% connection that is cut somewhere, perhaps before its peer said its name; but its own attempt was there before that.
%%
%% @private
-module(rustls_dist_attempts).

-behaviour(gen_server).

-export([start_link/0, begun/3, is_any_to/2]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2, format_status/1]).

%% The latest attempt to a node, and the link that it became.
-record(attempt, {node :: node(), ip :: inet:ip_address(), begun_ms :: integer()}).

-type state() :: #{reference() => #attempt{}}.    % by the monitor of its supervisor

-define(TABLE, ?MODULE).

%% How long an attempt, or a link, that ended is remembered.
-define(LINGER_MS, 3000).

-spec start_link() -> {ok, pid()} | {error, term()}.
start_link() ->
    gen_server:start_link({local, ?MODULE}, ?MODULE, [], []).

%% Remembers an attempt for as long as the link's supervisor lives, and a while longer: what the peer withdrew may be noticed
%% late. Called before the peer can have heard of it. Does without, should this server be down.
-spec begun(pid(), node(), inet:ip_address()) -> ok.
begun(Supervisor, Node, Ip) ->
    try
        gen_server:call(?MODULE, {begun, Supervisor, Node, Ip})
    catch
        exit:_ -> ok
    end.

%% Whether there is an attempt, or a link that came of one not long ago, to the node called Name; or to any node at Ip, if the
%% peer had no time to say its name.
-spec is_any_to(Name :: string() | unknown, inet:ip_address()) -> boolean().
is_any_to(Name, Ip) ->
    %% As long as a set-up may take on both sides.
    Since = now_ms() - 2 * net_kernel:connecttime(),
    try ets:tab2list(?TABLE) of
        Attempts -> lists:any(fun(Attempt) -> is_to(Attempt, Name, Ip, Since) end, Attempts)
    catch
        error:badarg -> false
    end.

is_to(#attempt{begun_ms = BegunMs}, _Name, _Ip, Since) when BegunMs < Since -> false;
is_to(#attempt{ip = Ip}, unknown, Ip, _Since) -> true;
is_to(#attempt{node = Node}, Name, _Ip, _Since) -> Name =/= unknown andalso atom_to_list(Node) =:= Name.

-spec init([]) -> {ok, state()}.
init([]) ->
    ?TABLE = ets:new(?TABLE, [named_table, protected, {read_concurrency, true}, {keypos, #attempt.node}]),
    {ok, #{}}.

-spec handle_call(term(), gen_server:from(), state()) -> {reply, ok, state()} | {noreply, state()}.
handle_call({begun, Supervisor, Node, Ip}, _From, State) ->
    Attempt = #attempt{node = Node, ip = Ip, begun_ms = now_ms()},
    true = ets:insert(?TABLE, Attempt),
    {reply, ok, State#{erlang:monitor(process, Supervisor) => Attempt}};
handle_call(_Unknown, _From, State) ->
    {noreply, State}.

-spec handle_cast(term(), state()) -> {noreply, state()}.
handle_cast(_Cast, State) ->
    {noreply, State}.

-spec handle_info(term(), state()) -> {noreply, state()}.
handle_info({'DOWN', Ref, process, _Supervisor, _Reason}, State) when is_map_key(Ref, State) ->
    {Attempt, Rest} = maps:take(Ref, State),
    _ = erlang:send_after(?LINGER_MS, self(), {forget, Attempt}),
    {noreply, Rest};
%% Not a later one to the same node.
handle_info({forget, #attempt{} = Attempt}, State) ->
    true = ets:delete_object(?TABLE, Attempt),
    {noreply, State};
handle_info(_Other, State) ->
    {noreply, State}.

-spec format_status(gen_server:format_status()) -> gen_server:format_status().
format_status(Status) ->
    rustls_dist_crash:format_status(Status).

now_ms() ->
    erlang:monotonic_time(millisecond).
