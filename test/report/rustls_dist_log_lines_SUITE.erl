%% What stands in the log when a peer, a network or an epmd does something odd: true, one line, not long, with the peer's
%% name, and without anything that the peer chose in raw form. Nothing crashes: no report but the carrier's own.
-module(rustls_dist_log_lines_SUITE).

-include_lib("stdlib/include/assert.hrl").

-export([all/0, groups/0, suite/0, init_per_suite/1, end_per_suite/1, init_per_testcase/2, end_per_testcase/2]).
-export([malformed_names/1, malformed_answers/1, malformed_challenge_replies/1, every_exit_of_dist_util/1,
         peer_text_is_cut_and_escaped/1,
         ended_or_cut_after_challenge/1, ended_or_cut_at_status/1, ended_or_cut_at_cookie/1, turned_away_in_order/1,
         broken_after_reset/1, simultaneous_connects/1, withdrawn_or_cut/1,
         expired_by_serial/1, expired_by_serial_with_function/1,
         epmd_answers/1, silent_epmd/1, dropped_packets/1,
         health_checks/1]).

%% a verify_fun that adds nothing to what OTP decides
-export([as_otp/3]).

-define(MAX_LINE, 700).

suite() ->
    [{timetrap, {minutes, 2}}].

all() ->
    [{group, Group} || {Group, _, _} <- groups()].

groups() ->
    [{packets, [], [malformed_names, malformed_answers, malformed_challenge_replies, every_exit_of_dist_util,
                    peer_text_is_cut_and_escaped]},
     {closing, [], [ended_or_cut_after_challenge, ended_or_cut_at_status, ended_or_cut_at_cookie, turned_away_in_order,
                    broken_after_reset, simultaneous_connects, withdrawn_or_cut, health_checks]},
     {certificates, [], [expired_by_serial, expired_by_serial_with_function]},
     {epmd, [], [epmd_answers, silent_epmd, dropped_packets]}].

init_per_suite(Config) ->
    {ok, Applications} = application:ensure_all_started(ssl),
    {Keeper, World} = rustls_dist_cluster:keep(fun start/0),
    [{keeper, Keeper}, {applications, Applications}, {world, World} | Config].

