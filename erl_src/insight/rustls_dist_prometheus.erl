%% The figures of rustls_dist:metrics/0 for the library prometheus.erl, where it is used: a collector. A node registers it within
%% seconds after the library is up (rustls_dist_events), in the library's default registry; for another one
%% `prometheus_registry:register_collector(Registry, rustls_dist_prometheus)' does it.
%%
%% The functions are those of the behaviour prometheus_collector, which cannot be named: it is not there to compile with.
-module(rustls_dist_prometheus).

-export([collect_mf/2, deregister_cleanup/1]).

%% Gives Callback each family.
-spec collect_mf(Registry :: atom(), Callback :: fun((term()) -> term())) -> ok.
collect_mf(_Registry, Callback) ->
    lists:foreach(fun({Name, Type, Help, Samples}) ->
                          Metrics = [metric(Labels, Value) || {Labels, Value} <- Samples],
                          Callback(apply(helpers(), create_mf, [Name, Help, Type, Metrics]))
                  end, rustls_dist_metrics:families(rustls_dist_links:all())).

%% There is nothing to clean up.
-spec deregister_cleanup(Registry :: atom()) -> ok.
deregister_cleanup(_Registry) ->
    ok.

metric(Labels, #{buckets := Buckets, count := Count, sum := Sum}) -> {Labels, Buckets, Count, Sum};
metric(Labels, Value) -> {Labels, Value}.

%% No application of ours depends on it, so nobody who checks calls is to look for it.
-spec helpers() -> module().
helpers() ->
    binary_to_atom(<<"prometheus_model_helpers">>).
