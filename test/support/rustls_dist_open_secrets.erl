%% Links whose secrets the test knows: their other end is OTP's ssl, which keeps what it computes, and a trace of the shared
%% secrets. The other end is a hidden node without atom cache or fragments, so that a message is one packet, as it stands.
-module(rustls_dist_open_secrets).

-export([dial/4, serve/4, hear/2, say/3, renew_keys/1, secrets/1, name/1, ssl/1]).
%% run on the node
-export([start_sink/0, heard/0, tell/3, hidden/1]).

-export_type([link/0]).

-include_lib("kernel/include/dist.hrl").

%% given: those secrets that the other end was asked for, when the handshake was over; renewals: of the keys, in both directions.
-type link() :: #{peer := rustls_dist_scripted_peer:peer(), name := node(), given := [{atom(), binary()}], suite := map(),
                  version := 'tlsv1.2' | 'tlsv1.3', renewals := non_neg_integer()}.

-define(COOKIE, "rustls_dist_test").
-define(CREATION, 4).
-define(FLAGS, (?MANDATORY_DFLAGS_25 bor ?DFLAG_MANDATORY_25_DIGEST bor ?DFLAG_DIST_MONITOR bor
                    ?DFLAG_BIG_SEQTRACE_LABELS bor ?DFLAG_UNLINK_ID bor ?DFLAG_V4_NC)).
-define(PASS_THROUGH, 112).
-define(REG_SEND, 6).
-define(TIMEOUT_MS, 10000).

