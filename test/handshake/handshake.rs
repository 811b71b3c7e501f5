//! Handshakes that succeed, however their bytes arrive, and those that drown or never were handshakes.

#[path = "../support/mod.rs"]
mod support;

use std::sync::Arc;

use rcgen::{CustomExtension, KeyPair};
use rustls::crypto::{ActiveKeyExchange, SharedSecret, SupportedKxGroup};
use rustls::pki_types::ServerName;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::ResolvesServerCert;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{AlertDescription, Connection, NamedGroup, ProtocolVersion};
use rustls_dist::error::{ChainFault, HandshakeError};
use rustls_dist::handshake::{Failure, Handshake, MAX_HANDSHAKE_BYTES, MAX_HELLO_BYTES, Progress, Step};
use rustls_dist::record::Event;
use rustls_dist::session::Session;
use rustls_dist::trust::policy::{ClientAuth, ExpectedName};
use rustls_dist::trust::referee::LastWord;
use support::buffered;
use support::link::{open, packet, packets, sessions, shake_sides, shake_specs, suites};
use support::pki::{CA, EC, HOST, Pair, Spec, issue, version_1};
use support::raw::{self, Raw};

const BOTH: [ProtocolVersion; 2] = [ProtocolVersion::TLSv1_3, ProtocolVersion::TLSv1_2];

/// Both directions have to carry a packet.
fn carries_data(client: &mut Session, server: &mut Session) {
    let up = client.tx.seal(&[&packet(b"up")]).unwrap();
    assert_eq!(packets(&mut server.rx, &up), [b"up"]);
    let down = server.tx.seal(&[&packet(b"down")]).unwrap();
    assert_eq!(packets(&mut client.rx, &down), [b"down"]);
}

#[test]
fn every_suite_of_every_version() {
    assert_eq!(suites().len(), 9);
    for suite in suites() {
        let (mut client, mut server) = sessions(&Spec::suite(suite));
        for facts in [&client.facts, &server.facts] {
            assert_eq!(facts.suite, suite);
            assert_eq!(facts.version, suite.version().version);
            assert!(facts.group.is_some());
            assert_eq!(facts.peer_chain.len(), 2, "leaf and the root that completes it");
        }
        carries_data(&mut client, &mut server);
    }
}

#[test]
fn the_newest_common_version_is_taken() {
    for (client, server, agreed) in [
        (Spec::default(), Spec::default(), ProtocolVersion::TLSv1_3),
        (Spec::default(), Spec::version(ProtocolVersion::TLSv1_2), ProtocolVersion::TLSv1_2),
        (Spec::version(ProtocolVersion::TLSv1_2), Spec::default(), ProtocolVersion::TLSv1_2),
    ] {
        let shaken = shake_specs(&client, &server);
        assert_eq!(shaken.client.session().facts.version, agreed);
        assert_eq!(shaken.server.session().facts.version, agreed);
    }
}

#[test]
fn flights_arrive_byte_by_byte() {
    for version in BOTH {
        let spec = Spec::version(version);
        let (client, server) = (spec.client().unwrap(), spec.server().unwrap());
        let shaken = shake_sides(&client, &server, |flight| flight.chunks(1).map(<[u8]>::to_vec).collect());
        carries_data(&mut shaken.client.session(), &mut shaken.server.session());
    }
}

/// All flights of one handshake are cut at the same place, so that as many handshakes as the longest flight has bytes
/// cover every place of every flight.
#[test]
fn flights_are_cut_at_every_place() {
    for version in BOTH {
        let spec = Spec { trust: None, ..Spec::version(version).unchecked() };
        let (client, server) = (spec.client().unwrap(), spec.server().unwrap());
        let longest = std::cell::Cell::new(0);
        let mut place = 1;
        while place == 1 || place < longest.get() {
            let shaken = shake_sides(&client, &server, |flight| {
                longest.set(flight.len().max(longest.get()));
                let (head, tail) = flight.split_at(place.min(flight.len()));
                vec![head.to_vec(), tail.to_vec()]
            });
            carries_data(&mut shaken.client.session(), &mut shaken.server.session());
            place += 1;
        }
        assert!(place > 500, "the server's flight holds a certificate");
    }
}

