%% Socket options: the kernel parameters' over our defaults, ours over both where the carrier depends on them.
%%
%% @private
-module(rustls_dist_sockopts).

-export([listen/1, connect/1, established/1, set/2, set_new/2, get/2]).

%% inet reads at most this much at a time. Its default of 1460 bytes is what makes inet_tls slow as it comes;
%% sndbuf and recbuf are left to the kernel's autotuning.
-define(LINK_BUFFER_BYTES, 262144).

%% While a peer has shown nothing, what it can make us hold is kept small: each read that waits takes that much. It is more
%% than most clients send at once, certificates and all; a longer flight takes another read.
-define(STRANGER_BUFFER_BYTES, 4096).

%% Whom we dialled sends its certificates and those above them at once.
-define(HANDSHAKE_BUFFER_BYTES, 16384).

-define(BACKLOG, 1024).

%% Options for the listening socket, which accepted ones inherit.
-spec listen(inet | inet6) -> [gen_tcp:listen_option()].
listen(Family) ->
    Interface = case application:get_env(kernel, inet_dist_use_interface) of
                    {ok, Ip} -> [{ip, Ip}];
                    undefined -> []
                end,
    merge(env(inet_dist_listen_options),
          forced(Family) ++ Interface ++ handshake_send_timeout(net_kernel:connecttime()),
          [{reuseaddr, true}, {backlog, ?BACKLOG}, {buffer, ?STRANGER_BUFFER_BYTES}]).

%% Options for an outgoing connection.
-spec connect(inet | inet6) -> [gen_tcp:connect_option()].
connect(Family) ->
    merge(env(inet_dist_connect_options),
          forced(Family) ++ handshake_send_timeout(net_kernel:connecttime()),
          [{buffer, ?HANDSHAKE_BUFFER_BYTES}]).

%% A peer that does not read must not hold a handshake beyond its deadline.
handshake_send_timeout(TimeoutMs) ->
    [{send_timeout, TimeoutMs}, {send_timeout_close, true}].

%% Options for a socket whose link is up: from now on a slow peer is back-pressure and no fault.
-spec established(client | server) -> [gen_tcp:option()].
established(Role) ->
    User = env(case Role of
                   client -> inet_dist_connect_options;
                   server -> inet_dist_listen_options
               end),
    Buffer = [{buffer, ?LINK_BUFFER_BYTES} || not lists:keymember(buffer, 1, User)],
    [{send_timeout, infinity}, {send_timeout_close, false}, {exit_on_close, true}, nodelay() | Buffer].

%% kernel's dist_nodelay; as in inet_tcp_dist anything but false is true.
nodelay() ->
    {nodelay, application:get_env(kernel, dist_nodelay) =/= {ok, false}}.

%% Sets options of a link's socket. What the carrier itself depends on is not the user's to set (inet_tcp_dist, which depends
%% on less); a time for sending, without effect there, has none here either.
-spec set(inet:socket(), [inet:socket_setopt()]) -> ok | {error, inet:posix() | {badopts, list()}}.
set(Socket, Options) ->
    case [Option || {Key, _} = Option <- Options, lists:member(Key, [active, deliver, packet, mode, header])] of
        [] -> inet:setopts(Socket, [Option || Option <- Options, not is_send_timeout(Option)]);
        Forbidden -> {error, {badopts, Forbidden}}
    end.

is_send_timeout({send_timeout, _}) -> true;
is_send_timeout({send_timeout_close, _}) -> true;
is_send_timeout(_Option) -> false.

%% Sets options of the listening socket. net_kernel adds them to those for links to come, and takes pairs only.
-spec set_new(inet:socket(), [inet:socket_setopt()]) -> ok | {error, inet:posix() | {badopts, list()}}.
set_new(Listen, Options) ->
    case [Option || Option <- Options, not (is_tuple(Option) andalso tuple_size(Option) =:= 2)] of
        [] -> set(Listen, Options);
        Others -> {error, {badopts, Others}}
    end.

%% Options of a socket, a link's or the listening one.
-spec get(inet:socket(), [inet:socket_getopt()]) -> {ok, [inet:socket_setopt()]} | {error, inet:posix()}.
get(Socket, Options) ->
    inet:getopts(Socket, Options).

%% The controller sends over ports, with their options; kernel's inet_backend could make sockets something else. gen_tcp
%% looks for this one in front. Until its link is up a socket that breaks does not end its owner, who has to say what broke.
forced(Family) ->
    [{inet_backend, inet}, Family, binary, {active, false}, {packet, raw}, {nodelay, true}, {exit_on_close, false}].

env(Key) ->
    case application:get_env(kernel, Key) of
        {ok, Options} when is_list(Options) -> Options;
        _ -> []
    end.

%% Forced options win over the user's, the user's over the defaults.
merge(User, Forced, Defaults) ->
    Free = [Option || Option <- User, not lists:member(name(Option), names(Forced))],
    Forced ++ Free ++ [Option || Option <- Defaults, not lists:member(name(Option), names(User))].

names(Options) ->
    [name(Option) || Option <- Options].

name(Option) when Option =:= list; Option =:= binary -> mode;
name(Option) when Option =:= inet; Option =:= inet6; Option =:= local -> family;
name({_Name, _Value} = Option) -> element(1, Option);
name(Other) -> Other.
