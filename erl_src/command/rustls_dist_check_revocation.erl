%% Revocation lists: whether they can be had, and how long they are good for.
%%
%% @private
-module(rustls_dist_check_revocation).

-export([findings/1]).

-include_lib("public_key/include/public_key.hrl").

-define(DAY_S, 86400).
-define(MAX_BYTES, (64 bsl 20)).
-define(MAX_TIMEOUT_MS, 60000).

-spec findings(rustls_dist_check_subject:subject()) -> [rustls_dist_command_finding:finding()].
findings(#{now_s := NowS} = Subject) ->
    lists:append([of_side(Side, NowS)
                  || {_Role, #{options := #{crl_check := Check}} = Side} <- rustls_dist_check_subject:sides(Subject),
                     Check =/= false]).

of_side(#{options := Options} = Side, NowS) ->
    [Finding || #{crlfile := File} <- [Options], {ok, Bytes} <- [rustls_dist_raw_file:read(File, ?MAX_BYTES)],
                Finding <- freshness(Bytes, rustls_dist_file_name:shown(File), severity(Options), NowS)]
        ++ from_cache(Side, maps:get(crl_cache, Options, {ssl_crl_cache, {internal, []}}), NowS).

%% With best_effort nobody is refused for what cannot be told.
severity(#{crl_check := best_effort}) -> warning;
severity(#{}) -> error.

from_cache(#{options := Options} = Side, {ssl_crl_cache, {internal, Arguments}}, NowS) ->
    [Finding || {http, TimeoutMs} <- Arguments, Uri <- addresses(Side),
                Finding <- fetched(Uri, proplists:get_value(allowed_hosts, Arguments, []), min(TimeoutMs, ?MAX_TIMEOUT_MS),
                                   severity(Options), NowS)];
from_cache(#{options := Options}, {ssl_crl_hash_dir, {internal, Arguments}}, _NowS) ->
    [#{severity => severity(Options), is => revocation_folder_unusable, where => Folder,
       what => ["the folder of revocation lists ", Folder, " cannot be read"],
       remedy => "name a folder, and fill it as `openssl rehash' does"}
     || {dir, Folder} <- Arguments, not filelib:is_dir(Folder)];
from_cache(_Side, _OwnModule, _NowS) ->
    [].

%% The certificates that the node shows have the addresses that its peers ask, and those of its peers are most likely the
%% same.
addresses(#{shown := Chains}) ->
    lists:uniq([unicode:characters_to_list(Uri)
                || Chain <- Chains, {_, Otp} <- Chain,
                   #'DistributionPoint'{distributionPoint = {fullName, Names}} <- public_key:pkix_dist_points(Otp),
                   {uniformResourceIdentifier, Uri} <- Names, string:prefix(string:lowercase(Uri), "http:") =/= nomatch]).

fetched(Uri, Allowed, TimeoutMs, Severity, NowS) ->
    Load = fun(Slot) -> rustls_dist_crl_http:load(Uri, Allowed, TimeoutMs, Slot) end,
    case rustls_dist_crl_store:lists({{http, Allowed}, Uri}, none, Load, TimeoutMs + 500) of
        {ok, Lists} ->
            [Finding || {_Issuer, Der} <- Lists, Finding <- freshness(Der, Uri, Severity, NowS)];
        {error, Text} ->
            [#{severity => Severity, is => revocation_list_unreachable, where => Uri,
               what => ["the revocation list at ", Uri, " cannot be had (", Text, ")"],
               remedy => "see that each node can reach this address, and may (allowed_hosts)"}]
    end.

%% What cannot be read at all is told at boot.
freshness(Bytes, Where, Severity, NowS) ->
    case rustls_dist_crl_lists:parse(Bytes) of
        {ok, _Lists, Until} when Until < NowS ->
            [#{severity => Severity, is => revocation_list_outdated, where => Where,
               what => ["a revocation list in ", Where, " was to be replaced by ", date(Until),
                        ": what only it tells about counts as unknown"],
               remedy => "issue a new list (openssl ca -gencrl), in time for its nextUpdate"}];
        {ok, _Lists, Until} when Until - NowS < ?DAY_S ->
            [#{severity => warning, is => revocation_list_outdated_soon, where => Where,
               what => ["a revocation list in ", Where, " is to be replaced by ", date(Until), ", within a day"],
               remedy => "issue a new list (openssl ca -gencrl) before that"}];
        _ ->
            []
    end.

date(UnixS) ->
    calendar:system_time_to_rfc3339(UnixS, [{unit, second}, {offset, "Z"}]).
