//! Errors as sentences: what is wrong, where, and how to mend it.

use std::fmt;
use std::io;
use std::path::Path;

use super::{Error, UnsupportedKey, peer_text, tls_text};
use crate::provider;

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::AtOption { option, cause } => Some(format!("{option}: {cause}")),
            Self::Tls(error) => Some(tls_text::tls_text(error)),
            other => file_text(other)
                .or_else(|| key_text(other))
                .or_else(|| option_text(other))
                .or_else(|| chain_text(other))
                .or_else(|| verdict_text(other))
                .or_else(|| record_text(other)),
        };
        f.write_str(text.as_deref().unwrap_or_else(|| self.kind()))
    }
}

fn file_text(error: &Error) -> Option<String> {
    Some(match error {
        Error::FileNotFound { path } => {
            format!("{} does not exist; correct the path or create the file", path.display())
        }
        Error::FileUnreadable { path, reason } => unreadable_text(path, *reason),
        Error::FileNotRegular { path } => {
            format!("{} is not a regular file; name the PEM file itself", path.display())
        }
        Error::FileTooLarge { path, limit_bytes } => format!(
            "{} is larger than {limit_bytes} bytes, which is more than a PEM file may have; name the right file",
            path.display()
        ),
        Error::NotPem { path } => format!(
            "{0} is not a PEM file (no \"-----BEGIN ...-----\" line); if it is DER, convert it with: \
             openssl x509 -inform DER -in {0} -out FILE.pem for a certificate, \
             openssl pkey -inform DER -in {0} -out FILE.pem for a private key",
            path.display()
        ),
        Error::BadPem { path, fault } => format!("{} {fault}", path.display()),
        Error::NoCertificate { path } => {
            format!("{} holds no certificate; name the PEM file that does", path.display())
        }
        Error::BadCertificate { path, position } => format!(
            "certificate number {position} in {0} cannot be parsed; \
             look at it with: openssl storeutl -certs -text {0}",
            path.display()
        ),
        Error::ChainTooLong { path, count, limit } => format!(
            "{} holds {count} certificates, and at most {limit} are sent to a peer; \
             keep the node's own certificate first, then the ones that lead to the root",
            path.display()
        ),
        Error::ChainTooLarge { path, bytes, limit_bytes } => format!(
            "the certificates in {}, with those above them, make a message of {bytes} bytes, and peers take at most \
             {limit_bytes}; issue smaller ones",
            path.display()
        ),
        Error::OddTrustedCertificate { position, oddity } => format!("certificate number {position} {oddity}"),
        Error::BadTrustedCertificate { position } => {
            format!("certificate number {position} is no X.509 certificate in DER")
        }
        Error::NoTrustAnchor { path } => format!(
            "{} holds no self-signed certificate, so no chain can be trusted; add the root certificate to it",
            path.display()
        ),
        _ => return None,
    })
}

fn unreadable_text(path: &Path, reason: io::ErrorKind) -> String {
    match reason {
        io::ErrorKind::PermissionDenied => format!(
            "{} may not be read by the user that runs this node; change its owner or mode",
            path.display()
        ),
        other => format!("{} cannot be read ({other}); correct the path or the file system", path.display()),
    }
}

fn key_text(error: &Error) -> Option<String> {
    Some(match error {
        Error::NoPrivateKey { path } => {
            format!("{} holds no private key; set keyfile to the file that does", path.display())
        }
        Error::SeveralPrivateKeys { path } => format!(
            "{} holds more than one private key; leave only the one that belongs to the certificate",
            path.display()
        ),
        Error::BadPrivateKey { path } => format!(
            "the private key in {0} cannot be parsed; check it with: openssl pkey -noout -check -in {0}",
            path.display()
        ),
        Error::PasswordMissing { path } => {
            format!("the private key in {} is encrypted; set password", path.display())
        }
        Error::PasswordWrong { path } => format!(
            "the password does not decrypt the private key in {0}; correct it, and try it with: \
             openssl pkey -noout -in {0}",
            path.display()
        ),
        Error::LegacyEncryptedKey { path } => format!(
            "the private key in {0} is encrypted in OpenSSL's old format (Proc-Type: 4,ENCRYPTED); \
             convert it with: openssl pkcs8 -topk8 -in {0} -out FILE.pem",
            path.display()
        ),
        Error::UnsupportedKeyEncryption { path } => format!(
            "the private key in {0} is encrypted with an algorithm that is not supported; \
             convert it with: openssl pkcs8 -topk8 -v2 aes-256-cbc -v2prf hmacWithSHA256 \
             -in {0} -out FILE.pem",
            path.display()
        ),
        Error::UnsupportedKey { path, kind } => unsupported_key_text(path, kind),
        Error::KeyMismatch { certfile, keyfile } => format!(
            "the private key in {0} does not belong to the first certificate in {1}; \
             both of these must print the same: openssl pkey -pubout -in {0} and \
             openssl x509 -pubkey -noout -in {1}",
            keyfile.display(),
            certfile.display()
        ),
        _ => return None,
    })
}

