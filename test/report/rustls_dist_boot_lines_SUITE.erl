%% What a node says when it starts: one sentence for what keeps it from coming up, and a warning for each thing that peers
%% will refuse in its own certificates.
-module(rustls_dist_boot_lines_SUITE).

-include_lib("stdlib/include/assert.hrl").
-include_lib("common_test/include/ct.hrl").

-export([all/0, suite/0, init_per_suite/1, end_per_suite/1]).
-export([used_up_port_range/1, no_epmd/1, odd_epmd/1, same_fault_on_both_sides/1, different_faults/1, without_listening/1,
         without_listening_at_run_time/1,
         own_certificates/1, own_certificate_of_node/1, nobody_dials/1, good_certificate_is_silent/1, again_every_day/1, told_beforehand/1,
         not_of_tools/1, pinned_and_unverified/1]).

suite() ->
    [{timetrap, {minutes, 2}}].

all() ->
    [used_up_port_range, no_epmd, odd_epmd, same_fault_on_both_sides, different_faults, without_listening,
     without_listening_at_run_time,
     own_certificates, own_certificate_of_node, nobody_dials, good_certificate_is_silent, again_every_day, told_beforehand,
     not_of_tools, pinned_and_unverified].

init_per_suite(Config) ->
    {Keeper, Started} =
        rustls_dist_cluster:keep(
          fun() ->
                  Cluster = rustls_dist_cluster:new(),
                  Dir = rustls_dist_cluster:dir(Cluster),
                  Ca = rustls_dist_certs:ca(Dir, "ca"),
                  Own = rustls_dist_certs:cert(Dir, Ca, "own", #{}),
                  [{cluster, Cluster}, {dir, Dir}, {ca, Ca}, {own, Own}]
          end),
    [{keeper, Keeper} | Started ++ Config].

end_per_suite(Config) ->
    ok = rustls_dist_cluster:stop(?config(cluster, Config)),
    rustls_dist_cluster:release(?config(keeper, Config)).

%% what keeps a node from coming up ---------------------------------------------------------------------------

used_up_port_range(Config) ->
    {ok, Taken} = gen_tcp:listen(0, []),
    {ok, Port} = inet:port(Taken),
    Text = integer_to_list(Port),
    stops(Config, rustls_dist_certs:options(?config(own, Config)),
          ["-kernel", "inet_dist_listen_min", Text, "-kernel", "inet_dist_listen_max", Text],
          ["all ports from " ++ Text ++ " to " ++ Text, "inet_dist_listen_min", "widen the range"]),
    ok = gen_tcp:close(Taken).

no_epmd(Config) ->
    [Port] = rustls_dist_listening:free_ports(inet, 1),
    stops(with_epmd(Config, Port), rustls_dist_certs:options(?config(own, Config)), ["-start_epmd", "false"],
          ["epmd on 127.0.0.1 port " ++ integer_to_list(Port) ++ " cannot be reached (connection refused)", "epmd -daemon"]).

%% What listens there closes, or says something else.
odd_epmd(Config) ->
    [begin
         {ok, Listen} = gen_tcp:listen(0, [{ip, {127, 0, 0, 1}}, binary, {active, false}]),
         {ok, Port} = inet:port(Listen),
         Server = spawn_link(fun() -> answer_all(Listen, Answer) end),
         ok = gen_tcp:controlling_process(Listen, Server),
         stops(with_epmd(Config, Port), rustls_dist_certs:options(?config(own, Config)), ["-start_epmd", "false"],
               ["epmd on 127.0.0.1", Said]),
         unlink(Server),
         exit(Server, kill)
     end || {Answer, Said} <- [{<<>>, "closed the connection without an answer"},
                               {<<"HTTP/1.0 400\r\n">>, "gave an answer that makes no sense"}]].

%% Nodes take this port for epmd's.
with_epmd(Config, Port) ->
    lists:keyreplace(cluster, 1, Config, {cluster, (?config(cluster, Config))#{epmd_port := Port}}).

answer_all(Listen, Answer) ->
    {ok, Socket} = gen_tcp:accept(Listen),
    {ok, _Request} = gen_tcp:recv(Socket, 0),
    ok = gen_tcp:send(Socket, Answer),
    ok = gen_tcp:close(Socket),
    answer_all(Listen, Answer).

same_fault_on_both_sides(Config) ->
    Missing = filename:join(?config(dir, Config), "missing.pem"),
    Own = [{certfile, Missing}],
    stops(Config, [{server, Own}, {client, Own}], [], ["server and client option certfile", Missing, "does not exist"]),
    stops(Config, [{server, []}, {client, []}],
          ["-ssl_dist_opt", "server_certfile", Missing, "client_certfile", Missing],
          ["server and client option certfile (from -ssl_dist_opt server_certfile and client_certfile)", Missing]),
    stops(Config, [{server, [{nonsense, 1}]}, {client, [{nonsense, 1}]}], [], ["the server and client option nonsense"]).

different_faults(Config) ->
    #{cert := Cert, key := Key} = ?config(own, Config),
    Output = output(Config, [{server, [{certfile, Cert ++ "1"}, {keyfile, Key}]}, {client, [{certfile, Cert ++ "2"}]}], []),
    ?assertEqual(2, length(own_lines(Output)), Output).

%% A node that does not listen needs its client part only, and ends as others do when that cannot work.
without_listening(Config) ->
    Missing = filename:join(?config(dir, Config), "missing.pem"),
    Output = stops(Config, [{server, []}, {client, [{cacertfile, Missing}]}], ["-dist_listen", "false"],
                   ["client option cacertfile", Missing, "does not exist"]),
    ?assert(length(string:lexemes(Output, "\n")) =< 3, Output),
    ?assertEqual(nomatch, string:find(Output, "CRASH"), Output),
    ?assertEqual(nomatch, string:find(Output, "Kernel pid terminated"), Output).

%% net_kernel:start/2 fails, and the runtime system goes on.
without_listening_at_run_time(Config) ->
    Missing = filename:join(?config(dir, Config), "missing.pem"),
    Node = rustls_dist_cluster:start_undistributed(?config(cluster, Config),
                                                   #{optfile => optfile(Config, [{server, []},
                                                                                 {client, [{cacertfile, Missing}]}])}),
    {error, _} = rustls_dist_cluster:call(Node, net_kernel, start, ['a@127.0.0.1', #{name_domain => longnames,
                                                                                     dist_listen => false}]),
    _ = rustls_dist_cluster:await_log(Node, "rustls_dist: client option cacertfile .*does not exist"),
    ok = rustls_dist_cluster:stop_node(Node).

