%% Nodes that are set up wrongly, or oddly: one for each finding of `rustls-dist check', as files and as words of the command
%% line. doc/ shows what it says of them (rustls_dist_command_pages).
-module(rustls_dist_broken_setups).

-export([world/1, all/0, good/1, words/2, findings/1, markdown/1, table/1]).

-export_type([world/0, setup/0]).

%% A folder with an authority, another one, and a node's certificate.
-type world() :: #{dir := file:filename(), ca := rustls_dist_certs:ca(), other := rustls_dist_certs:ca(),
                   node := rustls_dist_certs:cert()}.

%% What is found, and how it is brought about: gives the words that follow `rustls-dist check'. shown: a title, for those
%% that the document has.
-type setup() :: #{finding := rustls_dist_command_finding:name(), shown => string(), make := fun((world()) -> [string()])}.

-define(NODE, ["--node", "a@localhost"]).
-define(VERSIONS, {versions, ['tlsv1.3', 'tlsv1.2']}).

-spec world(file:filename()) -> world().
world(Dir) ->
    [Ca, Other] = [rustls_dist_certs:ca(Dir, Name) || Name <- ["ca", "other"]],
    World = #{dir => Dir, ca => Ca, other => Other},
    World#{node => cert(World, "node", #{})}.

%% Nothing is wrong with this one, and nothing odd.
-spec good(world()) -> [string()].
good(World) ->
    ["--optfile", conf(World, "good", sides(World)) | ?NODE].

-spec all() -> [setup()].
all() ->
    boot() ++ names() ++ certificates() ++ revocation() ++ peers() ++ files() ++ inet_tls().

boot() ->
    [#{finding => options_file,
       make => fun(World) -> ["--optfile", written(World, "syntax.conf", "[{server, [{certfile \"x\"}]}].") | ?NODE] end},
     #{finding => option, shown => "A misspelt option",
       make => fun(World) -> with(World, "misspelt", client, [{depht, 2}]) end},
     #{finding => material, shown => "A key that belongs to another certificate",
       make => fun(#{node := Node} = World) ->
                       #{key := Other} = cert(World, "other_key", #{}),
                       of_cert(World, "wrong_key", Node#{key => Other})
               end},
     #{finding => no_meaning, make => fun(World) -> with(World, "no_meaning", server, [{reuse_sessions, true}]) end},
     #{finding => overridden, make => fun(World) -> good(World) ++ ["--", "-proto_dist", "rustls", "-ssl_dist_opt",
                                                                    "client_depth", "3",
                                                                  "client_depth", "4"] end},
     #{finding => nobody_verified,
       make => fun(#{node := #{cert := Cert, key := Key}} = World) ->
                       Own = [{certfile, Cert}, {keyfile, Key}, {verify, verify_none}, ?VERSIONS],
                       ["--optfile", conf(World, "nobody", [{server, Own}, {client, Own}]) | ?NODE]
               end},
     #{finding => certificate_optional,
       make => fun(World) -> replacing(World, "optional", server, {fail_if_no_peer_cert, false}) end},
     #{finding => revocation_list_unusable,
       make => fun(#{dir := Dir} = World) ->
                       with(World, "no_list", both, [{crl_check, true}, {crlfile, filename:join(Dir, "no.crl")}])
               end},
     #{finding => cannot_be_dialled,
       make => fun(World) ->
                       [{server, _}, Client] = sides(World),
                       ["--optfile", conf(World, "client_alone", [Client]) | ?NODE]
               end},
     #{finding => carrier, shown => "A `vm.args` without a carrier",
       make => fun(World) ->
                       Conf = conf(World, "carrier", sides(World)),
                       ["--vm-args", written(World, "vm.args", ["-sname a@localhost\n-ssl_dist_optfile ", Conf, "\n"])]
               end}].

