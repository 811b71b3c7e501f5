%% What the suites about revocation share: an authority with an intermediate, nodes and peers below them, a server for lists,
%% and a node or OTP's ssl that checks.
-module(rustls_dist_crl_world).

-include_lib("stdlib/include/assert.hrl").
-include_lib("public_key/include/public_key.hrl").

-export([start/1, stop/1, both/3, certs/1, checking/2, checking/3, count/2, fetch/2, fetching/2, fetching/3, fetching/4, authority/1,
         forged/1, joins/2, judged/4, node/5, peer/2, pem/1, pki/2, pointing/3, record/2, refused/3, serve/3,
         ssl_checks/3, uri/2, with_store/1, dial/2]).

%% Adds everything to a suite's Config: `bad' is revoked, and so is `middle', the authority of `below'.
-spec start(list()) -> list().
start(Config) ->
    {ok, Applications} = application:ensure_all_started(ssl),
    {Keeper, {Cluster, Server, Pki, Peers}} = rustls_dist_cluster:keep(fun make/0),
    [{keeper, Keeper}, {applications, Applications}, {cluster, Cluster}, {server, Server}, {pki, Pki}, {peers, Peers} | Config].

make() ->
    Cluster = rustls_dist_cluster:new(),
    Dir = rustls_dist_cluster:dir(Cluster),
    Root = rustls_dist_certs:ca(Dir, "root"),
    #{key := MiddleKey} = Middle =
        rustls_dist_certs:cert(Dir, Root, "middle", #{san => none,
                                                      extensions => ["basicConstraints=critical,CA:TRUE",
                                                                     "keyUsage=critical,keyCertSign,cRLSign"]}),
    [Own, Good, Bad] = [rustls_dist_certs:cert(Dir, Root, Name, #{}) || Name <- ["own", "good", "bad"]],
    Below = chain(Dir, rustls_dist_certs:cert(Dir, Middle, "below", #{}), Middle, Root),
    RootList = rustls_dist_crls:list(Dir, Root, "root_list", #{revoked => certs([Bad, Middle])}),
    MiddleList = rustls_dist_crls:list(Dir, maps:with([cert, key], Middle), "middle_list", #{}),
    Pki = #{dir => Dir, root => Root, middle => Middle, middle_key => MiddleKey, own => Own, good => Good, bad => Bad,
            below => Below, lists => rustls_dist_certs:concat(filename:join(Dir, "lists.pem"), [RootList, MiddleList]),
            root_list => RootList, middle_list => MiddleList},
    Peers = maps:map(fun(Name, Cert) -> node(Cluster, atom_to_list(Name), Cert, #{}, []) end,
                     maps:with([good, bad, below], Pki)),
    {Cluster, rustls_dist_http_server:start(), Pki, Peers}.

-spec stop(list()) -> ok.
stop(Config) ->
    ok = rustls_dist_cluster:stop(proplists:get_value(cluster, Config)),
    rustls_dist_cluster:release(proplists:get_value(keeper, Config)),
    lists:foreach(fun application:stop/1, lists:reverse(proplists:get_value(applications, Config))).

%% nodes and peers -------------------------------------------------------------------------------------------

checking(Config, Extra) ->
    checking(Config, Extra, []).

%% A node that checks others.
checking(Config, Extra, Env) ->
    Name = lists:concat([proplists:get_value('case', Config), erlang:unique_integer([positive])]),
    node(proplists:get_value(cluster, Config), Name, pki(Config, own), Extra, Env).

fetching(Config, Check) ->
    fetching(Config, Check, 1000).

fetching(Config, Check, TimeoutMs) ->
    fetching(Config, Check, TimeoutMs, [authority(uri(Config, ""))]).

%% One that asks these servers only; with none, those of the outside.
fetching(Config, Check, TimeoutMs, Hosts) ->
    Arguments = [{http, TimeoutMs}, {allowed_hosts, Hosts}],
    checking(Config, #{crl_check => Check, crl_cache => {ssl_crl_cache, {internal, Arguments}}}).

%% "Host:Port" of an address.
authority("http://" ++ Rest) ->
    hd(string:split(Rest, "/")).

node(Cluster, Name, Cert, Extra, Env) ->
    File = rustls_dist_cluster:optfile(Cluster, Name, rustls_dist_certs:options(Cert, Extra)),
    rustls_dist_cluster:start(Cluster, Name, #{optfile => File, env => Env}).

joins(Node, Peer) ->
    [begin
         ok = rustls_dist_cluster:join(From, To),
         ok = rustls_dist_cluster:part(From, To)
     end || {From, To} <- [{Node, Peer}, {Peer, Node}]].

%% Neither gets a link to the other, and Node's log says why, for both directions.
refused(Node, Peer, Why) ->
    ?assertNot(rustls_dist_cluster:call(Node, net_kernel, connect_node, [rustls_dist_cluster:name(Peer)])),
    ?assertNot(rustls_dist_cluster:call(Peer, net_kernel, connect_node, [rustls_dist_cluster:name(Node)])),
    ?assertNot(rustls_dist_cluster:connected(Node, Peer)),
    _ = rustls_dist_cluster:await_log(Node, ["link to ", atom_to_list(rustls_dist_cluster:name(Peer)),
                                             " .*failed at certificate verification: .*", Why]),
    _ = rustls_dist_cluster:await_log(Node, ["link from .*failed at certificate verification: .*", Why]).

%% What the node makes of a peer with this certificate, as client and as server: joined, or the alert it sends.
both(Config, Node, Cert) ->
    {dial(rustls_dist_cluster:listening_port(Node), Cert), answer(Config, Node, Cert)}.

dial(Port, Cert) ->
    verdict(ssl:connect({127, 0, 0, 1}, Port, [{verify, verify_none} | ssl_options(Cert)], 15000)).

answer(Config, #{pid := Control}, Cert) ->
    {ok, Listen} = ssl:listen(0, [{ip, {127, 0, 0, 1}}, {reuseaddr, true} | ssl_options(Cert)]),
    {ok, {_, Port}} = ssl:sockname(Listen),
    Name = lists:concat(["played", erlang:unique_integer([positive])]),
    Epmd = rustls_dist_cluster:fake_node(proplists:get_value(cluster, Config), Name, Port),
    Node = list_to_atom(Name ++ "@127.0.0.1"),
    Key = rpc:async_call(node(), peer, call, [Control, net_kernel, connect_node, [Node], 20000]),
    {ok, Socket} = ssl:transport_accept(Listen, 15000),
    Verdict = verdict(ssl:handshake(Socket, 15000)),
    ok = ssl:close(Listen),
    ok = gen_tcp:close(Epmd),
    _ = rpc:yield(Key),
    Verdict.

verdict({ok, Socket}) ->
    ok = ssl:close(Socket),
    joined;
verdict({error, {tls_alert, {Alert, _Text}}}) ->
    Alert.

%% With 1.2 the end of the handshake says what the other side thinks.
ssl_options(#{cert := Cert, key := Key}) ->
    [{certfile, Cert}, {keyfile, Key}, {versions, ['tlsv1.2']}, {log_level, none}].

%% OTP's ssl as the server that checks a client.
ssl_checks(Config, Cert, Cache) ->
    #{cert := Root} = pki(Config, root),
    Checking = [{verify, verify_peer}, {fail_if_no_peer_cert, true}, {cacertfile, Root}, {crl_check, true},
                {crl_cache, Cache}],
    {ok, Listen} = ssl:listen(0, [{ip, {127, 0, 0, 1}} | ssl_options(pki(Config, own)) ++ Checking]),
    {ok, {_, Port}} = ssl:sockname(Listen),
    Key = rpc:async_call(node(), ?MODULE, dial, [Port, Cert]),
    {ok, Socket} = ssl:transport_accept(Listen, 15000),
    _ = verdict(ssl:handshake(Socket, 15000)),
    ok = ssl:close(Listen),
    _ = rpc:yield(Key),
    ok.

%% judge/3 itself, for both roles: joined, or the alert.
judged(Config, Name, Check, Sources) ->
    with_store(fun() -> {judge(Config, Name, Check, Sources, server), judge(Config, Name, Check, Sources, client)} end).

judge(Config, Name, Check, Sources, Role) ->
    #{cert := File, ca := Ca} = pki(Config, Name),
    Policy = #{role => Role, depth => 10, host => any, verify_fun => none, crl => #{check => Check, sources => Sources},
               trusted => [{Der, public_key:pkix_decode_cert(Der, otp)} || Der <- ders(Ca)]},
    case rustls_dist_verify:judge(Policy, ders(File), ok) of
        ok -> joined;
        {Kind, 42, _} when Kind =:= refused; Kind =:= undecided -> bad_certificate;
        {refused, 44, _} -> certificate_revoked
    end.

%% With a store in this node, as a node with the carrier has one.
with_store(Fun) ->
    {ok, Store} = rustls_dist_crl_store:start_link(),
    try
        Fun()
    after
        ok = gen_server:stop(Store)
    end.

fetch(Uri, TimeoutMs) ->
    Point = #'DistributionPoint'{distributionPoint = {fullName, [{uniformResourceIdentifier, Uri}]}},
    rustls_dist_crl_cache:lookup(Point, none, [{http, TimeoutMs}, {allowed_hosts, [authority(Uri)]}]).

%% certificates and lists ------------------------------------------------------------------------------------

%% A certificate of the root with a distribution point.
pointing(Config, Name, Uri) ->
    rustls_dist_certs:cert(pki(Config, dir), pki(Config, root), Name,
                           #{extensions => ["basicConstraints=CA:FALSE", "crlDistributionPoints=URI:" ++ Uri]}).

%% The root's list, signed by somebody else.
forged(Config) ->
    #{dir := Dir, root := #{cert := Cert}} = proplists:get_value(pki, Config),
    Impostor = rustls_dist_certs:ca(filename:dirname(ensure(Dir, "impostor")), "root"),
    true = Cert =/= maps:get(cert, Impostor),
    rustls_dist_crls:der(rustls_dist_crls:list(Dir, Impostor, "forged", #{})).

ensure(Dir, Name) ->
    File = filename:join([Dir, Name, "x"]),
    ok = filelib:ensure_dir(File),
    File.

chain(Dir, #{cert := Cert} = Leaf, #{cert := Issuer}, #{cert := Root}) ->
    Leaf#{cert => rustls_dist_certs:concat(filename:join(Dir, "chain.pem"), [Cert, Issuer]), ca => Root}.

certs(Certs) ->
    [File || #{cert := File} <- Certs].

pem(File) ->
    {ok, Pem} = file:read_file(File),
    Pem.

ders(File) ->
    [Der || {'Certificate', Der, not_encrypted} <- public_key:pem_decode(pem(File))].

pki(Config, Name) ->
    maps:get(Name, proplists:get_value(pki, Config)).

peer(Config, Name) ->
    maps:get(Name, proplists:get_value(peers, Config)).

record(Config, Name) ->
    filename:join(pki(Config, dir), Name ++ ".calls").

uri(Config, Path) ->
    rustls_dist_http_server:uri(proplists:get_value(server, Config), Path).

serve(Config, Path, Answer) ->
    rustls_dist_http_server:serve(proplists:get_value(server, Config), Path, Answer).

count(Config, Path) ->
    rustls_dist_http_server:count(proplists:get_value(server, Config), Path).
