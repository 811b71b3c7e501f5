//! Faults that rustls answers with silence: the peer is told, in the clear as long as nothing is encrypted, else in a record
//! that it can open. Each is found by an end of ours, in both roles and versions, with and without a referee.

#[path = "../support/mod.rs"]
mod support;

use std::sync::{Arc, LazyLock};

use rustls::pki_types::ServerName;
use rustls::{
    AlertDescription, Connection, ContentType, ProtocolVersion, SignatureScheme, SupportedCipherSuite,
};
use rustls_dist::config::JudgedBy;
use rustls_dist::error::HandshakeError;
use rustls_dist::handshake::{Handshake, Progress};
use rustls_dist::trust::policy::{ClientAuth, ExpectedName};
use rustls_dist::trust::referee::{Case, LastWord, Referee, Ruling};
use support::buffered::outgoing;
use support::pki::{EC, HOST, RSA, Spec};
use support::raw::{client_config_of, client_config_with, server_config_with};
use support::suites::{self, Stolen};

const TLS13: ProtocolVersion = ProtocolVersion::TLSv1_3;
const TLS12: ProtocolVersion = ProtocolVersion::TLSv1_2;
const BOTH: [ProtocolVersion; 2] = [TLS13, TLS12];
const JUDGES: [JudgedBy; 2] = [JudgedBy::Webpki, JudgedBy::Referee];

const CLIENT_KEY_EXCHANGE: u8 = 16;
const SERVER_KEY_EXCHANGE: u8 = 12;
const CHANGE_CIPHER_SPEC: &[u8] = &[20, 3, 3, 0, 1, 1];

/// A warning that means nothing.
const WARNING: &[u8] = &[21, 3, 3, 0, 2, 1, 90];

static STEALING: LazyLock<Vec<SupportedCipherSuite>> = LazyLock::new(suites::stealing);

/// An end of ours in the middle of a handshake, and a peer whose keys lie open.
struct Scene {
    name: String,
    ours: Box<Handshake>,
    peer: Connection,
    /// What the peer would send next, of which what is encrypted is rubbish.
    flight: Vec<u8>,
    keys: Vec<Stolen>,
}

/// Accepts everybody.
struct Accepts;

impl Referee for Accepts {
    fn judge(&self, _case: Case) -> Ruling {
        Ruling::Accepted
    }
}

fn last_word(judged_by: JudgedBy) -> LastWord {
    match judged_by {
        JudgedBy::Webpki => LastWord::Webpki,
        JudgedBy::Referee => LastWord::Referee(Arc::new(Accepts)),
    }
}

fn our_server(version: ProtocolVersion, judged_by: JudgedBy) -> Box<Handshake> {
    let spec = Spec { judged_by, client_auth: ClientAuth::Optional, ..Spec::version(version) };
    Box::new(Handshake::server(&spec.server().unwrap(), last_word(judged_by)).unwrap())
}

fn our_client(version: ProtocolVersion, judged_by: JudgedBy) -> Box<Handshake> {
    let spec = Spec { judged_by, ..Spec::version(version) };
    let name = ExpectedName::Host(HOST.to_owned());
    Box::new(Handshake::client(&spec.client().unwrap(), name, last_word(judged_by)).unwrap())
}

fn stealing_client(version: ProtocolVersion) -> Connection {
    let mut provider = rustls_dist::provider::default_provider();
    provider.cipher_suites.clone_from(&STEALING);
    let config = Arc::new(client_config_with(version, provider));
    rustls::ClientConnection::new(config, ServerName::try_from(HOST).unwrap()).unwrap().into()
}

fn stealing_server(version: ProtocolVersion) -> Connection {
    let mut provider = rustls_dist::provider::default_provider();
    provider.cipher_suites.clone_from(&STEALING);
    let mut config = server_config_with(version, &EC, provider);
    config.send_tls13_tickets = 0;
    rustls::ServerConnection::new(Arc::new(config)).unwrap().into()
}

