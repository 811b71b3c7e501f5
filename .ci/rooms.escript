%% The graph of the modules by room, and its rules, for the Erlang modules and for the Rust library.
%%
%%   escript rooms.escript check erl_src EBIN      prints the graph; exits with 1 for what the rules forbid, a room without
%%                                                 README.md, a module that is neither public nor says @private, and a
%%                                                 name in rustls_dist_preload that is no module
%%   escript rooms.escript check src
%%   escript rooms.escript picture erl_src EBIN    prints it as the picture of doc/architecture.md (Mermaid)
%%   escript rooms.escript picture src
%%
%% A room is a folder. What lies beside the folders of erl_src is the room `top'; each file beside those of src is a room of
%% its own. SOURCES/rooms.config names the rooms in their order: a module may use modules of its own room and of rooms
%% below it, never above, but for the arrows that the file excuses. Between Erlang modules nothing goes round, within a
%% room neither, but for the sets that the file excuses; of Rust modules the arrows between rooms are what is known.
%%
%% What Erlang modules call is known from xref, which sees calls, not names in data. What Rust modules use is read off
%% `crate::' in their sources; `super::' stays within a room.
-mode(compile).

main([Verb, Sources | Ebin]) ->
    {ok, Terms} = file:consult(filename:join(Sources, "rooms.config")),
    Config = maps:merge(#{excused_cycles => [], excused_arrows => []}, maps:from_list(Terms)),
    {RoomOf, Edges} = graph(Sources, Ebin),
    case Verb of
        "check" ->
            print(Config, RoomOf, Edges),
            finish(unknown_rooms(Config, RoomOf) ++ unknown_names(RoomOf, Edges) ++ forbidden(Config, RoomOf, Edges)
                   ++ unneeded(Config, RoomOf, Edges) ++ cycles(Config, Edges) ++ untold(Config, RoomOf, Sources, Ebin));
        "picture" ->
            io:put_chars(picture(Config, RoomOf, Edges))
    end.

finish([]) ->
    ok;
finish(Findings) ->
    [io:format("~ts~n", [Finding]) || Finding <- Findings],
    halt(1).

%% The room of each module, and who uses whom: a module another one, or, where no more is known, a room.
graph(Sources, [Ebin]) ->
    RoomOf = maps:from_list([{module(File), folder(Sources, File, top)} || File <- filelib:wildcard(Sources ++ "/**/*.erl")]),
    {RoomOf, calls(Ebin, RoomOf)};
graph(Sources, []) ->
    Files = filelib:wildcard(Sources ++ "/**/*.rs") -- [filename:join(Sources, "lib.rs")],
    RoomOf = maps:from_list([{path(Sources, File), folder(Sources, File, module(File))} || File <- Files]),
    Used = [{path(Sources, File), Room} || File <- Files, Room <- uses(File, reexports(Sources))],
    {RoomOf, lists:usort([{File, {room, Room}} || {File, Room} <- Used, maps:get(File, RoomOf) =/= Room])}.

module(File) ->
    list_to_atom(filename:rootname(filename:basename(File))).

folder(Sources, File, Beside) ->
    case filename:split(filename:dirname(File)) -- filename:split(Sources) of
        [] -> Beside;
        [Room | _Deeper] -> list_to_atom(Room)
    end.

%% Calls from one module to another one of ours.
calls(Ebin, RoomOf) ->
    {ok, Xref} = xref:start([{xref_mode, modules}]),
    ok = xref:set_default(Xref, [{warnings, false}, {verbose, false}]),
    {ok, _Modules} = xref:add_directory(Xref, Ebin),
    {ok, All} = xref:q(Xref, "ME"),
    xref:stop(Xref),
    lists:usort([{From, To} || {From, To} <- All, From =/= To, is_map_key(From, RoomOf), is_map_key(To, RoomOf)]).

%% A Rust module by its file below src, `trust/chain' for trust/chain/mod.rs.
path(Sources, File) ->
    Below = lists:nthtail(length(Sources) + 1, filename:rootname(File)),
    list_to_atom(case filename:basename(Below) of
                     "mod" -> filename:dirname(Below);
                     _ -> Below
                 end).

%% The first names behind `crate::', comments left out: `use crate::{a, b::{c, d}}' has a and b.
uses(File, Reexports) ->
    Text = re:replace(text(File), "//.*", "", [global, {return, list}]),
    Single = captured(Text, "\\bcrate::(\\w+)"),
    Groups = captured(Text, "\\bcrate::(\\{(?:[^{}]|(?1))*\\})"),
    Grouped = [captured("," ++ inner(Group), ",\\s*(\\w+)") || Group <- Groups],
    [maps:get(Name, Reexports, list_to_atom(Name)) || Name <- lists:usort(Single ++ lists:append(Grouped))].

inner(Group) ->
    re:replace(lists:sublist(Group, 2, length(Group) - 2), "\\{(?:[^{}]|(?R))*\\}", "", [global, {return, list}]).

%% What lib.rs names anew at the top: `pub use error::Error'.
reexports(Sources) ->
    {match, Found} = re:run(text(filename:join(Sources, "lib.rs")), "^pub use (\\w+)::(\\w+);",
                            [global, multiline, {capture, all_but_first, list}]),
    maps:from_list([{Name, list_to_atom(Room)} || [Room, Name] <- Found]).

captured(Text, Pattern) ->
    case re:run(Text, Pattern, [global, {capture, [1], list}]) of
        {match, Found} -> lists:append(Found);
        nomatch -> []
    end.

text(File) ->
    {ok, Text} = file:read_file(File),
    Text.

print(#{rooms := Rooms}, RoomOf, Edges) ->
    [io:format("~ts:~n~ts", [Room, [line(Module, RoomOf, Edges) || Module <- in_room(Room, RoomOf)]]) || Room <- Rooms].

line(Module, RoomOf, Edges) ->
    Used = [case To of
                {room, Room} -> atom_to_list(Room);
                _ -> [atom_to_list(room_of(To, RoomOf)), $/, short(To)]
            end || {From, To} <- Edges, From =:= Module],
    io_lib:format("  ~ts -> ~ts~n", [short(Module), lists:join(" ", Used)]).

in_room(Room, RoomOf) ->
    lists:sort([Module || {Module, In} <- maps:to_list(RoomOf), In =:= Room]).

short(Module) ->
    case atom_to_list(Module) of
        "rustls_dist_" ++ Name -> Name;
        Name -> Name
    end.

room_of({room, Room}, _RoomOf) -> Room;
room_of(Module, RoomOf) -> maps:get(Module, RoomOf).

arrows(RoomOf, Edges) ->
    lists:usort([{maps:get(From, RoomOf), room_of(To, RoomOf)} || {From, To} <- Edges,
                                                                  maps:get(From, RoomOf) =/= room_of(To, RoomOf)]).

unknown_rooms(#{rooms := Rooms}, RoomOf) ->
    [io_lib:format("~ts is no room of rooms.config", [Room])
     || Room <- lists:usort(maps:values(RoomOf)), not lists:member(Room, Rooms)].

unknown_names(RoomOf, Edges) ->
    Rooms = maps:values(RoomOf),
    [io_lib:format("~ts uses crate::~ts, which is neither a room nor a name that lib.rs gives again", [From, Room])
     || {From, {room, Room}} <- Edges, not lists:member(Room, Rooms)].

forbidden(#{rooms := Rooms, excused_arrows := Excused}, RoomOf, Edges) ->
    Place = maps:from_list([{Room, Number} || {Number, Room} <- lists:enumerate(Rooms)]),
    [io_lib:format("~ts (~ts) uses ~ts (~ts), which is above it", [From, User, used(To), Used])
     || {From, To} <- Edges, {User, Used} <- [{maps:get(From, RoomOf), room_of(To, RoomOf)}],
        maps:get(User, Place, 0) > maps:get(Used, Place, 0), not lists:member({User, Used}, Excused)].

used({room, _Room}) -> "a module";
used(Module) -> atom_to_list(Module).

%% An excuse that nobody needs any more would hide the next fault.
unneeded(#{excused_arrows := Excused}, RoomOf, Edges) ->
    [io_lib:format("rooms.config excuses ~ts -> ~ts, and there is no such arrow", [From, To])
     || {From, To} <- Excused -- arrows(RoomOf, Edges)].

%% What calls itself through others, less the excused sets.
cycles(#{excused_cycles := Excused}, Edges) ->
    Graph = digraph:new(),
    [digraph:add_vertex(Graph, Module) || {From, To} <- Edges, Module <- [From, To]],
    [digraph:add_edge(Graph, From, To) || {From, To} <- Edges],
    Found = [lists:sort(Cycle) || [_, _ | _] = Cycle <- digraph_utils:cyclic_strong_components(Graph)],
    Sets = [lists:sort(Set) || Set <- Excused],
    [io_lib:format("these modules call each other in a circle: ~0p", [Cycle]) || Cycle <- Found -- Sets]
        ++ [io_lib:format("rooms.config excuses the circle ~0p, and there is none", [Set]) || Set <- Sets -- Found].

%% What is asked of the Erlang rooms alone.
untold(_Config, _RoomOf, _Sources, []) ->
    [];
untold(#{rooms := Rooms, public := Public}, RoomOf, Sources, [Ebin]) ->
    untold_rooms(Rooms, Sources) ++ unmarked(Sources, Public) ++ not_loadable(Ebin, RoomOf).

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

%% Arrows between rooms only, with the modules in the boxes: all modules with all their arrows would be a web. Dotted are
%% those that are excused. Rooms' names get something in front: some words are Mermaid's own.
picture(#{rooms := Rooms, excused_arrows := Excused}, RoomOf, Edges) ->
    ["flowchart TD\n",
     [io_lib:format("  room_~ts[\"<b>~ts</b>~ts\"]~n", [Room, Room, contents(Room, RoomOf)]) || Room <- Rooms],
     [io_lib:format("  room_~ts ~ts room_~ts~n", [From, line(lists:member(Arrow, Excused)), To])
      || {From, To} = Arrow <- arrows(RoomOf, Edges)]].

line(true = _IsExcused) -> "-.->";
line(false) -> "-->".

contents(Room, RoomOf) ->
    case in_room(Room, RoomOf) of
        [Room] -> "";
        Modules -> [["<br/>", below(Room, Module)] || Module <- Modules]
    end.

below(Room, Module) ->
    case string:prefix(atom_to_list(Module), [atom_to_list(Room), "/"]) of
        nomatch -> short(Module);
        Name -> Name
    end.
