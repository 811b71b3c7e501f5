%% What the two nodes of the demo do. `examples/demo/run` starts them: one calls serve/0 and stays, the other
%% calls report/1 with the first one's name, joins it, measures, prints, and ends the run.
-module(demo).

-export([serve/0, report/1]).
-export([echo/0, count/2, send_for/3]).

-define(ANSWER_MS, 5_000).
-define(PINGS, 1_000).
-define(MESSAGE_BYTES, 65_536).
-define(THROUGHPUT_MS, 1_000).

%% The node that waits to be joined. It has nothing to start: the other node spawns what it needs here.
-spec serve() -> ok.
serve() ->
    io:format("~ts is up~n", [node()]).

%% Joins the node whose name is given (as `erl -run` gives it), prints the report and halts: 0, or 1 with the
%% reason on standard error.
-spec report([string()]) -> no_return().
report([Name]) ->
    try
        print(list_to_atom(Name)),
        halt(0)
    catch
        throw:Reason ->
            io:format(standard_error, "demo: ~ts~n", [Reason]),
            halt(1);
        Class:Reason:Stack ->
            io:format(standard_error, "demo: ~p: ~p~n~p~n", [Class, Reason, Stack]),
            halt(1)
    end.

print(Peer) ->
    net_kernel:connect_node(Peer) orelse throw(["no link to ", atom_to_list(Peer), "; see the log below"]),
    Link = link_facts(node(), Peer),
    line("Nodes", "~ts and ~ts", [node(), Peer]),
    line("TLS", "~ts, ~ts, key exchange ~ts",
         [version(maps:get(version, Link)), maps:get(cipher, Link), maps:get(group, Link)]),
    #{own_certificate := Own, peer_certificate := Theirs} = Link,
    line("Certificate", "~ts: ~ts", [node(), certificate(Own)]),
    line("Certificate", "~ts: ~ts", [Peer, certificate(Theirs)]),
    line("Handshake", "~.1f ms", [maps:get(handshake_us, Link) / 1000]),
    Echo = spawn_link(Peer, ?MODULE, echo, []),
    line("Messages", "~ts", [both_ways(Peer, Echo)]),
    line("Round trip", "~b us (median of ~b)", [median_round_trip(Echo), ?PINGS]),
    line("Throughput", "~ts", [throughput(Peer)]).

line(Label, Format, Values) ->
    io:format("  ~-12s " ++ Format ++ "~n", [Label | Values]).

link_facts(Here, Peer) ->
    case erpc:call(Here, rustls_dist, info, [Peer], ?ANSWER_MS) of
        {ok, Facts} -> Facts;
        {error, Reason} -> throw(io_lib:format("rustls_dist:info(~ts): ~tp", [Peer, Reason]))
    end.

version('tlsv1.3') -> "TLS 1.3";
version('tlsv1.2') -> "TLS 1.2".

certificate(none) ->
    "none";
certificate(#{subject := Subject, not_after := NotAfter, dns_names := Dns, ip_addresses := Addresses}) ->
    Names = [["DNS:", Name] || Name <- Dns] ++ [["IP:", address(Address)] || Address <- Addresses],
    Date = calendar:system_time_to_rfc3339(NotAfter, [{offset, "Z"}]),
    io_lib:format("~ts (~ts), valid until ~ts", [Subject, lists:join(", ", Names), Date]).

address(Address) when is_tuple(Address) -> inet:ntoa(Address);
address(Address) -> Address.

%% A message there and back, then one that starts on the other node and comes back to it.
both_ways(Peer, Echo) ->
    Greeting = crypto:strong_rand_bytes(1024),
    Greeting = exchange(Echo, Greeting),
    Mine = spawn_link(?MODULE, echo, []),
    Answer = erpc:call(Peer, fun() -> exchange(Mine, Greeting) end, ?ANSWER_MS),
    Answer =:= Greeting orelse throw("a message came back changed"),
    "sent from each node, echoed by the other, unchanged".

exchange(Echo, Message) ->
    Ref = make_ref(),
    Echo ! {self(), Ref, Message},
    receive
        {Ref, Reply} -> Reply
    after ?ANSWER_MS -> throw("a message was not answered within 5 s")
    end.

%% Answers every message with its content, for ever.
-spec echo() -> no_return().
echo() ->
    receive
        {From, Ref, Message} -> From ! {Ref, Message}
    end,
    echo().

median_round_trip(Echo) ->
    Times = [element(1, timer:tc(fun() -> exchange(Echo, ping) end)) || _ <- lists:seq(1, ?PINGS)],
    lists:nth(?PINGS div 2, lists:sort(Times)).

throughput(Peer) ->
    Rates = [rate(node(), Peer), rate(Peer, node())],
    io_lib:format("~.1f MB/s there, ~.1f MB/s back (messages of 64 KiB, counted at the receiver)", Rates).

%% Million bytes a second from one node to the other, as the receiver counts them.
rate(From, To) ->
    Tag = make_ref(),
    Counter = spawn_link(To, ?MODULE, count, [self(), Tag]),
    _ = spawn_link(From, ?MODULE, send_for, [Counter, ?THROUGHPUT_MS, ?MESSAGE_BYTES]),
    receive
        {Tag, Bytes, Microseconds} -> Bytes / Microseconds
    after ?THROUGHPUT_MS + ?ANSWER_MS -> throw("the throughput measurement did not end")
    end.

%% Counts binaries until `done`, then tells Client `{Tag, Bytes, Microseconds}` from the first to the last.
-spec count(pid(), reference()) -> term().
count(Client, Tag) ->
    receive
        First when is_binary(First) -> ok
    end,
    Start = erlang:monotonic_time(microsecond),
    Bytes = count_bytes(0),
    Client ! {Tag, Bytes, max(1, erlang:monotonic_time(microsecond) - Start)}.

count_bytes(Sum) ->
    receive
        Message when is_binary(Message) -> count_bytes(Sum + byte_size(Message));
        done -> Sum
    end.

%% Sends binaries of Size bytes to Counter for so many milliseconds, then `done`.
-spec send_for(pid(), pos_integer(), pos_integer()) -> done.
send_for(Counter, Milliseconds, Size) ->
    Message = crypto:strong_rand_bytes(Size),
    send_until(Counter, Message, erlang:monotonic_time(millisecond) + Milliseconds).

send_until(Counter, Message, Deadline) ->
    Counter ! Message,
    case erlang:monotonic_time(millisecond) < Deadline of
        true -> send_until(Counter, Message, Deadline);
        false -> Counter ! done
    end.
