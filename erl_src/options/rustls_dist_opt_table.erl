%% The options of OTP's ssl that rustls_dist knows by name but does not act upon, in two tables.
%%
%% Accepted, without meaning: nothing asked for is lost when the option is ignored. The user is told why.
%% Refused: ignoring the option would give less security than was asked for, or another connection than the
%% one described. They are errors until rustls_dist can honour them.
%%
%% The names are those of the option types in OTP's ssl module (OTP 25 to 29), of the option list that the
%% module accepts beyond them, and of the socket options that may stand among them.
%%
%% @private
-module(rustls_dist_opt_table).

-export([no_meaning/1, refused/1, names/0]).

-export_type([shape/0]).

%% What a value of an ignored option may look like. It is checked even so, because a mistyped value shows
%% that the user meant something else.
-type shape() :: any | boolean | {one_of, [atom()]} | {at_least, integer()}.

-define(RENEGOTIATION, "renegotiation is always refused").
-define(FULL_HANDSHAKE, "each link makes a full handshake; sessions are not resumed, early data is not used").
-define(OLD_TLS, "it only concerns TLS 1.1 and older, which are not offered").
-define(CHOICE, "the choice among what both sides offer is made by the TLS library").
-define(SOCKET, "the distribution sets up its sockets itself; socket options go into the kernel parameters "
                "inet_dist_listen_options and inet_dist_connect_options").
-define(BINDING, "bind with the kernel parameters inet_dist_use_interface, inet_dist_listen_options and "
                 "inet_dist_connect_options instead").
-define(FILES, "give PEM files with certfile and keyfile, or several with certs_keys, instead").
-define(NO_CRL, "remove it, and replace the certificates of the authority to shut out a peer").
-define(FIXED_ALGORITHMS, "remove it: the algorithms of the TLS library are offered, and the cipher suites "
                          "can be restricted with ciphers and versions").
-define(CERT_SUITES, "remove it and authenticate with certificates: certfile, cacertfile, verify").

%% Whether an option is accepted and ignored.
%% Key: the option's name.
%% Result: {Shape, Why}: the shape its value must have and the reason it has no meaning, to follow
%% "has no meaning here: "; or false when the option is not one of these.
-spec no_meaning(atom()) -> {shape(), Why :: string()} | false.
no_meaning(Key) ->
    case lists:keyfind(Key, 1, no_meaning_table()) of
        {Key, Shape, Why} -> {Shape, Why};
        false -> false
    end.

%% Whether an option is refused.
%% Key: the option's name.
%% Result: {Harmless, Instead}: the values that ask for nothing and are therefore accepted, and what to do
%% instead; or false when the option is not one of these.
-spec refused(atom()) -> {Harmless :: [term()], Instead :: string()} | false.
refused(Key) ->
    case lists:keyfind(Key, 1, refused_table()) of
        {Key, Harmless, Instead} -> {Harmless, Instead};
        false -> false
    end.

%% The names in both tables.
-spec names() -> [atom()].
names() ->
    [element(1, Row) || Row <- no_meaning_table() ++ refused_table()].

no_meaning_table() ->
    handshake_rows() ++ session_rows() ++ process_rows() ++ socket_rows().

handshake_rows() ->
    [{dhfile, any, "cipher suites with finite-field Diffie-Hellman are not offered"},
     {dh, any, "cipher suites with finite-field Diffie-Hellman are not offered"},
     {secure_renegotiate, boolean, ?RENEGOTIATION},
     {client_renegotiation, boolean, ?RENEGOTIATION},
     {honor_cipher_order, boolean, ?CHOICE},
     {honor_ecc_order, boolean, ?CHOICE},
     {handshake, {one_of, [full]}, "a handshake of the distribution never pauses"},
     {padding_check, boolean, ?OLD_TLS},
     {beast_mitigation, {one_of, [one_n_minus_one, zero_n, disabled]}, ?OLD_TLS},
     {fallback, boolean, "a failed connection is never repeated with an older version"},
     {middlebox_comp_mode, boolean, "the TLS library decides how its TLS 1.3 hello looks"},
     {certificate_authorities, boolean, "the TLS library decides whether the authorities are named"},
     {max_fragment_length, any, "the extension is not used; records have the size TLS allows"},
     {max_handshake_size, {at_least, 65535}, "the limit is always 65535 bytes, which is the stricter one"},
     {allow_any_ca_purpose, boolean, "the purposes of an authority's certificate are always checked"},
     {psk_groups, any, "the TLS library decides for which groups it sends a key share"},
     {ktls, boolean, "encryption is done in the node; the kernel's TLS is not used"},
     {erl_dist, boolean, "every link is a distribution link"},
     {ssl_imp, any, "it has had no effect since OTP 17"}].

