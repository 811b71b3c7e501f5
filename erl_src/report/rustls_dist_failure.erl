%% Failed links, for people: which reason counts, at which stage, and with whom. What happened and what to do about it is in
%% rustls_dist_failure_text.
%%
%% @private
-module(rustls_dist_failure).

-export([reason/2, is_withdrawal/1, is_beside_link/1, stage/2, bounded/1, headline/1, listener_text/2, repeated_text/3]).

-export_type([stage/0]).

-type stage() :: configuration | name_lookup | epmd | tcp | tls | certificate | distribution_handshake | link.

-define(MAX_REASON_WORDS, 1000).

%% The reason to report: the carrier's own where it noted one, else the exit reason; `none' where a link ended that
%% was not to be, and nothing failed.
-spec reason({noted, term()} | none, term()) -> term() | none.
%% The peer's own attempt won (net_kernel, dist_util:mark_pending), and its end of this one may have been closed first.
reason(_Noted, remarked) -> none;
%% dist_util says at which step the peer closed, which tells more.
reason({noted, {closed, How}}, {Step, {error, closed}}) -> {closed, How, Step};
reason({noted, {closed, How}}, _Exit) -> {closed, How, no_name};
reason({noted, Noted}, _Exit) -> Noted;
reason(none, shutdown) -> none;
%% net_kernel is stopping, or was told to disconnect.
reason(none, killed) -> none;
reason(none, disconnected) -> none;
reason(none, normal) -> none;
reason(none, Exit) -> Exit.

%% Whether an incoming link looks as if its peer had given it up, as nodes do whose other attempt was taken: at any stage,
%% with close_notify or without.
-spec is_withdrawal(term()) -> boolean().
is_withdrawal({socket, closed}) -> true;
is_withdrawal({closed, _How, _Step}) -> true;
is_withdrawal({tls_alert, {_Code, Name}}) -> Name =:= user_canceled orelse Name =:= close_notify;
is_withdrawal(_Reason) -> false.

%% Whether an incoming link ended when its peer was asked if it still wants it: a link to that node is up (dist_util,
%% mark_pending).
-spec is_beside_link(term()) -> boolean().
is_beside_link({closed, _How, recv_status_failed}) -> true;
is_beside_link(_Reason) -> false.

