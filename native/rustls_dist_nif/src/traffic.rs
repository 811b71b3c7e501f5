//! What a direction carried, where whoever asks can read it without waiting for the lock that sealing and opening hold.

use std::sync::atomic::{AtomicU64, Ordering};

use rustler::{Env, NifResult, Term};
use rustls_dist::record::Traffic;

use crate::atoms;

/// Written by whoever holds the lock of the direction, and by nobody else.
#[derive(Default)]
pub struct Published {
    bytes: AtomicU64,
    records: AtomicU64,
    packets: AtomicU64,
    key_updates: AtomicU64,
}

impl Published {
    /// What the record layer counted, and how many packets there were since the last time.
    pub fn update(&self, traffic: Traffic, packets: usize) {
        self.bytes.store(traffic.bytes, Ordering::Relaxed);
        self.records.store(traffic.records, Ordering::Relaxed);
        self.key_updates.store(traffic.key_updates, Ordering::Relaxed);
        self.packets.store(self.packets.load(Ordering::Relaxed) + packets as u64, Ordering::Relaxed);
    }

    /// `#{bytes, records, packets, key_updates}`.
    pub fn term<'a>(&self, env: Env<'a>) -> NifResult<Term<'a>> {
        Term::map_from_pairs(
            env,
            &[
                (atoms::bytes(), self.bytes.load(Ordering::Relaxed)),
                (atoms::records(), self.records.load(Ordering::Relaxed)),
                (atoms::packets(), self.packets.load(Ordering::Relaxed)),
                (atoms::key_updates(), self.key_updates.load(Ordering::Relaxed)),
            ],
        )
    }
}
