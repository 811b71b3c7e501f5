%% recheck: the peers of links that are up are judged again, every so many seconds, by the configuration that is in use then. A
%% link whose peer would not be let in any more is closed; one about which nothing can be told, because a source of revocation
%% lists fails for example, stays, and that is said once.
%%
%% The links are spread over the period, and judged one after the other, each in a process of its own.
%%
%% @private
-module(rustls_dist_recheck).

-behaviour(gen_server).

-export([start_link/0]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2, format_status/1]).

-type link() :: {Controller :: pid(), rustls_dist_handshake:tls()}.

%% last: when a link was judged, or first seen, in seconds; doubted: links of which it was said that nothing can be told.
-record(state, {last = #{} :: #{pid() => integer()},
                doubted = [] :: [pid()],
                queue = [] :: [link()],
                judging = none :: none | {pid(), reference(), link()}}).

-define(TICK_MS, 1000).

-spec start_link() -> {ok, pid()} | {error, term()}.
start_link() ->
    gen_server:start_link({local, ?MODULE}, ?MODULE, [], []).

-spec init([]) -> {ok, #state{}}.
init([]) ->
    _ = erlang:send_after(?TICK_MS, self(), tick),
    {ok, #state{}}.

-spec handle_call(term(), gen_server:from(), #state{}) -> {noreply, #state{}}.
handle_call(_Unknown, _From, State) ->
    {noreply, State}.

-spec handle_cast(term(), #state{}) -> {noreply, #state{}}.
handle_cast(_Unknown, State) ->
    {noreply, State}.

-spec handle_info(term(), #state{}) -> {noreply, #state{}}.
handle_info(tick, State) ->
    _ = erlang:send_after(?TICK_MS, self(), tick),
    case State of
        #state{judging = none} -> {noreply, judge_next(look(periods(), State))};
        _ -> {noreply, State}
    end;
handle_info({'DOWN', Ref, process, Pid, Reason}, #state{judging = {Pid, Ref, Link}} = State) ->
    {noreply, judge_next(judged(Link, verdict(Reason), State#state{judging = none}))};
handle_info(_Other, State) ->
    {noreply, State}.

-spec format_status(gen_server:format_status()) -> gen_server:format_status().
format_status(Status) ->
    rustls_dist_crash:format_status(Status).

%% Of each role that is to be judged again.
periods() ->
    maps:from_list([{Role, Seconds} || Role <- [server, client], {ok, #{recheck := Seconds}} <- [rustls_dist_config:fetch(Role)],
                                       is_integer(Seconds)]).

%% Which links are next: those whose period is over, the one that waited longest first, and no more in a second than it
%% takes to get round in time. Links from a time when recheck was off have no chain.
look(Periods, State) when Periods =:= #{} ->
    State#state{last = #{}, doubted = [], queue = []};
look(Periods, #state{last = Last, doubted = Doubted} = State) ->
    Now = erlang:monotonic_time(second),
    Links = [Link || {_, #{role := Role, facts := #{peer_chain := _}}} = Link <- rustls_dist_links:known(),
                     is_map_key(Role, Periods)],
    Seen = maps:from_list([{Controller, maps:get(Controller, Last, Now)} || {Controller, _} <- Links]),
    Due = lists:keysort(1, [{maps:get(Controller, Seen), Controller, Link}
                            || {Controller, #{role := Role}} = Link <- Links,
                               maps:get(Controller, Seen) + maps:get(Role, Periods) =< Now]),
    Share = lists:sum([1 / maps:get(Role, Periods) || {_, #{role := Role}} <- Links]),
    Next = [Link || {_, _, Link} <- lists:sublist(Due, ceil(Share) + 1)],
    State#state{last = maps:merge(Seen, maps:from_list([{Controller, Now} || {Controller, _} <- Next])),
                doubted = [Controller || Controller <- Doubted, is_map_key(Controller, Seen)],
                queue = Next}.

judge_next(#state{queue = []} = State) ->
    State;
judge_next(#state{queue = [{_, Tls} = Link | Queue]} = State) ->
    {Pid, Ref} = spawn_monitor(fun() -> rustls_dist_crash:without_terms(fun() -> exit({judged, judge(Tls)}) end) end),
    State#state{queue = Queue, judging = {Pid, Ref, Link}}.

judge(#{role := Role} = Tls) ->
    case rustls_dist_config:fetch(Role) of
        {ok, RoleConfig} -> worded(rustls_dist_judgement:again(RoleConfig, Tls));
        _Unusable -> {undecided, <<"this node has no configuration for it">>}
    end.

%% A text that cannot be made is this process' failure.
worded(ok) ->
    ok;
worded({Kind, Text}) ->
    Line = unicode:characters_to_binary(Text),
    true = is_binary(Line),
    {Kind, Line}.

verdict({judged, Verdict}) -> Verdict;
verdict(_Failed) -> {undecided, <<"the judgement failed">>}.

judged({Controller, _Tls}, ok, #state{doubted = Doubted} = State) ->
    State#state{doubted = lists:delete(Controller, Doubted)};
judged({Controller, Tls}, {undecided, Text}, #state{doubted = Doubted} = State) ->
    case lists:member(Controller, Doubted) of
        true ->
            State;
        false ->
            ok = rustls_dist_log:not_rechecked(rustls_dist_log:established(Tls), Text),
            State#state{doubted = [Controller | Doubted]}
    end;
judged({Controller, Tls}, {refused, Text}, State) ->
    %% It may have ended by itself meanwhile. What its processes end with is what net_kernel tells of it.
    case is_process_alive(Controller) of
        true ->
            ok = rustls_dist_log:broken_link(rustls_dist_log:established(Tls), {rechecked, Text}),
            ok = rustls_dist_links:finish(Controller, certificate_no_longer_valid);
        false ->
            ok
    end,
    State.
