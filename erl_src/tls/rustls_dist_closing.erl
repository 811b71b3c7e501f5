%% Closing a connection so that what was said last arrives: bytes of the peer that nobody has read when a socket is closed make
%% the system reset the connection, and a reset destroys what the peer has not read yet (RFC 1122 section 4.2.2.13).
%%
%% @private
-module(rustls_dist_closing).

-export([gently/1, gently/2]).

%% How long a peer is listened to that does not end its side; one that was told why ends it at once.
-define(LINGER_MS, 500).

%% What a peer has under way in a TLS handshake, and more.
-define(HANDSHAKE_BYTES, 65536).

%% After a handshake, or what is as small. The socket is passive, and the caller's.
-spec gently(inet:socket()) -> ok.
gently(Socket) ->
    gently(Socket, ?HANDSHAKE_BYTES).

%% No more output, then a bounded look at what still comes in, MaxBytes at most, and the end.
-spec gently(inet:socket(), MaxBytes :: pos_integer()) -> ok.
gently(Socket, MaxBytes) ->
    _ = gen_tcp:shutdown(Socket, write),
    linger(Socket, rustls_dist_deadline:in(?LINGER_MS), MaxBytes),
    gen_tcp:close(Socket).

linger(Socket, Deadline, Bytes) when Bytes > 0 ->
    case gen_tcp:recv(Socket, 0, rustls_dist_deadline:left_ms(Deadline)) of
        {ok, Data} -> linger(Socket, Deadline, Bytes - byte_size(Data));
        {error, _} -> ok
    end;
linger(_Socket, _Deadline, _Spent) ->
    ok.