#[test]
fn who_shows_a_certificate() {
    let anonymous = Spec { identities: vec![], ..Spec::default() };
    for version in BOTH {
        let strict = Spec::version(version);
        let lenient = Spec { client_auth: ClientAuth::Optional, ..strict.clone() };
        for (client, server, server_sees) in [
            (strict.clone(), strict.clone(), 2),
            (strict.clone(), strict.clone().unchecked(), 0),
            (strict.clone().unchecked(), strict.clone(), 2),
            (strict.clone().unchecked(), strict.clone().unchecked(), 0),
            (anonymous.clone(), lenient.clone(), 0),
            (strict.clone(), lenient, 2),
            (anonymous.clone().unchecked(), strict.unchecked(), 0),
        ] {
            let shaken = shake_specs(&client, &server);
            let (mut client, mut server) = (shaken.client.session(), shaken.server.session());
            assert_eq!(server.facts.peer_chain.len(), server_sees);
            assert_eq!(client.facts.peer_chain.len(), 2);
            carries_data(&mut client, &mut server);
        }
    }
}

#[test]
fn certificates_of_version_1_pass_where_nothing_is_checked() {
    for algorithm in ["RSA -pkeyopt rsa_keygen_bits:2048", "EC -pkeyopt ec_paramgen_curve:P-256"] {
        let old = version_1(algorithm);
        for version in BOTH {
            let server = Spec { identities: vec![old.clone()], ..Spec::version(version) }.unchecked();
            let shaken = shake_specs(&Spec::default().unchecked(), &server);
            carries_data(&mut shaken.client.session(), &mut shaken.server.session());

            let believer = Spec { trust: Some(old.chain.clone()), ..Spec::default() };
            let failure = shake_specs(&believer, &server).client.failure();
            assert_eq!(failure.error, HandshakeError::ChainRefused(ChainFault::UnsupportedVersion));
        }
    }
}

/// A server with the certificate of one pair and the key of another.
fn impostor(version: ProtocolVersion, certificate: &Pair, key: &Pair) -> Connection {
    let chain = CertificateDer::pem_slice_iter(certificate.chain.as_bytes()).map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_slice(key.key.as_bytes()).unwrap();
    let key = rustls_dist::provider::default_provider().key_provider.load_private_key(key).unwrap();
    let mut config = raw::server_config(version, &EC);
    let resolver: Arc<dyn ResolvesServerCert> =
        Arc::new(SingleCertAndKey::from(Arc::new(CertifiedKey::new(chain, key))));
    config.cert_resolver = resolver;
    rustls::ServerConnection::new(Arc::new(config)).unwrap().into()
}

#[test]
fn a_peer_without_the_key_fails_even_where_nothing_is_checked() {
    let old = version_1("EC -pkeyopt ec_paramgen_curve:P-256");
    let client = Spec::default().unchecked().client().unwrap();
    for version in BOTH {
        for certificate in [&*EC, &old] {
            let other = version_1("EC -pkeyopt ec_paramgen_curve:P-256");
            let mut peer = impostor(version, certificate, &other);
            let ours = Box::new(Handshake::client(&client, ExpectedName::Any, LastWord::Webpki).unwrap());
            let step = ours.advance(&[]).ok().unwrap();
            buffered::incoming(&mut peer, &step.send);
            let Progress::Continue(ours) = step.progress else { panic!("done too early") };
            let failure = ours.advance(&buffered::outgoing(&mut peer)).err().unwrap();
            assert_eq!(failure.error.kind(), "bad_signature");
            assert!(!failure.send.is_empty());
        }
    }
}

#[test]
fn data_behind_the_last_flight_is_kept() {
    for version in BOTH {
        // The end that sends the last flight may go on at once: the client in TLS 1.3, the server in 1.2.
        let tail = |raw: &mut Raw| {
            let half = packet(b"second");
            let mut bytes =
                [raw.data(&packet(b"first")), raw.data(&half[..5]), raw.data(&half[5..])].concat();
            bytes.truncate(bytes.len() - 3);
            bytes
        };
        let (mut raw, session) = match version {
            ProtocolVersion::TLSv1_3 => Raw::client_with_tail(version, tail),
            _ => Raw::server_with_tail(version, tail),
        };
        let mut session = session.unwrap_or_else(|failure| panic!("{failure:?}"));
        assert_eq!(packets(&mut session.rx, &[]), [b"first"]);
        let answer = session.tx.seal(&[b"answer"]).unwrap();
        assert_eq!(raw.open(&answer)[0].1, b"answer");
    }
}