names() ->
    [#{finding => name_unknown, make => fun(World) -> ["--optfile", conf(World, "nameless", sides(World))] end},
     #{finding => name_malformed, make => fun(World) -> named(World, "a@") end},
     #{finding => name_of_other_form,
       make => fun(World) -> ["--optfile", conf(World, "form", sides(World)), "--", "-proto_dist", "rustls", "-sname",
                              "a@node.example.org"]
               end},
     #{finding => host_elsewhere, make => fun(World) -> named(World, "a@192.0.2.1") end},
     #{finding => host_unknown, make => fun(World) -> named(World, "a@nowhere.invalid") end},
     #{finding => host_not_named, shown => "A certificate for another host",
       make => fun(World) -> of_cert(World, "elsewhere", cert(World, "elsewhere", #{san => "DNS:node1.example.org"})) end},
     #{finding => node_not_named, shown => "`verify_node name`, and a certificate that names no node",
       make => fun(World) -> with(World, "unnamed", both, [{verify_node, name}]) end}].

certificates() ->
    [#{finding => usage_missing, shown => "A certificate for servers alone",
       make => fun(World) ->
                       Extensions = ["basicConstraints=CA:FALSE", "extendedKeyUsage=serverAuth"],
                       of_cert(World, "servers", cert(World, "servers", #{extensions => Extensions}))
               end},
     #{finding => expired, shown => "A certificate that has expired",
       make => fun(World) -> of_cert(World, "expired", cert(World, "expired", #{days => -1})) end},
     #{finding => not_yet_valid, make => fun(World) -> dated(World, "early", {1, 90}) end},
     #{finding => expires_within_a_day, make => fun(World) -> dated(World, "day", {-1, 1}) end},
     #{finding => expires_within_a_week, make => fun(World) -> of_cert(World, "week", cert(World, "week", #{days => 3})) end},
     #{finding => expires_within_a_month, make => fun(World) -> of_cert(World, "month", cert(World, "month", #{days => 20})) end},
     #{finding => authority_expires,
       make => fun(#{dir := Dir, node := Node, ca := #{cert := Ca}} = World) ->
                       #{cert := Old} = rustls_dist_certs:ca(Dir, "old", #{days => 10}),
                       Both = rustls_dist_certs:concat(filename:join(Dir, "both.pem"), [Ca, Old]),
                       of_cert(World, "two_authorities", Node#{ca => Both})
               end},
     #{finding => weak_signature,
       make => fun(#{ca := #{cert := Ca, key := CaKey}} = World) ->
                       #{cert := File} = Weak = cert(World, "weak", #{}),
                       rustls_dist_certs:openssl("x509 -req -sha1 -days 90 -in ~ts.csr -CA ~ts -CAkey ~ts -set_serial 2 -out ~ts "
                                                 "-extfile ~ts.ext", [File, Ca, CaKey, File, File]),
                       of_cert(World, "weak", Weak)
               end},
     #{finding => key_of_few, make => fun(World) -> of_cert(World, "ed25519", cert(World, "ed25519", #{key => ed25519})) end}].

revocation() ->
    [#{finding => revocation_folder_unusable,
       make => fun(#{dir := Dir} = World) ->
                       Cache = {ssl_crl_hash_dir, {internal, [{dir, filename:join(Dir, "nolists")}]}},
                       with(World, "nolists", both, [{crl_check, best_effort}, {crl_cache, Cache}])
               end},
     #{finding => revocation_list_unreachable,
       make => fun(World) ->
                       Authority = "127.0.0.1:" ++ nobodys_port(),
                       Cert = cert(World, "points", #{extensions => ["basicConstraints=CA:FALSE", "crlDistributionPoints=URI:http://"
                                                                     ++ Authority ++ "/ca.crl"]}),
                       Cache = {ssl_crl_cache, {internal, [{http, 2000}, {allowed_hosts, [Authority]}]}},
                       Asking = added(both, [{crl_check, best_effort}, {crl_cache, Cache}], sides(World, Cert)),
                       ["--optfile", conf(World, "points", Asking) | ?NODE]
               end},
     #{finding => revocation_list_outdated, shown => "A revocation list that was not renewed",
       make => fun(World) -> listed(World, "outdated", -3600) end},
     #{finding => revocation_list_outdated_soon, make => fun(World) -> listed(World, "soon", 3600) end}].

peers() ->
    [#{finding => refused_as_server, shown => "A certificate of an authority that is not in `cacertfile`",
       make => fun(#{dir := Dir, other := Other, ca := #{cert := Ca}} = World) ->
                       Cert = rustls_dist_certs:cert(Dir, Other, "stranger", #{}),
                       of_cert(World, "stranger", modes(Cert#{ca => Ca}))
               end},
     #{finding => refused_as_client,
       make => fun(World) ->
                       [Server, {client, Options}] = sides(World),
                       ["--optfile", conf(World, "anonymous", [Server, {client, [Option || {Key, _} = Option <- Options,
                                                                                          Key =/= certfile,
                                                                                          Key =/= keyfile]}]) | ?NODE]
               end},
     #{finding => not_tried_out,
       make => fun(World) -> with(World, "absent", both, [{verify_fun, {fun a_module_that_is_not_here:verify/3, []}}]) end}].

files() ->
    [#{finding => key_readable_by_others, shown => "A key that everybody on the machine may read",
       make => fun(World) -> of_cert(World, "open", mode(key, 8#644, cert(World, "open", #{}))) end},
     #{finding => key_readable_by_group, make => fun(World) -> of_cert(World, "group",
                                                                       mode(key, 8#640, cert(World, "group", #{}))) end},
     #{finding => file_writable_by_others,
       make => fun(World) -> of_cert(World, "writable", mode(cert, 8#666, cert(World, "writable", #{}))) end},
     #{finding => relative_path, make => fun(World) -> with(World, "relative", both,
                                                            [{crlfile, "lists.crl"}, {crl_check, best_effort}]) end},
     #{finding => password_in_flags,
       make => fun(World) -> good(World) ++ ["--", "-proto_dist", "rustls", "-ssl_dist_opt", "server_password", "secret"] end},
     #{finding => password_readable_by_others,
       make => fun(World) ->
                       ["--optfile", File | _] = Words = with(World, "password", both, [{password, "secret"}]),
                       ok = file:change_mode(File, 8#644),
                       Words
               end}].

inet_tls() ->
    [#{finding => inet_tls_lacks, make => fun(World) -> with(World, "ours", both, [{verify_node, host}]) end},
     #{finding => inet_tls_not_as_flag,
       make => fun(World) -> good(World) ++ ["--", "-proto_dist", "rustls", "-ssl_dist_opt", "client_key_update_at",
                                             "1000000"] end},
     #{finding => inet_tls_verifies_nobody, make => fun(World) -> without(World, "unsaid", verify) end},
     #{finding => inet_tls_other_versions, make => fun(World) -> without(World, "no_versions", versions) end},
     #{finding => inet_tls_reads_latin1,
       make => fun(World) ->
                       ["--optfile", File | _] = Words = with(World, "umlaut", both, []),
                       {ok, Text} = file:read_file(File),
                       ok = file:write_file(File, [Text, unicode:characters_to_binary("%% für alle\n")]),
                       Words
               end},
     #{finding => inet_tls_wants_dns_name,
       make => fun(World) ->
                       Cert = cert(World, "address", #{san => "IP:127.0.0.1"}),
                       ["--optfile", conf(World, "address", sides(World, Cert)), "--node", "a@127.0.0.1"]
               end},
     #{finding => inet_tls_refuses, make => fun(World) -> with(World, "padding", both, [{padding_check, true}]) end},
     #{finding => otp26_verifies,
       make => fun(World) ->
                       [Server, {client, Options}] = sides(World),
                       Kept = [Option || {Key, _} = Option <- Options, Key =/= verify, Key =/= cacertfile],
                       ["--optfile", conf(World, "otp26", [Server, {client, Kept}]) | ?NODE]
               end},
     #{finding => otp26_wants_authorities,
       make => fun(#{node := #{cert := Cert}} = World) ->
                       Pins = {verify_fun, {fun rustls_dist:verify_pinned/3, [fingerprint(Cert)]}},
                       Kept = [{Side, [Pins | lists:keydelete(cacertfile, 1, Options)]} || {Side, Options} <- sides(World)],
                       ["--optfile", conf(World, "pins", Kept) | ?NODE]
               end},
     #{finding => otp26_wrong_side, make => fun(World) -> with(World, "side", client, [{fail_if_no_peer_cert, true}]) end}].

%% The words of a set-up, its files written.
-spec words(setup(), world()) -> [string()].
words(#{make := Make}, World) ->
    Make(World).

%% What the command finds, called so.
-spec findings([string()]) -> [rustls_dist_command_finding:finding()].
findings(Words) ->
    {ok, #{options := Options} = Arguments} =
        rustls_dist_command_arguments:parse(maps:get(options, rustls_dist_command_check:help()), Words),
    {ok, Flags} = rustls_dist_command_flags:of_node(Arguments#{say => fun(_Text) -> ok end}),
    rustls_dist_command_check:findings(Flags, maps:get(node, Options, none)).

%% Nobody listens there.
nobodys_port() ->
    {ok, Listen} = gen_tcp:listen(0, [{ip, {127, 0, 0, 1}}]),
    {ok, Port} = inet:port(Listen),
    ok = gen_tcp:close(Listen),
    integer_to_list(Port).

cert(#{dir := Dir, ca := Ca}, Name, Options) ->
    modes(rustls_dist_certs:cert(Dir, Ca, Name, Options)).

dated(#{dir := Dir, ca := Ca} = World, Name, Days) ->
    of_cert(World, Name, modes(rustls_dist_certs:dated_cert(Dir, Ca, Name, Days, #{}))).

%% Whatever the umask says.
modes(#{cert := Cert, key := Key} = Files) ->
    ok = file:change_mode(Cert, 8#644),
    ok = file:change_mode(Key, 8#600),
    Files.

mode(Which, Mode, Files) ->
    ok = file:change_mode(maps:get(Which, Files), Mode),
    Files.

%% Options with which nothing is wrong.
sides(#{node := Node} = World) ->
    sides(World, Node).

sides(_World, Cert) ->
    added(both, [?VERSIONS], rustls_dist_certs:options(Cert)).

added(both, More, Sides) -> [{Side, Options ++ More} || {Side, Options} <- Sides];
added(Side, More, Sides) -> [{S, Options ++ [Option || S =:= Side, Option <- More]} || {S, Options} <- Sides].

conf(World, Name, Sides) ->
    written(World, Name ++ ".conf", io_lib:format("~tp.~n", [Sides])).

written(#{dir := Dir}, Name, Text) ->
    File = filename:join(Dir, Name),
    ok = file:write_file(File, Text),
    ok = file:change_mode(File, 8#600),
    File.

with(World, Name, Side, More) ->
    ["--optfile", conf(World, Name, added(Side, More, sides(World))) | ?NODE].

replacing(World, Name, Side, {Key, _} = Option) ->
    Sides = [{S, case S of Side -> [Option | lists:keydelete(Key, 1, Options)]; _ -> Options end} || {S,
                                                                                                      Options} <- sides(World)],
    ["--optfile", conf(World, Name, Sides) | ?NODE].

without(World, Name, Key) ->
    ["--optfile", conf(World, Name, [{Side, lists:keydelete(Key, 1, Options)} || {Side, Options} <- sides(World)]) | ?NODE].

of_cert(World, Name, Cert) ->
    ["--optfile", conf(World, Name, sides(World, Cert)) | ?NODE].

named(World, Node) ->
    ["--optfile", conf(World, "named", sides(World)), "--node", Node].

%% A list of the authority that is to be replaced so many seconds from now.
listed(#{dir := Dir, ca := #{cert := Cert, key := Key}} = World, Name, Seconds) ->
    Base = filename:join(Dir, Name),
    ok = file:write_file(Base ++ ".database", ""),
    ok = file:write_file(Base ++ ".cnf", ["[ca]\ndefault_ca = this\n[this]\ndefault_md = sha256\ndatabase = ", Base,
                                          ".database\n"]),
    rustls_dist_certs:openssl("ca -config ~ts.cnf -gencrl -cert ~ts -keyfile ~ts -out ~ts.crl -crl_lastupdate ~ts "
                              "-crl_nextupdate ~ts",
                              [Base, Cert, Key, Base, time(Seconds - 86400), time(Seconds)]),
    ok = file:change_mode(Base ++ ".crl", 8#644),
    with(World, Name, both, [{crl_check, true}, {crlfile, Base ++ ".crl"}]).

time(FromNowS) ->
    {{Year, Month, Day}, {Hour, Minute, Second}} =
        calendar:system_time_to_universal_time(erlang:system_time(second) + FromNowS, second),
    io_lib:format("~4..0w~2..0w~2..0w~2..0w~2..0w~2..0wZ", [Year, Month, Day, Hour, Minute, Second]).

fingerprint(File) ->
    {ok, Pem} = file:read_file(File),
    [{'Certificate', Der, not_encrypted}] = public_key:pem_decode(Pem),
    binary_to_list(binary:encode_hex(crypto:hash(sha256, Der))).

%% The set-ups that have a title: what was called, and what it printed.
-spec markdown(world()) -> unicode:chardata().
markdown(World) ->
    [begin
         Words = words(Setup, World),
         {_Outcome, Text, _Json} = rustls_dist_command_check:concluded([settled(Finding, World) || Finding <- findings(Words)]),
         ["### ", Title, "\n\n```\n$ rustls-dist check ", lists:join(" ", [settled_text(Word, World) || Word <- Words]), "\n",
          rustls_dist_command_text:plain(Text), "```\n\n"]
     end || #{shown := Title} = Setup <- all()].

%% All findings, as a table: how bad each is, and what it says of its set-up.
-spec table(world()) -> unicode:chardata().
table(World) ->
    ["| finding | | what it says, for example |\n|---|---|---|\n",
     [begin
          [Finding | _] = [Found || #{is := Is} = Found <- findings(words(Setup, World)), Is =:= Name],
          #{severity := Severity, what := What} = settled(Finding, World),
          ["| `", atom_to_list(Name), "` | ", atom_to_list(Severity), " | ", What, " |\n"]
      end || #{finding := Name} = Setup <- all()]].

%% Paths, times and serial numbers, which change, are the same ones each time.
settled(Finding, World) ->
    maps:map(fun(Key, Text) when Key =:= what; Key =:= where; Key =:= remedy -> settled_text(Text, World);
                (_Key, Value) -> Value
             end, Finding).

settled_text(Text, #{dir := Dir}) ->
    lists:foldl(fun({Pattern, Replacement}, Settled) ->
                        re:replace(Settled, Pattern, Replacement, [global, unicode, {return, list}])
                end, unicode:characters_to_list(Text),
                [{["\\Q", Dir, "\\E"], "/etc/erlang/tls"}, {"[0-9]{4}-[0-9]{2}-[0-9]{2}([ T])[0-9:]{8}",
                                                            "2027-01-31\\g{1}12:00:00"},
                 {"127\\.0\\.0\\.1:[0-9]+", "127.0.0.1:8080"},
                 {"(serial number )[0-9A-F]+", "\\g{1}01A2B3C4D5E6F70809"},
                 {"(nowhere\\.invalid) \\([^)]*\\)", "\\g{1} (non-existing domain)"}
                 %% The first of these days has begun.
                 | [{"in " ++ Less ++ " days", "in " ++ Days ++ " days"} || {Less, Days} <- [{"2", "3"}, {"9", "10"},
                                                                                             {"19", "20"}]]]).
