//! Memory that packets or records lie in.

/// Memory that packets, or records, are put together in, filled from its beginning.
pub trait Buffer {
    /// An empty one with room for `bytes`; no more will be asked of it.
    fn with_capacity(bytes: usize) -> Self;

    /// How many bytes are filled.
    fn filled_bytes(&self) -> usize;

    /// Adds `bytes` bytes behind them, to be overwritten: what they are is not said.
    fn grow(&mut self, bytes: usize) -> &mut [u8];

    /// Puts a copy of `bytes` behind them, and gives it to be worked on in place.
    fn put(&mut self, bytes: &[u8]) -> &mut [u8] {
        let place = self.grow(bytes.len());
        place.copy_from_slice(bytes);
        place
    }

    /// Keeps the first `bytes`.
    fn truncate(&mut self, bytes: usize);
}

impl Buffer for Vec<u8> {
    fn with_capacity(bytes: usize) -> Self {
        Self::with_capacity(bytes)
    }

    fn filled_bytes(&self) -> usize {
        self.len()
    }

    fn grow(&mut self, bytes: usize) -> &mut [u8] {
        let start = self.len();
        self.resize(start + bytes, 0);
        &mut self[start..]
    }

    fn put(&mut self, bytes: &[u8]) -> &mut [u8] {
        let start = self.len();
        self.extend_from_slice(bytes);
        &mut self[start..]
    }

    fn truncate(&mut self, bytes: usize) {
        self.truncate(bytes);
    }
}