fn unsupported_key_text(path: &Path, kind: &UnsupportedKey) -> String {
    let (what, mend) = match kind {
        UnsupportedKey::EcdsaP521 => ("is an ECDSA key on P-521".to_owned(), NEW_KEY),
        UnsupportedKey::EcdsaOther(oid) => (format!("is an ECDSA key on the curve {oid}"), NEW_KEY),
        UnsupportedKey::Dsa => ("is a DSA key".to_owned(), NEW_KEY),
        UnsupportedKey::Ed448 => ("is an Ed448 key".to_owned(), NEW_KEY),
        UnsupportedKey::EcdsaExplicitCurve => (
            "is an ECDSA key whose curve is written out instead of named".to_owned(),
            "convert it with: openssl ec -param_enc named_curve -in KEY -out FILE.pem",
        ),
        UnsupportedKey::EcdsaNoPublicPart => (
            "is an ECDSA key without its public part in uncompressed form, which its certificate lacks, too".to_owned(),
            "convert it with: openssl ec -conv_form uncompressed -in KEY -out FILE.pem",
        ),
        UnsupportedKey::RsaSize { bits } => (
            format!("is an RSA key of {bits} bits ({} are supported)", provider::RSA.private_bits_text()),
            NEW_KEY,
        ),
        UnsupportedKey::RsaExponent => {
            ("is an RSA key with a public exponent below 65537 or of more than 33 bits".to_owned(), NEW_KEY)
        }
        UnsupportedKey::RsaPrimes => {
            ("is an RSA key with more than two primes, or with primes of different lengths".to_owned(), NEW_KEY)
        }
        UnsupportedKey::RsaPss => (
            "is an RSA-PSS key (one for RSASSA-PSS alone)".to_owned(),
            "make an RSA key without that restriction, with: openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:3072 \
             -out FILE.pem, and a certificate for it",
        ),
        UnsupportedKey::OpenSshFormat => (
            "is in the format of OpenSSH".to_owned(),
            "convert it with: ssh-keygen -p -m PEM -f KEY, which writes it anew in its place",
        ),
        UnsupportedKey::Other(oid) => (format!("is of the kind {oid}"), NEW_KEY),
    };
    let path = path.display();
    format!("the private key in {path} {what}, which cannot be used; {mend}")
}

const NEW_KEY: &str = "make a new key, for example with: \
     openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out FILE.pem, and a certificate for it";

fn option_text(error: &Error) -> Option<String> {
    Some(match error {
        Error::UnknownCipher { name } => format!(
            "{name:?} is not the name of a cipher suite; names look like \"TLS_AES_256_GCM_SHA384\" or \
             \"ECDHE-RSA-AES256-GCM-SHA384\""
        ),
        Error::UnsupportedCipher { name } => format!(
            "the cipher suite {name:?} is not supported: only AES-GCM and ChaCha20-Poly1305 with ECDHE are; \
             use for example \"ECDHE-RSA-AES256-GCM-SHA384\""
        ),
        Error::UnusableCiphers { unsupported, unknown } => unusable_ciphers_text(unsupported, unknown),
        Error::NoCipherForVersion { version } => format!(
            "none of the cipher suites works with {version}; add one, or take {version} out of versions"
        ),
        Error::OptionMissing { option, because } => format!("{option} is not set, and {because} needs it"),
        _ => return None,
    })
}

fn unusable_ciphers_text(unsupported: &[String], unknown: &[String]) -> String {
    let quoted = |names: &[String]| {
        let shown: Vec<_> = names.iter().map(|name| format!("{name:?}")).collect();
        shown.join(", ")
    };
    let mut parts = Vec::new();
    if !unknown.is_empty() {
        parts.push(format!("no names of cipher suites: {}", quoted(unknown)));
    }
    if !unsupported.is_empty() {
        parts.push(format!("not supported: {}", quoted(unsupported)));
    }
    format!(
        "these are {}; only AES-GCM and ChaCha20-Poly1305 with ECDHE are supported. Remove them, or in the options file \
         let ssl choose: {{ciphers, {CIPHER_FILTER}}}",
        parts.join("; and ")
    )
}

/// What `ssl` of any release gives of its suites of TLS 1.3 and 1.2 that the provider has, too.
const CIPHER_FILTER: &str = "[S || V <- ['tlsv1.3', 'tlsv1.2'], S <- ssl:filter_cipher_suites(ssl:cipher_suites(default, V), \
     [{key_exchange, fun(K) -> lists:member(K, [any, ecdhe_ecdsa, ecdhe_rsa]) end}, \
     {cipher, fun(C) -> lists:member(C, [aes_256_gcm, aes_128_gcm, chacha20_poly1305]) end}])]";