/// Hands `input` to `ours`, which goes on, and what it answers to `peer`; returns what that sends then.
fn exchange(ours: Box<Handshake>, peer: &mut Connection, input: &[u8]) -> (Box<Handshake>, Vec<u8>) {
    let step = ours.advance(input).unwrap_or_else(|failure| panic!("{failure:?}"));
    let Progress::Continue(ours) = step.progress else { panic!("done already") };
    let mut answer = step.send.as_slice();
    while !answer.is_empty() {
        peer.read_tls(&mut answer).unwrap();
        peer.process_new_packets().unwrap();
    }
    (ours, outgoing(peer))
}

/// Our server before a client has said anything.
fn server_at_hello(version: ProtocolVersion, judged_by: JudgedBy) -> Scene {
    let mut peer = stealing_client(version);
    let flight = outgoing(&mut peer);
    let name = format!("server {version:?} {judged_by:?} before the hello");
    Scene { name, ours: our_server(version, judged_by), peer, flight, keys: Vec::new() }
}

/// Our server when it waits for a client's second flight.
fn server_at_finish(version: ProtocolVersion, judged_by: JudgedBy) -> Scene {
    suites::stolen();
    let mut scene = server_at_hello(version, judged_by);
    let (ours, flight) = exchange(scene.ours, &mut scene.peer, &scene.flight);
    let name = format!("server {version:?} {judged_by:?} before the end");
    Scene { name, ours, flight, keys: suites::stolen(), ..scene }
}

/// Our client before a server has answered.
fn client_at_hello(version: ProtocolVersion, judged_by: JudgedBy) -> Scene {
    suites::stolen();
    let mut peer = stealing_server(version);
    let (ours, flight) = exchange(our_client(version, judged_by), &mut peer, &[]);
    let name = format!("client {version:?} {judged_by:?} before the hello");
    Scene { name, ours, peer, flight, keys: suites::stolen() }
}

/// Our client of TLS 1.3 that has the server's hello and knows its keys, or of TLS 1.2 that waits for the server's Finished.
fn client_at_finish(version: ProtocolVersion, judged_by: JudgedBy) -> Scene {
    let mut scene = client_at_hello(version, judged_by);
    scene.name = format!("client {version:?} {judged_by:?} before the end");
    if version == TLS13 {
        let hello = &scene.flight[..record_bytes(&scene.flight)];
        scene.ours = exchange(scene.ours, &mut scene.peer, hello).0;
        return scene;
    }
    scene.ours = exchange(scene.ours, &mut scene.peer, &scene.flight).0;
    scene.keys = suites::stolen();
    scene.ours = exchange(scene.ours, &mut scene.peer, CHANGE_CIPHER_SPEC).0;
    scene
}

/// Length of the first record.
fn record_bytes(records: &[u8]) -> usize {
    5 + usize::from(u16::from_be_bytes([records[3], records[4]]))
}

/// A handshake record in the clear.
fn handshake_record(content: &[u8]) -> Vec<u8> {
    [&[22, 3, 3][..], &u16::try_from(content.len()).unwrap().to_be_bytes(), content].concat()
}

/// The handshake messages in the clear of a flight, each with its header.
fn messages(flight: &[u8]) -> Vec<Vec<u8>> {
    let (mut content, mut rest) = (Vec::new(), flight);
    while rest.first() == Some(&22) {
        let (record, behind) = rest.split_at(record_bytes(rest));
        content.extend_from_slice(&record[5..]);
        rest = behind;
    }
    let (mut messages, mut rest) = (Vec::new(), content.as_slice());
    while let [_, a, b, c, ..] = *rest {
        let (message, behind) = rest.split_at(4 + u32::from_be_bytes([0, a, b, c]) as usize);
        messages.push(message.to_vec());
        rest = behind;
    }
    messages
}

/// `input` ends the handshake, with an alert that the peer reads and the failure names.
fn refused(scene: Scene, input: &[u8], expected: AlertDescription) {
    let Scene { name, ours, mut peer, .. } = scene;
    let Err(failure) = ours.advance(input) else { panic!("{name}: accepted") };
    assert_eq!(failure.alert, Some(expected), "{name}: {failure:?}");
    assert!(!matches!(failure.error, HandshakeError::AlertReceived(_)), "{name}: {failure:?}");
    let (mut sent, mut read) = (failure.send.as_slice(), Ok(()));
    while !sent.is_empty() && read.is_ok() {
        peer.read_tls(&mut sent).unwrap();
        read = peer.process_new_packets().map(drop);
    }
    assert_eq!(read, Err(rustls::Error::AlertReceived(expected)), "{name}: {failure:?}");
}

