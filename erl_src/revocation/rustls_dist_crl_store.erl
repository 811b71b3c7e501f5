%% Holds revocation lists between handshakes, and sees to it that they are loaded once for all handshakes that wait for
%% them. What loading means is for those who ask: rustls_dist_crl_cache (HTTP), rustls_dist_crl_file.
%%
%% The server never waits: each load runs in a process of its own, a bounded number at a time, and ends by itself.
%%
%% @private
-module(rustls_dist_crl_store).

-behaviour(gen_server).

-export([start_link/0, lists/4, by_issuer/1, doubt/1]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2, format_status/1]).

-export_type([key/0, slot/0, load/0, loaded/0]).

-type key() :: {{http, rustls_dist_crl_host:allowed()}, Uri :: string()} | {file, file:filename_all()}.

%% What has to be the same for held lists to be of use: a file's state.
-type stamp() :: term().

%% One of the places for loads; no two loads have the same at a time.
-type slot() :: pos_integer().

%% What a load found, and until when (seconds of the system's clock) that is to be held.
-type loaded() :: {ok, [rustls_dist_crl_lists:named()], Until :: integer() | infinity}
                | {error, Text :: unicode:chardata()}.

-type load() :: fun((slot()) -> loaded()).

-define(LOADS, 8).
-define(MAX_ENTRIES, 100).
-define(MAX_WAITING, 100).

%% How long to hold failures and what was of no use: spares each handshake of a burst the same wait.
-define(DOUBT_SECONDS, 5).

-record(entry, {stamp :: stamp(),
                result :: {ok, [rustls_dist_crl_lists:named()]} | {error, binary()},
                until :: integer() | infinity,
                used :: integer()}).

-record(state, {entries = #{} :: #{key() => #entry{}},
                callers = #{} :: #{{key(), stamp()} => [gen_server:from()]},
                running = #{} :: #{pid() => {{key(), stamp()}, slot()}},
                waiting = queue:new() :: queue:queue({{key(), stamp()}, load()}),
                free = lists:seq(1, ?LOADS) :: [slot()]}).

-spec start_link() -> {ok, pid()} | {error, term()}.
start_link() ->
    gen_server:start_link({local, ?MODULE}, ?MODULE, [], []).

%% The lists under Key in the state Stamp; Load gets them if they are not held. Waits no longer than TimeoutMs.
-spec lists(key(), stamp(), load(), timeout()) -> {ok, [rustls_dist_crl_lists:named()]} | {error, unicode:chardata()}.
lists(Key, Stamp, Load, TimeoutMs) ->
    try
        gen_server:call(?MODULE, {lists, Key, Stamp, Load}, TimeoutMs)
    catch
        exit:{timeout, _} -> {error, "it took too long"};
        exit:_ -> {error, "rustls_dist's supervisor is not running"}
    end.

%% Held lists of an issuer that came over HTTP and are not out of date.
-spec by_issuer(rustls_dist_crl_lists:issuer()) -> [public_key:der_encoded()].
by_issuer(Issuer) ->
    try
        gen_server:call(?MODULE, {by_issuer, Issuer})
    catch
        exit:_ -> []
    end.

%% Something under these keys was of no use, badly signed perhaps: it is soon to be loaded again, whatever it says of
%% its own validity. Anybody on the way of an HTTP answer could keep good lists away for years otherwise.
-spec doubt([key()]) -> ok.
doubt(Keys) ->
    gen_server:cast(?MODULE, {doubt, Keys}).

-spec init([]) -> {ok, #state{}}.
init([]) ->
    {ok, #state{}}.

-spec handle_call(term(), gen_server:from(), #state{}) -> {reply, term(), #state{}} | {noreply, #state{}}.
handle_call({lists, Key, Stamp, Load}, From, #state{entries = Entries} = State) ->
    Now = now_seconds(),
    case Entries of
        #{Key := #entry{stamp = Stamp, until = Until, result = Result} = Entry} when Now < Until ->
            {reply, Result, State#state{entries = Entries#{Key := Entry#entry{used = used()}}}};
        #{} ->
            join({Key, Stamp}, Load, From, State)
    end;
handle_call({by_issuer, Issuer}, _From, #state{entries = Entries} = State) ->
    Now = now_seconds(),
    Ders = [Der || {{{http, _}, _Uri}, #entry{result = {ok, Lists}, until = Until}} <- maps:to_list(Entries), Now < Until,
                   {Name, Der} <- Lists, Name =:= Issuer],
    {reply, Ders, State};
handle_call(_Unknown, _From, State) ->
    {noreply, State}.

-spec handle_cast(term(), #state{}) -> {noreply, #state{}}.
handle_cast({doubt, Keys}, #state{entries = Entries} = State) ->
    Soon = now_seconds() + ?DOUBT_SECONDS,
    Doubted = maps:map(fun(_Key, #entry{until = Until} = Entry) -> Entry#entry{until = min(Soon, Until)} end,
                       maps:with(Keys, Entries)),
    {noreply, State#state{entries = maps:merge(Entries, Doubted)}};
handle_cast(_Unknown, State) ->
    {noreply, State}.

-spec handle_info(term(), #state{}) -> {noreply, #state{}}.
handle_info({'DOWN', _Ref, process, Pid, Exit}, #state{running = Running, free = Free, callers = Callers} = State)
  when is_map_key(Pid, Running) ->
    {{{Key, Stamp} = Id, Slot}, Others} = maps:take(Pid, Running),
    {Result, Until} = outcome(Exit),
    {Waiters, OtherCallers} = maps:take(Id, Callers),
    _ = [gen_server:reply(From, Result) || From <- Waiters],
    Entry = #entry{stamp = Stamp, result = Result, until = Until, used = used()},
    Held = hold(Key, Entry, State#state{running = Others, callers = OtherCallers, free = [Slot | Free]}),
    {noreply, start_loads(Held)};
handle_info(_Unknown, State) ->
    {noreply, State}.

-spec format_status(gen_server:format_status()) -> gen_server:format_status().
format_status(Status) ->
    rustls_dist_crash:format_status(Status).

join(Id, Load, From, #state{callers = Callers, waiting = Waiting} = State) ->
    case Callers of
        #{Id := Others} ->
            {noreply, State#state{callers = Callers#{Id := [From | Others]}}};
        #{} when map_size(Callers) >= ?MAX_WAITING ->
            {reply, {error, "too many revocation lists are being loaded"}, State};
        #{} ->
            Next = State#state{callers = Callers#{Id => [From]}, waiting = queue:in({Id, Load}, Waiting)},
            {noreply, start_loads(Next)}
    end.

start_loads(#state{free = [Slot | Free], running = Running, waiting = Waiting} = State) ->
    case queue:out(Waiting) of
        {{value, {Id, Load}}, Rest} ->
            {Pid, _Ref} = spawn_monitor(fun() -> exit({loaded, Load(Slot)}) end),
            start_loads(State#state{free = Free, running = Running#{Pid => {Id, Slot}}, waiting = Rest});
        {empty, _} ->
            State
    end;
start_loads(#state{free = []} = State) ->
    State.

outcome({loaded, {ok, Lists, Until}}) -> {{ok, Lists}, Until};
outcome({loaded, {error, Text}}) -> {{error, unicode:characters_to_binary(Text)}, now_seconds() + ?DOUBT_SECONDS};
outcome(Crash) -> outcome({loaded, {error, io_lib:format("loading it failed with ~0tP", [Crash, 20])}}).

hold(Key, #entry{stamp = Stamp, result = Result} = Entry, #state{entries = Entries} = State) ->
    case Entries of
        #{Key := #entry{stamp = Stamp, result = Result}} -> ok;
        #{} -> notify(Key, Result)
    end,
    Kept = case map_size(Entries) >= ?MAX_ENTRIES andalso not is_map_key(Key, Entries) of
               true -> maps:remove(least_used(Entries), Entries);
               false -> Entries
           end,
    State#state{entries = Kept#{Key => Entry}}.

least_used(Entries) ->
    {_Used, Key} = lists:min([{Used, Key} || {Key, #entry{used = Used}} <- maps:to_list(Entries)]),
    Key.

%% Once for a failure and not again until something changes. A handler of the log may block, so not from here.
notify(_Key, {ok, _Lists}) ->
    ok;
notify({_Kind, Where}, {error, Text}) ->
    _ = spawn(fun() ->
                      rustls_dist_log:notice(["the revocation lists of ", Where, " are not available: ", Text,
                                              "; with crl_check true or peer, certificates that only these lists tell "
                                              "about are refused"])
              end),
    ok.

now_seconds() ->
    erlang:system_time(second).

used() ->
    erlang:unique_integer([monotonic]).
