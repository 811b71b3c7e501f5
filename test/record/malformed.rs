//! Records that are damaged, forged, out of place or too many. Each has to end the link, for the right reason, and
//! nothing may be delivered afterwards.

#[path = "../support/mod.rs"]
mod support;

use rustls::{AlertDescription, ContentType, ProtocolVersion};
use rustls_dist::error::RecordError;
use rustls_dist::record::{Event, MAX_PLAINTEXT_BYTES};
use rustls_dist::session::Session;
use support::link::{content, contents, open, packet, packets, sessions};
use support::pki::Spec;
use support::raw::Raw;

const TLS13: ProtocolVersion = ProtocolVersion::TLSv1_3;
const TLS12: ProtocolVersion = ProtocolVersion::TLSv1_2;

/// `stream` has to be refused with `error`, and everything behind it too.
fn refused(ours: &mut Session, stream: &[u8], error: &RecordError) {
    assert_eq!(open(&mut ours.rx, stream), Err(error.clone()));
    assert_eq!(open(&mut ours.rx, &[]), Err(RecordError::Closed), "the error is final");
}

/// A raw peer and our end, for each version and role.
fn links() -> [(ProtocolVersion, Raw, Session); 4] {
    [TLS13, TLS12]
        .map(|version| [Raw::client(version), Raw::server(version)].map(|link| (version, link.0, link.1)))
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .try_into()
        .ok()
        .unwrap()
}

/// What is sealed as `typ` with `payload` has to be refused with `error` by both roles of `version`.
fn content_refused(version: ProtocolVersion, typ: ContentType, payload: &[u8], error: &RecordError) {
    for (mut raw, mut ours) in [Raw::client(version), Raw::server(version)] {
        let before = raw.data(&packet(b"before"));
        assert_eq!(packets(&mut ours.rx, &before), [b"before"]);
        let record = raw.seal(typ, payload);
        refused(&mut ours, &record, error);
    }
}

fn message_refused(version: ProtocolVersion, payload: &[u8]) {
    let error = RecordError::UnexpectedHandshakeMessage { message_type: payload[0] };
    assert_eq!(error.alert(), Some(AlertDescription::UnexpectedMessage));
    content_refused(version, ContentType::Handshake, payload, &error);
}

/// A message of the peer has to be refused as one whose length is wrong.
fn malformed((mut raw, mut ours): (Raw, Session), payload: &[u8]) {
    let error = RecordError::MalformedHandshakeMessage { message_type: payload[0] };
    assert_eq!(error.alert(), Some(AlertDescription::DecodeError));
    let record = raw.seal(ContentType::Handshake, payload);
    refused(&mut ours, &record, &error);
}

/// A flipped bit in the length may leave the record incomplete: so much follows that it is not.
#[test]
fn any_flipped_bit() {
    for version in [TLS13, TLS12] {
        let spec = Spec { trust: None, ..Spec::version(version) }.unchecked();
        let mut bit = 0;
        loop {
            let (mut client, mut server) = sessions(&spec);
            server.rx.set_max_packet_bytes(1 << 20);
            let mut stream = client.tx.seal(&[&packet(b"ab")]).unwrap();
            if bit / 8 == stream.len() {
                break;
            }
            stream[bit / 8] ^= 1 << (bit % 8);
            stream.extend(client.tx.seal(&[&packet(&content(40_000))]).unwrap());
            let error = open(&mut server.rx, &stream).expect_err(&format!("bit {bit}"));
            assert!(
                matches!(
                    error,
                    RecordError::BadRecord
                        | RecordError::UnexpectedRecord(_)
                        | RecordError::RecordTooLong { .. }
                ),
                "bit {bit}: {error:?}"
            );
            assert_eq!(open(&mut server.rx, &[]), Err(RecordError::Closed));
            bit += 1;
        }
        assert!(bit > 27 * 8);
    }
}

