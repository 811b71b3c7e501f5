%% The way to a node, step by step, as a link of the carrier goes it: name lookup, epmd, TCP, TLS, the certificate. It stops at
%% the first failure, with the carrier's own sentence for it.
%%
%% @private
-module(rustls_dist_ping_walk).

-export([tls/2, connect/3, step/3, failed/3]).

-export_type([way/0, step/0, place/0]).

%% What the way is gone with. names: which form of names the node that asks has; port: known, so that epmd is not asked;
%% find_port: what is asked instead of epmd, if anything.
-type way() :: #{node := node(), family := inet | inet6, names := longnames | shortnames,
                 config := rustls_dist_roles:role_config(), timeout_ms := pos_integer(),
                 find_port := epmd | fun((string()) -> {ok, inet:port_number()} | {error, unicode:chardata()}),
                 report := fun((step()) -> ok),
                 ip => inet:ip_address()}.                                      % once it is known

%% ms: what it took; text: for people; more: for programs.
-type step() :: #{stage := rustls_dist_failure:stage(), result := ok | failed | not_tried, ms := float(),
                  text := unicode:chardata(), more := map()}.

%% Where the node is, once that is known.
-type place() :: rustls_dist_lookup:target().

%% Goes as far as the established TLS connection. Gives all steps; each was reported before.
-spec tls(way(), [step()]) -> {ok, rustls_dist_handshake:tls(), place(), [step()]}
                            | {failed, Reason :: term(), place() | none, [step()]}.
