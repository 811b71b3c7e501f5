//! The bridge between Erlang and the `rustls_dist` library: decode terms, lock, call, encode.
//!
//! What may take longer than a millisecond never runs on a normal scheduler: reading configuration runs on a dirty
//! I/O scheduler, handshake steps on the threads of `pool`, large seals and judging a chain again on dirty CPU schedulers.
//!
//! Memory is wiped before it is given back: secrets and plaintext pass through many hands, of which rustls' and ring's wipe
//! some. What they leave on stacks is wiped by who calls them with secrets (`rustls_dist::wiping`).

mod answer;
mod atoms;
mod bytes;
mod census;
mod chain;
mod config;
mod handshake;
mod judge;
mod pool;
mod provider;
mod rx;
mod selftest;
mod terms;
mod timeslice;
mod traffic;
mod tx;
mod verdict;
mod vm_binary;

use std::alloc::System;

use zeroizing_alloc::ZeroAlloc;

/// For every allocation in this library, its crates' included; the VM has its own.
#[global_allocator]
static WIPES_WHAT_IS_FREED: ZeroAlloc<System> = ZeroAlloc(System);

rustler::init!("rustls_dist_nif");
