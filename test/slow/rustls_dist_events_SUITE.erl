%% The events of a verify_fun are those of ssl: which certificate, which event, in which order, in both roles, with both
%% versions of TLS. Where they differ, they differ as rustls_dist_event_differences lists it.
-module(rustls_dist_events_SUITE).

-export([suite/0, all/0, init_per_suite/1, end_per_suite/1]).
-export([chains_have_their_faults/1, client_tls12/1, client_tls13/1, server_tls12/1, server_tls13/1,
         on_links/1, differences_are_documented/1]).

-include_lib("common_test/include/ct.hrl").
-include_lib("stdlib/include/assert.hrl").

%% A readable piece of a long sequence of events.
-define(PRINT_DEPTH, 25).

suite() ->
    [{timetrap, {minutes, 5}}].

all() ->
    [chains_have_their_faults, client_tls12, client_tls13, server_tls12, server_tls13, on_links,
     differences_are_documented].

init_per_suite(Config) ->
    ok = rustls_dist_nif:load(),
    {ok, Started} = application:ensure_all_started(ssl),
    {Keeper, Cluster} = rustls_dist_cluster:keep(fun rustls_dist_cluster:new/0),
    [{started, Started}, {keeper, Keeper}, {cluster, Cluster} | Config].

end_per_suite(Config) ->
    rustls_dist_cluster:stop(?config(cluster, Config)),
    rustls_dist_cluster:release(?config(keeper, Config)),
    lists:foreach(fun application:stop/1, lists:reverse(?config(started, Config))).

%% What makes sure that the chains are what they are called: ssl finds these faults in them, when everything is accepted.
faults() ->
    [{expired_leaf, "leaf", cert_expired},
     {expired_intermediate, "ca", cert_expired},
     {expired_root, "root", cert_expired},
     {expired_root_sent_along, "root", cert_expired},
     {not_yet_valid_leaf, "leaf", cert_expired},
     {not_yet_valid_intermediate, "ca", cert_expired},
     {not_yet_valid_root, "root", cert_expired},
     {unknown_ca, "leaf", unknown_ca},
     {unknown_ca_two_levels, "ca", unknown_ca},
     {unknown_ca_root_sent_along, "root", unknown_ca},
     {self_signed_peer, "leaf", selfsigned_peer},
     {self_signed_peer_trusted, "leaf", selfsigned_peer},
     {self_signed_authority_as_peer_trusted, "leaf", selfsigned_peer},
     {v1_leaf_self_signed, "leaf", selfsigned_peer},
     {bad_signature_leaf, "leaf", invalid_signature},
     {bad_signature_intermediate, "ca", unknown_ca},
     {bad_signature_expired_leaf, "leaf", cert_expired},
     {bad_signature_expired_leaf, "leaf", invalid_signature},
     {no_basic_constraints, "ca", missing_basic_constraint},
     {intermediate_with_ca_false, "ca", missing_basic_constraint},
     {path_length_exceeded, "leaf", max_path_length_reached},
     {changed_key_limit_exceeded, "leaf", max_path_length_reached},
     {depth_exceeded, "leaf", max_path_length_reached},
     {no_key_cert_sign, "ca", invalid_key_usage},
     {name_constraints_violated, "leaf", name_not_permitted},
     {name_constraints_excluded, "leaf", name_not_permitted},
     {revoked_leaf, "leaf", {revoked, unspecified}},
     {revoked_leaf_best_effort, "leaf", {revoked, unspecified}},
     {revoked_intermediate, "ca", {revoked, unspecified}},
     {revoked_leaf_wrong_host, "leaf", hostname_check_failed},
     {revoked_leaf_wrong_host, "leaf", {revoked, unspecified}},
     {no_list, "ca", {revocation_status_undetermined, {bad_crls, no_relevant_crls}}},
     {stale_list, "leaf", {revocation_status_undetermined, {bad_crls, no_relevant_crls}}},
     {wrong_host, "leaf", hostname_check_failed},
     {wildcard, "leaf", hostname_check_failed},
     {common_name_only_wrong, "leaf", hostname_check_failed},
     {common_name_beside_other_name, "leaf", hostname_check_failed},
     {no_names, "leaf", hostname_check_failed},
     {missing_upper, "lower", unknown_ca},
     {intermediate_trusted_root_not, "upper", unknown_ca}].

