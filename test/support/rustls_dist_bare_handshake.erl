%% A TLS handshake on a socket without a node around it, with the configuration that a node would make of its options: for
%% what is about handshakes and records alone. Needs rustls_dist_nif:load/0 before.
-module(rustls_dist_bare_handshake).

-export([run/5, with_config/5]).

%% Both ends verify. Given: more of rustls_dist_nif:config_new/2's options, such as versions. The client expects 127.0.0.1.
-spec run(inet:socket(), client | server, rustls_dist_certs:cert(), map(), timeout()) ->
          {ok, rustls_dist_handshake:tls()} | {error, rustls_dist_handshake:failure()}.
run(Socket, Role, #{cert := Cert, key := Key, ca := Ca}, Given, TimeoutMs) ->
    Options = Given#{certfile => list_to_binary(Cert), keyfile => list_to_binary(Key), cacertfile => list_to_binary(Ca),
                     verify => verify_peer, fail_if_no_peer_cert => true, depth => 10,
                     common_name_fallback => true, judged_by => webpki},
    {ok, Native, [_ | _], _Trusted} = rustls_dist_nif:config_new(Role, Options),
    Config = #{config => Native, policy => none, verify_node => false, hibernate_after => infinity,
               verify => verify_peer, name => node_host},
    Name = case Role of
               client -> <<"127.0.0.1">>;
               server -> any
           end,
    with_config(Socket, Role, Config, Name, TimeoutMs).

%% The same with the configuration as it is. Name: what the server's certificate must say, for a client.
-spec with_config(inet:socket(), client | server, rustls_dist_roles:role_config(), any | binary(), timeout()) ->
          {ok, rustls_dist_handshake:tls()} | {error, rustls_dist_handshake:failure()}.
with_config(Socket, client, Config, Name, TimeoutMs) ->
    rustls_dist_handshake:connect(Socket, {Config, Name}, TimeoutMs);
with_config(Socket, server, Config, any, TimeoutMs) ->
    case rustls_dist_first_bytes:await(Socket, TimeoutMs) of
        {ok, First, LeftMs} -> rustls_dist_handshake:accept(Socket, Config, First, LeftMs);
        {error, _} = Error -> Error
    end.
