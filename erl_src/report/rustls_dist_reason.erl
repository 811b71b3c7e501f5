%% Why a link failed, in one atom out of a list that is known beforehand: to count by, and for those who read logs by machine.
%% The sentence for people is in rustls_dist_failure_text.
%%
%% @private
-module(rustls_dist_reason).

-export([tag/1, ended/1, all/0]).

%% The atom of a failure's reason; `other' for what has none.
-spec tag(term()) -> atom().
tag({configuration, _Text}) -> configuration;
tag({name_lookup, {Fault, _Name}}) when Fault =:= not_a_long_name; Fault =:= not_a_short_name; Fault =:= not_a_node_name -> Fault;
tag({name_lookup, _Host}) -> unknown_host;
tag({epmd, {_Name, _Host, _Ip, Reason}}) -> epmd(Reason);
tag({connect, Reason}) -> connect(Reason);
tag({check_ip, _}) -> not_on_network;
tag({tls, #{kind := Kind}}) -> Kind;
tag({tls_alert, {_Code, Name}}) -> Name;
tag(Reason) -> in_order(Reason).

in_order({not_tls, _Bytes}) -> not_tls;
in_order({timeout, false}) -> silent;
in_order({timeout, true}) -> timeout;
in_order({socket, _Reason}) -> connection_broken;
in_order({verify_node, _Policy, _Stated, _Names}) -> verify_node;
in_order({rechecked, _Text}) -> rechecked;
in_order({bad_packet, _What, _Beginning}) -> bad_packet;
in_order({closed, _How, _Step}) -> closed_by_peer;
in_order({ended, in_order}) -> closed_by_peer;
in_order({ended, _Cut}) -> connection_broken;
in_order({_Step, bad_cookie}) -> bad_cookie;
in_order({_Step, not_allowed}) -> not_allowed;
in_order({not_allowed, _Why}) -> not_allowed;
in_order({check_dflags_failed, _Missing}) -> missing_flags;
in_order({recv_challenge_failed, no_node, _Name}) -> wrong_node;
in_order({recv_status_failed, _Kind, _Status}) -> bad_packet;
in_order({_Step, {ok, _Packet}}) -> bad_packet;
in_order({failed_over_input, _Where, _Kind}) -> undecodable;
in_order({accept_error, _Reason}) -> accept_error;
in_order({too_many_handshakes, _Pending}) -> too_many_handshakes;
in_order({too_many_nameless, _AtOnce, _PeriodMs}) -> too_many_nameless;
in_order(setup_timer_timeout) -> timeout;
in_order(connection_setup_failed) -> connection_broken;
in_order(Reason) when Reason =:= plain_distribution; Reason =:= no_answer; Reason =:= overloaded; Reason =:= no_certificate;
                      Reason =:= unsupported_protocol; Reason =:= net_kernel_busy -> Reason;
in_order(Reason) when is_atom(Reason) -> connection_broken;
in_order(_Unnamed) -> other.

epmd(unknown) -> unknown_to_epmd;
epmd({no_port_from, _Module}) -> unknown_to_epmd;
epmd({unreachable, _Reason}) -> epmd_unreachable;
epmd({error, Reason}) -> epmd(Reason);
epmd(_Silent) -> epmd_without_answer.

connect(econnrefused) -> connection_refused;
connect(timeout) -> timeout;
connect(_Reason) -> no_connection.

%% The atom of the exit reason of a link that was up.
-spec ended(term()) -> atom().
ended({Kind, Reason}) when Kind =:= tls_error, is_atom(Reason); Kind =:= tls_alert, is_atom(Reason) -> Reason;
ended(Reason) when is_atom(Reason) -> Reason;
ended(Reason) when is_tuple(Reason), is_atom(element(1, Reason)) -> element(1, Reason);
ended(_Unnamed) -> other.

%% All that tag/1 may give: its own, the kinds of errors that Rust finds, and the alerts that a peer may send (alert_name of
%% src/error/alert.rs). The library is loaded.
-spec all() -> [atom(), ...].
all() ->
    lists:usort(own() ++ alerts() ++ rustls_dist_nif:error_kinds()) ++ [other].

own() ->
    [configuration, not_a_long_name, not_a_short_name, not_a_node_name, unknown_host, unknown_to_epmd, epmd_unreachable,
     epmd_without_answer, connection_refused, timeout, no_connection, not_on_network, not_tls, silent, connection_broken,
     verify_node, rechecked, bad_packet, closed_by_peer, bad_cookie, not_allowed, missing_flags, wrong_node, undecodable,
     accept_error, too_many_handshakes, too_many_nameless, plain_distribution, no_answer, overloaded, no_certificate,
     unsupported_protocol, net_kernel_busy].

alerts() ->
    [close_notify, unexpected_message, bad_record_mac, decryption_failed, record_overflow, decompression_failure,
     handshake_failure, no_certificate, bad_certificate, unsupported_certificate, certificate_revoked, certificate_expired,
     certificate_unknown, illegal_parameter, unknown_ca, access_denied, decode_error, decrypt_error, export_restriction,
     protocol_version, insufficient_security, internal_error, inappropriate_fallback, user_canceled, no_renegotiation,
     missing_extension, unsupported_extension, certificate_unobtainable, unrecognized_name,
     bad_certificate_status_response, bad_certificate_hash_value, unknown_psk_identity, certificate_required,
     no_application_protocol, ech_required, unknown_alert].
