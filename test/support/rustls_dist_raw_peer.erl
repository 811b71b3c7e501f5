%% A peer that has shown its certificate and then does with TLS what it is told, record by record: the Rust program of
%% hostile_peer.rs, over a port. rustls_dist_scripted_peer is for peers whose TLS is right.
-module(rustls_dist_raw_peer).

-export([build/0, dial/3, stop/1]).
-export([listen/1, listen/2, be_deaf/1, seal/3, single_bytes/3, key_update/2, bytes/2, trickle/4, repeat/3, finish/1]).
-export([packet/2, challenge/1, join/3, outcome/2]).

-export_type([peer/0, outcome/0]).

-opaque peer() :: #{program := port(), messages := [term()]}.

%% The alert that came, or how else it ended; alive: not within the time.
-type outcome() :: {alert, byte()} | close_notify | ended | alive.

-define(TIMEOUT_MS, 15000).

-define(ALERT, 21).
-define(APPLICATION_DATA, 23).

%% Compiles the program. In a folder of another OTP there is no compiler, and the program is there (Makefile, hostile-peer).
-spec build() -> ok.
build() ->
    case os:find_executable("cargo", os:getenv("PATH") ++ ":" ++ filename:join(os:getenv("HOME"), ".cargo/bin")) of
        false ->
            {true, _} = {filelib:is_regular(program()), program()},
            ok;
        Cargo ->
            Provider = os:getenv("RUSTLS_DIST_PROVIDER", "ring"),
            Port = open_port({spawn_executable, Cargo},
                             [{args, ["build", "--quiet", "--no-default-features", "--features", Provider,
                                      "--example", "hostile_peer"]},
                              {cd, root()}, {env, [{"CARGO_TARGET_DIR", target()}]}, exit_status, stderr_to_stdout, binary]),
            built(Port, [])
    end.

built(Port, Said) ->
    receive
        {Port, {data, More}} -> built(Port, [Said, More]);
        {Port, {exit_status, 0}} -> ok;
        {Port, {exit_status, _}} -> error({not_built, iolist_to_binary(Said)})
    end.

root() ->
    rustls_dist_documents:path("..").

program() ->
    filename:join(target(), "debug/examples/hostile_peer").

target() ->
    os:getenv("CARGO_TARGET_DIR", filename:join(root(), "_build/cargo")).

