%% A link's ticks, sent and heard. All of it runs in the link's supervisor, which has the highest priority: a process that
%% keeps the schedulers busy at a high one must not make the peer, or us, believe that the other is gone.
%%
%% @private
-module(rustls_dist_tick).

-export([send/3, getstat/2]).

%% Timeslices that the controller gets to send what it has sealed; it needs one or two.
-define(SLICES, 10).

%% Tells the peer that we are there. When the controller has the turn, records are on their way that tell it, too.
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
            hurry(Controller, Turn)
    end.

%% Forced: never waits for a peer that does not read. A socket that takes nothing is closed, which the input handler is told.
sent(Turn, ok) -> rustls_dist_turn:give(Turn);
sent(_Turn, {error, _}) -> ok.

%% A process of high priority may have overtaken the controller in the middle of its turn, and would keep it there. What is
%% asked of a process from the highest priority, a garbage collection here, the process does at that priority, and goes on
%% with its own work in the same timeslice (erts/emulator/beam/erl_process.c). Raising the controller's priority for each
%% turn would cost a tenth of the throughput. Asked by a process of its own: the answer may have to wait.
hurry(Controller, Turn) ->
    _ = spawn_opt(fun() -> hurry(Controller, Turn, ?SLICES) end, [{priority, max}]),
    ok.

hurry(_Controller, _Turn, 0) ->
    ok;
hurry(Controller, Turn, Slices) ->
    case rustls_dist_turn:is_taken(Turn) andalso erlang:garbage_collect(Controller, [{type, minor}]) of
        true -> hurry(Controller, Turn, Slices - 1);
        false -> ok
    end.

%% Counted at the socket, where dist_util's ticker looks for signs of life. Not being read, it may look silent for reasons
%% that are ours: the input handler, which grants it messages, did not get its time. That is no silence of the peer, so it
%% counts as a sign. Unheard: how often that was so.
%%
%% A socket that is closed has no figures. An error would have dist_util end the link, for a reason of its own
%% (send_net_tick_failed), while the input handler still delivers what came before the end, and knows the reason. So there are
%% some, which do not change: they end the link as a silence if nobody else does.
-spec getstat(inet:socket(), counters:counters_ref()) ->
          {ok, Received :: non_neg_integer(), Sent :: non_neg_integer(), Pending :: non_neg_integer()}.
getstat(Socket, Unheard) ->
    ok = case inet:getopts(Socket, [active]) of
             {ok, [{active, false}]} -> counters:add(Unheard, 1, 1);
             _ -> ok
         end,
    case inet:getstat(Socket, [recv_cnt, send_cnt, send_pend]) of
        {ok, Stat} ->
            #{recv_cnt := Received, send_cnt := Sent, send_pend := Pending} = maps:from_list(Stat),
            {ok, Received + counters:get(Unheard, 1), Sent, Pending};
        {error, _} ->
            {ok, 0, 0, 0}
    end.
