%% Upgrading a release that has the application in it, with release_handler: the emulator is restarted, and the links begin
%% anew with the other version. Where it cannot be restarted, nothing is half done (issue 9, point 17).
-module(rustls_dist_upgrade_SUITE).

-include_lib("common_test/include/ct.hrl").
-include_lib("stdlib/include/assert.hrl").

-export([all/0, suite/0, init_per_suite/1, end_per_suite/1, end_per_testcase/2]).
-export([scripts_restart_the_emulator/1, upgrade_and_downgrade/1, nothing_to_restart_with/1]).

-define(OLD, "1.0.0").
-define(NEW, "1.1.0").
-define(NODE, 'release@127.0.0.1').
-define(TIMEOUT_MS, 60000).

suite() ->
    [{timetrap, {minutes, 5}}].

all() ->
    [scripts_restart_the_emulator, upgrade_and_downgrade, nothing_to_restart_with].

%% Two releases that differ by the version of rustls_dist alone, made by systools, and a node that has it by -pa.
init_per_suite(Config) ->
    {Keeper, World} = rustls_dist_cluster:keep(fun start/0),
    [{keeper, Keeper}, {world, World} | Config].

start() ->
    Cluster = rustls_dist_cluster:new(),
    Dir = rustls_dist_cluster:dir(Cluster),
    Cert = rustls_dist_certs:cert(Dir, rustls_dist_certs:ca(Dir, "ca"), "node", #{}),
    Optfile = rustls_dist_cluster:optfile(Cluster, "node", rustls_dist_certs:options(Cert)),
    [ok = make_release(Dir, Version) || Version <- [?OLD, ?NEW]],
    ok = systools:make_relup(rel(Dir, ?NEW), [rel(Dir, ?OLD)], [rel(Dir, ?OLD)],
                             [{path, [ebin(Dir, ?NEW), ebin(Dir, ?OLD)]}, {outdir, release_dir(Dir, ?NEW)}]),
    [ok = make_tar(Dir, Version, Erts) || {Version, Erts} <- [{?OLD, [{erts, code:root_dir()}]}, {?NEW, []}]],
    Peer = rustls_dist_cluster:start(Cluster, #{optfile => Optfile, args => ["-kernel", "dist_auto_connect", "never"]}),
    ok = rustls_dist_cluster:call(Peer, rustls_dist_workload, watch_nodes, []),
    #{cluster => Cluster, dir => Dir, optfile => Optfile, peer => Peer}.

end_per_suite(Config) ->
    ok = rustls_dist_cluster:stop(get(cluster, Config)),
    rustls_dist_cluster:release(?config(keeper, Config)).

%% A node that is to be restarted is nobody's child.
end_per_testcase(_Case, Config) ->
    _ = [os:cmd("kill -9 " ++ Pid) || Root <- filelib:wildcard(filename:join(get(dir, Config), "target-*")),
                                      Pid <- string:lexemes(os:cmd("pgrep -f " ++ Root), "\n")],
    ok.

%% What systools makes of the .appup, in both directions: nothing is loaded, and the emulator restarts at the end.
scripts_restart_the_emulator(Config) ->
    {ok, [{?NEW, [{?OLD, [], Up}], [{?OLD, [], Down}]}]} =
        file:consult(filename:join(release_dir(get(dir, Config), ?NEW), "relup")),
    ?assertEqual([[point_of_no_return, restart_emulator], [point_of_no_return, restart_emulator]], [Up, Down]).

%% heart starts the node again, with the other version.
upgrade_and_downgrade(Config) ->
    Root = install(Config, "target-heart"),
    ok = boot(Config, Root, "-heart"),
    ok = joined(Config),
    ?assertEqual({ok, ?NEW}, at(Config, release_handler, unpack_release, ["example-" ++ ?NEW])),
    [begin
         ?assert(runs(Config, From)),
         {Before, Downs} = {os_pid(Config), downs(Config)},
         %% It names the older one.
         ?assertMatch({ok, ?OLD, _}, at(Config, release_handler, install_release, [To])),
         await_down(Config, Downs),
         ok = joined(Config),
         ?assertNotEqual(Before, os_pid(Config)),
         ?assert(runs(Config, To)),
         ok = at(Config, release_handler, make_permanent, [To]),
         %% One link ended, once.
         ?assertEqual(length(Downs) + 1, length(downs(Config)))
     end || {From, To} <- [{?OLD, ?NEW}, {?NEW, ?OLD}]],
    ok = halted(Config).

%% Without heart nobody would start the node again: release_handler says that it failed, and init starts all anew in the same
%% process of the system, from the release that ran before.
nothing_to_restart_with(Config) ->
    Root = install(Config, "target-alone"),
    ok = boot(Config, Root, ""),
    ok = joined(Config),
    ?assertEqual({ok, ?NEW}, at(Config, release_handler, unpack_release, ["example-" ++ ?NEW])),
    {Before, Downs} = {os_pid(Config), downs(Config)},
    ?assertMatch({error, _}, at(Config, release_handler, install_release, [?NEW])),
    await_down(Config, Downs),
    ok = joined(Config),
    ?assertEqual(Before, os_pid(Config)),
    ?assert(runs(Config, ?OLD)),
    ?assertEqual(length(Downs) + 1, length(downs(Config))),
    ok = halted(Config).

%% releases ---------------------------------------------------------------------------------------------------------

%% The application of the test under another version, and the boot script of a release with it.
make_release(Dir, Version) ->
    Built = filename:dirname(filename:absname(os:getenv("RUSTLS_DIST_EBIN", "_build/default/lib/rustls_dist/ebin"))),
    App = filename:dirname(ebin(Dir, Version)),
    ok = filelib:ensure_dir(filename:join(App, "x")),
    "" = os:cmd(lists:flatten(io_lib:format("cp -RL ~ts/ebin ~ts/priv ~ts", [Built, Built, App]))),
    {ok, [{application, rustls_dist, Keys}]} = file:consult(filename:join([Built, "ebin", "rustls_dist.app"])),
    ok = write_term(filename:join(ebin(Dir, Version), "rustls_dist.app"),
                    {application, rustls_dist, lists:keyreplace(vsn, 1, Keys, {vsn, Version})}),
    {ok, [{_Version, Up, Down}]} = file:consult(filename:join([Built, "ebin", "rustls_dist.appup"])),
    ok = write_term(filename:join(ebin(Dir, Version), "rustls_dist.appup"), {Version, Up, Down}),
    ok = filelib:ensure_dir(filename:join(release_dir(Dir, Version), "x")),
    Applications = [{Name, version(Name)} || Name <- [kernel, stdlib, sasl, crypto, asn1, public_key, ssl]],
    ok = write_term(rel(Dir, Version) ++ ".rel", {release, {"example", Version}, {erts, erlang:system_info(version)},
                                                  Applications ++ [{rustls_dist, Version}]}),
    ok = write_term(filename:join(release_dir(Dir, Version), "sys.config"), []),
    systools:make_script(rel(Dir, Version), [{path, [ebin(Dir, Version)]}, {outdir, release_dir(Dir, Version)}]).

make_tar(Dir, Version, Options) ->
    systools:make_tar(rel(Dir, Version), [{path, [ebin(Dir, Version)]}, {outdir, release_dir(Dir, Version)} | Options]).

version(Name) ->
    _ = application:load(Name),
    {ok, Version} = application:get_key(Name, vsn),
    Version.

release_dir(Dir, Version) -> filename:join([Dir, "made", Version]).
rel(Dir, Version) -> filename:join(release_dir(Dir, Version), "example-" ++ Version).
ebin(Dir, Version) -> filename:join([Dir, "lib", "rustls_dist-" ++ Version, "ebin"]).

write_term(File, Term) ->
    file:write_file(File, io_lib:format("~tp.~n", [Term])).

%% The old release where it runs, and the new one's archive, as OTP's guide to target systems has it.
install(Config, Name) ->
    Dir = get(dir, Config),
    Root = filename:join(Dir, Name),
    Releases = filename:join(Root, "releases"),
    ok = erl_tar:extract(rel(Dir, ?OLD) ++ ".tar.gz", [{cwd, Root}, compressed]),
    RelFile = filename:join(Releases, "example-" ++ ?OLD ++ ".rel"),
    ok = release_handler:create_RELEASES(Root, Releases, RelFile, []),
    {ok, _} = file:copy(rel(Dir, ?NEW) ++ ".tar.gz", filename:join(Releases, "example-" ++ ?NEW ++ ".tar.gz")),
    ok = file:write_file(filename:join(Releases, "start_erl.data"), [erlang:system_info(version), " ", ?OLD]),
    Root.

%% bin/start is what heart runs: with the name of a file that says which release.
boot(Config, Root, Flags) ->
    Start = filename:join([Root, "bin", "start"]),
    ok = filelib:ensure_dir(Start),
    ok = file:write_file(Start, script(Config, Root, Flags)),
    ok = file:change_mode(Start, 8#700),
    "" = os:cmd(lists:flatten([[Name, "=", Value, " "] || {Name, Value} <- rustls_dist_cluster:env(get(cluster, Config))])
                ++ Start ++ " " ++ filename:join([Root, "releases", "start_erl.data"])),
    ok.

script(Config, Root, Flags) ->
    ["#!/bin/sh\n"
     "read erts release <$1\n"
     "export ROOTDIR=", Root, " BINDIR=", Root, "/erts-$erts/bin EMU=beam PROGNAME=erl\n"
     "exec setsid $BINDIR/erlexec -boot $ROOTDIR/releases/$release/start -config $ROOTDIR/releases/$release/sys "
     "-mode embedded -noinput ", Flags, " -name ", atom_to_list(?NODE), " -setcookie rustls_dist_test "
     "-proto_dist rustls -ssl_dist_optfile ", get(optfile, Config), " >>", Root, "/log 2>&1 </dev/null &\n"].

%% the node ---------------------------------------------------------------------------------------------------------

%% Waits until the peer has a link and the node has started all it has.
joined(Config) ->
    rustls_dist_cluster:poll(fun() -> rustls_dist_cluster:call(get(peer, Config), net_kernel, connect_node, [?NODE])
                                          andalso at(Config, init, get_status, []) =:= {started, started} end,
                             ?TIMEOUT_MS),
    ok.

at(Config, Module, Function, Arguments) ->
    rustls_dist_cluster:call(get(peer, Config), rpc, call, [?NODE, Module, Function, Arguments], ?TIMEOUT_MS).

os_pid(Config) ->
    at(Config, os, getpid, []).

%% The release, the modules, the library and the link are of that version.
runs(Config, Version) ->
    {"example", Version} = at(Config, init, script_id, []),
    Loaded = [at(Config, code, which, [Module]) || Module <- [rustls_dist, rustls_dist_nif]],
    ?assertEqual([], [File || File <- Loaded, string:find(File, "rustls_dist-" ++ Version) =:= nomatch]),
    {ok, Maps} = file:read_file(["/proc/", os_pid(Config), "/maps"]),
    ?assertEqual([["rustls_dist-" ++ Version]],
                 lists:usort(element(2, re:run(Maps, "rustls_dist-[0-9.]+(?=/priv)", [global, {capture, all, list}])))),
    {ok, #{version := 'tlsv1.3'}} = at(Config, rustls_dist, info, [rustls_dist_cluster:name(get(peer, Config))]),
    true.

downs(Config) ->
    [Event || {nodedown, ?NODE, _} = Event <- rustls_dist_cluster:call(get(peer, Config), rustls_dist_workload,
                                                                       node_events, [])].

await_down(Config, Before) ->
    rustls_dist_cluster:poll(fun() -> length(downs(Config)) > length(Before) end, ?TIMEOUT_MS).

halted(Config) ->
    ok = at(Config, init, stop, []),
    rustls_dist_cluster:poll(fun() -> rustls_dist_cluster:call(get(peer, Config), erlang, nodes, [connected]) =:= [] end,
                             ?TIMEOUT_MS),
    ok.

get(world, Config) -> ?config(world, Config);
get(Name, Config) -> maps:get(Name, get(world, Config)).
