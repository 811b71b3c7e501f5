%% Two nodes of the application join over TLS. The option file is named by the environment variable EXAMPLE_OPTFILE.
-module(example_SUITE).

-export([all/0, joins/1]).

-spec all() -> [atom()].
all() ->
    [joins].

-spec joins(term()) -> ok.
joins(_Config) ->
    {PeerA, A} = start("ct_a"),
    {PeerB, B} = start("ct_b"),
    pong = peer:call(PeerA, net_adm, ping, [B]),
    [{B, _Version}] = peer:call(PeerA, example, links, []),
    [{A, _}] = peer:call(PeerB, example, links, []),
    ok = peer:stop(PeerA),
    ok = peer:stop(PeerB).

start(Name) ->
    Optfile = os:getenv("EXAMPLE_OPTFILE"),
    Flags = ["-proto_dist", "rustls", "-ssl_dist_optfile", Optfile, "-setcookie", "example",
             "-kernel", "inet_dist_use_interface", "{127,0,0,1}", "-pa" | code:get_path()],
    {ok, Peer, Node} = peer:start_link(#{name => Name, host => "localhost", connection => standard_io,
                                         args => Flags}),
    {Peer, Node}.
