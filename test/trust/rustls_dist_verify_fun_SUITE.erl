%% verify_fun on real links: how it is given, what its answers do, and what happens when it breaks, with nodes of the
%% carrier and with peers played with OTP's ssl, which tell the alert they got (issue 3, point 1). The pinning function
%% has rustls_dist_pinned_SUITE.
-module(rustls_dist_verify_fun_SUITE).

-include_lib("stdlib/include/assert.hrl").

-export([all/0, suite/0, init_per_suite/1, end_per_suite/1]).
-export([command_line/1, optfile_fun/1, optfile_triple/1, optfile_four_arguments/1]).
-export([answer_valid/1, answer_fail/1, fault_accepted/1, fault_not_accepted/1, critical_extension/1]).
-export([broken_functions/1, hanging/1, others_go_on/1]).
-export([verify_client/1, verify_client_allowed/1]).

-define(VERSIONS, ['tlsv1.2', 'tlsv1.3']).

%% A message that is on its way when a link is ended must not open another.
-define(ARGUMENTS, ["-kernel", "dist_auto_connect", "never"]).

%% What a peer hears when the function that judges it is broken.
-define(BROKEN, certificate_unknown).

suite() ->
    [{timetrap, {minutes, 3}}].

all() ->
    [command_line, optfile_fun, optfile_triple, optfile_four_arguments,
     answer_valid, answer_fail, fault_accepted, fault_not_accepted, critical_extension,
     broken_functions, hanging, others_go_on, verify_client, verify_client_allowed].

init_per_suite(Config) ->
    {ok, Applications} = application:ensure_all_started(ssl),
    {Keeper, Started} = rustls_dist_cluster:keep(fun start/0),
    [{keeper, Keeper}, {world, Started}, {applications, Applications} | Config].

