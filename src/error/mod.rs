//! The one error type of this crate.
//!
//! Every variant is a fact that a person can act on; [`Error`]'s `Display` says what is wrong and, where
//! there is a way to mend it, how. [`Error::alert`] tells which TLS alert the peer is owed.

use std::io;
use std::path::PathBuf;

use rustls::{AlertDescription, ContentType};

mod alert;
mod algorithm;
mod chain_fault;
mod kind;
mod peer_text;
mod pem_fault;
mod text;
mod tls_text;

pub use alert::alert_name;
pub use algorithm::Algorithm;
pub use chain_fault::{ChainFault, Oddity};
pub use pem_fault::PemFault;

/// Everything that can go wrong in configuration, handshake and record layer.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Error {
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
        cause: Box<Error>,
    },
    /// The TLS handshake failed in rustls; certificate verdicts arrive here too.
    Tls(rustls::Error),
    /// A certificate of the peer's chain has expired.
    CertificateExpired {
        /// The certificate's subject.
        subject: String,
        /// Its serial number, in hexadecimal digits.
        serial: String,
        /// The end of its validity.
        not_after_unix_s: i64,
        /// The time of the verdict.
        now_unix_s: i64,
    },
    /// A certificate of the peer's chain is not valid yet.
    CertificateNotYetValid {
        /// The certificate's subject.
        subject: String,
        /// Its serial number, in hexadecimal digits.
        serial: String,
        /// The beginning of its validity.
        not_before_unix_s: i64,
        /// The time of the verdict.
        now_unix_s: i64,
    },
    /// The peer's certificate chain does not fit the configured `depth`.
    ChainTooDeep {
        /// Intermediate certificates in the verified path.
        intermediates: usize,
        /// The configured most.
        depth: usize,
    },
    /// webpki refuses the peer's certificate chain.
    ChainRefused(ChainFault),
    /// The peer's certificate is self-signed, so that no authority vouches for it.
    SelfSignedPeer,
    /// An authority in the peer's chain has a keyUsage without keyCertSign (RFC 5280 section 4.2.1.3).
    AuthorityMayNotSign {
        /// The authority's name.
        subject: String,
    },
    /// The trust anchor of the peer's chain is not valid at this time.
    TrustAnchorNotValid {
        /// The anchor's name.
        subject: String,
        /// Start of its validity, in seconds since 1970.
        not_before_unix_s: i64,
        /// End of its validity, in seconds since 1970.
        not_after_unix_s: i64,
    },
    /// The server's certificate does not name the host that was dialled.
    NameMismatch {
        /// The host part of the node name.
        expected: String,
        /// The names in the certificate.
        presented: Vec<String>,
    },
    /// The server's certificate names the host by its common name alone, below an authority that constrains names.
    CommonNameConstrained {
        /// The host part of the node name.
        expected: String,
    },
    /// The user's own rules refuse the peer's certificate (see [`crate::trust::referee`]).
    RefusedByReferee {
        /// The alert that the peer is owed.
        alert: AlertDescription,
        /// The reason, for people.
        reason: String,
    },
    /// The peer sent an alert; the connection is over.
    AlertReceived(AlertDescription),
    /// Handshake messages added up to more than is accepted.
    HandshakeTooLarge {
        /// The most bytes that are accepted.
        limit_bytes: usize,
    },
    /// A client hello is longer than is accepted.
    HelloTooLarge {
        /// The most bytes that are accepted.
        limit_bytes: usize,
    },
    /// A record is longer than the protocol allows (RFC 8446 section 5.2).
    RecordTooLong {
        /// The length field of the record.
        length_bytes: usize,
    },
    /// A record failed authentication, so the stream is damaged or attacked.
    BadRecord,
    /// A record carries a content type that may not appear here.
    UnexpectedRecord(ContentType),
    /// Too many records without content in a row.
    TooManyEmptyRecords,
    /// Too many key updates without data between them.
    TooManyKeyUpdates,
    /// A handshake message after the handshake is malformed or not allowed.
    UnexpectedHandshakeMessage {
        /// The handshake message type (RFC 8446 section 4).
        message_type: u8,
    },
    /// A TLS 1.2 peer asked to renegotiate, which is refused (RFC 5746 leaves that to us).
    RenegotiationRefused,
    /// A distribution packet announces more bytes than is accepted.
    PacketTooLong {
        /// What the packet's length field says.
        length_bytes: usize,
        /// The most bytes that are accepted.
        limit_bytes: usize,
    },
    /// The keys reached their limit and the protocol version cannot renew them.
    KeysExhausted,
    /// The direction was already closed.
    Closed,
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
    /// ECDSA without the public part in uncompressed form, which the provider demands, and with a certificate that has none
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

impl Error {
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

    /// The error itself, without the option that [`Error::in_option`] added.
    pub fn cause(&self) -> &Self {
        match self {
            Self::AtOption { cause, .. } => cause.cause(),
            other => other,
        }
    }

    /// The name of the option that has to change, where one is known.
    pub fn option(&self) -> Option<&'static str> {
        match self {
            Self::AtOption { option, .. } | Self::OptionMissing { option, .. } => Some(option),
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

impl From<rustls::Error> for Error {
    fn from(error: rustls::Error) -> Self {
        match error {
            rustls::Error::AlertReceived(alert) => Self::AlertReceived(alert),
            other => Self::Tls(other),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::AtOption { cause, .. } => Some(cause),
            Self::Tls(error) => Some(error),
            _ => None,
        }
    }
}
