%% The smallest application: a supervisor with nothing to supervise, and a function to call from outside.
-module(example).
-behaviour(application).
-behaviour(supervisor).

-export([links/0]).
-export([start/2, stop/1, init/1]).

%% The nodes this one has a link with, each with the TLS version of the link.
-spec links() -> [{node(), atom()}].
links() ->
    [{Node, Version} || {Node, #{version := Version}} <- maps:to_list(rustls_dist:info())].

-spec start(application:start_type(), term()) -> supervisor:startlink_ret().
start(_Type, _Arguments) ->
    supervisor:start_link({local, ?MODULE}, ?MODULE, []).

-spec stop(term()) -> ok.
stop(_State) ->
    ok.

-spec init([]) -> {ok, {supervisor:sup_flags(), []}}.
init([]) ->
    {ok, {#{}, []}}.
