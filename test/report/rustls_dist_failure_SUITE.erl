%% For every failed link one log entry on each side, as a report with domain [rustls_dist] and a readable line: at which
%% stage, with whom, what was expected and what came, and what to do (issue 2, point 7).
%%
%% Each failure is provoked twice, so that an entry too many on either side shows as a third and fourth.
-module(rustls_dist_failure_SUITE).

-include_lib("stdlib/include/assert.hrl").

-export([all/0, groups/0, init_per_suite/1, end_per_suite/1, init_per_testcase/2, end_per_testcase/2]).
-export([unresolvable_host/1, not_a_long_name/1, unknown_to_epmd/1, no_epmd/1, nothing_listens/1,
         no_version_in_common/1, no_cipher_in_common/1, not_tls/1, silent_server/1, closing_server/1, garbage_dials/1,
         expired/1, not_yet_valid/1, unknown_authority/1, wrong_host_name/1, no_certificate/1, wrong_usage/1,
         client_expired/1,
         wrong_cookie/1, not_allowed/1, plain_peer_dials/1, plain_peer_dialled/1,
         line_in_log/1, repetition_is_counted/1]).

all() ->
    [{group, G} || {G, _, _} <- groups()].

groups() ->
    [{finding_the_peer, [], [unresolvable_host, not_a_long_name, unknown_to_epmd, no_epmd, nothing_listens]},
     {tls, [], [no_version_in_common, no_cipher_in_common, not_tls, silent_server, closing_server, garbage_dials]},
     {certificates, [], [expired, not_yet_valid, unknown_authority, wrong_host_name, no_certificate, wrong_usage,
                         client_expired]},
     {distribution, [], [wrong_cookie, not_allowed, plain_peer_dials, plain_peer_dialled]},
     {log, [], [line_in_log, repetition_is_counted]}].