#[test]
fn anything_behind_the_last_flight_is_kept() {
    let (mut raw, session) = Raw::client_with_tail(ProtocolVersion::TLSv1_3, |raw| {
        [raw.key_update(1), raw.data(&packet(b"renewed")), raw.seal(rustls::ContentType::Alert, &[1, 0])]
            .concat()
    });
    let mut session = session.unwrap_or_else(|failure| panic!("{failure:?}"));
    let (packets, events) = open(&mut session.rx, &[]).unwrap();
    assert_eq!(packets, [b"renewed"]);
    assert_eq!(events, [Event::KeyUpdateRequested, Event::CloseNotify]);
    let answer = session.tx.seal(&[b"answer"]).unwrap();
    let records = raw.open(&answer);
    assert_eq!(records[0].1, [24, 0, 0, 1, 0]);
    assert_eq!(records[1].1, b"answer");
}

#[test]
fn a_server_of_rustls_with_data_before_the_clients_last_flight() {
    let client = Spec::default().unchecked().client().unwrap();
    let config = Arc::new(raw::server_config(ProtocolVersion::TLSv1_3, &EC));
    let mut peer = rustls::ServerConnection::new(config).unwrap().into();
    let ours = Handshake::client(&client, ExpectedName::Any, LastWord::Webpki).unwrap();
    let (mut session, rest) = buffered::shake(ours, &mut peer, &packet(b"early"));
    let sealed = session.tx.seal(&[b"up"]).unwrap();
    assert_eq!(packets(&mut session.rx, &rest), [b"early"]);
    assert_eq!(buffered::incoming(&mut peer, &sealed), b"up");
}

#[test]
fn a_client_of_rustls() {
    let server = Spec::default().unchecked().server().unwrap();
    for version in BOTH {
        let name = ServerName::try_from(HOST).unwrap();
        let config = Arc::new(raw::client_config(version));
        let mut peer = rustls::ClientConnection::new(config, name).unwrap().into();
        let (mut session, rest) = buffered::shake(
            Handshake::server(&server, LastWord::Webpki).unwrap(),
            &mut peer,
            &packet(b"early"),
        );
        assert_eq!(session.facts.version, version);
        let sealed = session.tx.seal(&[b"down"]).unwrap();
        assert_eq!(buffered::incoming(&mut peer, &sealed), b"down");
        let more = [rest, buffered::outgoing(&mut peer)].concat();
        assert_eq!(packets(&mut session.rx, &more), [b"early"]);
    }
}

#[test]
fn what_is_not_tls_is_refused_at_once() {
    let server = Spec::default().server().unwrap();
    let client = Spec::default().client().unwrap();
    for garbage in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"\0\x05Nnode\0\0\0\0", &[0xff; 64]] {
        let failure =
            Box::new(Handshake::server(&server, LastWord::Webpki).unwrap()).advance(garbage).err().unwrap();
        assert_eq!(failure.error.kind(), "invalid_message");
        assert_eq!(failure.send, [21, 3, 3, 0, 2, 2, AlertDescription::DecodeError.into()]);
        let ours = Box::new(Handshake::client(&client, ExpectedName::Any, LastWord::Webpki).unwrap());
        let Ok(step) = ours.advance(&[]) else { panic!("refused nothing") };
        let Progress::Continue(ours) = step.progress else { panic!("done with nothing") };
        let failure = ours.advance(garbage).err().unwrap();
        assert_eq!(failure.error.kind(), "invalid_message");
        assert!(!failure.send.is_empty());
    }
}

#[test]
fn more_than_a_handshake_may_hold_is_refused() {
    let too_large = HandshakeError::HandshakeTooLarge { limit_bytes: MAX_HANDSHAKE_BYTES };

    // A certificate message of almost 64 KiB, of which three records arrive: nothing to object to, and the bytes count.
    let spec = Spec::version(ProtocolVersion::TLSv1_2);
    let ours = Box::new(Handshake::server(&spec.server().unwrap(), LastWord::Webpki).unwrap());
    let client =
        Box::new(Handshake::client(&spec.client().unwrap(), ExpectedName::Any, LastWord::Webpki).unwrap());
    let Ok(Step { send: hello, .. }) = client.advance(&[]) else { panic!("no hello") };
    let mut message = vec![11, 0, 0xff, 0x00];
    message.resize(3 << 14, 0);
    let records = message.chunks(1 << 14).flat_map(|part| [&[22, 3, 3, 0x40, 0], part].concat());
    let slow: Vec<u8> = records.collect();
    let Ok(Step { progress: Progress::Continue(ours), .. }) = ours.advance(&hello) else { panic!("refused") };
    let Ok(Step { progress: Progress::Continue(ours), .. }) = ours.advance(&slow) else { panic!("refused") };
    let rest = vec![22; MAX_HANDSHAKE_BYTES + 1 - hello.len() - slow.len()];
    assert_eq!(ours.advance(&rest).err().unwrap().error, too_large);
}

