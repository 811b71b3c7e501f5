%% What a distribution link costs, carrier beside carrier in one run on this machine: throughput of 64 KiB messages from
%% one sender, CPU of both nodes, round trips, and the memory of an idle link.
%%
%% The rounds are interleaved, so that a machine whose speed drifts treats all carriers alike; medians are reported, and
%% ratios are what to read. Every receiver checks that all messages arrive, complete and in order: a figure without full
%% delivery is an error.
-module(rustls_dist_bench).

-export([main/1]).

-define(ROUNDS, 5).
-define(MEMORY_ROUNDS, 3).
-define(MESSAGE_BYTES, 65536).
-define(PINGS, 2000).
-define(TIMEOUT_MS, 120000).
-define(TUNED, [{buffer, 262144}, {sndbuf, 1048576}, {recbuf, 1048576}]).

%% Name, carrier, kernel socket options, bytes to send in a round.
-define(CARRIERS, [{"inet_tcp, tuned", "inet_tcp", ?TUNED, 1 bsl 30},
                   {"inet_tls, as it comes", "inet_tls", [], 1 bsl 27},
                   {"inet_tls, tuned", "inet_tls", ?TUNED, 1 bsl 30},
                   {"rustls", "rustls", [], 1 bsl 30}]).

%% Runs everything, prints a table and writes File (JSON). Ends the node: 0, or 1 with the reason.
-spec main(file:filename()) -> no_return().
main(File) ->
    Status = try
                 measure(File),
                 0
             catch
                 Class:Reason:Stack ->
                     io:format(standard_error, "make bench failed: ~tp:~tp~n~tp~n", [Class, Reason, Stack]),
                     1
             end,
    halt(Status).

measure(File) ->
    Cluster = rustls_dist_cluster:new(),
    try
        Options = options(Cluster),
        Pairs = [{Name, Bytes, pair(Cluster, Options, Proto, Socket)} || {Name, Proto, Socket, Bytes} <- ?CARRIERS],
        _ = [measured(Pair) || Pair <- Pairs],
        Rounds = [begin
                      io:format("round ~w of ~w~n", [Round, ?ROUNDS]),
                      [measured(Pair) || Pair <- Pairs]
                  end || Round <- lists:seq(1, ?ROUNDS)],
        _ = [stop(Pair) || {_, _, Pair} <- Pairs],
        Figures = [medians(Name, [lists:keyfind(Name, 1, Round) || Round <- Rounds]) || {Name, _, _} <- Pairs],
        io:format("memory of an idle link~n"),
        Protos = ["inet_tcp", "rustls"],
        Links = [[{Proto, idle_link(Cluster, Options, Proto)} || Proto <- Protos] || _ <- lists:seq(1, ?MEMORY_ROUNDS)],
        Memory = [medians(Proto, [lists:keyfind(Proto, 1, Round) || Round <- Links]) || Proto <- Protos],
        print(Figures, Memory),
        ok = filelib:ensure_dir(File),
        ok = file:write_file(File, json(Figures, Memory)),
        io:format("~nwritten to ~ts~n", [File])
    after
        rustls_dist_cluster:stop(Cluster)
    end.

