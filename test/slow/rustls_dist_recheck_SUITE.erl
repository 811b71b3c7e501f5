%% recheck: the peer of a link that is up is judged again, by what holds now. Links that no longer pass are closed and do not come
%% back; those of which nothing can be told stay, and so do all where recheck is off.
%%
%% Three nodes judge every second: Plain by authorities alone, Strict with verify_fun, revocation lists and verify_node, Pinned by
%% fingerprints. Two others are their peers: Guest, which judges nobody again, and Brief, whose certificate will expire.
-module(rustls_dist_recheck_SUITE).

-include_lib("stdlib/include/assert.hrl").

-export([all/0, suite/0, init_per_suite/1, end_per_suite/1, init_per_testcase/2]).
-export([expired/1, revoked/1, lists_fail/1, verify_fun_changes_its_mind/1, verify_fun_crashes/1, verify_node_is_set/1, unpinned/1,
         pins_are_gone/1, authority_is_removed/1]).

-define(BRIEF_SECONDS, 5).
-define(NO_AUTO_CONNECT, ["-connect_all", "false", "-kernel", "dist_auto_connect", "never"]).

suite() ->
    [{timetrap, {minutes, 2}}].

all() ->
    [expired, revoked, lists_fail, verify_fun_changes_its_mind, verify_fun_crashes, verify_node_is_set, unpinned, pins_are_gone,
     authority_is_removed].

init_per_suite(Config) ->
    {Keeper, World} = rustls_dist_cluster:keep(fun start/0),
    [{keeper, Keeper}, {world, World} | Config].

