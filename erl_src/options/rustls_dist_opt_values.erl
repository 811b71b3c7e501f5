%% The values of the TLS options: one clause per option, text (from the flag) or term (from the file) in,
%% validated value out. Nothing here reads files or asks the node.
%%
%% The names and their meaning are those of OTP's ssl (module ssl, the option types) and, for what may stand
%% on the command line, of inet_tls_dist.
%%
%% @private
-module(rustls_dist_opt_values).

-export([judge/3, names/0]).

-export_type([form/0, judgement/0]).

%% A value as it was given: a word of the command line (its bytes, if it is no UTF-8), or a term of the options file.
-type form() :: {text, string() | binary()} | {term, term()}.

-type judgement() ::
        {ok, Value :: term()}                   % the validated value
      | {no_meaning, Why :: string()}           % valid, and without effect here
      | {refused, Instead :: string()}          % cannot be honoured
      | {wrong, Expected :: string()}           % not a value of this option
      | {other_side, rustls_dist_opts:side()}   % the option belongs to that side only
      | unknown.                                % no such option

-define(OPTIONS, [certfile, keyfile, cacertfile, password, certs_keys, cacerts, verify, fail_if_no_peer_cert, depth,
                  versions, ciphers, supported_groups, eccs, key_update_at, hibernate_after, server_name_indication,
                  customize_hostname_check, verify_fun, crl_check, crl_cache, crlfile, verify_node, recheck]).
-define(VERSIONS, ['tlsv1.3', 'tlsv1.2']).
-define(VERIFY_FUN, "{Module, Function, State}, or in the file {fun Module:Function/3, State}").
-define(VERIFY_NODE, "host, name, {uri, \"scheme:...%n...%h\"} or false").
-define(CRL_CACHE, "{ssl_crl_cache, {internal, [{http, TimeoutMs}]}}, beside http perhaps {allowed_hosts, [\"Host:Port\", ...]}, {ssl_crl_hash_dir, {internal, [{dir, Folder}]}} "
                   "or {Module, {DbHandle, Args}} with a module of your own").
-define(CERTS_KEYS, "a list, not empty, of maps with certfile and, if need be, keyfile and password (private keys do not "
                    "become Erlang terms here, so that cert and key cannot be given)").
-define(CACERTS, "a list, not empty, of certificates in DER").
-define(HOSTNAME_CHECK, "a list of {match_fun, fun Module:Function/2}, {fail_callback, fun Module:Function/1} and "
                        "{fqdn_fun, fun Module:Function/1}").
