%% kernel's parameters for distribution, as inet_tcp_dist and net_kernel document them (issue 2, point 4):
%% inet_dist_listen_min/max, inet_dist_use_interface, inet_dist_listen_options, inet_dist_connect_options, dist_nodelay,
%% net_setuptime, dist_auto_connect, check_ip, and net_kernel:allow/1.
-module(rustls_dist_kernel_params_SUITE).

-include_lib("stdlib/include/assert.hrl").

-export([all/0, groups/0, init_per_suite/1, end_per_suite/1]).
-export([port_range/1, port_range_is_searched/1, minimum_alone/1, port_range_exhausted/1, interface/1,
         link_options/1, link_options_by_default/1, own_options_win/1, nodelay/1,
         setuptime_of_a_dialler/1, setuptime_of_a_listener/1, auto_connect_never/1, auto_connect_once/1,
         check_ip_lets_own_networks_in/1, check_ip_masks/1, check_ip_refuses_others/1,
         allow_without_certificates/1, allow_by_certificate/1, allow_needs_a_certificate/1, allow_not_called/1]).

all() ->
    [{group, G} || {G, _, _} <- groups()].

groups() ->
    [{listening, [], [port_range, port_range_is_searched, minimum_alone, port_range_exhausted, interface]},
     {sockets, [], [link_options, link_options_by_default, own_options_win, nodelay]},
     {setting_up, [], [setuptime_of_a_dialler, setuptime_of_a_listener, auto_connect_never, auto_connect_once]},
     {check_ip, [], [check_ip_lets_own_networks_in, check_ip_masks, check_ip_refuses_others]},
     {allow, [], [allow_without_certificates, allow_by_certificate, allow_needs_a_certificate, allow_not_called]}].

