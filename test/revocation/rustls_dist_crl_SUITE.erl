%% Revocation lists: crl_check with each of its values and lists from files, folders and modules, on real links and against
%% peers played with OTP's ssl, which tell the alert they got. In both directions: `dial' is a client that the node checks,
%% `answer' a server that the node checks (issue 3, point 3). Lists over HTTP are in rustls_dist_crl_http_SUITE.
-module(rustls_dist_crl_SUITE).

-include_lib("stdlib/include/assert.hrl").
-include_lib("public_key/include/public_key.hrl").

-import(rustls_dist_crl_world, [both/3, certs/1, checking/2, checking/3, joins/2, judged/4, peer/2, pki/2,
                                pointing/3, record/2, refused/3, ssl_checks/3]).

-export([all/0, suite/0, init_per_suite/1, end_per_suite/1, init_per_testcase/2, end_per_testcase/2]).
-export([check_true/1, check_peer/1, check_best_effort/1, check_false/1, missing_list/1, stale_list/1]).
-export([hash_dir/1, file_read_again/1, file_of_many/1, users_module/1, users_module_freshens/1,
         users_module_fails/1]).
-export([malformed_lists/1, several_lists/1]).
-export([lookup/3, select/2, fresh_crl/2]).

suite() ->
    [{timetrap, {minutes, 3}}].

all() ->
    [check_true, check_peer, check_best_effort, check_false, missing_list, stale_list,
     hash_dir, file_read_again, file_of_many, users_module, users_module_freshens,
     users_module_fails, malformed_lists, several_lists].

init_per_suite(Config) ->
    rustls_dist_crl_world:start(Config).

end_per_suite(Config) ->
    rustls_dist_crl_world:stop(Config).

init_per_testcase(Case, Config) ->
    [{'case', Case} | Config].

end_per_testcase(_Case, _Config) ->
    ok.

%% crl_check -------------------------------------------------------------------------------------------------

check_true(Config) ->
    Node = checking(Config, #{crl_check => true, crlfile => pki(Config, lists)}),
    joins(Node, peer(Config, good)),
    refused(Node, peer(Config, bad), "CN=bad: a certificate of the chain is revoked"),
    ?assertEqual({certificate_revoked, certificate_revoked}, both(Config, Node, pki(Config, bad))),
    ?assertEqual({certificate_revoked, certificate_revoked}, both(Config, Node, pki(Config, below))),
    refused(Node, peer(Config, below), "CN=below: a certificate of the chain is revoked").

check_peer(Config) ->
    Node = checking(Config, #{crl_check => peer, crlfile => pki(Config, lists)}),
    joins(Node, peer(Config, below)),
    refused(Node, peer(Config, bad), "is revoked"),
    ?assertEqual({certificate_revoked, certificate_revoked}, both(Config, Node, pki(Config, bad))).

check_best_effort(Config) ->
    Node = checking(Config, #{crl_check => best_effort, crlfile => pki(Config, lists)}),
    joins(Node, peer(Config, good)),
    refused(Node, peer(Config, bad), "is revoked"),
    refused(Node, peer(Config, below), "is revoked"),
    ?assertEqual({certificate_revoked, certificate_revoked}, both(Config, Node, pki(Config, below))).

check_false(Config) ->
    Node = checking(Config, #{crl_check => false, crlfile => pki(Config, lists)}),
    joins(Node, peer(Config, bad)),
    joins(Node, peer(Config, below)).

%% There is a list, but of another issuer.
missing_list(Config) ->
    Other = pki(Config, middle_list),
    BestEffort = checking(Config, #{crl_check => best_effort, crlfile => Other}),
    joins(BestEffort, peer(Config, good)),
    joins(BestEffort, peer(Config, bad)),
    True = checking(Config, #{crl_check => true, crlfile => Other}),
    refused(True, peer(Config, good), "CN=good: whether a certificate of the chain is revoked cannot be told"),
    ?assertEqual({bad_certificate, bad_certificate}, both(Config, True, pki(Config, good))),
    ?assertMatch([{bad_certificate, bad_certificate}, {bad_certificate, bad_certificate}, {joined, joined},
                  {joined, joined}],
                 [judged(Config, Cert, Check, [{rustls_dist_crl_file, Other}])
                  || {Cert, Check} <- [{good, peer}, {below, true}, {below, peer}, {below, best_effort}]]).

%% A list that is out of date is none.
stale_list(Config) ->
    Stale = rustls_dist_crls:list(pki(Config, dir), pki(Config, root), "stale",
                                  #{days => {-10, -1}, revoked => certs([pki(Config, bad)])}),
    Node = checking(Config, #{crl_check => true, crlfile => Stale}),
    refused(Node, peer(Config, good), "cannot be told"),
    ?assertMatch([{bad_certificate, bad_certificate}, {bad_certificate, bad_certificate}, {joined, joined}],
                 [judged(Config, Cert, Check, [{rustls_dist_crl_file, Stale}])
                  || {Cert, Check} <- [{good, peer}, {bad, true}, {bad, best_effort}]]).

%% files -----------------------------------------------------------------------------------------------------

hash_dir(Config) ->
    Dir = filename:join(pki(Config, dir), "hashed"),
    ok = filelib:ensure_dir(filename:join(Dir, "x")),
    [{ok, _} = file:copy(List, filename:join(Dir, rustls_dist_crls:hash_name(List) ++ ".r0"))
     || List <- [pki(Config, root_list), pki(Config, middle_list)]],
    Node = checking(Config, #{crl_check => true, crl_cache => {ssl_crl_hash_dir, {internal, [{dir, Dir}]}}}),
    joins(Node, peer(Config, good)),
    refused(Node, peer(Config, bad), "is revoked"),
    refused(Node, peer(Config, below), "is revoked"),
    Nowhere = {ssl_crl_hash_dir, {internal, [{dir, "/nonexistent"}]}},
    Empty = checking(Config, #{crl_check => peer, crl_cache => Nowhere}),
    ?assertEqual({bad_certificate, bad_certificate}, both(Config, Empty, pki(Config, good))).

%% While the node runs: nobody revoked, then `good'; a file that cannot be used; none at all; and the first one again.
file_read_again(Config) ->
    #{dir := Dir, root := Root, good := Good} = proplists:get_value(pki, Config),
    File = filename:join(Dir, "changing.pem"),
    Before = rustls_dist_crls:list(Dir, Root, "before", #{}),
    After = rustls_dist_crls:list(Dir, Root, "after", #{revoked => certs([Good])}),
    {ok, _} = file:copy(Before, File),
    Node = checking(Config, #{crl_check => true, crlfile => File}),
    joins(Node, peer(Config, good)),
    {ok, _} = file:copy(After, File),
    refused(Node, peer(Config, good), "is revoked"),
    ok = file:write_file(File, "-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n"),
    [?assertEqual({bad_certificate, bad_certificate}, both(Config, Node, Good)) || _ <- [1, 2]],
    _ = rustls_dist_cluster:await_log(Node, "changing.pem are not available: it cannot be parsed"),
    ok = file:delete(File),
    [?assertEqual({bad_certificate, bad_certificate}, both(Config, Node, Good)) || _ <- [1, 2]],
    _ = rustls_dist_cluster:await_log(Node, "changing.pem are not available: no such file"),
    ok = file:write_file(File, rustls_dist_crls:der(Before)),
    joins(Node, peer(Config, good)),
    {match, Notices} = re:run(rustls_dist_cluster:log(Node), "changing.pem are not available", [global]),
    ?assertEqual(2, length(Notices)).

%% Of the lists in one file each serves its issuer, whatever the order.
file_of_many(Config) ->
    InOrder = pki(Config, lists),
    Reversed = rustls_dist_certs:concat(filename:join(pki(Config, dir), "reversed.pem"),
                                        [pki(Config, middle_list), pki(Config, root_list)]),
    [?assertEqual([{joined, joined}, {certificate_revoked, certificate_revoked}, {joined, joined}],
                  [judged(Config, Name, Check, [{rustls_dist_crl_file, File}])
                   || {Name, Check} <- [{good, true}, {bad, true}, {below, peer}]])
     || File <- [InOrder, Reversed]].

%% a user's module -------------------------------------------------------------------------------------------

%% OTP's ssl, with the same option and the same chain, makes the same calls.
users_module(Config) ->
    Cert = pointing(Config, "probed", "http://127.0.0.1:1/nothing"),
    Lists = [pki(Config, root_list), pki(Config, middle_list)],
    Handle = {Lists, record(Config, "ours")},
    Node = checking(Config, #{crl_check => true, crl_cache => {rustls_dist_crl_probe, Handle}}),
    Below = pki(Config, below),
    ?assertEqual({joined, joined}, both(Config, Node, Cert)),
    ?assertEqual({certificate_revoked, certificate_revoked}, both(Config, Node, Below)),
    ?assertEqual({certificate_revoked, certificate_revoked}, both(Config, Node, pki(Config, bad))),
    %% Each chain was judged twice, once in each direction.
    Ssl = {rustls_dist_crl_probe, {Lists, record(Config, "ssls")}},
    [ssl_checks(Config, Peer, Ssl) || Peer <- [Cert, Cert, Below, Below, pki(Config, bad), pki(Config, bad)]],
    Ours = [call(Call) || Call <- rustls_dist_crl_probe:calls(record(Config, "ours"))],
    ?assertEqual([call(Call) || Call <- rustls_dist_crl_probe:calls(record(Config, "ssls"))], Ours),
    ?assertMatch([{lookup, [#'DistributionPoint'{}, {rdnSequence, _}, {Lists, _}]} | _], Ours),
    ?assertMatch([_ | _], [Call || {select, [{rdnSequence, _}, {Given, _}]} = Call <- Ours, Given =:= Lists]).

%% The record's name is the one thing that differs.
call({Function, Arguments}) ->
    {Function, [case Argument of
                    {Lists, Record} when is_list(Lists), is_list(Record) -> {Lists, record};
                    _ -> Argument
                end || Argument <- Arguments]}.

users_module_freshens(Config) ->
    #{dir := Dir, root := Root, bad := Bad, good := Good} = proplists:get_value(pki, Config),
    Stale = rustls_dist_crls:list(Dir, Root, "probe_stale", #{days => {-10, -1}}),
    Record = record(Config, "freshening"),
    Node = checking(Config, #{crl_check => true, crl_cache => {rustls_dist_crl_probe, {[Stale], Record}}},
                    rustls_dist_crl_probe:env(Record, pki(Config, root_list))),
    ?assertEqual({joined, joined}, both(Config, Node, Good)),
    ?assertEqual({certificate_revoked, certificate_revoked}, both(Config, Node, Bad)),
    Der = rustls_dist_crls:der(Stale),
    ?assertMatch([{Der, #'CertificateList'{}} | _],
                 [Crl || {fresh_crl, [#'DistributionPoint'{}, Crl]} <- rustls_dist_crl_probe:calls(Record)]).

%% The log names the module that failed, and its function: this one has nowhere to write down its calls.
users_module_fails(Config) ->
    Node = checking(Config, #{crl_check => true, crl_cache => {rustls_dist_crl_probe, {[], "/nowhere/calls"}}}),
    refused(Node, peer(Config, good),
            "the source of revocation lists rustls_dist_crl_probe failed in (lookup|select): {badmatch,{error,enoent}}"),
    ?assertEqual({certificate_unknown, certificate_unknown}, both(Config, Node, pki(Config, good))).

%% public_key crashes on some of these. A list that cannot be read tells nothing, and does not take others with it.
malformed_lists(Config) ->
    #{root := #{key := Key}, root_list := RootList} = proplists:get_value(pki, Config),
    Der = rustls_dist_crls:der(RootList),
    Lists = [rustls_dist_crls:without_next_update(RootList, Key), <<"garbage">>, <<>>, binary:part(Der, 0, 100),
             bad_extension(Der)],
    [?assertEqual([{bad_certificate, bad_certificate}, {joined, joined}, {certificate_revoked, certificate_revoked},
                   {joined, joined}],
                  [judged(Config, Name, Check, [{?MODULE, Given}])
                   || {Name, Check, Given} <- [{good, true, [List]}, {good, best_effort, [List]},
                                               {bad, best_effort, [List, Der]}, {good, true, [Der, List]}]])
     || List <- Lists],
    ?assertMatch({error, _}, rustls_dist_crl_lists:parse(<<"-----BEGIN X509 CRL-----\n">>)),
    [?assertMatch({error, _}, rustls_dist_crl_lists:parse(List)) || List <- lists:sublist(Lists, 4)].

%% A list whose distribution point extension is rubbish.
bad_extension(Der) ->
    #'CertificateList'{tbsCertList = Tbs} = List = public_key:der_decode('CertificateList', Der),
    Bad = #'Extension'{extnID = ?'id-ce-issuingDistributionPoint', critical = true, extnValue = <<1, 2, 3>>},
    public_key:der_encode('CertificateList',
                          List#'CertificateList'{tbsCertList = Tbs#'TBSCertList'{crlExtensions = [Bad]}}).

%% An old list that is still valid does not hide what its successor revokes, in whatever order, from whatever source.
several_lists(Config) ->
    #{dir := Dir, root := Root, root_list := New} = proplists:get_value(pki, Config),
    Old = rustls_dist_crls:list(Dir, Root, "old_list", #{days => {-2, 20}}),
    [A, B] = [rustls_dist_crls:der(File) || File <- [Old, New]],
    Both = rustls_dist_certs:concat(filename:join(Dir, "old_and_new.pem"), [Old, New]),
    [?assertEqual({{certificate_revoked, certificate_revoked}, {joined, joined}},
                  {judged(Config, bad, peer, Sources), judged(Config, good, peer, Sources)})
     || Sources <- [[{?MODULE, [A, B]}], [{?MODULE, [B, A]}], [{?MODULE, [A]}, {?MODULE, [B]}],
                    [{?MODULE, [B]}, {?MODULE, [A]}], [{rustls_dist_crl_file, Both}],
                    [{rustls_dist_crl_file, New}, {?MODULE, [A]}]]].

%% this module as a source of lists: the handle is the lists.
lookup(_Point, _Issuer, Ders) -> Ders.
select(_Issuer, Ders) -> Ders.
fresh_crl(_Point, Crl) -> Crl.
