%% Handshakes of a real client, OTP's ssl, of which a node gets the first bytes and no more: then nothing, FIN, or RST. The client
%% talks to the node through a proxy that cuts.
-module(rustls_dist_cut_handshakes).

-export([places/3, cut/5]).

-export_type([ending/0]).

-type ending() :: silence | fin | rst.

-define(TIMEOUT_MS, 10000).

%% More than any client sends.
-define(WHOLE, 1000000).

%% The places to cut at: in what the client sends for a whole handshake, each record's first byte, its header's last, the middle,
%% and the last byte but one. Lengths of signatures vary by some bytes, which makes no difference here.
-spec places(inet:port_number(), rustls_dist_certs:cert(), atom()) -> [non_neg_integer(), ...].
places(Port, Cert, Version) ->
    {_Outcome, Sent} = pass(Port, Cert, Version, ?WHOLE, fin),
    lists:usort([0, 1, 2, 3 | places(Sent, 0)]).

places(<<_Type, _Version:16, Length:16, _:Length/binary, Rest/binary>>, At) ->
    [At + 1, At + 4, At + 5, At + 5 + Length div 2, At + 4 + Length, At + 5 + Length | places(Rest, At + 5 + Length)];
places(_Rest, _At) ->
    [].

%% A handshake of which Bytes bytes arrive. How the node ended it: an alert in the clear, or not so.
-spec cut(inet:port_number(), rustls_dist_certs:cert(), atom(), non_neg_integer(), ending()) -> ended | {alert, byte()}.
cut(Port, Cert, Version, Bytes, Ending) ->
    {Outcome, _Sent} = pass(Port, Cert, Version, Bytes, Ending),
    Outcome.

pass(Port, #{cert := File, key := Key}, Version, Bytes, Ending) ->
    {ok, Listen} = gen_tcp:listen(0, [binary, {active, false}, {ip, {127, 0, 0, 1}}]),
    {ok, Own} = inet:port(Listen),
    Options = [{versions, [Version]}, {verify, verify_none}, {certfile, File}, {keyfile, Key}, {log_level, none}],
    Client = spawn(fun() ->
                           _ = ssl:connect({127, 0, 0, 1}, Own, Options, ?TIMEOUT_MS),
                           receive done -> ok end
                   end),
    {ok, Near} = gen_tcp:accept(Listen, ?TIMEOUT_MS),
    {ok, Far} = gen_tcp:connect({127, 0, 0, 1}, Port, [binary, {active, false}]),
    [ok = inet:setopts(Socket, [{active, true}]) || Socket <- [Near, Far]],
    Result = forward(Near, Far, Bytes, Ending, <<>>, <<>>),
    exit(Client, kill),
    [ok = gen_tcp:close(Socket) || Socket <- [Listen, Near, Far]],
    Result.

%% Sent: what went to the node; Answer: what came last.
forward(Near, Far, Bytes, Ending, Sent, Answer) when byte_size(Sent) >= Bytes ->
    finish(Near, Far, Ending, Sent, Answer);
forward(Near, Far, Bytes, Ending, Sent, Answer) ->
    receive
        {tcp, Near, Data} ->
            Part = binary:part(Data, 0, min(byte_size(Data), Bytes - byte_size(Sent))),
            _ = gen_tcp:send(Far, Part),
            forward(Near, Far, Bytes, Ending, <<Sent/binary, Part/binary>>, Answer);
        {tcp, Far, Data} ->
            _ = gen_tcp:send(Near, Data),
            forward(Near, Far, Bytes, Ending, Sent, Data);
        {tcp_closed, Far} ->
            {outcome(Answer), Sent};
        {tcp_closed, Near} ->
            finish(Near, Far, Ending, Sent, Answer)
    after 1000 ->
        %% The client has nothing more to say.
        finish(Near, Far, Ending, Sent, Answer)
    end.

finish(Near, Far, silence, Sent, Answer) ->
    {await_end(Near, Far, Answer), Sent};
finish(Near, Far, fin, Sent, Answer) ->
    _ = gen_tcp:shutdown(Far, write),
    {await_end(Near, Far, Answer), Sent};
finish(_Near, Far, rst, Sent, _Answer) ->
    _ = inet:setopts(Far, [{linger, {true, 0}}]),
    {ended, Sent}.

await_end(Near, Far, Answer) ->
    receive
        {tcp, Far, Data} -> await_end(Near, Far, Data);
        {tcp, Near, _Data} -> await_end(Near, Far, Answer);
        {tcp_closed, Far} -> outcome(Answer);
        {tcp_closed, Near} -> await_end(Near, Far, Answer)
    after ?TIMEOUT_MS ->
        error(not_ended)
    end.

outcome(<<21, 3, _, 2:16, _Level, Alert>>) -> {alert, Alert};
outcome(_Other) -> ended.
