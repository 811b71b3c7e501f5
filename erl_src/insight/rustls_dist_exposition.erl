%% Figures as Prometheus reads them: its text format, version 0.0.4.
%%
%% @private
-module(rustls_dist_exposition).

-export([text/1]).

-spec text([rustls_dist_metrics:family()]) -> binary().
text(Families) ->
    unicode:characters_to_binary([family(Family) || Family <- Families]).

family({_Name, _Type, _Help, []}) ->
    [];
family({Name, Type, Help, Samples}) ->
    [["# HELP ", atom_to_binary(Name), " ", Help, "\n"],
     ["# TYPE ", atom_to_binary(Name), " ", atom_to_binary(Type), "\n"],
     [sample(Name, Labels, Value) || {Labels, Value} <- Samples]].

sample(Name, Labels, #{buckets := Buckets, count := Count, sum := Sum}) ->
    [[line(Name, "_bucket", Labels ++ [{le, bound(Bound)}], UpTo) || {Bound, UpTo} <- Buckets],
     line(Name, "_sum", Labels, Sum),
     line(Name, "_count", Labels, Count)];
sample(Name, Labels, Value) ->
    line(Name, "", Labels, Value).

line(Name, Suffix, Labels, Value) ->
    [atom_to_binary(Name), Suffix, labels(Labels), " ", number(Value), "\n"].

labels([]) ->
    [];
labels(Labels) ->
    ["{", lists:join(",", [[atom_to_binary(Label), "=\"", escaped(Value), "\""] || {Label, Value} <- Labels]), "}"].

%% Control characters are gone already (rustls_dist_peer_text), and come as backslashes.
escaped(Value) ->
    [case Char of
         $\\ -> "\\\\";
         $" -> "\\\"";
         $\n -> "\\n";
         _ -> Char
     end || Char <- unicode:characters_to_list(Value)].

bound(infinity) -> <<"+Inf">>;
bound(Seconds) -> float_to_binary(Seconds, [short]).

number(Value) when is_integer(Value) -> integer_to_binary(Value);
number(Value) -> float_to_binary(Value, [short]).
