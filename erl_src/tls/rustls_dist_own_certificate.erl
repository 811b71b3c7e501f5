%% What is wrong with this node's own certificates, before its peers find out: at boot, and again every day.
%%
%% A peer's refusal would be the first sign otherwise, and then for all links at once.
-module(rustls_dist_own_certificate).

-behaviour(gen_server).

-export([start_link/0, start_link/1, warnings/3]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2, format_status/1]).

-export_type([shown/0, host/0]).

%% The chains that a role may show, each leaf first.
-type shown() :: #{server | client => [[rustls_dist_nif:certificate() | none]]}.

%% The name that other nodes dial, or none where nobody does.
-type host() :: string() | none.

-record(state, {period_ms :: pos_integer()}).

-define(DAY_S, 86400).
-define(PERIOD_MS, 1000 * ?DAY_S).
-define(WARN_DAYS, 30).

%% At boot, until logger writes where the user wants it and the node has its name.
-define(LOGGER_TRIES, 100).
-define(LOGGER_POLL_MS, 100).

-spec start_link() -> {ok, pid()} | {error, term()}.
start_link() ->
    start_link(?PERIOD_MS).

%% PeriodMs: between two looks at the certificates.
-spec start_link(pos_integer()) -> {ok, pid()} | {error, term()}.
start_link(PeriodMs) ->
    gen_server:start_link({local, ?MODULE}, ?MODULE, PeriodMs, []).

-spec init(pos_integer()) -> {ok, #state{}}.
init(PeriodMs) ->
    self() ! {look, ?LOGGER_TRIES},
    {ok, #state{period_ms = PeriodMs}}.

-spec handle_call(term(), gen_server:from(), #state{}) -> {noreply, #state{}}.
handle_call(_Call, _From, State) ->
    {noreply, State}.

-spec handle_cast(term(), #state{}) -> {noreply, #state{}}.
handle_cast(_Cast, State) ->
    {noreply, State}.

-spec handle_info(term(), #state{}) -> {noreply, #state{}}.
handle_info({look, Tries}, #state{period_ms = PeriodMs} = State) when is_integer(Tries) ->
    case Tries =:= 0 orelse is_up() of
        false ->
            _ = erlang:send_after(?LOGGER_POLL_MS, self(), {look, Tries - 1});
        true ->
            look(),
            _ = erlang:send_after(PeriodMs, self(), {look, 0})
    end,
    {noreply, State};
handle_info(_Other, State) ->
    {noreply, State}.

-spec format_status(#{atom() => term()}) -> #{atom() => term()}.
format_status(Status) ->
    rustls_dist_crash:format_status(Status).

%% A node that gets its name from a peer, or none, is not waited for long.
is_up() ->
    case logger:get_handler_config(default) of
        {ok, _} -> is_alive();
        {error, _} -> false
    end.

look() ->
    Roles = [{Role, Config} || Role <- [server, client], {ok, Config} <- [rustls_dist_config:fetch(Role)]],
    Shown = maps:from_list([{Role, Chains} || {Role, #{own := Chains}} <- Roles]),
    Host = case lists:any(fun is_judged_by_rule/1, Roles) of
               true -> dialled_host();
               false -> not_judged
           end,
    lists:foreach(fun rustls_dist_log:own_certificate/1, warnings(Shown, erlang:system_time(second), Host)).

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
            [_Name, Host] = string:split(atom_to_list(node()), "@"),
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
