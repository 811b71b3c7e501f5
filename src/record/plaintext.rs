//! Where opened records go: a vector that grows, or the end of a buffer of a size that was computed before.

/// A place that plaintext is appended to and taken back from.
pub(super) trait Plaintext {
    /// Bytes in use.
    fn len(&self) -> usize;

    /// Appends a copy of `bytes` and gives it to be worked on in place.
    fn append(&mut self, bytes: &[u8]) -> &mut [u8];

    /// Keeps the first `len` bytes.
    fn truncate(&mut self, len: usize);

    /// Takes everything behind the first `len` bytes.
    fn take_from(&mut self, len: usize) -> Vec<u8>;
}

impl Plaintext for Vec<u8> {
    fn len(&self) -> usize {
        self.len()
    }

    fn append(&mut self, bytes: &[u8]) -> &mut [u8] {
        let start = self.len();
        self.extend_from_slice(bytes);
        &mut self[start..]
    }

    fn truncate(&mut self, len: usize) {
        self.truncate(len);
    }

    fn take_from(&mut self, len: usize) -> Vec<u8> {
        self.split_off(len)
    }
}

/// The filled beginning of a caller's buffer.
pub(super) struct Filled<'a> {
    buffer: &'a mut [u8],
    len: usize,
}

impl<'a> Filled<'a> {
    /// `buffer` has room for all that will be appended.
    pub(super) fn new(buffer: &'a mut [u8]) -> Self {
        Self { buffer, len: 0 }
    }
}

impl Plaintext for Filled<'_> {
    fn len(&self) -> usize {
        self.len
    }

    fn append(&mut self, bytes: &[u8]) -> &mut [u8] {
        let tail = &mut self.buffer[self.len..self.len + bytes.len()];
        tail.copy_from_slice(bytes);
        self.len += bytes.len();
        tail
    }

    fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    fn take_from(&mut self, len: usize) -> Vec<u8> {
        let taken = self.buffer[len..self.len].to_vec();
        self.len = len;
        taken
    }
}
