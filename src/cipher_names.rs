//! Names of cipher suites: OTP's (which are IANA's) and OpenSSL's.

use rustls::{CipherSuite, SupportedCipherSuite};

use crate::error::ConfigError;
use crate::provider;

/// Every suite that has a name here: its OTP name, its OpenSSL name (the same for TLS 1.3) and its number. Whether it is
/// offered is the provider's matter.
static SUITES: [(&str, &str, CipherSuite); 9] = [
    ("TLS_AES_256_GCM_SHA384", "TLS_AES_256_GCM_SHA384", CipherSuite::TLS13_AES_256_GCM_SHA384),
    ("TLS_AES_128_GCM_SHA256", "TLS_AES_128_GCM_SHA256", CipherSuite::TLS13_AES_128_GCM_SHA256),
    (
        "TLS_CHACHA20_POLY1305_SHA256",
        "TLS_CHACHA20_POLY1305_SHA256",
        CipherSuite::TLS13_CHACHA20_POLY1305_SHA256,
    ),
    (
        "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    ),
    (
        "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    ),
    (
        "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
        "ECDHE-ECDSA-CHACHA20-POLY1305",
        CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
    ),
    (
        "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
        "ECDHE-RSA-AES256-GCM-SHA384",
        CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
    ),
    (
        "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
        "ECDHE-RSA-AES128-GCM-SHA256",
        CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    ),
    (
        "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
        "ECDHE-RSA-CHACHA20-POLY1305",
        CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
    ),
];

/// The parts that names of cipher suites are made of, in both spellings. A name made of nothing else is a
/// suite that exists somewhere, so the message is "not supported" and not "no such suite".
const PARTS: [&str; 53] = [
    "TLS",
    "SSL",
    "WITH",
    "EXPORT",
    "EXP",
    "FALLBACK",
    "EMPTY",
    "RENEGOTIATION",
    "INFO",
    "SCSV",
    "RSA",
    "DH",
    "DHE",
    "EDH",
    "ADH",
    "ECDH",
    "ECDHE",
    "AECDH",
    "ECDSA",
    "DSS",
    "ANON",
    "PSK",
    "SRP",
    "KRB5",
    "NULL",
    "RC2",
    "RC4",
    "IDEA",
    "SEED",
    "DES",
    "DES40",
    "3DES",
    "CBC3",
    "EDE",
    "AES",
    "AES128",
    "AES256",
    "ARIA",
    "ARIA128",
    "ARIA256",
    "CAMELLIA",
    "CAMELLIA128",
    "CAMELLIA256",
    "CHACHA20",
    "POLY1305",
    "CBC",
    "GCM",
    "CCM",
    "CCM8",
    "SHA",
    "SHA256",
    "SHA384",
    "MD5",
];

/// Parts that are numbers and mean nothing alone: key lengths and the tag length of `CCM_8`.
const NUMBERS: [&str; 5] = ["8", "40", "56", "128", "256"];

/// Looks up all of `names`, each as [`parse`] does.
///
/// # Errors
/// That of [`parse`] for one name, [`ConfigError::UnusableCiphers`] for more.
pub fn parse_all(names: &[String]) -> Result<Vec<SupportedCipherSuite>, ConfigError> {
    let (mut suites, mut unsupported, mut unknown) = (Vec::new(), Vec::new(), Vec::new());
    let mut last = None;
    for name in names {
        match parse(name) {
            Ok(suite) => {
                // `ssl:cipher_suites/2` gives those of older versions along with those of TLS 1.3.
                if !suites.contains(&suite) {
                    suites.push(suite);
                }
                continue;
            }
            Err(ConfigError::UnsupportedCipher { name }) => unsupported.push(name),
            Err(_) => unknown.push(name.trim().to_owned()),
        }
        last = Some(name);
    }
    match (last, unsupported.len() + unknown.len()) {
        (None, _) => Ok(suites),
        (Some(name), 1) => parse(name).map(|_| suites),
        (Some(_), _) => Err(ConfigError::UnusableCiphers { unsupported, unknown }),
    }
}

/// Looks up a cipher suite by name.
///
/// `name` is an OTP name (`"TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"`) or an OpenSSL name
/// (`"ECDHE-RSA-AES256-GCM-SHA384"`), as `ssl:str_to_suite/1` takes them; case and surrounding space do not
/// matter. Errors: [`ConfigError::UnsupportedCipher`] for a suite without AEAD or forward secrecy,
/// [`ConfigError::UnknownCipher`] for anything else.
pub fn parse(name: &str) -> Result<SupportedCipherSuite, ConfigError> {
    let name = name.trim();
    let is_named = |known: &str| known.eq_ignore_ascii_case(name);
    let number = SUITES.iter().find(|(otp, openssl, _)| is_named(otp) || is_named(openssl));
    match number.and_then(|(_, _, number)| provider::suite(*number)) {
        Some(suite) => Ok(suite),
        None if is_made_of_parts(name) => Err(ConfigError::UnsupportedCipher { name: name.to_owned() }),
        None => Err(ConfigError::UnknownCipher { name: name.to_owned() }),
    }
}

/// The name that OTP prints for a suite (`ssl:suite_to_str/1`), for any suite in [`parse`]'s reach, and
/// IANA's name for the rest; `"unknown"` for a number without a name.
pub fn otp_name(suite: CipherSuite) -> &'static str {
    let known = SUITES.iter().find(|(_, _, known)| *known == suite);
    known.map_or_else(|| suite.as_str().unwrap_or("unknown"), |(otp, _, _)| otp)
}

fn is_made_of_parts(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    let is_part = |part: &str| PARTS.contains(&part) || NUMBERS.contains(&part);
    name.contains(['-', '_']) && name.split(['-', '_']).all(is_part)
}
