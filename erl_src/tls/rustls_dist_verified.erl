%% What a TLS handshake that went well has proven of the peer, and by what: for people, who see it in rustls_dist:info/1.
%%
%% @private
-module(rustls_dist_verified).

-export([by/3]).

-export_type([verified/0]).

%% by: the authorities that are trusted; a list of fingerprints; the user's verify_fun, by its name, which may have forgiven
%% what the authorities' rules refuse; or nothing.
%% what: that the certificate is a listed one, or its chain and the name of the host in it; that it is not revoked; that the
%% name of the node is in it.
-type verified() :: #{by := ca | pin | nothing | {function, Name :: binary()},
                      what := [certificate | chain | host_name | node_name | revocation]}.

%% Name: the host that was looked for in the certificate, or any. Shown: the peer's certificate.
-spec by(rustls_dist_roles:role_config(), any | binary(), Shown :: binary() | none) -> verified().
by(_RoleConfig, _Name, none) ->
    #{by => nothing, what => []};
by(#{verify := verify_none} = RoleConfig, _Name, _Shown) ->
    %% A name in a certificate that nobody vouches for proves nothing.
    #{by => nothing, what => node_name(RoleConfig)};
by(#{policy := Policy} = RoleConfig, Name, _Shown) ->
    By = judge(Policy),
    #{by => By, what => certificate(By, Name) ++ revocation(Policy) ++ node_name(RoleConfig)}.

judge(#{verify_fun := {Fun, _State, Label}}) ->
    case rustls_dist_ready_made:which(Fun) of
        verify_pinned -> pin;
        verify_client -> ca;
        none -> {function, unicode:characters_to_binary(Label)}
    end;
judge(_Policy) ->
    ca.

%% Whoever is known by the certificate itself may have any name.
certificate(pin, _Name) -> [certificate];
certificate(_By, any) -> [chain];
certificate(_By, _Host) -> [chain, host_name].

revocation(#{crl := #{}}) -> [revocation];
revocation(_Policy) -> [].

node_name(#{verify_node := false}) -> [];
node_name(#{verify_node := _}) -> [node_name].
