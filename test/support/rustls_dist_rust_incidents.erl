%% The rows of the incident list whose sentences Rust makes. test/error/error_text.rs compares them with what Rust says.
-module(rustls_dist_rust_incidents).

-export([tls/0, files/0]).

%% What Rust finds in a handshake or on a link. The sentences are compared with those of Rust by test/error/error_text.rs.
-spec tls() -> [rustls_dist_incidents:row(string())].
tls() -> of_chains() ++ of_kinds() ++ of_agreements() ++ of_records().

of_chains() ->
    [{[certificate_expired],
      ["a certificate in the peer's chain, that of CN=node with the serial number 01ab, expired on 2023-11-14 22:13:20 UTC, and "
       "it is 2027-01-15 08:00:00 UTC now", "a certificate in the peer's chain has expired"],
      "the peer's certificate, one above it, or a clock", "renew it on the peer; NTP"},
     {[certificate_not_yet_valid],
      ["a certificate in the peer's chain, that of CN=node with the serial number 01ab, is not valid before 2023-11-14 22:13:20 "
       "UTC, and it is 2020-09-13 12:26:40 UTC now", "a certificate in the peer's chain is not valid yet"],
      "a clock that is behind, or a certificate issued ahead", "NTP"},
     {[unknown_issuer], ["a certificate in the peer's chain was issued by an authority that is not in cacertfile"],
      "another authority, or a chain without its intermediates", "`cacertfile` here, `certfile` there"},
     {[self_signed_peer],
      ["the peer's certificate is self-signed; give it one that an authority in cacertfile issued, or pin it with verify_fun "
       "{rustls_dist, verify_pinned, [FINGERPRINT]}"], "a certificate for trying out", "an authority, or pins"},
     {[name_mismatch],
      ["the server's certificate does not name the host \"a\"; it names DNS:b",
       "the server's certificate names no host at all, and \"a\" was dialled",
       "the server's certificate names the host \"a\" by its common name alone, which does not count below an authority that "
              "constrains names (nameConstraints); issue one with the host in its subjectAltName",
       "the peer's certificate was refused: not valid for name"],
      "the certificate is for another host, or the node was dialled by another name of it",
      "a certificate with that host as DNS name or IP"},
     {[certificate_revoked], ["a certificate in the peer's chain has been revoked"], "a revocation list names it",
      "none, if it was meant; else a new certificate"},
     {[unknown_revocation_status], ["a certificate in the peer's chain is covered by no certificate revocation list"],
      "`crl_check`, and no list of that authority", "provide the list"},
     {[revocation_list_expired],
      ["a certificate revocation list was due to be renewed on 2023-11-14 22:13:20 UTC, and it is 2027-01-15 08:00:00 UTC now"],
      "the list was not renewed in time", "issue a new one, before its nextUpdate"},
     {[bad_revocation_list], ["a certificate revocation list cannot be used: bad signature"], "a damaged or forged list",
      "a whole one"},
     {[refused_by_referee], ["what verify_fun or the check of revocation said"], "the rules of this node",
      "as the sentence says"},
     {[refused_by_application], ["a certificate in the peer's chain was refused by this node's own rules"], "the same",
      "the same"},
     {[wrong_key_usage],
      ["a certificate in the peer's chain is not meant for this use (extended key usage); issue one with serverAuth and "
       "clientAuth"],
      "a certificate for web servers, most often", "issue it for both roles"},
     {[bad_signature],
      ["a certificate in the peer's chain is not signed by the authority it names, or the peer does not hold its key"],
      "two authorities of one name, a damaged certificate, an impostor", "compare keys of the authorities; see who the peer is"},
     {[trust_anchor_not_valid],
      ["the trust anchor CN=node is valid from 2020-09-13 12:26:40 UTC to 2023-11-14 22:13:20 UTC only; replace it in "
       "cacertfile"],
      "the root has expired", "both the old and the new one in `cacertfile` until all certificates are of the new one"},
     {[peer_is_authority],
      ["the peer's certificate is that of an authority (CA:TRUE); issue one with basicConstraints=CA:FALSE"],
      "the root's own certificate on a node", "issue one for the node"},
     {[not_an_authority],
      ["a certificate in the peer's chain issued another one and is not that of an authority (basicConstraints lacks CA:TRUE)"],
      "an intermediate made wrongly; or a member that issues certificates", "reissue the intermediate; see who the peer is"},
     {[authority_may_not_sign],
      ["the certificate of CN=node is not meant for signing certificates (keyUsage lacks keyCertSign)"], "the same", "the same"},
     {[path_length_exceeded],
      ["the peer's chain has more authorities than one of them allows (pathlen of basicConstraints)"],
      "an authority below one that may have none", "issue from where it is allowed"},
     {[name_not_permitted], ["a name in the peer's certificate is not one that its authority may certify (nameConstraints)"],
      "a constrained authority, and a name outside", "issue from another authority, or name the node otherwise"},
     {[chain_too_deep], ["the peer's certificate chain has 3 intermediate certificates, and depth allows 2"], "`depth`",
      "raise it, or a shorter chain"},
     {[too_many_intermediates],
      ["the peer's chain has more than six intermediate certificates, which is the most that are followed"],
      "a chain that long", "a shorter one"},
     {[too_much_work],
      ["the search for a path through the peer's certificates was given up: too many of them have the same names, or authorities "
       "constrain too many names"],
      "many authorities of one name, or an attack", "fewer of them"},
     {[no_peer_certificate],
      ["the peer sent no certificate, and one is required of it; it has none, or none that this node can check: such as are for "
       "keys of, and signed with, ECDSA with SHA-256 or SHA-384, RSA with SHA-256 or better, or Ed25519"],
      "the peer's client side names none, or one with another kind of key", "`certfile`, `keyfile` in the peer's client part"},
     {[closed], ["the connection is closed"], "the peer went away", "its log"}].

