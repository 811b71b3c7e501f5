%% Whether a peer that leaves a TLS hello unanswered speaks distribution without TLS. To inet_tcp_dist the beginning of a hello is
%% the length of a packet, 5,635 bytes, and it waits for the rest until its set-up timer ends the connection.
%%
%% So it is sent, over a connection of its own, a packet of two bytes that is no name. While one byte is missing it must
%% wait, and with the last it must close at once, without a word (dist_util, recv_name, which logs nothing and makes no
%% atom). A carrier with TLS does one of the two otherwise: rustls_dist ends the connection at the third byte, ssl waits
%% for five. What behaves in another way is not called plain.
%%
%% @private
-module(rustls_dist_ping_plain).

-export([suspect/2, verdict/2]).

-export_type([suspicion/0]).

-opaque suspicion() :: {pid(), reference()}.

%% A peer that speaks TLS answers a hello within a round trip and a signature.
-define(PATIENCE_MS, 1500).

-define(WAITS_MS, 400).
-define(CLOSES_MS, 1000).

%% Looks on, while the caller does a TLS handshake over Socket: if that takes long, the peer is asked over what Open opens,
%% and Socket is shut when it turns out to be plain.
-spec suspect(fun(() -> {ok, inet:socket()} | {error, term()}), inet:socket()) -> suspicion().
suspect(Open, Socket) ->
    spawn_monitor(fun() ->
                          receive
                              {over, {error, Reason}} when Reason =:= no_answer; Reason =:= {timeout, false} -> exit(ask(Open));
                              {over, _Result} -> exit(unknown)
                          after ?PATIENCE_MS ->
                              Verdict = ask(Open),
                              _ = [gen_tcp:shutdown(Socket, read_write) || Verdict =:= plain],
                              exit(Verdict)
                          end
                  end).

%% What was found. Result: of the handshake.
-spec verdict(suspicion(), {ok, term()} | {error, term()}) -> plain | unknown.
verdict({Pid, Ref}, Result) ->
    Pid ! {over, Result},
    receive
        {'DOWN', Ref, process, Pid, plain} -> plain;
        {'DOWN', Ref, process, Pid, _Other} -> unknown
    end.

ask(Open) ->
    case Open() of
        {ok, Socket} ->
            Verdict = look(Socket),
            ok = gen_tcp:close(Socket),
            Verdict;
        {error, _} ->
            unknown
    end.

look(Socket) ->
    case says(Socket, <<2:16, 0>>, ?WAITS_MS) of
        {error, timeout} ->
            case says(Socket, <<0>>, ?CLOSES_MS) of
                {error, closed} -> plain;
                _Otherwise -> unknown
            end;
        _Otherwise ->
            unknown
    end.

says(Socket, Bytes, TimeoutMs) ->
    case gen_tcp:send(Socket, Bytes) of
        ok -> gen_tcp:recv(Socket, 0, TimeoutMs);
        {error, _} = Error -> Error
    end.
