%% Why a link failed, in one or two sentences: what was expected and what came, and what to do. No sentence says more than is
%% known, and what a peer wrote stands in it cut and escaped (rustls_dist_peer_text).
%%
%% @private
-module(rustls_dist_failure_text).

-export([text/2, posix/1, brief/1]).

%% Setup: how far the link got, and with whom.
-spec text(rustls_dist_log:setup() | #{direction := established, _ => _}, term()) -> unicode:chardata().
text(_Setup, {configuration, Text}) ->
    Text;
text(_Setup, {name_lookup, Reason}) ->
    lookup(Reason);
text(_Setup, {epmd, {Name, Host, Ip, Reason}}) ->
    epmd(Name, Host, inet:ntoa(Ip), Reason);
text(_Setup, {connect, Reason}) ->
    connect(Reason);
text(_Setup, {check_ip, {unknown, _Peer, _Interfaces}}) ->
    "kernel's check_ip is set, and the peer's address or this host's networks cannot be told";
text(_Setup, {check_ip, Ip}) ->
    io_lib:format("kernel's check_ip is set and ~ts is on none of this host's networks", [inet:ntoa(Ip)]);
text(_Setup, {tls, #{text := Text, alert := Alert}}) ->
    [rustls_dist_peer_text:line(Text), sent(Alert)];
text(_Setup, {tls_alert, {Code, Name}}) ->
    alert(Name, Code);
text(_Setup, {ended, How}) ->
    ended(How);
text(_Setup, {rechecked, Text}) ->
    ["its certificate no longer passes (recheck): ", rustls_dist_peer_text:line(Text)];
text(#{direction := out}, plain_distribution) ->
    "the peer speaks distribution without TLS; start it with -proto_dist rustls (or inet_tls), or this node without";
text(_Setup, plain_distribution) ->
    "the peer speaks distribution without TLS (-proto_dist inet_tcp, the default); start it with -proto_dist rustls "
        "(or inet_tls) and its -ssl_dist_opt or -ssl_dist_optfile";
text(_Setup, {not_tls, Bytes}) ->
    ["the peer does not speak TLS: its first bytes were ", quoted(Bytes)];
text(_Setup, no_answer) ->
    ["the peer closed the connection without a word of TLS. ", silent_peer()];
text(Setup, Reason) ->
    in_time(Setup, Reason).

%% What took too long, or was too much.
in_time(#{direction := out}, {timeout, false}) ->
    [timeout(), " and the peer said nothing. ", silent_peer()];
in_time(_Setup, {timeout, false}) ->
    [timeout(), " and the peer said nothing: no TLS node, a port scan or a health check perhaps"];
in_time(_Setup, {timeout, true}) ->
    [timeout(), " in the middle of the handshake; the peer or the network is very slow, or gone"];
in_time(#{stage := name_lookup}, setup_timer_timeout) ->
    [timeout(), " and the resolver gave no address for the node's host; check DNS and /etc/hosts"];
in_time(#{stage := epmd, ip := Ip}, setup_timer_timeout) ->
    io_lib:format("~ts and epmd on ~ts did not answer; a firewall drops the packets, or the host is down, or epmd hangs",
                  [timeout(), inet:ntoa(Ip)]);
in_time(#{stage := tcp}, setup_timer_timeout) ->
    connect(timeout);
in_time(_Setup, setup_timer_timeout) ->
    [timeout(), "; the peer or the network is very slow, or gone"];
in_time(_Setup, no_certificate) ->
    "this node has no certificate, so nobody can dial it: give its server side certfile and keyfile (the peer was sent the "
        "alert handshake_failure)";
in_time(_Setup, overloaded) ->
    "too many TLS handshakes wait on this node";
in_time(_Setup, unsupported_protocol) ->
    "net_kernel has no listener for it any more";
in_time(_Setup, net_kernel_busy) ->
    "net_kernel did not take the connection over in time";
in_time(_Setup, {socket, closed}) ->
    "the connection was cut in the middle of the TLS handshake, without a word why";
in_time(_Setup, {socket, Reason}) ->
    ["the connection broke: ", posix(Reason)];
in_time(#{direction := in}, {closed, How, recv_status_failed}) ->
    closed(How, still_wanted);
in_time(_Setup, Reason) ->
    distribution(Reason).

lookup({not_a_long_name, Host}) ->
    io_lib:format("this node uses long names (-name) and ~ts has no dot; use a full host name", [cut(Host)]);
lookup({not_a_short_name, Host}) ->
    io_lib:format("this node uses short names (-sname) and ~ts has a dot; use -name on both nodes, or the short host name",
                  [cut(Host)]);
lookup({not_a_node_name, Node}) ->
    io_lib:format("~ts is not a node name: it must be Name@Host", [cut(Node)]);
lookup({Host, Reason}) ->
    io_lib:format("the host name ~ts cannot be resolved (~ts); check it, DNS and /etc/hosts", [cut(Host), posix(Reason)]).

epmd(Name, Host, Ip, unknown) ->
    io_lib:format("epmd on ~ts (~ts) does not know a node called ~ts; is it running, under that name?",
                  [cut(Host), Ip, cut(Name)]);
epmd(_Name, Host, Ip, {unreachable, Reason}) when Reason =:= timeout; Reason =:= etimedout; Reason =:= ehostunreach;
                                                 Reason =:= enetunreach ->
    io_lib:format("no epmd answers on ~ts (~ts); a firewall drops the packets, or the host is down", [cut(Host), Ip]);
epmd(_Name, Host, Ip, {unreachable, _Reason}) ->
    io_lib:format("no epmd answers on ~ts (~ts); is a node running there, and is epmd's port open?", [cut(Host), Ip]);
epmd(Name, Host, Ip, cut_short) ->
    io_lib:format("epmd on ~ts (~ts) knows ~ts, and the connection ended before it had said the port; something between the "
                  "two hosts cuts connections, or epmd was ended", [cut(Host), Ip, cut(Name)]);
epmd(_Name, Host, Ip, silent) ->
    io_lib:format("epmd on ~ts (~ts) took the connection and did not answer; it hangs, or something else listens on its port",
                  [cut(Host), Ip]);
epmd(_Name, Host, Ip, closed) ->
    io_lib:format("epmd on ~ts (~ts) closed the connection without an answer; is it epmd that listens on that port, and may "
                  "this host ask it?", [cut(Host), Ip]);
epmd(_Name, Host, Ip, {garbage, Bytes}) ->
    io_lib:format("what listens on epmd's port on ~ts (~ts) is not epmd: it answered ~ts", [cut(Host), Ip, quoted(Bytes)]);
epmd(Name, Host, Ip, {error, {garbage_from_epmd, Bytes}}) ->
    epmd(Name, Host, Ip, {garbage, iolist_to_binary(Bytes)});
epmd(_Name, _Host, _Ip, {error, {rustls_dist, Text}}) ->
    Text;
epmd(Name, Host, Ip, {no_port_from, Module}) ->
    io_lib:format("the epmd module ~ts knows no port of a node ~ts on ~ts (~ts); is it running, under that name?",
                  [Module, cut(Name), cut(Host), Ip]);
epmd(Name, Host, Ip, {error, Reason}) ->
    epmd(Name, Host, Ip, Reason);
epmd(Name, Host, Ip, Reason) ->
    io_lib:format("epmd on ~ts (~ts) could not be asked for ~ts (~ts); is a node running there, and is epmd's port open?",
                  [cut(Host), Ip, cut(Name), posix(Reason)]).

connect(econnrefused) ->
    "nothing listens on the port that was found for the node; it went down, or a firewall answers for it";
connect(timeout) ->
    [timeout(), " for a TCP connection; a firewall drops the packets, or the host is down"];
connect(Reason) ->
    ["no TCP connection: ", posix(Reason)].

silent_peer() ->
    "It may speak distribution without TLS (start it with -proto_dist rustls or inet_tls), or be overloaded; "
        "its log may say more".

alert(Name, Code) ->
    Meaning = case Name of
                  unknown_ca -> "it does not trust the authority that issued this node's certificate: "
                                "compare its cacertfile with this node's certfile";
                  certificate_expired -> "this node's certificate has expired or is not valid yet";
                  certificate_revoked -> "this node's certificate is revoked";
                  certificate_required -> "it requires a certificate and this node's options for that role name none: "
                                          "set certfile and keyfile";
                  bad_certificate -> "it does not accept this node's certificate, perhaps for its host name";
                  unsupported_certificate -> "this node's certificate is not meant for this use (extended key usage), "
                                             "or of a kind that it does not accept";
                  certificate_unknown -> "it does not accept this node's certificate";
                  bad_record_mac -> "it received damaged bytes";
                  handshake_failure -> "the options of the two nodes have nothing in common, "
                                       "or it refused this node's certificate, or has none of its own";
                  protocol_version -> "the two nodes have no TLS version in common";
                  _ -> "its log says more"
              end,
    io_lib:format("the peer sent the alert ~ts (~w): ~ts", [Name, Code, Meaning]).

sent({_Code, Name}) -> io_lib:format(" (the peer was sent the alert ~ts)", [Name]);
sent(none) -> "".

%% What the carrier itself refuses at this stage, and what dist_util exits with.
distribution({verify_node, _Policy, Stated, no_certificate}) ->
    io_lib:format("the peer says it is ~ts and showed no certificate to prove it (verify_node)", [cut(Stated)]);
distribution({verify_node, Policy, Stated, Names}) ->
    io_lib:format("the peer says it is ~ts, and its certificate, which names ~ts, does not say so (verify_node ~0tp)",
                  [cut(Stated), case Names of [] -> "nobody"; _ -> cut(lists:join(", ", Names)) end, Policy]);
distribution({bad_packet, What, Beginning}) ->
    [bad_packet(What), "; it begins with ", quoted(Beginning)];
distribution({Step, bad_cookie}) when Step =:= recv_challenge_reply_failed; Step =:= recv_challenge_ack_failed ->
    ["the cookies differ: ", same_cookie()];
distribution({closed, How, Step}) ->
    closed(How, Step);
distribution({recv_status_failed, not_allowed}) ->
    "the peer does not allow this node (net_kernel:allow/1, verify_node, or flags that it requires)";
distribution({recv_status_failed, _Kind, Status}) ->
    ["the peer answered this node's name with a status that has no meaning here: ", quoted(Status)];
distribution({recv_challenge_failed, no_node, Name}) ->
    ["the node at this address is called ", cut(bytes(Name))];
distribution({is_allowed, not_allowed}) ->
    "net_kernel:allow/1 does not list the peer";
distribution({not_allowed, no_certificate}) ->
    "net_kernel:allow/1 is in force and the peer showed no certificate, so that it can be none of the allowed nodes; "
        "give it a certificate";
distribution({not_allowed, certificate_names_no_allowed_node}) ->
    "net_kernel:allow/1 is in force and the peer's certificate names the host of none of the allowed nodes";
distribution({check_dflags_failed, Missing}) ->
    io_lib:format("the peer's release is too old or too new: it cannot handle ~ts", [cut(lists:join(", ", Missing))]);
distribution({too_many_nameless, AtOnce, PeriodMs}) ->
    io_lib:format("the peer asks this node for a name, and ~w that did so before it have not proven the cookie; after those one "
                  "more is heard every ~w s", [AtOnce, PeriodMs div 1000]);
distribution({_Step, {ok, Packet}}) ->
    ["the peer sent a packet that has no place at this point of the distribution handshake; it begins with ",
     quoted(lists:sublist(Packet, 64))];
distribution({failed_over_input, {Module, Function, Arity}, Kind}) ->
    io_lib:format("what the peer sent, perhaps a certificate, cannot be decoded (~ts in ~ts:~ts/~w)",
                  [Kind, Module, Function, Arity]);
distribution(connection_setup_failed) ->
    "the connection broke just when the link was to come up";
distribution(Reason) when is_atom(Reason) ->
    ["the connection broke: ", posix(Reason)];
distribution(Reason) ->
    ["the distribution handshake ended with ", brief(Reason)].

bad_packet(name) ->
    "the peer's first distribution packet is not a node's name (Name@Host, at most 255 characters, no blanks)";
bad_packet(name_of_old_release) ->
    "the peer speaks the distribution protocol of OTP 22 and before, which this release does not";
bad_packet(challenge) -> "the peer's challenge in the distribution handshake is malformed";
bad_packet(challenge_reply) -> "the peer's answer to the challenge in the distribution handshake is malformed";
bad_packet(challenge_ack) -> "the peer's last packet of the distribution handshake is malformed";
bad_packet(status) -> "the peer gave this node a name that it did not ask for, or not in the right form";
bad_packet(long) -> "the peer sent a packet that is too long for the distribution handshake";
bad_packet(unknown) -> "the peer sent a packet that is none of the distribution handshake".

%% How a link ended that was up. A node that ends it while data wait to be sent says no goodbye either.
ended(in_order) ->
    "the peer ended it in order (close_notify); who ended it there, or its log, knows why";
ended(cut) ->
    "the connection was closed without a goodbye (close_notify): the peer went away, or ended the link in the middle of traffic, "
        "or something between the hosts cuts connections";
ended({tcp_error, Reason}) ->
    ["the connection broke: ", posix(Reason)].

%% A peer that ends the connection says so, with close_notify, and has a reason; what is merely cut may have none.
closed(in_order, recv_challenge_ack_failed) ->
    ["the peer closed the connection when the cookies were compared; they may differ (its log says why): ", same_cookie()];
closed(cut, recv_challenge_ack_failed) ->
    "the peer closed the connection when the cookies were compared; they may differ, or the connection was cut";
closed(in_order, Step) ->
    ["the peer ended the connection ", at(Step), "; its log says why"];
closed(cut, Step) ->
    ["the connection was cut ", at(Step), ": the peer, its host or the network went away, or the peer gave this attempt up"].

at(recv_status_failed) -> "instead of answering this node's name";
at(still_wanted) -> "when it was asked whether it still wants this link, beside the one that is up";
at(recv_challenge_failed) -> "before its challenge";
at(recv_challenge_reply_failed) -> "after this node's challenge";
at(_) -> "before the peer had said its name".

same_cookie() ->
    "start both nodes with the same -setcookie, or the same ~/.erlang.cookie".

timeout() ->
    io_lib:format("net_setuptime (~w s) passed", [net_kernel:connecttime() div 1000]).

%% An error of inet, or what a module of the user's gave in the place of one.
-spec posix(term()) -> unicode:chardata().
posix(Reason) when is_atom(Reason) ->
    case inet:format_error(Reason) of
        "unknown POSIX error" ++ _ -> atom_to_list(Reason);
        Text -> Text
    end;
posix(Reason) ->
    brief(Reason).

%% A term that nobody has a sentence for, on one line and not long.
-spec brief(term()) -> unicode:chardata().
brief(Term) ->
    cut(io_lib:format("~0tP", [Term, 20])).

quoted(Text) ->
    ["\"", rustls_dist_peer_text:cut(bytes(Text)), "\""].

%% dist_util makes lists of bytes of what the peer sent.
bytes(Text) when is_list(Text) -> list_to_binary(Text);
bytes(Text) -> Text.

cut(Text) ->
    rustls_dist_peer_text:cut(Text).