chains_have_their_faults(Config) ->
    Missing = [{Row, Name, Fault, Events} ||
                  {Row, Name, Fault} <- faults(),
                  {_, Events} <- [with_row(Row, Config, fun(Prepared) ->
                                                                rustls_dist_event_runs:ssl(Prepared,
                                                                                           {client, 'tlsv1.3', accept})
                                                        end)],
                  not lists:any(fun({_Count, Told, Event}) -> Told =:= Name andalso Event =:= {bad_cert, Fault} end,
                                Events)],
    ?assertEqual([], Missing),
    Sound = [one_level, two_levels, three_levels, root_sent_along, depth_met, path_length_met, purpose_of_intermediate_right,
             name_constraints_kept, not_revoked, revoked_intermediate_peer, no_list_best_effort, no_subject, out_of_order,
             missing_upper_trusted, missing_both_trusted, changed_key],
    ?assertEqual([], [{Row, End} || Row <- Sound, Role <- [client, server],
                                    {End, _} <- [with_row(Row, Config,
                                                          fun(Prepared) ->
                                                                  rustls_dist_event_runs:ssl(Prepared,
                                                                                             {Role, 'tlsv1.2', no_fun})
                                                          end)],
                                    End =/= ok]).

client_tls12(Config) -> compare(client, 'tlsv1.2', Config).
client_tls13(Config) -> compare(client, 'tlsv1.3', Config).
server_tls12(Config) -> compare(server, 'tlsv1.2', Config).
server_tls13(Config) -> compare(server, 'tlsv1.3', Config).

%% Every row, whatever the function answers and without one.
compare(Role, Version, Config) ->
    Hows = [{Role, Version, Answers} || Answers <- [defaults, accept, accept_extensions, no_fun]],
    Unlike = [Text || Row <- rustls_dist_chains:names(),
                      Text <- with_row(Row, Config, fun(Prepared) -> lists:flatmap(fun(How) -> unlike(Prepared, How) end,
                                                                                   Hows)
                                                    end)],
    verdict(Unlike).

verdict([]) ->
    ok;
verdict(Unlike) ->
    ct:pal("~ts", [Unlike]),
    ct:fail("~b comparisons are not as listed", [length(Unlike)]).

