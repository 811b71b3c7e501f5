%% The functions that run in Rust. Every one is documented where it is written, in native/rustls_dist_nif.
%%
%% An error map tells: a tag to match on, the option to blame, a sentence for people, the alert that the peer is owed, and
%% the alert that it sent.
-module(rustls_dist_nif).

-export([load/0]).
-export([config_new/2]).
-export([chain_judge/4]).
-export([handshake_new/3, handshake_advance/2, handshake_verdict/2]).
-export([tx_seal/2, tx_seal_large/2, tx_close_notify/1, tx_alert/2, tx_refuse_renegotiation/1, tx_info/1]).
-export([rx_open/3, rx_established/1, rx_info/1]).
-export([resources/0, selftest_panic/0, selftest_pool_panic/0]).

-export_type([consent/0, config/0, handshake/0, tx/0, rx/0, error_map/0, alert/0, certificate/0, facts/0, event/0, packet/0]).

-nifs([config_new/2, chain_judge/4,
       handshake_new/3, handshake_advance/2, handshake_verdict/2,
       tx_seal/2, tx_seal_large/2, tx_close_notify/1, tx_alert/2, tx_refuse_renegotiation/1, tx_info/1,
       rx_open/3, rx_established/1, rx_info/1,
       resources/0, selftest_panic/0, selftest_pool_panic/0]).

-opaque config() :: reference().
-opaque handshake() :: reference().
-opaque tx() :: reference().
-opaque rx() :: reference().

-type alert() :: {Code :: byte(), Name :: atom()}.
-type error_map() :: #{kind := atom(), option := atom(), text := binary(),
                       alert := alert() | none, received := alert() | none}.
%% common_names: those that stand for host names, when there are no alternative names.
-type certificate() :: #{subject := binary(), serial := binary(), issuer := binary(),
                         dns_names := [binary()], ip_addresses := [binary()], common_names := [binary()],
                         usages := [digital_signature | server_auth | client_auth],
                         not_before := integer(), not_after := integer()}.  % Unix time, seconds
-type facts() :: #{version := 'tlsv1.2' | 'tlsv1.3', cipher := binary(), group := binary() | nil,
                   peer := certificate() | none, peer_der := binary() | none,
                   own := certificate() | none,            % what was shown
                   names := free | constrained}.           % by the peer's authorities: a common name counts, or not
%% Kinds of faults of a certificate that are forgiven: src/trust/chain/again.rs.
-type consent() :: validity | purpose | issuer | signature | algorithm | path_length | too_many_intermediates | names
                 | not_an_authority | may_not_sign | peer_is_authority | version | weak_key | any_extension
                 | {extension, Dotted :: binary()}.
-type event() :: key_update_requested | renegotiation_requested | close_notify | {alert, alert()}.
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

-spec config_new(server | client, map()) ->
          {ok, config(), OwnChains :: [[certificate() | none]], Trusted :: [binary()]} | {error, error_map()}.
config_new(_Role, _Options) ->
    erlang:nif_error(not_loaded).

%% The peer's certificate first. Takes as long as its signatures do; runs on a dirty scheduler.
-spec chain_judge(client | server, non_neg_integer(), {binary(), [consent()]} | none, [{binary(), [consent()]}, ...]) ->
          ok | {error, error_map()}.
chain_judge(_Role, _Depth, _Anchor, _Path) ->
    erlang:nif_error(not_loaded).

-spec handshake_new(config(), any | binary() | {by_referee, binary()}, timeout()) -> handshake().
handshake_new(_Config, _Name, _TimeoutMs) ->
    erlang:nif_error(not_loaded).

-spec handshake_verdict(handshake(), ok | {Alert :: byte(), binary()}) -> boolean().
handshake_verdict(_Handshake, _Verdict) ->
    erlang:nif_error(not_loaded).

-spec handshake_advance(handshake(), binary()) -> ok | {error, busy | overloaded}.
handshake_advance(_Handshake, _Input) ->
    erlang:nif_error(not_loaded).

-spec tx_seal(tx(), [packet()]) -> {ok, [binary()]} | {error, error_map()}.
tx_seal(_Tx, _Packets) ->
    erlang:nif_error(not_loaded).

-spec tx_seal_large(tx(), [packet()]) -> {ok, [binary()]} | {error, error_map()}.
tx_seal_large(_Tx, _Packets) ->
    erlang:nif_error(not_loaded).

-spec tx_close_notify(tx()) -> {ok, binary()} | {error, error_map()}.
tx_close_notify(_Tx) ->
    erlang:nif_error(not_loaded).

-spec tx_alert(tx(), byte()) -> {ok, binary()} | {error, error_map()}.
tx_alert(_Tx, _Code) ->
    erlang:nif_error(not_loaded).

-spec tx_refuse_renegotiation(tx()) -> {ok, binary()} | {error, error_map()}.
tx_refuse_renegotiation(_Tx) ->
    erlang:nif_error(not_loaded).

-spec tx_info(tx()) -> #{key_updates := non_neg_integer()}.
tx_info(_Tx) ->
    erlang:nif_error(not_loaded).

-spec rx_open(rx(), binary(), MaxPackets :: non_neg_integer()) ->
          {ok, [binary()], [event()]} | {more, [binary()], [event()], Rest :: binary()} | {error, error_map()}.
rx_open(_Rx, _Input, _MaxPackets) ->
    erlang:nif_error(not_loaded).

-spec rx_established(rx()) -> ok.
rx_established(_Rx) ->
    erlang:nif_error(not_loaded).

-spec rx_info(rx()) -> #{key_updates := non_neg_integer()}.
rx_info(_Rx) ->
    erlang:nif_error(not_loaded).

-spec resources() -> #{configs := non_neg_integer(), handshakes := non_neg_integer(),
                       senders := non_neg_integer(), receivers := non_neg_integer()}.
resources() ->
    erlang:nif_error(not_loaded).

-spec selftest_panic() -> no_return().
selftest_panic() ->
    erlang:nif_error(not_loaded).

-spec selftest_pool_panic() -> ok | overloaded.
selftest_pool_panic() ->
    erlang:nif_error(not_loaded).
