%% Revocation lists for the suites, made with the openssl command when a test runs.
-module(rustls_dist_crls).

-export([list/4, hash_name/1, der/1, without_next_update/2]).

-include_lib("public_key/include/public_key.hrl").

%% Writes a list of Ca, in PEM, to Name.crl in Dir and gives its path. Options: revoked => [certificate files];
%% days => {From, Until}, counted from now (default {-1, 30}); seconds => its validity from now on instead.
-spec list(file:filename(), rustls_dist_certs:ca(), string(), map()) -> file:filename().
list(Dir, #{cert := Cert, key := Key}, Name, Options) ->
    Base = filename:join(Dir, Name),
    {From, Until} = case Options of
                        #{seconds := Seconds} -> {time(-1, 0), time(0, Seconds)};
                        #{days := {FromDay, UntilDay}} -> {time(FromDay, 0), time(UntilDay, 0)};
                        #{} -> {time(-1, 0), time(30, 0)}
                    end,
    ok = file:write_file(Base ++ ".index", [entry(File) || File <- maps:get(revoked, Options, [])]),
    ok = file:write_file(Base ++ ".number", "01\n"),
    ok = file:write_file(Base ++ ".cnf", ["[ca]\ndefault_ca = this\n[this]\ndefault_md = sha256\ndatabase = ", Base,
                                          ".index\ncrlnumber = ", Base, ".number\n"]),
    rustls_dist_certs:openssl("ca -gencrl -config ~ts.cnf -cert ~ts -keyfile ~ts -crl_lastupdate ~ts "
                              "-crl_nextupdate ~ts -out ~ts.new", [Base, Cert, Key, From, Until, Base]),
    ok = file:rename(Base ++ ".new", Base ++ ".crl"),
    Base ++ ".crl".

%% The name under which openssl, and ssl_crl_hash_dir, look for a list; without what tells several apart.
-spec hash_name(file:filename()) -> string().
hash_name(File) ->
    string:trim(os:cmd("openssl crl -hash -noout -in " ++ File)).

-spec der(file:filename()) -> binary().
der(File) ->
    {ok, Pem} = file:read_file(File),
    [{'CertificateList', Der, not_encrypted}] = public_key:pem_decode(Pem),
    Der.

%% The list in File, signed again with an elliptic-curve key, and without its nextUpdate.
-spec without_next_update(file:filename(), file:filename()) -> binary().
without_next_update(File, KeyFile) ->
    {ok, Pem} = file:read_file(KeyFile),
    [Entry | _] = [E || {Kind, _, _} = E <- public_key:pem_decode(Pem), Kind =/= 'EcpkParameters'],
    Key = public_key:pem_entry_decode(Entry),
    #'CertificateList'{tbsCertList = Tbs} = List = public_key:der_decode('CertificateList', der(File)),
    New = Tbs#'TBSCertList'{nextUpdate = asn1_NOVALUE},
    Signature = public_key:sign(public_key:der_encode('TBSCertList', New), sha256, Key),
    public_key:der_encode('CertificateList', List#'CertificateList'{tbsCertList = New, signature = Signature}).

%% A line of openssl's certificate database: status, end of validity, time of revocation, serial number, file, subject.
entry(CertFile) ->
    "serial=" ++ Serial = string:trim(os:cmd("openssl x509 -noout -serial -in " ++ CertFile)),
    ["R\t", time(30, 0), "\t", time(-1, 0), "\t", Serial, "\tunknown\t/CN=revoked\n"].

time(Days, Seconds) ->
    Then = erlang:system_time(second) + Days * 86400 + Seconds,
    {{Year, Month, Day}, {Hour, Minute, Second}} = calendar:system_time_to_universal_time(Then, second),
    io_lib:format("~2..0w~2..0w~2..0w~2..0w~2..0w~2..0wZ", [Year rem 100, Month, Day, Hour, Minute, Second]).
