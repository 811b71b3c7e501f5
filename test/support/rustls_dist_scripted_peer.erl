%% A peer that speaks TLS well, through OTP's ssl, and distribution as a test wants it: packet by packet. It has a
%% certificate that the node under test accepts, and can end a connection in order, with close_notify, or cut it.
-module(rustls_dist_scripted_peer).

-export([dial/2, dial/3, serve/4, serve/5, send/2, recv/1, close/1, reset/1, join/3, join/4, garble_and_reset/1, port/1]).
-export([name/1, name/2]).

-export_type([peer/0]).

-type peer() :: #{ssl := ssl:sslsocket(), tcp := gen_tcp:socket()}.

-include_lib("kernel/include/dist.hrl").

-define(TIMEOUT_MS, 10000).

%% But the one of nodes that ask for a name.
-define(ALL_FLAGS, ((1 bsl 64 - 1) band bnot ?DFLAG_NAME_ME)).

%% Connects to Node, with the certificate of Files.
-spec dial(rustls_dist_cluster:peer() | inet:port_number(), rustls_dist_certs:cert()) -> peer().
dial(Where, Files) ->
    dial(Where, Files, #{}).

%% The same, with options of ssl.
-spec dial(rustls_dist_cluster:peer() | inet:port_number(), rustls_dist_certs:cert(), #{atom() => term()}) -> peer().
dial(Node, Files, Options) when is_map(Node) ->
    dial(rustls_dist_cluster:listening_port(Node), Files, Options);
dial(Port, Files, Options) ->
    {ok, Tcp} = gen_tcp:connect({127, 0, 0, 1}, Port, [binary, {active, false}]),
    {ok, Ssl} = ssl:connect(Tcp, [{verify, verify_none} | options(Files, Options)], ?TIMEOUT_MS),
    #{ssl => Ssl, tcp => Tcp}.

%% Is dialled by Node, which knows it as Name: runs Script with the connection. Gives what Script returned.
-spec serve({rustls_dist_cluster:cluster(), rustls_dist_cluster:peer()}, string(), rustls_dist_certs:cert(),
            fun((peer()) -> Result)) -> Result.
serve(From, Name, Files, Script) ->
    serve(From, Name, Files, #{}, Script).

%% The same, with options of ssl.
-spec serve({rustls_dist_cluster:cluster(), rustls_dist_cluster:peer()}, string(), rustls_dist_certs:cert(),
            #{atom() => term()}, fun((peer()) -> Result)) -> Result.
serve({Cluster, #{pid := Control}}, Name, Files, Options, Script) ->
    {ok, Listen} = gen_tcp:listen(0, [{ip, {127, 0, 0, 1}}, binary, {active, false}]),
    {ok, Port} = inet:port(Listen),
    Epmd = rustls_dist_cluster:fake_node(Cluster, Name, Port),
    Key = rpc:async_call(node(), peer, call, [Control, net_kernel, connect_node, [list_to_atom(Name ++ "@127.0.0.1")],
                                              ?TIMEOUT_MS]),
    {ok, Tcp} = gen_tcp:accept(Listen, ?TIMEOUT_MS),
    {ok, Ssl} = ssl:handshake(Tcp, options(Files, Options), ?TIMEOUT_MS),
    Result = Script(#{ssl => Ssl, tcp => Tcp}),
    _ = rpc:yield(Key),
    ok = gen_tcp:close(Epmd),
    ok = gen_tcp:close(Listen),
    Result.

options(#{cert := Cert, key := Key}, Options) ->
    Usual = #{certfile => Cert, keyfile => Key, versions => ['tlsv1.2'], log_level => none, active => false},
    maps:to_list(maps:merge(Usual, Options)).

%% Sends a distribution packet.
-spec send(peer(), iodata()) -> ok | {error, term()}.
send(#{ssl := Ssl}, Packet) ->
    ssl:send(Ssl, [<<(iolist_size(Packet)):32>>, Packet]).

-spec recv(peer()) -> {ok, binary()} | {error, term()}.
recv(#{ssl := Ssl}) ->
    case ssl:recv(Ssl, 4, ?TIMEOUT_MS) of
        {ok, <<0:32>>} -> {ok, <<>>};
        {ok, <<Length:32>>} -> ssl:recv(Ssl, Length, ?TIMEOUT_MS);
        Error -> Error
    end.

%% Ends the connection in order.
-spec close(peer()) -> ok.
close(#{ssl := Ssl}) ->
    _ = ssl:close(Ssl),
    ok.

%% Cuts it.
-spec reset(peer()) -> ok.
reset(#{tcp := Tcp, ssl := Ssl}) ->
    ok = inet:setopts(Tcp, [{linger, {true, 0}}]),
    cut(Tcp),
    _ = ssl:close(Ssl),
    ok.

%% The node may have been faster.
cut(Tcp) ->
    try port_close(Tcp) of
        true -> ok
    catch
        error:badarg -> ok
    end.

%% Sends what is no TLS record, and cuts the connection at once.
-spec garble_and_reset(peer()) -> ok.
garble_and_reset(#{tcp := Tcp, ssl := Ssl}) ->
    ok = inet:setopts(Tcp, [{linger, {true, 0}}]),
    true = port_command(Tcp, <<23, 3, 3, 0, 40, 0:320>>),
    cut(Tcp),
    _ = ssl:close(Ssl),
    ok.

%% The port that the peer dialled from.
-spec port(peer()) -> inet:port_number().
port(#{tcp := Tcp}) ->
    {ok, Port} = inet:port(Tcp),
    Port.

%% The distribution handshake of who dialled, to its end (erts' distribution protocol).
-spec join(peer(), string(), string()) -> ok.
join(Peer, Name, Cookie) ->
    join(Peer, ?ALL_FLAGS, Name, Cookie).

%% The same with these flags alone.
-spec join(peer(), non_neg_integer(), string(), string()) -> ok.
join(Peer, Flags, Name, Cookie) ->
    ok = send(Peer, name(Flags, Name)),
    {ok, <<"sok", _/binary>>} = recv(Peer),
    {ok, <<$N, _Flags:64, Challenge:32, _/binary>>} = recv(Peer),
    ok = send(Peer, [<<$r, 7:32>>, erlang:md5([Cookie | integer_to_list(Challenge)])]),
    {ok, <<$a, _:16/binary>>} = recv(Peer),
    ok.

%% The first packet of who dialled, with all flags but the one of nodes that ask for a name.
-spec name(iodata()) -> iodata().
name(Name) ->
    name(?ALL_FLAGS, Name).

-spec name(non_neg_integer(), iodata()) -> iodata().
name(Flags, Name) ->
    [<<$N, Flags:64, 1:32, (iolist_size(Name)):16>>, Name].
