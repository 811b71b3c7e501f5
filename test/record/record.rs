//! Records that are in order: what one end seals, the other opens, however it is cut up.

#[path = "../support/mod.rs"]
mod support;

use rustls::{ProtocolVersion, SupportedCipherSuite};
use rustls_dist::error::RecordError;
use rustls_dist::packet::{MAX_HANDSHAKE_PACKET_BYTES, MAX_PACKET_BYTES};
use rustls_dist::record::{HEADER_BYTES, MAX_PLAINTEXT_BYTES};
use rustls_dist::session::Session;
use support::exact::Exact;
use support::link::{content, contents, open, open_some, packet, packets, sessions, suites};
use support::pki::Spec;
use support::raw::Raw;
use support::wire::records;

fn of_suite(suite: SupportedCipherSuite) -> (Session, Session) {
    let (mut client, mut server) = sessions(&Spec::suite(suite));
    client.rx.set_max_packet_bytes(MAX_PACKET_BYTES);
    server.rx.set_max_packet_bytes(MAX_PACKET_BYTES);
    (client, server)
}

/// One suite of each version.
fn of_each_version() -> [(Session, Session); 2] {
    [ProtocolVersion::TLSv1_3, ProtocolVersion::TLSv1_2].map(|version| {
        of_suite(suites().into_iter().find(|suite| suite.version().version == version).unwrap())
    })
}

#[test]
fn every_length_in_every_suite() {
    for suite in suites() {
        let (mut client, mut server) = of_suite(suite);
        for bytes in [0, 1, 16383, 16384, 16385, 1 << 20] {
            let content = content(bytes);
            let sealed = client.tx.seal(&[&packet(&content)]).unwrap();
            assert_eq!(packets(&mut server.rx, &sealed), std::slice::from_ref(&content));
            let sealed = server.tx.seal(&[&packet(&content)]).unwrap();
            assert_eq!(packets(&mut client.rx, &sealed), [content]);
        }
    }
}

#[test]
fn records_are_as_few_as_possible_and_never_too_long() {
    for (mut client, _) in of_each_version() {
        for (bytes, count) in [(0, 0), (1, 1), (16383, 1), (16384, 1), (16385, 2), (1 << 20, 64)] {
            let plaintext = content(bytes);
            let sealed = client.tx.seal(&[&plaintext[..bytes / 3], &plaintext[bytes / 3..]]).unwrap();
            let sealed = records(&sealed);
            assert_eq!(sealed.len(), count, "{bytes} bytes");
            assert!(sealed.iter().all(|record| record.len() <= HEADER_BYTES + MAX_PLAINTEXT_BYTES + 64));
        }
    }
}

/// Memory is found once for all that is sealed, and no more than it takes.
#[test]
fn records_fill_their_memory() {
    for suite in suites() {
        let (mut client, mut server) = of_suite(suite);
        for bytes in [0, 1, 16_379, 16_380, 16_381, 100_000] {
            let content = content(bytes);
            let sealed: Exact = client.tx.seal_in(&[&packet(&content)]).unwrap();
            assert_eq!(sealed.bytes.len(), sealed.capacity, "{:?}, {bytes} bytes", suite.suite());
            assert_eq!(packets(&mut server.rx, &sealed.bytes), [content]);
        }
        let nothing: Exact = client.tx.seal_in(&[]).unwrap();
        assert_eq!((nothing.bytes.len(), nothing.capacity), (0, 0));
    }
}

#[test]
fn lists_of_chunks_of_any_shape() {
    let whole = content(40_000);
    let shapes: [&[usize]; 9] = [
        &[40_000],
        &[0, 40_000, 0],
        &[1; 40_000],
        &[16384, 16384, 7232],
        &[16383, 1, 16384, 7232],
        &[16385, 16383, 7232],
        &[3, 0, 0, 39_990, 0, 7, 0, 0],
        &[1, 16384, 0, 16384, 1, 7230],
        &[20_000, 20_000],
    ];
    for (mut client, mut server) in of_each_version() {
        for shape in shapes {
            let length = packet(&whole)[..4].to_vec();
            let mut chunks: Vec<&[u8]> = vec![&length, &[]];
            let mut rest = &whole[..];
            for bytes in shape {
                let (chunk, behind) = rest.split_at(*bytes);
                chunks.push(chunk);
                rest = behind;
            }
            assert!(rest.is_empty());
            let sealed = client.tx.seal(&chunks).unwrap();
            assert_eq!(records(&sealed).len(), 3);
            assert_eq!(packets(&mut server.rx, &sealed), std::slice::from_ref(&whole));
        }
        for nothing in [&[][..], &[&[][..]], &[&[][..]; 1000]] {
            assert!(client.tx.seal(nothing).unwrap().is_empty());
        }
    }
}

