//! What arrived during a handshake, shown to rustls one record at a time.
//!
//! rustls works through everything it is shown, past the end of the handshake too: it would open application data, and
//! follow a key update whose answer could never be sent. Shown record by record, it stops at the end, and all that
//! comes behind is left to the record layer. No record belongs to both: the keys change with the last message of a
//! handshake, and keys change between records only (RFC 8446 section 5.1, RFC 5246 section 7.1).

use crate::record::HEADER_BYTES;

/// Bytes of the peer that rustls has not discarded.
#[derive(Default)]
pub(super) struct Incoming {
    bytes: Vec<u8>,
    /// How many of them rustls is shown.
    shown: usize,
    /// The beginning of the first record that rustls is not shown whole.
    boundary: usize,
}

impl Incoming {
    /// Adds bytes that arrived.
    pub(super) fn extend(&mut self, input: &[u8]) {
        self.bytes.extend_from_slice(input);
    }

    /// What rustls is to work on.
    pub(super) fn shown(&mut self) -> &mut [u8] {
        &mut self.bytes[..self.shown]
    }

    /// Shows one record more, or what there is of it, so that a bad header is found as soon as it is there. Returns
    /// whether there was anything more to show.
    pub(super) fn show_more(&mut self) -> bool {
        let shown_before = self.shown;
        self.shown = self.bytes.len();
        if let [_, _, _, hi, lo, ..] = self.bytes[self.boundary..] {
            let end = self.boundary + HEADER_BYTES + usize::from(u16::from_be_bytes([hi, lo]));
            if end <= self.bytes.len() {
                self.shown = end;
                self.boundary = end;
            }
        }
        self.shown > shown_before
    }

    /// Forgets the first `bytes`, which are whole records that rustls is done with.
    pub(super) fn discard(&mut self, bytes: usize) {
        self.bytes.drain(..bytes);
        self.shown -= bytes;
        self.boundary -= bytes;
    }

    /// What rustls was not shown.
    pub(super) fn into_rest(mut self) -> Vec<u8> {
        self.bytes.split_off(self.shown)
    }
}
