%% One handshake with a chain of rustls_dist_chains, and what the verify_fun is told: by ssl of the release that runs, or
%% by this carrier.
%%
%% The side that sends the chain is the same for both: this carrier's, without verification, which sends the certificates
%% that it is given as they stand.
-module(rustls_dist_event_runs).

-export([prepare/2, discard/1, ssl/2, carrier/2, record/3]).

-export_type([prepared/0, how/0, answers/0, told/0]).

-include_lib("public_key/include/public_key.hrl").

-define(TIMEOUT_MS, 10000).
-define(LOOPBACK, {127, 0, 0, 1}).

%% As rustls_dist_sockopts has it.
-define(SOCKET_OPTIONS, [binary, {active, false}, {buffer, 16384}]).

%% A row, and the files with what it sends and trusts, and with what a judging server shows itself: nobody looks at that,
%% but ssl wants it to be of use.
-type prepared() :: #{row := rustls_dist_chains:row(), dir := file:filename(), chain := binary(), key := binary(),
                      trusted := binary(), own_chain := binary(), own_key := binary()}.

%% What the recording function answers. `defaults': as ssl without verify_fun would; `accept': everything is good;
%% `accept_extensions': extensions are, faults are not. `no_fun': there is no function.
-type answers() :: defaults | accept | accept_extensions | no_fun.

%% Who judges: a `client' judges a server's chain.
-type how() :: {client | server, 'tlsv1.2' | 'tlsv1.3', answers()}.

%% How the handshake ended, `ok' or with which alert, and what the function was told, in order: its state, the name of the
%% certificate in the row, and the event.
-type told() :: {ok | atom(), [{State :: pos_integer(), Certificate :: string(), Event :: term()}]}.

