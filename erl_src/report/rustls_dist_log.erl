%% The carrier's log entries: reports with domain [rustls_dist] that know how to become a readable line. For those who read logs
%% by machine, each entry has flat fields in its metadata: event, and where they are known direction, stage, reason (an atom of
%% rustls_dist_reason), node, states (what the peer of an incoming link calls itself) and peer (its address).
%%
%% @private
-module(rustls_dist_log).

-export([peer/1, established/1, is_set_up/0, be_visible/0, notice/1, own_certificate/1, configuration/1, reloaded/2,
         not_reloaded/2, failed_setup/3,
         failed_incoming/2, broken_link/2, ended_link/2, not_rechecked/2, listener/2, crl_source/4, repeated/3]).
-export([format/1]).

-export_type([address/0, setup/0, peer/0]).

-include_lib("kernel/include/logger.hrl").

-type address() :: {inet:ip_address(), inet:port_number()} | none.

%% A link under way: who opened it, to which node and address as far as known, and how far it got.
%% states: the name that the peer of an incoming link gave itself.
-type setup() :: #{direction := in | out, stage := rustls_dist_failure:stage(),
                   node => node(), states => string(), ip => inet:ip_address(), address => address()}.

%% Who is on the other side of a link that is up.
-type peer() :: #{node := node(), address := address()}.

-define(BOOT_HANDLER_TRIES, 100).
-define(BOOT_HANDLER_POLL_MS, 10).

