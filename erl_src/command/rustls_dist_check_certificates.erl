%% The certificates that a node shows and trusts: how long they are valid, what they are for, and how they are made.
%%
%% @private
-module(rustls_dist_check_certificates).

-export([findings/1, host_faults/2, where/1, subject/1]).

-include_lib("public_key/include/public_key.hrl").

-define(DAY_S, 86400).
-define(WARN_DAYS, 30).

%% Signatures over these hashes can be forged; rustls takes none of them, and inet_tls none from OTP 26 on.
-define(WEAK, [?sha1WithRSAEncryption, ?'ecdsa-with-SHA1', ?md5WithRSAEncryption, ?'id-dsa-with-sha1']).

-spec findings(rustls_dist_check_subject:subject()) -> [rustls_dist_command_finding:finding()].
findings(#{now_s := NowS} = Subject) ->
    lists:append([times(Side, NowS) ++ usages(Role, Side) ++ signatures(Side) ++ keys(Side) ++ authorities(Side, NowS)
                  || {Role, Side} <- rustls_dist_check_subject:sides(Subject)]).

%% The option that names the certificates.
-spec where(rustls_dist_check_subject:side()) -> unicode:chardata().
where(#{options := #{certs_keys := _}}) -> "certs_keys";
where(#{options := #{certfile := File}}) -> rustls_dist_file_name:shown(File);
where(#{}) -> "certfile".

%% What a certificate is about, for people.
-spec subject(rustls_dist_chain:cert()) -> unicode:chardata().
subject({_Der, #'OTPCertificate'{tbsCertificate = #'OTPTBSCertificate'{subject = {rdnSequence, Rdns}, serialNumber = Serial}}}) ->
    Names = [public_key_text(Value) || Rdn <- Rdns, #'AttributeTypeAndValue'{type = ?'id-at-commonName', value = Value} <- Rdn],
    ["the certificate of ", rustls_dist_peer_text:cut(lists:join(", ", Names)),
     " with the serial number ", serial(Serial)].

%% As openssl prints it. Some are negative, which RFC 5280 section 4.1.2.2 forbids.
serial(Number) when Number >= 0 -> binary:encode_hex(binary:encode_unsigned(Number));
serial(Number) -> io_lib:format("~.16B", [Number]).

public_key_text({_Kind, Text}) -> unicode:characters_to_list(Text);
public_key_text(Text) -> Text.

%% What the node itself would warn of (rustls_dist_own_faults), told apart by what is left of it when the rest is in order.
-spec host_faults(rustls_dist_check_subject:side(), string()) -> [unicode:chardata()].
host_faults(Server, Host) ->
    own_faults(server, [Leaf#{usages := [digital_signature, server_auth, client_auth]} || Leaf <- leaves(Server)], Host).

usages(Role, Side) ->
    Leaves = [Leaf || rustls_dist_check_subject:is_verified_by_rule(Side), Leaf <- leaves(Side)],
    [rustls_dist_command_finding:of_sentence(error, usage_missing, where(Side), Text)
     || Leaf <- Leaves, Text <- own_faults(Role, [Leaf#{dns_names := [<<"host">>], ip_addresses := []}], "host")].

own_faults(Role, Leaves, Host) ->
    Timeless = [Leaf#{not_before := 0, not_after := 16#FFFFFFFFFF} || Leaf <- Leaves],
    rustls_dist_own_faults:warnings(#{Role => [[Leaf] || Leaf <- Timeless]}, erlang:system_time(second), Host).

leaves(#{role := #{own := Chains}}) ->
    [Leaf || [#{} = Leaf | _] <- Chains].

times(#{role := #{own := Chains}} = Side, NowS) ->
    [rustls_dist_command_finding:of_sentence(Severity, Is, where(Side), Text)
     || Certificate <- lists:usort([Certificate || Chain <- Chains, #{} = Certificate <- Chain]),
        {Severity, Is} <- time(maps:get(not_before, Certificate), maps:get(not_after, Certificate), NowS),
        Text <- rustls_dist_own_faults:warnings(#{client => [[Certificate]]}, NowS, not_judged)].

time(_From, Until, NowS) when Until < NowS -> [{error, expired}];
time(From, _Until, NowS) when From > NowS -> [{error, not_yet_valid}];
time(_From, Until, NowS) when Until - NowS < ?DAY_S -> [{warning, expires_within_a_day}];
time(_From, Until, NowS) when Until - NowS < 7 * ?DAY_S -> [{warning, expires_within_a_week}];
time(_From, Until, NowS) when Until - NowS < ?WARN_DAYS * ?DAY_S -> [{warning, expires_within_a_month}];
time(_From, _Until, _NowS) -> [].

%% Those that are valid no more may be about to be taken out; what hangs on them is tried out by rustls_dist_check_peers.
authorities(#{trusted := Trusted, options := Options}, NowS) ->
    [#{severity => warning, is => authority_expires, where => authorities_where(Options),
       what => [subject(Cert), " is one of the authorities, and ", ends(Until, NowS)],
       remedy => "add its successor, and issue certificates from that one; then take it out"}
     || {_, #'OTPCertificate'{tbsCertificate = #'OTPTBSCertificate'{validity = #'Validity'{notAfter = Time}}}} = Cert <- Trusted,
        Until <- [rustls_dist_asn1_time:unix_seconds(Time)], Until - NowS < ?WARN_DAYS * ?DAY_S].

authorities_where(#{cacerts := _}) -> "cacerts";
authorities_where(#{cacertfile := File}) -> rustls_dist_file_name:shown(File).

ends(Until, NowS) when Until < NowS -> "has expired: no chain that ends there is accepted";
ends(Until, NowS) -> io_lib:format("expires in ~b days: no chain that ends there is accepted then", [(Until - NowS) div ?DAY_S]).

%% Of what is shown; a root's own signature counts for nobody.
signatures(#{shown := Chains} = Side) ->
    [#{severity => case rustls_dist_check_subject:is_verified_by_rule(Side) of true -> error; false -> warning end,
       is => weak_signature, where => where(Side),
       what => [subject(Cert), " is signed over SHA-1 or MD5: rustls refuses it, and inet_tls from OTP 26 on"],
       remedy => "have it issued anew, with SHA-256"}
     || Chain <- Chains,
        {_, #'OTPCertificate'{signatureAlgorithm = #'SignatureAlgorithm'{algorithm = Algorithm}} = Otp} = Cert <- Chain,
        lists:member(Algorithm, ?WEAK), not public_key:pkix_is_self_signed(Otp)].

%% ssl offers Ed25519 for TLS 1.3 alone (tls_v1:default_signature_algs/1), and inet_tls of OTP 25 and 26 offers TLS 1.2 alone,
%% unless its options name other versions.
keys(#{shown := Chains} = Side) ->
    [#{severity => note, is => key_of_few, where => where(Side),
       what => [subject(Cert), " has an Ed25519 key: nodes with inet_tls that offer TLS 1.2 alone, which is the default of "
                               "OTP 25 and 26, cannot verify it"],
       remedy => "make an ECDSA key on P-256 where there are such nodes, or give them {versions, ['tlsv1.3', 'tlsv1.2']}"}
     || [{_, Otp} = Cert | _] <- Chains, algorithm(Otp) =:= ?'id-Ed25519'].

algorithm(#'OTPCertificate'{tbsCertificate = #'OTPTBSCertificate'{subjectPublicKeyInfo = Info}}) ->
    #'OTPSubjectPublicKeyInfo'{algorithm = #'PublicKeyAlgorithm'{algorithm = Algorithm}} = Info,
    Algorithm.
