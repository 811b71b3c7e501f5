//! What sealing and opening cost, in memory: one packet a call, and calls of as many packets as a link
//! gathers, by cipher suite. Throughput counts the contents of packets. `open` makes the packets' memory, too.

#[path = "batch.rs"]
mod batch;
#[path = "../test/support/mod.rs"]
mod support;

use std::time::Duration;

use batch::{Packets, open_all};
use criterion::measurement::WallTime;
use criterion::{BatchSize, BenchmarkGroup, Criterion, Throughput, criterion_main};
use rustls_dist::cipher_names;
use rustls_dist::packet::MAX_PACKET_BYTES;
use rustls_dist::session::Session;
use support::link::sessions;
use support::pki::Spec;

const SUITES: [&str; 4] = [
    "TLS_AES_128_GCM_SHA256",
    "TLS_AES_256_GCM_SHA384",
    "TLS_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
];

const PACKET_BYTES: [usize; 4] = [64, 1024, 16_384, 131_072];

/// Sealed bytes that lie ready for `open` at a time: they should stay in the processor's cache.
const READY_BYTES: u64 = 524_288;

/// What one call seals or opens.
struct Shape {
    packets: Packets,
    packet_bytes: usize,
    count: u64,
}

impl Shape {
    /// One packet of each length, then whole batches of those of which a batch holds several.
    fn all() -> Vec<Self> {
        let one = |packet_bytes| Self { packets: Packets::new(packet_bytes), packet_bytes, count: 1 };
        let batch = |packet_bytes| {
            let packets = Packets::new(packet_bytes);
            let count = packets.per_batch();
            Self { packets, packet_bytes, count }
        };
        let singles = PACKET_BYTES.into_iter().map(one);
        singles.chain(PACKET_BYTES.into_iter().map(batch).filter(|shape| shape.count > 1)).collect()
    }

    fn name(&self) -> String {
        format!("{} x {} B", self.count, self.packet_bytes)
    }

    fn bytes(&self) -> u64 {
        self.count * self.packet_bytes as u64
    }

    fn chunks(&self) -> Vec<&[u8]> {
        self.packets.chunks(0..self.count)
    }
}

fn link(suite: &str) -> (Session, Session) {
    let (client, mut server) = sessions(&Spec::suite(cipher_names::parse(suite).unwrap()));
    server.rx.set_max_packet_bytes(MAX_PACKET_BYTES);
    (client, server)
}

fn seal(group: &mut BenchmarkGroup<'_, WallTime>, suite: &str, shape: &Shape) {
    let (mut client, _server) = link(suite);
    let chunks = shape.chunks();
    group.bench_function(shape.name(), |bencher| bencher.iter(|| client.tx.seal(&chunks).unwrap()));
}

/// Records open once and in order only, so they are sealed between the measured stretches.
fn open(group: &mut BenchmarkGroup<'_, WallTime>, suite: &str, shape: &Shape) {
    let (mut client, mut server) = link(suite);
    let chunks = shape.chunks();
    let stretch = BatchSize::NumIterations((READY_BYTES / shape.bytes()).clamp(1, 512));
    group.bench_function(shape.name(), |bencher| {
        let ready = || client.tx.seal(&chunks).unwrap();
        let opens = |sealed: Vec<u8>| {
            let (packets, buffers) = open_all(&mut server.rx, &sealed);
            assert_eq!(packets, shape.count);
            (sealed, buffers)
        };
        bencher.iter_batched(ready, opens, stretch);
    });
}

fn records(criterion: &mut Criterion) {
    let shapes = Shape::all();
    for suite in SUITES {
        for (verb, bench) in
            [("seal", seal as fn(&mut BenchmarkGroup<'_, WallTime>, &str, &Shape)), ("open", open)]
        {
            let mut group = criterion.benchmark_group(format!("{verb} {suite}"));
            group.sample_size(20).warm_up_time(Duration::from_millis(300));
            group.measurement_time(Duration::from_secs(1));
            for shape in &shapes {
                group.throughput(Throughput::Bytes(shape.bytes()));
                bench(&mut group, suite, shape);
            }
            group.finish();
        }
    }
}

// The macro makes a public function without a comment.
#[allow(missing_docs, reason = "made by the macro")]
mod benches {
    use super::records;

    criterion::criterion_group!(all, records);
}
criterion_main!(benches::all);
