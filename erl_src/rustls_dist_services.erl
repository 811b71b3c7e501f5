%% Supervises what the carrier needs beside the links. Links go on without any of it, and its end is survived:
%% rustls_dist_keeper starts it again.
%%
%% @private
-module(rustls_dist_services).

-behaviour(supervisor).

-export([start_link/0]).
-export([init/1]).

-spec start_link() -> {ok, pid()} | {error, term()}.
start_link() ->
    case supervisor:start_link({local, ?MODULE}, ?MODULE, []) of
        ignore -> {error, ignore};
        Result -> Result
    end.

-spec init([]) -> {ok, {supervisor:sup_flags(), [supervisor:child_spec()]}}.
init([]) ->
    Services = [#{id => Module, start => {Module, start_link, Arguments}, shutdown => 5000}
                || {Module, Arguments} <- [{rustls_dist_attempts, []},
                                           {rustls_dist_log_limit, [fun rustls_dist_log:repeated/3]},
                                           {rustls_dist_events, [rustls_dist_prometheus]},
                                           {rustls_dist_links, []},
                                           {rustls_dist_crl_store, []},
                                           {rustls_dist_config, []},
                                           {rustls_dist_reload, []},
                                           {rustls_dist_own_certificate, []}]],
    {ok, {#{strategy => one_for_one, intensity => 10, period => 10}, Services}}.
