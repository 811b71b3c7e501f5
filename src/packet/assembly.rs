//! From the plaintext of records to packets.
//!
//! A packet may wait for a long time in the memory it is handed over in: the VM decodes a message when its receiver gets
//! to it. So that memory must be in proportion to the packet. A packet that is longer than what a record leaves behind
//! gets memory of exactly its size as soon as its length is known, and records are opened right there. Short ones come out
//! of a stream that every record is opened into, copied together with the few neighbours for which [`Group`] has room.

use std::ops::Range;

use super::{Buffer, LENGTH_BYTES, length_field};
use crate::error::RecordError;

/// An incomplete packet of up to this length waits in the stream for its next record, and is moved for it.
const SHORT_BYTES: usize = 4096;

/// Memory of the stream that is kept from one read to the next: what short messages need.
const KEPT_BYTES: usize = 1024;

/// How many times its own length the memory of a packet may have, ...
const SHARE: usize = 4;

/// ... and so many bytes more: the least that allocating is worth it.
pub const SLACK_BYTES: usize = 64;

/// A complete packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    /// Where it lies: an index into [`Taken::buffers`].
    pub buffer: usize,
    /// Its content there, without the length field.
    pub content: Range<usize>,
}

/// Complete packets.
#[derive(Debug)]
pub struct Taken<B> {
    /// What the packets lie in. None has more than 4 times the bytes of a packet in it, and [`SLACK_BYTES`].
    pub buffers: Vec<B>,
    /// In the order of the stream.
    pub packets: Vec<Packet>,
}

impl<B> Default for Taken<B> {
    fn default() -> Self {
        Self { buffers: Vec::new(), packets: Vec::new() }
    }
}

/// Takes the plaintext stream of a link apart into packets, in buffers of the kind `B`.
pub struct Assembly<B> {
    max_packet_bytes: usize,
    /// Plaintext of records. Empty while a long packet is incomplete and could take the next record.
    stream: Vec<u8>,
    /// How many bytes of `stream` are done with.
    taken_bytes: usize,
    long: Option<Long<B>>,
}

/// An incomplete packet in memory of its own.
struct Long<B> {
    buffer: B,
    missing_bytes: usize,
}

impl<B: Buffer> Assembly<B> {
    /// Accepts packets of up to `max_packet_bytes`.
    pub fn new(max_packet_bytes: usize) -> Self {
        Self { max_packet_bytes, stream: Vec::new(), taken_bytes: 0, long: None }
    }

    /// Accepts packets of up to `max_bytes` from now on.
    pub fn set_max_packet_bytes(&mut self, max_bytes: usize) {
        self.max_packet_bytes = max_bytes;
    }

    /// Makes room for records to come, `bytes` in all and none longer than `record_bytes`, so that the stream is not moved as it
    /// grows. Packets are taken after each, and leave no more than a short one that is incomplete.
    pub fn expect(&mut self, bytes: usize, record_bytes: usize) {
        if self.long.is_none() {
            let all = self.stream.len() + bytes;
            let most = LENGTH_BYTES + SHORT_BYTES + record_bytes;
            self.stream.reserve_exact(all.min(most).saturating_sub(self.stream.len()));
        }
    }

    /// Adds a record to the stream. `open` gets a copy of `sealed` where the plaintext belongs, opens it in place, and
    /// says how many bytes of its beginning are to stay.
    ///
    /// # Errors
    /// What `open` returns; nothing may be taken then.
    pub fn add(
        &mut self,
        sealed: &[u8],
        open: impl FnOnce(&mut [u8]) -> Result<usize, RecordError>,
    ) -> Result<(), RecordError> {
        self.stream.drain(..std::mem::take(&mut self.taken_bytes));
        match &mut self.long {
            Some(long) if self.stream.is_empty() && sealed.len() <= long.missing_bytes => {
                long.missing_bytes -= add_to(&mut long.buffer, sealed, open)?;
            }
            _ => {
                add_to(&mut self.stream, sealed, open)?;
            }
        }
        Ok(())
    }

    /// Takes up to `max_packets` complete packets and says how many there were.
    ///
    /// # Errors
    /// [`RecordError::PacketTooLong`] for a length field that says more than is accepted, as soon as it is there. The packets
    /// before it are in `taken` all the same.
    pub fn take(&mut self, max_packets: usize, taken: &mut Taken<B>) -> Result<usize, RecordError> {
        let before = taken.packets.len();
        if max_packets > 0 && self.complete_long(taken) {
            self.take_short(before.saturating_add(max_packets), taken)?;
        }
        Ok(taken.packets.len() - before)
    }

    /// Gives back the memory that is not needed until the next record.
    pub fn settle(&mut self) {
        self.stream.drain(..std::mem::take(&mut self.taken_bytes));
        if self.stream.capacity() > KEPT_BYTES {
            self.stream.shrink_to_fit();
        }
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        *self = Self::new(self.max_packet_bytes);
    }

