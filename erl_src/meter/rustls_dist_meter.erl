%% What happened since the node started, as numbers that only grow: handshakes that went well or failed, connections that were
%% dropped, reloads; and a few that say how things are.
%%
%% The cells are made once and for all, one for each combination of labels, and every label takes its values from a list that
%% is known beforehand: no peer can make one more. They belong to no process. Counting takes no lock and fails nobody: what
%% has no cell, as in a node whose library is of another version, is not counted.
%%
%% The bytes, records and packets of a link that is up are not here but in Rust, where its locks are held anyway; what a link
%% had is added here when it ends (rustls_dist_links).
%%
%% @private
-module(rustls_dist_meter).

-export([new/1, count/2, add/3, set/3, took/3, read/1, histogram/1]).

-export_type([family/0, labels/0]).

%% `reason' of a failure is what rustls_dist_reason:tag/1 gives.
-type family() :: links_opened              % direction, version: links that came up
                | failures                  % direction, stage, reason: links that did not
                | withdrawn                 % links that a peer gave up for another one
                | links_broken              % reason: links that were up, and ended by a fault of TLS
                | accepted                  % connections
                | dropped                   % reason: connections that were dropped without a handshake
                | unused                    % connections that were closed before their first byte
                | pending                   % family: connections in the middle of their TLS handshake
                | reloads                   % result
                | ended                     % direction, unit: what links had that are no more
                | moves                     % step: links whose figures are on their way to `ended'
                | events_waiting            % for the telemetry library
                | histogram_bucket | histogram_us.
-type labels() :: #{atom() => value()}.
-type value() :: atom() | pos_integer().

