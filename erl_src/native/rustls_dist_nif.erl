%% The functions that run in Rust. Every one is documented where it is written, in native/rustls_dist_nif.
%%
%% An error map tells: a tag to match on, the option to blame, a sentence for people, the alert that the peer is owed, and
%% the alert that it sent.
%%
%% @private
-module(rustls_dist_nif).

-export([load/0]).
-export([config_new/2]).
-export([chain_judge/4, config_judge/3, config_judge_own/3, file_digest/1]).
-export([handshake_new/3, handshake_advance/2, handshake_verdict/2]).
-export([tx_seal/2, tx_seal_large/2, tx_close_notify/1, tx_alert/2, tx_refuse_renegotiation/1, tx_info/1]).
-export([rx_open/3, rx_established/1, rx_info/1]).
-export([provider/0, version/0]).
-export([error_kinds/0, resources/0, selftest_panic/0, selftest_pool_panic/0]).

-export_type([kind/0, consent/0, config/0, handshake/0, tx/0, rx/0, error_map/0, alert/0, certificate/0, traffic/0, facts/0,
              event/0, packet/0, provider/0]).

-nifs([config_new/2, chain_judge/4, config_judge/3, config_judge_own/3, file_digest/1,
       handshake_new/3, handshake_advance/2, handshake_verdict/2,
       tx_seal/2, tx_seal_large/2, tx_close_notify/1, tx_alert/2, tx_refuse_renegotiation/1, tx_info/1,
       rx_open/3, rx_established/1, rx_info/1,
       provider/0, version/0, error_kinds/0, resources/0, selftest_panic/0, selftest_pool_panic/0]).

-opaque config() :: reference().
-opaque handshake() :: reference().
-opaque tx() :: reference().
-opaque rx() :: reference().

-type provider() :: ring | aws_lc_rs.
-type alert() :: {Code :: byte(), Name :: atom()}.
%% Every kind of error: the list of src/error/kind.rs. What matches on another one, Dialyzer says of it that it never matches.
-type kind() :: file_not_found | file_unreadable | file_not_regular | file_too_large | not_pem | no_certificate
              | bad_certificate | no_private_key | several_private_keys | bad_private_key | password_missing
              | password_wrong | legacy_encrypted_key | unsupported_key_encryption | unsupported_key | key_mismatch
              | chain_too_long | no_trust_anchor | unknown_cipher | unsupported_cipher | no_cipher_for_version
              | unusable_group | no_group_for_version | option_missing | certificate_expired | certificate_not_yet_valid | chain_too_deep | self_signed_peer
              | authority_may_not_sign | trust_anchor_not_valid | name_mismatch | refused_by_referee | alert_received
              | handshake_too_large | hello_too_large | record_too_long | bad_record | unexpected_record
              | too_many_empty_records | too_many_warnings | too_many_key_updates | unexpected_handshake_message
              | malformed_handshake_message | renegotiation_refused
              | packet_too_long | keys_exhausted | closed | no_peer_certificate | bad_revocation_list
              | unexpected_message | invalid_message | peer_misbehaved | no_time | no_random_bytes | unsupported_name
              | no_application_protocol | tls_failure | bad_certificate_encoding | certificate_revoked
              | unhandled_critical_extension | unknown_issuer | unknown_revocation_status | revocation_list_expired
              | bad_signature | unsupported_signature_algorithm | wrong_key_usage | bad_ocsp_response
              | refused_by_application | certificate_refused | no_shared_cipher | no_shared_group
              | no_shared_signature_scheme | no_shared_version | peer_incompatible | peer_is_authority
              | not_an_authority | path_length_exceeded | name_not_permitted | unsupported_certificate_version
              | unsupported_peer_key | weak_key | too_many_intermediates | too_much_work | unique_identifier
              | extension_twice | extension_malformed | validity_before_1970 | validity_malformed
              | issuer_in_other_bytes | panicked.
