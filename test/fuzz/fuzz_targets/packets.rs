//! A plaintext stream, in records of any length, becomes packets: the same ones that a simple reader finds in all of it, in memory
//! that is in proportion to them.
#![no_main]

use std::ops::Range;

use libfuzzer_sys::arbitrary::{Result, Unstructured};
use libfuzzer_sys::fuzz_target;
use rustls_dist::error::RecordError;
use rustls_dist::packet::{Assembly, LENGTH_BYTES, SLACK_BYTES, Taken};

const LIMIT_BYTES: usize = 1 << 16;

/// What a record has besides its plaintext.
const TAG_BYTES: usize = 17;

struct Case {
    stream: Vec<u8>,
    /// For each record: how long it is, and how many packets are taken behind it.
    records: Vec<(usize, usize)>,
}

impl Case {
    fn of(u: &mut Unstructured<'_>) -> Result<Self> {
        let mut stream = Vec::new();
        for number in 0..u.int_in_range(0..=20)? {
            let bytes = match u.int_in_range(0..=4)? {
                0..=2 => u.int_in_range(0..=100)?,
                3 => u.int_in_range(0..=70_000)?,
                _ => u.arbitrary::<u32>()? as usize,
            };
            stream.extend(u32::try_from(bytes).unwrap_or(u32::MAX).to_be_bytes());
            if bytes <= 70_000 {
                stream.extend((0..bytes).map(|index| (index % 251 + number) as u8));
            }
        }
        let mut records = Vec::new();
        while !u.is_empty() && records.len() < 200 {
            let bytes = if u.arbitrary()? { u.int_in_range(0..=16_384)? } else { u.int_in_range(0..=40)? };
            records.push((bytes, u.int_in_range(0..=8)?));
        }
        Ok(Self { stream, records })
    }
}

fuzz_target!(|input: &[u8]| {
    let Ok(Case { stream, records }) = Case::of(&mut Unstructured::new(input)) else {
        return;
    };
    let (due, refused_at) = due(&stream);
    let mut assembly: Assembly<Vec<u8>> = Assembly::new(LIMIT_BYTES);
    let mut got = 0;
    let mut arrived = 0;
    for (bytes, packets) in records.into_iter().chain([(0, usize::MAX)]) {
        let record = &stream[arrived..][..bytes.min(stream.len() - arrived)];
        arrived += record.len();
        assembly.expect(record.len(), record.len());
        let sealed = [record, &[0; TAG_BYTES]].concat();
        let open = |copy: &mut [u8]| {
            assert_eq!(copy, &sealed[..]);
            Ok(record.len())
        };
        assembly.add(&sealed, open).unwrap();
        let mut taken = Taken::default();
        let count = match assembly.take(packets, &mut taken) {
            Ok(count) => count,
            Err(error) => {
                assert!(refused_at <= arrived && matches!(error, RecordError::PacketTooLong { .. }));
                return;
            }
        };
        assert!(count == taken.packets.len() && count <= packets);
        for packet in &taken.packets {
            let buffer = &taken.buffers[packet.buffer];
            assert!(packet.content.is_empty() || buffer.len() <= 4 * packet.content.len() + SLACK_BYTES);
            assert!(due[got].end <= arrived && buffer[packet.content.clone()] == stream[due[got].clone()]);
            got += 1;
        }
        let is_all = due.get(got).is_none_or(|next| next.end > arrived) && refused_at > arrived;
        assert!(count == packets || is_all);
        assembly.settle();
    }
});

/// Where the packets in `stream` are, and where it is known that one behind them is too long.
fn due(stream: &[u8]) -> (Vec<Range<usize>>, usize) {
    let mut packets = Vec::new();
    let mut at = 0;
    while let Some(length) = stream[at..].first_chunk::<LENGTH_BYTES>() {
        let length_bytes = u32::from_be_bytes(*length) as usize;
        at += LENGTH_BYTES;
        if length_bytes > LIMIT_BYTES {
            return (packets, at);
        }
        if stream.len() - at < length_bytes {
            break;
        }
        packets.push(at..at + length_bytes);
        at += length_bytes;
    }
    (packets, usize::MAX)
}
