%% The TLS handshake over a socket: bytes to and from Rust, within a deadline. Runs in the process that owns the socket,
%% which is passive throughout.
%%
%% Where the user has a say in the verdict on a certificate, Rust asks in the middle of a step: see rustls_dist_verdict.
%%
%% @private
-module(rustls_dist_handshake).

-export([connect/3, accept/4]).

-export_type([tls/0, failure/0]).

%% An established TLS connection.
-type tls() :: #{socket := inet:socket(),
                 address := rustls_dist_log:address(),      % of the peer, kept: a socket that was reset does not tell it
                 node => node(),                            % once the link is up
                 since => integer(),                        % once it is known to rustls_dist_links
                 generation => pos_integer(),               % of the configuration
                 verified := rustls_dist_verified:verified(),
                 role := client | server,
                 tx := rustls_dist_nif:tx(),
                 rx := rustls_dist_nif:rx(),
                 facts := rustls_dist_nif:facts(),
                 verify := verify_peer | verify_none,
                 verify_node := rustls_dist_verify_node:policy(),
                 hibernate_after := timeout(),
                 handshake_us := non_neg_integer()}.

%% Why there is none. `no_answer' is a peer that closed before its first byte.
-type failure() :: {tls, rustls_dist_nif:error_map()}
                 | {tls_alert, rustls_dist_nif:alert()}
                 | plain_distribution
                 | {not_tls, binary()}
                 | no_answer
                 | {timeout, Received :: boolean()}
                 | overloaded
                 | {socket, inet:posix() | closed}.

-record(state, {socket :: inet:socket(),
                role :: client | server,
                policy :: rustls_dist_verify:policy() | none,
                handshake :: rustls_dist_nif:handshake(),
                deadline :: rustls_dist_deadline:deadline(),
                received = false :: boolean()}).

%% What is left of the deadline has to do for the alert, too.
-define(ALERT_MS, 200).

%% Does the handshake as client. Name: what the server's certificate must say. TimeoutMs: for all of it.
%% On failure the alert is sent; closing the socket is left to the caller.
-spec connect(inet:socket(), {rustls_dist_roles:role_config(), any | binary()}, timeout()) ->
          {ok, tls()} | {error, failure()}.
connect(Socket, {RoleConfig, Name}, TimeoutMs) ->
    run(Socket, client, RoleConfig, Name, <<>>, TimeoutMs).

%% Does it as server. First: what rustls_dist_first_bytes received.
-spec accept(inet:socket(), rustls_dist_roles:role_config(), First :: binary(), timeout()) ->
          {ok, tls()} | {error, failure()}.
accept(Socket, RoleConfig, First, TimeoutMs) ->
    run(Socket, server, RoleConfig, any, First, TimeoutMs).

run(Socket, Role, #{config := Config, policy := Policy} = RoleConfig, Name, First, TimeoutMs) ->
    Started = erlang:monotonic_time(),
    Address = rustls_dist_log:peer(Socket),
    State = #state{socket = Socket,
                   role = Role,
                   policy = rustls_dist_judgement:for_connection(Policy, Role, Name, Address),
                   handshake = rustls_dist_nif:handshake_new(Config, rustls_dist_judgement:native_name(Policy, Name),
                                                             TimeoutMs),
                   deadline = rustls_dist_deadline:in(TimeoutMs),
                   received = First =/= <<>>},
    case advance(State, First) of
        {ok, #{facts := #{peer_der := Shown} = Facts} = Tls} ->
            Elapsed = erlang:convert_time_unit(erlang:monotonic_time() - Started, native, microsecond),
            ok = rustls_dist_meter:took(handshake, #{direction => direction(Role)}, Elapsed),
            {ok, maps:merge(Tls#{handshake_us => Elapsed, address => Address, facts := kept(RoleConfig, Facts),
                                 verified => rustls_dist_verified:by(RoleConfig, Name, Shown)},
                            maps:with([verify, verify_node, hibernate_after, generation], RoleConfig))};
        Error ->
            Error
    end.

direction(client) -> out;
direction(server) -> in.

%% The whole chain is for who judges it again; an idle link is to be small.
kept(#{recheck := Seconds}, Facts) when is_integer(Seconds) -> Facts;
kept(_RoleConfig, Facts) -> maps:remove(peer_chain, Facts).

advance(#state{handshake = Handshake} = State, Bytes) ->
    case rustls_dist_nif:handshake_advance(Handshake, Bytes) of
        ok -> await(State);
        {error, overloaded} -> {error, overloaded}
    end.

await(#state{handshake = Handshake} = State) ->
    receive
        {rustls_dist_handshake, Handshake, Step} ->
            step(State, Step);
        {rustls_dist_verify, Handshake, Chain, Webpki} ->
            TimeoutMs = max(0, left_ms(State) - ?ALERT_MS),
            Verdict = rustls_dist_verdict:reach(State#state.policy, Chain, Webpki, TimeoutMs),
            true = rustls_dist_nif:handshake_verdict(Handshake, Verdict),
            await(State)
    after left_ms(State) ->
        {error, {timeout, State#state.received}}
    end.

step(State, {continue, Send}) ->
    case send(State, Send) of
        ok ->
            case receive_bytes(State) of
                {ok, Data, Next} -> answer(State, Next, Data);
                Error -> Error
            end;
        Error ->
            Error
    end;
step(#state{socket = Socket, role = Role} = State, {done, Send, Tx, Rx, Facts}) ->
    case send(State, Send) of
        ok -> {ok, #{socket => Socket, role => Role, tx => Tx, rx => Rx, facts => Facts}};
        Error -> Error
    end;
step(_State, {failed, _Nothing, #{received := {_Code, _Name} = Alert}}) ->
    {error, {tls_alert, Alert}};
step(State, {failed, Alert, Error}) ->
    case send(State, Alert) of
        ok -> {error, {tls, Error}};
        {error, _} -> {error, {tls, Error#{alert => none}}}
    end.

%% A client may have dialled something that is not TLS, too. Only the first bytes tell: later ones may begin anywhere in a
%% record. Before: the state in which nothing of Data had arrived.
answer(#state{role = client, received = false}, _Next, <<Type, _/binary>> = Data) when Type < 20; Type > 23 ->
    {error, rustls_dist_first_bytes:judge(Data)};
answer(_Before, Next, Data) ->
    advance(Next, Data).

send(_State, <<>>) ->
    ok;
send(#state{socket = Socket}, Bytes) ->
    case gen_tcp:send(Socket, Bytes) of
        ok -> ok;
        {error, timeout} -> {error, {timeout, true}};
        {error, Reason} -> {error, {socket, Reason}}
    end.

receive_bytes(#state{socket = Socket, received = Received} = State) ->
    %% Each read takes a buffer, however little arrives: a peer that sends byte after byte is not to fill the memory.
    true = erlang:garbage_collect(),
    case rustls_dist_receive:some(Socket, left_ms(State)) of
        {ok, Data} -> {ok, Data, State#state{received = true}};
        {error, timeout} -> {error, {timeout, Received}};
        {error, closed} when not Received -> {error, no_answer};
        {error, Reason} -> {error, {socket, Reason}}
    end.

left_ms(#state{deadline = Deadline}) ->
    rustls_dist_deadline:left_ms(Deadline).