#[test]
fn a_record_that_comes_twice_or_too_late() {
    for version in [TLS13, TLS12] {
        let seal = |client: &mut Session, text: &[u8]| client.tx.seal(&[&packet(text)]).unwrap();
        let (mut client, mut server) = sessions(&Spec::version(version));
        let record = seal(&mut client, b"x");
        assert_eq!(packets(&mut server.rx, &record), [b"x"]);
        refused(&mut server, &record, &RecordError::BadRecord);

        let (mut client, mut server) = sessions(&Spec::version(version));
        let (first, second) = (seal(&mut client, b"1"), seal(&mut client, b"2"));
        refused(&mut server, &[second, first].concat(), &RecordError::BadRecord);

        let (mut client, mut server) = sessions(&Spec::version(version));
        let own = seal(&mut client, b"mirrored");
        refused(&mut client, &own, &RecordError::BadRecord);
        let foreign = seal(&mut sessions(&Spec::version(version)).0, b"foreign");
        refused(&mut server, &foreign, &RecordError::BadRecord);
    }
    assert_eq!(RecordError::BadRecord.alert(), Some(AlertDescription::BadRecordMac));
}

#[test]
fn a_forged_record_does_not_make_room_for_the_next() {
    let (mut raw, mut ours) = Raw::client(TLS13);
    let forged = [&[23, 3, 3, 0, 20][..], &[0; 20]].concat();
    let genuine = raw.data(&packet(b"x"));
    assert_eq!(open(&mut ours.rx, &forged), Err(RecordError::BadRecord));
    assert_eq!(open(&mut ours.rx, &genuine), Err(RecordError::Closed));
}

#[test]
fn a_record_shorter_than_its_tag() {
    for (_, _, mut ours) in links() {
        refused(&mut ours, &[23, 3, 3, 0, 0], &RecordError::BadRecord);
    }
    for bytes in [1, 15, 16, 23, 24] {
        for (_, _, mut ours) in links() {
            let header = [23, 3, 3, 0, bytes];
            refused(&mut ours, &[&header[..], &vec![0; bytes.into()]].concat(), &RecordError::BadRecord);
        }
    }
    for (_, mut raw, mut ours) in links() {
        let mut record = raw.data(b"truncated");
        record.pop();
        record[4] -= 1;
        refused(&mut ours, &record, &RecordError::BadRecord);
    }
}

#[test]
fn a_record_that_is_too_long() {
    for (version, mut raw, mut ours) in links() {
        let expansion = if version == TLS13 { 256 } else { 2048 };
        let length_bytes = MAX_PLAINTEXT_BYTES + expansion + 1;
        let [hi, lo] = u16::try_from(length_bytes).unwrap().to_be_bytes();
        let longest = raw.data(&packet(&content(MAX_PLAINTEXT_BYTES - 4)));
        assert_eq!(packets(&mut ours.rx, &longest), [content(MAX_PLAINTEXT_BYTES - 4)]);
        let error = RecordError::RecordTooLong { length_bytes };
        assert_eq!(error.alert(), Some(AlertDescription::RecordOverflow));
        refused(&mut ours, &[23, 3, 3, hi, lo], &error);
    }
    for (_, mut raw, mut ours) in links() {
        let record = raw.data(&content(MAX_PLAINTEXT_BYTES + 1));
        refused(&mut ours, &record, &RecordError::RecordOversized);
    }
}

#[test]
fn a_header_of_another_protocol() {
    for (_, mut raw, mut ours) in links() {
        let mut record = raw.data(&packet(b"x"));
        record[..3].copy_from_slice(&[23, 2, 0]);
        refused(&mut ours, &record, &RecordError::BadRecord);
    }
    for (_, _, mut ours) in links() {
        refused(
            &mut ours,
            b"GET / HTTP/1.1\r\n\r\n",
            &RecordError::UnexpectedRecord(ContentType::Unknown(b'G')),
        );
    }
}

#[test]
fn an_outer_type_that_may_not_appear() {
    let types = [
        ContentType::ChangeCipherSpec,
        ContentType::Heartbeat,
        ContentType::Unknown(0),
        ContentType::Unknown(99),
    ];
    for typ in types {
        for (_, _, mut ours) in links() {
            refused(&mut ours, &[typ.into(), 3, 3, 0, 1, 1], &RecordError::UnexpectedRecord(typ));
        }
    }
    for typ in [ContentType::Alert, ContentType::Handshake] {
        for (version, mut raw, mut ours) in links() {
            let mut record = raw.data(b"x");
            record[0] = typ.into();
            let error =
                if version == TLS13 { RecordError::UnexpectedRecord(typ) } else { RecordError::BadRecord };
            refused(&mut ours, &record, &error);
        }
    }
}