-define(META, #{domain => [rustls_dist], report_cb => fun ?MODULE:format/1}).

%% The peer's address, for later reports: a socket that was closed does not tell it any more.
-spec peer(inet:socket()) -> address().
peer(Socket) ->
    case inet:peername(Socket) of
        {ok, {_Ip, _Port} = Address} -> Address;
        _ -> none
    end.

%% The peer of a link that is up, as it was known when the link came up.
-spec established(rustls_dist_handshake:tls()) -> peer().
established(#{node := Node, address := Address}) ->
    #{node => Node, address => Address}.

%% Whether entries go where the user wants them. What is logged before kernel has set up logger's default handler reaches the
%% console of the boot, and not a log file.
-spec is_set_up() -> boolean().
is_set_up() ->
    case logger:get_handler_config(default) of
        {ok, _} -> true;
        {error, _} -> false
    end.

%% Something the user ought to know about accepted options.
-spec notice(unicode:chardata()) -> ok.
notice(Text) ->
    be_visible(),
    ?LOG_WARNING(#{event => configuration_notice, text => unicode:characters_to_binary(Text)},
                 meta(#{event => configuration_notice, stage => configuration})).

%% Something that peers will refuse, or soon will, in a certificate of this node.
-spec own_certificate(unicode:chardata()) -> ok.
own_certificate(Text) ->
    be_visible(),
    ?LOG_WARNING(#{event => own_certificate, text => unicode:characters_to_binary(Text)},
                 meta(#{event => own_certificate, stage => certificate})).

%% Changed files were taken into use.
-spec reloaded(Generation :: pos_integer(), [file:filename_all()]) -> ok.
reloaded(Generation, Files) ->
    be_visible(),
    Text = ["the TLS configuration was read again and is in use as generation ", integer_to_list(Generation), ": ", shown(Files),
            " changed; links that are up go on as they are"],
    ?LOG_NOTICE(#{event => configuration_reloaded, text => unicode:characters_to_binary(Text)},
                meta(#{event => configuration_reloaded, stage => configuration})).

%% Changed files cannot be used.
-spec not_reloaded([file:filename_all()], unicode:chardata()) -> ok.
not_reloaded(Files, Why) ->
    be_visible(),
    Text = [shown(Files), " changed and cannot be used: ", Why, "; what was in use stays, and the files are read again when they "
            "change"],
    ?LOG_WARNING(#{event => configuration_refused, text => unicode:characters_to_binary(Text)},
                 meta(#{event => configuration_refused, stage => configuration})).

shown(Files) ->
    lists:join(", ", [rustls_dist_file_name:shown(File) || File <- Files]).

%% Configuration that keeps the node from coming up.
-spec configuration(unicode:chardata()) -> ok.
configuration(Text) ->
    be_visible(),
    ?LOG_ERROR(#{event => configuration_error, text => unicode:characters_to_binary(Text)},
               meta(#{event => configuration_error, stage => configuration})),
    await_boot_handler(whereis(logger_simple_h), ?BOOT_HANDLER_TRIES).

%% A link whose supervisor ended before it was up. Noted: the carrier's own reason, or none; Exit: the exit reason.
-spec failed_setup(setup(), {noted, term()} | none, term()) -> ok.
failed_setup(Setup, Noted, Exit) ->
    case rustls_dist_failure:reason(Noted, Exit) of
        none -> ok;
        Reason -> failure(Setup, Reason)
    end.

%% A connection that was accepted and did not get as far as the distribution handshake.
-spec failed_incoming(address(), term()) -> ok.
failed_incoming(Address, no_answer) ->
    probe(Address);
failed_incoming(Address, Reason) ->
    failure(#{direction => in, address => Address, stage => tls}, Reason).

%% A link that was up and broke for a reason that TLS knows.
-spec broken_link(peer(), term()) -> ok.
broken_link(Peer, Reason) ->
    failure(Peer#{direction => established, stage => link}, Reason).

%% A link that was up, and that its peer or the network ended: in order, by closing the connection without a goodbye
%% (close_notify), or by an error of TCP. Below what is logged by default: tools that connect for one call end like that every
%% time, and net_kernel tells everybody who asked for it.
-spec ended_link(peer(), in_order | cut | {tcp_error, inet:posix()}) -> ok.
ended_link(#{node := Node} = Peer, How) ->
    case logger:allow(info, ?MODULE) andalso rustls_dist_log_limit:admit({ended, Node, link}) of
        true ->
            be_visible(),
            Report = report(Peer#{event => link_ended, direction => established, stage => link}, {ended, How}),
            ?LOG_INFO(Report, meta(Report));
        false ->
            ok
    end.

%% The peer of a link that is up could not be judged again.
-spec not_rechecked(peer(), unicode:chardata()) -> ok.
not_rechecked(#{node := Node} = Peer, Why) ->
    be_visible(),
    Text = ["the certificate of ", rustls_dist_peer_text:cut(Node), " cannot be judged again (recheck): ",
            rustls_dist_peer_text:line(Why), "; the link stays, and this is said once until it can be"],
    Report = Peer#{event => recheck_undecided, stage => certificate},
    ?LOG_WARNING(Report#{text => unicode:characters_to_binary(Text)}, meta(Report)).

%% A connection that ended before its first byte is no failure: load balancers and port scanners do that. It is counted,
%% apart from the failures, and the count is logged once in a while, below what is logged by default.
probe(Address) ->
    ok = rustls_dist_meter:count(unused, #{}),
    Ip = case Address of
             {Known, _Port} -> Known;
             none -> unknown
         end,
    _ = rustls_dist_log_limit:admit({probe, Ip}),
    ok.

%% Trouble of the accept loop. Suppressed: entries that were left out before this one.
-spec listener(term(), non_neg_integer()) -> ok.
listener(What, Suppressed) ->
    be_visible(),
    ?LOG_ERROR(#{event => listener, reason => What, suppressed => Suppressed,
                 text => unicode:characters_to_binary(rustls_dist_failure:listener_text(What, Suppressed))},
               meta(#{event => listener, stage => tcp, reason => What})).

%% What a module that finds revocation lists has to say, as it says it to ssl (ssl_crl_cache_api).
-spec crl_source(module(), logger:level(), logger:report() | term(), map()) -> ok.
crl_source(Module, Level, Report, Meta) ->
    case rustls_dist_log_limit:admit({crl_source, Module}) of
        true ->
            be_visible(),
            Text = unicode:characters_to_binary(io_lib:format("~ts says of revocation lists: ~0tP", [Module, Report, 60])),
            logger:log(Level, #{event => crl_source, module => Module, report => Report, text => Text},
                       maps:merge(Meta, meta(#{event => crl_source, stage => certificate})));
        false ->
            ok
    end.

%% Failures of one kind that were counted and not logged.
-spec repeated(rustls_dist_log_limit:key() | others, pos_integer(), pos_integer()) -> ok.
repeated(Key, Count, PeriodMs) ->
    be_visible(),
    Report = #{event => link_failures_repeated, key => Key, count => Count,
               text => unicode:characters_to_binary(rustls_dist_failure:repeated_text(Key, Count, PeriodMs))},
    case Key of
        {probe, _Ip} ->
            ?LOG_INFO(Report#{event => connections_without_a_word}, meta(#{event => connections_without_a_word, stage => tls}));
        {ended, Node, Stage} ->
            ?LOG_INFO(Report#{event => link_ended},
                      meta(#{event => link_ended, direction => established, node => Node, stage => Stage}));
        _ ->
            ?LOG_ERROR(Report, meta(maps:merge(of_key(Key), Report)))
    end.

of_key({Direction, Node, Stage}) when is_atom(Node), Node =/= unknown -> #{direction => Direction, node => Node, stage => Stage};
of_key({Direction, _Ip, Stage}) -> #{direction => Direction, stage => Stage};
of_key(_Others) -> #{}.

%% The fields of an entry, each a plain value: what made it is in the report.
meta(Report) ->
    Reason = [{reason, rustls_dist_reason:tag(Reason)} || #{reason := Reason} <- [Report]],
    States = [{states, unicode:characters_to_binary(rustls_dist_peer_text:cut(Name))} || #{states := Name} <- [Report]],
    Peer = [{peer, iolist_to_binary(io_lib:format("~ts:~w", [bracketed(Ip), Port]))} || #{address := {Ip, Port}} <- [Report]],
    maps:merge(maps:merge(maps:with([event, direction, stage, node], Report), maps:from_list(Reason ++ States ++ Peer)), ?META).

bracketed(Ip) when tuple_size(Ip) =:= 8 -> ["[", inet:ntoa(Ip), "]"];
bracketed(Ip) -> inet:ntoa(Ip).

%% The readable line of a report (logger's report_cb).
-spec format(map()) -> {io:format(), [term()]}.
format(#{event := Event, text := Text} = Report) when Event =:= link_failed; Event =:= link_withdrawn; Event =:= link_ended,
                                              is_map_key(reason, Report) ->
    {"rustls_dist: ~ts: ~ts", [rustls_dist_failure:headline(Report), Text]};
format(#{text := Text}) ->
    {"rustls_dist: ~ts", [Text]}.

%% During boot the entry is printed by a process, and net_kernel is about to end the node: wait, within bounds, until the
%% line is out.
await_boot_handler(undefined, _Tries) ->
    ok;
await_boot_handler(_Pid, 0) ->
    ok;
await_boot_handler(Pid, Tries) ->
    case process_info(Pid, [message_queue_len, status, current_function]) of
        %% Waiting elsewhere, it waits for the code server with an entry in hand.
        [{message_queue_len, 0}, {status, waiting}, {current_function, {logger_simple_h, loop, _}}] -> ok;
        undefined -> ok;
        _ -> receive after ?BOOT_HANDLER_POLL_MS -> await_boot_handler(Pid, Tries - 1) end
    end.

failure(#{direction := in, address := {Ip, _Port}} = Setup, Reason) ->
    %% Of two nodes that connect to each other at once one withdraws; only a link that nothing takes the place of failed.
    IsReplaced = fun() -> rustls_dist_attempts:is_any_to(maps:get(states, Setup, unknown), Ip) end,
    case rustls_dist_failure:is_withdrawal(Reason) andalso (rustls_dist_failure:is_beside_link(Reason) orelse IsReplaced()) of
        true ->
            ok = rustls_dist_meter:count(withdrawn, #{}),
            Report = report(Setup#{event => link_withdrawn}, Reason),
            ?LOG_DEBUG(Report, meta(Report));
        false ->
            limited(Setup, Reason)
    end;
failure(Setup, Reason) ->
    limited(Setup, Reason).

limited(#{direction := Direction} = Setup, Reason) ->
    Stage = rustls_dist_failure:stage(maps:get(stage, Setup), Reason),
    count(Setup#{stage := Stage}, rustls_dist_reason:tag(Reason)),
    case rustls_dist_log_limit:admit({Direction, who(Setup), Stage}) of
        true ->
            be_visible(),
            Report = report(Setup#{event => link_failed, stage := Stage}, Reason),
            ?LOG_ERROR(Report, meta(Report));
        false ->
            ok
    end.

count(#{direction := established} = Setup, Reason) ->
    ok = rustls_dist_meter:count(links_broken, #{reason => Reason}),
    tell(Setup, Reason);
count(#{direction := Direction, stage := Stage} = Setup, Reason) ->
    ok = rustls_dist_meter:count(failures, #{direction => Direction, stage => Stage, reason => Reason}),
    _ = [rustls_dist_meter:count(dropped, #{reason => silent}) || Direction =:= in, Reason =:= silent],
    tell(Setup, Reason).

tell(Setup, Reason) ->
    Known = maps:with([direction, stage, node, states, address], Setup),
    rustls_dist_events:happened([rustls_dist, link, failed], #{count => 1}, Known#{reason => Reason}).

report(Setup, Reason) ->
    Setup#{reason => rustls_dist_failure:bounded(Reason),
           text => unicode:characters_to_binary(rustls_dist_failure_text:text(Setup, Reason))}.

who(#{node := Node}) -> Node;
who(#{address := {Ip, _Port}}) -> Ip;
who(_) -> unknown.

%% kernel's handlers pass only what has no domain or an OTP one. The carrier runs before anybody's logger configuration
%% does, and a failed link that nobody hears of is what it is here to end, so it adds a filter under its own name to
%% OTP's two handlers: the simple one of early boot and the default one. A filter of that name which is already there,
%% for instance one that stops these reports, is left alone; and one that was taken away is not put back.
-spec be_visible() -> ok.
be_visible() ->
    lists:foreach(fun be_visible/1, [Handler || Handler <- [simple, default], not persistent_term:get(key(Handler), false)]).

be_visible(Handler) ->
    case logger:add_handler_filter(Handler, rustls_dist, {fun logger_filters:domain/2, {log, sub, [rustls_dist]}}) of
        {error, {not_found, _}} -> ok;
        _AddedOrThere -> persistent_term:put(key(Handler), true)
    end.

key(Handler) ->
    {?MODULE, visible, Handler}.
