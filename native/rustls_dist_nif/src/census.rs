//! How many of each resource are alive, so that tests can tell whether links are freed.

use std::sync::atomic::{AtomicUsize, Ordering};

use rustler::{Env, NifResult, Term};

use crate::atoms;

/// Counts one kind of resource.
pub struct Counter(AtomicUsize);

pub static CONFIGS: Counter = Counter::new();
pub static HANDSHAKES: Counter = Counter::new();
pub static SENDERS: Counter = Counter::new();
pub static RECEIVERS: Counter = Counter::new();

impl Counter {
    const fn new() -> Self {
        Self(AtomicUsize::new(0))
    }

    /// Counts one until the token is dropped.
    pub fn enter(&'static self) -> Token {
        self.0.fetch_add(1, Ordering::Relaxed);
        Token(self)
    }

    fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// Held by a living resource.
pub struct Token(&'static Counter);

impl Drop for Token {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[rustler::nif]
fn resources(env: Env<'_>) -> NifResult<Term<'_>> {
    Term::map_from_pairs(
        env,
        &[
            (atoms::configs(), CONFIGS.get()),
            (atoms::handshakes(), HANDSHAKES.get()),
            (atoms::senders(), SENDERS.get()),
            (atoms::receivers(), RECEIVERS.get()),
        ],
    )
}
