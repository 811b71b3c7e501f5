%% The incident list of doc/operations.md: each line that the log may have, as the code says it of samples, with its cause and
%% what
%% to do. `make operations' writes it, rustls_dist_incidents_SUITE proves that nothing is missing.
-module(rustls_dist_incidents).

-export([pieces/0, reasons/0, alerts/0, rules/0, events/0, samples/0]).

%% logger's callback
-export([log/2]).

-export_type([row/1]).

-type row(Sample) :: {Reasons :: [atom(), ...], [Sample, ...], Cause :: string(), Remedy :: string()}.

-define(IP, {192, 0, 2, 7}).

%% For the page: each piece with its mark.
-spec pieces() -> [{Page :: string(), Mark :: string(), Text :: unicode:chardata()}].
pieces() ->
    [{"doc/operations.md", Mark, table(Title, [shown(Row, Say) || Row <- Rows])}
     || {Mark, Title, Rows, Say} <- [{"incidents-links", "reason", reasons() ++ alerts(), fun text/1},
                                     {"incidents-tls", "reason", rustls_dist_rust_incidents:tls(), fun as_it_is/1},
                                     {"incidents-rules", "fault", rules(), fun as_it_is/1},
                                     {"incidents-files", "reason", rustls_dist_rust_incidents:files(), fun as_it_is/1},
                                     {"incidents-events", "event", events(), fun logged/1}]].

table(Title, Rows) ->
    ["| `", Title, "` | the line says | cause | what to do |\n|---|---|---|---|\n",
     [["| ", lists:join(", ", [["`", atom_to_list(Name), "`"] || Name <- Names]), " | ", lists:join("<br>", Lines), " | ", Cause,
       " | ", Remedy, " |\n"] || {Names, Lines, Cause, Remedy} <- Rows]].

shown({Names, Samples, Cause, Remedy}, Say) ->
    Lines = [unicode:characters_to_binary(Say(Sample)) || Sample <- Samples],
    {Names, [Line || {Position, Line} <- lists:enumerate(Lines), not lists:member(Line, lists:sublist(Lines, Position - 1))],
     Cause, Remedy}.

as_it_is(Line) -> Line.

text({listener, What, LeftOut}) -> rustls_dist_failure:listener_text(What, LeftOut);
text({Setup, Reason}) -> rustls_dist_failure_text:text(Setup, Reason).

%% Who and where, as in the headline of a line.
setup(Direction, Stage) ->
    #{direction => Direction, stage => Stage, node => 'b@db2.example.com', address => {?IP, 4370}, ip => ?IP}.

dialling(Stage, Reasons) -> [{setup(out, Stage), Reason} || Reason <- Reasons].
dialled(Stage, Reasons) -> [{maps:without([node, ip], setup(in, Stage)), Reason} || Reason <- Reasons].

%% A link that was up.
ended(Hows) -> [{(maps:without([ip], setup(established, link)))#{event => link_ended}, {ended, How}} || How <- Hows].

epmd(Faults) -> dialling(epmd, [{epmd, {"b", "db2.example.com", ?IP, Fault}} || Fault <- Faults]).

%% All samples of failed links, for whoever wants to see each sentence said.
-spec samples() -> [{map(), term()}].
samples() ->
    [Sample || {_, Samples, _, _} <- reasons() ++ alerts(), {Setup, _} = Sample <- Samples, is_map(Setup)].

%% What this application finds itself, by the atoms of rustls_dist_reason.
-spec reasons() -> [row({map(), term()} | {listener, term(), non_neg_integer()})].
reasons() -> looking_up() ++ connecting() ++ shaking_hands() ++ joining().

looking_up() ->
    [{[configuration], dialling(configuration, [{configuration, "what is wrong with the options, as at the start of the node"}]),
      "the options of this role cannot be used", "`rustls-dist check`"},
     {[not_a_long_name], dialling(name_lookup, [{name_lookup, {not_a_long_name, "db2"}}]),
      "`-name` here, and a node name without a domain", "name the node with its full host name"},
     {[not_a_short_name], dialling(name_lookup, [{name_lookup, {not_a_short_name, "db2.example.com"}}]),
      "`-sname` here, and a node name with a domain", "the same kind of names on all nodes"},
     {[not_a_node_name], dialling(name_lookup, [{name_lookup, {not_a_node_name, db2}}]),
      "the program asked for something that is no node", "correct the program"},
     {[unknown_host], dialling(name_lookup, [{name_lookup, {"db2.example.com", nxdomain}}]),
      "no address for the host", "DNS, `/etc/hosts`"},
     {[unknown_to_epmd], epmd([unknown, {no_port_from, my_epmd}]),
      "the node does not run, or under another name; or the list of ports lacks it",
      "`epmd -names` on that host; the file or flag of ports"},
     {[epmd_unreachable], epmd([{unreachable, timeout}, {unreachable, econnrefused}]),
      "no epmd, or a firewall before it", "start a node there; open port 4369 between the nodes"},
     {[epmd_without_answer], epmd([cut_short, silent, closed, {garbage, <<"SSH-2.0-x">>},
                                   {error, {garbage_from_epmd, "SSH-2.0-x"}},
                                   {error, {rustls_dist, "what rustls_dist_epmd says of its ports"}}, {error, emfile}]),
      "what listens on epmd's port does not answer as epmd does", "see what listens on port 4369 there; restart epmd"}].

connecting() ->
    [{[connection_refused], dialling(tcp, [{connect, econnrefused}]),
      "epmd knows the node, and nothing listens on its port",
      "wait for it to start, or restart it; a firewall may answer for it"},
     {[timeout], dialling(tcp, [{connect, timeout}, setup_timer_timeout]) ++ dialling(name_lookup, [setup_timer_timeout])
                     ++ dialling(epmd, [setup_timer_timeout]) ++ dialling(tls, [{timeout, true}, setup_timer_timeout]),
      "packets are dropped on the way, or a host is overloaded", "firewalls; load; `net_setuptime`"},
     {[no_connection], dialling(tcp, [{connect, ehostunreach}, {connect, {my_socket, failed}}]), "the network",
      "routing, firewalls"},
     {[not_on_network], dialled(tcp, [{check_ip, ?IP}, {check_ip, {unknown, unknown, []}}]),
      "`check_ip` is set, and the peer's address is on none of this host's networks",
      "a peer that belongs there: take `check_ip` away, or give the host an interface in its network"},
     {[accept_error], [{listener, {accept_error, emfile}, 0}, {listener, {accept_error, enobufs}, 3}],
      "the node, or the host, has no room for a connection", "`ulimit -n`, `+Q`; look for what holds descriptors"},
     {[too_many_handshakes], [{listener, {too_many_handshakes, 4096}, 0}],
      "many connect and say nothing: an attack, a port scan", "close the port to whoever it is; nodes are let in all the same"},
     {[overloaded], dialled(tls, [overloaded]), "4,096 handshakes wait for a thread", "spread the nodes' starts; more cores"}].

shaking_hands() ->
    [{[not_tls], dialling(tls, [{not_tls, <<"HTTP/1.1 400">>}]), "something else has the node's port, or dials it",
      "see what it is; a health check belongs on another port"},
     {[silent], dialling(tls, [{timeout, false}]) ++ dialled(tls, [{timeout, false}]),
      "the peer took, or made, a connection and said nothing", "see whether it is a node, and what its log says"},
     {[no_answer], dialling(tls, [no_answer]), "the peer ended the connection at once: it may be without TLS, or overloaded",
      "`rustls-dist ping`; its log"},
     {[plain_distribution], dialling(tls, [plain_distribution]) ++ dialled(tls, [plain_distribution]),
      "one of the two nodes runs without TLS", "the same kind of carrier on all nodes"},
     {[no_certificate], dialled(tls, [no_certificate]), "this node's server side has no certificate", "`certfile`, `keyfile`"},
     {[unsupported_protocol], dialled(tls, [unsupported_protocol]), "distribution is being stopped", "none, if it was meant"},
     {[net_kernel_busy], dialled(tls, [net_kernel_busy]), "`net_kernel` is stuck", "see what it waits for (`process_info`)"},
     {[connection_broken], dialled(tls, [{socket, closed}, {socket, econnreset}, {socket, my_reason}])
                               ++ dialled(distribution_handshake, [connection_setup_failed, etimedout])
                               ++ ended([cut, {tcp_error, etimedout}]),
      "the peer, its host or the network went away", "its log; what stands between the hosts"}].

joining() ->
    [{[rechecked], [{#{direction => established, stage => certificate, node => 'b@db2.example.com', address => {?IP, 4370}},
                     {rechecked, "certificate CN=node: a certificate of the chain is revoked (keyCompromise)"}}],
      "`recheck` is set, and the peer of a link that is up does not pass any more", "as the sentence says; the link is closed"},
     {[bad_cookie], dialled(distribution_handshake, [{recv_challenge_reply_failed, bad_cookie}])
                        ++ dialling(distribution_handshake, [{recv_challenge_ack_failed, bad_cookie}]),
      "other cookies", "the same `-setcookie` or `~/.erlang.cookie`"},
     {[not_allowed], dialling(distribution_handshake, [{recv_status_failed, not_allowed}])
                         ++ dialled(distribution_handshake, [{is_allowed, not_allowed}, {not_allowed, no_certificate},
                                                             {not_allowed, certificate_names_no_allowed_node}]),
      "`net_kernel:allow/1` is in force and does not list the node", "list it, if it belongs to the cluster"},
     {[verify_node], dialled(distribution_handshake, [{verify_node, name, "b@db2.example.com", no_certificate},
                                                      {verify_node, name, "b@db2.example.com", ["DNS:db1.example.com"]},
                                                      {verify_node, host, "b@db2.example.com", []}]),
      "the peer's certificate is not for the name that it states",
      "a certificate for that name; if there is one, find out who it was"},
     {[missing_flags], dialled(distribution_handshake, [{check_dflags_failed, ["FRAGMENTS", "UTF8_ATOMS"]}]),
      "releases that are too far apart", "releases of OTP that know each other"},
     {[too_many_nameless], dialled(distribution_handshake, [{too_many_nameless, 500, 60000}]),
      "peers that are started without a name, or say so, and have another cookie",
      "see who they are; a node with a name is let in all the same"},
     {[wrong_node], dialling(distribution_handshake, [{recv_challenge_failed, no_node, "c@db2.example.com"}]),
      "another node has the port: an old entry in epmd or in the file of ports", "restart the node; correct the file"},
     {[closed_by_peer], [Sample || How <- [in_order, cut],
                                   Step <- [recv_status_failed, recv_challenge_failed, recv_challenge_reply_failed,
                                            recv_challenge_ack_failed, no_name],
                                   Sample <- dialling(distribution_handshake, [{closed, How, Step}])]
                            ++ dialled(distribution_handshake, [{closed, cut, recv_status_failed}]) ++ ended([in_order]),
      "the peer has a reason, or went away", "its log"},
     {[bad_packet], dialled(distribution_handshake, [{bad_packet, What, <<"Nab">>}
                                                     || What <- [name, name_of_old_release, challenge, challenge_reply,
                                                                 challenge_ack, status, long, unknown]])
                        ++ dialling(distribution_handshake, [{recv_status_failed, unknown, "odd"}, {recv_status_failed, {ok,
                              "sok"}}]),
      "the peer does not speak distribution as it should: another program, OTP 22 or older, an attack", "see who it is"},
     {[undecodable], dialled(certificate, [{failed_over_input, {public_key, pkix_decode_cert, 2}, badmatch}]),
      "malformed input that OTP's own code stumbled over", "see who the peer is; report it, if it is a node"},
     {[other], dialled(distribution_handshake, [{something, new}]), "a reason that nobody has a sentence for", "report it"}].

%% Alerts: what the other node says of this one. Those without a meaning of their own are in the last row.
-spec alerts() -> [row({map(), term()})].
alerts() ->
    Sent = fun(Name, Code) -> {setup(out, tls), {tls_alert, {Code, Name}}} end,
    [{[unknown_ca], [Sent(unknown_ca, 48)], "its `cacertfile` lacks this node's authority", "compare the two files"},
     {[certificate_expired], [Sent(certificate_expired, 45)], "this node's certificate, or a clock", "renew it; NTP"},
     {[certificate_revoked], [Sent(certificate_revoked, 44)], "a revocation list names this node's certificate",
      "a new key and certificate, if the node still belongs to the cluster"},
     {[certificate_required], [Sent(certificate_required, 116)], "this node shows no certificate",
      "`certfile`, `keyfile` of the client side"},
     {[bad_certificate], [Sent(bad_certificate, 42)], "most often the host name", "`rustls-dist check`; its log"},
     {[unsupported_certificate], [Sent(unsupported_certificate, 43)], "usages, or the kind of key",
      "`rustls-dist check`; its log"},
     {[certificate_unknown], [Sent(certificate_unknown, 46)], "its own rules: `verify_fun`, revocation", "its log"},
     {[bad_record_mac], [Sent(bad_record_mac, 20)], "bytes were damaged or forged on the way", "the network; its log"},
     {[handshake_failure], [Sent(handshake_failure, 40)], "no suite or group in common, or no certificate",
      "compare `ciphers`, `supported_groups`; its log"},
     {[protocol_version], [Sent(protocol_version, 70)], "no version in common", "compare `versions`"},
     {silent_alerts(), [Sent(internal_error, 80)], "the alert's name says what there is to say", "its log"}].

silent_alerts() ->
    [close_notify, unexpected_message, decryption_failed, record_overflow, decompression_failure, illegal_parameter,
     access_denied, decode_error, decrypt_error, export_restriction, insufficient_security, internal_error,
     inappropriate_fallback, user_canceled, no_renegotiation, missing_extension, unsupported_extension,
     certificate_unobtainable, unrecognized_name, bad_certificate_status_response, bad_certificate_hash_value,
     unknown_psk_identity, no_application_protocol, ech_required, unknown_alert].

%% What a verify_fun, the check of revocation and verify_pinned make of a chain: the sentences behind `refused_by_referee'. Their
%% wording is compared with the literals of the modules that make them.
-spec rules() -> [row(string())].
rules() ->
    [{[unknown_ca, selfsigned_peer, missing_basic_constraint, max_path_length_reached, hostname_check_failed, cert_expired],
      ["certificate CN=node: the chain reaches no certificate of cacertfile",
       "certificate CN=node: the certificate is self-signed",
       "certificate CN=node: a certificate above it is not that of an authority (basicConstraints)",
       "certificate CN=node: the chain is longer than depth allows",
       "certificate CN=node: the certificate does not name the host that was dialled",
       "certificate CN=node: its serial number is 01AB, and it has expired or is not valid yet",
       "certificate without a common name: refused: invalid_signature"],
      "as the rows of TLS above: OTP's own walk found it, and the function did not accept it", "as there"},
     {[revoked], ["certificate CN=node: a certificate of the chain is revoked (keyCompromise)"], "a revocation list names it",
      "none, if it was meant; else a new certificate"},
     {[revocation_status_undetermined],
      ["certificate CN=node: whether a certificate of the chain is revoked cannot be told: there is no list of its issuer that "
       "is "
       "not out of date", "certificate CN=node: whether a certificate of the chain is revoked cannot be told: a list of its "
              "issuer "
       "cannot be decoded", "certificate CN=node: whether a certificate of the chain is revoked cannot be told: no list of its "
       "issuer can be used ([invalid_signature])",
       "the source of revocation lists my_lists failed in lookup/3: timeout"],
      "no list, or one that is too old, damaged, or not to be had",
      "provide or renew the list; see the notice in the log that says why"},
     {[not_pinned], ["certificate CN=node: its fingerprint AB:CD is not among the pinned ones (verify_pinned)"],
      "another certificate than was pinned", "pin it, if it belongs to the cluster"},
     {[pinned_fingerprints],
      ["certificate CN=node: the pinned fingerprints cannot be used (verify_pinned): their file begins with a byte-order mark of "
       "UTF-16; save it as plain text",
       "certificate CN=node: the pinned fingerprints cannot be used (verify_pinned): \"AB\" is no "
       "SHA-256 fingerprint; write 64 hexadecimal digits",
       "certificate CN=node: the pinned fingerprints cannot be used (verify_pinned): /etc/erlang/pins is larger than 1048576 "
       "bytes",
       "certificate CN=node: the pinned fingerprints cannot be used (verify_pinned): /etc/erlang/pins cannot be read: no such "
       "file "
       "or directory"], "the file of pins", "as the sentence says"},
     {[too_many_certificates, undecodable], ["the peer sent more than 32 certificates",
                                             "public_key cannot judge the chain (badarg)",
                                             "the peer sent a certificate that cannot be decoded, or names that are no text"],
      "a fault, or an attack", "see who it is"},
     {[verify_fun], ["verify_fun {m, f, s} returned ok for valid_peer", "verify_fun {m, f, s} failed with error:undef for valid",
                     "verify_fun {m, f, s} ended its process with killed",
                     "verify_fun {m, f, s} did not return within net_setuptime",
                     "verify_fun {m, f, s}, or a source of revocation lists, did not return within net_setuptime",
                     "the verification did not return within net_setuptime",
                     "...; that is forgiven, but it hides what else may be wrong"],
      "the user's function", "mend it; it must answer within `net_setuptime`"}].

