%% The links of this node as a table for people, a line for each, at most 100 columns wide; and below it what the listener saw,
%% and which library runs.
%%
%% @private
-module(rustls_dist_table).

-export([text/2]).

%% Title, width, and the side that a cell keeps to.
-define(COLUMNS, [{"node", 24, left}, {"dir", 3, left}, {"up", 5, right}, {"TLS", 3, left}, {"cipher", 8, left},
                  {"group", 15, left}, {"by", 8, left}, {"sent", 6, right}, {"received", 8, right}, {"expires", 7, right},
                  {"gen", 3, right}]).

-spec text([rustls_dist_links:info()], Now :: integer()) -> unicode:chardata().
text(Links, Now) ->
    Sorted = lists:sort(fun(#{node := A}, #{node := B}) -> A =< B end, Links),
    Rows = [[Title || {Title, _Width, _Side} <- ?COLUMNS] | [row(Info, Now) || Info <- Sorted]],
    [[line(Row) || Row <- Rows], "\n", listener(), library(rustls_dist_build:facts())].

line(Cells) ->
    Padded = [cell(Text, Width, Side) || {Text, {_Title, Width, Side}} <- lists:zip(Cells, ?COLUMNS)],
    [string:trim(lists:join(" ", Padded), trailing), "\n"].

cell(Text, Width, left) -> string:pad(Text, Width, trailing);
cell(Text, Width, right) -> string:pad(Text, Width, leading).

row(#{node := Node, direction := Direction, since := Since, version := Version, cipher := Cipher, group := Group,
      verified := #{by := By}, peer_certificate := Certificate, generation := Generation,
      traffic := #{sent := #{bytes := Sent}, received := #{bytes := Received}}}, Now) ->
    [node_name(Node), atom_to_list(Direction), span(max(0, Now - Since)), version(Version), cipher(Cipher), group(Group), by(By),
     amount(Sent), amount(Received), expires(Certificate, Now), integer_to_list(Generation)].

%% A name that is too long keeps both its ends, which tell most.
node_name(Node) ->
    Shown = unicode:characters_to_list(rustls_dist_peer_text:cut(Node)),
    case string:length(Shown) of
        Length when Length =< 24 -> Shown;
        Length -> [string:slice(Shown, 0, 10), "...", string:slice(Shown, Length - 11)]
    end.

version('tlsv1.3') -> "1.3";
version('tlsv1.2') -> "1.2".

%% The part of a suite's name that tells one from the other.
cipher(Suite) ->
    case [Short || {Part, Short} <- [{<<"AES_256">>, "AES-256"}, {<<"AES_128">>, "AES-128"}, {<<"CHACHA20">>, "CHACHA20"}],
                   binary:match(Suite, Part) =/= nomatch] of
        [Short] -> Short;
        _ -> "other"
    end.

group(nil) -> "-";
group(Group) -> string:slice(Group, 0, 15).

by({function, _Name}) -> "function";
by(By) -> atom_to_list(By).

amount(Bytes) -> amount(Bytes, ["B", "kB", "MB", "GB", "TB", "PB", "EB"]).

amount(Number, [Unit | Units]) when Number < 1000; Units =:= [] -> [integer_to_list(Number), Unit];
amount(Number, [_Unit | Units]) -> amount(Number div 1000, Units).

expires(#{not_after := NotAfter}, Now) when NotAfter < Now -> "expired";
expires(#{not_after := NotAfter}, Now) -> span(NotAfter - Now);
expires(none, _Now) -> "-".

span(Seconds) when Seconds < 120 -> [integer_to_list(Seconds), "s"];
span(Seconds) when Seconds < 7200 -> [integer_to_list(Seconds div 60), "min"];
span(Seconds) when Seconds < 172800 -> [integer_to_list(Seconds div 3600), "h"];
span(Seconds) when Seconds < 315360000 -> [integer_to_list(Seconds div 86400), "d"];
span(Seconds) -> [integer_to_list(Seconds div 31536000), "y"].

listener() ->
    io_lib:format("connections accepted ~w, in the handshake ~w, dropped ~w, closed unused ~w; links failed: in ~w, out ~w~n",
                  [sum(accepted), sum(pending), sum(dropped), sum(unused), failed(in), failed(out)]).

sum(Family) ->
    lists:sum([Count || {_Labels, Count} <- rustls_dist_meter:read(Family)]).

failed(Direction) ->
    lists:sum([Count || {#{direction := Of}, Count} <- rustls_dist_meter:read(failures), Of =:= Direction]).

library(#{version := Version, provider := Provider, otp := Release}) ->
    io_lib:format("rustls_dist ~ts with ~ts, on OTP ~ts~n", [Version, Provider, Release]);
library(none) ->
    [].
