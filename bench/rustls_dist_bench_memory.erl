%% How much memory a node takes. Run on the node that is measured.
-module(rustls_dist_bench_memory).

-export([settled/0, vm_bytes/1]).

%% When memory counts as settled: so many readings in a row that differ by less than this.
-define(SETTLED, 5).
-define(SAME_BYTES, 16384).
-define(SETTLE_MS, 100).
-define(SETTLE_TRIES, 30).

%% The VM's memory and the resident memory of this node, in bytes, and its processes, once garbage is collected and
%% neither memory changes any more: the VM gives memory back to the system some time after it is free.
-spec settled() -> #{vm_bytes := non_neg_integer(), rss_bytes := non_neg_integer(), processes := pos_integer()}.
settled() ->
    settle(reading(), 0, ?SETTLE_TRIES).

settle(Reading, Still, Tries) when Still =:= ?SETTLED; Tries =:= 0 ->
    Reading;
settle(Reading, Still, Tries) ->
    _ = [erlang:garbage_collect(Pid) || Pid <- processes()],
    receive after ?SETTLE_MS -> ok end,
    Now = reading(),
    case same(vm_bytes, Reading, Now) andalso same(rss_bytes, Reading, Now) of
        true -> settle(Now, Still + 1, Tries - 1);
        false -> settle(Now, 0, Tries - 1)
    end.

%% The VM's memory once garbage is collected, to a few dozen kB. The processes in Untouched keep theirs.
-spec vm_bytes(Untouched :: [pid()]) -> non_neg_integer().
vm_bytes(Untouched) ->
    _ = [erlang:garbage_collect(Pid) || _ <- [once, again], Pid <- processes() -- Untouched],
    receive after ?SETTLE_MS -> ok end,
    erlang:memory(total).

same(Key, Before, Now) ->
    abs(maps:get(Key, Now) - maps:get(Key, Before)) < ?SAME_BYTES.

reading() ->
    {ok, Status} = file:read_file("/proc/self/status"),
    {match, [Kb]} = re:run(Status, "VmRSS:\\s+(\\d+)", [{capture, [1], list}]),
    #{vm_bytes => erlang:memory(total), rss_bytes => list_to_integer(Kb) * 1024,
      processes => erlang:system_info(process_count)}.