fn chain_text(error: &Error) -> Option<String> {
    Some(match error {
        Error::CertificateExpired { subject, serial, not_after_unix_s, now_unix_s } => format!(
            "a certificate in the peer's chain, that of {} with the serial number {}, expired on {}, and it is {} now",
            peer_text::cut(subject),
            peer_text::cut(serial),
            tls_text::date_of(*not_after_unix_s),
            tls_text::date_of(*now_unix_s)
        ),
        Error::CertificateNotYetValid { subject, serial, not_before_unix_s, now_unix_s } => format!(
            "a certificate in the peer's chain, that of {} with the serial number {}, is not valid before {}, \
             and it is {} now",
            peer_text::cut(subject),
            peer_text::cut(serial),
            tls_text::date_of(*not_before_unix_s),
            tls_text::date_of(*now_unix_s)
        ),
        Error::ChainTooDeep { intermediates, depth } => format!(
            "the peer's certificate chain has {intermediates} intermediate certificates, \
             and depth allows {depth}"
        ),
        Error::ChainRefused(fault) => fault.to_string(),
        Error::SelfSignedPeer => "the peer's certificate is self-signed; give it one that an authority in \
             cacertfile issued, or pin it with verify_fun {rustls_dist, verify_pinned, [FINGERPRINT]}"
            .to_owned(),
        Error::AuthorityMayNotSign { subject } => {
            format!(
                "the certificate of {} is not meant for signing certificates (keyUsage lacks keyCertSign)",
                peer_text::cut(subject)
            )
        }
        Error::TrustAnchorNotValid { subject, not_before_unix_s, not_after_unix_s } => format!(
            "the trust anchor {subject} is valid from {} to {} only; replace it in cacertfile",
            tls_text::date_of(*not_before_unix_s),
            tls_text::date_of(*not_after_unix_s)
        ),
        _ => return None,
    })
}

fn verdict_text(error: &Error) -> Option<String> {
    Some(match error {
        Error::NameMismatch { expected, presented } if presented.is_empty() => {
            format!("the server's certificate names no host at all, and {expected:?} was dialled")
        }
        Error::NameMismatch { expected, presented } => format!(
            "the server's certificate does not name the host {expected:?}; it names {}",
            peer_text::cut(&presented.join(", "))
        ),
        Error::CommonNameConstrained { expected } => format!(
            "the server's certificate names the host {expected:?} by its common name alone, which does not count below an \
             authority that constrains names (nameConstraints); issue one with the host in its subjectAltName"
        ),
        Error::RefusedByReferee { reason, .. } => reason.clone(),
        Error::AlertReceived(alert) => tls_text::alert_received_text(*alert),
        _ => return None,
    })
}

fn record_text(error: &Error) -> Option<String> {
    Some(match error {
        Error::HandshakeTooLarge { limit_bytes } => {
            format!(
                "the peer's handshake messages are too long: 65535 bytes is the most for one, {limit_bytes} for all; \
                 is its certificate chain that long?"
            )
        }
        Error::HelloTooLarge { limit_bytes } => {
            format!(
                "the peer's client hello is longer than {limit_bytes} bytes, which is more than any TLS node has to say"
            )
        }
        Error::RecordTooLong { length_bytes } => format!(
            "a record announces {length_bytes} bytes, more than TLS allows; is the peer speaking TLS at all?"
        ),
        Error::BadRecord => {
            "a record failed authentication: the stream was damaged or tampered with".to_owned()
        }
        Error::UnexpectedRecord(content_type) => {
            format!("the peer sent a record of type {content_type:?}, which may not appear here")
        }
        Error::TooManyEmptyRecords => "the peer sent too many empty records in a row".to_owned(),
        Error::TooManyKeyUpdates => "the peer renewed its keys too often without sending data".to_owned(),
        Error::UnexpectedHandshakeMessage { message_type } => format!(
            "the peer sent a handshake message of type {message_type} that is malformed or not allowed here"
        ),
        Error::RenegotiationRefused => "the peer asked to renegotiate, which is never done".to_owned(),
        Error::PacketTooLong { length_bytes, limit_bytes } => format!(
            "a distribution packet announces {length_bytes} bytes, and at most {limit_bytes} are accepted"
        ),
        Error::KeysExhausted => "the connection's keys reached their limit and TLS 1.2 cannot renew them; \
                                 with tlsv1.3 among the versions of both nodes the connection would go on"
            .to_owned(),
        Error::Closed => "the connection is closed".to_owned(),
        _ => return None,
    })
}