#[test]
fn an_inner_type_that_may_not_appear() {
    let types = [ContentType::ChangeCipherSpec, ContentType::Heartbeat, ContentType::Unknown(99)];
    for typ in types {
        let error = RecordError::UnexpectedRecord(typ);
        assert_eq!(error.alert(), Some(AlertDescription::UnexpectedMessage));
        content_refused(TLS13, typ, b"x", &error);
    }
    let nothing = RecordError::UntypedRecord;
    content_refused(TLS13, ContentType::Unknown(0), &[], &nothing);
    content_refused(TLS13, ContentType::Unknown(0), &[0; 100], &nothing);
}

#[test]
fn padding_is_no_content() {
    let (mut raw, mut ours) = Raw::client(TLS13);
    // The type byte is the last one that is not zero, so zeros behind the content's type are padding.
    let padded = [&packet(b"x")[..], &[23, 0, 0, 0]].concat();
    let record = raw.seal(ContentType::Unknown(0), &padded);
    assert_eq!(packets(&mut ours.rx, &record), [b"x"]);
}

#[test]
fn empty_records_are_accepted_up_to_a_number() {
    for (_, mut raw, mut ours) in links() {
        for _ in 0..3 {
            let empty: Vec<u8> = (0..32).flat_map(|_| raw.data(b"")).collect();
            let stream = [empty, raw.data(&packet(b"x"))].concat();
            assert_eq!(packets(&mut ours.rx, &stream), [b"x"]);
        }
        for _ in 0..32 {
            let empty = raw.data(b"");
            assert!(packets(&mut ours.rx, &empty).is_empty());
        }
        let empty = raw.data(b"");
        refused(&mut ours, &empty, &RecordError::TooManyEmptyRecords);
    }
    assert_eq!(RecordError::TooManyEmptyRecords.alert(), Some(AlertDescription::UnexpectedMessage));
}

#[test]
fn empty_handshake_records_and_alerts_of_a_wrong_length() {
    for version in [TLS13, TLS12] {
        let handshake = RecordError::UnexpectedRecord(ContentType::Handshake);
        content_refused(version, ContentType::Handshake, &[], &handshake);
        for payload in [&[][..], &[2], &[2, 40, 0], &[1, 0, 1, 0]] {
            content_refused(
                version,
                ContentType::Alert,
                payload,
                &RecordError::UnexpectedRecord(ContentType::Alert),
            );
        }
    }
}

#[test]
fn a_key_update_that_does_not_end_its_record() {
    for behind in [&[24, 0, 0, 1, 0][..], &[24], &[4, 0, 0, 0]] {
        message_refused(TLS13, &[&[24, 0, 0, 1, 0], behind].concat());
    }
}

#[test]
fn a_key_update_that_is_malformed() {
    for payload in [&[24, 0, 0, 0][..], &[24, 0, 0, 2, 0, 0], &[24, 0xff, 0xff, 0xff]] {
        for link in [Raw::client(TLS13), Raw::server(TLS13)] {
            malformed(link, payload);
        }
    }
    for value in 2..=255 {
        let error = RecordError::UnknownKeyUpdate { value };
        assert_eq!(error.alert(), Some(AlertDescription::IllegalParameter));
        content_refused(TLS13, ContentType::Handshake, &[24, 0, 0, 1, value], &error);
    }
}

#[test]
fn a_key_update_whose_keys_do_not_change() {
    let (mut raw, mut ours) = Raw::client(TLS13);
    let update = raw.seal(ContentType::Handshake, &[24, 0, 0, 1, 0]);
    let old_keys = raw.data(&packet(b"x"));
    refused(&mut ours, &[update, old_keys].concat(), &RecordError::BadRecord);
    let (mut raw, mut ours) = Raw::client(TLS13);
    raw.renew_sending_keys();
    let new_keys = raw.data(&packet(b"x"));
    refused(&mut ours, &new_keys, &RecordError::BadRecord);
}

