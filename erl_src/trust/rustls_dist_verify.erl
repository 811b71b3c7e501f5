%% The verdict on a peer's certificate chain where the user has a say: verify_fun and CRLs.
%%
%% public_key walks the path, so that the events and their order are those of the OTP release that runs; around it, what
%% ssl adds: extended key usage, the host name, revocation (ssl_handshake:validation_fun_and_state/4,
%% ssl_certificate:validate/4). webpki has judged the same chain before, in Rust, and is the judge of record: what it
%% refuses is accepted only if the user's function accepts that fault by name.
%%
%% @private
-module(rustls_dist_verify).

-export([judge/3]).

-export_type([policy/0, verdict/0, user_fun/0]).

-include_lib("public_key/include/public_key.hrl").

%% A verify_fun: the fun, its first state, and what to call it in messages.
-type user_fun() :: {fun((...) -> term()), State :: term(), Label :: string()}.

-type policy() :: #{role := client | server,
                    trusted := [rustls_dist_chain:cert()],
                    depth := non_neg_integer(),
                    host := any | binary(),                    % what a server's certificate must name
                    host_check := [{atom(), function()}],      % how: public_key:pkix_verify_hostname/3
                    verify_fun := none | user_fun(),
                    crl := rustls_dist_crl:policy()}.

%% `ok', or the alert that the peer is owed and the reason for people. `undecided': it is not the chain, but a function, a list or
%% a file that is at fault; a handshake makes no difference.
-type verdict() :: ok | {refused | undecided, Alert :: byte(), Reason :: unicode:chardata()}.

-record(walk, {policy :: policy(),
               notes :: reference(),                           % marks the messages of this walk to itself
               user :: term(),                                 % the state of the user's function
               names = free :: rustls_dist_hostname:names(),   % what the path says of them
               path :: [rustls_dist_chain:cert()]}).            % from the root side down, the anchor left out

%% What a walk leaves behind besides its result: pkix_path_validation/3 returns no state, and makes one fault of many.
-record(notes, {user :: term(),
                path = [] :: [rustls_dist_chain:cert()],        % that was walked
                anchor = none :: public_key:der_encoded() | none,
                accepted = [] :: [{public_key:der_encoded(), term()}],  % faults that the user's function let pass
                blamed = none :: none | #'OTPCertificate'{},   % whose fault ended the walk
                broken = none :: none | unicode:chardata()}).  % the user's function itself failed

%% More than any chain needs; each costs signatures to check before anything of it is trusted.
-define(MAX_CERTIFICATES, 32).

