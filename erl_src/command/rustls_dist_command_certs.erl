%% `rustls-dist certs': an authority in a folder, and certificates and options files of nodes, for trying out and for small
%% clusters. The keys are made and used by this command alone; nodes read them with Rust.
%%
%% @private
-module(rustls_dist_command_certs).

-behaviour(rustls_dist_command_verb).

-export([help/0, run/1]).

-define(DAY_SECONDS, 86400).
-define(AUTHORITY_DAYS, 3650).
-define(NODE_DAYS, 365).
-define(CRL_DAYS, 365).
-define(MAX_DAYS, 36500).

%% `renew' without names takes what has less left: when nodes begin to warn.
-define(RENEW_DAYS, 30).

-spec help() -> rustls_dist_command_verb:help().
help() ->
    #{summary => "makes an authority in a folder, and certificates and options files for nodes",
      usage => ["init FOLDER [--days N] [--name NAME]",
                "issue FOLDER NAME@HOST... [--days N] [--rustls] [--force]",
                "renew FOLDER [NAME@HOST...] [--days N] [--new-key]",
                "revoke FOLDER NAME@HOST..."],
      about => ["init makes FOLDER with an authority: ca.pem, ca.key, and an empty revocation list, crl.pem.",
                "issue makes FOLDER/NAME@HOST/ with cert.pem, key.pem and ssl_dist.conf, an options file for -ssl_dist_optfile, "
                "which works with rustls and with inet_tls, where FOLDER is: on another host the three files and ca.pem are to "
                "lie under the same path. The certificate is for both roles and names the host and erlang:NAME@HOST.",
                "renew makes new certificates with the old keys, so that one file changes, by one renaming, and a node that runs "
                "finds a pair that fits at every moment. Without names it takes those that have 30 days left or less. With "
                "--new-key the key is written first: until the certificate is, a moment later, the two do not fit.",
                "revoke puts all certificates of a node on crl.pem. Nodes heed it that were issued with --rustls. The list is "
                "good for a year and made anew by each issue, renew and revoke.",
                "Keys are on P-256, not encrypted, and for their owner alone (mode 0600), as are the folders (0700). An "
                "authority is valid for 3650 days and a node's certificate for 365, and not longer than the authority."],
      options => [#{name => days, takes => "N", help => "for how many days"},
                  #{name => name, takes => "NAME", help => "what the authority is called (rustls-dist)"},
                  #{name => rustls, takes => nothing,
                    help => "writes options that only rustls has: the revocation list, and verify_node name"},
                  #{name => 'new-key', takes => nothing, help => "makes a new key, too"},
                  #{name => force, takes => nothing, help => "replaces a node's key, certificate and options file"}]}.

