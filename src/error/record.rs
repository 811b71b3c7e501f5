//! What ends a link that was established: records, packets, keys.

use std::fmt;

use rustls::ContentType;

use super::tls_text;

/// Why a direction of a session is over.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum RecordError {
    /// A record is longer than the protocol allows (RFC 8446 section 5.2).
    RecordTooLong {
        /// The length field of the record.
        length_bytes: usize,
    },
    /// A record holds more than the protocol allows (RFC 8446 section 5.1).
    RecordOversized,
    /// A record failed authentication, so the stream is damaged or attacked.
    BadRecord,
    /// A record carries a content type that may not appear here.
    UnexpectedRecord(ContentType),
    /// A record of TLS 1.3 holds nothing but padding, so that it has no content type (RFC 8446 section 5.4).
    UntypedRecord,
    /// Too many records without content in a row.
    TooManyEmptyRecords,
    /// Too many alerts in a row that mean nothing.
    TooManyWarnings,
    /// Too many key updates without data between them.
    TooManyKeyUpdates,
    /// A handshake message after the handshake is not allowed, or has no place where it stands.
    UnexpectedHandshakeMessage {
        /// The handshake message type (RFC 8446 section 4).
        message_type: u8,
    },
    /// A handshake message after the handshake is shorter or longer than its format allows.
    MalformedHandshakeMessage {
        /// The handshake message type (RFC 8446 section 4).
        message_type: u8,
    },
    /// A KeyUpdate asks for something that does not exist (RFC 8446 section 4.6.3).
    UnknownKeyUpdate {
        /// What stands there in the place of 0 or 1.
        value: u8,
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
    /// A cipher suite was negotiated whose keys are of a kind that the record layer does not know.
    UnknownKeys,
    /// rustls cannot seal, open or renew.
    Tls(rustls::Error),
}

impl From<rustls::Error> for RecordError {
    fn from(error: rustls::Error) -> Self {
        Self::Tls(error)
    }
}

impl std::error::Error for RecordError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Tls(error) => Some(error),
            _ => None,
        }
    }
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&text(self))
    }
}

fn text(error: &RecordError) -> String {
    match error {
        RecordError::RecordTooLong { length_bytes } => format!(
            "a record announces {length_bytes} bytes, more than TLS allows: the stream was damaged or tampered with, \
             or the peer does not keep to TLS"
        ),
        RecordError::RecordOversized => "a record holds more than TLS allows".to_owned(),
        RecordError::BadRecord => {
            "a record failed authentication: the stream was damaged or tampered with".to_owned()
        }
        RecordError::UnexpectedRecord(content_type) => {
            format!(
                "a record of type {content_type:?} came, which may not appear here: the stream was damaged or tampered \
                 with, or the peer does not keep to TLS"
            )
        }
        RecordError::UntypedRecord => "the peer sent a record that has no content type".to_owned(),
        RecordError::TooManyEmptyRecords => "the peer sent too many empty records in a row".to_owned(),
        RecordError::TooManyWarnings => "the peer sent too many warnings in a row".to_owned(),
        RecordError::TooManyKeyUpdates => {
            "the peer renewed its keys too often without sending data".to_owned()
        }
        RecordError::UnexpectedHandshakeMessage { message_type } => {
            format!("the peer sent a handshake message of type {message_type}, which may not appear here")
        }
        RecordError::MalformedHandshakeMessage { message_type } => {
            format!("the peer sent a handshake message of type {message_type} that is malformed")
        }
        RecordError::UnknownKeyUpdate { value } => {
            format!("the peer renewed its keys with a request of kind {value}, which does not exist")
        }
        RecordError::RenegotiationRefused => "the peer asked to renegotiate, which is never done".to_owned(),
        RecordError::PacketTooLong { length_bytes, limit_bytes } => format!(
            "a distribution packet announces {length_bytes} bytes, and at most {limit_bytes} are accepted"
        ),
        RecordError::KeysExhausted => {
            "the connection's keys reached their limit and TLS 1.2 cannot renew them; \
                                 with tlsv1.3 among the versions of both nodes the connection would go on"
                .to_owned()
        }
        RecordError::Closed => "the connection is closed".to_owned(),
        RecordError::UnknownKeys => {
            "the cipher suite that was negotiated has keys of an unknown kind".to_owned()
        }
        RecordError::Tls(error) => tls_text::tls_text(error),
    }
}
