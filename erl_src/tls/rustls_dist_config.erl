%% The configuration of both roles: read once from the command line and the options file, checked, and handed to each
%% handshake as a value.
%%
%% The value of both roles is one persistent term: whoever fetches it refers to it and copies nothing, however many
%% authorities are in it, and asks no process. It belongs to the run of rustls_dist_sup that made it. So this process may
%% end at any time: the next one takes up what there is, reads no file again, and no link notices; and when distribution
%% is stopped, the configuration and the private keys in it go.
%%
%% Bad configuration is kept as the sentence that explains it. listen/2 asks for it and refuses to come up; the
%% supervisor stays alive so that this sentence, and not a crash of kernel, is what the user sees.
%%
%% @private
-module(rustls_dist_config).

-behaviour(gen_server).

-export([start_link/0, fetch/1, check/0, nobody_can_dial/0]).
-export([sources/1, roles/1]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2, format_status/1]).
-export([erase_with/2]).

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
                         name := node_host | any | binary()}.

-define(LOGGER_TRIES, 100).
-define(LOGGER_POLL_MS, 100).

%% Whose run the configuration belongs to.
-define(RUN, rustls_dist_sup).

%% What became of a role's options: its configuration, or the sentence that says what is wrong with them. A server side
%% without a certificate is no fault: the node dials, and lets nobody in.
-type role() :: {ok, role_config()} | no_certificate | {error, binary()}.

-type roles() :: #{server | client => role()}.

-spec start_link() -> {ok, pid()} | {error, term()}.
start_link() ->
    gen_server:start_link({local, ?MODULE}, ?MODULE, [], []).

%% What became of a role's options. What is fetched stays as it is: a handshake that fetches once works with one
%% configuration from its beginning to its end.
-spec fetch(server) -> role(); (client) -> {ok, role_config()} | {error, binary()}.
fetch(Role) ->
    case persistent_term:get(key(), none) of
        #{Role := Result} -> Result;
        none -> {error, <<"rustls_dist's supervisor is not running; is its ebin folder in the code path?">>}
    end.

%% What became of both. A node that only connects needs the client role alone.
-spec check() -> roles().
check() ->
    #{server => fetch(server), client => fetch(client)}.

%% Has the user told that this node listens in vain.
-spec nobody_can_dial() -> ok.
nobody_can_dial() ->
    gen_server:cast(?MODULE, {log_notice, no_certificate}).

-spec init([]) -> {ok, no_state, hibernate}.
init([]) ->
    {?MODULE, Run} = Key = key(),
    case persistent_term:get(Key, none) of
        none ->
            Roles = rustls_dist_crash:without_terms(fun load/0),
            ok = rustls_dist_preload:load(has_referee(Roles)),
            ok = persistent_term:put(Key, Roles),
            _ = spawn(?MODULE, erase_with, [Run, Key]);
        #{} ->
            ok
    end,
    %% What was read and built is not to be held twice.
    {ok, no_state, hibernate}.

key() ->
    {?MODULE, whereis(?RUN)}.

has_referee(Roles) ->
    lists:any(fun({ok, #{policy := Policy}}) -> Policy =/= none;
                 (_Unusable) -> false
              end, maps:values(Roles)).

%% A process of its own, since the supervisor's children come and go.
-spec erase_with(pid(), term()) -> true.
erase_with(Run, Key) ->
    Ref = monitor(process, Run),
    receive
        {'DOWN', Ref, process, Run, _Reason} -> persistent_term:erase(Key)
    end.

%% Nobody has anything to ask here, and strangers get no answer.
-spec handle_call(term(), gen_server:from(), no_state) -> {noreply, no_state}.
handle_call(_Request, _From, State) ->
    {noreply, State}.

-spec handle_cast(term(), no_state) -> {noreply, no_state}.
handle_cast({log_notice, Notice}, State) ->
    self() ! {log_notices, [Notice], ?LOGGER_TRIES},
    {noreply, State};
handle_cast(_Cast, State) ->
    {noreply, State}.

%% The notices wait for the log, for a while.
-spec handle_info(term(), no_state) -> {noreply, no_state}.
handle_info({log_notices, Notices, Tries}, State) when is_integer(Tries) ->
    case Tries =< 0 orelse rustls_dist_log:is_set_up() of
        false ->
            _ = erlang:send_after(?LOGGER_POLL_MS, self(), {log_notices, Notices, Tries - 1});
        true ->
            lists:foreach(fun(Notice) -> rustls_dist_log:notice(rustls_dist_opts:format_notice(Notice)) end, Notices)
    end,
    {noreply, State};
handle_info(_Other, State) ->
    {noreply, State}.

-spec format_status(gen_server:format_status()) -> gen_server:format_status().
format_status(Status) ->
    rustls_dist_crash:format_status(Status).

load() ->
    case rustls_dist_beams:refused() of
        none -> load_sources();
        {some, Text} -> both({error, unicode:characters_to_binary(Text)})
    end.

load_sources() ->
    {Roles, Notices} = case sources(fun init:get_argument/1) of
                           {ok, Sources} -> roles(Sources);
                           {error, Text} -> {both({error, Text}), []}
                       end,
    self() ! {log_notices, Notices, ?LOGGER_TRIES},
    Roles.

%% What becomes of both roles with these sources, and what the user ought to be told of that. Reads, checks and builds all that
%% a node does, and starts no process.
-spec roles([rustls_dist_opts:source()]) -> {roles(), [rustls_dist_opts:notice()]}.
roles(Sources) ->
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

both(Result) ->
    #{server => Result, client => Result}.

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
