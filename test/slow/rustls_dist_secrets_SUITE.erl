%% Where secrets are while links are up, and where they still are afterwards: in all the memory of a node (a core, by gcore), and in
%% all that Erlang shows of it. The links' other ends tell their secrets; each search finds something that was put there for it.
-module(rustls_dist_secrets_SUITE).

-include_lib("stdlib/include/assert.hrl").

-export([all/0, suite/0, init_per_suite/1, end_per_suite/1]).
-export([plain/1, verify_fun/1, crlfile/1, crl_hash_dir/1, pinned/1, authorities/1, private_keys/1]).

%% The VM keeps to its own mappings, so that what malloc has is not the VM's, and whatever is logged is kept.
-define(ARGS, ["+Musac", "false", "+Mummbcs", "0", "-kernel", "logger_level", "debug", "-connect_all", "false",
               "-kernel", "dist_auto_connect", "never"]).

%% What a message has beside the words that are looked for: the short one shares its memory with others, the long one comes in
%% many records.
-define(PADDINGS, [10, 100000]).

suite() ->
    [{timetrap, {minutes, 2}}].

all() ->
    [plain, verify_fun, crlfile, crl_hash_dir, pinned, authorities, private_keys].

init_per_suite(Config) ->
    case os:find_executable("gdb") of
        false ->
            {skip, "gdb takes the cores, and is not here"};
        _ ->
            {ok, Applications} = application:ensure_all_started(ssl),
            ok = rustls_dist_nif:load(),
            [{applications, Applications} | Config]
    end.

end_per_suite(Config) ->
    lists:foreach(fun application:stop/1, lists:reverse(proplists:get_value(applications, Config))).

%% links ----------------------------------------------------------------------------------------------------------

plain(_Config) -> forgotten(plain).
verify_fun(_Config) -> forgotten(verify_fun).
crlfile(_Config) -> forgotten(crlfile).
crl_hash_dir(_Config) -> forgotten(crl_hash_dir).
pinned(_Config) -> forgotten(pinned).
authorities(_Config) -> forgotten(authorities).

forgotten(Configuration) ->
    with_cluster(fun(Cluster) -> forgotten(Configuration, Cluster) end).

with_cluster(Fun) ->
    Cluster = rustls_dist_cluster:new(),
    try
        Fun(Cluster)
    after
        rustls_dist_cluster:stop(Cluster)
    end.