of_kinds() ->
    Reissue = "issue it anew",
    [{[unsupported_signature_algorithm],
      ["a certificate in the peer's chain is signed with an algorithm that is not accepted: SHA-1; issue it anew with ECDSA "
       "with SHA-256 or SHA-384, RSA with SHA-256 or better, or Ed25519",
       "a certificate in the peer's chain is signed with an algorithm that is not accepted: another kind of key than its "
       "authority has; issue it anew with ECDSA with SHA-256 or SHA-384, RSA with SHA-256 or better, or Ed25519",
       "an authority in the peer's chain has a key of a kind that is not accepted: DSA; make a new one on P-256 or P-384, of "
       "Ed25519 or RSA"], "an algorithm that is too weak, or that the provider lacks",
       Reissue ++ "; [cryptography.md](cryptography.md)"},
     {[unsupported_peer_key],
      ["the peer's certificate is for a key of a kind that is not accepted: DSA; make a new key on P-256 or P-384, of Ed25519 "
       "or RSA, and a certificate for it"], "the same, of the peer's key", "a new key"},
     {[weak_key], ["the peer's RSA key has 1024 bits only, and at least 2048 are needed; make a new key and certificate"],
      "an old key", "a new one"},
     {[unsupported_certificate_version], ["a certificate in the peer's chain is of X.509 version 1 or 2; issue it as version 3"],
      "`openssl x509` without extensions", Reissue},
     {[unhandled_critical_extension], ["a certificate in the peer's chain has a critical extension that is not understood"],
      "an extension of somebody's own, marked critical", Reissue ++ " without, or accept it in a `verify_fun`"},
     {[bad_certificate_encoding], ["a certificate in the peer's chain is not correctly encoded"],
      "a damaged certificate, an attack", Reissue},
     {[unique_identifier],
      ["a certificate in the peer's chain has an issuerUniqueID or a subjectUniqueID, which is not accepted; issue it anew "
       "without (RFC 5280 section 4.1.2.8 says so, too)"], "an old authority", Reissue},
     {[extension_twice],
      ["a certificate in the peer's chain has one extension twice, which RFC 5280 section 4.2 forbids; issue it anew with one "
       "of them"],
      "two sections of `openssl.cnf`", Reissue},
     {[extension_malformed],
      ["a certificate in the peer's chain has an extension whose contents are not encoded as RFC 5280 section 4.2 has it; issue "
       "it anew"],
      "an authority that encodes wrongly", Reissue},
     {[validity_before_1970],
      ["a certificate in the peer's chain has a validity that begins or ends before 1970, which is not accepted; issue it anew "
       "with a later one"], "a clock without battery", Reissue},
     {[validity_malformed],
      ["a certificate in the peer's chain has a validity that is not written as RFC 5280 section 4.1.2.5 has it, in UTC with "
       "seconds and a Z; issue it anew"], "an authority that encodes wrongly", Reissue},
     {[issuer_in_other_bytes],
      ["a certificate in the peer's chain writes its issuer's name in other bytes than the authority's subject: in another "
       "string type (PrintableString, UTF8String), or with other capitals or blanks; issue it anew with the name as the "
       "authority has it"],
      "two tools that write names differently", Reissue},
     {[certificate_refused, bad_ocsp_response], ["the peer's certificate was refused: invalid ocsp response"],
      "a verdict of rustls without a sentence here", "report it"}].

