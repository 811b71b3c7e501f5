%% Cells that are made once: what is counted is there, whoever counts and whoever ends, and nobody makes one more.
-module(rustls_dist_meter_SUITE).

-include_lib("stdlib/include/assert.hrl").

-export([all/0, init_per_testcase/2, end_per_testcase/2]).
-export([counted_by_many/1, values_that_are_not_listed/1, without_cells/1, how_long/1]).

-define(COUNTERS, 50).
-define(TIMES, 1000).

all() ->
    [counted_by_many, values_that_are_not_listed, without_cells, how_long].

init_per_testcase(_Case, Config) ->
    _ = persistent_term:erase(rustls_dist_meter),
    Config.

end_per_testcase(_Case, _Config) ->
    persistent_term:erase(rustls_dist_meter).

%% Nothing is lost between processes that count at once and end, and a second beginning begins nothing.
counted_by_many(_Config) ->
    ok = rustls_dist_meter:new([a, other]),
    Labels = #{direction => in, stage => tls, reason => a},
    Counters = [spawn_monitor(fun() ->
                                      [begin
                                           ok = rustls_dist_meter:count(accepted, #{}),
                                           ok = rustls_dist_meter:count(failures, Labels)
                                       end || _ <- lists:seq(1, ?TIMES)]
                              end) || _ <- lists:seq(1, ?COUNTERS)],
    _ = [receive {'DOWN', Ref, process, Pid, normal} -> ok end || {Pid, Ref} <- Counters],
    ok = rustls_dist_meter:new([b, other]),
    ?assertEqual([{#{}, ?COUNTERS * ?TIMES}], rustls_dist_meter:read(accepted)),
    Failures = rustls_dist_meter:read(failures),
    ?assertEqual([{Labels, ?COUNTERS * ?TIMES}], [Cell || {_, Count} = Cell <- Failures, Count > 0]),
    ?assertEqual(2 * 7 * 2, length(Failures)).

values_that_are_not_listed(_Config) ->
    ok = rustls_dist_meter:new([a, other]),
    ok = rustls_dist_meter:count(links_broken, #{reason => invented}),
    ok = rustls_dist_meter:count(links_broken, #{}),
    ok = rustls_dist_meter:count(links_broken, #{reason => a, more => invented}),
    ?assertEqual([{#{reason => a}, 1}, {#{reason => other}, 2}], lists:sort(rustls_dist_meter:read(links_broken))).

%% Whoever counts before there are cells goes on all the same.
without_cells(_Config) ->
    ok = rustls_dist_meter:count(accepted, #{}),
    ok = rustls_dist_meter:set(pending, #{family => inet}, 3),
    ok = rustls_dist_meter:took(handshake, #{direction => in}, 5),
    ?assertEqual([], rustls_dist_meter:read(accepted)),
    ?assertMatch({[{1000, 0} | _], 0}, rustls_dist_meter:histogram(in)).

%% Bounds belong to what lies below them.
how_long(_Config) ->
    ok = rustls_dist_meter:new([other]),
    Took = [0, 1000, 1001, 9999, 10000000, 10000001],
    _ = [ok = rustls_dist_meter:took(handshake, #{direction => in}, Us) || Us <- Took],
    {Counts, Sum} = rustls_dist_meter:histogram(in),
    ?assertEqual(lists:sum(Took), Sum),
    ?assertEqual([2, 3, 4, 5, 6], [proplists:get_value(Bound, Counts) || Bound <- [1000, 2500, 10000, 10000000, infinity]]),
    ?assertMatch({[{1000, 0} | _], 0}, rustls_dist_meter:histogram(out)).
