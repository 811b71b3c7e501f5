%% Hostile peers, one connection each: strangers; members, which have shown a certificate of the cluster and have no cookie; and
%% those that have both and a link (joined). rustls_dist_hostile has crowds of them meet a node.
-module(rustls_dist_hostile_peers).

-export([kinds/0, kind/1, connect/3]).

-export_type([kind/0, target/0, outcome/0]).

%% does: in words, for the page; versions: of TLS that it is tried with; at_once: how many of each version at a time; expected:
%% how it may end.
-type kind() :: #{name := atom(), stage := stranger | member | joined, does := string(), versions := [version(), ...],
                  at_once := pos_integer(), expected := [outcome(), ...]}.
-type version() :: 'tlsv1.2' | 'tlsv1.3'.
-type target() :: #{port := inet:port_number(), cert := rustls_dist_certs:cert(), version := version(), number := pos_integer()}.

%% `served': it got what an honest peer gets; `refused': it was told no in the distribution handshake; `ended': FIN or RST
%% without an alert; `alive': the connection stays until the peer ends it.
-type outcome() :: {alert, byte()} | close_notify | ended | served | refused | alive.

-define(DATA, 23).
-define(HANDSHAKE, 22).
-define(ALERT, 21).

%% net_setuptime of the nodes is 3 s.
-define(PATIENCE_MS, 5000).

-define(FLOOD, 1000).

-define(BOTH, ['tlsv1.2', 'tlsv1.3']).

%% Alerts (RFC 8446 section 6.2).
-define(UNEXPECTED_MESSAGE, 10).
-define(BAD_RECORD_MAC, 20).
-define(RECORD_OVERFLOW, 22).
-define(HANDSHAKE_FAILURE, 40).
-define(DECODE_ERROR, 50).
-define(PROTOCOL_VERSION, 70).
-define(INTERNAL_ERROR, 80).
-define(NO_RENEGOTIATION, 100).

-spec kinds() -> [kind(), ...].
kinds() ->
    strangers() ++ members() ++ joined().

-spec kind(atom()) -> kind().
kind(Name) ->
    [Kind] = [Kind || #{name := Is} = Kind <- kinds(), Is =:= Name],
    Kind.

strangers() ->
    [row(stranger, Name, Does, ['tlsv1.3'], AtOnce, Expected)
     || {Name, Does, AtOnce, Expected} <-
            [{connects, "connects and goes", 20, [ended]},
             {trickled_hello, "sends a hello, a byte a second", 100, [ended, {alert, ?INTERNAL_ERROR}]},
             {single_byte_hello, "sends a hello in records of one byte, and stops", 20, [ended, alive]},
             {deaf_hello, "sends a hello with the smallest window and never reads", 100, [alive]},
             {half_closed_hello, "sends half a hello and FIN", 20, [ended, {alert, ?DECODE_ERROR}]},
             {empty_records, "sends 1,000 empty records", 20, [ended, {alert, ?DECODE_ERROR}, {alert, ?UNEXPECTED_MESSAGE}]},
             {long_record, "sends a record of 2^14 + 1 bytes in the clear", 20,
              [ended, {alert, ?RECORD_OVERFLOW}, {alert, ?DECODE_ERROR}, {alert, ?UNEXPECTED_MESSAGE}]},
             {unknown_record, "sends a record of a type that is none, behind a hello", 20,
              [ended, {alert, ?UNEXPECTED_MESSAGE}, {alert, ?DECODE_ERROR}, {alert, ?HANDSHAKE_FAILURE},
               {alert, ?PROTOCOL_VERSION}]},
             {clear_warnings, "sends a hello's beginning, then 1,000 warnings", 20,
              [ended, {alert, ?UNEXPECTED_MESSAGE}, {alert, ?DECODE_ERROR}]}]].

members() ->
    [row(member, Name, Does, Versions, AtOnce, Expected)
     || {Name, Does, Versions, AtOnce, Expected} <-
            [{silent_member, "says nothing after TLS", ?BOTH, 50, [close_notify, ended]},
             {half_closed_member, "ends its direction", ?BOTH, 8, [close_notify, ended]},
             {trickled_name, "sends its name, a byte a second", ?BOTH, 50, [close_notify, ended]},
             {slow_reader, "states a name and reads a byte a second", ?BOTH, 50, [alive]},
             {single_byte_name, "states its name in records of one byte", ?BOTH, 8, [served]},
             {single_byte_flood, "sends 60,000 records of one byte", ?BOTH, 8, [close_notify, ended]},
             {long_name, "states a name of 64 KiB", ?BOTH, 8, [close_notify, ended]}
             | on_records()]].

joined() ->
    [row(joined, joined_name(Name), Does, Versions, AtOnce, Expected)
     || {Name, Does, Versions, AtOnce, Expected} <- on_records()]
        ++ [row(joined, deaf_link, "asks for new keys 20,000 times and never reads", ['tlsv1.3'], 4, [alive]),
            row(joined, flood_behind_forgery, "sends a record that is not under its key, and 320 MB behind it", ?BOTH, 4,
                [{alert, ?BAD_RECORD_MAC}])].

joined_name(Name) ->
    list_to_atom("joined_" ++ atom_to_list(Name)).

%% After the TLS handshake the record layer is the same, whether the cookie was shown or not.
on_records() ->
    [{empty_data, "sends 1,000 empty records", ?BOTH, 8, [{alert, ?UNEXPECTED_MESSAGE}]},
     {long_data, "sends a record of 2^14 + 1 bytes", ?BOTH, 8, [{alert, ?RECORD_OVERFLOW}]},
     {unknown_type, "sends a record of a type that is none", ?BOTH, 8, [{alert, ?UNEXPECTED_MESSAGE}]},
     {warnings, "sends 1,000 warnings", ?BOTH, 8, [{alert, ?UNEXPECTED_MESSAGE}]},
     {forged, "sends a record that is not under its key", ?BOTH, 8, [{alert, ?BAD_RECORD_MAC}]},
     {key_updates, "asks 1,000 times for new keys", ['tlsv1.3'], 8, [{alert, ?UNEXPECTED_MESSAGE}]},
     {tickets, "sends 1,000 session tickets", ?BOTH, 8, [{alert, ?UNEXPECTED_MESSAGE}]},
     {renegotiation, "asks for a renegotiation, again and again", ['tlsv1.2'], 8, [{alert, ?NO_RENEGOTIATION}]},
     {second_hello, "sends another hello", ['tlsv1.3'], 8, [{alert, ?UNEXPECTED_MESSAGE}]},
     {four_gib, "announces a packet of 4 GiB", ?BOTH, 8, [{alert, ?INTERNAL_ERROR}]}].

row(Stage, Name, Does, Versions, AtOnce, Expected) ->
    #{name => Name, stage => Stage, does => Does, versions => Versions, at_once => AtOnce, expected => Expected}.

%% One connection of this kind, to its end. Cookie: for who joins.
-spec connect(kind(), target(), string()) -> outcome().
connect(#{stage := stranger, name := Name}, #{port := Port}, _Cookie) ->
    {ok, Socket} = gen_tcp:connect({127, 0, 0, 1}, Port, options(Name)),
    Outcome = stranger(Name, Socket),
    ok = gen_tcp:close(Socket),
    Outcome;
connect(#{stage := Stage, name := Name}, #{port := Port, cert := Cert, version := Version, number := Number}, Cookie) ->
    Peer = rustls_dist_raw_peer:dial(Port, Cert, Version),
    Own = lists:concat([Name, Number, "@127.0.0.1"]),
    Outcome = case Stage of
                  member ->
                      member(Name, Own, Peer);
                  joined ->
                      ok = rustls_dist_raw_peer:listen(Peer),
                      ok = rustls_dist_raw_peer:join(Peer, Own, Cookie),
                      _ = [ok = rustls_dist_raw_peer:be_deaf(Peer) || Name =:= deaf_link],
                      misuse(bare(Name), Peer)
              end,
    ok = rustls_dist_raw_peer:stop(Peer),
    Outcome.

bare(Name) ->
    case atom_to_list(Name) of
        "joined_" ++ Bare -> list_to_existing_atom(Bare);
        _ -> Name
    end.

%% strangers ----------------------------------------------------------------------------------------------------

options(deaf_hello) -> [{recbuf, 1}, binary, {active, false}];
options(_Name) -> [binary, {active, false}, {nodelay, true}].

stranger(connects, _Socket) ->
    ended;
stranger(trickled_hello, Socket) ->
    trickled(Socket, hello(), rustls_dist_deadline:in(?PATIENCE_MS));
stranger(single_byte_hello, Socket) ->
    sent(Socket, [[<<?HANDSHAKE, 3, 1, 1:16>>, Byte] || <<Byte>> <= binary:part(hello(), 5, 60)]);
stranger(deaf_hello, Socket) ->
    _ = gen_tcp:send(Socket, hello()),
    %% The window is closed, so that even the node's FIN does not arrive.
    receive after ?PATIENCE_MS -> alive end;
stranger(half_closed_hello, Socket) ->
    _ = gen_tcp:send(Socket, binary:part(hello(), 0, 40)),
    _ = gen_tcp:shutdown(Socket, write),
    answer(Socket);
stranger(empty_records, Socket) ->
    sent(Socket, lists:duplicate(?FLOOD, <<?HANDSHAKE, 3, 1, 0:16>>));
stranger(long_record, Socket) ->
    sent(Socket, [<<?HANDSHAKE, 3, 1, 16385:16, 1, 16381:24>>, <<0:(16381 * 8)>>]);
stranger(unknown_record, Socket) ->
    sent(Socket, [hello(), <<99, 3, 3, 4:16, 0:32>>]);
stranger(clear_warnings, Socket) ->
    sent(Socket, [<<?HANDSHAKE, 3, 1, 40:16>>, binary:part(hello(), 5, 40),
                  lists:duplicate(?FLOOD, <<?ALERT, 3, 3, 2:16, 1, 90>>)]).

sent(Socket, Bytes) ->
    _ = gen_tcp:send(Socket, Bytes),
    answer(Socket).

%% The alert that a stranger is sent in the clear, behind whatever else.
answer(Socket) ->
    case gen_tcp:recv(Socket, 5, ?PATIENCE_MS) of
        {ok, <<?ALERT, 3, _, Length:16>>} ->
            {ok, <<_Level, Alert>>} = gen_tcp:recv(Socket, Length),
            case Alert of
                0 -> close_notify;
                _ -> {alert, Alert}
            end;
        {ok, <<_Other, 3, _, Length:16>>} ->
            case gen_tcp:recv(Socket, Length, ?PATIENCE_MS) of
                {ok, _} -> answer(Socket);
                {error, _} -> ended
            end;
        {error, timeout} ->
            alive;
        {error, _} ->
            ended
    end.

trickled(Socket, <<Byte, Rest/binary>>, Deadline) ->
    case gen_tcp:send(Socket, <<Byte>>) of
        ok ->
            case gen_tcp:recv(Socket, 0, 1000) of
                {error, timeout} -> trickled(Socket, Rest, Deadline);
                {ok, <<?ALERT, _:32, _Level, Alert, _/binary>>} -> {alert, Alert};
                {error, _} -> ended
            end;
        {error, _} ->
            ended
    end.

%% Of OTP's ssl, made once.
hello() ->
    case persistent_term:get(?MODULE, none) of
        none ->
            Hello = rustls_dist_hellos:real('tlsv1.3'),
            ok = persistent_term:put(?MODULE, Hello),
            Hello;
        Hello ->
            Hello
    end.

%% members ------------------------------------------------------------------------------------------------------

member(silent_member, _Own, Peer) ->
    heard(Peer);
member(half_closed_member, _Own, Peer) ->
    ok = rustls_dist_raw_peer:finish(Peer),
    heard(Peer);
member(trickled_name, Own, Peer) ->
    ok = rustls_dist_raw_peer:listen(Peer),
    ok = rustls_dist_raw_peer:trickle(Peer, 1000, ?DATA, framed(Own)),
    rustls_dist_raw_peer:outcome(Peer, ?PATIENCE_MS);
member(slow_reader, Own, Peer) ->
    ok = rustls_dist_raw_peer:listen(Peer, 1000),
    ok = rustls_dist_raw_peer:seal(Peer, ?DATA, framed(Own)),
    rustls_dist_raw_peer:outcome(Peer, ?PATIENCE_MS);
member(single_byte_name, Own, Peer) ->
    ok = rustls_dist_raw_peer:listen(Peer),
    [ok = rustls_dist_raw_peer:seal(Peer, ?DATA, [Byte]) || <<Byte>> <= iolist_to_binary(framed(Own))],
    case rustls_dist_raw_peer:challenge(Peer) of
        Challenge when is_integer(Challenge) -> served
    end;
member(single_byte_flood, _Own, Peer) ->
    ok = rustls_dist_raw_peer:listen(Peer),
    ok = rustls_dist_raw_peer:seal(Peer, ?DATA, <<59996:32>>),
    ok = rustls_dist_raw_peer:single_bytes(Peer, ?DATA, 59996),
    rustls_dist_raw_peer:outcome(Peer, ?PATIENCE_MS);
member(long_name, Own, Peer) ->
    ok = rustls_dist_raw_peer:listen(Peer),
    Packet = iolist_to_binary(framed([lists:duplicate(65000, $a), Own])),
    [ok = rustls_dist_raw_peer:seal(Peer, ?DATA, Part) || Part <- pieces(Packet)],
    rustls_dist_raw_peer:outcome(Peer, ?PATIENCE_MS);
member(Name, _Own, Peer) ->
    ok = rustls_dist_raw_peer:listen(Peer),
    misuse(Name, Peer).

pieces(<<Piece:16384/binary, Rest/binary>>) -> [Piece | pieces(Rest)];
pieces(Rest) -> [Rest].

framed(Name) ->
    Packet = rustls_dist_scripted_peer:name(Name),
    [<<(iolist_size(Packet)):32>>, Packet].

heard(Peer) ->
    ok = rustls_dist_raw_peer:listen(Peer),
    rustls_dist_raw_peer:outcome(Peer, ?PATIENCE_MS).

%% Records that TLS does not want, from a peer that listens.
misuse(Name, Peer) ->
    ok = misused(Name, Peer),
    rustls_dist_raw_peer:outcome(Peer, case Name of
                                           deaf_link -> 2000;
                                           _ -> ?PATIENCE_MS
                                       end).

misused(empty_data, Peer) -> rustls_dist_raw_peer:repeat(Peer, ?FLOOD, [{seal, ?DATA, []}]);
misused(long_data, Peer) -> rustls_dist_raw_peer:seal(Peer, ?DATA, <<0:(16385 * 8)>>);
misused(unknown_type, Peer) -> rustls_dist_raw_peer:seal(Peer, 99, <<0:32>>);
misused(warnings, Peer) -> rustls_dist_raw_peer:repeat(Peer, ?FLOOD, [{seal, ?ALERT, [1, 90]}]);
misused(forged, Peer) -> rustls_dist_raw_peer:bytes(Peer, <<?DATA, 3, 3, 40:16, 0:320>>);
misused(flood_behind_forgery, Peer) ->
    ok = misused(forged, Peer),
    rustls_dist_raw_peer:repeat(Peer, 20000, [{seal, ?DATA, <<0:(16000 * 8)>>}]);
misused(key_updates, Peer) -> rustls_dist_raw_peer:repeat(Peer, ?FLOOD, [{key_update, 1}]);
misused(tickets, Peer) -> rustls_dist_raw_peer:repeat(Peer, ?FLOOD, [{seal, ?HANDSHAKE, <<4, 13:24, 0:(13 * 8)>>}]);
misused(renegotiation, Peer) -> rustls_dist_raw_peer:repeat(Peer, 20, [{seal, ?HANDSHAKE, <<1, 40:24, 3, 3, 0:(38 * 8)>>}]);
misused(second_hello, Peer) -> rustls_dist_raw_peer:seal(Peer, ?HANDSHAKE, <<1, 40:24, 3, 3, 0:(38 * 8)>>);
misused(four_gib, Peer) -> rustls_dist_raw_peer:seal(Peer, ?DATA, <<16#ffffffff:32>>);
%% Between requests there is a tick, so that there are never too many in a row.
misused(deaf_link, Peer) -> rustls_dist_raw_peer:repeat(Peer, 20000, [{key_update, 1}, {seal, ?DATA, <<0:32>>}]).
