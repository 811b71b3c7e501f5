%% The cases of x509-limbo where Erlang has a say beside webpki: with a verify_fun that answers as by default, with revocation
%% lists, or both. Those with a key are real handshakes, in the role that the case names. What comes out otherwise than x509-limbo
%% expects is in doc/verification.md, with the reason. test/trust/limbo.rs plays them where webpki judges alone.
-module(rustls_dist_limbo_SUITE).

-include_lib("stdlib/include/assert.hrl").
-include_lib("public_key/include/public_key.hrl").

-export([all/0, init_per_suite/1, end_per_suite/1]).
-export([every_case/1]).

-define(TIMEOUT_MS, 10000).
%% A hundred years.
-define(LONG_S, 100 * 365 * 86400).
-define(LOOPBACK, {127, 0, 0, 1}).
-define(SOCKET_OPTIONS, [binary, {active, false}, {buffer, 16384}]).

all() ->
    [every_case].

init_per_suite(Config) ->
    IsNew = list_to_integer(erlang:system_info(otp_release)) > 27,
    case rustls_dist_limbo:file() of
        _ when IsNew ->
            {skip, "the table says what OTP 25 and 27 do"};
        {ok, File} ->
            ok = rustls_dist_nif:load(),
            Dir = string:trim(os:cmd("mktemp -d -t rustls_dist.XXXXXX")),
            Own = rustls_dist_x509:leaf("judge", self),
            Cert = write(Dir, "judge.pem", rustls_dist_x509:pem([Own])),
            Key = write(Dir, "judge.key", rustls_dist_x509:key_pem(Own)),
            [{file, File}, {dir, Dir}, {own, #{certfile => Cert, keyfile => Key}} | Config];
        none ->
            {skip, "X509_LIMBO names no limbo.json, and there is none beside the checkout"}
    end.

end_per_suite(Config) ->
    ok = file:del_dir_r(proplists:get_value(dir, Config)).

every_case(Config) ->
    Documented = rustls_dist_limbo:documented(),
    Played = [{Case, played(Config, Case)} || Case <- rustls_dist_limbo:cases(proplists:get_value(file, Config))],
    [ct:pal("~ts: ~tp, ~ts, ~ts", [Id, Outcome, How, Text]) || {#{id := Id}, {Outcome, How, Text}} <- Played],
    Wrong = [{Id, Expected, Outcome, unicode:characters_to_list(Text)}
             || {#{id := Id, expected := Expected}, {Outcome, _How, Text}} <- Played,
                not is_documented(Expected, Outcome, maps:get(Id, Documented, none))],
    ?assertEqual([], Wrong),
    ct:pal("~b in handshakes, ~b judged alone, ~b not played",
           [length([Id || {#{id := Id}, {_, How, _}} <- Played, How =:= Which]) || Which <- [handshake, judged, clock]]).

%% A row stands for both ways of judging: this one may be as expected, and the other not. The rows are about OTP 25; public_key of
%% OTP 27 comes closer to what x509-limbo expects.
is_documented(Expected, Outcome, {Expected, Outcome}) -> true;
is_documented(Expected, Expected, none) -> true;
is_documented(Expected, Expected, _Row) -> list_to_integer(erlang:system_info(otp_release)) > 25;
is_documented(_Expected, 'not played', none) -> true;
is_documented(_Expected, _Outcome, _Row) -> false.

%% The outcome, how it came about, and the reason.
played(Config, Case) ->
    case is_valid_now(Case) of
        false -> {'not played', clock, "public_key takes the time from the clock"};
        true -> with_files(Config, Case)
    end.

%% A case with a time of its own is one for the clock as well if all its certificates are valid now, and stay so.
is_valid_now(#{has_time := false}) ->
    true;
is_valid_now(#{peer := Peer, between := Between, trusted := Trusted}) ->
    NowS = erlang:system_time(second),
    lists:all(fun(Der) -> is_valid_from_to(NowS, NowS + ?LONG_S, public_key:pkix_decode_cert(Der, otp)) end,
              ders([Peer | Between ++ Trusted])).

is_valid_from_to(FirstS, LastS, #'OTPCertificate'{tbsCertificate = #'OTPTBSCertificate'{validity = Validity}}) ->
    #'Validity'{notBefore = From, notAfter = To} = Validity,
    rustls_dist_asn1_time:unix_seconds(From) =< FirstS andalso LastS =< rustls_dist_asn1_time:unix_seconds(To).

with_files(Config, #{role := Role, trusted := Trusted, depth := Depth} = Case) ->
    Dir = proplists:get_value(dir, Config),
    Own = case Role of
              client -> #{};
              server -> (proplists:get_value(own, Config))#{fail_if_no_peer_cert => true}
          end,
    Given = Own#{verify => verify_peer, cacertfile => write(Dir, "trusted.pem", Trusted), depth => Depth, judged_by => referee,
                 common_name_fallback => true},
    case rustls_dist_nif:config_new(Role, Given) of
        {ok, Native, _Chains, Store} -> judged(Config, Case, Given, Native, Store);
        {error, #{text := Text}} -> {refuses, judged, Text}
    end.

judged(Config, #{lists := Lists} = Case, Given, Native, Store) ->
    Policy = policy(Case, Store),
    %% With lists, where there are any, and with a function.
    Crl = #{check => true, sources => [{rustls_dist_chains, {lists_of(Lists), []}}]},
    Policies = [Policy#{crl => Crl} || Lists =/= []] ++ [Policy#{verify_fun => by_default()} || Lists =:= []]
        ++ [Policy#{verify_fun => by_default(), crl => Crl} || Lists =/= []],
    [First | _] = Outcomes = [judged_by(Config, Case, Given, Native, P) || P <- Policies],
    ?assertEqual(1, length(lists:usort([Outcome || {Outcome, _, _} <- Outcomes])), maps:get(id, Case)),
    First.

policy(#{role := Role, depth := Depth}, Store) ->
    #{role => Role, depth => Depth, host => any, host_check => [], verify_fun => none, crl => off,
      trusted => [{Der, public_key:pkix_decode_cert(Der, otp)} || Der <- Store]}.

by_default() ->
    {fun(_Cert, {bad_cert, _} = Fault, _State) -> {fail, Fault};
        (_Cert, {extension, _}, State) -> {unknown, State};
        (_Cert, _Valid, State) -> {valid, State}
     end, none, "that answers as by default"}.

judged_by(Config, #{key := null} = Case, Given, _Native, Policy) ->
    without_handshake(Config, Case, Given, Policy);
judged_by(Config, #{role := Role, peer := Peer, between := Between, key := Key} = Case, Given, Native, Policy) ->
    Dir = proplists:get_value(dir, Config),
    Shown = #{certfile => write(Dir, "shown.pem", [Peer | Between]), keyfile => write(Dir, "shown.key", Key),
              verify => verify_none, depth => 10, judged_by => webpki},
    case rustls_dist_nif:config_new(opposite(Role), Shown) of
        {ok, Shows, _Chains, _Trusted} ->
            handshake(Case, role_config(Shows, verify_none, none), role_config(Native, verify_peer, Policy));
        {error, _} ->
            %% No node of ours could show it.
            without_handshake(Config, Case, Given, Policy)
    end.

opposite(client) -> server;
opposite(server) -> client.

role_config(Config, Verify, Policy) ->
    #{config => Config, verify => Verify, verify_node => false, hibernate_after => infinity, recheck => infinity,
      policy => Policy, name => any}.

handshake(#{role := Role, host := Host}, Shows, Judges) ->
    {ok, Listen} = gen_tcp:listen(0, [{ip, ?LOOPBACK} | ?SOCKET_OPTIONS]),
    {ok, Port} = inet:port(Listen),
    Accept = fun() -> gen_tcp:accept(Listen, ?TIMEOUT_MS) end,
    Dial = fun() -> gen_tcp:connect(?LOOPBACK, Port, ?SOCKET_OPTIONS, ?TIMEOUT_MS) end,
    {Theirs, Ours, Name} = case Role of
                               client -> {Accept, Dial, Host};
                               server -> {Dial, Accept, any}
                           end,
    {Sender, Ref} = spawn_monitor(fun() -> show(Theirs, opposite(Role), Shows) end),
    {ok, Socket} = Ours(),
    Result = rustls_dist_bare_handshake:with_config(Socket, Role, Judges, Name, ?TIMEOUT_MS),
    ok = rustls_dist_closing:gently(Socket),
    ok = gen_tcp:close(Listen),
    receive {'DOWN', Ref, process, Sender, normal} -> ok end,
    case Result of
        {ok, _Tls} -> {takes, handshake, ""};
        {error, {tls, #{text := Text}}} -> {refuses, handshake, Text}
    end.

%% The end that shows the chain. It is there until the judge has closed.
show(Connect, Role, Config) ->
    {ok, Socket} = Connect(),
    _ = rustls_dist_bare_handshake:with_config(Socket, Role, Config, any, ?TIMEOUT_MS),
    read_until_closed(Socket).

read_until_closed(Socket) ->
    case gen_tcp:recv(Socket, 0, ?TIMEOUT_MS) of
        {ok, _} -> read_until_closed(Socket);
        {error, _} -> ok
    end.

without_handshake(_Config, #{role := Role, host := Host, peer := Peer, between := Between}, Given, Policy) ->
    {ok, Native, _Chains, _Store} = rustls_dist_nif:config_new(Role, Given#{judged_by => webpki}),
    Chain = ders([Peer | Between]),
    Name = case Role of
               client -> Host;
               server -> any
           end,
    case rustls_dist_verify:judge(Policy#{host => Name}, Chain, rustls_dist_nif:config_judge(Native, Name, Chain)) of
        ok -> {takes, judged, ""};
        {_, _Alert, Text} -> {refuses, judged, Text}
    end.

ders(Pems) ->
    [Der || Pem <- Pems, {'Certificate', Der, not_encrypted} <- public_key:pem_decode(Pem)].

lists_of(Pems) ->
    [Der || Pem <- Pems, {'CertificateList', Der, not_encrypted} <- public_key:pem_decode(Pem)].

write(Dir, Name, Text) ->
    Path = filename:join(Dir, Name),
    ok = file:write_file(Path, Text),
    unicode:characters_to_binary(Path).
