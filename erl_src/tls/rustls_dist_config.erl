%% The configuration of both roles: made at boot from the command line and the options file (rustls_dist_roles), and anew from
%% changed files (rustls_dist_reload); handed to each handshake as a value.
%%
%% What is in use is rustls_dist_generation's. So this process may end at any time: the next one takes up what there is, reads no
%% file again, and no link notices.
%%
%% Bad configuration is kept as the sentence that explains it. listen/2 asks for it and refuses to come up; the
%% supervisor stays alive so that this sentence, and not a crash of kernel, is what the user sees.
%%
%% @private
-module(rustls_dist_config).

-behaviour(gen_server).

-export([start_link/0, fetch/1, check/0, nobody_can_dial/0, successor/1]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2, format_status/1]).

-define(LOGGER_TRIES, 100).
-define(LOGGER_POLL_MS, 100).

-spec start_link() -> {ok, pid()} | {error, term()}.
start_link() ->
    gen_server:start_link({local, ?MODULE}, ?MODULE, [], []).

%% What became of a role's options. What is fetched stays as it is: a handshake that fetches once works with one
%% configuration from its beginning to its end.
-spec fetch(server) -> rustls_dist_roles:role();
           (client) -> {ok, rustls_dist_roles:role_config()} | {error, binary()}.
fetch(Role) ->
    case rustls_dist_generation:role(Role) of
        none -> {error, <<"rustls_dist's supervisor is not running; is its ebin folder in the code path?">>};
        Result -> Result
    end.

%% What became of both. A node that only connects needs the client role alone.
-spec check() -> rustls_dist_roles:roles().
check() ->
    #{server => fetch(server), client => fetch(client)}.

%% Has the user told that this node listens in vain.
-spec nobody_can_dial() -> ok.
nobody_can_dial() ->
    gen_server:cast(?MODULE, {log_notices, [no_certificate]}).

%% Makes what these sources give the next generation, if it is as good as the present one; gives its number, or why not.
-spec successor({ok, [rustls_dist_opts:source()]} | {error, binary()}) -> {ok, pos_integer()} | {error, unicode:chardata()}.
successor({error, _} = Error) ->
    Error;
successor({ok, Sources}) ->
    {Roles, Notices} = rustls_dist_roles:of_sources(Sources),
    case rustls_dist_succession:judge(Roles) of
        ok ->
            case preload(Roles) of
                ok ->
                    New = Notices -- rustls_dist_generation:notices(),
                    ok = gen_server:cast(?MODULE, {log_notices, New}),
                    {ok, rustls_dist_generation:put(Roles, Notices)};
                {error, _} = Error ->
                    Error
            end;
        Error ->
            Error
    end.

-spec init([]) -> {ok, no_state, hibernate}.
init([]) ->
    ok = case rustls_dist_generation:number() of
             0 -> rustls_dist_crash:without_terms(fun load/0);
             _ -> ok
         end,
    %% What was read and built is not to be held twice.
    {ok, no_state, hibernate}.

%% Nobody has anything to ask here, and strangers get no answer.
-spec handle_call(term(), gen_server:from(), no_state) -> {noreply, no_state}.
handle_call(_Request, _From, State) ->
    {noreply, State}.

-spec handle_cast(term(), no_state) -> {noreply, no_state}.
handle_cast({log_notices, Notices}, State) ->
    self() ! {log_notices, Notices, ?LOGGER_TRIES},
    {noreply, State};
handle_cast(_Cast, State) ->
    {noreply, State}.

%% The notices wait for the log, for a while.
-spec handle_info(term(), no_state) -> {noreply, no_state, hibernate}.
handle_info({log_notices, Notices, Tries}, State) when is_integer(Tries) ->
    case Tries =< 0 orelse rustls_dist_log:is_set_up() of
        false ->
            _ = erlang:send_after(?LOGGER_POLL_MS, self(), {log_notices, Notices, Tries - 1});
        true ->
            lists:foreach(fun(Notice) -> rustls_dist_log:notice(rustls_dist_opts:format_notice(Notice)) end, Notices)
    end,
    {noreply, State, hibernate};
handle_info(_Other, State) ->
    {noreply, State, hibernate}.

-spec format_status(gen_server:format_status()) -> gen_server:format_status().
format_status(Status) ->
    rustls_dist_crash:format_status(Status).

%% Modules that this Erlang refuses show as functions that are not there.
load() ->
    {Roles, Notices} = try
                           made_at_boot()
                       catch
                           error:undef:Stack ->
                               case rustls_dist_beams:refused() of
                                   {some, Text} -> {unusable(Text), []};
                                   none -> erlang:raise(error, undef, Stack)
                               end
                       end,
    _ = rustls_dist_generation:put(Roles, Notices),
    self() ! {log_notices, Notices, ?LOGGER_TRIES},
    ok.

made_at_boot() ->
    case rustls_dist_roles:sources(fun init:get_argument/1) of
        {ok, Sources} ->
            %% What changes while it is read is another change.
            Stamps = case rustls_dist_nif:load() of
                         ok -> rustls_dist_material:stamps(rustls_dist_material:files(Sources), #{});
                         {error, _} -> #{}
                     end,
            ok = rustls_dist_generation:used(Stamps),
            {Roles, Notices} = rustls_dist_roles:of_sources(Sources),
            case preload(Roles) of
                ok -> {Roles, Notices};
                {error, Text} -> {unusable(Text), []}
            end;
        {error, Text} ->
            {rustls_dist_roles:both({error, Text}), []}
    end.

unusable(Text) ->
    rustls_dist_roles:both({error, unicode:characters_to_binary(Text)}).

preload(Roles) ->
    case rustls_dist_preload:load(rustls_dist_roles:has_referee(Roles)) of
        ok ->
            ok;
        refused ->
            case rustls_dist_beams:refused() of
                {some, Text} -> {error, Text};
                none -> ok
            end
    end.