of_agreements() ->
    [{[no_shared_cipher], ["this node and the peer have no cipher suite in common (option ciphers)"], "`ciphers`",
      "compare them"},
     {[no_shared_group], ["this node and the peer have no key exchange group in common"], "`supported_groups`, `eccs`",
      "compare them"},
     {[no_shared_signature_scheme],
      ["this node and the peer have no signature scheme in common; does the kind of key fit the cipher suites?"],
      "ECDSA suites alone, and an RSA key, or the other way round", "`ciphers`, or a second key in `certs_keys`"},
     {[no_shared_version], ["this node and the peer have no TLS version in common (option versions)"], "`versions`",
      "compare them"},
     {[peer_incompatible],
      ["this node and the peer have no extended master secret, which TLS 1.2 is required to have",
       "the peer lacks something that is required: uncompressed ec points required"], "an old TLS stack", "a newer one; TLS 1.3"},
     {[no_application_protocol], ["peer doesn't support any known protocol"], "a peer that wants ALPN", "see who it is"},
     {[alert_received],
      ["the peer refused the connection with the alert unknown_ca: it does not trust the authority that issued this node's "
       "certificate"],
      "as the row of that alert says", "as there"}].

of_records() ->
    Attack = "no node does that: another program, a fault, an attack",
    [{[invalid_message], ["the peer sent a message that is not valid TLS (missing data); is it speaking TLS at all?"], Attack,
      "see who it is"},
     {[unexpected_message],
      ["the peer sent a record that has no place at this point (heartbeat)",
       "the peer sent a handshake message that has no place at this point (finished)"], Attack, "see who it is"},
     {[peer_misbehaved], ["the peer broke the rules of TLS (illegal middlebox change cipher spec)"], Attack, "see who it is"},
     {[handshake_too_large],
      ["the peer's handshake messages are too long: 65535 bytes is the most for one, 7 for all; is its certificate chain that "
       "long?"],
      "a very long chain, or an attack", "a shorter chain; see who it is"},
     {[hello_too_large], ["the peer's client hello is longer than 7 bytes, which is more than any TLS node has to say"],
      Attack, "see who it is"},
     {[record_too_long],
      ["a record announces 65535 bytes, more than TLS allows: the stream was damaged or tampered with, or the peer does not keep "
       "to TLS", "a record holds more than TLS allows", "peer sent excess record size"],
      "bytes were damaged or lost on the way; no node does that otherwise", "the network between the two hosts; see who it is"},
     {[bad_record], ["a record failed authentication: the stream was damaged or tampered with", "cannot decrypt peer's message"],
      "bytes were damaged or forged on the way", "the network between the two hosts; memory"},
     {[unexpected_record],
      ["a record of type Heartbeat came, which may not appear here: the stream was damaged or tampered with, or the peer does "
       "not keep to TLS", "the peer sent a record that has no content type"],
      "bytes were damaged or lost on the way; no node does that otherwise", "the network between the two hosts; see who it is"},
     {[too_many_empty_records], ["the peer sent too many empty records in a row"], Attack, "see who it is"},
     {[too_many_warnings], ["the peer sent too many warnings in a row"], Attack, "see who it is"},
     {[too_many_key_updates], ["the peer renewed its keys too often without sending data"], Attack, "see who it is"},
     {[unexpected_handshake_message],
      ["the peer sent a handshake message of type 1, which may not appear here"], Attack, "see who it is"},
     {[malformed_handshake_message],
      ["the peer sent a handshake message of type 1 that is malformed",
       "the peer renewed its keys with a request of kind 2, which does not exist"], Attack, "see who it is"},
     {[renegotiation_refused], ["the peer asked to renegotiate, which is never done"],
      "an `inet_tls` node with `renegotiate_at`", "TLS 1.3, `key_update_at`"},
     {[packet_too_long], ["a distribution packet announces 9 bytes, and at most 8 are accepted"], Attack, "see who it is"},
     {[keys_exhausted],
      ["the connection's keys reached their limit and TLS 1.2 cannot renew them; with tlsv1.3 among the versions of both nodes "
       "the connection would go on"], "a long-lived link of TLS 1.2; the nodes connect again", "TLS 1.3"},
     {[no_random_bytes], ["failed to get random bytes"], "the system gives none", "the host"},
     {[no_time], ["failed to get current time"], "the system gives none", "the host"},
     {[key_mismatch], ["keys may not be consistent: KeyMismatch"], "a fault of rustls_dist: keys are compared before",
      "report it"},
     {[tls_failure, unsupported_name], ["the cipher suite that was negotiated has keys of an unknown kind"],
      "a fault of rustls_dist", "report it"},
     {[panicked], ["a handshake step panicked; this is a fault of rustls_dist, please report it"], "a fault of rustls_dist",
      "report it"}].

