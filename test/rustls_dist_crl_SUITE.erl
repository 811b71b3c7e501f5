%% Revocation lists: crl_check with each of its values and lists from each source, on real links and against peers
%% played with OTP's ssl, which tell the alert they got. In both directions: `dial' is a client that the node checks,
%% `answer' a server that the node checks (issue 3, point 3).
-module(rustls_dist_crl_SUITE).

-include_lib("stdlib/include/assert.hrl").
-include_lib("public_key/include/public_key.hrl").

-export([all/0, suite/0, init_per_suite/1, end_per_suite/1, init_per_testcase/2, end_per_testcase/2]).
-export([check_true/1, check_peer/1, check_best_effort/1, check_false/1, missing_list/1, stale_list/1]).
-export([hash_dir/1, file_read_again/1, file_of_many/1, users_module/1, users_module_freshens/1]).
-export([http/1, http_not_asked_for/1, http_bad_answers/1, http_recovers/1, http_fetched_once/1, http_next_update/1]).
-export([http_limits/1, http_over_ipv6/1, http_dead_server/1, store_is_bounded/1, points_without_http/1]).
-export([malformed_lists/1, several_lists/1]).
-export([dial/2, log/2, lookup/3, select/2, fresh_crl/2]).

suite() ->
    [{timetrap, {minutes, 3}}].

all() ->
    [check_true, check_peer, check_best_effort, check_false, missing_list, stale_list,
     hash_dir, file_read_again, file_of_many, users_module, users_module_freshens,
     http, http_not_asked_for, http_bad_answers, http_recovers, http_fetched_once, http_next_update,
     http_limits, http_over_ipv6, http_dead_server, store_is_bounded, points_without_http,
     malformed_lists, several_lists].

%% `bad' is revoked, and so is `middle', the authority of `below'.
init_per_suite(Config) ->
    {ok, Applications} = application:ensure_all_started(ssl),
    {Keeper, {Cluster, Server, Pki, Peers}} = rustls_dist_cluster:keep(fun start/0),
    [{keeper, Keeper}, {applications, Applications}, {cluster, Cluster}, {server, Server}, {pki, Pki}, {peers, Peers} | Config].

start() ->
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

end_per_suite(Config) ->
    ok = rustls_dist_cluster:stop(proplists:get_value(cluster, Config)),
    rustls_dist_cluster:release(proplists:get_value(keeper, Config)),
    lists:foreach(fun application:stop/1, lists:reverse(proplists:get_value(applications, Config))).

init_per_testcase(Case, Config) ->
    [{'case', Case} | Config].

end_per_testcase(http_dead_server, _Config) ->
    _ = logger:remove_handler(?MODULE),
    ok;
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

%% HTTP ------------------------------------------------------------------------------------------------------

http(Config) ->
    Good = pointing(Config, "web_good", uri(Config, "/http")),
    Bad = pointing(Config, "web_bad", uri(Config, "/http")),
    List = rustls_dist_crls:list(pki(Config, dir), pki(Config, root), "web_list", #{revoked => certs([Bad])}),
    serve(Config, "/http", {body, rustls_dist_crls:der(List)}),
    Node = fetching(Config, true),
    GoodPeer = node(proplists:get_value(cluster, Config), "web_good", Good, #{}, []),
    BadPeer = node(proplists:get_value(cluster, Config), "web_bad", Bad, #{}, []),
    joins(Node, GoodPeer),
    refused(Node, BadPeer, "CN=web_bad: a certificate of the chain is revoked"),
    ?assertEqual({certificate_revoked, certificate_revoked}, both(Config, Node, Bad)),
    %% The list is held until its nextUpdate.
    ?assertEqual(1, count(Config, "/http")),
    %% A certificate without distribution points finds the held lists of its issuer.
    ?assertEqual({joined, joined}, both(Config, Node, pki(Config, good))),
    ?assertEqual(1, count(Config, "/http")),
    %% Nothing of the client stays.
    ?assertEqual(undefined, rustls_dist_cluster:call(Node, erlang, whereis, [inets_sup])),
    ?assertEqual([], [Table || Table <- rustls_dist_cluster:call(Node, ets, all, []), is_httpc_table(Table)]).

is_httpc_table(Table) ->
    is_atom(Table) andalso lists:prefix("httpc", atom_to_list(Table)).

%% As with ssl_crl_cache, it takes {http, TimeoutMs} for anything to be fetched.
http_not_asked_for(Config) ->
    Cert = pointing(Config, "unasked", uri(Config, "/unasked")),
    serve(Config, "/unasked", {body, rustls_dist_crls:der(pki(Config, root_list))}),
    [begin
         Node = checking(Config, Options#{crl_check => true}),
         ?assertEqual({bad_certificate, bad_certificate}, both(Config, Node, Cert))
     end || Options <- [#{}, #{crl_cache => {ssl_crl_cache, {internal, []}}}]],
    ?assertEqual(0, count(Config, "/unasked")).

%% None of these lists tells anything, and none takes more than its time.
http_bad_answers(Config) ->
    #{dir := Dir, root := Root, middle_key := MiddleKey} = proplists:get_value(pki, Config),
    Der = rustls_dist_crls:der(pki(Config, root_list)),
    Stale = rustls_dist_crls:der(rustls_dist_crls:list(Dir, Root, "web_stale", #{days => {-10, -1}})),
    Answers = [{"stale", {body, Stale}}, {"forged", {body, forged(Config)}}, {"huge", {huge, 20000000}},
               {"endless", {endless, 200}}, {"dripping", dripping}, {"silent", silent},
               {"garbage", {body, <<"no list at all">>}}, {"gone", {status, 404, [], Der}},
               {"timeless", {body, rustls_dist_crls:without_next_update(pki(Config, root_list), MiddleKey)}}],
    Node = fetching(Config, true),
    BestEffort = fetching(Config, best_effort),
    [begin
         Cert = pointing(Config, "web_" ++ Name, uri(Config, "/" ++ Name)),
         serve(Config, "/" ++ Name, Answer),
         ?assertEqual({Name, {bad_certificate, bad_certificate}}, {Name, both(Config, Node, Cert)}),
         ?assertEqual({Name, {joined, joined}}, {Name, both(Config, BestEffort, Cert)})
     end || {Name, Answer} <- Answers],
    _ = rustls_dist_cluster:await_log(Node, "CN=web_forged: whether a certificate of the chain is revoked cannot be"),
    [_ = rustls_dist_cluster:await_log(Node, ["/", Name, " are not available: ", Why])
     || {Name, Why} <- [{"huge", "the server's answer is longer than 1048576 bytes"},
                        {"endless", "the server's answer is longer than 1048576 bytes"},
                        {"dripping", "the server's answer did not end in time"},
                        {"silent", "the server's answer did not end in time"},
                        {"garbage", "it cannot be parsed"}, {"gone", "the server answered with status 404"}]].

%% A wrongly signed list says that it is valid for a month. Even so it does not keep the right one away.
http_recovers(Config) ->
    Cert = pointing(Config, "recovering", uri(Config, "/recovering")),
    serve(Config, "/recovering", {body, forged(Config)}),
    Node = fetching(Config, true),
    ?assertEqual({bad_certificate, bad_certificate}, both(Config, Node, Cert)),
    serve(Config, "/recovering", {body, rustls_dist_crls:der(pki(Config, root_list))}),
    rustls_dist_cluster:poll(fun() -> both(Config, Node, Cert) =:= {joined, joined} end).

%% Handshakes that all need a list that is under way share one request.
http_fetched_once(Config) ->
    Cert = pointing(Config, "together", uri(Config, "/together")),
    serve(Config, "/together", {held, {body, rustls_dist_crls:der(pki(Config, root_list))}}),
    Node = fetching(Config, true, 10000),
    Handshakes = 16,
    Keys = [rpc:async_call(node(), ?MODULE, dial, [rustls_dist_cluster:listening_port(Node), Cert])
            || _ <- lists:seq(1, Handshakes)],
    rustls_dist_cluster:poll(fun() -> waiting(Node) =:= Handshakes end),
    ok = rustls_dist_http_server:release(proplists:get_value(server, Config), "/together"),
    ?assertEqual([joined || _ <- Keys], [rpc:yield(Key) || Key <- Keys]),
    ?assertEqual(1, count(Config, "/together")).

waiting(Node) ->
    {state, _Entries, Callers, _Running, _Queue, _Free} =
        rustls_dist_cluster:call(Node, sys, get_state, [rustls_dist_crl_store]),
    lists:sum([length(Froms) || Froms <- maps:values(Callers)]).

%% Fetched again when nextUpdate has come.
http_next_update(Config) ->
    with_store(fun() ->
        #{dir := Dir, root := Root} = proplists:get_value(pki, Config),
        List = rustls_dist_crls:list(Dir, Root, "soon", #{revoked => [], seconds => 8}),
        {ok, _, NextUpdate} = rustls_dist_crl_lists:parse(rustls_dist_crls:der(List)),
        serve(Config, "/soon", {body, rustls_dist_crls:der(List)}),
        [?assertMatch([_], fetch(uri(Config, "/soon"), 2000)) || _ <- lists:seq(1, 10)],
        ?assertEqual(1, count(Config, "/soon")),
        rustls_dist_cluster:poll(fun() -> erlang:system_time(second) >= NextUpdate end),
        [?assertMatch([_], fetch(uri(Config, "/soon"), 2000)) || _ <- lists:seq(1, 10)],
        ?assertEqual(2, count(Config, "/soon"))
    end).

%% Time and memory are bounded whatever the server does, and the client leaves nothing behind.
http_limits(Config) ->
    Der = rustls_dist_crls:der(pki(Config, root_list)),
    TimeoutMs = 1500,
    Rows = [{"/l_chunked", {chunked, Der}, ok}, {"/l_pem", {body, pem(pki(Config, lists))}, ok},
            {"/l_cookie", {status, 200, [{"Set-Cookie", "a=b"}], Der}, ok},
            {"/l_endless", {endless, 200}, "longer than"}, {"/l_endless_404", {endless, 404}, "longer than"},
            {"/l_headers", endless_headers, "longer than|too long"}, {"/l_huge", {huge, 20000000}, "longer than"},
            {"/l_dripping", dripping, "did not end in time"}, {"/l_silent", silent, "did not end in time"},
            {"/l_truncated", {truncated, Der}, "closed the connection"}, {"/l_empty", {body, <<>>}, "cannot be parsed"},
            {"/l_moved", {status, 302, [{"Location", "/l_chunked"}], <<>>}, "status 302"},
            {"/l_busy", {status, 503, [{"Retry-After", "1"}], <<>>}, ""},
            {"/l_no_list", {body, pem(maps:get(cert, pki(Config, good)))}, "no revocation list"}],
    [begin
         serve(Config, Path, Answer),
         {Us, Result} = timer:tc(rustls_dist_crl_http, load, [uri(Config, Path), TimeoutMs, 1]),
         ?assert(Us < (TimeoutMs + 1000) * 1000, {Path, Us}),
         case Expected of
             ok ->
                 ?assertMatch({ok, [_ | _], _}, Result, Path);
             _ ->
                 {error, Text} = Result,
                 ?assertMatch({match, _}, re:run(Text, Expected), {Path, unicode:characters_to_binary(Text)})
         end
     end || {Path, Answer, Expected} <- Rows],
    ?assertEqual(1, count(Config, "/l_chunked")),
    rustls_dist_cluster:poll(fun() -> clients() =:= [] end),
    ?assertEqual([], [Table || Table <- ets:all(), is_httpc_table(Table)]).

%% What httpc's processes are born as.
clients() ->
    [Pid || Pid <- processes(), {Module, _, _} <- [proc_lib:translate_initial_call(Pid)],
            lists:member(Module, [httpc_manager, httpc_handler])].

http_over_ipv6(Config) ->
    Server = rustls_dist_http_server:start({0, 0, 0, 0, 0, 0, 0, 1}),
    ok = rustls_dist_http_server:serve(Server, "/list", {body, rustls_dist_crls:der(pki(Config, root_list))}),
    ?assertMatch({ok, [_], _}, rustls_dist_crl_http:load(rustls_dist_http_server:uri(Server, "/list"), 2000, 1)),
    ok = rustls_dist_http_server:stop(Server).

%% A server that does not work is asked once for the handshakes of the next seconds. The log says so once, until that
%% changes.
http_dead_server(Config) ->
    ok = logger:add_handler(?MODULE, ?MODULE, #{config => self()}),
    with_store(fun() ->
        serve(Config, "/dying", {status, 500, [], <<>>}),
        [?assertEqual(not_available, fetch(uri(Config, "/dying"), 1000)) || _ <- lists:seq(1, 20)],
        ?assertEqual(1, count(Config, "/dying")),
        ask_until(Config, "/dying", 2),
        serve(Config, "/dying", {status, 501, [], <<>>}),
        ask_until(Config, "/dying", 3),
        ?assertEqual(["500", "501"], notices("/dying are not available: .* status (50[01])", "501", [])),
        %% Nobody listens there.
        ?assertEqual(not_available, fetch("http://127.0.0.1:1/list", 1000)),
        %% The second address of the point serves.
        serve(Config, "/second", {body, rustls_dist_crls:der(pki(Config, root_list))}),
        Point = #'DistributionPoint'{distributionPoint = {fullName, [{uniformResourceIdentifier, uri(Config, Path)}
                                                                     || Path <- ["/dying", "/second"]]}},
        ?assertMatch([_], rustls_dist_crl_cache:lookup(Point, none, [{http, 1000}]))
    end).

ask_until(Config, Path, Count) ->
    rustls_dist_cluster:poll(fun() -> fetch(uri(Config, Path), 1000), count(Config, Path) =:= Count end).

%% This module as a handler of logger, which tells the test.
log(#{msg := {report, #{text := Text}}}, #{config := Test}) -> Test ! {notice, Text};
log(_Event, _Config) -> ok.

%% What Regexp captured of the notices up to the one where it captured Last.
notices(Regexp, Last, Found) ->
    receive
        {notice, Text} ->
            case re:run(Text, Regexp, [{capture, all_but_first, list}]) of
                {match, [Last]} -> lists:reverse(Found, [Last]);
                {match, [Captured]} -> notices(Regexp, Last, [Captured | Found]);
                nomatch -> notices(Regexp, Last, Found)
            end
    after 5000 ->
        ct:fail({no_notice, Regexp, Last, Found})
    end.

%% The number of addresses that are remembered has a bound, and so has the number of fetches at a time.
store_is_bounded(_Config) ->
    with_store(fun() ->
        Self = self(),
        Load = fun(Slot) -> Self ! {slot, Slot, self()}, receive go -> {ok, [], infinity} end end,
        Callers = [spawn_link(fun() -> Self ! {done, rustls_dist_crl_store:lists({http, N}, none, Load, 20000)} end)
                   || N <- lists:seq(1, 150)],
        Results = drive(length(Callers), []),
        ?assertEqual(100, length([ok || {ok, []} <- Results])),
        ?assertEqual(50, length([refused || {error, _} <- Results])),
        [Kept | _] = held(),
        ?assertEqual(100, length(held())),
        %% What is used stays when what was used least makes room.
        New = lists:seq(1001, 1099),
        [{ok, []} = rustls_dist_crl_store:lists({http, N}, none, fun(_Slot) -> Loaded end, 5000)
         || Next <- New, {N, Loaded} <- [{Kept, {error, "asked for again"}}, {Next, {ok, [], infinity}}]],
        ?assertEqual([Kept | New], held())
    end).

%% The addresses that the store of this node remembers.
held() ->
    {state, Entries, _, _, _, _} = sys:get_state(rustls_dist_crl_store),
    lists:sort([Address || {http, Address} <- maps:keys(Entries)]).

%% Lets loads go on until all callers have their results; no two at a time have one slot, and there are 8.
drive(Callers, Results) ->
    drive(Callers, Results, []).

drive(Callers, Results, _Running) when length(Results) =:= Callers ->
    Results;
drive(Callers, Results, Running) ->
    receive
        {done, Result} ->
            drive(Callers, [Result | Results], Running);
        {slot, Slot, Pid} ->
            ?assertNot(lists:keymember(Slot, 1, Running)),
            ?assert(Slot >= 1 andalso Slot =< 8),
            drive(Callers, Results, [{Slot, Pid} | Running])
    after 500 ->
        _ = [Pid ! go || {_Slot, Pid} <- Running],
        drive(Callers, Results, [])
    end.

%% Only http addresses are asked for, as with ssl_crl_cache.
points_without_http(_Config) ->
    with_store(fun() ->
        [?assertEqual(not_available,
                      rustls_dist_crl_cache:lookup(#'DistributionPoint'{distributionPoint = Name}, none, [{http, 500}]))
         || Name <- [{fullName, [{uniformResourceIdentifier, Uri}]}
                     || Uri <- ["https://127.0.0.1:1/x", "ldap://127.0.0.1/x", "file:///etc/passwd", "httpx", "http:",
                                "", "http://127.0.0.1:1/a b", "http://127.0.0.1:1/\r\nX: y"]]
                        ++ [{fullName, [{directoryName, {rdnSequence, []}}]}, {nameRelativeToCRLIssuer, []},
                            asn1_NOVALUE]],
        ?assertEqual([], held())
    end).

%% lists -----------------------------------------------------------------------------------------------------

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
    checking(Config, #{crl_check => Check, crl_cache => {ssl_crl_cache, {internal, [{http, TimeoutMs}]}}}).

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
        {refused, 42, _} -> bad_certificate;
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
    rustls_dist_crl_cache:lookup(Point, none, [{http, TimeoutMs}]).

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
