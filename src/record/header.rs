//! Record headers.

use rustls::ContentType;

use super::post_handshake::Dialect;
use super::{HEADER_BYTES, MAX_EXPANSION_TLS12_BYTES, MAX_EXPANSION_TLS13_BYTES, MAX_PLAINTEXT_BYTES};
use crate::error::RecordError;

/// The version field of every record after the handshake, in TLS 1.3 too (RFC 8446 section 5.1).
const PROTOCOL_VERSION: [u8; 2] = [3, 3];

/// A record header that passed the rules.
pub(super) struct Header {
    pub(super) typ: ContentType,
    length_bytes: usize,
}

impl Header {
    /// Reads and judges a record header, if it is there: RFC 8446 sections 5.1 and 5.2, RFC 5246 section 6.2.
    pub(super) fn parse(dialect: Dialect, bytes: &[u8]) -> Result<Option<Self>, RecordError> {
        let [typ, major, minor, hi, lo, ..] = bytes else {
            return Ok(None);
        };
        let typ = ContentType::from(*typ);
        let length_bytes = usize::from(u16::from_be_bytes([*hi, *lo]));
        let (allowed, expansion) = match dialect {
            Dialect::Tls13 { .. } => (typ == ContentType::ApplicationData, MAX_EXPANSION_TLS13_BYTES),
            Dialect::Tls12 { .. } => (
                matches!(typ, ContentType::ApplicationData | ContentType::Alert | ContentType::Handshake),
                MAX_EXPANSION_TLS12_BYTES,
            ),
        };
        if !allowed {
            return Err(RecordError::UnexpectedRecord(typ));
        }
        // The version is authenticated with the record (RFC 8446 section 5.2, RFC 5246 section 6.2.3.3), but rustls
        // takes it for granted.
        if [*major, *minor] != PROTOCOL_VERSION {
            return Err(RecordError::BadRecord);
        }
        if length_bytes > MAX_PLAINTEXT_BYTES + expansion {
            return Err(RecordError::RecordTooLong { length_bytes });
        }
        Ok(Some(Self { typ, length_bytes }))
    }

    /// Length of the whole record.
    pub(super) fn record_bytes(&self) -> usize {
        HEADER_BYTES + self.length_bytes
    }
}
