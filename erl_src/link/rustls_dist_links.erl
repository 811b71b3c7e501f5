%% What is known of each link, by its distribution controller. A link is forgotten when its controller ends, and what it
%% carried is added to what ended links did.
%%
%% The table belongs to rustls_dist_sup, and those who make links write into it: the server, which only sees to it that
%% links are forgotten, may end and come back, and no link is lost. What is asked here is answered from the table: whoever
%% asks waits for no process.
%%
%% @private
-module(rustls_dist_links).

-behaviour(gen_server).

-export([new_table/0, start_link/0, add/3, up/2, finish/2, all/0, known/0, one/1, peer_der/1, traffic/0]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2, terminate/2, format_status/1]).

-export_type([info/0, traffic/0]).

-type info() :: #{node := node(),
                  direction := in | out,
                  since := integer(),                   % when it came up: Unix time, seconds
                  address := rustls_dist_log:address(),
                  version := 'tlsv1.2' | 'tlsv1.3',
                  cipher := binary(),
                  group := binary() | nil,
                  provider := rustls_dist_nif:provider(),
                  role := client | server,
                  handshake_us := non_neg_integer(),
                  generation := pos_integer(),          % of the configuration that it was made with
                  own_certificate := rustls_dist_nif:certificate() | none,
                  peer_certificate := rustls_dist_nif:certificate() | none,
                  sha256_fingerprint := binary() | none,             % of the peer's certificate, as openssl prints it
                  verified := rustls_dist_verified:verified(),
                  traffic := traffic(),
                  key_updates := #{sent := non_neg_integer(), received := non_neg_integer()}}.

%% Since the TLS handshake: bytes of records as the network carried them, records, and distribution packets. Ticks, and what
%% the distribution handshake took, are among them.
-type traffic() :: #{sent := figures(), received := figures()}.
-type figures() :: #{bytes := non_neg_integer(), records := non_neg_integer(), packets := non_neg_integer()}.

-type known() :: rustls_dist_handshake:tls().             % with node and since

-define(TABLE, ?MODULE).

