%% The kinds of errors are named in Rust (src/error/kind.rs), in a type (rustls_dist_nif:kind/0), and where Erlang matches on
%% them. This compares the three, as the modules were compiled.
-module(rustls_dist_kinds_SUITE).

-include_lib("stdlib/include/assert.hrl").

-export([all/0, suite/0]).
-export([one_list/1, every_kind_that_is_matched/1, every_reason_is_listed/1]).

suite() ->
    [{timetrap, {minutes, 1}}].

all() ->
    [one_list, every_kind_that_is_matched, every_reason_is_listed].

one_list(_Config) ->
    {type, _, union, Members} = hd([Type || {attribute, _, type, {kind, Type, []}} <- forms(rustls_dist_nif)]),
    Kinds = [Kind || {atom, _, Kind} <- Members],
    ?assertEqual(length(Kinds), length(Members)),
    ?assertEqual(in_rust(), lists:sort(Kinds)).

every_kind_that_is_matched(_Config) ->
    _ = application:load(rustls_dist),
    {ok, Modules} = application:get_key(rustls_dist, modules),
    Matched = lists:usort([Kind || Module <- Modules, Kind <- named(forms(Module))]),
    ?assertEqual([], Matched -- in_rust()),
    %% What is looked for is found: one of each place.
    ?assertEqual([], [closed, name_mismatch, bad_certificate_encoding, unknown_issuer] -- Matched).

%% What failures are counted by has a cell for each: what rustls_dist_reason makes of a reason by itself, every kind of Rust's,
%% and every alert that src/error/alert.rs names.
every_reason_is_listed(_Config) ->
    ok = rustls_dist_nif:load(),
    Listed = rustls_dist_reason:all(),
    ?assertEqual(length(Listed), length(lists:usort(Listed))),
    ?assertEqual(other, lists:last(Listed)),
    Made = lists:usort([Atom || {function, _, Name, 1, Clauses} <- forms(rustls_dist_reason),
                                lists:member(Name, [tag, in_order, epmd, connect]),
                                {clause, _, _, _, [{atom, _, Atom}]} <- Clauses]),
    ?assertEqual([], [silent, bad_cookie, epmd_unreachable, timeout] -- Made),
    {ok, Source} = file:read_file(rustls_dist_documents:path("../src/error/alert.rs")),
    [_, Names] = string:split(Source, "pub fn alert_name"),
    {match, Alerts} = re:run(Names, "=> \"([a-z_]+)\"", [global, {capture, [1], binary}]),
    ?assert(length(Alerts) > 30),
    Needed = lists:usort(Made ++ in_rust() ++ [binary_to_atom(Alert) || [Alert] <- Alerts]),
    ?assertEqual([], Needed -- Listed).

in_rust() ->
    ok = rustls_dist_nif:load(),
    lists:sort(rustls_dist_nif:error_kinds()).

forms(Module) ->
    {Module, Beam, _File} = code:get_object_code(Module),
    {ok, {Module, [{abstract_code, {raw_abstract_v1, Forms}}]}} = beam_lib:chunks(Beam, [abstract_code]),
    Forms.

%% Atoms where a kind is meant: the value of `kind' in a map, what `Kind' is compared with in a case, and what
%% rustls_dist_consent has another name for.
named({map_field_exact, _, {atom, _, kind}, {atom, _, Kind}}) -> [Kind];
named({map_field_assoc, _, {atom, _, kind}, {atom, _, Kind}}) -> [Kind];
named({'case', _, {var, _, 'Kind'}, Clauses}) -> [Kind || {clause, _, [{atom, _, Kind}], _, _} <- Clauses] ++ named(Clauses);
named({'case', _, {tuple, _, [{var, _, 'Kind'} | _]}, Clauses}) ->
    [Kind || {clause, _, [{tuple, _, [{atom, _, Kind} | _]}], _, _} <- Clauses] ++ named(Clauses);
named({function, _, as_otp, 1, Clauses}) -> [Kind || {clause, _, [{atom, _, Kind}], _, _} <- Clauses];
named(Form) when is_tuple(Form) -> named(tuple_to_list(Form));
named([Form | Forms]) -> named(Form) ++ named(Forms);
named(_Other) -> [].
