%% The accept loop: takes connections off the listening socket and gives each a process of its own for the handshake.
%%
%% Nothing a peer does or leaves undone holds the loop. Handshakes in flight are bounded: when there are too many the
%% oldest is dropped, so that peers that say nothing cannot keep one out that does.
-module(rustls_dist_acceptor).

-export([start/2]).
-export([init/3]).

-record(state, {family :: inet | inet6,
                listen :: inet:socket(),
                kernel :: pid(),
                next = 0 :: non_neg_integer(),
                pending = #{} :: #{pid() => non_neg_integer()},   % by age
                complaints :: rustls_dist_rate:rate()}).

%% Connections whose handshake is not over.
-define(MAX_PENDING, 4096).

%% So often, when nobody connects, whatever else came is dropped.
-define(ACCEPT_MS, 60000).

%% After an accept error, such as no file descriptors left.
-define(RETRY_MS, 100).

%% Log entries about accept errors and dropped handshakes.
-define(MAX_COMPLAINTS, 5).
-define(COMPLAINT_PERIOD_MS, 10000).

%% Starts the loop, linked to net_kernel, which starts it anew should it ever end.
-spec start(inet | inet6, inet:socket()) -> pid().
start(Family, Listen) ->
    spawn_opt(?MODULE, init, [Family, Listen, self()], [link, {priority, max}]).

-spec init(inet | inet6, inet:socket(), pid()) -> no_return().
init(Family, Listen, Kernel) ->
    loop(#state{family = Family,
                listen = Listen,
                kernel = Kernel,
                complaints = rustls_dist_rate:new(?MAX_COMPLAINTS, ?COMPLAINT_PERIOD_MS)}).

loop(#state{listen = Listen} = State) ->
    case gen_tcp:accept(Listen, ?ACCEPT_MS) of
        {ok, Socket} ->
            loop(admit(forget_finished(State), Socket));
        {error, timeout} ->
            loop(forget_finished(State));
        {error, Reason} ->
            Next = complain(State, {accept_error, Reason}),
            receive after ?RETRY_MS -> ok end,
            %% A closed listening socket stays closed; net_kernel decides what becomes of that.
            Reason =:= closed andalso exit({listening_socket, closed}),
            loop(forget_finished(Next))
    end.

admit(#state{pending = Pending} = State, Socket) when map_size(Pending) >= ?MAX_PENDING ->
    {_Age, Oldest} = lists:min([{Age, Pid} || {Pid, Age} <- maps:to_list(Pending)]),
    exit(Oldest, kill),
    admit(complain(State#state{pending = maps:remove(Oldest, Pending)}, {too_many_handshakes, ?MAX_PENDING}), Socket);
admit(#state{family = Family, kernel = Kernel, next = Age, pending = Pending} = State, Socket) ->
    {Pid, _Ref} = rustls_dist_incoming:start(Family, Kernel),
    case gen_tcp:controlling_process(Socket, Pid) of
        ok -> rustls_dist_incoming:go(Pid, Socket);
        {error, _} -> exit(Pid, kill)
    end,
    State#state{next = Age + 1, pending = Pending#{Pid => Age}}.

forget_finished(#state{pending = Pending} = State) ->
    receive
        {'DOWN', _Ref, process, Pid, _Reason} -> forget_finished(State#state{pending = maps:remove(Pid, Pending)});
        _Unknown -> forget_finished(State)
    after 0 ->
        State
    end.

complain(#state{complaints = Rate} = State, What) ->
    case rustls_dist_rate:spend(Rate) of
        {ok, Next, Suppressed} ->
            rustls_dist_log:listener(What, Suppressed),
            State#state{complaints = Next};
        {exhausted, Next} ->
            State#state{complaints = Next}
    end.
