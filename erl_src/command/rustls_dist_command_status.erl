%% `rustls-dist status': the links and the figures of a node that runs.
%%
%% @private
-module(rustls_dist_command_status).

-behaviour(rustls_dist_command_verb).

-export([help/0, run/1]).

-define(TIMEOUT_S, 10).
-define(MAX_TIMEOUT_S, 600).
-define(LAST_LINES, 5).

%% Flags that say how a node is reached, and where what its options name is found. Others are the node's own business.
-define(KEPT, ["-proto_dist", "-ssl_dist_opt", "-ssl_dist_optfile", "-epmd_module", "-start_epmd", "-erl_epmd_port",
               "-rustls_dist_port", "-rustls_dist_ports", "-rustls_dist_port_file", "-kernel", "-pa", "-pz"]).

-define(KERNEL_PARAMETERS, ["inet_dist_", "inetrc", "net_setuptime", "net_ticktime", "epmd_module"]).

%% The visitor listens to nobody, and tells nobody what it sees of the cluster.
-define(VISITOR, ["-hidden", "-dist_listen", "false", "-connect_all", "false"]).

-spec help() -> rustls_dist_command_verb:help().
help() ->
    #{summary => "shows the links and the figures of a running node",
      usage => ["[NAME@HOST] [--optfile FILE] [--vm-args FILE] [-- FLAG...]"],
      about => ["Connects to the node as a hidden node that does not listen, under a name that the node gives it for the time "
                "(or the one of --as), and prints what rustls_dist:i() and rustls_dist:metrics() say there. The connection is "
                "one of the links that are shown. Without NAME@HOST it asks the node that the flags name, or the only one "
                "that epmd knows on this machine.",
                rustls_dist_command_flags:about(),
                "The cookie is read from --cookie-file, or else as by any node, from ~/.erlang.cookie; one that the flags set "
                "counts, too. It is never on a command line of this command.",
                "Exit status 1: the node cannot be reached."],
      options => rustls_dist_command_flags:options()
          ++ [#{name => as, takes => "NAME@HOST", help => "the visitor's name: where verify_node of the node wants one from "
                                                          "its certificate"},
              #{name => 'cookie-file', takes => "FILE", help => "a file with the cookie, instead of ~/.erlang.cookie"},
              #{name => timeout, takes => "SECONDS", help => io_lib:format("how long it may take, ~b if not given",
                                                                           [?TIMEOUT_S])}]}.

-spec run(rustls_dist_command_verb:arguments()) -> rustls_dist_command_verb:result().
run(#{words := [_, Word | _]}) ->
    {usage, ["it takes one node, and not ", rustls_dist_file_name:shown(Word), " as well"]};
run(#{options := Options} = Arguments) ->
    case {rustls_dist_command_flags:of_node(Arguments), timeout_ms(Options), cookie(Options)} of
        {{error, Why}, _, _} -> {usage, Why};
        {_, {error, Why}, _} -> {usage, Why};
        {_, _, {error, Why}} -> {usage, Why};
        {{ok, Flags}, {ok, TimeoutMs}, {ok, Cookie}} ->
            case target(Arguments, Flags) of
                {ok, Node} -> visited(Node, Flags, Options, #{node => Node, cookie => given(Cookie, Flags),
                                                              timeout_ms => TimeoutMs});
                {error, Why} -> {usage, Why}
            end
    end.

timeout_ms(#{timeout := Text}) ->
    try list_to_integer(Text) of
        Seconds when Seconds > 0, Seconds =< ?MAX_TIMEOUT_S -> {ok, Seconds * 1000};
        _ -> timeout_ms(none)
    catch
        error:badarg -> timeout_ms(none)
    end;
timeout_ms(#{}) ->
    {ok, ?TIMEOUT_S * 1000};
timeout_ms(none) ->
    {error, io_lib:format("--timeout wants seconds, 1 to ~b", [?MAX_TIMEOUT_S])}.

cookie(#{'cookie-file' := File}) ->
    case rustls_dist_raw_file:read(rustls_dist_file_name:local(File), 1024) of
        {ok, Bytes} -> {ok, string:trim(binary_to_list(Bytes))};
        {error, _} -> {error, ["the cookie's file ", rustls_dist_file_name:shown(File), " cannot be read"]}
    end;
cookie(#{}) ->
    {ok, none}.

%% A cookie of the flags goes the other way, too.
given(none, Flags) ->
    case rustls_dist_command_flags:argument(setcookie, Flags) of
        {ok, Given} -> lists:last(lists:last(Given));
        error -> none
    end;
given(Cookie, _Flags) ->
    Cookie.

target(#{words := [Node]}, _Flags) ->
    case is_list(Node) andalso rustls_dist_hostname:of_node(Node) of
        {ok, _Host} -> case lists:member($@, Node) of
                           true -> {ok, Node};
                           false -> {error, ["a node is NAME@HOST, and not ", Node]}
                       end;
        _ -> {error, ["a node is NAME@HOST, and not ", rustls_dist_file_name:shown(Node)]}
    end;
target(#{words := []}, Flags) ->
    case rustls_dist_check_subject:name(Flags, none) of
        #{host := Host, name := Name} when Host =/= none -> {ok, Name};
        #{} -> local(erl_epmd:names())
    end.

local({ok, [{Name, _Port}]}) ->
    {ok, Host} = inet:gethostname(),
    {ok, Name ++ "@" ++ Host};
local({ok, []}) ->
    {error, "epmd knows no node on this machine; name one, NAME@HOST"};
local({ok, Several}) ->
    {error, ["epmd knows several nodes on this machine (", lists:join(", ", [Name || {Name, _Port} <- Several]),
             "); name one, NAME@HOST"]};
local({error, _}) ->
    {error, "no epmd answers on this machine; name a node, NAME@HOST"}.

visited(Node, Flags, Options, #{timeout_ms := TimeoutMs} = Task) ->
    Kept = rustls_dist_command_flags:words([{Name, kept(Name, Words)} || {Name, Words} <- Flags, lists:member(Name, ?KEPT)]),
    Carrier = case rustls_dist_command_flags:argument(proto_dist, Flags) of
                  {ok, _} -> [];
                  error -> ["-proto_dist", "rustls"]
              end,
    AllFlags = Kept ++ Carrier ++ ?VISITOR ++ visitor(Node, Options),
    case rustls_dist_command_vm:run(AllFlags, rustls_dist_command_visit, Task, TimeoutMs) of
        {ok, #{} = Found, _Printed} -> shown(Node, Found);
        {ok, no_rustls_dist, _Printed} -> failed(Node, [Node, " can be reached, and has no module rustls_dist"]);
        {ok, {not_connected, Why}, _Printed} -> failed(Node, lists:join("\n", ["there is no connection to " ++ Node | Why]));
        {error, timeout} -> failed(Node, io_lib:format("~ts did not answer within ~b s", [Node, TimeoutMs div 1000]));
        {error, Printed} -> failed(Node, ["the visitor's VM did not come up", told(Printed)])
    end.

%% Of kernel's parameters those of connections: the node's log is the node's.
kept("-kernel", [Name, Value | Words]) ->
    case lists:any(fun(Prefix) -> lists:prefix(Prefix, Name) end, ?KERNEL_PARAMETERS) of
        true -> [Name, Value | kept("-kernel", Words)];
        false -> kept("-kernel", Words)
    end;
kept(_Flag, Words) ->
    Words.

%% Both ends have names of the same form. `undefined' asks the node for a name; a long one needs a host with a dot, and where this
%% one has none, the node's will do.
visitor(Node, Options) ->
    {ok, Host} = rustls_dist_hostname:of_node(Node),
    case {lists:member($., Host) orelse lists:member($:, Host), Options} of
        {true, #{as := Name}} -> ["-name", Name];
        {false, #{as := Name}} -> ["-sname", Name];
        {false, #{}} -> ["-sname", "undefined"];
        {true, #{}} ->
            #{host := Own, name := Name} = rustls_dist_check_subject:name([{"-name", ["undefined"]}], none),
            ["-name", case lists:member($., Own) of
                          true -> Name;
                          false -> "undefined@" ++ Host
                      end]
    end.

%% What the visitor's log has says why: this carrier's own lines, or the last ones.
told(Printed) ->
    Lines = [Line || Line <- string:split(Printed, "\n", all), string:trim(Line) =/= <<>>],
    case [Line || Line <- Lines, string:find(Line, "rustls_dist: ") =/= nomatch] of
        [] -> [[":\n", lists:join("\n", lists:nthtail(max(0, length(Lines) - ?LAST_LINES), Lines))] || Lines =/= []];
        Ours -> [":\n", lists:join("\n", [string:trim(Line) || Line <- lists:uniq(Ours)])]
    end.

failed(Node, Why) ->
    {finding, [{red, "error"}, "  ", Why, "\n"],
     #{node => unicode:characters_to_binary(Node), error => unicode:characters_to_binary(Why)}}.

shown(Node, #{table := Table, links := Links, metrics := Metrics, name := Visitor}) ->
    {ok,
     [{bold, Node}, "\n\n", Table, "\n", [figures(Metrics) || Metrics =/= none]],
     #{node => unicode:characters_to_binary(Node), visitor => Visitor,
       links => maps:fold(fun(Peer, Info, Members) -> Members#{atom_to_binary(Peer) => json(Info)} end, #{}, Links),
       metrics => case Metrics of
                      none -> null;
                      _ -> json(Metrics)
                  end}}.

%% Those that are not 0: most of what can fail does not.
figures(Metrics) ->
    Lines = [{unicode:characters_to_list([atom_to_list(Name), labels(Labels)]), Value}
             || #{name := Name, labels := Labels, value := Given} <- Metrics, Value <- [figure(Given)], Value =/= "0"],
    Longest = lists:max([0 | [length(Line) || {Line, _Value} <- Lines]]),
    [[string:pad(Line, Longest + 2), Value, "\n"] || {Line, Value} <- Lines].

labels(Labels) when map_size(Labels) =:= 0 -> "";
labels(Labels) -> ["{", lists:join(",", [[atom_to_list(Label), "=\"", Value, "\""] || {Label, Value} <- maps:to_list(Labels)]),
                   "}"].

figure(#{count := 0}) -> "0";
figure(#{count := Count, sum := SumS}) -> io_lib:format("~b, ~.1f ms each", [Count, SumS * 1000 / Count]);
figure(Value) when is_integer(Value) -> integer_to_list(Value);
figure(Value) -> io_lib:format("~p", [Value]).

%% Terms of another node as JSON: what JSON has no form for becomes text.
json(#{} = Map) -> maps:from_list([{member(Key), json(Value)} || {Key, Value} <- maps:to_list(Map)]);
json(List) when is_list(List) -> [json(Element) || Element <- List];
json({Bound, Count}) when is_number(Bound); Bound =:= infinity -> [json(Bound), json(Count)];
json(nil) -> null;
json(Term) when is_atom(Term); is_number(Term); is_binary(Term) -> Term;
json(Term) -> unicode:characters_to_binary(io_lib:format("~0tp", [Term])).

member(Key) when is_atom(Key) -> Key;
member(Key) -> unicode:characters_to_binary(io_lib:format("~0tp", [Key])).
