%% What a node says when it boots: why it does not come up, and what it tells in its log.
%%
%% @private
-module(rustls_dist_check_boot).

-export([findings/1]).

-spec findings(rustls_dist_check_subject:subject()) -> [rustls_dist_command_finding:finding()].
findings(#{sources := {error, Text}} = Subject) ->
    [rustls_dist_command_finding:of_sentence(error, options_file, "-ssl_dist_optfile", Text) | carrier(Subject)];
findings(#{sources := {ok, Sources}, roles := Roles, notices := Notices} = Subject) ->
    carrier(Subject)
        ++ merged(option, [unicode:characters_to_binary(rustls_dist_opts:format_problem(Problem))
                           || Role <- [server, client], {error, Problem} <- [rustls_dist_opts:parse(Role, Sources)]])
        ++ merged(material, [Text || Role <- [server, client], {ok, _} <- [rustls_dist_opts:parse(Role, Sources)],
                                     #{Role := {error, Text}} <- [Roles]])
        ++ notices([notice(Notice, Subject) || Notice <- Notices])
        ++ [cannot_be_dialled(Subject) || #{server := no_certificate} <- [Roles], is_listening(Subject)].

merged(Is, Texts) ->
    [rustls_dist_command_finding:of_sentence(error, Is, where(Is), Text) || Text <- rustls_dist_problems:merged(Texts)].

where(option) -> "TLS options";
where(material) -> "files".

%% Which carrier the flags start. Who is told of an options file alone may start it as he likes.
carrier(#{is_known_by_flags := false}) ->
    [];
carrier(#{flags := Flags}) ->
    case rustls_dist_command_flags:argument(proto_dist, Flags) of
        error ->
            [#{severity => error, is => carrier, where => "-proto_dist",
               what => "the flags name no carrier, so that the node's links are neither encrypted nor authenticated, whatever "
                       "TLS options say",
               remedy => "add -proto_dist rustls"}];
        {ok, Given} ->
            case lists:append(Given) of
                [Carrier] when Carrier =:= "rustls"; Carrier =:= "rustls6" ->
                    [];
                [Carrier] when Carrier =:= "inet_tls"; Carrier =:= "inet6_tls" ->
                    [#{severity => note, is => carrier, where => "-proto_dist",
                       what => ["the flags start ", Carrier, ", and what follows is said of rustls"],
                       remedy => "to start it with rustls, write -proto_dist rustls and keep the options"}];
                Others ->
                    [#{severity => error, is => carrier, where => "-proto_dist",
                       what => ["the flags start ", lists:join(" and ", Others), ", which is not TLS"],
                       remedy => "write -proto_dist rustls"}]
            end
    end.

notice({no_meaning, _, _, _, _} = Notice, _Subject) -> of_notice(note, no_meaning, "TLS options", Notice);
notice({overridden, _, _, _, _} = Notice, _Subject) -> of_notice(note, overridden, "TLS options", Notice);
notice({unauthenticated, _} = Notice, _Subject) -> of_notice(warning, nobody_verified, "verify", Notice);
notice(peer_certificate_optional = Notice, _Subject) ->
    of_notice(warning, certificate_optional, "fail_if_no_peer_cert", Notice);
notice({crlfile_unusable, Side, File, _Why} = Notice, #{sides := Sides}) ->
    Severity = case Sides of
                   #{Side := #{options := #{crl_check := best_effort}}} -> warning;
                   #{} -> error
               end,
    of_notice(Severity, revocation_list_unusable, rustls_dist_file_name:shown(File), Notice).

of_notice(Severity, Is, Where, Notice) ->
    {{Severity, Is, Where}, unicode:characters_to_binary(rustls_dist_opts:format_notice(Notice))}.

%% What is so for both sides is said once.
notices(Told) ->
    [rustls_dist_command_finding:of_sentence(Severity, Is, Where, Text)
     || {Severity, Is, Where} = Kind <- lists:uniq([Kind || {Kind, _Text} <- Told]),
        Text <- rustls_dist_problems:merged([Text || {Of, Text} <- Told, Of =:= Kind])].

is_listening(#{flags := Flags}) ->
    rustls_dist_command_flags:argument(dist_listen, Flags) =/= {ok, [["false"]]}.

cannot_be_dialled(_Subject) ->
    Text = unicode:characters_to_binary(rustls_dist_opts:format_notice(no_certificate)),
    rustls_dist_command_finding:of_sentence(warning, cannot_be_dialled, "certfile", Text).
