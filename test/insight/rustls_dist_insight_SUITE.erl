%% What a node tells of its links and of itself: every figure is held against what really happened.
-module(rustls_dist_insight_SUITE).

-include_lib("stdlib/include/assert.hrl").
-include_lib("common_test/include/ct.hrl").

-export([all/0, suite/0, init_per_suite/1, end_per_suite/1, init_per_testcase/2]).
-export([known_of_a_link/1, verified_by/1, traffic_at_both_ends/1, keys_and_damage/1, totals_only_grow/1, handshakes/1,
         strangers/1, table/1, hostile_names/1, names_of_certificates/1, nobody_is_waited_for/1, text_for_prometheus/1,
         alerts_and_dashboard/1, prometheus_library/1, telemetry_library/1, fields_of_entries/1, filter_is_added_once/1]).

%% run on the nodes
-export([print_table/1, load/2, hold/1, resume/1, told/0, total/2, start_telling/0, stop_telling/0, execute/3, log/2]).

%% a verify_fun that adds nothing to what OTP decides
-export([as_it_is/3]).

-define(NO_AUTO_CONNECT, ["-kernel", "dist_auto_connect", "never", "-connect_all", "false", "-kernel", "net_setuptime", "2"]).
-define(COLUMNS, 100).

suite() ->
    [{timetrap, {minutes, 1}}].

all() ->
    [known_of_a_link, verified_by, traffic_at_both_ends, keys_and_damage, totals_only_grow, handshakes, strangers, table,
     hostile_names, names_of_certificates, nobody_is_waited_for, text_for_prometheus, alerts_and_dashboard, prometheus_library,
     telemetry_library, fields_of_entries, filter_is_added_once].

%% a, b: nodes that trust each other; stranger: one that neither of them trusts.
init_per_suite(Config) ->
    {Keeper, World} = rustls_dist_cluster:keep(fun start/0),
    _ = call(maps:get(b, World), rustls_dist_workload, start_echo, []),
    [{keeper, Keeper}, {world, World} | Config].

