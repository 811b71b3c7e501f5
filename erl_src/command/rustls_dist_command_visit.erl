%% The visit to a running node that `rustls-dist status' pays: over a hidden connection, under a name that the node gives to
%% the visitor and takes back. Runs in a VM of its own (rustls_dist_command_vm).
%%
%% @private
-module(rustls_dist_command_visit).

-export([main/0]).

%% logger handler
-export([log/2]).

-export_type([task/0, found/0]).

%% What is logged of a failed connection comes a moment after its failure.
-define(LOG_MS, 1000).

%% cookie: none, for the user's own ~/.erlang.cookie.
-type task() :: #{node := string(), cookie := string() | none, timeout_ms := pos_integer()}.

%% metrics: none, from a node whose rustls_dist has none. name: the visitor's, which is one of the links.
-type found() :: #{table := binary(), links := #{node() => map()}, metrics := [map()] | none, name := node()}
               | {not_connected, Why :: [binary()]}
               | no_rustls_dist.

-spec main() -> no_return().
main() ->
    #{node := Name, cookie := Cookie, timeout_ms := TimeoutMs} = rustls_dist_command_vm:task(),
    _ = spawn(fun() -> receive after TimeoutMs -> halt(1) end end),
    _ = [erlang:set_cookie(list_to_atom(Given)) || Given <- [Cookie], Given =/= none],
    ok = logger:add_handler(?MODULE, ?MODULE, #{config => #{reader => self()}}),
    _ = logger:remove_handler(default),
    Node = list_to_atom(Name),
    rustls_dist_command_vm:answer(case net_kernel:connect_node(Node) of
                                      true -> found(Node, TimeoutMs);
                                      _ -> {not_connected, logged(?LOG_MS)}
                                  end).

%% Hands on what is logged, as text.
-spec log(logger:log_event(), logger:handler_config()) -> ok.
log(Event, #{config := #{reader := Reader}}) ->
    Text = logger_formatter:format(Event, #{single_line => true, template => [msg]}),
    Reader ! {?MODULE, unicode:characters_to_binary(Text)},
    ok.

%% All of it, the first with patience.
logged(TimeoutMs) ->
    receive
        {?MODULE, Text} -> [Text | logged(0)]
    after TimeoutMs ->
        []
    end.

-spec found(node(), pos_integer()) -> found().
found(Node, TimeoutMs) ->
    case ask(Node, info, TimeoutMs) of
        {ok, Links} ->
            #{table => printed(Node, TimeoutMs), links => Links, name => node(),
              metrics => case ask(Node, metrics, TimeoutMs) of
                             {ok, Metrics} -> Metrics;
                             undefined -> none
                         end};
        undefined ->
            no_rustls_dist
    end.

ask(Node, Function, TimeoutMs) ->
    try
        {ok, erpc:call(Node, rustls_dist, Function, [], TimeoutMs)}
    catch
        error:{exception, undef, _} -> undefined
    end.

%% The node prints where the caller's group leader is.
printed(Node, TimeoutMs) ->
    Terminal = group_leader(),
    Paper = spawn_link(fun() -> paper([]) end),
    true = group_leader(Paper, self()),
    _ = ask(Node, i, TimeoutMs),
    true = group_leader(Terminal, self()),
    Paper ! {read, self()},
    receive {Paper, Text} -> Text end.

%% A device that keeps what is printed (the I/O protocol of stdlib's user's guide).
paper(Printed) ->
    receive
        {io_request, From, ReplyAs, Request} ->
            {Reply, Text} = request(Request),
            From ! {io_reply, ReplyAs, Reply},
            paper([Printed, Text]);
        {read, Reader} ->
            Reader ! {self(), unicode:characters_to_binary(Printed)}
    end.

request({put_chars, unicode, Text}) -> {ok, Text};
request({put_chars, unicode, Module, Function, Arguments}) -> {ok, apply(Module, Function, Arguments)};
request(_Other) -> {{error, request}, []}.
