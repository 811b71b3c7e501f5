//! What goes into records: pieces of lists of chunks, where they lie.

use rustls::crypto::cipher::OutboundChunks;

/// What one record is to hold: the bytes from `start` to `end` of chunks in a row, of which neither the first nor the last is
/// left out altogether.
#[derive(Clone, Copy)]
pub(crate) struct Payload<'a> {
    chunks: &'a [&'a [u8]],
    start: usize,
    end: usize,
}

impl<'a> Payload<'a> {
    /// All of `chunks`, which may not be more than a record may hold.
    pub(super) fn whole(chunks: &'a [&'a [u8]]) -> Self {
        Self { chunks, start: 0, end: chunks.iter().map(|chunk| chunk.len()).sum() }
    }

    pub(super) fn len(&self) -> usize {
        self.end - self.start
    }

    /// Its pieces, in order.
    #[cfg(all(feature = "ring", not(feature = "aws_lc_rs")))]
    pub(super) fn pieces(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let Self { chunks, mut start, end } = *self;
        let mut left = end - start;
        chunks.iter().map(move |chunk| {
            let chunk = &chunk[std::mem::take(&mut start)..];
            let piece = &chunk[..chunk.len().min(left)];
            left -= piece.len();
            piece
        })
    }

    /// As rustls wants it.
    pub(super) fn outbound(&self) -> OutboundChunks<'a> {
        OutboundChunks::Multiple { chunks: self.chunks, start: self.start, end: self.end }
    }
}

/// Cuts a list of chunks into payloads without copying, each step looking only at the chunks it covers.
pub(super) struct Window<'a> {
    chunks: &'a [&'a [u8]],
    offset: usize,
}

impl<'a> Window<'a> {
    pub(super) fn new(chunks: &'a [&'a [u8]]) -> Self {
        Self { chunks, offset: 0 }
    }

    /// The next payload, of at most `max_bytes`; it has fewer only at the end.
    pub(super) fn next(&mut self, max_bytes: usize) -> Option<Payload<'a>> {
        let start = self.offset;
        let mut covered = 0;
        let mut used = 0;
        while used < self.chunks.len() && covered < start + max_bytes {
            covered += self.chunks[used].len();
            used += 1;
        }
        let end = covered.min(start + max_bytes);
        if end == start {
            return None;
        }
        let payload = Payload { chunks: &self.chunks[..used], start, end };
        self.advance(end, covered, used);
        Some(payload)
    }

    /// The next payload starts at `end`: inside the last used chunk when that was cut, else behind it.
    fn advance(&mut self, end: usize, covered: usize, used: usize) {
        if covered > end {
            let last = self.chunks[used - 1].len();
            self.chunks = &self.chunks[used - 1..];
            self.offset = last - (covered - end);
        } else {
            self.chunks = &self.chunks[used..];
            self.offset = 0;
        }
    }
}
