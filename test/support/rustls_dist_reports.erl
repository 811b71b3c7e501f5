%% The reports of a node's logger, for tests that look at their fields and not at the log's text.
-module(rustls_dist_reports).

-export([collect/1, all/1, await/2]).

%% run on the node
-export([install/0, collected/0, own_certificates_every/1, log/2]).

-define(HANDLER, ?MODULE).

%% Starts to collect what rustls_dist reports on Peer, or starts anew. The budget of entries of one kind (which
%% rustls_dist_log_limit keeps) is full again afterwards.
-spec collect(rustls_dist_cluster:peer()) -> ok.
collect(Peer) ->
    rustls_dist_cluster:call(Peer, ?MODULE, install, []).

%% What was reported since collect/1, oldest first.
-spec all(rustls_dist_cluster:peer()) -> [map()].
all(Peer) ->
    rustls_dist_cluster:call(Peer, ?MODULE, collected, []).

%% Waits for Count reports of failed links and gives them all.
-spec await(rustls_dist_cluster:peer(), pos_integer()) -> [map()].
await(Peer, Count) ->
    rustls_dist_cluster:poll(fun() ->
                                     Failed = [Report || #{event := link_failed} = Report <- all(Peer)],
                                     length(Failed) >= Count andalso Failed
                             end).

-spec install() -> ok.
install() ->
    _ = logger:remove_handler(?HANDLER),
    case whereis(?MODULE) of
        undefined -> ok;
        Old -> exit(Old, kill)
    end,
    restart_limit(whereis(rustls_dist_services)),
    Collector = spawn(fun() -> loop([]) end),
    ok = logger:add_handler(?HANDLER, ?MODULE, #{config => Collector, filter_default => log}),
    rustls_dist_cluster:poll(fun() -> whereis(?MODULE) =:= undefined end),
    true = register(?MODULE, Collector),
    ok.

-spec collected() -> [map()].
collected() ->
    Ref = make_ref(),
    ?MODULE ! {collected, self(), Ref},
    receive {Ref, Reports} -> Reports end.

%% Has the node look at its own certificates with this period, in the place of a day.
-spec own_certificates_every(pos_integer()) -> ok.
own_certificates_every(PeriodMs) ->
    Supervisor = whereis(rustls_dist_services),
    ok = supervisor:terminate_child(Supervisor, rustls_dist_own_certificate),
    ok = supervisor:delete_child(Supervisor, rustls_dist_own_certificate),
    {ok, _} = supervisor:start_child(Supervisor, #{id => rustls_dist_own_certificate,
                                                   start => {rustls_dist_own_certificate, start_link, [PeriodMs]}}),
    ok.

%% logger's callback.
-spec log(logger:log_event(), logger:handler_config()) -> ok.
log(#{meta := #{domain := [rustls_dist | _]} = Meta, msg := {report, Report}, level := Level}, #{config := Collector}) ->
    Collector ! {report, Report#{level => Level, line => line(Meta, Report)}},
    ok;
log(_Other, _Config) ->
    ok.

line(#{report_cb := Format}, Report) ->
    {Text, Arguments} = Format(Report),
    unicode:characters_to_list(io_lib:format(Text, Arguments)).

loop(Reports) ->
    receive
        {report, Report} ->
            loop([Report | Reports]);
        {collected, From, Ref} ->
            From ! {Ref, lists:reverse(Reports)},
            loop(Reports)
    end.

restart_limit(undefined) ->
    ok;
restart_limit(Supervisor) ->
    _ = supervisor:terminate_child(Supervisor, rustls_dist_log_limit),
    _ = supervisor:restart_child(Supervisor, rustls_dist_log_limit),
    ok.
