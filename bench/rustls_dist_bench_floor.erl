%% The bare-Rust floor: a program that seals, sends, receives and opens the same records over loopback, without the VM.
-module(rustls_dist_bench_floor).

-export([find/0, contender/2]).

-export_type([floor/0]).

-type floor() :: {program, file:filename()} | none.

-define(PILOT_BYTES, 67108864).
-define(PILOT_MESSAGES, 200000).
-define(TIMEOUT_MS, 120000).

%% The program that bench/run names in RUSTLS_DIST_FLOOR, if there is one.
-spec find() -> floor().
find() ->
    case os:getenv("RUSTLS_DIST_FLOOR", "") of
        "" -> none;
        Program -> case filelib:is_regular(Program) of
                       true -> {program, Program};
                       false -> none
                   end
    end.

%% For rustls_dist_bench_rounds:interleaved/2: nothing when the program is absent or cannot do the same. It has one
%% sender and one receiver, and its packets are not empty.
-spec contender(floor(), rustls_dist_bench_plan:point()) -> [{binary(), fun(() -> map())}].
contender({program, Program}, #{size := Size, senders := 1, peers := 1, directions := 1, run_ms := RunMs}) when Size > 0 ->
    Pilot = run(Program, min(?PILOT_BYTES, Size * ?PILOT_MESSAGES), Size),
    Bytes = max(1, round(maps:get(mb_per_s, Pilot) * RunMs * 1000) div Size) * Size,
    [{<<"floor">>, fun() -> run(Program, Bytes, Size) end}];
contender(_Floor, _Point) ->
    [].

run(Program, Bytes, Size) ->
    Port = open_port({spawn_executable, Program},
                     [{args, [integer_to_list(Bytes), integer_to_list(Size)]}, exit_status, binary, stderr_to_stdout]),
    Line = collect(Port, <<>>),
    MbPerS = number(<<"mb_per_s">>, Line),
    CpuPerGb = number(<<"cpu_s_per_gb">>, Line),
    #{mb_per_s => MbPerS, cpu_s_per_gb => CpuPerGb, messages_per_s => MbPerS * 1.0e6 / Size,
      cpu_s_per_million => CpuPerGb * Size / 1000}.

collect(Port, Output) ->
    receive
        {Port, {data, Data}} -> collect(Port, <<Output/binary, Data/binary>>);
        {Port, {exit_status, 0}} -> Output;
        {Port, {exit_status, Status}} -> error({floor_failed, Status, Output})
    after ?TIMEOUT_MS ->
        error({floor_failed, timeout, Output})
    end.

number(Key, Line) ->
    case re:run(Line, ["\"", Key, "\": *([0-9.]+)"], [{capture, [1], binary}]) of
        {match, [Digits]} -> to_float(Digits);
        nomatch -> error({floor_without, Key, Line})
    end.

to_float(Digits) ->
    case string:to_float(Digits) of
        {error, no_float} -> float(binary_to_integer(Digits));
        {Float, _Rest} -> Float
    end.
