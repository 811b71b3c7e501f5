%% Epmd modules of a user's: `-epmd_module' works with rustls as with inet_tcp, whatever callbacks the module has and in
%% whatever shape it answers (issue 4, point 3). The modules are made by rustls_dist_epmd_modules.
-module(rustls_dist_epmd_module_SUITE).

-include_lib("common_test/include/ct.hrl").
-include_lib("stdlib/include/assert.hrl").

-export([all/0, init_per_suite/1, end_per_suite/1]).
-export([as_carriers_call_it/1, as_documented/1, gives_the_port_with_the_address/1, resolver_fails/1,
         chooses_the_port/1, knows_no_port/1, same_with_inet_tls/1]).

all() ->
    [as_carriers_call_it, as_documented, gives_the_port_with_the_address, resolver_fails, chooses_the_port,
     knows_no_port, same_with_inet_tls].

init_per_suite(Config) ->
    {Keeper, Started} =
        rustls_dist_cluster:keep(
          fun() ->
                  Cluster = rustls_dist_cluster:new(),
                  Dir = rustls_dist_cluster:dir(Cluster),
                  Cert = rustls_dist_certs:cert(Dir, rustls_dist_certs:ca(Dir, "ca"), "node", #{}),
                  [{cluster, Cluster}, {dir, Dir},
                   {optfile, rustls_dist_cluster:optfile(Cluster, "node", rustls_dist_certs:options(Cert))}]
          end),
    [{keeper, Keeper} | Started ++ Config].

end_per_suite(Config) ->
    ok = rustls_dist_cluster:stop(?config(cluster, Config)),
    rustls_dist_cluster:release(?config(keeper, Config)).

as_carriers_call_it(Config) ->
    [A, B] = Nodes = with_module(Config, carrier),
    rustls_dist_listening:joined_both_ways(A, B),
    [Noted] = call(A, rustls_dist_epmd_modules, notes, []),
    ?assertMatch({register, _, _, _}, Noted),
    ?assertEqual(17, call(A, erlang, system_info, [creation])),
    stop(Nodes).

as_documented(Config) ->
    [A, B] = Nodes = with_module(Config, documented),
    rustls_dist_listening:joined_both_ways(A, B),
    stop(Nodes).

%% {ok, Ip, Port, Version}; the host name needs no address.
gives_the_port_with_the_address(Config) ->
    [A, B] = Nodes = with_module(Config, addressed),
    rustls_dist_listening:joined_both_ways(A, B),
    stop(Nodes).

resolver_fails(Config) ->
    [A | _] = Nodes = with_module(Config, failing),
    ok = rustls_dist_reports:collect(A),
    ?assertEqual(false, connect(A, 'b@127.0.0.1')),
    [#{line := Line, stage := name_lookup}] = rustls_dist_reports:await(A, 1),
    has(Line, ["link to b@127.0.0.1", "not_in_the_directory"]),
    stop(Nodes).

chooses_the_port(Config) ->
    [A, B] = Nodes = with_module(Config, choosing),
    rustls_dist_listening:joined_both_ways(A, B),
    [?assertEqual({port, port(Node), 5}, call(Node, epmd_choosing, port_please, [Name, x]))
     || {Node, Name} <- [{A, a}, {B, b}]],
    stop(Nodes).

knows_no_port(Config) ->
    [A | _] = Nodes = with_module(Config, carrier),
    ok = rustls_dist_reports:collect(A),
    ?assertEqual(false, connect(A, 'c@127.0.0.1')),
    [#{line := Line}] = rustls_dist_reports:await(A, 1),
    has(Line, ["link to c@127.0.0.1", "epmd_carrier knows no port of a node c"]),
    stop(Nodes).

%% Two nodes with that module. Its file says where they listen: as told, where the module may tell, or as it turned out.
with_module(Config, Kind) ->
    with_module(Config, Kind, #{}).

with_module(Config, Kind, Protos) ->
    Dir = ?config(dir, Config),
    Module = rustls_dist_epmd_modules:write(Dir, Kind),
    File = filename:join(Dir, lists:concat([Kind, ".ports"])),
    Told = lists:zip([a, b], rustls_dist_listening:free_ports(inet, 2)),
    ok = write_ports(File, Told),
    Nodes = [start(Config, Name, #{proto => maps:get(Name, Protos, "rustls"),
                                   env => [{"EPMD_MODULE_PORTS", File}],
                                   args => ["-pa", Dir, "-start_epmd", "false", "-epmd_module", atom_to_list(Module),
                                            "-connect_all", "false"]})
             || Name <- [a, b]],
    ok = write_ports(File, lists:zip([a, b], [port(Node) || Node <- Nodes])),
    Nodes.

write_ports(File, Ports) ->
    file:write_file(File, [io_lib:format("~w ~w\n", [Name, Port]) || {Name, Port} <- Ports]).

%% What these modules do is what OTP's carrier takes too: a node of inet_tls with the same module.
same_with_inet_tls(Config) ->
    [begin
         [A, B] = Nodes = with_module(Config, Kind, #{b => "inet_tls"}),
         rustls_dist_listening:joined_both_ways(A, B),
         stop(Nodes)
     end || Kind <- [carrier, addressed, choosing]].

%% ----------------------------------------------------------------------------------------------------------

start(Config, Name, Options) ->
    rustls_dist_cluster:start(?config(cluster, Config), Name, Options#{optfile => ?config(optfile, Config)}).

stop(Nodes) ->
    lists:foreach(fun rustls_dist_cluster:stop_node/1, Nodes).

connect(From, Node) ->
    call(From, net_kernel, connect_node, [Node]).

port(Node) ->
    [{_Ip, Port}] = rustls_dist_listening:addresses(Node),
    Port.

has(Text, Parts) ->
    [?assertNotEqual(nomatch, string:find(Text, Part), {Text, Part}) || Part <- Parts].

call(Peer, M, F, A) -> rustls_dist_cluster:call(Peer, M, F, A).
