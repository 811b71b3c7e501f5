%% The listening socket: its port, its registration with the epmd module, and the gate that keeps a node with bad
%% configuration from coming up.
%%
%% @private
-module(rustls_dist_listener).

-export([listen/3, address/1]).

-export_type([result/0]).

-include_lib("kernel/include/net_address.hrl").

-type result() :: {ok, {inet:socket(), #net_address{}, Creation :: integer()}} | {error, term()}.

%% Opens the listening socket and registers it. Errors are those of inet and of the epmd module, and a sentence for
%% configuration that cannot work; net_kernel prints it and ends the node.
-spec listen(inet | inet6, atom(), string()) -> result().
listen(Family, Name, Host) ->
    case configured([server, client]) of
        ok ->
            case open_one(Family, rustls_dist_epmd_client:listen_port(Name, Host)) of
                {ok, Socket} ->
                    rustls_dist_config:fetch(server) =:= no_certificate andalso rustls_dist_config:nobody_can_dial(),
                    register(Family, Name, Host, Socket);
                {error, _} = Error -> Error
            end;
        {error, _} = Error ->
            Error
    end.

%% The address of a node that does not listen (-dist_listen false); such a node only needs the client's configuration.
%%
%% net_kernel knows no error here. At boot it ends a node that cannot listen (net_kernel:start_protos/4), and so does this:
%% an exception would be told in crash reports of net_kernel, its supervisor and kernel, with the sentence above them.
-spec address(inet | inet6) -> #net_address{}.
address(Family) ->
    case configured([client]) of
        ok ->
            {ok, Host} = inet:gethostname(),
            #net_address{host = Host, protocol = tls, family = Family};
        {error, Reason} ->
            case init:get_status() of
                {starting, _} -> halt(1);
                _ -> exit({shutdown, Reason})
            end
    end.

configured(Roles) ->
    Checked = rustls_dist_config:check(),
    case rustls_dist_problems:merged([Text || Role <- Roles, {error, Text} <- [maps:get(Role, Checked)]]) of
        [] ->
            ok;
        Problems ->
            _ = [rustls_dist_log:configuration(Text) || Text <- Problems],
            {error, {rustls_dist, hd(Problems)}}
    end.

%% Which port to open: the epmd module's wish, else one of the kernel parameters, else any.
open_one(Family, {ok, 0}) ->
    {First, Last} = Range = port_range(),
    Result = open(Family, Range),
    Result =:= {error, eaddrinuse} andalso
        rustls_dist_log:configuration(
          io_lib:format("all ports from ~w to ~w, which kernel's inet_dist_listen_min and inet_dist_listen_max leave to this "
                        "node, are in use on this host: widen the range, or end what listens there", [First, Last])),
    Result;
open_one(Family, {ok, Port}) ->
    Result = open(Family, {Port, Port}),
    Result =:= {error, eaddrinuse} andalso
        rustls_dist_log:configuration(
          io_lib:format("port ~w, which ~ts wants this node to listen on, is in use on this host: end the process that "
                        "listens there, or give this node another port", [Port, net_kernel:epmd_module()])),
    Result;
open_one(_Family, Other) ->
    Other.

port_range() ->
    case {application:get_env(kernel, inet_dist_listen_min), application:get_env(kernel, inet_dist_listen_max)} of
        {{ok, Min}, {ok, Max}} when is_integer(Min), is_integer(Max) -> {Min, Max};
        {{ok, Min}, _} when is_integer(Min) -> {Min, Min};
        _ -> {0, 0}
    end.

open(Family, {First, Last}) when First =< Last ->
    try gen_tcp:listen(First, rustls_dist_sockopts:listen(Family)) of
        {error, eaddrinuse} -> open(Family, {First + 1, Last});
        Result -> Result
    catch
        exit:badarg -> {error, bad_options(Family)}
    end;
open(_Family, _Exhausted) ->
    {error, eaddrinuse}.

%% inet's way to say that an option is none, or that an address is of the other family.
bad_options(Family) ->
    Given = [io_lib:format("~ts ~0tp", [Key, Value])
             || Key <- [inet_dist_use_interface, inet_dist_listen_options],
                {ok, Value} <- [application:get_env(kernel, Key)]],
    Text = unicode:characters_to_binary(
             io_lib:format("no listening socket for ~ts can be made with kernel's ~ts: correct the options, and give "
                           "addresses of that family", [family(Family), lists:join(" and ", Given)])),
    rustls_dist_log:configuration(Text),
    {rustls_dist, Text}.

family(inet) -> "IPv4 (-proto_dist rustls)";
family(inet6) -> "IPv6 (-proto_dist rustls6)".

register(Family, Name, Host, Socket) ->
    {ok, {_, Port} = Address} = inet:sockname(Socket),
    case rustls_dist_epmd_client:register(Name, Port, Family) of
        {ok, Creation} ->
            NetAddress = #net_address{address = Address, host = Host, protocol = tls, family = Family},
            {ok, {Socket, NetAddress, Creation}};
        Error ->
            ok = gen_tcp:close(Socket),
            unregistered(Name, Family, Error)
    end.

%% net_kernel has a sentence of its own for a name that is taken.
unregistered(_Name, _Family, {error, duplicate_name} = Error) ->
    Error;
unregistered(Name, Family, Error) ->
    case net_kernel:epmd_module() of
        erl_epmd ->
            Ip = case Family of
                     inet -> {127, 0, 0, 1};
                     inet6 -> {0, 0, 0, 0, 0, 0, 0, 1}
                 end,
            rustls_dist_log:configuration(
              io_lib:format("this node cannot be made known as ~ts: epmd on ~ts port ~w ~ts; start it with: epmd -daemon, or "
                            "do without it (-start_epmd false -epmd_module rustls_dist_epmd)",
                            [Name, inet:ntoa(Ip), rustls_dist_epmd_answer:epmd_port(), no_registration(Error)]));
        _Other ->
            ok
    end,
    Error.

%% The errors of erl_epmd:register_node/3.
no_registration({error, epmd_close}) -> "closed the connection without an answer";
no_registration({error, no_reg_reply_from_epmd}) -> "did not answer";
no_registration({error, {garbage_from_epmd, _Bytes}}) -> "gave an answer that makes no sense; something else may listen there";
no_registration({error, already_registered}) -> "knows this node already";
no_registration({error, Reason}) -> ["cannot be reached (", rustls_dist_failure_text:posix(Reason), ")"];
no_registration(Other) -> ["gave no answer (", rustls_dist_failure_text:brief(Other), ")"].
