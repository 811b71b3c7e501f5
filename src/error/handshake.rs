//! Why a handshake failed: rustls, the chain, the name, the user's rules, the limits.

use rustls::AlertDescription;

use super::{BadEncoding, ChainFault, RecordError};

/// Why there is no session.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum HandshakeError {
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
    /// The peer closed the connection before the handshake was over.
    Closed,
    /// All is agreed, and the record layer cannot begin with it.
    NoSession(RecordError),
    /// A step panicked, which is a fault of this crate. Whoever runs the step on a thread of its own makes it this.
    Panicked,
}

impl From<rustls::Error> for HandshakeError {
    fn from(error: rustls::Error) -> Self {
        match error {
            rustls::Error::AlertReceived(alert) => Self::AlertReceived(alert),
            other => Self::Tls(other),
        }
    }
}

impl From<BadEncoding> for HandshakeError {
    fn from(error: BadEncoding) -> Self {
        Self::Tls(error.into())
    }
}

impl From<RecordError> for HandshakeError {
    fn from(error: RecordError) -> Self {
        Self::NoSession(error)
    }
}

impl std::error::Error for HandshakeError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Tls(error) => Some(error),
            Self::NoSession(error) => Some(error),
            _ => None,
        }
    }
}
