%% Two nodes whose links go through proxies that disturb them (rustls_dist_faulty_proxy): session after session a link comes up,
%% carries checked traffic (rustls_dist_checked_traffic), and ends by a fault or after a while. After each session it is known
%% what was done to the link, what arrived, and what each node told; the three have to agree.
-module(rustls_dist_faults).

-export([start/2, stop/1, run/2, corruption/2]).

-export_type([world/0, figures/0]).

-include_lib("stdlib/include/assert.hrl").

-type peer() :: rustls_dist_cluster:peer().

%% is_protected: whether the carrier is to notice what is done to a link.
-type world() :: #{a := peer(), b := peer(), to_a := rustls_dist_faulty_proxy:proxy(),
                   to_b := rustls_dist_faulty_proxy:proxy(), seed := integer(), is_protected := boolean()}.

%% What there was of each kind: links, attempts, messages, faults, reasons told.
-type figures() :: #{term() => non_neg_integer()}.

-define(SENDERS, 4).

%% A link that nothing happened to is ended after this.
-define(LINK_MS, 1500).
-define(DEADLINE_MS, 20000).

%% A tick each two seconds finds out that the end of something is missing. A handshake that bytes are missing of ends soon.
-define(ARGS, ["-kernel", "logger_level", "info", "-kernel", "dist_auto_connect", "never", "-connect_all", "false",
               "-kernel", "net_setuptime", "2", "-kernel", "net_ticktime", "8"]).

