%% What is wrong, or soon will be, with the certificates that this node shows to others.
%%
%% @private
-module(rustls_dist_own_faults).

-export([warnings/3]).

-export_type([shown/0, host/0]).

%% The chains that a role may show, each leaf first.
-type shown() :: #{server | client => [[rustls_dist_nif:certificate() | none]]}.

%% The name that other nodes dial, or none where nobody does.
-type host() :: string() | none.

-define(DAY_S, 86400).
-define(WARN_DAYS, 30).

%% One sentence for each fault. NowS: Unix time; Host: also not_judged, when only time matters.
-spec warnings(shown(), integer(), host() | not_judged) -> [unicode:chardata()].
warnings(Shown, NowS, Host) ->
    Chains = [{Role, Chain} || Role <- [server, client], Chain <- maps:get(Role, Shown, [])],
    Certificates = lists:usort([Certificate || {_Role, Chain} <- Chains, #{} = Certificate <- Chain]),
    [Text || Certificate <- Certificates, Text <- time_warnings(Certificate, NowS)]
        ++ lists:usort([unicode:characters_to_binary(Text)
                        || {Role, [#{} = Leaf | _]} <- Chains, Text <- rule_warnings(Role, Leaf, Host)]).

time_warnings(#{not_after := Until} = Certificate, NowS) when Until < NowS ->
    [io_lib:format("~ts expired on ~ts: peers that verify certificates refuse this node; renew it",
                   [name(Certificate), date(Until)])];
time_warnings(#{not_before := From} = Certificate, NowS) when From > NowS ->
    [io_lib:format("~ts is not valid before ~ts: peers that verify certificates refuse this node until then; is this "
                   "host's clock right?", [name(Certificate), date(From)])];
time_warnings(#{not_after := Until} = Certificate, NowS) when Until - NowS < ?WARN_DAYS * ?DAY_S ->
    [io_lib:format("~ts expires on ~ts, in ~w days; renew it", [name(Certificate), date(Until), (Until - NowS) div ?DAY_S])];
time_warnings(_Certificate, _NowS) ->
    [].

rule_warnings(_Role, _Leaf, not_judged) -> [];
rule_warnings(server, _Leaf, none) -> [];
rule_warnings(Role, Leaf, Host) -> [Text || server <- [Role], Text <- host_warnings(Leaf, Host)] ++ usage_warnings(Role, Leaf).

host_warnings(Leaf, Host) ->
    case names(Leaf, Host) of
        true ->
            [];
        false ->
            [io_lib:format("~ts does not name this node's host ~ts (it names ~ts): nodes that verify this one refuse it; "
                           "issue it with ~ts in its subjectAltName",
                           [name(Leaf), Host, named(Leaf), wanted(Host)])]
    end.

names(#{dns_names := Dns, ip_addresses := Addresses, common_names := Common}, Host) ->
    case rustls_dist_hostname:reference(Host, written_out) of
        {ip, Ip} ->
            lists:any(fun(Address) -> inet:parse_strict_address(binary_to_list(Address)) =:= {ok, Ip} end, Addresses);
        {dns_id, Host} ->
            Names = case rustls_dist_release:takes_common_name() of
                        true -> Dns ++ Common;
                        false -> Dns
                    end,
            lists:any(fun(Name) -> rustls_dist_hostname:same_dns_name(binary_to_list(Name), Host) end, Names)
    end.

named(#{dns_names := [], ip_addresses := []}) -> "no host at all";
named(#{dns_names := Dns, ip_addresses := Addresses}) -> rustls_dist_peer_text:cut(lists:join(", ", Dns ++ Addresses)).

wanted(Host) ->
    case rustls_dist_hostname:reference(Host, written_out) of
        {ip, _} -> ["IP:", Host];
        {dns_id, _} -> ["DNS:", Host]
    end.

usage_warnings(Role, #{usages := Usages} = Leaf) ->
    [io_lib:format("~ts lacks ~ts, which a ~ts needs: nodes that verify this one refuse it; issue it with ~ts",
                   [name(Leaf), what(Usage), Role, How])
     || {Usage, How} <- needed(Role), not lists:member(Usage, Usages)].

needed(server) -> [{server_auth, "extendedKeyUsage=serverAuth,clientAuth"} | needed_by_both()];
needed(client) -> [{client_auth, "extendedKeyUsage=serverAuth,clientAuth"} | needed_by_both()].

needed_by_both() -> [{digital_signature, "keyUsage=digitalSignature"}].

what(server_auth) -> "the extended key usage serverAuth";
what(client_auth) -> "the extended key usage clientAuth";
what(digital_signature) -> "the key usage digitalSignature".

name(#{subject := Subject, serial := Serial}) ->
    ["this node's certificate of ", rustls_dist_peer_text:cut(Subject), " with the serial number ", Serial].

date(UnixS) ->
    {{Year, Month, Day}, {Hour, Minute, Second}} = calendar:system_time_to_universal_time(UnixS, second),
    io_lib:format("~4..0w-~2..0w-~2..0w ~2..0w:~2..0w:~2..0w UTC", [Year, Month, Day, Hour, Minute, Second]).