-spec run(rustls_dist_command_verb:arguments()) -> rustls_dist_command_verb:result().
run(#{flags := Flags}) when Flags =/= none ->
    {usage, "it takes no flags of a node"};
run(#{words := ["init", Folder], options := Options}) ->
    Name = maps:get(name, Options, "rustls-dist"),
    with_days(Options, ?AUTHORITY_DAYS, [name], fun(Days) -> init(folder(Folder), Days, Name) end);
run(#{words := ["issue", Folder | [_ | _] = Nodes], options := Options}) ->
    of_nodes(Nodes, Options, [rustls, force],
             fun(Days) -> changed(Folder, fun(Authority) -> [issue(Authority, Node, Days, Options) || Node <- Nodes] end) end);
run(#{words := ["renew", Folder | Nodes], options := Options}) ->
    of_nodes(Nodes, Options, ['new-key'],
             fun(Days) -> changed(Folder, fun(Authority) ->
                                                  [renew(Authority, Node, Days, Options) || Node <- chosen(Authority, Nodes)]
                                          end) end);
run(#{words := ["revoke", Folder | [_ | _] = Nodes], options := Options}) ->
    of_nodes(Nodes, maps:remove(days, Options), [],
             fun(_Days) -> changed(Folder, fun(Authority) -> [revoke(Authority, Node) || Node <- Nodes] end) end);
run(_Arguments) ->
    {usage, "it takes init, issue, renew or revoke, a folder, and names of nodes"}.

folder(Word) ->
    filename:absname(rustls_dist_file_name:local(Word)).

with_days(Options, Default, Allowed, Do) ->
    case {maps:keys(maps:without([days, json | Allowed], Options)), days(Options, Default)} of
        {[Other | _], _} -> {usage, io_lib:format("--~ts has no meaning there", [Other])};
        {[], error} -> {usage, "--days wants a number of days"};
        {[], Days} -> Do(Days)
    end.

days(#{days := Word}, _Default) ->
    case string:to_integer(Word) of
        {Days, []} when Days >= 1, Days =< ?MAX_DAYS -> Days;
        _ -> error
    end;
days(#{}, Default) ->
    Default.

of_nodes(Nodes, Options, Allowed, Do) ->
    case lists:search(fun(Node) -> not is_node(Node) end, Nodes) of
        {value, Bad} -> {usage, [rustls_dist_file_name:shown(Bad), " is no node's name: it must be NAME@HOST"]};
        false -> with_days(Options, ?NODE_DAYS, Allowed, Do)
    end.

%% It becomes a folder's name, too: so no slash, and no point at the beginning.
is_node(Word) when is_list(Word) ->
    re:run(Word, "^[0-9A-Za-z_-]+@[0-9A-Za-z:][0-9A-Za-z.:_-]*$", [{capture, none}]) =:= match andalso length(Word) =< 255;
is_node(_Bytes) ->
    false.

init(Folder, Days, Name) ->
    _ = filelib:ensure_dir(Folder),
    Make = fun() ->
                   Files = [rustls_dist_certs_authority:file(Folder, What) || What <- [key, ca]],
                   _ = [rustls_dist_certs_authority:fail("~ts is there already: an authority is not replaced; take another "
                                                         "folder", [rustls_dist_file_name:shown(File)])
                        || File <- Files, rustls_dist_certs_authority:exists(File)],
                   Key = rustls_dist_certs_x509:new_key(),
                   Der = rustls_dist_certs_x509:authority(Name, Key, in_days(Days)),
                   [KeyFile, CaFile] = Files,
                   ok = rustls_dist_certs_authority:write_pem(KeyFile, 8#600, [{'ECPrivateKey', Key}]),
                   ok = rustls_dist_certs_authority:write_pem(CaFile, 8#644, [{'Certificate', Der}]),
                   ok = rustls_dist_certs_authority:keep_issued(Folder, []),
                   ok = listed(#{folder => Folder, certificate => Der, key => Key}, []),
                   [done(authority, Name, CaFile, Der)]
           end,
    result(made(Folder, Make)).

made(Folder, Make) ->
    try rustls_dist_certs_authority:make_folder(Folder) of
        ok -> rustls_dist_certs_authority:locked(Folder, Make)
    catch
        throw:{rustls_dist_certs_authority, Why} -> {error, Why}
    end.

%% Reads the authority, lets Do change what it issued, and writes index and list.
changed(Word, Do) ->
    Folder = folder(Word),
    Change = fun() ->
                     Authority = #{folder => Folder,
                                   certificate => rustls_dist_certs_authority:certificate(
                                                    rustls_dist_certs_authority:file(Folder, ca)),
                                   key => rustls_dist_certs_authority:key(rustls_dist_certs_authority:file(Folder, key))},
                     Done = Do(Authority),
                     ok = listed(Authority, rustls_dist_certs_authority:issued(Folder)),
                     Done
             end,
    result(rustls_dist_certs_authority:locked(Folder, Change)).

%% The list's number is the time: it grows, also when the folder was restored from a copy.
listed(#{folder := Folder, certificate := Der, key := Key}, Entries) ->
    Now = erlang:system_time(second),
    Revoked = [{Serial, At} || #{serial := Serial, not_after := NotAfter, state := {revoked, At}} <- Entries, NotAfter > Now],
    List = rustls_dist_certs_x509:revocations(Der, Key, Revoked, Now, in_days(?CRL_DAYS)),
    rustls_dist_certs_authority:write_pem(rustls_dist_certs_authority:file(Folder, crl), 8#644, [{'CertificateList', List}]).

issue(#{folder := Folder} = Authority, Node, Days, Options) ->
    KeyFile = rustls_dist_certs_authority:node_file(Folder, Node, key),
    case rustls_dist_certs_authority:exists(KeyFile) andalso not is_map_key(force, Options) of
        true ->
            rustls_dist_certs_authority:fail("~ts is there already: `rustls-dist certs renew' makes a new certificate for it, "
                                             "and --force replaces it", [rustls_dist_file_name:shown(KeyFile)]);
        false ->
            ok = rustls_dist_certs_authority:make_folder(rustls_dist_certs_authority:node_file(Folder, Node, folder)),
            Key = rustls_dist_certs_x509:new_key(),
            ok = rustls_dist_certs_authority:write_pem(KeyFile, 8#600, [{'ECPrivateKey', Key}]),
            Done = certified(Authority, Node, Key, Days),
            ok = rustls_dist_certs_authority:write(rustls_dist_certs_authority:node_file(Folder, Node, options), 8#644,
                                                     optfile(Folder, Node, is_map_key(rustls, Options))),
            Done
    end.

renew(#{folder := Folder} = Authority, Node, Days, Options) ->
    ok = not_revoked(Folder, Node),
    KeyFile = rustls_dist_certs_authority:node_file(Folder, Node, key),
    case Options of
        #{'new-key' := true} ->
            _ = rustls_dist_certs_authority:key(KeyFile),
            Key = rustls_dist_certs_x509:new_key(),
            ok = rustls_dist_certs_authority:write_pem(KeyFile, 8#600, [{'ECPrivateKey', Key}]),
            certified(Authority, Node, Key, Days);
        #{} ->
            certified(Authority, Node, rustls_dist_certs_authority:key(KeyFile), Days)
    end.

%% Who revokes does not trust the key any more.
not_revoked(Folder, Node) ->
    case [State || #{node := Found, state := State} <- rustls_dist_certs_authority:issued(Folder), Found =:= Node] of
        [_ | _] = States ->
            case lists:last(States) of
                valid -> ok;
                {revoked, _} ->
                    rustls_dist_certs_authority:fail("~ts is revoked: `rustls-dist certs issue --force' makes a new key and "
                                                     "certificate for it", [Node])
            end;
        [] ->
            ok
    end.

%% The index comes first: a certificate that is out can be revoked, whatever happens.
certified(#{folder := Folder, certificate := Issuer, key := IssuerKey}, Node, Key, Days) ->
    Until = min(in_days(Days), rustls_dist_certs_x509:not_after(Issuer)),
    Der = rustls_dist_certs_x509:node(Node, {Issuer, IssuerKey}, Key, Until),
    Entry = #{serial => rustls_dist_certs_x509:serial(Der), node => Node, not_after => Until, state => valid},
    ok = rustls_dist_certs_authority:keep_issued(Folder, rustls_dist_certs_authority:issued(Folder) ++ [Entry]),
    File = rustls_dist_certs_authority:node_file(Folder, Node, certificate),
    ok = rustls_dist_certs_authority:write_pem(File, 8#644, [{'Certificate', Der}]),
    done(issued, Node, File, Der).

%% Those named, or all whose newest certificate ends soon.
chosen(#{folder := Folder}, []) ->
    Newest = maps:from_list([{Node, {State, NotAfter}} || #{node := Node, not_after := NotAfter, state := State}
                                                              <- rustls_dist_certs_authority:issued(Folder)]),
    [Node || {Node, {valid, NotAfter}} <- lists:sort(maps:to_list(Newest)), NotAfter =< in_days(?RENEW_DAYS)];
chosen(_Authority, Nodes) ->
    Nodes.

revoke(#{folder := Folder}, Node) ->
    Now = erlang:system_time(second),
    Entries = rustls_dist_certs_authority:issued(Folder),
    case [Serial || #{serial := Serial, node := Found, state := valid} <- Entries, Found =:= Node] of
        [] ->
            rustls_dist_certs_authority:fail("~ts has no certificate of this authority that is not revoked", [Node]);
        Serials ->
            Revoked = [case lists:member(Serial, Serials) of
                           true -> Entry#{state := {revoked, Now}};
                           false -> Entry
                       end || #{serial := Serial} = Entry <- Entries],
            ok = rustls_dist_certs_authority:keep_issued(Folder, Revoked),
            #{what => revoked, name => Node, file => rustls_dist_certs_authority:file(Folder, crl), serials => Serials}
    end.

in_days(Days) ->
    erlang:system_time(second) + Days * ?DAY_SECONDS.

%% Paths are absolute, since a relative one would be looked for where the node is started.
optfile(Folder, Node, ForRustls) ->
    Common = [{certfile, rustls_dist_certs_authority:node_file(Folder, Node, certificate)},
              {keyfile, rustls_dist_certs_authority:node_file(Folder, Node, key)},
              {cacertfile, rustls_dist_certs_authority:file(Folder, ca)},
              {verify, verify_peer}]
        ++ [Option || ForRustls, Option <- [{crl_check, peer}, {crlfile, rustls_dist_certs_authority:file(Folder, crl)},
                                            {verify_node, name}]],
    io_lib:format("%% coding: utf-8~n%% Made by `rustls-dist certs issue' for ~ts.~n~tp.~n",
                  [Node, [{server, [{fail_if_no_peer_cert, true} | Common]}, {client, Common}]]).

done(What, Name, File, Der) ->
    #{what => What, name => Name, file => File, not_after => rustls_dist_certs_x509:not_after(Der),
      serials => [rustls_dist_certs_x509:serial(Der)]}.

result({ok, []}) ->
    {ok, "nothing to do: no certificate ends within 30 days\n", #{done => []}};
result({ok, Done}) ->
    {ok, [line(One) || One <- Done], #{done => [json(One) || One <- Done]}};
result({error, Why}) ->
    {finding, [{red, "refused"}, "  ", rustls_dist_command_text:wrap(Why, 0, 120)],
     #{done => [], error => unicode:characters_to_binary(Why)}}.

line(#{what := revoked, name := Name, file := File, serials := Serials}) ->
    io_lib:format("revoked ~ts: ~w of its certificates ~ts on ~ts~n",
                  [Name, length(Serials), case Serials of [_] -> "is"; _ -> "are" end, rustls_dist_file_name:shown(File)]);
line(#{name := Name, file := File, not_after := NotAfter}) ->
    io_lib:format("~ts: ~ts, until ~ts~n", [Name, rustls_dist_file_name:shown(File), date(NotAfter)]).

date(Seconds) ->
    calendar:system_time_to_rfc3339(Seconds, [{offset, "Z"}]).

json(#{what := What, name := Name, file := File, serials := Serials} = Done) ->
    (maps:with([not_after], Done))#{what => What, name => unicode:characters_to_binary(Name),
                                    file => unicode:characters_to_binary(rustls_dist_file_name:shown(File)),
                                    serials => [integer_to_binary(Serial, 16) || Serial <- Serials]}.
