//! Memory that takes no more than was asked for.

use rustls_dist::packet::Buffer;

/// A buffer that knows how large it was made, and does not grow.
#[derive(Debug)]
pub struct Exact {
    pub bytes: Vec<u8>,
    pub capacity: usize,
}

impl Buffer for Exact {
    fn with_capacity(bytes: usize) -> Self {
        Self { bytes: Vec::with_capacity(bytes), capacity: bytes }
    }

    fn filled_bytes(&self) -> usize {
        self.bytes.len()
    }

    fn grow(&mut self, bytes: usize) -> &mut [u8] {
        assert!(self.bytes.len() + bytes <= self.capacity, "more than was asked for");
        self.bytes.grow(bytes)
    }

    fn truncate(&mut self, bytes: usize) {
        self.bytes.truncate(bytes);
    }
}