%% Makes a link to Node, as Name.
-spec dial(rustls_dist_cluster:peer(), string(), rustls_dist_certs:cert(), #{atom() => term()}) -> link().
dial(Node, Name, Files, Options) ->
    {Link, Shared} = with_shared_secrets(
                       fun() ->
                               Peer = rustls_dist_scripted_peer:dial(Node, Files, Options#{keep_secrets => true}),
                               ok = rustls_dist_scripted_peer:join(Peer, ?FLAGS, at_host(Name), ?COOKIE),
                               opened(Peer, Name)
                       end),
    with_given(Link, Shared).

%% Has Node make a link to Name.
-spec serve({rustls_dist_cluster:cluster(), rustls_dist_cluster:peer()}, string(), rustls_dist_certs:cert(),
            #{atom() => term()}) -> link().
serve(From, Name, Files, Options) ->
    Play = fun(Peer) -> ok = answer(Peer, Name), opened(Peer, Name) end,
    {Link, Shared} = with_shared_secrets(
                       fun() ->
                               rustls_dist_scripted_peer:serve(From, Name, Files, Options#{keep_secrets => true}, Play)
                       end),
    with_given(Link, Shared).

%% erts' distribution protocol, of who was dialled.
answer(Peer, Name) ->
    {ok, <<$N, _/binary>>} = rustls_dist_scripted_peer:recv(Peer),
    ok = rustls_dist_scripted_peer:send(Peer, <<"sok">>),
    Own = list_to_binary(at_host(Name)),
    ok = rustls_dist_scripted_peer:send(Peer, [<<$N, ?FLAGS:64, 9:32, ?CREATION:32, (byte_size(Own)):16>>, Own]),
    {ok, <<$r, Challenge:32, _:16/binary>>} = rustls_dist_scripted_peer:recv(Peer),
    rustls_dist_scripted_peer:send(Peer, [$a, erlang:md5([?COOKIE, integer_to_list(Challenge)])]).

at_host(Name) ->
    Name ++ "@127.0.0.1".

opened(#{ssl := Ssl} = Peer, Name) ->
    {ok, [{protocol, Version}, {selected_cipher_suite, Suite}]} =
        ssl:connection_information(Ssl, [protocol, selected_cipher_suite]),
    #{peer => Peer, name => list_to_atom(at_host(Name)), version => Version, suite => Suite, renewals => 0,
      given => given(Version, Ssl)}.

given('tlsv1.3', Ssl) ->
    {ok, [{keylog, Lines}]} = ssl:connection_information(Ssl, [keylog]),
    [{list_to_atom(string:lowercase(Label)), binary:decode_hex(list_to_binary(Hex))}
     || Line <- Lines, [Label, _Random, Hex] <- [string:lexemes(lists:flatten(Line), " ")]];
given('tlsv1.2', Ssl) ->
    {ok, Given} = ssl:connection_information(Ssl, [master_secret, client_random, server_random]),
    Given.

with_given(#{given := Given} = Link, Shared) ->
    Link#{given := [{shared, Secret} || Secret <- Shared] ++ Given}.

%% What the key exchange computes in processes that Fun starts, and what Fun returns.
with_shared_secrets(Fun) ->
    Compute = {crypto, compute_key, 4},
    1 = erlang:trace_pattern(Compute, [{'_', [], [{return_trace}]}], []),
    _ = erlang:trace(new_processes, true, [call]),
    try
        Result = Fun(),
        Ref = erlang:trace_delivered(all),
        receive {trace_delivered, all, Ref} -> ok end,
        {Result, computed(Compute)}
    after
        _ = erlang:trace(all, false, [call]),
        _ = erlang:trace_pattern(Compute, false, [])
    end.

computed(Compute) ->
    receive
        {trace, _Pid, return_from, Compute, Secret} -> [Secret | computed(Compute)];
        {trace, _Pid, call, _Call} -> computed(Compute)
    after 0 ->
        []
    end.

-spec name(link()) -> node().
name(#{name := Name}) -> Name.

-spec ssl(link()) -> rustls_dist_scripted_peer:peer().
ssl(#{peer := Peer}) -> Peer.

%% Sends Node's sink, over the link, a message with Bytes in it.
-spec say(link(), rustls_dist_cluster:peer(), binary()) -> ok.
say(#{peer := Peer, name := Name}, Node, Bytes) ->
    Before = rustls_dist_cluster:call(Node, ?MODULE, heard, []),
    <<131, Atom/binary>> = term_to_binary(Name),
    Pid = binary_to_term(<<131, $X, Atom/binary, 1:32, 0:32, ?CREATION:32>>),
    ok = rustls_dist_scripted_peer:send(Peer, [?PASS_THROUGH, term_to_binary({?REG_SEND, Pid, '', ?MODULE}),
                                               term_to_binary({said, Bytes})]),
    rustls_dist_cluster:poll(fun() -> rustls_dist_cluster:call(Node, ?MODULE, heard, []) > Before andalso ok end).

%% Takes what arrives until Bytes are in it.
-spec hear(link(), binary()) -> ok.
hear(#{peer := Peer} = Link, Bytes) ->
    {ok, Packet} = rustls_dist_scripted_peer:recv(Peer),
    case binary:match(Packet, Bytes) of
        nomatch -> hear(Link, Bytes);
        _ -> ok
    end.

%% Renews the keys of both directions (TLS 1.3).
-spec renew_keys(link()) -> link().
renew_keys(#{peer := #{ssl := Ssl}, renewals := Renewals} = Link) ->
    ok = ssl:update_keys(Ssl, read_write),
    Link#{renewals := Renewals + 1}.

%% All that the link's secrecy rests on, from the key exchange to the keys of each generation, each in pieces of 16 bytes, which
%% is as much as is moved at once.
-spec secrets(link()) -> [{Name :: term(), binary()}].
secrets(#{version := Version, suite := #{cipher := Cipher}} = Link) ->
    [{{Version, Cipher, Name}, Piece} || {Name, Secret} <- derived(Link), Piece <- pieces(Secret)].

pieces(<<Piece:16/binary, Rest/binary>>) when byte_size(Rest) >= 8 -> [Piece | pieces(Rest)];
pieces(Piece) when byte_size(Piece) > 16 -> pieces(binary:part(Piece, 0, 16));
pieces(Piece) -> [Piece].

derived(#{version := 'tlsv1.3', given := Given, suite := #{prf := Hash, cipher := Cipher}, renewals := Renewals}) ->
    Handshake = [Named || {Label, _Secret} = Named <- Given,
                          lists:member(Label, [client_handshake_traffic_secret, server_handshake_traffic_secret])],
    Traffic = [{{Label, Generation}, Secret}
               || {Label, First} <- Given, lists:member(Label, [client_traffic_secret_0, server_traffic_secret_0]),
                  {Generation, Secret} <- generations(Hash, First, Renewals)],
    Shared = [Secret || {shared, Secret} <- Given],
    [{shared, Secret} || Secret <- Shared]
        ++ lists:append([schedule(Hash, Secret) || Secret <- Shared])
        ++ Handshake ++ Traffic
        ++ [Named || {Label, Secret} <- Handshake ++ Traffic, Named <- keys(Hash, Cipher, Label, Secret)];
derived(#{version := 'tlsv1.2', given := Given, suite := #{prf := Hash, cipher := Cipher}}) ->
    [Master, Client, Server] = [proplists:get_value(Key, Given) || Key <- [master_secret, client_random, server_random]],
    Length = key_bytes(Cipher),
    <<ClientKey:Length/binary, ServerKey:Length/binary, _/binary>> =
        prf(Hash, Master, <<"key expansion", Server/binary, Client/binary>>, 2 * Length),
    [{premaster_secret, Secret} || {shared, Secret} <- Given]
        ++ [{master_secret, Master}, {client_key, ClientKey}, {server_key, ServerKey}].

%% RFC 8446 section 7.1.
schedule(Hash, Shared) ->
    Empty = crypto:hash(Hash, <<>>),
    Zeros = binary:copy(<<0>>, byte_size(Empty)),
    Extract = fun(Salt, Secret) -> crypto:mac(hmac, Hash, Salt, Secret) end,
    Derived = fun(Secret) -> expand(Hash, Secret, <<"derived">>, Empty, byte_size(Empty)) end,
    Handshake = Extract(Derived(Extract(Zeros, Zeros)), Shared),
    [{handshake_secret, Handshake}, {derived_secret, Derived(Handshake)}, {master_secret, Extract(Derived(Handshake), Zeros)}].

%% RFC 8446 sections 7.2 and 7.3.
generations(Hash, First, Renewals) ->
    Next = fun(Secret) -> expand(Hash, Secret, <<"traffic upd">>, <<>>, byte_size(Secret)) end,
    lists:zip(lists:seq(0, Renewals),
              lists:reverse(lists:foldl(fun(_, [Last | _] = All) -> [Next(Last) | All] end, [First],
                                        lists:seq(1, Renewals)))).

keys(Hash, Cipher, Label, Secret) ->
    [{{Kind, Label}, expand(Hash, Secret, Info, <<>>, Bytes)}
     || {Kind, Info, Bytes} <- [{key, <<"key">>, key_bytes(Cipher)}, {iv, <<"iv">>, 12},
                                {finished, <<"finished">>, byte_size(Secret)}]].

key_bytes(aes_128_gcm) -> 16;
key_bytes(aes_256_gcm) -> 32;
key_bytes(chacha20_poly1305) -> 32.

%% HKDF-Expand-Label, RFC 8446 section 7.1; one block is enough.
expand(Hash, Secret, Label, Context, Bytes) ->
    Info = <<Bytes:16, (6 + byte_size(Label)), "tls13 ", Label/binary, (byte_size(Context)), Context/binary, 1>>,
    binary:part(crypto:mac(hmac, Hash, Secret, Info), 0, Bytes).

%% RFC 5246 section 5.
prf(Hash, Secret, Seed, Bytes) ->
    Mac = fun(Data) -> crypto:mac(hmac, Hash, Secret, Data) end,
    prf(Mac, Mac(Seed), Seed, Bytes, <<>>).

prf(_Mac, _A, _Seed, Bytes, Done) when byte_size(Done) >= Bytes ->
    binary:part(Done, 0, Bytes);
prf(Mac, A, Seed, Bytes, Done) ->
    prf(Mac, Mac(A), Seed, Bytes, <<Done/binary, (Mac(<<A/binary, Seed/binary>>))/binary>>).

%% Run on a node --------------------------------------------------------------------------------------------------

%% Starts the process that takes what say/3 says, and forgets it.
-spec start_sink() -> ok.
start_sink() ->
    Counter = counters:new(1, []),
    true = register(?MODULE, spawn(fun() -> persistent_term:put(?MODULE, Counter), sink(Counter) end)),
    rustls_dist_cluster:poll(fun() -> persistent_term:get(?MODULE, none) =/= none andalso ok end).

sink(Counter) ->
    receive {said, Bytes} when is_binary(Bytes) -> counters:add(Counter, 1, 1) end,
    sink(Counter).

-spec heard() -> non_neg_integer().
heard() ->
    counters:get(persistent_term:get(?MODULE), 1).

%% Sends Name a message with bytes in it, among so many zeros.
-spec tell(node(), Hidden :: binary(), non_neg_integer()) -> ok.
tell(Name, Hidden, Zeros) ->
    {_Pid, Ref} = spawn_monitor(fun() ->
                                        Padding = binary:copy(<<0>>, Zeros),
                                        {?MODULE, Name} ! {said, <<Padding/binary, (hidden(Hidden))/binary, Padding/binary>>}
                                end),
    receive {'DOWN', Ref, process, _, normal} -> ok after ?TIMEOUT_MS -> error(timeout) end.

%% Bytes as they go to a node beside the link, and what they were there: what is looked for must not come that way.
-spec hidden(binary()) -> binary().
hidden(Bytes) ->
    %% A copy has the bytes alone, and room for no more: those that are on a heap are shown by crash dumps.
    binary:copy(<< <<(Byte bxor 255)>> || <<Byte>> <= Bytes >>).
