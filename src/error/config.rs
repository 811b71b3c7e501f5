//! What is wrong with a configuration: files, keys, options.

use std::io;
use std::path::PathBuf;

use super::{BadEncoding, Oddity, PemFault};

/// Why a configuration cannot be used. Every variant is for the one who wrote it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum ConfigError {
    /// A configured file does not exist.
    FileNotFound {
        /// The file.
        path: PathBuf,
    },
    /// A configured file exists and could not be read.
    FileUnreadable {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        reason: io::ErrorKind,
    },
    /// A configured path names a directory, a pipe or a device.
    FileNotRegular {
        /// The path.
        path: PathBuf,
    },
    /// A configured file is larger than any sensible PEM file.
    FileTooLarge {
        /// The file.
        path: PathBuf,
        /// The most bytes that are read.
        limit_bytes: u64,
    },
    /// A configured file holds no PEM section at all (RFC 7468).
    NotPem {
        /// The file.
        path: PathBuf,
    },
    /// A configured file looks like PEM to people, and is none.
    BadPem {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        fault: PemFault,
    },
    /// A PEM file holds no `CERTIFICATE` section.
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// A `CERTIFICATE` section does not hold an X.509 certificate.
    BadCertificate {
        /// The file.
        path: PathBuf,
        /// Which certificate of the file, counted from 1.
        position: usize,
    },
    /// A PEM file holds no private key.
    NoPrivateKey {
        /// The file.
        path: PathBuf,
    },
    /// A PEM file holds more than one private key, so that it is unclear which is meant.
    SeveralPrivateKeys {
        /// The file.
        path: PathBuf,
    },
    /// A private key section cannot be parsed.
    BadPrivateKey {
        /// The file.
        path: PathBuf,
    },
    /// The private key is encrypted and no password is configured.
    PasswordMissing {
        /// The file.
        path: PathBuf,
    },
    /// The configured password does not decrypt the private key.
    PasswordWrong {
        /// The file.
        path: PathBuf,
    },
    /// The private key is encrypted in OpenSSL's old format (`Proc-Type: 4,ENCRYPTED`).
    LegacyEncryptedKey {
        /// The file.
        path: PathBuf,
    },
    /// The private key is encrypted with an algorithm that is not supported.
    UnsupportedKeyEncryption {
        /// The file.
        path: PathBuf,
    },
    /// The private key is of a kind that the crypto provider cannot sign with.
    UnsupportedKey {
        /// The file.
        path: PathBuf,
        /// What the key is.
        kind: UnsupportedKey,
    },
    /// The private key does not belong to the certificate.
    KeyMismatch {
        /// Where the certificate was read from.
        certfile: PathBuf,
        /// Where the key was read from.
        keyfile: PathBuf,
    },
    /// The file holds more certificates than a chain may have.
    ChainTooLong {
        /// The file.
        path: PathBuf,
        /// How many certificates it holds.
        count: usize,
        /// The most certificates that are sent to a peer.
        limit: usize,
    },
    /// The certificates of a chain are together more than a handshake message holds.
    ChainTooLarge {
        /// The file.
        path: PathBuf,
        /// How long the message would be.
        bytes: usize,
        /// The most bytes that peers take.
        limit_bytes: usize,
    },
    /// A trusted certificate is one that webpki cannot read.
    OddTrustedCertificate {
        /// Which one, counted from 1.
        position: usize,
        /// What is odd about it.
        oddity: Oddity,
    },
    /// One of the certificates given as `cacerts` cannot be parsed.
    BadTrustedCertificate {
        /// Which one, counted from 1.
        position: usize,
    },
    /// No certificate of the trust store is self-signed, so no chain can ever reach it.
    NoTrustAnchor {
        /// The file.
        path: PathBuf,
    },
    /// A cipher suite name is neither an OTP, an OpenSSL nor an IANA name.
    UnknownCipher {
        /// The name as it was given.
        name: String,
    },
    /// A cipher suite is known, but is not offered because it is not an AEAD suite with forward secrecy.
    UnsupportedCipher {
        /// The name as it was given.
        name: String,
    },
    /// Several of the given cipher suites cannot be used.
    UnusableCiphers {
        /// Those that exist elsewhere.
        unsupported: Vec<String>,
        /// Those that are no suites.
        unknown: Vec<String>,
    },
    /// The configured cipher suites leave no suite for a configured TLS version.
    NoCipherForVersion {
        /// The version, in OTP's spelling.
        version: &'static str,
    },
    /// Some of the given groups of the key exchange cannot be used.
    UnusableGroups {
        /// The option that names them.
        option: &'static str,
        /// Those that exist elsewhere.
        unsupported: Vec<String>,
        /// Those that are no groups.
        unknown: Vec<String>,
        /// Those that can be used.
        usable: Vec<&'static str>,
    },
    /// The configured groups leave none for a configured TLS version.
    NoGroupForVersion {
        /// The option that names the groups.
        option: &'static str,
        /// The version, in OTP's spelling.
        version: &'static str,
    },
    /// A required option is absent.
    OptionMissing {
        /// The option's name.
        option: &'static str,
        /// The option that makes it necessary, or the role that does.
        because: &'static str,
    },
    /// An error together with the option whose value led to it.
    AtOption {
        /// The option's name.
        option: &'static str,
        /// What is wrong.
        cause: Box<ConfigError>,
    },
    /// rustls does not take what was read.
    Tls(rustls::Error),
}

