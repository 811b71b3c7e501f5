%% `rustls-dist check': a set-up for each thing that it finds, and one with which nothing is wrong.
-module(rustls_dist_check_SUITE).

-include_lib("stdlib/include/assert.hrl").

-export([all/0, suite/0, init_per_suite/1, end_per_suite/1]).
-export([nothing_wrong/1, boot/1, names/1, certificates/1, revocation/1, peers/1, files/1, inet_tls/1]).
-export([every_finding/1, severities/1, both_roles/1, whole_vm_args/1]).

suite() ->
    [{timetrap, {minutes, 2}}].

all() ->
    [nothing_wrong, boot, names, certificates, revocation, peers, files, inet_tls, every_finding, severities, both_roles,
     whole_vm_args].

init_per_suite(Config) ->
    Dir = string:trim(os:cmd("mktemp -d /tmp/rustls_dist.XXXXXX")),
    [{world, rustls_dist_broken_setups:world(Dir)} | Config].

end_per_suite(Config) ->
    #{dir := Dir} = proplists:get_value(world, Config),
    ok = file:del_dir_r(Dir).

nothing_wrong(Config) ->
    World = proplists:get_value(world, Config),
    Findings = rustls_dist_broken_setups:findings(rustls_dist_broken_setups:good(World)),
    ?assertEqual([], Findings),
    ?assertMatch({ok, _Text, #{counts := #{error := 0, warning := 0, note := 0}}}, rustls_dist_command_check:concluded(Findings)).

boot(Config) -> found(Config, [options_file, option, material, no_meaning, overridden, nobody_verified, certificate_optional,
                               revocation_list_unusable, cannot_be_dialled, carrier]).
names(Config) -> found(Config, [name_unknown, name_malformed, name_of_other_form, host_elsewhere, host_unknown, host_not_named,
                                node_not_named]).
certificates(Config) -> found(Config, [usage_missing, expired, not_yet_valid, expires_within_a_day, expires_within_a_week,
                                       expires_within_a_month, authority_expires, weak_signature, key_of_few]).
revocation(Config) -> found(Config, [revocation_folder_unusable, revocation_list_unreachable, revocation_list_outdated,
                                     revocation_list_outdated_soon]).
peers(Config) -> found(Config, [refused_as_server, refused_as_client, not_tried_out]).
files(Config) -> found(Config, [key_readable_by_others, key_readable_by_group, file_writable_by_others, relative_path,
                                password_in_flags, password_readable_by_others]).
inet_tls(Config) -> found(Config, [inet_tls_lacks, inet_tls_not_as_flag, inet_tls_verifies_nobody, inet_tls_other_versions,
                                   inet_tls_reads_latin1, inet_tls_wants_dns_name, inet_tls_refuses, otp26_verifies,
                                   otp26_wants_authorities, otp26_wrong_side]).

%% The set-up of each brings it about, and says what is wrong, where, and what to do.
found(Config, Names) ->
    World = proplists:get_value(world, Config),
    [begin
         Findings = rustls_dist_broken_setups:findings(rustls_dist_broken_setups:words(Setup, World)),
         Expected = by_release(Name),
         ?assertMatch({_, [#{} | _]}, {Expected, [Finding || #{is := Is} = Finding <- Findings, Is =:= Expected]}),
         [?assertMatch({_, true}, {Finding, string:length(Text) > 0})
          || Finding <- Findings, Key <- [where, what, remedy], Text <- [maps:get(Key, Finding)]]
     end || Name <- Names, #{finding := Of} = Setup <- rustls_dist_broken_setups:all(), Of =:= Name, by_release(Name) =/= none].

%% What is coming to earlier releases the later ones say themselves.
by_release(Name) ->
    case {Name, rustls_dist_release:clients_verify(), rustls_dist_release:inet_tls_versions()} of
        {_, true, _} when Name =:= otp26_verifies; Name =:= otp26_wants_authorities; Name =:= otp26_wrong_side ->
            inet_tls_refuses;
        {inet_tls_other_versions, _, [_, _]} -> none;
        _ -> Name
    end.

%% There is a set-up, and a case above, for each name of the type, and no other.
every_finding(_Config) ->
    {ok, {_, [{abstract_code, {_, Forms}}]}} = beam_lib:chunks(code:which(rustls_dist_command_finding), [abstract_code]),
    [Names] = [[Name || {atom, _, Name} <- Union] || {attribute, _, type, {name, {type, _, union, Union}, []}} <- Forms],
    ?assertEqual(lists:sort(Names), lists:sort([Finding || #{finding := Finding} <- rustls_dist_broken_setups:all()])),
    {ok, {_, [{abstract_code, {_, Cases}}]}} = beam_lib:chunks(code:which(?MODULE), [abstract_code]),
    Tested = [Name || {function, _, _, 1, [{clause, _, _, [], [{call, _, {atom, _, found}, [_, List]}]}]} <- Cases,
                      Name <- erl_parse:normalise(List)],
    ?assertEqual(lists:sort(Names), lists:sort(Tested)).

%% Errors and warnings are findings for the exit status; notes are not.
severities(Config) ->
    World = proplists:get_value(world, Config),
    [begin
         [Setup] = [Setup || #{finding := Of} = Setup <- rustls_dist_broken_setups:all(), Of =:= Name],
         Words = rustls_dist_broken_setups:words(Setup, World),
         Findings = rustls_dist_broken_setups:findings(Words),
         ?assertEqual({Name, [Severity]}, {Name, lists:uniq([S || #{severity := S} <- Findings])}),
         ?assertMatch({Status, _, _}, rustls_dist_command_check:concluded(Findings))
     end || {Name, Severity, Status} <- [{expired, error, finding}, {expires_within_a_day, warning, finding},
                                         {key_of_few, note, ok}]].

%% A chain that only one side refuses is refused in that role alone.
both_roles(Config) ->
    #{dir := Dir, ca := Ca} = World = proplists:get_value(world, Config),
    Clients = rustls_dist_certs:cert(Dir, Ca, "clients", #{extensions => ["basicConstraints=CA:FALSE",
                                                                          "extendedKeyUsage=clientAuth"]}),
    [{server, _}, {client, OwnClient}] = rustls_dist_certs:options(maps:get(node, World)),
    [{server, OwnServer}, {client, _}] = rustls_dist_certs:options(Clients),
    File = filename:join(Dir, "clients.conf"),
    ok = file:write_file(File, io_lib:format("~tp.~n", [[{server, OwnServer}, {client, OwnClient}]])),
    Findings = rustls_dist_broken_setups:findings(["--optfile", File, "--node", "a@localhost"]),
    ?assertMatch([#{is := usage_missing}], [Finding || #{severity := error} = Finding <- Findings]).

%% Comments, quotes, nested files, variables of a vm.args.src, and what is given behind --.
whole_vm_args(Config) ->
    #{dir := Dir} = World = proplists:get_value(world, Config),
    ["--optfile", Conf | _] = rustls_dist_broken_setups:good(World),
    Inner = filename:join(Dir, "inner.args"),
    ok = file:write_file(Inner, "-sname \"a@localhost\" # its name\n+A 5\n"),
    Outer = filename:join(Dir, "vm.args.src"),
    ok = file:write_file(Outer, ["## flags\n-proto_dist rustls -ssl_dist_optfile ${CHECK_OPTFILE}\n\n-args_file ", Inner, "\n",
                                 "-kernel inet_dist_use_interface '{127,0,0,1}'\n-setcookie ${CHECK_COOKIE:-a\\ b}\n"]),
    true = os:putenv("CHECK_OPTFILE", Conf),
    ?assertEqual([], rustls_dist_broken_setups:findings(["--vm-args", Outer])),
    {ok, Flags} = flags(["--vm-args", Outer, "--", "-setcookie", "c", "--", "d", "-extra", "-sname", "e"]),
    ?assertEqual([{"-proto_dist", ["rustls"]}, {"-ssl_dist_optfile", [Conf]}, {"-sname", ["a@localhost"]}, {"+A", ["5"]},
                  {"-kernel", ["inet_dist_use_interface", "{127,0,0,1}"]}, {"-setcookie", ["a b"]}, {"-setcookie", ["c"]}],
                  Flags),
    true = os:unsetenv("CHECK_OPTFILE"),
    {error, Why} = flags(["--vm-args", Outer]),
    ?assertMatch({match, _}, re:run(Why, "wants \\$\\{CHECK_OPTFILE\\} replaced")),
    ok = file:write_file(Inner, ["-args_file ", Inner]),
    ?assertMatch({error, _}, flags(["--vm-args", Inner])).

flags(Words) ->
    {ok, Arguments} = rustls_dist_command_arguments:parse(rustls_dist_command_flags:options(), Words),
    rustls_dist_command_flags:of_node(Arguments#{say => fun(_Text) -> ok end}).
