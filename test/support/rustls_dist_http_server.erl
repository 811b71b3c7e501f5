%% A web server on loopback for revocation lists, made of gen_tcp: it does what it is told, the rude included, and
%% counts.
-module(rustls_dist_http_server).

-export([start/0, start/1, stop/1, uri/2, serve/3, count/2, host/2, release/2]).

-export_type([server/0, answer/0]).

-type server() :: pid().

%% What a path answers with: a body under status 200; a body under another status; 200 and Bytes of nothing; an endless
%% body under a status, as fast as it goes; endless headers; a body that comes one byte now and then for ever; no
%% answer; a body that is shorter than announced; one in chunks; another answer once release/2 was called.
-type answer() :: {body, binary()}
                | {status, 100..599, [{string(), string()}], binary()}
                | {huge, pos_integer()}
                | {endless, 100..599}
                | endless_headers | dripping | silent
                | {truncated, binary()} | {chunked, binary()}
                | {held, answer()}.

-define(DRIP_MS, 50).

start() ->
    start({127, 0, 0, 1}).

%% The server ends with the process that starts it.
-spec start(inet:ip_address()) -> server().
start(Ip) ->
    {ok, Listen} = gen_tcp:listen(0, [binary, {ip, Ip}, {active, false}, {reuseaddr, true}, {backlog, 128}]),
    {ok, Port} = inet:port(Listen),
    Host = case tuple_size(Ip) of
               4 -> inet:ntoa(Ip);
               8 -> "[" ++ inet:ntoa(Ip) ++ "]"
           end,
    Base = lists:concat(["http://", Host, ":", Port]),
    Server = spawn_link(fun() -> loop(#{base => Base, answers => #{}, counts => #{}, hosts => #{}, held => []}) end),
    Acceptor = spawn_link(fun() -> receive go -> accept(Server, Listen) end end),
    ok = gen_tcp:controlling_process(Listen, Acceptor),
    Acceptor ! go,
    Server.

-spec stop(server()) -> ok.
stop(Server) ->
    Ref = erlang:monitor(process, Server),
    unlink(Server),
    exit(Server, shutdown),
    receive {'DOWN', Ref, process, Server, _} -> ok end.

-spec uri(server(), string()) -> string().
uri(Server, Path) ->
    call(Server, base) ++ Path.

%% The Host that the last request for Path named.
-spec host(server(), string()) -> string() | none.
host(Server, Path) ->
    call(Server, {host, Path}).

%% From now on Path answers like this.
-spec serve(server(), string(), answer()) -> ok.
serve(Server, Path, Answer) ->
    call(Server, {serve, Path, Answer}).

%% How often Path was asked for.
-spec count(server(), string()) -> non_neg_integer().
count(Server, Path) ->
    call(Server, {count, Path}).

%% Lets the requests for Path that were held have their answers, and those to come.
-spec release(server(), string()) -> ok.
release(Server, Path) ->
    call(Server, {release, Path}).

call(Server, Request) ->
    Ref = erlang:monitor(process, Server),
    Server ! {self(), Ref, Request},
    receive
        {Ref, Reply} -> erlang:demonitor(Ref, [flush]), Reply;
        {'DOWN', Ref, process, Server, Reason} -> error({http_server, Reason})
    end.

loop(#{answers := Answers, counts := Counts, held := Held} = State) ->
    receive
        {From, Ref, base} ->
            From ! {Ref, maps:get(base, State)},
            loop(State);
        {From, Ref, {serve, Path, Answer}} ->
            From ! {Ref, ok},
            loop(State#{answers := Answers#{Path => Answer}});
        {From, Ref, {count, Path}} ->
            From ! {Ref, maps:get(Path, Counts, 0)},
            loop(State);
        {From, Ref, {host, Path}} ->
            From ! {Ref, maps:get(Path, maps:get(hosts, State), none)},
            loop(State);
        {From, Ref, {release, Path}} ->
            #{Path := {held, Answer}} = Answers,
            _ = [Worker ! {answer, Answer} || {HeldPath, Worker} <- Held, HeldPath =:= Path],
            From ! {Ref, ok},
            loop(State#{answers := Answers#{Path => Answer}, held := [H || {Other, _} = H <- Held, Other =/= Path]});
        {request, Worker, Path, Host} ->
            Counted = State#{counts := maps:update_with(Path, fun(N) -> N + 1 end, 1, Counts),
                             hosts := (maps:get(hosts, State))#{Path => Host}},
            case maps:get(Path, Answers, {status, 404, [], <<"not here">>}) of
                {held, _} ->
                    loop(Counted#{held := [{Path, Worker} | Held]});
                Answer ->
                    Worker ! {answer, Answer},
                    loop(Counted)
            end
    end.

accept(Server, Listen) ->
    case gen_tcp:accept(Listen) of
        {ok, Socket} ->
            Worker = spawn_link(fun() -> receive go -> serve_one(Server, Socket) end end),
            ok = gen_tcp:controlling_process(Socket, Worker),
            Worker ! go,
            accept(Server, Listen);
        {error, closed} ->
            ok
    end.

serve_one(Server, Socket) ->
    ok = inet:setopts(Socket, [{packet, http}]),
    case gen_tcp:recv(Socket, 0) of
        {ok, {http_request, 'GET', {abs_path, Path}, _Version}} ->
            Host = headers(Socket, none),
            ok = inet:setopts(Socket, [{packet, raw}]),
            Server ! {request, self(), Path, Host},
            receive {answer, Answer} -> answer(Socket, Answer) end;
        _ ->
            ok
    end,
    gen_tcp:close(Socket).

headers(Socket, Host) ->
    case gen_tcp:recv(Socket, 0) of
        {ok, http_eoh} -> Host;
        {ok, {http_header, _, 'Host', _, Value}} -> headers(Socket, Value);
        {ok, _Header} -> headers(Socket, Host)
    end.

%% Clients leave in the middle, so it does not matter whether sending works.
answer(Socket, {body, Body}) ->
    gen_tcp:send(Socket, [status(200), length_of(byte_size(Body)), "\r\n", Body]);
answer(Socket, {status, Status, Headers, Body}) ->
    gen_tcp:send(Socket, [status(Status), [[Key, ": ", Value, "\r\n"] || {Key, Value} <- Headers],
                          length_of(byte_size(Body)), "\r\n", Body]);
answer(Socket, {huge, Bytes}) ->
    gen_tcp:send(Socket, [status(200), length_of(Bytes), "\r\n", binary:copy(<<0>>, Bytes)]);
answer(Socket, {truncated, Body}) ->
    gen_tcp:send(Socket, [status(200), length_of(byte_size(Body) + 1), "\r\n", Body]);
answer(Socket, {chunked, Body}) ->
    {A, B} = split_binary(Body, byte_size(Body) div 2),
    gen_tcp:send(Socket, [status(200), "Transfer-Encoding: chunked\r\n\r\n", chunk(A), chunk(B), chunk(<<>>)]);
answer(Socket, {endless, Status}) ->
    gen_tcp:send(Socket, [status(Status), "\r\n"]),
    repeat(Socket, binary:copy(<<0>>, 16384), 0);
answer(Socket, endless_headers) ->
    gen_tcp:send(Socket, status(200)),
    repeat(Socket, "X-More: and more and more and more and more and more\r\n", 0);
answer(Socket, dripping) ->
    gen_tcp:send(Socket, [status(200), "\r\n"]),
    repeat(Socket, <<0>>, ?DRIP_MS);
answer(Socket, silent) ->
    gen_tcp:recv(Socket, 0).

repeat(Socket, Bytes, PauseMs) ->
    case gen_tcp:send(Socket, Bytes) of
        ok -> receive after PauseMs -> repeat(Socket, Bytes, PauseMs) end;
        {error, _} -> ok
    end.

chunk(Bytes) ->
    [integer_to_list(byte_size(Bytes), 16), "\r\n", Bytes, "\r\n"].

status(Status) ->
    io_lib:format("HTTP/1.1 ~w Whatever\r\nConnection: close\r\n", [Status]).

length_of(Bytes) ->
    io_lib:format("Content-Length: ~w\r\n", [Bytes]).
