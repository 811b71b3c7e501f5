%% From the command line and the options file to what a handshake takes, for both roles: reads, checks and builds all that a node
%% does at boot, and starts no process.
%%
%% @private
-module(rustls_dist_roles).

-export([sources/1, of_sources/1, both/1, has_referee/1]).

-export_type([role_config/0, role/0, roles/0]).

%% What one role needs: the Rust side's configuration, the chains that it may show, what the server's certificate must name
%% (client), whether the peer is verified, the policy where the user has a say in that, and when an idle link's processes
%% hibernate (ms).
-type role_config() :: #{config := rustls_dist_nif:config(),
                         own := [[rustls_dist_nif:certificate() | none]],
                         verify := verify_peer | verify_none,
                         verify_node := rustls_dist_verify_node:policy(),
                         policy := rustls_dist_verify:policy() | none,
                         hibernate_after := timeout(),
                         name := node_host | any | binary(),
                         generation => pos_integer()}.         % when it is in use

%% What became of a role's options: its configuration, or the sentence that says what is wrong with them. A server side
%% without a certificate is no fault: the node dials, and lets nobody in.
-type role() :: {ok, role_config()} | no_certificate | {error, binary()}.

-type roles() :: #{server | client => role()}.

%% What becomes of both roles with these sources, and what the user ought to be told of that.
-spec of_sources([rustls_dist_opts:source()]) -> {roles(), [rustls_dist_opts:notice()]}.
of_sources(Sources) ->
    case rustls_dist_nif:load() of
        ok ->
            ok = rustls_dist_meter:new(rustls_dist_reason:all()),
            {Server, ServerNotices} = role(server, Sources),
            {Client, ClientNotices} = role(client, Sources),
            {#{server => Server, client => Client}, merge_notices(ServerNotices ++ ClientNotices)};
        {error, {_, Reason}} ->
            {both({error, sentence("the library ~ts.so cannot be loaded (~ts); build it with `make' in rustls_dist's folder",
                                   [rustls_dist_library:path(), Reason])}), []}
    end.

%% The same for both roles.
-spec both(role()) -> roles().
both(Result) ->
    #{server => Result, client => Result}.

%% Whether Erlang has a say in verdicts on certificates.
-spec has_referee(roles()) -> boolean().
has_referee(Roles) ->
    lists:any(fun({ok, #{policy := Policy}}) -> Policy =/= none;
                 (_Unusable) -> false
              end, maps:values(Roles)).

%% Where options come from, in the order of precedence: the file wins over the flag, as with inet_tls, where ssl takes the last
%% of several values. Argument: init:get_argument/1, or what knows the flags of another node. Reads the options file.
-spec sources(fun((atom()) -> {ok, [[term()]]} | error)) -> {ok, [rustls_dist_opts:source()]} | {error, binary()}.
sources(Argument) ->
    Flag = case Argument(ssl_dist_opt) of
               {ok, Words} -> [{flag, [rustls_dist_file_name:word(Word) || Word <- lists:append(Words)]}];
               error -> []
           end,
    case Argument(ssl_dist_optfile) of
        error ->
            {ok, Flag};
        {ok, [[Word]]} ->
            File = rustls_dist_file_name:word(Word),
            case rustls_dist_optfile:consult(File) of
                {ok, Sides} -> {ok, [{optfile, File, Sides} | Flag]};
                {error, Reason} -> {error, unicode:characters_to_binary(rustls_dist_optfile:format_error(Reason))}
            end;
        {ok, Given} ->
            {error, sentence("-ssl_dist_optfile takes one file, once, but was given ~b words",
                             [length(lists:append(Given))])}
    end.

role(Role, Sources) ->
    case rustls_dist_opts:parse(Role, Sources) of
        {ok, #{options := Options, origins := Origins, notices := Notices}} ->
            case Role =:= client orelse rustls_dist_opts:has_certificate(Options) of
                true -> {build(Role, Options, Origins), Notices ++ unusable_crlfile(Role, Options)};
                false -> {no_certificate, Notices}
            end;
        {error, Problem} ->
            {{error, unicode:characters_to_binary(rustls_dist_opts:format_problem(Problem))}, []}
    end.

%% No error: the file may be written later, and until then nobody is let in.
unusable_crlfile(Role, #{crlfile := File, crl_check := Check}) when Check =/= false ->
    case rustls_dist_crl_file:check(File) of
        ok -> [];
        {error, Why} -> [{crlfile_unusable, Role, File, Why}]
    end;
unusable_crlfile(_Role, _Options) ->
    [].

%% Links that no side authenticates deserve one clear warning, not two that look alike.
merge_notices(Notices) ->
    case Notices -- [{unauthenticated, server}, {unauthenticated, client}] of
        Others when length(Others) =:= length(Notices) - 2 -> [{unauthenticated, both} | Others];
        _ -> Notices
    end.

build(Role, Options, Origins) ->
    case rustls_dist_nif:config_new(Role, native_options(Options, Origins)) of
        {ok, Config, OwnChains, Trusted} ->
            {ok, #{config => Config,
                   own => OwnChains,
                   policy => policy(Role, Options, Trusted),
                   verify_node => maps:get(verify_node, Options, false),
                   verify => maps:get(verify, Options),
                   hibernate_after => maps:get(hibernate_after, Options),
                   name => expected_name(Options)}};
        {error, #{option := Blamed, text := Text}} ->
            Option = blamed(Blamed, Origins),
            {error, sentence("~ts option ~ts (~ts): ~ts", [Role, Option, origin(Option, Role, Origins), Text])}
    end.

%% The files of certs_keys are called what single ones are called.
blamed(Option, #{certs_keys := _}) when Option =:= certfile; Option =:= keyfile; Option =:= password -> certs_keys;
blamed(Option, _Origins) -> Option.

%% Only where somebody besides webpki has a say.
policy(Role, Options, Trusted) ->
    case judged_by(Options) of
        webpki ->
            none;
        referee ->
            #{role => Role,
              trusted => [{Der, public_key:pkix_decode_cert(Der, otp)} || Der <- Trusted],
              depth => maps:get(depth, Options),
              host => any,
              host_check => maps:get(customize_hostname_check, Options, []),
              verify_fun => maps:get(verify_fun, Options, none),
              crl => crl(Options)}
    end.

judged_by(#{verify := verify_peer, verify_fun := _}) -> referee;
judged_by(#{verify := verify_peer, crl_check := Check}) when Check =/= false -> referee;
judged_by(#{verify := verify_peer, customize_hostname_check := [_ | _]}) -> referee;
judged_by(_Options) -> webpki.

crl(#{crl_check := Check} = Options) when Check =/= false ->
    Cache = maps:get(crl_cache, Options, {ssl_crl_cache, {internal, []}}),
    Files = [{rustls_dist_crl_file, File} || #{crlfile := File} <- [Options]],
    #{check => Check, sources => Files ++ [crl_source(Cache)]};
crl(_Options) ->
    off.

%% OTP's own cache lives in processes of ssl, which do not run when distribution starts.
crl_source({ssl_crl_cache, {internal, Arguments}}) -> {rustls_dist_crl_cache, Arguments};
crl_source({Module, Handle}) -> {Module, Handle}.

%% The versions are passed on only when the user named them: a default may shrink to what the ciphers allow, a wish not.
native_options(Options, Origins) ->
    Known = maps:with([cacertfile, cacerts, verify, fail_if_no_peer_cert, depth, ciphers, supported_groups, eccs, key_update_at],
                      Options),
    Named = case Origins of
                #{versions := Origin} when Origin =/= default -> Known#{versions => maps:get(versions, Options)};
                #{} -> Known
            end,
    maps:merge(Named#{common_name_fallback => rustls_dist_release:takes_common_name(), judged_by => judged_by(Options)},
               identities(Options)).

%% certs_keys wins over the single pair, as in ssl.
identities(#{certs_keys := Pairs}) -> #{identities => Pairs};
identities(Options) -> maps:with([certfile, keyfile, password], Options).

expected_name(#{verify := verify_peer, server_name_indication := Name}) when is_binary(Name) -> Name;
expected_name(#{verify := verify_peer, server_name_indication := disable}) -> any;
expected_name(#{verify := verify_peer}) -> node_host;
expected_name(#{verify := verify_none}) -> any.

origin(Option, Role, Origins) ->
    case Origins of
        #{Option := flag} -> io_lib:format("from -ssl_dist_opt ~ts_~ts", [Role, Option]);
        #{Option := {optfile, File}} -> ["from -ssl_dist_optfile ", rustls_dist_file_name:shown(File)];
        #{} -> "not given"
    end.

sentence(Format, Arguments) ->
    unicode:characters_to_binary(io_lib:format(Format, Arguments)).