/// The ends of chunks pass by the ends of records, one byte at a time.
#[test]
fn chunks_that_end_around_the_ends_of_records() {
    let whole = packet(&content(3 * MAX_PLAINTEXT_BYTES));
    for (mut client, mut server) in of_each_version() {
        for first in MAX_PLAINTEXT_BYTES - 3..=MAX_PLAINTEXT_BYTES + 3 {
            for second in [1, 2, MAX_PLAINTEXT_BYTES - 1, MAX_PLAINTEXT_BYTES, MAX_PLAINTEXT_BYTES + 1] {
                let (head, rest) = whole.split_at(first);
                let (middle, tail) = rest.split_at(second);
                let sealed = client.tx.seal(&[head, middle, tail]).unwrap();
                assert_eq!(records(&sealed).len(), 4);
                let got = packets(&mut server.rx, &sealed);
                assert!(got == [&whole[4..]], "chunks of {first} and {second} bytes");
            }
        }
    }
}

/// The stream is cut into two at each place, and at each place the cut also leaves one byte alone.
#[test]
fn the_ciphertext_is_cut_at_every_place() {
    let contents = [content(5), content(0), content(70), content(1)];
    for (mut client, mut server) in of_each_version() {
        let mut seal = || -> Vec<u8> {
            contents.iter().flat_map(|content| client.tx.seal(&[&packet(content)]).unwrap()).collect()
        };
        let bytes = seal();
        assert_eq!(packets(&mut server.rx, &bytes), contents);
        for place in 0..=bytes.len() {
            let stream = seal();
            let (head, tail) = stream.split_at(place);
            let mut got = packets(&mut server.rx, head);
            got.extend(packets(&mut server.rx, tail));
            assert_eq!(got, contents, "cut at {place}");

            let stream = seal();
            let (head, tail) = stream.split_at(place);
            let (alone, tail) = tail.split_at(tail.len().min(1));
            let got = [head, &[], alone, tail].map(|piece| packets(&mut server.rx, piece)).concat();
            assert_eq!(got, contents, "cut at {place} and behind");
        }
        let got: Vec<_> = seal().chunks(1).flat_map(|byte| packets(&mut server.rx, byte)).collect();
        assert_eq!(got, contents, "byte by byte");
    }
}

/// Long records, cut around their headers and ends and at places that have nothing to do with either.
#[test]
fn long_records_are_cut() {
    let contents = [content(30_000), content(16_380), content(50)];
    for (mut client, mut server) in of_each_version() {
        for piece_bytes in [1, 3, 7, 1460, 16_384, 16_384 + HEADER_BYTES, 30_001] {
            let stream: Vec<u8> =
                contents.iter().flat_map(|content| client.tx.seal(&[&packet(content)]).unwrap()).collect();
            let got: Vec<_> =
                stream.chunks(piece_bytes).flat_map(|piece| packets(&mut server.rx, piece)).collect();
            assert_eq!(got, contents, "pieces of {piece_bytes}");
        }
    }
}

#[test]
fn many_records_at_once() {
    for (mut client, mut server) in of_each_version() {
        let contents: Vec<_> = (0..500).map(content).collect();
        let stream: Vec<u8> =
            contents.iter().flat_map(|content| client.tx.seal(&[&packet(content)]).unwrap()).collect();
        assert_eq!(records(&stream).len(), 500);
        assert_eq!(packets(&mut server.rx, &stream), contents);
    }
}

#[test]
fn packets_do_not_care_about_records() {
    for (mut client, mut server) in of_each_version() {
        let contents: Vec<_> = (0..50).map(content).collect();
        let stream: Vec<u8> = contents.iter().flat_map(|content| packet(content)).collect();
        for record_bytes in [1, 4, 5, 64, 1000, stream.len()] {
            let sealed: Vec<u8> =
                stream.chunks(record_bytes).flat_map(|part| client.tx.seal(&[part]).unwrap()).collect();
            assert_eq!(packets(&mut server.rx, &sealed), contents, "records of {record_bytes}");
        }
    }
}

#[test]
fn packets_that_nobody_asked_for_wait() {
    for (mut client, mut server) in of_each_version() {
        let contents = [content(3), content(0), content(40_000), content(9)];
        let stream: Vec<u8> = contents.iter().flat_map(|content| packet(content)).collect();
        let sealed = client.tx.seal(&[&stream, &[0, 0]]).unwrap();
        assert_eq!(open_some(&mut server.rx, &sealed, 1).unwrap().0, contents[..1]);
        assert_eq!(open_some(&mut server.rx, &[], 0).unwrap().0, [[0; 0]; 0]);
        assert_eq!(open_some(&mut server.rx, &[], 1).unwrap().0, contents[1..2]);
        let more = client.tx.seal(&[&[0, 2], b"ab"]).unwrap();
        assert_eq!(open_some(&mut server.rx, &more, 2).unwrap().0, contents[2..]);
        assert_eq!(packets(&mut server.rx, &[]), [b"ab"]);
        assert!(packets(&mut server.rx, &[]).is_empty());
    }
}