start() ->
    Cluster = rustls_dist_cluster:new(),
    Dir = rustls_dist_cluster:dir(Cluster),
    Ca = rustls_dist_certs:ca(Dir, "ca"),
    Own = rustls_dist_certs:cert(Dir, Ca, "own", #{}),
    #{cluster => Cluster, ca => Ca, own => Own, node => start(Cluster, rustls_dist_certs:options(Own), #{})}.

start(Cluster, Options, More) ->
    File = rustls_dist_cluster:optfile(Cluster, lists:concat(["o", erlang:unique_integer([positive])]), Options),
    Node = rustls_dist_cluster:start(Cluster, More#{optfile => File}),
    ok = rustls_dist_reports:collect(Node),
    Node.

end_per_suite(Config) ->
    ok = rustls_dist_cluster:stop(world(cluster, Config)),
    rustls_dist_cluster:release(proplists:get_value(keeper, Config)),
    lists:foreach(fun application:stop/1, lists:reverse(proplists:get_value(applications, Config))).

init_per_testcase(_Case, Config) ->
    ok = rustls_dist_reports:collect(world(node, Config)),
    Config.

%% Nothing but the carrier's own lines is in the log, and OTP's notices of what dist_util refused; none of them is long.
end_per_testcase(_Case, Config) ->
    Log = rustls_dist_cluster:log(world(node, Config)),
    Lines = string:lexemes(Log, "\n"),
    Bad = [Line || Line <- Lines, length(Line) > ?MAX_LINE orelse string:find(Line, "Error in process") =/= nomatch
                       orelse string:find(Line, "crash") =/= nomatch orelse string:find(Line, "\e") =/= nomatch],
    case Bad of
        [] -> ok;
        _ -> {fail, {bad_lines, [string:slice(Line, 0, 300) || Line <- Bad]}}
    end.

%% packets --------------------------------------------------------------------------------------------------

%% A first packet that is no name: refused by its shape, in one line, and no atom is made of it.
malformed_names(Config) ->
    Name = fun rustls_dist_scripted_peer:name/1,
    Flags = 16#0200000000,
    NotAName = "first distribution packet is not a node's name",
    Packets = fun(Tag) ->
                      [{Name(lists:duplicate(64000, $a) ++ Tag ++ "@h"), "too long for the distribution handshake"},
                       {Name([lists:duplicate(255, $a), Tag, "@h"]), NotAName},
                       {Name("nohost" ++ Tag), NotAName}, {Name(Tag ++ "@b@c"), NotAName}, {Name("@host" ++ Tag), NotAName},
                       {Name(Tag ++ "@"), NotAName}, {Name(""), NotAName}, {Name("a b@host" ++ Tag), NotAName},
                       {Name("\e[31mred\n@host" ++ Tag), NotAName}, {Name([Tag, 0, "@host"]), NotAName},
                       {rustls_dist_scripted_peer:name(Flags, Tag ++ "@b"), NotAName},
                       {rustls_dist_scripted_peer:name(Flags, ""), NotAName},
                       {<<$N, 0:64, 0:32, 200:16, "short@host">>, NotAName},
                       {<<$N, 0:16>>, NotAName},
                       {<<$n, 5:16, 0:32, "old@host">>, "OTP 22 and before"},
                       {<<>>, "none of the distribution handshake"},
                       {<<"Xyz">>, "none of the distribution handshake"},
                       {<<$r, 0:(20 * 8)>>, "first distribution packet is not a node's name"}]
              end,
    %% A node loads modules in its first seconds, which have atoms, too.
    ?assertEqual(0, lists:min([atoms_made(Config, Packets(Tag)) || Tag <- ["one", "two", "three"]])).

atoms_made(Config, Packets) ->
    Before = atoms(Config),
    [begin
         Peer = dial(Config),
         ok = rustls_dist_scripted_peer:send(Peer, Packet),
         {error, closed} = rustls_dist_scripted_peer:recv(Peer),
         line(Config, in, [Said])
     end || {Packet, Said} <- Packets],
    atoms(Config) - Before.

atoms(Config) ->
    rustls_dist_cluster:call(world(node, Config), erlang, system_info, [atom_count]).

%% What a server may answer a node's name with, or challenge it with.
malformed_answers(Config) ->
    Own = atom_to_list(rustls_dist_cluster:name(world(node, Config))),
    Given = fun(Name) -> ["snamed:", <<(length(Name)):16>>, Name, <<1:32>>] end,
    Challenge = fun(Name) -> [<<$N, 0:64, 1:32, 2:32, (iolist_size(Name)):16>>, Name] end,
    [served(Config, [Packet], Said)
     || {Packet, Said} <- [{[$s, lists:duplicate(60000, $x)], "too long for the distribution handshake"},
                           {"s\e[31mfoo\n", "status that has no meaning here: \"\\\\x1B\\[31mfoo\\\\x0A\""},
                           {Given("new@127.0.0.1"), "a name that it did not ask for"},
                           {Given(Own), "a name that it did not ask for"},
                           {"snamed:", "a name that it did not ask for"},
                           {"", "none of the distribution handshake"},
                           {Challenge("x@h"), "no place at this point"},
                           {<<$a, 0:128>>, "no place at this point"}]],
    [served(Config, ["sok", Packet], Said)
     || {Packet, Said} <- [{Challenge("other@127.0.0.1"), "the node at this address is called other@127.0.0.1"},
                           {Challenge(lists:duplicate(300, $n)), "challenge .* is malformed"},
                           {Challenge(lists:duplicate(60000, $n)), "too long"},
                           {<<$N, 0:64, 1:32>>, "challenge .* is malformed"},
                           {"sok", "no place at this point"}]].

served(Config, Packets, Said) ->
    Name = lists:concat(["scripted", erlang:unique_integer([positive])]),
    rustls_dist_scripted_peer:serve(
      {world(cluster, Config), world(node, Config)}, Name, world(own, Config),
      fun(Peer) ->
              {ok, <<$N, _/binary>>} = rustls_dist_scripted_peer:recv(Peer),
              _ = [rustls_dist_scripted_peer:send(Peer, Packet) || Packet <- Packets],
              {error, closed} = rustls_dist_scripted_peer:recv(Peer)
      end),
    line(Config, out, ["^rustls_dist: link to " ++ Name ++ "@127.0.0.1 .127.0.0.1 port", Said]).

malformed_challenge_replies(Config) ->
    [begin
         Peer = challenged(Config, "replying@127.0.0.1"),
         ok = rustls_dist_scripted_peer:send(Peer, Packet),
         {error, closed} = rustls_dist_scripted_peer:recv(Peer),
         line(Config, in, ["a peer that calls itself replying@127.0.0.1", Said])
     end || {Packet, Said} <- [{<<$r, 0:32, 0:120>>, "answer to the challenge .* is malformed"},
                               {<<$r, 0:32, 0:128>>, "the cookies differ"},
                               {"sok", "no place at this point"},
                               {[$r, lists:duplicate(60000, 0)], "too long"}]].

%% Each reason that dist_util of OTP 25 to 27 ends with, or net_kernel ends it with, is a sentence and no term.
every_exit_of_dist_util(Config) ->
    Long = lists:duplicate(60000, $x),
    Exits = [{check_dflags_failed, ["FRAGMENTS", "UNKNOWN<10000>"]},
             {is_allowed, not_allowed},
             {recv_challenge_ack_failed, bad_cookie}, {recv_challenge_ack_failed, {ok, Long}},
             {recv_challenge_reply_failed, bad_cookie}, {recv_challenge_reply_failed, {ok, "r"}},
             {recv_challenge_failed, no_node, Long}, {recv_challenge_failed, {ok, Long}},
             {recv_status_failed, not_allowed}, {recv_status_failed, unexpected, Long}, {recv_status_failed, unknown, Long},
             {recv_status_failed, {ok, Long}},
             connection_setup_failed, setup_timer_timeout, econnreset, etimedout,
             {badarg, [{erlang, setnode, [Long], []}]}, {some, Long}, Long]
        ++ [{closed, How, Step} || How <- [in_order, cut], Step <- [recv_status_failed, recv_challenge_failed, no_name,
                                                                    recv_challenge_reply_failed, recv_challenge_ack_failed]],
    [begin
         Text = unicode:characters_to_list(
                  rustls_dist_cluster:call(world(node, Config), rustls_dist_failure_text, text,
                                           [#{direction => in, stage => distribution_handshake}, Exit])),
         ?assert(length(Text) < 400, {Exit, Text}),
         ?assertEqual(nomatch, re:run(Text, "_failed|[{}]", [{capture, none}]), Text)
     end || Exit <- Exits, not lists:member(Exit, [Long]), element(1, {Exit}) =/= none, not is_fallback(Exit)],
    [?assert(iolist_size(unicode:characters_to_binary(rustls_dist_cluster:call(world(node, Config), rustls_dist_failure_text,
                                                                               text, [#{direction => in}, Exit]))) < 400)
     || Exit <- Exits].

is_fallback({badarg, _}) -> true;
is_fallback({some, _}) -> true;
is_fallback(_) -> false.

peer_text_is_cut_and_escaped(_Config) ->
    Cut = fun(Text) -> unicode:characters_to_list(rustls_dist_peer_text:cut(Text)) end,
    ?assertEqual("plain text, Umläute", Cut(<<"plain text, Umläute"/utf8>>)),
    ?assertEqual("a\\x0Ab\\x1B[31m\\x7F\\x00", Cut(<<"a\nb\e[31m", 127, 0>>)),
    ?assertEqual("\\xFF\\xFEx", Cut(<<255, 254, "x">>)),
    ?assertEqual("\\x{202E}\\x{200B}", Cut(<<16#202E/utf8, 16#200B/utf8>>)),
    ?assertEqual(lists:duplicate(200, $x), Cut(binary:copy(<<"x">>, 200))),
    ?assertEqual(lists:duplicate(200, $x) ++ "... (60000 bytes)", Cut(binary:copy(<<"x">>, 60000))),
    ?assertEqual("node@host", Cut('node@host')).

%% closing --------------------------------------------------------------------------------------------------

%% "Its log says why" where the peer ended the connection in order, and not where it was cut. What this node dialled before,
%% on the same host, must be forgotten.
ended_or_cut_after_challenge(Config) ->
    rustls_dist_cluster:poll(fun() -> rustls_dist_cluster:call(world(node, Config), ets, info, [rustls_dist_attempts, size])
                                          =:= 0 end),
    [begin
         Peer = challenged(Config, "parting@127.0.0.1"),
         ok = rustls_dist_scripted_peer:End(Peer),
         not_said("cookie", line(Config, in, ["calls itself parting@127.0.0.1", Said]))
     end || {End, Said} <- [{close, "ended the connection after this node's challenge; its log says why"},
                            {reset, "was cut after this node's challenge"}]],
    [begin
         Peer = dial(Config),
         ok = rustls_dist_scripted_peer:End(Peer),
         line(Config, in, [Said])
     end || {End, Said} <- [{close, "ended the connection before the peer had said its name; its log says why"},
                            {reset, "was cut before the peer had said its name"}]].

ended_or_cut_at_status(Config) ->
    [begin
         closing(Config, Packets, End),
         not_said("cookie", line(Config, out, [Said]))
     end || {Packets, End, Said} <- [{[], close, "instead of answering this node's name; its log says why"},
                                     {[], reset, "was cut instead of answering this node's name"},
                                     {["sok"], close, "before its challenge; its log says why"},
                                     {["sok"], reset, "was cut before its challenge"}]].

%% That the cookies differ is not known when a connection ends, and is when a digest is wrong.
ended_or_cut_at_cookie(Config) ->
    Challenge = fun(Name) -> [<<$N, (1 bsl 64 - 1 - 16#0200000000):64, 1:32, 2:32, (length(Name)):16>>, Name] end,
    [begin
         closing(Config, ["sok", Challenge], End),
         not_said(Unsaid, line(Config, out, ["cookies were compared; they may differ", Said]))
     end || {End, Said, Unsaid} <- [{close, "its log says why", "was cut"}, {reset, "or the connection was cut", "log says"}]].

closing(Config, Packets, End) ->
    Name = lists:concat(["scripted", erlang:unique_integer([positive])]),
    rustls_dist_scripted_peer:serve(
      {world(cluster, Config), world(node, Config)}, Name, world(own, Config),
      fun(Peer) ->
              {ok, <<$N, _/binary>>} = rustls_dist_scripted_peer:recv(Peer),
              _ = [rustls_dist_scripted_peer:send(Peer, case Packet of
                                                            _ when is_function(Packet) -> Packet(Name ++ "@127.0.0.1");
                                                            _ -> Packet
                                                        end) || Packet <- Packets],
              length(Packets) =:= 2 andalso ({ok, <<$r, _/binary>>} = rustls_dist_scripted_peer:recv(Peer)),
              rustls_dist_scripted_peer:End(Peer)
      end).

%% So that this can be told, a node of this carrier ends what it refuses in order.
turned_away_in_order(Config) ->
    Other = start(world(cluster, Config), rustls_dist_certs:options(world(own, Config)), #{cookie => "another"}),
    Node = world(node, Config),
    false = rustls_dist_cluster:call(Other, net_kernel, connect_node, [rustls_dist_cluster:name(Node)]),
    [#{line := Line}] = rustls_dist_reports:await(Other, 1),
    ?assertEqual({match, Line}, {re:run(Line, "cookies were compared; they may differ .its log says why", [{capture, none}]),
                                 Line}),
    line(Config, in, ["calls itself " ++ atom_to_list(rustls_dist_cluster:name(Other)), "the cookies differ"]),
    ok = rustls_dist_cluster:stop_node(Other).

%% The node and the address are kept from when the link came up: after a reset the socket knows neither.
broken_after_reset(Config) ->
    [begin
         ok = rustls_dist_reports:collect(world(node, Config)),
         Name = lists:concat(["broken", Nr, "@127.0.0.1"]),
         Peer = dial(Config),
         ok = rustls_dist_scripted_peer:join(Peer, Name, "rustls_dist_test"),
         Port = rustls_dist_scripted_peer:port(Peer),
         rustls_dist_cluster:poll(fun() -> lists:member(list_to_atom(Name), nodes_of(Config)) end),
         ok = rustls_dist_scripted_peer:garble_and_reset(Peer),
         rustls_dist_cluster:poll(fun() -> not lists:member(list_to_atom(Name), nodes_of(Config)) end),
         [begin
              ?assertMatch(#{direction := established, stage := link, address := {{127, 0, 0, 1}, Port}}, Report),
              ?assertEqual(list_to_atom(Name), maps:get(node, Report)),
              ?assertEqual(match, re:run(Line, ["^rustls_dist: link to ", Name, " .127.0.0.1 port ", integer_to_list(Port),
                                                ". broke in TLS"], [{capture, none}]), Line)
          end || #{event := link_failed, line := Line} = Report <- rustls_dist_reports:all(world(node, Config))]
     end || Nr <- lists:seq(1, 8)].

%% Of two nodes that connect to each other at the same moment one gives its attempt up. Nothing failed.
simultaneous_connects(Config) ->
    A = world(node, Config),
    B = start(world(cluster, Config), rustls_dist_certs:options(world(own, Config)),
              #{args => ["-kernel", "prevent_overlapping_partitions", "false"]}),
    [begin
         _ = rustls_dist_cluster:connect_at_once(A, B),
         ok = rustls_dist_cluster:part(A, B)
     end || _ <- lists:seq(1, 40)],
    ?assertEqual([], [Line || Node <- [A, B], #{line := Line} <- rustls_dist_reports:all(Node)]),
    ok = rustls_dist_cluster:stop_node(B).

%% A peer that is cut off while this node has an attempt of its own to that node, or to nobody knows whom on that host, has
%% withdrawn; one that is cut off for nothing has not.
withdrawn_or_cut(Config) ->
    Node = world(node, Config),
    Mute = lists:concat(["mute", erlang:unique_integer([positive])]),
    Cut = fun(Name) ->
                  Peer = challenged(Config, Name),
                  ok = rustls_dist_scripted_peer:reset(Peer)
          end,
    _ = rustls_dist_scripted_peer:serve(
          {world(cluster, Config), Node}, Mute, world(own, Config),
          fun(Peer) ->
                  {ok, <<$N, _/binary>>} = rustls_dist_scripted_peer:recv(Peer),
                  ok = rustls_dist_scripted_peer:reset(dial(Config)),
                  Cut("elsewhere@127.0.0.1"),
                  line(Config, in, ["calls itself elsewhere@127.0.0.1", "was cut after"]),
                  ok = rustls_dist_scripted_peer:close(Peer)
          end),
    [#{direction := out}] = rustls_dist_reports:await(Node, 1).

nodes_of(Config) ->
    rustls_dist_cluster:call(world(node, Config), erlang, nodes, [connected]).

%% Connections without a byte are counted, below what is logged by default, and do not use up the budget of failures.
health_checks(Config) ->
    Node = world(node, Config),
    Primary = rustls_dist_cluster:call(Node, logger, get_primary_config, []),
    ok = rustls_dist_cluster:call(Node, logger, set_primary_config, [level, info]),
    Port = rustls_dist_cluster:listening_port(Node),
    [begin
         {ok, Socket} = gen_tcp:connect({127, 0, 0, 1}, Port, [binary, {active, false}]),
         ok = gen_tcp:close(Socket)
     end || _ <- lists:seq(1, 20)],
    {ok, Web} = gen_tcp:connect({127, 0, 0, 1}, Port, [binary, {active, false}]),
    ok = gen_tcp:send(Web, "GET / HTTP/1.0\r\n\r\n"),
    {error, closed} = gen_tcp:recv(Web, 0, 10000),
    [#{line := Failure}] = rustls_dist_reports:await(Node, 1),
    ?assertEqual(match, re:run(Failure, "does not speak TLS: its first bytes were \"GET / HTTP/1.0", [{capture, none}])),
    Key = {probe, {127, 0, 0, 1}},
    rustls_dist_cluster:poll(fun() ->
                                     {state, _Tell, Entries} = rustls_dist_cluster:call(Node, sys, get_state, [rustls_dist_log_limit]),
                                     is_map_key(Key, Entries)
                                         andalso rustls_dist_rate:left_out(maps:get(Key, Entries)) =:= 20
                             end),
    ?assertEqual([], [Report || #{event := Event} = Report <- rustls_dist_reports:all(Node), Event =/= link_failed]),
    _ = rustls_dist_cluster:call(Node, erlang, send, [rustls_dist_log_limit, {period_over, Key}]),
    [#{level := info, line := Line}] =
        rustls_dist_cluster:poll(fun() ->
                                         Counts = [Report || #{event := connections_without_a_word} = Report
                                                                 <- rustls_dist_reports:all(Node)],
                                         Counts =/= [] andalso Counts
                                 end),
    ?assertEqual(match, re:run(Line, "20 connections from 127.0.0.1 .*health check or a port scan", [{capture, none}]), Line),
    ok = rustls_dist_cluster:call(Node, logger, set_primary_config, [level, maps:get(level, Primary)]).

%% certificates ---------------------------------------------------------------------------------------------

expired_by_serial(Config) ->
    expired(Config, world(node, Config)).

expired_by_serial_with_function(Config) ->
    Judge = start(world(cluster, Config),
                  rustls_dist_certs:options(world(own, Config), #{verify_fun => {?MODULE, as_otp, []}}), #{}),
    expired(Config, Judge),
    ok = rustls_dist_cluster:stop_node(Judge).

%% The peer's own certificate, and an authority between.
expired(Config, Judge) ->
    Cluster = world(cluster, Config),
    Dir = rustls_dist_cluster:dir(Cluster),
    Leaf = rustls_dist_certs:dated_cert(Dir, world(ca, Config), "expired_leaf", {-9, -2}, #{}),
    Between = rustls_dist_certs:dated_cert(Dir, world(ca, Config), "expired_between", {-9, -2},
                                           #{san => none, extensions => ["basicConstraints=critical,CA:TRUE",
                                                                         "keyUsage=critical,keyCertSign"]}),
    #{cert := Below} = Under = rustls_dist_certs:cert(Dir, Between, "under_expired", #{}),
    Chain = rustls_dist_certs:concat(filename:join(Dir, "chain.pem"), [Below, maps:get(cert, Between)]),
    [begin
         ok = rustls_dist_reports:collect(Judge),
         Peer = start(Cluster, rustls_dist_certs:options(Presented#{ca => maps:get(cert, world(ca, Config))}), #{}),
         false = rustls_dist_cluster:call(Peer, net_kernel, connect_node, [rustls_dist_cluster:name(Judge)]),
         [#{line := Line}] = rustls_dist_reports:await(Judge, 1),
         [?assertEqual({match, Line}, {re:run(Line, Said, [{capture, none}]), Line})
          || Said <- ["CN=" ++ Name, "serial number (is )?" ++ serial(Cert), "expired"]],
         ok = rustls_dist_cluster:stop_node(Peer)
     end || {Presented, Name, Cert} <- [{Leaf, "expired_leaf", maps:get(cert, Leaf)},
                                        {Under#{cert => Chain}, "expired_between", maps:get(cert, Between)}]].

serial(Cert) ->
    "serial=" ++ Serial = string:trim(os:cmd("openssl x509 -noout -serial -in " ++ Cert)),
    Serial.

as_otp(_Cert, {bad_cert, _} = Fault, _State) -> {fail, Fault};
as_otp(_Cert, {extension, _}, State) -> {unknown, State};
as_otp(_Cert, Event, State) when Event =:= valid; Event =:= valid_peer -> {valid, State}.

%% epmd -----------------------------------------------------------------------------------------------------

%% What epmd does not know is told from what it could not say.
epmd_answers(Config) ->
    [begin
         Node = list_to_atom("sought@" ++ Host),
         with_epmd(Config, Host, Answer,
                   fun() -> rustls_dist_cluster:call(world(node, Config), net_kernel, connect_node, [Node]) end),
         line(Config, out, ["^rustls_dist: link to sought@" ++ Host ++ " .* failed at epmd: ", Said])
     end || {Host, Answer, Said} <-
                [{"127.0.0.11", <<$w, 1>>, "does not know a node called sought"},
                 {"127.0.0.12", <<$w, 0, 17>>, "knows sought, and the connection ended before it had said the port"},
                 {"127.0.0.13", <<>>, "closed the connection without an answer"},
                 {"127.0.0.14", <<"HTTP/1.0 400 Bad Request\r\n", 27>>, "is not epmd: it answered \"HTTP/1.0 400 Bad Request"},
                 {"127.0.0.15", binary:copy(<<"x">>, 60000), "is not epmd: it answered \"xxx"}]].

with_epmd(Config, Host, Answer, Ask) ->
    #{epmd_port := Port} = world(cluster, Config),
    {ok, Ip} = inet:parse_address(Host),
    {ok, Listen} = gen_tcp:listen(Port, [{ip, Ip}, binary, {active, false}, {reuseaddr, true}]),
    Server = spawn_link(fun() -> answer_all(Listen, Answer) end),
    ok = gen_tcp:controlling_process(Listen, Server),
    false = Ask(),
    unlink(Server),
    exit(Server, kill).

answer_all(Listen, Answer) ->
    {ok, Socket} = gen_tcp:accept(Listen),
    {ok, _Request} = gen_tcp:recv(Socket, 0),
    case Answer of
        silence -> receive after infinity -> ok end;
        _ -> ok = gen_tcp:send(Socket, Answer)
    end,
    ok = gen_tcp:close(Socket),
    answer_all(Listen, Answer).

%% An epmd that takes the connection and says nothing: the stage and the address are true, and nobody blames the resolver.
silent_epmd(Config) ->
    Impatient = start(world(cluster, Config), rustls_dist_certs:options(world(own, Config)),
                      #{args => ["-kernel", "net_setuptime", "1"]}),
    with_epmd(Config, "127.0.0.16", silence,
              fun() -> rustls_dist_cluster:call(Impatient, net_kernel, connect_node, ['sought@127.0.0.16']) end),
    [#{line := Line, stage := epmd}] = rustls_dist_reports:await(Impatient, 1),
    [?assertEqual({match, Line}, {re:run(Line, Said, [{capture, none}]), Line})
     || Said <- ["link to sought@127.0.0.16 .127.0.0.16. failed at epmd: net_setuptime .1 s. passed",
                 "a firewall drops the packets, or the host is down, or epmd hangs"]],
    ok = rustls_dist_cluster:stop_node(Impatient).

%% A listener whose queue is full lets the packets of further connections fall, as a firewall does.
dropped_packets(Config) ->
    #{epmd_port := EpmdPort} = Cluster = world(cluster, Config),
    Impatient = start(Cluster, rustls_dist_certs:options(world(own, Config)), #{args => ["-kernel", "net_setuptime", "1"]}),
    {_, Epmd} = full(EpmdPort, {127, 0, 0, 18}),
    {Port, Node} = full(0, {127, 0, 0, 1}),
    Known = rustls_dist_cluster:fake_node(Cluster, "walled", Port),
    [begin
         false = rustls_dist_cluster:call(Impatient, net_kernel, connect_node, [Sought]),
         [#{line := Line, stage := Stage}] = rustls_dist_reports:await(Impatient, 1),
         [?assertEqual({match, Line}, {re:run(Line, Part, [{capture, none}]), Line})
          || Part <- ["a firewall drops the packets, or the host is down", Said]],
         ok = rustls_dist_reports:collect(Impatient)
     end || {Sought, Stage, Said} <-
                [{'sought@127.0.0.18', epmd, "link to sought@127.0.0.18 .127.0.0.18. failed at epmd"},
                 {'walled@127.0.0.1', tcp,
                  "link to walled@127.0.0.1 .127.0.0.1 port " ++ integer_to_list(Port) ++ ". failed at TCP"}]],
    [ok = gen_tcp:close(Socket) || Socket <- [Known | Epmd ++ Node]],
    ok = rustls_dist_cluster:stop_node(Impatient).

full(Port, Ip) ->
    {ok, Listen} = gen_tcp:listen(Port, [{ip, Ip}, {backlog, 0}]),
    {ok, Bound} = inet:port(Listen),
    {Bound, [Listen | fill(Bound, Ip)]}.

fill(Port, Ip) ->
    case gen_tcp:connect(Ip, Port, [], 200) of
        {ok, Socket} -> [Socket | fill(Port, Ip)];
        {error, timeout} -> []
    end.

%% ----------------------------------------------------------------------------------------------------------

dial(Config) ->
    rustls_dist_scripted_peer:dial(world(node, Config), world(own, Config)).

%% A peer that was let through to the challenge.
challenged(Config, Name) ->
    Peer = dial(Config),
    ok = rustls_dist_scripted_peer:send(Peer, rustls_dist_scripted_peer:name(Name)),
    {ok, <<"sok", _/binary>>} = rustls_dist_scripted_peer:recv(Peer),
    {ok, <<$N, _/binary>>} = rustls_dist_scripted_peer:recv(Peer),
    Peer.

%% The node reports one failure, with a line that has all of Said, and that this gives; then it collects anew.
line(Config, Direction, Said) ->
    Node = world(node, Config),
    [#{line := Line} = Report] = rustls_dist_reports:await(Node, 1),
    ?assertMatch(#{direction := Direction, event := link_failed}, Report),
    [?assertEqual({match, Line}, {re:run(Line, Pattern, [{capture, none}]), Line}) || Pattern <- Said],
    ?assert(length(Line) =< ?MAX_LINE, Line),
    ?assert(byte_size(term_to_binary(Report)) < 4000),
    ct:log("~ts", [Line]),
    ok = rustls_dist_reports:collect(Node),
    Line.

not_said(Word, Line) ->
    ?assertEqual(nomatch, string:find(Line, Word), Line).

world(Key, Config) ->
    maps:get(Key, proplists:get_value(world, Config)).
