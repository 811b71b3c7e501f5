%% Supervises what the carrier needs beside the links. It hangs from childspecs/0, below kernel's net_sup, and runs
%% before any application is started.
-module(rustls_dist_sup).

-behaviour(supervisor).

-export([child_spec/0, start_link/0]).
-export([init/1]).

-spec child_spec() -> supervisor:child_spec().
child_spec() ->
    #{id => ?MODULE, start => {?MODULE, start_link, []}, type => supervisor, shutdown => infinity}.

%% Both carriers bring the same child, so the second one finds it there.
-spec start_link() -> {ok, pid()} | ignore | {error, term()}.
start_link() ->
    case supervisor:start_link({local, ?MODULE}, ?MODULE, []) of
        {error, {already_started, _Pid}} -> ignore;
        Result -> Result
    end.

-spec init([]) -> {ok, {supervisor:sup_flags(), [supervisor:child_spec()]}}.
init([]) ->
    Children = [#{id => rustls_dist_attempts, start => {rustls_dist_attempts, start_link, []}},
                #{id => rustls_dist_log_limit, start => {rustls_dist_log_limit, start_link, []}},
                #{id => rustls_dist_links, start => {rustls_dist_links, start_link, []}},
                #{id => rustls_dist_crl_store, start => {rustls_dist_crl_store, start_link, []}},
                #{id => rustls_dist_config, start => {rustls_dist_config, start_link, []}},
                #{id => rustls_dist_own_certificate, start => {rustls_dist_own_certificate, start_link, []}}],
    {ok, {#{strategy => one_for_one, intensity => 10, period => 3600}, Children}}.
