%% Fetches revocation lists over HTTP, with a client that lives for one fetch: httpc started stand-alone, because inets
%% does not run yet when distribution starts. Whatever the server does, a fetch ends in time and takes bounded memory.
%%
%% @private
-module(rustls_dist_crl_http).

-export([load/4]).

%% What a server may send, headers included. httpc has no limit of its own (OTP 27 has one for the headers).
-define(MAX_BYTES, 1048576).

%% How often what came in is counted. Of a good answer (status 200) only so much is taken as is asked for; of anything
%% else httpc takes all there is.
-define(COUNT_MS, 20).

%% How long a list that is out of date already is held, so that not each handshake asks for it again.
-define(STALE_SECONDS, 5).

%% All of one fetch. Ends: when it has to be over.
-record(fetch, {client :: pid(),
                request :: reference(),
                ends :: rustls_dist_deadline:deadline(),
                body = [] :: [binary()],
                bytes = 0 :: non_neg_integer()}).

%% Fetches Uri within TimeoutMs, if its server may be asked. Runs in a process of its own; Slot tells fetches that run at the same time apart.
%% Redirections are not followed: a certificate that points to a list has a signature, what an unencrypted answer points
%% to has none.
-spec load(string(), rustls_dist_crl_host:allowed(), pos_integer(), rustls_dist_crl_store:slot()) ->
          rustls_dist_crl_store:loaded().
load(Uri, Allowed, TimeoutMs, Slot) ->
    case fetch(uri_string:parse(Uri), Allowed, TimeoutMs, Slot) of
        {ok, Body} ->
            case rustls_dist_crl_lists:parse(Body) of
                {ok, Lists, NextUpdate} -> {ok, Lists, max(NextUpdate, erlang:system_time(second) + ?STALE_SECONDS)};
                Error -> Error
            end;
        Error ->
            Error
    end.

fetch(Uri, Allowed, TimeoutMs, Slot) ->
    Ends = rustls_dist_deadline:in(TimeoutMs),
    case rustls_dist_crl_host:addresses(Uri, Allowed, Ends) of
        {ok, Addresses} ->
            case start_client(Slot) of
                {ok, Client} ->
                    Result = try_each(Uri, first_of_each_family(Addresses), Client, Ends),
                    stop_client(Client),
                    Result;
                {error, Text} ->
                    {error, Text}
            end;
        {error, Text} ->
            {error, Text}
    end.

first_of_each_family(Addresses) ->
    [hd(Same) || Same <- [[Address || Address <- Addresses, tuple_size(Address) =:= Size] || Size <- [8, 4]], Same =/= []].

