//! What crosses a link besides data: key updates, tickets, alerts, and requests to renegotiate.

#[path = "../support/mod.rs"]
mod support;

use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{
    AlertDescription, Connection, ContentType, ProtocolVersion, SupportedCipherSuite, Tls12CipherSuite,
};
use rustls::{CipherSuiteCommon, Tls13CipherSuite};
use rustls_dist::error::{RecordError, alert_name};
use rustls_dist::handshake::Handshake;
use rustls_dist::record::Event;
use rustls_dist::trust::policy::ExpectedName;
use rustls_dist::trust::referee::LastWord;
use support::buffered;
use support::exact::Exact;
use support::link::{content, open, open_some, packet, packets, sessions, suites};
use support::pki::{EC, HOST, Spec};
use support::raw::{self, Raw};
use support::wire::records;

const TLS13: ProtocolVersion = ProtocolVersion::TLSv1_3;
const TLS12: ProtocolVersion = ProtocolVersion::TLSv1_2;
const NOT_REQUESTED: [u8; 5] = [24, 0, 0, 1, 0];

/// Records of which the product seals at most 24 with one key: it leaves 16 unused.
const RECORD_LIMIT: u64 = 40;

/// Suites of `version` whose keys wear out after [`RECORD_LIMIT`] records.
fn short_lived(version: ProtocolVersion) -> SupportedCipherSuite {
    let common = |common: &CipherSuiteCommon| CipherSuiteCommon {
        suite: common.suite,
        hash_provider: common.hash_provider,
        confidentiality_limit: RECORD_LIMIT,
    };
    match suites().into_iter().find(|suite| suite.version().version == version).unwrap() {
        SupportedCipherSuite::Tls13(suite) => {
            SupportedCipherSuite::Tls13(Box::leak(Box::new(Tls13CipherSuite {
                common: common(&suite.common),
                hkdf_provider: suite.hkdf_provider,
                aead_alg: suite.aead_alg,
                quic: None,
            })))
        }
        SupportedCipherSuite::Tls12(suite) => {
            SupportedCipherSuite::Tls12(Box::leak(Box::new(Tls12CipherSuite {
                common: common(&suite.common),
                prf_provider: suite.prf_provider,
                kx: suite.kx,
                sign: suite.sign,
                aead_alg: suite.aead_alg,
            })))
        }
    }
}

#[test]
fn keys_are_renewed_after_the_configured_bytes() {
    let spec = Spec { key_update_at_bytes: 100_000, ..Spec::version(TLS13) };
    let (mut client, mut server) = sessions(&spec);
    server.rx.set_max_packet_bytes(1 << 21);
    // Seven full records reach the limit: 63 behind the first seven of 65, the last one holding the length's 4 bytes.
    let long = content(1 << 20);
    let sealed = client.tx.seal_in::<Exact>(&[&packet(&long)]).unwrap().bytes;
    assert_eq!((records(&sealed).len(), client.tx.key_updates()), (65 + 9, 9));
    assert_eq!(packets(&mut server.rx, &sealed), [long]);
    assert_eq!(server.rx.key_updates(), 9);
    assert!(server.tx.seal(&[]).unwrap().is_empty(), "nothing was requested");

    let (mut client, mut server) = sessions(&spec);
    let tenth = content(10_000 - 4);
    for sealed_before in 0..30 {
        let sealed = client.tx.seal(&[&packet(&tenth)]).unwrap();
        assert_eq!(packets(&mut server.rx, &sealed), std::slice::from_ref(&tenth));
        assert_eq!(server.rx.key_updates(), sealed_before / 10, "bytes add up over calls");
    }
}

