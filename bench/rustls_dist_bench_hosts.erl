%% The benchmark with its two nodes on two hosts. One host serves: it has a node of each carrier, and waits. The other
%% measures: it has a node of each carrier, too, and drives both.
%%
%% Both hosts share a folder, the pair: an authority and a cookie, made for this and valid for two days. Each host makes its
%% own certificate with it. The processes that drive are nodes of rustls themselves, with those certificates; what one asks
%% the other goes over that link.
-module(rustls_dist_bench_hosts).

-export([pair/1, serve/1, measure/1]).

%% Of the serving host: epmd, and the nodes behind it. The measuring one needs no open port.
-define(EPMD_PORT, 4370).
-define(FIRST_PORT, 4371).
-define(LAST_PORT, 4389).

-define(DAYS, 2).
-define(ANSWER_MS, 10000).

%% For `erl -run': makes the pair's folder. Ends the node.
-spec pair([string()]) -> no_return().
pair([Pair]) ->
    rustls_dist_bench_outcome:halt_after(
      fun() ->
              ok = filelib:ensure_path(Pair),
              _ = rustls_dist_certs:ca(Pair, "ca", #{days => ?DAYS}),
              ok = file:write_file(filename:join(Pair, "cookie"), binary:encode_hex(crypto:strong_rand_bytes(20)))
      end).

%% For `erl -run': the pair's folder, and this host's address or "" to find it. Ends the node when the other host is done.
-spec serve([string()]) -> no_return().
serve([Pair, Wanted]) ->
    rustls_dist_bench_outcome:halt_after(
      fun() ->
              Address = case Wanted of "" -> only_address(); _ -> Wanted end,
              with_host("serve@", Pair, Address, fun serving/1),
              io:format("the other host is done~n")
      end).

