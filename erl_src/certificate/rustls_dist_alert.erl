%% The numbers of the TLS alerts that this side decides on in Erlang (RFC 5246 section 7.2, RFC 8446 section 6.2). Those of
%% faults that Rust finds come from there, with their numbers.
%%
%% @private
-module(rustls_dist_alert).

-export([code/1]).

-export_type([name/0]).

-type name() :: handshake_failure | bad_certificate | unsupported_certificate | certificate_revoked | certificate_expired
              | certificate_unknown | unknown_ca.

%% The number of an alert.
-spec code(name()) -> byte().
code(handshake_failure) -> 40;
code(bad_certificate) -> 42;
code(unsupported_certificate) -> 43;
code(certificate_revoked) -> 44;
code(certificate_expired) -> 45;
code(certificate_unknown) -> 46;
code(unknown_ca) -> 48.