#[test]
fn keys_are_renewed_before_the_limit_of_the_suite() {
    let spec = Spec { suites: Some(vec![short_lived(TLS13)]), ..Spec::version(TLS13) };
    let (mut client, mut server) = sessions(&spec);
    let mut under_one_key = 0;
    for _ in 0..200 {
        let sealed = client.tx.seal(&[&packet(b"x")]).unwrap();
        under_one_key = if records(&sealed).len() == 2 { 1 } else { under_one_key + 1 };
        assert!(under_one_key <= 24);
        assert_eq!(packets(&mut server.rx, &sealed), [b"x"]);
    }
    assert_eq!((client.tx.key_updates(), server.rx.key_updates()), (8, 8));
    let sealed = client.tx.seal_in::<Exact>(&[&packet(&content(60_000))]).unwrap().bytes;
    assert_eq!(packets(&mut server.rx, &sealed), [content(60_000)]);
}

#[test]
fn keys_that_cannot_be_renewed_end_in_order() {
    let spec =
        Spec { suites: Some(vec![short_lived(TLS12)]), key_update_at_bytes: 1, ..Spec::version(TLS12) };
    let (mut client, mut server) = sessions(&spec);
    assert_eq!(client.tx.update_keys(), Err(RecordError::KeysExhausted));
    let too_much = content(1 << 20);
    assert_eq!(client.tx.seal(&[&too_much]), Err(RecordError::KeysExhausted), "before anything is sealed");
    let mut sealed = 0;
    let error = loop {
        match client.tx.seal(&[&packet(b"x")]) {
            Ok(sealed) => assert_eq!(packets(&mut server.rx, &sealed), [b"x"]),
            Err(error) => break error,
        }
        sealed += 1;
    };
    assert_eq!((sealed, &error), (23, &RecordError::KeysExhausted), "Finished was the first of 24");
    assert_eq!(error.alert(), Some(AlertDescription::CloseNotify));
    let last = client.tx.close_notify().unwrap();
    assert_eq!(open(&mut server.rx, &last), Ok((vec![], vec![Event::CloseNotify])));
}

#[test]
fn keys_are_renewed_on_demand() {
    let (mut client, mut server) = sessions(&Spec::version(TLS13));
    for updates in 1..=3 {
        let update = client.tx.update_keys().unwrap();
        let sealed = [update, client.tx.seal(&[&packet(b"x")]).unwrap()].concat();
        assert_eq!(packets(&mut server.rx, &sealed), [b"x"]);
        assert_eq!((client.tx.key_updates(), server.rx.key_updates()), (updates, updates));
    }
    let sealed = server.tx.seal(&[&packet(b"other direction")]).unwrap();
    assert_eq!(packets(&mut client.rx, &sealed), [b"other direction"]);
}

#[test]
fn a_key_update_that_requests_nothing_is_followed() {
    for (mut raw, mut ours) in [Raw::client(TLS13), Raw::server(TLS13)] {
        let stream = [raw.key_update(0), raw.data(&packet(b"new"))].concat();
        assert_eq!(packets(&mut ours.rx, &stream), [b"new"]);
        assert_eq!(ours.rx.key_updates(), 1);
        assert!(ours.tx.seal(&[]).unwrap().is_empty());
        assert_eq!(ours.tx.key_updates(), 0);
    }
}

#[test]
fn requested_key_updates_are_answered_once() {
    for (mut raw, mut ours) in [Raw::client(TLS13), Raw::server(TLS13)] {
        let stream = [
            raw.key_update(1),
            raw.data(&packet(b"1")),
            raw.key_update(1),
            raw.key_update(0),
            raw.key_update(1),
            raw.data(&packet(b"2")),
        ];
        let (got, events) = open(&mut ours.rx, &stream.concat()).unwrap();
        assert_eq!(got, [b"1", b"2"]);
        assert_eq!(events, [Event::KeyUpdateRequested]);
        let again = raw.key_update(1);
        assert_eq!(open(&mut ours.rx, &again), Ok((vec![], vec![])), "an answer is owed already");
        assert_eq!(ours.rx.key_updates(), 5);

        let answer = ours.tx.seal_in::<Exact>(&[b"data"]).unwrap().bytes;
        assert_eq!(records(&answer).len(), 2);
        let expected = [
            (ContentType::Handshake, NOT_REQUESTED.to_vec()),
            (ContentType::ApplicationData, b"data".to_vec()),
        ];
        assert_eq!(raw.open(&answer), expected);
        assert!(ours.tx.seal(&[]).unwrap().is_empty());

        let later = raw.key_update(1);
        assert_eq!(open(&mut ours.rx, &later).unwrap().1, [Event::KeyUpdateRequested]);
        assert_eq!(raw.open(&ours.tx.seal(&[]).unwrap()), expected[..1]);
        assert_eq!(ours.tx.key_updates(), 2);
    }
}

