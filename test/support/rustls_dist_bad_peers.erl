%% The peers of rustls_dist_matrix: for each row a certificate, made when the test runs, and connections on which it is
%% presented. OTP's ssl presents DER that is damaged; openssl presents what ssl would keep to itself, since the judge says
%% in its hello that it will not do: SHA-1, small keys, and as a client of TLS 1.3 the certificates of other authorities.
-module(rustls_dist_bad_peers).

-export([make/2, presented/1]).
-export([dial/3, answer/4, answer_anonymously/2]).

-export_type([presented/0, outcome/0]).

-include_lib("public_key/include/public_key.hrl").

-include_lib("kernel/include/dist.hrl").

-define(TIMEOUT_MS, 15000).

%% More than the 64 KiB that a certificate message may have.
-define(OVERSIZED, 70000).


%% For ssl, DER with the peer's own certificate first, or nothing at all; for openssl, files.
-type presented() :: none | #{chain := [binary(), ...], key := {atom(), binary()}}
                   | {openssl, #{cert := file:filename(), key := file:filename(), _ => _}}.

%% `let_in', the alert that was received, or how else the connection ended.
-type outcome() :: let_in | {alert, atom()} | {ended, term()}.

%% All rows' certificates; Ca is the authority that the judge trusts. presented: what to show for a row to a judge that
%% is a client or a server.
-spec make(file:filename(), rustls_dist_certs:ca()) ->
          #{files := map(), presented := fun((Row :: atom(), ssl | openssl, client | server) -> presented()), lists := map()}.
make(Dir, Ca) ->
    Files = files(Dir, Ca, rustls_dist_certs:ca(Dir, "stranger")),
    [Revoked, Known] = [rustls_dist_crls:list(Dir, Authority, Name, #{revoked => Certs})
                        || {Authority, Name, Certs} <-
                               [{Ca, "revoking", [maps:get(cert, maps:get(revoked, Files))]},
                                {#{cert => filename:join(Dir, "stranger.pem"), key => filename:join(Dir, "stranger.key")},
                                 "strangers", []}]],
    #{files => Files, lists => #{crls => Revoked, no_crls => Known},
      presented => fun(Row, Peer, Judge) -> shown(Row, Peer, Judge, maps:merge(Files, damaged(Files))) end}.

%% The rows that are files. One that differs by who judges is a pair.
files(Dir, Ca, Stranger) ->
    Cert = fun(Name, Options) -> rustls_dist_certs:cert(Dir, Ca, Name, Options) end,
    Purpose = fun(Usage) -> #{extensions => ["basicConstraints=CA:FALSE", "extendedKeyUsage=" ++ Usage]} end,
    #{expired => rustls_dist_certs:dated_cert(Dir, Ca, "expired", {-10, -1}, #{}),
      not_yet_valid => rustls_dist_certs:dated_cert(Dir, Ca, "not_yet_valid", {1, 10}, #{}),
      wrong_ca => (rustls_dist_certs:cert(Dir, Stranger, "wrong_ca", #{}))#{ca => maps:get(cert, Ca)},
      self_signed => (rustls_dist_certs:self_signed(Dir, "self_signed", #{}))#{ca => maps:get(cert, Ca)},
      wrong_name => Cert("wrong_name", #{san => "DNS:elsewhere.example"}),
      wrong_usage => #{client => Cert("clients_only", Purpose("clientAuth")),
                       server => Cert("servers_only", Purpose("serverAuth"))},
      revoked => Cert("revoked", #{}),
      crl_missing => Cert("crl_missing", #{}),
      weak_key => Cert("weak_key", #{key => {rsa, 1024}}),
      sha1 => signed_with_sha1(Cert("sha1", #{}), Ca),
      forged => forged(Cert("forged", #{})),
      deep => deep(Dir, Ca),
      none => none}.

%% A root, two intermediates, and the certificate below them.
deep(Dir, #{cert := Root} = Ca) ->
    Authority = #{san => none, extensions => ["basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign"]},
    #{cert := First} = Upper = rustls_dist_certs:cert(Dir, Ca, "upper", Authority),
    #{cert := Second} = Lower = rustls_dist_certs:cert(Dir, Upper, "lower", Authority),
    #{cert := Leaf} = Deep = rustls_dist_certs:cert(Dir, Lower, "deep", #{}),
    Deep#{cert => rustls_dist_certs:concat(filename:join(Dir, "deep_chain.pem"), [Leaf, Second, First]), ca => Root}.

signed_with_sha1(#{cert := Cert} = Files, #{cert := CaCert, key := CaKey}) ->
    rustls_dist_certs:openssl("x509 -req -sha1 -in ~ts.csr -CA ~ts -CAkey ~ts -set_serial 4711 -days 30 -out ~ts "
                              "-extfile ~ts.ext", [Cert, CaCert, CaKey, Cert, Cert]),
    Files.

%% The same certificate with another serial number, and so without a signature that fits.
forged(#{cert := Cert} = Files) ->
    [Der] = chain(Cert),
    #'Certificate'{tbsCertificate = Tbs} = Decoded = public_key:der_decode('Certificate', Der),
    Forged = Decoded#'Certificate'{tbsCertificate = Tbs#'TBSCertificate'{serialNumber = 4712}},
    Entry = {'Certificate', public_key:der_encode('Certificate', Forged), not_encrypted},
    ok = file:write_file(Cert, public_key:pem_encode([Entry])),
    Files.

%% What openssl, and a node of either kind, would not load. A client of ssl follows its own chain, which therefore has to
%% be readable for OTP, which does not mind bytes behind a certificate.
damaged(#{crl_missing := Good, deep := Deep}) ->
    #{chain := [Leaf | _]} = Sound = presented(Good),
    #{chain := [Below, Issuer | Above]} = Long = presented(Deep),
    #{garbage => Sound#{chain := [<<Leaf/binary, "rubbish">>]},
      garbage_chain => #{client => Long#{chain := [Below, <<"no DER at all">>]},
                         server => Long#{chain := [Below, <<Issuer/binary, "rubbish">> | Above]}},
      oversized => Sound#{chain := [Leaf | lists:duplicate(?OVERSIZED div byte_size(Leaf) + 1, Leaf)]}}.

shown(Row, Peer, Judge, All) ->
    case All of
        #{Row := #{Judge := ByJudge}} -> for(Peer, ByJudge);
        #{Row := Made} -> for(Peer, Made)
    end.

for(ssl, none) -> none;
for(ssl, #{chain := _} = Damaged) -> Damaged;
for(ssl, Files) -> presented(Files);
for(openssl, Files) -> {openssl, Files}.

%% What is in a certificate's files.
-spec presented(#{cert := file:filename(), key := file:filename(), _ => _}) -> presented().
presented(#{cert := Cert, key := Key}) ->
    #{chain => chain(Cert), key => key(Key)}.

chain(File) ->
    [Der || {'Certificate', Der, not_encrypted} <- pem(File)].

key(File) ->
    [Key] = [{Kind, Der} || {Kind, Der, not_encrypted} <- pem(File), Kind =/= 'EcpkParameters'],
    Key.

pem(File) ->
    {ok, Pem} = file:read_file(File),
    public_key:pem_decode(Pem).

%% connections ------------------------------------------------------------------------------------------------

%% Connects to a node as a client that presents this.
-spec dial(rustls_dist_cluster:peer(), presented(), atom()) -> outcome().
dial(Node, {openssl, Files}, Version) ->
    Port = rustls_dist_cluster:listening_port(Node),
    openssl_outcome(openssl("s_client", ["-connect", "127.0.0.1:" ++ integer_to_list(Port)], Files, Version));
dial(Node, Presented, Version) ->
    Options = [{verify, verify_none} | ssl_options(Presented, Version)],
    case ssl:connect({127, 0, 0, 1}, rustls_dist_cluster:listening_port(Node), Options, ?TIMEOUT_MS) of
        {ok, Socket} ->
            %% Who is let in is answered.
            _ = ssl:send(Socket, name_packet(lists:concat(["played", erlang:unique_integer([positive]), "@127.0.0.1"]))),
            outcome({ok, Socket});
        Error ->
            outcome(Error)
    end.

%% With all flags but the one of nodes that ask for a name (erts' distribution protocol, send_name).
name_packet(Name) ->
    Flags = (1 bsl 64 - 1) band bnot ?DFLAG_NAME_ME,
    Packet = <<$N, Flags:64, 1:32, (length(Name)):16, (list_to_binary(Name))/binary>>,
    <<(byte_size(Packet)):32, Packet/binary>>.

%% Is dialled by a node, as a server that presents this.
-spec answer(rustls_dist_cluster:cluster(), rustls_dist_cluster:peer(), presented(), atom()) -> outcome().
answer(Cluster, Node, {openssl, Files}, Version) ->
    [Port] = rustls_dist_listening:free_ports(inet, 1),
    Openssl = openssl("s_server", ["-accept", "127.0.0.1:" ++ integer_to_list(Port), "-naccept", "1", "-Verify", "1"],
                      Files, Version),
    await(Openssl, "ACCEPT", ""),
    dialled(Cluster, Node, Port, fun() -> openssl_outcome(Openssl) end);
answer(Cluster, Node, Presented, Version) ->
    {ok, Listen} = ssl:listen(0, [{ip, {127, 0, 0, 1}} | ssl_options(Presented, Version)]),
    {ok, {_, Port}} = ssl:sockname(Listen),
    Outcome = dialled(Cluster, Node, Port,
                      fun() ->
                              {ok, Socket} = ssl:transport_accept(Listen, ?TIMEOUT_MS),
                              outcome(ssl:handshake(Socket, ?TIMEOUT_MS))
                      end),
    ok = ssl:close(Listen),
    Outcome.

%% Lets the node connect to what listens on Port.
dialled(Cluster, #{pid := Control}, Port, Serve) ->
    Name = lists:concat(["played", erlang:unique_integer([positive])]),
    Epmd = rustls_dist_cluster:fake_node(Cluster, Name, Port),
    Key = rpc:async_call(node(), peer, call, [Control, net_kernel, connect_node,
                                              [list_to_atom(Name ++ "@127.0.0.1")], ?TIMEOUT_MS]),
    Outcome = Serve(),
    ok = gen_tcp:close(Epmd),
    _ = rpc:yield(Key),
    Outcome.

%% With TLS 1.3 a client is content before its certificate is looked at. Who is let in hears something: a server the
%% node's name, a client the answer to its own.
outcome({ok, Socket}) ->
    Outcome = receive
                  {ssl, Socket, _Name} -> let_in;
                  {ssl_error, Socket, Reason} -> ended(Reason);
                  {ssl_closed, Socket} -> {ended, closed}
              after ?TIMEOUT_MS ->
                  {ended, silence}
              end,
    _ = ssl:close(Socket),
    Outcome;
outcome({error, Reason}) ->
    ended(Reason).

ended({tls_alert, {Alert, _Text}}) -> {alert, Alert};
ended(Reason) -> {ended, Reason}.

ssl_options(Presented, Version) ->
    Own = case Presented of
              none -> [];
              #{chain := Chain, key := Key} -> [{cert, Chain}, {key, Key}]
          end,
    [{versions, [Version]}, {log_level, none} | Own].

%% Is dialled by a node, as an openssl server without certificate, which leaves only cipher suites without
%% authentication. Gives what openssl printed.
-spec answer_anonymously(rustls_dist_cluster:cluster(), rustls_dist_cluster:peer()) -> string().
answer_anonymously(Cluster, Node) ->
    [Port] = rustls_dist_listening:free_ports(inet, 1),
    Openssl = openssl(["s_server", "-nocert", "-accept", "127.0.0.1:" ++ integer_to_list(Port), "-naccept", "1",
                       "-cipher", "ALL:aNULL:@SECLEVEL=0"]),
    await(Openssl, "ACCEPT", ""),
    dialled(Cluster, Node, Port, fun() -> await(Openssl, exit, "") end).

openssl(Command, Arguments, #{cert := Cert, key := Key}, Version) ->
    openssl([Command, flag(Version), "-cert", Cert, "-key", Key, "-cipher", "DEFAULT:@SECLEVEL=0" | Arguments]).

openssl(Arguments) ->
    open_port({spawn_executable, os:find_executable("openssl")},
              [{args, Arguments ++ ["-msg"]}, binary, exit_status, stderr_to_stdout]).

flag('tlsv1.2') -> "-tls1_2";
flag('tlsv1.3') -> "-tls1_3".

%% openssl reports each message; `<<<' is one that it received.
openssl_outcome(Openssl) ->
    Output = await(Openssl, exit, ""),
    case re:run(Output, "<<< .*Alert .*fatal (\\S+)", [{capture, all_but_first, list}]) of
        {match, [Alert]} -> {alert, list_to_atom(Alert)};
        nomatch -> {ended, Output}
    end.

await(Port, What, Output) ->
    receive
        {Port, {data, Data}} ->
            Now = Output ++ binary_to_list(Data),
            case What =/= exit andalso string:find(Now, What) =/= nomatch of
                true -> Now;
                false -> await(Port, What, Now)
            end;
        {Port, {exit_status, _}} when What =:= exit ->
            Output
    after ?TIMEOUT_MS ->
        error({openssl, What, Output})
    end.
