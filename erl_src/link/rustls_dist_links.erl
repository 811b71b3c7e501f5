%% What is known of each link, by its distribution controller. A link is forgotten when its controller ends.
%%
%% The table belongs to rustls_dist_sup, and those who make links write into it: the server, which only sees to it that
%% links are forgotten, may end and come back, and no link is lost.
%%
%% @private
-module(rustls_dist_links).

-behaviour(gen_server).

-export([new_table/0, start_link/0, add/2, info/1]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2, format_status/1]).

-export_type([info/0]).

-type info() :: #{version := 'tlsv1.2' | 'tlsv1.3',
                  cipher := binary(),
                  group := binary() | nil,
                  role := client | server,
                  handshake_us := non_neg_integer(),
                  own_certificate := rustls_dist_nif:certificate() | none,
                  peer_certificate := rustls_dist_nif:certificate() | none,
                  key_updates := #{sent := non_neg_integer(), received := non_neg_integer()}}.

-define(TABLE, ?MODULE).

%% Makes the table, which is the caller's.
-spec new_table() -> ok.
new_table() ->
    ?TABLE = ets:new(?TABLE, [named_table, public, {read_concurrency, true}]),
    ok.

-spec start_link() -> {ok, pid()} | {error, term()}.
start_link() ->
    gen_server:start_link({local, ?MODULE}, ?MODULE, [], []).

%% Remembers a link. Called before the link is up, so that whoever waited for the link finds it here. A link does without,
%% should there be no table.
-spec add(pid(), rustls_dist_handshake:tls()) -> ok.
add(Controller, Tls) ->
    try
        true = ets:insert(?TABLE, {Controller, Tls}),
        gen_server:cast(?MODULE, {added, Controller})
    catch
        error:badarg -> ok
    end.

%% What protects the link of this controller.
-spec info(pid()) -> {ok, info()} | {error, not_connected}.
info(Controller) ->
    try ets:lookup(?TABLE, Controller) of
        [{Controller, Tls}] -> {ok, describe(Tls)};
        [] -> {error, not_connected}
    catch
        error:badarg -> {error, not_connected}
    end.

%% Whoever ended while no server ran is reported as DOWN at once.
-spec init([]) -> {ok, no_state}.
init([]) ->
    _ = [erlang:monitor(process, Controller) || [Controller] <- ets:match(?TABLE, {'$1', '_'})],
    {ok, no_state}.

-spec handle_call(term(), gen_server:from(), no_state) -> {noreply, no_state}.
handle_call(_Unknown, _From, State) ->
    {noreply, State}.

-spec handle_cast(term(), no_state) -> {noreply, no_state}.
handle_cast({added, Controller}, State) when is_pid(Controller) ->
    _ = erlang:monitor(process, Controller),
    {noreply, State};
handle_cast(_Unknown, State) ->
    {noreply, State}.

-spec handle_info(term(), no_state) -> {noreply, no_state}.
handle_info({'DOWN', _Ref, process, Controller, _Reason}, State) ->
    true = ets:delete(?TABLE, Controller),
    {noreply, State};
handle_info(_Other, State) ->
    {noreply, State}.

-spec format_status(gen_server:format_status()) -> gen_server:format_status().
format_status(Status) ->
    rustls_dist_crash:format_status(Status).

describe(#{facts := #{own := Own} = Facts, role := Role, handshake_us := HandshakeUs, tx := Tx, rx := Rx}) ->
    #{key_updates := Sent} = rustls_dist_nif:tx_info(Tx),
    #{key_updates := Received} = rustls_dist_nif:rx_info(Rx),
    (maps:with([version, cipher, group], Facts))
        #{role => Role,
          handshake_us => HandshakeUs,
          own_certificate => Own,
          peer_certificate => maps:get(peer, Facts),
          key_updates => #{sent => Sent, received => Received}}.
