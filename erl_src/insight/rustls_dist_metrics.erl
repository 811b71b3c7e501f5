%% All figures of this node by their names, as of now. The names follow the rules of Prometheus: base units, and `_total' for what
%% only grows.
%%
%% @private
-module(rustls_dist_metrics).

-export([families/1, samples/1]).

-export_type([family/0, sample/0, value/0]).

-type type() :: counter | gauge | histogram.
-type labels() :: [{Name :: atom(), Value :: binary()}].
-type value() :: integer() | histogram().
%% Cumulative: how many took at most so many seconds.
-type histogram() :: #{buckets := [{float() | infinity, non_neg_integer()}], count := non_neg_integer(), sum := float()}.
-type family() :: {Name :: atom(), type(), Help :: binary(), [{labels(), value()}]}.
-type sample() :: #{name := atom(), type := type(), help := binary(), labels := #{atom() => binary()}, value := value()}.

%% Every family, with its figures. Links: rustls_dist:info/0.
-spec families(#{node() => rustls_dist_links:info()}) -> [family()].
families(Links) ->
    links(Links) ++ handshakes() ++ connections() ++ traffic() ++ certificates(Links) ++
        [cells(rustls_dist_reloads_total, <<"Changed certificates, keys, lists or options that were taken into use or refused.">>,
               rustls_dist_meter:read(reloads)),
         {rustls_dist_build_info, gauge, <<"Which library runs: always 1.">>, build(rustls_dist_build:facts())}].

build(#{version := Version, provider := Provider, otp := Release}) ->
    [{[{version, Version}, {provider, atom_to_binary(Provider)}, {otp, Release}], 1}];
build(none) ->
    [].

%% The same, a map for each figure.
-spec samples(#{node() => rustls_dist_links:info()}) -> [sample()].
samples(Links) ->
    [#{name => Name, type => Type, help => Help, labels => maps:from_list(Labels), value => Value}
     || {Name, Type, Help, Samples} <- families(Links), {Labels, Value} <- Samples].

links(Links) ->
    Kinds = [[{version, atom_to_binary(Version)}, {cipher, Cipher}]
             || #{version := Version, cipher := Cipher} <- maps:values(Links)],
    [{rustls_dist_links, gauge, <<"Links that are up.">>, [{Kind, occurrences(Kind, Kinds)} || Kind <- lists:usort(Kinds)]},
     cells(rustls_dist_links_withdrawn_total, <<"Incoming links that their peer gave up for another one to the same node.">>,
           rustls_dist_meter:read(withdrawn)),
     cells(rustls_dist_links_broken_total, <<"Links that were up and ended by a fault of TLS.">>,
           happened(rustls_dist_meter:read(links_broken)))].

occurrences(Element, List) ->
    length([Same || Same <- List, Same =:= Element]).

handshakes() ->
    [cells(rustls_dist_handshakes_ok_total, <<"Links that came up: the TLS and the distribution handshake went well.">>,
           rustls_dist_meter:read(links_opened)),
     cells(rustls_dist_handshakes_failed_total, <<"Links that did not come up, by the stage that they reached and the reason.">>,
           happened(rustls_dist_meter:read(failures))),
     {rustls_dist_handshake_seconds, histogram, <<"How long the TLS handshakes took that went well.">>,
      [{[{direction, atom_to_binary(Direction)}], histogram(rustls_dist_meter:histogram(Direction))} || Direction <- [in, out]]},
     {rustls_dist_handshakes_pending, gauge, <<"Accepted connections whose TLS handshake is not over.">>,
      [{[], lists:sum([Pending || {_Family, Pending} <- rustls_dist_meter:read(pending)])}]}].

histogram({Counts, SumUs}) ->
    Buckets = [{seconds(Bound), Count} || {Bound, Count} <- Counts],
    {infinity, All} = lists:last(Buckets),
    #{buckets => Buckets, count => All, sum => seconds(SumUs)}.

seconds(infinity) -> infinity;
seconds(Us) -> Us / 1000000.

connections() ->
    [cells(rustls_dist_connections_accepted_total, <<"Connections that the listener accepted.">>,
           rustls_dist_meter:read(accepted)),
     cells(rustls_dist_connections_dropped_total,
           <<"Connections that were dropped in the handshake: silent peers, and the oldest of too many.">>,
           rustls_dist_meter:read(dropped)),
     cells(rustls_dist_connections_unused_total,
           <<"Connections that their peer closed before the first byte, as health checks do.">>,
           rustls_dist_meter:read(unused))].

%% What is shown as a family for each unit is kept as one family.
traffic() ->
    Traffic = rustls_dist_links:traffic(),
    Units = [{bytes, rustls_dist_traffic_bytes_total, <<"Bytes of TLS records of all links, headers included.">>},
             {records, rustls_dist_traffic_records_total, <<"TLS records of all links.">>},
             {packets, rustls_dist_traffic_packets_total, <<"Distribution packets of all links, ticks included.">>},
             {key_updates, rustls_dist_key_updates_total, <<"Renewals of traffic keys.">>}],
    [cells(Name, Help, [{maps:remove(unit, Labels), Count} || {#{unit := Of} = Labels, Count} <- Traffic, Of =:= Unit])
     || {Unit, Name, Help} <- Units].

certificates(Links) ->
    Now = erlang:system_time(second),
    Own = lists:usort([{[{role, atom_to_binary(Role)}, {subject, shown(Subject)}, {serial, shown(Serial)}], NotAfter}
                       || Role <- [server, client], {ok, #{own := Chains}} <- [rustls_dist_config:fetch(Role)],
                          Chain <- Chains, #{subject := Subject, serial := Serial, not_after := NotAfter} <- Chain]),
    Peers = [{[{node, shown(Node)}], NotAfter}
             || {Node, #{peer_certificate := #{not_after := NotAfter}}} <- lists:sort(maps:to_list(Links))],
    [{rustls_dist_own_certificate_expiry_timestamp_seconds, gauge,
      <<"When certificates that this node shows expire, as Unix time.">>, Own},
     {rustls_dist_own_certificate_expires_in_seconds, gauge,
      <<"How long certificates that this node shows are valid from now on.">>,
      [{Labels, NotAfter - Now} || {Labels, NotAfter} <- Own]},
     {rustls_dist_peer_certificate_expiry_timestamp_seconds, gauge,
      <<"When the certificates expire that the peers of links showed, as Unix time.">>, Peers}].

%% A counter's family, from cells of the meter.
cells(Name, Help, Cells) ->
    {Name, counter, Help,
     lists:sort([{[{Label, atom_to_binary(Value)} || {Label, Value} <- lists:sort(maps:to_list(Labels))], Count}
                 || {Labels, Count} <- Cells])}.

%% There are thousands of reasons, and few happen.
happened(Cells) ->
    [Cell || {_Labels, Count} = Cell <- Cells, Count > 0].

shown(Text) ->
    unicode:characters_to_binary(rustls_dist_peer_text:cut(Text)).