#[test]
fn messages_that_have_no_place_on_a_link() {
    for message_type in [0, 1, 2, 5, 8, 11, 13, 15, 20, 99, 254] {
        message_refused(TLS13, &[message_type, 0, 0, 0]);
    }
    for message_type in [2, 4, 11, 14, 16, 20, 24, 99] {
        message_refused(TLS12, &[message_type, 0, 0, 0]);
    }
    malformed(Raw::server(TLS12), &[0, 0, 0, 1, 0]);
    let (mut raw, mut ours) = Raw::client(TLS13);
    let ticket = raw.seal(ContentType::Handshake, &[4, 0, 0, 1, 0]);
    refused(&mut ours, &ticket, &RecordError::UnexpectedHandshakeMessage { message_type: 4 });
    // Only a server says HelloRequest, only a client ClientHello (RFC 5246 sections 7.4.1.1 and 7.4.1.2).
    for (message, (mut raw, mut ours)) in
        [(&[0, 0, 0, 0][..], Raw::client(TLS12)), (&[1, 0, 0, 3, 3, 3, 9], Raw::server(TLS12))]
    {
        let record = raw.seal(ContentType::Handshake, message);
        refused(&mut ours, &record, &RecordError::UnexpectedHandshakeMessage { message_type: message[0] });
    }
}

#[test]
fn a_message_that_is_too_long_is_refused_by_its_header() {
    // One byte more than the format of a ticket, or of a client hello, has room for.
    for (header, (mut raw, mut ours)) in
        [([4, 2, 1, 0x0a], Raw::server(TLS13)), ([1, 2, 1, 0x45], Raw::client(TLS12))]
    {
        let (first, rest) = header.split_at(3);
        let first = raw.seal(ContentType::Handshake, first);
        assert!(packets(&mut ours.rx, &first).is_empty());
        let rest = raw.seal(ContentType::Handshake, rest);
        refused(&mut ours, &rest, &RecordError::MalformedHandshakeMessage { message_type: header[0] });
    }
    malformed(Raw::client(TLS12), &[1, 0xff, 0xff, 0xff]);
}

#[test]
fn data_inside_a_message() {
    let (mut raw, mut ours) = Raw::server(TLS13);
    let ticket = [&[4, 1, 0, 0][..], &[0; 1000]].concat();
    let stream = [raw.seal(ContentType::Handshake, &ticket), raw.data(&packet(b"x"))].concat();
    refused(&mut ours, &stream, &RecordError::UnexpectedRecord(ContentType::ApplicationData));
    for (version, mut raw, mut ours) in links() {
        let beginning = if version == TLS13 { &[24, 0][..] } else { &[0, 0] };
        let stream = [raw.seal(ContentType::Handshake, beginning), raw.data(&packet(b"x"))].concat();
        refused(&mut ours, &stream, &RecordError::UnexpectedRecord(ContentType::ApplicationData));
    }
}

/// What a call found before the error is not lost with it; the next call tells the error, and any other that it is over.
#[test]
fn what_comes_before_an_error_is_delivered() {
    for (version, mut raw, mut ours) in links() {
        let mut stream =
            raw.data(&[packet(b"1"), packet(b"2"), packet(b"never complete")[..7].to_vec()].concat());
        if version == TLS13 {
            stream.extend(raw.key_update(1));
        }
        stream.extend(raw.seal(ContentType::Heartbeat, b"x"));
        let opened = ours.rx.open(&stream, usize::MAX).unwrap();
        assert_eq!(contents(&opened.taken), [b"1", b"2"]);
        let expected = if version == TLS13 { vec![Event::KeyUpdateRequested] } else { vec![] };
        assert_eq!((opened.events, opened.unopened_at), (expected, Some(stream.len())));
        refused(&mut ours, &[], &RecordError::UnexpectedRecord(ContentType::Heartbeat));
    }
    let (mut raw, mut ours) = Raw::server(TLS12);
    let stream = raw.seal(ContentType::Handshake, &[0; 20]);
    let opened = ours.rx.open(&stream, usize::MAX).unwrap();
    assert_eq!(opened.events, [Event::RenegotiationRequested; 4]);
    refused(&mut ours, &stream, &RecordError::RenegotiationRefused);
    // A packet that is too long ends the link behind those that are not.
    for (_, mut raw, mut ours) in links() {
        let stream = raw.data(&[packet(b"1"), vec![0xff; 9]].concat());
        let opened = ours.rx.open(&stream, usize::MAX).unwrap();
        assert_eq!(contents(&opened.taken), [b"1"]);
        assert!(matches!(open(&mut ours.rx, &[]), Err(RecordError::PacketTooLong { .. })));
    }
}
