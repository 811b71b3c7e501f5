%% A proxy of TCP connections that disturbs them. At places that a seed decides it flips a bit, leaves bytes out, repeats them,
%% changes their order, hands them over late or one by one, falls silent, or cuts the connection; what it did to which is
%% remembered.
%%
%% A place is a position in the bytes of one direction of one connection, so that with the same seed the same happens there
%% again, however fast the nodes are.
-module(rustls_dist_faulty_proxy).

-export([start/1, stop/1, be_calm/2, connections/1, damages/1, cuts/1]).

-export_type([proxy/0, kind/0, fault/0, direction/0]).

-type kind() :: flip | drop | repeat | reorder | delay | split | silence | reset | close.

%% to_target: what the one who dialled sends.
-type direction() :: to_target | to_dialler.
-type fault() :: {direction(), kind(), Position :: non_neg_integer()}.
-type proxy() :: pid().

%% mean_bytes: how many bytes a direction has between two faults.
-type options() :: #{listen := inet:port_number(), target := inet:port_number(), seed := integer(), kinds := [kind(), ...],
                     mean_bytes := pos_integer()}.

-define(CONNECT_MS, 2000).

%% A direction goes on for so long when the other has ended.
-define(HALF_CLOSED_MS, 5000).

%% One place in so many lies within the handshakes, which are over after so many bytes.
-define(EARLY, 8).
-define(EARLY_BYTES, 6000).

-define(MAX_BYTES, 3000).
-define(MIN_REORDERED_BYTES, 64).
-define(MAX_SPLIT_BYTES, 200).
-define(MAX_DELAY_MS, 200).

