%% A link's ticks, sent and heard. All of it runs in the link's supervisor, which has the highest priority: a process that
%% keeps the schedulers busy at a high one must not make the peer, or us, believe that the other is gone.
-module(rustls_dist_tick).

-export([send/3, getstat/2]).

%% Tells the peer that we are there. When somebody else has the turn, records are on their way that tell it, too.
-spec send(pid(), rustls_dist_handshake:tls(), rustls_dist_turn:turn()) -> ok.
send(Controller, #{socket := Socket, tx := Tx}, Turn) ->
    case rustls_dist_turn:take(Turn) of
        true ->
            case rustls_dist_nif:tx_seal(Tx, [{0, []}]) of
                {ok, Records} -> sent(Turn, inet_tcp:send(Socket, Records, [force]));
                {error, _} ->
                    %% The controller finds the same, and has the words for it.
                    ok = rustls_dist_turn:give(Turn),
                    rustls_dist_controller:tick(Controller)
            end;
        false ->
            ok
    end.

%% Forced: never waits for a peer that does not read. A socket that takes nothing is closed, which the input handler is told.
sent(Turn, ok) -> rustls_dist_turn:give(Turn);
sent(_Turn, {error, _}) -> ok.

%% Counted at the socket, where dist_util's ticker looks for signs of life. Not being read, it may look silent for reasons
%% that are ours: the input handler, which grants it messages, did not get its time. That is no silence of the peer, so it
%% counts as a sign. Unheard: how often that was so.
-spec getstat(inet:socket(), counters:counters_ref()) ->
          {ok, Received :: non_neg_integer(), Sent :: non_neg_integer(), Pending :: non_neg_integer()} | {error, term()}.
getstat(Socket, Unheard) ->
    ok = case inet:getopts(Socket, [active]) of
             {ok, [{active, false}]} -> counters:add(Unheard, 1, 1);
             _ -> ok
         end,
    case inet:getstat(Socket, [recv_cnt, send_cnt, send_pend]) of
        {ok, Stat} ->
            #{recv_cnt := Received, send_cnt := Sent, send_pend := Pending} = maps:from_list(Stat),
            {ok, Received + counters:get(Unheard, 1), Sent, Pending};
        {error, _} = Error ->
            Error
    end.
