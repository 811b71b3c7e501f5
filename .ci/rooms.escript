%% The graph of the Erlang modules by room, and its rules.
%%
%%   escript rooms.escript check EBIN SOURCES      prints the graph; exits with 1 for a cycle or a forbidden arrow, a room
%%                                                 without README.md, a module that is neither public nor says @private,
%%                                                 and a name in rustls_dist_preload that is no module
%%   escript rooms.escript mermaid EBIN SOURCES    prints it as the picture of doc/architecture.md
%%
%% A room is a folder of SOURCES; what lies in SOURCES itself is the room `top'. SOURCES/rooms.config names the rooms in
%% their order: a module may call modules of its own room and of rooms below it, never above. Within a room modules may
%% call each other as long as nothing goes round, but for the pairs that the file excuses.
-mode(compile).

main([Verb, Ebin, Sources]) ->
    {ok, Terms} = file:consult(filename:join(Sources, "rooms.config")),
    #{rooms := Rooms, excused_cycles := Excused, public := Public} = maps:from_list(Terms),
    RoomOf = rooms(Sources),
    Edges = edges(Ebin, RoomOf),
    case Verb of
        "check" ->
            print(Rooms, RoomOf, Edges),
            finish(unknown_rooms(Rooms, RoomOf) ++ forbidden(Rooms, RoomOf, Edges) ++ cycles(Edges, Excused)
                   ++ untold_rooms(Rooms, Sources) ++ unmarked(Sources, Public) ++ not_loadable(Ebin, RoomOf));
        "mermaid" ->
            io:put_chars(mermaid(Rooms, RoomOf, Edges))
    end.

finish([]) ->
    ok;
finish(Findings) ->
    [io:format("~ts~n", [Finding]) || Finding <- Findings],
    halt(1).

rooms(Sources) ->
    maps:from_list([{module(File), room(Sources, File)}
                    || File <- filelib:wildcard(Sources ++ "/**/*.erl")]).

module(File) ->
    list_to_atom(filename:basename(File, ".erl")).

room(Sources, File) ->
    case filename:split(filename:dirname(File)) -- filename:split(Sources) of
        [] -> top;
        [Room] -> list_to_atom(Room)
    end.

%% Calls from one module to another one of ours.
edges(Ebin, RoomOf) ->
    {ok, Xref} = xref:start([{xref_mode, modules}]),
    ok = xref:set_default(Xref, [{warnings, false}, {verbose, false}]),
    {ok, _Modules} = xref:add_directory(Xref, Ebin),
    {ok, All} = xref:q(Xref, "ME"),
    xref:stop(Xref),
    lists:usort([{From, To} || {From, To} <- All, From =/= To, is_map_key(From, RoomOf), is_map_key(To, RoomOf)]).

print(Rooms, RoomOf, Edges) ->
    [io:format("~ts:~n~ts", [Room, [line(Module, RoomOf, Edges) || Module <- in_room(Room, RoomOf)]]) || Room <- Rooms].

line(Module, RoomOf, Edges) ->
    Called = [[atom_to_list(maps:get(To, RoomOf)), $/, short(To)] || {From, To} <- Edges, From =:= Module],
    io_lib:format("  ~ts -> ~ts~n", [short(Module), lists:join(" ", Called)]).

in_room(Room, RoomOf) ->
    lists:sort([Module || {Module, In} <- maps:to_list(RoomOf), In =:= Room]).

short(Module) ->
    case atom_to_list(Module) of
        "rustls_dist_" ++ Name -> Name;
        Name -> Name
    end.

unknown_rooms(Rooms, RoomOf) ->
    [io_lib:format("the folder ~ts is no room of rooms.config", [Room])
     || Room <- lists:usort(maps:values(RoomOf)), not lists:member(Room, Rooms)].

forbidden(Rooms, RoomOf, Edges) ->
    Place = maps:from_list([{Room, Number} || {Number, Room} <- lists:enumerate(Rooms)]),
    [io_lib:format("~ts (~ts) calls ~ts (~ts), which is above it", [From, maps:get(From, RoomOf), To, maps:get(To, RoomOf)])
     || {From, To} <- Edges, maps:get(maps:get(From, RoomOf), Place, 0) > maps:get(maps:get(To, RoomOf), Place, 0)].

%% What calls itself through others, less the excused sets.
cycles(Edges, Excused) ->
    Graph = digraph:new(),
    [digraph:add_vertex(Graph, Module) || {From, To} <- Edges, Module <- [From, To]],
    [digraph:add_edge(Graph, From, To) || {From, To} <- Edges],
    Found = [lists:sort(Cycle) || [_, _ | _] = Cycle <- digraph_utils:cyclic_strong_components(Graph)],
    [io_lib:format("these modules call each other in a circle: ~0p", [Cycle])
     || Cycle <- Found, not lists:member(Cycle, [lists:sort(Set) || Set <- Excused])].

untold_rooms(Rooms, Sources) ->
    [io_lib:format("the room ~ts has no README.md", [Room])
     || Room <- Rooms, Room =/= top, not filelib:is_regular(filename:join([Sources, Room, "README.md"]))].

unmarked(Sources, Public) ->
    [io_lib:format("~ts must say @private or be public in rooms.config, and not both", [module(File)])
     || File <- filelib:wildcard(Sources ++ "/**/*.erl"), is_private(File) =:= lists:member(module(File), Public)].

is_private(File) ->
    {ok, Text} = file:read_file(File),
    binary:match(Text, <<"%% @private\n-module(">>) =/= nomatch.

%% Nobody misses a module that is not loaded early, until file descriptors are used up.
not_loadable(Ebin, RoomOf) ->
    {ok, {_Module, [{abstract_code, {_Version, Forms}}]}} =
        beam_lib:chunks(filename:join(Ebin, "rustls_dist_preload"), [abstract_code]),
    [io_lib:format("rustls_dist_preload names ~ts, which is no module", [Name])
     || Name <- lists:usort(atoms(Forms)), lists:prefix("rustls_dist_", atom_to_list(Name)), not is_map_key(Name, RoomOf)].

atoms({atom, _Where, Name}) -> [Name];
atoms(Form) when is_tuple(Form) -> atoms(tuple_to_list(Form));
atoms([First | Rest]) -> atoms(First) ++ atoms(Rest);
atoms(_Other) -> [].

%% Arrows between rooms only, with the modules in the boxes: 46 modules with all their arrows would be a web.
mermaid(Rooms, RoomOf, Edges) ->
    Arrows = lists:usort([{maps:get(From, RoomOf), maps:get(To, RoomOf)} || {From, To} <- Edges]),
    ["flowchart TD\n",
     [io_lib:format("  ~ts[\"<b>~ts</b><br/>~ts\"]~n",
                    [Room, Room, lists:join("<br/>", [short(Module) || Module <- in_room(Room, RoomOf)])]) || Room <- Rooms],
     [io_lib:format("  ~ts --> ~ts~n", [From, To]) || {From, To} <- Arrows, From =/= To]].
