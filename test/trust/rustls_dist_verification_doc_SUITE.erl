%% The configurations of doc/verification.md, run as they stand there: the commands make the files, the options file is the
%% node's. Only the folder is another one.
-module(rustls_dist_verification_doc_SUITE).

-include_lib("stdlib/include/assert.hrl").

-export([all/0, suite/0, init_per_testcase/2, end_per_testcase/2]).
-export([authority/1, whitelist/1, pin/1, revoke/1, bind/1, spiffe/1]).

-define(FOLDER, "/etc/erlang/tls").
-define(HOST, "@127.0.0.1").

suite() ->
    [{timetrap, {minutes, 2}}].

all() ->
    [authority, whitelist, pin, revoke, bind, spiffe].

init_per_testcase(_Case, Config) ->
    [{cluster, rustls_dist_cluster:new()} | Config].

end_per_testcase(_Case, Config) ->
    rustls_dist_cluster:stop(cluster(Config)).

authority(Config) ->
    Options = options(Config, authority),
    [A, B] = [start(Config, Name, Options) || Name <- ["a", "b"]],
    join_both_ways(A, B),
    Stranger = rustls_dist_certs:cert(dir(Config), rustls_dist_certs:ca(dir(Config), "other"), "stranger", #{}),
    ok = refused(start_with(Config, "c", rustls_dist_certs:options(Stranger)), A, "not in cacertfile"),
    Nobody = [{server, [{certfile, maps:get(cert, Stranger)}, {keyfile, maps:get(key, Stranger)}]}, {client, []}],
    ok = refused(start_with(Config, "d", Nobody), A, "sent no certificate").

%% c has a certificate of the authority and is not on the list.
whitelist(Config) ->
    make_authority(Config),
    [{"erlang-module", Module}, {"erlang", Text}] = pieces(whitelist),
    File = filename:join(dir(Config), "my_peers.erl"),
    ok = file:write_file(File, Module),
    {ok, my_peers} = compile:file(File, [{outdir, dir(Config)}, report_errors]),
    Options = consult(Config, Text),
    Allowing = fun(Name) -> case Name of "a" -> Options; _ -> swap("[\"b\"]", "[\"a\"]", Options) end end,
    [A, B] = [start(Config, Name, Allowing(Name)) || Name <- ["a", "b"]],
    join_both_ways(A, B),
    C = start(Config, "c", options_of(authority, Config)),
    ok = refused(C, A, "CN=c: refused: {not_my_peer"),
    ok = refused(A, C, "CN=c: refused: {not_my_peer").

pin(Config) ->
    Options = options(Config, pin),
    [A, B] = [start(Config, Name, Options) || Name <- ["a", "b"]],
    join_both_ways(A, B),
    %% Without b's line.
    Pins = filename:join(dir(Config), "pins"),
    {ok, Both} = file:read_file(Pins),
    [First, _] = binary:split(Both, <<"\n">>),
    ok = file:write_file(Pins, [First, "\n# b may not join\n"]),
    ok = refused(B, A, "CN=b: its fingerprint [0-9A-F]* is not among the pinned").

revoke(Config) ->
    make_authority(Config),
    [{"sh", Prepare}, {"erlang", Text}, {"sh", Revoke}] = pieces(revoke),
    shell(Config, Prepare),
    [A, B] = [start(Config, Name, consult(Config, Text)) || Name <- ["a", "b"]],
    join_both_ways(A, B),
    shell(Config, Revoke),
    [ok = refused(From, To, "CN=b: a certificate of the chain is revoked") || {From, To} <- [{B, A}, {A, B}]],
    ok.

bind(Config) ->
    bound(Config, bind, "erlang:b" ++ ?HOST).

spiffe(Config) ->
    bound(Config, spiffe, "spiffe://example.org/erlang/b").

%% c shows b's certificate.
bound(Config, Section, Uri) ->
    make_authority(Config),
    [{"erlang", Text}] = pieces(Section),
    Options = consult(Config, Text),
    [A, B] = [start(Config, Name, Options) || Name <- ["a", "b"]],
    join_both_ways(A, B),
    C = start_with(Config, "c", evaluate(Config, "b", options_of(authority, Config))),
    Line = ["the peer says it is c", ?HOST, ", and its certificate, which names .*", Uri, ".*, does not say so"],
    ok = refused(C, A, Line),
    ok = refused(A, C, Line).

%% -----------------------------------------------------------------------------------------------------------

join_both_ways(A, B) ->
    [begin
         ok = rustls_dist_cluster:join(From, To),
         ok = rustls_dist_cluster:part(From, To)
     end || {From, To} <- [{A, B}, {B, A}]],
    ok.

%% In vain, and one of the two says why.
refused(From, To, Line) ->
    [ok = rustls_dist_reports:collect(Node) || Node <- [From, To]],
    ok = rustls_dist_pair:refused(From, To),
    rustls_dist_cluster:poll(fun() ->
                                     Lines = [Logged || Node <- [From, To], #{line := Logged} <- rustls_dist_reports:all(Node)],
                                     lists:any(fun(Logged) -> re:run(Logged, Line, [unicode]) =/= nomatch end, Lines)
                                         andalso ok
                             end).

%% The files of a section made, and its options as text.
options(Config, Section) ->
    [{"sh", Commands}, {"erlang", Text}] = pieces(Section),
    shell(Config, Commands),
    consult(Config, Text).

options_of(Section, Config) ->
    {"erlang", Text} = lists:keyfind("erlang", 1, pieces(Section)),
    consult(Config, Text).

%% With certificates for three nodes.
make_authority(Config) ->
    {"sh", Commands} = lists:keyfind("sh", 1, pieces(authority)),
    shell(Config, swap("for node in a b", "for node in a b c", Commands)).

pieces(Section) ->
    rustls_dist_documents:pieces(rustls_dist_documents:path("verification.md"), atom_to_list(Section)).

shell(Config, Commands) ->
    Script = filename:join(dir(Config), "commands.sh"),
    ok = file:write_file(Script, unicode:characters_to_binary(consult(Config, Commands))),
    Output = os:cmd("sh -e " ++ Script ++ " 2>&1; echo status=$?"),
    ?assertNotEqual(nomatch, string:find(Output, "status=0"), Output).

consult(Config, Text) ->
    swap(?FOLDER, dir(Config), Text).

%% A node of the documentation: its own certificate is its name's.
start(Config, Name, Text) ->
    start_with(Config, Name, evaluate(Config, Name, Text)).

evaluate(_Config, Name, Text) ->
    swap("/a.", "/" ++ Name ++ ".", Text).

start_with(Config, Name, Options) ->
    File = filename:join(dir(Config), Name ++ ".conf"),
    Text = case io_lib:char_list(Options) of
               true -> Options;
               false -> io_lib:format("~tp.~n", [Options])
           end,
    ok = file:write_file(File, unicode:characters_to_binary(Text)),
    rustls_dist_cluster:start(cluster(Config), Name, #{optfile => File, args => ["-pa", dir(Config)]}).

swap(Old, New, Text) ->
    lists:flatten(string:replace(Text, Old, New, all)).

cluster(Config) ->
    proplists:get_value(cluster, Config).

dir(Config) ->
    rustls_dist_cluster:dir(cluster(Config)).
