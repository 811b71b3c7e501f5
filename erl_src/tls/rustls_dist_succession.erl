%% Whether a new configuration may take the place of the one in use: it has to be of use at all, and free of faults that the one in
%% use has not. A node that runs with a certificate which names no host, say, may get another one of the kind.
%%
%% @private
-module(rustls_dist_succession).

-export([judge/1]).

%% The error is about the first fault.
-spec judge(rustls_dist_roles:roles()) -> ok | {error, unicode:chardata()}.
judge(New) ->
    Old = maps:map(fun(Role, _Result) -> rustls_dist_generation:role(Role) end, New),
    Unusable = [Text || {Role, Result} <- maps:to_list(New), Text <- unusable(Role, Result, maps:get(Role, Old))],
    case Unusable of
        [Text | _] ->
            {error, Text};
        [] ->
            Known = [Kind || {Kind, _Text} <- faults(Old)],
            case [Text || {Kind, Text} <- faults(New), not lists:member(Kind, Known)] of
                [Text | _] -> {error, Text};
                [] -> ok
            end
    end.

unusable(_Role, {error, Text}, _Old) -> [Text];
unusable(server, no_certificate, {ok, _Config}) -> ["there is no certificate for the server side any more"];
unusable(_Role, _New, _Old) -> [].

faults(Roles) ->
    [Fault || {Kind, _Text} = Fault <- rustls_dist_own_faults:of_roles(Roles), not is_of_the_future(Kind)] ++ chain_faults(Roles).

is_of_the_future({expires, _Serial, _Days}) -> true;
is_of_the_future(_Kind) -> false.

%% Peers are taken to have the authorities of this node: its clients judge servers as it does, and its servers clients.
chain_faults(Roles) ->
    [{{chain, Shower}, [as_text(Shower), ", as this node itself would judge it: ", Text]}
     || {Shower, Judge} <- [{server, client}, {client, server}],
        #{Shower := {ok, #{config := Shown}}, Judge := {ok, #{config := Judging, verify := verify_peer}}} <- [Roles],
        {error, #{text := Text}} <- rustls_dist_nif:config_judge_own(Judging, any, Shown)].

as_text(server) -> "the server side's certificate";
as_text(client) -> "the client side's certificate".
