//! Distribution packets in a stream of bytes, and the memory that they are handed over in.

#[path = "../support/exact.rs"]
mod exact;

use exact::Exact;
use rustls_dist::error::RecordError;
use rustls_dist::packet::{Assembly, MAX_HANDSHAKE_PACKET_BYTES, MAX_PACKET_BYTES, SLACK_BYTES, Taken};

const MAX: usize = MAX_HANDSHAKE_PACKET_BYTES;

/// The most plaintext of a record.
const RECORD_BYTES: usize = 16_384;

fn assembly() -> Assembly<Exact> {
    Assembly::new(MAX)
}

/// Adds `data` as it is.
fn add(assembly: &mut Assembly<Exact>, data: &[u8]) {
    assembly.add(data, |copy| Ok(copy.len())).unwrap();
}

fn contents(taken: &Taken<Exact>) -> Vec<Vec<u8>> {
    let content = |packet: &rustls_dist::packet::Packet| {
        taken.buffers[packet.buffer].bytes[packet.content.clone()].to_vec()
    };
    taken.packets.iter().map(content).collect()
}

/// Takes up to `max_packets`, and checks that the memory is in proportion to each.
fn take(assembly: &mut Assembly<Exact>, max_packets: usize) -> Result<Vec<Vec<u8>>, RecordError> {
    let mut taken = Taken::default();
    let count = assembly.take(max_packets, &mut taken)?;
    assert_eq!(count, taken.packets.len());
    for packet in &taken.packets {
        let buffer = &taken.buffers[packet.buffer];
        assert_eq!(buffer.bytes.len(), buffer.capacity, "all of it is used");
        if !packet.content.is_empty() {
            let bytes = packet.content.len();
            assert!(buffer.capacity <= 4 * bytes + SLACK_BYTES, "{bytes} bytes in {}", buffer.capacity);
        }
    }
    Ok(contents(&taken))
}

fn packet(content: &[u8]) -> Vec<u8> {
    [&u32::try_from(content.len()).unwrap().to_be_bytes(), content].concat()
}

fn content(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|index| ((index % 251) ^ (index / 251)) as u8).collect()
}

#[test]
fn a_stream_without_a_complete_packet() {
    for data in [&b""[..], &[0], &[0, 0, 0], &[0, 0, 0, 1], &[0, 0, 0, 3, 7, 7]] {
        let mut assembly = assembly();
        add(&mut assembly, data);
        assert_eq!(take(&mut assembly, usize::MAX), Ok(vec![]), "{data:?}");
    }
}

#[test]
fn complete_packets_and_a_rest() {
    let mut assembly = assembly();
    add(&mut assembly, &[0, 0, 0, 0, 0, 0, 0, 2, 8, 9, 0, 0, 0, 1, 5, 0, 0, 0, 4, 1]);
    assert_eq!(take(&mut assembly, usize::MAX), Ok(vec![vec![], vec![8, 9], vec![5]]));
    assert_eq!(take(&mut assembly, usize::MAX), Ok(vec![]));
    add(&mut assembly, &[2, 3, 4, 0]);
    assert_eq!(take(&mut assembly, usize::MAX), Ok(vec![vec![1, 2, 3, 4]]));
}

#[test]
fn no_more_packets_than_asked_for() {
    let mut assembly = assembly();
    add(&mut assembly, &[0, 0, 0, 1, 5].repeat(6));
    for (max_packets, found) in [(0, 0), (1, 1), (2, 2), (0, 0), (4, 3), (4, 0)] {
        assert_eq!(take(&mut assembly, max_packets).unwrap(), vec![vec![5]; found]);
    }
}

#[test]
fn only_what_was_opened_stays() {
    for bytes in [3, 10_000] {
        let whole = packet(&content(bytes));
        let mut assembly = assembly();
        for part in whole.chunks(1000) {
            let sealed = [part, &[0xff; 17]].concat();
            let opened = part.len();
            assembly
                .add(&sealed, |copy| Ok(copy.len() - 17).inspect(|kept| assert_eq!(*kept, opened)))
                .unwrap();
            // What is no data leaves nothing behind.
            assembly.add(&sealed, |_| Ok(0)).unwrap();
            if part.len() == 1000 {
                assert_eq!(take(&mut assembly, 1), Ok(vec![]));
            }
        }
        assert_eq!(take(&mut assembly, 1), Ok(vec![content(bytes)]));
    }
}

