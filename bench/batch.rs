//! What the benchmarks send: distribution packets, gathered into batches as a link gathers them before it
//! seals.

#![allow(dead_code, reason = "each program uses a part of it")]

use std::ops::Range;

use rustls_dist::packet::LENGTH_BYTES;
use rustls_dist::record::RecordRx;

/// Bytes gathered for one call: the size at which the floor program is fastest. A link gathers half of it, which serves
/// the VM's fragments of 64 KiB better (`BATCH_BYTES` in erl_src/link/rustls_dist_controller.erl).
pub const BATCH_BYTES: usize = 131_072;

/// Packets that differ, before their contents repeat.
pub const VARIANTS: u64 = 64;

/// Where each variant begins behind the one before it.
const STRIDE_BYTES: usize = 8;

/// A stream of packets of one length. Their contents are windows of one buffer, so that making them costs
/// nothing.
pub struct Packets {
    packet_bytes: usize,
    length: [u8; LENGTH_BYTES],
    buffer: Vec<u8>,
}

impl Packets {
    /// Packets whose contents have `packet_bytes` (at most `packet::MAX_PACKET_BYTES`).
    pub fn new(packet_bytes: usize) -> Self {
        let buffer_bytes = packet_bytes + STRIDE_BYTES * VARIANTS as usize;
        Self {
            packet_bytes,
            length: u32::try_from(packet_bytes).unwrap().to_be_bytes(),
            buffer: (0..buffer_bytes).map(|index| ((index % 251) ^ (index / 251)) as u8).collect(),
        }
    }

    /// The content of packet `number`.
    pub fn content(&self, number: u64) -> &[u8] {
        let start = STRIDE_BYTES * (number % VARIANTS) as usize;
        &self.buffer[start..start + self.packet_bytes]
    }

    /// The packets of these numbers as they are sealed: a length field and the content, each a chunk of its
    /// own.
    pub fn chunks(&self, numbers: Range<u64>) -> Vec<&[u8]> {
        numbers.flat_map(|number| [&self.length[..], self.content(number)]).collect()
    }

    /// Packets that a link gathers: as many as it takes to reach [`BATCH_BYTES`].
    pub fn per_batch(&self) -> u64 {
        BATCH_BYTES.div_ceil(self.packet_bytes.max(1)) as u64
    }
}

/// Opens all of `sealed`, with as many calls as that takes. Returns the number of packets and what they lie in.
pub fn open_all(rx: &mut RecordRx, sealed: &[u8]) -> (u64, Vec<Vec<u8>>) {
    let (mut packets, mut buffers) = (0, Vec::new());
    let mut rest = sealed;
    loop {
        let opened = rx.open(rest, usize::MAX).unwrap();
        packets += opened.taken.packets.len() as u64;
        buffers.extend(opened.taken.buffers);
        match opened.unopened_at {
            Some(at) => rest = &rest[at..],
            None => return (packets, buffers),
        }
    }
}
