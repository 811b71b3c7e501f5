//! What goes wrong, in three enums: with a configuration ([`ConfigError`]), in a handshake ([`HandshakeError`]) and on an
//! established link ([`RecordError`]). [`Error`] is any of them, for whoever passes them on.
//!
//! Every variant is a fact that a person can act on; `Display` says what is wrong and, where there is a way to mend it,
//! how. `kind` is a tag to match on ([`KINDS`] has them all), `alert` tells which TLS alert the peer is owed.

use std::fmt;

use rustls::{AlertDescription, CertificateError};

mod alert;
mod algorithm;
mod chain_fault;
mod config;
mod config_text;
mod handshake;
mod handshake_text;
mod kind;
mod peer_text;
mod pem_fault;
mod record;
mod tls_text;

pub use alert::alert_name;
pub use algorithm::Algorithm;
pub use chain_fault::{ChainFault, Oddity};
pub use config::{ConfigError, UnsupportedKey};
pub use handshake::HandshakeError;
pub use kind::KINDS;
pub use pem_fault::PemFault;
pub use record::RecordError;

/// Everything that can go wrong.
#[derive(Debug, Clone, PartialEq)]
pub enum Error {
    /// A configuration cannot be used.
    Config(ConfigError),
    /// A handshake failed.
    Handshake(HandshakeError),
    /// A link is over.
    Record(RecordError),
}

impl Error {
    /// A stable tag in snake case, the same for every error of one kind: one of [`KINDS`].
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Config(error) => error.kind(),
            Self::Handshake(error) => error.kind(),
            Self::Record(error) => error.kind(),
        }
    }

    /// The name of the option that has to change, where one is known.
    pub fn option(&self) -> Option<&'static str> {
        match self {
            Self::Config(error) => error.option(),
            Self::Handshake(_) | Self::Record(_) => None,
        }
    }

    /// The sentence for people, without the option.
    pub fn text(&self) -> String {
        match self {
            Self::Config(error) => error.cause().to_string(),
            Self::Handshake(error) => error.to_string(),
            Self::Record(error) => error.to_string(),
        }
    }

    /// The alert that the peer is owed. For a fault of this node's own configuration there is none that says more than
    /// internal_error.
    pub fn alert(&self) -> Option<AlertDescription> {
        match self {
            Self::Config(_) => Some(AlertDescription::InternalError),
            Self::Handshake(error) => error.alert(),
            Self::Record(error) => error.alert(),
        }
    }
}

impl From<ConfigError> for Error {
    fn from(error: ConfigError) -> Self {
        Self::Config(error)
    }
}

impl From<HandshakeError> for Error {
    fn from(error: HandshakeError) -> Self {
        Self::Handshake(error)
    }
}

impl From<RecordError> for Error {
    fn from(error: RecordError) -> Self {
        Self::Record(error)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(error) => error.fmt(f),
            Self::Handshake(error) => error.fmt(f),
            Self::Record(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Config(error) => error.source(),
            Self::Handshake(error) => error.source(),
            Self::Record(error) => error.source(),
        }
    }
}

/// Bytes that should be an X.509 certificate, or a part of one, cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadEncoding;

impl From<BadEncoding> for rustls::Error {
    fn from(_: BadEncoding) -> Self {
        CertificateError::BadEncoding.into()
    }
}

impl fmt::Display for BadEncoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("this is no X.509 certificate")
    }
}

impl std::error::Error for BadEncoding {}
