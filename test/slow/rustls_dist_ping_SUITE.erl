%% `rustls-dist ping': what it says of nodes of each carrier, which notice nothing of it, and of each thing that may be wrong on
%% the way.
-module(rustls_dist_ping_SUITE).

-include_lib("stdlib/include/assert.hrl").

-export([all/0, suite/0, init_per_suite/1, end_per_suite/1]).
-export([of_rustls/1, of_inet_tls/1, of_plain/1, other_release/1, cookies/1, cookies_of_inet_tls/1, names/1, before_tls/1,
         certificates/1, would_be_let_in/1, no_tls/1, json/1, usage/1, program/1, questions/1]).

%% A node for each carrier, kept for all cases. The log of one that is only pinged stays empty.
-define(CARRIERS, ["rustls", "inet_tls", "inet_tcp"]).
-define(COOKIE, "rustls_dist_test").

suite() ->
    [{timetrap, {minutes, 2}}].

all() ->
    [of_rustls, of_inet_tls, of_plain, other_release, cookies, cookies_of_inet_tls, names, before_tls, certificates,
     would_be_let_in, no_tls, json, usage, program, questions].

init_per_suite(Config) ->
    {ok, _} = application:ensure_all_started(ssl),
    {Keeper, World} = rustls_dist_cluster:keep(fun start/0),
    [{keeper, Keeper} | World] ++ Config.

start() ->
    Cluster = rustls_dist_cluster:new(),
    Dir = rustls_dist_cluster:dir(Cluster),
    Ca = rustls_dist_certs:ca(Dir, "ca"),
    Cert = rustls_dist_certs:cert(Dir, Ca, "node", #{}),
    Optfile = rustls_dist_cluster:optfile(Cluster, "node", rustls_dist_certs:options(Cert)),
    Nodes = [{Proto, rustls_dist_cluster:start(Cluster, #{proto => Proto, optfile => Optfile})} || Proto <- ?CARRIERS],
    [{cluster, Cluster}, {asker, rustls_dist_asking:start(Cluster)}, {nodes, maps:from_list(Nodes)}, {ca, Ca}, {cert, Cert},
     {optfile, Optfile}].

end_per_suite(Config) ->
    ok = rustls_dist_cluster:stop(proplists:get_value(cluster, Config)),
    ok = rustls_dist_cluster:release(proplists:get_value(keeper, Config)).

%% All is proven, and the node does not notice.
of_rustls(Config) ->
    {0, Text} = unnoticed(Config, node_of(Config, "rustls"), []),
    said(Text, ["^ok +name lookup +[0-9.]+ ms  127.0.0.1 is 127.0.0.1$", "^ok +epmd +[0-9.]+ ms  it listens on port",
                "^ok +TCP +[0-9.]+ ms", "^ok +TLS +[0-9.]+ ms  TLS 1.3, TLS_AES_256_GCM_SHA384",
                "^ok +certificate +[0-9.]+ ms  accepted for this host, for 89 more days$",
                "^ok +distribution +[0-9.]+ ms  the cookies are the same; flags fit$",
                "^peer +rustls.*on OTP " ++ erlang:system_info(otp_release),
                "^subject +CN=node$", "^names +DNS:localhost, DNS:127.0.0.1, IP:127.0.0.1, IP:::1$", "^issuer +CN=ca$",
                "^valid until +20.*\\(89 days\\)$", "^SHA-256 +" ++ fingerprint(Config),
                "^TLS 1.3 +TLS_AES_256_GCM_SHA384, TLS_AES_128_GCM_SHA256, TLS_CHACHA20_POLY1305_SHA256$",
                "^TLS 1.2 +TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, "]).

%% Up to its certificate, and that it takes ours.
of_inet_tls(Config) ->
    {0, Text} = unnoticed(Config, node_of(Config, "inet_tls"), []),
    said(Text, ["^ok +TLS ", "^ok +certificate ", "^open +distribution .*it takes this certificate", "^peer +inet_tls$",
                "^TLS 1.2 +TLS_ECDHE_ECDSA_WITH_"]).

of_plain(Config) ->
    {1, Text} = unnoticed(Config, node_of(Config, "inet_tcp"), []),
    said(Text, ["^ok +TCP ", "^failed +TLS .*the peer speaks distribution without TLS; start it with -proto_dist rustls",
                "^peer +plain: distribution without TLS"]),
    ?assertEqual(nomatch, re:run(Text, "certificate")).

%% Nodes of OTP 27 are asked from OTP 25, too.
other_release(Config) ->
    case rustls_dist_other_otp:available(27) of
        true ->
            Cluster = proplists:get_value(cluster, Config),
            Options = (rustls_dist_other_otp:prepare(Cluster, 27))#{optfile => proplists:get_value(optfile, Config)},
            Nodes = [{Proto, rustls_dist_cluster:start(Cluster, Options#{proto => Proto})} || Proto <- ?CARRIERS],
            Answers = [{Proto, unnoticed(Config, Node, ["--no-probe"])} || {Proto, Node} <- Nodes],
            ?assertMatch([{"rustls", {0, _}}, {"inet_tls", {0, _}}, {"inet_tcp", {1, _}}], Answers),
            [said(Text, [Line]) || {{_Proto, {_Status, Text}}, Line}
                                       <- lists:zip(Answers, ["^peer +rustls.*on OTP 27", "^peer +inet_tls$", "^peer +plain"])],
            rustls_dist_pair:stop([Node || {_Proto, Node} <- Nodes]);
        {skip, _} = Skip ->
            Skip
    end.

%% The node's log says so, as of a link's attempt; the command itself takes no part.
cookies(Config) ->
    Node = node_of(Config, "rustls"),
    Known = known(Node),
    {1, Text} = ping(Config, Node, ["--no-probe", "--", "-setcookie", "other"]),
    said(Text, ["^failed +distribution .*the cookies differ: start both nodes with the same", "^peer +rustls$"]),
    ?assertEqual(Known, known(Node)),
    _ = rustls_dist_cluster:await_log(Node, "in the distribution handshake: the cookies differ"),
    %% The home of the asker has none.
    {0, Open} = rustls_dist_asking:run(asker(Config), ["ping", name(Node), "--optfile", optfile(Config), "--no-probe"]),
    said(Open, ["^open +distribution .*the cookies were not compared: here is no -setcookie"]),
    File = filename:join(rustls_dist_cluster:dir(proplists:get_value(cluster, Config)), "cookie"),
    ok = file:write_file(File, ?COOKIE ++ "\n"),
    {0, Read} = ping(Config, Node, ["--no-probe", "--cookie-file", File]),
    said(Read, ["^ok +distribution .*the cookies are the same"]).

%% Only who asks for it is proven the cookie of another carrier; with the wrong one no link is up for a moment.
cookies_of_inet_tls(Config) ->
    Cluster = proplists:get_value(cluster, Config),
    Node = rustls_dist_cluster:start(Cluster, #{proto => "inet_tls", optfile => optfile(Config)}),
    Prove = fun(Cookie) -> ping(Config, Node, ["--no-probe", "--prove-cookie", "--", "-setcookie", Cookie]) end,
    {1, Wrong} = watched(Node, fun() -> Prove("other") end),
    said(Wrong, ["^failed +distribution .*the peer closed the connection when the cookies were compared; they may differ"]),
    ?assertEqual([], ups(Node)),
    {0, Right} = watched(Node, fun() -> Prove(?COOKIE) end),
    said(Right, ["^ok +distribution .*the cookies are the same; flags fit"]),
    rustls_dist_cluster:poll(fun() -> rustls_dist_cluster:call(Node, erlang, nodes, [connected]) =:= [] andalso ok end),
    ?assertEqual([hidden], ups(Node)),
    rustls_dist_cluster:stop_node(Node).

%% A port may be another node's than it was, and a name may be wrong.
names(Config) ->
    Port = integer_to_list(rustls_dist_cluster:listening_port(node_of(Config, "rustls"))),
    failed(Config, "other@127.0.0.1", ["--port", Port], "distribution",
           "the node at this address is called " ++ name(node_of(Config, "rustls"))),
    failed(Config, "nobody@no.such.host.invalid", [], "name lookup", "the host name no.such.host.invalid cannot be resolved"),
    failed(Config, "a@host", ["--", "-name", "b@host.example"], "name lookup", "this node uses long names").

before_tls(Config) ->
    failed(Config, "nobody@127.0.0.1", [], "epmd", "does not know a node called nobody; is it running, under that name\\?"),
    Agreed = ["--", "-epmd_module", "rustls_dist_epmd", "-rustls_dist_ports"],
    failed(Config, "a@127.0.0.1", Agreed ++ ["b=9101"], "epmd", "no port is known for a: give --port"),
    failed(Config, "a@127.0.0.1", Agreed ++ ["a=none"], "epmd", "RUSTLS_DIST_PORTS has the entry .*use a number from 1 to 65535"),
    {ok, Listen} = gen_tcp:listen(0, [{ip, {127, 0, 0, 1}}]),
    {ok, Port} = inet:port(Listen),
    ok = gen_tcp:close(Listen),
    Elsewhere = rustls_dist_cluster:start_undistributed(proplists:get_value(cluster, Config),
                                                        #{env => [{"ERL_EPMD_PORT", integer_to_list(Port)}]}),
    failed([{asker, Elsewhere} | Config], "nobody@127.0.0.1", [], "epmd", "no epmd answers on 127.0.0.1"),
    rustls_dist_cluster:stop_node(Elsewhere),
    Epmd = rustls_dist_cluster:fake_node(proplists:get_value(cluster, Config), "gone", Port),
    failed(Config, "gone@127.0.0.1", [], "TCP", "nothing listens on the port that was found for the node"),
    ok = gen_tcp:close(Epmd).

%% Each side's complaint, and the certificate that it is about.
certificates(Config) ->
    Cluster = proplists:get_value(cluster, Config),
    Dir = rustls_dist_cluster:dir(Cluster),
    Ca = proplists:get_value(ca, Config),
    Strange = rustls_dist_certs:cert(Dir, rustls_dist_certs:ca(Dir, "strange"), "stranger", #{}),
    StrangeFile = rustls_dist_cluster:optfile(Cluster, "stranger", rustls_dist_certs:options(Strange)),
    Trusting = rustls_dist_certs:options(Strange#{ca => maps:get(cert, Ca)}),
    TrustingFile = rustls_dist_cluster:optfile(Cluster, "trusting", Trusting),
    Peer = node_of(Config, "rustls"),
    {1, Untrusted} = pinged_with(Config, name(Peer), StrangeFile, ["--no-probe"]),
    said(Untrusted, ["^failed +certificate ", "^peer +rustls or inet_tls", "^subject +CN=node$", "^issuer +CN=ca$"]),
    [begin
         {1, Refused} = pinged_with(Config, name(node_of(Config, Proto)), TrustingFile, ["--no-probe"]),
         said(Refused, ["^failed +certificate .*the peer sent the alert unknown_ca"])
     end || Proto <- ["rustls", "inet_tls"]],
    Expired = rustls_dist_certs:dated_cert(Dir, Ca, "expired", {-10, -2}, #{}),
    OldFile = rustls_dist_cluster:optfile(Cluster, "old", rustls_dist_certs:options(Expired)),
    Old = rustls_dist_cluster:start(Cluster, #{optfile => OldFile}),
    {1, Late} = ping(Config, Old, []),
    said(Late, ["^failed +certificate .*expired", "^subject +CN=expired", "^valid until .*: it has expired$"]),
    rustls_dist_cluster:stop_node(Old).

%% What verify_node and net_kernel:allow/1 would say to the node whose flags these are.
would_be_let_in(Config) ->
    Cluster = proplists:get_value(cluster, Config),
    Options = rustls_dist_certs:options(proplists:get_value(cert, Config), #{verify_node => host}),
    Strict = rustls_dist_cluster:start(Cluster, #{optfile => rustls_dist_cluster:optfile(Cluster, "strict", Options)}),
    As = fun(Own) -> ping(Config, Strict, ["--no-probe", "--", "-setcookie", ?COOKIE, "-name", Own]) end,
    {0, LetIn} = As("me@127.0.0.1"),
    said(LetIn, ["^ok +distribution .*me@127.0.0.1 would be let in"]),
    {1, Refused} = As("me@host.example"),
    said(Refused, ["^failed +distribution .*the peer does not allow this node \\(net_kernel:allow/1, verify_node"]),
    ok = rustls_dist_cluster:call(Strict, net_kernel, allow, [['a@127.0.0.1']]),
    {0, Allowed} = As("a@127.0.0.1"),
    said(Allowed, ["a@127.0.0.1 would be let in"]),
    {1, _NotAllowed} = As("me@127.0.0.1"),
    rustls_dist_cluster:stop_node(Strict).

%% What is behind the port may be no node at all.
no_tls(Config) ->
    {ok, Silent} = gen_tcp:listen(0, [{ip, {127, 0, 0, 1}}]),
    {ok, SilentPort} = inet:port(Silent),
    Second = ["--", "-kernel", "net_setuptime", "1"],
    failed(Config, "deaf@127.0.0.1", ["--port", integer_to_list(SilentPort) | Second], "TLS",
           "net_setuptime \\(1 s\\) passed and the peer said nothing. It may speak distribution without TLS"),
    Deaf = rustls_dist_cluster:start_undistributed(proplists:get_value(cluster, Config),
                                                   #{env => [{"ERL_EPMD_PORT", integer_to_list(SilentPort)}]}),
    failed([{asker, Deaf} | Config], "deaf@127.0.0.1", Second, "epmd",
           "net_setuptime \\(1 s\\) passed and epmd on 127.0.0.1 did not answer"),
    rustls_dist_cluster:stop_node(Deaf),
    {ok, Listen} = gen_tcp:listen(0, [{ip, {127, 0, 0, 1}}, binary, {active, false}]),
    {ok, Port} = inet:port(Listen),
    Server = spawn_link(fun() -> greets(Listen) end),
    failed(Config, "web@127.0.0.1", ["--port", integer_to_list(Port)], "TLS",
           "the peer does not speak TLS: its first bytes were \"HTTP"),
    unlink(Server),
    exit(Server, kill).

greets(Listen) ->
    {ok, Socket} = gen_tcp:accept(Listen),
    ok = gen_tcp:send(Socket, "HTTP/1.1 400 Bad Request\r\n\r\n"),
    _ = gen_tcp:recv(Socket, 0, 5000),
    greets(Listen).

json(Config) ->
    Name = name(node_of(Config, "rustls")),
    Words = ["ping", Name, "--optfile", optfile(Config), "--", "-setcookie", ?COOKIE],
    {0, Good} = rustls_dist_asking:json(asker(Config), Words),
    [?assertMatch({_, {match, _}}, {Part, re:run(Good, Part, [unicode])})
     || Part <- ["\"carrier\":\"rustls\"", "\"cookie\":\"proven\"", "\"stage\":\"tls\"", "\"node\":\"" ++ Name ++ "\"",
                 "\"fingerprint\":\"" ++ fingerprint(Config), "\"tlsv1.2\":\\[\"TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384\""]],
    {1, Bad} = rustls_dist_asking:json(asker(Config), ["ping", "nobody@127.0.0.1", "--optfile", optfile(Config)]),
    [?assertMatch({_, {match, _}}, {Part, re:run(Bad, Part)})
     || Part <- ["\"carrier\":\"cannot_tell\"", "\"reason\":\"unknown\"", "\"result\":\"failed\""]].

usage(Config) ->
    [?assertMatch({2, _}, rustls_dist_asking:run(asker(Config), ["ping" | Words]))
     || Words <- [[], ["a"], ["@b"], ["a@b", "c@d"], ["a@b", "--port", "x"], ["a@b", "--port", "0"], ["a@b", "--nothing"],
                  ["a@b", "--optfile", optfile(Config), "--cookie-file", "/no/such/file"]]],
    {0, Help} = rustls_dist_asking:run(asker(Config), ["ping", "--help"]),
    said(Help, ["nodes\\(known\\)", "--prove-cookie"]),
    {1, Text} = rustls_dist_asking:run(asker(Config), ["ping", "a@b", "--optfile", "/no/such/file"]),
    said(Text, ["^failed +options .*/no/such/file"]).

%% The script itself.
program(Config) ->
    Script = filename:join([ebin(), "..", "priv", "rustls-dist"]),
    Env = [[Key, "='", Value, "' "] || {Key, Value} <- rustls_dist_cluster:env(proplists:get_value(cluster, Config))],
    Words = [" ping ", name(node_of(Config, "rustls")), " --no-probe --optfile ", optfile(Config), " -- -setcookie ", ?COOKIE],
    Said = os:cmd(unicode:characters_to_list(["env ", Env, Script, Words, "; echo status=$?"])),
    said(Said, ["^ok +distribution .*the cookies are the same", "^status=0$"]).

ebin() ->
    filename:absname(os:getenv("RUSTLS_DIST_EBIN", "_build/default/lib/rustls_dist/ebin")).

%% The question from one who has no right cookie, breaks off, or does not know its form.
questions(Config) ->
    Node = node_of(Config, "rustls"),
    Known = known(Node),
    Files = proplists:get_value(cert, Config),
    Ask = fun(Packets) ->
                  Peer = rustls_dist_scripted_peer:dial(Node, Files),
                  Answers = [begin
                                 ok = rustls_dist_scripted_peer:send(Peer, Packet),
                                 rustls_dist_scripted_peer:recv(Peer)
                             end || Packet <- Packets],
                  rustls_dist_scripted_peer:close(Peer),
                  Answers
          end,
    Question = <<"prustls_dist", 1, 0:16>>,
    Name = "never_heard_before_by_it@127.0.0.1",
    Later = [<<"prustls_dist", 9, (length(Name)):16>>, Name, "more"],
    [{ok, <<$P, 1, 0, _Flags:64, _Mandatory:64, Challenge:32, _/binary>>}] = Ask([Later]),
    ?assertError(badarg, existing_atom(Node, Name)),
    Guess = [<<"r", 1:32>>, erlang:md5("guessed" ++ integer_to_list(Challenge))],
    ?assertMatch([{ok, _}, {error, closed}], Ask([Question, Guess])),
    ?assertMatch([{ok, _}, {error, closed}], Ask([Question, "r"])),
    ?assertMatch([{ok, _}, {error, closed}], Ask([Question, Question])),
    [?assertMatch([{error, closed}], Ask([Bad])) || Bad <- [<<"prustls_dist">>, <<"prustls_dist", 1, 5:16, "a">>, <<"p">>,
                                                            <<"prustls_dist", 1, 3:16, "a b">>]],
    ?assertEqual(Known, known(Node)).

%% helpers ----------------------------------------------------------------------------------------------------------

%% Pings a node with its cookie: what it knows, what is up, and its log are as before.
unnoticed(Config, Node, More) ->
    Before = {known(Node), rustls_dist_cluster:log(Node)},
    Answer = watched(Node, fun() -> ping(Config, Node, More ++ ["--", "-setcookie", ?COOKIE]) end),
    ?assertEqual([], ups(Node)),
    ?assertEqual(Before, {known(Node), rustls_dist_cluster:log(Node)}),
    {ok, Host} = inet:gethostname(),
    ?assertError(badarg, existing_atom(Node, "rustls_dist_ping@" ++ Host)),
    Answer.

watched(Node, Do) ->
    ok = rustls_dist_cluster:call(Node, rustls_dist_monitors, watch_nodes, []),
    Do().

ups(Node) ->
    rustls_dist_cluster:call(Node, rustls_dist_monitors, nodes_seen, []).

existing_atom(Node, Text) ->
    rustls_dist_cluster:call(Node, erlang, list_to_existing_atom, [Text]).

known(Node) ->
    lists:sort(rustls_dist_cluster:call(Node, erlang, nodes, [known])).

failed(Config, Name, More, Stage, Sentence) ->
    {1, Text} = pinged_with(Config, Name, optfile(Config), ["--no-probe" | More]),
    said(Text, ["^failed +" ++ Stage ++ " +[0-9.]+ ms  "]),
    Flat = re:replace(Text, "\\s+", " ", [global, unicode, {return, list}]),
    ?assertMatch({_, _, match}, {Flat, Sentence, re:run(Flat, Sentence, [unicode, {capture, none}])}).

ping(Config, Node, More) ->
    pinged_with(Config, name(Node), optfile(Config), More).

pinged_with(Config, Name, Optfile, More) ->
    rustls_dist_asking:run(asker(Config), ["ping", Name, "--optfile", Optfile | More]).

said(Text, Lines) ->
    [?assertMatch({_, Line, match}, {Text, Line, re:run(Text, Line, [multiline, unicode, {capture, none}])}) || Line <- Lines].

fingerprint(Config) ->
    #{cert := File} = proplists:get_value(cert, Config),
    Printed = os:cmd("openssl x509 -noout -fingerprint -sha256 -in " ++ File),
    [_, Fingerprint] = string:split(string:trim(Printed), "="),
    Fingerprint.

node_of(Config, Proto) -> maps:get(Proto, proplists:get_value(nodes, Config)).
asker(Config) -> proplists:get_value(asker, Config).
optfile(Config) -> proplists:get_value(optfile, Config).
name(Node) -> atom_to_list(rustls_dist_cluster:name(Node)).