#[test]
fn a_packet_arrives_over_many_calls() {
    for (mut client, mut server) in of_each_version() {
        let long = content(1 << 20);
        let behind = content(10);
        let records = records(&client.tx.seal(&[&packet(&long), &packet(&behind)]).unwrap());
        let (last, first) = records.split_last().unwrap();
        for record in first {
            assert!(packets(&mut server.rx, record).is_empty());
        }
        assert_eq!(packets(&mut server.rx, last), [long, behind]);
    }
}

#[test]
fn packets_that_are_too_long() {
    for (limit, set) in
        [(MAX_HANDSHAKE_PACKET_BYTES, None), (1000, Some(1000)), (MAX_PACKET_BYTES, Some(MAX_PACKET_BYTES))]
    {
        for version in [ProtocolVersion::TLSv1_3, ProtocolVersion::TLSv1_2] {
            let (mut client, mut server) = sessions(&Spec::version(version));
            if let Some(max_bytes) = set {
                server.rx.set_max_packet_bytes(max_bytes);
            }
            if limit < MAX_PACKET_BYTES {
                let longest = content(limit);
                let sealed = client.tx.seal(&[&packet(&longest)]).unwrap();
                assert_eq!(packets(&mut server.rx, &sealed), [longest]);
            }
            let length = u32::try_from(limit + 1).unwrap().to_be_bytes();
            let sealed = client.tx.seal(&[&length[..3]]).unwrap();
            assert!(packets(&mut server.rx, &sealed).is_empty());
            let sealed = client.tx.seal(&[&length[3..]]).unwrap();
            let too_long = RecordError::PacketTooLong { length_bytes: limit + 1, limit_bytes: limit };
            assert_eq!(open(&mut server.rx, &sealed), Err(too_long), "before the packet is there");
        }
    }
}

/// The most that one call may do, in bytes of the slowest cipher, and the most of each kind that it can be made of.
const CALL_WORK_BYTES: usize = 8 * (16_384 + 512);
const CALL_BYTES: usize = CALL_WORK_BYTES + 16_384;
const CALL_PACKETS: usize = CALL_WORK_BYTES.div_ceil(48);
const CALL_KEY_UPDATES: u64 = 33;

/// Opens `input` call by call, each of which has to stay within the bounds. Returns the number of packets, their content's
/// bytes, and the number of calls.
fn within_bounds(ours: &mut Session, input: &[u8]) -> (usize, usize, usize) {
    let (mut packets, mut bytes, mut calls) = (0, 0, 0);
    let mut next = Some(input);
    while let Some(rest) = next {
        let key_updates = ours.rx.key_updates();
        let opened = ours.rx.open(rest, usize::MAX).unwrap();
        let found = contents(&opened.taken);
        assert!(opened.work_bytes <= CALL_WORK_BYTES);
        assert!(found.len() <= CALL_PACKETS, "{} packets", found.len());
        assert!(ours.rx.key_updates() - key_updates <= CALL_KEY_UPDATES);
        next = opened.unopened_at.map(|at| &rest[at..]);
        let consumed = rest.len() - next.map_or(0, <[u8]>::len);
        assert!(consumed <= CALL_BYTES, "{consumed} bytes");
        assert!(next.is_none() || opened.work_bytes == CALL_WORK_BYTES, "it stops early");
        packets += found.len();
        bytes += found.iter().map(Vec::len).sum::<usize>();
        calls += 1;
    }
    (packets, bytes, calls)
}

/// Whatever comes, a call is over soon, and says where it stopped.
#[test]
fn one_call_does_a_bounded_amount() {
    for (mut client, mut server) in of_each_version() {
        let sealed = client.tx.seal(&[&[0; 4 * 65_000]]).unwrap();
        let (packets, bytes, calls) = within_bounds(&mut server, &sealed);
        assert_eq!((packets, bytes), (65_000, 0), "packets without content");
        assert!(calls >= 65_000 / CALL_PACKETS);

        let small = packet(&content(32)).repeat(10_000);
        let sealed = client.tx.seal(&[&small]).unwrap();
        assert_eq!(within_bounds(&mut server, &sealed).0, 10_000);
        let each: Vec<u8> = (0..4000).flat_map(|_| client.tx.seal(&[&packet(b"x")]).unwrap()).collect();
        let (packets, bytes, calls) = within_bounds(&mut server, &each);
        assert_eq!((packets, bytes), (4000, 4000), "small records");
        assert!(calls > 4000 * 512 / CALL_WORK_BYTES);

        let long = content(MAX_PACKET_BYTES);
        let sealed = client.tx.seal(&[&packet(&long)]).unwrap();
        let (beginning, end) = sealed.split_at(sealed.len() - 1);
        assert_eq!(within_bounds(&mut server, beginning).0, 0);
        assert_eq!(within_bounds(&mut server, end), (1, MAX_PACKET_BYTES, 1), "the end of a long packet");
    }
    let (mut raw, mut ours) = Raw::client(ProtocolVersion::TLSv1_3);
    let updates: Vec<u8> = (0..1000_usize)
        .flat_map(|nth| [raw.key_update(u8::from(nth % 2 == 0)), raw.data(&packet(b"x"))].concat())
        .collect();
    assert_eq!(within_bounds(&mut ours, &updates).0, 1000, "key updates, with data between them");
}