-type error_map() :: #{kind := kind(), option := atom(), text := binary(),
                       alert := alert() | none, received := alert() | none}.
%% common_names: those that stand for host names, when there are no alternative names.
-type certificate() :: #{subject := binary(), serial := binary(), issuer := binary(),
                         dns_names := [binary()], ip_addresses := [binary()], uris := [binary()],
                         common_names := [binary()],
                         usages := [digital_signature | server_auth | client_auth],
                         not_before := integer(), not_after := integer()}.  % Unix time, seconds
-type facts() :: #{version := 'tlsv1.2' | 'tlsv1.3', cipher := binary(), group := binary() | nil,
                   peer := certificate() | none, peer_der := binary() | none,
                   peer_chain => [binary()],               % as it was sent
                   own := certificate() | none,            % what was shown
                   names := free | constrained}.           % by the peer's authorities: a common name counts, or not
%% Kinds of faults of a certificate that are forgiven: src/trust/chain/again.rs.
-type consent() :: validity | purpose | issuer | signature | algorithm | path_length | too_many_intermediates | names
                 | not_an_authority | may_not_sign | peer_is_authority | version | weak_key | any_extension
                 | {extension, Dotted :: binary()}.
-type event() :: key_update_requested | renegotiation_requested | close_notify | {alert, alert()}.
%% Since the TLS handshake; bytes: of records, as the network carried them.
-type traffic() :: #{bytes := non_neg_integer(), records := non_neg_integer(), packets := non_neg_integer(),
                     key_updates := non_neg_integer()}.
-type packet() :: {Bytes :: non_neg_integer(), binary() | erlang:iovec()}.

%% Loads the Rust library, once; nothing else works before. The error is that of erlang:load_nif/2.
%%
%% There is no `-on_load', since kernel starts distribution before it runs the on_load functions of what a boot script
%% loads in embedded mode (kernel:init/1). And as the library cannot follow this module to a newer version of itself,
%% the module sticks: what reloads it is refused, instead of taking the library away from the links.
-spec load() -> ok | {error, {atom(), string()}}.
load() ->
    case erlang:load_nif(rustls_dist_library:path(), 0) of
        ok ->
            true = code:stick_mod(?MODULE),
            ok;
        {error, {reload, _}} ->
            ok;
        {error, _} = Error ->
            Error
    end.

%% Reads, parses and checks all that a role needs, private keys included. Gives the chains that it may show and the trust store.
-spec config_new(server | client, map()) ->
          {ok, config(), OwnChains :: [[certificate() | none]], Trusted :: [binary()]} | {error, error_map()}.
config_new(_Role, _Options) ->
    erlang:nif_error(not_loaded).

%% The peer's certificate first. Takes as long as its signatures do; runs on a dirty scheduler.
-spec chain_judge(client | server, non_neg_integer(), {binary(), [consent()]} | none, [{binary(), [consent()]}, ...]) ->
          ok | {error, error_map()}.
chain_judge(_Role, _Depth, _Anchor, _Path) ->
    erlang:nif_error(not_loaded).

%% The verdict of a configuration, where Erlang has no say, on a chain that a peer showed, leaf first. Name: as for handshake_new/3.
-spec config_judge(config(), any | binary() | {by_referee, binary()}, [binary()]) -> ok | {error, error_map()}.
config_judge(_Config, _Name, _Chain) ->
    erlang:nif_error(not_loaded).

%% The same on each of the chains that the configuration Shown may show.
-spec config_judge_own(config(), any | binary() | {by_referee, binary()}, Shown :: config()) -> [ok | {error, error_map()}].
config_judge_own(_Config, _Name, _Shown) ->
    erlang:nif_error(not_loaded).

%% SHA-256 of a file, which may be a private key: its bytes become no term.
-spec file_digest(binary()) -> {ok, <<_:256>>} | {error, error_map()}.
file_digest(_Path) ->
    erlang:nif_error(not_loaded).

%% The beginning of a handshake. Name: what a server's certificate must say.
-spec handshake_new(config(), any | binary() | {by_referee, binary()}, timeout()) -> handshake().
handshake_new(_Config, _Name, _TimeoutMs) ->
    erlang:nif_error(not_loaded).

%% Answers the question that a handshake asked. `false': it did not ask, or does not wait any more.
-spec handshake_verdict(handshake(), ok | {Alert :: byte(), binary()}) -> boolean().
handshake_verdict(_Handshake, _Verdict) ->
    erlang:nif_error(not_loaded).