/// Kinds of private keys that the provider cannot sign with.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum UnsupportedKey {
    /// ECDSA on NIST P-521.
    EcdsaP521,
    /// ECDSA on another curve, by its object identifier.
    EcdsaOther(String),
    /// DSA.
    Dsa,
    /// Ed448.
    Ed448,
    /// ECDSA on a curve that is written out instead of named.
    EcdsaExplicitCurve,
    /// ECDSA without the public part in uncompressed form, which the provider demands, and which the certificate has not
    /// either.
    EcdsaNoPublicPart,
    /// RSA of a size that the provider does not take.
    RsaSize {
        /// Length of the modulus.
        bits: usize,
    },
    /// RSA with a public exponent below 65537, or of more than 33 bits.
    RsaExponent,
    /// RSA with more than two primes, or with two of different lengths.
    RsaPrimes,
    /// RSA for RSASSA-PSS alone, as its object identifier says.
    RsaPss,
    /// A key in the format of OpenSSH.
    OpenSshFormat,
    /// Anything else, by its object identifier.
    Other(String),
}

impl ConfigError {
    /// Adds the option whose value led to this error, unless the error already names one.
    ///
    /// `option` is the option's name, as in `"certfile"`.
    #[must_use]
    pub fn in_option(self, option: &'static str) -> Self {
        match self.option() {
            Some(_) => self,
            None => Self::AtOption { option, cause: Box::new(self) },
        }
    }

    /// The error itself, without the option that [`ConfigError::in_option`] added.
    pub fn cause(&self) -> &Self {
        match self {
            Self::AtOption { cause, .. } => cause.cause(),
            other => other,
        }
    }

    /// The name of the option that has to change, where one is known.
    pub fn option(&self) -> Option<&'static str> {
        match self {
            Self::AtOption { option, .. }
            | Self::OptionMissing { option, .. }
            | Self::UnusableGroups { option, .. }
            | Self::NoGroupForVersion { option, .. } => Some(option),
            Self::PasswordMissing { .. } | Self::PasswordWrong { .. } => Some("password"),
            Self::KeyMismatch { .. } => Some("keyfile"),
            Self::ChainTooLong { .. } | Self::ChainTooLarge { .. } => Some("certfile"),
            Self::BadTrustedCertificate { .. } => Some("cacerts"),
            Self::UnknownCipher { .. }
            | Self::UnsupportedCipher { .. }
            | Self::UnusableCiphers { .. }
            | Self::NoCipherForVersion { .. } => Some("ciphers"),
            _ => None,
        }
    }
}

impl From<rustls::Error> for ConfigError {
    fn from(error: rustls::Error) -> Self {
        Self::Tls(error)
    }
}

impl From<BadEncoding> for ConfigError {
    fn from(error: BadEncoding) -> Self {
        Self::Tls(error.into())
    }
}

impl std::error::Error for ConfigError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::AtOption { cause, .. } => Some(cause),
            Self::Tls(error) => Some(error),
            _ => None,
        }
    }
}