session_rows() ->
    [{reuse_sessions, {one_of, [true, false, save]}, ?FULL_HANDSHAKE},
     {reuse_session, any, ?FULL_HANDSHAKE},
     {session_tickets, {one_of, [disabled, manual, auto, stateful, stateless,
                                 stateful_with_cert, stateless_with_cert]}, ?FULL_HANDSHAKE},
     {use_ticket, any, ?FULL_HANDSHAKE},
     {early_data, any, ?FULL_HANDSHAKE},
     {anti_replay, any, ?FULL_HANDSHAKE},
     {stateless_tickets_seed, any, ?FULL_HANDSHAKE},
     {cookie, boolean, "cookies serve TLS over datagrams; a link runs over TCP"}].

process_rows() ->
    [{log_level, {one_of, [none, all, emergency, alert, critical, error, warning, notice, info, debug]},
      "failed links are reported by rustls_dist itself; filter them with logger"},
     {log_alert, boolean, "failed links are reported by rustls_dist itself; filter them with logger"},
     {receiver_spawn_opts, any, "the processes of a link are not those of ssl"},
     {sender_spawn_opts, any, "the processes of a link are not those of ssl"},
     {keep_secrets, any, "the secrets of a session never become Erlang terms, so none can be kept"}].

socket_rows() ->
    [{Key, any, ?SOCKET}
     || Key <- [mode, binary, list, active, packet, packet_size, header, deliver, line_delimiter, nodelay,
                delay_send, buffer, sndbuf, recbuf, high_watermark, low_watermark, high_msgq_watermark,
                low_msgq_watermark, keepalive, linger, priority, tos, tclass, ttl, recvtos, recvtclass,
                recvttl, pktoptions, reuseaddr, reuseport, reuseport_lb, exclusiveaddruse, nopush, backlog,
                send_timeout, send_timeout_close, exit_on_close, show_econnreset, read_ahead, inet, inet6,
                inet_backend]].

refused_table() ->
    [{partial_chain, [], "remove it: a chain must reach a self-signed certificate of cacertfile"},
     {cert_policy_opts, [[]], "remove it: certificate policies are not evaluated"},
     {stapling, [no_staple], ?NO_CRL},
     {ocsp_stapling, [false], ?NO_CRL},
     {ocsp_responder_certs, [[]], ?NO_CRL},
     {ocsp_nonce, [false], ?NO_CRL},
     {cert, [], ?FILES},
     {key, [], ?FILES},
     {signature_algs, [], ?FIXED_ALGORITHMS},
     {signature_algs_cert, [], ?FIXED_ALGORITHMS},
     {renegotiate_at, [], "use TLS 1.3 and set key_update_at"},
     {psk_identity, [], ?CERT_SUITES},
     {srp_identity, [], ?CERT_SUITES},
     {user_lookup_fun, [], ?CERT_SUITES},
     {sni_hosts, [[]], "remove it: a node has one certificate, given with certfile"},
     {sni_fun, [], "remove it: a node has one certificate, given with certfile"},
     {alpn_advertised_protocols, [], "remove it: the distribution is the only protocol of a link"},
     {alpn_preferred_protocols, [], "remove it: the distribution is the only protocol of a link"},
     {client_preferred_next_protocols, [], "remove it: the distribution is the only protocol of a link"},
     {next_protocol_selector, [], "remove it: the distribution is the only protocol of a link"},
     {next_protocols_advertised, [], "remove it: the distribution is the only protocol of a link"},
     {protocol, [tls], "remove it: distribution runs over TLS on TCP"},
     {use_srtp, [], "remove it: distribution runs over TLS on TCP"},
     {cb_info, [], "remove it: distribution runs over TLS on TCP"}]
        ++ [{Key, [], ?BINDING}
            || Key <- [ip, ifaddr, port, fd, netns, bind_to_device, ipv6_v6only, raw]].