%% Goes on with what the peer sent. The step's result comes as a message.
-spec handshake_advance(handshake(), binary()) -> ok | {error, busy | overloaded}.
handshake_advance(_Handshake, _Input) ->
    erlang:nif_error(not_loaded).

%% Seals packets, each with its length before it. No packet at all: only what is due, as a key update.
-spec tx_seal(tx(), [packet()]) -> {ok, binary()} | {error, error_map()}.
tx_seal(_Tx, _Packets) ->
    erlang:nif_error(not_loaded).

%% The same on a dirty scheduler.
-spec tx_seal_large(tx(), [packet()]) -> {ok, binary()} | {error, error_map()}.
tx_seal_large(_Tx, _Packets) ->
    erlang:nif_error(not_loaded).

%% The alert close_notify, after which nothing more is sealed.
-spec tx_close_notify(tx()) -> {ok, binary()} | {error, error_map()}.
tx_close_notify(_Tx) ->
    erlang:nif_error(not_loaded).

%% A fatal alert, after which nothing more is sealed.
-spec tx_alert(tx(), byte()) -> {ok, binary()} | {error, error_map()}.
tx_alert(_Tx, _Code) ->
    erlang:nif_error(not_loaded).

%% The warning no_renegotiation of TLS 1.2.
-spec tx_refuse_renegotiation(tx()) -> {ok, binary()} | {error, error_map()}.
tx_refuse_renegotiation(_Tx) ->
    erlang:nif_error(not_loaded).

%% What the sending side counts.
-spec tx_info(tx()) -> traffic().
tx_info(_Tx) ->
    erlang:nif_error(not_loaded).

%% Opens what arrived. `more': one call took long enough, Rest is to be given again.
-spec rx_open(rx(), binary(), MaxPackets :: non_neg_integer()) ->
          {ok, [binary()], [event()]} | {more, [binary()], [event()], Rest :: binary()} | {error, error_map()}.
rx_open(_Rx, _Input, _MaxPackets) ->
    erlang:nif_error(not_loaded).

%% The peer has shown its cookie: packets may be as long as a link allows.
-spec rx_established(rx()) -> ok.
rx_established(_Rx) ->
    erlang:nif_error(not_loaded).

%% What the receiving side counts.
-spec rx_info(rx()) -> traffic().
rx_info(_Rx) ->
    erlang:nif_error(not_loaded).

%% The crypto provider that the library was built with.
-spec provider() -> provider().
provider() ->
    erlang:nif_error(not_loaded).

%% The library's version, which is the application's.
-spec version() -> binary().
version() ->
    erlang:nif_error(not_loaded).

%% The list in Rust.
-spec error_kinds() -> [kind()].
error_kinds() ->
    erlang:nif_error(not_loaded).

%% How many of each kind of value are alive in the library. For tests.
-spec resources() -> #{configs := non_neg_integer(), handshakes := non_neg_integer(),
                       senders := non_neg_integer(), receivers := non_neg_integer()}.
resources() ->
    erlang:nif_error(not_loaded).

%% Panics in a call. For tests.
-spec selftest_panic() -> no_return().
selftest_panic() ->
    erlang:nif_error(not_loaded).

%% Panics in a thread of the pool. For tests.
-spec selftest_pool_panic() -> ok | overloaded.
selftest_pool_panic() ->
    erlang:nif_error(not_loaded).
