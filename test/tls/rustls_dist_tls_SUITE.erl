%% Issue 2, point 2, its last sentence: TLS as it goes on after the handshake. Key updates sent and received, tickets,
%% close_notify, alerts with the right code, and versions and cipher suites as configured.
-module(rustls_dist_tls_SUITE).

-include_lib("stdlib/include/assert.hrl").

-export([all/0, groups/0, init_per_suite/1, end_per_suite/1]).
-export([key_updates/1, key_updates_of_inet_tls/1, no_key_updates_tls12/1, tickets/1,
         close_notify_tls13/1, close_notify_tls12/1, close_notify_from_peer_tls13/1, close_notify_from_peer_tls12/1,
         bad_record_tls13/1, bad_record_tls12/1, alert_from_peer/1,
         alert_unknown_ca/1, alert_no_certificate/1, alert_expired/1, alert_protocol_version/1, alert_no_cipher/1,
         suites_tls13/1, suites_tls12_ecdsa/1, suites_tls12_rsa/1, versions/1, no_common_version/1]).

%% Small enough for many updates under load, large enough for several records per key.
-define(KEY_UPDATE_AT, 100000).

all() ->
    [{group, Group} || {Group, _, _} <- groups()].

groups() ->
    [{keys, [], [key_updates, key_updates_of_inet_tls, no_key_updates_tls12]},
     {messages, [], [tickets, close_notify_tls13, close_notify_tls12, close_notify_from_peer_tls13,
                     close_notify_from_peer_tls12]},
     {alerts, [], [bad_record_tls13, bad_record_tls12, alert_from_peer, alert_unknown_ca, alert_no_certificate,
                   alert_expired, alert_protocol_version, alert_no_cipher]},
     {choice, [], [suites_tls13, suites_tls12_ecdsa, suites_tls12_rsa, versions, no_common_version]}].