-spec prepare(rustls_dist_chains:row(), file:filename()) -> prepared().
prepare(#{name := Name, sent := [Peer | _] = Sent, trusted := Trusted} = Row, Dir) ->
    Own = filename:join(Dir, Name),
    ok = file:make_dir(Own),
    Server = rustls_dist_x509:leaf("server", self),
    Files = #{chain => rustls_dist_x509:pem(Sent), key => rustls_dist_x509:key_pem(Peer),
              trusted => rustls_dist_x509:pem(Trusted),
              own_chain => rustls_dist_x509:pem([Server]), own_key => rustls_dist_x509:key_pem(Server)},
    Write = fun(File, Text) ->
                    Path = filename:join(Own, atom_to_list(File) ++ ".pem"),
                    ok = file:write_file(Path, Text),
                    unicode:characters_to_binary(Path)
            end,
    maps:merge(#{row => Row, dir => Own}, maps:map(Write, Files)).

-spec discard(prepared()) -> ok.
discard(#{dir := Dir}) ->
    ok = file:del_dir_r(Dir).

%% Lets ssl judge.
-spec ssl(prepared(), how()) -> told().
ssl(#{row := #{depth := Depth, crl := Crl} = Row, trusted := Trusted} = Prepared, {Role, Version, Answers}) ->
    {Ref, Recorder} = recorder(Answers, Row),
    VerifyFun = case Answers of
                    no_fun -> [];
                    _ -> [{verify_fun, Recorder}]
                end,
    Revocation = case Crl of
                     off -> [];
                     {Check, Lists} -> [{crl_check, Check}, {crl_cache, {rustls_dist_chains, {Lists, []}}}]
                 end,
    Options = [{verify, verify_peer}, {cacertfile, Trusted}, {depth, Depth}, {versions, [Version]}, {log_level, none}],
    Ended = ssl_handshake(Role, Prepared, Options ++ VerifyFun ++ Revocation),
    {Ended, events(Ref)}.

ssl_handshake(client, #{row := #{host := Host}} = Prepared, Options) ->
    {ok, Listen} = gen_tcp:listen(0, [{ip, ?LOOPBACK} | ?SOCKET_OPTIONS]),
    {ok, Port} = inet:port(Listen),
    Sender = sender(Prepared, server, fun() -> accept(Listen) end),
    Result = ssl:connect(?LOOPBACK, Port, [{server_name_indication, Host}, {active, false} | Options], ?TIMEOUT_MS),
    ok = gen_tcp:close(Listen),
    ended(Result, Sender);
ssl_handshake(server, #{own_chain := Chain, own_key := Key} = Prepared, Options) ->
    {ok, Listen} = ssl:listen(0, [binary, {active, false}, {ip, ?LOOPBACK}, {certfile, Chain}, {keyfile, Key},
                                  {fail_if_no_peer_cert, true} | Options]),
    {ok, {_Ip, Port}} = ssl:sockname(Listen),
    Sender = sender(Prepared, client, fun() -> dial(Port) end),
    {ok, Accepted} = ssl:transport_accept(Listen, ?TIMEOUT_MS),
    Result = ssl:handshake(Accepted, ?TIMEOUT_MS),
    ok = ssl:close(Listen),
    ended(Result, Sender).

ended({ok, Socket}, Sender) ->
    _ = ssl:close(Socket),
    finish(Sender),
    ok;
ended({error, {tls_alert, {Alert, _Text}}}, Sender) ->
    finish(Sender),
    Alert.

%% Lets this carrier judge, as rustls_dist_config would set it up: with a function, or lists to check, Erlang has the last
%% word; else webpki alone judges.
-spec carrier(prepared(), how()) -> told().
carrier(#{row := #{crl := Crl, depth := Depth} = Row, trusted := Trusted, own_chain := Chain, own_key := Key} = Prepared,
        {Role, Version, Answers}) ->
    {Ref, {Fun, State}} = recorder(Answers, Row),
    JudgedBy = case {Answers, Crl} of
                   {no_fun, off} -> webpki;
                   _ -> referee
               end,
    Own = case Role of
              client -> #{};
              server -> #{certfile => Chain, keyfile => Key, fail_if_no_peer_cert => true}
          end,
    {ok, Config, _Own, Store} =
        rustls_dist_nif:config_new(Role, Own#{verify => verify_peer, cacertfile => Trusted, depth => Depth,
                                              versions => [Version], judged_by => JudgedBy,
                                              common_name_fallback => rustls_dist_release:takes_common_name()}),
    VerifyFun = case Answers of
                    no_fun -> none;
                    _ -> {Fun, State, "that records"}
                end,
    Revocation = case Crl of
                     off -> off;
                     {Check, Lists} -> #{check => Check, sources => [{rustls_dist_chains, {Lists, []}}]}
                 end,
    Policy = case JudgedBy of
                 webpki -> none;
                 referee -> #{role => Role, depth => Depth, host => any, host_check => [], verify_fun => VerifyFun, crl => Revocation,
                              trusted => [{Der, public_key:pkix_decode_cert(Der, otp)} || Der <- Store]}
             end,
    Ended = carrier_handshake(Role, Prepared, role_config(Config, verify_peer, Policy)),
    {Ended, events(Ref)}.

carrier_handshake(Role, #{row := #{host := Host}} = Prepared, RoleConfig) ->
    {ok, Listen} = gen_tcp:listen(0, [{ip, ?LOOPBACK} | ?SOCKET_OPTIONS]),
    {ok, Port} = inet:port(Listen),
    Accept = fun() -> accept(Listen) end,
    Dial = fun() -> dial(Port) end,
    {Sender, Socket, Name} = case Role of
                                 client -> {sender(Prepared, server, Accept), Dial(), list_to_binary(Host)};
                                 server -> {sender(Prepared, client, Dial), Accept(), any}
                             end,
    Result = rustls_dist_bare_handshake:with_config(Socket, Role, RoleConfig, Name, ?TIMEOUT_MS),
    ok = rustls_dist_closing:gently(Socket),
    ok = gen_tcp:close(Listen),
    finish(Sender),
    case Result of
        {ok, _Tls} -> ok;
        {error, {tls, #{alert := {_Code, Alert}}}} -> Alert
    end.

%% The process that sends the chain. It is there until the judge has closed.
sender(#{chain := Chain, key := Key}, Role, Connect) ->
    {ok, Config, _Own, _Trusted} =
        rustls_dist_nif:config_new(Role, #{certfile => Chain, keyfile => Key, verify => verify_none, depth => 10,
                                           judged_by => webpki}),
    RoleConfig = role_config(Config, verify_none, none),
    spawn_monitor(fun() ->
                          Socket = Connect(),
                          Result = rustls_dist_bare_handshake:with_config(Socket, Role, RoleConfig, any, ?TIMEOUT_MS),
                          exit({Result, read_until_closed(Socket)})
                  end).

read_until_closed(Socket) ->
    case gen_tcp:recv(Socket, 0, ?TIMEOUT_MS) of
        {ok, _} -> read_until_closed(Socket);
        {error, Reason} -> Reason
    end.

%% A sender may have been refused, but not have failed by itself.
finish({Pid, Ref}) ->
    receive
        {'DOWN', Ref, process, Pid, {{ok, _Tls}, closed}} -> ok;
        {'DOWN', Ref, process, Pid, {{error, {tls_alert, _Alert}}, closed}} -> ok;
        {'DOWN', Ref, process, Pid, Reason} -> error({sender, Reason})
    end.

role_config(Config, Verify, Policy) ->
    #{config => Config, verify => Verify, verify_node => false, hibernate_after => infinity, recheck => infinity, policy => Policy, name => any}.

accept(Listen) ->
    {ok, Socket} = gen_tcp:accept(Listen, ?TIMEOUT_MS),
    Socket.

dial(Port) ->
    {ok, Socket} = gen_tcp:connect(?LOOPBACK, Port, ?SOCKET_OPTIONS),
    Socket.

%% A verify_fun with its state, and the mark of its messages.
recorder(Answers, #{sent := Sent, trusted := Trusted}) ->
    Ref = make_ref(),
    Names = [{Otp, Name} || #{otp := Otp, name := Name} <- Sent ++ Trusted],
    {Ref, {fun ?MODULE:record/3, #{to => self(), ref => Ref, names => Names, answers => Answers, count => 1}}}.

%% The verify_fun: tells the event, and answers as its state says.
-spec record(#'OTPCertificate'{}, Event, State) -> {valid | unknown, State} | {fail, term()} when
      Event :: {bad_cert, term()} | {extension, #'Extension'{}} | valid | valid_peer,
      State :: map().
record(Cert, Event, #{to := To, ref := Ref, names := Names, answers := Answers, count := Count} = State) ->
    Name = case lists:keyfind(Cert, 1, Names) of
               {_, Known} -> Known;
               false -> {not_of_this_row, Cert}
           end,
    To ! {Ref, {Count, Name, Event}},
    answer(Answers, Event, State#{count := Count + 1}).

answer(accept, _Event, State) -> {valid, State};
answer(accept_extensions, {extension, _}, State) -> {valid, State};
answer(_Answers, {extension, _}, State) -> {unknown, State};
answer(_Answers, {bad_cert, _} = Fault, _State) -> {fail, Fault};
answer(_Answers, _Valid, State) -> {valid, State}.

%% What was told has arrived when the handshake is over: its result comes from the process that told, or from one that
%% waited for that one's end.
events(Ref) ->
    receive
        {Ref, Event} -> [Event | events(Ref)]
    after 0 ->
        []
    end.
