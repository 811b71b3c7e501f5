%% Beginnings of client hellos, as strangers may send them.
-module(rustls_dist_hellos).

-export([endless/1, real/1]).

-define(ANNOUNCED_BYTES, 60000).
-define(RECORD_BYTES, 16384).

%% The first Bytes of the records of a hello that announces 60,000 and goes on in them with zeros.
-spec endless(0..60000) -> binary().
endless(Bytes) ->
    Message = <<1, ?ANNOUNCED_BYTES:24, 3, 3, 0:(?ANNOUNCED_BYTES * 8)>>,
    binary:part(iolist_to_binary(records(Message)), 0, Bytes).

records(<<Part:?RECORD_BYTES/binary, Rest/binary>>) -> [<<22, 3, 1, ?RECORD_BYTES:16>>, Part | records(Rest)];
records(Rest) -> [<<22, 3, 1, (byte_size(Rest)):16>>, Rest].

%% One of OTP's ssl, in its record.
-spec real('tlsv1.2' | 'tlsv1.3') -> binary().
real(Version) ->
    {ok, Listen} = gen_tcp:listen(0, [binary, {active, false}, {ip, {127, 0, 0, 1}}]),
    {ok, Port} = inet:port(Listen),
    _ = spawn(ssl, connect, [{127, 0, 0, 1}, Port, [{versions, [Version]}, {verify, verify_none}], 5000]),
    {ok, Socket} = gen_tcp:accept(Listen, 5000),
    {ok, Hello} = gen_tcp:recv(Socket, 0, 5000),
    [ok = gen_tcp:close(S) || S <- [Socket, Listen]],
    Hello.
