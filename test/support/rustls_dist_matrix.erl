%% What a node refuses, as a table: a peer with each kind of bad certificate, as the server that a client judges and as
%% the client that a server judges. rustls_dist_fail_closed_SUITE plays every row on real connections; markdown/0 prints
%% the same rows for doc/verification.md, so that the page cannot say what the tests do not.
%%
%% Alerts are those of RFC 8446 section 6.2 and RFC 5246 section 7.2.2; certificate_required is sent on TLS 1.2, too.
-module(rustls_dist_matrix).

-export([rows/0, options/2, markdown/0, print/0, section/1]).

-export_type([row/0, expectation/0, side/0]).

%% The side that judges: a `client' its server, a `server' its client.
-type side() :: client | server.

%% Who can present such a certificate. `ssl': OTP's ssl in the node of the test, which checks little of what it is
%% given; `openssl': its s_client and s_server; `anonymous': the same without a certificate; `rustls', `inet_tls': whole
%% nodes.
-type peer() :: ssl | openssl | anonymous | rustls | inet_tls.

%% alert: what the peer receives; `{sent_by_peer, Alert}' where the peer itself has to give up; `{status, Status}' where TLS was
%% fine and the distribution handshake refuses. log: what the judge's log says, a regular expression that is
%% also readable.
-type expectation() :: #{alert := atom() | {sent_by_peer, atom()} | {status, string()}, log := string(),
                         peers := [peer(), ...]}.

%% name: of the row and of what rustls_dist_bad_peers makes; presents: for people; options: what the judge has besides
%% certfile, keyfile, cacertfile, verify_peer and fail_if_no_peer_cert, for people; needs: which of options/2.
-type row() :: #{name := atom(), presents := string(), options := string(), needs := needs(),
                 client := expectation(), server := expectation()}.

-type needs() :: nothing | depth | crls | no_crls | names.

-define(NODES, [ssl, rustls, inet_tls]).

-spec rows() -> [row()].
rows() ->
    validity() ++ trust() ++ purpose() ++ revocation() ++ strength() ++ shape().

validity() ->
    [same(expired, "a certificate that expired yesterday", ?NODES, certificate_expired, "expired on"),
     same(not_yet_valid, "a certificate that is valid from tomorrow on", ?NODES, certificate_expired,
          "not valid before")].

trust() ->
    [same(wrong_ca, "a certificate of another authority", [openssl, rustls, inet_tls], unknown_ca, "authority that is not in cacertfile"),
     same(self_signed, "a self-signed certificate", [openssl, rustls, inet_tls], unknown_ca, "authority that is not in cacertfile"),
     same(forged, "a certificate whose signature is not the authority's", [openssl], decrypt_error,
          "not signed by the authority it names"),
     row(none, "no certificate", "", nothing,
         expect({sent_by_peer, handshake_failure}, "the peer sent the alert handshake_failure", [anonymous]),
         expect(certificate_required, "the peer sent no certificate", ?NODES))].

purpose() ->
    [row(wrong_name, "a certificate that names another host", "server: verify_node host", names,
         expect(bad_certificate, "does not name the host", ?NODES),
         expect({status, "not_allowed"}, "the peer says it is .* does not say so", [rustls, inet_tls])),
     same(wrong_usage, "a certificate for the other role only (extended key usage)", [ssl], unsupported_certificate,
          "not meant for this use")].

revocation() ->
    [row(revoked, "a certificate that the list in crlfile revokes", "crl_check true, crlfile", crls,
         expect(certificate_revoked, "is revoked", ?NODES), expect(certificate_revoked, "is revoked", ?NODES)),
     row(crl_missing, "a good certificate whose authority has no list in crlfile", "crl_check true, crlfile", no_crls,
         expect(bad_certificate, "cannot be told", ?NODES), expect(bad_certificate, "cannot be told", ?NODES))].

strength() ->
    [same(weak_key, "a certificate for an RSA key of 1024 bits", [openssl], unsupported_certificate,
          "RSA key has 1024 bits only"),
     same(sha1, "a certificate signed with SHA-1", [openssl], bad_certificate,
          "signed with an algorithm that is not accepted")].

shape() ->
    [same(oversized, "a chain of more than 64 KiB", [ssl], decode_error, "65535 bytes is the most"),
     row(deep, "a chain of two intermediates", "depth 1", depth,
         expect(unknown_ca, "2 intermediate certificates, and depth allows 1", ?NODES),
         expect(unknown_ca, "2 intermediate certificates, and depth allows 1", ?NODES)),
     same(garbage, "a certificate followed by bytes that belong to nothing", [ssl], bad_certificate,
          "not correctly encoded"),
     same(garbage_chain, "a certificate whose intermediate is no DER", [ssl], bad_certificate,
          "not correctly encoded")].

%% A row that reads alike in both directions.
same(Name, Presents, Peers, Alert, Log) ->
    row(Name, Presents, "", nothing, expect(Alert, Log, Peers), expect(Alert, Log, Peers)).

row(Name, Presents, Options, Needs, Client, Server) ->
    #{name => Name, presents => Presents, options => Options, needs => Needs, client => Client, server => Server}.

expect(Alert, Log, Peers) ->
    #{alert => Alert, log => Log, peers => Peers}.

%% What the judge's options have besides the usual ones. Files: where the lists are.
-spec options(needs(), #{crls := file:filename(), no_crls := file:filename()}) -> map().
options(nothing, _Files) -> #{};
options(depth, _Files) -> #{depth => 1};
options(crls, #{crls := File}) -> #{crl_check => true, crlfile => File};
options(no_crls, #{no_crls := File}) -> #{crl_check => true, crlfile => File};
options(names, _Files) -> #{verify_node => host}.

%% The table for doc/verification.md.
-spec markdown() -> unicode:chardata().
markdown() ->
    ["| the peer presents | further options | a client's judgement | a server's judgement | the judge's log says |\n",
     "|---|---|---|---|---|\n", [line(Row) || Row <- rows()]].

line(#{presents := Presents, options := Options, client := Client, server := Server}) ->
    io_lib:format("| ~ts | ~ts | ~ts | ~ts | ~ts |\n",
                  [Presents, Options, alert(Client), alert(Server),
                   lists:join("; ", lists:uniq([log(Client), log(Server)]))]).

alert(#{alert := {sent_by_peer, Alert}}) -> ["the peer gives up: `", atom_to_list(Alert), "`"];
alert(#{alert := {status, Status}}) -> ["distribution handshake: `", Status, "`"];
alert(#{alert := Alert}) -> ["`", atom_to_list(Alert), "`"].

%% Regular expressions, for people.
log(#{log := Regexp}) -> ["\"", re:replace(Regexp, "\\.\\*", "...", [global]), "\""].

%% Prints the table: `erl -noshell -pa FOLDER -s rustls_dist_matrix print -s init stop'.
-spec print() -> ok.
print() ->
    io:put_chars(markdown()).

%% The table in a Markdown text: what stands between the two marks.
-spec section(binary()) -> binary().
section(Text) ->
    [_, Rest] = binary:split(Text, <<"<!-- matrix -->\n">>),
    [Table, _] = binary:split(Rest, <<"<!-- end of matrix -->">>),
    Table.