options(Cluster) ->
    Dir = rustls_dist_cluster:dir(Cluster),
    Cert = rustls_dist_certs:cert(Dir, rustls_dist_certs:ca(Dir, "ca"), "node", #{}),
    rustls_dist_cluster:optfile(Cluster, "tls", rustls_dist_certs:options(Cert, #{versions => ['tlsv1.3']})).

pair(Cluster, Options, Proto, Socket) ->
    [A, B] = [node(Cluster, Options, Proto, Socket) || _ <- [a, b]],
    pong = rustls_dist_cluster:call(A, net_adm, ping, [rustls_dist_cluster:name(B)]),
    {A, B}.

node(Cluster, Options, Proto, Socket) ->
    Kernel = lists:append([["-kernel", atom_to_list(Key), lists:flatten(io_lib:format("~0p", [Socket]))]
                           || Socket =/= [], Key <- [inet_dist_listen_options, inet_dist_connect_options]]),
    rustls_dist_cluster:start(Cluster, #{proto => Proto, optfile => Options,
                                         args => Kernel ++ ["-pa", filename:dirname(code:which(?MODULE))]}).

stop({A, B}) ->
    rustls_dist_cluster:stop_node(A),
    rustls_dist_cluster:stop_node(B).

measured({Name, Bytes, {A, B} = Pair}) ->
    Node = rustls_dist_cluster:name(B),
    Before = cpu_s(Pair),
    Us = rustls_dist_cluster:call(A, rustls_dist_bench_load, send, [Node, ?MESSAGE_BYTES, Bytes], ?TIMEOUT_MS),
    Cpu = cpu_s(Pair) - Before,
    {P50, P99} = rustls_dist_cluster:call(A, rustls_dist_bench_load, round_trips, [Node, ?PINGS], ?TIMEOUT_MS),
    {Name, #{mb_per_s => Bytes / Us, cpu_s_per_gb => Cpu * 1.0e9 / Bytes, p50_us => P50, p99_us => P99}}.

%% User and system time of both nodes.
cpu_s({A, B}) ->
    lists:sum([begin
                   {ok, Stat} = file:read_file("/proc/" ++ rustls_dist_cluster:os_pid(Peer) ++ "/stat"),
                   [_, Fields] = binary:split(Stat, <<") ">>),
                   Words = binary:split(Fields, <<" ">>, [global]),
                   (binary_to_integer(lists:nth(12, Words)) + binary_to_integer(lists:nth(13, Words))) / 100
               end || Peer <- [A, B]]).

medians(Name, Rounds) ->
    Maps = [Figures || {_, Figures} <- Rounds],
    {Name, maps:map(fun(Key, _) -> median([maps:get(Key, Map) || Map <- Maps]) end, hd(Maps))}.

median(List) ->
    lists:nth(length(List) div 2 + 1, lists:sort(List)).

%% Bytes that a link takes on a node with many: the slope between 4 and 20 links, after garbage collection.
idle_link(Cluster, Options, Proto) ->
    Small = #{proto => Proto, optfile => Options, args => ["-connect_all", "false", "+S", "1"]},
    Hub = rustls_dist_cluster:start(Cluster, Small#{args => ["-connect_all", "false", "-pa",
                                                             filename:dirname(code:which(?MODULE))]}),
    Peers = [rustls_dist_cluster:start(Cluster, Small) || _ <- lists:seq(1, 20)],
    {First, Rest} = lists:split(4, [rustls_dist_cluster:name(Peer) || Peer <- Peers]),
    {Vm4, Rss4} = joined(Hub, First),
    {Vm20, Rss20} = joined(Hub, Rest),
    _ = [rustls_dist_cluster:stop_node(Peer) || Peer <- [Hub | Peers]],
    #{vm_bytes => (Vm20 - Vm4) / 16, rss_bytes => (Rss20 - Rss4) / 16}.

joined(Hub, Nodes) ->
    _ = [pong = rustls_dist_cluster:call(Hub, net_adm, ping, [Node]) || Node <- Nodes],
    rustls_dist_cluster:call(Hub, rustls_dist_bench_load, memory, [], ?TIMEOUT_MS).

print(Figures, Memory) ->
    Value = fun(Carrier, Key) -> maps:get(Key, proplists:get_value(Carrier, Figures)) end,
    io:format("~n~-24ts ~10s ~12s ~10s ~10s~n", ["64 KiB messages", "MB/s", "CPU s/GB", "p50 us", "p99 us"]),
    _ = [io:format("~-24ts ~10.1f ~12.2f ~10.1f ~10.1f~n",
                   [Name | [maps:get(Key, Map) || Key <- [mb_per_s, cpu_s_per_gb, p50_us, p99_us]]])
         || {Name, Map} <- Figures],
    io:format("~nrustls against inet_tls tuned: ~.2f times the throughput, ~.2f times the CPU, ~.2f times the round trip~n",
              [Value("rustls", Key) / Value("inet_tls, tuned", Key) || Key <- [mb_per_s, cpu_s_per_gb, p50_us]]),
    io:format("rustls against inet_tls as it comes: ~.1f times the throughput~n",
              [Value("rustls", mb_per_s) / Value("inet_tls, as it comes", mb_per_s)]),
    io:format("rustls against inet_tcp tuned: ~.2f times the throughput, ~.2f times the round trip~n",
              [Value("rustls", Key) / Value("inet_tcp, tuned", Key) || Key <- [mb_per_s, p50_us]]),
    _ = [io:format("idle link, ~ts: ~.1f kB of the VM's memory, ~.1f kB resident~n", [Proto, Vm / 1000, Rss / 1000])
         || {Proto, #{vm_bytes := Vm, rss_bytes := Rss}} <- Memory].

json(Figures, Memory) ->
    Object = fun(Map) -> ["{", lists:join(", ", [io_lib:format("\"~s\": ~.3f", [Key, Value * 1.0])
                                                 || {Key, Value} <- maps:to_list(Map)]), "}"] end,
    Objects = fun(List) -> ["{", lists:join(",\n  ", [io_lib:format("\"~ts\": ~ts", [Name, Object(Map)])
                                                      || {Name, Map} <- List]), "}"] end,
    io_lib:format("{\"otp\": \"~s\", \"message_bytes\": ~w, \"rounds\": ~w,~n\"carriers\":~n  ~ts,~n"
                  "\"idle_link\":~n  ~ts}~n",
                  [erlang:system_info(otp_release), ?MESSAGE_BYTES, ?ROUNDS, Objects(Figures), Objects(Memory)]).
