%% Peers that mean ill, before and after they have shown a certificate, with and without the cookie, against real nodes in
%% every kind of configuration. For each: the connection ends as it should, a link beside it loses nothing, joins beside it
%% go on, and memory, descriptors, handshakes, processes and atoms are what they were (rustls_dist_hostile).
%%
%% RUSTLS_DIST_HOSTILE=full has crowds of the size that doc/security.md shows (`make hostile'); without it they are smaller.
-module(rustls_dist_hostile_SUITE).

-include_lib("stdlib/include/assert.hrl").

-export([all/0, suite/0, groups/0, init_per_suite/1, end_per_suite/1, init_per_group/2, end_per_group/2]).
-export([strangers/1, cut_handshakes/1, members/1, joined/1, core/1, guesses/1, names_by_the_thousand/1, hosts_by_the_thousand/1,
         name_held_by_nobody/1, waiting_beside_busy_links/1, connects_in_a_minute/1]).

%% Where Erlang judges, or the material is heavy, the handshakes differ; what comes after them does not.
-define(CORE, [unknown_record, silent_member, key_updates, four_gib, joined_forged]).

%% What a connection that waits may hold beside busy links, by the VM's own count: its processes, no receive buffer.
-define(WAITING_BYTES, 30000).

suite() ->
    [{timetrap, {minutes, 10}}].

%% What differs by the release of OTP differs in every configuration alike: in a folder of another one (.ci/in-otp) one will do.
all() ->
    case os:getenv("RUSTLS_DIST_INSIDE") of
        false -> [{group, Configuration} || Configuration <- rustls_dist_crowds:configurations()];
        _ -> [{group, plain}]
    end.

groups() ->
    [{plain, [], [strangers, cut_handshakes, members, joined, guesses, names_by_the_thousand, hosts_by_the_thousand,
                  name_held_by_nobody, connects_in_a_minute, waiting_beside_busy_links]}
     | [{Configuration, [], [core, guesses]} || Configuration <- rustls_dist_crowds:configurations(), Configuration =/= plain]].

init_per_suite(Config) ->
    ok = rustls_dist_raw_peer:build(),
    {ok, _} = application:ensure_all_started(ssl),
    Config.

end_per_suite(_Config) ->
    ok.

init_per_group(Configuration, Config) ->
    [{world, rustls_dist_hostile:start(Configuration)} | Config].

end_per_group(_Configuration, Config) ->
    World = world(Config),
    try
        rustls_dist_hostile:lost(World)
    after
        rustls_dist_hostile:stop(World)
    end.

world(Config) ->
    proplists:get_value(world, Config).

full() ->
    os:getenv("RUSTLS_DIST_HOSTILE") =:= "full".

%% How many: in a full run, and in one of CI's.
sized(Full, Small) ->
    case full() of
        true -> Full;
        false -> Small
    end.

strangers(Config) -> each(Config, stranger).
members(Config) -> each(Config, member).
joined(Config) -> each(Config, joined).

each(Config, Stage) ->
    all_of(Config, [Kind || #{stage := Of} = Kind <- rustls_dist_hostile_peers:kinds(), Of =:= Stage]).

core(Config) ->
    all_of(Config, [rustls_dist_hostile_peers:kind(Name) || Name <- ?CORE]).

%% One that is not withstood leaves the others to be tried.
all_of(Config, Kinds) ->
    ?assertEqual([], [Failure || Kind <- Kinds, Failure <- failed(Config, Kind)]).

failed(Config, #{name := Name} = Kind) ->
    try
        ok = withstand(Config, Kind),
        []
    catch
        Class:Reason -> [{Name, Class, Reason}]
    end.

%% Each that was joined breaks a link of its own, which is a line in the log: never too many of those.
withstand(Config, #{stage := joined} = Kind) -> rustls_dist_hostile:withstand(world(Config), Kind, 1);
withstand(Config, Kind) -> rustls_dist_hostile:withstand(world(Config), Kind, sized(2, 1)).

%% Of a real handshake, every part: the first bytes, and silence, FIN, or RST behind them.
cut_handshakes(Config) ->
    #{listener := Listener, cert := Cert} = World = world(Config),
    Port = rustls_dist_cluster:listening_port(Listener),
    Places = [{Version, Place} || Version <- ['tlsv1.2', 'tlsv1.3'],
                                  Place <- rustls_dist_cut_handshakes:places(Port, Cert, Version)],
    [begin
         Inputs = [fun() -> rustls_dist_cut_handshakes:cut(Port, Cert, Version, Place, Ending) end || {Version, Place} <- Places],
         Kind = #{name => list_to_atom("cut_then_" ++ atom_to_list(Ending)), stage => stranger, at_once => 100,
                  does => "sends a real handshake up to any place, then " ++ told(Ending), expected => [ended, {alert, 50}]},
         ok = rustls_dist_hostile:attack(World, Kind, Inputs)
     end || Ending <- [silence, fin, rst]],
    ok.

told(silence) -> "silence";
told(fin) -> "FIN";
told(rst) -> "RST".

%% Wrong cookies, each with a name that the node never heard: none becomes known, and the log has a few lines.
guesses(Config) ->
    Guess = fun(Peer) ->
                    {ok, <<"sok", _/binary>>} = rustls_dist_scripted_peer:recv(Peer),
                    {ok, <<$N, _/binary>>} = rustls_dist_scripted_peer:recv(Peer),
                    ok = rustls_dist_scripted_peer:send(Peer, [<<$r, 7:32>>, crypto:strong_rand_bytes(16)]),
                    {error, closed} = rustls_dist_scripted_peer:recv(Peer),
                    ended
            end,
    introduced(Config, #{name => guesses, does => "guesses the cookie"}, fun rustls_dist_scripted_peer:name/1,
               case configuration(Config) of
                   plain -> sized(1000, 200);
                   _ -> sized(200, 50)
               end, Guess, 0).

configuration(Config) ->
    maps:get(configuration, world(Config)).

%% A name after the other, and no word about the cookie.
names_by_the_thousand(Config) ->
    introduced(Config, #{name => names, does => "states a name and goes when it is asked for the cookie"},
               fun rustls_dist_scripted_peer:name/1, sized(1000, 200), fun challenged/1, 0).

challenged(Peer) ->
    {ok, <<"sok", _/binary>>} = rustls_dist_scripted_peer:recv(Peer),
    {ok, <<$N, _/binary>>} = rustls_dist_scripted_peer:recv(Peer),
    served.

%% Peers that ask for a name, each of another host, which is an atom each: up to a number, and no more.
hosts_by_the_thousand(Config) ->
    AtOnce = 500,
    Ask = fun(Name) -> rustls_dist_scripted_peer:name((1 bsl 64) - 1, host(Name)) end,
    Named = fun(Peer) ->
                    case rustls_dist_scripted_peer:recv(Peer) of
                        {ok, <<"snamed:", _/binary>>} -> served;
                        {ok, <<"snot_allowed">>} -> refused
                    end
            end,
    Kind = #{name => hosts, does => "asks for a name, each time as another host"},
    ok = introduced(Config, Kind, Ask, sized(1000, AtOnce + 50), Named, AtOnce),
    ?assert(failures(maps:get(listener, world(Config)), <<"too_many_nameless">>) > 0).

failures(Node, Reason) ->
    lists:sum([Value || #{name := rustls_dist_handshakes_failed_total, labels := #{reason := Of}, value := Value}
                            <- rustls_dist_cluster:call(Node, rustls_dist, metrics, []), Of =:= Reason]).

host(Name) ->
    [_, Host] = string:split(Name, "@"),
    Host.

%% Many of them, over OTP's ssl. Atoms: what the node may make of them, beside its own.
introduced(Config, Kind, Packet, Count, Do, Atoms) ->
    #{listener := Listener, cert := Cert} = World = world(Config),
    Port = rustls_dist_cluster:listening_port(Listener),
    Inputs = [fun() ->
                      Number = integer_to_list(erlang:unique_integer([positive])),
                      Peer = rustls_dist_scripted_peer:dial(Port, Cert),
                      ok = rustls_dist_scripted_peer:send(Peer, Packet("guest" ++ Number ++ "@h" ++ Number)),
                      Outcome = Do(Peer),
                      ok = rustls_dist_scripted_peer:close(Peer),
                      Outcome
              end || _ <- lists:seq(1, Count)],
    Given = #{stage => member, at_once => 8, expected => [ended, served, refused]},
    rustls_dist_hostile:attack(World, maps:merge(Kind, Given), Inputs, Atoms).

%% Who states the name of another node and stays silent keeps that node from nothing: it joins at once, whichever name is greater.
name_held_by_nobody(Config) ->
    #{listener := Listener, peer := Peer, cert := Cert} = world(Config),
    ok = rustls_dist_cluster:join(Peer, Listener),
    ok = rustls_dist_cluster:part(Peer, Listener),
    Impostors = [begin
                     Impostor = rustls_dist_scripted_peer:dial(Listener, Cert),
                     Name = atom_to_list(rustls_dist_cluster:name(Peer)),
                     ok = rustls_dist_scripted_peer:send(Impostor, rustls_dist_scripted_peer:name(Name)),
                     {ok, <<"sok">>} = rustls_dist_scripted_peer:recv(Impostor),
                     Impostor
                 end || _ <- lists:seq(1, 3)],
    [begin
         {Us, true} = rustls_dist_cluster:call(From, timer, tc, [net_kernel, connect_node, [rustls_dist_cluster:name(To)]]),
         ?assert(Us < 1000000),
         ok = rustls_dist_cluster:part(From, To)
     end || {From, To} <- [{Peer, Listener}, {Listener, Peer}]],
    [ok = rustls_dist_scripted_peer:close(Impostor) || Impostor <- Impostors],
    ok.

%% Ten thousand connections in a minute; in CI as many in a second, for some seconds.
connects_in_a_minute(Config) ->
    #{listener := Listener} = World = world(Config),
    Port = rustls_dist_cluster:listening_port(Listener),
    Count = sized(10000, 1500),
    Inputs = [fun() ->
                      receive after N * 6 -> ok end,
                      {ok, Socket} = gen_tcp:connect({127, 0, 0, 1}, Port, [binary, {active, false}]),
                      _ = [gen_tcp:send(Socket, crypto:strong_rand_bytes(100)) || N rem 2 =:= 0],
                      ok = gen_tcp:close(Socket),
                      ended
              end || N <- lists:seq(1, Count)],
    rustls_dist_hostile:attack(World, #{name => connects_in_a_minute, stage => stranger, expected => [ended], at_once => Count,
                                        does => "connects, says nothing or rubbish, and goes: 167 in a second"}, Inputs).

%% Members that say nothing take no receive buffer: the driver would give them those of the busy links.
waiting_beside_busy_links(Config) ->
    #{listener := Listener, bystander := Bystander, cert := Cert} = World = world(Config),
    Port = rustls_dist_cluster:listening_port(Listener),
    ok = rustls_dist_hostile:lost(World),
    ok = flood(Bystander, Listener, 2, 65536, 0),
    Before = least_memory(Listener),
    Count = 200,
    Peers = [rustls_dist_scripted_peer:dial(Port, Cert) || _ <- lists:seq(1, Count)],
    %% What waits for the busy links' receivers may be more than before, for a while; what the peers hold stays.
    {each, Each} = rustls_dist_cluster:poll(
                     fun() ->
                             Now = (least_memory(Listener) - Before) div Count,
                             Now < ?WAITING_BYTES andalso {each, Now}
                     end),
    ct:pal("each of ~w that wait: ~w bytes", [Count, Each]),
    ok = rustls_dist_figures:leave(hostile, #{waiting => Count, bytes_each => Each}),
    _ = [rustls_dist_scripted_peer:close(Peer) || Peer <- Peers],
    {_Flooded, 0} = rustls_dist_cluster:call(Bystander, rustls_dist_workload, flood_lost, []),
    ok = flood(Bystander, Listener, 1, 10000, 20).

%% Of some looks: what is on its way over the busy link comes and goes.
least_memory(Node) ->
    lists:min([begin
                   ok = rustls_dist_crowds:collect_garbage(Node),
                   rustls_dist_cluster:call(Node, erlang, memory, [total])
               end || _ <- lists:seq(1, 10)]).

flood(From, To, Senders, Bytes, PauseMs) ->
    rustls_dist_cluster:call(From, rustls_dist_workload, flood_start, [rustls_dist_cluster:name(To), Senders, Bytes, PauseMs]).
