%% A node's name, the host in it, and whether the node's certificates say both.
%%
%% @private
-module(rustls_dist_check_names).

-export([findings/1]).

%% Resolvers may take long, and nobody waits for them longer.
-define(LOOKUP_MS, 10000).

-spec findings(rustls_dist_check_subject:subject()) -> [rustls_dist_command_finding:finding()].
findings(#{name := none}) ->
    [#{severity => note, is => name_unknown, where => "-name, -sname",
       what => "nothing says what the node is called, so that nobody looked whether its certificates name its host",
       remedy => "give --node NAME@HOST"}];
findings(#{name := Name, host := none}) ->
    [#{severity => error, is => name_malformed, where => "-name, -sname",
       what => ["\"", Name, "\" is no name of a node"], remedy => "write NAME@HOST"}];
findings(Subject) ->
    form(Subject) ++ lookup(Subject)
        ++ [Finding || {client, Client} <- rustls_dist_check_subject:sides(Subject),
                       {server, Server} <- rustls_dist_check_subject:sides(Subject),
                       Finding <- host(Subject, Client, Server)]
        ++ verify_node(Subject).

%% inet_tcp_dist:splitnode/3: long names have a dot, or are addresses; short ones have none.
form(#{form := Form, host := Host}) ->
    IsDotted = lists:member($., Host),
    case Form of
        shortnames when IsDotted ->
            [#{severity => error, is => name_of_other_form, where => "-sname",
               what => ["short names (-sname) have no dot in their host, and ", Host, " has one"],
               remedy => "write -name, on all nodes"}];
        longnames when not IsDotted ->
            case inet:parse_ipv6strict_address(Host) of
                {ok, _} ->
                    [];
                {error, _} ->
                    [#{severity => error, is => name_of_other_form, where => "-name",
                       what => ["long names (-name) have a dot in their host, and ", Host, " has none"],
                       remedy => "write the full name of the host, or -sname on all nodes"}]
            end;
        _ ->
            []
    end.

lookup(#{host := Host} = Subject) ->
    Family = family(Subject),
    case address(Host, Family) of
        {ok, Ip} ->
            case is_own(Ip) of
                true ->
                    [];
                false ->
                    [#{severity => warning, is => host_elsewhere, where => Host,
                       what => [Host, [[" is ", inet:ntoa(Ip), " to the resolver, which"] || inet:ntoa(Ip) =/= Host],
                        " is no address of this machine: others look for the node there"],
                       remedy => "check it in DNS and /etc/hosts; nothing is wrong where the node is to run on another machine"}]
            end;
        {error, Reason} ->
            [#{severity => error, is => host_unknown, where => Host,
               what => ["the resolver of this machine knows no address of ", Host, " (", rustls_dist_failure_text:posix(Reason),
                        "), and others look the node up by that name"],
               remedy => "add it to DNS or /etc/hosts, or give the node a host that can be looked up"}]
    end.

family(#{flags := Flags}) ->
    case rustls_dist_command_flags:argument(proto_dist, Flags) of
        {ok, [[Carrier] | _]} when Carrier =:= "rustls6"; Carrier =:= "inet6_tls"; Carrier =:= "inet6_tcp" -> inet6;
        _ -> inet
    end.

address(Host, Family) ->
    {Pid, Ref} = spawn_monitor(fun() -> exit({address, inet:getaddr(Host, Family)}) end),
    receive
        {'DOWN', Ref, process, Pid, {address, Answer}} -> Answer
    after ?LOOKUP_MS ->
        exit(Pid, kill),
        {error, timeout}
    end.

%% All of 127.0.0.0/8 is this machine (RFC 1122 section 3.2.1.3), whatever its interfaces say.
is_own({127, _, _, _}) ->
    true;
is_own(Ip) ->
    {ok, Interfaces} = inet:getifaddrs(),
    lists:any(fun({_Name, Options}) -> lists:member({addr, Ip}, Options) end, Interfaces).

%% What clients with the same options look for in the certificate of the node as a server. Their own rules are tried out by
%% rustls_dist_check_peers.
host(#{host := Host} = Subject, #{options := Options} = Client, Server) ->
    Wanted = case Options of
                 #{customize_hostname_check := [_ | _]} -> not_judged;
                 #{server_name_indication := disable} -> not_judged;
                 #{server_name_indication := Name} -> unicode:characters_to_list(Name);
                 #{} -> Host
             end,
    IsJudged = Wanted =/= not_judged andalso rustls_dist_check_subject:is_verified_by_rule(Client)
        andalso not is_deaf(Subject),
    [rustls_dist_command_finding:of_sentence(error, host_not_named, rustls_dist_check_certificates:where(Server), Text)
     || IsJudged, Text <- rustls_dist_check_certificates:host_faults(Server, Wanted)].

is_deaf(#{flags := Flags}) ->
    rustls_dist_command_flags:argument(dist_listen, Flags) =:= {ok, [["false"]]}.

%% The server side's policy is about what the node shows as a client, and the other way round.
verify_node(#{name := Name, sides := Sides}) ->
    Missing = [{{Policy, Leaf, rustls_dist_check_certificates:where(Side), Names}, Shown}
               || {Judge, Shown} <- [{client, server}, {server, client}],
                  #{Judge := #{role := #{verify_node := Policy}}, Shown := #{shown := Chains} = Side} <- [Sides],
                  [{Der, _} = Leaf | _] <- Chains,
                  {error, {verify_node, _, _, Names}} <- [rustls_dist_verify_node:check(Policy, Name, Der)]],
    [#{severity => error, is => node_not_named, where => Where,
       what => io_lib:format("~ts, which the node shows as ~ts, does not say that it is ~ts, as verify_node wants it, but "
                             "~ts: nodes with the same options refuse it",
                             [rustls_dist_check_certificates:subject(Leaf),
                              lists:join(" and ", [atom_to_list(Shown) || {Of, Shown} <- Missing, Of =:= Same]), Name,
                              said(Names)]),
       remedy => ["issue it with ", wanted(Policy, Name), " in its subjectAltName"]}
     || {Policy, Leaf, Where, Names} = Same <- lists:uniq([Same || {Same, _Shown} <- Missing])].

said([]) -> "nothing";
said(Names) -> lists:join(", ", Names).

wanted(name, Name) ->
    ["URI:erlang:", Name];
wanted(host, Name) ->
    {ok, Host} = rustls_dist_hostname:of_node(Name),
    case rustls_dist_hostname:reference(Host, as_dialled) of
        {ip, _} -> ["IP:", Host];
        {dns_id, _} -> ["DNS:", Host]
    end;
wanted({uri, Template}, _Name) ->
    ["the URI that ", Template, " becomes"].