unlike(#{row := Row} = Prepared, How) ->
    Ssl = rustls_dist_event_runs:ssl(Prepared, How),
    Own = rustls_dist_event_runs:carrier(Prepared, How),
    report(Row, How, Ssl, Own).

report(#{name := Name} = Row, How, Ssl, Own) ->
    case rustls_dist_event_differences:judge(Row, How, Ssl, Own) of
        ok -> [];
        {not_as_listed, Expected} -> [[io_lib:format("~n~ts ~0p~n", [Name, How]), difference(Ssl, Own, Expected)]]
    end.

%% What both tell is counted, not shown.
difference({SslEnd, SslEvents}, {OwnEnd, OwnEvents}, Expected) ->
    Same = length(lists:takewhile(fun({A, B}) -> A =:= B end,
                                  lists:zip(lists:sublist(SslEvents, length(OwnEvents)),
                                            lists:sublist(OwnEvents, length(SslEvents))))),
    [io_lib:format("  ~b events the same, then~n", [Same]),
     "  ssl:\n", events(lists:nthtail(Same, SslEvents)), io_lib:format("    ends with ~0p~n", [SslEnd]),
     "  rustls_dist:\n", events(lists:nthtail(Same, OwnEvents)), io_lib:format("    ends with ~0p~n", [OwnEnd]),
     io_lib:format("  expected ~0P~n", [Expected, ?PRINT_DEPTH])].

events(Events) ->
    [io_lib:format("    ~b ~0P ~0P~n", [Count, Certificate, ?PRINT_DEPTH, Event, ?PRINT_DEPTH])
     || {Count, Certificate, Event} <- Events].

%% Some of the rows on real nodes, whose options are read, and whose links are set up, as users have it.
on_links(Config) ->
    Sample = [{two_levels, defaults}, {root_sent_along, defaults}, {expired_intermediate, defaults},
              {expired_intermediate, accept}, {unknown_ca_root_sent_along, defaults}, {self_signed_peer, accept},
              {v1_leaf_self_signed, accept}, {no_key_cert_sign, defaults}, {unknown_extension_leaf_critical, defaults},
              {leaf_with_ca_true, defaults}, {out_of_order, defaults}, {missing_upper_trusted, defaults},
              {revoked_intermediate, defaults}],
    verdict(lists:flatmap(fun({Row, Answers}) ->
                                  with_row(Row, Config, fun(Prepared) -> on_link(Prepared, Answers, Config) end)
                          end, Sample)).

%% The judge verifies both the servers that it dials and the clients that dial it; the other node shows the chain in both
%% roles.
on_link(#{row := Row, dir := Dir, chain := Chain, key := Key} = Prepared, Answers, Config) ->
    Cluster = ?config(cluster, Config),
    Shows = [{certfile, text(Chain)}, {keyfile, text(Key)}, {verify, verify_none}],
    %% Only the test connects them: a node that comes back by itself would spoil the second direction.
    Start = fun(Options) ->
                    rustls_dist_cluster:start(Cluster, #{optfile => optfile(Config, Options),
                                                         args => ["-connect_all", "false",
                                                                  "-kernel", "dist_auto_connect", "never"]})
            end,
    Judge = Start(judge_options(Prepared, Answers)),
    Other = Start([{server, Shows}, {client, Shows}]),
    Unlike = [report(Row, How, rustls_dist_event_runs:ssl(Prepared, How),
                     {link_end(From, To, Judge, Role), rustls_dist_event_link:read(filename:join(Dir, Role), Row)})
              || {Role, From, To} <- [{client, Judge, Other}, {server, Other, Judge}],
                 How <- [{Role, 'tlsv1.3', Answers}]],
    rustls_dist_cluster:stop_node(Judge),
    rustls_dist_cluster:stop_node(Other),
    lists:append(Unlike).

judge_options(#{row := #{crl := Crl}, dir := Dir, trusted := Trusted, own_chain := Chain, own_key := Key}, Answers) ->
    Revocation = case Crl of
                     off -> [];
                     {Check, Lists} -> [{crl_check, Check}, {crl_cache, {rustls_dist_chains, {Lists, []}}}]
                 end,
    Judges = fun(Role) ->
                     [{verify, verify_peer}, {cacertfile, text(Trusted)},
                      {verify_fun, {rustls_dist_event_link, record, {filename:join(Dir, Role), Answers, 1}}} | Revocation]
             end,
    [{server, [{certfile, text(Chain)}, {keyfile, text(Key)}, {fail_if_no_peer_cert, true} | Judges(server)]},
     {client, Judges(client)}].

%% The alert is the one that the judge says it has sent.
link_end(From, To, Judge, Role) ->
    case rustls_dist_cluster:call(From, net_kernel, connect_node, [rustls_dist_cluster:name(To)]) of
        true ->
            ok = rustls_dist_cluster:poll(fun() -> rustls_dist_cluster:connected(To, From) andalso ok end),
            ok = rustls_dist_cluster:part(From, To),
            ok;
        false ->
            Where = case Role of client -> "to"; server -> "from" end,
            Line = rustls_dist_cluster:await_log(Judge, ["link ", Where, " .*the peer was sent the alert "]),
            {match, [Alert]} = re:run(Line, "sent the alert ([a-z_]+)", [{capture, all_but_first, list}]),
            list_to_existing_atom(Alert)
    end.

optfile(Config, Options) ->
    Name = "events" ++ integer_to_list(erlang:unique_integer([positive])),
    rustls_dist_cluster:optfile(?config(cluster, Config), Name, Options).

text(Path) ->
    unicode:characters_to_list(Path).

%% The tables of the documentation are those of the tests.
differences_are_documented(_Config) ->
    Doc = filename:join(root(), "doc"),
    Texts = [Text || File <- ["verification.md", "verification_differences.md"],
                     {ok, Text} <- [file:read_file(filename:join(Doc, File))]],
    Printed = unicode:characters_to_binary(rustls_dist_event_differences:markdown()),
    ?assert(lists:any(fun(Text) -> binary:match(Text, Printed) =/= nomatch end, Texts)).

%% The suites are compiled into _build/LABEL/test.
root() ->
    lists:foldl(fun(_, Folder) -> filename:dirname(Folder) end, filename:absname(code:which(?MODULE)), lists:seq(1, 4)).

with_row(Name, Config, Fun) ->
    Prepared = rustls_dist_event_runs:prepare(rustls_dist_chains:row(Name), dir(Config)),
    try
        Fun(Prepared)
    after
        rustls_dist_event_runs:discard(Prepared)
    end.

%% ssl caches files by their names: no two rows of one run share any.
dir(Config) ->
    Dir = filename:join(rustls_dist_cluster:dir(?config(cluster, Config)),
                        integer_to_list(erlang:unique_integer([positive]))),
    ok = file:make_dir(Dir),
    Dir.
