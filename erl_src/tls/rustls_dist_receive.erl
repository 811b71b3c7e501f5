%% Bytes of a peer whose link is not up, waited for without a receive buffer.
%%
%% A gen_tcp:recv that waits holds a buffer, and inet_drv takes it from those that other sockets have just given back, however
%% large they are (inet_drv.c, alloc_buffer): beside busy links each connection that waits would keep one of their 256 KiB. An
%% active socket takes its buffer when there is something to read. Turning active it would read at once, in vain, and keep a
%% buffer, too, unless the packet type changes in the same call (inet_drv.c, inet_set_opts: trigger_recv). So the type is one
%% that means nothing while nobody reads, and becomes raw.
%%
%% @private
-module(rustls_dist_receive).

-export([some/2]).

%% What arrived, at least a byte. The socket is raw and passive, and the caller's.
-spec some(inet:socket(), timeout()) -> {ok, binary()} | {error, timeout | closed | inet:posix()}.
some(Socket, TimeoutMs) ->
    case inet:setopts(Socket, [{packet, line}]) of
        ok ->
            case inet:setopts(Socket, [{packet, raw}, {active, once}]) of
                ok -> await(Socket, TimeoutMs);
                {error, _Gone} -> {error, closed}
            end;
        {error, _Gone} ->
            {error, closed}
    end.

await(Socket, TimeoutMs) ->
    receive
        {tcp, Socket, Data} -> {ok, Data};
        {tcp_closed, Socket} -> {error, closed};
        {tcp_error, Socket, Reason} -> {error, Reason}
    after TimeoutMs ->
        _ = inet:setopts(Socket, [{active, false}]),
        receive
            {tcp, Socket, Data} -> {ok, Data};
            {tcp_closed, Socket} -> {error, closed}
        after 0 ->
            {error, timeout}
        end
    end.
