%% Why a link failed, for people: at which stage, what was expected and what came, and what to do.
-module(rustls_dist_failure).

-export([reason/2, stage/2, headline/1, text/2, listener_text/2, repeated_text/3]).

-export_type([stage/0]).

-type stage() :: configuration | name_lookup | epmd | tcp | tls | certificate | distribution_handshake | link.

%% The reason to report: the carrier's own where it noted one, else the exit reason; `none' where a link ended that
%% was not to be, and nothing failed.
-spec reason({noted, term()} | none, term()) -> term() | none.
%% dist_util says at which step the peer closed, which tells more.
reason({noted, closed}, {_Step, {error, closed}} = Exit) -> Exit;
reason({noted, Noted}, _Exit) -> Noted;
%% The peer's own attempt won (net_kernel, dist_util:mark_pending).
reason(none, remarked) -> none;
reason(none, shutdown) -> none;
%% net_kernel is stopping, or was told to disconnect.
reason(none, killed) -> none;
reason(none, disconnected) -> none;
reason(none, normal) -> none;
reason(none, Exit) -> Exit.

%% The stage that a reason belongs to; Reached where the reason does not tell.
-spec stage(stage(), term()) -> stage().
stage(_Reached, {configuration, _}) -> configuration;
stage(_Reached, {name_lookup, _}) -> name_lookup;
stage(_Reached, {epmd, _}) -> epmd;
stage(_Reached, {connect, _}) -> tcp;
stage(_Reached, {check_ip, _}) -> tcp;
stage(Reached, {tls, #{kind := Kind, alert := Alert}}) ->
    case {Kind, Alert} of
        {name_mismatch, _} -> certificate;
        {_, {_Code, Name}} -> certificate_or(Reached, Name);
        {_, none} -> Reached
    end;
stage(Reached, {tls_alert, {_Code, Name}}) -> certificate_or(Reached, Name);
stage(_Reached, {verify_node, _, _, _}) -> certificate;
stage(Reached, _Reason) -> Reached.

certificate_or(Reached, Alert) ->
    case lists:member(Alert, [bad_certificate, unsupported_certificate, certificate_revoked, certificate_expired,
                              certificate_unknown, unknown_ca, certificate_required, access_denied]) of
        true -> certificate;
        false -> Reached
    end.

%% What failed, with whom, and where.
-spec headline(map()) -> iolist().
headline(#{direction := Direction, stage := Stage} = Report) ->
    [case Direction of
         out -> ["link to ", node_text(Report)];
         in -> "link from a peer";
         established -> "link"
     end,
     address_text(Report),
     case Direction of
         established -> " broke";
         _ -> " failed"
     end,
     case Stage of
         configuration -> " (own configuration)";
         name_lookup -> " at name lookup";
         epmd -> " at epmd";
         tcp -> " at TCP";
         tls -> " in the TLS handshake";
         certificate -> " at certificate verification";
         distribution_handshake -> " in the distribution handshake";
         link -> " in TLS"
     end].

node_text(#{node := Node}) -> atom_to_binary(Node);
node_text(_) -> "a node".

address_text(#{address := {Ip, Port}}) -> io_lib:format(" (~ts port ~w)", [inet:ntoa(Ip), Port]);
address_text(#{ip := Ip}) -> io_lib:format(" (~ts)", [inet:ntoa(Ip)]);
address_text(_) -> "".

%% One or two sentences: what happened and what to do.
-spec text(in | out | established, term()) -> unicode:chardata().
text(_Direction, {configuration, Text}) ->
    Text;
text(_Direction, {name_lookup, Reason}) ->
    lookup(Reason);
text(_Direction, {epmd, {Name, Host, Ip, Reason}}) ->
    epmd(Name, Host, inet:ntoa(Ip), Reason);
text(_Direction, {connect, Reason}) ->
    connect(Reason);
text(_Direction, {check_ip, {unknown, Peer, Interfaces}}) ->
    io_lib:format("kernel's check_ip is set and the peer's network cannot be told (~tp, ~tp)", [Peer, Interfaces]);
text(_Direction, {check_ip, Ip}) ->
    io_lib:format("kernel's check_ip is set and ~ts is on none of this host's networks", [inet:ntoa(Ip)]);
text(_Direction, {tls, #{text := Text, alert := Alert}}) ->
    [Text, sent(Alert)];
text(_Direction, {tls_alert, {Code, Name}}) ->
    alert(Name, Code);
text(out, plain_distribution) ->
    "the peer speaks distribution without TLS; start it with -proto_dist rustls (or inet_tls), or this node without";
text(_Direction, plain_distribution) ->
    "the peer speaks distribution without TLS (-proto_dist inet_tcp, the default); start it with -proto_dist rustls "
        "(or inet_tls) and its -ssl_dist_opt or -ssl_dist_optfile";
text(_Direction, {not_tls, Bytes}) ->
    io_lib:format("the peer does not speak TLS: its first bytes were ~tp", [Bytes]);
text(_Direction, no_answer) ->
    ["the peer closed the connection without a word of TLS. ", silent_peer()];
text(out, {timeout, false}) ->
    [timeout(), " and the peer said nothing. ", silent_peer()];
text(in, {timeout, false}) ->
    [timeout(), " and the peer said nothing: no TLS node, a port scan or a health check perhaps"];
text(_Direction, {timeout, true}) ->
    [timeout(), " in the middle of the handshake; the peer or the network is very slow, or gone"];
text(_Direction, setup_timer_timeout) ->
    [timeout(), "; the peer or the network is very slow, or gone"];
text(_Direction, no_certificate) ->
    "this node has no certificate, so nobody can dial it: give its server side certfile and keyfile (the peer was sent the "
        "alert handshake_failure)";
text(_Direction, overloaded) ->
    "too many TLS handshakes wait on this node";
text(_Direction, {socket, Reason}) ->
    io_lib:format("the connection broke: ~ts", [posix(Reason)]);
text(_Direction, unsupported_protocol) ->
    "net_kernel has no listener for it any more";
text(_Direction, net_kernel_busy) ->
    "net_kernel did not take the connection over in time";
text(_Direction, Reason) ->
    distribution(Reason).

lookup({not_a_long_name, Host}) ->
    io_lib:format("this node uses long names (-name) and ~ts has no dot; use a full host name", [Host]);
lookup({not_a_short_name, Host}) ->
    io_lib:format("this node uses short names (-sname) and ~ts has a dot; use -name on both nodes, or the short host name",
                  [Host]);
lookup({not_a_node_name, Node}) ->
    io_lib:format("~ts is not a node name: it must be Name@Host", [Node]);
lookup({Host, Reason}) ->
    io_lib:format("the host name ~ts cannot be resolved (~ts); check it, DNS and /etc/hosts", [Host, posix(Reason)]).

epmd(Name, Host, Ip, noport) ->
    io_lib:format("epmd on ~ts (~ts) does not know a node called ~ts; is it running, under that name?", [Host, Ip, Name]);
epmd(_Name, Host, Ip, no_answer) ->
    io_lib:format("no epmd answers on ~ts (~ts); is a node running there, and is epmd's port open?", [Host, Ip]);
epmd(_Name, _Host, _Ip, {error, {rustls_dist, Text}}) ->
    Text;
epmd(Name, Host, Ip, {no_port_from, Module}) ->
    io_lib:format("the epmd module ~ts knows no port of a node ~ts on ~ts (~ts); is it running, under that name?",
                  [Module, Name, Host, Ip]);
epmd(Name, Host, Ip, Reason) ->
    io_lib:format("epmd on ~ts (~ts) could not be asked for ~ts (~tp); is a node running there, and is epmd's port open?",
                  [Host, Ip, Name, Reason]).

connect(econnrefused) ->
    "nothing listens on the port that was found for the node; it went down, or a firewall answers for it";
connect(timeout) ->
    [timeout(), " for a TCP connection; a firewall drops the packets, or the host is down"];
connect(Reason) ->
    io_lib:format("no TCP connection: ~ts", [posix(Reason)]).

silent_peer() ->
    "It may speak distribution without TLS (start it with -proto_dist rustls or inet_tls), or be overloaded; "
        "its log says more".

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
    io_lib:format("the peer says it is ~ts and showed no certificate to prove it (verify_node)", [Stated]);
distribution({verify_node, Policy, Stated, Names}) ->
    io_lib:format("the peer says it is ~ts, and its certificate, which names ~ts, does not say so (verify_node ~0tp)",
                  [Stated, case Names of [] -> "nobody"; _ -> lists:join(", ", Names) end, Policy]);
distribution({bad_name_packet, _Packet}) ->
    "the peer's first distribution packet is not a node's name";
distribution({Step, bad_cookie}) when Step =:= recv_challenge_reply_failed; Step =:= recv_challenge_ack_failed ->
    "the cookies differ: start both nodes with the same -setcookie, or the same ~/.erlang.cookie";
distribution({recv_challenge_reply_failed, {error, closed}}) ->
    "the peer closed the connection when the cookies were compared; they may differ";
distribution({recv_challenge_ack_failed, {error, closed}}) ->
    "the peer closed the connection when the cookies were compared: they differ, "
        "start both nodes with the same -setcookie, or the same ~/.erlang.cookie";
distribution({recv_status_failed, not_allowed}) ->
    "the peer does not allow this node (net_kernel:allow/1, or flags that it requires)";
distribution({is_allowed, not_allowed}) ->
    "net_kernel:allow/1 does not list the peer";
distribution({not_allowed, no_certificate}) ->
    "net_kernel:allow/1 is in force and the peer showed no certificate, so that it can be none of the allowed nodes; "
        "give it a certificate";
distribution({not_allowed, certificate_names_no_allowed_node}) ->
    "net_kernel:allow/1 is in force and the peer's certificate names the host of none of the allowed nodes";
distribution({check_dflags_failed, Missing}) ->
    io_lib:format("the peer's release is too old or too new: it cannot handle ~tp", [Missing]);
distribution({recv_challenge_failed, {error, closed}}) ->
    closed();
distribution({recv_status_failed, {error, closed}}) ->
    closed();
distribution({recv_challenge_failed, no_node, Name}) ->
    io_lib:format("the node at this address is called ~ts", [Name]);
distribution(closed) ->
    closed();
distribution(Reason) ->
    io_lib:format("~tp", [Reason]).

closed() ->
    "the peer closed the connection; its log says why".

timeout() ->
    io_lib:format("net_setuptime (~w s) passed", [net_kernel:connecttime() div 1000]).

posix(Reason) when is_atom(Reason) ->
    case inet:format_error(Reason) of
        "unknown POSIX error" ++ _ -> atom_to_list(Reason);
        Text -> Text
    end;
posix(Reason) ->
    io_lib:format("~tp", [Reason]).

%% Failures that were counted and not logged.
-spec repeated_text(rustls_dist_log_limit:key() | others, pos_integer(), pos_integer()) -> unicode:chardata().
repeated_text(others, Count, PeriodMs) ->
    io_lib:format("~w more links failed in the last ~w s, with many peers", [Count, PeriodMs div 1000]);
repeated_text({crl_source, Module}, Count, PeriodMs) ->
    io_lib:format("~ts had ~w more things to say of revocation lists in the last ~w s", [Module, Count, PeriodMs div 1000]);
repeated_text({Direction, Who, Stage}, Count, PeriodMs) ->
    Peer = case Who of
               _ when is_atom(Who) -> #{node => Who};
               _ -> #{ip => Who}
           end,
    io_lib:format("~ts ~w more times in the last ~w s",
                  [headline(Peer#{direction => Direction, stage => Stage}), Count, PeriodMs div 1000]).

%% Trouble of the accept loop.
-spec listener_text(term(), non_neg_integer()) -> unicode:chardata().
listener_text(What, 0) ->
    listener_text(What);
listener_text(What, Suppressed) ->
    [listener_text(What), io_lib:format(" (~w entries like this were left out before)", [Suppressed])].

listener_text({accept_error, Reason}) when Reason =:= emfile; Reason =:= enfile ->
    "no connection can be accepted: the file descriptors are used up (ulimit -n, +Q); trying on";
listener_text({accept_error, Reason}) ->
    io_lib:format("no connection can be accepted: ~ts; trying on", [posix(Reason)]);
listener_text({too_many_handshakes, Max}) ->
    io_lib:format("~w connections are in the middle of the TLS handshake; the oldest is dropped for a new one", [Max]).
