%% The steps of "Rotation" in doc/operations.md: files as cert-manager (a Secret's volume), Vault Agent and step lay and renew
%% them, and a node that takes them into use by itself.
-module(rustls_dist_rotation_SUITE).

-include_lib("stdlib/include/assert.hrl").

-export([all/0, suite/0, init_per_suite/1, end_per_suite/1, init_per_testcase/2, end_per_testcase/2]).
-export([cert_manager/1, vault_agent/1, step_renew/1, step_rekey/1]).

-define(NOTICED_MS, 10000).

suite() ->
    [{timetrap, {minutes, 2}}].

all() ->
    [cert_manager, vault_agent, step_renew, step_rekey].

init_per_suite(Config) ->
    {Keeper, World} = rustls_dist_cluster:keep(fun start/0),
    [{keeper, Keeper}, {world, World} | Config].

%% B shows the same certificate all the time, and trusts the authority of the others.
start() ->
    Cluster = rustls_dist_cluster:new(),
    Dir = rustls_dist_cluster:dir(Cluster),
    Ca = rustls_dist_certs:ca(Dir, "ca"),
    [First, Second, Other] = [rustls_dist_certs:cert(Dir, Ca, Name, #{}) || Name <- ["first", "second", "other"]],
    #{cluster => Cluster, dir => Dir, ca => Ca, first => First, second => Second, renewed => renewed(Dir, Ca, First),
      b => rustls_dist_pair:start(Cluster, optfile, rustls_dist_certs:options(Other), #{})}.

%% Another certificate of the same key.
renewed(Dir, #{cert := Ca, key := CaKey}, #{cert := Cert, key := Key}) ->
    Renewed = filename:join(Dir, "renewed.pem"),
    ok = rustls_dist_certs:openssl("x509 -req -in ~ts.csr -CA ~ts -CAkey ~ts -set_serial 0x7e57 -days 90 -out ~ts -extfile "
                                   "~ts.ext",
                                   [Cert, Ca, CaKey, Renewed, Cert]),
    #{cert => Renewed, key => Key}.

end_per_suite(Config) ->
    #{cluster := Cluster} = world(Config),
    ok = rustls_dist_cluster:stop(Cluster),
    rustls_dist_cluster:release(proplists:get_value(keeper, Config)).

init_per_testcase(Case, Config) ->
    #{dir := Dir} = world(Config),
    Folder = filename:join(Dir, Case),
    ok = file:make_dir(Folder),
    [{folder, Folder} | Config].

end_per_testcase(_Case, _Config) ->
    ok.

%% kubelet writes a new folder, switches `..data' to it by renaming a link, and removes the old folder; the files that pods
%% name are links into `..data', and stay.
cert_manager(Config) ->
    Names = {"tls.crt", "tls.key", "ca.crt"},
    Folder = proplists:get_value(folder, Config),
    ok = kubelet(Config, "..2026_11_28_06_00_00.1", first, Names),
    [ok = file:make_symlink(filename:join("..data", Name), filename:join(Folder, Name)) || Name <- tuple_to_list(Names)],
    A = start(Config, Names),
    ok = kubelet(Config, "..2027_01_27_06_00_00.2", second, Names),
    ok = file:del_dir_r(filename:join(Folder, "..2026_11_28_06_00_00.1")),
    ok = taken(Config, A, second, 0).

kubelet(Config, Version, Which, {Cert, Key, Ca}) ->
    Folder = proplists:get_value(folder, Config),
    ok = file:make_dir(filename:join(Folder, Version)),
    #{cert := CertFile, key := KeyFile} = maps:get(Which, world(Config)),
    #{ca := #{cert := CaFile}} = world(Config),
    [{ok, _} = file:copy(From, filename:join([Folder, Version, To]))
     || {From, To} <- [{CertFile, Cert}, {KeyFile, Key}, {CaFile, Ca}]],
    ok = file:make_symlink(Version, filename:join(Folder, "..data_tmp")),
    file:rename(filename:join(Folder, "..data_tmp"), filename:join(Folder, "..data")).

%% Vault Agent renders one template after the other, each into a temporary file that it renames. In between, for as long as the
%% node may look twice, certificate and key do not belong together: told once, and taken when they do.
vault_agent(Config) ->
    {Cert, Key, _} = Names = {"node.pem", "node.key", "ca.pem"},
    ok = lay(Config, first, Names),
    A = start(Config, Names),
    #{second := #{cert := NewCert, key := NewKey}} = world(Config),
    ok = rendered(Config, NewCert, Cert),
    rustls_dist_cluster:poll(fun() -> told(A, configuration_refused) =/= [] end),
    ?assertEqual(serial(Config, first), shown(A)),
    ok = rustls_dist_cluster:join(A, b(Config)),
    ok = rustls_dist_cluster:part(A, b(Config)),
    ok = rendered(Config, NewKey, Key),
    ok = taken(Config, A, second, 1).

rendered(Config, From, Name) ->
    To = filename:join(proplists:get_value(folder, Config), Name),
    {ok, _} = file:copy(From, To ++ ".1234567"),
    file:rename(To ++ ".1234567", To).

%% `step ca renew' writes over the certificate and leaves the key.
step_renew(Config) ->
    {Cert, _, _} = Names = {"node.crt", "node.key", "root_ca.crt"},
    ok = lay(Config, first, Names),
    A = start(Config, Names),
    #{renewed := #{cert := Renewed}} = world(Config),
    {ok, _} = file:copy(Renewed, filename:join(proplists:get_value(folder, Config), Cert)),
    ok = taken(Config, A, renewed, 0).

%% `step ca rekey' writes over the certificate, then over the key.
step_rekey(Config) ->
    Names = {"node.crt", "node.key", "root_ca.crt"},
    ok = lay(Config, first, Names),
    A = start(Config, Names),
    ok = lay(Config, second, Names),
    ok = taken(Config, A, second, 1).

%% -----------------------------------------------------------------------------------------------------------

%% In place.
lay(Config, Which, {Cert, Key, Ca}) ->
    #{cert := CertFile, key := KeyFile} = maps:get(Which, world(Config)),
    #{ca := #{cert := CaFile}} = world(Config),
    Folder = proplists:get_value(folder, Config),
    lists:foreach(fun({From, To}) -> {ok, _} = file:copy(From, filename:join(Folder, To)) end,
                  [{CertFile, Cert}, {KeyFile, Key}, {CaFile, Ca}]).

%% A node with these files; its link to B stays until the case is over.
start(Config, {Cert, Key, Ca}) ->
    #{cluster := Cluster} = world(Config),
    Folder = proplists:get_value(folder, Config),
    [CertFile, KeyFile, CaFile] = [filename:join(Folder, Name) || Name <- [Cert, Key, Ca]],
    A = rustls_dist_pair:start(Cluster, optfile, rustls_dist_certs:options(#{cert => CertFile, key => KeyFile, ca => CaFile}),
                               #{}),
    ok = rustls_dist_reports:collect(A),
    ?assertEqual(serial(Config, first), shown(A)),
    A.

%% Within 10 s, with at most so many refusals, and the next link shows it.
taken(Config, A, Which, Refusals) ->
    Began = erlang:monotonic_time(millisecond),
    rustls_dist_cluster:poll(fun() -> shown(A) =:= serial(Config, Which) end),
    ?assert(erlang:monotonic_time(millisecond) - Began < ?NOTICED_MS),
    ?assertMatch([_], told(A, configuration_reloaded)),
    ?assert(length(told(A, configuration_refused)) =< Refusals),
    ok = rustls_dist_cluster:join(A, b(Config)),
    {ok, #{own_certificate := #{serial := Serial}, generation := Generation}} =
        rustls_dist_cluster:call(A, rustls_dist, info, [rustls_dist_cluster:name(b(Config))]),
    ?assertEqual({serial(Config, Which), 2}, {Serial, Generation}),
    rustls_dist_pair:stop([A]).

told(A, Event) ->
    [Report || #{event := Told} = Report <- rustls_dist_reports:all(A), Told =:= Event].

shown(A) ->
    {ok, #{own := [[#{serial := Serial} | _] | _]}} = rustls_dist_cluster:call(A, rustls_dist_config, fetch, [client]),
    Serial.

%% As the library writes it.
serial(Config, Which) ->
    #{cert := File} = maps:get(Which, world(Config)),
    {ok, Pem} = file:read_file(File),
    [{'Certificate', Der, not_encrypted} | _] = public_key:pem_decode(Pem),
    {Serial, _Issuer} = element(2, public_key:pkix_issuer_id(Der, self)),
    binary:encode_hex(binary:encode_unsigned(Serial)).

b(Config) -> maps:get(b, world(Config)).
world(Config) -> proplists:get_value(world, Config).
