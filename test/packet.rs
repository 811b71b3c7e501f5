//! Distribution packets in a stream of bytes.

use rustls_dist::error::Error;
use rustls_dist::packet::{MAX_HANDSHAKE_PACKET_BYTES, MAX_PACKET_BYTES, Split, may_complete, split};

const MAX: usize = MAX_HANDSHAKE_PACKET_BYTES;

#[test]
fn a_stream_without_a_complete_packet() {
    for data in [&b""[..], &[0], &[0, 0, 0], &[0, 0, 0, 1], &[0, 0, 0, 3, 7, 7]] {
        assert_eq!(
            split(data, usize::MAX, MAX),
            Ok(Split { packets: vec![], consumed_bytes: 0 }),
            "{data:?}"
        );
    }
}

#[test]
fn complete_packets_and_a_rest() {
    let data = [0, 0, 0, 0, 0, 0, 0, 2, 8, 9, 0, 0, 0, 1, 5, 0, 0, 0, 4, 1];
    let found = split(&data, usize::MAX, MAX).unwrap();
    assert_eq!(found, Split { packets: vec![4..4, 8..10, 14..15], consumed_bytes: 15 });
}

#[test]
fn no_more_packets_than_asked_for() {
    let data = [0, 0, 0, 1, 5].repeat(3);
    for (max_packets, consumed_bytes) in [(0, 0), (1, 5), (2, 10), (3, 15), (4, 15)] {
        let found = split(&data, max_packets, MAX).unwrap();
        assert_eq!((found.packets.len(), found.consumed_bytes), (consumed_bytes / 5, consumed_bytes));
    }
}

#[test]
fn a_length_is_judged_before_its_packet_is_there() {
    let length = |bytes: usize| u32::try_from(bytes).unwrap().to_be_bytes();
    for limit_bytes in [0, MAX, MAX_PACKET_BYTES] {
        assert!(split(&length(limit_bytes), usize::MAX, limit_bytes).is_ok());
        let too_long = Error::PacketTooLong { length_bytes: limit_bytes + 1, limit_bytes };
        assert_eq!(split(&length(limit_bytes + 1), usize::MAX, limit_bytes), Err(too_long.clone()));
        assert_eq!(may_complete(&length(limit_bytes + 1), usize::MAX, limit_bytes), Err(too_long));
    }
    let hidden = [&[0, 0, 0, 1, 5][..], &[0xff; 4]].concat();
    assert!(split(&hidden, 1, MAX).is_ok(), "it is the next call's packet");
    assert!(matches!(split(&hidden, 2, MAX), Err(Error::PacketTooLong { .. })));
}

#[test]
fn whether_a_packet_may_be_complete() {
    assert_eq!(may_complete(&[0, 0], 2, MAX), Ok(true), "there is no telling");
    assert_eq!(may_complete(&[0, 0, 0, 3, 1], 6, MAX), Ok(false));
    assert_eq!(may_complete(&[0, 0, 0, 3, 1], 7, MAX), Ok(true));
    assert_eq!(may_complete(&[0, 0, 0, 0], 4, MAX), Ok(true));
}
