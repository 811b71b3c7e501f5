%% The result as tables on the terminal.
-module(rustls_dist_bench_report).

-export([print/1]).

-spec print(#{atom() => term()}) -> ok.
print(#{throughput := Points, round_trip := Trips, setup := Setup, at_once := AtOnce, idle_link := Links,
        scheduler := Late, nif_calls := Calls, slow := Slow, mesh := Meshes, ratios := Ratios}) ->
    table("throughput", ["bytes", "senders", "peers", "ways", "carrier", "messages/s", "MB/s", "CPU s/GB", "CPU s/1e6"],
          [[Size, Senders, Peers, Ways, Name, Rate, Mb, Cpu, CpuMillion]
           || #{size := Size, senders := Senders, peers := Peers, directions := Ways, carrier := Name,
                messages_per_s := Rate, mb_per_s := Mb, cpu_s_per_gb := Cpu, cpu_s_per_million := CpuMillion} <- Points]),
    table("round trip, microseconds", ["bytes", "link", "carrier", "p50", "p99", "p99 of the worst run", "p99.9", "samples"],
          [[Size, Load, Name, P50, P99, Worst, P999, Samples]
           || #{size := Size, load := Load, carrier := Name, p50_us := P50, p99_us := P99, p99_worst_us := Worst,
                p999_us := P999, samples := Samples} <- Trips]),
    table("set-up one by one, microseconds", ["carrier", "p50", "p99"],
          [[Name, P50, P99] || #{carrier := Name, p50_us := P50, p99_us := P99} <- Setup]),
    table("set-up at once", ["carrier", "nodes", "refused", "p50 ms", "all up ms"],
          [[Name, Nodes, Refused, P50, All]
           || #{carrier := Name, nodes := Nodes, refused := Refused, p50_ms := P50, all_ms := All} <- AtOnce]),
    table("a mesh", ["carrier", "nodes", "p50 ms", "complete ms", "runs"],
          [[Name, Nodes, P50, All, Runs]
           || #{carrier := Name, nodes := Nodes, p50_ms := P50, all_ms := All, runs := Runs} <- Meshes]),
    table("a slow receiver: bytes of memory for a byte that waits, and what a sender gets rid of before it is suspended",
          ["bytes", "carrier", "receiver's node", "sender's node", "sent kB", "sender holds kB"],
          [[Size, Name, AtReceiver, AtSender, Taken / 1000, Held / 1000]
           || #{size := Size, carrier := Name, receiver_per_byte := AtReceiver, sender_per_byte := AtSender,
                taken_bytes := Taken, held_bytes := Held} <- Slow]),
    table("idle link", ["carrier", "VM kB", "resident kB", "processes"],
          [[Name, Vm / 1000, Rss / 1000, Processes]
           || #{carrier := Name, vm_bytes := Vm, rss_bytes := Rss, processes := Processes} <- Links]),
    table("how late a process runs while its node's link is saturated, microseconds",
          ["carrier", "node", "p50", "p99", "p99.9", "max"],
          [[Name, Node, P50, P99, P999, Max]
           || #{carrier := Name, node := Node, p50_us := P50, p99_us := P99, p999_us := P999, max_us := Max} <- Late]),
    table("calls into Rust on a normal scheduler, microseconds", ["call", "cipher", "p50", "p99", "longest", "calls"],
          [[Call, Cipher, P50, P99, Max, Samples]
           || #{call := Call, cipher := Cipher, p50_us := P50, p99_us := P99, max_us := Max, samples := Samples} <- Calls]),
    table("rustls beside the others", ["figure", "against", "is", "wanted", ""],
          [[Figure, Against, Value, wanted(Kind, Bound), met(Met)]
           || #{figure := Figure, against := Against, value := Value, kind := Kind, bound := Bound, met := Met} <- Ratios]).

wanted(at_least, Bound) -> iolist_to_binary(io_lib:format("at least ~p", [Bound]));
wanted(at_most, Bound) -> iolist_to_binary(io_lib:format("at most ~p", [Bound])).

met(true) -> <<"reached">>;
met(false) -> <<"missed">>.

%% Words to the left, numbers to the right; columns as wide as they need. Nothing when there are no rows.
table(_Title, _Head, []) ->
    ok;
table(Title, Head, Rows) ->
    Cells = [[cell(Value) || Value <- Row] || Row <- Rows],
    Widths = [lists:max([string:length(lists:nth(Column, Row)) || Row <- [Head | Cells]])
              || Column <- lists:seq(1, length(Head))],
    Sides = [side(Value) || Value <- hd(Rows)],
    io:format("~n~ts~n", [Title]),
    lists:foreach(fun(Row) -> io:put_chars([line(Row, Widths, Sides), $\n]) end, [Head | Cells]).

line(Row, Widths, Sides) ->
    lists:join("  ", [string:pad(Text, Width, Side) || {Text, Width, Side} <- lists:zip3(Row, Widths, Sides)]).

side(Value) when is_number(Value) -> leading;
side(_Word) -> trailing.

cell(Value) when is_float(Value), abs(Value) >= 1000 -> integer_to_list(round(Value));
cell(Value) when is_float(Value), abs(Value) >= 100 -> float_to_list(Value, [{decimals, 1}]);
cell(Value) when is_float(Value) -> float_to_list(Value, [{decimals, 2}]);
cell(Value) when is_integer(Value) -> integer_to_list(Value);
cell(Value) when is_atom(Value) -> lists:flatten(string:replace(atom_to_list(Value), "_", " "));
cell(Value) -> unicode:characters_to_list(Value).
