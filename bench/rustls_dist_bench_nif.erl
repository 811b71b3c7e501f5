%% How long the carrier's calls into Rust hold a normal scheduler, at the most bytes that a link hands to one call.
%%
%% Both ends of a handshake are made in this node, so that nothing else runs while a call is timed. Needs no distribution.
-module(rustls_dist_bench_nif).

-export([measure/2]).

-define(CIPHERS, ["TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"]).
-define(CALLS, 400).
-define(HANDSHAKE_MS, 10000).

%% What rustls_dist_controller seals on a normal scheduler at most (LARGE_BYTES), what rustls_dist_input is given at most
%% (`buffer', rustls_dist_sockopts; it takes several calls), and the most packets of one batch (BATCH_PACKETS).
-define(SEAL_BYTES, 135168).
-define(OPEN_BYTES, 262144).
-define(BATCH_PACKETS, 256).

%% The shortest message that one can send: what makes the most packets of what one read brings.
-define(SMALL_BYTES, 32).

%% Gives a map of latency figures a call and cipher suite. Dir is a folder for certificates.
-spec measure(file:filename(), fun((io:format(), [term()]) -> ok)) -> [map()].
measure(Dir, Progress) ->
    Progress("calls into Rust", []),
    true = code:add_patha(os:getenv("RUSTLS_DIST_EBIN")),
    ok = rustls_dist_nif:load(),
    Cert = rustls_dist_certs:cert(Dir, rustls_dist_certs:ca(Dir, "nif_ca"), "nif", #{}),
    lists:append([calls(Cipher, connect(Cert, Cipher)) || Cipher <- ?CIPHERS]).

calls(Cipher, {Tx, Rx}) ->
    One = [{?SEAL_BYTES, crypto:strong_rand_bytes(?SEAL_BYTES)}],
    Small = [{?SMALL_BYTES, crypto:strong_rand_bytes(?SMALL_BYTES)} || _ <- lists:seq(1, ?BATCH_PACKETS)],
    {SealOne, OpenOne, Left} = exchange(Tx, Rx, One, <<>>, [], []),
    {SealSmall, OpenSmall, _} = exchange(Tx, Rx, Small, Left, [], []),
    [(rustls_dist_bench_stats:latency(Durations))#{call => Call, cipher => list_to_binary(Cipher)}
     || {Call, Durations} <- [{<<"seal 132 KiB in one packet">>, SealOne},
                              {<<"seal 256 packets of 32 B">>, SealSmall},
                              {<<"open a part of 256 KiB of long packets">>, OpenOne},
                              {<<"open a part of 256 KiB of packets of 32 B">>, OpenSmall}]].

%% Seals the batch again and again, and opens what came out in pieces as large as a read. Sealed is what was sealed before
%% and not opened yet. Gives the durations in nanoseconds and what is left.
exchange(_Tx, _Rx, _Batch, Sealed, Seals, Opens) when length(Opens) >= ?CALLS, length(Seals) >= ?CALLS ->
    {Seals, Opens, Sealed};
exchange(Tx, Rx, Batch, <<Read:?OPEN_BYTES/binary, Rest/binary>>, Seals, Opens) ->
    exchange(Tx, Rx, Batch, Rest, Seals, opened(Rx, Read, Opens));
exchange(Tx, Rx, Batch, Sealed, Seals, Opens) ->
    {Ns, {ok, Records}} = timed(fun() -> rustls_dist_nif:tx_seal(Tx, Batch) end),
    exchange(Tx, Rx, Batch, iolist_to_binary([Sealed, Records]), [Ns | Seals], Opens).

%% Adds the duration of each call that it takes to open all of Read.
opened(Rx, Read, Opens) ->
    case timed(fun() -> rustls_dist_nif:rx_open(Rx, Read, 16#ffffffff) end) of
        {Ns, {ok, _Packets, []}} -> [Ns | Opens];
        {Ns, {more, _Packets, [], Rest}} -> opened(Rx, Rest, [Ns | Opens])
    end.

timed(Call) ->
    From = erlang:monotonic_time(nanosecond),
    Result = Call(),
    {erlang:monotonic_time(nanosecond) - From, Result}.

%% The client's sender and the server's receiver.
connect(Cert, Cipher) ->
    Options = [binary, {active, false}, {ip, {127, 0, 0, 1}}],
    {ok, Listen} = gen_tcp:listen(0, Options),
    {ok, Port} = inet:port(Listen),
    Self = self(),
    Server = spawn_link(fun() ->
                                {ok, Socket} = gen_tcp:accept(Listen),
                                Self ! {self(), handshake(Socket, server, Cert, Cipher)}
                        end),
    {ok, Socket} = gen_tcp:connect({127, 0, 0, 1}, Port, Options),
    {ok, #{tx := Tx}} = handshake(Socket, client, Cert, Cipher),
    {ok, #{rx := Rx}} = receive {Server, Result} -> Result after ?HANDSHAKE_MS -> {error, timeout} end,
    _ = [gen_tcp:close(Each) || Each <- [Listen, Socket]],
    ok = rustls_dist_nif:rx_established(Rx),
    {Tx, Rx}.

handshake(Socket, Role, Cert, Cipher) ->
    Options = #{versions => ['tlsv1.3'], ciphers => [list_to_binary(Cipher)]},
    rustls_dist_bare_handshake:run(Socket, Role, Cert, Options, ?HANDSHAKE_MS).
