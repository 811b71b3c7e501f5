%% The handshake over a network that delivers as it likes: every flight in pieces, in both directions, on TLS 1.2 and 1.3.
%% Loopback delivers a flight in one read and would hide it.
-module(rustls_dist_handshake_SUITE).

-export([all/0, init_per_suite/1, end_per_suite/1]).
-export([pieces_tls13/1, pieces_tls12/1, not_tls_at_first/1, alerts_as_sent/1]).

-include_lib("common_test/include/ct.hrl").
-include_lib("stdlib/include/assert.hrl").

%% Bytes that arrive at once. One at a time meets every kind of byte at the beginning of a read.
-define(PIECES, [1, 5, 100, 400, 1000]).
-define(TIMEOUT_MS, 60000).

all() ->
    [pieces_tls13, pieces_tls12, not_tls_at_first, alerts_as_sent].

init_per_suite(Config) ->
    ok = rustls_dist_nif:load(),
    Dir = string:trim(os:cmd("mktemp -d /tmp/rustls_dist.XXXXXX")),
    Cert = rustls_dist_certs:cert(Dir, rustls_dist_certs:ca(Dir, "ca"), "node", #{}),
    [{dir, Dir}, {cert, Cert} | Config].

end_per_suite(Config) ->
    ok = file:del_dir_r(?config(dir, Config)).

pieces_tls13(Config) -> pieces(Config, 'tlsv1.3').
pieces_tls12(Config) -> pieces(Config, 'tlsv1.2').

pieces(Config, Version) ->
    lists:foreach(
      fun(Bytes) ->
              ct:log("~w in pieces of ~w bytes", [Version, Bytes]),
              {Client, Server} = handshake(Config, Version, Bytes),
              ?assertMatch({ok, #{facts := #{version := Version, peer := #{subject := <<"CN=node">>}}}}, Client),
              ?assertMatch({ok, #{facts := #{version := Version, peer := #{subject := <<"CN=node">>}}}}, Server)
      end, ?PIECES).

%% Something else than TLS is still called by its name, from the first bytes.
not_tls_at_first(Config) ->
    {ok, Listen} = gen_tcp:listen(0, [binary, {active, false}, {ip, {127, 0, 0, 1}}]),
    {ok, Port} = inet:port(Listen),
    {ok, Socket} = gen_tcp:connect({127, 0, 0, 1}, Port, [binary, {active, false}]),
    {ok, Accepted} = gen_tcp:accept(Listen),
    ok = gen_tcp:send(Accepted, "SSH-2.0-OpenSSH_9.2"),
    ?assertEqual({error, {not_tls, <<"SSH-2.0-OpenSSH_">>}}, run(Config, Socket, client, 'tlsv1.3')),
    [gen_tcp:close(S) || S <- [Listen, Socket, Accepted]].

%% An alert that could not be handed to the socket is not claimed to be sent.
alerts_as_sent(Config) ->
    {ok, Listen} = gen_tcp:listen(0, options()),
    {ok, Port} = inet:port(Listen),
    Self = self(),
    Server = spawn_link(fun() ->
                                {ok, Socket} = gen_tcp:accept(Listen),
                                {ok, _} = run(Config, Socket, server, 'tlsv1.3'),
                                receive {Self, done} -> ok end
                        end),
    {ok, Socket} = gen_tcp:connect({127, 0, 0, 1}, Port, options()),
    {ok, Tls} = run(Config, Socket, client, 'tlsv1.3'),
    Error = #{kind => bad_record, option => none, text => <<>>, alert => {20, bad_record_mac}, received => none},
    ?assertEqual(Error, rustls_dist_handshake_io:send_alert(Tls, Error)),
    %% Nothing follows an alert.
    ?assertEqual(Error#{alert => none}, rustls_dist_handshake_io:send_alert(Tls, Error)),
    ok = gen_tcp:close(Socket),
    {ok, Other} = gen_tcp:connect({127, 0, 0, 1}, Port, options()),
    ok = gen_tcp:close(Other),
    ?assertEqual(Error#{alert => none}, rustls_dist_handshake_io:send_alert(Tls#{socket := Other}, Error)),
    Server ! {Self, done},
    ok = gen_tcp:close(Listen).

%% Client and server, and between them a relay that waits after each piece until it was read.
handshake(Config, Version, Bytes) ->
    {ok, Front} = gen_tcp:listen(0, options()),
    {ok, Back} = gen_tcp:listen(0, options()),
    {ok, FrontPort} = inet:port(Front),
    {ok, BackPort} = inet:port(Back),
    Self = self(),
    _ = spawn_link(fun() ->
                           {ok, Socket} = gen_tcp:accept(Back),
                           Self ! {server, run(Config, Socket, server, Version)},
                           receive done -> ok end
                   end),
    _ = spawn_link(fun() ->
                           {ok, A} = gen_tcp:accept(Front),
                           {ok, B} = gen_tcp:connect({127, 0, 0, 1}, BackPort, options()),
                           _ = spawn_link(fun() -> relay(B, A, Bytes) end),
                           relay(A, B, Bytes)
                   end),
    {ok, Socket} = gen_tcp:connect({127, 0, 0, 1}, FrontPort, options()),
    Client = run(Config, Socket, client, Version),
    Server = receive {server, Result} -> Result after ?TIMEOUT_MS -> timeout end,
    _ = [gen_tcp:close(S) || S <- [Front, Back, Socket]],
    {Client, Server}.

options() ->
    [binary, {active, false}, {ip, {127, 0, 0, 1}}, {nodelay, true}].

%% nodelay sends each piece by itself; the pause lets the reader take it before the next one is there.
relay(From, To, Bytes) ->
    case gen_tcp:recv(From, 0) of
        {ok, Data} ->
            deliver(To, Data, Bytes),
            relay(From, To, Bytes);
        {error, _} ->
            ok
    end.

deliver(To, Data, Bytes) when byte_size(Data) > Bytes ->
    <<Piece:Bytes/binary, Rest/binary>> = Data,
    _ = gen_tcp:send(To, Piece),
    erlang:yield(),
    receive after 1 -> deliver(To, Rest, Bytes) end;
deliver(To, Data, _Bytes) ->
    _ = gen_tcp:send(To, Data),
    ok.

run(Config, Socket, Role, Version) ->
    rustls_dist_bare_handshake:run(Socket, Role, ?config(cert, Config), #{versions => [Version]}, ?TIMEOUT_MS).
