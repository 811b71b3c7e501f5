//! What a peer that has the keys may send after the handshake, and so without a cipher: records of all types with any contents,
//! and whatever is none. This end does what its caller does: it answers what is asked for, and goes on until an error.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::arbitrary::{Result, Unstructured};
use libfuzzer_sys::fuzz_target;
use rustls::{ContentType, ProtocolVersion};
use rustls_dist::error::RecordError;
use rustls_dist::packet::MAX_PACKET_BYTES;
use rustls_dist::record::{Event, MAX_PLAINTEXT_BYTES};
use rustls_dist::session::Session;
use rustls_dist_fuzz::{Sides, null};

static SIDES: LazyLock<Vec<(ProtocolVersion, Sides)>> = LazyLock::new(|| Sides::of_each(null::suites()));

/// What one call does at most (src/record/work.rs: eight full records), with the record that it began.
const MAX_WORK_BYTES: usize = 9 * (MAX_PLAINTEXT_BYTES + 2048 + 512);

fuzz_target!(|input: &[u8]| {
    let mut u = Unstructured::new(input);
    let Ok(choice) = u.arbitrary::<u8>() else {
        return;
    };
    let (version, sides) = &SIDES[usize::from(choice / 2) % SIDES.len()];
    let (client, server) = sides.sessions();
    let mut ours = if choice.is_multiple_of(2) { server } else { client };
    let max_packets = if choice & 16 == 0 { usize::MAX } else { 1 };
    let mut stream = Vec::new();
    while !u.is_empty() {
        let Ok(arrives) = add(&mut u, *version, &mut stream, &mut ours) else {
            break;
        };
        if arrives && !take(&mut ours, &std::mem::take(&mut stream), max_packets) {
            return;
        }
    }
    take(&mut ours, &stream, max_packets);
});

/// Adds something to what is on its way. Answers whether it arrives now.
fn add(
    u: &mut Unstructured<'_>,
    version: ProtocolVersion,
    stream: &mut Vec<u8>,
    ours: &mut Session,
) -> Result<bool> {
    let (kind, arrives) = (u.int_in_range(0..=7)?, u.arbitrary()?);
    let typ = match kind {
        0..=2 => ContentType::ApplicationData,
        3 | 4 => ContentType::Handshake,
        5 => ContentType::Alert,
        _ => ContentType::from(u.arbitrary::<u8>()?),
    };
    match kind {
        7 if u.arbitrary()? => ours.rx.set_max_packet_bytes(MAX_PACKET_BYTES),
        7 => {
            let count = u.int_in_range(0..=40)?;
            stream.extend_from_slice(u.bytes(count)?);
        }
        2 => {
            let content = vec![u.arbitrary()?; u.int_in_range(0..=MAX_PLAINTEXT_BYTES + 300)?];
            stream.extend(null::record(version, typ, &content, 0));
        }
        _ => {
            let (count, padding_bytes) = (u.int_in_range(0..=300)?, u.int_in_range(0..=20)?);
            stream.extend(null::record(version, typ, u.bytes(count)?, padding_bytes));
        }
    }
    Ok(arrives)
}

/// Answers whether it goes on.
fn take(ours: &mut Session, stream: &[u8], max_packets: usize) -> bool {
    let mut rest = stream;
    loop {
        let opened = match ours.rx.open(rest, max_packets) {
            Ok(opened) => opened,
            Err(error) => {
                assert!(!error.to_string().is_empty());
                assert!(matches!(ours.rx.open(stream, max_packets), Err(RecordError::Closed)));
                if error != RecordError::Closed {
                    let alert = error.alert().expect("the peer is to be told");
                    assert!(!ours.tx.alert(alert).unwrap().is_empty());
                }
                return false;
            }
        };
        assert!(opened.work_bytes <= MAX_WORK_BYTES, "{} bytes of work", opened.work_bytes);
        let count = opened.taken.packets.len();
        assert!(count <= max_packets);
        for packet in &opened.taken.packets {
            let memory_bytes = opened.taken.buffers[packet.buffer].len();
            assert!(memory_bytes <= 4 * packet.content.len() + 64 || packet.content.is_empty());
        }
        for event in opened.events {
            let answer = match event {
                Event::KeyUpdateRequested => ours.tx.seal(&[]).unwrap(),
                Event::RenegotiationRequested => ours.tx.refuse_renegotiation().unwrap(),
                Event::CloseNotify | Event::Alert(_) => return false,
            };
            assert!(!answer.is_empty());
        }
        rest = match opened.unopened_at {
            Some(at) => &rest[at..],
            None if count == max_packets => &[],
            None => return true,
        };
    }
}
