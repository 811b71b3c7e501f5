%% Revocation lists fetched over HTTP, from a server that gives good and bad answers, on real links and of the store that holds
%% them (issue 3, point 3). Slow: what is bounded in time is waited for.
-module(rustls_dist_crl_http_SUITE).

-include_lib("stdlib/include/assert.hrl").
-include_lib("public_key/include/public_key.hrl").

-import(rustls_dist_crl_world, [authority/1, both/3, certs/1, checking/2, count/2, fetch/2, fetching/2, fetching/3, fetching/4, forged/1,
                                joins/2, node/5, pem/1, pki/2, pointing/3, refused/3, serve/3, uri/2,
                                with_store/1]).

-export([all/0, suite/0, init_per_suite/1, end_per_suite/1, init_per_testcase/2, end_per_testcase/2]).
-export([http/1, http_not_asked_for/1, http_bad_answers/1, http_recovers/1, http_fetched_once/1, http_next_update/1]).
-export([http_limits/1, http_over_ipv6/1, http_dead_server/1, store_is_bounded/1, points_without_http/1, http_hosts/1]).
-export([log/2]).

suite() ->
    [{timetrap, {minutes, 3}}].

all() ->
    [http, http_not_asked_for, http_bad_answers, http_recovers, http_fetched_once, http_next_update,
     http_limits, http_over_ipv6, http_dead_server, store_is_bounded, points_without_http, http_hosts].

init_per_suite(Config) ->
    rustls_dist_crl_world:start(Config).

end_per_suite(Config) ->
    rustls_dist_crl_world:stop(Config).

init_per_testcase(Case, Config) ->
    [{'case', Case} | Config].

end_per_testcase(http_dead_server, _Config) ->
    _ = logger:remove_handler(?MODULE),
    ok;
end_per_testcase(_Case, _Config) ->
    ok.

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

%% Whoever has a certificate made does not choose which servers this node sends requests to: an internal one is asked where it
%% is listed, by the name that the certificate has for it.
http_hosts(Config) ->
    "127.0.0.1:" ++ Port = Listed = authority(uri(Config, "")),
    ByName = "localhost:" ++ Port,
    [begin
         Path = lists:concat(["/host", N]),
         serve(Config, Path, {body, rustls_dist_crls:der(pki(Config, root_list))}),
         Cert = pointing(Config, lists:concat(["host", N]), "http://" ++ Host ++ Path),
         Node = fetching(Config, true, 2000, Allowed),
         ?assertEqual({N, Outcome}, {N, both(Config, Node, Cert)}),
         case Said of
             asked -> ?assertEqual(Host, rustls_dist_http_server:host(proplists:get_value(server, Config), Path));
             _ -> _ = rustls_dist_cluster:await_log(Node, [Path, " are not available: ", Said]),
                  ?assertEqual(0, count(Config, Path))
         end
     end || {N, Allowed, Host, Outcome, Said} <-
            [{1, [], Listed, {bad_certificate, bad_certificate}, "port " ++ Port ++ " is asked only where it is listed"},
             {2, [ByName], Listed, {bad_certificate, bad_certificate}, Listed ++ " is not one of allowed_hosts in crl_cache"},
             {3, ["crl.example", ByName], ByName, {joined, joined}, asked}]],
    Inside = pointing(Config, "inside", "http://127.0.0.1:8080/inside"),
    Node = fetching(Config, true, 2000, []),
    ?assertEqual({bad_certificate, bad_certificate}, both(Config, Node, Inside)),
    _ = rustls_dist_cluster:await_log(Node, "127.0.0.1 is an internal address, which is asked only where it is listed").

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
    Keys = [rpc:async_call(node(), rustls_dist_crl_world, dial, [rustls_dist_cluster:listening_port(Node), Cert])
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
         {Us, Result} = timer:tc(rustls_dist_crl_http, load, [uri(Config, Path), [authority(uri(Config, Path))], TimeoutMs, 1]),
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
    Uri = rustls_dist_http_server:uri(Server, "/list"),
    ?assertMatch({ok, [_], _}, rustls_dist_crl_http:load(Uri, [authority(Uri)], 2000, 1)),
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
        ?assertMatch([_], rustls_dist_crl_cache:lookup(Point, none, [{http, 1000},
                                                                      {allowed_hosts, [authority(uri(Config, ""))]}]))
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
        Callers = [spawn_link(fun() -> Self ! {done, rustls_dist_crl_store:lists({{http, []}, N}, none, Load, 20000)} end)
                   || N <- lists:seq(1, 150)],
        Results = drive(length(Callers), []),
        ?assertEqual(100, length([ok || {ok, []} <- Results])),
        ?assertEqual(50, length([refused || {error, _} <- Results])),
        [Kept | _] = held(),
        ?assertEqual(100, length(held())),
        %% What is used stays when what was used least makes room.
        New = lists:seq(1001, 1099),
        [{ok, []} = rustls_dist_crl_store:lists({{http, []}, N}, none, fun(_Slot) -> Loaded end, 5000)
         || Next <- New, {N, Loaded} <- [{Kept, {error, "asked for again"}}, {Next, {ok, [], infinity}}]],
        ?assertEqual([Kept | New], held())
    end).

%% The addresses that the store of this node remembers.
held() ->
    {state, Entries, _, _, _, _} = sys:get_state(rustls_dist_crl_store),
    lists:sort([Address || {{http, []}, Address} <- maps:keys(Entries)]).

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

