%% The TLS handshake over a socket: bytes to and from Rust, within a deadline. Runs in the process that owns the socket,
%% which is passive throughout.
%%
%% Where the user has a say in the verdict on a certificate, Rust asks in the middle of a step. The answer is worked out in
%% a process that lives for this one question and acts for the owner, the judge: a verify_fun that hangs or kills its process
%% can then be ended, and the alert still be sent, within the deadline.
-module(rustls_dist_handshake).

-export([connect/3, accept/4, verdict/4, close_gently/1]).

-export_type([tls/0, failure/0]).

%% An established TLS connection.
-type tls() :: #{socket := inet:socket(),
                 address := rustls_dist_log:address(),      % of the peer, kept: a socket that was reset does not tell it
                 node => node(),                            % once the link is up
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
                deadline_ms :: integer(),           % monotonic
                received = false :: boolean()}).

%% How long, and how much, a failed peer's bytes are read so that closing does not reset the connection and destroy the
%% alert on its way.
-define(LINGER_MS, 500).
-define(LINGER_BYTES, 65536).

%% What is left of the deadline has to do for the alert, too.
-define(ALERT_MS, 200).
-define(CERTIFICATE_UNKNOWN, 46).

%% Does the handshake as client. Name: what the server's certificate must say. TimeoutMs: for all of it.
%% On failure the alert is sent; closing the socket is left to the caller.
-spec connect(inet:socket(), {rustls_dist_config:role_config(), any | binary()}, timeout()) ->
          {ok, tls()} | {error, failure()}.
connect(Socket, {RoleConfig, Name}, TimeoutMs) ->
    run(Socket, client, RoleConfig, Name, <<>>, TimeoutMs).

%% Does it as server. First: what rustls_dist_first_bytes received.
-spec accept(inet:socket(), rustls_dist_config:role_config(), First :: binary(), timeout()) ->
          {ok, tls()} | {error, failure()}.
accept(Socket, RoleConfig, First, TimeoutMs) ->
    run(Socket, server, RoleConfig, any, First, TimeoutMs).

run(Socket, Role, #{config := Config, policy := Policy} = RoleConfig, Name, First, TimeoutMs) ->
    Started = erlang:monotonic_time(),
    Address = rustls_dist_log:peer(Socket),
    State = #state{socket = Socket,
                   role = Role,
                   policy = for_connection(Policy, Role, Name, Socket),
                   handshake = rustls_dist_nif:handshake_new(Config, native_name(Policy, Name), TimeoutMs),
                   deadline_ms = erlang:convert_time_unit(Started, native, millisecond) + TimeoutMs,
                   received = First =/= <<>>},
    case advance(State, First) of
        {ok, Tls} ->
            Elapsed = erlang:convert_time_unit(erlang:monotonic_time() - Started, native, microsecond),
            {ok, maps:merge(Tls#{handshake_us => Elapsed, address => Address},
                            maps:with([verify, verify_node, hibernate_after], RoleConfig))};
        Error ->
            Error
    end.