#[test]
fn a_key_update_of_our_own_settles_no_request_of_the_peer() {
    let (mut raw, mut ours) = Raw::client(TLS13);
    let update = ours.tx.update_keys().unwrap();
    let request = raw.key_update(1);
    open(&mut ours.rx, &request).unwrap();
    let sealed = [update, ours.tx.seal(&[b"x"]).unwrap()].concat();
    assert_eq!(records(&sealed).len(), 3);
    assert_eq!(raw.open(&sealed)[2].1, b"x");
}

/// As many as rustls accepts, whether they request one of ours or not.
#[test]
fn key_updates_without_data_between_them_are_accepted_up_to_a_number() {
    assert_eq!(RecordError::TooManyKeyUpdates.alert(), Some(AlertDescription::UnexpectedMessage));
    for kinds in [[0, 0], [1, 1], [0, 1]] {
        for (mut raw, mut ours) in [Raw::client(TLS13), Raw::server(TLS13)] {
            for round in 1..=3 {
                let updates: Vec<u8> = (0..32).flat_map(|nth| raw.key_update(kinds[nth % 2])).collect();
                let stream = [updates, raw.data(&packet(b"x"))].concat();
                assert_eq!(open(&mut ours.rx, &stream).unwrap().0, [b"x"]);
                assert_eq!(ours.rx.key_updates(), 32 * round);
            }
            // Neither an empty record nor a call of its own makes room for more.
            for nth in 0..32 {
                let stream = [raw.key_update(kinds[nth % 2]), raw.data(b"")].concat();
                open(&mut ours.rx, &stream).unwrap();
            }
            let stream = [raw.key_update(kinds[0]), raw.data(&packet(b"x"))].concat();
            assert_eq!(open(&mut ours.rx, &stream), Err(RecordError::TooManyKeyUpdates));
            assert_eq!(open(&mut ours.rx, &[]), Err(RecordError::Closed));
            assert_eq!(ours.rx.key_updates(), 4 * 32, "the refused one was not followed");
        }
    }
}

/// What is owed is one answer, so that is all that the sending side is told of, however long it does not get to it.
#[test]
fn requests_in_a_row_are_one_event() {
    let (mut raw, mut ours) = Raw::client(TLS13);
    let mut seen = Vec::new();
    for _ in 0..100 {
        let stream = [raw.key_update(1), raw.data(&packet(b"x"))].concat();
        seen.extend(open(&mut ours.rx, &stream).unwrap().1);
    }
    assert_eq!(seen, [Event::KeyUpdateRequested]);
    assert_eq!(records(&ours.tx.seal(&[]).unwrap()).len(), 1);
    let stream = raw.key_update(1);
    assert_eq!(open(&mut ours.rx, &stream).unwrap().1, [Event::KeyUpdateRequested]);
}