%% Starts nodes and proxies, linked to the caller. Options as for rustls_dist_cluster:start/3; seed, kinds and mean_bytes as
%% for rustls_dist_faulty_proxy:start/1.
-spec start(rustls_dist_cluster:cluster(), map()) -> world().
start(Cluster, #{seed := Seed} = Options) ->
    [PortA, PortB, WayToA, WayToB] = rustls_dist_listening:free_ports(inet, 4),
    Disturbing = maps:with([kinds, mean_bytes], Options),
    [ToA, ToB] = [rustls_dist_faulty_proxy:start(Disturbing#{listen => Way, target => Port, seed => Seed * 2 + Nth})
                  || {Nth, Way, Port} <- [{0, WayToA, PortA}, {1, WayToB, PortB}]],
    [A, B] = [rustls_dist_cluster:start(Cluster, Name, (maps:with([proto, optfile], Options))#{args => ports(Ports) ++ ?ARGS})
              || {Name, Ports} <- [{a, [{a, PortA}, {b, WayToB}]}, {b, [{a, WayToA}, {b, PortB}]}]],
    _ = [ok = rustls_dist_cluster:call(Peer, rustls_dist_workload, watch_nodes, []) || Peer <- [A, B]],
    #{a => A, b => B, to_a => ToA, to_b => ToB, seed => Seed, is_protected => maps:get(proto, Options, "rustls") =:= "rustls"}.

ports(Ports) ->
    ["-start_epmd", "false", "-epmd_module", "rustls_dist_epmd",
     "-rustls_dist_ports", lists:flatten(lists:join(",", [io_lib:format("~w=~w", [Name, Port]) || {Name, Port} <- Ports]))].

-spec stop(world()) -> ok.
stop(#{a := A, b := B, to_a := ToA, to_b := ToB}) ->
    lists:foreach(fun rustls_dist_cluster:stop_node/1, [A, B]),
    lists:foreach(fun rustls_dist_faulty_proxy:stop/1, [ToA, ToB]).

%% Sessions for so long, and one in which nothing is disturbed. Fails when anything is not as it has to be.
-spec run(world(), pos_integer()) -> figures().
run(#{to_a := ToA, to_b := ToB} = World, DurationMs) ->
    Figures = sessions(World, 1, erlang:monotonic_time(millisecond) + DurationMs, #{}),
    _ = [ok = rustls_dist_faulty_proxy:be_calm(Proxy, true) || Proxy <- [ToA, ToB]],
    Calm = session(World, 0),
    ?assertMatch(#{links := 1, {told, disconnect} := 1, {told, {ended, in_order}} := 1}, Calm),
    add(Figures, Calm).

sessions(World, Nth, Until, Figures) ->
    case erlang:monotonic_time(millisecond) < Until of
        true -> sessions(World, Nth + 1, Until, add(Figures, session(World, Nth)));
        false -> Figures
    end.

%% For a carrier that does not protect what it carries: whether anything arrived that was not sent, in sessions for so long at
%% most.
-spec corruption(world(), pos_integer()) -> {corrupted, [term(), ...]} | none.
corruption(World, DurationMs) ->
    corrupted(World, 1, erlang:monotonic_time(millisecond) + DurationMs).

corrupted(World, Nth, Until) ->
    case link_with_traffic(World, Nth) of
        #{faults := [_ | _] = Faults} ->
            {corrupted, Faults};
        #{} ->
            case erlang:monotonic_time(millisecond) < Until of
                true -> corrupted(World, Nth + 1, Until);
                false -> none
            end
    end.

%% One session. Odd ones are dialled by A.
session(World, Nth) ->
    Session = link_with_traffic(World, Nth),
    try
        judge(Session)
    catch
        Class:Reason:Stack ->
            ct:pal("session ~w of seed ~w: ~tp", [Nth, maps:get(seed, World), Session]),
            erlang:raise(Class, Reason, Stack)
    end.

link_with_traffic(#{a := A, b := B, to_a := ToA, to_b := ToB, seed := Seed, is_protected := IsProtected}, Nth) ->
    {From, To, Proxy} = case Nth rem 2 of
                            1 -> {A, B, ToB};
                            0 -> {B, A, ToA}
                        end,
    Known = maps:size(rustls_dist_faulty_proxy:connections(Proxy)),
    Before = [length(events(Peer)) || Peer <- [From, To]],
    _ = [ok = rustls_dist_reports:collect(Peer) || Peer <- [From, To]],
    Failed = connected(From, To, 0, deadline(?DEADLINE_MS)),
    [AtFrom, AtTo] = [call(Peer, receivers, [name(Other), ?SENDERS]) || {Peer, Other} <- [{From, To}, {To, From}]],
    Senders = [{Peer, call(Peer, senders, [Receivers, Seed + Nth])} || {Peer, Receivers} <- [{From, AtTo}, {To, AtFrom}]],
    ok = await_fault(From, To, Proxy, IsProtected, deadline(?LINK_MS), deadline(?DEADLINE_MS)),
    Sent = [Count || {Peer, Pids} <- Senders, Count <- call(Peer, stop, [Pids])],
    Received = [Verdict || {Peer, Pids} <- [{To, AtTo}, {From, AtFrom}], Verdict <- call(Peer, verdicts, [Pids])],
    ok = part(From, To),
    Connections = [Faults || {Number, Faults} <- maps:to_list(rustls_dist_faulty_proxy:connections(Proxy)), Number > Known],
    [EventsFrom, EventsTo] = [settled(Peer, Seen, IsProtected) || {Peer, Seen} <- lists:zip([From, To], Before)],
    #{failed => Failed, connections => length(Connections), done => lists:append(Connections),
      traffic => lists:zip(Sent, Received),
      faults => [Fault || #{faults := Faults} <- Received, Fault <- Faults],
      dialler => side(EventsFrom, told_of_attempts(From, case IsProtected of true -> Failed; false -> 0 end)),
      target => side(EventsTo, rustls_dist_reports:all(To))}.

%% What happened since the first so many events, when the links' last process is gone: it may log after the link is down.
settled(Peer, Seen, IsProtected) ->
    poll(fun() ->
                 New = lists:nthtail(Seen, events(Peer)),
                 Ups = length([up || {nodeup, _, _} <- New]),
                 Ups * 2 =:= length(New) andalso (not IsProtected orelse holds_nothing(Peer)) andalso New
         end).

holds_nothing(Peer) ->
    #{resources := Held} = rustls_dist_cluster:call(Peer, rustls_dist_workload, census, []),
    maps:with([senders, receivers, handshakes], Held) =:= #{senders => 0, receivers => 0, handshakes => 0}.

%% Who set the link up tells of each attempt in vain once, a moment after it is over.
told_of_attempts(From, Failed) ->
    poll(fun() ->
                 Told = rustls_dist_reports:all(From),
                 length([out || #{direction := out} <- Told]) >= Failed andalso Told
         end).

%% ups: how often the link came up; ends: why it ended each time, as net_kernel has it; told: what the log says of that.
side(Events, Told) ->
    #{ups => length([up || {nodeup, _, _} <- Events]),
      ends => [Reason || {nodedown, _, #{nodedown_reason := Reason}} <- Events],
      told => [Report || #{direction := established} = Report <- Told],
      out => length([out || #{direction := out} <- Told]),
      failed => [Report || #{direction := Direction} = Report <- Told, Direction =/= established]}.

%% Gives how many attempts were in vain before. Before the next one the other node has to know that it was.
connected(From, To, Failed, Deadline) ->
    ?assert(erlang:monotonic_time(millisecond) < Deadline, {no_link_after, Failed}),
    case rustls_dist_cluster:call(From, net_kernel, connect_node, [name(To)]) of
        true ->
            poll(fun() -> connected(To, From) orelse not connected(From, To) end),
            Failed;
        false ->
            poll(fun() -> not connected(To, From) end),
            connected(From, To, Failed + 1, Deadline)
    end.

%% Until the link is down, or nothing happened to it for long enough. What harms it must end it, if it is protected.
await_fault(From, To, Proxy, IsProtected, CalmUntil, HarmedUntil) ->
    Now = erlang:monotonic_time(millisecond),
    Connections = rustls_dist_faulty_proxy:connections(Proxy),
    #{map_size(Connections) := Faults} = Connections,
    Harm = rustls_dist_faulty_proxy:damages(Faults) ++ rustls_dist_faulty_proxy:cuts(Faults),
    case connected(From, To) andalso connected(To, From) of
        false -> ok;
        true when Harm =:= [] orelse not IsProtected, Now > CalmUntil -> ok;
        true ->
            ?assert(Now < HarmedUntil, {not_noticed, Faults}),
            receive after 20 -> await_fault(From, To, Proxy, IsProtected, CalmUntil, HarmedUntil) end
    end.

part(From, To) ->
    _ = rustls_dist_cluster:call(From, erlang, disconnect_node, [name(To)]),
    poll(fun() -> not connected(From, To) andalso not connected(To, From) andalso ok end).

%% judging -----------------------------------------------------------------------------------------------------------

judge(#{traffic := Traffic, faults := Faults, dialler := Dialler, target := Target, done := Done, failed := Failed,
        connections := Connections}) ->
    ?assertEqual([], Faults),
    [?assert(is_prefix(Pair), Pair) || Pair <- Traffic],
    ?assertEqual(Failed, maps:get(out, Dialler)),
    Told = told(Dialler, Target, to_dialler, to_target, Done) ++ told(Target, Dialler, to_target, to_dialler, Done),
    Counted = [links || _ <- lists:seq(1, maps:get(ups, Dialler))] ++ [{told, Reason} || Reason <- Told]
        ++ [{fault, Kind} || {_, Kind, _} <- Done],
    add(counted(Counted), #{failed_attempts => Failed, connections => Connections,
                            messages => lists:sum([Count || {_, #{received := Count}} <- Traffic]),
                            bytes => lists:sum([Bytes || {_, #{bytes := Bytes}} <- Traffic])}).

%% All that was sent where the link stayed, the beginning of it where it did not.
is_prefix({Sent, #{received := Received, at_end := complete}}) -> Received =:= Sent;
is_prefix({Sent, #{received := Received, at_end := down}}) -> Received =< Sent.

%% Each end of a link has its line in the log of this side, one, and the line is true; but for those that this side meant, and
%% what dist_util logs itself.
told(#{ends := Ends, told := Told}, Other, Hither, Thither, Done) ->
    Lines = [Line || #{line := Line} <- Told],
    Telling = [Reason || Reason <- Ends, not lists:member(Reason, [disconnect, net_tick_timeout])],
    ?assertEqual({length(Telling), Telling, Lines}, {length(Told), Telling, Lines}),
    [?assertEqual({true, Reason, Line, Done}, {is_told(Reason, Report), Reason, Line, Done})
     || {Reason, #{line := Line} = Report} <- lists:zip(Telling, Told)],
    Damages = rustls_dist_faulty_proxy:damages(Done),
    Damaged = fun(Direction) -> lists:keymember(Direction, 1, Damages) end,
    [?assertEqual({true, Report, Other, Done}, {is_true(Reason, Damaged(Hither), Damaged(Thither), Other, Done), Report, Other,
                                                Done})
     || #{reason := Reason} = Report <- Told],
    [Reason || Reason <- Ends, lists:member(Reason, [disconnect, net_tick_timeout])] ++ [name_of(Report) || Report <- Told].

is_told({tls_error, Kind}, #{event := link_failed, reason := {tls, #{kind := Kind}}}) -> true;
is_told({tls_alert, Name}, #{event := link_failed, reason := {tls_alert, {_Code, Name}}}) -> true;
is_told(connection_closed, #{event := link_ended, reason := {ended, How}}) -> How =:= cut orelse How =:= in_order;
is_told({Error, Reason}, #{event := link_ended, reason := {ended, {tcp_error, Reason}}}) ->
    Error =:= tcp_error orelse Error =:= send_error;
is_told(_Reason, _Report) -> false.

%% Damage is found where it arrives, and the other side hears of it; a link that was cut was cut by the proxy, or the other side
%% had a reason of its own.
is_true({tls, _Error}, IsDamagedHither, _IsDamagedThither, _Other, _Done) -> IsDamagedHither;
is_true({tls_alert, _Alert}, _IsDamagedHither, IsDamagedThither, _Other, _Done) -> IsDamagedThither;
is_true({ended, in_order}, _IsDamagedHither, _IsDamagedThither, Other, _Done) -> has_reason(Other);
is_true({ended, _Cut}, _IsDamagedHither, _IsDamagedThither, Other, Done) ->
    rustls_dist_faulty_proxy:cuts(Done) =/= [] orelse has_reason(Other).

has_reason(#{ends := Ends, failed := Failed}) ->
    Failed =/= [] orelse [Reason || Reason <- Ends, Reason =/= connection_closed] =/= [].

name_of(#{reason := {tls, #{kind := Kind, alert := Alert}}}) -> {tls, Kind, Alert =/= none};
name_of(#{reason := {tls_alert, {_Code, Name}}}) -> {alert, Name};
name_of(#{reason := {ended, How}}) -> {ended, How}.

counted(Things) ->
    lists:foldl(fun(Thing, Counts) -> add(Counts, #{Thing => 1}) end, #{}, Things).

add(Counts, More) ->
    maps:fold(fun(Key, Count, Sum) -> maps:update_with(Key, fun(Before) -> Before + Count end, Count, Sum) end, Counts, More).

%% ---------------------------------------------------------------------------------------------------------------------

events(Peer) -> rustls_dist_cluster:call(Peer, rustls_dist_workload, node_events, []).
connected(Peer, Other) -> rustls_dist_cluster:connected(Peer, Other).
call(Peer, F, A) -> rustls_dist_cluster:call(Peer, rustls_dist_checked_traffic, F, A, 2 * ?DEADLINE_MS).
name(Peer) -> rustls_dist_cluster:name(Peer).
poll(Fun) -> rustls_dist_cluster:poll(Fun, ?DEADLINE_MS).
deadline(Ms) -> erlang:monotonic_time(millisecond) + Ms.
