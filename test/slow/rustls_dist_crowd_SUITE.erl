%% Every kind of crowd in every kind of configuration, a thousand peers each (rustls_dist_crowds): no join is delayed, and
%% nothing is left of them.
-module(rustls_dist_crowd_SUITE).

-export([all/0, suite/0, groups/0, init_per_group/2, end_per_group/2]).
-export([silent/1, garbage/1, tls_garbage/1, half_hello/1, endless_hello/1, plain_distribution/1]).

-define(SIZES, #{crowd => 1000, joins => 15}).

suite() ->
    [{timetrap, {minutes, 5}}].

all() ->
    [{group, Configuration} || Configuration <- rustls_dist_crowds:configurations()].

groups() ->
    [{Configuration, [], rustls_dist_crowds:kinds()} || Configuration <- rustls_dist_crowds:configurations()].

init_per_group(Configuration, Config) ->
    [{world, rustls_dist_crowds:start(Configuration)} | Config].

end_per_group(_Configuration, Config) ->
    rustls_dist_crowds:stop(proplists:get_value(world, Config)).

silent(Config) -> withstand(Config, silent).
garbage(Config) -> withstand(Config, garbage).
tls_garbage(Config) -> withstand(Config, tls_garbage).
half_hello(Config) -> withstand(Config, half_hello).
endless_hello(Config) -> withstand(Config, endless_hello).
plain_distribution(Config) -> withstand(Config, plain_distribution).

withstand(Config, Kind) ->
    rustls_dist_crowds:withstand(proplists:get_value(world, Config), Kind, ?SIZES).
