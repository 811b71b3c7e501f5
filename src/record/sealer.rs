//! What seals records.

use rustls::crypto::cipher::{MessageEncrypter, OutboundPlainMessage};
use rustls::{ContentType, ProtocolVersion};

use super::HEADER_BYTES;
use super::payload::Payload;
use crate::error::RecordError;

/// One generation of sending keys. It is kept in a box: the heap is wiped when it is freed, and what a session lies in may not be.
pub(crate) trait Sealer: Send + Sync {
    /// Length of a record with a payload of so many bytes, header included.
    fn record_bytes(&self, payload_bytes: usize) -> usize;

    /// Makes a record that fills `record`, whose length is [`Sealer::record_bytes`]. No number may come twice. If it fails,
    /// what `record` holds may not be seen.
    fn seal(
        &mut self,
        typ: ContentType,
        payload: Payload<'_>,
        sequence: u64,
        record: &mut [u8],
    ) -> Result<(), RecordError>;
}

/// What a cipher suite has for the purpose makes each record in memory of its own, from which it is copied.
impl Sealer for Box<dyn MessageEncrypter> {
    fn record_bytes(&self, payload_bytes: usize) -> usize {
        HEADER_BYTES + self.encrypted_payload_len(payload_bytes)
    }

    fn seal(
        &mut self,
        typ: ContentType,
        payload: Payload<'_>,
        sequence: u64,
        record: &mut [u8],
    ) -> Result<(), RecordError> {
        let payload = payload.outbound();
        let message = OutboundPlainMessage { typ, version: ProtocolVersion::TLSv1_2, payload };
        let sealed = self.encrypt(message, sequence)?.encode();
        if sealed.len() != record.len() {
            return Err(rustls::Error::EncryptError.into());
        }
        record.copy_from_slice(&sealed);
        Ok(())
    }
}
