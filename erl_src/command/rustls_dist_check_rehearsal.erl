%% TLS handshakes of a node with itself, over the loopback interface, with the code and the configuration that the node would
%% use: what its peers would say of its certificates, if they were configured as it is.
%%
%% One side is the node's own; the other one shows the node's certificates and judges nothing.
%%
%% @private
-module(rustls_dist_check_rehearsal).

-export([materials/1, shown/1, trusted/1, as_server/3, as_client/2]).

-export([observe/4]).

-export_type([material/0]).

-include_lib("public_key/include/public_key.hrl").

%% Options with one pair of certificate and key, which show it.
-type material() :: rustls_dist_opts:options().

%% A source of revocation lists may take its time.
-define(TIMEOUT_MS, 15000).

-define(LOOPBACK, {127, 0, 0, 1}).

%% What a side may show: each pair of certs_keys by itself.
-spec materials(rustls_dist_opts:options()) -> [material()].
materials(Options) ->
    Common = maps:with([cacertfile, cacerts, versions, ciphers], Options),
    Pairs = case Options of
                #{certs_keys := Several} -> Several;
                #{certfile := _} -> [maps:with([certfile, keyfile, password], Options)];
                #{} -> []
            end,
    [maps:merge(Common, Pair) || Pair <- Pairs].

%% The chain that is sent, the node's own certificate first.
-spec shown(material()) -> {ok, [rustls_dist_chain:cert(), ...]} | {error, rustls_dist_handshake:failure()}.
shown(Material) ->
    Marker = make_ref(),
    Client = role(client, #{verify => verify_peer, verify_fun => {fun ?MODULE:observe/4, {self(), Marker}}}),
    case run(role(server, (maps:without([versions, ciphers], Material))#{verify => verify_none}), {Client, any}) of
        {{ok, _}, _} -> {ok, lists:foldl(fun(Cert, Chain) -> [Cert | Chain -- [Cert]] end, [], seen(Marker))};
        {{error, Failure}, _} -> {error, Failure}
    end.

%% A verify_fun that lets everything pass, and tells what it saw: from the root's side down to the peer.
-spec observe(#'OTPCertificate'{}, public_key:der_encoded(), term(), State) -> {valid, State} when
      State :: {pid(), reference()}.
observe(Cert, Der, _Event, {Observer, Marker} = State) ->
    Observer ! {Marker, {Der, Cert}},
    {valid, State}.

seen(Marker) ->
    receive
        {Marker, Cert} -> [Cert | seen(Marker)]
    after 0 ->
        []
    end.

%% The authorities of cacertfile or cacerts.
-spec trusted(rustls_dist_opts:options()) -> [rustls_dist_chain:cert()].
trusted(Options) ->
    case maps:with([cacertfile, cacerts], Options) of
        Trust when map_size(Trust) =:= 0 ->
            [];
        Trust ->
            Everything = {fun ?MODULE:observe/4, {self(), make_ref()}},
            case built(client, Trust#{verify => verify_peer, verify_fun => Everything}) of
                {ok, #{policy := #{trusted := Trusted}}} -> Trusted;
                %% A side that verifies nobody may name what cannot be used.
                {error, _} -> []
            end
    end.

%% The node as server, judged by a client that is configured as it is. Name: what the certificate must say.
-spec as_server(material(), rustls_dist_roles:role_config(), any | binary()) -> ok | {error, rustls_dist_handshake:failure()}.
as_server(Material, Client, Name) ->
    {Result, _} = run(role(server, Material#{verify => verify_none}), {Client, Name}),
    verdict(Result).

%% The node as client, judged by a server that is configured as it is. Material: none, if it has no certificate.
-spec as_client(material() | none, rustls_dist_roles:role_config()) -> ok | {error, rustls_dist_handshake:failure()}.
as_client(none, Server) ->
    as_client(#{}, Server);
as_client(Material, Server) ->
    {_, Result} = run(Server, {role(client, Material#{verify => verify_none}), any}),
    verdict(Result).

verdict({ok, _Tls}) -> ok;
verdict({error, _} = Error) -> Error.

%% The options were judged before: they can be used.
role(Role, Options) ->
    {ok, Config} = built(Role, Options),
    Config.

built(Role, Options) ->
    Source = {optfile, "", [{Role, maps:to_list(maps:map(fun term/2, Options))}]},
    {#{Role := Built}, _Notices} = rustls_dist_roles:of_sources([Source]),
    Built.

%% As the options file has it.
term(verify_fun, {Fun, State, _Label}) -> {Fun, State};
term(_Option, Value) -> Value.

run(Server, Client) ->
    {ok, Listen} = gen_tcp:listen(0, [binary, {active, false}, {ip, ?LOOPBACK}]),
    {ok, Port} = inet:port(Listen),
    {_Pid, Ref} = spawn_monitor(fun() -> exit({done, accept(Listen, Server)}) end),
    {ok, Socket} = gen_tcp:connect(?LOOPBACK, Port, [binary, {active, false}], ?TIMEOUT_MS),
    Dialled = rustls_dist_handshake:connect(Socket, Client, ?TIMEOUT_MS),
    %% The server has the last word in TLS 1.3: it is waited for with the connection open.
    Accepted = receive
                   {'DOWN', Ref, process, _, {done, Result}} -> Result;
                   {'DOWN', Ref, process, _, _Crash} -> {error, {socket, closed}}
               end,
    gen_tcp:close(Socket),
    gen_tcp:close(Listen),
    {Dialled, Accepted}.

accept(Listen, Server) ->
    {ok, Socket} = gen_tcp:accept(Listen, ?TIMEOUT_MS),
    Result = rustls_dist_handshake:accept(Socket, Server, <<>>, ?TIMEOUT_MS),
    gen_tcp:close(Socket),
    Result.
