%% Which node listens on which port, where nobody can be asked: the common port of the cluster, and a map for nodes that
%% share a host. Read from the command line, the environment and a file; rustls_dist_epmd keeps and serves it.
%%
%%   -rustls_dist_port 9100                  RUSTLS_DIST_PORT         the port of every node that the map does not name
%%   -rustls_dist_ports a=9101,b=9102        RUSTLS_DIST_PORTS        the map, by the part of a node's name before the @
%%   -rustls_dist_port_file /etc/ports       RUSTLS_DIST_PORT_FILE    a file with more of the map
%%
%% The flag wins over the environment. The file has the same name=port entries, separated by commas or line ends; from
%% `#' to the end of a line is a comment. A name stands once in flag and file together. Where no common port is given,
%% OTP's own is it: -erl_epmd_port, and kernel's erl_epmd_node_listen_port (erl_epmd of OTP 25 and 27).
%%
%% Distribution starts before kernel's file server does, so the file is read by the primitive loader.
%%
%% @private
-module(rustls_dist_port_map).

-include_lib("kernel/include/file.hrl").

-export([settings/0, contents/1, ports/2, find/2]).

-export_type([settings/0, contents/0, ports/0]).

%% What was given, without what is in the file.
-type settings() :: #{common := inet:port_number() | none,
                      map := [entry()],
                      file := {file:filename(), Where :: string()} | none}.

-type contents() :: binary() | no_file.
-type ports() :: #{common := inet:port_number() | none, map := #{string() => inet:port_number()}}.
-type entry() :: {Name :: string(), inet:port_number(), Where :: string()}.

-define(MAX_FILE_BYTES, 1048576).
-define(SYNTAX, "write name=port, for instance worker1=9101, with commas between entries").

%% Reads flags, environment and kernel's parameter, and checks them.
%% Error: a sentence that says what is wrong, where, and how to mend it.
-spec settings() -> {ok, settings()} | {error, binary()}.
settings() ->
    sentence_on_fault(
      fun() ->
              #{common => common(),
                map => case given(rustls_dist_ports, "RUSTLS_DIST_PORTS") of
                           none -> [];
                           {Words, Where} -> entries(lists:join(",", Words), Where)
                       end,
                file => file()}
      end).

%% Reads the file that the settings name.
%% Error: as for settings/0.
-spec contents(settings()) -> {ok, contents()} | {error, binary()}.
contents(#{file := none}) ->
    {ok, no_file};
contents(#{file := {File, Where}}) ->
    sentence_on_fault(fun() -> bytes(File, Where) end).

%% The settings together with the contents of their file.
%% Error: as for settings/0.
-spec ports(settings(), contents()) -> {ok, ports()} | {error, binary()}.
ports(#{common := Common, map := Map, file := File}, Contents) ->
    sentence_on_fault(
      fun() -> #{common => Common, map => lists:foldl(fun add/2, #{}, Map ++ file_entries(Contents, File))} end,
      fun(#{map := Full} = Ports) -> Ports#{map := maps:map(fun(_Name, {Port, _Where}) -> Port end, Full)} end).

%% The port of the node called Name, the part of a node's name before the @.
-spec find(string(), ports()) -> inet:port_number() | none.
find(Name, #{common := Common, map := Map}) ->
    maps:get(Name, Map, Common).

%% the common port ------------------------------------------------------------------------------------------

common() ->
    case given(rustls_dist_port, "RUSTLS_DIST_PORT") of
        none -> otp_port(given(erl_epmd_port, none), application:get_env(kernel, erl_epmd_node_listen_port));
        {Words, Where} -> port(one(Words, Where), Where)
    end.

otp_port(none, undefined) ->
    none;
otp_port(none, {ok, Port}) when is_integer(Port) ->
    port(integer_to_list(Port), "kernel's erl_epmd_node_listen_port");
otp_port(none, {ok, Other}) ->
    fail("kernel's erl_epmd_node_listen_port is ~0tp, which is no port: use a number from 1 to 65535", [Other]);
otp_port({Words, Where}, undefined) ->
    port(one(Words, Where), Where);
otp_port({_Words, Where}, {ok, _Port}) ->
    fail("~ts and kernel's erl_epmd_node_listen_port are both given: remove one of them", [Where]).

%% the map --------------------------------------------------------------------------------------------------

file() ->
    case given(rustls_dist_port_file, "RUSTLS_DIST_PORT_FILE") of
        none -> none;
        {Words, Where} -> {one(Words, Where), Where}
    end.

%% The loader of OTP 25 looks for a name without a directory in the code path, so it never gets one.
bytes(File, Where) ->
    Path = filename:join(".", File),
    case erl_prim_loader:read_file_info(Path) of
        {ok, #file_info{type = regular, size = Size}} when Size > ?MAX_FILE_BYTES ->
            fail("the port file ~ts (~ts) has more than ~w bytes and cannot be a port map",
                 [File, Where, ?MAX_FILE_BYTES]);
        {ok, #file_info{type = directory}} ->
            fail("the port file ~ts (~ts) is a directory: name a file", [File, Where]);
        {ok, _} ->
            case erl_prim_loader:get_file(Path) of
                {ok, Bytes, _FullName} -> Bytes;
                error -> fail("the port file ~ts (~ts) cannot be read: let the user that runs the node read it",
                              [File, Where])
            end;
        error ->
            fail("the port file ~ts (~ts) does not exist: make it, or correct the path", [File, Where])
    end.

file_entries(no_file, _File) ->
    [];
file_entries(Bytes, {File, _Where}) ->
    case unicode:characters_to_list(Bytes) of
        Text when is_list(Text) ->
            Lines = string:split(Text, "\n", all),
            [Entry || {Number, Line} <- lists:enumerate(Lines),
                      Entry <- entries(hd(string:split(Line, "#")), io_lib:format("~ts line ~w", [File, Number]))];
        _ ->
            fail("the port file ~ts is not UTF-8 text: ~ts", [File, ?SYNTAX])
    end.

entries(Text, Where) ->
    [entry(string:trim(Entry), lists:flatten(Where))
     || Entry <- string:lexemes(lists:flatten(Text), ","), string:trim(Entry) =/= ""].

entry(Entry, Where) ->
    case string:split(Entry, "=", all) of
        [Name, Port] -> {name(string:trim(Name), Entry, Where), port(string:trim(Port), Where, Entry), Where};
        _ -> fail("~ts has the entry ~ts: ~ts", [Where, quoted(Entry), ?SYNTAX])
    end.

%% The characters are those that net_kernel lets into a name.
name(Name, Entry, Where) ->
    case {re:run(Name, "^[0-9A-Za-z_-]+$", [{capture, none}]), lists:member($@, Name)} of
        {match, _} -> Name;
        {nomatch, true} ->
            fail("~ts has the entry ~ts: write only the part of the node's name before the @", [Where, quoted(Entry)]);
        {nomatch, false} ->
            fail("~ts has the entry ~ts, whose name no node can have: ~ts", [Where, quoted(Entry), ?SYNTAX])
    end.

add({Name, Port, Where}, Map) ->
    case Map of
        #{Name := {_, Where}} -> fail("~ts names ~ts twice: keep one entry", [Where, Name]);
        #{Name := {_, Before}} -> fail("~ts and ~ts both name ~ts: keep one entry", [Before, Where, Name]);
        #{} -> Map#{Name => {Port, Where}}
    end.

%% values ---------------------------------------------------------------------------------------------------

%% All words of a flag, however often it was given, or else the environment variable's value; and what to call it.
given(Flag, Variable) ->
    case init:get_argument(Flag) of
        {ok, Words} -> {lists:append(Words), [$- | atom_to_list(Flag)]};
        error -> from_environment(Variable)
    end.

from_environment(none) ->
    none;
from_environment(Variable) ->
    case os:getenv(Variable, "") of
        "" -> none;
        Value -> {[Value], Variable}
    end.

one([Word], _Where) ->
    Word;
one([], Where) ->
    fail("~ts has no value: give it one, or remove it", [Where]);
one(Words, Where) ->
    case lists:usort(Words) of
        [Word] -> Word;
        _ -> fail("~ts was given more than one value (~ts): keep one", [Where, lists:join(" ", Words)])
    end.

port(Text, Where) ->
    case port_number(Text) of
        {ok, Port} -> Port;
        error -> fail("~ts is ~ts, which is no port: use a number from 1 to 65535", [Where, quoted(Text)])
    end.

port(Text, Where, Entry) ->
    case port_number(Text) of
        {ok, Port} -> Port;
        error -> fail("~ts has the entry ~ts, without a port: after the = use a number from 1 to 65535",
                      [Where, quoted(Entry)])
    end.

port_number(Text) ->
    case string:to_integer(Text) of
        {Port, []} when is_integer(Port), Port >= 1, Port =< 65535 -> {ok, Port};
        _ -> error
    end.

quoted(Text) ->
    [$", Text, $"].

-spec fail(io:format(), [term()]) -> no_return().
fail(Format, Arguments) ->
    throw({?MODULE, unicode:characters_to_binary(io_lib:format(Format, Arguments))}).

sentence_on_fault(Fun) ->
    sentence_on_fault(Fun, fun(Value) -> Value end).

sentence_on_fault(Fun, Finish) ->
    try
        {ok, Finish(Fun())}
    catch
        throw:{?MODULE, Text} -> {error, Text}
    end.