/// Every scene of `make`, each with `input` made of it.
fn all_refused(
    make: fn(ProtocolVersion, JudgedBy) -> Scene,
    versions: &[ProtocolVersion],
    input: impl Fn(&mut Scene) -> Vec<u8>,
    expected: AlertDescription,
) {
    for version in versions {
        for judged_by in JUDGES {
            let mut scene = make(*version, judged_by);
            let bytes = input(&mut scene);
            refused(scene, &bytes, expected);
        }
    }
}

const AT_HELLO: [fn(ProtocolVersion, JudgedBy) -> Scene; 2] = [server_at_hello, client_at_hello];
const AT_FINISH: [fn(ProtocolVersion, JudgedBy) -> Scene; 2] = [server_at_finish, client_at_finish];

/// The first half of a hello, and then something else (RFC 8446 section 5.1).
#[test]
fn fragments_of_a_hello_with_something_between() {
    let between: [&[u8]; 3] = [WARNING, &[23, 3, 3, 0, 1, 0], CHANGE_CIPHER_SPEC];
    for make in AT_HELLO {
        for record in between {
            let input = |scene: &mut Scene| [&handshake_record(&scene.flight[5..45]), record].concat();
            all_refused(make, &BOTH, input, AlertDescription::UnexpectedMessage);
        }
    }
}

/// In the clear a record has 16,384 bytes at most, of whatever type; its header says so (RFC 8446 section 5.1).
#[test]
fn records_in_the_clear_that_are_too_long() {
    for make in AT_HELLO {
        for length in [16_385_u16, 16_640, 18_432, 18_433, 65_535] {
            for typ in [20, 21, 22, 23] {
                let [hi, lo] = length.to_be_bytes();
                all_refused(make, &BOTH, |_| vec![typ, 3, 3, hi, lo], AlertDescription::RecordOverflow);
            }
        }
        let whole = |_: &mut Scene| handshake_record(&[1; 16_385]);
        all_refused(make, &BOTH, whole, AlertDescription::RecordOverflow);
    }
    // In the clear between two hellos, and a client's key exchange.
    let too_long = |_: &mut Scene| vec![22, 3, 3, 0x40, 1];
    all_refused(server_at_finish, &BOTH, too_long, AlertDescription::RecordOverflow);
    all_refused(client_at_finish, &[TLS13], too_long, AlertDescription::RecordOverflow);
}

/// What is encrypted may be longer, by 256 bytes in TLS 1.3 and 2,048 in TLS 1.2 (RFC 8446 section 5.2, RFC 5246 section 6.2.3).
#[test]
fn encrypted_records_that_are_too_long() {
    for make in AT_FINISH {
        all_refused(make, &[TLS13], |_| vec![23, 3, 3, 0x41, 1], AlertDescription::RecordOverflow);
    }
    let header = |_: &mut Scene| vec![22, 3, 3, 0x48, 1];
    all_refused(client_at_finish, &[TLS12], header, AlertDescription::RecordOverflow);
    for make in AT_FINISH {
        let sealed = |scene: &mut Scene| scene.keys[0].seal(ContentType::Handshake, &[20; 16_385]);
        all_refused(make, &[TLS13], sealed, AlertDescription::RecordOverflow);
    }
}

/// RFC 8446 section 5, RFC 5246 section 6: record types that do not exist.
#[test]
fn records_of_unknown_types() {
    for make in AT_HELLO.into_iter().chain(AT_FINISH) {
        for typ in [0, 19, 24, 25, 255] {
            let record = |_: &mut Scene| vec![typ, 3, 3, 0, 1, 0];
            all_refused(make, &BOTH, record, AlertDescription::UnexpectedMessage);
        }
    }
}