    /// Moves what there is of the long packet to where it belongs. Answers whether none is incomplete any more.
    fn complete_long(&mut self, taken: &mut Taken<B>) -> bool {
        let Some(mut long) = self.long.take() else {
            return true;
        };
        let stream = &self.stream[self.taken_bytes..];
        let part = &stream[..stream.len().min(long.missing_bytes)];
        long.buffer.put(part);
        long.missing_bytes -= part.len();
        self.taken_bytes += part.len();
        if long.missing_bytes > 0 {
            self.long = Some(long);
            return false;
        }
        let content = 0..long.buffer.filled_bytes();
        taken.packets.push(Packet { buffer: taken.buffers.len(), content });
        taken.buffers.push(long.buffer);
        true
    }

    /// Takes packets off the stream until there are `limit`; what is left of a long one behind them gets memory of its own.
    fn take_short(&mut self, limit: usize, taken: &mut Taken<B>) -> Result<(), RecordError> {
        let mut group = Group::at(self.taken_bytes);
        while taken.packets.len() < limit {
            let stream = &self.stream[group.end..];
            let length_bytes = match length_field(stream, self.max_packet_bytes) {
                Ok(Some(length_bytes)) => length_bytes,
                Ok(None) => break,
                Err(too_long) => {
                    if !group.is_empty() {
                        taken.buffers.push(group.copied(&self.stream));
                    }
                    return Err(too_long);
                }
            };
            let packet = &stream[LENGTH_BYTES..];
            if packet.len() < length_bytes {
                if length_bytes > SHORT_BYTES {
                    self.long = Some(Long::begin(packet, length_bytes));
                }
                break;
            }
            if !group.has_room_for(length_bytes) {
                taken.buffers.push(group.copied(&self.stream));
                group = Group::at(group.end);
            }
            let content = group.add(length_bytes);
            taken.packets.push(Packet { buffer: taken.buffers.len(), content });
        }
        if !group.is_empty() {
            taken.buffers.push(group.copied(&self.stream));
        }
        self.taken_bytes = if self.long.is_some() { self.stream.len() } else { group.end };
        Ok(())
    }
}

impl Assembly<Vec<u8>> {
    /// The same with buffers of another kind.
    pub(crate) fn with_buffers<B: Buffer>(self) -> Assembly<B> {
        let Self { max_packet_bytes, stream, taken_bytes, long } = self;
        let long = long.map(|long| Long::begin(&long.buffer, long.buffer.len() + long.missing_bytes));
        Assembly { max_packet_bytes, stream, taken_bytes, long }
    }
}

impl<B: Buffer> Long<B> {
    /// A packet of `bytes`, of which `beginning` is there.
    fn begin(beginning: &[u8], bytes: usize) -> Self {
        let mut buffer = B::with_capacity(bytes);
        buffer.put(beginning);
        Self { buffer, missing_bytes: bytes - beginning.len() }
    }
}

/// Adds what `open` makes of `sealed` and says how many bytes it is.
fn add_to(
    buffer: &mut impl Buffer,
    sealed: &[u8],
    open: impl FnOnce(&mut [u8]) -> Result<usize, RecordError>,
) -> Result<usize, RecordError> {
    let before = buffer.filled_bytes();
    let opened = open(buffer.put(sealed))?;
    buffer.truncate(before + opened);
    Ok(opened)
}

/// Neighbours in the stream that are copied together: an allocation for each would cost more than the packet.
struct Group {
    start: usize,
    end: usize,
    /// Length of the shortest packet; one without content is never kept, and does not count.
    shortest_bytes: usize,
}

impl Group {
    fn at(start: usize) -> Self {
        Self { start, end: start, shortest_bytes: usize::MAX }
    }

    fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Whether the memory would stay in proportion to each of the packets; the first one always fits.
    fn has_room_for(&self, length_bytes: usize) -> bool {
        let bytes = self.end - self.start + LENGTH_BYTES + length_bytes;
        bytes <= self.shortest(length_bytes).saturating_mul(SHARE).saturating_add(SLACK_BYTES)
    }

    /// Adds the next packet of the stream; its content's place in the group is returned.
    fn add(&mut self, length_bytes: usize) -> Range<usize> {
        self.shortest_bytes = self.shortest(length_bytes);
        let content = self.end - self.start + LENGTH_BYTES;
        self.end += LENGTH_BYTES + length_bytes;
        content..content + length_bytes
    }

    fn shortest(&self, length_bytes: usize) -> usize {
        if length_bytes == 0 { self.shortest_bytes } else { self.shortest_bytes.min(length_bytes) }
    }

    fn copied<B: Buffer>(&self, stream: &[u8]) -> B {
        let mut buffer = B::with_capacity(self.end - self.start);
        buffer.put(&stream[self.start..self.end]);
        buffer
    }
}
