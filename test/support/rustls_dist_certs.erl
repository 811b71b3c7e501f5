%% Certificates for the suites, made with the openssl command when a test runs. Nothing is kept.
-module(rustls_dist_certs).

-export([ca/2, ca/3, cert/4, self_signed/3, v1/3, options/1, options/2]).
-export([dated_cert/5, short_cert/5, concat/2, openssl/2]).

-export_type([ca/0, cert/0]).

-type ca() :: #{cert := file:filename(), key := file:filename()}.
-type cert() :: #{cert := file:filename(), key := file:filename(), ca => file:filename()}.

%% The address is there as a DNS name too, since inet_tls of OTP 25 looks for it there.
%% Nodes say so when their certificate has 30 days left, or less.
-define(DAYS, 90).

-define(SAN, "DNS:localhost,DNS:127.0.0.1,IP:127.0.0.1,IP:::1").

ca(Dir, Name) ->
    ca(Dir, Name, #{}).

%% A self-signed authority. Options as for cert/4.
-spec ca(file:filename(), string(), map()) -> ca().
ca(Dir, Name, Options) ->
    #{cert := Cert, key := Key} = Files = files(Dir, Name),
    make_key(Key, Options),
    openssl("req -x509 -new -key ~ts -out ~ts -days ~w -subj '/CN=~ts' "
            "-addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign",
            [Key, Cert, maps:get(days, Options, ?DAYS), Name]),
    Files.

%% A certificate issued by Ca. Options: key => p256 (default) | p384 | p521 | ed25519 | {rsa, Bits}; san => string() |
%% none; days => integer(), may be negative for one that has expired; extensions => [string()] in openssl's syntax.
-spec cert(file:filename(), ca(), string(), map()) -> cert().
cert(Dir, #{cert := CaCert, key := CaKey}, Name, Options) ->
    #{cert := Cert, key := Key} = Files = files(Dir, Name),
    make_key(Key, Options),
    Request = Cert ++ ".csr",
    openssl("req -new -key ~ts -out ~ts -subj '/CN=~ts'", [Key, Request, Name]),
    Extensions = Cert ++ ".ext",
    ok = file:write_file(Extensions, extensions(Options)),
    {From, Until} = validity(maps:get(days, Options, ?DAYS)),
    openssl("x509 -req -in ~ts -CA ~ts -CAkey ~ts -set_serial 0x~ts -out ~ts -extfile ~ts ~ts",
            [Request, CaCert, CaKey, serial(), Cert, Extensions, [From, Until]]),
    Files#{ca => CaCert}.

%% A self-signed certificate of version 3 with CA:FALSE.
-spec self_signed(file:filename(), string(), map()) -> cert().
self_signed(Dir, Name, Options) ->
    #{cert := Cert, key := Key} = Files = files(Dir, Name),
    make_key(Key, Options),
    openssl("req -x509 -new -key ~ts -out ~ts -days ~w -subj '/CN=~ts' -addext basicConstraints=CA:FALSE "
            "-addext subjectAltName=~ts", [Key, Cert, ?DAYS, Name, maps:get(san, Options, ?SAN)]),
    Files.

%% A self-signed certificate of version 1, as `openssl x509 -req -signkey' makes it.
-spec v1(file:filename(), string(), map()) -> cert().
v1(Dir, Name, Options) ->
    #{cert := Cert, key := Key} = Files = files(Dir, Name),
    make_key(Key, Options),
    Request = Cert ++ ".csr",
    openssl("req -new -key ~ts -out ~ts -subj '/CN=~ts'", [Key, Request, Name]),
    openssl("x509 -req -in ~ts -signkey ~ts -days ~w -out ~ts", [Request, Key, ?DAYS, Cert]),
    Files.

options(Cert) ->
    options(Cert, #{}).

%% Both parts of an options file for mutual verification. Extra: options added to both parts.
-spec options(cert(), map()) -> [{server | client, list()}].
options(#{cert := Cert, key := Key, ca := Ca}, Extra) ->
    Common = maps:to_list(maps:merge(#{certfile => Cert, keyfile => Key, cacertfile => Ca, verify => verify_peer}, Extra)),
    [{server, [{fail_if_no_peer_cert, true} | Common]}, {client, Common}].

%% A certificate issued by Ca that is valid from day From to day Until, counted from today, both at midnight UTC.
%% Options as for cert/4. (openssl 3.0 sets the start in `openssl ca' only; with cert/4 and negative days the end lies
%% before the start.)
-spec dated_cert(file:filename(), ca(), string(), {From :: integer(), Until :: integer()}, map()) -> cert().
dated_cert(Dir, Ca, Name, {From, Until}, Options) ->
    timed_cert(Dir, Ca, Name, {midnight(From), midnight(Until)}, Options).

%% The same, valid for so many seconds.
-spec short_cert(file:filename(), ca(), string(), pos_integer(), map()) -> cert().
short_cert(Dir, Ca, Name, Seconds, Options) ->
    timed_cert(Dir, Ca, Name, {midnight(-1), utc(erlang:system_time(second) + Seconds)}, Options).

timed_cert(Dir, #{cert := CaCert, key := CaKey} = Ca, Name, {From, Until}, Options) ->
    #{cert := Cert} = Files = cert(Dir, Ca, Name, Options),
    Base = filename:join(Dir, Name),
    ok = file:write_file(Base ++ ".database", ""),
    ok = file:write_file(Base ++ ".cnf",
                         ["[ca]\ndefault_ca = this\n[this]\npolicy = any\ndefault_md = sha256\nrand_serial = yes\n",
                          "database = ", Base, ".database\nnew_certs_dir = ", Dir, "\n",
                          "[any]\ncommonName = supplied\n"]),
    openssl("ca -batch -notext -config ~ts.cnf -in ~ts.csr -cert ~ts -keyfile ~ts -out ~ts -extfile ~ts.ext "
            "-startdate ~ts -enddate ~ts", [Base, Cert, CaCert, CaKey, Cert, Cert, From, Until]),
    Files.

midnight(DaysFromToday) ->
    Seconds = erlang:system_time(second) + DaysFromToday * 86400,
    utc(Seconds - Seconds rem 86400).

utc(UnixSeconds) ->
    {{Year, Month, Day}, {Hour, Minute, Second}} = calendar:system_time_to_universal_time(UnixSeconds, second),
    io_lib:format("~4..0w~2..0w~2..0w~2..0w~2..0w~2..0wZ", [Year, Month, Day, Hour, Minute, Second]).

%% Writes the contents of Files, one after the other, into File, and gives its path.
-spec concat(file:filename(), [file:filename()]) -> file:filename().
concat(File, Files) ->
    Contents = [Content || {ok, Content} <- [file:read_file(F) || F <- Files]],
    ok = file:write_file(File, Contents),
    File.

files(Dir, Name) ->
    Base = filename:join(Dir, Name),
    #{cert => Base ++ ".pem", key => Base ++ ".key"}.

make_key(File, Options) ->
    Kind = case maps:get(key, Options, p256) of
               p256 -> "EC -pkeyopt ec_paramgen_curve:P-256";
               p384 -> "EC -pkeyopt ec_paramgen_curve:P-384";
               p521 -> "EC -pkeyopt ec_paramgen_curve:P-521";
               ed25519 -> "ED25519";
               {rsa, Bits} -> io_lib:format("RSA -pkeyopt rsa_keygen_bits:~w", [Bits])
           end,
    openssl("genpkey -algorithm ~ts -out ~ts", [Kind, File]).

extensions(Options) ->
    San = case maps:get(san, Options, ?SAN) of
              none -> [];
              Names -> ["subjectAltName=", Names, "\n"]
          end,
    Others = [[Extension, "\n"] || Extension <- maps:get(extensions, Options, ["basicConstraints=CA:FALSE"])],
    [San, Others].

%% For the past, `x509 -req' of openssl 3.0 takes negative days and no dates; since 3.4 it is the other way round.
validity(Days) ->
    case Days < 0 andalso string:find(os:cmd("openssl x509 -help 2>&1"), "-not_after") =/= nomatch of
        true -> {["-not_before ", openssl_time(Days - 1)], [" -not_after ", openssl_time(Days)]};
        false -> {"", io_lib:format("-days ~w", [Days])}
    end.

openssl_time(DaysFromNow) ->
    utc(erlang:system_time(second) + DaysFromNow * 86400).

serial() ->
    binary:encode_hex(<<1, (crypto:strong_rand_bytes(8))/binary>>).

%% Runs the openssl command with these words, for what has no function here. Fails when openssl does.
-spec openssl(io:format(), [term()]) -> ok.
openssl(Format, Arguments) ->
    Command = lists:flatten(io_lib:format("openssl " ++ Format ++ " 2>&1; echo status=$?", Arguments)),
    Output = os:cmd(Command),
    case string:find(Output, "status=0") of
        nomatch -> error({openssl, Command, Output});
        _ -> ok
    end.
