%% Loads modules before they are needed: the code server takes milliseconds for one, has no file descriptor for it when they
%% are used up, and net_kernel itself calls some.
%%
%% What is missing, in a release without public_key for example, shows when it is called. Names of ours that are none any more
%% are found by make check.
%%
%% @private
-module(rustls_dist_preload).

-export([load/1]).

%% What a link runs. While its input handler were loaded, the peer's first messages would wait.
-define(LINKS, [rustls_dist_link_in, rustls_dist_link_out, rustls_dist_lookup, rustls_dist_epmd_client, rustls_dist_release,
                rustls_dist_sockopts, rustls_dist_handshake_io, rustls_dist_hs_data, rustls_dist_undertaker,
                rustls_dist_controller, rustls_dist_take, rustls_dist_input, rustls_dist_turn, rustls_dist_tick,
                rustls_dist_crash, rustls_dist_packets, rustls_dist_ping, rustls_dist_protocol, rustls_dist_proof,
                rustls_dist_nameless, rustls_dist_negotiation, rustls_dist_attempts, rustls_dist_receive,
                rustls_dist_verify_node, rustls_dist_allow, rustls_dist_peer_certificate, rustls_dist_hostname,
                rustls_dist_meter]).

%% What judges certificates where webpki is not alone.
-define(REFEREES, [rustls_dist_verdict, rustls_dist_verify, rustls_dist_consent, rustls_dist_chain, rustls_dist_signature,
                   rustls_dist_asn1_time, rustls_dist_alert, rustls_dist_pin, rustls_dist_verify_client,
                   rustls_dist_ready_made, rustls_dist_crl, rustls_dist_crl_lists, rustls_dist_crl_store,
                   rustls_dist_crl_file, rustls_dist_crl_cache, rustls_dist_raw_file, rustls_dist_file_name]).

-define(TROUBLE, [rustls_dist_log, rustls_dist_reason, rustls_dist_log_limit, rustls_dist_failure, rustls_dist_failure_text,
                  rustls_dist_peer_text, rustls_dist_epmd_answer, rustls_dist_rate, rustls_dist_acceptor,
                  rustls_dist_accepted, rustls_dist_first_bytes, rustls_dist_handshake, rustls_dist_closing,
                  rustls_dist_verified, rustls_dist_deadline, rustls_dist_check_ip, rustls_dist_recheck, rustls_dist_judgement]).

-define(OTP_FOR_LINKS, [dist_util]).
-define(OTP_FOR_REFEREES, [public_key, pubkey_cert, pubkey_cert_records, pubkey_crl, pubkey_pem, 'OTP-PUB-KEY']).
-define(OTP_FOR_TROUBLE, [logger_formatter, logger_backend, erl_posix_msg, calendar, string, unicode_util, timer, io, io_lib,
                          io_lib_format, io_lib_pretty]).

%% Referees: whether somebody besides webpki has a say in verdicts on certificates.
%% Gives `refused' when this Erlang does not take a module of ours.
-spec load(Referees :: boolean()) -> ok | refused.
load(Referees) ->
    Judging = [Module || Referees, Module <- ?REFEREES ++ ?OTP_FOR_REFEREES],
    case code:ensure_modules_loaded(?LINKS ++ ?OTP_FOR_LINKS ++ ?TROUBLE ++ ?OTP_FOR_TROUBLE ++ Judging) of
        ok ->
            ok;
        {error, Missing} ->
            case lists:keymember(badfile, 2, Missing) of
                true -> refused;
                false -> ok
            end
    end.
