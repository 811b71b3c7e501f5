%% In what the crypto providers differ, as far as suites see it: one table, which rustls_dist_provider_SUITE holds against what
%% the library does. (Of the library alone it is test/provider.rs.)
-module(rustls_dist_providers).

-export([takes/1, table/0]).

-export_type([row/0]).

%% What it is called, how `openssl genpkey' makes such a private key, and which providers take it.
-type row() :: {atom(), string(), [ring | aws_lc_rs]}.

-spec table() -> [row()].
table() ->
    [{p256, "EC -pkeyopt ec_paramgen_curve:P-256", [ring, aws_lc_rs]},
     {p521, "EC -pkeyopt ec_paramgen_curve:P-521", [aws_lc_rs]},
     {ed448, "ED448", []},
     {rsa2048, "RSA -pkeyopt rsa_keygen_bits:2048", [ring, aws_lc_rs]},
     {rsa2056, "RSA -pkeyopt rsa_keygen_bits:2056", [aws_lc_rs]},
     {rsa2560, "RSA -pkeyopt rsa_keygen_bits:2560", [aws_lc_rs]},
     {rsa1024, "RSA -pkeyopt rsa_keygen_bits:1024", []},
     {rsa_pss, "RSA-PSS -pkeyopt rsa_keygen_bits:2048", []},
     {exponent3, "RSA -pkeyopt rsa_keygen_bits:2048 -pkeyopt rsa_keygen_pubexp:3", [aws_lc_rs]}].

%% Whether the provider that the library was built with takes such a key.
-spec takes(atom()) -> boolean().
takes(Name) ->
    ok = rustls_dist_nif:load(),
    {Name, _Make, Providers} = lists:keyfind(Name, 1, table()),
    lists:member(rustls_dist_nif:provider(), Providers).
