%% What the figures were measured on: without that they mean little.
-module(rustls_dist_bench_machine).

-export([describe/0, name/0]).

%% Processor, memory, system, and the versions of everything that takes part.
-spec describe() -> #{atom() => binary() | number()}.
describe() ->
    [{_Library, _Number, OpenSsl} | _] = crypto:info_lib(),
    #{cpu => field("/proc/cpuinfo", "model name\\s*:\\s*(.*)"),
      cores => erlang:system_info(logical_processors_available),
      memory_gib => round(binary_to_integer(field("/proc/meminfo", "MemTotal:\\s*(\\d+)")) / 1048576),
      kernel => field("/proc/sys/kernel/osrelease", "(.*)"),
      system => field("/etc/os-release", "PRETTY_NAME=\"?([^\"\n]*)"),
      otp => list_to_binary(erlang:system_info(otp_release)),
      erts => list_to_binary(erlang:system_info(version)),
      ssl => version(ssl),
      openssl => OpenSsl,
      rustc => list_to_binary(os:getenv("RUSTLS_DIST_RUSTC", "unknown")),
      commit => list_to_binary(os:getenv("RUSTLS_DIST_COMMIT", "unknown")),
      load => load(),
      date => list_to_binary(calendar:system_time_to_rfc3339(erlang:system_time(second), [{offset, "Z"}]))}.

%% What the machine is called in the name of the result and in doc/performance.md: the variable BENCH_MACHINE, or its processor
%% and the number of cores in small letters: "amd-epyc-2-cores".
-spec name() -> binary().
name() ->
    Text = case os:getenv("BENCH_MACHINE", "") of
               "" -> [field("/proc/cpuinfo", "model name\\s*:\\s*(.*)"), " ",
                      integer_to_list(erlang:system_info(logical_processors_available)), " cores"];
               Wanted -> Wanted
           end,
    %% Some processors' names say that they are one, whose they are, and how fast.
    Plain = re:replace(Text, "\\((R|TM)\\)|\\b(CPU|Processor)\\b|@ *[0-9.]+GHz|[0-9]+-Core", "", [global, caseless]),
    Dashed = re:replace(string:lowercase(iolist_to_binary(Plain)), "[^a-z0-9]+", "-", [global, {return, binary}]),
    string:trim(Dashed, both, "-").

%% Processes that wanted to run in the last minute, on average: others' work, when asked before the start.
load() ->
    {ok, Text} = file:read_file("/proc/loadavg"),
    {Load, _Rest} = string:to_float(Text),
    Load.

%% Files in /proc have no size to be read by.
field(File, Regexp) ->
    {ok, Text} = file:read_file(File),
    case re:run(Text, Regexp, [{capture, [1], binary}]) of
        {match, [Value]} -> Value;
        nomatch -> <<"unknown">>
    end.

version(Application) ->
    _ = application:load(Application),
    {ok, Version} = application:get_key(Application, vsn),
    list_to_binary(Version).
