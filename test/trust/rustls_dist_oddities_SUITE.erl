%% Certificates with odd fields: what others take and this carrier refuses is told with its reason, in both directions, on TLS
%% 1.2 and 1.3, and listed in doc/verification.md.
-module(rustls_dist_oddities_SUITE).

-include_lib("stdlib/include/assert.hrl").
-include_lib("public_key/include/public_key.hrl").

-export([all/0, init_per_suite/1, end_per_suite/1]).
-export([tls_1_3/1, tls_1_2/1, judged_in_erlang/1, other_judges/1, trusted/1, documented/1]).

all() ->
    [tls_1_3, tls_1_2, judged_in_erlang, other_judges, trusted, documented].

init_per_suite(Config) ->
    {ok, Applications} = application:ensure_all_started(ssl),
    {Keeper, World} = rustls_dist_cluster:keep(fun start/0),
    [{keeper, Keeper}, {world, World}, {applications, Applications} | Config].

%% One judge, which trusts the authorities of all rows.
start() ->
    Cluster = rustls_dist_cluster:new(),
    Dir = rustls_dist_cluster:dir(Cluster),
    Chains = maps:from_list([{Name, rustls_dist_oddities:chain(Name)} || #{name := Name} <- rustls_dist_oddities:rows()]),
    Ca = filename:join(Dir, "roots.pem"),
    ok = file:write_file(Ca, rustls_dist_x509:pem([Root || {_Leaf, Root} <- maps:values(Chains)])),
    Own = rustls_dist_certs:self_signed(Dir, "judge", #{}),
    [Judge, Checking] = [rustls_dist_pair:start(Cluster, optfile, rustls_dist_certs:options(Own#{ca => Ca}, More), #{})
                         || More <- [#{}, #{crl_check => best_effort}]],
    #{checking => Checking, cluster => Cluster, dir => Dir, chains => Chains, judge => Judge}.

end_per_suite(Config) ->
    #{cluster := Cluster} = world(Config),
    ok = rustls_dist_cluster:stop(Cluster),
    rustls_dist_cluster:release(proplists:get_value(keeper, Config)),
    lists:foreach(fun application:stop/1, lists:reverse(proplists:get_value(applications, Config))).

tls_1_3(Config) -> played(Config, 'tlsv1.3').
tls_1_2(Config) -> played(Config, 'tlsv1.2').

%% Where revocation is looked at, Erlang has the last word. What it cannot decode it tells itself.
judged_in_erlang(Config) ->
    #{checking := Judge} = world(Config),
    played(Config, Judge, 'tlsv1.3', [Row || #{taken_by := [otp | _]} = Row <- rustls_dist_oddities:rows()]).

played(Config, Version) ->
    #{judge := Judge} = world(Config),
    played(Config, Judge, Version, rustls_dist_oddities:rows()).

played(Config, Judge, Version, Rows) ->
    #{cluster := Cluster, chains := Chains} = world(Config),
    Outcomes = [begin
                    Shown = shown(Config, Name, maps:get(Name, Chains)),
                    ok = rustls_dist_reports:collect(Judge),
                    Outcome = case Side of
                                  server -> rustls_dist_bad_peers:dial(Judge, Shown, Version);
                                  client -> rustls_dist_bad_peers:answer(Cluster, Judge, Shown, Version)
                              end,
                    {Name, Side, expected(Row), {Outcome, said(Judge, Row)}}
                end || #{name := Name} = Row <- Rows, Side <- [client, server], is_played(Name, Side, Version)],
    ?assertEqual([], [Wrong || {_, _, Expected, Got} = Wrong <- Outcomes, Expected =/= Got]).

%% A server of openssl has no use for such a certificate with TLS 1.2.
is_played(extension_malformed, client, 'tlsv1.2') -> false;
is_played(_Name, _Side, _Version) -> true.

%% ssl crashes over its own certificate where it cannot decode it.
shown(Config, extension_malformed = Name, {#{key := Key} = Leaf, _Root}) ->
    #{dir := Dir} = world(Config),
    File = filename:join(Dir, Name),
    ok = file:write_file(File, [rustls_dist_x509:pem([Leaf]), rustls_dist_x509:key_pem(#{key => Key})]),
    {openssl, #{cert => File, key => File}};
shown(_Config, _Name, {#{der := Der, key := Key}, _Root}) ->
    #{chain => [Der], key => {'ECPrivateKey', public_key:der_encode('ECPrivateKey', Key)}}.

expected(#{alert := none}) -> {let_in, nothing};
expected(#{alert := Alert, says := Says}) -> {{alert, Alert}, Says}.

%% What was expected, if it was said.
said(_Judge, #{says := none}) ->
    nothing;
said(Judge, #{says := Says}) ->
    [#{line := Line} | _] = rustls_dist_reports:await(Judge, 1),
    case string:find(Line, Says) of
        nomatch -> Line;
        _ -> Says
    end.

%% That OTP and OpenSSL think otherwise is what makes these differences.
other_judges(Config) ->
    #{dir := Dir, chains := Chains} = world(Config),
    Found = [{Name, By, lists:append([[otp || otp_takes(Leaf, Root)], [openssl || openssl_takes(Dir, Leaf, Root)]])}
             || #{name := Name, taken_by := By} <- rustls_dist_oddities:rows(), {Leaf, Root} <- [maps:get(Name, Chains)]],
    ?assertEqual([], [Wrong || {_, By, Taken} = Wrong <- Found, By =/= Taken]).

otp_takes(#{der := Leaf}, #{der := Root}) ->
    try public_key:pkix_path_validation(Root, [Leaf], []) of
        {ok, _} -> true;
        {error, _} -> false
    catch
        _:_ -> false
    end.

openssl_takes(Dir, Leaf, Root) ->
    [LeafFile, RootFile] = [filename:join(Dir, Name) || Name <- ["leaf.pem", "root.pem"]],
    ok = file:write_file(LeafFile, rustls_dist_x509:pem([Leaf])),
    ok = file:write_file(RootFile, rustls_dist_x509:pem([Root])),
    Output = os:cmd("openssl verify -CAfile " ++ RootFile ++ " " ++ LeafFile ++ " 2>&1"),
    string:find(Output, "leaf.pem: OK") =/= nomatch.

%% Among the trusted certificates such a one is told when the node starts, by its place.
trusted(Config) ->
    ok = rustls_dist_nif:load(),
    #{dir := Dir} = world(Config),
    File = filename:join(Dir, "odd_roots.pem"),
    Odd = rustls_dist_x509:root("odd", #{unique_id => <<1>>}),
    ok = file:write_file(File, rustls_dist_x509:pem([rustls_dist_x509:root("good"), Odd])),
    {error, #{text := Text, option := cacertfile}} =
        rustls_dist_nif:config_new(client, #{cacertfile => unicode:characters_to_binary(File), verify => verify_peer,
                                             judged_by => webpki, depth => 10}),
    ?assertMatch({match, _}, re:run(Text, "certificate number 2 has an issuerUniqueID")).

documented(_Config) ->
    {ok, Page} = file:read_file(rustls_dist_documents:path("verification.md")),
    ?assertEqual(unicode:characters_to_binary(rustls_dist_oddities:markdown()), rustls_dist_oddities:section(Page)).

world(Config) ->
    proplists:get_value(world, Config).
