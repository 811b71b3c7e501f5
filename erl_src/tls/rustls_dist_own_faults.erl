%% What is wrong, or soon will be, with the certificates that this node shows to others.
%%
%% @private
-module(rustls_dist_own_faults).

-export([warnings/3, faults/3, of_roles/1]).

-export_type([shown/0, host/0, fault/0]).

%% The chains that a role may show, each leaf first.
-type shown() :: #{server | client => [[rustls_dist_nif:certificate() | none]]}.

%% The name that other nodes dial, or none where nobody does.
-type host() :: string() | none.

%% What it is, to tell one from another, and the sentence about it. `expires' has not happened yet: within so many days.
-type fault() :: {expired | not_yet_valid | {expires, Serial :: binary(), Days :: pos_integer()} | no_host
                  | {no_usage, atom()}, unicode:chardata()}.

-define(DAY_S, 86400).

%% When a certificate's end is told beforehand.
-define(WARN_DAYS, [1, 7, 30]).

%% One sentence for each fault. NowS: Unix time; Host: also not_judged, when only time matters.
-spec warnings(shown(), integer(), host() | not_judged) -> [unicode:chardata()].
warnings(Shown, NowS, Host) ->
    [Text || {_Kind, Text} <- faults(Shown, NowS, Host)].

%% The same, each with what it is.
-spec faults(shown(), integer(), host() | not_judged) -> [fault()].
faults(Shown, NowS, Host) ->
    Chains = [{Role, Chain} || Role <- [server, client], Chain <- maps:get(Role, Shown, [])],
    Certificates = lists:usort([Certificate || {_Role, Chain} <- Chains, #{} = Certificate <- Chain]),
    [Fault || Certificate <- Certificates, Fault <- time_faults(Certificate, NowS)]
        ++ lists:usort([{Kind, unicode:characters_to_binary(Text)}
                        || {Role, [#{} = Leaf | _]} <- Chains, {Kind, Text} <- rule_faults(Role, Leaf, Host)]).

time_faults(#{not_after := Until} = Certificate, NowS) when Until < NowS ->
    [{expired, io_lib:format("~ts expired on ~ts: peers that verify certificates refuse this node; renew it",
                             [name(Certificate), date(Until)])}];
time_faults(#{not_before := From} = Certificate, NowS) when From > NowS ->
    [{not_yet_valid, io_lib:format("~ts is not valid before ~ts: peers that verify certificates refuse this node until then; is "
                                   "this host's clock right?", [name(Certificate), date(From)])}];
time_faults(#{not_after := Until, serial := Serial} = Certificate, NowS) ->
    case [Days || Days <- ?WARN_DAYS, Until - NowS < Days * ?DAY_S] of
        [Days | _] ->
            [{{expires, Serial, Days}, io_lib:format("~ts expires on ~ts, in ~w days; renew it",
                                                     [name(Certificate), date(Until), (Until - NowS) div ?DAY_S])}];
        [] ->
            []
    end.

rule_faults(_Role, _Leaf, not_judged) -> [];
rule_faults(server, _Leaf, none) -> [];
rule_faults(Role, Leaf, Host) -> [Fault || server <- [Role], Fault <- host_faults(Leaf, Host)] ++ usage_faults(Role, Leaf).

host_faults(Leaf, Host) ->
    case names(Leaf, Host) of
        true ->
            [];
        false ->
            [{no_host,
              io_lib:format("~ts does not name this node's host ~ts (it names ~ts): nodes that verify this one refuse it; "
                            "issue it with ~ts in its subjectAltName",
                            [name(Leaf), Host, named(Leaf), wanted(Host)])}]
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

usage_faults(Role, #{usages := Usages} = Leaf) ->
    [{{no_usage, Usage}, io_lib:format("~ts lacks ~ts, which a ~ts needs: nodes that verify this one refuse it; issue it with ~ts",
                                       [name(Leaf), what(Usage), Role, How])}
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

%% What is wrong with the certificates of a configuration, as peers would see it.
-spec of_roles(rustls_dist_roles:roles()) -> [fault()].
of_roles(Configured) ->
    Roles = [{Role, Config} || {Role, {ok, Config}} <- maps:to_list(Configured)],
    Shown = maps:from_list([{Role, Chains} || {Role, #{own := Chains}} <- Roles]),
    Host = case lists:any(fun is_judged_by_rule/1, Roles) of
               true -> dialled_host();
               false -> not_judged
           end,
    faults(Shown, erlang:system_time(second), Host).

%% Peers are taken to verify as this node does: where nobody verifies, or certificates are known by their fingerprints, it
%% does not matter what they name.
is_judged_by_rule({_Role, #{verify := verify_none}}) -> false;
is_judged_by_rule({_Role, #{policy := #{verify_fun := {Fun, _, _}}}}) -> rustls_dist_ready_made:which(Fun) =/= verify_pinned;
is_judged_by_rule({_Role, _Config}) -> true.

%% The host part of the node's name; a node that does not listen is dialled by nobody.
dialled_host() ->
    %% net_kernel answers when it has started all that it starts.
    case net_kernel:get_state() of
        #{started := static} ->
            {ok, Host} = rustls_dist_hostname:of_node(node()),
            case is_listening() of
                true -> Host;
                false -> none
            end;
        _ ->
            none
    end.

%% net_kernel does not tell whether it was started with `dist_listen false', but is linked to whoever accepts.
is_listening() ->
    {links, Links} = process_info(whereis(net_kernel), links),
    lists:any(fun(Pid) -> process_info(Pid, initial_call) =:= {initial_call, {rustls_dist_acceptor, init, 3}} end,
              [Pid || Pid <- Links, is_pid(Pid), node(Pid) =:= node()]).
