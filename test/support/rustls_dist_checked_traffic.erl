%% Numbered messages with checksums over one link, run on the nodes: rustls_dist_cluster:call/4 calls these. Nodes do not connect
%% by themselves, so that what arrives came over the link that was there when the receivers started.
%%
%% Of each sender the receiver has to get the first messages, whole, once and in order: all of them where the link stays, as many
%% as came before its end where it does not, and none behind its end.
-module(rustls_dist_checked_traffic).

-export([receivers/2, senders/2, stop/1, verdicts/1]).

-export_type([verdict/0]).

%% complete: the sender's last message came; down: the link ended before.
-type verdict() :: #{received := non_neg_integer(), bytes := non_neg_integer(), faults := [term()], at_end := complete | down}.

-define(TIMEOUT_MS, 30000).
-define(MAX_BYTES, 1 bsl 20).
-define(BURST, 3).
-define(PAUSE_MS, 1).

%% Starts processes that receive from Node.
-spec receivers(node(), pos_integer()) -> [pid()].
receivers(Node, Count) ->
    [spawn(fun() ->
                   true = monitor_node(Node, true),
                   receive_on(#{node => Node, received => 0, bytes => 0, faults => [], at_end => none})
           end) || _ <- lists:seq(1, Count)].

%% Starts a sender to each receiver: until stop/1, or the end of the link.
-spec senders([pid()], integer()) -> [pid()].
senders(Receivers, Seed) ->
    Block = crypto:strong_rand_bytes(?MAX_BYTES),
    [spawn(fun() ->
                   Ref = monitor(process, Receiver),
                   send_on(Receiver, Ref, Block, 0, rand:seed_s(exsss, erlang:phash2({Seed, Nth}, 1 bsl 32)))
           end) || {Nth, Receiver} <- lists:enumerate(Receivers)].

%% Has the senders say their last word, and gives how many messages each sent.
-spec stop([pid()]) -> [non_neg_integer()].
stop(Senders) ->
    [ask(Sender, stop) || Sender <- Senders].

%% What each receiver got, once its sender's last message came or the link ended.
-spec verdicts([pid()]) -> [verdict()].
verdicts(Receivers) ->
    [ask(Receiver, verdict) || Receiver <- Receivers].

ask(Pid, Question) ->
    Ref = monitor(process, Pid),
    Pid ! {Question, self(), Ref},
    receive
        {Ref, Answer} -> demonitor(Ref, [flush]), Answer;
        {'DOWN', Ref, process, Pid, Reason} -> error({Question, Reason})
    after ?TIMEOUT_MS ->
        error({Question, timeout, process_info(Pid, [status, current_function, message_queue_len])})
    end.

send_on(Receiver, Ref, Block, N, Random) ->
    receive
        {stop, From, Asked} ->
            Receiver ! {last, N},
            From ! {Asked, N};
        {'DOWN', Ref, process, Receiver, _} ->
            receive {stop, From, Asked} -> From ! {Asked, N} after ?TIMEOUT_MS -> ok end
    after ?PAUSE_MS ->
        {Next, NextRandom} = burst(Receiver, Block, N, N + ?BURST, Random),
        send_on(Receiver, Ref, Block, Next, NextRandom)
    end.

burst(_Receiver, _Block, Next, Next, Random) ->
    {Next, Random};
burst(Receiver, Block, N, End, Random) ->
    {Bytes, NextRandom} = drawn_bytes(Random),
    Data = <<N:64, (binary:part(Block, 0, Bytes))/binary>>,
    Receiver ! {N, erlang:md5(Data), Data},
    burst(Receiver, Block, N + 1, End, NextRandom).

%% From nothing to a megabyte: mostly small, so that there are many; a seventh at the borders of records and fragments.
drawn_bytes(Random) ->
    case rand:uniform_s(1000, Random) of
        {Per, Next} when Per =< 10 -> rand:uniform_s(?MAX_BYTES, Next);
        {Per, Next} when Per =< 150 ->
            {Nth, NextButOne} = rand:uniform_s(6, Next),
            {lists:nth(Nth, [0, 1, 16383, 16384, 65535, 65536]), NextButOne};
        {Per, Next} when Per =< 400 -> rand:uniform_s(20000, Next);
        {_, Next} -> rand:uniform_s(300, Next)
    end.

receive_on(#{node := Node, received := Next, bytes := Bytes, at_end := AtEnd} = State) ->
    receive
        {nodedown, Node} when AtEnd =:= none ->
            receive_on(State#{at_end := down});
        {nodedown, Node} ->
            receive_on(State);
        {verdict, From, Ref} when AtEnd =/= none ->
            From ! {Ref, maps:with([received, bytes, faults, at_end], State)};
        {N, Sum, Data} when AtEnd =:= none, N =:= Next, is_binary(Data) ->
            receive_on(noted(whole(N, Sum, Data), State#{received := Next + 1, bytes := Bytes + byte_size(Data)}));
        {N, _Sum, _Data} when AtEnd =:= none, is_integer(N), N > Next ->
            receive_on(noted({missing_before, N, Next}, State#{received := N + 1}));
        {last, N} when AtEnd =:= none ->
            receive_on(noted(all(N, Next), State#{at_end := complete}));
        Other when not is_tuple(Other); element(1, Other) =/= verdict ->
            receive_on(noted(fault(Other, State), State))
    end.

whole(N, Sum, <<N:64, _/binary>> = Data) ->
    case erlang:md5(Data) of
        Sum -> ok;
        _ -> {damaged, N}
    end;
whole(N, _Sum, _Data) ->
    {damaged, N}.

all(Next, Next) -> ok;
all(N, Next) -> {missing_at_the_end, N, Next}.

fault({N, _Sum, _Data}, #{at_end := none, received := Next}) when is_integer(N) -> {repeated, N, Next};
fault({N, _Sum, _Data}, #{at_end := AtEnd}) when is_integer(N) -> {late, N, AtEnd};
fault(Other, #{at_end := AtEnd}) -> {garbage, AtEnd, io_lib:format("~0tP", [Other, 20])}.

noted(ok, State) -> State;
noted(Fault, #{faults := Faults} = State) when length(Faults) < 5 -> State#{faults := Faults ++ [Fault]};
noted(_Fault, State) -> State.
