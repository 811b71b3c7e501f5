%% What a node without a certificate answers to who dials it: to a client hello the alert that OTP's ssl sends, too.
-module(rustls_dist_refusal).

-export([answer/2]).

%% A plain record of TLS 1.2 with the fatal alert handshake_failure (RFC 5246 sections 6.2.1 and 7.2): nothing was negotiated.
-define(HANDSHAKE_FAILURE, <<21, 3, 3, 2:16, 2, 40>>).

%% Waits for the peer's first bytes, TimeoutMs at most. Closing the socket is left to the caller.
-spec answer(inet:socket(), timeout()) -> {error, no_certificate | rustls_dist_handshake:failure()}.
answer(Socket, TimeoutMs) ->
    answer(Socket, <<>>, now_ms() + TimeoutMs).

answer(Socket, Before, DeadlineMs) ->
    case gen_tcp:recv(Socket, 0, max(0, DeadlineMs - now_ms())) of
        {ok, Data} ->
            case rustls_dist_handshake:judge(<<Before/binary, Data/binary>>) of
                {tls, _Bytes} ->
                    _ = gen_tcp:send(Socket, ?HANDSHAKE_FAILURE),
                    {error, no_certificate};
                {more, Bytes} ->
                    answer(Socket, Bytes, DeadlineMs);
                Other ->
                    {error, Other}
            end;
        {error, timeout} ->
            {error, {timeout, Before =/= <<>>}};
        {error, Reason} ->
            {error, {socket, Reason}}
    end.

now_ms() ->
    erlang:monotonic_time(millisecond).