init_per_suite(Config) ->
    {ok, _} = application:ensure_all_started(ssl),
    {Keeper, Cluster} = rustls_dist_cluster:keep(fun rustls_dist_cluster:new/0),
    Dir = rustls_dist_cluster:dir(Cluster),
    Ca = rustls_dist_certs:ca(Dir, "ca"),
    [{cluster, Cluster}, {keeper, Keeper}, {dir, Dir}, {ca, Ca},
     {cert, rustls_dist_certs:cert(Dir, Ca, "node", #{})},
     {rsa, rustls_dist_certs:cert(Dir, Ca, "rsa", #{key => {rsa, 2048}})} | Config].

end_per_suite(Config) ->
    ok = rustls_dist_cluster:stop(cluster(Config)),
    rustls_dist_cluster:release(proplists:get_value(keeper, Config)).

%% keys ---------------------------------------------------------------------------------------------------------

%% Both sides renew their keys again and again while data flows in both directions.
key_updates(Config) ->
    [A, B] = start(Config, 2, #{versions => ['tlsv1.3'], key_update_at => ?KEY_UPDATE_AT}),
    ok = rustls_dist_cluster:join(A, B),
    ?assertMatch(#{sent := 0, received := 0}, key_updates_of(A, B)),
    ok = load(A, B),
    rustls_dist_cluster:poll(fun() ->
                                     #{sent := SentA, received := ReceivedA} = key_updates_of(A, B),
                                     #{sent := SentB, received := ReceivedB} = key_updates_of(B, A),
                                     SentA > 50 andalso SentB > 50
                                         andalso {SentA, ReceivedA} =:= {ReceivedB, SentB}
                             end).

%% OTP's ssl asks its peer to renew its keys too, which ours does at once, also when it has nothing to send.
key_updates_of_inet_tls(Config) ->
    Extra = #{versions => ['tlsv1.3']},
    [A] = start(Config, 1, Extra),
    [B] = start(Config, 1, Extra#{key_update_at => ?KEY_UPDATE_AT}, #{proto => "inet_tls"}),
    lists:foreach(fun({From, To}) ->
                          ok = rustls_dist_cluster:join(From, To),
                          ok = load(A, B),
                          #{sent := Answered, received := Asked} = key_updates_of(A, B),
                          ?assert(Asked > 5),
                          ?assertEqual(ok, call(B, rustls_dist_workload, stream,
                                                [rustls_dist_cluster:name(A), 2, 100, 65536])),
                          #{sent := AllAnswered, received := AllAsked} = key_updates_of(A, B),
                          ct:pal("~p", [{Answered, Asked, AllAnswered, AllAsked}]),
                          ?assert(AllAsked - Asked > 5),
                          ?assert(AllAnswered - Answered > 5),
                          ok = rustls_dist_cluster:part(From, To)
                  end, [{A, B}, {B, A}]).

%% TLS 1.2 has no key update: the option does no harm there.
no_key_updates_tls12(Config) ->
    [A, B] = start(Config, 2, #{versions => ['tlsv1.2'], key_update_at => ?KEY_UPDATE_AT}),
    ok = rustls_dist_cluster:join(A, B),
    ok = load(A, B),
    ?assertEqual(#{sent => 0, received => 0}, key_updates_of(A, B)).

%% About 13 MB in each direction at the same time, checked by their receivers.
load(A, B) ->
    Keys = [rpc:async_call(node(), rustls_dist_cluster, call,
                           [From, rustls_dist_workload, stream, [rustls_dist_cluster:name(To), 2, 100, 65536], 60000])
            || {From, To} <- [{A, B}, {B, A}]],
    ?assertEqual([ok, ok], [rpc:yield(Key) || Key <- Keys]),
    ok.

key_updates_of(Peer, Other) ->
    {ok, #{key_updates := Counts}} = call(Peer, rustls_dist, info, [rustls_dist_cluster:name(Other)]),
    Counts.

%% messages -----------------------------------------------------------------------------------------------------

%% A server that hands out session tickets, which we do not use: the link lives on.
tickets(Config) ->
    [A] = start(Config, 1, #{}),
    Peer = #{name := Node} = rustls_dist_openssl_peer:listen(cluster(Config), cert(Config), ["-num_tickets", "3"]),
    Connect = fun() -> rustls_dist_cluster:call(A, net_kernel, connect_node, [Node]) end,
    Key = rpc:async_call(node(), erlang, apply, [Connect, []]),
    ok = rustls_dist_openssl_peer:serve(Peer),
    ?assertEqual(true, rpc:yield(Key)),
    Tickets = [Line || Line <- rustls_dist_openssl_peer:tls_messages(Peer), string:find(Line, ">>>") =/= nomatch,
                       string:find(Line, "NewSessionTicket") =/= nomatch],
    ?assertEqual(3, length(Tickets)),
    ok = exchange(A, Peer),
    ok = rustls_dist_openssl_peer:stop(Peer).

%% A message in each direction.
exchange(Node, #{name := PeerName} = Peer) ->
    _ = call(Node, rustls_dist_workload, start_collector, []),
    ok = rustls_dist_openssl_peer:send(Peer, collector, {hello, from, openssl}),
    rustls_dist_cluster:poll(fun() -> call(Node, rustls_dist_workload, collected, []) =:= [{hello, from, openssl}] end),
    _ = call(Node, erlang, send, [{somebody, PeerName}, {hello, from, erlang}]),
    ?assertEqual({hello, from, erlang}, rustls_dist_openssl_peer:recv(Peer)),
    ok.

close_notify_tls13(Config) -> close_notify(Config, "-tls1_3", "TLS 1.3").
close_notify_tls12(Config) -> close_notify(Config, "-tls1_2", "TLS 1.2").

%% A link that the node ends says goodbye, after all that was sent before.
close_notify(Config, Flag, Version) ->
    [A] = start(Config, 1, #{}),
    Peer = #{name := Node} = dial(Config, A, [Flag]),
    ok = exchange(A, Peer),
    ?assertEqual([], received_alerts(Peer)),
    ?assertEqual(true, call(A, erlang, disconnect_node, [Node])),
    ok = rustls_dist_openssl_peer:await_end(Peer),
    ?assertMatch([_], received_alerts(Peer)),
    [Alert] = received_alerts(Peer),
    ?assertMatch({match, _}, re:run(Alert, [Version, ".*warning close_notify"])).

received_alerts(Peer) ->
    [Line || Line <- rustls_dist_openssl_peer:tls_messages(Peer), lists:prefix("<<<", Line),
             string:find(Line, "Alert") =/= nomatch].

close_notify_from_peer_tls13(Config) -> close_notify_from_peer(Config, 'tlsv1.3').
close_notify_from_peer_tls12(Config) -> close_notify_from_peer(Config, 'tlsv1.2').

%% A peer that says goodbye while its socket stays open: the word alone ends the link, and is no error. It is answered
%% (RFC 5246 section 7.2.1).
close_notify_from_peer(Config, Version) ->
    [A] = start(Config, 1, #{versions => [Version]}),
    ok = call(A, rustls_dist_workload, watch_nodes, []),
    {Proxy, Port} = rustls_dist_openssl_peer:proxy(rustls_dist_openssl_peer:port_of(A)),
    Peer = rustls_dist_openssl_peer:dial(cluster(Config), cert(Config), Port, ["-no_ign_eof"]),
    ok = exchange(A, Peer),
    ok = rustls_dist_openssl_peer:say_goodbye(Peer),
    ok = rustls_dist_openssl_peer:await_tls_message(Peer, "^>>>.*warning close_notify"),
    ?assertEqual(sealed_alert(Version), rustls_dist_openssl_peer:await_node_closed(Proxy)),
    ?assertEqual([connection_closed], downs(A)),
    ?assertEqual(nomatch, string:find(rustls_dist_cluster:log(A), "broke")).

%% Type and length of the record of an alert, with AES-GCM: the inner type and the tag, or an explicit nonce and the tag.
sealed_alert('tlsv1.3') -> {23, 2 + 1 + 16};
sealed_alert('tlsv1.2') -> {21, 8 + 2 + 16}.

downs(Peer) ->
    rustls_dist_cluster:poll(fun() ->
                                     Events = call(Peer, rustls_dist_workload, node_events, []),
                                     Downs = [Reason || {nodedown, _, #{nodedown_reason := Reason}} <- Events],
                                     Downs =/= [] andalso Downs
                             end).

%% alerts -------------------------------------------------------------------------------------------------------

bad_record_tls13(Config) -> bad_record(Config, 'tlsv1.3').
bad_record_tls12(Config) -> bad_record(Config, 'tlsv1.2').

%% A record that was damaged on its way ends the link, with the alert that TLS has for it and its name as the reason.
bad_record(Config, Version) ->
    [A] = start(Config, 1, #{versions => [Version]}),
    ok = call(A, rustls_dist_workload, watch_nodes, []),
    {Proxy, Port} = rustls_dist_openssl_peer:proxy(rustls_dist_openssl_peer:port_of(A)),
    Peer = rustls_dist_openssl_peer:dial(cluster(Config), cert(Config), Port, []),
    ok = exchange(A, Peer),
    ok = rustls_dist_openssl_peer:damage(Proxy),
    ok = rustls_dist_openssl_peer:send(Peer, collector, damaged),
    ok = rustls_dist_openssl_peer:await_tls_message(Peer, "^<<<.*fatal bad_record_mac"),
    ok = rustls_dist_openssl_peer:await_end(Peer),
    _ = rustls_dist_cluster:await_log(A, "rustls_dist: link .*broke.*bad_record_mac"),
    ?assertMatch([{tls_error, _}], downs(A)),
    ?assertEqual([{hello, from, openssl}], call(A, rustls_dist_workload, collected, [])).

%% A fatal alert from the peer is reported with its name: here of one to whom the node seems to
%% send a forged record.
alert_from_peer(Config) ->
    [A] = start(Config, 1, #{}),
    ok = call(A, rustls_dist_workload, watch_nodes, []),
    Peer = dial(Config, A, []),
    ok = exchange(A, Peer),
    #{name := Node} = Peer,
    Junk = <<23, 3, 3, 0, 32, 0:256>>,
    ok = call(A, rustls_dist_workload, write_raw, [Node, Junk]),
    _ = rustls_dist_cluster:await_log(A, "rustls_dist: link .*broke.*the peer sent the alert bad_record_mac"),
    ok = rustls_dist_openssl_peer:await_end(Peer),
    ?assertEqual([{tls_alert, bad_record_mac}], downs(A)).

alert_unknown_ca(Config) ->
    Dir = proplists:get_value(dir, Config),
    Other = rustls_dist_certs:cert(Dir, rustls_dist_certs:ca(Dir, "other_ca"), "other", #{}),
    [?assertEqual({Version, unknown_ca}, {Version, alert(Config, [{versions, [Version]} | identity(Other)])})
     || Version <- ['tlsv1.3', 'tlsv1.2']].

alert_no_certificate(Config) ->
    ?assertEqual(certificate_required, alert(Config, [{versions, ['tlsv1.3']}])),
    %% TLS 1.2 has no alert for it; RFC 5246 section 7.4.6 names handshake_failure.
    ?assert(lists:member(alert(Config, [{versions, ['tlsv1.2']}]), [handshake_failure, certificate_required])).

alert_expired(Config) ->
    Dir = proplists:get_value(dir, Config),
    Expired = rustls_dist_certs:cert(Dir, proplists:get_value(ca, Config), "expired", #{days => -1}),
    [?assertEqual({Version, certificate_expired}, {Version, alert(Config, [{versions, [Version]} | identity(Expired)])})
     || Version <- ['tlsv1.3', 'tlsv1.2']].

alert_protocol_version(Config) ->
    Dialler = [{versions, ['tlsv1.2']} | identity(cert(Config))],
    ?assertEqual(protocol_version, alert(Config, #{versions => ['tlsv1.3']}, Dialler)).

alert_no_cipher(Config) ->
    Suites = ssl:filter_cipher_suites(ssl:cipher_suites(all, 'tlsv1.2'),
                                      [{key_exchange, fun(Kind) -> Kind =:= ecdhe_ecdsa end},
                                       {cipher, fun(Cipher) -> Cipher =:= aes_128_cbc end}]),
    [_ | _] = Suites,
    Dialler = [{versions, ['tlsv1.2']}, {ciphers, Suites} | identity(cert(Config))],
    ?assertEqual(handshake_failure, alert(Config, Dialler)).

identity(#{cert := Cert, key := Key}) ->
    [{certfile, Cert}, {keyfile, Key}].

alert(Config, Dialler) ->
    alert(Config, #{}, Dialler).

%% The alert that OTP's ssl, dialling with options Dialler, gets from a node with options Extra.
alert(Config, Extra, Dialler) ->
    [A] = start(Config, 1, Extra),
    Port = rustls_dist_openssl_peer:port_of(A),
    Options = [{verify, verify_none}, {active, true}, {log_level, none}, binary | Dialler],
    Failure = case ssl:connect({127, 0, 0, 1}, Port, Options, 15000) of
                  %% In TLS 1.3 the client is done before the server looks at its certificate.
                  {ok, Socket} -> receive {ssl_error, Socket, Error} -> {error, Error} after 15000 -> nothing_came end;
                  Refused -> Refused
              end,
    ok = rustls_dist_cluster:stop_node(A),
    {error, {tls_alert, {Name, _Text}}} = Failure,
    Name.

%% choice -------------------------------------------------------------------------------------------------------

suites_tls13(Config) ->
    suites(Config, cert(Config), 'tlsv1.3',
           ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"]).

suites_tls12_ecdsa(Config) ->
    suites(Config, cert(Config), 'tlsv1.2',
           ["TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
            "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256"]).

suites_tls12_rsa(Config) ->
    suites(Config, proplists:get_value(rsa, Config), 'tlsv1.2',
           ["TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
            "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256"]).

%% A node that is told one suite uses that one with a node that is told nothing, whoever connects.
suites(Config, Cert, Version, Names) ->
    Any = start_with(Config, Cert, #{}, #{}),
    lists:foreach(fun(Name) ->
                          One = start_with(Config, Cert, #{versions => [Version], ciphers => Name}, #{}),
                          _ = [begin
                                   ok = rustls_dist_cluster:join(From, To),
                                   {ok, Info} = call(Any, rustls_dist, info, [rustls_dist_cluster:name(One)]),
                                   ?assertMatch(#{version := Version}, Info),
                                   ?assertEqual(list_to_binary(Name), maps:get(cipher, Info)),
                                   ok = load_lightly(One, Any),
                                   ok = rustls_dist_cluster:part(From, To)
                               end || {From, To} <- [{One, Any}, {Any, One}]],
                          ok = rustls_dist_cluster:stop_node(One)
                  end, Names).

load_lightly(A, B) ->
    [?assertEqual(ok, call(From, rustls_dist_workload, stream, [rustls_dist_cluster:name(To), 1, 20, 20000]))
     || {From, To} <- [{A, B}, {B, A}]],
    ok.

%% TLS 1.3 where both may, TLS 1.2 where one knows only that.
versions(Config) ->
    [Both, Other] = start(Config, 2, #{}),
    [Old] = start(Config, 1, #{versions => ['tlsv1.2']}),
    ok = rustls_dist_cluster:join(Both, Other),
    ok = rustls_dist_cluster:join(Both, Old),
    ?assertMatch({ok, #{version := 'tlsv1.3'}}, call(Both, rustls_dist, info, [rustls_dist_cluster:name(Other)])),
    ?assertMatch({ok, #{version := 'tlsv1.2'}}, call(Both, rustls_dist, info, [rustls_dist_cluster:name(Old)])).

no_common_version(Config) ->
    [New] = start(Config, 1, #{versions => ['tlsv1.3']}),
    [Old] = start(Config, 1, #{versions => ['tlsv1.2']}),
    ?assertEqual(false, call(Old, net_kernel, connect_node, [rustls_dist_cluster:name(New)])),
    ?assertEqual(false, call(New, net_kernel, connect_node, [rustls_dist_cluster:name(Old)])),
    _ = rustls_dist_cluster:await_log(Old, "link to .*protocol_version"),
    _ = rustls_dist_cluster:await_log(New, "link to .*protocol_version").

%% --------------------------------------------------------------------------------------------------------------

cluster(Config) -> proplists:get_value(cluster, Config).
cert(Config) -> proplists:get_value(cert, Config).

dial(Config, Node, Arguments) ->
    rustls_dist_openssl_peer:dial(cluster(Config), cert(Config), rustls_dist_openssl_peer:port_of(Node), Arguments).

start(Config, Count, Extra) ->
    start(Config, Count, Extra, #{}).

start(Config, Count, Extra, Options) ->
    [start_with(Config, cert(Config), Extra, Options) || _ <- lists:seq(1, Count)].

%% Extra: TLS options for both parts, beside those for mutual verification.
start_with(Config, Cert, Extra, Options) ->
    Name = "options" ++ integer_to_list(erlang:unique_integer([positive])),
    Optfile = rustls_dist_cluster:optfile(cluster(Config), Name, rustls_dist_certs:options(Cert, Extra)),
    rustls_dist_cluster:start(cluster(Config), Options#{optfile => Optfile}).

call(Peer, M, F, A) -> rustls_dist_cluster:call(Peer, M, F, A).
