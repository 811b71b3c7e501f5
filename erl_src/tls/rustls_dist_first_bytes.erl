%% The first bytes of a connection: they tell TLS from whatever else finds the port, and a peer that speaks from one that
%% does not, before anything is spent on either.
%%
%% @private
-module(rustls_dist_first_bytes).

-export([await/2, judge/1]).

-export_type([failure/0]).

-type failure() :: plain_distribution | {not_tls, binary()} | no_answer | {timeout, Received :: boolean()}
                 | {socket, inet:posix()}.

%% What it takes to tell.
-define(TELLING_BYTES, 3).

%% How much of something else is shown.
-define(SHOWN_BYTES, 16).

%% Waits for the beginning of a TLS handshake on a passive socket, at most TimeoutMs. Gives what arrived, and what is left of
%% that time.
-spec await(inet:socket(), timeout()) -> {ok, binary(), LeftMs :: non_neg_integer()} | {error, failure()}.
await(Socket, TimeoutMs) ->
    Deadline = rustls_dist_deadline:in(TimeoutMs),
    %% What it took to get here is not to be held meanwhile.
    true = erlang:garbage_collect(),
    case beginning(Socket, <<>>, Deadline) of
        {ok, Bytes} ->
            case judge(Bytes) of
                tls -> {ok, Bytes, rustls_dist_deadline:left_ms(Deadline)};
                Failure -> {error, Failure}
            end;
        {error, _} = Error ->
            Error
    end.

beginning(_Socket, Bytes, _Deadline) when byte_size(Bytes) >= ?TELLING_BYTES ->
    {ok, Bytes};
beginning(Socket, Bytes, Deadline) ->
    case rustls_dist_receive:some(Socket, rustls_dist_deadline:left_ms(Deadline)) of
        {ok, More} -> beginning(Socket, <<Bytes/binary, More/binary>>, Deadline);
        {error, timeout} -> {error, {timeout, Bytes =/= <<>>}};
        {error, closed} -> {error, no_answer};
        {error, Reason} -> {error, {socket, Reason}}
    end.

%% A handshake record of TLS 1.x (RFC 8446 section 5.1), or distribution's first packet: 2 bytes of length, `N' or the
%% old `n' (erts' distribution protocol, send_name).
-spec judge(binary()) -> tls | plain_distribution | {not_tls, binary()}.
judge(<<22, 3, _, _/binary>>) -> tls;
judge(<<0, _, Tag, _/binary>>) when Tag =:= $N; Tag =:= $n -> plain_distribution;
judge(Bytes) -> {not_tls, binary:part(Bytes, 0, min(?SHOWN_BYTES, byte_size(Bytes)))}.
