//! What arrived and is not opened yet.

/// Bytes of the peer that wait for the rest of their record, or for a call that may open them.
#[derive(Default)]
pub(super) struct Ciphertext {
    bytes: Vec<u8>,
    /// How many of them are opened.
    opened_bytes: usize,
}

impl Ciphertext {
    pub(super) fn new(bytes: Vec<u8>) -> Self {
        Self { bytes, opened_bytes: 0 }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[self.opened_bytes..]
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bytes().is_empty()
    }

    /// Takes from `input` what is missing of `bytes`. Answers whether they are there now.
    pub(super) fn fill(&mut self, bytes: usize, input: &mut &[u8]) -> bool {
        let missing = bytes.saturating_sub(self.bytes().len()).min(input.len());
        if missing > 0 {
            let (part, rest) = input.split_at(missing);
            self.keep(part);
            *input = rest;
        }
        self.bytes().len() >= bytes
    }

    /// Adds `input`. What is opened goes first, so that each byte is moved once at most for each call that adds some.
    pub(super) fn keep(&mut self, input: &[u8]) {
        self.bytes.drain(..std::mem::take(&mut self.opened_bytes));
        self.bytes.extend_from_slice(input);
    }

    /// The first `bytes` are opened. When they are all, their memory is given back.
    pub(super) fn forget(&mut self, bytes: usize) {
        self.opened_bytes += bytes;
        if self.is_empty() {
            *self = Self::default();
        }
    }
}