-type key() :: {Name :: atom(), #{value() => Index :: non_neg_integer()}, Size :: pos_integer(), Last :: non_neg_integer()}.
-type layout() :: #{family() => {counters:counters_ref(), Base :: pos_integer(), [key()]}}.

%% TLS handshakes by their length: the upper bounds of what is counted together (microseconds).
-define(BOUNDS_US, [1000, 2500, 5000, 10000, 25000, 50000, 100000, 250000, 500000, 1000000, 2500000, 5000000, 10000000]).

%% Makes the cells, unless they are there. Reasons: those that a failure may have; the last one stands for all others.
-spec new([atom(), ...]) -> ok.
new(Reasons) ->
    case persistent_term:get(?MODULE, none) of
        none -> persistent_term:put(?MODULE, layout(Reasons));
        #{} -> ok
    end.

%% Counts one more.
-spec count(family(), labels()) -> ok.
count(Family, Labels) ->
    add(Family, Labels, 1).

%% Counts so many more.
-spec add(family(), labels(), integer()) -> ok.
add(Family, Labels, Increment) ->
    at(Family, Labels, fun(Ref, Index) -> counters:add(Ref, Index, Increment) end).

%% How it is now, for what does not only grow.
-spec set(family(), labels(), integer()) -> ok.
set(Family, Labels, Value) ->
    at(Family, Labels, fun(Ref, Index) -> counters:put(Ref, Index, Value) end).

%% One more of something that took so long: `handshake', a TLS handshake.
-spec took(handshake, labels(), non_neg_integer()) -> ok.
took(handshake, Labels, Us) ->
    add(histogram_us, Labels, Us),
    count(histogram_bucket, Labels#{up_to => bucket(Us)}).

%% All cells of a family.
-spec read(family()) -> [{labels(), integer()}].
read(Family) ->
    case persistent_term:get(?MODULE, #{}) of
        #{Family := {Ref, Base, Keys}} -> [{Labels, counters:get(Ref, Base + Offset)} || {Labels, Offset} <- cells(Keys)];
        #{} -> []
    end.

%% How often TLS handshakes of a direction took at most so long, and how long all of them together.
-spec histogram(in | out) -> {[{UpToUs :: pos_integer() | infinity, Count :: non_neg_integer()}], SumUs :: non_neg_integer()}.
histogram(Direction) ->
    Buckets = maps:from_list([{Bound, Count} || {#{direction := Of, up_to := Bound}, Count} <- read(histogram_bucket),
                                                Of =:= Direction]),
    Sum = lists:sum([Us || {#{direction := Of}, Us} <- read(histogram_us), Of =:= Direction]),
    {Counts, _All} = lists:mapfoldl(fun(Bound, Before) ->
                                            Count = Before + maps:get(Bound, Buckets, 0),
                                            {{Bound, Count}, Count}
                                    end, 0, ?BOUNDS_US ++ [infinity]),
    {Counts, Sum}.

at(Family, Labels, Fun) ->
    case persistent_term:get(?MODULE, #{}) of
        #{Family := {Ref, Base, Keys}} -> Fun(Ref, Base + offset(Keys, Labels, 0));
        #{} -> ok
    end.

%% A value that is not on the list counts as the last one of it.
offset([], _Labels, Offset) ->
    Offset;
offset([{Name, Indexes, Size, Last} | Keys], Labels, Offset) ->
    Index = case Labels of
                #{Name := Value} -> maps:get(Value, Indexes, Last);
                #{} -> Last
            end,
    offset(Keys, Labels, Offset * Size + Index).

cells(Keys) ->
    cells(Keys, [{#{}, 0}]).

cells([], Cells) ->
    Cells;
cells([{Name, Indexes, Size, _Last} | Keys], Cells) ->
    cells(Keys, [{Labels#{Name => Value}, Offset * Size + Index} || {Labels, Offset} <- Cells,
                                                                    {Value, Index} <- maps:to_list(Indexes)]).

%% What many processes count at once has its cells on every scheduler; of failures there are thousands of cells, which
%% take no more than they must.
-spec layout([atom(), ...]) -> layout().
layout(Reasons) ->
    maps:merge(made(often(), [write_concurrency]), made(seldom(Reasons), [atomics])).

made(Families, Options) ->
    {Placed, Size} = lists:mapfoldl(fun({Family, Labels}, Base) ->
                                            Keys = [key(Name, Values) || {Name, Values} <- Labels],
                                            {{Family, Base, Keys}, Base + number_of_cells(Keys)}
                                    end, 1, Families),
    Ref = counters:new(Size - 1, Options),
    maps:from_list([{Family, {Ref, Base, Keys}} || {Family, Base, Keys} <- Placed]).

key(Name, Values) ->
    Size = length(Values),
    {Name, maps:from_list(lists:zip(Values, lists:seq(0, Size - 1))), Size, Size - 1}.

number_of_cells(Keys) ->
    lists:foldl(fun({_Name, _Indexes, Size, _Last}, Product) -> Product * Size end, 1, Keys).

often() ->
    Direction = {direction, [in, out]},
    [{links_opened, [Direction, {version, ['tlsv1.2', 'tlsv1.3']}]},
     {withdrawn, []},
     {accepted, []},
     {dropped, [{reason, [silent, no_descriptor, too_many]}]},
     {unused, []},
     {ended, [{direction, [sent, received]}, {unit, [bytes, records, packets, key_updates]}]},
     {histogram_bucket, [Direction, {up_to, ?BOUNDS_US ++ [infinity]}]},
     {histogram_us, [Direction]}].

seldom(Reasons) ->
    [{failures, [{direction, [in, out]},
                 {stage, [configuration, name_lookup, epmd, tcp, tls, certificate, distribution_handshake]},
                 {reason, Reasons}]},
     {links_broken, [{reason, Reasons}]},
     {pending, [{family, [inet, inet6]}]},
     {moves, [{step, [begun, done]}]},
     {events_waiting, []},
     {reloads, [{result, [ok, refused]}]}].

bucket(Us) ->
    hd([Bound || Bound <- ?BOUNDS_US, Us =< Bound] ++ [infinity]).