%% The stage that a reason belongs to; Reached where the reason does not tell.
-spec stage(stage(), term()) -> stage().
stage(_Reached, {configuration, _}) -> configuration;
stage(_Reached, {name_lookup, _}) -> name_lookup;
stage(_Reached, {epmd, _}) -> epmd;
stage(_Reached, {connect, _}) -> tcp;
stage(_Reached, {check_ip, _}) -> tcp;
stage(Reached, {tls, #{kind := Kind, alert := Alert}}) ->
    case {Kind, Alert} of
        {name_mismatch, _} -> certificate;
        {_, {_Code, Name}} -> certificate_or(Reached, Name);
        {_, none} -> Reached
    end;
stage(Reached, {tls_alert, {_Code, Name}}) -> certificate_or(Reached, Name);
stage(_Reached, {verify_node, _, _, _}) -> certificate;
stage(_Reached, {rechecked, _}) -> certificate;
stage(Reached, _Reason) -> Reached.

certificate_or(Reached, Alert) ->
    case lists:member(Alert, [bad_certificate, unsupported_certificate, certificate_revoked, certificate_expired,
                              certificate_unknown, unknown_ca, certificate_required, access_denied]) of
        true -> certificate;
        false -> Reached
    end.

%% The reason for a report: a peer, or a stack, does not make it long.
-spec bounded(term()) -> term().
bounded({tls, #{text := Text} = Error}) ->
    {tls, Error#{text := unicode:characters_to_binary(rustls_dist_peer_text:line(Text))}};
bounded(Reason) ->
    case erts_debug:flat_size(Reason) > ?MAX_REASON_WORDS of
        true -> {long_reason, unicode:characters_to_binary(rustls_dist_failure_text:brief(Reason))};
        false -> Reason
    end.

%% What failed, with whom, and where.
-spec headline(map()) -> iolist().
headline(#{event := link_ended} = Report) ->
    ["link to ", node_text(Report), address_text(Report), " ended"];
headline(#{direction := Direction, stage := Stage} = Report) ->
    [case Direction of
         out -> ["link to ", node_text(Report)];
         in -> ["link from ", stated_text(Report)];
         established -> ["link to ", node_text(Report)]
     end,
     address_text(Report),
     case Direction of
         established -> " broke";
         _ -> " failed"
     end,
     case Stage of
         configuration -> " (own configuration)";
         name_lookup -> " at name lookup";
         epmd -> " at epmd";
         tcp -> " at TCP";
         tls -> " in the TLS handshake";
         certificate -> " at certificate verification";
         distribution_handshake -> " in the distribution handshake";
         link -> " in TLS"
     end].

node_text(#{node := Node}) -> rustls_dist_peer_text:cut(Node);
node_text(_) -> "a node".

%% What the peer of an incoming link calls itself is not proven.
stated_text(#{states := Name}) -> ["a peer that calls itself ", rustls_dist_peer_text:cut(Name)];
stated_text(_) -> "a peer".

address_text(#{address := {Ip, Port}}) -> io_lib:format(" (~ts port ~w)", [inet:ntoa(Ip), Port]);
address_text(#{ip := Ip}) -> io_lib:format(" (~ts)", [inet:ntoa(Ip)]);
address_text(_) -> "".

%% Failures that were counted and not logged.
-spec repeated_text(rustls_dist_log_limit:key() | others, pos_integer(), pos_integer()) -> unicode:chardata().
repeated_text({probe, Ip}, Count, PeriodMs) ->
    io_lib:format("~w connections from ~ts were closed before their first byte in the last ~w s: a health check or a port scan",
                  [Count, case Ip of
                              unknown -> "an address that is not known any more";
                              others -> "other addresses";
                              _ -> inet:ntoa(Ip)
                          end, PeriodMs div 1000]);
repeated_text(others, Count, PeriodMs) ->
    io_lib:format("~w more links failed in the last ~w s, with many peers", [Count, PeriodMs div 1000]);
repeated_text({crl_source, Module}, Count, PeriodMs) ->
    io_lib:format("~ts had ~w more things to say of revocation lists in the last ~w s", [Module, Count, PeriodMs div 1000]);
repeated_text({ended, Node, _Stage}, Count, PeriodMs) ->
    io_lib:format("~ts ~w more times in the last ~w s",
                  [headline(#{event => link_ended, node => Node}), Count, PeriodMs div 1000]);
repeated_text({Direction, Who, Stage}, Count, PeriodMs) ->
    Peer = case Who of
               unknown -> #{};
               _ when is_atom(Who) -> #{node => Who};
               _ -> #{ip => Who}
           end,
    io_lib:format("~ts ~w more times in the last ~w s",
                  [headline(Peer#{direction => Direction, stage => Stage}), Count, PeriodMs div 1000]).

%% Trouble of the accept loop.
-spec listener_text(term(), non_neg_integer()) -> unicode:chardata().
listener_text(What, 0) ->
    listener_text(What);
listener_text(What, Suppressed) ->
    [listener_text(What), io_lib:format(" (~w entries like this were left out before)", [Suppressed])].

listener_text({accept_error, Reason}) when Reason =:= emfile; Reason =:= enfile ->
    "no connection can be accepted: the file descriptors are used up (ulimit -n, +Q); trying on";
listener_text({accept_error, Reason}) ->
    io_lib:format("no connection can be accepted: ~ts; trying on", [rustls_dist_failure_text:posix(Reason)]);
listener_text({too_many_handshakes, Max}) ->
    io_lib:format("~w connections are in the middle of the TLS handshake; the oldest is dropped for a new one", [Max]).