/// As long as its format allows (RFC 8446 section 4.6.1); nothing of it is kept.
#[test]
fn a_ticket_of_any_length_is_passed_over() {
    for body_bytes in [0, 1, 16_380, 16_384, 16_385, 65_536, 131_337] {
        let (mut raw, mut ours) = Raw::server(TLS13);
        let length = u32::try_from(body_bytes).unwrap().to_be_bytes();
        let ticket = [&[4][..], &length[1..], &vec![24; body_bytes]].concat();
        // Two in a row, and what follows begins in the record that the second ends in.
        let messages = [&ticket[..], &ticket, &NOT_REQUESTED].concat();
        let mut stream = Vec::new();
        for part in messages.chunks(16_384) {
            stream.extend(raw.seal(ContentType::Handshake, part));
        }
        raw.renew_sending_keys();
        stream.extend(raw.data(&packet(b"behind")));
        assert_eq!(packets(&mut ours.rx, &stream), [b"behind"], "{body_bytes} bytes");
        assert_eq!(ours.rx.key_updates(), 1);
    }
}

#[test]
fn handshake_messages_span_records() {
    let (mut raw, mut ours) = Raw::server(TLS13);
    let ticket = [&[4, 0, 1, 0][..], &[7; 256]].concat();
    let mut stream = Vec::new();
    for part in [&ticket[..1], &ticket[1..5], &ticket[5..100]] {
        stream.extend(raw.seal(ContentType::Handshake, part));
    }
    // The end of one ticket, a whole one, and the beginning of a key update.
    let end = [&ticket[100..], &ticket, &NOT_REQUESTED[..2]].concat();
    stream.extend(raw.seal(ContentType::Handshake, &end));
    stream.extend(raw.seal(ContentType::Handshake, &NOT_REQUESTED[2..]));
    raw.renew_sending_keys();
    stream.extend(raw.data(&packet(b"behind")));
    let got: Vec<_> = stream.chunks(11).flat_map(|piece| packets(&mut ours.rx, piece)).collect();
    assert_eq!(got, [b"behind"]);
    assert_eq!(ours.rx.key_updates(), 1);
}

fn server_of_rustls(version: ProtocolVersion) -> Connection {
    rustls::ServerConnection::new(Arc::new(raw::server_config(version, &EC))).unwrap().into()
}

fn client_of_rustls(version: ProtocolVersion) -> Connection {
    let name = ServerName::try_from(HOST).unwrap();
    rustls::ClientConnection::new(Arc::new(raw::client_config(version)), name).unwrap().into()
}

#[test]
fn tickets_of_a_server_of_rustls_are_ignored() {
    let side = Spec::version(TLS13).unchecked().client().unwrap();
    let mut peer = server_of_rustls(TLS13);
    let ours = Handshake::client(&side, ExpectedName::Any, LastWord::Webpki).unwrap();
    let (mut session, tickets) = buffered::shake(ours, &mut peer, b"");
    assert!(tickets.len() > 100, "{}", tickets.len());
    let data = buffered::write(&mut peer, &packet(b"behind"));
    assert_eq!(packets(&mut session.rx, &[tickets, data].concat()), [b"behind"]);
}

#[test]
fn key_updates_with_either_end_of_rustls() {
    let client = Spec::version(TLS13).unchecked().client().unwrap();
    let server = Spec::version(TLS13).unchecked().server().unwrap();
    for (ours, mut peer) in [
        (Handshake::client(&client, ExpectedName::Any, LastWord::Webpki).unwrap(), server_of_rustls(TLS13)),
        (Handshake::server(&server, LastWord::Webpki).unwrap(), client_of_rustls(TLS13)),
    ] {
        let (mut session, rest) = buffered::shake(ours, &mut peer, b"");
        assert!(packets(&mut session.rx, &rest).is_empty());
        for _ in 0..3 {
            peer.refresh_traffic_keys().unwrap();
            let stream = buffered::write(&mut peer, &packet(b"in"));
            let (got, events) = open(&mut session.rx, &stream).unwrap();
            assert_eq!((got, events), (vec![b"in".to_vec()], vec![Event::KeyUpdateRequested]));
            let answer = session.tx.seal(&[b"out"]).unwrap();
            assert_eq!(records(&answer).len(), 2);
            assert_eq!(buffered::incoming(&mut peer, &answer), b"out");
            let update = session.tx.update_keys().unwrap();
            let stream = [update, session.tx.seal(&[b"more"]).unwrap()].concat();
            assert_eq!(buffered::incoming(&mut peer, &stream), b"more");
        }
    }
}