%% One good node is there for all cases; it requires certificates of its authority.
init_per_suite(Config) ->
    {Keeper, Started} =
        rustls_dist_cluster:keep(
          fun() ->
                  Cluster = rustls_dist_cluster:new(),
                  Ca = rustls_dist_certs:ca(rustls_dist_cluster:dir(Cluster), "ca"),
                  Options = own(Cluster, Ca, "good", #{}),
                  [{cluster, Cluster}, {ca, Ca}, {options, Options}, {good, start(Cluster, Options, #{})}]
          end),
    [{keeper, Keeper} | Started ++ Config].

end_per_suite(Config) ->
    ok = rustls_dist_cluster:stop(get(cluster, Config)),
    rustls_dist_cluster:release(get(keeper, Config)).

init_per_testcase(_Case, Config) ->
    ok = rustls_dist_reports:collect(get(good, Config)),
    Config.

end_per_testcase(_Case, Config) ->
    Good = get(good, Config),
    _ = [rustls_dist_cluster:call(Good, erlang, disconnect_node, [Node])
         || Node <- rustls_dist_cluster:call(Good, erlang, nodes, [connected])],
    ok.

%% finding the peer -----------------------------------------------------------------------------------------

unresolvable_host(Config) ->
    fails_alone(Config, 'x@no.such.host.invalid', name_lookup, none, "no[.]such[.]host[.]invalid", "check it, DNS"),
    [?assertMatch(#{reason := {name_lookup, {"no.such.host.invalid", nxdomain}}}, Report) || Report <- failed(Config)].

not_a_long_name(Config) ->
    fails_alone(Config, 'x@short', name_lookup, none, "long names .* short has no dot", "use a full host name").

unknown_to_epmd(Config) ->
    fails_alone(Config, 'nobody@127.0.0.1', epmd, none, "does not know a node called nobody", "is it running").

%% This suite's epmd listens on 127.0.0.1 only.
no_epmd(Config) ->
    fails_alone(Config, 'x@127.0.0.2', epmd, none, "no epmd answers on 127[.]0[.]0[.]2", "epmd's port open").

%% A port that is held, so that nobody else can listen there, and does not listen.
nothing_listens(Config) ->
    {ok, Held} = socket:open(inet, stream),
    ok = socket:bind(Held, #{family => inet, addr => {127, 0, 0, 1}, port => 0}),
    {ok, #{port := Port}} = socket:sockname(Held),
    Epmd = rustls_dist_cluster:fake_node(get(cluster, Config), "deaf", Port),
    fails_alone(Config, 'deaf@127.0.0.1', tcp, Port, "nothing listens", "went down"),
    ok = gen_tcp:close(Epmd),
    ok = socket:close(Held).

%% TLS ------------------------------------------------------------------------------------------------------

no_version_in_common(Config) ->
    Peer = bad(Config, "old", #{}, #{versions => ['tlsv1.2']}),
    New = bad(Config, "new", #{}, #{versions => ['tlsv1.3']}),
    ok = rustls_dist_reports:collect(New),
    both_fail(Peer, New, tls, "protocol_version|version", tls, "version"),
    stop([Peer, New]).

no_cipher_in_common(Config) ->
    A = bad(Config, "aes", #{}, #{ciphers => "TLS_AES_256_GCM_SHA384"}),
    B = bad(Config, "chacha", #{}, #{ciphers => "TLS_CHACHA20_POLY1305_SHA256"}),
    both_fail(A, B, tls, "handshake_failure", tls, "cipher"),
    stop([A, B]).

not_tls(Config) ->
    {Port, Epmd, Server} = server(Config, "web", fun(Socket) ->
                                                         {ok, _} = gen_tcp:recv(Socket, 0),
                                                         ok = gen_tcp:send(Socket, "HTTP/1.1 400 Bad Request\r\n\r\n")
                                                 end),
    fails_alone(Config, 'web@127.0.0.1', tls, Port, "does not speak TLS.*HTTP/1[.]1", ""),
    stop_server(Epmd, Server).

%% A server that takes the connection and says nothing: net_setuptime ends the attempt.
silent_server(Config) ->
    Impatient = impatient(Config),
    {Port, Epmd, Server} = server(Config, "mute", fun(Socket) -> {error, _} = read_on(Socket) end),
    twice(Impatient, 'mute@127.0.0.1'),
    [report(Report, out, tls, {{127, 0, 0, 1}, Port}, "net_setuptime .1 s. passed.*said nothing", "its log may say more")
     || Report <- exactly_two(Impatient)],
    stop_server(Epmd, Server),
    stop([Impatient]).

closing_server(Config) ->
    {Port, Epmd, Server} = server(Config, "closing", fun(Socket) -> {ok, _} = gen_tcp:recv(Socket, 0) end),
    fails_alone(Config, 'closing@127.0.0.1', tls, Port, "closed the connection without a word of TLS",
                "start it with -proto_dist rustls"),
    stop_server(Epmd, Server).

garbage_dials(Config) ->
    Good = get(good, Config),
    Port = rustls_dist_cluster:listening_port(Good),
    [begin
         {ok, Socket} = gen_tcp:connect({127, 0, 0, 1}, Port, [binary, {active, false}]),
         {ok, {_, From}} = inet:sockname(Socket),
         ok = gen_tcp:send(Socket, "GET / HTTP/1.0\r\n\r\n"),
         {error, closed} = gen_tcp:recv(Socket, 0, 15000),
         Reports = rustls_dist_reports:await(Good, Count),
         ?assertEqual(Count, length(Reports)),
         report(lists:last(Reports), in, tls, {{127, 0, 0, 1}, From}, "does not speak TLS.*GET /", "")
     end || Count <- [1, 2]].

%% certificates ---------------------------------------------------------------------------------------------

expired(Config) ->
    Peer = dated(Config, "expired", {-9, -2}),
    both_fail(get(good, Config), Peer, certificate, ["expired.*", date(-2)], certificate, "certificate_expired.* expired"),
    stop([Peer]).

client_expired(Config) ->
    Peer = dated(Config, "expired_client", {-9, -2}),
    both_fail(Peer, get(good, Config), certificate, "certificate_expired.* expired", certificate, ["expired.*", date(-2)]),
    stop([Peer]).

not_yet_valid(Config) ->
    Peer = dated(Config, "future", {2, 9}),
    both_fail(get(good, Config), Peer, certificate, ["not (yet )?valid.*", date(2)],
              certificate, "certificate_expired.* not valid yet"),
    stop([Peer]).

unknown_authority(Config) ->
    Cluster = get(cluster, Config),
    Other = rustls_dist_certs:ca(rustls_dist_cluster:dir(Cluster), "other_ca"),
    #{cert := Cert, key := Key} = rustls_dist_certs:cert(rustls_dist_cluster:dir(Cluster), Other, "stranger", #{}),
    Own = [{certfile, Cert}, {keyfile, Key}],
    Peer = start(Cluster, [{server, Own}, {client, Own}], #{}),
    ok = rustls_dist_reports:collect(Peer),
    both_fail(get(good, Config), Peer, certificate, "cacertfile|authority|issuer", certificate,
              "unknown_ca.*compare its cacertfile"),
    stop([Peer]).

wrong_host_name(Config) ->
    Peer = bad(Config, "elsewhere", #{san => "DNS:elsewhere.example,IP:10.1.2.3"}, #{}),
    both_fail(get(good, Config), Peer, certificate, "does not name .*127[.]0[.]0[.]1.*elsewhere[.]example.*10[.]1[.]2[.]3",
              certificate, "host name"),
    stop([Peer]).

no_certificate(Config) ->
    [{server, Server}, {client, Client}] = get(options, Config),
    Options = [{server, Server}, {client, lists:keydelete(certfile, 1, lists:keydelete(keyfile, 1, Client))}],
    [begin
         Peer = start(get(cluster, Config), [Side(S) || S <- Options], #{}),
         ok = rustls_dist_reports:collect(Peer),
         ok = rustls_dist_reports:collect(get(good, Config)),
         both_fail(Peer, get(good, Config), certificate, Alert, certificate, "no certificate|presented no"),
         stop([Peer])
     end || {Side, Alert} <- [{fun(S) -> S end, "certificate_required.*set certfile and keyfile"},
                              {fun({S, O}) -> {S, [{versions, ['tlsv1.2']} | O]} end, "handshake_failure|certificate"}]].

%% A certificate for servers only, presented by a client.
wrong_usage(Config) ->
    Peer = bad(Config, "server_only", #{extensions => ["extendedKeyUsage=serverAuth"]}, #{}),
    both_fail(Peer, get(good, Config), certificate, "extended key usage|not meant|does not accept",
              certificate, "usage|purpose|[Cc]lient"),
    stop([Peer]).

%% the distribution handshake -------------------------------------------------------------------------------

wrong_cookie(Config) ->
    Peer = start(get(cluster, Config), get(options, Config), #{cookie => "another"}),
    ok = rustls_dist_reports:collect(Peer),
    both_fail(Peer, get(good, Config), distribution_handshake, "cookie", distribution_handshake, "cookies differ"),
    stop([Peer]).

not_allowed(Config) ->
    Guarded = start(get(cluster, Config), get(options, Config), #{}),
    ok = rustls_dist_cluster:call(Guarded, net_kernel, allow, [['friend@127.0.0.1']]),
    ok = rustls_dist_reports:collect(Guarded),
    both_fail(get(good, Config), Guarded, distribution_handshake, "net_kernel:allow/1",
              distribution_handshake, "net_kernel:allow/1"),
    stop([Guarded]).

plain_peer_dials(Config) ->
    Good = get(good, Config),
    Plain = rustls_dist_cluster:start(get(cluster, Config), #{proto => "inet_tcp"}),
    twice(Plain, rustls_dist_cluster:name(Good)),
    [report(Report, in, tls, any, "speaks distribution without TLS", "start it with -proto_dist rustls")
     || Report <- exactly_two(Good)],
    stop([Plain]).

%% A plain node takes a TLS hello for the beginning of a long packet and waits for the rest.
plain_peer_dialled(Config) ->
    Plain = rustls_dist_cluster:start(get(cluster, Config), #{proto => "inet_tcp"}),
    Impatient = impatient(Config),
    twice(Impatient, rustls_dist_cluster:name(Plain)),
    [report(Report, out, tls, any, "distribution without TLS", "start it with -proto_dist rustls")
     || Report <- exactly_two(Impatient)],
    stop([Impatient, Plain]).

%% the log --------------------------------------------------------------------------------------------------

%% What the collected reports are, is also what a person finds in the log, unless a handler was set up otherwise.
line_in_log(Config) ->
    Good = get(good, Config),
    twice(Good, 'unheard_of@127.0.0.1'),
    [#{line := Line}, _] = exactly_two(Good),
    ?assertEqual(match, re:run(Line, "^rustls_dist: link to unheard_of@127.0.0.1.* failed at epmd: ", [{capture, none}])),
    Logged = rustls_dist_cluster:await_log(Good, "unheard_of"),
    ?assertNotEqual(nomatch, string:find(Logged, Line)).

%% A failure that repeats is logged five times in ten seconds; the others are counted, and the count is logged.
repetition_is_counted(Config) ->
    Good = get(good, Config),
    [false = rustls_dist_cluster:call(Good, net_kernel, connect_node, ['gone@127.0.0.1']) || _ <- lists:seq(1, 8)],
    ?assertEqual(5, length(rustls_dist_reports:await(Good, 5))),
    rustls_dist_cluster:call(Good, erlang, send,
                             [rustls_dist_log_limit, {period_over, {out, 'gone@127.0.0.1', epmd}}]),
    Repeated = rustls_dist_cluster:poll(fun() ->
                                                [Report || #{event := link_failures_repeated} = Report
                                                               <- rustls_dist_reports:all(Good)] =/= []
                                                    andalso lists:last(rustls_dist_reports:all(Good))
                                        end),
    ?assertMatch(#{count := 3}, Repeated),
    ?assertEqual(match, re:run(maps:get(line, Repeated), "gone@127.0.0.1.*3 more times", [{capture, none}])).

%% ----------------------------------------------------------------------------------------------------------

%% The good node dials Node in vain; there is nobody on the other side to log anything.
fails_alone(Config, Node, Stage, Port, What, Mend) ->
    Good = get(good, Config),
    twice(Good, Node),
    Address = case Port of
                  _ when is_integer(Port) -> {{127, 0, 0, 1}, Port};
                  _ -> Port
              end,
    [begin
         report(Report, out, Stage, Address, What, Mend),
         ?assertMatch(#{node := Node}, Report)
     end || Report <- exactly_two(Good)].

both_fail(From, To, OutStage, OutText, InStage, InText) ->
    twice(From, rustls_dist_cluster:name(To)),
    Out = exactly_two(From),
    In = exactly_two(To),
    Port = rustls_dist_cluster:listening_port(To),
    [begin
         report(Report, out, OutStage, {{127, 0, 0, 1}, Port}, OutText, ""),
         ?assertEqual(rustls_dist_cluster:name(To), maps:get(node, Report))
     end || Report <- Out],
    [report(Report, in, InStage, any, InText, "") || Report <- In].

twice(From, Node) ->
    [?assertEqual(false, rustls_dist_cluster:call(From, net_kernel, connect_node, [Node], 30000)) || _ <- [1, 2]].

%% The first attempt's entries are all there when the second one's are.
exactly_two(Peer) ->
    Reports = rustls_dist_reports:await(Peer, 2),
    ct:log("~tp", [Reports]),
    ?assertEqual(2, length(Reports), Reports),
    Reports.

report(#{line := Line} = Report, Direction, Stage, Address, What, Mend) ->
    ?assertMatch(#{event := link_failed, level := error, direction := Direction, stage := Stage, reason := _}, Report),
    case Address of
        any -> ?assertMatch(#{address := {{127, 0, 0, 1}, Port}} when is_integer(Port), Report);
        none -> ok;
        {_, Port} -> ?assertEqual({{{127, 0, 0, 1}, Port}, Line}, {maps:get(address, Report), Line}),
                     ?assertNotEqual(nomatch, string:find(Line, integer_to_list(Port)))
    end,
    [?assertEqual({match, Line}, {re:run(Line, Pattern, [{capture, none}]), Line}) || Pattern <- [What, Mend]],
    ?assertEqual(nomatch, string:find(Line, "\n")).

failed(Config) ->
    rustls_dist_reports:all(get(good, Config)).

%% A node that the good one, or another, will not get on with. CertOptions as for rustls_dist_certs:cert/4.
bad(Config, Name, CertOptions, Extra) ->
    Cluster = get(cluster, Config),
    Peer = start(Cluster, own(Cluster, get(ca, Config), Name, CertOptions, Extra), #{}),
    ok = rustls_dist_reports:collect(Peer),
    Peer.

impatient(Config) ->
    Peer = start(get(cluster, Config), get(options, Config), #{args => ["-kernel", "net_setuptime", "1"]}),
    ok = rustls_dist_reports:collect(Peer),
    Peer.

%% A node whose certificate is valid from one day to another, counted from today.
dated(Config, Name, Days) ->
    Cluster = get(cluster, Config),
    Cert = rustls_dist_certs:dated_cert(rustls_dist_cluster:dir(Cluster), get(ca, Config), Name, Days, #{}),
    Peer = start(Cluster, rustls_dist_certs:options(Cert), #{}),
    ok = rustls_dist_reports:collect(Peer),
    Peer.

date(DaysFromToday) ->
    {Date, _Time} = calendar:system_time_to_universal_time(erlang:system_time(second) + DaysFromToday * 86400, second),
    io_lib:format("~4..0w-~2..0w-~2..0w", tuple_to_list(Date)).

own(Cluster, Ca, Name, CertOptions) ->
    own(Cluster, Ca, Name, CertOptions, #{}).

own(Cluster, Ca, Name, CertOptions, Extra) ->
    rustls_dist_certs:options(rustls_dist_certs:cert(rustls_dist_cluster:dir(Cluster), Ca, Name, CertOptions), Extra).

start(Cluster, Options, More) ->
    File = rustls_dist_cluster:optfile(Cluster, lists:concat(["o", erlang:unique_integer([positive])]), Options),
    rustls_dist_cluster:start(Cluster, More#{optfile => File}).

stop(Peers) ->
    [ok = rustls_dist_cluster:stop_node(Peer) || Peer <- Peers].

%% A server that is no node, known to epmd as Name; Serve is called for each connection, which is then closed.
server(Config, Name, Serve) ->
    {ok, Listen} = gen_tcp:listen(0, [{ip, {127, 0, 0, 1}}, binary, {active, false}, {exit_on_close, false}]),
    {ok, Port} = inet:port(Listen),
    Server = spawn_link(fun() -> serve(Listen, Serve) end),
    ok = gen_tcp:controlling_process(Listen, Server),
    {Port, rustls_dist_cluster:fake_node(get(cluster, Config), Name, Port), Server}.

serve(Listen, Serve) ->
    {ok, Socket} = gen_tcp:accept(Listen),
    Serve(Socket),
    ok = gen_tcp:close(Socket),
    serve(Listen, Serve).

read_on(Socket) ->
    case gen_tcp:recv(Socket, 0) of
        {ok, _} -> read_on(Socket);
        Error -> Error
    end.

stop_server(Epmd, Server) ->
    unlink(Server),
    exit(Server, kill),
    gen_tcp:close(Epmd).

get(Key, Config) ->
    proplists:get_value(Key, Config).
