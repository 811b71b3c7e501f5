%% Crowds of strangers that connect to a node and say nothing, or anything but what it waits for, in each kind of
%% configuration: they neither delay a real join nor keep threads, sockets, Rust resources or memory.
-module(rustls_dist_crowds).

-export([start/1, stop/1, kinds/0, configurations/0, configured/2]).
-export([withstand/3, taken/1, resident_kb/1, join_times/2, options/4, member/2, collect_garbage/1]).

-export_type([world/0, kind/0, configuration/0]).

-include_lib("stdlib/include/assert.hrl").

-type kind() :: silent | garbage | tls_garbage | half_hello | endless_hello | plain_distribution.

%% Whether Erlang has a say in the verdict, and how much a configuration weighs.
-type configuration() :: plain | verify_fun | crlfile | crl_hash_dir | pinned | authorities.

-type world() :: #{cluster := rustls_dist_cluster:cluster(), keeper := pid(), cert := rustls_dist_certs:cert(),
                   optfile := file:filename(), listener := rustls_dist_cluster:peer(),
                   peer := rustls_dist_cluster:peer()}.

-define(SETUP_S, 3).
-define(AUTHORITIES, 144).

%% What a crowd may delay a join by, and how often a noisy machine may be measured anew.
-define(MAX_DELAY_MS, 50).
-define(MEASUREMENTS, 4).

%% What a peer that says nothing, or nothing more, may take.
-define(SILENT_KB, 20).

%% A leak would be a crowd's size times anything's.
-define(KEPT_BYTES, 8000000).

-spec kinds() -> [kind()].
kinds() -> [silent, garbage, tls_garbage, half_hello, endless_hello, plain_distribution].

-spec configurations() -> [configuration()].
configurations() -> [plain, verify_fun, crlfile, crl_hash_dir, pinned, authorities].

%% Two nodes of one configuration, between which only the caller makes links.
-spec start(configuration()) -> world().
start(Name) ->
    {Keeper, World} = rustls_dist_cluster:keep(fun() -> start_nodes(Name) end),
    World#{keeper => Keeper}.

-spec stop(world()) -> ok.
stop(#{cluster := Cluster, keeper := Keeper}) ->
    rustls_dist_cluster:stop(Cluster),
    rustls_dist_cluster:release(Keeper).

%% A certificate that nodes of one configuration show each other, and their options.
-spec configured(rustls_dist_cluster:cluster(), configuration()) -> {rustls_dist_certs:cert(), [{server | client, list()}]}.
configured(Cluster, Name) ->
    Dir = rustls_dist_cluster:dir(Cluster),
    Ca = rustls_dist_certs:ca(Dir, "ca"),
    Cert = rustls_dist_certs:cert(Dir, Ca, "node", #{}),
    {Cert, options(Name, Dir, Ca, Cert)}.

start_nodes(Name) ->
    Cluster = rustls_dist_cluster:new(),
    {Cert, Both} = configured(Cluster, Name),
    Optfile = rustls_dist_cluster:optfile(Cluster, atom_to_list(Name), Both),
    Options = #{optfile => Optfile, args => ["-kernel", "net_setuptime", integer_to_list(?SETUP_S),
                                             "-kernel", "dist_auto_connect", "never", "-connect_all", "false"]},
    #{cluster => Cluster, cert => Cert, optfile => Optfile,
      listener => rustls_dist_cluster:start(Cluster, Options), peer => rustls_dist_cluster:start(Cluster, Options)}.

%% Both parts of an options file. What it names lies in Dir.
-spec options(configuration(), file:filename(), rustls_dist_certs:ca(), rustls_dist_certs:cert()) -> [{server | client, list()}].
options(plain, _Dir, _Ca, Cert) ->
    rustls_dist_certs:options(Cert);