#[test]
fn close_notify_closes_one_direction() {
    for version in [TLS13, TLS12] {
        let (mut client, mut server) = sessions(&Spec::version(version));
        let last = [client.tx.seal(&[&packet(b"last")]).unwrap(), client.tx.close_notify().unwrap()].concat();
        assert_eq!(client.tx.seal(&[b"x"]), Err(RecordError::Closed));
        assert_eq!(client.tx.seal(&[]), Err(RecordError::Closed));
        assert_eq!(client.tx.close_notify(), Err(RecordError::Closed));
        assert_eq!(client.tx.alert(AlertDescription::InternalError), Err(RecordError::Closed));
        assert_eq!(client.tx.refuse_renegotiation(), Err(RecordError::Closed));
        assert_eq!(client.tx.update_keys(), Err(RecordError::Closed));
        assert_eq!(RecordError::Closed.alert(), None);

        let noise = [&last[..], &[0xff; 100]].concat();
        assert_eq!(open(&mut server.rx, &noise), Ok((vec![b"last".to_vec()], vec![Event::CloseNotify])));
        assert_eq!(open(&mut server.rx, &[]), Err(RecordError::Closed));

        let other =
            [server.tx.seal(&[&packet(b"still")]).unwrap(), server.tx.close_notify().unwrap()].concat();
        assert_eq!(open(&mut client.rx, &other), Ok((vec![b"still".to_vec()], vec![Event::CloseNotify])));
        assert_eq!(open(&mut client.rx, &other), Err(RecordError::Closed));
    }
}

#[test]
fn packets_before_a_close_are_delivered() {
    for version in [TLS13, TLS12] {
        let (mut client, mut server) = sessions(&Spec::version(version));
        let stream = [packet(b"1"), packet(b"2"), packet(b"never complete")[..7].to_vec()].concat();
        let sealed = [client.tx.seal(&[&stream]).unwrap(), client.tx.close_notify().unwrap()].concat();
        assert_eq!(open_some(&mut server.rx, &sealed, 1), Ok((vec![b"1".to_vec()], vec![])));
        assert_eq!(open_some(&mut server.rx, &[], 1), Ok((vec![b"2".to_vec()], vec![])));
        assert_eq!(open_some(&mut server.rx, &[], 1), Ok((vec![], vec![Event::CloseNotify])));
        assert_eq!(open_some(&mut server.rx, &[], 1), Err(RecordError::Closed));
        assert_eq!(open_some(&mut server.rx, &sealed, 1), Err(RecordError::Closed));
    }
}

#[test]
fn alerts_arrive_under_their_names() {
    for version in [TLS13, TLS12] {
        for code in (1..=116).filter(|code| *code != u8::from(AlertDescription::UserCanceled)) {
            let alert = AlertDescription::from(code);
            if alert_name(alert) == "unknown_alert" {
                continue;
            }
            let (mut client, mut server) = sessions(&Spec::version(version));
            let sealed = client.tx.alert(alert).unwrap();
            let expected = vec![Event::Alert(alert)];
            assert_eq!(open(&mut server.rx, &sealed), Ok((vec![], expected)), "{}", alert_name(alert));
            assert_eq!(client.tx.seal(&[b"x"]), Err(RecordError::Closed));
            assert_eq!(open(&mut server.rx, &[]), Err(RecordError::Closed));
        }
    }
    let (mut raw, mut ours) = Raw::client(TLS13);
    let sealed = ours.tx.alert(AlertDescription::AccessDenied).unwrap();
    assert_eq!(raw.open(&sealed), [(ContentType::Alert, vec![2, 49])]);
}

