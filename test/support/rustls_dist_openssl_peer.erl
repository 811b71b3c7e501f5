%% A distribution peer that is not Erlang: openssl's s_client or s_server does TLS and reports every TLS message, this
%% module speaks distribution through it. For what an Erlang peer would not show: close_notify, tickets, alerts.
%%
%% Distribution inside TLS has packets with a length of 4 bytes, which is just what a port with {packet, 4} does. The
%% peer is a hidden node without atom cache or fragments (erts' distribution protocol, version 6).
-module(rustls_dist_openssl_peer).

-export([dial/4, listen/3, serve/1, send/3, recv/1, tls_messages/1, await_tls_message/2, await_end/1, stop/1]).
-export([say_goodbye/1, proxy/1, damage/1, await_node_closed/1]).
-export([port_of/1, with_ml_kem/2]).

-export_type([peer/0]).

-include_lib("kernel/include/dist.hrl").

-define(COOKIE, "rustls_dist_test").
-define(CREATION, 4).
-define(FLAGS, (?MANDATORY_DFLAGS_25 bor ?DFLAG_MANDATORY_25_DIGEST bor ?DFLAG_DIST_MONITOR bor
                    ?DFLAG_BIG_SEQTRACE_LABELS bor ?DFLAG_UNLINK_ID bor ?DFLAG_V4_NC)).
-define(TIMEOUT_MS, 15000).
-define(PASS_THROUGH, 112).
-define(REG_SEND, 6).

%% port: openssl's; messages: the file in which it reports TLS messages; name: of this peer as a node.
-type peer() :: #{port := port(), messages := file:filename(), name := node(), _ => _}.

%% The port on which a node listens for its peers.
-spec port_of(rustls_dist_cluster:peer()) -> inet:port_number().
port_of(Peer) ->
    [Short, Host] = string:split(atom_to_list(rustls_dist_cluster:name(Peer)), "@"),
    {port, Port, _Version} = rustls_dist_cluster:call(Peer, erl_epmd, port_please, [Short, Host]),
    Port.

%% A certificate's files for an openssl that knows X25519MLKEM768 (3.5): the one on the path, or that of Debian 13's folder.
-spec with_ml_kem(rustls_dist_cluster:cluster(), rustls_dist_certs:cert()) -> rustls_dist_certs:cert() | {skip, string()}.
with_ml_kem(Cluster, Files) ->
    Knows = fun(Openssl) -> string:find(os:cmd(Openssl ++ " list -kem-algorithms"), "X25519MLKEM768") =/= nomatch end,
    case Knows("openssl") orelse rustls_dist_other_otp:available(27) of
        true ->
            Openssl = case Knows("openssl") of
                          true -> os:find_executable("openssl");
                          false -> rustls_dist_other_otp:program(Cluster, 27, "openssl")
                      end,
            true = Knows(Openssl),
            Files#{openssl => Openssl};
        {skip, _} = Skip ->
            Skip
    end.

%% Connects to a node that listens on Port and goes through both handshakes. Arguments: more of them for s_client. Without a
%% certificate it shows none.
-spec dial(rustls_dist_cluster:cluster(), rustls_dist_certs:cert() | #{ca := file:filename()}, inet:port_number(), [string()]) ->
          peer().
dial(Cluster, Cert, Port, Arguments) ->
    Name = "dialler" ++ integer_to_list(erlang:unique_integer([positive])),
    Peer = openssl(Cluster, Cert, Name, "s_client", ["-connect", "127.0.0.1:" ++ integer_to_list(Port) | Arguments]),
    surviving(Peer, fun() -> greet(Peer) end),
    Peer.

%% Openssl may end, refused, while it is written to: its port ends then with the reason epipe, and whoever is linked to it.
surviving(#{port := Port}, Act) ->
    Trapping = process_flag(trap_exit, true),
    try
        Act()
    after
        process_flag(trap_exit, Trapping),
        receive {'EXIT', Port, _} -> ok after 0 -> ok end
    end.

greet(Peer) ->
    packet(Peer, [<<$N, ?FLAGS:64, ?CREATION:32>>, counted(Peer)]),
    <<"sok", _/binary>> = recv_packet(Peer),
    <<$N, _Flags:64, Challenge:32, _/binary>> = recv_packet(Peer),
    packet(Peer, [<<$r, 7:32>>, digest(Challenge)]),
    Answer = digest(7),
    <<$a, Answer/binary>> = recv_packet(Peer).

%% Starts a server that is known to epmd as Name, for serve/1.
-spec listen(rustls_dist_cluster:cluster(), rustls_dist_certs:cert(), [string()]) -> peer().
listen(Cluster, Cert, Arguments) ->
    [Port] = rustls_dist_listening:free_ports(inet, 1),
    Name = "server" ++ integer_to_list(Port),
    Peer = openssl(Cluster, Cert, Name, "s_server", ["-accept", "127.0.0.1:" ++ integer_to_list(Port), "-naccept", "1",
                                                     "-Verify", "1" | Arguments]),
    case await_listening(Peer, Port) of
        true -> Peer#{epmd => rustls_dist_cluster:fake_node(Cluster, Name, Port)};
        %% Someone else took the port meanwhile.
        gone -> listen(Cluster, Cert, Arguments)
    end.

%% Looked up, not tried: s_server takes one connection.
await_listening(#{port := Openssl}, Port) ->
    Row = io_lib:format(":~4.16.0B 00000000:0000 0A", [Port]),
    rustls_dist_cluster:poll(fun() ->
                                     {ok, Table} = file:read_file("/proc/net/tcp"),
                                     receive
                                         {Openssl, {exit_status, _}} -> gone
                                     after 0 ->
                                         re:run(Table, Row, [{capture, none}]) =:= match
                                     end
                             end).

%% Answers the node that connects.
-spec serve(peer()) -> ok.
serve(Peer) ->
    <<$N, _/binary>> = recv_packet(Peer),
    packet(Peer, <<"sok">>),
    packet(Peer, [<<$N, ?FLAGS:64, 9:32, ?CREATION:32>>, counted(Peer)]),
    Reply = digest(9),
    <<$r, Challenge:32, Reply/binary>> = recv_packet(Peer),
    packet(Peer, [$a, digest(Challenge)]),
    ok.

openssl(Cluster, #{ca := Ca} = Files, Name, Command, Arguments) ->
    Own = case Files of
              #{cert := Cert, key := Key} -> ["-cert", Cert, "-key", Key];
              #{} -> []
          end,
    Messages = filename:join(rustls_dist_cluster:dir(Cluster),
                             lists:concat([Name, erlang:unique_integer([positive]), ".tls"])),
    Port = open_port({spawn_executable, maps:get(openssl, Files, os:find_executable("openssl"))},
                     [{args, [Command, "-quiet", "-msg", "-msgfile", Messages,
                              "-CAfile", Ca | Own ++ Arguments]},
                      {packet, 4}, binary, exit_status]),
    #{port => Port, messages => Messages, name => list_to_atom(Name ++ "@127.0.0.1")}.

counted(#{name := Name}) ->
    Bytes = atom_to_binary(Name),
    [<<(byte_size(Bytes)):16>>, Bytes].

%% dist_util:gen_digest/2.
digest(Challenge) ->
    erlang:md5([?COOKIE, integer_to_list(Challenge)]).

packet(#{port := Port} = Peer, Bytes) ->
    try
        true = port_command(Port, Bytes)
    catch
        error:badarg -> error({openssl_ended, unknown, tls_messages(Peer)})
    end.

recv_packet(#{port := Port} = Peer) ->
    receive
        {Port, {data, Packet}} -> Packet;
        {Port, {exit_status, Status}} -> error({openssl_ended, Status, tls_messages(Peer)});
        {'EXIT', Port, _} -> error({openssl_ended, unknown, tls_messages(Peer)})
    after ?TIMEOUT_MS ->
        error({nothing_received, tls_messages(Peer)})
    end.

%% Sends Term to the process that is registered as Name on the node.
-spec send(peer(), atom(), term()) -> ok.
send(#{name := Node} = Peer, Name, Term) ->
    Pid = binary_to_term(<<131, $X, (atom_external(Node))/binary, 1:32, 0:32, ?CREATION:32>>),
    true = packet(Peer, [?PASS_THROUGH, term_to_binary({?REG_SEND, Pid, '', Name}), term_to_binary(Term)]),
    ok.

atom_external(Atom) ->
    <<131, External/binary>> = term_to_binary(Atom),
    External.

%% The next message that the node sends to a registered process of this peer. Ticks are passed over.
-spec recv(peer()) -> term().
recv(Peer) ->
    case recv_packet(Peer) of
        <<?PASS_THROUGH, Data/binary>> ->
            {Control, Used} = binary_to_term(Data, [used]),
            case element(1, Control) of
                ?REG_SEND -> binary_to_term(binary:part(Data, Used, byte_size(Data) - Used));
                _ -> recv(Peer)
            end;
        <<>> ->
            recv(Peer)
    end.

%% What openssl reported so far: a line per message, `<<<' for received, `>>>' for sent.
-spec tls_messages(peer()) -> [string()].
tls_messages(#{messages := File}) ->
    case file:read_file(File) of
        {ok, Text} -> [Line || Line <- string:split(binary_to_list(Text), "\n", all), lists:prefix("<<<", Line)
                                   orelse lists:prefix(">>>", Line)];
        {error, enoent} -> []
    end.

%% Waits for a message that matches Regexp.
-spec await_tls_message(peer(), string()) -> ok.
await_tls_message(Peer, Regexp) ->
    rustls_dist_cluster:poll(fun() ->
                                     lists:any(fun(Line) -> re:run(Line, Regexp, [{capture, none}]) =:= match end,
                                               tls_messages(Peer)) andalso ok
                             end).

%% Waits until openssl ended because the connection did.
-spec await_end(peer()) -> ok.
await_end(#{port := Port} = Peer) ->
    receive
        {Port, {exit_status, _}} -> ok;
        {Port, {data, _}} -> await_end(Peer)
    after ?TIMEOUT_MS ->
        error({still_connected, tls_messages(Peer)})
    end.

-spec stop(peer()) -> ok.
stop(#{port := Port} = Peer) ->
    _ = [gen_tcp:close(Epmd) || #{epmd := Epmd} <- [Peer]],
    case erlang:port_info(Port, os_pid) of
        {os_pid, OsPid} ->
            _ = os:cmd("kill " ++ integer_to_list(OsPid)),
            await_end(Peer);
        undefined ->
            ok
    end.

%% Ends openssl's input, upon which one that was started with -no_ign_eof sends close_notify and ends.
-spec say_goodbye(peer()) -> ok.
say_goodbye(#{port := Port}) ->
    true = port_close(Port),
    ok.

%% Passes one connection on to Port. A connection that the dialler closes stays open towards the node. Gives the port to
%% connect to and the process, for damage/1 and await_node_closed/1.
-spec proxy(inet:port_number()) -> {pid(), inet:port_number()}.
proxy(Port) ->
    Caller = self(),
    Proxy = spawn_link(fun() ->
                               {ok, Listen} = gen_tcp:listen(0, [binary, {ip, {127, 0, 0, 1}}]),
                               {ok, Own} = inet:port(Listen),
                               Caller ! {self(), Own},
                               {ok, Client} = gen_tcp:accept(Listen),
                               {ok, Node} = gen_tcp:connect({127, 0, 0, 1}, Port, [binary]),
                               Caller ! {self(), node_closed, pass(Client, Node, intact, none)}
                       end),
    receive {Proxy, Own} -> {Proxy, Own} end.

%% Waits until the node closed the connection. Gives type and length of the last record that it sent.
-spec await_node_closed(pid()) -> {byte(), non_neg_integer()}.
await_node_closed(Proxy) ->
    receive {Proxy, node_closed, LastBytes} -> last_record(LastBytes) after ?TIMEOUT_MS -> error(node_did_not_close) end.

last_record(<<Type, 3, 3, Bytes:16, _:Bytes/binary>>) -> {Type, Bytes};
last_record(<<_Type, 3, 3, Bytes:16, _:Bytes/binary, Records/binary>>) -> last_record(Records).

%% The next bytes on their way to the node get a bit flipped.
-spec damage(pid()) -> ok.
damage(Proxy) ->
    Proxy ! {damage, self()},
    receive {Proxy, ready} -> ok end.

%% Last: what came from the node last, whose records are not cut where it sends little.
pass(Client, Node, State, Last) ->
    receive
        {damage, From} -> From ! {self(), ready}, pass(Client, Node, damaged, Last);
        {tcp, Client, Data} -> ok = gen_tcp:send(Node, treated(State, Data)), pass(Client, Node, intact, Last);
        {tcp, Node, Data} -> _ = gen_tcp:send(Client, Data), pass(Client, Node, State, Data);
        {tcp_closed, Client} -> pass(Client, Node, State, Last);
        {tcp_closed, Node} -> gen_tcp:close(Client), Last
    end.

treated(intact, Data) -> Data;
treated(damaged, Data) ->
    Length = byte_size(Data) - 1,
    <<Start:Length/binary, Last>> = Data,
    <<Start/binary, (Last bxor 1)>>.
