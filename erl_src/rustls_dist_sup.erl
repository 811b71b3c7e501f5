%% The carrier's place below kernel's net_sup, by childspecs/0; it runs before any application is started. The end of a
%% child of net_sup ends the node, so whatever may fail hangs below rustls_dist_keeper, which outlives its failures.
%%
%% @private
-module(rustls_dist_sup).

-behaviour(supervisor).

-export([child_spec/0, start_link/0]).
-export([init/1]).

%% The keeper has nothing to fail over. Should somebody kill it, and again, that must not end the node.
-define(INTENSITY, 1000).

%% For childspecs/0 of a carrier.
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

%% The tables of links and of the configuration are this process' and so outlive the servers that look after them.
-spec init([]) -> {ok, {supervisor:sup_flags(), [supervisor:child_spec()]}}.
init([]) ->
    ok = rustls_dist_links:new_table(),
    ok = rustls_dist_generation:new_table(),
    ok = rustls_dist_nameless:new(),
    Keeper = #{id => rustls_dist_keeper, start => {rustls_dist_keeper, start_link, []}, shutdown => infinity},
    {ok, {#{strategy => one_for_one, intensity => ?INTENSITY, period => 1}, [Keeper]}}.
