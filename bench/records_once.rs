//! `records_once SUITE PACKET_BYTES BATCHES`: after a handshake, seals BATCHES batches of packets with
//! contents of PACKET_BYTES and opens them, and checks that all came out. For `.ci/callgrind`, which counts
//! the instructions inside [`seal_batch`] or [`open_batch`] alone, by their names.

#[path = "batch.rs"]
mod batch;
#[path = "../test/support/mod.rs"]
mod support;

use std::env;
use std::thread;

use batch::{Packets, open_all};
use rustls_dist::cipher_names;
use rustls_dist::packet::MAX_PACKET_BYTES;
use rustls_dist::record::{RecordRx, RecordTx};
use rustls_dist::session::Session;
use support::link::sessions;
use support::pki::Spec;

#[inline(never)]
fn seal_batch(tx: &mut RecordTx, chunks: &[&[u8]]) -> Vec<u8> {
    tx.seal(chunks).unwrap()
}

/// Returns the number of packets.
#[inline(never)]
fn open_batch(rx: &mut RecordRx, sealed: &[u8]) -> u64 {
    open_all(rx, sealed).0
}

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [suite, packet_bytes, batches] = arguments.as_slice() else {
        panic!("usage: records_once SUITE PACKET_BYTES BATCHES");
    };
    let link = sessions(&Spec::suite(cipher_names::parse(suite).unwrap()));
    let packet_bytes = packet_bytes.parse().unwrap();
    let batches = batches.parse().unwrap();
    // A handshake leaves the heap different each time; the work of the allocator and of copying depends on
    // where things lie. A thread has a heap of its own.
    thread::spawn(move || exchange(link, packet_bytes, batches)).join().unwrap();
}

fn exchange((mut client, mut server): (Session, Session), packet_bytes: usize, batches: u64) {
    let packets = Packets::new(packet_bytes);
    server.rx.set_max_packet_bytes(MAX_PACKET_BYTES);
    let chunks = packets.chunks(0..packets.per_batch());
    for _ in 0..batches {
        let sealed = seal_batch(&mut client.tx, &chunks);
        assert_eq!(open_batch(&mut server.rx, &sealed), packets.per_batch());
    }
}
