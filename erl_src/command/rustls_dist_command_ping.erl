%% `rustls-dist ping': why a link to a node comes up, or does not, without making one.
%%
%% @private
-module(rustls_dist_command_ping).

-behaviour(rustls_dist_command_verb).

-export([help/0, run/1]).

%% How long a peer may think about the question before it is asked to end.
-define(PATIENCE_MS, 500).

-spec help() -> rustls_dist_command_verb:help().
help() ->
    #{summary => "goes the way to a running node step by step, and says where it ends",
      usage => ["NAME@HOST [--optfile FILE] [--vm-args FILE] [--port PORT] [-- FLAG...]"],
      about => ["Name lookup, epmd, TCP, TLS, certificate, distribution handshake: a line for each with its time, up to the "
                "first failure, which is explained. Then what the node is, its certificate, and the TLS versions and suites that "
                "it takes, which it is asked by some more handshakes.",
                "The node itself notices nothing: its nodes(known) stays as it was, no atom is made, no link comes up. A node "
                "with rustls_dist answers whether the cookies are the same, proven in both directions, whether its flags and those "
                "of this release fit, and, where the flags given here name the node that would dial (-name, -sname), whether "
                "that one would be let in by verify_node and net_kernel:allow/1.",
                "A node with inet_tls cannot be asked that. Up to there all is proven, also that it takes this certificate; "
                "its cookie is not. --prove-cookie does the distribution handshake with it as a hidden node called "
                "rustls_dist_ping@HOST, which is then up for an instant, and in nodes(known) for a minute; with a wrong cookie "
                "it is never up, and the node logs the attempt as it does any other.",
                "The cookie is read from --cookie-file, or is that of -setcookie among the flags, or else of ~/.erlang.cookie.",
                "Exit status 1: a step failed. That a cookie could not be asked for is no failure.",
                rustls_dist_command_flags:about()],
      options => rustls_dist_command_flags:options()
          ++ [#{name => port, takes => "PORT", help => "the port that the node listens on: epmd is not asked"},
              #{name => 'cookie-file', takes => "FILE", help => "a file with the cookie, instead of ~/.erlang.cookie"},
              #{name => 'prove-cookie', takes => nothing, help => "goes on to the cookie with a node of inet_tls, see above"},
              #{name => 'no-probe', takes => nothing, help => "leaves out the handshakes that ask for versions and suites"}]}.

-spec run(rustls_dist_command_verb:arguments()) -> rustls_dist_command_verb:result().
run(#{words := [Word], options := Options} = Arguments) ->
    case {node_name(Word), rustls_dist_command_flags:of_node(Arguments), port(Options)} of
        {error, _, _} -> {usage, [rustls_dist_file_name:shown(Word), " is no node's name: it must be NAME@HOST"]};
        {_, {error, Why}, _} -> {usage, Why};
        {_, _, error} -> {usage, "--port wants a number from 1 to 65535"};
        {{ok, Node}, {ok, Flags}, {ok, Port}} ->
            case rustls_dist_ping_way:cookie(Node, Options, Flags) of
                {ok, Cookie} -> configured(Node, Flags, Port, Arguments#{cookie => Cookie});
                {error, Why} -> {usage, Why}
            end
    end;
run(_Arguments) ->
    {usage, "it takes one node's name"}.

node_name(Word) when is_list(Word) ->
    case length(Word) =< 255 andalso dist_util:split_node(Word) of
        {node, _Name, _Host} -> {ok, list_to_atom(Word)};
        _ -> error
    end;
node_name(_Bytes) ->
    error.

port(#{port := Word}) ->
    case string:to_integer(Word) of
        {Port, []} when Port >= 1, Port =< 65535 -> {ok, Port};
        _ -> error
    end;
port(#{}) ->
    {ok, none}.

configured(Node, Flags, Port, #{say := Say, options := Options, cookie := Cookie}) ->
    Known = #{node => Node, say => Say, options => Options, cookie => Cookie,
              as => rustls_dist_ping_way:own_name(Flags)},
    %% Revocation lists are read by way of it.
    _ = rustls_dist_crl_store:start_link(),
    case rustls_dist_roles:sources(fun(Flag) -> rustls_dist_command_flags:argument(Flag, Flags) end) of
        {ok, Sources} ->
            case client(Sources) of
                {ok, Config} ->
                    Way = rustls_dist_ping_way:new(Node, Flags, Port, Config, report(Say)),
                    pinged(Known#{sources => Sources}, Way);
                {error, Text} -> misconfigured(Known, Text)
            end;
        {error, Text} ->
            misconfigured(Known, Text)
    end.

report(Say) ->
    fun(Step) -> Say(rustls_dist_ping_text:step(Step)) end.

client(Sources) ->
    {#{client := Client}, _Notices} = rustls_dist_roles:of_sources(Sources),
    Client.

misconfigured(#{node := Node, say := Say}, Text) ->
    Step = rustls_dist_ping_walk:failed(#{node => Node}, configuration, {configuration, Text}),
    ok = Say(rustls_dist_ping_text:step(Step)),
    {finding, "", rustls_dist_ping_text:json(Node, [Step], #{carrier => cannot_tell})}.

pinged(#{node := Node} = Known, Way) ->
    case rustls_dist_ping_walk:tls(Way, []) of
        {ok, Tls, Place, Steps} ->
            {Result, Peer, Last} = talked(Known#{place => Place}, Way, Tls),
            concluded(Known, Way, Place, Result, Peer, Steps ++ Last);
        {failed, plain_distribution, Place, Steps} ->
            concluded(Known, Way, Place, finding, #{carrier => plain}, Steps);
        {failed, _Reason, none, Steps} ->
            {finding, "", rustls_dist_ping_text:json(Node, Steps, #{carrier => cannot_tell})};
        {failed, _Reason, Place, Steps} ->
            Peer = shown_unverified(Known, Way, Place, lists:last(Steps)),
            concluded(Known, Way, Place, finding, Peer#{carrier => cannot_tell}, Steps)
    end.

%% A peer whose certificate was not accepted is asked for it again, without a verdict, so that it can be looked at.
shown_unverified(#{sources := Sources}, Way, Place, #{stage := certificate}) ->
    {ok, #{options := Options}} = rustls_dist_opts:parse(client, Sources),
    Own = maps:with([certfile, keyfile, password, certs_keys, versions, ciphers], Options),
    case client(with(Own#{verify => verify_none}, [])) of
        {ok, Config} ->
            case rustls_dist_ping_walk:connect(Way, Place, Config) of
                {ok, Tls} ->
                    close(Tls),
                    maps:with([certificate], certificate(Tls));
                {error, _} ->
                    #{}
            end;
        {error, _} ->
            #{}
    end;
shown_unverified(_Known, _Way, _Place, _Step) ->
    #{}.

with(Options, Sources) ->
    [{optfile, "ping", [{client, maps:to_list(Options)}]} | Sources].

%% What is left to go over the TLS connection.
talked(Known, #{node := Node} = Way, #{verify := Verify, verify_node := Policy} = Tls) ->
    #{der := Der} = Peer = certificate(Tls),
    Check = fun() ->
                    case rustls_dist_verify_node:check(Policy, atom_to_list(Node), Der) of
                        ok -> {ok, none, verified(Verify, Policy, Peer), #{verify => Verify}};
                        {error, Reason} -> {failed, none, Reason}
                    end
            end,
    case rustls_dist_ping_walk:step(Way, certificate, Check) of
        {ok, none, Step} ->
            {Result, Said, Last} = distribution(Known, Way, Tls),
            {Result, maps:merge(Peer, Said), [Step, Last]};
        {failed, none, Step} ->
            close(Tls),
            {finding, Peer#{carrier => cannot_tell}, [Step]}
    end.

certificate(#{facts := #{peer := none, version := Version}}) ->
    #{der => none, tls => Version};
certificate(#{facts := #{peer := Certificate, peer_der := Der, version := Version}}) ->
    #{der => Der, tls => Version, certificate => rustls_dist_ping_certificate:facts(Certificate, Der)}.

verified(verify_none, _Policy, _Peer) -> "not verified: the options have verify_none, so anybody may be behind it";
verified(verify_peer, false, Peer) -> ["accepted for this host", expiry(Peer)];
verified(verify_peer, Policy, Peer) -> [io_lib:format("accepted for this host, and verify_node ~0tp", [Policy]), expiry(Peer)].

expiry(#{certificate := #{days_left := Days}}) -> io_lib:format(", for ~w more days", [Days]);
expiry(#{}) -> "".

distribution(#{as := As} = Known, #{node := Node} = Way, Tls) ->
    Ask = fun() ->
                  case asked(Known, Way, Tls) of
                      {ok, Answer} -> answered(Node, As, Answer);
                      {error, {not_answered, cut}} -> unasked(inet_tls, Known, Way);
                      {error, {not_answered, in_order}} -> unasked(cannot_tell, Known, Way);
                      {error, {recv_challenge_ack_failed, bad_cookie} = Reason} -> {failed, #{carrier => rustls}, Reason};
                      {error, Reason} -> {failed, #{carrier => cannot_tell}, said(Reason)}
                  end
          end,
    {Result, Peer, Step} = rustls_dist_ping_walk:step(Way, distribution_handshake, Ask),
    close(Tls),
    {case Result of
         ok -> ok;
         failed -> finding
     end, Peer, Step}.

%% A peer that was only slow is asked once more, with time.
asked(#{cookie := Cookie, as := As, place := Place}, #{config := Config, timeout_ms := TimeoutMs} = Way, Tls) ->
    Question = #{as => As, cookie => Cookie},
    Ask = fun(Over, Times) ->
                  rustls_dist_ping:within(Over, 2 * TimeoutMs, fun() -> rustls_dist_ping:ask(Over, Question, Times) end)
          end,
    case Ask(Tls, {?PATIENCE_MS, TimeoutMs}) of
        {error, slow} ->
            case rustls_dist_ping_walk:connect(Way, Place, Config) of
                {ok, Again} ->
                    Answer = Ask(Again, {TimeoutMs, 0}),
                    close(Again),
                    Answer;
                {error, _} = Error ->
                    Error
            end;
        Answer ->
            Answer
    end.

said(slow) -> {timeout, true};
said(timeout) -> {timeout, true};
said(Reason) -> Reason.

answered(Node, As, #{name := Name, taken := Taken, flags := Theirs, mandatory := Wanted, proof := Proof} = Answer) ->
    {Ours, Mandatory} = rustls_dist_protocol:own_flags(),
    Missing = rustls_dist_protocol:missing(Mandatory, Theirs) ++ rustls_dist_protocol:missing(Wanted, Ours),
    Peer = maps:merge(#{carrier => rustls, cookie => Proof}, maps:with([release, version], Answer)),
    case atom_to_binary(Node) of
        Name when Taken =/= yes -> {failed, Peer, {recv_status_failed, not_allowed}};
        Name when Missing =/= [] -> {failed, Peer, {check_dflags_failed, Missing}};
        Name -> {result(Proof), Peer, [cookies(Proof), "; flags fit", dialled_by(As)], #{cookie => Proof}};
        _Other -> {failed, Peer, {recv_challenge_failed, no_node, Name}}
    end.

result(proven) -> ok;
result(not_tried) -> not_tried.

cookies(proven) -> "the cookies are the same";
cookies(not_tried) -> "the cookies were not compared: here is no -setcookie, and no ~/.erlang.cookie".

dialled_by(none) -> "";
dialled_by(As) -> io_lib:format("; ~ts would be let in", [As]).

%% The peer closed over the question. Carriers of OTP just cut the connection then (seen with 25 and 27); a rustls_dist that does
%% not know the question says close_notify.
unasked(Carrier, #{options := #{'prove-cookie' := true}, cookie := none}, _Way) ->
    {not_tried, #{carrier => Carrier, cookie => not_tried}, cookies(not_tried), #{cookie => not_tried}};
unasked(Carrier, #{options := #{'prove-cookie' := true}, cookie := Cookie, place := Place},
        #{node := Node, config := Config, timeout_ms := TimeoutMs} = Way) ->
    case rustls_dist_ping_walk:connect(Way, Place, Config) of
        {ok, Tls} ->
            Prove = fun() -> rustls_dist_ping_guest:prove(Tls, Node, Cookie, TimeoutMs) end,
            Proof = rustls_dist_ping:within(Tls, 2 * TimeoutMs, Prove),
            close(Tls),
            case Proof of
                ok -> {ok, #{carrier => Carrier, cookie => proven}, [cookies(proven), "; flags fit"], #{cookie => proven}};
                {error, Reason} -> {failed, #{carrier => Carrier, cookie => not_proven}, Reason}
            end;
        {error, Reason} ->
            {failed, #{carrier => Carrier, cookie => not_proven}, Reason}
    end;
unasked(Carrier, _Known, _Way) ->
    {not_tried, #{carrier => Carrier, cookie => not_tried},
     "it takes this certificate; its flags and cookie cannot be asked for without a trace there (--prove-cookie)",
     #{cookie => not_tried}}.

close(#{socket := Socket} = Tls) ->
    _ = rustls_dist_negotiation:turn_away(Tls),
    rustls_dist_closing:gently(Socket).

concluded(#{node := Node} = Known, Way, Place, Result, Peer, Steps) ->
    All = case suites(Known, Way, Place, Result, Peer) of
              none -> Peer;
              Taken -> Peer#{takes => Taken}
          end,
    {Result, rustls_dist_ping_text:peer(All), rustls_dist_ping_text:json(Node, Steps, All)}.

suites(#{options := #{'no-probe' := true}}, _Way, _Place, _Result, _Peer) -> none;
suites(#{sources := Sources}, Way, Place, ok, #{der := Der, carrier := Carrier, tls := Version}) ->
    Ask = fun(Options) ->
                  case client(with(Options, Sources)) of
                      {ok, Config} -> suite(Carrier, Way, rustls_dist_ping_walk:connect(Way, Place, Config));
                      {error, _} -> refused
                  end
          end,
    rustls_dist_ping_suites:taken(Ask, Der, refused(Sources, Version));
suites(_Known, _Way, _Place, _Result, _Peer) -> none.

%% A peer chooses the highest version that both have (RFC 8446 section 4.2.1), and has been offered what the options say.
refused(Sources, 'tlsv1.2') ->
    {ok, #{options := #{versions := Offered}}} = rustls_dist_opts:parse(client, Sources),
    [Version || Version <- Offered, Version =:= 'tlsv1.3'];
refused(_Sources, 'tlsv1.3') ->
    [].

%% To a rustls peer a connection without a word of distribution is a failure for its log; a question is none.
suite(Carrier, #{timeout_ms := TimeoutMs}, {ok, #{facts := #{cipher := Suite}} = Tls}) ->
    Ask = fun() -> rustls_dist_ping:ask(Tls, #{as => none, cookie => none}, {TimeoutMs, 0}) end,
    _ = [rustls_dist_ping:within(Tls, TimeoutMs, Ask) || Carrier =:= rustls],
    close(Tls),
    {ok, Suite};
suite(_Carrier, _Way, {error, _}) ->
    refused.
