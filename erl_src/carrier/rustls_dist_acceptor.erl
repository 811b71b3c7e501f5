%% The accept loop: takes connections off the listening socket and gives each a process of its own for the handshake
%% (rustls_dist_accepted). It survives every error of accept but a closed listening socket.
%%
%% Nothing a peer does or leaves undone holds the loop. Handshakes in flight are bounded, and so is their share of the file
%% descriptors: when there are too many, or no descriptor is left for one more, the oldest is dropped, so that peers that
%% say nothing cannot keep one out that does, nor keep the node from opening its files.
%%
%% @private
-module(rustls_dist_acceptor).

-export([start/2]).
-export([init/3]).

-record(state, {family :: inet | inet6,
                listen :: inet:socket(),
                kernel :: pid(),
                limit :: pos_integer(),                            % of descriptors and ports that the node may have
                next = 0 :: non_neg_integer(),
                pending = #{} :: #{pid() => Age :: non_neg_integer()},
                by_age = gb_trees:empty() :: gb_trees:tree(Age :: non_neg_integer(), {pid(), inet:socket()}),
                complaints :: rustls_dist_rate:rate()}).

%% Connections whose handshake is not over: at most so many, and at most this part of what the rest of the node leaves.
-define(MAX_PENDING, 4096).
-define(SHARE, 2).

%% So often, when nobody connects, whatever else came is dropped; and while there are handshakes, those that are over are seen.
-define(ACCEPT_MS, 60000).
-define(ACCEPT_PENDING_MS, 1000).

%% After an accept error that dropping a handshake does not mend; and what one that is dropped is waited for at most.
-define(RETRY_MS, 100).

%% Log entries about accept errors and dropped handshakes.
-define(MAX_COMPLAINTS, 5).
-define(COMPLAINT_PERIOD_MS, 10000).

%% Starts the loop, linked to net_kernel, which starts it anew should it ever end.
-spec start(inet | inet6, inet:socket()) -> pid().
start(Family, Listen) ->
    spawn_opt(?MODULE, init, [Family, Listen, self()], [link, {priority, max}]).

%% The process itself. rustls_dist_own_certificate knows it by this function.
-spec init(inet | inet6, inet:socket(), pid()) -> no_return().
init(Family, Listen, Kernel) ->
    loop(#state{family = Family,
                listen = Listen,
                kernel = Kernel,
                limit = limit(),
                complaints = rustls_dist_rate:new(?MAX_COMPLAINTS, ?COMPLAINT_PERIOD_MS)}).

%% As it was when the node started.
limit() ->
    lists:min([erlang:system_info(port_limit)
               | [Max || Set <- erlang:system_info(check_io), {max_fds, Max} <- Set]]).

%% Nearly every descriptor that a node holds for long is a port's.
max_pending(#state{limit = Limit, pending = Pending}) ->
    Others = erlang:system_info(port_count) - map_size(Pending),
    max(1, min(?MAX_PENDING, (Limit - Others) div ?SHARE)).

loop(#state{listen = Listen, family = Family, pending = Pending} = State) ->
    ok = rustls_dist_meter:set(pending, #{family => Family}, map_size(Pending)),
    case gen_tcp:accept(Listen, accept_ms(Pending)) of
        {ok, Socket} -> loop(admit(forget_finished(State), Socket));
        {error, timeout} -> loop(forget_finished(State));
        {error, Reason} -> loop(get_over(Reason, forget_finished(complain(State, {accept_error, Reason}))))
    end.

accept_ms(Pending) when map_size(Pending) > 0 -> ?ACCEPT_PENDING_MS;
accept_ms(_Nobody) -> ?ACCEPT_MS.

%% A closed listening socket stays closed; net_kernel decides what becomes of that.
get_over(closed, #state{family = Family}) ->
    ok = rustls_dist_meter:set(pending, #{family => Family}, 0),
    exit({listening_socket, closed});
get_over(Reason, #state{pending = Pending} = State)
  when map_size(Pending) > 0, (Reason =:= emfile orelse Reason =:= enfile orelse Reason =:= system_limit) ->
    drop_oldest(no_descriptor, State);
get_over(_Reason, State) ->
    receive after ?RETRY_MS -> State end.

admit(#state{pending = Pending} = State, Socket) ->
    case max_pending(State) of
        Max when map_size(Pending) >= Max ->
            admit(drop_oldest(too_many, complain(State, {too_many_handshakes, map_size(Pending)})), Socket);
        _ ->
            begin_handshake(State, Socket)
    end.

begin_handshake(#state{family = Family, kernel = Kernel, next = Age, pending = Pending, by_age = ByAge} = State, Socket) ->
    ok = rustls_dist_meter:count(accepted, #{}),
    {Pid, _Ref} = rustls_dist_accepted:start(Family, Kernel),
    case gen_tcp:controlling_process(Socket, Pid) of
        ok -> rustls_dist_accepted:go(Pid, Socket);
        {error, _} -> exit(Pid, kill)
    end,
    State#state{next = Age + 1, pending = Pending#{Pid => Age}, by_age = gb_trees:insert(Age, {Pid, Socket}, ByAge)}.

drop_oldest(Why, #state{pending = Pending, by_age = ByAge} = State) ->
    ok = rustls_dist_meter:count(dropped, #{reason => Why}),
    {_Age, {Pid, Socket}, Younger} = gb_trees:take_smallest(ByAge),
    exit(Pid, kill),
    receive
        {'DOWN', _Ref, process, Pid, _Reason} -> close(Socket, Pid)
    after ?RETRY_MS ->
        ok
    end,
    State#state{pending = maps:remove(Pid, Pending), by_age = Younger}.

%% So that the descriptor is free when this returns: what a process leaves behind is closed at some later time. A link that
%% took the socket over in the last moment keeps it.
close(Socket, Pid) ->
    try
        erlang:port_info(Socket, connected) =:= {connected, Pid} andalso erlang:port_close(Socket)
    catch
        error:badarg -> true
    end.

%% Other messages are nobody's.
forget_finished(State) ->
    receive
        {'DOWN', _Ref, process, Pid, _Reason} -> forget_finished(forget(Pid, State));
        _Other -> forget_finished(State)
    after 0 ->
        State
    end.

%% One that was dropped is not there any more.
forget(Pid, #state{pending = Pending, by_age = ByAge} = State) ->
    case maps:take(Pid, Pending) of
        {Age, Others} -> State#state{pending = Others, by_age = gb_trees:delete(Age, ByAge)};
        error -> State
    end.

complain(#state{complaints = Rate} = State, What) ->
    {IsAdmitted, LeftOut, Next} = rustls_dist_rate:spend(Rate),
    _ = IsAdmitted andalso rustls_dist_log:listener(What, LeftOut),
    State#state{complaints = Next}.
