%% What `rustls-dist check' looks at: a node's name, its options, what the node would make of them, and the certificates that it
%% would show and trust. Gathered once; the modules rustls_dist_check_* judge it.
%%
%% @private
-module(rustls_dist_check_subject).

-export([gather/2, name/2, sides/1, is_verified_by_rule/1]).

-export_type([subject/0, side/0]).

-include_lib("public_key/include/public_key.hrl").

%% name: what flags or --node say, or none. host: its host part, as peers look it up. sources: error, if there are none to
%% be had. sides: those whose options can be understood.
-type subject() :: #{flags := rustls_dist_command_flags:flags(),
                     is_known_by_flags := boolean(),
                     name := none | string(),
                     form := longnames | shortnames,
                     host := none | string(),
                     sources := {ok, [rustls_dist_opts:source()]} | {error, binary()},
                     roles := #{server | client => rustls_dist_roles:role()},
                     notices := [rustls_dist_opts:notice()],
                     sides := #{server | client => side()},
                     now_s := integer()}.

%% options: as they take effect, with where they come from. role: what the node works with. shown: the chains that it may show,
%% each leaf first; trusted: its authorities.
-type side() :: #{options := rustls_dist_opts:options(), origins := #{atom() => rustls_dist_opts:origin()},
                  role := rustls_dist_roles:role_config(),
                  shown := [[rustls_dist_chain:cert()]],
                  trusted := [rustls_dist_chain:cert()]}.

%% Name: what --node says.
-spec gather(rustls_dist_command_flags:flags(), none | string()) -> subject().
gather(Flags, Name) ->
    ok = load_paths(Flags),
    Sources = rustls_dist_roles:sources(fun(Flag) -> rustls_dist_command_flags:argument(Flag, Flags) end),
    {Roles, Notices} = case Sources of
                           {ok, Given} -> rustls_dist_roles:of_sources(Given);
                           {error, _} -> {#{}, []}
                       end,
    maps:merge(name(Flags, Name),
               #{flags => Flags, sources => Sources, roles => Roles, notices => Notices,
                 is_known_by_flags => rustls_dist_command_flags:argument(proto_dist, Flags) =/= error
                     orelse Flags =/= [] andalso lists:any(fun({Flag, _}) -> Flag =/= "-ssl_dist_optfile" end, Flags),
                 sides => maps:from_list([{Role, side(Role, Given2, Config)} || {ok, Given2} <- [Sources],
                                                                               {Role, {ok, Config}} <- maps:to_list(Roles)]),
                 now_s => erlang:system_time(second)}).

%% In order.
-spec sides(subject()) -> [{server | client, side()}].
sides(#{sides := Sides}) ->
    [{Role, Side} || Role <- [server, client], #{Role := Side} <- [Sides]].

%% Whether certificates are judged by what they say: not where peers are known by their fingerprints, or not at all.
-spec is_verified_by_rule(side()) -> boolean().
is_verified_by_rule(#{options := #{verify := verify_none}}) -> false;
is_verified_by_rule(#{options := #{verify_fun := {Fun, _, _}}}) -> rustls_dist_ready_made:which(Fun) =/= verify_pinned;
is_verified_by_rule(#{}) -> true.

%% Where the node finds functions that its options name.
load_paths(Flags) ->
    _ = [code:add_pathsa([rustls_dist_file_name:local(Word) || Word <- Words]) || {"-pa", Words} <- Flags],
    _ = [code:add_pathsz([rustls_dist_file_name:local(Word) || Word <- Words]) || {"-pz", Words} <- Flags],
    ok.

%% A node's name by its flags, or by what was given besides. A name without a host is completed as net_kernel does it: by the
%% host's own name, up to its first dot or whole.
-spec name(rustls_dist_command_flags:flags(), none | string()) ->
          #{name := none | string(), form := longnames | shortnames, host := none | string()}.
name(Flags, Name) ->
    {Form, Given} = case {rustls_dist_command_flags:argument(name, Flags), rustls_dist_command_flags:argument(sname, Flags)} of
                        {{ok, [[Long | _] | _]}, _} -> {longnames, Long};
                        {_, {ok, [[Short | _] | _]}} -> {shortnames, Short};
                        _ -> {none, none}
                    end,
    case {Name, Given} of
        {none, none} -> named(longnames, none);
        {none, _} -> named(Form, completed(Form, Given));
        {_, none} -> named(form(Name), completed(form(Name), Name));
        {_, _} -> named(Form, completed(Form, Name))
    end.

named(Form, Name) ->
    Host = case Name =/= none andalso rustls_dist_hostname:of_node(Name) of
               {ok, Found} -> Found;
               _ -> none
           end,
    #{name => Name, form => Form, host => Host}.

form(Name) ->
    case lists:member($., Name) orelse lists:member($:, Name) of
        true -> longnames;
        false -> shortnames
    end.

completed(Form, Name) ->
    case lists:member($@, Name) of
        true -> Name;
        false -> Name ++ "@" ++ own_host(Form)
    end.

own_host(shortnames) ->
    {ok, Host} = inet:gethostname(),
    Host;
own_host(longnames) ->
    {ok, Host} = inet:gethostname(),
    case inet_db:res_option(domain) of
        "" -> Host;
        Domain -> Host ++ "." ++ Domain
    end.

side(Role, Sources, Config) ->
    {ok, #{options := Options, origins := Origins}} = rustls_dist_opts:parse(Role, Sources),
    Seen = [rustls_dist_check_rehearsal:shown(Material) || Material <- rustls_dist_check_rehearsal:materials(Options)],
    #{options => Options, origins => Origins, role => Config,
      shown => [Chain || {ok, Chain} <- Seen],
      trusted => rustls_dist_check_rehearsal:trusted(Options)}.
