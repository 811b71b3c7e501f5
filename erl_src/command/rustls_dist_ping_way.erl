%% What the flags of a node say about the way to another one: family, form of names, how ports are found, cookie.
%%
%% @private
-module(rustls_dist_ping_way).

-export([new/5, cookie/3, own_name/1]).

-define(MAX_COOKIE_BYTES, 1024).

%% Port: given by the user, or none. Report: is told of each step.
-spec new(node(), rustls_dist_command_flags:flags(), inet:port_number() | none, rustls_dist_roles:role_config(),
          fun((rustls_dist_ping_walk:step()) -> ok)) -> rustls_dist_ping_walk:way().
new(Node, Flags, Port, Config, Report) ->
    ok = set_up_time(Flags),
    #{node => Node, family => family(Flags), names => names(Node, Flags), config => Config,
      timeout_ms => net_kernel:connecttime(), find_port => find_port(Port, Flags),
      report => Report}.

%% It is as long as the node would wait for each step (kernel's net_setuptime), and sentences say so.
set_up_time(Flags) ->
    Parameters = case rustls_dist_command_flags:argument(kernel, Flags) of
                     {ok, Given} -> Given;
                     error -> []
                 end,
    case [string:to_integer(Seconds) || ["net_setuptime", Seconds | _] <- Parameters, is_list(Seconds)] of
        [_ | _] = Times ->
            {Time, _} = lists:last(Times),
            application:set_env(kernel, net_setuptime, Time);
        [] ->
            application:unset_env(kernel, net_setuptime)
    end.

family(Flags) ->
    case rustls_dist_command_flags:argument(proto_dist, Flags) of
        {ok, [["rustls6" | _] | _]} -> inet6;
        {ok, [["inet6" ++ _ | _] | _]} -> inet6;
        _ -> inet
    end.

%% Where the flags do not say which form the names of the cluster have, the node's own name does.
names(Node, Flags) ->
    case {rustls_dist_command_flags:argument(name, Flags), rustls_dist_command_flags:argument(sname, Flags)} of
        {{ok, _}, _} -> longnames;
        {error, {ok, _}} -> shortnames;
        {error, error} ->
            case lists:member($., atom_to_list(Node)) orelse lists:member($:, atom_to_list(Node)) of
                true -> longnames;
                false -> shortnames
            end
    end.

find_port(Port, _Flags) when is_integer(Port) ->
    fun(_Name) -> {ok, Port} end;
find_port(none, Flags) ->
    case rustls_dist_command_flags:argument(epmd_module, Flags) of
        {ok, [["rustls_dist_epmd" | _] | _]} ->
            _ = [os:putenv(Variable, lists:flatten(lists:join(",", lists:append(Words))))
                 || {Flag, Variable} <- [{rustls_dist_port, "RUSTLS_DIST_PORT"}, {rustls_dist_ports, "RUSTLS_DIST_PORTS"},
                                         {rustls_dist_port_file, "RUSTLS_DIST_PORT_FILE"}],
                    {ok, Words} <- [rustls_dist_command_flags:argument(Flag, Flags)]],
            fun agreed_port/1;
        _ ->
            epmd
    end.

%% As rustls_dist_epmd finds it.
agreed_port(Name) ->
    case rustls_dist_port_map:settings() of
        {ok, Settings} ->
            case rustls_dist_port_map:contents(Settings) of
                {ok, Contents} ->
                    case rustls_dist_port_map:ports(Settings, Contents) of
                        {ok, Ports} -> found(Name, rustls_dist_port_map:find(Name, Ports));
                        {error, _} = Error -> Error
                    end;
                {error, _} = Error -> Error
            end;
        {error, _} = Error ->
            Error
    end.

found(Name, none) -> {error, ["no port is known for ", Name, ": give --port, or the port flags of rustls_dist_epmd"]};
found(_Name, Port) -> {ok, Port}.

%% The cookie for a node: of the file that the user names, or of -setcookie Node Cookie or -setcookie Cookie, or else of the file
%% where nodes look (erts' documentation of erl, kernel's auth).
-spec cookie(node(), #{'cookie-file' => file:filename_all(), atom() => term()}, rustls_dist_command_flags:flags()) ->
          {ok, atom() | none} | {error, unicode:chardata()}.
cookie(_Node, #{'cookie-file' := File}, _Flags) ->
    case cookie_of_files([rustls_dist_file_name:local(File)]) of
        none -> {error, ["the cookie's file ", rustls_dist_file_name:shown(File), " cannot be read, or is empty"]};
        Cookie -> {ok, Cookie}
    end;
cookie(Node, #{}, Flags) ->
    {ok, cookie(Node, Flags)}.

cookie(Node, Flags) ->
    Given = case rustls_dist_command_flags:argument(setcookie, Flags) of
                {ok, Found} -> Found;
                error -> []
            end,
    Name = atom_to_list(Node),
    case {[Cookie || [For, Cookie] <- Given, For =:= Name], [Cookie || [Cookie] <- Given]} of
        {[Cookie | _], _} when is_list(Cookie) -> list_to_atom(Cookie);
        {[], [_ | _] = All} -> as_atom(lists:last(All));
        {[], []} -> cookie_of_files(files())
    end.

as_atom(Word) when is_list(Word) -> list_to_atom(Word);
as_atom(_Bytes) -> none.

files() ->
    Home = [filename:join(Folder, ".erlang.cookie") || {ok, [[Folder]]} <- [init:get_argument(home)]],
    Home ++ [filename:join(filename:basedir(user_config, "erlang"), ".erlang.cookie")].

cookie_of_files([]) ->
    none;
cookie_of_files([File | Files]) ->
    case rustls_dist_raw_file:read(File, ?MAX_COOKIE_BYTES) of
        {ok, Bytes} -> of_bytes(binary:split(Bytes, [<<"\n">>, <<"\r">>]));
        {error, _} -> cookie_of_files(Files)
    end.

of_bytes([<<>> | _]) -> none;
of_bytes([Cookie | _]) -> binary_to_atom(Cookie, latin1).

%% The node that would dial, where the flags have its whole name.
-spec own_name(rustls_dist_command_flags:flags()) -> node() | none.
own_name(Flags) ->
    case [Word || Flag <- [name, sname], {ok, [[Word | _] | _]} <- [rustls_dist_command_flags:argument(Flag, Flags)]] of
        [Word | _] when is_list(Word) ->
            case dist_util:split_node(Word) of
                {node, _Name, _Host} -> list_to_atom(Word);
                _ -> none
            end;
        _ ->
            none
    end.
