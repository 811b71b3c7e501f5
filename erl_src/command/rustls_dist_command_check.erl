%% `rustls-dist check': what a node would find out about its configuration when it boots, and what its peers would.
%%
%% @private
-module(rustls_dist_command_check).

-behaviour(rustls_dist_command_verb).

-export([help/0, run/1]).

-spec help() -> rustls_dist_command_verb:help().
help() ->
    #{summary => "judges a node's TLS options, certificates and files before it starts",
      usage => ["[--optfile FILE] [--vm-args FILE] [--node NAME@HOST] [-- FLAG...]"],
      about => [rustls_dist_command_flags:about()],
      options => rustls_dist_command_flags:options()
          ++ [#{name => node, takes => "NAME@HOST", help => "the node's name, where its flags do not say it"}]}.

-spec run(rustls_dist_command_verb:arguments()) -> rustls_dist_command_verb:result().
run(#{words := [Word | _]}) ->
    {usage, ["it takes no word ", rustls_dist_file_name:shown(Word)]};
run(Arguments) ->
    case rustls_dist_command_flags:of_node(Arguments) of
        {ok, Flags} -> result(findings(Flags));
        {error, Why} -> {usage, Why}
    end.

findings(Flags) ->
    case rustls_dist_config:sources(fun(Flag) -> rustls_dist_command_flags:argument(Flag, Flags) end) of
        {ok, Sources} ->
            {Roles, _Notices} = rustls_dist_config:roles(Sources),
            [refused(Text) || {_Role, {error, Text}} <- maps:to_list(Roles)];
        {error, Text} ->
            [refused(Text)]
    end.

refused(Text) ->
    #{severity => error, is => options, where => "options", what => Text, remedy => "mend it"}.

result(Findings) ->
    Text = [rustls_dist_command_finding:text(Finding) || Finding <- Findings],
    {case Findings of [] -> ok; _ -> finding end, Text, #{findings => [rustls_dist_command_finding:json(Finding) || Finding <- Findings]}}.
