%% Epmd modules of a user's, for the suites: `-epmd_module' names one of the modules that write/2 makes. They ask a file
%% with the ports of the nodes, and leave out or add what real ones do.
-module(rustls_dist_epmd_modules).

-export([write/2]).

%% the modules' common part, run on the nodes
-export([port/1, note/1, notes/0]).

%% Compiles an epmd module of a kind into Dir, a folder that the nodes have in their code path, and gives its name.
%%
%% carrier: what inet_tcp_dist calls and no more; no listen_port_please/2, no address_please/3, and of register_node/3
%%     the families that inet_tcp_dist of the running release names.
%% documented: what erts' guide demands and no more: the arities that inet_tcp_dist does not call.
%% addressed: address_please/3 gives the port as well; port_please is left out.
%% failing: address_please/3 gives an error.
%% choosing: listen_port_please/2 gives the port.
-spec write(file:filename(), carrier | documented | addressed | failing | choosing) -> module().
write(Dir, Kind) ->
    Module = list_to_atom(lists:concat(["epmd_", Kind])),
    {Exports, Functions} = lists:unzip([function(F) || F <- [start_link | functions(Kind)]]),
    Source = lists:flatten(["-module(", atom_to_list(Module), ").\n",
                            "-export([names/1, ", lists:join(", ", Exports), "]).\n",
                            "names(_) -> {ok, []}.\n", Functions]),
    Forms = [form(Text) || Text <- string:lexemes(Source, "\n")],
    {ok, Module, Beam} = compile:forms(Forms, [report, debug_info]),
    ok = file:write_file(filename:join(Dir, lists:concat([Module, ".beam"])), Beam),
    Module.

functions(carrier) -> [register_with_driver, port_of_carrier];
functions(documented) -> [register_documented, port_documented];
functions(addressed) -> [register_with_driver, address_with_port];
functions(failing) -> [register_with_driver, address_error];
functions(choosing) -> [register_with_driver, port_of_carrier, listen_port].

function(start_link) -> {"start_link/0", "start_link() -> ignore.\n"};
function(register_with_driver) ->
    {"register_node/3",
     ["register_node(N, P, F) when ", driver_guard(), " -> ",
      "rustls_dist_epmd_modules:note({register, N, P, F}), {ok, 17}.\n"]};
function(register_documented) -> {"register_node/2", "register_node(_, _) -> {ok, 17}.\n"};
function(port_of_carrier) -> {"port_please/2", "port_please(N, _) -> rustls_dist_epmd_modules:port(N).\n"};
function(port_documented) -> {"port_please/3", "port_please(N, _, infinity) -> rustls_dist_epmd_modules:port(N).\n"};
function(listen_port) ->
    {"listen_port_please/2", "listen_port_please(N, _) -> {port, P, _} = rustls_dist_epmd_modules:port(N), {ok, P}.\n"};
function(address_with_port) ->
    {"address_please/3",
     "address_please(N, _, _) -> {port, P, V} = rustls_dist_epmd_modules:port(N), {ok, {127,0,0,1}, P, V}.\n"};
function(address_error) -> {"address_please/3", "address_please(_, _, _) -> {error, not_in_the_directory}.\n"}.

driver_guard() ->
    case list_to_integer(erlang:system_info(otp_release)) >= 26 of
        true -> "F =:= inet";
        false -> "F =:= inet_tcp"
    end.

form(Text) ->
    {ok, Tokens, _} = erl_scan:string(Text),
    {ok, Form} = erl_parse:parse_form(Tokens),
    Form.

%% The answer of port_please: what the file of EPMD_MODULE_PORTS, lines of "name port", says.
-spec port(atom() | string()) -> {port, inet:port_number(), 5} | noport.
port(Name) ->
    %% At boot there is no file server yet.
    {ok, Bytes, _} = erl_prim_loader:get_file(os:getenv("EPMD_MODULE_PORTS")),
    Lines = [string:lexemes(Line, " ") || Line <- string:lexemes(binary_to_list(Bytes), "\n")],
    case [Port || [N, Port] <- Lines, N =:= lists:concat([Name])] of
        [Port] -> {port, list_to_integer(Port), 5};
        [] -> noport
    end.

%% Remembers what a module was called with.
-spec note(term()) -> ok.
note(What) ->
    persistent_term:put(?MODULE, [What | notes()]).

-spec notes() -> [term()].
notes() ->
    persistent_term:get(?MODULE, []).
