%% A question that a peer may ask in the place of its name, over an established TLS connection: would you take me, and have we
%% the same cookie? It is answered without net_kernel. A name that net_kernel hears becomes an atom and stands in nodes(known),
%% and a cookie that proves right brings a link up; here nothing of the node changes. `rustls-dist ping' asks it.
%%
%% The cookie is proven as in the distribution handshake, by digests of the other's challenge, and to the one who asks first: a
%% stranger learns no more than there. Other carriers close the connection over such a first packet, without a word in
%% their log (dist_util, recv_name): that a peer answers shows that it is this one.
%%
%%     -> "prustls_dist"  Form:8  Length:16 Name          the node that would dial, or none
%%     <- "P"  Form:8  Taken:8  Flags:64 Mandatory:64  Challenge:32  Length:16 Name
%%     -> "r"  Challenge:32 Digest:16/binary                  of the peer's challenge
%%     <- "a"  Digest:16/binary  Length:8 Release  Length:8 Version
%%
%% @private
-module(rustls_dist_ping).

-export([answer/3, ask/3, recv/3, within/3]).

-export_type([question/0, answer/0, taken/0]).

%% rustls_dist_packets:question/1 knows it, too.
-define(QUESTION, "prustls_dist").
-define(FORM, 1).

%% Whether a node of that name would be let in: verify_node and net_kernel:allow/1.
-type taken() :: yes | not_in_certificate | not_allowed.

%% as: the node that would dial; cookie: none ends the conversation before the proof.
-type question() :: #{as := node() | none, cookie := atom() | none}.

%% proof: what became of the cookies. release and version are told to who has the cookie.
-type answer() :: #{name := binary(), taken := taken(), flags := non_neg_integer(), mandatory := non_neg_integer(),
                    proof := not_tried | proven, release => binary(), version => binary()}.

%% Why there is no answer; not_answered: the peer is of another carrier; slow: it would have answered, only later.
-type failure() :: {not_answered, in_order | cut} | slow | {recv_challenge_ack_failed, bad_cookie}
                 | {bad_packet, unknown, Beginning :: binary()} | rustls_dist_handshake_io:failure().

%% Answers it. Allowed: as rustls_dist_allow gives them; Name: of who would dial, "" where that is not said.
%% The error is the reason for a line in the log.
-spec answer(rustls_dist_handshake:tls(), list(), string()) -> ok | {error, term()}.
answer(Tls, Allowed, Name) ->
    {Flags, Mandatory} = rustls_dist_protocol:own_flags(),
    Challenge = rustls_dist_protocol:challenge(),
    MyName = atom_to_binary(node()),
    Packet = <<$P, ?FORM, (code(taken(Tls, Allowed, Name))), Flags:64, Mandatory:64, Challenge:32,
               (byte_size(MyName)):16, MyName/binary>>,
    case rustls_dist_handshake_io:send(Tls, Packet) of
        ok -> compare(Tls, Challenge, cookie_for(Name));
        {error, _} = Error -> unless_gone(Error)
    end.

%% Who asked may end the conversation: that is no failure.
unless_gone({error, Closed}) when Closed =:= close_notify; Closed =:= closed -> ok;
unless_gone(Result) -> Result.

compare(Tls, Challenge, Cookie) ->
    Expected = rustls_dist_protocol:digest(Challenge, Cookie),
    case rustls_dist_handshake_io:recv(Tls, infinity) of
        {ok, <<$r, Theirs:32, Expected:16/binary>>} ->
            Release = list_to_binary(erlang:system_info(otp_release)),
            Version = version(),
            Digest = rustls_dist_protocol:digest(Theirs, Cookie),
            Packet = [$a, Digest, <<(byte_size(Release))>>, Release, <<(byte_size(Version))>>, Version],
            unless_gone(rustls_dist_handshake_io:send(Tls, Packet));
        {ok, <<$r, _Theirs:32, _Other:16/binary>>} ->
            {error, {recv_challenge_reply_failed, bad_cookie}};
        {ok, Packet} ->
            {error, {bad_packet, unknown, beginning(Packet)}};
        {error, _} = Error ->
            unless_gone(Error)
    end.

version() ->
    case application:get_key(rustls_dist, vsn) of
        {ok, Version} -> list_to_binary(Version);
        undefined -> <<>>
    end.

taken(_Tls, _Allowed, "") ->
    yes;
taken(#{verify_node := Policy, facts := #{peer_der := Der}}, Allowed, Name) ->
    case rustls_dist_verify_node:check(Policy, Name, Der) of
        ok when Allowed =:= [] -> yes;
        ok ->
            case dist_util:is_allowed(Name, Allowed) of
                true -> yes;
                false -> not_allowed
            end;
        {error, _} -> not_in_certificate
    end.

%% A node may have cookies of its own for some nodes (erlang:set_cookie/2). Names that it never heard become no atoms.
cookie_for(Name) ->
    try list_to_existing_atom(Name) of
        '' -> auth:get_cookie();
        Node -> auth:get_cookie(Node)
    catch
        error:badarg -> auth:get_cookie()
    end.

%% Asks the peer, within TimeoutMs for each packet. PatienceMs: see recv/3.
-spec ask(rustls_dist_handshake:tls(), question(), {PatienceMs :: timeout(), TimeoutMs :: timeout()}) ->
          {ok, answer()} | {error, failure()}.
ask(Tls, #{as := As, cookie := Cookie}, {PatienceMs, TimeoutMs}) ->
    Name = case As of
               none -> <<>>;
               _ -> atom_to_binary(As)
           end,
    case rustls_dist_handshake_io:send(Tls, [<<?QUESTION, ?FORM, (byte_size(Name)):16>>, Name]) of
        ok -> first_answer(Tls, Cookie, TimeoutMs, recv(Tls, PatienceMs, TimeoutMs));
        {error, closed} -> {error, {not_answered, cut}};
        {error, _} = Error -> Error
    end.

%% Does what takes packets from the peer, which may come byte by byte: after TimeoutMs the connection is shut.
-spec within(rustls_dist_handshake:tls(), timeout(), fun(() -> Result)) -> Result.
within(#{socket := Socket}, TimeoutMs, Do) ->
    Watch = spawn(fun() ->
                          receive
                              over -> ok
                          after TimeoutMs ->
                              gen_tcp:shutdown(Socket, read_write)
                          end
                  end),
    try Do()
    after
        Watch ! over
    end.

%% One packet. A connection of ssl that its owner gave up stays for 5 s (OTP 25, tls_sender's death row), silent, unless the peer
%% ends its direction. So after PatienceMs that is done, and what comes is read to the end: who is only slow still answers.
-spec recv(rustls_dist_handshake:tls(), PatienceMs :: timeout(), timeout()) ->
          {ok, binary()} | {late, binary()} | {error, rustls_dist_handshake_io:failure()}.
recv(#{socket := Socket} = Tls, PatienceMs, TimeoutMs) ->
    case rustls_dist_handshake_io:recv(Tls, PatienceMs) of
        {error, timeout} ->
            _ = gen_tcp:shutdown(Socket, write),
            case rustls_dist_handshake_io:recv(Tls, TimeoutMs) of
                {ok, Packet} -> {late, Packet};
                Error -> Error
            end;
        Result ->
            Result
    end.

first_answer(Tls, Cookie, TimeoutMs, {ok, <<$P, _Form, Taken, Flags:64, Mandatory:64, Challenge:32,
                                            Length:16, Name:Length/binary, _/binary>>}) ->
    Answer = #{name => Name, taken => taken(Taken), flags => Flags, mandatory => Mandatory, proof => not_tried},
    case Cookie of
        none -> {ok, Answer};
        _ -> prove(Tls, Cookie, Challenge, TimeoutMs, Answer)
    end;
first_answer(_Tls, _Cookie, _TimeoutMs, {ok, Packet}) ->
    {error, {bad_packet, unknown, beginning(Packet)}};
first_answer(_Tls, _Cookie, _TimeoutMs, {late, _Packet}) ->
    {error, slow};
first_answer(_Tls, _Cookie, _TimeoutMs, {error, close_notify}) ->
    {error, {not_answered, in_order}};
first_answer(_Tls, _Cookie, _TimeoutMs, {error, closed}) ->
    {error, {not_answered, cut}};
first_answer(_Tls, _Cookie, _TimeoutMs, {error, _} = Error) ->
    Error.

prove(Tls, Cookie, Challenge, TimeoutMs, Answer) ->
    Ours = rustls_dist_protocol:challenge(),
    Expected = rustls_dist_protocol:digest(Ours, Cookie),
    case rustls_dist_handshake_io:send(Tls, [<<$r, Ours:32>>, rustls_dist_protocol:digest(Challenge, Cookie)]) of
        ok ->
            case rustls_dist_handshake_io:recv(Tls, TimeoutMs) of
                {ok, <<$a, Expected:16/binary, ReleaseLength, Release:ReleaseLength/binary,
                       VersionLength, Version:VersionLength/binary, _/binary>>} ->
                    {ok, Answer#{proof := proven, release => Release, version => Version}};
                {ok, <<$a, _/binary>>} ->
                    {error, {recv_challenge_ack_failed, bad_cookie}};
                {ok, Packet} ->
                    {error, {bad_packet, unknown, beginning(Packet)}};
                {error, close_notify} ->
                    {error, {recv_challenge_ack_failed, bad_cookie}};
                {error, _} = Error ->
                    Error
            end;
        {error, _} = Error ->
            Error
    end.

beginning(Packet) ->
    binary:copy(binary:part(Packet, 0, min(64, byte_size(Packet)))).

code(yes) -> 0;
code(not_in_certificate) -> 1;
code(not_allowed) -> 2.

taken(0) -> yes;
taken(1) -> not_in_certificate;
taken(_Other) -> not_allowed.