#[test]
fn warnings_mean_nothing_on_tls_1_2_and_everything_on_1_3() {
    let (mut raw, mut ours) = Raw::client(TLS12);
    for code in [10, 40, 90, 100, 112] {
        let stream = [raw.seal(ContentType::Alert, &[1, code]), raw.data(&packet(b"on"))].concat();
        assert_eq!(packets(&mut ours.rx, &stream), [b"on"]);
    }
    let (mut raw, mut ours) = Raw::client(TLS13);
    let stream = [raw.seal(ContentType::Alert, &[1, 90]), raw.data(&packet(b"on"))].concat();
    assert_eq!(packets(&mut ours.rx, &stream), [b"on"], "user_canceled is followed by close_notify");
    let stream = raw.seal(ContentType::Alert, &[1, 40]);
    assert_eq!(open(&mut ours.rx, &stream).unwrap().1, [Event::Alert(AlertDescription::HandshakeFailure)]);
    for version in [TLS13, TLS12] {
        let (mut raw, mut ours) = Raw::client(version);
        for _ in 0..3 {
            let few: Vec<u8> = (0..4).flat_map(|_| raw.seal(ContentType::Alert, &[1, 90])).collect();
            let stream = [few, raw.data(&packet(b"on"))].concat();
            assert_eq!(packets(&mut ours.rx, &stream), [b"on"]);
        }
        let flood: Vec<u8> = (0..5).flat_map(|_| raw.seal(ContentType::Alert, &[1, 90])).collect();
        assert_eq!(open(&mut ours.rx, &flood), Err(RecordError::TooManyWarnings));
    }
}

#[test]
fn renegotiation_is_refused_politely_and_then_finally() {
    let hello_request: &[u8] = &[0, 0, 0, 0];
    let client_hello: &[u8] = &[1, 0, 0, 3, 3, 3, 9];
    for (request, (mut raw, mut ours)) in
        [(hello_request, Raw::server(TLS12)), (client_hello, Raw::client(TLS12))]
    {
        for _ in 0..4 {
            let stream = [raw.seal(ContentType::Handshake, request), raw.data(&packet(b"on"))].concat();
            let (got, events) = open(&mut ours.rx, &stream).unwrap();
            assert_eq!((got, events), (vec![b"on".to_vec()], vec![Event::RenegotiationRequested]));
            let refusal = ours.tx.refuse_renegotiation().unwrap();
            assert_eq!(raw.open(&refusal), [(ContentType::Alert, vec![1, 100])]);
            let sealed = ours.tx.seal(&[b"on"]).unwrap();
            assert_eq!(raw.open(&sealed)[0].1, b"on");
        }
        let fifth = raw.seal(ContentType::Handshake, request);
        assert_eq!(open(&mut ours.rx, &fifth), Err(RecordError::RenegotiationRefused));
        let owed = RecordError::RenegotiationRefused.alert().unwrap();
        let last = ours.tx.alert(owed).unwrap();
        assert_eq!(raw.open(&last), [(ContentType::Alert, vec![2, 100])], "fatal");
    }
    let (mut raw, mut ours) = Raw::client(TLS12);
    let long = [&[1, 0, 0xff, 0xff][..], &[0; 0xffff]].concat();
    let stream: Vec<u8> =
        long.chunks(16_384).flat_map(|part| raw.seal(ContentType::Handshake, part)).collect();
    assert_eq!(open(&mut ours.rx, &stream), Ok((vec![], vec![Event::RenegotiationRequested])));
    let (mut raw, mut ours) = Raw::server(TLS12);
    let several = raw.seal(ContentType::Handshake, &hello_request.repeat(5));
    assert_eq!(open(&mut ours.rx, &several), Err(RecordError::RenegotiationRefused), "in one record too");
}