%% Judges Chain (DER, the peer's certificate first), on which webpki said Webpki. Runs in a process of its own: see
%% rustls_dist_handshake.
-spec judge(policy(), [public_key:der_encoded(), ...], ok | {error, rustls_dist_nif:error_map()}) -> verdict().
judge(_Policy, Chain, _Webpki) when length(Chain) > ?MAX_CERTIFICATES ->
    {refused, rustls_dist_alert:code(bad_certificate),
     io_lib:format("the peer sent more than ~b certificates", [?MAX_CERTIFICATES])};
judge(#{trusted := Trusted} = Policy, Chain, Webpki) ->
    %% public_key fails on names that are no text, and on more; whatever the peer sent, this one handshake is refused.
    try
        [Peer | _] = Decoded = [{Der, public_key:pkix_decode_cert(Der, otp)} || Der <- Chain],
        case walk_paths(Policy, rustls_dist_chain:candidates(Decoded, Trusted), {unknown_ca, none}) of
            {ok, Notes} -> reconcile(Policy, Peer, Notes, Webpki);
            {broken, Text} -> {undecided, rustls_dist_alert:code(certificate_unknown), Text};
            {error, {Reason, none}} -> refused(Peer, Reason);
            {error, {Reason, Blamed}} -> refused({none, Blamed}, Reason)
        end
    catch
        error:_ -> undecodable();
        %% So OTP 29 does with extensions; other exits are a source of revocation lists'.
        exit:{error, {asn1, _}} -> undecodable()
    end.

undecodable() ->
    {refused, rustls_dist_alert:code(bad_certificate), rustls_dist_peer_certificate:undecodable()}.

walk_paths(_Policy, [], Reason) ->
    {error, Reason};
walk_paths(#{trusted := Trusted} = Policy, [{Anchor, Path} | Others], _Reason) ->
    {Result, Notes} = walk(Policy, Anchor, Path),
    case {Result, Notes} of
        {_, #notes{broken = Text}} when Text =/= none -> {broken, Text};
        {{ok, _}, _} -> {ok, Notes};
        {{error, {bad_cert, unknown_ca} = Reason}, _} when Anchor =:= unknown_ca ->
            walk_paths(Policy, rustls_dist_chain:shortened(Path, Trusted) ++ Others, {Reason, none});
        {{error, Reason}, #notes{blamed = Blamed}} -> walk_paths(Policy, Others, {Reason, Blamed})
    end.

walk(#{depth := Depth} = Policy, Anchor, Path) ->
    User = case Policy of
               #{verify_fun := {_Fun, State, _Label}} -> State;
               #{verify_fun := none} -> none
           end,
    Ref = make_ref(),
    Certs = [Otp || {_, Otp} <- [Anchor || is_tuple(Anchor)] ++ Path],
    Walk = #walk{policy = Policy, notes = Ref, user = User, path = Path, names = rustls_dist_hostname:names(Certs)},
    Options = [{max_path_length, Depth}, {verify_fun, {fun event/3, Walk}}],
    {Trusted, AnchorDer} = case Anchor of
                               {Der, _Otp} -> {Der, Der};
                               Fault -> {Fault, none}
                           end,
    try public_key:pkix_path_validation(Trusted, [Der || {Der, _} <- Path], Options) of
        Result -> {Result, collect(Ref, #notes{user = User, path = Path, anchor = AnchorDer})}
    catch
        %% Not the user's function, whose faults are caught: OTP 25 fails on names of addresses in nameConstraints.
        error:Reason ->
            Text = io_lib:format("public_key cannot judge the chain (~0tP)", [Reason, 15]),
            {{error, Reason}, #notes{broken = Text}}
    end.

collect(Ref, Notes) ->
    receive
        {Ref, {user, State}} -> collect(Ref, Notes#notes{user = State});
        {Ref, {accepted, Fault}} -> collect(Ref, Notes#notes{accepted = [Fault | Notes#notes.accepted]});
        {Ref, {blamed, Cert}} -> collect(Ref, Notes#notes{blamed = Cert});
        {Ref, {broken, Text}} -> collect(Ref, Notes#notes{broken = Text})
    after 0 ->
        Notes
    end.

%% One event of the walk, as public_key tells it.
event(Cert, {extension, #'Extension'{extnID = ?'id-ce-extKeyUsage', extnValue = Purposes}} = Event, Walk) ->
    case serves(Walk, Purposes) of
        true -> {valid, Walk};
        false -> tell(Cert, {bad_cert, rustls_dist_release:purpose_fault(length(Walk#walk.path), Purposes)}, Event, Walk)
    end;
event(Cert, {extension, _} = Event, Walk) ->
    tell(Cert, Event, Event, Walk);
event(Cert, {bad_cert, _} = Event, Walk) ->
    tell(Cert, Event, Event, Walk);
event(Cert, valid, Walk) ->
    then_revocation(Cert, valid, tell(Cert, valid, valid, Walk));
event(Cert, valid_peer, Walk) ->
    Event = case is_named(Cert, Walk) of
                true -> valid_peer;
                false -> {bad_cert, hostname_check_failed}
            end,
    then_revocation(Cert, valid_peer, tell(Cert, Event, valid_peer, Walk)).

then_revocation(Cert, Kind, {valid, #walk{policy = #{crl := Crl, trusted := Trusted}, path = Path} = Walk}) ->
    case rustls_dist_crl:check(Crl, Kind, Cert, Path, Trusted) of
        valid -> {valid, Walk};
        {bad_cert, _} = Fault -> tell(Cert, Fault, Fault, Walk)
    end;
then_revocation(_Cert, _Kind, {fail, _} = Fail) ->
    Fail.

%% Whether an extended key usage allows the peer's role. anyExtendedKeyUsage does not, not even an authority's: that is
%% ssl's default (allow_any_ca_purpose).
serves(#walk{policy = #{role := client}}, Purposes) -> lists:member(?'id-kp-serverAuth', Purposes);
serves(#walk{policy = #{role := server}}, Purposes) -> lists:member(?'id-kp-clientAuth', Purposes).

is_named(_Cert, #walk{policy = #{role := server}}) -> true;
is_named(_Cert, #walk{policy = #{host := any}}) -> true;
is_named(Cert, #walk{policy = #{host := Host, host_check := How}, names = Names}) ->
    rustls_dist_hostname:verify(Cert, Host, How, Names).

%% Tells the user's function, if there is one, and takes its answer. Kind is what public_key waits to hear about.
tell(_Cert, {extension, _}, _Kind, #walk{policy = #{verify_fun := none}} = Walk) ->
    {unknown, Walk};
tell(Cert, {bad_cert, Fault} = Event, _Kind, #walk{notes = Ref, policy = #{verify_fun := none}}) ->
    _ = [self() ! {Ref, {blamed, Cert}} || Fault =:= cert_expired],
    {fail, Event};
tell(_Cert, _Event, _Kind, #walk{policy = #{verify_fun := none}} = Walk) ->
    {valid, Walk};
tell(Cert, Event, _Kind, #walk{notes = Ref, user = State} = Walk) ->
    case ask(Cert, Event, State, Walk) of
        {Answer, Next} when Answer =:= valid; Answer =:= valid_peer ->
            self() ! {Ref, {user, Next}},
            _ = [self() ! {Ref, {accepted, {der(Cert, Walk), Fault}}} || Fault <- fault(Event)],
            {valid, Walk#walk{user = Next}};
        {unknown, Next} when element(1, Event) =:= extension ->
            self() ! {Ref, {user, Next}},
            {unknown, Walk#walk{user = Next}};
        {fail, Reason} ->
            _ = [self() ! {Ref, {blamed, Cert}} || Event =:= {bad_cert, cert_expired}],
            {fail, Reason};
        {broken, Text} ->
            self() ! {Ref, {broken, Text}},
            {fail, Event}
    end.

%% What a good answer to an event lets pass.
fault({bad_cert, Fault}) -> [Fault];
fault({extension, #'Extension'{extnID = Id, critical = true}}) -> [{critical_extension, Id}];
fault(_Event) -> [].

%% Calls the user's function. What it must not do, crash or return something else, is told apart from its verdict.
ask(Cert, Event, State, #walk{policy = #{verify_fun := {Fun, _First, Label}}} = Walk) ->
    try call(Fun, Cert, Event, State, Walk) of
        {Answer, _} = Result when Answer =:= valid; Answer =:= valid_peer; Answer =:= fail -> Result;
        {unknown, _} = Result when element(1, Event) =:= extension -> Result;
        Other -> {broken, io_lib:format("verify_fun ~ts returned ~0tP for ~0tp", [Label, Other, 6, brief(Event)])}
    catch
        Class:Reason ->
            {broken, io_lib:format("verify_fun ~ts failed with ~0tp:~0tP for ~0tp", [Label, Class, Reason, 8, brief(Event)])}
    end.

call(Fun, Cert, Event, State, Walk) ->
    case rustls_dist_ready_made:which(Fun) of
        verify_pinned -> rustls_dist_pin:verify(Cert, der(Cert, Walk), Event, State);
        verify_client -> rustls_dist_verify_client:verify(Cert, Event, State, Walk#walk.names);
        none when is_function(Fun, 3) -> Fun(Cert, Event, State);
        none -> Fun(Cert, der(Cert, Walk), Event, State)
    end.

%% As it was sent, or stands in the trust store: what is decoded and encoded again may look otherwise.
der(Cert, #walk{path = Path, policy = #{trusted := Trusted}}) ->
    {Der, Cert} = lists:keyfind(Cert, 2, Path ++ Trusted),
    Der.

brief({extension, #'Extension'{extnID = Id}}) -> {extension, Id};
brief(Event) -> Event.

%% The walk went well. If webpki agrees, that is that. If not, each fault that it finds has to be accepted by name, too: see
%% rustls_dist_consent. The host's name is asked about last, as webpki's side compares it last.
reconcile(_Policy, _Peer, _Notes, ok) ->
    ok;
reconcile(#{verify_fun := none}, _Peer, _Notes, {error, #{text := Text, alert := Alert}}) ->
    {refused, alert_code(Alert), Text};
reconcile(#{role := Role, depth := Depth} = Policy, Peer, Notes, {error, #{kind := Kind} = Error}) ->
    #notes{user = State, accepted = Accepted, anchor = Anchor, path = Path} = Notes,
    Ask = fun(Fault, Found, Before) -> ask_again(Policy, Peer, Fault, Found, Before) end,
    IsAccepted = lists:keymember(hostname_check_failed, 2, Accepted),
    case Kind of
        name_mismatch when IsAccepted -> ok;
        name_mismatch ->
            case Ask(hostname_check_failed, Error, State) of
                {accepted, _Next} -> ok;
                {refused, Refusal} -> Refusal
            end;
        _ ->
            rustls_dist_consent:settle(#{role => Role, depth => Depth, anchor => Anchor, accepted => Accepted,
                                         path => lists:reverse([Der || {Der, _} <- Path])}, Ask, State)
    end.

ask_again(Policy, {Der, Cert}, Fault, #{alert := Alert, text := Text}, State) ->
    Walk = #walk{policy = Policy, notes = make_ref(), user = State, path = [{Der, Cert}]},
    case ask(Cert, {bad_cert, Fault}, State, Walk) of
        {Answer, Next} when Answer =:= valid; Answer =:= valid_peer -> {accepted, Next};
        {fail, _} when Fault =:= {webpki, unjudged} ->
            {refused, {refused, alert_code(Alert), [Text, "; that is forgiven, but it hides what else may be wrong"]}};
        {fail, _} -> {refused, {refused, alert_code(Alert), Text}};
        {broken, Broken} -> {refused, {undecided, rustls_dist_alert:code(certificate_unknown), Broken}}
    end.

alert_code({Code, _Name}) -> Code;
alert_code(none) -> rustls_dist_alert:code(certificate_unknown).

%% Alerts as ssl sends them (ssl_handshake:path_validation_alert), except where it has nothing better than
%% handshake_failure for a fault of a certificate.
refused({_Der, Cert}, {bad_cert, cert_expired} = Reason) ->
    {Serial, _Issuer} = public_key:pkix_subject_id(Cert),
    {refused, rustls_dist_alert:code(alert_for(Reason)), [subject(Cert), ": its serial number is ", serial(Serial),
                                  ", and it has expired or is not valid yet"]};
refused({_Der, Cert}, Reason) ->
    {severity(Reason), rustls_dist_alert:code(alert_for(Reason)), [subject(Cert), ": ", fault_text(Reason)]}.

severity({bad_cert, Fault}) -> severity(Fault);
severity({revocation_status_undetermined, _}) -> undecided;
severity({pinned_fingerprints, _}) -> undecided;
severity(_Fault) -> refused.

%% As openssl prints it. Some are negative, which RFC 5280 section 4.1.2.2 forbids.
serial(Number) when Number >= 0 -> binary:encode_hex(binary:encode_unsigned(Number));
serial(Number) -> io_lib:format("~.16B", [Number]).

alert_for({bad_cert, Fault}) -> alert_for(Fault);
alert_for(cert_expired) -> certificate_expired;
alert_for(unknown_ca) -> unknown_ca;
alert_for(max_path_length_reached) -> unknown_ca;
alert_for({revoked, _}) -> certificate_revoked;
alert_for({revocation_status_undetermined, _}) -> bad_certificate;
alert_for(revocation_status_undetermined) -> bad_certificate;
alert_for(unknown_critical_extension) -> unsupported_certificate;
alert_for(invalid_ext_key_usage) -> unsupported_certificate;
alert_for({invalid_ext_keyusage, _}) -> unsupported_certificate;
alert_for({ca_invalid_ext_keyusage, _}) -> unsupported_certificate;
alert_for({key_usage_mismatch, _}) -> unsupported_certificate;
alert_for(Fault) when Fault =:= invalid_issuer; Fault =:= invalid_signature; Fault =:= name_not_permitted;
                      Fault =:= selfsigned_peer; Fault =:= hostname_check_failed; Fault =:= missing_basic_constraint;
                      Fault =:= invalid_key_usage; Fault =:= duplicate_cert_in_path -> bad_certificate;
alert_for({not_pinned, _Fingerprint}) -> bad_certificate;
alert_for(_Users) -> handshake_failure.

fault_text({bad_cert, Fault}) -> fault_text(Fault);
fault_text(unknown_ca) -> "the chain reaches no certificate of cacertfile";
fault_text(selfsigned_peer) -> "the certificate is self-signed";
fault_text({revoked, Why}) -> io_lib:format("a certificate of the chain is revoked (~tp)", [Why]);
fault_text({revocation_status_undetermined, Why}) ->
    ["whether a certificate of the chain is revoked cannot be told: ", undetermined(Why)];
fault_text(hostname_check_failed) -> "the certificate does not name the host that was dialled";
fault_text({not_pinned, Fingerprint}) ->
    io_lib:format("its fingerprint ~ts is not among the pinned ones (verify_pinned)", [Fingerprint]);
fault_text({pinned_fingerprints, Reason}) ->
    ["the pinned fingerprints cannot be used (verify_pinned): ", rustls_dist_pin:format_error(Reason)];
fault_text(max_path_length_reached) -> "the chain is longer than depth allows";
fault_text(missing_basic_constraint) -> "a certificate above it is not that of an authority (basicConstraints)";
fault_text(Fault) -> io_lib:format("refused: ~0tP", [Fault, 12]).

%% Without the lists themselves, which may have a million entries.
undetermined({bad_crls, no_relevant_crls}) -> "there is no list of its issuer that is not out of date";
undetermined({bad_crls, malformed}) -> "a list of its issuer cannot be decoded";
undetermined({bad_crls, Details}) when is_list(Details) ->
    io_lib:format("no list of its issuer can be used (~0tp)",
                  [lists:usort([Reason || {{bad_crl, Reason}, _List} <- Details])]);
undetermined(Other) -> io_lib:format("~0tP", [Other, 12]).

subject(Cert) ->
    case public_key:pkix_subject_id(Cert) of
        {_Serial, {rdnSequence, Rdns}} -> ["certificate ", name(Rdns)]
    end.

name(Rdns) ->
    case [Value || Rdn <- Rdns, #'AttributeTypeAndValue'{type = ?'id-at-commonName', value = Value} <- Rdn] of
        [{_Kind, Text} | _] -> ["CN=", rustls_dist_peer_text:cut(readable(unicode:characters_to_binary(Text), Text))];
        _ -> "without a common name"
    end.

%% A peer may call itself something that is no text.
readable(Text, _Bytes) when is_binary(Text) -> Text;
readable(_Invalid, Bytes) -> io_lib:format("~0tP", [Bytes, 20]).
