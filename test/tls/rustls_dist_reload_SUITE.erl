%% Certificates, keys, authorities and options that change while the node runs: noticed by themselves or at once, judged first,
%% taken into use as one generation, and refused without harm.
%%
%% One node changes (A), another knows both authorities (B).
-module(rustls_dist_reload_SUITE).

-include_lib("stdlib/include/assert.hrl").

-export([all/0, suite/0, init_per_suite/1, end_per_suite/1, init_per_testcase/2]).
-export([renamed/1, switched/1, in_two_halves/1, pair_in_two_steps/1, options_change/1, refused/1, nothing_new/1,
         during_handshakes/1, old_one_is_freed/1, links_stay/1]).
-export([shake_hands/3]).

%% A change is noticed within 10 s: two looks, two seconds apart, that see the same.
-define(NOTICED_MS, 10000).

suite() ->
    [{timetrap, {minutes, 2}}].

all() ->
    [nothing_new, pair_in_two_steps, links_stay, options_change, refused, during_handshakes, old_one_is_freed, renamed, switched,
     in_two_halves].

init_per_suite(Config) ->
    {Keeper, World} = rustls_dist_cluster:keep(fun start/0),
    [{keeper, Keeper}, {world, World} | Config].

start() ->
    Cluster = rustls_dist_cluster:new(),
    Dir = rustls_dist_cluster:dir(Cluster),
    [Ca, Other] = [rustls_dist_certs:ca(Dir, Name) || Name <- ["ca", "other_ca"]],
    Certs = maps:from_list([{Name, rustls_dist_certs:cert(Dir, Authority, atom_to_list(Name), #{})}
                            || {Name, Authority} <- [{first, Ca}, {second, Ca}, {third, Ca}, {foreign, Other}]]),
    Expired = rustls_dist_certs:dated_cert(Dir, Ca, "expired", {-10, -1}, #{}),
    Nameless = rustls_dist_certs:cert(Dir, Ca, "nameless", #{san => "DNS:elsewhere.example"}),
    #{cluster => Cluster, dir => Dir, ca => Ca, other => Other,
      certs => Certs#{expired => Expired, nameless => Nameless}}.

end_per_suite(Config) ->
    #{cluster := Cluster} = world(Config),
    ok = rustls_dist_cluster:stop(Cluster),
    rustls_dist_cluster:release(proplists:get_value(keeper, Config)).

%% A folder of files for each case, and a node that uses them.
init_per_testcase(Case, Config) ->
    #{cluster := Cluster, dir := Dir, ca := #{cert := Ca}} = world(Config),
    Live = filename:join(Dir, Case),
    ok = file:make_dir(Live),
    Files = #{certfile => filename:join(Live, "cert.pem"), keyfile => filename:join(Live, "key.pem"),
              cacertfile => filename:join(Live, "ca.pem")},
    ok = write(Files, cert(Config, first)),
    {ok, _} = file:copy(Ca, maps:get(cacertfile, Files)),
    Optfile = rustls_dist_cluster:optfile(Cluster, lists:concat([Case, "_a"]), options(Files, #{})),
    A = rustls_dist_cluster:start(Cluster, #{optfile => Optfile}),
    ok = rustls_dist_reports:collect(A),
    [{files, Files}, {optfile, Optfile}, {a, A} | Config].

%% nothing_new: the files may be touched.
nothing_new(Config) ->
    #{certfile := Cert} = files(Config),
    ?assertEqual({ok, []}, reload(Config)),
    {ok, Pem} = file:read_file(Cert),
    ok = replace(Cert, Pem),
    ?assertEqual({ok, []}, reload(Config)),
    ?assertEqual(1, generation(Config)),
    ?assertEqual([], told(Config)).

%% Certificate first, key later: what does not belong together is waited for, and told once.
pair_in_two_steps(Config) ->
    #{certfile := CertFile, keyfile := KeyFile} = files(Config),
    #{cert := Cert, key := Key} = cert(Config, second),
    ok = copy(Cert, CertFile),
    {error, Text} = reload(Config),
    ?assertMatch({match, _}, re:run(Text, "does not belong to")),
    ?assertEqual(serial(Config, first), shown(Config)),
    ?assertMatch([{configuration_refused, _}], told(Config)),
    ok = copy(Key, KeyFile),
    {ok, Changed} = reload(Config),
    ?assertEqual(lists:sort([CertFile, KeyFile]), lists:sort([unicode:characters_to_list(File) || File <- Changed])),
    ?assertEqual({2, serial(Config, second)}, {generation(Config), shown(Config)}),
    ?assertMatch([_, {configuration_reloaded, _}], told(Config)).

%% The next link shows the new certificate; one that is up does not notice.
links_stay(Config) ->
    #{cluster := Cluster, ca := #{cert := Ca}} = world(Config),
    A = proplists:get_value(a, Config),
    [B, C] = [rustls_dist_pair:start(Cluster, optfile, rustls_dist_certs:options((cert(Config, third))#{ca => Ca}, #{}), #{})
              || _ <- [b, c]],
    ok = rustls_dist_cluster:join(A, B),
    ok = write(files(Config), cert(Config, second)),
    {ok, [_ | _]} = reload(Config),
    ok = rustls_dist_cluster:join(A, C),
    ?assert(rustls_dist_cluster:connected(A, B)),
    [?assertEqual({Serial, Generation}, own(A, Peer)) || {Peer, Serial, Generation} <- [{B, serial(Config, first), 1},
                                                                                       {C, serial(Config, second), 2}]],
    rustls_dist_pair:stop([B, C]).

own(A, Peer) ->
    {ok, #{own_certificate := #{serial := Serial}, generation := Generation}} =
        rustls_dist_cluster:call(A, rustls_dist, info, [rustls_dist_cluster:name(Peer)]),
    {Serial, Generation}.

%% The options file is one of the files, and so are those that it names from now on.
options_change(Config) ->
    #{dir := Dir} = world(Config),
    Optfile = proplists:get_value(optfile, Config),
    Files = files(Config),
    Elsewhere = maps:map(fun(Key, _) -> filename:join(Dir, lists:concat(["elsewhere_", Key])) end, Files),
    ok = write(Elsewhere, cert(Config, second)),
    {ok, _} = file:copy(maps:get(cacertfile, Files), maps:get(cacertfile, Elsewhere)),
    ok = options_file(Optfile, options(Elsewhere, #{verify_node => host})),
    {ok, [_ | _] = Changed} = reload(Config),
    ?assert(lists:member(list_to_binary(Optfile), [unicode:characters_to_binary(File) || File <- Changed])),
    ?assertEqual(serial(Config, second), shown(Config)),
    ok = write(Elsewhere, cert(Config, third)),
    {ok, [_, _]} = reload(Config),
    ?assertEqual(serial(Config, third), shown(Config)),
    ok = options_file(Optfile, options(Elsewhere, #{verifi => verify_peer})),
    {error, Text} = reload(Config),
    ?assertMatch({match, _}, re:run(Text, "verifi.*is not a TLS option")),
    ok = file:write_file(Optfile, "[{server, ["),
    {error, _} = reload(Config),
    ?assertEqual({3, serial(Config, third)}, {generation(Config), shown(Config)}).

%% Each is told once however often it is looked at, and what was in use stays in use.
refused(Config) ->
    #{other := #{cert := OtherCa}} = world(Config),
    #{certfile := CertFile, keyfile := KeyFile, cacertfile := CaFile} = Files = files(Config),
    {ok, Half} = file:read_file(maps:get(cert, cert(Config, second))),
    Spoil = fun(File, Text) -> fun() -> ok = file:write_file(File, Text) end end,
    Rows = [{Spoil(CertFile, binary:part(Half, 0, byte_size(Half) div 2)), "cannot be|no certificate|is not a PEM"},
            {Spoil(CertFile, <<>>), "is not a PEM file|holds no certificate"},
            {fun() -> ok = file:delete(KeyFile) end, "does not exist"},
            {fun() -> write(Files, cert(Config, expired)) end, "expired on"},
            {fun() -> write(Files, cert(Config, nameless)) end, "does not name this node's host"},
            {fun() -> write(Files, cert(Config, foreign)) end, "as this node itself would judge it"},
            {fun() -> copy(OtherCa, CaFile) end, "as this node itself would judge it"}],
    lists:foreach(fun({Change, Why}) ->
                          Before = length(told(Config)),
                          Change(),
                          {error, Text} = reload(Config),
                          ?assertMatch({match, _}, re:run(Text, Why), Text),
                          ?assertEqual({1, serial(Config, first)}, {generation(Config), shown(Config)}),
                          ?assertMatch([{configuration_refused, _}], lists:nthtail(Before, told(Config))),
                          ok = restore(Config),
                          {ok, []} = reload(Config)
                  end, Rows).

restore(Config) ->
    #{ca := #{cert := Ca}} = world(Config),
    ok = write(files(Config), cert(Config, first)),
    copy(Ca, maps:get(cacertfile, files(Config))).

%% Fifty handshakes a second while the certificate changes: each shows one generation or the other, and none fails.
during_handshakes(Config) ->
    A = proplists:get_value(a, Config),
    #{cert := Cert, key := Key} = cert(Config, third),
    #{ca := #{cert := Ca}} = world(Config),
    Port = rustls_dist_cluster:listening_port(A),
    Options = [{certfile, Cert}, {keyfile, Key}, {cacertfile, Ca}, {verify, verify_peer}, {server_name_indication, "localhost"}],
    {ok, Started} = application:ensure_all_started(ssl),
    Count = counters:new(1, []),
    Dialler = spawn_monitor(?MODULE, shake_hands, [Port, [{count, Count} | Options], []]),
    [begin
         ok = write(files(Config), cert(Config, Which)),
         {ok, [_ | _]} = reload(Config),
         Reached = counters:get(Count, 1) + 5,
         rustls_dist_cluster:poll(fun() -> counters:get(Count, 1) >= Reached end)
     end || _ <- lists:seq(1, 5), Which <- [second, first]],
    Serials = stop_shaking(Dialler),
    lists:foreach(fun application:stop/1, lists:reverse(Started)),
    ?assertEqual(lists:usort([serial_number(Config, Which) || Which <- [first, second]]), lists:usort(Serials)).

%% Twenty milliseconds apart at most, until told to stop.
shake_hands(Port, [{count, Count} | Options] = Given, Serials) ->
    receive
        stop -> exit({shaken, Serials})
    after 5 ->
        case ssl:connect({127, 0, 0, 1}, Port, Options, 5000) of
            {ok, Socket} ->
                {ok, Der} = ssl:peercert(Socket),
                _ = ssl:close(Socket),
                {Serial, _Issuer} = element(2, public_key:pkix_issuer_id(Der, self)),
                ok = counters:add(Count, 1, 1),
                shake_hands(Port, Given, [Serial | Serials]);
            {error, Reason} ->
                exit({refused, Reason})
        end
    end.

stop_shaking({Pid, Ref}) ->
    Pid ! stop,
    receive
        {'DOWN', Ref, process, Pid, {shaken, Serials}} -> Serials;
        {'DOWN', Ref, process, Pid, Reason} -> error(Reason)
    end.

%% A link does not hold the configuration that it was made with, in either role.
old_one_is_freed(Config) ->
    #{cluster := Cluster, ca := #{cert := Ca}} = world(Config),
    A = proplists:get_value(a, Config),
    [B, C] = [rustls_dist_pair:start(Cluster, optfile, rustls_dist_certs:options((cert(Config, third))#{ca => Ca}, #{}), #{})
              || _ <- [b, c]],
    ok = rustls_dist_cluster:join(A, B),
    ok = rustls_dist_cluster:join(C, A),
    #{configs := Configs} = rustls_dist_cluster:call(A, rustls_dist_nif, resources, []),
    [begin
         ok = write(files(Config), cert(Config, Which)),
         {ok, [_ | _]} = reload(Config)
     end || Which <- [second, first, second]],
    rustls_dist_cluster:poll(fun() ->
                                     maps:get(configs, rustls_dist_cluster:call(A, rustls_dist_nif, resources, [])) =:= Configs
                             end),
    ?assert(rustls_dist_cluster:connected(A, B)),
    rustls_dist_pair:stop([B, C]).

%% By itself ------------------------------------------------------------------------------------------------

renamed(Config) ->
    ok = write(files(Config), cert(Config, second)),
    noticed(Config, second).

%% As Kubernetes does it: the files are links into a folder that is itself a link, which is switched.
switched(Config) ->
    Files = files(Config),
    Folder = filename:dirname(maps:get(certfile, Files)),
    [ok = version(Config, filename:join(Folder, Version), Which) || {Version, Which} <- [{"v1", first}, {"v2", second}]],
    ok = file:make_symlink("v1", filename:join(Folder, "..data")),
    [begin
         ok = file:make_symlink(filename:join("..data", filename:basename(File)), File ++ ".new"),
         ok = file:rename(File ++ ".new", File)
     end || File <- maps:values(Files)],
    {ok, []} = reload(Config),
    ok = file:make_symlink("v2", filename:join(Folder, "..new")),
    ok = file:rename(filename:join(Folder, "..new"), filename:join(Folder, "..data")),
    noticed(Config, second).

version(Config, Folder, Which) ->
    ok = file:make_dir(Folder),
    Files = maps:map(fun(_Key, File) -> filename:join(Folder, filename:basename(File)) end, files(Config)),
    ok = write(Files, cert(Config, Which)),
    {ok, _} = file:copy(maps:get(cacertfile, files(Config)), maps:get(cacertfile, Files)),
    ok.

%% Written in place and in pieces, with time between: nothing is told of the half, or once.
in_two_halves(Config) ->
    #{certfile := CertFile, keyfile := KeyFile} = files(Config),
    #{cert := Cert, key := Key} = cert(Config, second),
    {ok, Pem} = file:read_file(Cert),
    {First, Second} = split_binary(Pem, byte_size(Pem) div 2),
    {ok, Device} = file:open(CertFile, [write, raw]),
    ok = file:write(Device, First),
    {error, _} = reload(Config),
    ok = file:write(Device, Second),
    ok = file:close(Device),
    ok = copy(Key, KeyFile),
    noticed(Config, second),
    ?assert(length([refused || {configuration_refused, _} <- told(Config)]) =< 2).

noticed(Config, Which) ->
    Began = erlang:monotonic_time(millisecond),
    rustls_dist_cluster:poll(fun() -> shown(Config) =:= serial(Config, Which) end),
    ?assert(erlang:monotonic_time(millisecond) - Began < ?NOTICED_MS),
    ?assertEqual(2, generation(Config)).

%% -----------------------------------------------------------------------------------------------------------

world(Config) -> proplists:get_value(world, Config).
files(Config) -> proplists:get_value(files, Config).
cert(Config, Name) -> maps:get(Name, maps:get(certs, world(Config))).

options(#{certfile := Cert, keyfile := Key, cacertfile := Ca}, Extra) ->
    rustls_dist_certs:options(#{cert => Cert, key => Key, ca => Ca}, Extra).

options_file(File, Terms) ->
    replace(File, io_lib:format("~tp.~n", [Terms])).

reload(Config) ->
    rustls_dist_cluster:call(proplists:get_value(a, Config), rustls_dist, reload, []).

generation(Config) ->
    rustls_dist_cluster:call(proplists:get_value(a, Config), rustls_dist_generation, number, []).

%% The serial number of the certificate that servers are shown.
shown(Config) ->
    {ok, #{own := [[#{serial := Serial} | _] | _]}} =
        rustls_dist_cluster:call(proplists:get_value(a, Config), rustls_dist_config, fetch, [client]),
    Serial.

serial(Config, Name) ->
    Bytes = binary:encode_unsigned(serial_number(Config, Name)),
    << <<(integer_to_binary(Half, 16))/binary>> || <<Half:4>> <= Bytes >>.

serial_number(Config, Name) ->
    {ok, Pem} = file:read_file(maps:get(cert, cert(Config, Name))),
    [{'Certificate', Der, not_encrypted} | _] = public_key:pem_decode(Pem),
    {Serial, _Issuer} = element(2, public_key:pkix_issuer_id(Der, self)),
    Serial.

%% What became of the files, as the log has it.
told(Config) ->
    [{Event, Text} || #{event := Event, line := Text} <- rustls_dist_reports:all(proplists:get_value(a, Config)),
                      Event =:= configuration_refused orelse Event =:= configuration_reloaded].

%% Each file is replaced whole.
write(#{certfile := CertFile, keyfile := KeyFile}, #{cert := Cert, key := Key}) ->
    ok = copy(Cert, CertFile),
    copy(Key, KeyFile).

copy(From, To) ->
    {ok, Contents} = file:read_file(From),
    replace(To, Contents).

replace(File, Contents) ->
    ok = file:write_file(File ++ ".tmp", Contents),
    file:rename(File ++ ".tmp", File).
