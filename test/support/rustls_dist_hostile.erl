%% A node under attack, with a link that carries numbered messages all the while and joins that are timed: what it held, how it
%% ended the attack, and that nothing of it is left. Each attack leaves a row of figures, for the page (rustls_dist_figures).
-module(rustls_dist_hostile).

-export([start/1, stop/1]).
-export([withstand/3, attack/3, attack/4, lost/1]).

-export_type([world/0]).

-include_lib("stdlib/include/assert.hrl").

-type world() :: #{configuration := rustls_dist_crowds:configuration(), listener := rustls_dist_cluster:peer(),
                   peer := rustls_dist_cluster:peer(), bystander := rustls_dist_cluster:peer(),
                   cert := rustls_dist_certs:cert(), undisturbed_ms := float(), _ => _}.

-define(COOKIE, "rustls_dist_test").

%% A message of that size, so often, on the link that must not suffer.
-define(MESSAGE_BYTES, 10000).
-define(PAUSE_MS, 20).

-define(JOINS, 9).

%% What an attack may delay a join by here, where a few cores serve attackers and nodes alike, and who knows whom besides; the
%% figure is what counts. So many are measured at least, and if the attack is over before, behind it.
-define(MAX_DELAY_MS, 1000).
-define(LEAST_JOINS, 5).

%% What may be left of an attack: of memory a hundredth and this; atoms that the node made for itself meanwhile.
-define(KEPT_BYTES, 5000000).
-define(OWN_ATOMS, 30).

%% Lines in the log: one each second, and what a budget lets through at once (rustls_dist_log_limit).
-define(LINES_AT_ONCE, 24).

-define(SETTLE_MS, 30000).

%% A machine that did not let the tests run for so long paused, and an attack that failed meanwhile is tried so often.
-define(PAUSED_MS, 500).
-define(ATTEMPTS, 3).

%% Of the node's log, beside a failure.
-define(LAST_LINES, 40).

%% Nodes of one configuration: a listener, a peer that joins it again and again, and a bystander whose link carries messages.
-spec start(rustls_dist_crowds:configuration()) -> world().
start(Configuration) ->
    #{cluster := Cluster, optfile := Optfile, listener := Listener} = World = rustls_dist_crowds:start(Configuration),
    Options = #{optfile => Optfile, args => ["-kernel", "dist_auto_connect", "never", "-connect_all", "false"]},
    {Keeper, Bystander} = rustls_dist_cluster:keep(fun() -> rustls_dist_cluster:start(Cluster, Options) end),
    ok = rustls_dist_cluster:join(Bystander, Listener),
    ok = rustls_dist_cluster:call(Bystander, rustls_dist_workload, flood_start,
                                  [rustls_dist_cluster:name(Listener), 1, ?MESSAGE_BYTES, ?PAUSE_MS]),
    _ = rustls_dist_crowds:join_times(World, 3),
    World#{configuration => Configuration, bystander => Bystander, bystanders_keeper => Keeper,
           undisturbed_ms => median(rustls_dist_crowds:join_times(World, ?JOINS))}.