%% What is logged besides failed links, by the event in the metadata.
-spec events() -> [row(fun(() -> term()) | {text, unicode:chardata()})].
events() ->
    Files = ["/etc/erlang/tls/node.pem"],
    [{[recheck_undecided], [fun() -> rustls_dist_log:not_rechecked(#{node => 'b@db2.example.com', address => {?IP, 4370}},
                                     "the source of revocation lists my_lists failed in lookup/3: timeout") end],
      "`recheck` is set, and whether the peer still passes cannot be told", "as the sentence says"},
     {[link_failed], [{text, ["link to b@db2.example.com", Where, ": ..."]}
                      || Where <- [" failed (own configuration)", " failed at name lookup", " (192.0.2.7) failed at epmd",
                                   " (192.0.2.7 port 4370) failed at TCP", " (192.0.2.7 port 4370) failed in the TLS handshake",
                                   " (192.0.2.7 port 4370) failed at certificate verification",
                                   " (192.0.2.7 port 4370) failed in the distribution handshake",
                                   " (192.0.2.7 port 4370) broke in TLS"]]
                     ++ [{text, "link from a peer that calls itself b@db2.example.com (192.0.2.7 port 53124) failed in ..."}],
      "the sentence behind it, in the tables above, says it", "as there"},
     {[link_ended], [fun() -> rustls_dist_log:ended_link(#{node => 'b@db2.example.com', address => {?IP, 4370}}, How) end
                     || How <- [in_order, cut, {tcp_error, etimedout}]]
                    ++ [fun() -> rustls_dist_log:repeated({ended, 'b@db2.example.com', link}, 3, 10000) end],
      "a link that was up was ended by its peer or the network (level info: nodes and tools that go away are no failure)",
      "none if the peer was to go; else what stands between the hosts (idle connections that a firewall forgets)"},
     {[link_withdrawn], [fun withdrawn/0],
      "two nodes dialled each other at once, and one attempt won (level debug)", "none"},
     {[link_failures_repeated], [fun() -> rustls_dist_log:repeated({out, 'b@db2.example.com', tcp}, 412, 10000) end,
                                 fun() -> rustls_dist_log:repeated({in, ?IP, tls}, 30, 10000) end,
                                 fun() -> rustls_dist_log:repeated({in, unknown, tls}, 30, 10000) end,
                                 fun() -> rustls_dist_log:repeated(others, 2048, 10000) end,
                                 fun() -> rustls_dist_log:repeated({crl_source, my_lists}, 9, 10000) end],
      "the first five of a kind in 10 s are logged, the rest is counted", "as the entries before say"},
     {[connections_without_a_word], [fun() -> rustls_dist_log:repeated({probe, Ip}, 12, 10000) end || Ip <- [?IP, unknown,
           others]],
      "a health check, a port scan (level info)", "none, or move the health check"},
     {[listener], [fun() -> rustls_dist_log:listener({accept_error, emfile}, 0) end,
                   fun() -> rustls_dist_log:listener({too_many_handshakes, 4096}, 3) end],
                   "see `accept_error`, `too_many_handshakes` above", "as there"},
     {[configuration_error], [{text, Text} || Text <- boot_lines()], "the node does not start; its last words",
      "`rustls-dist check` says all of them at once"},
     {[configuration_notice], [fun() -> rustls_dist_log:notice(rustls_dist_opts:format_notice(Notice)) end || Notice <- notices()]
                                  ++ [{text, "the revocation lists of http://ca.example.com/ca.crl are not available: ...; with "
                                         "crl_check true or peer, certificates that only these lists tell about are refused"},
                                      {text, "the files of the TLS configuration could not be looked at; what was in use stays, "
                                             "and they are looked at again every few seconds"}],
      "the node runs, and something is not as it may have been meant", "as the sentence says"},
     {[own_certificate], [fun() -> rustls_dist_log:own_certificate(Text) end || {_, Text} <- own_faults()],
      "peers refuse this node, or soon will; told at the start, after a reload, and 30, 7 and 1 days before the end",
      "renew or reissue the certificate"},
     {[configuration_reloaded], [fun() -> rustls_dist_log:reloaded(2, Files) end], "files changed and are in use", "none"},
     {[configuration_refused], [fun() -> rustls_dist_log:not_reloaded(Files, "one of the sentences above") end],
      "files changed and cannot be used; told once for each change",
      "correct them; `rustls_dist:reload()` says at once whether it helped"},
     {[crl_source], [fun() -> rustls_dist_log:crl_source(my_lists, warning, #{reason => nxdomain}, #{}) end],
      "what a `crl_cache` module of one's own logs", "as it says"}].

withdrawn() ->
    Setup = (setup(in, distribution_handshake))#{states => "b@db2.example.com"},
    rustls_dist_log:failed_setup(Setup, none, {recv_status_failed, {error, closed}}).

boot_lines() ->
    ["the client option depht from the options file /etc/erlang/tls.conf is not a TLS option that this version of rustls_dist "
     "knows: write depth in {client, [...]} if that is what was meant",
     "all ports from 4370 to 4372, which kernel's inet_dist_listen_min and inet_dist_listen_max leave to this node, are in use "
     "on this host: widen the range, or end what listens there",
     "this node cannot be made known as a: epmd on 127.0.0.1 port 4369 did not answer; start it with: epmd -daemon, or do "
     "without it (-start_epmd false -epmd_module rustls_dist_epmd)"].

notices() ->
    File = {optfile, "/etc/erlang/tls.conf"},
    [{unauthenticated, both}, {unauthenticated, server}, peer_certificate_optional, no_certificate,
     {no_meaning, client, File, fail_if_no_peer_cert, "only a server can require a certificate"},
     {overridden, server, certfile, flag, flag}, {overridden, server, certfile, File, flag},
     {crlfile_unusable, client, "/etc/erlang/ca.crl", "no such file or directory"}].

own_faults() ->
    Now = 1800000000,
    Leaf = #{subject => <<"CN=node">>, serial => <<"01ab">>, dns_names => [<<"db1.example.com">>], ip_addresses => [],
             common_names => [], usages => [digital_signature, server_auth, client_auth],
             not_before => Now - 86400, not_after => Now + 100 * 86400},
    lists:append([rustls_dist_own_faults:faults(#{Role => [[maps:merge(Leaf, Change)]]}, Now, "db1.example.com")
                  || Role <- [server], Change <- [#{not_after => Now - 86400}, #{not_before => Now + 86400},
                                                  #{not_after => Now + 5 * 86400},
                                #{dns_names => [<<"db2.example.com">>]}, #{dns_names => []}]]
                 ++ [rustls_dist_own_faults:faults(#{Role => [[Leaf#{usages := []}]]}, Now, "db1.example.com")
                     || Role <- [server, client]]).

%% What is logged when Log is called, through logger, as a handler has it.
logged({text, Text}) ->
    Text;
logged(Log) ->
    #{level := Level} = logger:get_primary_config(),
    ok = rustls_dist_meter:new(rustls_dist_reason:all()),
    ok = logger:set_primary_config(level, all),
    ok = logger:add_handler(?MODULE, ?MODULE, #{level => all, config => self()}),
    _ = logger:add_handler_filter(default, ?MODULE, {fun(_Event, _) -> stop end, none}),
    try
        ok = Log(),
        receive {logged, Line} -> string:prefix(Line, "rustls_dist: ") after 1000 -> error({not_logged, Log}) end
    after
        _ = logger:remove_handler_filter(default, ?MODULE),
        ok = logger:remove_handler(?MODULE),
        ok = logger:set_primary_config(level, Level)
    end.

-spec log(logger:log_event(), logger:handler_config()) -> ok.
log(#{meta := #{domain := [rustls_dist | _], report_cb := Format}, msg := {report, Report}}, #{config := Asking}) ->
    {Text, Arguments} = Format(Report),
    Asking ! {logged, unicode:characters_to_list(io_lib:format(Text, Arguments))},
    ok;
log(_Other, _Config) ->
    ok.
