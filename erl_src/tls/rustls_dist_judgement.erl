%% What a configuration says of a peer's certificates: what it has to know of a connection in the middle of a handshake, and the
%% same judgement once more of a peer whose link is up (rustls_dist_recheck).
%%
%% @private
-module(rustls_dist_judgement).

-export([native_name/2, for_connection/4, again/2]).

%% For the user's function and the sources of revocation lists, together.
-define(AGAIN_MS, 10000).

%% With customize_hostname_check Rust leaves the name to the policy.
-spec native_name(rustls_dist_verify:policy() | none, any | binary()) -> any | binary() | {by_referee, binary()}.
native_name(#{host_check := [_ | _]}, Host) when is_binary(Host) -> {by_referee, Host};
native_name(_Policy, Name) -> Name.

%% What the policy needs to know of this connection. Name: what the server's certificate must say; Address: the peer's.
-spec for_connection(rustls_dist_verify:policy() | none, client | server, any | binary(), rustls_dist_log:address()) ->
          rustls_dist_verify:policy() | none.
for_connection(none, _Role, _Name, _Address) ->
    none;
for_connection(Policy, client, Name, _Address) ->
    Policy#{host => Name};
for_connection(#{verify_fun := {_Fun, _State, _Label} = VerifyFun} = Policy, server, _Name, {PeerIp, _Port}) ->
    Policy#{verify_fun => rustls_dist_verify_client:connection_state(VerifyFun, PeerIp)};
for_connection(Policy, server, _Name, _Address) ->
    Policy.

%% Whether the peer of a link that is up would be let in with this configuration and today's clock, as the same node.
%% `undecided': something besides the peer's certificates kept that from being told.
-spec again(rustls_dist_roles:role_config(), rustls_dist_handshake:tls()) ->
          ok | {refused, unicode:chardata()} | {undecided, unicode:chardata()}.
again(RoleConfig, #{node := Node, facts := #{peer_der := Der}} = Tls) ->
    case chain(RoleConfig, Tls) of
        ok -> node_name(rustls_dist_verify_node:check(maps:get(verify_node, RoleConfig), atom_to_list(Node), Der));
        NotOk -> NotOk
    end.

chain(#{verify := verify_none, policy := none}, _Tls) ->
    ok;
chain(#{config := Config, policy := Policy} = RoleConfig, #{role := Role, address := Address} = Tls) ->
    #{facts := #{peer_chain := Chain}} = Tls,
    Name = name(Role, RoleConfig, Tls),
    Webpki = rustls_dist_nif:config_judge(Config, native_name(Policy, Name), Chain),
    decided(for_connection(Policy, Role, Name, Address), Chain, Webpki).

%% Who showed nothing, and may, is nobody for a function to judge.
decided(Policy, Chain, Webpki) when Policy =:= none; Chain =:= [] ->
    of_webpki(Webpki);
decided(#{verify_fun := VerifyFun} = Policy, Chain, Webpki) ->
    case rustls_dist_verdict:again(Policy, Chain, Webpki, ?AGAIN_MS) of
        %% Nobody could forgive what webpki found.
        {undecided, _Text} when VerifyFun =:= none, Webpki =/= ok -> of_webpki(Webpki);
        Verdict -> Verdict
    end.

of_webpki(ok) -> ok;
of_webpki({error, #{text := Text}}) -> {refused, Text}.

%% That of a server, which a node is dialled by.
name(server, _RoleConfig, _Tls) ->
    any;
name(client, #{name := node_host}, #{node := Node}) ->
    {ok, Host} = rustls_dist_hostname:of_node(Node),
    unicode:characters_to_binary(Host);
name(client, #{name := Name}, _Tls) ->
    Name.

node_name(ok) ->
    ok;
node_name({error, {tls, #{text := Text}}}) ->
    {refused, Text};
node_name({error, {verify_node, _Policy, Stated, no_certificate}}) ->
    {refused, [Stated, " showed no certificate to prove its name (verify_node)"]};
node_name({error, {verify_node, Policy, Stated, Names}}) ->
    {refused, io_lib:format("it names ~ts, and not ~ts (verify_node ~0tp)",
                            [case Names of [] -> "nobody"; _ -> lists:join(", ", Names) end, Stated, Policy])}.