%% The longest time that `after' takes.
-define(MAX_TIMEOUT_MS, 16#ffffffff).
-define(MAX_RECHECK_SECONDS, 30 * 86400).
-define(PATH, "the path of a PEM file, not empty").

%% Judges one option.
%% Side: the side it was given for; Key: its name; Form: its value.
%% Result: see judgement(); its strings continue a sentence.
-spec judge(rustls_dist_opts:side(), atom(), form()) -> judgement().
judge(_Side, Key, {text, Bytes}) when is_binary(Bytes), Key =/= certfile, Key =/= keyfile, Key =/= cacertfile,
                                     Key =/= crlfile, Key =/= password ->
    {wrong, "a value in UTF-8"};
judge(Side, Key, Form) ->
    case lists:member(Key, ?OPTIONS) of
        true -> option(Side, Key, Form);
        false -> tabled(Key, Form)
    end.

%% All known names, those with a meaning first.
-spec names() -> [atom()].
names() ->
    ?OPTIONS ++ rustls_dist_opt_table:names().

option(_Side, certfile, Form) -> path(Form);
option(_Side, keyfile, Form) -> path(Form);
option(_Side, cacertfile, Form) -> path(Form);
option(_Side, password, {text, Text}) -> password(Text);
option(_Side, password, {term, Term}) -> password(Term);
option(_Side, certs_keys, Form) -> only_term(fun certs_keys/1, ?CERTS_KEYS, Form);
option(_Side, cacerts, Form) -> only_term(fun cacerts/1, ?CACERTS, Form);
option(_Side, verify, Form) -> one_of([verify_peer, verify_none], Form);
option(server, fail_if_no_peer_cert, Form) -> one_of([true, false], Form);
option(client, fail_if_no_peer_cert, Form) ->
    case one_of([true, false], Form) of
        {ok, _} -> {no_meaning, "a server always presents a certificate; the option is for the server side"};
        Wrong -> Wrong
    end;
option(_Side, depth, Form) -> integer(Form, 0, 255, "an integer from 0 to 255");
option(_Side, versions, Form) -> versions(Form);
option(_Side, ciphers, Form) -> ciphers(Form);
option(_Side, supported_groups, Form) -> groups(Form);
option(_Side, eccs, Form) -> groups(Form);
option(_Side, key_update_at, Form) -> integer(Form, 1, infinity, "a number of bytes, at least 1");
option(_Side, hibernate_after, Form) -> timeout(Form);
option(server, server_name_indication, _Form) -> {other_side, client};
option(client, server_name_indication, {text, "disable"}) -> {ok, disable};
option(client, server_name_indication, {term, disable}) -> {ok, disable};
option(client, server_name_indication, Form) -> string(Form, "disable or a host name");
option(server, customize_hostname_check, _Form) -> {other_side, client};
option(client, customize_hostname_check, Form) -> only_term(fun hostname_check/1, ?HOSTNAME_CHECK, Form);
option(_Side, verify_fun, Form) -> with_term(fun verify_fun/1, ?VERIFY_FUN, Form);
option(_Side, crl_check, Form) -> one_of([true, peer, best_effort, false], Form);
option(_Side, crl_cache, Form) -> with_term(fun crl_cache/1, ?CRL_CACHE, Form);
option(_Side, crlfile, Form) -> name(Form, "the path of a PEM or DER file of revocation lists, not empty");
option(_Side, verify_node, Form) -> with_term(fun verify_node/1, ?VERIFY_NODE, Form);
option(_Side, recheck, Form) -> integer(Form, 1, ?MAX_RECHECK_SECONDS, "a number of seconds, from 1 to 2592000 (30 days)").

%% Terms on the command line, as inet_tls_dist reads them.
with_term(Judge, Expected, {term, Term}) ->
    case Judge(Term) of
        error -> {wrong, Expected};
        Value -> {ok, Value}
    end;
with_term(Judge, Expected, {text, Text}) ->
    try
        {ok, Tokens, _} = erl_scan:string(Text ++ "."),
        {ok, Term} = erl_parse:parse_term(Tokens),
        with_term(Judge, Expected, {term, Term})
    catch
        error:_ -> {wrong, Expected}
    end.

%% What no word of the command line can say.
only_term(Judge, Expected, {term, _} = Form) -> with_term(Judge, Expected, Form);
only_term(_Judge, Expected, {text, _}) -> {wrong, Expected ++ ", which only the file of -ssl_dist_optfile can hold"}.

certs_keys(Pairs) when length(Pairs) > 0 ->
    Judged = [cert_key(Pair) || Pair <- Pairs],
    case lists:member(error, Judged) of
        true -> error;
        false -> Judged
    end;
certs_keys(_) ->
    error.

cert_key(#{certfile := _} = Pair) ->
    Judged = maps:map(fun(certfile, File) -> path({term, File});
                         (keyfile, File) -> path({term, File});
                         (password, Password) -> password(Password);
                         (_Other, _) -> {wrong, ""}
                      end, Pair),
    case [Wrong || {wrong, _} = Wrong <- maps:values(Judged)] of
        [] -> maps:map(fun(_Key, {ok, Value}) -> Value end, Judged);
        _ -> error
    end;
cert_key(_) ->
    error.

%% public_key:cacerts_get/0 (OTP 25) gives records with the DER in front.
cacerts(Certs) when length(Certs) > 0 ->
    Ders = [case Cert of
                {cert, Der, _Decoded} -> Der;
                Der -> Der
            end || Cert <- Certs],
    case lists:all(fun is_binary/1, Ders) of
        true -> Ders;
        false -> error
    end;
cacerts(_) ->
    error.

%% The options of public_key:pkix_verify_hostname/3.
hostname_check(List) when length(List) >= 0 ->
    case lists:all(fun({match_fun, Fun}) -> is_function(Fun, 2);
                      ({Key, Fun}) when Key =:= fail_callback; Key =:= fqdn_fun -> is_function(Fun, 1);
                      (_) -> false
                   end, List) of
        true -> List;
        false -> error
    end;
hostname_check(_) ->
    error.

verify_fun({Module, Function, State}) when is_atom(Module), is_atom(Function) ->
    {fun Module:Function/3, State, lists:concat([Module, ":", Function, "/3"])};
verify_fun({Fun, State}) when is_function(Fun, 3); is_function(Fun, 4) ->
    {Fun, State, lists:flatten(io_lib:format("~0p", [Fun]))};
verify_fun(_) ->
    error.

verify_node(Policy) when Policy =:= host; Policy =:= name; Policy =:= false -> Policy;
verify_node({uri, Template}) ->
    case string({term, Template}, ?VERIFY_NODE) of
        {ok, Utf8} -> {uri, unicode:characters_to_list(Utf8)};
        {wrong, _} -> error
    end;
verify_node(_) -> error.

%% Anything else for OTP's own would fetch nothing, ever.
crl_cache({ssl_crl_cache, {internal, Arguments}} = Cache) when length(Arguments) >= 0 ->
    case Arguments =:= [] orelse are_crl_arguments(lists:sort(Arguments)) of
        true -> Cache;
        false -> error
    end;
crl_cache({ssl_crl_cache, _}) -> error;
crl_cache({ssl_crl_hash_dir, {internal, [{dir, Dir}]}}) when is_list(Dir) ->
    case rustls_dist_file_name:bytes(Dir) of
        {ok, _} -> {ssl_crl_hash_dir, {internal, [{dir, rustls_dist_file_name:local(Dir)}]}};
        error -> error
    end;
crl_cache({Module, {_Handle, _Arguments}} = Cache) when is_atom(Module) -> Cache;
crl_cache(_) -> error.

are_crl_arguments([{allowed_hosts, Hosts} | Arguments]) ->
    is_proper(Hosts) andalso lists:all(fun(Host) -> rustls_dist_host_port:parse(Host) =/= error end, Hosts)
        andalso are_crl_arguments(Arguments);
are_crl_arguments([{http, Ms}]) -> Ms =:= infinity orelse (is_integer(Ms) andalso Ms > 0);
are_crl_arguments(_) -> false.

is_proper(List) when length(List) >= 0 -> true;
is_proper(_) -> false.

tabled(Key, Form) ->
    case {rustls_dist_opt_table:no_meaning(Key), rustls_dist_opt_table:refused(Key)} of
        {{Shape, Why}, _} ->
            case shape(Shape, Form) of
                {ok, _} -> {no_meaning, Why};
                Wrong -> Wrong
            end;
        {false, {Harmless, Instead}} ->
            case one_of_terms(Harmless, Form) of
                true -> {no_meaning, "this value asks for nothing, which is what rustls_dist does"};
                false -> {refused, Instead}
            end;
        {false, false} ->
            unknown
    end.

shape(any, {_, Value}) -> {ok, Value};
shape(boolean, Form) -> one_of([true, false], Form);
shape({one_of, Atoms}, Form) -> one_of(Atoms, Form);
shape({at_least, Min}, Form) ->
    integer(Form, Min, infinity, lists:flatten(io_lib:format("an integer, at least ~b", [Min]))).

timeout(Form) ->
    case one_of([infinity], Form) of
        {ok, infinity} -> {ok, infinity};
        _ -> integer(Form, 0, ?MAX_TIMEOUT_MS, "a number of milliseconds up to 4294967295, or infinity")
    end.

one_of_terms(Harmless, {term, Term}) -> lists:member(Term, Harmless);
one_of_terms(Harmless, {text, Text}) -> lists:member(Text, [atom_to_list(A) || A <- Harmless, is_atom(A)]).

one_of(Atoms, Form) ->
    case [A || A <- Atoms, Form =:= {term, A} orelse Form =:= {text, atom_to_list(A)}] of
        [Atom] -> {ok, Atom};
        [] -> {wrong, lists:flatten(lists:join(" or ", [atom_to_list(A) || A <- Atoms]))}
    end.

%% An atom is greater than any integer in the order of terms, so `infinity' is no upper bound.
integer({term, N}, Min, Max, _Expected) when is_integer(N), N >= Min, N =< Max -> {ok, N};
integer({term, _}, _Min, _Max, Expected) -> {wrong, Expected};
integer({text, Text}, Min, Max, Expected) ->
    case string:to_integer(Text) of
        {N, []} when is_integer(N) -> integer({term, N}, Min, Max, Expected);
        _ -> {wrong, Expected}
    end.

