%% What OTP's own carrier, inet_tls, would make of the same options: for clusters of both, and for the way back.
%%
%% The release that runs is asked itself: its ssl judges the options before it opens anything. What OTP 26 and later refuse and
%% earlier ones take is a table, measured with 27.3.4.1.
%%
%% @private
-module(rustls_dist_check_inet_tls).

-export([findings/1]).

%% Options that only this carrier has.
-define(OURS, [crlfile, verify_node]).

%% What inet_tls_dist takes on the command line (ssl_option/2 of OTP 25 and 27).
-define(FLAGS, [certfile, cacertfile, keyfile, password, verify, verify_fun, crl_check, crl_cache, reuse_sessions,
                secure_renegotiate, depth, hibernate_after, ciphers]).
-define(SERVER_FLAGS, [dhfile, fail_if_no_peer_cert]).

%% From OTP 26 on ssl refuses these where they stand on the wrong side, and earlier it passed over them.
-define(SERVER_ONLY, [fail_if_no_peer_cert, dhfile, dh, honor_cipher_order, honor_ecc_order, client_renegotiation, cookie,
                      anti_replay, stateless_tickets_seed]).
-define(CLIENT_ONLY, [max_fragment_length, use_ticket]).

-spec findings(rustls_dist_check_subject:subject()) -> [rustls_dist_command_finding:finding()].
findings(#{sources := {error, _}}) ->
    [];
findings(#{sources := {ok, Sources}, sides := Sides} = Subject) ->
    lacking(Sources) ++ not_as_flags(Sources) ++ defaults(Subject) ++ not_utf8(Sources) ++ addresses(Subject)
        ++ [Finding || Role <- [server, client], #{Role := #{options := Options, origins := Origins}} <- [Sides],
                       Finding <- this_release(Role, given(Role, Sources, Options, Origins))]
        ++ [Finding || rustls_dist_release:clients_verify() =:= false,
                       {Role, Side} <- rustls_dist_check_subject:sides(Subject),
                       Finding <- later_releases(Role, Side, named(Role, Sources))].

note(Is, Where, What, Remedy) ->
    #{severity => note, is => Is, where => Where, what => What, remedy => Remedy}.

lacking(Sources) ->
    [note(inet_tls_lacks, atom_to_list(Key), ["inet_tls does not know ", atom_to_list(Key), ", and does not start with it"],
          "take it out of the options of nodes that run inet_tls")
     || Key <- lists:uniq([Key || Role <- [server, client], Key <- named(Role, Sources)]), lists:member(Key, ?OURS)].

not_as_flags(Sources) ->
    Keys = [Key || Role <- [server, client], Key <- named(Role, [Source || {flag, _} = Source <- Sources]),
                   not lists:member(Key, ?OURS ++ ?FLAGS ++ [Extra || Role =:= server, Extra <- ?SERVER_FLAGS])],
    [note(inet_tls_not_as_flag, "-ssl_dist_opt", ["inet_tls takes ", atom_to_list(Key), " in the options file alone"],
          "write it into the file of -ssl_dist_optfile where nodes run inet_tls") || Key <- lists:uniq(Keys)].

%% Where nothing is said, the two do not mean the same.
defaults(#{sides := Sides}) ->
    [note(inet_tls_verifies_nobody, "verify",
          ["verify is not given: rustls verifies peers because there is something to verify them by, and the ",
           atom_to_list(Role),
           " part of inet_tls verifies nobody"], "write {verify, verify_peer} where nodes run inet_tls")
     || Role <- [server, client], #{Role := #{options := #{verify := verify_peer}, origins := Origins}} <- [Sides],
        maps:get(verify, Origins, default) =:= default,
        Role =:= server orelse not rustls_dist_release:clients_verify()]
        ++ [note(inet_tls_other_versions, "versions",
                 "versions are not given: rustls offers TLS 1.3 and 1.2, and inet_tls of this release TLS 1.2 alone",
                 "write {versions, ['tlsv1.3', 'tlsv1.2']} where nodes run inet_tls and are to use TLS 1.3")
            || rustls_dist_release:inet_tls_versions() =:= ['tlsv1.2'],
               lists:any(fun(#{origins := Origins}) -> maps:get(versions, Origins, default) =:= default end, maps:values(Sides))].

%% OTP reads the options file in latin1, unless a comment says otherwise (file:consult/1).
not_utf8(Sources) ->
    [note(inet_tls_reads_latin1, rustls_dist_file_name:shown(File),
          "the options file has characters beyond ASCII, which inet_tls reads as latin1",
          "begin the file with %% -*- coding: utf-8 -*-")
     || {optfile, File, _Sides} <- Sources, {ok, Bytes} <- [rustls_dist_raw_file:read(File, 1 bsl 20)],
        lists:any(fun(Byte) -> Byte > 127 end, binary_to_list(Bytes)), epp:read_encoding_from_binary(Bytes) =:= none].

%% OTP 25 compares the host of a node with DNS names, whatever it looks like.
addresses(#{host := none}) ->
    [];
addresses(#{host := Host} = Subject) ->
    [note(inet_tls_wants_dns_name, rustls_dist_check_certificates:where(Side),
          ["the host ", Host, " is an address: inet_tls up to OTP 25 looks for it among the DNS names of a certificate, where "
                              "it is not"],
          ["add DNS:", Host, " to the subjectAltName where nodes run inet_tls of OTP 25"])
     || {server, #{role := #{own := Chains}} = Side} <- rustls_dist_check_subject:sides(Subject),
        rustls_dist_check_subject:is_verified_by_rule(Side), {ok, _} <- [inet:parse_strict_address(Host)],
        [#{dns_names := Names} | _] <- Chains, not lists:member(list_to_binary(Host), Names)].

%% The names of the options that are given, with or without a meaning here.
named(Role, Sources) ->
    lists:append([names(Role, Source) || Source <- Sources]).

names(Role, {optfile, _File, Sides}) ->
    [Key || {Side, Options} <- Sides, Side =:= Role, Option <- Options, Key <- [key(Option)], is_atom(Key)];
names(Role, {flag, Words}) ->
    Prefix = atom_to_list(Role) ++ "_",
    [Key || [Word, _Value] <- pairs(Words), is_list(Word), Name <- [string:prefix(Word, Prefix)], Name =/= nomatch,
            Key <- rustls_dist_opt_values:names(), atom_to_list(Key) =:= Name].

key({Key, _Value}) -> Key;
key(Option) -> Option.

pairs([Name, Value | Words]) -> [[Name, Value] | pairs(Words)];
pairs(_) -> [].

%% As inet_tls would hand them to ssl: what the file has, and what the flags have as it was understood here.
given(Role, Sources, Options, Origins) ->
    Flags = [{Key, for_ssl(Key, Value)} || {Key, Value} <- maps:to_list(Options), maps:get(Key, Origins, default) =:= flag,
                                           lists:member(Key, ?FLAGS ++ ?SERVER_FLAGS)],
    File = [Option || {optfile, _, Sides} <- Sources, {Side, Given} <- Sides, Side =:= Role, Option <- Given],
    [Option || Option <- Flags ++ File, not lists:member(key(Option), ?OURS)].

for_ssl(verify_fun, {Fun, State, _Label}) -> {Fun, State};
for_ssl(ciphers, Names) -> [binary_to_list(Name) || Name <- Names];
for_ssl(_Key, Value) -> Value.

this_release(Role, Given) ->
    Options = case lists:keymember(versions, 1, [Option || Option <- Given, is_tuple(Option)]) of
                  true -> Given;
                  false -> [{versions, rustls_dist_release:inet_tls_versions()} | Given]
              end,
    case application:ensure_all_started(ssl) of
        {ok, _} ->
            [note(inet_tls_refuses, [atom_to_list(Role), " options"],
                  ["ssl of this release (OTP ", erlang:system_info(otp_release), ") refuses the ", atom_to_list(Role), " part: ",
                   Why],
                  "change it where nodes run inet_tls") || Why <- asked(Role, Options)];
        {error, _} ->
            []
    end.

%% ssl judges options before it opens a port, and before it connects. Port 1 of the loopback interface is nobody's.
asked(server, Options) ->
    try ssl:listen(0, [{ip, {127, 0, 0, 1}} | Options]) of
        {ok, Listen} -> ssl:close(Listen), [];
        {error, Reason} -> refusal(Reason)
    catch
        _:badarg -> ["an option that it does not know"];
        _:_ -> []
    end;
asked(client, Options) ->
    try ssl:connect({127, 0, 0, 1}, 1, Options, 1000) of
        {ok, Socket} -> ssl:close(Socket), [];
        {error, Reason} -> refusal(Reason)
    catch
        _:badarg -> ["an option that it does not know"];
        _:_ -> []
    end.

refusal(Reason) when element(1, Reason) =:= options; element(1, Reason) =:= option -> [lists:join(" ", atoms(Reason))];
refusal(_NotOptions) -> [].

%% Names alone: a value may be a password.
atoms(Atom) when is_atom(Atom) -> [atom_to_list(Atom)];
atoms(Tuple) when is_tuple(Tuple) -> atoms(tuple_to_list(Tuple));
atoms([First | Rest]) -> atoms(First) ++ atoms(Rest);
atoms(_Other) -> [].

later_releases(Role, #{options := Options, origins := Origins}, Names) ->
    HasTrust = is_map_key(cacertfile, Options) orelse is_map_key(cacerts, Options),
    IsGiven = maps:get(verify, Origins, default) =/= default,
    [note(otp26_verifies, "verify",
          "a client of inet_tls verifies servers from OTP 26 on, and does not start without cacertfile or cacerts",
          "give cacertfile, or write {verify, verify_none}") || Role =:= client, not IsGiven, not HasTrust]
        ++ [note(otp26_wants_authorities, "cacertfile",
                 ["inet_tls from OTP 26 on refuses verify_peer without cacertfile or cacerts (", atom_to_list(Role),
                  " part), also where a verify_fun judges"], "give cacertfile, if only with the node's own certificate")
            || IsGiven, maps:get(verify, Options) =:= verify_peer, not HasTrust]
        ++ [note(otp26_wrong_side, atom_to_list(Key),
                 ["inet_tls from OTP 26 on refuses ", atom_to_list(Key), " in the ", atom_to_list(Role), " part"],
                 "take it out there") || Key <- lists:uniq(Names), lists:member(Key, wrong_side(Role))].

wrong_side(client) -> ?SERVER_ONLY;
wrong_side(server) -> ?CLIENT_ONLY.
