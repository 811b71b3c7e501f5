%% Which servers may be asked for revocation lists, by their addresses. That nobody else is asked:
%% rustls_dist_crl_http_SUITE:http_hosts.
-module(rustls_dist_crl_host_SUITE).

-include_lib("stdlib/include/assert.hrl").

-export([all/0, inside/1, outside/1, listed/1]).

all() ->
    [inside, outside, listed].

inside(_Config) ->
    [?assertMatch({Host, {error, _}}, {Host, judge("http://" ++ Host ++ "/list", [])})
     || Host <- ["0.0.0.0", "10.1.2.3", "100.64.0.1", "100.127.255.255", "127.0.0.1", "127.9.9.9:8080", "169.254.169.254",
                 "172.16.0.1", "172.31.255.255", "192.0.0.1", "192.168.1.1", "198.18.0.1", "198.19.0.1", "224.0.0.1",
                 "255.255.255.255", "[::]", "[::1]", "[fe80::1]", "[fd00::1]", "[fc00::1]", "[ff02::1]", "[::ffff:127.0.0.1]",
                 "[64:ff9b::a00:1]", "[2002:a00:1::1]", "[2002:7f00:1::]", "localhost",
                 %% What resolvers take for an address, too.
                 "127.1", "2130706433", "0x7f.1",
                 "8.8.8.8:443", "8.8.8.8:22"]].

outside(_Config) ->
    [?assertEqual({Host, {ok, [Address]}}, {Host, judge("http://" ++ Host ++ "/list", [])})
     || {Host, Address} <- [{"8.8.8.8", {8, 8, 8, 8}}, {"8.8.8.8:8080", {8, 8, 8, 8}}, {"100.63.0.1", {100, 63, 0, 1}},
                            {"172.32.0.1:80", {172, 32, 0, 1}}, {"223.255.255.1", {223, 255, 255, 1}},
                            {"[2606:4700::1111]", {16#2606, 16#4700, 0, 0, 0, 0, 0, 16#1111}}]].

%% A list is all that counts, and it counts ports.
listed(_Config) ->
    Allowed = ["10.0.0.1", "CRL.example:8081", "[fd00::1]:88"],
    ?assertEqual({ok, [{10, 0, 0, 1}]}, judge("http://10.0.0.1/list", Allowed)),
    ?assertEqual({ok, [{16#fd00, 0, 0, 0, 0, 0, 0, 1}]}, judge("http://[fd00::1]:88/list", Allowed)),
    [?assertMatch({Uri, {error, _}}, {Uri, judge(Uri, Allowed)})
     || Uri <- ["http://10.0.0.1:81/list", "http://8.8.8.8/list", "http://[fd00::1]/list", "http://crl.example/list"]].

judge(Uri, Allowed) ->
    rustls_dist_crl_host:addresses(uri_string:parse(Uri), Allowed, rustls_dist_deadline:in(2000)).
