//! The bridge between Erlang and the `rustls_dist` library: decode terms, lock, call, encode.
//!
//! What may take longer than a millisecond never runs on a normal scheduler: reading configuration runs on a dirty
//! I/O scheduler, handshake steps on the threads of `pool`, large seals and judging a chain again on dirty CPU schedulers.

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

rustler::init!("rustls_dist_nif");
