%% Distribution packets over an established TLS connection whose socket is passive: what the distribution handshake
%% (dist_util) sends and receives, before a link's own processes take over.
%%
%% @private
-module(rustls_dist_handshake_io).

-export([send/2, recv/2, tell/2, send_alert/2, say/2]).

-export_type([failure/0]).

-type failure() :: {tls, rustls_dist_nif:error_map()} | {tls_alert, rustls_dist_nif:alert()} | close_notify | closed
                 | inet:posix() | timeout.

%% Seals and sends one packet.
-spec send(rustls_dist_handshake:tls(), iodata()) -> ok | {error, failure()}.
send(#{socket := Socket, tx := Tx}, Packet) ->
    Bytes = iolist_to_binary(Packet),
    case rustls_dist_nif:tx_seal(Tx, [{byte_size(Bytes), Bytes}]) of
        {ok, Records} -> gen_tcp:send(Socket, Records);
        {error, Error} -> {error, {tls, Error}}
    end.

%% Receives one packet. A peer that rejects our certificate in TLS 1.3 says so here: for us the handshake was over.
-spec recv(rustls_dist_handshake:tls(), timeout()) -> {ok, binary()} | {error, failure()}.
recv(Tls, Timeout) ->
    recv(Tls, Timeout, <<>>).

recv(#{rx := Rx} = Tls, Timeout, Data) ->
    case rustls_dist_nif:rx_open(Rx, Data, 1) of
        {ok, Packets, Events} ->
            case {Packets, answer(Tls, Events)} of
                %% That the peer ended the connection behind the packet is told by the next call.
                {[Packet], _} -> {ok, Packet};
                {[], ok} -> recv_more(Tls, Timeout);
                {[], close_notify} -> close(Tls);
                {[], Error} -> Error
            end;
        {more, [], Events, Rest} ->
            case answer(Tls, Events) of
                ok -> recv(Tls, Timeout, Rest);
                close_notify -> close(Tls);
                Error -> Error
            end;
        {error, #{kind := closed}} ->
            close(Tls);
        {error, Error} ->
            {error, {tls, send_alert(Tls, Error)}}
    end.

recv_more(#{socket := Socket} = Tls, Timeout) ->
    case rustls_dist_receive:some(Socket, Timeout) of
        {ok, More} -> recv(Tls, Timeout, More);
        {error, _} = Error -> Error
    end.

%% The reason for ending a link that is not up yet, after the peer was told the alert that it is owed for it.
-spec tell(rustls_dist_handshake:tls(), term()) -> term().
tell(Tls, {tls, Error}) -> {tls, send_alert(Tls, Error)};
tell(_Tls, Reason) -> Reason.

%% Tells the peer what is wrong with what it sent, if anything is owed. The result says what was sent.
-spec send_alert(rustls_dist_handshake:tls(), rustls_dist_nif:error_map()) -> rustls_dist_nif:error_map().
send_alert(#{socket := Socket, tx := Tx}, #{alert := {Code, _Name}} = Error) ->
    case say(Socket, rustls_dist_nif:tx_alert(Tx, Code)) of
        ok -> Error;
        {error, _} -> Error#{alert => none}
    end;
send_alert(_Tls, #{alert := none} = Error) ->
    Error.

%% Sends last words that were sealed, if that is possible without waiting: a peer that does not read must not keep its link from
%% ending.
-spec say(inet:socket(), {ok, binary()} | {error, rustls_dist_nif:error_map()}) -> ok | {error, term()}.
say(Socket, {ok, Record}) -> inet_tcp:send(Socket, Record, [nosuspend]);
say(_Socket, {error, _Closed} = Error) -> Error.

answer(_Tls, []) ->
    ok;
answer(Tls, [key_update_requested | Events]) ->
    flush(Tls, rustls_dist_nif:tx_seal(maps:get(tx, Tls), [])),
    answer(Tls, Events);
answer(Tls, [renegotiation_requested | Events]) ->
    flush(Tls, rustls_dist_nif:tx_refuse_renegotiation(maps:get(tx, Tls))),
    answer(Tls, Events);
answer(_Tls, [close_notify | _]) ->
    close_notify;
answer(_Tls, [{alert, Alert} | _]) ->
    {error, {tls_alert, Alert}}.

%% The peer has ended the connection, and is answered (RFC 5246 section 7.2.1).
close(#{socket := Socket, tx := Tx}) ->
    _ = say(Socket, rustls_dist_nif:tx_close_notify(Tx)),
    {error, close_notify}.

flush(#{socket := Socket}, {ok, Records}) ->
    gen_tcp:send(Socket, Records);
flush(_Tls, {error, _} = Error) ->
    Error.