/// What a call leaves because there are packets enough waits for the next; nothing has to be given again.
#[test]
fn what_is_left_behind_the_packets_asked_for_is_kept() {
    for (mut client, mut server) in of_each_version() {
        let sealed: Vec<u8> =
            (0..100).flat_map(|nth| client.tx.seal(&[&packet(&[nth; 10])]).unwrap()).collect();
        let (most, rest) = sealed.split_at(sealed.len() - 7);
        let first = server.rx.open(most, 1).unwrap();
        assert_eq!((contents(&first.taken), first.unopened_at), (vec![vec![0; 10]], None));
        for nth in 1..99 {
            assert_eq!(open_some(&mut server.rx, &[], 1), Ok((vec![vec![nth; 10]], vec![])));
        }
        assert_eq!(open_some(&mut server.rx, &[], 1), Ok((vec![], vec![])));
        assert_eq!(open_some(&mut server.rx, rest, 1), Ok((vec![vec![99; 10]], vec![])));
    }
}

/// Little records that came with the end of the handshake are opened within bounds, too.
#[test]
fn records_behind_the_handshake_wait() {
    const RECORDS: usize = 2000;
    let tail = |raw: &mut Raw| (0..RECORDS).flat_map(|_| raw.data(&packet(&[7; 20]))).collect::<Vec<u8>>();
    // Whose last flight ends the handshake.
    let links = [
        Raw::client_with_tail(ProtocolVersion::TLSv1_3, tail),
        Raw::server_with_tail(ProtocolVersion::TLSv1_2, tail),
    ];
    for (_raw, ours) in links {
        let mut ours = ours.unwrap_or_else(|failure| panic!("{failure:?}"));
        let (packets, _, calls) = within_bounds(&mut ours, &[]);
        assert_eq!(packets, RECORDS);
        assert!(calls > RECORDS * 512 / CALL_WORK_BYTES);
    }
}

/// To copy the records that wait anew for each that is opened would be 24 GB here.
#[test]
fn records_that_wait_are_not_copied_for_each_that_is_opened() {
    const RECORDS: usize = 30_000;
    for (mut client, mut server) in of_each_version() {
        let sealed: Vec<u8> =
            (0..RECORDS).flat_map(|_| client.tx.seal(&[&packet(&[7; 20])]).unwrap()).collect();
        let started = std::time::Instant::now();
        assert_eq!(contents(&server.rx.open(&sealed, 1).unwrap().taken), [[7; 20]]);
        assert_eq!(within_bounds(&mut server, &[]).0, RECORDS - 1);
        assert!(started.elapsed() < std::time::Duration::from_secs(3), "{:?}", started.elapsed());
    }
}

/// Bytes and records are those that the network carried, whatever they hold and however they arrive; what is forged is not
/// counted.
#[test]
fn traffic_is_counted_alike_at_both_ends() {
    for (mut client, mut server) in of_each_version() {
        assert_eq!((client.tx.traffic().records, server.rx.traffic().records), (0, 0));
        let mut stream = Vec::new();
        for bytes in [0, 1, 16384, 100_000] {
            stream.extend(client.tx.seal(&[&packet(&content(bytes))]).unwrap());
        }
        // TLS 1.2 has none.
        stream.extend(client.tx.update_keys().unwrap_or_default());
        let count = records(&stream).len() as u64;
        for part in stream.chunks(1000) {
            open(&mut server.rx, part).unwrap();
        }
        let sent = client.tx.traffic();
        assert_eq!((sent.bytes, sent.records), (stream.len() as u64, count));
        assert_eq!(server.rx.traffic(), sent);
        let mut forged = client.tx.seal(&[&packet(b"forged")]).unwrap();
        *forged.last_mut().unwrap() ^= 1;
        open(&mut server.rx, &forged).unwrap_err();
        assert_eq!(server.rx.traffic(), sent);
    }
}
