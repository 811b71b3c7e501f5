%% Cores: all the memory of a process, as gdb's gcore writes it, and how often a secret is in one, and where.
-module(rustls_dist_core).

-export([take/2, places/2]).

-export_type([core/0, kind/0, places/0]).

%% file: the core; maps: the process' mappings at that time, as /proc shows them.
-type core() :: #{file := file:filename(), maps := [mapping()]}.

%% malloc: the C library's heap and arenas, the library's memory among them; stack: of the thread of that name; registers: of all
%% threads; vm: what else is mapped and has no file, which is the memory of a VM that has been told to leave malloc alone.
-type kind() :: malloc | {stack, string()} | registers | vm | file.
-type mapping() :: {From :: non_neg_integer(), To :: non_neg_integer(), kind()}.
-type places() :: #{kind() => pos_integer()}.

%% What is read at a time, and what a needle may have at most: it may begin in one block and end in the next.
-define(BLOCK_BYTES, 65536).
-define(MAX_NEEDLE_BYTES, 128).

%% Of glibc's arenas: their alignment, which is also what is reserved for each (malloc/arena.c).
-define(ARENA_BYTES, 67108864).

%% Guards of threads' stacks are a page, or what the VM asks for.
-define(MAX_GUARD_BYTES, 65536).

%% Writes a core of the process into File.
-spec take(string(), file:filename()) -> core().
take(OsPid, File) ->
    [Maps, Threads] = [File ++ ".maps", File ++ ".threads"],
    %% What tells the core's addresses apart is read while the process stands still.
    Commands = [["shell cat /proc/", OsPid, "/maps >", Maps],
                ["shell for t in /proc/", OsPid, "/task/*; do echo $(cat $t/syscall) $(cat $t/comm); done >", Threads],
                ["generate-core-file ", File]],
    Said = os:cmd(lists:flatten(["gdb -nx -batch -iex 'set auto-load no' -ex 'set dump-excluded-mappings on' -p ", OsPid,
                                 [[" -ex '", Command, "'"] || Command <- Commands], " 2>&1"])),
    filelib:is_regular(File) orelse error({no_core, Said}),
    {ok, MapsText} = file:read_file(Maps),
    {ok, ThreadsText} = file:read_file(Threads),
    lists:foreach(fun(Beside) -> ok = file:delete(Beside) end, [Maps, Threads]),
    #{file => File, maps => mappings(lines(MapsText), threads(lines(ThreadsText)))}.

lines(Text) ->
    binary:split(Text, <<"\n">>, [global, trim]).