forgotten(Configuration, Cluster) ->
    {#{key := Key} = Cert, Options} = rustls_dist_crowds:configured(Cluster, Configuration),
    Node = started(Cluster, Options),
    Planted = planted(Node),
    Links = [used(opened({Cluster, Node}, Cert, Kind), Node) || Kind <- kinds()],
    Secrets = lists:append([rustls_dist_open_secrets:secrets(Link) || {Link, _Words} <- Links]),
    Words = lists:append([Words || {_Link, Words} <- Links]),
    KeyForms = rustls_dist_key_forms:file(Key),
    Needles = Secrets ++ Words ++ KeyForms ++ rustls_dist_key_forms:computed(Key) ++ [Planted],
    Alive = places(Cluster, Node, Needles),
    Shown = shown(Node, Secrets ++ KeyForms, Planted),
    ok = ended(Node, [Link || {Link, _Words} <- Links]),
    After = places(Cluster, Node, Needles),
    ct:pal("~w, ~w links~nwhile they are up: ~p~nafterwards: ~p", [Configuration, length(Links), Alive, After]),
    %% Each search is worth as much as what it finds.
    ?assertMatch({#{planted := _}, #{planted := _}}, {Alive, After}),
    ?assertEqual([], [Kind || {Kind, {Link, _Words}} <- lists:zip(kinds(), Links),
                              not lists:any(fun({Name, _}) -> is_map_key(Name, Alive) end,
                                            rustls_dist_open_secrets:secrets(Link))]),
    ?assertEqual([], kept(Secrets ++ KeyForms, [registers], After)
                 ++ kept(Words, [registers, vm], After)
                 ++ Shown
                 ++ told(Configuration, Cluster, Node, Cert, Secrets ++ KeyForms, Planted)).

started(Cluster, Options) ->
    Optfile = rustls_dist_cluster:optfile(Cluster, "options", Options),
    Node = rustls_dist_cluster:start(Cluster, #{optfile => Optfile, args => ?ARGS}),
    ok = call(Node, rustls_dist_open_secrets, start_sink, []),
    Node.

planted(Node) ->
    Planted = crypto:strong_rand_bytes(32),
    _ = call(Node, rustls_dist_inspection, hold, [rustls_dist_open_secrets:hidden(Planted)]),
    {planted, Planted}.

%% Version, suite, and which of both is the client; the first three have their keys renewed.
kinds() ->
    [{'tlsv1.3', aes_256_gcm, dial}, {'tlsv1.3', chacha20_poly1305, serve}, {'tlsv1.3', aes_128_gcm, serve},
     {'tlsv1.2', aes_256_gcm, dial}, {'tlsv1.2', chacha20_poly1305, serve}].

opened({Cluster, Node}, Cert, {Version, Cipher, Role}) ->
    Name = lists:concat(["known", erlang:unique_integer([positive])]),
    Suites = [Suite || #{cipher := Of} = Suite <- ssl:cipher_suites(all, Version), Of =:= Cipher],
    Options = #{versions => [Version], ciphers => Suites},
    Link = case Role of
               dial -> rustls_dist_open_secrets:dial(Node, Name, Cert, Options);
               serve -> rustls_dist_open_secrets:serve({Cluster, Node}, Name, Cert, Options)
           end,
    ?assertMatch(#{version := Version, suite := #{cipher := Cipher}}, Link),
    Peer = rustls_dist_open_secrets:name(Link),
    rustls_dist_cluster:poll(fun() -> lists:member(Peer, call(Node, erlang, nodes, [connected])) end),
    Link.

%% Messages both ways, before and after the keys are renewed. Gives what they said.
used(#{version := Version} = Link, Node) ->
    Before = conversation(Link, Node),
    case Version of
        'tlsv1.3' ->
            Renewed = rustls_dist_open_secrets:renew_keys(Link),
            After = conversation(Renewed, Node),
            {ok, Info} = call(Node, rustls_dist, info, [rustls_dist_open_secrets:name(Link)]),
            ?assertMatch(#{key_updates := #{sent := 1, received := 1}}, Info),
            {Renewed, Before ++ After};
        'tlsv1.2' ->
            {Link, Before}
    end.

conversation(Link, Node) ->
    lists:append([[said(Link, Node, Padding), heard(Link, Node, Padding)] || Padding <- ?PADDINGS]).

said(#{version := Version} = Link, Node, Padding) ->
    Words = crypto:strong_rand_bytes(32),
    Zeros = binary:copy(<<0>>, Padding),
    ok = rustls_dist_open_secrets:say(Link, Node, <<Zeros/binary, Words/binary, Zeros/binary>>),
    {{received, Version, Padding}, Words}.

heard(#{version := Version} = Link, Node, Padding) ->
    Words = crypto:strong_rand_bytes(32),
    ok = call(Node, rustls_dist_open_secrets, tell,
              [rustls_dist_open_secrets:name(Link), rustls_dist_open_secrets:hidden(Words), Padding]),
    ok = rustls_dist_open_secrets:hear(Link, Words),
    {{sent, Version, Padding}, Words}.

%% In each of the ways in which links end.
ended(Node, Links) ->
    Ways = [fun rustls_dist_scripted_peer:close/1, fun rustls_dist_scripted_peer:reset/1, node],
    _ = [end_link(Way, Link, Node) || {N, Link} <- lists:zip(lists:seq(1, length(Links)), Links),
                                      Way <- [lists:nth(1 + N rem 3, Ways)]],
    rustls_dist_cluster:poll(
      fun() ->
              Left = call(Node, rustls_dist_nif, resources, []),
              call(Node, rustls_dist_inspection, collect_garbage, []),
              call(Node, erlang, nodes, [connected]) =:= []
                  andalso [0, 0, 0] =:= [maps:get(Key, Left) || Key <- [senders, receivers, handshakes]]
      end),
    ok.

end_link(node, Link, Node) ->
    true = call(Node, erlang, disconnect_node, [rustls_dist_open_secrets:name(Link)]),
    rustls_dist_scripted_peer:close(rustls_dist_open_secrets:ssl(Link));
end_link(End, Link, _Node) ->
    End(rustls_dist_open_secrets:ssl(Link)).

places(Cluster, Node, Needles) ->
    File = filename:join(rustls_dist_cluster:dir(Cluster), "core"),
    Core = rustls_dist_core:take(rustls_dist_cluster:os_pid(Node), File),
    Places = rustls_dist_core:places(Core, Needles),
    ok = file:delete(File),
    Places.

%% What is still in memory of other kinds than these.
kept(Needles, Kinds, Places) ->
    [{kept, Name, Where} || Name <- lists:usort([Name || {Name, _} <- Needles]), #{Name := Of} <- [Places],
                            Where <- [maps:without(Kinds, Of)], Where =/= #{}].

%% what Erlang shows ----------------------------------------------------------------------------------------------

shown(Node, Needles, Planted) ->
    seen(shown, call(Node, rustls_dist_inspection, shown, []), Needles, Planted).

seen(Where, Text, Needles, Control) ->
    ?assertMatch({Where, [_]}, {Where, rustls_dist_needles:found(Text, [Control])}),
    [{Where, Found} || Found <- rustls_dist_needles:found(Text, Needles)].

%% What is told by a trace of the whole life of a link, with the configuration loaded anew; by the log of links and services that
%% fail; by a crash dump of a node whose link is up.
told(Configuration, Cluster, Node, Cert, Needles, Planted) ->
    %% Of 145 authorities, which are arguments of many a call, traces would fill the memory.
    ok = call(Node, rustls_dist_inspection, start_trace, [case Configuration of authorities -> bytes; _ -> everything end]),
    {Traced, Words} = used(opened({Cluster, Node}, Cert, hd(kinds())), Node),
    _ = call(Node, rustls_dist, reload, []),
    Trace = call(Node, rustls_dist_inspection, traced, []),
    ok = call(Node, rustls_dist_inspection, fail_everything, []),
    rustls_dist_cluster:poll(fun() -> call(Node, erlang, nodes, [connected]) =:= [] end),
    {Last, Others} = used(opened({Cluster, Node}, Cert, hd(kinds())), Node),
    Secrets = Needles ++ rustls_dist_open_secrets:secrets(Traced) ++ rustls_dist_open_secrets:secrets(Last),
    Log = unicode:characters_to_binary(lists:join("\n", rustls_dist_cluster:all_logged(Node))),
    ok = call(Node, rustls_dist_inspection, collect_garbage, []),
    Dump = rustls_dist_needles:crash_dump(rustls_dist_cluster:dir(Cluster), Node, halt),
    %% What is sent a trace does show.
    seen(trace, Trace, Secrets, hd(Words))
        ++ seen(log, Log, Secrets ++ Words ++ Others, {reason, <<"to_be_seen">>})
        ++ seen(dump, Dump, Secrets ++ Words ++ Others, Planted).

%% private keys ---------------------------------------------------------------------------------------------------

%% What a node signs with is in its memory as the provider computes with it, in no other form, and not any more when the
%% certificate has been replaced.
private_keys(_Config) ->
    with_cluster(fun private_keys_in/1).

private_keys_in(Cluster) ->
    Dir = rustls_dist_cluster:dir(Cluster),
    Ca = rustls_dist_certs:ca(Dir, "ca"),
    [Old, New] = [[rustls_dist_certs:cert(Dir, Ca, lists:concat([Age, N]), #{key => Kind})
                   || {N, Kind} <- lists:zip(lists:seq(1, 4), [p256, p384, ed25519, {rsa, 2048}])] || Age <- [old, new]],
    Node = started(Cluster, identities(Ca, Old)),
    Planted = planted(Node),
    Needles = [{{Age, In, Form}, Bytes}
               || {Age, Certs} <- [{old, Old}, {new, New}], #{key := Key} <- Certs,
                  {In, Forms} <- [{file, rustls_dist_key_forms:file(Key)}, {computed, rustls_dist_key_forms:computed(Key)}],
                  {Form, Bytes} <- Forms],
    Before = places(Cluster, Node, [Planted | Needles]),
    _ = rustls_dist_cluster:optfile(Cluster, "options", identities(Ca, New)),
    ?assertMatch({ok, _}, call(Node, rustls_dist, reload, [])),
    ok = call(Node, rustls_dist_inspection, collect_garbage, []),
    After = places(Cluster, Node, [Planted | Needles]),
    ct:pal("before the reload: ~p~nafterwards: ~p", [Before, After]),
    ?assertMatch({#{planted := _}, #{planted := _}}, {Before, After}),
    %% Of each kind of key something is found, for the server's and the client's side.
    [?assertMatch({Form, _, #{malloc := _}}, {Form, Age, maps:get({Age, computed, Form}, Places, none)})
     || rustls_dist_nif:provider() =:= ring, {Age, Places} <- [{old, Before}, {new, After}],
        Form <- [montgomery, prefix, {limbs, p}]],
    ?assertEqual([], kept([Needle || {{_Age, file, _Form}, _} = Needle <- Needles], [], Before)
                 ++ kept([Needle || {{Age, In, _Form}, _} = Needle <- Needles, Age =:= old orelse In =:= file], [], After)).

identities(#{cert := Ca}, Certs) ->
    Common = [{certs_keys, [#{certfile => Cert, keyfile => Key} || #{cert := Cert, key := Key} <- Certs]},
              {cacertfile, Ca}, {verify, verify_peer}],
    [{server, [{fail_if_no_peer_cert, true} | Common]}, {client, Common}].

%% ----------------------------------------------------------------------------------------------------------------

call(Node, Module, Function, Arguments) ->
    rustls_dist_cluster:call(Node, Module, Function, Arguments, 60000).
