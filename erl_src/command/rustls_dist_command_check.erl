%% `rustls-dist check': what a node would find out about its configuration when it boots, and what its peers would say of it.
%%
%% @private
-module(rustls_dist_command_check).

-behaviour(rustls_dist_command_verb).

-export([help/0, run/1]).

-export([findings/2, concluded/1]).

-spec help() -> rustls_dist_command_verb:help().
help() ->
    #{summary => "judges a node's TLS options, certificates and files before it starts",
      usage => ["[--optfile FILE] [--vm-args FILE] [--node NAME@HOST] [-- FLAG...]"],
      about => ["What the node would refuse to start with, what its peers would refuse, and what will soon be so: options, "
                "files and their modes, certificates with their names, usages and lifetimes, revocation lists. TLS handshakes "
                "with itself show what peers with the same options say. Notes tell what inet_tls would make of the options, "
                "of this release and of OTP 26 and later.",
                rustls_dist_command_flags:about(),
                "Exit status 1: there are errors or warnings; notes alone leave it 0."],
      options => rustls_dist_command_flags:options()
          ++ [#{name => node, takes => "NAME@HOST", help => "the node's name, where its flags do not say it"}]}.

-spec run(rustls_dist_command_verb:arguments()) -> rustls_dist_command_verb:result().
run(#{words := [Word | _]}) ->
    {usage, ["it takes no word ", rustls_dist_file_name:shown(Word)]};
run(#{options := Options} = Arguments) ->
    case {rustls_dist_command_flags:of_node(Arguments), Options} of
        {{error, Why}, _} -> {usage, Why};
        {{ok, []}, _} -> {usage, "nothing says what is to be checked: give --optfile, --vm-args or flags behind --"};
        {{ok, _}, #{node := Name}} when is_binary(Name) -> {usage, "--node wants a name in UTF-8"};
        {{ok, Flags}, _} -> judged_by(concluded(findings(Flags, maps:get(node, Options, none))), rustls_dist_build:facts())
    end.

%% What keys and suites can be used depends on the crypto provider.
judged_by({Outcome, Text, Json}, #{version := Version, provider := Provider, otp := Release} = Build) ->
    {Outcome, [Text, io_lib:format("judged by rustls_dist ~ts with ~ts, on OTP ~ts~n", [Version, Provider, Release])],
     Json#{judged_by => Build}};
judged_by(Concluded, none) ->
    Concluded.

%% All that is to be said of a node with these flags, errors first.
-spec findings(rustls_dist_command_flags:flags(), none | string()) -> [rustls_dist_command_finding:finding()].
findings(Flags, Name) ->
    %% Where revocation lists come from and are held, as on a node; it may run already.
    _ = rustls_dist_crl_store:start_link(),
    Subject = rustls_dist_check_subject:gather(Flags, Name),
    Found = lists:append([rustls_dist_check_boot:findings(Subject),
                          rustls_dist_check_names:findings(Subject),
                          rustls_dist_check_certificates:findings(Subject),
                          rustls_dist_check_revocation:findings(Subject),
                          rustls_dist_check_peers:findings(Subject),
                          rustls_dist_check_files:findings(Subject),
                          rustls_dist_check_inet_tls:findings(Subject)]),
    [Finding || Wanted <- [error, warning, note], #{severity := Severity} = Finding <- lists:uniq(Found), Severity =:= Wanted].

%% What the verb comes to with these findings.
-spec concluded([rustls_dist_command_finding:finding()]) -> rustls_dist_command_verb:result().
concluded(Findings) ->
    Counts = [{Severity, rustls_dist_command_finding:count(Severity, Findings)} || Severity <- [error, warning, note]],
    Outcome = case Counts of
                  [{error, 0}, {warning, 0}, _Notes] -> ok;
                  _ -> finding
              end,
    {Outcome,
     [[[rustls_dist_command_finding:text(Finding), "\n"] || Finding <- Findings], summary(Outcome, Counts), "\n"],
     #{counts => maps:from_list(Counts), findings => [rustls_dist_command_finding:json(Finding) || Finding <- Findings]}}.

summary(Outcome, Counts) ->
    {case Outcome of ok -> green; finding -> bold end,
     lists:join(", ", [io_lib:format("~b ~ts~ts", [Count, Severity, plural(Count)]) || {Severity, Count} <- Counts])}.

plural(1) -> "";
plural(_) -> "s".