%% `peer' is a good node for all cases; `expired' one that needs to be forgiven.
start() ->
    Cluster = rustls_dist_cluster:new(),
    Dir = rustls_dist_cluster:dir(Cluster),
    Ca = rustls_dist_certs:ca(Dir, "ca"),
    World = #{cluster => Cluster, dir => Dir, ca => Ca, own => rustls_dist_certs:cert(Dir, Ca, "own", #{})},
    Good = rustls_dist_certs:cert(Dir, Ca, "good", #{}),
    Expired = rustls_dist_certs:dated_cert(Dir, Ca, "expired", {-10, -1}, #{}),
    World#{good => Good, expired => Expired,
           peer => start(World, Good), expired_peer => start(World, Expired)}.

start(#{cluster := Cluster}, Cert) ->
    rustls_dist_pair:start(Cluster, optfile, rustls_dist_certs:options(Cert), #{args => ?ARGUMENTS}).

end_per_suite(Config) ->
    ok = rustls_dist_cluster:stop(get(cluster, Config)),
    rustls_dist_cluster:release(proplists:get_value(keeper, Config)),
    lists:foreach(fun application:stop/1, lists:reverse(proplists:get_value(applications, Config))).

%% how it is given --------------------------------------------------------------------------------------------

command_line(Config) ->
    Record = record_file(Config),
    Options = [{Side, [case Option of
                           {verify_fun, Term} -> {verify_fun, lists:flatten(io_lib:format("~0p", [Term]))};
                           _ -> Option
                       end || Option <- List]}
               || {Side, List} <- options(Config, #{verify_fun => {rustls_dist_verdicts, record, {Record, 0}}})],
    called(Config, rustls_dist_pair:start(get(cluster, Config), flag, Options, #{args => ?ARGUMENTS}), Record).

optfile_fun(Config) ->
    Record = record_file(Config),
    called(Config, node(Config, #{verify_fun => {fun rustls_dist_verdicts:record/3, {Record, 0}}}), Record).

optfile_triple(Config) ->
    Record = record_file(Config),
    called(Config, node(Config, #{verify_fun => {rustls_dist_verdicts, record, {Record, 0}}}), Record).

%% The fun of OTP 26 and later, which gets the certificate in DER, too.
optfile_four_arguments(Config) ->
    Record = record_file(Config),
    called(Config, node(Config, #{verify_fun => {fun rustls_dist_verdicts:record/4, {Record, 0}}}), Record).

%% Both roles call it, from the root down to the peer; each handshake starts with the first state, and each call gets the
%% state that the one before it returned.
called(Config, Node, Record) ->
    Peer = get(peer, Config),
    [begin
         _ = file:delete(Record),
         ok = rustls_dist_cluster:join(From, To),
         Calls = rustls_dist_verdicts:calls(Record),
         ct:log("~tp", [Calls]),
         ?assertEqual(lists:seq(0, length(Calls) - 1), [Number || {Number, _, _} <- Calls]),
         ?assertMatch({_, "good", valid_peer}, lists:last(Calls)),
         Extensions = [Event || {_, "good", {extension, _, _} = Event} <- Calls],
         ?assertMatch([_ | _], Extensions),
         ?assertEqual([], Extensions -- lists:usort(Extensions)),
         ok = rustls_dist_cluster:part(From, To)
     end || {From, To} <- [{Node, Peer}, {Peer, Node}]],
    rustls_dist_pair:stop([Node]).

%% what its answers do ---------------------------------------------------------------------------------------

%% `valid_peer' is as good as `valid', wherever.
answer_valid(Config) ->
    [begin
         Node = node(Config, #{verify_fun => {fun rustls_dist_verdicts:Function/3, none}}),
         [joins(From, To) || {From, To} <- [{Node, get(peer, Config)}, {get(peer, Config), Node}]],
         rustls_dist_pair:stop([Node])
     end || Function <- [as_otp, trust_all]].

%% A chain without fault, and the function refuses: handshake_failure, as ssl sends it for reasons of the user's own.
answer_fail(Config) ->
    Node = node(Config, #{verify_fun => {fun rustls_dist_verdicts:refuse_peer/3, "good"}}),
    refused(Config, Node, get(good, Config), handshake_failure, "CN=good: refused: unwanted_peer"),
    never_joins(Node, get(peer, Config)),
    rustls_dist_pair:stop([Node]).

fault_accepted(Config) ->
    Node = node(Config, #{verify_fun => {fun rustls_dist_verdicts:whitelist/3, [cert_expired]}}),
    [joins(From, To) || {From, To} <- [{Node, get(expired_peer, Config)}, {get(expired_peer, Config), Node}]],
    [?assertEqual({Version, [let_in, let_in]}, {Version, both(Config, Node, get(expired, Config), Version)})
     || Version <- ?VERSIONS],
    %% Only that fault is forgiven.
    Stranger = rustls_dist_certs:self_signed(get(dir, Config), "stranger", #{}),
    refused(Config, Node, Stranger, handshake_failure, "not_whitelisted"),
    rustls_dist_pair:stop([Node]).

fault_not_accepted(Config) ->
    Node = node(Config, #{verify_fun => {fun rustls_dist_verdicts:as_otp/3, none}}),
    refused(Config, Node, get(expired, Config), certificate_expired, "CN=expired: .*has expired"),
    never_joins(Node, get(expired_peer, Config)),
    rustls_dist_pair:stop([Node]).

%% One that nobody knows has to be accepted by somebody.
critical_extension(Config) ->
    Odd = rustls_dist_certs:cert(get(dir, Config), get(ca, Config), "odd",
                                 #{extensions => ["basicConstraints=CA:FALSE", "1.2.3.4=critical,ASN1:NULL"]}),
    Unknown = node(Config, #{verify_fun => {fun rustls_dist_verdicts:extensions/3, unknown}}),
    refused(Config, Unknown, Odd, unsupported_certificate, "CN=odd: .*unknown_critical_extension"),
    Accepting = node(Config, #{verify_fun => {fun rustls_dist_verdicts:extensions/3, valid}}),
    [?assertEqual({Version, [let_in, let_in]}, {Version, both(Config, Accepting, Odd, Version)})
     || Version <- ?VERSIONS],
    Peer = start(get(world, Config), Odd),
    [joins(From, To) || {From, To} <- [{Accepting, Peer}, {Peer, Accepting}]],
    never_joins(Unknown, Peer),
    rustls_dist_pair:stop([Unknown, Accepting, Peer]).

%% what breaks -----------------------------------------------------------------------------------------------

%% That one handshake fails with that alert, and the log names the function.
broken_functions(Config) ->
    [begin
         Node = node(Config, #{verify_fun => {rustls_dist_verdicts, Function, none}}),
         refused(Config, Node, get(good, Config), ?BROKEN,
                 ["verify_fun rustls_dist_verdicts:", atom_to_list(Function), "/3 ", Line]),
         never_joins(Node, get(peer, Config)),
         rustls_dist_pair:stop([Node])
     end || {Function, Line} <- [{crash, "failed with error:deliberate"}, {throw, "failed with throw:deliberate"},
                                 {rubbish, "returned perhaps"}, {unknown_fault, "returned {unknown,none} for valid"},
                                 {kill, "ended its process with killed"}, {leave, "failed with exit:normal"}]].

%% net_setuptime is 2 s, and the peer hears of it.
hanging(Config) ->
    Node = node(Config, #{verify_fun => {rustls_dist_verdicts, hang, none}}, ["-kernel", "net_setuptime", "2"]),
    {Us, ok} = timer:tc(fun() ->
                                refused(Config, Node, get(good, Config), ?BROKEN,
                                        "verify_fun rustls_dist_verdicts:hang/3 did not return within net_setuptime")
                        end),
    %% Four handshakes, and no more time than they may have.
    ?assert(Us < 4 * 2500 * 1000, Us),
    never_joins(Node, get(peer, Config)),
    rustls_dist_pair:stop([Node]).

%% 20 handshakes hang in their function while others are made, in both directions.
others_go_on(Config) ->
    Slow = rustls_dist_certs:cert(get(dir, Config), get(ca, Config), "slow", #{}),
    Node = node(Config, #{verify_fun => {rustls_dist_verdicts, by_peer_answer, {hang, "slow"}}},
                ["-kernel", "net_setuptime", "10"]),
    ok = rustls_dist_reports:collect(Node),
    Before = processes_in(Node, hang),
    Self = self(),
    Presented = rustls_dist_bad_peers:presented(Slow),
    Pids = [spawn_link(fun() -> Self ! {self(), rustls_dist_bad_peers:dial(Node, Presented, 'tlsv1.2')} end)
            || _ <- lists:seq(1, 20)],
    rustls_dist_cluster:poll(fun() -> processes_in(Node, hang) - Before =:= 20 andalso ok end),
    [begin
         {Us, ok} = timer:tc(rustls_dist_cluster, join, [From, To]),
         ?assert(Us < 2000 * 1000, Us),
         ok = rustls_dist_cluster:part(From, To)
     end || {From, To} <- [{Node, get(peer, Config)}, {get(peer, Config), Node}]],
    ?assertEqual(20, processes_in(Node, hang) - Before),
    [receive {Pid, Outcome} -> ?assertEqual({alert, ?BROKEN}, Outcome) end || Pid <- Pids],
    rustls_dist_cluster:poll(fun() -> processes_in(Node, hang) =:= Before end),
    rustls_dist_pair:stop([Node]).

%% How many processes of a node are in a function of rustls_dist_verdicts.
processes_in(Node, Function) ->
    Pids = rustls_dist_cluster:call(Node, erlang, processes, []),
    length([Pid || Pid <- Pids,
                   {current_function, {rustls_dist_verdicts, Name, 3}} <-
                       [rustls_dist_cluster:call(Node, erlang, process_info, [Pid, current_function])],
                   Name =:= Function]).

%% verify_client ---------------------------------------------------------------------------------------------

%% As OTP's documentation writes it, and as it is called here: without net_kernel:allow/1 any valid certificate will do.
verify_client(Config) ->
    [begin
         Node = server(Config, VerifyFun),
         joins(get(peer, Config), Node),
         never_connects(get(expired_peer, Config), Node),
         rustls_dist_pair:stop([Node])
     end || VerifyFun <- client_checks()].

%% With it the certificate has to name the address that it comes from, or the host of an allowed node.
verify_client_allowed(Config) ->
    Dir = get(dir, Config),
    [Elsewhere, Listed] = [start(get(world, Config), rustls_dist_certs:cert(Dir, get(ca, Config), Name, #{san => San}))
                           || {Name, San} <- [{"elsewhere", "DNS:elsewhere.example"}, {"listed", "DNS:listed.example"}]],
    [begin
         Node = server(Config, VerifyFun),
         %% Until then nobody is asked for a name.
         joins(Elsewhere, Node),
         ok = rustls_dist_cluster:call(Node, net_kernel, allow, [[rustls_dist_cluster:name(get(peer, Config)),
                                                                 'any@listed.example']]),
         joins(get(peer, Config), Node),
         ok = rustls_dist_reports:collect(Node),
         never_connects(Elsewhere, Node),
         [#{line := Line} | _] = rustls_dist_reports:await(Node, 1),
         ?assertMatch({match, _}, re:run(Line, "CN=elsewhere: refused: cert_no_hostname_nor_ip_match")),
         %% Past verify_client, but it is not the node any@listed.example.
         ok = rustls_dist_reports:collect(Node),
         never_connects(Listed, Node),
         [#{line := AllowLine} | _] = rustls_dist_reports:await(Node, 1),
         ?assertMatch({match, _}, re:run(AllowLine, "net_kernel:allow/1")),
         rustls_dist_pair:stop([Node])
     end || VerifyFun <- client_checks()],
    rustls_dist_pair:stop([Elsewhere, Listed]).

client_checks() ->
    [{fun inet_tls_dist:verify_client/3, none}, {inet_tls_dist, verify_client, none},
     {fun rustls_dist:verify_client/3, none}].

%% A node whose server side alone has a verify_fun.
server(Config, VerifyFun) ->
    [{server, Server}, Client] = rustls_dist_certs:options(get(own, Config)),
    rustls_dist_pair:start(get(cluster, Config), optfile, [{server, [{verify_fun, VerifyFun} | Server]}, Client],
                           #{args => ?ARGUMENTS}).

%% -----------------------------------------------------------------------------------------------------------

node(Config, Extra) ->
    node(Config, Extra, []).

node(Config, Extra, Arguments) ->
    rustls_dist_pair:start(get(cluster, Config), optfile, options(Config, Extra), #{args => ?ARGUMENTS ++ Arguments}).

options(Config, Extra) ->
    rustls_dist_certs:options(get(own, Config), Extra).

joins(From, To) ->
    ok = rustls_dist_cluster:join(From, To),
    rustls_dist_cluster:part(From, To).

never_joins(Node, Peer) ->
    [never_connects(From, To) || {From, To} <- [{Node, Peer}, {Peer, Node}]],
    ok.

never_connects(From, To) ->
    ?assertNot(rustls_dist_cluster:call(From, net_kernel, connect_node, [rustls_dist_cluster:name(To)])),
    ?assertEqual([false, false], [rustls_dist_cluster:connected(From, To), rustls_dist_cluster:connected(To, From)]).

both(Config, Node, Cert, Version) ->
    Presented = rustls_dist_bad_peers:presented(Cert),
    [rustls_dist_bad_peers:dial(Node, Presented, Version),
     rustls_dist_bad_peers:answer(get(cluster, Config), Node, Presented, Version)].

%% In both directions, on both versions: the peer gets Alert and the node logs Line. A client of OTP's ssl that is asked
%% for other authorities' certificates shows none on TLS 1.3, so openssl plays it.
refused(Config, Node, Cert, Alert, Line) ->
    [begin
         ok = rustls_dist_reports:collect(Node),
         Outcome = case Side of
                       client -> rustls_dist_bad_peers:answer(get(cluster, Config), Node, {openssl, Cert}, Version);
                       server -> rustls_dist_bad_peers:dial(Node, {openssl, Cert}, Version)
                   end,
         [#{line := Logged} | _] = rustls_dist_reports:await(Node, 1),
         ?assertEqual({Side, Version, {alert, Alert}}, {Side, Version, Outcome}, Logged),
         ?assertMatch({match, _}, re:run(Logged, ["failed .*: .*", Line]), Logged)
     end || Side <- [client, server], Version <- ?VERSIONS],
    ok.

record_file(Config) ->
    filename:join(get(dir, Config), lists:concat(["calls", erlang:unique_integer([positive])])).

get(world, Config) -> proplists:get_value(world, Config);
get(Name, Config) -> maps:get(Name, get(world, Config)).