%% What Rust says of files and options: it keeps a node from starting, or is why changed files are refused.
-spec files() -> [rustls_dist_incidents:row(string())].
files() ->
    [{[file_not_found, file_unreadable, file_not_regular, file_too_large],
      ["/etc/node.pem does not exist; correct the path or create the file",
       "/etc/node.pem may not be read by the user that runs this node; change its owner or mode",
       "/etc/node.pem cannot be read (timed out); correct the path or the file system",
       "/etc/node.pem is not a regular file; name the PEM file itself",
       "/etc/node.pem is larger than 7 bytes, which is more than a PEM file may have; name the right file"],
      "a path, an owner or mode, a folder in the place of a file, the wrong file",
      "the path as the node's user sees it: `ls -lL` as that user"},
     {[not_pem, no_certificate, bad_certificate, no_private_key, several_private_keys, bad_private_key],
      ["/etc/node.pem is not a PEM file (no \"-----BEGIN ...-----\" line); if it is DER, convert it with: openssl x509 -inform "
             "DER -in /etc/node.pem -out FILE.pem for a certificate, openssl pkey -inform DER -in /etc/node.pem -out FILE.pem "
             "for a private key",
       "/etc/node.pem holds no certificate; name the PEM file that does",
       "certificate number 2 in /etc/node.pem cannot be parsed; look at it with: openssl storeutl -certs -text /etc/node.pem",
       "/etc/node.pem holds no private key; set keyfile to the file that does",
       "/etc/node.pem holds more than one private key; leave only the one that belongs to the certificate",
       "the private key in /etc/node.pem cannot be parsed; check it with: openssl pkey -noout -check -in /etc/node.pem"],
      "half a file, DER in the place of PEM, the wrong file in the option", "as the sentence says"},
     {[password_missing, password_wrong, legacy_encrypted_key, unsupported_key_encryption],
      ["the private key in /etc/node.pem is encrypted; set password",
       "the password does not decrypt the private key in /etc/node.pem; correct it, and try it with: openssl pkey -noout -in "
       "/etc/node.pem",
       "the private key in /etc/node.pem is encrypted in OpenSSL's old format (Proc-Type: 4,ENCRYPTED); convert it with: "
       "openssl pkcs8 -topk8 -in /etc/node.pem -out FILE.pem",
       "the private key in /etc/node.pem is encrypted with an algorithm that is not supported; convert it with: openssl pkcs8 "
       "-topk8 -v2 aes-256-cbc -v2prf hmacWithSHA256 -in /etc/node.pem -out FILE.pem"],
      "an encrypted key", "`password`; PKCS #8"},
     {[key_mismatch],
      ["the private key in /etc/node.pem does not belong to the first certificate in /etc/node.pem; both of these must print "
       "the same: openssl pkey -pubout -in /etc/node.pem and openssl x509 -pubkey -noout -in /etc/node.pem"],
      "files of two certificates; a renewal under way", "wait for the pair, or put it right"},
     {[chain_too_long, no_trust_anchor],
      ["/etc/node.pem holds 11 certificates, and at most 10 are sent to a peer; keep the node's own certificate first, then the "
       "ones that lead to the root",
       "/etc/node.pem holds no self-signed certificate, so no chain can be trusted; add the root certificate to it"],
      "a bundle in the place of a chain; the node's chain in `cacertfile`",
      "the root in `cacertfile`, what is between in `certfile`"},
     {[unsupported_key],
      ["the private key in /etc/node.pem is an ECDSA key on P-521, which cannot be used; make a new key, for example with: "
       "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out FILE.pem, and a certificate for it",
       "the private key in /etc/node.pem is an ECDSA key on the curve 1.2.3, which cannot be used; make a new key, for example "
       "with: openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out FILE.pem, and a certificate for it",
       "the private key in /etc/node.pem is an ECDSA key whose curve is written out instead of named, which cannot be used; "
       "convert it with: openssl ec -param_enc named_curve -in KEY -out FILE.pem",
       "the private key in /etc/node.pem is an ECDSA key without its public part in uncompressed form, which its certificate "
       "lacks, too, which cannot be used; convert it with: openssl ec -conv_form uncompressed -in KEY -out FILE.pem",
       "the private key in /etc/node.pem is a DSA key, which cannot be used; make a new key, for example with: openssl genpkey "
       "-algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out FILE.pem, and a certificate for it",
       "the private key in /etc/node.pem is an Ed448 key, which cannot be used; make a new key, for example with: openssl "
       "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out FILE.pem, and a certificate for it",
       "the private key in /etc/node.pem is an RSA key of 1024 bits (2048, 3072 and 4096 are supported), which cannot be used; "
       "make a new key, for example with: openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out FILE.pem, and a "
       "certificate for it",
       "the private key in /etc/node.pem is an RSA key with a public exponent below 65537 or of more than 33 bits, which cannot "
       "be used; make a new key, for example with: openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "
       "FILE.pem, and a certificate for it",
       "the private key in /etc/node.pem is of the kind 1.2.3, which cannot be used; make a new key, for example with: openssl "
       "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out FILE.pem, and a certificate for it"],
      "a kind of key that the provider lacks", "a new key; [cryptography.md](cryptography.md)"},
     {[unknown_cipher, unsupported_cipher, no_cipher_for_version, unusable_group, no_group_for_version, option_missing],
      ["\"x\" is not the name of a cipher suite; names look like \"TLS_AES_256_GCM_SHA384\" or \"ECDHE-RSA-AES256-GCM-SHA384\"",
       "the cipher suite \"x\" is not supported: only AES-GCM and ChaCha20-Poly1305 with ECDHE are; use for example "
              "\"ECDHE-RSA-AES256-GCM-SHA384\"",
       "none of the cipher suites works with tlsv1.3; add one, or take tlsv1.3 out of versions",
       "cacertfile is not set, and verify_peer needs it"],
      "`ciphers`, `supported_groups`, `eccs`, `versions`, `verify`", "[options.md](options.md)"}].
