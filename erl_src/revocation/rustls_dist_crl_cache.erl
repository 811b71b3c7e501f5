%% Revocation lists from the distribution points of certificates, over HTTP: what ssl_crl_cache is for ssl, whose
%% processes do not run when distribution starts. The handle is ssl_crl_cache's list of arguments: {http, TimeoutMs},
%% without which nothing is fetched, and {allowed_hosts, Hosts} (rustls_dist_crl_host).
%%
%% Other than ssl_crl_cache, lists are held until their nextUpdate and fetched once for many handshakes: see
%% rustls_dist_crl_store.
%%
%% @private
-module(rustls_dist_crl_cache).

-behaviour(ssl_crl_cache_api).

-export([lookup/3, select/2, fresh_crl/2, doubt/2]).

-include_lib("public_key/include/public_key.hrl").

%% More time than this no handshake has.
-define(MAX_TIMEOUT_MS, 60000).

%% A fetch ends by itself in its time; this is for its answer to arrive.
-define(GRACE_MS, 500).

-type arguments() :: [{http, timeout()} | {allowed_hosts, rustls_dist_crl_host:allowed()}].

%% The lists of the first address of a distribution point that has any. Only http counts; https, ldap and relative names
%% do not, as with ssl_crl_cache.
-spec lookup(#'DistributionPoint'{}, public_key:issuer_name(), arguments()) ->
          not_available | [public_key:der_encoded()].
lookup(Point, _Issuer, Arguments) ->
    case proplists:get_value(http, Arguments) of
        undefined -> not_available;
        TimeoutMs -> first_available(uris(Point), allowed(Arguments), min(TimeoutMs, ?MAX_TIMEOUT_MS))
    end.

%% The held lists of an issuer.
-spec select(public_key:issuer_name() | [{directoryName, public_key:issuer_name()} | term()], arguments()) ->
          [public_key:der_encoded()].
select(Names, _Arguments) ->
    lists:flatmap(fun rustls_dist_crl_store:by_issuer/1, rustls_dist_crl_lists:issuers(Names)).

%% Nothing is fresher than what lookup/3 gave a moment ago. (What ssl passes, and takes, has the decoded form with it,
%% whatever the behaviour says.)
-spec fresh_crl(#'DistributionPoint'{}, Crl) -> Crl when Crl :: public_key:der_encoded().
fresh_crl(_Point, Crl) ->
    Crl.

%% What these distribution points led to did not tell whether a certificate is revoked.
-spec doubt([#'DistributionPoint'{}], arguments()) -> ok.
doubt(Points, Arguments) ->
    rustls_dist_crl_store:doubt([key(Uri, allowed(Arguments)) || Uri <- lists:flatmap(fun uris/1, Points)]).

first_available([], _Allowed, _TimeoutMs) ->
    not_available;
first_available([Uri | Uris], Allowed, TimeoutMs) ->
    Load = fun(Slot) -> rustls_dist_crl_http:load(Uri, Allowed, TimeoutMs, Slot) end,
    case rustls_dist_crl_store:lists(key(Uri, Allowed), none, Load, TimeoutMs + ?GRACE_MS) of
        {ok, Lists} -> [Der || {_Issuer, Der} <- Lists];
        {error, _} -> first_available(Uris, Allowed, TimeoutMs)
    end.

%% A server that one role may not ask is no answer for the other.
key(Uri, Allowed) ->
    {{http, Allowed}, Uri}.

allowed(Arguments) ->
    proplists:get_value(allowed_hosts, Arguments, []).

%% What the certificate says is not believed to be an address before it is parsed as one.
uris(#'DistributionPoint'{distributionPoint = {fullName, Names}}) ->
    [Uri || {uniformResourceIdentifier, Uri} <- Names, is_http(Uri)];
uris(_Relative) ->
    [].

is_http(Uri) ->
    case uri_string:parse(Uri) of
        #{scheme := Scheme, host := [_ | _]} -> string:lowercase(Scheme) =:= "http";
        _ -> false
    end.
