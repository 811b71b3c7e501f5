//! Faults of a configuration as sentences: what is wrong, where, and how to mend it.

use std::fmt;
use std::io;
use std::path::Path;

use super::{ConfigError, UnsupportedKey, tls_text};
use crate::provider;

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::AtOption { option, cause } => Some(format!("{option}: {cause}")),
            Self::Tls(error) => Some(tls_text::tls_text(error)),
            other => file_text(other).or_else(|| key_text(other)).or_else(|| option_text(other)),
        };
        f.write_str(text.as_deref().unwrap_or_else(|| self.kind()))
    }
}

fn file_text(error: &ConfigError) -> Option<String> {
    Some(match error {
        ConfigError::FileNotFound { path } => {
            format!("{} does not exist; correct the path or create the file", path.display())
        }
        ConfigError::FileUnreadable { path, reason } => unreadable_text(path, *reason),
        ConfigError::FileNotRegular { path } => {
            format!("{} is not a regular file; name the PEM file itself", path.display())
        }
        ConfigError::FileTooLarge { path, limit_bytes } => format!(
            "{} is larger than {limit_bytes} bytes, which is more than a PEM file may have; name the right file",
            path.display()
        ),
        ConfigError::NotPem { path } => format!(
            "{0} is not a PEM file (no \"-----BEGIN ...-----\" line); if it is DER, convert it with: \
             openssl x509 -inform DER -in {0} -out FILE.pem for a certificate, \
             openssl pkey -inform DER -in {0} -out FILE.pem for a private key",
            path.display()
        ),
        ConfigError::BadPem { path, fault } => format!("{} {fault}", path.display()),
        ConfigError::NoCertificate { path } => {
            format!("{} holds no certificate; name the PEM file that does", path.display())
        }
        ConfigError::BadCertificate { path, position } => format!(
            "certificate number {position} in {0} cannot be parsed; \
             look at it with: openssl storeutl -certs -text {0}",
            path.display()
        ),
        ConfigError::ChainTooLong { path, count, limit } => format!(
            "{} holds {count} certificates, and at most {limit} are sent to a peer; \
             keep the node's own certificate first, then the ones that lead to the root",
            path.display()
        ),
        ConfigError::ChainTooLarge { path, bytes, limit_bytes } => format!(
            "the certificates in {}, with those above them, make a message of {bytes} bytes, and peers take at most \
             {limit_bytes}; issue smaller ones",
            path.display()
        ),
        ConfigError::OddTrustedCertificate { position, oddity } => {
            format!("certificate number {position} {oddity}")
        }
        ConfigError::BadTrustedCertificate { position } => {
            format!("certificate number {position} is no X.509 certificate in DER")
        }
        ConfigError::NoTrustAnchor { path } => format!(
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

fn key_text(error: &ConfigError) -> Option<String> {
    Some(match error {
        ConfigError::NoPrivateKey { path } => {
            format!("{} holds no private key; set keyfile to the file that does", path.display())
        }
        ConfigError::SeveralPrivateKeys { path } => format!(
            "{} holds more than one private key; leave only the one that belongs to the certificate",
            path.display()
        ),
        ConfigError::BadPrivateKey { path } => format!(
            "the private key in {0} cannot be parsed; check it with: openssl pkey -noout -check -in {0}",
            path.display()
        ),
        ConfigError::PasswordMissing { path } => {
            format!("the private key in {} is encrypted; set password", path.display())
        }
        ConfigError::PasswordWrong { path } => format!(
            "the password does not decrypt the private key in {0}; correct it, and try it with: \
             openssl pkey -noout -in {0}",
            path.display()
        ),
        ConfigError::LegacyEncryptedKey { path } => format!(
            "the private key in {0} is encrypted in OpenSSL's old format (Proc-Type: 4,ENCRYPTED); \
             convert it with: openssl pkcs8 -topk8 -in {0} -out FILE.pem",
            path.display()
        ),
        ConfigError::UnsupportedKeyEncryption { path } => format!(
            "the private key in {0} is encrypted with an algorithm that is not supported; \
             convert it with: openssl pkcs8 -topk8 -v2 aes-256-cbc -v2prf hmacWithSHA256 \
             -in {0} -out FILE.pem",
            path.display()
        ),
        ConfigError::UnsupportedKey { path, kind } => unsupported_key_text(path, kind),
        ConfigError::KeyMismatch { certfile, keyfile } => format!(
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
            "is an ECDSA key without its public part in uncompressed form, which its certificate lacks, too"
                .to_owned(),
            "convert it with: openssl ec -conv_form uncompressed -in KEY -out FILE.pem",
        ),
        UnsupportedKey::RsaSize { bits } => (
            format!("is an RSA key of {bits} bits ({} are supported)", provider::RSA.private_bits_text()),
            NEW_KEY,
        ),
        UnsupportedKey::RsaExponent => {
            let least = provider::RSA.private_exponents.start();
            (format!("is an RSA key with a public exponent below {least} or of more than 33 bits"), NEW_KEY)
        }
        UnsupportedKey::RsaPrimes => (
            "is an RSA key with more than two primes, or with primes of different lengths".to_owned(),
            NEW_KEY,
        ),
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

fn option_text(error: &ConfigError) -> Option<String> {
    Some(match error {
        ConfigError::UnknownCipher { name } => format!(
            "{name:?} is not the name of a cipher suite; names look like \"TLS_AES_256_GCM_SHA384\" or \
             \"ECDHE-RSA-AES256-GCM-SHA384\""
        ),
        ConfigError::UnsupportedCipher { name } => format!(
            "the cipher suite {name:?} is not supported: only AES-GCM and ChaCha20-Poly1305 with ECDHE are; \
             use for example \"ECDHE-RSA-AES256-GCM-SHA384\""
        ),
        ConfigError::UnusableCiphers { unsupported, unknown } => unusable_ciphers_text(unsupported, unknown),
        ConfigError::NoCipherForVersion { version } => format!(
            "none of the cipher suites works with {version}; add one, or take {version} out of versions"
        ),
        ConfigError::UnusableGroups { unsupported, unknown, usable, .. } => {
            unusable_groups_text(unsupported, unknown, usable)
        }
        ConfigError::NoGroupForVersion { version, .. } => format!(
            "no group is left that works with {version}; add one (x25519, secp256r1 and secp384r1 work with every version), \
             or take {version} out of versions"
        ),
        ConfigError::OptionMissing { option, because } => {
            format!("{option} is not set, and {because} needs it")
        }
        _ => return None,
    })
}

fn unusable_groups_text(unsupported: &[String], unknown: &[String], usable: &[&str]) -> String {
    format!(
        "these are {}; remove them: {} can be used",
        unusable("groups", unsupported, unknown),
        usable.join(", ")
    )
}

fn unusable_ciphers_text(unsupported: &[String], unknown: &[String]) -> String {
    format!(
        "these are {}; only AES-GCM and ChaCha20-Poly1305 with ECDHE are supported. Remove them, or in the options file \
         let ssl choose: {{ciphers, {CIPHER_FILTER}}}",
        unusable("cipher suites", unsupported, unknown)
    )
}

/// Which names of `things` are none, and which exist and are not supported.
fn unusable(things: &str, unsupported: &[String], unknown: &[String]) -> String {
    let quoted = |names: &[String]| {
        let shown: Vec<_> = names.iter().map(|name| format!("{name:?}")).collect();
        shown.join(", ")
    };
    let mut parts = Vec::new();
    if !unknown.is_empty() {
        parts.push(format!("no names of {things}: {}", quoted(unknown)));
    }
    if !unsupported.is_empty() {
        parts.push(format!("not supported: {}", quoted(unsupported)));
    }
    parts.join("; and ")
}

/// What `ssl` of any release gives of its suites of TLS 1.3 and 1.2 that the provider has, too.
const CIPHER_FILTER: &str = "[S || V <- ['tlsv1.3', 'tlsv1.2'], S <- ssl:filter_cipher_suites(ssl:cipher_suites(default, V), \
     [{key_exchange, fun(K) -> lists:member(K, [any, ecdhe_ecdsa, ecdhe_rsa]) end}, \
     {cipher, fun(C) -> lists:member(C, [aes_256_gcm, aes_128_gcm, chacha20_poly1305]) end}])]";
