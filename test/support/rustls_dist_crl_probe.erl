%% A user's source of revocation lists, for crl_cache {rustls_dist_crl_probe, {Files, Record}}: it gives the lists of
%% Files, and appends each call to the file Record. fresh_crl/2, which gets no handle, finds both in the environment.
-module(rustls_dist_crl_probe).

-behaviour(ssl_crl_cache_api).

-export([lookup/3, select/2, fresh_crl/2]).
-export([env/2, calls/1]).

lookup(Point, Issuer, {Files, Record} = Handle) ->
    record(Record, {lookup, [Point, Issuer, Handle]}),
    [rustls_dist_crls:der(File) || File <- Files].

select(Issuer, {Files, Record} = Handle) ->
    record(Record, {select, [Issuer, Handle]}),
    [rustls_dist_crls:der(File) || File <- Files].

fresh_crl(Point, Crl) ->
    record(os:getenv("CRL_PROBE_RECORD"), {fresh_crl, [Point, Crl]}),
    Der = rustls_dist_crls:der(os:getenv("CRL_PROBE_FRESH")),
    {Der, public_key:der_decode('CertificateList', Der)}.

%% What a node's environment needs.
-spec env(file:filename(), file:filename()) -> [{string(), string()}].
env(Record, Fresh) ->
    [{"CRL_PROBE_RECORD", Record}, {"CRL_PROBE_FRESH", Fresh}].

%% The calls so far, in order.
-spec calls(file:filename()) -> [{atom(), [term()]}].
calls(Record) ->
    case file:read_file(Record) of
        {ok, Lines} -> [binary_to_term(base64:decode(Line)) || Line <- binary:split(Lines, <<"\n">>, [global, trim])];
        {error, enoent} -> []
    end.

record(Record, Call) ->
    ok = file:write_file(Record, [base64:encode(term_to_binary(Call)), "\n"], [append]).