%% Until the one that measures is gone.
serving(#{address := Address} = Host) ->
    Nodes = [{Name, started(Host, Carrier)} || #{name := Name} = Carrier <- rustls_dist_bench_carriers:all()],
    true = register(?MODULE, self()),
    io:format("serving at ~ts, TCP ports ~w to ~w. On the other host, with this host's folder pair:~n"
              "    ./run --peer ~ts~n", [Address, ?EPMD_PORT, ?LAST_PORT, Address]),
    receive
        {nodes, Driver} ->
            Ref = erlang:monitor(process, Driver),
            Driver ! {nodes, self(), Nodes},
            receive {'DOWN', Ref, process, Driver, _Reason} -> ok end
    end,
    lists:foreach(fun({_Name, Node}) -> rustls_dist_cluster:stop_node(Node) end, Nodes).

%% For `erl -run': the folder for the result, the pair's folder, the address of the host that serves, and this one's or "" to
%% find it. Ends the node.
-spec measure([string()]) -> no_return().
measure([Folder, Pair, ServerAddress, Wanted]) ->
    rustls_dist_bench_outcome:halt_after(
      fun() ->
              Address = case Wanted of "" -> address_towards(ServerAddress); _ -> Wanted end,
              Plan = rustls_dist_bench_plan:plan(two_hosts, rustls_dist_bench_outcome:wanted_rounds()),
              Server = list_to_atom("serve@" ++ ServerAddress),
              {Name, Figures} = with_host("peer@", Pair, Address, fun(Host) -> measured(Host, Plan, Server) end),
              rustls_dist_bench_outcome:leave(Folder, two_hosts, Plan, Name, Figures)
      end).

measured(#{cluster := Cluster} = Host, Plan, Server) ->
    Progress = rustls_dist_bench_rounds:progress(),
    %% Why not, says the log entry above.
    net_kernel:connect_node(Server) =:= true orelse error({no_link_to, Server}),
    {?MODULE, Server} ! {nodes, self()},
    Theirs = receive {nodes, _Pid, Nodes} -> Nodes after ?ANSWER_MS -> error({no_answer_from, Server}) end,
    Stars = [star(Host, Carrier, proplists:get_value(Name, Theirs))
             || #{name := Name} = Carrier <- rustls_dist_bench_carriers:all()],
    Figures = #{throughput => rustls_dist_bench_throughput:all(Stars, none, Plan, Progress),
                round_trip => rustls_dist_bench_round_trip:measure(Stars, Plan, Progress),
                scheduler => rustls_dist_bench_scheduler:measure(Stars, Plan, Progress),
                setup => rustls_dist_bench_setup:measure(Stars, Plan, Progress),
                slow => [], at_once => [], idle_link => [], mesh => [],
                nif_calls => rustls_dist_bench_nif:measure(rustls_dist_cluster:dir(Cluster), Progress),
                machine => both_machines(Server)},
    Progress("done", []),
    Name = two_names(os:getenv("BENCH_MACHINE", ""), Server),
    lists:foreach(fun(#{first := First}) -> rustls_dist_cluster:stop_node(First) end, Stars),
    {Name, Figures}.

star(Host, #{name := Name} = Carrier, Peer) ->
    First = started(Host, Carrier),
    ok = rustls_dist_cluster:join(First, Peer),
    #{carrier => Name, first => First, peers => [Peer]}.

both_machines(Server) ->
    #{cpu := Own} = Machine = rustls_dist_bench_machine:describe(),
    #{cpu := Theirs} = erpc:call(Server, rustls_dist_bench_machine, describe, []),
    Machine#{cpu => <<"two hosts, ", Own/binary, " and ", Theirs/binary>>}.

two_names("", Server) ->
    Theirs = erpc:call(Server, rustls_dist_bench_machine, name, []),
    <<(rustls_dist_bench_machine:name())/binary, "-to-", Theirs/binary>>;
two_names(_Wanted, _Server) ->
    rustls_dist_bench_machine:name().

%% What a host has: epmd, its certificate, and this node as one that can be called.
with_host(Name, Pair, Address, Run) ->
    Cluster = rustls_dist_cluster:new(#{epmd_port => ?EPMD_PORT, address => Address}),
    try Run(host(Cluster, Name, Pair, Address))
    after rustls_dist_cluster:stop(Cluster)
    end.

%% The options file is the one that the command line names.
host(Cluster, Name, Pair, Address) ->
    {ok, [[Optfile]]} = init:get_argument(ssl_dist_optfile),
    {ok, Cookie} = file:read_file(filename:join(Pair, "cookie")),
    Ca = #{cert => filename:join(Pair, "ca.pem"), key => filename:join(Pair, "ca.key")},
    Cert = rustls_dist_certs:cert(rustls_dist_cluster:dir(Cluster), Ca, "host",
                                  #{days => ?DAYS, san => lists:concat(["DNS:", Address, ",IP:", Address])}),
    ok = file:write_file(Optfile, io_lib:format("~tp.~n", [rustls_dist_bench_carriers:tls_options(Cert)])),
    {ok, _Pid} = net_kernel:start([list_to_atom(Name ++ Address), longnames]),
    true = erlang:set_cookie(binary_to_atom(Cookie)),
    #{cluster => Cluster, optfile => Optfile, address => Address, cookie => binary_to_list(Cookie)}.

started(#{cluster := Cluster, optfile := Optfile, address := Address, cookie := Cookie}, Carrier) ->
    #{args := Args} = Options = rustls_dist_bench_carriers:node_options(Optfile, Carrier),
    {ok, Ip} = inet:parse_ipv4strict_address(Address),
    Interface = lists:flatten(io_lib:format("~0p", [Ip])),
    Ports = lists:append([["-kernel", Key, integer_to_list(Port)]
                          || {Key, Port} <- [{"inet_dist_listen_min", ?FIRST_PORT}, {"inet_dist_listen_max", ?LAST_PORT}]]),
    rustls_dist_cluster:start(Cluster, Options#{host => Address, cookie => Cookie,
                                                args => Args ++ Ports ++ ["-kernel", "inet_dist_use_interface", Interface]}).

only_address() ->
    {ok, Interfaces} = inet:getifaddrs(),
    case [Ip || {_Name, Options} <- Interfaces, {addr, {First, _, _, _} = Ip} <- Options, First =/= 127] of
        [Ip] -> inet:ntoa(Ip);
        Several -> error({say_at_which_address_to_serve, [inet:ntoa(Ip) || Ip <- Several]})
    end.

%% The one that the system takes for connections to that host.
address_towards(ServerAddress) ->
    {ok, Ip} = inet:parse_ipv4strict_address(ServerAddress),
    case gen_tcp:connect(Ip, ?EPMD_PORT, [], ?ANSWER_MS) of
        {ok, Socket} ->
            {ok, {Own, _Port}} = inet:sockname(Socket),
            ok = gen_tcp:close(Socket),
            inet:ntoa(Own);
        {error, Reason} ->
            error({nobody_serves_at, ServerAddress, ?EPMD_PORT, Reason})
    end.