start() ->
    Cluster = rustls_dist_cluster:new(),
    Dir = rustls_dist_cluster:dir(Cluster),
    Ca = rustls_dist_certs:ca(Dir, "ca"),
    Own = rustls_dist_certs:cert(Dir, Ca, "own", #{san => "DNS:localhost,DNS:127.0.0.1,IP:127.0.0.1,URI:erlang:x@127.0.0.1"}),
    Odd = rustls_dist_certs:cert(Dir, rustls_dist_certs:ca(Dir, "other"), "odd", #{}),
    #{cluster => Cluster, ca => Ca, own => Own,
      a => start(Cluster, rustls_dist_certs:options(Own)),
      b => start(Cluster, rustls_dist_certs:options(Own)),
      stranger => start(Cluster, rustls_dist_certs:options(Odd))}.

start(Cluster, Options) ->
    File = rustls_dist_cluster:optfile(Cluster, lists:concat(["o", erlang:unique_integer([positive])]), Options),
    rustls_dist_cluster:start(Cluster, #{optfile => File, args => ?NO_AUTO_CONNECT}).

end_per_suite(Config) ->
    ok = rustls_dist_cluster:stop(world(cluster, Config)),
    rustls_dist_cluster:release(?config(keeper, Config)).

init_per_testcase(_Case, Config) ->
    {A, B} = pair(Config),
    rustls_dist_cluster:poll(fun() -> rustls_dist_cluster:connected(A, B) =:= rustls_dist_cluster:connected(B, A) end),
    _ = [rustls_dist_cluster:part(A, B) || rustls_dist_cluster:connected(A, B)],
    ok = rustls_dist_cluster:join(A, B),
    Config.

%% links ----------------------------------------------------------------------------------------------------------

known_of_a_link(Config) ->
    {A, B} = pair(Config),
    {NameA, NameB} = {name(A), name(B)},
    Here = info(A, B),
    There = info(B, A),
    Port = rustls_dist_cluster:listening_port(B),
    ?assertMatch(#{node := NameB, direction := out, role := client, address := {{127, 0, 0, 1}, Port}, version := 'tlsv1.3',
                   generation := 1, verified := #{by := ca, what := [chain, host_name]}}, Here),
    ?assertMatch(#{node := NameA, direction := in, role := server, address := {{127, 0, 0, 1}, _}, version := 'tlsv1.3',
                   generation := 1, verified := #{by := ca, what := [chain]}}, There),
    Now = erlang:system_time(second),
    _ = [?assert(Now - Since < 60 andalso Since =< Now) || #{since := Since} <- [Here, There]],
    #{own := #{cert := File}} = ?config(world, Config),
    ?assertMatch(#{dns_names := [<<"localhost">>, <<"127.0.0.1">>], ip_addresses := [<<"127.0.0.1">>],
                   uris := [<<"erlang:x@127.0.0.1">>], subject := <<"CN=own">>, issuer := <<"CN=ca">>},
                 maps:get(peer_certificate, Here)),
    ?assertEqual(openssl(File, "-fingerprint -sha256"), binary_to_list(maps:get(sha256_fingerprint, Here))),
    ?assertEqual(openssl(File, "-serial"), binary_to_list(maps:get(serial, maps:get(peer_certificate, Here)))),
    {ok, Pem} = file:read_file(File),
    [{'Certificate', Der, not_encrypted}] = public_key:pem_decode(Pem),
    ?assertEqual({ok, Der}, call(A, rustls_dist, peercert, [NameB])),
    ?assertEqual({ok, Der}, call(B, rustls_dist, peercert, [NameA])),
    ?assertEqual({error, not_connected}, call(A, rustls_dist, peercert, ['nobody@127.0.0.1'])),
    ?assertEqual({error, not_connected}, call(A, rustls_dist, info, ['nobody@127.0.0.1'])),
    ?assertEqual([NameB], maps:keys(call(A, rustls_dist, info, []))).

%% What the options make of a peer's certificate is what is told of it.
verified_by(Config) ->
    #{cluster := Cluster, own := #{cert := File} = Own, b := B} = ?config(world, Config),
    Pin = openssl(File, "-fingerprint -sha256"),
    Judges = [{#{verify => verify_none}, #{by => nothing, what => []}},
              {#{verify_fun => {rustls_dist, verify_pinned, [Pin]}}, #{by => pin, what => [certificate]}},
              {#{verify_fun => {?MODULE, as_it_is, none}},
               #{by => {function, <<"rustls_dist_insight_SUITE:as_it_is/3">>}, what => [chain, host_name]}},
              {#{verify_node => host}, #{by => ca, what => [chain, host_name, node_name]}},
              {#{server_name_indication => disable}, #{by => ca, what => [chain]}}],
    _ = [begin
             [{server, Server}, {client, Client}] = rustls_dist_certs:options(Own),
             Changed = maps:to_list(maps:merge(maps:from_list(Client), Options)),
             Node = start(Cluster, [{server, Server}, {client, Changed}]),
             ok = rustls_dist_cluster:join(Node, B),
             ?assertEqual({Options, Expected}, {Options, maps:get(verified, info(Node, B))}),
             rustls_dist_cluster:stop_node(Node)
         end || {Options, Expected} <- Judges].

%% What one end seals the other opens: both tell the same bytes, records and packets, and at least what was sent.
traffic_at_both_ends(Config) ->
    {A, B} = pair(Config),
    Before = maps:get(traffic, info(A, B)),
    _ = [?assertEqual(ok, call(A, rustls_dist_workload, round_trip, [name(B), 1000000])) || _ <- lists:seq(1, 3)],
    rustls_dist_cluster:poll(fun() ->
                                     #{sent := Sent, received := Received} = maps:get(traffic, info(A, B)),
                                     #{sent => Received, received => Sent} =:= maps:get(traffic, info(B, A))
                             end),
    After = maps:get(traffic, info(A, B)),
    _ = [begin
             [Bytes, Records, Packets] = [maps:get(Unit, maps:get(Way, After)) - maps:get(Unit, maps:get(Way, Before))
                                          || Unit <- [bytes, records, packets]],
             %% A record of 16 KiB costs 22 bytes, a packet its length.
             ?assert(Bytes >= 3000000 andalso Bytes < 3000000 * 1.1),
             ?assert(Records >= 3000000 div 16384 andalso Records < 1000),
             ?assert(Packets >= 3 * (1000000 div 65536) andalso Packets < 1000)
         end || Way <- [sent, received]].

%% Keys that are renewed, at either end; and a record that was damaged on its way ends the link and is counted.
keys_and_damage(Config) ->
    #{cluster := Cluster, own := Own, b := B} = ?config(world, Config),
    Node = start(Cluster, rustls_dist_certs:options(Own, #{key_update_at => 100000})),
    ok = rustls_dist_cluster:join(Node, B),
    Renewed = fun(Of, Way) -> total(Of, rustls_dist_key_updates_total, #{direction => Way}) end,
    [0, Before] = [Renewed(Node, <<"sent">>), Renewed(B, <<"received">>)],
    ok = call(Node, rustls_dist_workload, round_trip, [name(B), 1000000]),
    Sent = Renewed(Node, <<"sent">>),
    ?assert(Sent >= 1000000 div 131072 andalso Sent =< 10),
    ?assertMatch(#{key_updates := #{sent := Sent, received := 0}}, info(Node, B)),
    ?assertEqual(Before + Sent, Renewed(B, <<"received">>)),
    Broken = fun() -> total(B, rustls_dist_links_broken_total, #{reason => <<"bad_record">>}) end,
    ?assertEqual(0, Broken()),
    ok = call(Node, rustls_dist_workload, write_raw, [name(B), <<23, 3, 3, 40:16, 0:320>>]),
    rustls_dist_cluster:poll(fun() -> Broken() =:= 1 end),
    rustls_dist_cluster:stop_node(Node).

%% Links that end leave what they carried; nothing is counted twice, whoever restarts, and when distribution is stopped.
totals_only_grow(Config) ->
    #{cluster := Cluster, own := Own, b := B} = ?config(world, Config),
    File = rustls_dist_cluster:optfile(Cluster, "totals", rustls_dist_certs:options(Own)),
    Node = rustls_dist_cluster:start_undistributed(Cluster, #{optfile => File, args => ?NO_AUTO_CONNECT}),
    Name = list_to_atom(lists:concat(["totals", erlang:unique_integer([positive]), "@127.0.0.1"])),
    {ok, _} = call(Node, net_kernel, start, [[Name, longnames]]),
    Before = traffic_total(Node),
    Sent = [begin
                true = call(Node, net_kernel, connect_node, [name(B)]),
                ok = call(Node, rustls_dist_workload, round_trip, [name(B), 100000]),
                {ok, #{traffic := #{sent := #{bytes := Bytes}}}} = call(Node, rustls_dist, info, [name(B)]),
                true = call(Node, erlang, disconnect_node, [name(B)]),
                rustls_dist_cluster:poll(fun() -> #{} =:= call(Node, rustls_dist, info, []) end),
                Bytes
            end || _ <- lists:seq(1, 3)],
    Ended = traffic_total(Node),
    %% Each link said goodbye, in some 30 bytes, after it was asked.
    ?assert(Ended - Before >= lists:sum(Sent)),
    ?assert(Ended - Before - lists:sum(Sent) < 3 * 1000),
    true = call(Node, net_kernel, connect_node, [name(B)]),
    Up = traffic_total(Node),
    ?assert(Up > Ended),
    _ = [begin
             Links = call(Node, erlang, whereis, [rustls_dist_links]),
             true = call(Node, erlang, exit, [call(Node, erlang, whereis, [Server]), kill]),
             Next = fun() -> call(Node, erlang, whereis, [rustls_dist_links]) end,
             rustls_dist_cluster:poll(fun() -> not lists:member(Next(), [Links, undefined]) end)
         end || Server <- [rustls_dist_links, rustls_dist_services, rustls_dist_keeper]],
    Restarted = traffic_total(Node),
    ?assert(Restarted >= Up andalso Restarted - Up < 1000),
    ok = call(Node, net_kernel, stop, []),
    Stopped = traffic_total(Node),
    ?assert(Stopped >= Restarted andalso Stopped - Restarted < 1000),
    {ok, _} = call(Node, net_kernel, start, [[Name, longnames]]),
    ?assert(traffic_total(Node) >= Stopped),
    rustls_dist_cluster:stop_node(Node).

traffic_total(Node) ->
    call(Node, ?MODULE, total, [rustls_dist_traffic_bytes_total, #{direction => <<"sent">>}]).

%% handshakes -----------------------------------------------------------------------------------------------------

handshakes(Config) ->
    {A, B} = pair(Config),
    #{stranger := Stranger} = ?config(world, Config),
    Ok = fun(Node, Direction) -> total(Node, rustls_dist_handshakes_ok_total, #{direction => Direction}) end,
    Timed = fun(Node, Direction) -> total(Node, rustls_dist_handshake_seconds, #{direction => Direction}) end,
    Before = [F(Node, Direction) || F <- [Ok, Timed], {Node, Direction} <- [{A, <<"out">>}, {B, <<"in">>}]],
    _ = [begin
             rustls_dist_cluster:part(A, B),
             ok = rustls_dist_cluster:join(A, B)
         end || _ <- [1, 2, 3]],
    ?assertEqual([Count + 3 || Count <- Before],
                 [F(Node, Direction) || F <- [Ok, Timed], {Node, Direction} <- [{A, <<"out">>}, {B, <<"in">>}]]),
    %% The stranger shows a certificate that nobody trusts, and trusts nobody.
    Failed = fun(Node, Labels) -> total(Node, rustls_dist_handshakes_failed_total, Labels) end,
    {In, Out} = {#{direction => <<"in">>, stage => <<"certificate">>},
                 #{direction => <<"out">>, stage => <<"certificate">>, reason => <<"unknown_issuer">>}},
    [0, 0] = [Failed(A, In), Failed(Stranger, Out)],
    false = call(Stranger, net_kernel, connect_node, [name(A)]),
    rustls_dist_cluster:poll(fun() -> [1, 1] =:= [Failed(A, In), Failed(Stranger, Out)] end),
    %% The other way round the client judges first.
    false = call(A, net_kernel, connect_node, [name(Stranger)]),
    rustls_dist_cluster:poll(fun() -> [1, 1] =:= [Failed(A, Out), Failed(Stranger, In)] end),
    %% And a node that is not there.
    false = call(A, net_kernel, connect_node, ['nobody@127.0.0.1']),
    ?assertEqual(1, Failed(A, #{direction => <<"out">>, stage => <<"epmd">>, reason => <<"unknown_to_epmd">>})).

%% Connections that say nothing, or leave without a word.
strangers(Config) ->
    {A, _B} = pair(Config),
    Port = rustls_dist_cluster:listening_port(A),
    Totals = fun() -> [total(A, rustls_dist_connections_accepted_total, #{}), total(A, rustls_dist_connections_unused_total, #{}),
                       total(A, rustls_dist_connections_dropped_total, #{reason => <<"silent">>})] end,
    Pending = fun() -> total(A, rustls_dist_handshakes_pending, #{}) end,
    rustls_dist_cluster:poll(fun() -> Pending() =:= 0 end),
    [Accepted, Unused, Silent] = Totals(),
    {ok, Leaving} = gen_tcp:connect({127, 0, 0, 1}, Port, []),
    ok = gen_tcp:close(Leaving),
    rustls_dist_cluster:poll(fun() -> Totals() =:= [Accepted + 1, Unused + 1, Silent] end),
    {ok, Socket} = gen_tcp:connect({127, 0, 0, 1}, Port, [{active, false}]),
    rustls_dist_cluster:poll(fun() -> Pending() =:= 1 end),
    {error, closed} = gen_tcp:recv(Socket, 0, 10000),
    rustls_dist_cluster:poll(fun() -> Totals() =:= [Accepted + 2, Unused + 1, Silent + 1] end),
    rustls_dist_cluster:poll(fun() -> Pending() =:= 0 end).

%% for people -----------------------------------------------------------------------------------------------------

%% As from a remote shell: the caller's group leader is on another node.
table(Config) ->
    {A, B} = pair(Config),
    Text = call(B, ?MODULE, print_table, [name(A)]),
    Lines = string:split(Text, "\n", all),
    ?assertEqual([], [Line || Line <- Lines, string:length(Line) > ?COLUMNS]),
    [Titles, Link | _] = Lines,
    ?assertEqual(["node", "dir", "up", "TLS", "cipher", "group", "by", "sent", "received", "expires", "gen"],
                 string:lexemes(Titles, " ")),
    ?assertMatch([_, "out", _, "1.3", "AES-256", _, "ca", _, _, "89d", "1"], string:lexemes(Link, " ")),
    ?assertEqual(hd(string:lexemes(Link, " ")), atom_to_list(name(B))),
    ?assertNotEqual(nomatch, string:find(Text, "connections accepted ")),
    #{version := Version, provider := Provider, otp := Release} = call(B, rustls_dist_build, facts, []),
    Library = lists:concat(["\nrustls_dist ", binary_to_list(Version), " with ", Provider, ", on OTP ", binary_to_list(Release), "\n"]),
    ?assertNotEqual(nomatch, string:find(Text, Library)).

%% The longest names that a link can have, and figures of every size.
hostile_names(_Config) ->
    Certificate = #{not_after => 0},
    Info = fun(Node, Bytes) ->
                   #{node => Node, direction => out, since => 0, version => 'tlsv1.2', generation => 999,
                     cipher => <<"TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256">>, group => <<"x25519mlkem768">>,
                     verified => #{by => {function, <<"a\e[2Jb:c">>}, what => []}, peer_certificate => Certificate,
                     traffic => #{sent => #{bytes => Bytes}, received => #{bytes => Bytes}}}
           end,
    Names = [binary_to_atom(<<Name/binary, "@host">>) || Name <- [<<"a\n\e[2J">>, binary:copy(<<"é"/utf8>>, 240), <<"b">>]],
    Links = [Info(Name, 1 bsl Bits) || Name <- Names, Bits <- [0, 20, 62]],
    Text = unicode:characters_to_list(rustls_dist_table:text(Links, 1 bsl 34)),
    Lines = string:split(Text, "\n", all),
    ?assertEqual({13, []}, {length(Lines), [Line || Line <- Lines, string:length(Line) > ?COLUMNS]}),
    ?assertEqual(nomatch, string:find(Text, "\e")).

%% by machines ----------------------------------------------------------------------------------------------------

%% A certificate may have any name: of this node, here. promtool and this parser read what comes out of it.
names_of_certificates(Config) ->
    #{cluster := Cluster, ca := #{cert := CaCert, key := CaKey} = Ca} = ?config(world, Config),
    Dir = rustls_dist_cluster:dir(Cluster),
    #{cert := File, key := Key} = Cert = rustls_dist_certs:cert(Dir, Ca, "odd_names", #{}),
    ok = rustls_dist_certs:openssl("req -new -utf8 -key ~ts -out ~ts.csr -subj '/CN=say \"hi\" \\\\ {a=b} é'", [Key, File]),
    ok = rustls_dist_certs:openssl("x509 -req -in ~ts.csr -CA ~ts -CAkey ~ts -set_serial 7 -days 80 -out ~ts -extfile ~ts.ext",
                                   [File, CaCert, CaKey, File, File]),
    Node = start(Cluster, rustls_dist_certs:options(Cert)),
    Text = call(Node, rustls_dist, metrics, [prometheus]),
    ok = accepted_by_promtool(Text),
    ?assertMatch({match, _}, re:run(Text, "subject=\"CN=say \\\\\"hi\\\\\" \\\\\\\\", [unicode])),
    rustls_dist_cluster:stop_node(Node).

%% Every server is held, and what the figures are made of is there all the same.
nobody_is_waited_for(Config) ->
    {A, B} = pair(Config),
    Held = call(A, ?MODULE, hold, [[rustls_dist_links, rustls_dist_config, rustls_dist_log_limit, rustls_dist_events,
                                    rustls_dist_attempts, rustls_dist_own_certificate, rustls_dist_crl_store,
                                    rustls_dist_services, rustls_dist_keeper, rustls_dist_sup]]),
    {Us, _} = timer:tc(fun() ->
                               [?assert(is_list(call(A, rustls_dist, metrics, []))),
                                ?assert(is_binary(call(A, rustls_dist, metrics, [prometheus]))),
                                ?assertMatch(#{node := _}, info(A, B)),
                                ?assertMatch({ok, _}, call(A, rustls_dist, peercert, [name(B)]))]
                       end),
    ok = call(A, ?MODULE, resume, [Held]),
    ?assert(Us < 2000000).

text_for_prometheus(Config) ->
    {A, B} = pair(Config),
    Text = call(A, rustls_dist, metrics, [prometheus]),
    ok = accepted_by_promtool(Text),
    Expected = <<"rustls_dist_links{version=\"tlsv1.3\",cipher=\"TLS_AES_256_GCM_SHA384\"} 1\n">>,
    ?assertMatch({_, _}, binary:match(Text, Expected)),
    #{peer_certificate := #{not_after := NotAfter}} = info(A, B),
    Expiry = io_lib:format("rustls_dist_peer_certificate_expiry_timestamp_seconds{node=\"~ts\"} ~w\n", [name(B), NotAfter]),
    ?assertMatch({_, _}, binary:match(Text, iolist_to_binary(Expiry))),
    #{version := Version, provider := Provider, otp := Release} = call(A, rustls_dist_build, facts, []),
    Build = io_lib:format("rustls_dist_build_info{version=\"~ts\",provider=\"~ts\",otp=\"~ts\"} 1\n",
                          [Version, Provider, Release]),
    ?assertMatch({_, _}, binary:match(Text, iolist_to_binary(Build))),
    ?assertEqual(Provider, maps:get(provider, info(A, B))),
    %% The list has the same.
    Samples = call(A, rustls_dist, metrics, []),
    ?assertEqual([1], [Value || #{name := rustls_dist_links, type := gauge, labels := #{version := <<"tlsv1.3">>}, help := Help,
                                  value := Value} <- Samples, is_binary(Help)]),
    %% Of the node's certificates, once for each role.
    ?assertEqual([NotAfter, NotAfter], [Value || #{name := rustls_dist_own_certificate_expiry_timestamp_seconds,
                                                   labels := #{role := _, subject := <<"CN=own">>}, value := Value} <- Samples]).

%% What the files name is what there is; and promtool judges the rules.
alerts_and_dashboard(Config) ->
    {A, B} = pair(Config),
    ?assertEqual(true, rustls_dist_cluster:connected(A, B)),
    Text = call(A, rustls_dist, metrics, [prometheus]),
    {match, Typed} = re:run(Text, "^# TYPE (\\S+) ", [global, multiline, {capture, all_but_first, binary}]),
    %% Those that appear when they happen.
    Rare = [<<"rustls_dist_links_broken_total">>, <<"rustls_dist_handshakes_failed_total">>],
    Known = Rare ++ [Name || [Name] <- Typed],
    Root = rustls_dist_documents:path(".."),
    _ = [begin
             {ok, Content} = file:read_file(filename:join(Root, File)),
             {match, Found} = re:run(Content, "\\b(rustls_dist_[a-z_]+?)(_bucket)?\\b(?!\\.)", [global, {capture, [1], binary}]),
             ?assertEqual({File, []}, {File, lists:usort([Name || [Name] <- Found]) -- Known})
         end || File <- ["priv/prometheus/alerts.yml", "priv/grafana/rustls_dist.json"]],
    {ok, Dashboard} = file:read_file(filename:join(Root, "priv/grafana/rustls_dist.json")),
    %% OTP 27 brings a parser.
    _ = [?assertMatch(#{<<"panels">> := [_ | _]}, apply(json, decode, [Dashboard])) || code:which(json) =/= non_existing],
    ok = judged_by_promtool(["test", "rules", filename:join(Root, "test/insight/alerts_test.yml")]).

accepted_by_promtool(Text) ->
    File = string:trim(os:cmd("mktemp")),
    ok = file:write_file(File, Text),
    Said = case os:find_executable("promtool") of
               false -> "";
               Promtool -> os:cmd(lists:concat([Promtool, " check metrics <", File, " || echo refused"]))
           end,
    ok = file:delete(File),
    ?assertEqual("", Said),
    ok.

judged_by_promtool(Arguments) ->
    case os:find_executable("promtool") of
        false ->
            ok;
        Promtool ->
            Port = open_port({spawn_executable, Promtool}, [{args, Arguments}, exit_status, stderr_to_stdout]),
            ?assertMatch({0, _}, port_result(Port, [])),
            ok
    end.

port_result(Port, Said) ->
    receive
        {Port, {data, Data}} -> port_result(Port, [Said, Data]);
        {Port, {exit_status, Status}} -> {Status, lists:flatten(Said)}
    after 20000 -> timeout
    end.

%% libraries ------------------------------------------------------------------------------------------------------

%% The collector makes families as the library wants them: prometheus_model_helpers:create_mf/4.
prometheus_library(Config) ->
    {A, _B} = pair(Config),
    ok = call(A, ?MODULE, load, [prometheus_model_helpers,
                                 "-export([create_mf/4]). create_mf(N, H, T, M) -> {mf, N, H, T, M}."]),
    Families = call(A, ?MODULE, told, []),
    ?assertMatch([{mf, rustls_dist_links, _, gauge, [{[{version, <<"tlsv1.3">>}, {cipher, _}], 1}]}],
                 [Family || {mf, rustls_dist_links, _, _, _} = Family <- Families]),
    [Histograms] = [Metrics || {mf, rustls_dist_handshake_seconds, _, histogram, Metrics} <- Families],
    ?assertMatch([{[{direction, <<"in">>}], [{0.001, _} | _], _, _}, {[{direction, <<"out">>}], [_ | _], _, _}], Histograms),
    ?assertEqual(ok, call(A, rustls_dist_prometheus, deregister_cleanup, [default])),
    %% Nobody has to tell the library: the node does when it is there, and only then.
    ok = call(A, ?MODULE, start_telling, []),
    ok = call(A, ?MODULE, load, [prometheus_registry, "-export([register_collector/1]). "
                                 "register_collector(C) -> rustls_dist_insight_SUITE:execute(C, none, none)."]),
    Server = call(A, erlang, whereis, [rustls_dist_events]),
    _ = call(A, erlang, send, [Server, look]),
    rustls_dist_cluster:poll(fun() -> [{rustls_dist_prometheus, none, none}] =:= call(A, ?MODULE, told, []) end),
    true = call(A, code, delete, [prometheus_registry]),
    call(A, ?MODULE, stop_telling, []).

%% Events come while the library is there; a handler that hangs holds no link.
telemetry_library(Config) ->
    {A, B} = pair(Config),
    #{stranger := Stranger} = ?config(world, Config),
    ok = call(A, ?MODULE, start_telling, []),
    ok = call(A, ?MODULE, load, [telemetry, "-export([execute/3]). "
                                 "execute(N, M, D) -> rustls_dist_insight_SUITE:execute(N, M, D)."]),
    rustls_dist_cluster:part(A, B),
    ok = rustls_dist_cluster:join(A, B),
    false = call(A, net_kernel, connect_node, [name(Stranger)]),
    ok = call(A, rustls_dist_events, reloaded, [refused, 7]),
    NameB = name(B),
    NameStranger = name(Stranger),
    Events = rustls_dist_cluster:poll(fun() ->
                                              Found = call(A, ?MODULE, told, []),
                                              length(Found) >= 4 andalso Found
                                      end),
    ?assertMatch([{[rustls_dist, link, down], #{duration_s := _, bytes_sent := _}, #{node := NameB, direction := out}},
                  {[rustls_dist, link, failed], #{count := 1}, #{node := NameStranger, stage := certificate,
                                                                 reason := unknown_issuer}},
                  {[rustls_dist, link, up], #{handshake_us := _}, #{node := NameB, direction := out, version := 'tlsv1.3'}},
                  {[rustls_dist, reload], #{count := 1}, #{result := refused, generation := 7}}], lists:sort(Events)),
    ?assertEqual(1, total(A, rustls_dist_reloads_total, #{result => <<"refused">>})),
    ok = call(A, ?MODULE, load, [telemetry, "-export([execute/3]). execute(_, _, _) -> receive after infinity -> ok end."]),
    _ = [call(A, rustls_dist_events, happened, [[rustls_dist, link, up], #{}, #{}]) || _ <- lists:seq(1, 1200)],
    rustls_dist_cluster:part(A, B),
    ok = rustls_dist_cluster:join(A, B),
    {message_queue_len, Waiting} = call(A, erlang, process_info, [call(A, erlang, whereis, [rustls_dist_events]),
                                                                  message_queue_len]),
    ?assert(Waiting =< 1000),
    _ = call(A, code, purge, [telemetry]),
    true = call(A, code, delete, [telemetry]),
    true = call(A, erlang, exit, [call(A, erlang, whereis, [rustls_dist_events]), kill]).

%% the log --------------------------------------------------------------------------------------------------------

fields_of_entries(Config) ->
    {A, _B} = pair(Config),
    #{stranger := Stranger} = ?config(world, Config),
    ok = rustls_dist_reports:collect(A),
    ok = call(A, ?MODULE, start_telling, []),
    ok = call(A, logger, add_handler, [?MODULE, ?MODULE, #{filter_default => log}]),
    false = call(A, net_kernel, connect_node, [name(Stranger)]),
    false = call(Stranger, net_kernel, connect_node, [name(A)]),
    [Out, In] = rustls_dist_cluster:poll(fun() ->
                                                 Found = call(A, ?MODULE, told, []),
                                                 length(Found) >= 2 andalso lists:reverse(lists:sort(Found))
                                         end),
    ok = call(A, logger, remove_handler, [?MODULE]),
    NameStranger = name(Stranger),
    Peer = iolist_to_binary(["127.0.0.1:", integer_to_list(rustls_dist_cluster:listening_port(Stranger))]),
    ?assertMatch(#{event := link_failed, direction := out, stage := certificate, reason := unknown_issuer,
                   node := NameStranger, peer := Peer, domain := [rustls_dist]}, Out),
    ?assertMatch(#{event := link_failed, direction := in, stage := certificate, reason := _, peer := <<"127.0.0.1:", _/binary>>},
                 In).

%% Whoever takes it away has it gone for good; one that was there first is left alone.
filter_is_added_once(Config) ->
    #{cluster := Cluster, own := Own, stranger := Stranger} = ?config(world, Config),
    Node = start(Cluster, rustls_dist_certs:options(Own)),
    Filters = fun() ->
                      {ok, #{filters := Filters}} = call(Node, logger, get_handler_config, [default]),
                      [Filter || {rustls_dist, Filter} <- Filters]
              end,
    %% It is there before anything is logged.
    rustls_dist_cluster:poll(fun() -> length(Filters()) =:= 1 end),
    ok = call(Node, logger, remove_handler_filter, [default, rustls_dist]),
    false = call(Node, net_kernel, connect_node, [name(Stranger)]),
    rustls_dist_cluster:poll(fun() -> total(Node, rustls_dist_handshakes_failed_total, #{}) =:= 1 end),
    ok = call(Node, rustls_dist_log, notice, ["nobody sees this"]),
    ?assertEqual([], Filters()),
    ?assertEqual([], rustls_dist_cluster:all_logged(Node)),
    rustls_dist_cluster:stop_node(Node).

%% on the nodes ---------------------------------------------------------------------------------------------------

%% Runs rustls_dist:i/0 on Node for this process, and gives what was printed here.
print_table(Node) ->
    Parent = self(),
    Reader = spawn(fun() -> read_output(Parent, []) end),
    true = group_leader(Reader, self()),
    Ref = monitor(process, spawn(Node, rustls_dist, i, [])),
    receive {'DOWN', Ref, process, _, normal} -> ok end,
    Reader ! {done, self()},
    receive {printed, Text} -> unicode:characters_to_list(Text) end.

%% The io protocol, as a shell's group leader speaks it.
read_output(Parent, Said) ->
    receive
        {io_request, From, As, {put_chars, unicode, Chars}} ->
            From ! {io_reply, As, ok},
            read_output(Parent, [Said, Chars]);
        {done, Parent} ->
            Parent ! {printed, Said}
    end.

as_it_is(_Cert, {bad_cert, _} = Reason, _State) -> {fail, Reason};
as_it_is(_Cert, {extension, _}, State) -> {unknown, State};
as_it_is(_Cert, _Valid, State) -> {valid, State}.

%% Compiles a module of this content and loads it.
load(Module, Content) ->
    {ok, Tokens, _} = erl_scan:string(lists:concat(["-module(", Module, "). ", Content])),
    {ok, Module, Binary} = compile:forms(forms(Tokens, [])),
    {module, Module} = code:load_binary(Module, "", Binary),
    ok.

forms([], []) -> [];
forms([{dot, _} = Dot | Tokens], Form) ->
    {ok, Parsed} = erl_parse:parse_form(lists:reverse([Dot | Form])),
    [Parsed | forms(Tokens, [])];
forms([Token | Tokens], Form) -> forms(Tokens, [Token | Form]).

hold(Names) ->
    _ = spawn(fun() ->
                      Pids = [Pid || Name <- Names, Pid <- [whereis(Name)], is_pid(Pid)],
                      true = register(?MODULE, self()),
                      lists:foreach(fun erlang:suspend_process/1, Pids),
                      receive resume -> lists:foreach(fun erlang:resume_process/1, Pids) end
              end),
    rustls_dist_cluster:poll(fun() -> process_info(whereis(hd(Names)), status) =:= {status, suspended} end),
    ?MODULE.

resume(Name) ->
    Name ! resume,
    ok.

%% The sum of a metric's samples that have these labels; of a histogram, how many there were.
total(Name, Labels) ->
    lists:sum([case Value of
                   #{count := Count} -> Count;
                   _ -> Value
               end || #{name := Of, labels := All, value := Value} <- rustls_dist:metrics(), Of =:= Name,
                      maps:with(maps:keys(Labels), All) =:= Labels]).

start_telling() ->
    _ = [exit(Old, kill) || Old <- [whereis(?MODULE)], is_pid(Old)],
    Collector = spawn(fun() -> collect([]) end),
    rustls_dist_cluster:poll(fun() -> whereis(?MODULE) =:= undefined end),
    true = register(?MODULE, Collector),
    ok.

stop_telling() ->
    true = exit(whereis(?MODULE), kill),
    ok.

collect(Told) ->
    receive
        {tell, What} -> collect([What | Told]);
        {told, From} -> From ! {told_by, self(), lists:reverse(Told)}, collect(Told)
    end.

%% What was told since; or, where nobody collects, the collector's families.
told() ->
    case whereis(?MODULE) of
        undefined ->
            Self = self(),
            ok = rustls_dist_prometheus:collect_mf(default, fun(Family) -> Self ! {family, Family} end),
            families();
        Collector ->
            Collector ! {told, self()},
            receive {told_by, Collector, Told} -> Told end
    end.

families() ->
    receive {family, Family} -> [Family | families()] after 0 -> [] end.

execute(Name, Measurements, Metadata) ->
    ?MODULE ! {tell, {Name, Measurements, Metadata}}.

%% logger's callback.
log(#{meta := #{domain := [rustls_dist | _]} = Meta}, _Config) ->
    ?MODULE ! {tell, maps:without([report_cb, pid, gl, time, mfa, file, line], Meta)};
log(_Event, _Config) ->
    ok.

%% ----------------------------------------------------------------------------------------------------------------

pair(Config) ->
    #{a := A, b := B} = ?config(world, Config),
    {A, B}.

world(Key, Config) -> maps:get(Key, ?config(world, Config)).

name(Node) -> rustls_dist_cluster:name(Node).

call(Node, Module, Function, Arguments) -> rustls_dist_cluster:call(Node, Module, Function, Arguments).

info(Node, Peer) ->
    {ok, Info} = call(Node, rustls_dist, info, [name(Peer)]),
    Info.

total(Node, Name, Labels) -> call(Node, ?MODULE, total, [Name, Labels]).

%% What openssl prints of a certificate behind the equals sign.
openssl(File, What) ->
    [_, Printed] = string:split(string:trim(os:cmd(lists:concat(["openssl x509 -noout ", What, " -in ", File]))), "="),
    Printed.