%% How often it is looked whether figures are in the middle of their move.
-define(TRIES, 100).

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
-spec add(pid(), rustls_dist_handshake:tls(), rustls_dist_turn:turn()) -> ok.
add(Controller, Tls, Turn) ->
    try
        true = ets:insert(?TABLE, {Controller, Tls#{since => erlang:system_time(second)}, Turn}),
        gen_server:cast(?MODULE, {added, Controller})
    catch
        error:badarg -> ok
    end.

%% A link is up, and it is known with whom.
-spec up(pid(), rustls_dist_handshake:tls()) -> ok.
up(Controller, #{node := Node, facts := Facts, handshake_us := Us} = Tls) ->
    Known = maps:with([version, cipher], Facts),
    Labels = Known#{direction => direction(Tls)},
    ok = rustls_dist_meter:count(links_opened, Labels),
    ok = rustls_dist_events:happened([rustls_dist, link, up], #{handshake_us => Us},
                                     Labels#{node => Node, generation => generation(Tls)}),
    try
        _ = ets:update_element(?TABLE, Controller, {2, Tls#{since => erlang:system_time(second)}}),
        ok
    catch
        error:badarg -> ok
    end.

%% Ends the link of that controller for this reason, behind what is being sent, if it is over soon: last words can follow then.
-spec finish(pid(), term()) -> ok.
finish(Controller, Reason) ->
    _ = [rustls_dist_turn:keep(Turn) || {_, _, Turn} <- ets:lookup(?TABLE, Controller)],
    true = exit(Controller, Reason),
    ok.

%% What is known of all links that are up.
-spec all() -> #{node() => info()}.
all() ->
    maps:from_list([{Node, describe(Known)} || {_Controller, #{node := Node} = Known} <- known()]).

%% The links that are up, as they were handed over, by controller.
-spec known() -> [{pid(), known()}].
known() ->
    [{Controller, Known} || {Node, Controller} <- erlang:system_info(dist_ctrl), {ok, Known} <- [known(Node, Controller)]].

%% What is known of the link to Node.
-spec one(node()) -> {ok, info()} | {error, not_connected}.
one(Node) ->
    case found(Node) of
        {ok, Known} -> {ok, describe(Known)};
        {error, not_connected} = Error -> Error
    end.

%% The certificate that the peer of that link showed.
-spec peer_der(node()) -> {ok, public_key:der_encoded()} | {error, not_connected | no_peercert}.
peer_der(Node) ->
    case found(Node) of
        {ok, #{facts := #{peer_der := none}}} -> {error, no_peercert};
        {ok, #{facts := #{peer_der := Der}}} -> {ok, Der};
        {error, not_connected} = Error -> Error
    end.

found(Node) ->
    case lists:keyfind(Node, 1, erlang:system_info(dist_ctrl)) of
        {Node, Controller} -> known(Node, Controller);
        false -> {error, not_connected}
    end.

%% A link of another carrier may have a port in the place of a controller.
-spec known(node(), pid() | port()) -> {ok, known()} | {error, not_connected}.
known(Node, Controller) ->
    try ets:lookup(?TABLE, Controller) of
        [{Controller, Tls, _Turn}] -> {ok, Tls#{node => Node}};
        [] -> {error, not_connected}
    catch
        error:badarg -> {error, not_connected}
    end.

%% What all links carried, those that ended included: it only grows.
-spec traffic() -> [{#{direction := sent | received, unit := bytes | records | packets | key_updates}, non_neg_integer()}].
traffic() ->
    traffic(?TRIES).

%% A link's figures are either its own or among those of ended links, and for a moment neither. Somebody who ends many links
%% at once makes that moment longer.
traffic(Tries) ->
    Before = moves(),
    Live = live(),
    All = [{Labels, Ended + maps:get(Labels, Live, 0)} || {Labels, Ended} <- rustls_dist_meter:read(ended)],
    case moves() of
        {Same, Same} = Before -> All;
        _ when Tries > 0 -> erlang:yield(), traffic(Tries - 1);
        _ -> All
    end.

moves() ->
    Moves = maps:from_list([{Step, Count} || {#{step := Step}, Count} <- rustls_dist_meter:read(moves)]),
    {maps:get(begun, Moves, 0), maps:get(done, Moves, 0)}.

live() ->
    try ets:match(?TABLE, {'_', '$1', '_'}) of
        Links -> lists:foldl(fun([Tls], Sum) -> sum(figures(Tls), Sum) end, #{}, Links)
    catch
        error:badarg -> #{}
    end.

sum(Figures, Sum) ->
    maps:fold(fun(Labels, Count, Acc) -> Acc#{Labels => Count + maps:get(Labels, Acc, 0)} end, Sum, Figures).

figures(#{tx := Tx, rx := Rx}) ->
    maps:from_list([{#{direction => Direction, unit => Unit}, Count}
                    || {Direction, Info} <- [{sent, rustls_dist_nif:tx_info(Tx)}, {received, rustls_dist_nif:rx_info(Rx)}],
                       {Unit, Count} <- maps:to_list(Info)]).

%% Whoever ended while no server ran is reported as DOWN at once. Exits are trapped for the sake of terminate/2.
-spec init([]) -> {ok, no_state}.
init([]) ->
    _ = process_flag(trap_exit, true),
    {Begun, _Done} = moves(),
    ok = rustls_dist_meter:set(moves, #{step => done}, Begun),
    _ = [erlang:monitor(process, Controller) || [Controller] <- ets:match(?TABLE, {'$1', '_', '_'})],
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
handle_info({'DOWN', _Ref, process, Controller, Reason}, State) when is_pid(Controller) ->
    ended(Controller, Reason),
    {noreply, State};
handle_info(_Other, State) ->
    {noreply, State}.

%% Where distribution as a whole is stopped, the table goes with rustls_dist_sup, and net_kernel went before; what its links
%% carried is to stay.
-spec terminate(term(), no_state) -> ok.
terminate(_Reason, _State) ->
    case whereis(net_kernel) of
        undefined -> lists:foreach(fun([Controller]) -> ended(Controller, shutdown) end, ets:match(?TABLE, {'$1', '_', '_'}));
        _ -> ok
    end.

-spec format_status(gen_server:format_status()) -> gen_server:format_status().
format_status(Status) ->
    rustls_dist_crash:format_status(Status).

ended(Controller, Reason) ->
    ok = rustls_dist_meter:count(moves, #{step => begun}),
    Taken = ets:take(?TABLE, Controller),
    _ = [rustls_dist_meter:add(ended, Labels, Count) || {_, Tls, _} <- Taken, {Labels, Count} <- maps:to_list(figures(Tls))],
    ok = rustls_dist_meter:count(moves, #{step => done}),
    lists:foreach(fun({_, Tls, _}) -> tell_ended(Tls, Reason) end, Taken).

%% A connection that did not become a link ended without having begun.
tell_ended(#{since := Since, node := Node} = Tls, Reason) ->
    #{sent := #{bytes := Sent}, received := #{bytes := Received}} = carried(Tls),
    rustls_dist_events:happened([rustls_dist, link, down],
                                #{duration_s => erlang:system_time(second) - Since, bytes_sent => Sent,
                                  bytes_received => Received},
                                #{node => Node, direction => direction(Tls), reason => rustls_dist_reason:ended(Reason)});
tell_ended(_Tls, _Reason) ->
    ok.

describe(#{facts := #{own := Own, peer := Peer, peer_der := Der} = Facts, role := Role, handshake_us := Us, tx := Tx, rx := Rx,
           address := Address, verified := Verified, node := Node, since := Since} = Tls) ->
    #{key_updates := Sent} = rustls_dist_nif:tx_info(Tx),
    #{key_updates := Received} = rustls_dist_nif:rx_info(Rx),
    (maps:with([version, cipher, group], Facts))
        #{node => Node,
          provider => rustls_dist_nif:provider(),
          direction => direction(Tls),
          since => Since,
          address => Address,
          role => Role,
          handshake_us => Us,
          generation => generation(Tls),
          own_certificate => Own,
          peer_certificate => Peer,
          sha256_fingerprint => fingerprint(Der),
          verified => Verified,
          traffic => carried(Tls),
          key_updates => #{sent => Sent, received => Received}}.

carried(#{tx := Tx, rx := Rx}) ->
    #{sent => maps:without([key_updates], rustls_dist_nif:tx_info(Tx)),
      received => maps:without([key_updates], rustls_dist_nif:rx_info(Rx))}.

direction(#{role := client}) -> out;
direction(#{role := server}) -> in.

%% Of the configuration.
generation(Tls) ->
    maps:get(generation, Tls, 1).

fingerprint(none) ->
    none;
fingerprint(Der) ->
    Digits = [io_lib:format("~2.16.0B", [Byte]) || <<Byte>> <= crypto:hash(sha256, Der)],
    iolist_to_binary(lists:join(":", Digits)).