path(Form) ->
    name(Form, ?PATH).

name({text, Word}, Expected) ->
    whole(rustls_dist_file_name:of_word(Word), Expected);
name({term, Name}, Expected) when is_list(Name) ->
    whole(rustls_dist_file_name:bytes(Name), Expected);
name(Form, Expected) ->
    string(Form, Expected).

string({_, Value}, Expected) when is_list(Value); is_binary(Value) ->
    whole(to_utf8(Value), Expected);
string({_, _}, Expected) -> {wrong, Expected}.

%% A zero character would end a path early in the operating system.
whole({ok, Bytes}, Expected) when Bytes =/= <<>> ->
    case binary:match(Bytes, <<0>>) of
        nomatch -> {ok, Bytes};
        _ -> {wrong, Expected}
    end;
whole(_, Expected) ->
    {wrong, Expected}.

to_utf8(Chars) ->
    try unicode:characters_to_binary(Chars) of
        Utf8 when is_binary(Utf8) -> {ok, Utf8};
        _ -> error
    catch
        error:badarg -> error
    end.

%% A password is bytes to OTP (public_key takes iodata); only what has no bytes is encoded as UTF-8. Where it does not open
%% the key, the library tries the same characters in the other encoding.
password(Fun) when is_function(Fun, 0) ->
    try Fun() of
        Value when is_list(Value); is_binary(Value) -> password(Value);
        _ -> {wrong, "a fun that returns a string"}
    catch
        _:_ -> {wrong, "a fun that returns a string and does not fail"}
    end;
