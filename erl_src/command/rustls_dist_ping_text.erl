%% What `rustls-dist ping' prints.
%%
%% @private
-module(rustls_dist_ping_text).

-export([step/1, peer/1, json/3]).

%% What was learned of a peer.
-type peer() :: #{carrier := rustls | inet_tls | plain | cannot_tell, cookie => proven | not_proven | not_tried,
                  release => binary(), version => binary(), tls => atom(), der => binary() | none,
                  certificate => rustls_dist_ping_certificate:facts(), takes => rustls_dist_ping_suites:taken()}.

-define(WIDTH, 120).
-define(LABEL, 22).
-define(INDENT, 36).

%% One line of the way; a long one goes on below.
-spec step(rustls_dist_ping_walk:step()) -> rustls_dist_command_text:text().
step(#{stage := Stage, result := Result, ms := Ms, text := Text}) ->
    [{colour(Result), string:pad(word(Result), 8)}, string:pad(label(Stage), ?LABEL - 8),
     string:pad(io_lib:format("~.1f ms", [Ms]), ?INDENT - ?LABEL - 2, leading), "  ",
     string:trim(rustls_dist_command_text:wrap(Text, ?INDENT, ?WIDTH), leading)].

word(ok) -> "ok";
word(failed) -> "failed";
word(not_tried) -> "open".

colour(ok) -> green;
colour(failed) -> red;
colour(not_tried) -> yellow.

label(configuration) -> "options";
label(name_lookup) -> "name lookup";
label(epmd) -> "epmd";
label(tcp) -> "TCP";
label(tls) -> "TLS";
label(certificate) -> "certificate";
label(distribution_handshake) -> "distribution";
label('tlsv1.3') -> "TLS 1.3";
label('tlsv1.2') -> "TLS 1.2".

%% What the peer is, and what it shows and takes.
-spec peer(peer()) -> rustls_dist_command_text:text().
peer(Peer) ->
    ["\n", line("peer", carrier(Peer)),
     case Peer of
         #{certificate := Facts} -> [line(Name, Value) || {Name, Value} <- rustls_dist_ping_certificate:lines(Facts)];
         #{} -> []
     end,
     case Peer of
         #{takes := Taken} -> [line(label(Version), suites(Suites)) || {Version, Suites} <- Taken];
         #{} -> []
     end].

line(Name, Value) ->
    [string:pad(Name, ?LABEL), string:trim(rustls_dist_command_text:wrap(Value, ?LABEL, ?WIDTH), leading)].

carrier(#{carrier := rustls, release := Release, version := <<>>}) ->
    ["rustls, on OTP ", rustls_dist_peer_text:cut(Release)];
carrier(#{carrier := rustls, release := Release, version := Version}) ->
    ["rustls (rustls_dist ", rustls_dist_peer_text:cut(Version), "), on OTP ", rustls_dist_peer_text:cut(Release)];
carrier(#{carrier := rustls}) -> "rustls";
carrier(#{carrier := inet_tls}) -> "inet_tls";
carrier(#{carrier := plain}) -> "plain: distribution without TLS";
carrier(#{carrier := cannot_tell, cookie := _}) -> "a rustls_dist that is too old to be asked, or inet_tls: that cannot be told";
carrier(#{carrier := cannot_tell}) -> "rustls or inet_tls: that cannot be told before it takes this certificate".

suites([]) -> "refused";
suites(Suites) -> lists:join(", ", Suites).

-spec json(node(), [rustls_dist_ping_walk:step()], peer()) -> rustls_dist_command_json:json().
json(Node, Steps, Peer) ->
    #{node => Node,
      steps => [(maps:with([stage, result, ms], Step))#{text => unicode:characters_to_binary(Text), more => More}
                || #{text := Text, more := More} = Step <- Steps],
      peer => maps:fold(fun member/3, #{}, maps:without([der, tls], Peer))}.

member(takes, Taken, Json) -> Json#{takes => maps:from_list(Taken)};
member(certificate, Facts, Json) -> Json#{certificate => rustls_dist_ping_certificate:json(Facts)};
member(Key, Value, Json) -> Json#{Key => Value}.