options(verify_fun, _Dir, _Ca, Cert) ->
    rustls_dist_certs:options(Cert, #{verify_fun => {rustls_dist_verdicts, as_otp, none}});
options(crlfile, Dir, Ca, Cert) ->
    rustls_dist_certs:options(Cert, #{crl_check => true, crlfile => rustls_dist_crls:list(Dir, Ca, "list", #{})});
options(crl_hash_dir, Dir, Ca, Cert) ->
    List = rustls_dist_crls:list(Dir, Ca, "list", #{}),
    Lists = filename:join(Dir, "lists"),
    ok = file:make_dir(Lists),
    {ok, _} = file:copy(List, filename:join(Lists, rustls_dist_crls:hash_name(List) ++ ".r0")),
    rustls_dist_certs:options(Cert, #{crl_check => true, crl_cache => {ssl_crl_hash_dir, {internal, [{dir, Lists}]}}});
options(pinned, _Dir, _Ca, #{cert := File} = Cert) ->
    {ok, Pem} = file:read_file(File),
    [{'Certificate', Der, not_encrypted}] = public_key:pem_decode(Pem),
    Pins = [binary_to_list(binary:encode_hex(crypto:hash(sha256, Der)))],
    rustls_dist_certs:options(Cert, #{verify_fun => {rustls_dist, verify_pinned, Pins}});
%% With a function: what Erlang knows of the authorities is the heaviest part.
options(authorities, Dir, #{cert := Root}, Cert) ->
    #{cert := Other} = rustls_dist_certs:ca(Dir, "other", #{key => {rsa, 2048}}),
    File = rustls_dist_certs:concat(filename:join(Dir, "authorities.pem"), [Root | lists:duplicate(?AUTHORITIES, Other)]),
    rustls_dist_certs:options(Cert#{ca => File}, #{verify_fun => {rustls_dist_verdicts, as_otp, none}}).

%% Joins are timed with and without the crowd; then the crowd must be gone, and all that it took.
-spec withstand(world(), kind(), #{crowd := pos_integer(), joins := pos_integer()}) -> ok.
withstand(#{listener := Listener} = World, Kind, Sizes) ->
    _ = join_times(World, 1),
    Before = taken(Listener),
    ?assert(is_delay_bounded(World, Kind, Sizes, ?MEASUREMENTS)),
    rustls_dist_cluster:poll(
      fun() ->
              #{ports := Ports, handshakes := Handshakes, processes := Processes} = taken(Listener),
              Handshakes =:= 0 andalso Ports =< maps:get(ports, Before) andalso Processes =< maps:get(processes, Before)
      end),
    ok = collect_garbage(Listener),
    ?assert(maps:get(memory, taken(Listener)) < maps:get(memory, Before) + ?KEPT_BYTES).

is_delay_bounded(_World, _Kind, _Sizes, 0) ->
    false;
is_delay_bounded(#{listener := Listener} = World, Kind, #{crowd := Size, joins := Joins} = Sizes, Tries) ->
    Undisturbed = median(join_times(World, Joins)),
    Threads = status(Listener, "Threads"),
    ok = collect_garbage(Listener),
    {Resident, #{memory := Memory}} = {resident_kb(Listener), taken(Listener)},
    Port = rustls_dist_cluster:listening_port(Listener),
    Crowd = [member(Port, Kind) || _ <- lists:seq(1, Size)],
    Disturbed = median(join_times(World, Joins)),
    Kb = {(resident_kb(Listener) - Resident) / Size, (maps:get(memory, taken(Listener)) - Memory) / Size / 1024},
    ?assertEqual(Threads, status(Listener, "Threads")),
    _ = [dropped(Socket) || Socket <- Crowd],
    ct:log("~w: undisturbed ~w ms, with the crowd ~w ms; for each peer ~w kB resident and as the VM counts",
           [Kind, Undisturbed, Disturbed, Kb]),
    lists:member(Kind, [silent, half_hello])
        andalso ?assertEqual({Kb, true}, {Kb, max(element(1, Kb), element(2, Kb)) < ?SILENT_KB}),
    Disturbed - Undisturbed =< ?MAX_DELAY_MS orelse is_delay_bounded(World, Kind, Sizes, Tries - 1).

%% One of a crowd.
-spec member(inet:port_number(), kind()) -> gen_tcp:socket().
member(Port, Kind) ->
    {ok, Socket} = gen_tcp:connect({127, 0, 0, 1}, Port, [binary, {active, false}]),
    _ = act(Kind, Socket),
    Socket.

act(silent, _Socket) ->
    ok;
act(garbage, Socket) ->
    gen_tcp:send(Socket, crypto:strong_rand_bytes(200));
%% A record header, and nothing behind it that makes sense.
act(tls_garbage, Socket) ->
    gen_tcp:send(Socket, [<<22, 3, 1, 200:16>>, crypto:strong_rand_bytes(200)]);
act(half_hello, Socket) ->
    gen_tcp:send(Socket, <<22, 3, 1, 512:16, 1, 0, 1, 252, 3, 3>>);
%% As much of a hello as is waited for, and the end of the connection in the middle of it.
act(endless_hello, Socket) ->
    _ = gen_tcp:send(Socket, rustls_dist_hellos:endless(32768)),
    gen_tcp:shutdown(Socket, write);
act(plain_distribution, Socket) ->
    Name = <<"stranger@127.0.0.1">>,
    Packet = <<$N, 0:64, 1:32, (byte_size(Name)):16, Name/binary>>,
    gen_tcp:send(Socket, [<<(byte_size(Packet)):16>>, Packet]).

%% Every one is dropped, at net_setuptime and a little at the latest; some are sent an alert before.
dropped(Socket) ->
    case gen_tcp:recv(Socket, 0, (?SETUP_S + 3) * 1000) of
        {ok, _Alert} -> dropped(Socket);
        {error, Reason} ->
            ?assertNotEqual(timeout, Reason),
            gen_tcp:close(Socket)
    end.

%% Joins from the peer, each parted after, and what they took in milliseconds.
-spec join_times(world(), pos_integer()) -> [float(), ...].
join_times(#{listener := Listener, peer := Peer}, Joins) ->
    [begin
         {Us, true} = rustls_dist_cluster:call(Peer, timer, tc, [net_kernel, connect_node, [Node]]),
         ok = rustls_dist_cluster:part(Peer, Listener),
         Us / 1000
     end || Node <- lists:duplicate(Joins, rustls_dist_cluster:name(Listener))].

median(Times) ->
    lists:nth(length(Times) div 2 + 1, lists:sort(Times)).

%% What a node holds.
-spec taken(rustls_dist_cluster:peer()) -> #{ports | processes | handshakes | memory := non_neg_integer()}.
taken(Node) ->
    #{ports => length(rustls_dist_cluster:call(Node, erlang, ports, [])),
      processes => rustls_dist_cluster:call(Node, erlang, system_info, [process_count]),
      handshakes => maps:get(handshakes, rustls_dist_cluster:call(Node, rustls_dist_nif, resources, [])),
      memory => rustls_dist_cluster:call(Node, erlang, memory, [total])}.

-spec collect_garbage(rustls_dist_cluster:peer()) -> ok.
collect_garbage(Node) ->
    _ = [rustls_dist_cluster:call(Node, erlang, garbage_collect, [Pid])
         || Pid <- rustls_dist_cluster:call(Node, erlang, processes, [])],
    ok.

%% What the operating system counts, Rust's memory with it.
-spec resident_kb(rustls_dist_cluster:peer()) -> non_neg_integer().
resident_kb(Node) ->
    status(Node, "VmRSS").

status(Node, Key) ->
    {ok, Status} = file:read_file(["/proc/", rustls_dist_cluster:os_pid(Node), "/status"]),
    {match, [Number]} = re:run(Status, [Key, ":\\s+(\\d+)"], [{capture, [1], list}]),
    list_to_integer(Number).
