%% `rustls-dist certs': openssl judges what was made, and nodes of both carriers use it as it is.
-module(rustls_dist_certs_SUITE).

-include_lib("stdlib/include/assert.hrl").
-include_lib("kernel/include/file.hrl").

-export([all/0, suite/0, init_per_suite/1, end_per_suite/1]).
-export([contents/1, modes/1, nodes/1, revoked/1, renewed/1, always_a_pair/1, refused/1, forced/1, usage/1]).

suite() ->
    [{timetrap, {minutes, 2}}].

all() ->
    [contents, modes, nodes, revoked, renewed, always_a_pair, refused, forced, usage].

init_per_suite(Config) ->
    {Keeper, Cluster} = rustls_dist_cluster:keep(fun rustls_dist_cluster:new/0),
    [{keeper, Keeper}, {cluster, Cluster} | Config].

end_per_suite(Config) ->
    ok = rustls_dist_cluster:stop(proplists:get_value(cluster, Config)),
    ok = rustls_dist_cluster:release(proplists:get_value(keeper, Config)).

%% openssl accepts each in both roles, by authority and list, and by no other name than it has.
contents(Config) ->
    Folder = authority(Config, "contents"),
    Names = ["a@127.0.0.1", "b@localhost", "c@host.example.org", "d@::1"],
    {0, _} = certs(["issue", Folder | Names]),
    [begin
         Cert = filename:join([Folder, Name, "cert.pem"]),
         [_, Host] = string:split(Name, "@"),
         [openssl("verify -x509_strict -purpose ~ts -CAfile ~ts/ca.pem -crl_check -CRLfile ~ts/crl.pem ~ts ~ts",
                  [Purpose, Folder, Folder, By, Cert], ": OK")
          || Purpose <- ["sslserver", "sslclient"],
             By <- [case lists:member($:, Host) orelse Host =:= "127.0.0.1" of
                        true -> "-verify_ip " ++ Host;
                        false -> "-verify_hostname " ++ Host
                    end]],
         openssl("verify -CAfile ~ts/ca.pem -verify_hostname other.example.org ~ts", [Folder, Cert], "hostname mismatch"),
         openssl("x509 -noout -ext subjectAltName -in ~ts", [Cert], "URI:erlang:" ++ Name),
         openssl("x509 -noout -ext keyUsage,extendedKeyUsage -in ~ts", [Cert], "Digital Signature\n"),
         openssl("x509 -noout -subject -in ~ts", [Cert], Name),
         ?assertEqual(public_key_of("x509 -pubkey -noout -in ~ts", Cert),
                      public_key_of("pkey -pubout -in ~ts", filename:join([Folder, Name, "key.pem"]))),
         openssl("x509 -noout -checkend ~w -in ~ts", [364 * 86400, Cert], "will not expire")
     end || Name <- Names],
    Serials = [rustls_dist_certs_x509:serial(rustls_dist_certs_authority:certificate(filename:join([Folder, Name, "cert.pem"])))
               || Name <- Names],
    ?assertEqual(4, length(lists:usort(Serials))),
    ?assert(lists:all(fun(Serial) -> Serial > 1 bsl 96 andalso Serial < 1 bsl 128 end, Serials)),
    openssl("x509 -noout -text -in ~ts/ca.pem", [Folder], "CA:TRUE, pathlen:0"),
    openssl("crl -noout -CAfile ~ts/ca.pem -in ~ts/crl.pem", [Folder, Folder], "verify OK"),
    openssl("crl -noout -text -in ~ts/crl.pem", [Folder], "No Revoked Certificates").

modes(Config) ->
    Folder = authority(Config, "modes"),
    {0, _} = certs(["issue", Folder, "a@localhost"]),
    [?assertEqual({File, Mode}, {File, mode(filename:join(Folder, File))})
     || {File, Mode} <- [{".", 8#700}, {"a@localhost", 8#700}, {"ca.key", 8#600}, {"a@localhost/key.pem", 8#600},
                         {"issued.txt", 8#600}, {"ca.pem", 8#644}, {"crl.pem", 8#644}, {"a@localhost/cert.pem", 8#644}]],
    {ok, Left} = file:list_dir(Folder),
    ?assertEqual(["a@localhost", "ca.key", "ca.pem", "crl.pem", "issued.txt"], lists:sort(Left)).

%% The options files work as they are.
nodes(Config) ->
    Cluster = proplists:get_value(cluster, Config),
    Folder = authority(Config, "nodes"),
    {0, _} = certs(["issue", Folder, "ra@127.0.0.1", "rb@127.0.0.1", "--rustls"]),
    {0, _} = certs(["issue", Folder, "ta@127.0.0.1"]),
    [A, B, C] = [start(Cluster, Name, #{proto => Proto, optfile => optfile(Folder, Name ++ "@127.0.0.1")})
                 || {Name, Proto} <- [{"ra", "rustls"}, {"rb", "rustls"}, {"ta", "inet_tls"}]],
    [ok = rustls_dist_cluster:join(From, To) || {From, To} <- [{A, B}, {C, A}, {B, C}]],
    {ok, Link} = rustls_dist_cluster:call(A, rustls_dist, info, [rustls_dist_cluster:name(B)]),
    ?assertMatch(#{peer_certificate := #{subject := <<"CN=rb@127.0.0.1">>}}, Link),
    renewed_alive(Cluster, Folder, [A, B, C]).

%% A running node goes on over the renewal; from its next start on it shows the new certificate.
renewed_alive(Cluster, Folder, [A, B, C]) ->
    {0, _} = certs(["renew", Folder, "ra@127.0.0.1"]),
    ?assert(lists:all(fun(Other) -> rustls_dist_cluster:connected(A, Other) end, [B, C])),
    ok = rustls_dist_cluster:part(A, B),
    ok = rustls_dist_cluster:join(A, B),
    rustls_dist_cluster:stop_node(A),
    Again = start(Cluster, "ra", #{optfile => optfile(Folder, "ra@127.0.0.1")}),
    ok = rustls_dist_cluster:join(Again, B),
    {ok, #{peer_certificate := #{serial := Serial}}} = rustls_dist_cluster:call(B, rustls_dist, info, ['ra@127.0.0.1']),
    Renewed = rustls_dist_certs_authority:certificate(filename:join([Folder, "ra@127.0.0.1", "cert.pem"])),
    ?assertEqual(rustls_dist_certs_x509:serial(Renewed), binary_to_integer(Serial, 16)),
    rustls_dist_pair:stop([Again, B, C]).

%% A node that was issued with --rustls does not let in who is revoked, from one moment to the next, and under no other name.
revoked(Config) ->
    Cluster = proplists:get_value(cluster, Config),
    Folder = authority(Config, "revoked"),
    {0, _} = certs(["issue", Folder, "va@127.0.0.1", "vb@127.0.0.1", "--rustls"]),
    [A, B] = [start(Cluster, Name, #{optfile => optfile(Folder, Name ++ "@127.0.0.1")}) || Name <- ["va", "vb"]],
    Imposter = start(Cluster, "vc", #{optfile => optfile(Folder, "vb@127.0.0.1")}),
    ok = rustls_dist_pair:refused(Imposter, A),
    ok = rustls_dist_cluster:join(A, B),
    ok = rustls_dist_cluster:part(A, B),
    Port = integer_to_list(rustls_dist_cluster:listening_port(B)),
    Words = ["ping", "vb@127.0.0.1", "--optfile", optfile(Folder, "va@127.0.0.1"), "--no-probe", "--port", Port,
             "--", "-setcookie", "rustls_dist_test", "-name", "va@127.0.0.1"],
    Ping = fun() -> rustls_dist_asking:collected(Words) end,
    ?assertMatch({0, _}, Ping()),
    {0, Said} = certs(["revoke", Folder, "vb@127.0.0.1"]),
    {1, Pinged} = Ping(),
    [?assertMatch({_, {match, _}}, {Pinged, re:run(Pinged, Line)})
     || Line <- ["failed +certificate .*revoked", "subject +CN=vb@127.0.0.1"]],
    ?assertMatch({match, _}, re:run(Said, "revoked vb@127.0.0.1: 1 of its certificates is on .*crl.pem")),
    [openssl("verify -CAfile ~ts/ca.pem -crl_check -CRLfile ~ts/crl.pem ~ts/~ts/cert.pem", [Folder, Folder, Folder, Node], Judged)
     || {Node, Judged} <- [{"vb@127.0.0.1", "certificate revoked"}, {"va@127.0.0.1", ": OK"}]],
    ok = rustls_dist_pair:refused(B, A),
    _ = rustls_dist_cluster:await_log(A, "revoked"),
    ok = rustls_dist_pair:refused(A, B),
    rustls_dist_pair:stop([A, B, Imposter]).

%% A new certificate for the old key, or for a new one; the rest is as it was. What was before can be revoked, too.
renewed(Config) ->
    Folder = authority(Config, "renewed"),
    [Cert, Key, Options] = [filename:join([Folder, "a@localhost", File]) || File <- ["cert.pem", "key.pem", "ssl_dist.conf"]],
    {0, _} = certs(["issue", Folder, "a@localhost", "--days", "20"]),
    {0, _} = certs(["issue", Folder, "b@localhost"]),
    Before = [file:read_file(File) || File <- [Cert, Key, Options, filename:join(Folder, "ca.pem")]],
    {0, Said} = certs(["renew", Folder]),
    ?assertMatch({match, _}, re:run(Said, "^a@localhost: .*a@localhost/cert.pem, until 20[^\n]*\n$")),
    After = [file:read_file(File) || File <- [Cert, Key, Options, filename:join(Folder, "ca.pem")]],
    ?assertNotEqual(hd(Before), hd(After)),
    ?assertEqual(tl(Before), tl(After)),
    openssl("verify -CAfile ~ts/ca.pem ~ts", [Folder, Cert], ": OK"),
    {0, Nothing} = certs(["renew", Folder]),
    ?assertMatch({match, _}, re:run(Nothing, "nothing to do")),
    {0, _} = certs(["renew", Folder, "a@localhost", "--new-key"]),
    ?assertNotEqual(lists:nth(2, Before), file:read_file(Key)),
    ?assertEqual(public_key_of("x509 -pubkey -noout -in ~ts", Cert), public_key_of("pkey -pubout -in ~ts", Key)),
    {0, All} = certs(["revoke", Folder, "a@localhost"]),
    ?assertMatch({match, _}, re:run(All, "3 of its certificates are")),
    {1, Refused} = certs(["renew", Folder, "a@localhost"]),
    ?assertMatch({match, _}, re:run(Refused, "a@localhost is revoked")),
    {0, _} = certs(["issue", Folder, "a@localhost", "--force"]),
    openssl("verify -CAfile ~ts/ca.pem -crl_check -CRLfile ~ts/crl.pem ~ts", [Folder, Folder, Cert], ": OK").

%% Whoever reads while certificates are renewed finds a certificate and the key of it.
always_a_pair(Config) ->
    Folder = authority(Config, "pair"),
    {0, _} = certs(["issue", Folder, "a@localhost"]),
    Reader = self(),
    Writer = spawn_link(fun() -> renew(Reader, Folder) end),
    pairs_read(Writer, Folder, 0, 0).

renew(Reader, Folder) ->
    {0, _} = certs(["renew", Folder, "a@localhost"]),
    Reader ! {self(), renewed},
    receive
        stop -> Reader ! {self(), stopped}
    after 0 ->
        renew(Reader, Folder)
    end.

%% Until there were ten of both, whichever is the slower one on a busy machine.
pairs_read(Writer, _Folder, Reads, Renewals) when Reads >= 10, Renewals >= 10 ->
    Writer ! stop,
    receive {Writer, stopped} -> ok end;
pairs_read(Writer, Folder, Reads, Renewals) ->
    receive
        {Writer, renewed} -> pairs_read(Writer, Folder, Reads, Renewals + 1)
    after 0 ->
        Role = #{certfile => list_to_binary(filename:join(Folder, "a@localhost/cert.pem")),
                 keyfile => list_to_binary(filename:join(Folder, "a@localhost/key.pem")),
                 cacertfile => list_to_binary(filename:join(Folder, "ca.pem")), verify => verify_peer},
        ?assertMatch({#{server := {ok, _}}, _},
                     rustls_dist_roles:of_sources([{optfile, "pair", [{Side, maps:to_list(Role)} || Side <- [server, client]]}])),
        pairs_read(Writer, Folder, Reads + 1, Renewals)
    end.

%% Nothing that is there is lost.
refused(Config) ->
    Folder = authority(Config, "refused"),
    {0, _} = certs(["issue", Folder, "a@localhost"]),
    Before = whole(Folder),
    [begin
         {1, Said} = certs(Words),
         ?assertMatch({_, {match, _}}, {Said, re:run(string:replace(Said, "\n", " ", all), Sentence)})
     end || {Words, Sentence} <- [{["init", Folder], "ca.key is there already: an authority is not replaced"},
                                  {["issue", Folder, "b@localhost", "a@localhost"], "a@localhost/key.pem is there already"},
                                  {["renew", Folder, "c@localhost"], "there is no .*c@localhost/key.pem"},
                                  {["revoke", Folder, "c@localhost"], "c@localhost has no certificate of this authority"},
                                  {["issue", Folder ++ "/nowhere", "a@localhost"], "there is no folder .*certs init"}]],
    ?assertEqual(Before, maps:with(maps:keys(Before), whole(Folder))),
    ok = file:write_file(filename:join(Folder, ".lock"), ""),
    {1, Locked} = certs(["issue", Folder, "d@localhost"]),
    ?assertMatch({match, _}, re:run(string:replace(Locked, "\n", " ", all), "another rustls-dist is at work in .*/.lock")).

forced(Config) ->
    Folder = authority(Config, "forced"),
    {0, _} = certs(["issue", Folder, "a@localhost"]),
    {ok, Key} = file:read_file(filename:join(Folder, "a@localhost/key.pem")),
    {0, _} = certs(["issue", Folder, "a@localhost", "--force", "--rustls"]),
    {ok, Other} = file:read_file(filename:join(Folder, "a@localhost/key.pem")),
    ?assertNotEqual(Key, Other),
    {ok, [[{server, Options}, {client, _}]]} = file:consult(optfile(Folder, "a@localhost")),
    ?assertEqual([peer, name], [proplists:get_value(Option, Options) || Option <- [crl_check, verify_node]]).

usage(Config) ->
    Folder = filename:join(rustls_dist_cluster:dir(proplists:get_value(cluster, Config)), "usage"),
    [?assertMatch({Words, {2, _}}, {Words, certs(Words)})
     || Words <- [[], ["init"], ["init", Folder, "more"], ["issue", Folder], ["issue", Folder, "no-host"],
                  ["issue", Folder, "a@../b"], ["issue", Folder, "../a@b"], ["issue", Folder, "a@b", "--days", "0"],
                  ["issue", Folder, "a@b", "--new-key"],
                  ["init", Folder, "--force"], ["revoke", Folder], ["renew", Folder, "a@b", "--rustls"],
                  ["sign", Folder, "a@b"]]],
    ?assertNot(filelib:is_dir(Folder)),
    {0, Json} = certs(["init", Folder, "--json", "--days", "10", "--name", "Our authority"]),
    ?assertMatch({match, _}, re:run(Json, "^{\"done\":\\[{\"file\":\".*usage/ca.pem\",\"name\":\"Our authority\"")),
    {0, Short} = certs(["issue", Folder, "a@b"]),
    {match, [Until]} = re:run(Short, "until ([0-9-]+)T", [{capture, all_but_first, list}]),
    openssl("x509 -noout -enddate -dateopt iso_8601 -in ~ts/ca.pem", [Folder], Until).

%% helpers ----------------------------------------------------------------------------------------------------------

authority(Config, Name) ->
    Folder = filename:join(rustls_dist_cluster:dir(proplists:get_value(cluster, Config)), Name),
    {0, _} = certs(["init", Folder]),
    Folder.

certs(Words) ->
    rustls_dist_asking:collected(["certs" | Words]).

start(Cluster, Name, Options) ->
    rustls_dist_cluster:start(Cluster, list_to_atom(Name), Options).

optfile(Folder, Node) ->
    filename:join([Folder, Node, "ssl_dist.conf"]).

mode(File) ->
    {ok, #file_info{mode = Mode}} = file:read_file_info(File),
    Mode band 8#777.

%% Files that are to stay: an issue that fails at its second node has done the first.
whole(Folder) ->
    maps:from_list([{File, file:read_file(filename:join(Folder, File))}
                    || File <- ["ca.pem", "ca.key", "a@localhost/key.pem", "a@localhost/cert.pem", "a@localhost/ssl_dist.conf"]]).

public_key_of(Format, File) ->
    os:cmd(lists:flatten(io_lib:format("openssl " ++ Format, [File]))).

openssl(Format, Arguments, Expected) ->
    Output = os:cmd(lists:flatten(io_lib:format("openssl " ++ Format ++ " 2>&1", Arguments))),
    ?assertMatch({_, _, true}, {Output, Expected, string:find(Output, Expected) =/= nomatch}).