%% In how many places each needle is, by the kind of memory. What is nowhere is not in the map.
-spec places(core(), [{Name, binary()}]) -> #{Name => places()}.
places(#{file := File, maps := Maps}, Needles) ->
    true = lists:all(fun({_Name, Bytes}) -> byte_size(Bytes) =< ?MAX_NEEDLE_BYTES end, Needles),
    {ok, Device} = file:open(File, [read, raw, binary]),
    try
        Segments = segments(Device),
        Names = maps:groups_from_list(fun({_Name, Bytes}) -> Bytes end, fun({Name, _Bytes}) -> Name end, Needles),
        Found = search(Device, 0, <<>>, binary:compile_pattern(maps:keys(Names)), #{}),
        maps:fold(fun(Offset, Bytes, Places) ->
                          Kind = case address(Offset, Segments) of
                                     none -> registers;
                                     Address -> kind(Address, Maps)
                                 end,
                          lists:foldl(fun(Name, Acc) -> counted(Name, Kind, Acc) end, Places, maps:get(Bytes, Names))
                  end, #{}, Found)
    after
        file:close(Device)
    end.

counted(Name, Kind, Places) ->
    maps:update_with(Name, fun(Of) -> maps:update_with(Kind, fun(Count) -> Count + 1 end, 1, Of) end, #{Kind => 1}, Places).

%% What was found, by its place in the file. The end of each block is looked at again with the next one.
search(Device, Offset, Before, Pattern, Found) ->
    case file:read(Device, ?BLOCK_BYTES) of
        {ok, Block} ->
            Bytes = <<Before/binary, (looked_at(Block))/binary>>,
            At = Offset - byte_size(Before),
            Here = maps:from_list([{At + Start, binary:part(Bytes, Match)}
                                   || {Start, _Length} = Match <- binary:matches(Bytes, Pattern)]),
            Keep = min(byte_size(Bytes), ?MAX_NEEDLE_BYTES),
            search(Device, Offset + byte_size(Block), binary:copy(binary:part(Bytes, byte_size(Bytes), -Keep)), Pattern,
                   maps:merge(Found, Here));
        eof ->
            Found
    end.

%% Most of a core was never written to: of zeros it is enough to see what a needle that began before may end with.
looked_at(<<0:?BLOCK_BYTES/unit:8>> = Zeros) -> binary:part(Zeros, 0, ?MAX_NEEDLE_BYTES);
looked_at(Block) -> Block.

%% Where the file's parts were in memory: its program headers of the kind PT_LOAD (ELF, 64 bits).
segments(Device) ->
    {ok, <<127, "ELF", 2, 1, _:26/binary, Start:64/little, _:14/binary, Size:16/little, Count:16/little, _/binary>>} =
        file:pread(Device, 0, 64),
    {ok, Table} = file:pread(Device, Start, Size * Count),
    [{Offset, Offset + Bytes, Address}
     || <<Header:Size/binary>> <= Table,
        <<1:32/little, _Flags:32, Offset:64/little, Address:64/little, _:64, Bytes:64/little, _/binary>> <- [Header]].

address(Offset, Segments) ->
    case [Address + Offset - From || {From, To, Address} <- Segments, From =< Offset, Offset < To] of
        [Address] -> Address;
        [] -> none
    end.

kind(Address, Maps) ->
    case [Kind || {From, To, Kind} <- Maps, From =< Address, Address < To] of
        [Kind] -> Kind;
        [] -> file
    end.

mappings(Lines, Threads) ->
    [{From, To, case Kind of
                    stack -> {stack, hd([Name || {Pointer, Name} <- Threads, From =< Pointer, Pointer < To] ++ ["unknown"])};
                    _ -> Kind
                end}
     || {From, To, Kind} <- kinds([mapped(Line) || Line <- Lines], none)].

%% The stack pointers of threads that sleep, and their names: behind them come the program counter and the name.
threads(Lines) ->
    [{list_to_integer(Pointer, 16), Name}
     || Line <- Lines,
        {match, [Pointer, Name]} <- [re:run(Line, "0x([0-9a-f]+) 0x[0-9a-f]+ (.*)$", [{capture, all_but_first, list}])]].

mapped(Line) ->
    {match, [From, To, Access, Path]} =
        re:run(Line, "^([0-9a-f]+)-([0-9a-f]+) (\\S+) \\S+ \\S+ \\S+\\s*(.*)$", [{capture, all_but_first, list}]),
    {list_to_integer(From, 16), list_to_integer(To, 16), Access, Path}.

%% A mapping without a name is told by its neighbours: behind a stack's guard, or at the beginning of an arena whose rest is
%% reserved.
kinds([], _Before) ->
    [];
kinds([{From, To, Access, Path} = This | Rest], Before) ->
    Kind = case Path of
               "[heap]" -> malloc;
               "[stack" ++ _ -> stack;
               "" -> case {is_guard(Before, From), is_arena(This, Rest)} of
                         {_, true} -> malloc;
                         {true, false} -> stack;
                         {false, false} -> vm
                     end;
               _ -> file
           end,
    [{From, To, Kind} | kinds(Rest, {From, To, Access, Path})].

is_guard({From, To, "---" ++ _, ""}, To) -> To - From =< ?MAX_GUARD_BYTES;
is_guard(_Before, _From) -> false.

is_arena({From, To, "rw" ++ _, ""}, [{To, End, "---" ++ _, ""} | _]) ->
    From rem ?ARENA_BYTES =:= 0 andalso End =:= From + ?ARENA_BYTES;
is_arena(_Mapping, _Rest) ->
    false.
