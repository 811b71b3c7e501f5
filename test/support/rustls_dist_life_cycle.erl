%% The life of everything that the library hands out, over and over, without a node and without sockets: configurations, handshakes
%% that succeed, fail, are refused or are left alone, both directions of a link. For .ci/leaks.
-module(rustls_dist_life_cycle).

-export([run/1]).

-include_lib("stdlib/include/assert.hrl").

-define(STEP_MS, 120000).

%% From the command line: `erl -s rustls_dist_life_cycle run FOLDER ROUNDS'; FOLDER gets the certificates. Prints what is alive at
%% the end, of which there must be nothing.
-spec run([atom()]) -> no_return().
run([Folder, Rounds]) ->
    ok = rustls_dist_nif:load(),
    Dir = atom_to_list(Folder),
    Cert = rustls_dist_x509:leaf("node", self),
    [ok = file:write_file(filename:join(Dir, Name), Bytes)
     || {Name, Bytes} <- [{"cert.pem", rustls_dist_x509:pem([Cert])}, {"key.pem", rustls_dist_x509:key_pem(Cert)}]],
    [in_process(fun() -> life(Dir, Version, JudgedBy) end)
     || _ <- lists:seq(1, list_to_integer(atom_to_list(Rounds))), Version <- ['tlsv1.3', 'tlsv1.2'], JudgedBy <- [webpki, referee]],
    io:format("alive: ~p~n", [rustls_dist_nif:resources()]),
    halt().

%% What a process holds is let go of when it has ended.
in_process(Life) ->
    {Pid, Monitor} = spawn_monitor(Life),
    receive {'DOWN', Monitor, process, Pid, Reason} -> ?assertEqual(normal, Reason) end.

life(Dir, Version, JudgedBy) ->
    {Client, Server} = {config(client, Dir, Version, JudgedBy), config(server, Dir, Version, JudgedBy)},
    {error, _} = rustls_dist_nif:config_new(server, options("missing.pem", Dir, Version, JudgedBy)),
    {Ours, Theirs} = link(Client, Server),
    traffic(Ours, Theirs),
    traffic(Theirs, Ours),
    {error, _} = rustls_dist_nif:rx_open(element(2, Theirs), <<23, 3, 3, 0, 20, 0:160>>, 10),
    %% Fails.
    {failed, _} = step(new(Server), <<"GET / HTTP/1.1\r\n\r\n">>, ok),
    %% Is left alone.
    {continue, Hello} = step(new(Client), <<>>, ok),
    {continue, _} = step(new(Server), Hello, ok),
    %% Is refused, where Erlang has a say.
    JudgedBy =:= referee andalso refused(new(Client), new(Server)).

config(Role, Dir, Version, JudgedBy) ->
    {ok, Config, _, _} = rustls_dist_nif:config_new(Role, options("cert.pem", Dir, Version, JudgedBy)),
    Config.

options(Cert, Dir, Version, JudgedBy) ->
    File = fun(Name) -> list_to_binary(filename:join(Dir, Name)) end,
    #{certfile => File(Cert), keyfile => File("key.pem"), cacertfile => File("cert.pem"),
      verify => case JudgedBy of webpki -> verify_none; referee -> verify_peer end,
      fail_if_no_peer_cert => true, depth => 10, versions => [Version], common_name_fallback => true, judged_by => JudgedBy}.

new(Config) ->
    rustls_dist_nif:handshake_new(Config, any, ?STEP_MS).

%% Both directions of both ends: {Tx, Rx}.
link(Client, Server) ->
    {Connecting, Accepting} = {new(Client), new(Server)},
    {continue, Hello} = step(Connecting, <<>>, ok),
    converse({Connecting, going}, {Accepting, going}, Hello).

%% The second is given what the first one said.
converse({_, {_, _} = Said}, {_, {_, _} = Listened}, <<>>) ->
    {Said, Listened};
converse(Speaker, {Handshake, going}, Bytes) ->
    case step(Handshake, Bytes, ok) of
        {continue, Send} -> converse({Handshake, going}, Speaker, Send);
        {done, Send, Tx, Rx} -> converse({Handshake, {Tx, Rx}}, Speaker, Send)
    end;
converse(Speaker, Over, <<>>) ->
    converse(Over, Speaker, <<>>).

refused(Client, Server) ->
    Refusal = {46, <<"as it should be">>},
    {continue, Hello} = step(Client, <<>>, ok),
    {continue, Flight} = step(Server, Hello, ok),
    {failed, _Alert} = step(Client, Flight, Refusal).

traffic({Tx, _}, {_, Rx}) ->
    ok = rustls_dist_nif:rx_established(Rx),
    [begin
         {ok, Records} = rustls_dist_nif:tx_seal(Tx, [{Bytes, binary:copy(<<"x">>, Bytes)}]),
         ?assertEqual([Bytes], [byte_size(Packet) || Packet <- opened(Rx, iolist_to_binary(Records))])
     end || Bytes <- [1, 1000, 100000]],
    {ok, Bye} = rustls_dist_nif:tx_close_notify(Tx),
    {ok, [], [_]} = rustls_dist_nif:rx_open(Rx, Bye, 10).

opened(Rx, Bytes) ->
    case rustls_dist_nif:rx_open(Rx, Bytes, 10) of
        {ok, Packets, []} -> Packets;
        {more, Packets, [], Rest} -> Packets ++ opened(Rx, Rest)
    end.

%% One step; a question about the peer's certificate gets this answer.
step(Handshake, Bytes, Verdict) ->
    ok = rustls_dist_nif:handshake_advance(Handshake, Bytes),
    outcome(Handshake, Verdict).

outcome(Handshake, Verdict) ->
    receive
        {rustls_dist_verify, Handshake, [_ | _], _Webpki} ->
            true = rustls_dist_nif:handshake_verdict(Handshake, Verdict),
            outcome(Handshake, Verdict);
        {rustls_dist_handshake, Handshake, {done, Send, Tx, Rx, #{}}} ->
            {done, Send, Tx, Rx};
        {rustls_dist_handshake, Handshake, {failed, Send, #{}}} ->
            {failed, Send};
        {rustls_dist_handshake, Handshake, {continue, Send}} ->
            {continue, Send}
    after ?STEP_MS ->
        error(no_step)
    end.
