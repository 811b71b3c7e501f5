%% The carriers that are compared, and the nodes that run them.
-module(rustls_dist_bench_carriers).

-export([all/0, untuned/0, optfile/1, tls_options/1, start/4, stop/1, node_options/2]).
-export([first/1, peers/1, cpu_s/1, ticks/0]).

-export_type([carrier/0, star/0]).

-type carrier() :: #{name := binary(), proto := string(), socket := [{atom(), term()}]}.
%% A node and the peers it is linked to. Peers have no links among themselves.
-type star() :: #{carrier := binary(), first := rustls_dist_cluster:peer(), peers := [rustls_dist_cluster:peer()]}.

%% What an administrator can do about inet's small default buffer.
-define(TUNED, [{buffer, 262144}, {sndbuf, 1048576}, {recbuf, 1048576}]).

%% Hundredths of a second: USER_HZ, fixed on Linux (proc(5)).
-define(TICKS_PER_S, 100).

-spec all() -> [carrier()].
all() ->
    [#{name => <<"inet_tcp">>, proto => "inet_tcp", socket => []},
     #{name => <<"inet_tcp tuned">>, proto => "inet_tcp", socket => ?TUNED},
     #{name => <<"inet_tls">>, proto => "inet_tls", socket => []},
     #{name => <<"inet_tls tuned">>, proto => "inet_tls", socket => ?TUNED},
     #{name => <<"rustls">>, proto => "rustls", socket => []}].

%% Those that differ where sockets' buffers make no difference.
-spec untuned() -> [carrier()].
untuned() ->
    [Carrier || #{socket := []} = Carrier <- all()].

%% One options file for both TLS carriers: mutual TLS 1.3 with P-256 certificates and AES-256-GCM.
-spec optfile(rustls_dist_cluster:cluster()) -> file:filename().
optfile(Cluster) ->
    Dir = rustls_dist_cluster:dir(Cluster),
    Cert = rustls_dist_certs:cert(Dir, rustls_dist_certs:ca(Dir, "ca"), "node", #{}),
    rustls_dist_cluster:optfile(Cluster, "tls", tls_options(Cert)).

%% The contents of that file.
-spec tls_options(rustls_dist_certs:cert()) -> [{server | client, list()}].
tls_options(Cert) ->
    rustls_dist_certs:options(Cert, #{versions => ['tlsv1.3'], ciphers => "TLS_AES_256_GCM_SHA384"}).

%% Starts a node and Peers more, and links the first to each of the others.
-spec start(rustls_dist_cluster:cluster(), file:filename(), carrier(), pos_integer()) -> star().
start(Cluster, Optfile, #{name := Name} = Carrier, Count) ->
    [First | Peers] = [rustls_dist_cluster:start(Cluster, node_options(Optfile, Carrier)) || _ <- lists:seq(0, Count)],
    _ = [rustls_dist_cluster:join(First, Peer) || Peer <- Peers],
    #{carrier => Name, first => First, peers => Peers}.

%% Options for rustls_dist_cluster:start/2. Only the benchmark makes links: kernel's rpc asks every new peer for its features,
%% and an answer that comes when the link is gone would make a new one.
-spec node_options(file:filename(), carrier()) -> map().
node_options(Optfile, #{proto := Proto, socket := Socket}) ->
    Kernel = [["-kernel", atom_to_list(Key), lists:flatten(io_lib:format("~0p", [Socket]))]
              || Socket =/= [], Key <- [inet_dist_listen_options, inet_dist_connect_options]],
    #{proto => Proto, optfile => Optfile,
      args => lists:append(Kernel) ++ ["-connect_all", "false", "-kernel", "dist_auto_connect", "never",
                                       "-pa", filename:dirname(code:which(?MODULE))]}.

-spec stop(star()) -> ok.
stop(#{first := First, peers := Peers}) ->
    lists:foreach(fun rustls_dist_cluster:stop_node/1, [First | Peers]).

-spec first(star()) -> rustls_dist_cluster:peer().
first(#{first := First}) -> First.

-spec peers(star()) -> [rustls_dist_cluster:peer()].
peers(#{peers := Peers}) -> Peers.

%% User and system time that these nodes have used, in seconds (proc(5), /proc/PID/stat).
-spec cpu_s([rustls_dist_cluster:peer()]) -> float().
cpu_s(Nodes) ->
    lists:sum([rustls_dist_cluster:call(Node, ?MODULE, ticks, []) || Node <- Nodes]) / ?TICKS_PER_S.

%% Runs on a measured node, which may be on another host.
-spec ticks() -> non_neg_integer().
ticks() ->
    {ok, Stat} = file:read_file("/proc/self/stat"),
    %% The command's name, in brackets, may have blanks; what follows it starts with the third field.
    [_, Fields] = binary:split(Stat, <<") ">>),
    Words = binary:split(Fields, <<" ">>, [global]),
    binary_to_integer(lists:nth(12, Words)) + binary_to_integer(lists:nth(13, Words)).