password(Value) when is_list(Value); is_binary(Value) ->
    try iolist_to_binary(Value) of
        Bytes -> {ok, Bytes}
    catch
        error:badarg ->
            case to_utf8(Value) of
                {ok, Utf8} -> {ok, Utf8};
                error -> {wrong, "a string or a binary"}
            end
    end;
password(_) -> {wrong, "a string, a binary or a fun without arguments"}.

versions({text, Text}) ->
    known_versions([string:trim(Word) || Word <- string:lexemes(Text, ",")]);
versions({term, List}) when length(List) > 0 ->
    known_versions(List);
versions({term, _}) ->
    known_versions([]).

known_versions(Given) ->
    Found = [{V, lists:member(V, Given) orelse lists:member(atom_to_list(V), Given)} || V <- ?VERSIONS],
    Known = ?VERSIONS ++ [atom_to_list(V) || V <- ?VERSIONS],
    case {[V || {V, true} <- Found], [G || G <- Given, not lists:member(G, Known)]} of
        {[_ | _] = Versions, []} ->
            {ok, Versions};
        _ ->
            {wrong, "tlsv1.3, tlsv1.2 or both, as a list in the file, with a comma between them in the flag "
                    "(older versions are not offered, because RFC 8996 forbids their use; "
                    "datagram TLS does not carry distribution)"}
    end.

%% The names are not checked here: the TLS library knows them. ssl has atoms, which no word of the command line can be.
groups({text, Text}) -> group_list([Text]);
groups({term, [Char | _] = String}) when is_integer(Char) -> group_list([String]);
groups({term, List}) when length(List) > 0 -> group_list(List);
groups({term, _}) -> group_list([]).

group_list(Given) ->
    Names = lists:flatmap(fun group_names/1, Given),
    case Names =/= [] andalso not lists:member(invalid, Names) of
        true -> {ok, Names};
        false -> {wrong, "the names of groups, as x25519mlkem768, x25519 and secp256r1, as a list or with colons or commas "
                         "between them"}
    end.

group_names(Atom) when is_atom(Atom) -> [atom_to_binary(Atom)];
group_names(Text) when is_list(Text); is_binary(Text) -> words(Text);
group_names(_) -> [invalid].

%% The names are not checked here: the TLS library knows them.
ciphers({text, Text}) -> cipher_list([Text]);
ciphers({term, Binary}) when is_binary(Binary) -> cipher_list([Binary]);
ciphers({term, [Char | _] = String}) when is_integer(Char) -> cipher_list([String]);
ciphers({term, List}) when length(List) > 0 -> cipher_list(List);
ciphers({term, _}) -> cipher_list([]).

cipher_list(Given) ->
    Names = lists:flatmap(fun cipher_names/1, Given),
    case Names =/= [] andalso not lists:member(invalid, Names) of
        true -> {ok, Names};
        false -> {wrong, "the names of cipher suites, as a list or with colons or commas between them, "
                         "or suites as ssl:cipher_suites/2 returns them"}
    end.

%% A binary of two bytes is the number of a suite on the wire, which ssl takes in this place too.
cipher_names(<<_:16>> = Number) -> from_ssl(fun() -> ssl_cipher_format:suite_bin_to_map(Number) end);
cipher_names(Text) when is_list(Text); is_binary(Text) -> words(Text);
cipher_names(#{key_exchange := _, cipher := _, mac := _} = Suite) -> from_ssl(fun() -> Suite end);
cipher_names({Kex, Cipher, Mac}) -> from_ssl(fun() -> suite(Kex, Cipher, Mac, default_prf) end);
cipher_names({Kex, Cipher, Mac, Prf}) -> from_ssl(fun() -> suite(Kex, Cipher, Mac, Prf) end);
cipher_names(_) -> [invalid].

words(Text) ->
    case to_utf8(Text) of
        {ok, Utf8} -> [string:trim(Name) || Name <- string:lexemes(Utf8, ":,")];
        error -> [invalid]
    end.

%% The tuples of before OTP 21 name a hash as the MAC of an AEAD cipher, where the maps say `aead'.
suite(Kex, Cipher, Mac, Prf) ->
    IsAead = lists:any(fun(Part) -> string:find(atom_to_list(Cipher), Part) =/= nomatch end,
                       ["gcm", "ccm", "chacha20"]),
    #{key_exchange => Kex, cipher => Cipher, prf => Prf,
      mac => case IsAead of true -> aead; false -> Mac end}.

%% ssl need not be started for this. It may be absent from a release, and a suite may be none that it knows.
from_ssl(Suite) ->
    try
        [list_to_binary(ssl:suite_to_str(Suite()))]
    catch
        error:_ -> [invalid]
    end.