%% With customize_hostname_check Rust leaves the name to the policy.
native_name(#{host_check := [_ | _]}, Host) when is_binary(Host) -> {by_referee, Host};
native_name(_Policy, Name) -> Name.

%% What the policy needs to know of this connection.
for_connection(none, _Role, _Name, _Socket) ->
    none;
for_connection(Policy, client, Name, _Socket) ->
    Policy#{host => Name};
for_connection(#{verify_fun := none} = Policy, server, _Name, _Socket) ->
    Policy;
for_connection(#{verify_fun := VerifyFun} = Policy, server, _Name, Socket) ->
    case inet:peername(Socket) of
        {ok, {PeerIp, _Port}} -> Policy#{verify_fun => rustls_dist_verify_client:connection_state(VerifyFun, PeerIp)};
        {error, _Closed} -> Policy
    end.

%% Closes so that what was sent last, an alert, arrives: no more output, then a bounded look at what still comes in.
-spec close_gently(inet:socket()) -> ok.
close_gently(Socket) ->
    _ = gen_tcp:shutdown(Socket, write),
    linger(Socket, now_ms() + ?LINGER_MS, ?LINGER_BYTES),
    gen_tcp:close(Socket).

linger(Socket, DeadlineMs, Bytes) when Bytes > 0 ->
    case gen_tcp:recv(Socket, 0, max(0, DeadlineMs - now_ms())) of
        {ok, Data} -> linger(Socket, DeadlineMs, Bytes - byte_size(Data));
        {error, _} -> ok
    end;
linger(_Socket, _DeadlineMs, _Spent) ->
    ok.

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
            true = rustls_dist_nif:handshake_verdict(Handshake, verdict(State#state.policy, Chain, Webpki, TimeoutMs)),
            await(State)
    after left_ms(State) ->
        {error, {timeout, State#state.received}}
    end.

%% The answer for Rust to its question about Chain (DER, the peer's first), on which webpki said Webpki, within TimeoutMs.
-spec verdict(rustls_dist_verify:policy(), [public_key:der_encoded(), ...], ok | {error, rustls_dist_nif:error_map()},
              timeout()) -> ok | {Alert :: byte(), binary()}.
verdict(Policy, Chain, Webpki, TimeoutMs) ->
    Owner = self(),
    {Pid, Ref} = spawn_monitor(fun() -> exit({verdict, answer_to(rustls_dist_verify:judge(Policy, Chain, Webpki))}) end),
    _ = spawn(fun() -> end_with_owner(Pid, Owner) end),
    receive
        {'DOWN', Ref, process, Pid, {verdict, Answer}} -> Answer;
        {'DOWN', Ref, process, Pid, {crl_source, Module, Function, Reason}} ->
            refused("the source of revocation lists ~ts failed in ~ts: ~0tP", [Module, Function, Reason, 8]);
        {'DOWN', Ref, process, Pid, Reason} -> broken(Policy, "ended its process with ~0tP", [Reason, 8])
    after TimeoutMs ->
        exit(Pid, kill),
        receive {'DOWN', Ref, process, Pid, _} -> ok end,
        broken(Policy, "did not return within net_setuptime", [])
    end.

%% For Rust. A text that cannot be made is the judging process' failure, not this one's.
answer_to(ok) ->
    ok;
answer_to({refused, Alert, Reason}) ->
    Text = unicode:characters_to_binary(Reason),
    true = is_binary(Text),
    {Alert, Text}.

%% The judge's watchdog: the owner may be ended at any time, and a function that hangs would stay behind.
end_with_owner(Judge, Owner) ->
    JudgeRef = monitor(process, Judge),
    OwnerRef = monitor(process, Owner),
    receive
        {'DOWN', JudgeRef, process, Judge, _} -> ok;
        {'DOWN', OwnerRef, process, Owner, _} -> exit(Judge, kill)
    end.

%% With both, it cannot be told from here whose fault it was.
broken(#{verify_fun := VerifyFun, crl := Crl}, Format, Arguments) ->
    Who = case {VerifyFun, Crl} of
              {{_Fun, _State, Label}, off} -> ["verify_fun ", Label];
              {{_Fun, _State, Label}, _} -> ["verify_fun ", Label, ", or a source of revocation lists,"];
              {none, _} -> "the verification"
          end,
    refused("~ts " ++ Format, [Who | Arguments]).

refused(Format, Arguments) ->
    {?CERTIFICATE_UNKNOWN, unicode:characters_to_binary(io_lib:format(Format, Arguments))}.

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
    case gen_tcp:recv(Socket, 0, left_ms(State)) of
        {ok, Data} -> {ok, Data, State#state{received = true}};
        {error, timeout} -> {error, {timeout, Received}};
        {error, closed} when not Received -> {error, no_answer};
        {error, Reason} -> {error, {socket, Reason}}
    end.

left_ms(#state{deadline_ms = DeadlineMs}) ->
    max(0, DeadlineMs - now_ms()).

now_ms() ->
    erlang:monotonic_time(millisecond).
