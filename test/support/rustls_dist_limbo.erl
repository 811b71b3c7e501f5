%% The cases of x509-limbo (https://x509-limbo.com, C2SP, Apache-2.0), and what doc/verification.md says of them. The data are not
%% part of the project: X509_LIMBO in the environment names their file, limbo.json, else `x509-limbo/limbo.json' is looked for in
%% the folders beside the checkout, as test/trust/limbo.rs does.
-module(rustls_dist_limbo).

-export([file/0, cases/1, documented/0]).

-export_type([testcase/0, outcome/0]).

%% peer, between, trusted, lists: PEM. has_time: the case brings a time of its own, which public_key cannot be told.
-type testcase() :: #{id := binary(), role := client | server, peer := binary(), key := binary() | null, between := [binary()],
                      trusted := [binary()], lists := [binary()], host := any | binary(), depth := non_neg_integer(),
                      has_time := boolean(), expected := outcome()}.

-type outcome() :: takes | refuses.

%% OTP's default.
-define(DEPTH, 10).

-spec file() -> {ok, file:filename()} | none.
file() ->
    Root = filename:dirname(filename:dirname(rustls_dist_documents:path("verification.md"))),
    Beside = filename:dirname(Root),
    Named = [File || File <- [os:getenv("X509_LIMBO")], File =/= false],
    Found = [File || Folder <- [Beside | filelib:wildcard(filename:join(Beside, "*"))],
                     File <- [filename:join([Folder, "x509-limbo", "limbo.json"])], filelib:is_regular(File)],
    case Named ++ Found of
        [File | _] -> {ok, File};
        [] -> none
    end.

-spec cases(file:filename()) -> [testcase(), ...].
cases(File) ->
    {ok, Text} = file:read_file(File),
    #{<<"testcases">> := Cases} = rustls_dist_json:decode(Text),
    [testcase(Case) || Case <- Cases].

testcase(#{<<"id">> := Id, <<"validation_kind">> := Kind, <<"peer_certificate">> := Peer, <<"peer_certificate_key">> := Key,
           <<"untrusted_intermediates">> := Between, <<"trusted_certs">> := Trusted, <<"crls">> := Lists,
           <<"expected_peer_name">> := Name, <<"max_chain_depth">> := Depth, <<"validation_time">> := Time,
           <<"expected_result">> := Result}) ->
    #{id => Id, role => judging(Kind), peer => Peer, key => Key, between => Between, trusted => Trusted, lists => Lists,
      host => host(Name), depth => depth(Depth), has_time => Time =/= null, expected => outcome(Result)}.

%% The kind is the peer's.
judging(<<"SERVER">>) -> client;
judging(<<"CLIENT">>) -> server.

host(null) -> any;
host(#{<<"value">> := Host}) -> Host.

depth(null) -> ?DEPTH;
depth(Depth) -> Depth.

outcome(<<"SUCCESS">>) -> takes;
outcome(<<"FAILURE">>) -> refuses.

%% The table of doc/verification.md, by the case: what x509-limbo expects, and what comes out where Erlang judges.
-spec documented() -> #{binary() => {Expected :: outcome(), Erlang :: outcome() | 'not played'}}.
documented() ->
    {ok, Page} = file:read_file(rustls_dist_documents:path("verification.md")),
    [_, From] = binary:split(Page, <<"<!-- limbo -->">>),
    [Section, _] = binary:split(From, <<"<!-- end of limbo -->">>),
    maps:from_list([{Id, {binary_to_existing_atom(Expected), binary_to_existing_atom(Erlang)}}
                    || <<"| `", _/binary>> = Line <- binary:split(Section, <<"\n">>, [global]),
                       [<<>>, Ids, Expected, _Webpki, Erlang, _Why] <- [cells(Line)],
                       Id <- ids(Ids)]).

cells(Line) ->
    [string:trim(Cell) || Cell <- binary:split(string:trim(Line, trailing, " |"), [<<"| ">>], [global])].

%% What stands between backquotes.
ids(Cell) ->
    {match, Found} = re:run(Cell, "`([^`]+)`", [global, {capture, all_but_first, binary}]),
    lists:append(Found).
