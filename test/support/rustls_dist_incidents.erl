%% The incident list of doc/operations.md: each line that the log may have, as the code says it of samples, with its cause and what
%% to do. `make operations' writes it, rustls_dist_incidents_SUITE proves that nothing is missing.
-module(rustls_dist_incidents).

-export([pieces/0, reasons/0, tls/0, alerts/0, files/0, events/0, samples/0]).

%% logger's callback
-export([log/2]).

-type row(Sample) :: {Reasons :: [atom(), ...], [Sample, ...], Cause :: string(), Remedy :: string()}.

-define(IP, {192, 0, 2, 7}).

%% For the page: each piece with its mark.
-spec pieces() -> [{Page :: string(), Mark :: string(), Text :: unicode:chardata()}].
pieces() ->
    [{"doc/operations.md", Mark, table(Title, Rows)}
     || {Mark, Title, Rows} <- [{"incidents-links", "reason", [shown(Row, fun text/1) || Row <- reasons() ++ alerts()]},
                                {"incidents-tls", "reason", [shown(Row, fun(Line) -> Line end) || Row <- tls()]},
                                {"incidents-files", "reason", [shown(Row, fun(Line) -> Line end) || Row <- files()]},
                                {"incidents-events", "event", [shown(Row, fun logged/1) || Row <- events()]}]].

table(Title, Rows) ->
    ["| `", Title, "` | the line says | cause | what to do |\n|---|---|---|---|\n",
     [["| ", lists:join(", ", [["`", atom_to_list(Name), "`"] || Name <- Names]), " | ", lists:join("<br>", Lines), " | ", Cause,
       " | ", Remedy, " |\n"] || {Names, Lines, Cause, Remedy} <- Rows]].

shown({Names, Samples, Cause, Remedy}, Say) ->
    {Names, [Say(Sample) || Sample <- Samples], Cause, Remedy}.

text({listener, What, LeftOut}) -> rustls_dist_failure:listener_text(What, LeftOut);
text({Setup, Reason}) -> rustls_dist_failure_text:text(Setup, Reason).

%% Who and where, as in the headline of a line.
setup(Direction, Stage) ->
    #{direction => Direction, stage => Stage, node => 'b@db2.example.com', address => {?IP, 4370}, ip => ?IP}.

dialling(Stage, Reasons) -> [{setup(out, Stage), Reason} || Reason <- Reasons].
dialled(Stage, Reasons) -> [{maps:without([node, ip], setup(in, Stage)), Reason} || Reason <- Reasons].

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
      "epmd knows the node, and nothing listens on its port", "wait for it to start, or restart it; a firewall may answer for it"},
     {[timeout], dialling(tcp, [{connect, timeout}, setup_timer_timeout]) ++ dialling(name_lookup, [setup_timer_timeout])
                     ++ dialling(epmd, [setup_timer_timeout]) ++ dialling(tls, [{timeout, true}, setup_timer_timeout]),
      "packets are dropped on the way, or a host is overloaded", "firewalls; load; `net_setuptime`"},
     {[no_connection], dialling(tcp, [{connect, ehostunreach}, {connect, {my_socket, failed}}]), "the network", "routing, firewalls"},
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
                               ++ dialled(distribution_handshake, [connection_setup_failed, etimedout]),
      "the peer, its host or the network went away", "its log; what stands between the hosts"}].

joining() ->
    [{[bad_cookie], dialled(distribution_handshake, [{recv_challenge_reply_failed, bad_cookie}])
                        ++ dialling(distribution_handshake, [{recv_challenge_ack_failed, bad_cookie}]),
      "other cookies", "the same `-setcookie` or `~/.erlang.cookie`"},
     {[not_allowed], dialling(distribution_handshake, [{recv_status_failed, not_allowed}])
                         ++ dialled(distribution_handshake, [{is_allowed, not_allowed}, {not_allowed, no_certificate},
                                                             {not_allowed, certificate_names_no_allowed_node}]),
      "`net_kernel:allow/1` is in force and does not list the node", "list it, if it belongs to the cluster"},
     {[verify_node], dialled(distribution_handshake, [{verify_node, name, "b@db2.example.com", no_certificate},
                                                      {verify_node, name, "b@db2.example.com", ["DNS:db1.example.com"]},
                                                      {verify_node, host, "b@db2.example.com", []}]),
      "the peer's certificate is not for the name that it states", "a certificate for that name; if there is one, find out who it was"},
     {[missing_flags], dialled(distribution_handshake, [{check_dflags_failed, ["FRAGMENTS", "UTF8_ATOMS"]}]),
      "releases that are too far apart", "releases of OTP that know each other"},
     {[wrong_node], dialling(distribution_handshake, [{recv_challenge_failed, no_node, "c@db2.example.com"}]),
      "another node has the port: an old entry in epmd or in the file of ports", "restart the node; correct the file"},
     {[closed_by_peer], [Sample || How <- [in_order, cut],
                                   Step <- [recv_status_failed, recv_challenge_failed, recv_challenge_reply_failed,
                                            recv_challenge_ack_failed, no_name],
                                   Sample <- dialling(distribution_handshake, [{closed, How, Step}])]
                            ++ dialled(distribution_handshake, [{closed, cut, recv_status_failed}]),
      "the peer has a reason, or went away", "its log"},
     {[bad_packet], dialled(distribution_handshake, [{bad_packet, What, <<"Nab">>}
                                                     || What <- [name, name_of_old_release, challenge, challenge_reply,
                                                                 challenge_ack, status, long, unknown]])
                        ++ dialling(distribution_handshake, [{recv_status_failed, unknown, "odd"}, {recv_status_failed, {ok, "sok"}}]),
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
     {[certificate_required], [Sent(certificate_required, 116)], "this node shows no certificate", "`certfile`, `keyfile` of the client side"},
     {[bad_certificate], [Sent(bad_certificate, 42)], "most often the host name", "`rustls-dist check`; its log"},
     {[unsupported_certificate], [Sent(unsupported_certificate, 43)], "usages, or the kind of key", "`rustls-dist check`; its log"},
     {[certificate_unknown], [Sent(certificate_unknown, 46)], "its own rules: `verify_fun`, revocation", "its log"},
     {[bad_record_mac], [Sent(bad_record_mac, 20)], "bytes were damaged or forged on the way", "the network; its log"},
     {[handshake_failure], [Sent(handshake_failure, 40)], "no suite or group in common, or no certificate",
      "compare `ciphers`, `supported_groups`; its log"},
     {[protocol_version], [Sent(protocol_version, 70)], "no version in common", "compare `versions`"},
     {silent_alerts(), [Sent(internal_error, 80)], "the alert's name says what there is to say", "its log"}].

silent_alerts() ->
    [close_notify, unexpected_message, decryption_failed, record_overflow, decompression_failure, illegal_parameter, access_denied,
     decode_error, decrypt_error, export_restriction, insufficient_security, internal_error, inappropriate_fallback, user_canceled,
     no_renegotiation, missing_extension, unsupported_extension, certificate_unobtainable, unrecognized_name,
     bad_certificate_status_response, bad_certificate_hash_value, unknown_psk_identity, no_application_protocol, ech_required,
     unknown_alert].

%% What Rust finds in a handshake or on a link. The sentences are compared with those of Rust by test/error/error_text.rs.
-spec tls() -> [row(string())].
tls() -> of_chains() ++ of_kinds() ++ of_agreements() ++ of_records().

of_chains() ->
    [{[certificate_expired],
      ["a certificate in the peer's chain, that of CN=node with the serial number 01ab, expired on 2023-11-14 22:13:20 UTC, and it is "
       "2027-01-15 08:00:00 UTC now", "a certificate in the peer's chain has expired"],
      "the peer's certificate, one above it, or a clock", "renew it on the peer; NTP"},
     {[certificate_not_yet_valid],
      ["a certificate in the peer's chain, that of CN=node with the serial number 01ab, is not valid before 2023-11-14 22:13:20 UTC, "
       "and it is 2020-09-13 12:26:40 UTC now", "a certificate in the peer's chain is not valid yet"],
      "a clock that is behind, or a certificate issued ahead", "NTP"},
     {[unknown_issuer], ["a certificate in the peer's chain was issued by an authority that is not in cacertfile"],
      "another authority, or a chain without its intermediates", "`cacertfile` here, `certfile` there"},
     {[self_signed_peer],
      ["the peer's certificate is self-signed; give it one that an authority in cacertfile issued, or pin it with verify_fun "
       "{rustls_dist, verify_pinned, [FINGERPRINT]}"], "a certificate for trying out", "an authority, or pins"},
     {[name_mismatch],
      ["the server's certificate does not name the host \"a\"; it names DNS:b",
       "the server's certificate names no host at all, and \"a\" was dialled",
       "the server's certificate names the host \"a\" by its common name alone, which does not count below an authority that "
       "constrains names (nameConstraints); issue one with the host in its subjectAltName",
       "the peer's certificate was refused: not valid for name"],
      "the certificate is for another host, or the node was dialled by another name of it", "a certificate with that host as DNS name or IP"},
     {[certificate_revoked], ["a certificate in the peer's chain has been revoked"], "a revocation list names it",
      "none, if it was meant; else a new certificate"},
     {[unknown_revocation_status], ["a certificate in the peer's chain is covered by no certificate revocation list"],
      "`crl_check`, and no list of that authority", "provide the list"},
     {[revocation_list_expired],
      ["a certificate revocation list was due to be renewed on 2023-11-14 22:13:20 UTC, and it is 2027-01-15 08:00:00 UTC now"],
      "the list was not renewed in time", "issue a new one, before its nextUpdate"},
     {[bad_revocation_list], ["a certificate revocation list cannot be used: bad signature"], "a damaged or forged list", "a whole one"},
     {[refused_by_referee], ["what verify_fun or the check of revocation said"], "the rules of this node", "as the sentence says"},
     {[refused_by_application], ["a certificate in the peer's chain was refused by this node's own rules"], "the same", "the same"},
     {[wrong_key_usage],
      ["a certificate in the peer's chain is not meant for this use (extended key usage); issue one with serverAuth and clientAuth"],
      "a certificate for web servers, most often", "issue it for both roles"},
     {[bad_signature],
      ["a certificate in the peer's chain is not signed by the authority it names, or the peer does not hold its key"],
      "two authorities of one name, a damaged certificate, an impostor", "compare keys of the authorities; see who the peer is"},
     {[trust_anchor_not_valid],
      ["the trust anchor CN=node is valid from 2020-09-13 12:26:40 UTC to 2023-11-14 22:13:20 UTC only; replace it in cacertfile"],
      "the root has expired", "both the old and the new one in `cacertfile` until all certificates are of the new one"},
     {[peer_is_authority],
      ["the peer's certificate is that of an authority (CA:TRUE); issue one with basicConstraints=CA:FALSE"],
      "the root's own certificate on a node", "issue one for the node"},
     {[not_an_authority],
      ["a certificate in the peer's chain issued another one and is not that of an authority (basicConstraints lacks CA:TRUE)"],
      "an intermediate made wrongly; or a member that issues certificates", "reissue the intermediate; see who the peer is"},
     {[authority_may_not_sign],
      ["the certificate of CN=node is not meant for signing certificates (keyUsage lacks keyCertSign)"], "the same", "the same"},
     {[path_length_exceeded],
      ["the peer's chain has more authorities than one of them allows (pathlen of basicConstraints)"],
      "an authority below one that may have none", "issue from where it is allowed"},
     {[name_not_permitted], ["a name in the peer's certificate is not one that its authority may certify (nameConstraints)"],
      "a constrained authority, and a name outside", "issue from another authority, or name the node otherwise"},
     {[chain_too_deep], ["the peer's certificate chain has 3 intermediate certificates, and depth allows 2"], "`depth`", "raise it, or a shorter chain"},
     {[too_many_intermediates], ["the peer's chain has more than six intermediate certificates, which is the most that are followed"],
      "a chain that long", "a shorter one"},
     {[too_much_work],
      ["the search for a path through the peer's certificates was given up: there are too many of them with the same names"],
      "many authorities of one name, or an attack", "fewer of them"},
     {[no_peer_certificate],
      ["the peer sent no certificate, and one is required of it; it has none, or none that this node can check: such as are for keys "
       "of, and signed with, ECDSA with SHA-256 or SHA-384, RSA with SHA-256 or better, or Ed25519"],
      "the peer's client side names none, or one with another kind of key", "`certfile`, `keyfile` in the peer's client part"},
     {[closed], ["the connection is closed"], "the peer went away", "its log"}].

of_kinds() ->
    Reissue = "issue it anew",
    [{[unsupported_signature_algorithm],
      ["a certificate in the peer's chain is signed with an algorithm that is not accepted: SHA-1; issue it anew with ECDSA with "
       "SHA-256 or SHA-384, RSA with SHA-256 or better, or Ed25519",
       "a certificate in the peer's chain is signed with an algorithm that is not accepted: another kind of key than its authority "
       "has; issue it anew with ECDSA with SHA-256 or SHA-384, RSA with SHA-256 or better, or Ed25519",
       "an authority in the peer's chain has a key of a kind that is not accepted: DSA; make a new one on P-256 or P-384, of Ed25519 "
       "or RSA"], "an algorithm that is too weak, or that the provider lacks", Reissue ++ "; [cryptography.md](cryptography.md)"},
     {[unsupported_peer_key],
      ["the peer's certificate is for a key of a kind that is not accepted: DSA; make a new key on P-256 or P-384, of Ed25519 or RSA, "
       "and a certificate for it"], "the same, of the peer's key", "a new key"},
     {[weak_key], ["the peer's RSA key has 1024 bits only, and at least 2048 are needed; make a new key and certificate"],
      "an old key", "a new one"},
     {[unsupported_certificate_version], ["a certificate in the peer's chain is of X.509 version 1 or 2; issue it as version 3"],
      "`openssl x509` without extensions", Reissue},
     {[unhandled_critical_extension], ["a certificate in the peer's chain has a critical extension that is not understood"],
      "an extension of somebody's own, marked critical", Reissue ++ " without, or accept it in a `verify_fun`"},
     {[bad_certificate_encoding], ["a certificate in the peer's chain is not correctly encoded"], "a damaged certificate, an attack", Reissue},
     {[unique_identifier],
      ["a certificate in the peer's chain has an issuerUniqueID or a subjectUniqueID, which is not accepted; issue it anew without "
       "(RFC 5280 section 4.1.2.8 says so, too)"], "an old authority", Reissue},
     {[extension_twice],
      ["a certificate in the peer's chain has one extension twice, which RFC 5280 section 4.2 forbids; issue it anew with one of them"],
      "two sections of `openssl.cnf`", Reissue},
     {[extension_malformed],
      ["a certificate in the peer's chain has an extension whose contents are not encoded as RFC 5280 section 4.2 has it; issue it anew"],
      "an authority that encodes wrongly", Reissue},
     {[validity_before_1970],
      ["a certificate in the peer's chain has a validity that begins or ends before 1970, which is not accepted; issue it anew with a "
       "later one"], "a clock without battery", Reissue},
     {[validity_malformed],
      ["a certificate in the peer's chain has a validity that is not written as RFC 5280 section 4.1.2.5 has it, in UTC with seconds "
       "and a Z; issue it anew"], "an authority that encodes wrongly", Reissue},
     {[issuer_in_other_bytes],
      ["a certificate in the peer's chain writes its issuer's name in other bytes than the authority's subject: in another string type "
       "(PrintableString, UTF8String), or with other capitals or blanks; issue it anew with the name as the authority has it"],
      "two tools that write names differently", Reissue},
     {[certificate_refused, bad_ocsp_response], ["the peer's certificate was refused: invalid ocsp response"],
      "a verdict of rustls without a sentence here", "report it"}].

of_agreements() ->
    [{[no_shared_cipher], ["this node and the peer have no cipher suite in common (option ciphers)"], "`ciphers`", "compare them"},
     {[no_shared_group], ["this node and the peer have no key exchange group in common"], "`supported_groups`, `eccs`", "compare them"},
     {[no_shared_signature_scheme],
      ["this node and the peer have no signature scheme in common; does the kind of key fit the cipher suites?"],
      "ECDSA suites alone, and an RSA key, or the other way round", "`ciphers`, or a second key in `certs_keys`"},
     {[no_shared_version], ["this node and the peer have no TLS version in common (option versions)"], "`versions`", "compare them"},
     {[peer_incompatible],
      ["this node and the peer have no extended master secret, which TLS 1.2 is required to have",
       "the peer lacks something that is required: uncompressed ec points required"], "an old TLS stack", "a newer one; TLS 1.3"},
     {[no_application_protocol], ["peer doesn't support any known protocol"], "a peer that wants ALPN", "see who it is"},
     {[alert_received],
      ["the peer refused the connection with the alert unknown_ca: it does not trust the authority that issued this node's certificate"],
      "as the row of that alert says", "as there"}].

of_records() ->
    Attack = "no node does that: another program, a fault, an attack",
    [{[invalid_message], ["the peer sent a message that is not valid TLS (missing data); is it speaking TLS at all?"], Attack, "see who it is"},
     {[unexpected_message],
      ["the peer sent a record that has no place at this point (heartbeat)",
       "the peer sent a handshake message that has no place at this point (finished)"], Attack, "see who it is"},
     {[peer_misbehaved], ["the peer broke the rules of TLS (illegal middlebox change cipher spec)"], Attack, "see who it is"},
     {[handshake_too_large],
      ["the peer's handshake messages are too long: 65535 bytes is the most for one, 7 for all; is its certificate chain that long?"],
      "a very long chain, or an attack", "a shorter chain; see who it is"},
     {[hello_too_large], ["the peer's client hello is longer than 7 bytes, which is more than any TLS node has to say"], Attack, "see who it is"},
     {[record_too_long],
      ["a record announces 65535 bytes, more than TLS allows; is the peer speaking TLS at all?", "a record holds more than TLS allows",
       "peer sent excess record size"], Attack, "see who it is"},
     {[bad_record], ["a record failed authentication: the stream was damaged or tampered with", "cannot decrypt peer's message"],
      "bytes were damaged or forged on the way", "the network between the two hosts; memory"},
     {[unexpected_record],
      ["the peer sent a record of type Heartbeat, which may not appear here", "the peer sent a record that has no content type"], Attack, "see who it is"},
     {[too_many_empty_records], ["the peer sent too many empty records in a row"], Attack, "see who it is"},
     {[too_many_key_updates], ["the peer renewed its keys too often without sending data"], Attack, "see who it is"},
     {[unexpected_handshake_message],
      ["the peer sent a handshake message of type 1 that is malformed or not allowed here"], Attack, "see who it is"},
     {[renegotiation_refused], ["the peer asked to renegotiate, which is never done"], "an `inet_tls` node with `renegotiate_at`", "TLS 1.3, `key_update_at`"},
     {[packet_too_long], ["a distribution packet announces 9 bytes, and at most 8 are accepted"], Attack, "see who it is"},
     {[keys_exhausted],
      ["the connection's keys reached their limit and TLS 1.2 cannot renew them; with tlsv1.3 among the versions of both nodes the "
       "connection would go on"], "a long-lived link of TLS 1.2; the nodes connect again", "TLS 1.3"},
     {[no_random_bytes], ["failed to get random bytes"], "the system gives none", "the host"},
     {[no_time], ["failed to get current time"], "the system gives none", "the host"},
     {[key_mismatch], ["keys may not be consistent: KeyMismatch"], "a fault of rustls_dist: keys are compared before", "report it"},
     {[tls_failure, unsupported_name], ["the cipher suite that was negotiated has keys of an unknown kind"], "a fault of rustls_dist", "report it"},
     {[panicked], ["a handshake step panicked; this is a fault of rustls_dist, please report it"], "a fault of rustls_dist", "report it"}].

%% What Rust says of files and options: it keeps a node from starting, or is why changed files are refused.
-spec files() -> [row(string())].
files() ->
    [{[file_not_found, file_unreadable, file_not_regular, file_too_large],
      ["/etc/node.pem does not exist; correct the path or create the file",
       "/etc/node.pem may not be read by the user that runs this node; change its owner or mode",
       "/etc/node.pem cannot be read (timed out); correct the path or the file system",
       "/etc/node.pem is not a regular file; name the PEM file itself",
       "/etc/node.pem is larger than 7 bytes, which is more than a PEM file may have; name the right file"],
      "a path, an owner or mode, a folder in the place of a file, the wrong file", "the path as the node's user sees it: `ls -lL` as that user"},
     {[not_pem, no_certificate, bad_certificate, no_private_key, several_private_keys, bad_private_key],
      ["/etc/node.pem is not a PEM file (no \"-----BEGIN ...-----\" line); if it is DER, convert it with: openssl x509 "
       "-inform DER -in /etc/node.pem -out FILE.pem for a certificate, openssl pkey -inform DER -in /etc/node.pem -out "
       "FILE.pem for a private key",
       "/etc/node.pem holds no certificate; name the PEM file that does",
       "certificate number 2 in /etc/node.pem cannot be parsed; look at it with: openssl storeutl -certs -text "
       "/etc/node.pem",
       "/etc/node.pem holds no private key; set keyfile to the file that does",
       "/etc/node.pem holds more than one private key; leave only the one that belongs to the certificate",
       "the private key in /etc/node.pem cannot be parsed; check it with: openssl pkey -noout -check -in /etc/node.pem"],
      "half a file, DER in the place of PEM, the wrong file in the option", "as the sentence says"},
     {[password_missing, password_wrong, legacy_encrypted_key, unsupported_key_encryption],
      ["the private key in /etc/node.pem is encrypted; set password",
       "the password does not decrypt the private key in /etc/node.pem; correct it, and try it with: openssl pkey "
       "-noout -in /etc/node.pem",
       "the private key in /etc/node.pem is encrypted in OpenSSL's old format (Proc-Type: 4,ENCRYPTED); convert it "
       "with: openssl pkcs8 -topk8 -in /etc/node.pem -out FILE.pem",
       "the private key in /etc/node.pem is encrypted with an algorithm that is not supported; convert it with: openssl "
       "pkcs8 -topk8 -v2 aes-256-cbc -v2prf hmacWithSHA256 -in /etc/node.pem -out FILE.pem"],
      "an encrypted key", "`password`; PKCS #8"},
     {[key_mismatch],
      ["the private key in /etc/node.pem does not belong to the first certificate in /etc/node.pem; both of these must "
       "print the same: openssl pkey -pubout -in /etc/node.pem and openssl x509 -pubkey -noout -in /etc/node.pem"],
      "files of two certificates; a renewal under way", "wait for the pair, or put it right"},
     {[chain_too_long, no_trust_anchor],
      ["/etc/node.pem holds 11 certificates, and at most 10 are sent to a peer; keep the node's own certificate first, "
       "then the ones that lead to the root",
       "/etc/node.pem holds no self-signed certificate, so no chain can be trusted; add the root certificate to it"],
      "a bundle in the place of a chain; the node's chain in `cacertfile`", "the root in `cacertfile`, what is between in `certfile`"},
     {[unsupported_key],
      ["the private key in /etc/node.pem is an ECDSA key on P-521, which cannot be used; make a new key, for example "
       "with: openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out FILE.pem, and a certificate for it",
       "the private key in /etc/node.pem is an ECDSA key on the curve 1.2.3, which cannot be used; make a new key, for "
       "example with: openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out FILE.pem, and a certificate "
       "for it",
       "the private key in /etc/node.pem is an ECDSA key whose curve is written out instead of named, which cannot be "
       "used; convert it with: openssl ec -param_enc named_curve -in KEY -out FILE.pem",
       "the private key in /etc/node.pem is an ECDSA key without its public part in uncompressed form, which its "
       "certificate lacks, too, which cannot be used; convert it with: openssl ec -conv_form uncompressed -in KEY -out "
       "FILE.pem",
       "the private key in /etc/node.pem is a DSA key, which cannot be used; make a new key, for example with: openssl "
       "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out FILE.pem, and a certificate for it",
       "the private key in /etc/node.pem is an Ed448 key, which cannot be used; make a new key, for example with: "
       "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out FILE.pem, and a certificate for it",
       "the private key in /etc/node.pem is an RSA key of 1024 bits (2048, 3072 and 4096 are supported), which cannot "
       "be used; make a new key, for example with: openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "
       "FILE.pem, and a certificate for it",
       "the private key in /etc/node.pem is an RSA key with a public exponent below 65537 or of more than 33 bits, "
       "which cannot be used; make a new key, for example with: openssl genpkey -algorithm EC -pkeyopt "
       "ec_paramgen_curve:P-256 -out FILE.pem, and a certificate for it",
       "the private key in /etc/node.pem is of the kind 1.2.3, which cannot be used; make a new key, for example with: "
       "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out FILE.pem, and a certificate for it"],
      "a kind of key that the provider lacks", "a new key; [cryptography.md](cryptography.md)"},
     {[unknown_cipher, unsupported_cipher, no_cipher_for_version, unusable_group, no_group_for_version, option_missing],
      ["\"x\" is not the name of a cipher suite; names look like \"TLS_AES_256_GCM_SHA384\" or "
       "\"ECDHE-RSA-AES256-GCM-SHA384\"",
       "the cipher suite \"x\" is not supported: only AES-GCM and ChaCha20-Poly1305 with ECDHE are; use for example "
       "\"ECDHE-RSA-AES256-GCM-SHA384\"",
       "none of the cipher suites works with tlsv1.3; add one, or take tlsv1.3 out of versions",
       "cacertfile is not set, and verify_peer needs it"],
      "`ciphers`, `supported_groups`, `eccs`, `versions`, `verify`", "[options.md](options.md)"}].

%% What is logged besides failed links, by the event in the metadata.
-spec events() -> [row(fun(() -> term()) | {text, unicode:chardata()})].
events() ->
    Files = ["/etc/erlang/tls/node.pem"],
    [{[link_failed], [{text, "link to b@db2.example.com (192.0.2.7 port 4370) failed at certificate verification: one of the sentences above"},
                      {text, "link from a peer that calls itself b@db2.example.com (192.0.2.7 port 53124) failed in the distribution handshake: ..."},
                      {text, "link to b@db2.example.com (192.0.2.7 port 4370) broke in TLS: ..."}],
      "as the tables above say", "as there"},
     {[link_withdrawn], [fun() -> rustls_dist_log:failed_setup((setup(in, distribution_handshake))#{states => "b@db2.example.com"}, none,
                                                               {recv_status_failed, {error, closed}}) end],
      "two nodes dialled each other at once, and one attempt won (level debug)", "none"},
     {[link_failures_repeated], [fun() -> rustls_dist_log:repeated({out, 'b@db2.example.com', tcp}, 412, 10000) end,
                                 fun() -> rustls_dist_log:repeated({in, ?IP, tls}, 30, 10000) end,
                                 fun() -> rustls_dist_log:repeated({in, unknown, tls}, 30, 10000) end,
                                 fun() -> rustls_dist_log:repeated(others, 2048, 10000) end,
                                 fun() -> rustls_dist_log:repeated({crl_source, my_lists}, 9, 10000) end],
      "the first five of a kind in 10 s are logged, the rest is counted", "as the entries before say"},
     {[connections_without_a_word], [fun() -> rustls_dist_log:repeated({probe, Ip}, 12, 10000) end || Ip <- [?IP, unknown, others]],
      "a health check, a port scan (level info)", "none, or move the health check"},
     {[listener], [fun() -> rustls_dist_log:listener({accept_error, emfile}, 0) end,
                   fun() -> rustls_dist_log:listener({too_many_handshakes, 4096}, 3) end], "see `accept_error`, `too_many_handshakes` above", "as there"},
     {[configuration_error], [{text, Text} || Text <- boot_lines()], "the node does not start; its last words", "`rustls-dist check` says all of them at once"},
     {[configuration_notice], [fun() -> rustls_dist_log:notice(rustls_dist_opts:format_notice(Notice)) end || Notice <- notices()]
                                  ++ [{text, "the revocation lists of http://ca.example.com/ca.crl are not available: ...; with crl_check "
                                             "true or peer, certificates that only these lists tell about are refused"},
                                      {text, "the files of the TLS configuration could not be looked at; what was in use stays, and they are "
                                             "looked at again every few seconds"}],
      "the node runs, and something is not as it may have been meant", "as the sentence says"},
     {[own_certificate], [fun() -> rustls_dist_log:own_certificate(Text) end || {_, Text} <- own_faults()],
      "peers refuse this node, or soon will; told at the start, after a reload, and every day", "renew or reissue the certificate"},
     {[configuration_reloaded], [fun() -> rustls_dist_log:reloaded(2, Files) end], "files changed and are in use", "none"},
     {[configuration_refused], [fun() -> rustls_dist_log:not_reloaded(Files, "one of the sentences above") end],
      "files changed and cannot be used; told once for each change", "correct them; `rustls_dist:reload()` says at once whether it helped"},
     {[crl_source], [fun() -> rustls_dist_log:crl_source(my_lists, warning, #{reason => nxdomain}, #{}) end],
      "what a `crl_cache` module of one's own logs", "as it says"}].

boot_lines() ->
    ["the client option depht from the options file /etc/erlang/tls.conf is not a TLS option that this version of rustls_dist knows: "
     "write depth in {client, [...]} if that is what was meant",
     "all ports from 4370 to 4372, which kernel's inet_dist_listen_min and inet_dist_listen_max leave to this node, are in use on this "
     "host: widen the range, or end what listens there",
     "this node cannot be made known as a: epmd on 127.0.0.1 port 4369 did not answer; start it with: epmd -daemon, or do without it "
     "(-start_epmd false -epmd_module rustls_dist_epmd)"].

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
    lists:append([rustls_dist_own_faults:faults(#{server => [[maps:merge(Leaf, Change)]]}, Now, "db1.example.com")
                  || Change <- [#{not_after => Now - 86400}, #{not_before => Now + 86400}, #{not_after => Now + 5 * 86400},
                                #{dns_names => [<<"db2.example.com">>]}, #{dns_names => []}, #{usages => []}]]).

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