%% The node does not come up; what it prints has all of Said, in one line of the carrier's.
stops(Config, Options, Arguments, Said) ->
    Output = output(Config, Options, Arguments),
    ?assertMatch([_], own_lines(Output), Output),
    [?assertNotEqual(nomatch, string:find(hd(own_lines(Output)), Part), {Part, Output}) || Part <- Said],
    Output.

output(Config, Options, Arguments) ->
    Name = lists:concat(["stops", erlang:unique_integer([positive]), "@127.0.0.1"]),
    {Status, Output} = rustls_dist_cluster:run_until_exit(
                         ?config(cluster, Config),
                         ["-name", Name, "-proto_dist", "rustls", "-setcookie", "rustls_dist_test",
                          "-ssl_dist_optfile", optfile(Config, Options) | Arguments]),
    ?assertNotEqual(0, Status, Output),
    Output.

own_lines(Output) ->
    [Line || Line <- string:lexemes(Output, "\n"), string:find(Line, "rustls_dist: ") =/= nomatch].

optfile(Config, Options) ->
    rustls_dist_cluster:optfile(?config(cluster, Config), lists:concat(["o", erlang:unique_integer([positive])]), Options).

%% own certificates -------------------------------------------------------------------------------------------

%% The rules, with the time and the host as arguments.
own_certificates(_Config) ->
    Now = 1800000000,
    Day = 86400,
    Good = #{subject => <<"CN=n">>, serial => <<"0A">>, issuer => <<"CN=ca">>, dns_names => [<<"Host.example">>],
             ip_addresses => [<<"10.0.0.1">>, <<"2001:db8::1">>], common_names => [],
             usages => [digital_signature, server_auth, client_auth],
             not_before => Now - Day, not_after => Now + 31 * Day},
    Warnings = fun(Changes, Roles, Host) ->
                       Chain = [maps:merge(Good, Changes)],
                       [unicode:characters_to_list(Text)
                        || Text <- rustls_dist_own_faults:warnings(maps:from_list([{Role, [Chain]} || Role <- Roles]),
                                                                        Now, Host)]
               end,
    Both = [server, client],
    [?assertEqual({Host, []}, {Host, Warnings(#{}, Both, Host)})
     || Host <- ["host.example", "HOST.EXAMPLE", "10.0.0.1", "2001:db8:0::1", none, not_judged]],
    [begin
         Given = Warnings(Changes, Roles, Host),
         ?assertEqual({Changes, length(Said)}, {Changes, length(Given)}),
         [?assertEqual(match, re:run(Text, Part, [{capture, none}]), {Text, Part})
          || {Text, Parts} <- lists:zip(Given, Said), Part <- ["CN=n with the serial number 0A" | Parts]]
     end || {Changes, Roles, Host, Said} <-
                [{#{not_after => Now - 1}, Both, "host.example", [["expired on 2027-01-15", "renew it"]]},
                 {#{not_before => Now + 1}, Both, none, [["not valid before 2027-01-15", "clock"]]},
                 {#{not_after => Now + 30 * Day - 1}, Both, not_judged, [["expires on", "in 29 days"]]},
                 {#{not_after => Now + 7 * Day - 1}, Both, not_judged, [["expires on", "in 6 days"]]},
                 {#{}, [server], "other.example", [["does not name this node's host other.example",
                                                    "it names Host.example, 10.0.0.1", "DNS:other.example"]]},
                 {#{}, Both, "10.0.0.2", [["does not name this node's host 10.0.0.2", "IP:10.0.0.2"]]},
                 {#{dns_names => [<<"10.0.0.2">>]}, Both, "10.0.0.2", [["does not name"]]},
                 {#{usages => [digital_signature, client_auth]}, Both, "host.example", [["serverAuth, which a server needs"]]},
                 {#{usages => [digital_signature, server_auth]}, Both, "host.example", [["clientAuth, which a client needs"]]},
                 {#{usages => [digital_signature, server_auth]}, [server], "host.example", []},
                 {#{usages => [digital_signature, client_auth]}, [client], none, []},
                 {#{usages => [server_auth]}, [server], "host.example", [["key usage digitalSignature"]]},
                 {#{not_after => Now - 1}, [client], none, [["expired"]]}]],
    %% What is told beforehand is told at 30, 7 and 1 days, and not on each day between.
    Ahead = fun(Left) ->
                    [Kind || {Kind, _Text} <- rustls_dist_own_faults:faults(#{server => [[Good#{not_after := Now + Left}]]}, Now, none)]
            end,
    [?assertEqual({Left, [{expires, <<"0A">>, Days}]}, {Left, Ahead(Left)})
     || {Left, Days} <- [{30 * Day - 1, 30}, {7 * Day, 30}, {7 * Day - 1, 7}, {Day, 7}, {Day - 1, 1}, {0, 1}]],
    ?assertEqual([[], [expired]], [Ahead(30 * Day), Ahead(-1)]),
    %% An authority that is sent along; the leaf's host and usages are not asked of it.
    Authority = Good#{subject := <<"CN=between">>, serial := <<"0B">>, not_after := Now - 1, dns_names := [], usages := []},
    [Text] = rustls_dist_own_faults:warnings(#{server => [[Good, Authority]], client => [[Good, Authority]]}, Now,
                                                  "host.example"),
    ?assertEqual(match, re:run(Text, "CN=between with the serial number 0B expired", [{capture, none}])).

own_certificate_of_node(Config) ->
    #{dir := Dir, ca := Ca} = maps:from_list(Config),
    Expired = rustls_dist_certs:dated_cert(Dir, Ca, "expired", {-9, -2}, #{}),
    Soon = rustls_dist_certs:dated_cert(Dir, Ca, "soon", {-9, 10}, #{san => "DNS:elsewhere.example",
                                                                     extensions => ["extendedKeyUsage=codeSigning"]}),
    [begin
         Node = start(Config, rustls_dist_certs:options(Cert), #{}),
         [_ = rustls_dist_cluster:await_log(Node, "rustls_dist: this node's certificate of CN=.*" ++ Part) || Part <- Said],
         Lines = own_lines(rustls_dist_cluster:log(Node)),
         ?assertEqual(length(Said), length(Lines), Lines),
         ok = rustls_dist_cluster:stop_node(Node)
     end || {Cert, Said} <- [{Expired, ["expired on"]},
                             {Soon, ["expires on .* in (9|10) days", "does not name this node's host 127.0.0.1",
                                     "lacks the extended key usage serverAuth", "lacks the extended key usage clientAuth"]}]].

%% A node that nobody dials need not name its host; a client's certificate never does.
nobody_dials(Config) ->
    #{dir := Dir, ca := Ca} = maps:from_list(Config),
    Tool = rustls_dist_certs:cert(Dir, Ca, "tool", #{san => none, extensions => ["extendedKeyUsage=clientAuth"]}),
    [{server, _}, Client] = rustls_dist_certs:options(Tool),
    [Server, _] = rustls_dist_certs:options(?config(own, Config)),
    [begin
         Node = start(Config, [Server, Client], #{args => Arguments}),
         look(Node),
         ?assertEqual([], own_lines(rustls_dist_cluster:log(Node))),
         ok = rustls_dist_cluster:stop_node(Node)
     end || Arguments <- [[], ["-dist_listen", "false"]]],
    Node = start(Config, rustls_dist_certs:options(Tool), #{args => ["-dist_listen", "false"]}),
    look(Node),
    ?assertEqual([], own_lines(rustls_dist_cluster:log(Node))),
    ok = rustls_dist_cluster:stop_node(Node).

good_certificate_is_silent(Config) ->
    Node = start(Config, rustls_dist_certs:options(?config(own, Config)), #{}),
    look(Node),
    ?assertEqual([], own_lines(rustls_dist_cluster:log(Node))),
    ok = rustls_dist_cluster:stop_node(Node).

%% The first look, at boot, and each period again; what is still to come is not repeated before there is less time left.
again_every_day(Config) ->
    #{dir := Dir, ca := Ca} = maps:from_list(Config),
    Elsewhere = #{san => "DNS:elsewhere.example"},
    Node = start(Config, rustls_dist_certs:options(rustls_dist_certs:dated_cert(Dir, Ca, "daily", {-9, 3}, Elsewhere)), #{}),
    _ = rustls_dist_cluster:await_log(Node, "daily.* expires on"),
    {state, 86400000, [{expires, _Serial, 7}]} = rustls_dist_cluster:call(Node, sys, get_state, [rustls_dist_own_certificate]),
    ok = rustls_dist_reports:collect(Node),
    ok = rustls_dist_cluster:call(Node, rustls_dist_reports, own_certificates_every, [50]),
    Said = fun(Part) -> [Line || #{event := own_certificate, line := Line} <- rustls_dist_reports:all(Node),
                                 string:find(Line, Part) =/= nomatch]
           end,
    rustls_dist_cluster:poll(fun() -> length(Said("does not name this node's host")) >= 3 end),
    ?assertMatch([_], Said("expires on")),
    ok = rustls_dist_cluster:stop_node(Node).

%% That a certificate will expire is told once for 30, for 7 and for 1 day.
told_beforehand(Config) ->
    #{dir := Dir, ca := Ca} = maps:from_list(Config),
    [begin
         Name = "in" ++ integer_to_list(Days),
         Node = start(Config, rustls_dist_certs:options(rustls_dist_certs:dated_cert(Dir, Ca, Name, {-9, Days}, #{})), #{}),
         _ = rustls_dist_cluster:await_log(Node, Name ++ ".* expires on"),
         [ok = rustls_dist_cluster:call(Node, rustls_dist_own_certificate, look_again, []) || _ <- lists:seq(1, 5)],
         {state, _, [{expires, _, Told}]} = rustls_dist_cluster:call(Node, sys, get_state, [rustls_dist_own_certificate]),
         ?assertEqual(1, length(own_lines(rustls_dist_cluster:log(Node)))),
         ok = rustls_dist_cluster:stop_node(Node)
     end || {Days, Told} <- [{3, 7}, {20, 30}]].

%% A tool that starts distribution for a moment says nothing of its certificate; one that stays does.
not_of_tools(Config) ->
    #{dir := Dir, ca := Ca, cluster := Cluster} = maps:from_list(Config),
    Options = rustls_dist_certs:options(rustls_dist_certs:dated_cert(Dir, Ca, "tool", {-9, 3}, #{})),
    Tool = rustls_dist_cluster:start_undistributed(Cluster, #{optfile => optfile(Config, Options)}),
    {ok, _} = rustls_dist_cluster:call(Tool, net_kernel, start, [['tool@127.0.0.1', longnames]]),
    _ = rustls_dist_cluster:call(Tool, erlang, send, [rustls_dist_own_certificate, {look, 1}]),
    _ = rustls_dist_cluster:call(Tool, sys, get_state, [rustls_dist_own_certificate]),
    ?assertEqual([], own_lines(rustls_dist_cluster:log(Tool))),
    look(Tool),
    _ = rustls_dist_cluster:await_log(Tool, "tool.* expires on"),
    ok = rustls_dist_cluster:stop_node(Tool).

%% Where nobody compares names, or certificates are known by fingerprint, only time matters.
pinned_and_unverified(Config) ->
    #{dir := Dir} = maps:from_list(Config),
    #{cert := Cert, key := Key} = rustls_dist_certs:self_signed(Dir, "pinned", #{san => "DNS:elsewhere.example"}),
    Own = [{certfile, Cert}, {keyfile, Key}],
    Pins = [{verify, verify_peer}, {verify_fun, {rustls_dist, verify_pinned, ["00"]}}],
    [begin
         Node = start(Config, [{server, Own ++ More}, {client, Own ++ More}], #{}),
         look(Node),
         ?assertEqual([], [Line || Line <- own_lines(rustls_dist_cluster:log(Node)),
                                   string:find(Line, "this node's certificate") =/= nomatch]),
         ok = rustls_dist_cluster:stop_node(Node)
     end || More <- [[], Pins]].

start(Config, Options, More) ->
    rustls_dist_cluster:start(?config(cluster, Config), More#{optfile => optfile(Config, Options)}).

%% Has the node look at its certificates once more, and waits until it did.
look(Node) ->
    _ = rustls_dist_cluster:call(Node, erlang, send, [rustls_dist_own_certificate, {look, 0}]),
    _ = rustls_dist_cluster:call(Node, sys, get_state, [rustls_dist_own_certificate]),
    ok.
