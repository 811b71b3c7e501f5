//! Proof, on the running system, that a fault in here is an Erlang error and not a dead VM.

use rustler::Atom;

use crate::{atoms, pool};

/// Panics: the caller gets an `error` exception.
#[rustler::nif]
fn selftest_panic() -> Atom {
    panic!("asked for by selftest_panic/0")
}

/// Panics on every thread of the pool; they go on working.
#[rustler::nif]
fn selftest_pool_panic() -> Atom {
    for _ in 0..16 {
        if pool::submit(Box::new(|| panic!("asked for by selftest_pool_panic/0"))).is_err() {
            return atoms::overloaded();
        }
    }
    atoms::ok()
}
