%% `-proto_dist rustls6' (issue 4, point 2): DNS names, literal addresses, certificates that name them, nodes of
%% inet6_tls in the same cluster, and kernel's parameters with IPv6 addresses. All on the loopback address ::1.
-module(rustls_dist_ipv6_SUITE).

-include_lib("common_test/include/ct.hrl").
-include_lib("stdlib/include/assert.hrl").

-export([all/0, groups/0, init_per_suite/1, end_per_suite/1]).
-export([long_names/1, short_names/1, dns_name_is_checked/1, unknown_name/1,
         literal/1, literal_spelt_otherwise/1, address_is_checked/1, address_as_name/1,
         inet6_tls_by_name/1, inet6_tls_by_address/1,
         interface/1, interface_of_other_family/1, listen_options/1, check_ip/1, ipv4_only_name/1,
         without_epmd/1, restart/1]).

-define(LOOPBACK, {0, 0, 0, 0, 0, 0, 0, 1}).
-define(HOST, "six.rustls-dist.test").
-define(SHORT, "six").
-define(FOUR, "four.rustls-dist.test").

all() ->
    [{group, G} || {G, _, _} <- groups()].

groups() ->
    [{names, [], [long_names, short_names, dns_name_is_checked, unknown_name]},
     {addresses, [], [literal, literal_spelt_otherwise, address_is_checked, address_as_name]},
     {interop, [], [inet6_tls_by_name, inet6_tls_by_address]},
     {kernel, [], [interface, interface_of_other_family, listen_options, check_ip, ipv4_only_name, without_epmd,
                   restart]}].

init_per_suite(Config) ->
    case gen_tcp:listen(0, [inet6, {ip, ?LOOPBACK}]) of
        {ok, Socket} ->
            ok = gen_tcp:close(Socket),
            {Keeper, Started} = rustls_dist_cluster:keep(fun prepare/0),
            [{keeper, Keeper} | Started ++ Config];
        {error, Reason} ->
            {skip, lists:concat(["no IPv6 here: ", Reason])}
    end.

prepare() ->
    Cluster = rustls_dist_cluster:new(),
    Dir = rustls_dist_cluster:dir(Cluster),
    Known = [{cluster, Cluster}, {dir, Dir}, {ca, rustls_dist_certs:ca(Dir, "ca")}],
    Inetrc = filename:join(Dir, "inetrc"),
    ok = file:write_file(Inetrc, io_lib:format("{host, ~w, [~p, ~p]}.~n{host, {127,0,0,1}, [~p]}.~n"
                                               "{lookup, [file, native]}.~n", [?LOOPBACK, ?HOST, ?SHORT, ?FOUR])),
    [{inetrc, Inetrc}, {optfile, optfile(Known, "node", "IP:::1,DNS:" ?HOST ",DNS:" ?SHORT)} | Known].

end_per_suite(Config) ->
    ok = rustls_dist_cluster:stop(?config(cluster, Config)),
    rustls_dist_cluster:release(?config(keeper, Config)).

%% names ----------------------------------------------------------------------------------------------------

long_names(Config) ->
    joins(Config, #{host => ?HOST}, #{host => ?HOST}).

short_names(Config) ->
    Options = #{host => ?SHORT, longnames => false},
    joins(Config, Options, Options).

%% The certificate of the node that is dialled names another host.
dns_name_is_checked(Config) ->
    Good = start(Config, #{host => ?HOST}),
    Optfile = optfile(Config, "other_name", "IP:::1,DNS:seven.rustls-dist.test"),
    Bad = start(Config, #{host => ?HOST, optfile => Optfile}),
    Line = rustls_dist_pair:refused(Good, Bad, Good, name_mismatch),
    has(Line, [?HOST, "seven.rustls-dist.test"]),
    %% A client's name is not checked.
    ok = rustls_dist_cluster:join(Bad, Good),
    stop([Good, Bad]).

unknown_name(Config) ->
    Node = start(Config, #{host => ?HOST}),
    ok = rustls_dist_reports:collect(Node),
    ?assertEqual(false, call(Node, net_kernel, connect_node, ['x@nine.rustls-dist.test'])),
    [#{line := Line, stage := name_lookup}] = rustls_dist_reports:await(Node, 1),
    has(Line, ["nine.rustls-dist.test cannot be resolved"]),
    stop([Node]).

%% addresses ------------------------------------------------------------------------------------------------

literal(Config) ->
    joins(Config, #{host => "::1"}, #{host => "::1"}).

%% The certificate names the address, however the node's name writes it.
literal_spelt_otherwise(Config) ->
    joins(Config, #{host => "0:0:0:0:0:0:0:1"}, #{host => "::0:1"}).

address_is_checked(Config) ->
    Good = start(Config, #{host => "::1"}),
    Bad = start(Config, #{host => "::1", optfile => optfile(Config, "other_address", "IP:::2,DNS:" ?HOST)}),
    has(rustls_dist_pair:refused(Good, Bad, Good, name_mismatch), ["::1", "::2"]),
    stop([Good, Bad]).

%% An address among the DNS names is no address (RFC 6125): what inet6_tls of OTP 25 looks for is not enough.
address_as_name(Config) ->
    Good = start(Config, #{host => "::1"}),
    Bad = start(Config, #{host => "::1", optfile => optfile(Config, "address_as_name", "DNS:::1")}),
    _ = rustls_dist_pair:refused(Good, Bad, Good, name_mismatch),
    stop([Good, Bad]).

%% interop --------------------------------------------------------------------------------------------------

inet6_tls_by_name(Config) ->
    joins(Config, #{host => ?HOST}, #{host => ?HOST, proto => "inet6_tls"}).

%% inet6_tls of OTP 25 finds an address only among the DNS names.
inet6_tls_by_address(Config) ->
    Optfile = optfile(Config, "both", "IP:::1,DNS:::1"),
    joins(Config, #{host => "::1", optfile => Optfile}, #{host => "::1", optfile => Optfile, proto => "inet6_tls"}).

%% kernel's parameters --------------------------------------------------------------------------------------

interface(Config) ->
    Node = start(Config, #{host => "::1", args => ["-kernel", "inet_dist_use_interface", "{0,0,0,0,0,0,0,1}"]}),
    ?assertMatch([{?LOOPBACK, _}], rustls_dist_listening:addresses(Node)),
    Other = start(Config, #{host => "::1"}),
    ?assertMatch([{{0, 0, 0, 0, 0, 0, 0, 0}, _}], rustls_dist_listening:addresses(Other)),
    joined_both_ways(Node, Other),
    stop([Node, Other]).

%% One sentence, as for every other mistake.
interface_of_other_family(Config) ->
    {Status, Output} = rustls_dist_cluster:run_until_exit(
                         ?config(cluster, Config),
                         ["-name", "a@::1", "-proto_dist", "rustls6", "-ssl_dist_optfile", ?config(optfile, Config),
                          "-kernel", "inet_dist_use_interface", "{127,0,0,1}"]),
    ?assertNotEqual(0, Status),
    has(Output, ["rustls_dist: ", "inet_dist_use_interface", "{127,0,0,1}", "IPv6"]).

listen_options(Config) ->
    Node = start(Config, #{host => "::1", args => ["-kernel", "inet_dist_listen_options",
                                                   "[{ip,{0,0,0,0,0,0,0,1}},{ipv6_v6only,true}]"]}),
    ?assertMatch([{?LOOPBACK, _}], rustls_dist_listening:addresses(Node)),
    Other = start(Config, #{host => "::1"}),
    joined_both_ways(Node, Other),
    stop([Node, Other]).

check_ip(Config) ->
    joins(Config, #{host => "::1", args => ["-kernel", "check_ip", "true"]}, #{host => "::1"}).

%% A host that has no IPv6 address.
ipv4_only_name(Config) ->
    Node = start(Config, #{host => ?HOST}),
    ok = rustls_dist_reports:collect(Node),
    ?assertEqual(false, call(Node, net_kernel, connect_node, [list_to_atom("x@" ?FOUR)])),
    [#{line := Line, stage := name_lookup}] = rustls_dist_reports:await(Node, 1),
    has(Line, [?FOUR]),
    stop([Node]).

without_epmd(Config) ->
    [P, Q] = rustls_dist_listening:free_ports(inet6, 2),
    Args = ["-start_epmd", "false", "-epmd_module", "rustls_dist_epmd",
            "-rustls_dist_ports", lists:concat(["a6=", P, ",b6=", Q])],
    [A, B] = [start(Config, #{name => Name, host => "::1", args => Args}) || Name <- [a6, b6]],
    joined_both_ways(A, B),
    ?assertMatch({[{_, P}], [{_, Q}]}, {rustls_dist_listening:addresses(A), rustls_dist_listening:addresses(B)}),
    stop([A, B]).

restart(Config) ->
    A = start(Config, #{host => "::1"}),
    B = rustls_dist_cluster:start_undistributed(?config(cluster, Config), more(Config, #{})),
    [begin
         {ok, _} = call(B, net_kernel, start, [['again@::1', longnames]]),
         joined_both_ways(A, B#{node := 'again@::1'}),
         ok = call(B, net_kernel, stop, [])
     end || _ <- [1, 2]],
    stop([A, B]).

%% ----------------------------------------------------------------------------------------------------------

joins(Config, OfA, OfB) ->
    [A, B] = [start(Config, Options) || Options <- [OfA, OfB]],
    joined_both_ways(A, B),
    stop([A, B]).

joined_both_ways(A, B) ->
    rustls_dist_listening:joined_both_ways(A, B),
    ok = rustls_dist_cluster:join(A, B),
    ?assertMatch([{?LOOPBACK, _}], rustls_dist_listening:peers(A)),
    ok = rustls_dist_cluster:part(A, B).

start(Config, Options) ->
    rustls_dist_cluster:start(?config(cluster, Config), more(Config, Options)).

more(Config, Options) ->
    maps:merge(#{proto => "rustls6", optfile => ?config(optfile, Config)},
               Options#{args => ["-kernel", "inetrc", lists:flatten(io_lib:format("~p", [?config(inetrc, Config)]))]
                        ++ maps:get(args, Options, [])}).

optfile(Config, Name, San) ->
    Cert = rustls_dist_certs:cert(?config(dir, Config), ?config(ca, Config), Name, #{san => San}),
    rustls_dist_cluster:optfile(?config(cluster, Config), Name, rustls_dist_certs:options(Cert)).

stop(Nodes) ->
    lists:foreach(fun rustls_dist_cluster:stop_node/1, Nodes).

has(Text, Parts) ->
    [?assertNotEqual(nomatch, string:find(Text, Part), {Text, Part}) || Part <- Parts].

call(Peer, M, F, A) -> rustls_dist_cluster:call(Peer, M, F, A).