start() ->
    Cluster = rustls_dist_cluster:new(),
    Dir = rustls_dist_cluster:dir(Cluster),
    [#{cert := CaFile} = Ca, #{cert := OtherFile} = Other] = [rustls_dist_certs:ca(Dir, Name) || Name <- ["ca", "other"]],
    Both = rustls_dist_certs:concat(filename:join(Dir, "both.pem"), [CaFile, OtherFile]),
    Own = rustls_dist_certs:concat(filename:join(Dir, "plain_ca.pem"), [CaFile, OtherFile]),
    [Guest, Brief, Strict, Pinned] = Certs = [rustls_dist_certs:cert(Dir, Ca, Name, #{})
                                             || Name <- ["guest", "brief", "strict", "pinned"]],
    Plain = rustls_dist_certs:cert(Dir, Other, "plain", #{}),
    Opinion = filename:join(Dir, "opinion"),
    ok = file:write_file(Opinion, "good"),
    Pins = filename:join(Dir, "pins"),
    ok = file:write_file(Pins, [fingerprint(Guest), "\n"]),
    List = rustls_dist_crls:list(Dir, Ca, "list", #{}),
    StrictExtra = #{recheck => 1, crl_check => peer, crlfile => List,
                    verify_fun => {rustls_dist_verdicts, as_file_says, Opinion}},
    Start = fun(Name, Cert, Extra) ->
                    Optfile = rustls_dist_cluster:optfile(Cluster, Name, rustls_dist_certs:options(Cert, Extra)),
                    rustls_dist_cluster:start(Cluster, #{optfile => Optfile, args => ?NO_AUTO_CONNECT})
            end,
    #{cluster => Cluster, dir => Dir, ca => Ca, opinion => Opinion, pins => Pins, own => Own, other_file => OtherFile,
      strict_cert => Strict, strict_extra => StrictExtra, certs => Certs,
      guest => Start("guest", Guest#{ca => Both}, #{}),
      brief => Start("brief", Brief#{ca => Both}, #{}),
      plain => Start("plain", Plain#{ca => Own}, #{recheck => 1}),
      strict => Start("strict", Strict, StrictExtra),
      pinned => Start("pinned", Pinned, #{recheck => 1, verify_fun => {rustls_dist, verify_pinned, Pins}})}.

end_per_suite(Config) ->
    #{cluster := Cluster} = world(Config),
    ok = rustls_dist_cluster:stop(Cluster),
    rustls_dist_cluster:release(proplists:get_value(keeper, Config)).

init_per_testcase(_Case, Config) ->
    [ok = rustls_dist_reports:collect(node(Config, Name)) || Name <- [guest, brief, plain, strict, pinned]],
    Config.

%% In both roles, and with a function and without. Who does not judge again keeps the link.
expired(Config) ->
    #{dir := Dir, ca := Ca} = world(Config),
    [Brief, Guest, Plain, Strict] = [node(Config, Name) || Name <- [brief, guest, plain, strict]],
    _ = rustls_dist_certs:short_cert(Dir, Ca, "brief", ?BRIEF_SECONDS, #{}),
    {ok, [_ | _]} = rustls_dist_cluster:call(Brief, rustls_dist, reload, []),
    ok = rustls_dist_cluster:join(Brief, Plain),
    ok = rustls_dist_cluster:join(Strict, Brief),
    ok = rustls_dist_cluster:join(Brief, Guest),
    closed(Plain, Brief, "expired"),
    closed(Strict, Brief, "expired"),
    ?assert(rustls_dist_cluster:connected(Guest, Brief)),
    ?assertMatch([{_, #{facts := Facts}}] when not is_map_key(peer_chain, Facts),
                 rustls_dist_cluster:call(Guest, rustls_dist_links, known, [])),
    ok = rustls_dist_cluster:part(Guest, Brief).

%% On a link that is busy in both directions.
revoked(Config) ->
    #{dir := Dir, ca := Ca, certs := [#{cert := Guest} | _]} = world(Config),
    {A, B} = joined(Config, strict),
    [ok = rustls_dist_cluster:call(From, rustls_dist_workload, start_traffic, [rustls_dist_cluster:name(To)])
     || {From, To} <- [{A, B}, {B, A}]],
    _ = rustls_dist_crls:list(Dir, Ca, "list", #{revoked => [Guest]}),
    closed(A, B, "is revoked"),
    _ = rustls_dist_crls:list(Dir, Ca, "list", #{}).

%% The list goes, comes back, and goes again.
lists_fail(Config) ->
    #{dir := Dir, ca := Ca} = world(Config),
    {A, B} = joined(Config, strict),
    [begin
         ok = file:delete(filename:join(Dir, "list.crl")),
         doubted(A, B, Times, "whether a certificate of the chain is revoked cannot be told"),
         _ = rustls_dist_crls:list(Dir, Ca, "list", #{}),
         decided(A)
     end || Times <- [1, 2]],
    ok = rustls_dist_cluster:part(A, B).

verify_fun_changes_its_mind(Config) ->
    #{opinion := Opinion} = world(Config),
    {A, B} = joined(Config, strict),
    ok = file:write_file(Opinion, "bad"),
    closed(A, B, "not_today"),
    ok = file:write_file(Opinion, "good").

verify_fun_crashes(Config) ->
    #{opinion := Opinion} = world(Config),
    {A, B} = joined(Config, strict),
    ok = file:write_file(Opinion, "whatever"),
    doubted(A, B, 1, "verify_fun rustls_dist_verdicts:as_file_says"),
    ok = file:write_file(Opinion, "good"),
    decided(A),
    ?assert(rustls_dist_cluster:connected(A, B)),
    ok = rustls_dist_cluster:part(A, B).

%% An option that was not set when the link came up.
verify_node_is_set(Config) ->
    #{cluster := Cluster, strict_cert := Cert, strict_extra := Extra} = world(Config),
    {A, B} = joined(Config, strict),
    Write = fun(More) -> rustls_dist_cluster:optfile(Cluster, "strict", rustls_dist_certs:options(Cert, maps:merge(Extra, More))) end,
    _ = Write(#{verify_node => name}),
    {ok, [_]} = rustls_dist_cluster:call(A, rustls_dist, reload, []),
    closed(A, B, "verify_node name"),
    _ = Write(#{}),
    {ok, [_]} = rustls_dist_cluster:call(A, rustls_dist, reload, []).

unpinned(Config) ->
    #{pins := Pins, certs := [Guest, Other | _]} = world(Config),
    {A, B} = joined(Config, pinned),
    ok = replace(Pins, [fingerprint(Other), "\n"]),
    closed(A, B, "is not among the pinned ones"),
    ok = replace(Pins, [fingerprint(Guest), "\n"]).

pins_are_gone(Config) ->
    #{pins := Pins, certs := [Guest | _]} = world(Config),
    {A, B} = joined(Config, pinned),
    ok = file:delete(Pins),
    doubted(A, B, 1, "the pinned fingerprints cannot be used"),
    ok = replace(Pins, [fingerprint(Guest), "\n"]),
    decided(A),
    ok = rustls_dist_cluster:part(A, B).

authority_is_removed(Config) ->
    #{own := Own, other_file := Other} = world(Config),
    {A, B} = joined(Config, plain),
    {ok, Pem} = file:read_file(Other),
    ok = replace(Own, Pem),
    {ok, [_]} = rustls_dist_cluster:call(A, rustls_dist, reload, []),
    closed(A, B, "unknown|issuer|cacertfile").

%% -----------------------------------------------------------------------------------------------------------

%% Judge and Guest.
joined(Config, Judge) ->
    {A, B} = {node(Config, Judge), node(Config, guest)},
    ok = rustls_dist_cluster:join(A, B),
    {A, B}.

%% The one link of A was judged since, and begun with since.
decided(A) ->
    Before = rustls_dist_cluster:call(A, erlang, monotonic_time, [second]),
    rustls_dist_cluster:poll(fun() ->
                                     {state, Last, _Doubted, _Queue, Judging} =
                                         rustls_dist_cluster:call(A, sys, get_state, [rustls_dist_recheck]),
                                     Judging =:= none andalso [true] =:= [Second > Before || Second <- maps:values(Last)]
                             end).

%% The judge says why, both lose the link, its peer is told that it was for its certificate, and the next attempt fails as well.
closed(Judge, Peer, Why) ->
    rustls_dist_cluster:poll(fun() -> not rustls_dist_cluster:connected(Judge, Peer) end),
    rustls_dist_cluster:poll(fun() -> not rustls_dist_cluster:connected(Peer, Judge) end),
    [#{line := Line, reason := {rechecked, _}, direction := established, stage := certificate}] =
        [Report || #{event := link_failed, direction := established} = Report <- rustls_dist_reports:all(Judge)],
    ct:pal("~ts", [Line]),
    %% Attempts of the VM's own to come back are failures of another kind.
    [#{line := Heard, reason := {tls_alert, {46, certificate_unknown}}}] =
        rustls_dist_cluster:poll(fun() ->
                                         Name = rustls_dist_cluster:name(Judge),
                                         Reports = [Report || #{event := Event, direction := established, node := Node} = Report
                                                                  <- rustls_dist_reports:all(Peer),
                                                              Node =:= Name, lists:member(Event, [link_failed, link_ended])],
                                         Reports =/= [] andalso Reports
                                 end),
    ?assertMatch({match, _}, re:run(Heard, "^rustls_dist: link to .* the peer .*it does not accept this node's certificate"), Heard),
    ?assertMatch({match, _}, re:run(Line, "^rustls_dist: link to .* broke at certificate verification: "
                                          "its certificate no longer passes \\(recheck\\): .*(" ++ Why ++ ")"), Line),
    ?assertEqual(false, rustls_dist_cluster:call(Peer, net_kernel, connect_node, [rustls_dist_cluster:name(Judge)])),
    ?assertNot(rustls_dist_cluster:connected(Judge, Peer)).

%% So often it is said, however often it is looked at, and the link stays.
doubted(Judge, Peer, Times, Why) ->
    Lines = fun() -> [Line || #{event := recheck_undecided, line := Line} <- rustls_dist_reports:all(Judge)] end,
    rustls_dist_cluster:poll(fun() -> length(Lines()) =:= Times end),
    decided(Judge),
    [Line | _] = Said = Lines(),
    ct:pal("~ts", [Line]),
    ?assertEqual(Times, length(Said)),
    ?assertMatch({match, _}, re:run(Line, "cannot be judged again \\(recheck\\): .*" ++ Why ++ ".*the link stays"), Line),
    ?assert(rustls_dist_cluster:connected(Judge, Peer)).

fingerprint(#{cert := File}) ->
    os:cmd("openssl x509 -noout -fingerprint -sha256 -in " ++ File).

replace(File, Contents) ->
    ok = file:write_file(File ++ ".tmp", Contents),
    file:rename(File ++ ".tmp", File).

world(Config) -> proplists:get_value(world, Config).
node(Config, Name) -> maps:get(Name, world(Config)).
