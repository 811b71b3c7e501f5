%% The distribution handshake with a node of another carrier, as the one who dials, up to the proof of the cookie: what
%% `rustls-dist ping --prove-cookie' does, and nothing without it. The node learns a name, which stands in its nodes(known) for a
%% minute, and when the cookie is right it has this command as a hidden node until the connection ends, at once.
%%
%% The packets are those of erts' distribution protocol. The name is always the same on a host: it becomes an atom there.
%%
%% @private
-module(rustls_dist_ping_guest).

-export([prove/4]).

-include_lib("kernel/include/dist.hrl").

%% What takes longer is a peer that gave the connection up (rustls_dist_ping:recv/3).
-define(PATIENCE_MS, 2000).

%% Why it fails is in the words of rustls_dist_failure_text.
-spec prove(rustls_dist_handshake:tls(), node(), atom(), pos_integer()) -> ok | {error, term()}.
prove(Tls, Node, Cookie, TimeoutMs) ->
    try
        ok = named(Tls, TimeoutMs),
        {Theirs, Challenge} = challenged(Tls, Node, TimeoutMs),
        ok = able(Theirs),
        ok = proven(Tls, Cookie, Challenge, TimeoutMs)
    catch
        throw:{?MODULE, Reason} -> {error, Reason}
    end.

%% Without the flag PUBLISHED: a hidden node.
named(Tls, TimeoutMs) ->
    {ok, Host} = inet:gethostname(),
    Name = list_to_binary("rustls_dist_ping@" ++ Host),
    {Default, _Mandatory} = rustls_dist_protocol:own_flags(),
    Flags = Default band bnot ?DFLAG_PUBLISHED,
    Creation = erlang:system_time(second) band 16#ffffffff,
    send(Tls, <<$N, Flags:64, Creation:32, (byte_size(Name)):16, Name/binary>>, recv_status_failed),
    case recv(Tls, recv_status_failed, TimeoutMs) of
        <<"sok", _/binary>> -> ok;
        <<"snot_allowed">> -> fail({recv_status_failed, not_allowed});
        <<$s, Status/binary>> -> fail({recv_status_failed, unexpected, Status});
        Other -> fail({recv_status_failed, {ok, binary_to_list(Other)}})
    end.

challenged(Tls, Node, TimeoutMs) ->
    Name = atom_to_binary(Node, latin1),
    case recv(Tls, recv_challenge_failed, TimeoutMs) of
        <<$N, Flags:64, Challenge:32, _Creation:32, Length:16, Name:Length/binary, _/binary>> -> {Flags, Challenge};
        <<$N, _Flags:64, _:32, _Creation:32, Length:16, Other:Length/binary, _/binary>> ->
            fail({recv_challenge_failed, no_node, Other});
        Other -> fail({recv_challenge_failed, {ok, binary_to_list(Other)}})
    end.

%% That flags of ours are missing there the node has judged when it heard the name.
able(Theirs) ->
    {_Default, Mandatory} = rustls_dist_protocol:own_flags(),
    case rustls_dist_protocol:missing(Mandatory, Theirs) of
        [] -> ok;
        Missing -> fail({check_dflags_failed, Missing})
    end.

proven(Tls, Cookie, Challenge, TimeoutMs) ->
    Ours = rustls_dist_protocol:challenge(),
    Expected = rustls_dist_protocol:digest(Ours, Cookie),
    Digest = rustls_dist_protocol:digest(Challenge, Cookie),
    send(Tls, <<$r, Ours:32, Digest/binary>>, recv_challenge_ack_failed),
    case recv(Tls, recv_challenge_ack_failed, TimeoutMs) of
        <<$a, Expected:16/binary>> -> ok;
        <<$a, _:16/binary>> -> fail({recv_challenge_ack_failed, bad_cookie});
        Other -> fail({recv_challenge_ack_failed, {ok, binary_to_list(Other)}})
    end.

send(Tls, Packet, Step) ->
    case rustls_dist_handshake_io:send(Tls, Packet) of
        ok -> ok;
        {error, Reason} -> fail(told(Reason, Step))
    end.

recv(Tls, Step, TimeoutMs) ->
    case rustls_dist_ping:recv(Tls, ?PATIENCE_MS, TimeoutMs) of
        {ok, Packet} -> Packet;
        {late, _Packet} -> fail({timeout, true});
        {error, Reason} -> fail(told(Reason, Step))
    end.

told(close_notify, Step) -> {closed, in_order, Step};
told(closed, Step) -> {closed, cut, Step};
told(timeout, _Step) -> {timeout, true};
told(Reason, _Step) -> Reason.

-spec fail(term()) -> no_return().
fail(Reason) ->
    throw({?MODULE, Reason}).