%% Connects to Node with the certificate of Files, speaking this version. Nothing is read before listen/1.
-spec dial(rustls_dist_cluster:peer() | inet:port_number(), rustls_dist_certs:cert(), 'tlsv1.2' | 'tlsv1.3') -> peer().
dial(Port, #{cert := Cert, key := Key}, Version) when is_integer(Port) ->
    Program = open_port({spawn_executable, program()},
                        [{args, [integer_to_list(Port), atom_to_list(Version), Cert, Key]}, {packet, 4}, binary, exit_status]),
    receive
        {Program, {data, <<"h">>}} -> #{program => Program, messages => []};
        {Program, {data, <<"e", Why/binary>>}} -> error({no_handshake, Why});
        {Program, {exit_status, Status}} -> error({peer_ended, Status})
    after ?TIMEOUT_MS ->
        error(no_handshake)
    end;
dial(Node, Files, Version) ->
    dial(rustls_dist_cluster:listening_port(Node), Files, Version).

%% Ends the program, and with it the connection.
-spec stop(peer()) -> ok.
stop(#{program := Program}) ->
    try port_close(Program) of
        true -> ok
    catch
        error:badarg -> ok
    end.

%% Reads from now on what the node sends; a byte every PauseMs.
-spec listen(peer()) -> ok.
listen(Peer) ->
    listen(Peer, 0).

-spec listen(peer(), PauseMs :: non_neg_integer()) -> ok.
listen(Peer, PauseMs) ->
    command(Peer, <<$l, PauseMs:32>>).

%% Reads nothing any more, but for what is read just now.
-spec be_deaf(peer()) -> ok.
be_deaf(Peer) ->
    command(Peer, "q").

%% A sealed record of any type.
-spec seal(peer(), byte(), iodata()) -> ok.
seal(Peer, Type, Content) ->
    command(Peer, [$s, Type, Content]).

%% Count sealed records with a byte 0 each.
-spec single_bytes(peer(), byte(), pos_integer()) -> ok.
single_bytes(Peer, Type, Count) ->
    command(Peer, <<$c, Type, Count:32>>).

-spec key_update(peer(), byte()) -> ok.
key_update(Peer, Request) ->
    command(Peer, [$k, Request]).

%% Bytes that are not sealed.
-spec bytes(peer(), iodata()) -> ok.
bytes(Peer, Bytes) ->
    command(Peer, [$w, Bytes]).

%% A sealed record, a byte every PauseMs.
-spec trickle(peer(), non_neg_integer(), byte(), iodata()) -> ok.
trickle(Peer, PauseMs, Type, Content) ->
    command(Peer, [<<$t, PauseMs:32, Type>>, Content]).

%% Does so many times what the commands say: {seal, Type, Content} | {key_update, Request} | {bytes, Bytes}.
-spec repeat(peer(), pos_integer(), [tuple()]) -> ok.
repeat(Peer, Count, Commands) ->
    Each = [begin
                Bytes = iolist_to_binary(encoded(Command)),
                [<<(byte_size(Bytes)):32>>, Bytes]
            end || Command <- Commands],
    command(Peer, [<<$f, Count:32>>, Each]).

encoded({seal, Type, Content}) -> [$s, Type, Content];
encoded({key_update, Request}) -> [$k, Request];
encoded({bytes, Bytes}) -> [$w, Bytes].

%% Ends this direction of the connection.
-spec finish(peer()) -> ok.
finish(Peer) ->
    command(Peer, "F").

%% A node that ended is no reason to fail here.
command(#{program := Program}, Command) ->
    try port_command(Program, Command) of
        true -> ok
    catch
        error:badarg -> ok
    end.

%% distribution -------------------------------------------------------------------------------------------------

%% Sends a distribution packet, in a record of its own.
-spec packet(peer(), iodata()) -> ok.
packet(Peer, Packet) ->
    seal(Peer, ?APPLICATION_DATA, [<<(iolist_size(Packet)):32>>, Packet]).

%% The node's challenge, after the peer stated its name. The peer listens.
-spec challenge(peer()) -> Challenge :: non_neg_integer().
challenge(Peer) ->
    case packets(Peer, 2) of
        [<<"sok", _/binary>>, <<$N, _Flags:64, Challenge:32, _/binary>>] -> Challenge;
        Other -> error({not_challenged, Other})
    end.

%% Goes through the distribution handshake. The peer listens.
-spec join(peer(), string(), string()) -> ok.
join(Peer, Name, Cookie) ->
    ok = packet(Peer, rustls_dist_scripted_peer:name(Name)),
    Challenge = challenge(Peer),
    ok = packet(Peer, [<<$r, 7:32>>, erlang:md5([Cookie, integer_to_list(Challenge)])]),
    [<<$a, _:16/binary>>] = packets(Peer, 1),
    ok.

packets(Peer, Count) ->
    packets(Peer, Count, <<>>).

packets(_Peer, 0, <<>>) ->
    [];
packets(Peer, Count, <<Length:32, Packet:Length/binary, Rest/binary>>) when Count > 0 ->
    [Packet | packets(Peer, Count - 1, Rest)];
packets(#{program := Program} = Peer, Count, Bytes) ->
    receive
        {Program, {data, <<$r, ?APPLICATION_DATA, More/binary>>}} -> packets(Peer, Count, <<Bytes/binary, More/binary>>);
        {Program, {data, <<$r, 22, _Message/binary>>}} -> packets(Peer, Count, Bytes);
        {Program, {data, Other}} -> [Other]
    after ?TIMEOUT_MS ->
        [silence]
    end.

%% What became of the connection, within TimeoutMs. The peer listens.
-spec outcome(peer(), timeout()) -> outcome().
outcome(#{program := Program} = Peer, TimeoutMs) ->
    receive
        {Program, {data, <<$r, ?ALERT, _Level, 0>>}} -> close_notify;
        {Program, {data, <<$r, ?ALERT, _Level, Code>>}} -> {alert, Code};
        {Program, {data, <<$r, _Other/binary>>}} -> outcome(Peer, TimeoutMs);
        {Program, {data, <<$e, _Why/binary>>}} -> ended;
        {Program, {exit_status, _}} -> ended
    after TimeoutMs ->
        alive
    end.
