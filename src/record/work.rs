//! How much one call does: whatever a peer sends, a scheduler of the VM is held for a fraction of a millisecond.

use super::MAX_PLAINTEXT_BYTES;

/// What a call does at most, in bytes of the slowest cipher: eight records that are full. A machine without instructions
/// for its cipher opens some 300 MB a second, and takes about 0.4 ms.
const CALL_BYTES: usize = 8 * (MAX_PLAINTEXT_BYTES + RECORD_BYTES);

/// What a record costs besides its bytes.
const RECORD_BYTES: usize = 512;

/// What it costs to renew keys: two expansions and a key schedule.
const KEY_UPDATE_BYTES: usize = 4096;

/// What it costs to find a packet and hand it over.
const PACKET_BYTES: usize = 48;

/// What a call may still do.
pub(super) struct Work {
    left_bytes: usize,
}

impl Work {
    pub(super) fn begin() -> Self {
        Self { left_bytes: CALL_BYTES }
    }

    /// A record with a payload of so many bytes was opened.
    pub(super) fn spend_record(&mut self, payload_bytes: usize) {
        self.spend(RECORD_BYTES + payload_bytes);
    }

    pub(super) fn spend_key_update(&mut self) {
        self.spend(KEY_UPDATE_BYTES);
    }

    pub(super) fn spend_packets(&mut self, packets: usize) {
        self.spend(packets * PACKET_BYTES);
    }

    /// How many packets may still be handed over.
    pub(super) fn packets_left(&self) -> usize {
        self.left_bytes.div_ceil(PACKET_BYTES)
    }

    pub(super) fn is_done(&self) -> bool {
        self.left_bytes == 0
    }

    /// What was done.
    pub(super) fn done_bytes(&self) -> usize {
        CALL_BYTES - self.left_bytes
    }

    /// What a call began it finishes, so the last record or packet may be more than what is left.
    fn spend(&mut self, bytes: usize) {
        self.left_bytes = self.left_bytes.saturating_sub(bytes);
    }
}
