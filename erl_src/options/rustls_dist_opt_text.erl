%% The sentences about TLS options: problems (they stop the start) and notices (they do not). Every sentence
%% names the option, the side and the source, and says what to do.
%%
%% @private
-module(rustls_dist_opt_text).

-export([problem/1, notice/1]).

%% A problem as one sentence.
-spec problem(rustls_dist_opts:problem()) -> unicode:chardata().
problem({unknown, Side, Origin, Name, none}) ->
    io_lib:format("~ts is not a TLS option that this version of rustls_dist knows: correct or remove it", [named(Side, Origin, Name)]);
problem({unknown, Side, Origin, Name, Nearest}) ->
    io_lib:format("~ts is not a TLS option that this version of rustls_dist knows: write ~ts if that is what was meant",
                  [named(Side, Origin, Name), spelt(Side, Origin, Nearest)]);
problem({wrong_value, Side, Origin, Key, withheld, Expected}) ->
    io_lib:format("~ts has a value that it cannot have (not shown): give ~ts",
                  [named(Side, Origin, Key), Expected]);
problem({wrong_value, Side, Origin, Key, {shown, Value}, Expected}) ->
    io_lib:format("~ts cannot have the value ~ts: give ~ts",
                  [named(Side, Origin, Key), value(Origin, Value), Expected]);
problem({refused, Side, Origin, Key, Instead}) ->
    io_lib:format("~ts is not supported yet by rustls_dist, and ignoring it would change what was asked for; "
                  "~ts", [named(Side, Origin, Key), Instead]);
problem({other_side, Side, Origin, Key, Other}) ->
    io_lib:format("~ts has a meaning for the ~s side only: write it as ~ts",
                  [named(Side, Origin, Key), Other, spelt(Other, Origin, Key)]);
problem({no_prefix, _Side, Word, Position}) ->
    io_lib:format("word ~b after -ssl_dist_opt, ~ts, stands where an option of the server or the client side is "
                  "expected: begin the name with server_ or client_, and give every option one value",
                  [Position, word(Word)]);
problem({no_value, _Side, Word}) ->
    io_lib:format("the last word after -ssl_dist_opt, ~ts, has no value: write one after it", [Word]);
problem({malformed, Side, Origin, Position}) ->
    io_lib:format("element ~b of the ~s options in ~ts is not an option: write {Name, Value}",
                  [Position, Side, source(Origin)]);
problem({needs, Side, Origin, Key, Needed}) ->
    io_lib:format("~ts ~ts: ~ts", [named(Side, Origin, Key), needs(Key), add(Side, Origin, Key, Needed)]).

%% A notice as one sentence.
-spec notice(rustls_dist_opts:notice()) -> unicode:chardata().
notice({no_meaning, Side, Origin, Key, Why}) ->
    io_lib:format("~ts has no meaning here: ~ts", [named(Side, Origin, Key), Why]);
notice({overridden, Side, Key, Origin, Origin}) ->
    io_lib:format("~ts is given more than once: the last value is used", [named(Side, Origin, Key)]);
notice({overridden, Side, Key, Used, Dropped}) ->
    io_lib:format("~ts is not used: the value from ~ts comes first",
                  [named(Side, Dropped, Key), source(Used)]);
notice({unauthenticated, both}) ->
    "neither side verifies its peers (verify_none): links are encrypted but not authenticated; give both sides "
    "cacertfile and verify verify_peer";
notice({unauthenticated, Side}) ->
    io_lib:format("the ~s side does not verify its peers (verify_none): the link is encrypted but not "
                  "authenticated; give cacertfile and verify verify_peer", [Side]);
notice({crlfile_unusable, Side, File, Why}) ->
    io_lib:format("the ~s option crlfile names ~ts, which cannot be used (~ts); until it can, certificates whose "
                  "status has to be known are refused", [Side, rustls_dist_file_name:shown(File), Why]);
notice(no_certificate) ->
    "nobody can dial this node, which dials others itself: its server side has no certificate, neither from -ssl_dist_opt "
    "nor from the file of -ssl_dist_optfile; to let others dial it add -ssl_dist_opt server_certfile FILE to the command "
    "line or {server, [{certfile, \"FILE\"}]} to the file";
notice(peer_certificate_optional) ->
    "the server side accepts peers that present no certificate, although it verifies those that do; give "
    "fail_if_no_peer_cert true".

named(Side, Origin, Name) ->
    io_lib:format("the ~s option ~ts from ~ts", [Side, name(Name), source(Origin)]).

name(Name) when is_atom(Name) -> io_lib:format("~tw", [Name]);
name(Name) -> case io_lib:printable_unicode_list(Name) of
                  true -> rustls_dist_file_name:shown(Name);
                  false -> io_lib:format("~0tP", [Name, 12])
              end.

source(flag) -> "-ssl_dist_opt";
source({optfile, File}) -> ["the options file ", rustls_dist_file_name:shown(File)];
source(default) -> "the defaults".

%% How the option is written in that source.
spelt(Side, flag, Key) -> io_lib:format("~s_~s", [Side, Key]);
spelt(Side, _Origin, Key) -> io_lib:format("~s in {~s, [...]}", [Key, Side]).

value(flag, Word) -> ["\"", rustls_dist_file_name:shown(Word), "\""];
value(_Origin, Term) -> io_lib:format("~0tP", [Term, 12]).

word(withheld) -> "which may be a password and is not shown";
word({shown, Word}) -> ["\"", rustls_dist_file_name:shown(Word), "\""].

needs(keyfile) -> "belongs to a certificate, and there is none";
needs(password) -> "belongs to a certificate, and there is none";
needs(verify) -> "is verify_peer, which needs cacertfile, the certificates of the authorities to trust";
needs(Key) when Key =:= crl_check; Key =:= crl_cache; Key =:= crlfile; Key =:= verify_node; Key =:= recheck ->
    "decides about peers, and none is verified without verify_peer";
needs(fail_if_no_peer_cert) -> "is true, but peers are asked for no certificate without verify_peer".

add(Side, Origin, verify, cacertfile) -> ["add ", spelt(Side, Origin, cacertfile)];
add(Side, Origin, _Key, certfile) -> ["add ", spelt(Side, Origin, certfile)];
add(Side, Origin, _Key, verify) ->
    ["set ", spelt(Side, Origin, verify), " to verify_peer, and add ", spelt(Side, Origin, cacertfile)].

