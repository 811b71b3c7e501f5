//! Memory of the VM that packets and records are put together in: erts' decoder of external terms refers into packets, and its
//! memory is not wiped when it is freed, which for records would be work for nothing.

use rustler::{Binary, Env, OwnedBinary};
use rustls_dist::packet::Buffer;
use zeroize::Zeroize;

/// A binary in the making. One that the VM does not get, because its packet stayed incomplete or a record could not be sealed, is
/// wiped.
pub struct VmBinary {
    /// There until the VM gets it.
    binary: Option<OwnedBinary>,
    filled_bytes: usize,
}

impl VmBinary {
    /// Gives it to the VM, with what is not filled.
    pub fn release(mut self, env: Env<'_>) -> Option<Binary<'_>> {
        self.binary.take().map(|binary| binary.release(env))
    }

    fn bytes(&mut self) -> &mut [u8] {
        self.binary.as_mut().map_or(&mut [], OwnedBinary::as_mut_slice)
    }
}

impl Drop for VmBinary {
    fn drop(&mut self) {
        self.bytes().zeroize();
    }
}

impl Buffer for VmBinary {
    fn with_capacity(bytes: usize) -> Self {
        Self { binary: Some(OwnedBinary::new(bytes)), filled_bytes: 0 }
    }

    fn filled_bytes(&self) -> usize {
        self.filled_bytes
    }

    fn grow(&mut self, bytes: usize) -> &mut [u8] {
        let start = self.filled_bytes;
        self.filled_bytes += bytes;
        let end = self.filled_bytes;
        &mut self.bytes()[start..end]
    }

    fn truncate(&mut self, bytes: usize) {
        self.filled_bytes = self.filled_bytes.min(bytes);
    }
}
