%% Node discovery without epmd: `-start_epmd false -epmd_module rustls_dist_epmd'. It asks nobody: the ports are agreed
%% on beforehand (rustls_dist_port_map says how they are given), and the host names are resolved as always.
%%
%% The callbacks are those of erts' guide to alternative node discovery and of what inet_tcp_dist calls (OTP 25 and 27):
%% net_kernel's supervisor starts the process, the carrier asks for ports. The module does not depend on the carrier.
%%
%% The process reads the port file at every question, so that a change counts at once. A file that became unreadable or
%% wrong is reported once, and what was read before stays in force.
-module(rustls_dist_epmd).

-behaviour(gen_server).

%% the epmd module's callbacks
-export([start_link/0, register_node/2, register_node/3, listen_port_please/2,
         port_please/2, port_please/3, address_please/3, names/0, names/1]).

-export([init/1, handle_call/3, handle_cast/2, handle_info/2]).

-record(state, {settings :: rustls_dist_port_map:settings() | wrong,
                contents = none :: rustls_dist_port_map:contents() | none,     % that ports was made of
                ports = none :: rustls_dist_port_map:ports() | none,
                problem = none :: binary() | none,                          % the last one, which was reported
                registered = [] :: [{string(), inet:port_number()}]}).

%% The version of the distribution protocol that every node of OTP 23 and later speaks (kernel's dist.hrl).
-define(DIST_VERSION, 6).

%% net_kernel makes up a creation itself, as it does when erl_epmd finds no epmd.
-define(NO_CREATION, -1).

-define(NOT_RUNNING, <<"rustls_dist_epmd is not running; remove -no_epmd, and give -epmd_module rustls_dist_epmd">>).

-spec start_link() -> {ok, pid()} | {error, term()}.
start_link() ->
    gen_server:start_link({local, ?MODULE}, ?MODULE, [], []).

-spec register_node(atom() | string(), inet:port_number()) -> {ok, integer()}.
register_node(Name, Port) ->
    register_node(Name, Port, inet).

%% Nobody is told. The name and port are remembered for names/1.
%% Family: not used; net_kernel's carriers pass inet, inet6 or a driver's name.
-spec register_node(atom() | string(), inet:port_number(), atom()) -> {ok, integer()}.
register_node(Name, Port, _Family) ->
    _ = ask({register, name_string(Name), Port}),
    {ok, ?NO_CREATION}.

%% The port that this node is to listen on. Where there is none it exits with {rustls_dist, Sentence}: callers know no
%% error here (erl_epmd:listen_port_please/2), and net_kernel prints what they end with.
-spec listen_port_please(atom() | string(), term()) -> {ok, inet:port_number()}.
listen_port_please(Name, _Host) ->
    case ask({listen_port, name_string(Name)}) of
        {ok, Port} -> {ok, Port};
        {error, Text} -> exit({rustls_dist, Text})
    end.

%% The port that the node called Name listens on, whatever its host.
-spec port_please(atom() | string(), term()) ->
          {port, inet:port_number(), Version :: integer()} | {error, {rustls_dist, binary()}}.
port_please(Name, _Host) ->
    case ask({port, name_string(Name)}) of
        {ok, Port} -> {port, Port, ?DIST_VERSION};
        {error, Text} -> {error, {rustls_dist, Text}}
    end.

%% TimeoutMs: not used, because nobody is asked.
-spec port_please(atom() | string(), term(), timeout()) ->
          {port, inet:port_number(), Version :: integer()} | {error, {rustls_dist, binary()}}.
port_please(Name, Host, _TimeoutMs) ->
    port_please(Name, Host).

%% The address of a host, from the resolver.
-spec address_please(string(), string() | inet:ip_address(), inet | inet6) ->
          {ok, inet:ip_address()} | {error, inet:posix()}.
address_please(_Name, Host, Family) ->
    inet:getaddr(Host, Family).

-spec names() -> {ok, [{string(), inet:port_number()}]} | {error, address}.
names() ->
    names("localhost").

%% What is known to run: on this host this node, if it listens; of other hosts nothing is known. {error, address} is
%% erl_epmd's answer where no epmd can be asked.
-spec names(atom() | string() | inet:ip_address()) -> {ok, [{string(), inet:port_number()}]} | {error, address}.
names(Host) ->
    case is_this_host(Host) of
        true ->
            case ask(registered) of
                {ok, Registered} -> {ok, Registered};
                {error, _NotRunning} -> {error, address}
            end;
        false ->
            {error, address}
    end.

is_this_host(Host) when is_atom(Host) ->
    is_this_host(atom_to_list(Host));
is_this_host(Host) when is_list(Host) ->
    {ok, Own} = inet:gethostname(),
    case inet:parse_address(Host) of
        {ok, Ip} -> is_this_host(Ip);
        {error, _} -> lists:member(Host, ["localhost", Own, node_host()])
    end;
is_this_host(Ip) ->
    case inet:getifaddrs() of
        {ok, Interfaces} -> lists:any(fun({_Name, Options}) -> lists:member({addr, Ip}, Options) end, Interfaces);
        {error, _} -> false
    end.

node_host() ->
    [_Name, Host] = string:split(atom_to_list(node()), "@"),
    Host.

name_string(Name) when is_atom(Name) -> atom_to_list(Name);
name_string(Name) -> Name.

ask(Question) ->
    try
        gen_server:call(?MODULE, Question, infinity)
    catch
        exit:_ -> {error, ?NOT_RUNNING}
    end.

%% the process ----------------------------------------------------------------------------------------------

%% Wrong settings do not keep it from running: that would end the node with a crash of kernel instead of the sentence.
%% A node that listens is ended by listen_port_please/2; one that does not gets the sentence for each link it tries.
-spec init([]) -> {ok, #state{}}.
init([]) ->
    case rustls_dist_port_map:settings() of
        {ok, Settings} -> {ok, refresh(#state{settings = Settings})};
        {error, Text} -> {ok, report(Text, #state{settings = wrong})}
    end.

-spec handle_call(term(), gen_server:from(), #state{}) -> {reply, term(), #state{}} | {noreply, #state{}}.
handle_call({port, Name}, _From, State) ->
    Fresh = refresh(State),
    {reply, port(Name, Fresh), Fresh};
handle_call({listen_port, Name}, _From, State) ->
    Fresh = refresh(State),
    case port(Name, Fresh) of
        {ok, Port} -> {reply, {ok, Port}, Fresh};
        {error, Text} -> {reply, {error, Text}, report(Text, Fresh)}
    end;
handle_call({register, Name, Port}, _From, #state{registered = Registered} = State) ->
    {reply, ok, State#state{registered = lists:keystore(Name, 1, Registered, {Name, Port})}};
handle_call(registered, _From, #state{registered = Registered} = State) ->
    {reply, {ok, Registered}, State};
handle_call(_Unknown, _From, State) ->
    {noreply, State}.

-spec handle_cast(term(), #state{}) -> {noreply, #state{}}.
handle_cast(_Cast, State) ->
    {noreply, State}.

-spec handle_info(term(), #state{}) -> {noreply, #state{}}.
handle_info(_Other, State) ->
    {noreply, State}.

port(_Name, #state{ports = none, problem = Text}) ->
    {error, Text};
port(Name, #state{ports = Ports}) ->
    case rustls_dist_port_map:find(Name, Ports) of
        none -> {error, no_port(Name)};
        Port -> {ok, Port}
    end.

no_port(Name) ->
    unicode:characters_to_binary(
      io_lib:format("no port is given for the node ~ts: add ~ts=PORT to -rustls_dist_ports or to the port file, or "
                    "give a port for all nodes with -rustls_dist_port", [Name, Name])).

refresh(#state{settings = wrong} = State) ->
    State;
refresh(#state{settings = Settings, contents = Known} = State) ->
    case rustls_dist_port_map:contents(Settings) of
        {ok, Known} -> State#state{problem = none};
        {ok, Contents} -> adopt(Contents, State);
        {error, Text} -> report(Text, State)
    end.

adopt(Contents, #state{settings = Settings} = State) ->
    case rustls_dist_port_map:ports(Settings, Contents) of
        {ok, Ports} -> State#state{contents = Contents, ports = Ports, problem = none};
        {error, Text} -> report(Text, State)
    end.

report(Text, #state{problem = Text} = State) ->
    State;
report(Text, #state{ports = Ports} = State) ->
    rustls_dist_log:configuration(case Ports of
                                      none -> Text;
                                      _ -> [Text, " (the ports that were read before stay in force)"]
                                  end),
    State#state{problem = Text}.
