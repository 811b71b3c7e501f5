%% Calls to the epmd module, OTP's or the user's (-epmd_module): the callbacks and the shapes of their answers are those
%% of erts' guide to alternative node discovery, and of what inet_tcp_dist of OTP 25 and 27 calls.
%%
%% @private
-module(rustls_dist_epmd_client).

-export([listen_port/2, register/3, address/3, port/2, why_no_port/2]).

%% The port to listen on; 0 leaves the choice to the carrier.
%% Name: this node's name before the @; Host: the part behind it.
-spec listen_port(atom(), string()) -> {ok, inet:port_number()} | term().
listen_port(Name, Host) ->
    call_or_otp(listen_port_please, [Name, Host]).

%% Makes this node known. A module may know the callback with the family, which carriers use, or the documented one
%% without.
-spec register(atom(), inet:port_number(), inet | inet6) -> {ok, Creation :: integer()} | term().
register(Name, Port, Family) ->
    Module = module(),
    case has(Module, register_node, 3) orelse not has(Module, register_node, 2) of
        true -> Module:register_node(Name, Port, rustls_dist_release:epmd_family(Family));
        false -> Module:register_node(Name, Port)
    end.

%% Where a node's host is, and perhaps already the port and distribution version of the node.
-spec address(string(), string(), inet | inet6) ->
          {ok, inet:ip_address()} | {ok, inet:ip_address(), inet:port_number(), Version :: integer()} | {error, term()}
        | term().
address(Name, Host, Family) ->
    call_or_otp(address_please, [Name, Host, Family]).

%% The port of a node. Carriers leave out the timeout, which is what the guide documents; a module may know either.
-spec port(string(), inet:ip_address()) ->
          {port, inet:port_number(), Version :: integer()} | noport | closed | {error, term()} | term().
port(Name, Ip) ->
    Module = module(),
    case has(Module, port_please, 2) orelse not has(Module, port_please, 3) of
        true -> Module:port_please(Name, Ip);
        false -> Module:port_please(Name, Ip, infinity)
    end.

%% Why there was no port; a module of the user's, asked in the place of epmd, need not say.
-spec why_no_port(string(), inet:ip_address()) -> rustls_dist_epmd_answer:why() | {no_port_from, module()}.
why_no_port(Name, Ip) ->
    case module() of
        erl_epmd -> rustls_dist_epmd_answer:why_no_port(Name, Ip);
        Module -> {no_port_from, Module}
    end.

%% What a module leaves out, OTP's does.
call_or_otp(Function, Arguments) ->
    Module = module(),
    case has(Module, Function, length(Arguments)) of
        true -> apply(Module, Function, Arguments);
        false -> apply(erl_epmd, Function, Arguments)
    end.

has(Module, Function, Arity) ->
    _ = code:ensure_loaded(Module),
    erlang:function_exported(Module, Function, Arity).

module() ->
    net_kernel:epmd_module().
