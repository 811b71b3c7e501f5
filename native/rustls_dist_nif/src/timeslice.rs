//! Telling the scheduler how long a call took.

use rustler::Env;

/// Bytes that cost about a percent of a 1 ms time slice with the slowest cipher.
const BYTES_PER_PERCENT: usize = 4096;

/// Notes work of so many bytes of the slowest cipher.
pub fn consume(env: Env<'_>, work_bytes: usize) {
    let percent = (work_bytes / BYTES_PER_PERCENT).clamp(1, 100);
    // At most 100, so that it cannot be truncated. Whether the slice is used up, the VM knows by itself.
    rustler::schedule::consume_timeslice(env, percent as i32);
}