%% One node with no parameter set is there for all cases.
init_per_suite(Config) ->
    {Keeper, Started} =
        rustls_dist_cluster:keep(
          fun() ->
                  Cluster = rustls_dist_cluster:new(),
                  Dir = rustls_dist_cluster:dir(Cluster),
                  Ca = rustls_dist_certs:ca(Dir, "ca"),
                  Cert = rustls_dist_certs:cert(Dir, Ca, "node", #{}),
                  File = rustls_dist_cluster:optfile(Cluster, "mutual", rustls_dist_certs:options(Cert)),
                  [{cluster, Cluster}, {ca, Ca}, {cert, Cert}, {optfile, File},
                   {plain, rustls_dist_cluster:start(Cluster, #{optfile => File})}]
          end),
    [{keeper, Keeper} | Started ++ Config].

end_per_suite(Config) ->
    ok = rustls_dist_cluster:stop(get(cluster, Config)),
    rustls_dist_cluster:release(get(keeper, Config)).

%% listening ------------------------------------------------------------------------------------------------

port_range(Config) ->
    {Taken, First} = take_port(),
    ok = gen_tcp:close(Taken),
    with(Config, [{inet_dist_listen_min, First}, {inet_dist_listen_max, First + 50}],
         fun(Node) ->
                 Port = rustls_dist_cluster:listening_port(Node),
                 ?assert(Port >= First andalso Port =< First + 50, {First, Port}),
                 joins(get(plain, Config), Node)
         end).

port_range_is_searched(Config) ->
    {Taken, First} = take_port(),
    with(Config, [{inet_dist_listen_min, First}, {inet_dist_listen_max, First + 50}],
         fun(Node) ->
                 Port = rustls_dist_cluster:listening_port(Node),
                 ?assert(Port > First andalso Port =< First + 50, {First, Port})
         end),
    ok = gen_tcp:close(Taken).

%% Without a maximum the range is that one port.
minimum_alone(Config) ->
    {Taken, Port} = take_port(),
    {Status, Output} = rustls_dist_cluster:run_until_exit(get(cluster, Config),
                                                          arguments(Config, [{inet_dist_listen_min, Port}])),
    ok = gen_tcp:close(Taken),
    ?assertNotEqual(0, Status),
    ?assertNotEqual(nomatch, string:find(Output, "eaddrinuse"), Output).

port_range_exhausted(Config) ->
    {Taken, Port} = take_port(),
    {Status, Output} = rustls_dist_cluster:run_until_exit(
                         get(cluster, Config),
                         arguments(Config, [{inet_dist_listen_min, Port}, {inet_dist_listen_max, Port}])),
    ok = gen_tcp:close(Taken),
    ?assertNotEqual(0, Status),
    ?assertNotEqual(nomatch, string:find(Output, "eaddrinuse"), Output).

interface(Config) ->
    with(Config, [{inet_dist_use_interface, {127, 0, 0, 2}}],
         fun(Node) ->
                 Port = rustls_dist_cluster:listening_port(Node),
                 {ok, Socket} = gen_tcp:connect({127, 0, 0, 2}, Port, []),
                 ok = gen_tcp:close(Socket),
                 ?assertEqual({error, econnrefused}, gen_tcp:connect({127, 0, 0, 1}, Port, []))
         end).

%% sockets --------------------------------------------------------------------------------------------------

link_options(Config) ->
    with(Config, [{inet_dist_listen_options, [{buffer, 70000}, {keepalive, true}]},
                  {inet_dist_connect_options, [{buffer, 50000}, {linger, {true, 3}}]}],
         fun(Node) ->
                 Plain = get(plain, Config),
                 joins(Plain, Node),
                 ?assertEqual([{buffer, 70000}, {keepalive, true}, {linger, {false, 0}}],
                              getopts(Node, Plain, [buffer, keepalive, linger])),
                 ok = rustls_dist_cluster:part(Plain, Node),
                 joins(Node, Plain),
                 ?assertEqual([{buffer, 50000}, {keepalive, false}, {linger, {true, 3}}],
                              getopts(Node, Plain, [buffer, keepalive, linger]))
         end).

%% A link is fast without any of them: inet's own default for buffer is 1460 bytes.
link_options_by_default(Config) ->
    Plain = get(plain, Config),
    with(Config, [],
         fun(Node) ->
                 joins(Plain, Node),
                 [?assertMatch([{buffer, Bytes}] when Bytes >= 65536, getopts(A, B, [buffer]))
                  || {A, B} <- [{Plain, Node}, {Node, Plain}]]
         end).

%% What the carrier depends on is not changed by them.
own_options_win(Config) ->
    Options = [list, {active, true}, {packet, 4}, {mode, list}, {packet_size, 10}],
    with(Config, [{inet_dist_listen_options, Options}, {inet_dist_connect_options, Options}],
         fun(Node) ->
                 Plain = get(plain, Config),
                 joins(Plain, Node),
                 ok = rustls_dist_cluster:part(Plain, Node),
                 joins(Node, Plain)
         end).

nodelay(Config) ->
    Plain = get(plain, Config),
    [with(Config, Params,
          fun(Node) ->
                  [begin
                       joins(From, To),
                       ?assertEqual({Params, [{nodelay, Expected}]}, {Params, getopts(Node, Plain, [nodelay])}),
                       ok = rustls_dist_cluster:part(From, To)
                   end || {From, To} <- [{Plain, Node}, {Node, Plain}]]
          end)
     || {Params, Expected} <- [{[], true}, {[{dist_nodelay, true}], true}, {[{dist_nodelay, false}], false}]].

%% setting up -----------------------------------------------------------------------------------------------

%% A server that takes the connection and says nothing. The bounds tell 2 s from the default of 7 s, no more.
setuptime_of_a_dialler(Config) ->
    {Silent, Port} = take_port(),
    Epmd = rustls_dist_cluster:fake_node(get(cluster, Config), "silent", Port),
    with(Config, [{net_setuptime, 2}],
         fun(Node) ->
                 Connect = fun() -> rustls_dist_cluster:call(Node, net_kernel, connect_node, ['silent@127.0.0.1']) end,
                 {Microseconds, Connected} = timer:tc(Connect),
                 ?assertEqual(false, Connected),
                 ?assert(Microseconds > 1000000 andalso Microseconds < 6500000, Microseconds)
         end),
    ok = gen_tcp:close(Epmd),
    ok = gen_tcp:close(Silent).

setuptime_of_a_listener(Config) ->
    with(Config, [{net_setuptime, 2}],
         fun(Node) ->
                 Port = rustls_dist_cluster:listening_port(Node),
                 {ok, Socket} = gen_tcp:connect({127, 0, 0, 1}, Port, [{active, false}]),
                 {Microseconds, Received} = timer:tc(fun() -> gen_tcp:recv(Socket, 0, 20000) end),
                 ?assertEqual({error, closed}, Received),
                 ?assert(Microseconds > 1000000 andalso Microseconds < 6500000, Microseconds)
         end).

auto_connect_never(Config) ->
    Plain = get(plain, Config),
    with(Config, [{dist_auto_connect, never}],
         fun(Node) ->
                 ?assertEqual(pang, ping(Node, Plain)),
                 ?assertNot(rustls_dist_cluster:connected(Node, Plain)),
                 joins(Node, Plain)
         end).

auto_connect_once(Config) ->
    Plain = get(plain, Config),
    with(Config, [{dist_auto_connect, once}],
         fun(Node) ->
                 ?assertEqual(pong, ping(Node, Plain)),
                 ok = rustls_dist_cluster:part(Node, Plain),
                 ?assertEqual(pang, ping(Node, Plain)),
                 ?assertNot(rustls_dist_cluster:connected(Node, Plain)),
                 joins(Node, Plain)
         end).

%% check_ip -------------------------------------------------------------------------------------------------

check_ip_lets_own_networks_in(Config) ->
    with(Config, [{check_ip, true}], fun(Node) -> joins(get(plain, Config), Node) end).

check_ip_masks(_Config) ->
    Interfaces = [{"lo", [{flags, [up, loopback]}, {addr, {127, 0, 0, 1}}, {netmask, {255, 0, 0, 0}},
                          {addr, {0, 0, 0, 0, 0, 0, 0, 1}}, {netmask, ffff(8)}]},
                  {"eth0", [{flags, [up]}, {addr, {10, 1, 2, 3}}, {netmask, {255, 255, 255, 0}},
                            {broadaddr, {10, 1, 2, 255}},
                            {addr, {16#fd00, 1, 2, 3, 0, 0, 0, 4}}, {netmask, ffff(4)}, {hwaddr, [1, 2, 3, 4, 5, 6]}]},
                  {"ppp0", [{flags, [pointtopoint]}, {addr, {192, 168, 7, 1}}, {netmask, {255, 255, 255, 255}},
                            {dstaddr, {192, 168, 7, 2}}]},
                  {"down0", [{flags, []}]}],
    On = [{127, 9, 9, 9}, {10, 1, 2, 200}, {0, 0, 0, 0, 0, 0, 0, 1}, {16#fd00, 1, 2, 3, 9, 9, 9, 9}, {192, 168, 7, 1}],
    Off = [{10, 1, 3, 3}, {11, 1, 2, 3}, {192, 168, 7, 9}, {8, 8, 8, 8}, {16#fd00, 1, 2, 4, 0, 0, 0, 4},
           {0, 0, 0, 0, 0, 0, 0, 2}],
    [?assertEqual({Ip, true}, {Ip, rustls_dist_check_ip:on_same_network(Ip, Interfaces)}) || Ip <- On],
    [?assertEqual({Ip, false}, {Ip, rustls_dist_check_ip:on_same_network(Ip, Interfaces)}) || Ip <- Off],
    ?assertNot(rustls_dist_check_ip:on_same_network({10, 1, 2, 3}, [])).

ffff(Groups) ->
    list_to_tuple(lists:duplicate(Groups, 16#ffff) ++ lists:duplicate(8 - Groups, 0)).

%% A peer in a network namespace of its own, which reaches this host by a route and shares no network with it.
check_ip_refuses_others(Config) ->
    case make_namespace() of
        {ok, Namespace} ->
            try with(Config, [{check_ip, true}], fun(Node) -> refused_from(Namespace, Node) end)
            after end_namespace(Namespace)
            end;
        {error, Why} ->
            {skip, "no network namespace can be made here: " ++ Why}
    end.

%% The namespace, and the interface that leads to it, live as long as the process that it was made for.
make_namespace() ->
    Holder = open_port({spawn, "unshare --net sleep 600"}, [stderr_to_stdout, exit_status]),
    {os_pid, Pid} = erlang:port_info(Holder, os_pid),
    Namespace = #{holder => Holder, pid => integer_to_list(Pid)},
    case rustls_dist_cluster:poll(fun() -> separate(Namespace) end) of
        true -> connect_namespace(Namespace);
        {error, Why} -> {error, Why}
    end.

%% Whether the process has entered its namespace, or has ended since it may not.
separate(#{holder := Holder, pid := Pid}) ->
    receive
        {Holder, {data, Output}} -> {error, string:trim(Output)};
        {Holder, {exit_status, Status}} -> {error, lists:concat(["unshare ended with status ", Status])}
    after 0 ->
        Theirs = file:read_link("/proc/" ++ Pid ++ "/ns/net"),
        Theirs =/= {error, enoent} andalso Theirs =/= file:read_link("/proc/self/ns/net")
    end.

%% 198.18.0.0/15 is set aside for tests (RFC 2544).
connect_namespace(#{pid := Pid} = Namespace) ->
    Device = "rd" ++ Pid,
    Commands = ["ip link add " ++ Device ++ " type veth peer name eth0 netns " ++ Pid,
                "ip addr add 198.18.1.1/32 dev " ++ Device, "ip link set " ++ Device ++ " up",
                "ip route add 198.19.1.1/32 dev " ++ Device,
                inside(Namespace, "ip addr add 198.19.1.1/32 dev eth0"), inside(Namespace, "ip link set eth0 up"),
                inside(Namespace, "ip route add 198.18.1.1/32 dev eth0")],
    case lists:foldl(fun(Command, "") -> string:trim(os:cmd(Command));
                        (_Command, Failed) -> Failed
                     end, "", Commands) of
        "" ->
            {ok, Namespace};
        Why ->
            end_namespace(Namespace),
            {error, Why}
    end.

inside(#{pid := Pid}, Command) ->
    lists:concat(["nsenter --net --target ", Pid, " ", Command]).

end_namespace(#{holder := Holder, pid := Pid}) ->
    _ = os:cmd("kill " ++ Pid),
    receive {Holder, {exit_status, _}} -> ok end.

refused_from(Namespace, Node) ->
    ok = rustls_dist_reports:collect(Node),
    %% Ends when the connection is closed.
    Connect = io_lib:format("timeout 15 bash -c 'exec 3<>/dev/tcp/198.18.1.1/~w; cat <&3' 2>&1",
                            [rustls_dist_cluster:listening_port(Node)]),
    _ = os:cmd(inside(Namespace, lists:flatten(Connect))),
    [Report] = rustls_dist_reports:await(Node, 1),
    ?assertMatch(#{direction := in, stage := tcp, address := {{198, 19, 1, 1}, _},
                   reason := {check_ip, {198, 19, 1, 1}}}, Report),
    ?assertNotEqual(nomatch, string:find(maps:get(line, Report), "198.19.1.1 is on none of this host's networks")).

%% allow ----------------------------------------------------------------------------------------------------

%% Where no side asks for certificates the list is all there is, as with inet_tcp.
allow_without_certificates(Config) ->
    Cluster = get(cluster, Config),
    #{cert := Cert, key := Key} = get(cert, Config),
    File = rustls_dist_cluster:optfile(Cluster, "encrypted", [{server, [{certfile, Cert}, {keyfile, Key}]}]),
    [Guarded, Friend, Stranger] = Nodes = [rustls_dist_cluster:start(Cluster, #{optfile => File}) || _ <- [1, 2, 3]],
    allow(Guarded, [rustls_dist_cluster:name(Friend)]),
    joins(Friend, Guarded),
    refused(Stranger, Guarded, is_allowed),
    stop(Nodes).

%% The certificate must name the host of an allowed node, and the node must be that one.
allow_by_certificate(Config) ->
    Cluster = get(cluster, Config),
    Plain = get(plain, Config),
    Elsewhere = rustls_dist_certs:cert(rustls_dist_cluster:dir(Cluster), get(ca, Config), "elsewhere",
                                       #{san => "DNS:elsewhere.example"}),
    File = rustls_dist_cluster:optfile(Cluster, "elsewhere", rustls_dist_certs:options(Elsewhere)),
    [Guarded, Impostor] = Nodes = [rustls_dist_cluster:start(Cluster, #{optfile => F})
                                   || F <- [get(optfile, Config), File]],
    allow(Guarded, [rustls_dist_cluster:name(Plain), rustls_dist_cluster:name(Impostor)]),
    refused(Impostor, Guarded, certificate_names_no_allowed_node),
    joins(Plain, Guarded),
    stop(Nodes),
    with(Config, [], fun(Other) ->
                             allow(Other, ['somebody_else@127.0.0.1']),
                             refused(Plain, Other, is_allowed)
                     end).

%% A server that verifies those who show a certificate, and lets others in: not when a list is in force.
allow_needs_a_certificate(Config) ->
    Cluster = get(cluster, Config),
    [{server, Server}, {client, Client}] = rustls_dist_certs:options(get(cert, Config)),
    Lenient = [{server, lists:keyreplace(fail_if_no_peer_cert, 1, Server, {fail_if_no_peer_cert, false})}, {client, Client}],
    Anonymous = [{server, Server}, {client, lists:keydelete(certfile, 1, lists:keydelete(keyfile, 1, Client))}],
    [Guarded, Peer] = Nodes =
        [rustls_dist_cluster:start(Cluster, #{optfile => rustls_dist_cluster:optfile(Cluster, Name, Options)})
         || {Name, Options} <- [{"lenient", Lenient}, {"anonymous", Anonymous}]],
    joins(Peer, Guarded),
    ok = rustls_dist_cluster:part(Peer, Guarded),
    allow(Guarded, [rustls_dist_cluster:name(Peer)]),
    refused(Peer, Guarded, no_certificate),
    stop(Nodes).

allow_not_called(Config) ->
    with(Config, [], fun(Node) -> joins(Node, get(plain, Config)) end).

allow(Node, Nodes) ->
    ok = rustls_dist_cluster:call(Node, net_kernel, allow, [Nodes]),
    ok = rustls_dist_reports:collect(Node).

%% From is turned away by To, which reports Why.
refused(From, To, Why) ->
    ?assertEqual(false, rustls_dist_cluster:call(From, net_kernel, connect_node, [rustls_dist_cluster:name(To)])),
    [#{reason := Reason} = Report] = rustls_dist_reports:await(To, 1),
    ?assertMatch(#{direction := in, stage := distribution_handshake}, Report),
    ?assert(lists:member(Why, tuple_to_list(Reason)), Reason).

%% ----------------------------------------------------------------------------------------------------------

%% Runs Check on a node with these parameters of kernel.
with(Config, Params, Check) ->
    Node = rustls_dist_cluster:start(get(cluster, Config), #{optfile => get(optfile, Config), args => kernel(Params)}),
    Check(Node),
    stop([Node]).

arguments(Config, Params) ->
    ["-proto_dist", "rustls", "-name", "never@127.0.0.1", "-ssl_dist_optfile", get(optfile, Config) | kernel(Params)].

kernel(Params) ->
    lists:append([["-kernel", atom_to_list(Key), lists:flatten(io_lib:format("~0p", [Value]))]
                  || {Key, Value} <- Params]).

%% A port where nobody else can listen while the socket is open.
take_port() ->
    {ok, Listen} = gen_tcp:listen(0, [{reuseaddr, false}]),
    {ok, Port} = inet:port(Listen),
    {Listen, Port}.

joins(From, To) ->
    ok = rustls_dist_cluster:join(From, To),
    ?assertEqual(pong, ping(From, To)),
    ?assertEqual(pong, ping(To, From)).

ping(From, To) ->
    rustls_dist_cluster:call(From, net_adm, ping, [rustls_dist_cluster:name(To)]).

getopts(Node, Peer, Options) ->
    {ok, Values} = rustls_dist_cluster:call(Node, net_kernel, getopts, [rustls_dist_cluster:name(Peer), Options]),
    lists:sort(Values).

stop(Nodes) ->
    [ok = rustls_dist_cluster:stop_node(Node) || Node <- Nodes].

get(Key, Config) ->
    proplists:get_value(Key, Config).