%% An address that cannot be reached takes half of the time, so that the next one gets its turn.
try_each(Uri, [Address | Others], Client, Ends) ->
    Left = rustls_dist_deadline:left_ms(Ends),
    ConnectMs = case Others of
                    [] -> Left;
                    _ -> Left div 2
                end,
    Result = case request(Client, Uri, Address, max(1, ConnectMs), max(1, Left)) of
                 {ok, Request} -> await(#fetch{client = Client, request = Request, ends = Ends});
                 {error, _} = Error -> failed(Error)
             end,
    case Result of
        {unreachable, _Text} when Others =/= [] -> try_each(Uri, Others, Client, Ends);
        {unreachable, Text} -> {error, Text};
        _ -> Result
    end.

%% Named after the slot, since httpc makes atoms and named tables of the name.
start_client(Slot) ->
    case code:ensure_loaded(httpc) of
        {module, httpc} ->
            Profile = list_to_atom("rustls_dist_crl_" ++ integer_to_list(Slot)),
            inets:start(httpc, [{profile, Profile}], stand_alone);
        {error, _} ->
            {error, "OTP's application inets is not installed, whose httpc fetches it"}
    end.

%% To the address that was judged; the server is told the name. The family is set with the request, since
%% httpc:set_options/2 of OTP 27 wants inets to run. The ssl options, of no use here, keep OTP 27 from reading the
%% system's certificates, which need not be there.
request(Client, #{host := Host} = Uri, Address, ConnectMs, TimeoutMs) ->
    Url = uri_string:recompose(maps:remove(fragment, Uri#{host := inet:ntoa(Address)})),
    Port = maps:with([port], Uri),
    Name = uri_string:recompose(Port#{scheme => "http", host => Host, path => ""}),
    "http://" ++ HostHeader = lists:flatten(Name),
    httpc:request(get, {Url, [{"connection", "close"}, {"host", HostHeader}]},
                  [{connect_timeout, ConnectMs}, {timeout, TimeoutMs}, {autoredirect, false}, {ssl, []}],
                  [{sync, false}, {stream, {self, once}}, {body_format, binary},
                   {socket_opts, [{ipfamily, family(Address)}]}], Client).

family(Address) when tuple_size(Address) =:= 8 -> inet6;
family(Address) when tuple_size(Address) =:= 4 -> inet.

await(#fetch{request = Request, ends = Ends} = Fetch) ->
    Left = rustls_dist_deadline:left_ms(Ends),
    receive
        {http, {Request, stream_start, _Headers, Handler}} -> stream(Fetch, Handler);
        {http, {Request, Failure}} -> failed(Failure)
    after min(?COUNT_MS, Left) ->
        continue(Fetch, Left, fun await/1)
    end.

stream(Fetch, Handler) ->
    ok = httpc:stream_next(Handler),
    take(Fetch, Handler).

take(#fetch{request = Request, ends = Ends, body = Body, bytes = Bytes} = Fetch, Handler) ->
    Left = rustls_dist_deadline:left_ms(Ends),
    receive
        {http, {Request, stream, Part}} when Bytes + byte_size(Part) > ?MAX_BYTES -> {error, too_big()};
        {http, {Request, stream, Part}} ->
            stream(Fetch#fetch{body = [Part | Body], bytes = Bytes + byte_size(Part)}, Handler);
        {http, {Request, stream_end, _Headers}} -> {ok, iolist_to_binary(lists:reverse(Body))};
        {http, {Request, Failure}} -> failed(Failure)
    after min(?COUNT_MS, Left) ->
        continue(Fetch, Left, fun(Same) -> take(Same, Handler) end)
    end.

continue(_Fetch, 0, _Next) ->
    {error, "the server's answer did not end in time"};
continue(#fetch{client = Client} = Fetch, _Left, Next) ->
    case received_bytes(Client) > ?MAX_BYTES of
        true -> {error, too_big()};
        false -> Next(Fetch)
    end.

%% By the sockets of the processes that the client has started.
received_bytes(Client) ->
    lists:sum([Bytes || Handler <- handlers(Client), Port <- linked(Handler), is_port(Port),
                        {ok, [{recv_oct, Bytes}]} <- [inet:getstat(Port, [recv_oct])]]).

handlers(Client) ->
    [Pid || Pid <- linked(Client), is_pid(Pid), Pid =/= self()].

linked(Pid) ->
    case process_info(Pid, links) of
        {links, Links} -> Links;
        undefined -> []
    end.

%% Done when the client is gone, so that the next one can have its name. A process of it may still be connecting, deaf
%% to all but being killed.
stop_client(Client) ->
    Handlers = handlers(Client),
    unlink(Client),
    Ref = erlang:monitor(process, Client),
    exit(Client, shutdown),
    receive {'DOWN', Ref, process, Client, _} -> ok end,
    lists:foreach(fun(Handler) -> exit(Handler, kill) end, Handlers).

failed({{_Version, Status, _Phrase}, _Headers, _Body}) ->
    {error, io_lib:format("the server answered with status ~w", [Status])};
failed({error, {failed_connect, _} = Reason}) ->
    {unreachable, text(Reason)};
failed({error, Reason}) ->
    {error, text(Reason)}.

too_big() ->
    io_lib:format("the server's answer is longer than ~w bytes", [?MAX_BYTES]).

text({failed_connect, Attempts}) ->
    Reasons = lists:usort([inet:format_error(Reason) || {Family, _Options, Reason} <- Attempts, is_atom(Family)]),
    ["the server cannot be reached (", lists:join("; ", Reasons), ")"];
text({header_too_long, _}) -> "the headers of the server's answer are too long";
text(timeout) -> "the server's answer did not end in time";
text(Closed) when Closed =:= socket_closed_remotely; Closed =:= {shutdown, server_closed} ->
    "the server closed the connection in the middle of its answer";
text(Reason) -> io_lib:format("~0tP", [Reason, 12]).