-spec stop(world()) -> ok.
stop(#{bystanders_keeper := Keeper} = World) ->
    rustls_dist_cluster:release(Keeper),
    rustls_dist_crowds:stop(World).

%% Ends the messages of the bystander: all that it sent arrived, in order and whole, over the one link.
-spec lost(world()) -> ok.
lost(#{configuration := Configuration, bystander := Bystander, listener := Listener}) ->
    ?assert(rustls_dist_cluster:connected(Bystander, Listener)),
    {Sent, Lost} = rustls_dist_cluster:call(Bystander, rustls_dist_workload, flood_lost, []),
    ok = rustls_dist_figures:leave(hostile, #{carried => Sent, lost => Lost, bytes => ?MESSAGE_BYTES,
                                              configuration => Configuration}),
    ?assertEqual(0, Lost).

%% A kind of hostile peer: Times as many at once, of each version, as it says.
-spec withstand(world(), rustls_dist_hostile_peers:kind(), pos_integer()) -> ok.
withstand(#{listener := Listener, cert := Cert} = World, #{versions := Versions, stage := Stage, at_once := AtOnce} = Kind,
          Times) ->
    Port = rustls_dist_cluster:listening_port(Listener),
    %% A number of its own makes a name that no connection had before.
    Targets = [#{port => Port, cert => Cert, version => Version, number => erlang:unique_integer([positive])}
               || _ <- lists:seq(1, Times * AtOnce), Version <- Versions],
    Inputs = [fun() -> rustls_dist_hostile_peers:connect(Kind, Target, ?COOKIE) end || Target <- Targets],
    %% Who has the cookie has a name.
    Atoms = case Stage of
                joined -> length(Inputs);
                _ -> 0
            end,
    attack(World, Kind#{at_once := length(Inputs)}, Inputs, Atoms).

%% Runs the inputs, each a connection that tells how it ended, while joins are timed, and waits until nothing is left of them.
-spec attack(world(), map(), [fun(() -> rustls_dist_hostile_peers:outcome()), ...]) -> ok.
attack(World, Kind, Inputs) ->
    attack(World, Kind, Inputs, 0).

%% The same. Atoms: how many the node may make of it, beside its own.
-spec attack(world(), map(), [fun(() -> rustls_dist_hostile_peers:outcome()), ...], non_neg_integer()) -> ok.
attack(World, Kind, Inputs, Atoms) ->
    attempt(World, Kind, Inputs, Atoms, ?ATTEMPTS).

%% A machine that paused kept attackers and node alike from their deadlines: that is tried again, and nothing else is.
attempt(#{listener := Listener} = World, #{name := Name} = Kind, Inputs, Atoms, Attempts) ->
    Pulses = [{Node, pulse(Node, start, [])} || Node <- [here, Listener]],
    ok = rustls_dist_crowds:collect_garbage(Listener),
    Before = taken(Listener),
    Result = try withstood(World, Kind, Inputs, Atoms, Before) catch error:Reason -> {failed, Reason} end,
    [HereMs, ListenerMs] = [pulse(Node, stop, [Pid]) || {Node, Pid} <- Pulses],
    case Result of
        ok ->
            ct:log("~w: the node stood still for ~w ms at most, the tests for ~w", [Name, ListenerMs, HereMs]);
        {failed, Failure} when HereMs > ?PAUSED_MS, Attempts > 1 ->
            ct:pal("~w: the machine stood still for ~w ms, and so it is tried again: ~p", [Name, HereMs, Failure]),
            _ = settled(Listener, Before, rustls_dist_deadline:in(?SETTLE_MS)),
            attempt(World, Kind, Inputs, Atoms, Attempts - 1);
        {failed, Failure} ->
            ct:pal("~w: the node stood still for ~w ms at most, the tests for ~w; what the node said last:~n~ts",
                   [Name, ListenerMs, HereMs, last_lines(Listener)]),
            error({Failure, {listener_stood_still_ms, ListenerMs}, {tests_stood_still_ms, HereMs}})
    end.

pulse(here, Function, Arguments) -> apply(rustls_dist_pulse, Function, Arguments);
pulse(Node, Function, Arguments) -> rustls_dist_cluster:call(Node, rustls_dist_pulse, Function, Arguments).

last_lines(Node) ->
    Lines = rustls_dist_cluster:all_logged(Node),
    lists:join("\n", lists:nthtail(max(0, length(Lines) - ?LAST_LINES), Lines)).

withstood(#{listener := Listener, configuration := Configuration} = World, #{name := Name, expected := Expected} = Kind, Inputs,
          Atoms, Before) ->
    Started = erlang:monotonic_time(millisecond),
    {Outcomes, Joins} = under_attack(World, Inputs, maps:get(at_once, Kind)),
    Settled = settled(Listener, Before, rustls_dist_deadline:in(?SETTLE_MS)),
    Seconds = (erlang:monotonic_time(millisecond) - Started) / 1000,
    Row = #{name => Name, stage => maps:get(stage, Kind), does => maps:get(does, Kind),
            configuration => Configuration,
            inputs => length(Inputs), outcomes => tally(Outcomes), seconds => Seconds,
            joins_ms => Joins, undisturbed_ms => maps:get(undisturbed_ms, World),
            kept_bytes => maps:get(memory, Settled) - maps:get(memory, Before),
            lines => maps:get(lines, Settled) - maps:get(lines, Before),
            atoms => maps:get(atoms, Settled) - maps:get(atoms, Before)},
    ct:pal("~p", [Row]),
    ok = rustls_dist_figures:leave(hostile, Row),
    ?assertEqual([], lists:usort(Outcomes) -- Expected, Name),
    ?assertMatch({true, _}, {maps:get(kept_bytes, Row) =< maps:get(memory, Before) div 100 + ?KEPT_BYTES, Row}),
    ?assertMatch({true, _}, {maps:get(lines, Row) =< Seconds + ?LINES_AT_ONCE, Row}),
    ?assertMatch({true, _}, {maps:get(atoms, Row) =< Atoms + ?OWN_ATOMS, Row}),
    ?assertMatch({true, _}, {median(Joins) =< maps:get(undisturbed_ms, World) + ?MAX_DELAY_MS, Row}).

%% At least some joins, and more as long as the attack lasts.
under_attack(World, Inputs, AtOnce) ->
    {Attackers, Ref} = spawn_monitor(fun() -> exit({outcomes, at_once(Inputs, AtOnce)}) end),
    Joins = joins(World, Ref, []),
    receive
        {'DOWN', Ref, process, Attackers, {outcomes, Outcomes}} -> {Outcomes, Joins};
        {'DOWN', Ref, process, Attackers, Failed} -> error(Failed)
    end.

joins(World, Ref, Joins) ->
    Now = rustls_dist_crowds:join_times(World, 1) ++ Joins,
    IsOver = receive {'DOWN', Ref, process, _, _} = Down -> self() ! Down, true after 0 -> false end,
    case length(Now) >= 3 * ?JOINS orelse (IsOver andalso length(Now) >= ?LEAST_JOINS) of
        true -> Now;
        false -> joins(World, Ref, Now)
    end.

%% So many of them at a time, each in a process of its own.
at_once(Inputs, AtOnce) ->
    {Now, Later} = lists:split(min(AtOnce, length(Inputs)), Inputs),
    at_once(maps:from_list([begun(Input) || Input <- Now]), Later, []).

at_once(Running, [], Outcomes) when map_size(Running) =:= 0 ->
    Outcomes;
at_once(Running, Later, Outcomes) ->
    receive
        {'DOWN', Ref, process, _, {outcome, Outcome}} when is_map_key(Ref, Running) ->
            Left = maps:remove(Ref, Running),
            case Later of
                [] -> at_once(Left, [], [Outcome | Outcomes]);
                [Next | Rest] ->
                    {Begun, Pid} = begun(Next),
                    at_once(Left#{Begun => Pid}, Rest, [Outcome | Outcomes])
            end;
        {'DOWN', Ref, process, _, Reason} when is_map_key(Ref, Running) ->
            exit({attacker_failed, Reason})
    end.

begun(Input) ->
    {Pid, Ref} = spawn_monitor(fun() -> exit({outcome, Input()}) end),
    {Ref, Pid}.

%% What the node holds, when it is no more than before: handshakes, processes, ports, descriptors. Memory is looked at then.
settled(Listener, Before, Deadline) ->
    Now = held(Listener),
    Held = [Key || Key <- [handshakes, processes, ports, descriptors, pending, links],
                   maps:get(Key, Now) > maps:get(Key, Before)],
    case Held of
        [] ->
            ok = rustls_dist_crowds:collect_garbage(Listener),
            taken(Listener);
        _ ->
            ?assertMatch({true, _}, {rustls_dist_deadline:left_ms(Deadline) > 0, {Held, Before, Now}}),
            receive after 50 -> settled(Listener, Before, Deadline) end
    end.

%% Besides, what has to be no more than before only when all that is held is given back.
taken(Node) ->
    (held(Node))#{atoms => rustls_dist_cluster:call(Node, erlang, system_info, [atom_count]),
                  lines => length(rustls_dist_cluster:all_logged(Node))}.

held(Node) ->
    {ok, Descriptors} = file:list_dir(["/proc/", rustls_dist_cluster:os_pid(Node), "/fd"]),
    maps:merge(rustls_dist_crowds:taken(Node),
               #{descriptors => length(Descriptors),
                 pending => pending(Node),
                 links => length(rustls_dist_cluster:call(Node, erlang, nodes, [connected]))}).

%% rustls_dist_handshakes_pending, as the accept loop counts.
pending(Node) ->
    lists:sum([Value || #{name := rustls_dist_handshakes_pending, value := Value}
                            <- rustls_dist_cluster:call(Node, rustls_dist, metrics, [])]).

tally(Outcomes) ->
    lists:foldl(fun(Outcome, Tally) -> maps:update_with(Outcome, fun(Count) -> Count + 1 end, 1, Tally) end, #{}, Outcomes).

median(Times) ->
    lists:nth(length(Times) div 2 + 1, lists:sort(Times)).
