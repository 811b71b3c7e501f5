//! What arrived during a handshake, shown to rustls one record at a time.
//!
//! rustls works through everything it is shown, past the end of the handshake too: it would open application data, and
//! follow a key update whose answer could never be sent. Shown record by record, it stops at the end, and all that
//! comes behind is left to the record layer. No record belongs to both: the keys change with the last message of a
//! handshake, and keys change between records only (RFC 8446 section 5.1, RFC 5246 section 7.1).

use rustls::{ContentType, InvalidMessage, ProtocolVersion};

use crate::record::{
    HEADER_BYTES, MAX_EXPANSION_TLS12_BYTES, MAX_EXPANSION_TLS13_BYTES, MAX_PLAINTEXT_BYTES,
};

/// The first byte of every version of TLS.
const MAJOR_VERSION: u8 = 3;

/// Bytes of the peer that rustls has not discarded.
#[derive(Default)]
pub(super) struct Incoming {
    bytes: Vec<u8>,
    /// How many of them rustls is shown.
    shown: usize,
    /// The beginning of the first record that rustls is not shown whole.
    boundary: usize,
    /// Whether the peer announced that it encrypts from now on, which means something in TLS 1.2 only.
    peer_encrypts: bool,
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
    /// whether there was anything more to show. `version` is what was negotiated so far.
    ///
    /// # Errors
    /// A record that is longer than it may be (RFC 8446 sections 5.1 and 5.2, RFC 5246 section 6.2), which rustls would take in
    /// the clear, and one of an unknown type, which for rustls is a message that it cannot decode.
    pub(super) fn show_more(&mut self, version: Option<ProtocolVersion>) -> Result<bool, rustls::Error> {
        let shown_before = self.shown;
        self.shown = self.bytes.len();
        if let [typ, major, _, hi, lo, ..] = self.bytes[self.boundary..] {
            let typ = ContentType::from(typ);
            let payload_bytes = usize::from(u16::from_be_bytes([hi, lo]));
            // What is not TLS at all rustls says best.
            if major == MAJOR_VERSION {
                self.judge(typ, payload_bytes, version)?;
            }
            let end = self.boundary + HEADER_BYTES + payload_bytes;
            if end <= self.bytes.len() {
                self.shown = end;
                self.boundary = end;
                self.peer_encrypts |= typ == ContentType::ChangeCipherSpec;
            }
        }
        Ok(self.shown > shown_before)
    }

    fn judge(
        &self,
        typ: ContentType,
        payload_bytes: usize,
        version: Option<ProtocolVersion>,
    ) -> Result<(), rustls::Error> {
        let expansion_bytes = match (version, typ) {
            (_, ContentType::Heartbeat | ContentType::Unknown(_)) => {
                return Err(InvalidMessage::InvalidContentType.into());
            }
            (Some(ProtocolVersion::TLSv1_3), ContentType::ApplicationData) => MAX_EXPANSION_TLS13_BYTES,
            (Some(ProtocolVersion::TLSv1_2), _) if self.peer_encrypts => MAX_EXPANSION_TLS12_BYTES,
            _ => 0,
        };
        match payload_bytes > MAX_PLAINTEXT_BYTES + expansion_bytes {
            true => Err(rustls::Error::PeerSentOversizedRecord),
            false => Ok(()),
        }
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
