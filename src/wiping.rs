//! What a computation with secrets leaves on the stack: keys that were moved, a hash's last block, spilled registers. ring and
//! rustls wipe little of it, and a thread that sleeps, or a scheduler of the VM, keeps it for as long as nothing else goes as deep.

use zeroize::zeroize_stack;

/// Calls `work`, then overwrites the next `BYTES` of the stack, where `work` had its variables. What `work` returns is not
/// wiped.
pub fn wiping_stack<const BYTES: usize, T>(work: impl FnOnce() -> T) -> T {
    let result = apart(work);
    zeroize_stack::<BYTES>();
    result
}

/// In a frame of its own, below that of the caller and where the wiping begins.
#[inline(never)]
fn apart<T>(work: impl FnOnce() -> T) -> T {
    work()
}