/// What is not TLS at all.
#[test]
fn other_protocols() {
    for make in AT_HELLO {
        let text = |_: &mut Scene| b"GET / HTTP/1.1\r\n\r\n".to_vec();
        all_refused(make, &BOTH, text, AlertDescription::DecodeError);
    }
}

#[test]
fn too_many_warnings() {
    let many = |_: &mut Scene| WARNING.repeat(40);
    for make in AT_HELLO {
        all_refused(make, &BOTH, many, AlertDescription::UnexpectedMessage);
    }
    all_refused(server_at_finish, &[TLS12], many, AlertDescription::UnexpectedMessage);
    for (make, version) in [(AT_FINISH[0], TLS13), (AT_FINISH[1], TLS13), (AT_FINISH[1], TLS12)] {
        let sealed = |scene: &mut Scene| {
            (0..40).flat_map(|_| scene.keys[0].seal(ContentType::Alert, &[1, 90])).collect()
        };
        all_refused(make, &[version], sealed, AlertDescription::UnexpectedMessage);
    }
}

/// rustls takes 64 KiB of a message.
#[test]
fn messages_that_are_too_long() {
    for make in AT_HELLO {
        let header = |_: &mut Scene| handshake_record(&[2, 2, 0, 0]);
        all_refused(make, &BOTH, header, AlertDescription::DecodeError);
    }
    for make in AT_FINISH {
        let header = |scene: &mut Scene| scene.keys[0].seal(ContentType::Handshake, &[20, 2, 0, 0]);
        all_refused(make, &[TLS13], header, AlertDescription::DecodeError);
    }
    let header = |scene: &mut Scene| scene.keys[0].seal(ContentType::Handshake, &[20, 2, 0, 0]);
    all_refused(client_at_finish, &[TLS12], header, AlertDescription::DecodeError);
}

/// A client's key exchange whose point is missing, cut short, or too short to be one, and one that comes with something between.
#[test]
fn key_exchanges_of_a_client() {
    let bodies: [(&[u8], AlertDescription); 5] = [
        (&[], AlertDescription::DecodeError),
        (&[0], AlertDescription::DecodeError),
        (&[65, 4, 1, 2, 3], AlertDescription::DecodeError),
        (&[1, 4, 0], AlertDescription::DecodeError),
        (&[3, 4, 1, 2], AlertDescription::IllegalParameter),
    ];
    for (body, expected) in bodies {
        let length = u8::try_from(body.len()).unwrap();
        let message = [&[CLIENT_KEY_EXCHANGE, 0, 0, length], body].concat();
        let flight = |_: &mut Scene| [no_certificate(), handshake_record(&message)].concat();
        all_refused(server_at_finish, &[TLS12], flight, expected);
    }
    let halves = |scene: &mut Scene| {
        let exchange = messages(&scene.flight).into_iter().find(|message| message[0] == CLIENT_KEY_EXCHANGE);
        [no_certificate(), handshake_record(&exchange.unwrap()[..9]), WARNING.to_vec()].concat()
    };
    all_refused(server_at_finish, &[TLS12], halves, AlertDescription::UnexpectedMessage);
}

/// A client's Certificate message in TLS 1.2 that has none in it.
fn no_certificate() -> Vec<u8> {
    handshake_record(&[11, 0, 0, 3, 0, 0, 0])
}

/// A server's key exchange that is cut short.
#[test]
fn key_exchanges_of_a_server() {
    for body in [&[][..], &[3], &[3, 0, 29], &[3, 0, 29, 32, 1, 2], &[1, 0, 29]] {
        let flight = |scene: &mut Scene| {
            let length = u8::try_from(body.len()).unwrap();
            let changed = [&[SERVER_KEY_EXCHANGE, 0, 0, length], body].concat();
            let all = messages(&scene.flight).into_iter().map(|message| match message[0] {
                SERVER_KEY_EXCHANGE => changed.clone(),
                _ => message,
            });
            handshake_record(&all.flatten().collect::<Vec<u8>>())
        };
        all_refused(client_at_hello, &[TLS12], flight, AlertDescription::DecodeError);
    }
}