tls(Way, Steps) ->
    maybe_next(name_lookup, Way, fun() -> limited(Way, fun() -> lookup(Way) end) end, Steps,
               fun(#{ip := Ip} = Host, Before) ->
                       Further = Way#{ip => Ip},
                       maybe_next(epmd, Further, fun() -> limited(Way, fun() -> port(Way, Host) end) end, Before,
                                  fun(Place, Then) -> connection(Further, Place, Then) end)
               end).

%% The resolver and OTP's epmd client wait as long as it takes: a link has a timer beside it (dist_util).
limited(#{timeout_ms := TimeoutMs}, Do) ->
    {Pid, Ref} = spawn_monitor(fun() -> exit({done, Do()}) end),
    receive
        {'DOWN', Ref, process, Pid, {done, Result}} -> Result;
        {'DOWN', Ref, process, Pid, Reason} -> {error, Reason}
    after TimeoutMs ->
        erlang:demonitor(Ref, [flush]),
        exit(Pid, kill),
        {error, setup_timer_timeout}
    end.

connection(Way, Place, Steps) ->
    maybe_next(tcp, Way, fun() -> open(Way, Place) end, Steps,
               fun(Socket, Before) -> placed(Place, secured(Way, Place, Socket, Before)) end).

%% Steps are kept in order.
maybe_next(Stage, #{report := Report} = Way, Do, Steps, Next) ->
    case timed(Do) of
        {Ms, {ok, Value, Text, More}} ->
            Step = #{stage => Stage, result => ok, ms => Ms, text => Text, more => More},
            ok = Report(Step),
            Next(Value, Steps ++ [Step]);
        {Ms, {error, Reason}} ->
            Step = failed(Way, rustls_dist_failure:stage(Stage, Reason), Reason),
            ok = Report(Step#{ms := Ms}),
            {failed, Reason, none, Steps ++ [Step#{ms := Ms}]}
    end.

placed(Place, {failed, Reason, none, Steps}) -> {failed, Reason, Place, Steps};
placed(_Place, Result) -> Result.

%% A step that failed, with the sentence that a link's failure would have in the log.
-spec failed(#{node := node(), ip => inet:ip_address(), _ => _}, rustls_dist_failure:stage(), term()) -> step().
failed(Way, Stage, Reason) ->
    Text = rustls_dist_failure_text:text((maps:with([node, ip], Way))#{direction => out, stage => Stage}, Reason),
    #{stage => Stage, result => failed, ms => 0.0, text => Text, more => #{reason => kind(Reason)}}.

%% A name for programs.
kind({tls, #{kind := Kind}}) -> Kind;
kind({tls_alert, {_Code, Name}}) -> Name;
kind({epmd, {_Name, _Host, _Ip, {unreachable, Why}}}) -> reason_name(Why);
kind({epmd, {_Name, _Host, _Ip, Why}}) -> reason_name(Why);
kind({connect, Why}) -> reason_name(Why);
kind({name_lookup, {What, Why}}) when is_atom(What), not is_atom(Why) -> What;
kind({name_lookup, {_Host, Why}}) -> reason_name(Why);
kind({_Step, bad_cookie}) -> bad_cookie;
kind(Other) -> reason_name(Other).

reason_name(Atom) when is_atom(Atom) -> Atom;
reason_name(Tuple) when is_tuple(Tuple), is_atom(element(1, Tuple)) -> element(1, Tuple);
reason_name(_Other) -> other.

%% One more step, reported and timed. What it gives besides goes to the caller, also when it fails.
-spec step(way(), rustls_dist_failure:stage(),
           fun(() -> {ok | not_tried, Value, unicode:chardata(), map()} | {failed, Value, Reason :: term()})) ->
          {ok | failed, Value, step()}.
step(#{report := Report} = Way, Stage, Do) ->
    case timed(Do) of
        {Ms, {failed, Value, Reason}} ->
            Step = (failed(Way, rustls_dist_failure:stage(Stage, Reason), Reason))#{ms := Ms},
            ok = Report(Step),
            {failed, Value, Step};
        {Ms, {Result, Value, Text, More}} ->
            Step = #{stage => Stage, result => Result, ms => Ms, text => Text, more => More},
            ok = Report(Step),
            {ok, Value, Step}
    end.

timed(Do) ->
    Started = erlang:monotonic_time(),
    Result = Do(),
    Us = erlang:convert_time_unit(erlang:monotonic_time() - Started, native, microsecond),
    {round(Us / 10) / 100, Result}.

lookup(#{family := Family, node := Node, names := Names}) ->
    case rustls_dist_lookup:host(Family, Node, Names) of
        {ok, #{ip := Ip, host := Name} = Host} -> {ok, Host, [Name, " is ", inet:ntoa(Ip)], #{ip => text(inet:ntoa(Ip))}};
        {error, _} = Error -> Error
    end.

port(#{find_port := epmd}, Host) ->
    case rustls_dist_lookup:port(Host) of
        {ok, #{port := Port} = Place} -> {ok, Place, io_lib:format("it listens on port ~w", [Port]), #{port => Port}};
        {error, _} = Error -> Error
    end;
port(#{find_port := Find}, #{name := Name, host := Host, ip := Ip}) ->
    case Find(Name) of
        {ok, Port} ->
            {ok, #{host => Host, ip => Ip, port => Port, version => 6},
             io_lib:format("not asked: the port is ~w", [Port]), #{port => Port}};
        {error, Text} ->
            {error, {epmd, {Name, Host, Ip, {error, {rustls_dist, Text}}}}}
    end.

open(#{family := Family, timeout_ms := TimeoutMs}, #{ip := Ip, port := Port} = Place) ->
    case rustls_dist_link_out:connect(Family, Place, TimeoutMs) of
        {ok, Socket} -> {ok, Socket, io_lib:format("connected to ~ts port ~w", [inet:ntoa(Ip), Port]), #{}};
        {error, _} = Error -> Error
    end.

secured(Way, Place, Socket, Steps) ->
    maybe_next(tls, Way, fun() -> secure(Way, Place, Socket) end, Steps, fun(Tls, All) -> {ok, Tls, Place, All} end).

%% A peer that speaks distribution without TLS waits for more, and says nothing.
secure(#{config := Config, timeout_ms := TimeoutMs} = Way, Place, Socket) ->
    Suspicion = rustls_dist_ping_plain:suspect(fun() -> open_silently(Way, Place) end, Socket),
    Result = rustls_dist_handshake:connect(Socket, rustls_dist_link_out:role(Config, Place), TimeoutMs),
    case {Result, rustls_dist_ping_plain:verdict(Suspicion, Result)} of
        {{ok, #{facts := #{version := Version, cipher := Cipher, group := Group}} = Tls}, _} ->
            {ok, Tls, lists:join(", ", [version(Version), Cipher | [Group || Group =/= nil]]),
             #{version => Version, cipher => Cipher, group => case Group of nil -> null; _ -> Group end}};
        {{error, _}, plain} ->
            ok = gen_tcp:close(Socket),
            {error, plain_distribution};
        {{error, Reason}, unknown} ->
            rustls_dist_closing:gently(Socket),
            {error, Reason}
    end.

open_silently(#{family := Family, timeout_ms := TimeoutMs}, Place) ->
    rustls_dist_link_out:connect(Family, Place, TimeoutMs).

%% Another TLS connection, beside the way: nothing is reported.
-spec connect(way(), place(), rustls_dist_roles:role_config()) -> {ok, rustls_dist_handshake:tls()} | {error, term()}.
connect(#{timeout_ms := TimeoutMs} = Way, Place, Config) ->
    case open_silently(Way, Place) of
        {ok, Socket} ->
            case rustls_dist_handshake:connect(Socket, rustls_dist_link_out:role(Config, Place), TimeoutMs) of
                {ok, Tls} ->
                    {ok, Tls};
                {error, _} = Error ->
                    rustls_dist_closing:gently(Socket),
                    Error
            end;
        {error, _} = Error ->
            Error
    end.

version('tlsv1.2') -> "TLS 1.2";
version('tlsv1.3') -> "TLS 1.3".

text(Chars) -> unicode:characters_to_binary(Chars).