%% Starts a proxy, which is linked to the caller and listens when this returns.
-spec start(options()) -> proxy().
start(#{listen := Port} = Options) ->
    Caller = self(),
    Proxy = spawn_link(fun() ->
                               {ok, Listen} = gen_tcp:listen(Port, [binary, {active, false}, {ip, {127, 0, 0, 1}},
                                                                    {nodelay, true}, {reuseaddr, true}]),
                               Calm = atomics:new(1, []),
                               Self = self(),
                               _ = spawn_link(fun() -> accept(Options#{proxy => Self, calm => Calm}, Listen, 1) end),
                               Caller ! {self(), listening},
                               remember(Calm, #{})
                       end),
    receive {Proxy, listening} -> Proxy end.

-spec stop(proxy()) -> ok.
stop(Proxy) ->
    true = unlink(Proxy),
    Ref = monitor(process, Proxy),
    true = exit(Proxy, kill),
    receive {'DOWN', Ref, process, Proxy, _} -> ok end.

%% Whether faults are left out from now on.
-spec be_calm(proxy(), boolean()) -> ok.
be_calm(Proxy, IsCalm) ->
    ask(Proxy, {be_calm, IsCalm}).

%% The faults of each connection so far, oldest first. Connections are counted from 1.
-spec connections(proxy()) -> #{pos_integer() => [fault()]}.
connections(Proxy) ->
    ask(Proxy, connections).

%% Of faults those that change what arrives in a direction.
-spec damages([fault()]) -> [fault()].
damages(Faults) ->
    [Fault || {_, Kind, _} = Fault <- Faults, lists:member(Kind, [flip, drop, repeat, reorder])].

%% Those that end the connection, at once or for want of ticks.
-spec cuts([fault()]) -> [fault()].
cuts(Faults) ->
    [Fault || {_, Kind, _} = Fault <- Faults, lists:member(Kind, [reset, close, silence])].

ask(Proxy, Question) ->
    Ref = monitor(process, Proxy),
    Proxy ! {Question, self(), Ref},
    receive
        {Ref, Answer} -> demonitor(Ref, [flush]), Answer;
        {'DOWN', Ref, process, Proxy, Reason} -> error({proxy, Reason})
    end.

remember(Calm, Connections) ->
    receive
        {opened, Number} ->
            remember(Calm, Connections#{Number => []});
        {fault, Number, Fault} ->
            remember(Calm, maps:update_with(Number, fun(Before) -> [Fault | Before] end, Connections));
        {connections, From, Ref} ->
            From ! {Ref, maps:map(fun(_, Faults) -> lists:reverse(Faults) end, Connections)},
            remember(Calm, Connections);
        {{be_calm, IsCalm}, From, Ref} ->
            ok = atomics:put(Calm, 1, case IsCalm of true -> 1; false -> 0 end),
            From ! {Ref, ok},
            remember(Calm, Connections)
    end.

accept(#{proxy := Proxy} = Options, Listen, Number) ->
    {ok, Socket} = gen_tcp:accept(Listen),
    Proxy ! {opened, Number},
    Connection = spawn_link(fun() -> receive go -> connect(Options#{number => Number}, Socket) end end),
    ok = gen_tcp:controlling_process(Socket, Connection),
    Connection ! go,
    accept(Options, Listen, Number + 1).

%% One connection, whose process owns both sockets.
connect(#{target := Port} = Options, Dialler) ->
    case gen_tcp:connect({127, 0, 0, 1}, Port, [binary, {active, false}, {nodelay, true}], ?CONNECT_MS) of
        {ok, Target} ->
            Pairs = [{to_target, Dialler, Target}, {to_dialler, Target, Dialler}],
            Self = self(),
            Relays = [spawn_link(fun() -> relay(Options#{connection => Self}, Pair) end) || Pair <- Pairs],
            await_end([Dialler, Target], Relays, infinity);
        {error, _} ->
            gen_tcp:close(Dialler)
    end.

await_end(Sockets, Relays, TimeoutMs) ->
    receive
        {ended, Relay} when length(Relays) > 1 -> await_end(Sockets, Relays -- [Relay], ?HALF_CLOSED_MS);
        {ended, _Relay} -> close(Sockets);
        {cut, reset} -> _ = [inet:setopts(Socket, [{linger, {true, 0}}]) || Socket <- Sockets], close(Sockets);
        {cut, close} -> close(Sockets)
    after TimeoutMs ->
        close(Sockets)
    end.

close(Sockets) ->
    lists:foreach(fun gen_tcp:close/1, Sockets).

relay(#{seed := Seed, number := Number} = Options, {Direction, From, To}) ->
    %% rand's own seeding from three numbers gives neighbours the same beginnings.
    Random = rand:seed_s(exsss, erlang:phash2({Seed, Number, Direction}, 1 bsl 32)),
    Relay = Options#{direction => Direction, from => From, to => To},
    read_on(Relay, 0, first(Relay, Random)).

%% Next: where the next fault is, what it is and how large, and the generator of those behind it.
read_on(#{from := From, to := To, connection := Connection} = Relay, Position, Next) ->
    case gen_tcp:recv(From, 0) of
        {ok, Data} ->
            {NewPosition, NewNext} = pass(Relay, Data, Position, Next),
            read_on(Relay, NewPosition, NewNext);
        {error, _} ->
            _ = gen_tcp:shutdown(To, write),
            Connection ! {ended, self()}
    end.

pass(_Relay, Data, Position, silent) ->
    {Position + byte_size(Data), silent};
pass(Relay, Data, Position, {At, _, _, _} = Next) when At - Position >= byte_size(Data) ->
    ok = send(Relay, Data),
    {Position + byte_size(Data), Next};
pass(#{calm := Calm} = Relay, Data, Position, {At, Kind, Size, Random}) ->
    <<Before:(At - Position)/binary, Rest/binary>> = Data,
    case atomics:get(Calm, 1) =:= 1 orelse too_short(Kind, Rest) of
        true ->
            %% In what comes next, if then.
            pass(Relay, Data, Position, {Position + byte_size(Data), Kind, Size, Random});
        false ->
            ok = send(Relay, Before),
            ok = note(Relay, {maps:get(direction, Relay), Kind, At}),
            Left = act(Kind, Relay, Rest, Size),
            Done = At + byte_size(Rest) - byte_size(Left),
            pass(Relay, Left, Done, after_it(Kind, Relay, Done, Random))
    end.

%% Nothing passes while a cut is under way.
after_it(Kind, _Relay, _Position, _Random) when Kind =:= silence; Kind =:= reset; Kind =:= close -> silent;
after_it(_Kind, Relay, Position, Random) -> next(Relay, Position, Random).

too_short(reorder, Rest) -> byte_size(Rest) < ?MIN_REORDERED_BYTES;
too_short(_Kind, _Rest) -> false.

note(#{proxy := Proxy, number := Number}, Fault) ->
    Proxy ! {fault, Number, Fault},
    ok.

%% Does what the fault is to the first bytes, and gives those behind them.
act(flip, Relay, <<Byte, Rest/binary>>, Size) ->
    ok = send(Relay, <<(Byte bxor (1 bsl (Size rem 8)))>>),
    Rest;
act(drop, _Relay, Data, Size) ->
    {_, Rest} = split(Data, 1 + Size rem ?MAX_BYTES),
    Rest;
act(repeat, Relay, Data, Size) ->
    {First, Rest} = split(Data, 1 + Size rem ?MAX_BYTES),
    ok = send(Relay, First),
    ok = send(Relay, First),
    Rest;
act(reorder, Relay, Data, Size) ->
    {Both, Rest} = split(Data, ?MIN_REORDERED_BYTES + Size rem ?MAX_BYTES),
    {First, Second} = split(Both, byte_size(Both) div 2),
    ok = send(Relay, Second),
    ok = send(Relay, First),
    Rest;
act(delay, _Relay, Data, Size) ->
    receive after Size rem ?MAX_DELAY_MS -> Data end;
act(split, Relay, Data, Size) ->
    {First, Rest} = split(Data, 1 + Size rem ?MAX_SPLIT_BYTES),
    _ = [ok = send(Relay, <<Byte>>) || <<Byte>> <= First],
    Rest;
act(silence, _Relay, Data, _Size) ->
    Data;
act(Cut, #{connection := Connection}, _Data, _Size) ->
    Connection ! {cut, Cut},
    <<>>.

split(Data, Bytes) ->
    split_binary(Data, min(Bytes, byte_size(Data))).

%% Where the receiver is gone the sender is read on, until it notices.
send(#{to := To}, Data) ->
    _ = gen_tcp:send(To, Data),
    ok.

first(Relay, Random) ->
    case rand:uniform_s(?EARLY, Random) of
        {1, Next} ->
            {Position, NextButOne} = rand:uniform_s(?EARLY_BYTES, Next),
            drawn(Relay, Position - 1, NextButOne);
        {_, Next} ->
            next(Relay, ?EARLY_BYTES, Next)
    end.

%% Distances are those of a thing that may happen at any byte alike.
next(#{mean_bytes := Mean} = Relay, Position, Random) ->
    {Part, Next} = rand:uniform_real_s(Random),
    drawn(Relay, Position + trunc(-Mean * math:log(Part)), Next).

drawn(#{kinds := Kinds}, Position, Random) ->
    {Nth, Next} = rand:uniform_s(length(Kinds), Random),
    {Size, NextButOne} = rand:uniform_s(1 bsl 16, Next),
    {Position, lists:nth(Nth, Kinds), Size, NextButOne}.