/// Among encrypted messages: application data and alerts between their fragments, data instead of them, and nothing.
#[test]
fn encrypted_records_out_of_place() {
    let unexpected = AlertDescription::UnexpectedMessage;
    let scenes = [(AT_FINISH[0], TLS13), (AT_FINISH[1], TLS13), (AT_FINISH[1], TLS12)];
    for (make, version) in scenes {
        for (typ, content) in [(ContentType::ApplicationData, &[0][..]), (ContentType::Alert, &[1, 90])] {
            let between = |scene: &mut Scene| {
                let fragment = scene.keys[0].seal(ContentType::Handshake, &[20, 0]);
                [fragment, scene.keys[0].seal(typ, content)].concat()
            };
            all_refused(make, &[version], between, unexpected);
        }
        let instead = |scene: &mut Scene| scene.keys[0].seal(ContentType::ApplicationData, b"data");
        all_refused(make, &[version], instead, unexpected);
    }
    for make in AT_FINISH {
        let untyped = |scene: &mut Scene| scene.keys[0].seal(ContentType::Unknown(0), &[0; 9]);
        all_refused(make, &[TLS13], untyped, unexpected);
        let forged = |_: &mut Scene| [&[23, 3, 3, 0, 40][..], &[7; 40]].concat();
        all_refused(make, &[TLS13], forged, AlertDescription::BadRecordMac);
    }
    let interleaved = |scene: &mut Scene| {
        let flight =
            [no_certificate(), key_exchange_only(&scene.flight), CHANGE_CIPHER_SPEC.to_vec()].concat();
        let fragment = scene.keys[0].seal(ContentType::Handshake, &[20, 0]);
        [flight, fragment, scene.keys[0].seal(ContentType::ApplicationData, &[0])].concat()
    };
    all_refused(server_at_finish, &[TLS12], interleaved, unexpected);
}

/// A client's key exchange in a record of its own.
fn key_exchange_only(flight: &[u8]) -> Vec<u8> {
    let exchange = messages(flight).into_iter().find(|message| message[0] == CLIENT_KEY_EXCHANGE);
    handshake_record(&exchange.unwrap())
}

/// More than a handshake may take, in messages that never end, under keys.
#[test]
fn handshakes_that_never_end() {
    for make in AT_FINISH {
        let flood = |scene: &mut Scene| {
            let long = [&[11, 0, 255, 255][..], &[0; 16_000]].concat();
            let first = scene.keys[0].seal(ContentType::Handshake, &long);
            let more = (0..9).flat_map(|_| scene.keys[0].seal(ContentType::Handshake, &[0; 16_000]));
            first.into_iter().chain(more.collect::<Vec<u8>>()).collect()
        };
        all_refused(make, &[TLS13], flood, AlertDescription::DecodeError);
    }
}

/// A client of either version that verifies no signature which a key on P-256 can make, and one that verifies those of a second
/// key.
#[test]
fn clients_that_verify_nothing_the_key_can_sign() {
    let schemes = vec![SignatureScheme::ECDSA_NISTP384_SHA384, SignatureScheme::RSA_PSS_SHA384];
    for (version, identities) in BOTH
        .into_iter()
        .flat_map(|version| [(version, vec![EC.clone()]), (version, vec![EC.clone(), RSA.clone()])])
    {
        let provider = rustls_dist::provider::default_provider();
        let config = Arc::new(client_config_of(version, provider, schemes.clone()));
        let mut peer: Connection =
            rustls::ClientConnection::new(config, ServerName::try_from(HOST).unwrap()).unwrap().into();
        let has_rsa = identities.len() > 1;
        let spec = Spec { identities, ..Spec::version(version) }.unchecked();
        let server = Box::new(Handshake::server(&spec.server().unwrap(), LastWord::Webpki).unwrap());
        let flight = outgoing(&mut peer);
        if has_rsa {
            exchange(server, &mut peer, &flight);
            continue;
        }
        let Err(failure) = server.advance(&flight) else { panic!("{version:?}: accepted") };
        assert_eq!(failure.error.kind(), "no_shared_signature_scheme", "{version:?}");
        assert_eq!(failure.alert, Some(AlertDescription::HandshakeFailure), "{version:?}");
        assert_eq!(failure.send, [21, 3, 3, 0, 2, 2, 40], "{version:?}");
    }
}
