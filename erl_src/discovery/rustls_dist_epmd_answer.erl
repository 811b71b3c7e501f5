%% Why OTP's epmd gave no port: erl_epmd has one answer, noport, for a name that epmd does not know, for an answer that was
%% cut short, and for an epmd that is not there, and the three are mended in different ways. So epmd is asked once more
%% (EPMD protocol, PORT_PLEASE2_REQ), and its answer looked at.
%%
%% @private
-module(rustls_dist_epmd_answer).

-export([why_no_port/2, epmd_port/0]).

-export_type([why/0]).

%% unknown: epmd does not know the name. cut_short: it knows it, and the connection ended before all was said. silent: it
%% took the connection and said nothing. unreachable: there was no connection.
-type why() :: unknown | cut_short | silent | closed | {garbage, binary()} | {unreachable, inet:posix() | timeout}.

%% For each step; the set-up timer of the link limits all.
-define(TIMEOUT_MS, 2000).

%% More than any answer has.
-define(MAX_BYTES, 1024).

%% Asks the epmd on Ip for the node called Name. Waits a few seconds at most.
-spec why_no_port(string(), inet:ip_address()) -> why().
why_no_port(Name, Ip) ->
    case gen_tcp:connect(Ip, epmd_port(), [binary, {active, false}, {packet, raw}, family(Ip)], ?TIMEOUT_MS) of
        {ok, Socket} ->
            Request = [$z, Name],
            Why = case gen_tcp:send(Socket, [<<(iolist_size(Request)):16>>, Request]) of
                      ok -> judge(Socket, <<>>);
                      {error, _} -> closed
                  end,
            ok = gen_tcp:close(Socket),
            Why;
        {error, Reason} ->
            {unreachable, Reason}
    end.

%% As erl_epmd finds it.
-spec epmd_port() -> inet:port_number().
epmd_port() ->
    case init:get_argument(epmd_port) of
        {ok, [[Port | _] | _]} -> list_to_integer(Port);
        error -> 4369
    end.

family(Ip) when tuple_size(Ip) =:= 4 -> inet;
family(_Ip) -> inet6.

judge(_Socket, <<$w, Result, _/binary>>) when Result =/= 0 ->
    unknown;
judge(_Socket, <<Tag, _/binary>> = Answer) when Tag =/= $w; byte_size(Answer) > ?MAX_BYTES ->
    {garbage, binary:part(Answer, 0, min(64, byte_size(Answer)))};
judge(Socket, Answer) ->
    case {gen_tcp:recv(Socket, 0, ?TIMEOUT_MS), Answer} of
        {{ok, More}, _} -> judge(Socket, <<Answer/binary, More/binary>>);
        {{error, timeout}, <<>>} -> silent;
        {{error, _}, <<>>} -> closed;
        %% A whole answer now, where there was none before: the node came up in between.
        {{error, _}, <<$w, 0, _Port:16, _:8/binary, _/binary>>} -> unknown;
        {{error, _}, _} -> cut_short
    end.
