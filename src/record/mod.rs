//! The record layer after the handshake (RFC 8446 section 5, RFC 5246 section 6).
//!
//! [`RecordTx`] seals, [`RecordRx`] opens. Each belongs to one direction and is driven by one process; the only
//! thing that crosses is the key schedule.

mod ciphertext;
mod header;
#[cfg(all(feature = "ring", not(feature = "aws_lc_rs")))]
mod in_place;
pub(crate) mod keys;
mod payload;
mod post_handshake;
mod rx;
mod sealer;
mod tx;
mod work;

pub(crate) use post_handshake::Dialect;
pub use rx::{Event, Opened, RecordRx};
pub use tx::RecordTx;

/// What one direction carried since its handshake.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Bytes of records, with their headers and tags: what the network carried.
    pub bytes: u64,
    /// Records of whatever type.
    pub records: u64,
    /// How often the keys were renewed.
    pub key_updates: u64,
}

impl Traffic {
    fn add_record(&mut self, record_bytes: usize) {
        self.bytes += record_bytes as u64;
        self.records += 1;
    }
}

/// Length of a record header: content type, version, length.
pub const HEADER_BYTES: usize = 5;

/// The most plaintext a record may carry (RFC 8446 section 5.1).
pub const MAX_PLAINTEXT_BYTES: usize = 1 << 14;

/// The most a TLS 1.3 record's protected payload may exceed its plaintext by (RFC 8446 section 5.2).
pub(crate) const MAX_EXPANSION_TLS13_BYTES: usize = 256;

/// The most a TLS 1.2 record's protected payload may exceed its plaintext by (RFC 5246 section 6.2.3).
pub(crate) const MAX_EXPANSION_TLS12_BYTES: usize = 2048;