/// The beginning of a client hello that announces 60,000 bytes, in records, as `bytes` bytes.
fn endless_hello(bytes: usize) -> Vec<u8> {
    let mut message = vec![1, 0, 0xea, 0x60, 3, 3];
    message.resize(60_000, 0);
    let records = message.chunks(1 << 14).flat_map(|part| {
        let length = u16::try_from(part.len()).unwrap().to_be_bytes();
        [&[22, 3, 1], &length[..], part].concat()
    });
    records.take(bytes).collect()
}

/// Takes `bytes` in small pieces.
fn in_pieces(mut ours: Box<Handshake>, bytes: &[u8]) -> Result<Box<Handshake>, Failure> {
    for piece in bytes.chunks(1000) {
        ours = match ours.advance(piece)?.progress {
            Progress::Continue(ours) => ours,
            Progress::Done(_) => panic!("done with an endless hello"),
        };
    }
    Ok(ours)
}

#[test]
fn a_hello_may_not_be_longer_than_any_client_needs() {
    let refusal = HandshakeError::HelloTooLarge { limit_bytes: MAX_HELLO_BYTES };
    let alert = [21, 3, 3, 0, 2, 2, AlertDescription::DecodeError.into()];
    let server = Spec::default().server().unwrap();
    let fresh = || Box::new(Handshake::server(&server, LastWord::Webpki).unwrap());
    let ours = in_pieces(fresh(), &endless_hello(MAX_HELLO_BYTES)).unwrap();
    let failure = ours.advance(&[0]).err().unwrap();
    assert_eq!((failure.error, failure.alert), (refusal.clone(), Some(AlertDescription::DecodeError)));
    assert_eq!(failure.send, alert);

    // The same for the second hello, which a client has to make whose key share is of no use.
    let mut provider = rustls_dist::provider::default_provider();
    provider.kx_groups.insert(0, &Unheard);
    let config = raw::client_config_with(ProtocolVersion::TLSv1_3, provider);
    let name = ServerName::try_from(HOST).unwrap();
    let mut peer = rustls::ClientConnection::new(Arc::new(config), name).unwrap().into();
    let hello = buffered::outgoing(&mut peer);
    let Step { send, progress } = fresh().advance(&hello).unwrap();
    let Progress::Continue(ours) = progress else { panic!("done with one hello") };
    assert!(!send.is_empty(), "a hello retry request");
    let ours = in_pieces(ours, &endless_hello(MAX_HELLO_BYTES - hello.len())).unwrap();
    let failure = ours.advance(&[0]).err().unwrap();
    assert_eq!((failure.error, failure.send), (refusal, alert.to_vec()));
}

/// A key-exchange group that no server knows.
#[derive(Debug)]
struct Unheard;

impl SupportedKxGroup for Unheard {
    fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, rustls::Error> {
        Ok(Box::new(Unheard))
    }

    fn name(&self) -> NamedGroup {
        NamedGroup::Unknown(0x1234)
    }
}

impl ActiveKeyExchange for Unheard {
    fn complete(self: Box<Self>, _peer_pub_key: &[u8]) -> Result<SharedSecret, rustls::Error> {
        Err(rustls::Error::General("unheard of".into()))
    }

    fn pub_key(&self) -> &[u8] {
        &[7; 32]
    }

    fn group(&self) -> NamedGroup {
        self.name()
    }
}

/// The bound on the hello is none on what follows it.
#[test]
fn a_long_chain_is_taken() {
    let long = issue(&CA, KeyPair::generate().unwrap(), |params| {
        let padding = CustomExtension::from_oid_content(&[1, 2, 3, 4], vec![0; 60_000]);
        params.custom_extensions.push(padding);
    });
    for version in BOTH {
        let spec = Spec { identities: vec![long.clone()], ..Spec::version(version) };
        let (mut client, mut server) = sessions(&spec);
        carries_data(&mut client, &mut server);
    }
}

#[test]
fn a_message_that_is_too_long_is_refused() {
    let hello_of_16_mib = [22, 3, 1, 0, 4, 1, 0xff, 0xff, 0xff];
    let server = Spec::default().server().unwrap();
    let failure = Box::new(Handshake::server(&server, LastWord::Webpki).unwrap())
        .advance(&hello_of_16_mib)
        .err()
        .unwrap();
    assert_eq!(failure.error.kind(), "handshake_too_large");
}