#[test]
fn a_length_is_judged_before_its_packet_is_there() {
    let length = |bytes: usize| u32::try_from(bytes).unwrap().to_be_bytes();
    for limit_bytes in [0, MAX, MAX_PACKET_BYTES] {
        let mut accepting: Assembly<Exact> = Assembly::new(limit_bytes);
        add(&mut accepting, &length(limit_bytes));
        assert!(take(&mut accepting, usize::MAX).is_ok());
        let mut refusing: Assembly<Exact> = Assembly::new(limit_bytes);
        add(&mut refusing, &length(limit_bytes + 1));
        let too_long = RecordError::PacketTooLong { length_bytes: limit_bytes + 1, limit_bytes };
        assert_eq!(take(&mut refusing, usize::MAX), Err(too_long));
    }
    let mut assembly = assembly();
    add(&mut assembly, &[&[0, 0, 0, 1, 5][..], &[0xff; 4]].concat());
    assert_eq!(take(&mut assembly, 1), Ok(vec![vec![5]]), "it is the next call's packet");
    assert!(matches!(take(&mut assembly, 1), Err(RecordError::PacketTooLong { .. })));
}

/// Every mix of lengths, one to three of each in turn, in records of every fill.
#[test]
fn a_packet_that_waits_holds_little_more_than_itself() {
    let lengths = [1, 32, 100, 1000, 4095, 4096, 4097, 10_000, 16_380, 16_384, 65_536];
    for record_bytes in [1000, RECORD_BYTES] {
        for first in lengths {
            for second in lengths {
                for repeat in 1..=3 {
                    let mut sent = Vec::new();
                    for turn in 0..3 {
                        sent.extend(vec![content(first); repeat]);
                        sent.extend(vec![content(second); 4 - repeat]);
                        sent.extend(vec![vec![]; turn]);
                    }
                    let stream: Vec<u8> = sent.iter().flat_map(|content| packet(content)).collect();
                    let mut assembly = assembly();
                    let mut got = Vec::new();
                    for record in stream.chunks(record_bytes) {
                        add(&mut assembly, record);
                        got.extend(take(&mut assembly, usize::MAX).unwrap());
                        assembly.settle();
                    }
                    assert!(got == sent, "{repeat} of {first}, {} of {second}", 4 - repeat);
                }
            }
        }
    }
}

/// Memory for a long packet is made once, of its size, and nothing of it is moved afterwards.
#[test]
fn a_long_packet_lies_where_its_records_were_opened() {
    let bytes = 40 * RECORD_BYTES;
    let whole = packet(&content(bytes));
    let mut assembly: Assembly<Exact> = Assembly::new(MAX_PACKET_BYTES);
    let (first, rest) = whole.split_at(RECORD_BYTES);
    add(&mut assembly, first);
    assert_eq!(take(&mut assembly, usize::MAX), Ok(vec![]));
    let mut places = Vec::new();
    for record in rest.chunks(RECORD_BYTES) {
        assembly
            .add(record, |copy| {
                places.push(copy.as_ptr() as usize);
                Ok(copy.len())
            })
            .unwrap();
        if places.len() < 40 {
            assert_eq!(take(&mut assembly, usize::MAX), Ok(vec![]));
        }
    }
    let mut taken = Taken::default();
    assert_eq!(assembly.take(usize::MAX, &mut taken), Ok(1));
    assert!(contents(&taken) == [content(bytes)]);
    let start = taken.buffers[0].bytes.as_ptr() as usize;
    let expected: Vec<usize> = (0..40).map(|nth| start + (RECORD_BYTES - 4) + nth * RECORD_BYTES).collect();
    assert_eq!(places, expected);
}

/// Whatever the pieces and however many packets are asked for, the same comes out.
#[test]
fn a_stream_is_cut_at_every_place() {
    let sent = [content(0), content(3), content(5000), content(1), content(0), content(4096), content(9)];
    let stream: Vec<u8> = sent.iter().flat_map(|content| packet(content)).collect();
    for place in (0..=stream.len()).step_by(7) {
        for max_packets in [1, 2, usize::MAX] {
            let mut assembly = assembly();
            let mut got = Vec::new();
            for piece in [&stream[..place], &stream[place..]] {
                add(&mut assembly, piece);
                loop {
                    let some = take(&mut assembly, max_packets).unwrap();
                    if some.is_empty() {
                        break;
                    }
                    got.extend(some);
                }
                assembly.settle();
            }
            assert!(got == sent, "cut at {place}, {max_packets} at a time");
        }
    }
}
