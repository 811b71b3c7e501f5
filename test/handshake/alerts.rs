//! The alert that a failure names is the one that was sent: read in the clear, or by a peer that can decrypt it. Where nothing
//! was sent, none is named.

#[path = "../support/mod.rs"]
mod support;

use std::sync::{Arc, LazyLock};

use rustls::crypto::cipher::{MessageEncrypter, OutboundChunks, OutboundOpaqueMessage, OutboundPlainMessage};
use rustls::pki_types::ServerName;
use rustls::{
    AlertDescription, ClientConfig, ClientConnection, ContentType, ProtocolVersion, SupportedCipherSuite,
};
use rustls_dist::error::HandshakeError;
use rustls_dist::handshake::{Failure, Handshake, Progress};
use rustls_dist::trust::policy::ExpectedName;
use rustls_dist::trust::referee::LastWord;
use support::pki::{HOST, Spec};
use support::raw::client_config_with;
use support::suites::wrapped;

const BOTH: [ProtocolVersion; 2] = [ProtocolVersion::TLSv1_3, ProtocolVersion::TLSv1_2];

/// Numbers of extensions (RFC 8446 section 4.2).
const SIGNATURE_ALGORITHMS: u16 = 13;
const SUPPORTED_GROUPS: u16 = 10;
const PRE_SHARED_KEY: u16 = 41;
const SUPPORTED_VERSIONS: u16 = 43;
const KEY_SHARE: u16 = 51;

fn our_server(version: ProtocolVersion) -> Box<Handshake> {
    let side = Spec::version(version).unchecked().server().unwrap();
    Box::new(Handshake::server(&side, LastWord::Webpki).unwrap())
}

fn our_client(version: ProtocolVersion) -> Box<Handshake> {
    let side = Spec::version(version).unchecked().client().unwrap();
    Box::new(Handshake::client(&side, ExpectedName::Host(HOST.to_owned()), LastWord::Webpki).unwrap())
}

/// The first flight of a client and what our server answers.
fn client_hello(version: ProtocolVersion) -> Vec<u8> {
    our_client(version).advance(&[]).map(|step| step.send).unwrap_or_else(|failure| panic!("{failure:?}"))
}

/// The alert in the clear that is all there is in `sent`.
fn in_the_clear(sent: &[u8]) -> Option<AlertDescription> {
    match sent {
        [21, 3, _, 0, 2, 2, description] => Some(AlertDescription::from(*description)),
        [] => None,
        other => panic!("neither an alert nor nothing: {other:?}"),
    }
}

/// A hello of either side, in one record, with `change` applied to its extensions, each with number and contents.
fn with_extensions(record: &[u8], change: impl FnOnce(&mut Vec<(u16, Vec<u8>)>)) -> Vec<u8> {
    let body = &record[9..];
    let session = 35 + usize::from(body[34]);
    let extensions_at = match record[5] {
        1 => {
            let suites = session + 2 + usize::from(u16::from_be_bytes([body[session], body[session + 1]]));
            suites + 1 + usize::from(body[suites])
        }
        _ => session + 3,
    };
    let mut list = Vec::new();
    let mut rest = &body[extensions_at + 2..];
    while let [a, b, hi, lo, behind @ ..] = rest {
        let (contents, next) = behind.split_at(usize::from(u16::from_be_bytes([*hi, *lo])));
        list.push((u16::from_be_bytes([*a, *b]), contents.to_vec()));
        rest = next;
    }
    change(&mut list);
    let length = |bytes: &[u8]| u16::try_from(bytes.len()).unwrap().to_be_bytes();
    let extensions: Vec<u8> = list
        .iter()
        .flat_map(|(number, contents)| [&number.to_be_bytes()[..], &length(contents), contents].concat())
        .collect();
    let body = [&body[..extensions_at], &length(&extensions), &extensions].concat();
    let message = [&[record[5], 0][..], &length(&body), &body].concat();
    [&record[..3], &length(&message), &message].concat()
}

fn without(number: u16) -> impl FnOnce(&mut Vec<(u16, Vec<u8>)>) {
    move |list| list.retain(|(known, _)| *known != number)
}

fn failure(handshake: Box<Handshake>, input: &[u8]) -> Failure {
    match handshake.advance(input) {
        Ok(_) => panic!("accepted"),
        Err(failure) => failure,
    }
}

/// Whatever is left out of a client's hello, or stands there twice: the report says what was sent.
#[test]
fn mutilated_client_hellos() {
    use AlertDescription as A;
    for version in BOTH {
        let hello = client_hello(version);
        let mut numbers = Vec::new();
        with_extensions(&hello, |list| numbers = list.iter().map(|(number, _)| *number).collect());
        assert!(numbers.len() > 4);
        for number in numbers {
            let twice = with_extensions(&hello, |list| {
                let again = list.iter().find(|(known, _)| *known == number).unwrap().clone();
                list.push(again);
            });
            for changed in [with_extensions(&hello, without(number)), twice] {
                if let Err(failure) = our_server(version).advance(&changed) {
                    assert_eq!(
                        failure.alert,
                        in_the_clear(&failure.send),
                        "{version:?} {number}: {failure:?}"
                    );
                    assert!(failure.alert.is_some(), "{version:?} {number}");
                }
            }
        }
        for cut in [1, 20, 60, hello.len() - 20] {
            let mut short = hello.clone();
            short.truncate(hello.len() - 1);
            short[9 + cut.min(30)] ^= 0xff;
            short.push(0);
            if let Err(failure) = our_server(version).advance(&short) {
                assert_eq!(failure.alert, in_the_clear(&failure.send), "{version:?} {cut}");
            }
        }
    }
    let hello = client_hello(ProtocolVersion::TLSv1_3);
    for number in [SIGNATURE_ALGORITHMS, KEY_SHARE, SUPPORTED_GROUPS, SUPPORTED_VERSIONS] {
        let failure =
            failure(our_server(ProtocolVersion::TLSv1_3), &with_extensions(&hello, without(number)));
        let known = [A::HandshakeFailure, A::MissingExtension, A::ProtocolVersion];
        assert!(failure.alert.is_some_and(|alert| known.contains(&alert)), "{number}: {failure:?}");
        assert_eq!(failure.alert, in_the_clear(&failure.send));
    }
}

/// A client of ours that waits for a server's hello, and the hello, in a record of its own.
fn awaited_server_hello(version: ProtocolVersion) -> (Box<Handshake>, Vec<u8>) {
    let step = our_client(version).advance(&[]).unwrap_or_else(|failure| panic!("{failure:?}"));
    let Progress::Continue(client) = step.progress else { panic!("done already") };
    let flight = our_server(version).advance(&step.send).unwrap_or_else(|failure| panic!("{failure:?}")).send;
    let end = 5 + usize::from(u16::from_be_bytes([flight[3], flight[4]]));
    let hello = match version {
        ProtocolVersion::TLSv1_3 => flight[..end].to_vec(),
        // All of the flight is in one record; the hello alone is put into one.
        _ => {
            let length = 4 + usize::from(u16::from_be_bytes([flight[7], flight[8]]));
            let message = &flight[5..5 + length];
            [&[22, 3, 3][..], &u16::try_from(length).unwrap().to_be_bytes(), message].concat()
        }
    };
    (client, hello)
}

/// An extension that the client did not offer.
#[test]
fn unoffered_extension() {
    for version in BOTH {
        let (client, hello) = awaited_server_hello(version);
        let failure = failure(client, &with_extensions(&hello, |list| list.push((0x3a3a, Vec::new()))));
        assert_eq!(failure.alert, Some(AlertDescription::UnsupportedExtension), "{failure:?}");
        assert_eq!(failure.alert, in_the_clear(&failure.send));
    }
}

/// A server that says that it resumes a session, which nobody asked of it: it would need no certificate then (CVE-2026-89422 of
/// ssl).
#[test]
fn unoffered_resumption() {
    let (client, hello) = awaited_server_hello(ProtocolVersion::TLSv1_3);
    let failure = failure(client, &with_extensions(&hello, |list| list.push((PRE_SHARED_KEY, vec![0, 0]))));
    assert!(failure.alert.is_some(), "{failure:?}");
    assert_eq!(failure.alert, in_the_clear(&failure.send));
}

/// A server that takes a suite which was not offered, such as one without certificates (CVE-2026-55953 of ssl).
#[test]
fn unoffered_suite() {
    for version in BOTH {
        for suite in [[0x00, 0x18], [0xc0, 0x18], [0x00, 0x2f]] {
            let (client, mut hello) = awaited_server_hello(version);
            let at = 9 + 35 + usize::from(hello[9 + 34]);
            hello[at..at + 2].copy_from_slice(&suite);
            let failure = failure(client, &hello);
            assert!(failure.alert.is_some(), "{failure:?}");
            assert_eq!(failure.alert, in_the_clear(&failure.send));
        }
    }
}

/// Data in the clear before there is anything to seal it with: it is not kept for later (CVE-2026-54891 of ssl).
#[test]
fn data_before_the_handshake_is_over() {
    for version in BOTH {
        let (client, hello) = awaited_server_hello(version);
        let data: &[u8] = &[23, 3, 3, 0, 4, 1, 2, 3, 4];
        assert!(client.advance(data).is_err(), "{version:?}");
        let (client, _) = awaited_server_hello(version);
        assert!(client.advance(&[&hello, data].concat()).is_err(), "{version:?}");
    }
}

/// Whether the peer ended the connection itself, so that nothing is owed.
fn is_alert(error: &HandshakeError) -> bool {
    matches!(error, HandshakeError::AlertReceived(_))
}

/// Records in and behind a client's hello that have no place there: each is answered. What is encrypted a client of rustls' own
/// reads.
#[test]
fn records_out_of_place() {
    let records: [&[u8]; 8] = [
        &[20, 3, 3, 0, 1, 1],
        &[20, 3, 3, 0, 2, 1, 1],
        &[20, 3, 3, 0, 1, 2],
        &[21, 3, 3, 0, 1, 1],
        &[21, 3, 3, 0, 2, 9, 9],
        &[23, 3, 3, 0, 1, 0],
        &[22, 3, 3, 0, 4, 11, 0, 0, 0],
        &[24, 3, 3, 0, 1, 0],
    ];
    let (mut told, mut encrypted) = (0, 0);
    for version in BOTH {
        for record in records {
            let hello = client_hello(version);
            let half = [&hello[..3], &[0, 35], &hello[5..40]].concat();
            for input in [record.to_vec(), [&half, record].concat()] {
                if let Err(failure) = our_server(version).advance(&input) {
                    assert_eq!(failure.alert, in_the_clear(&failure.send), "{version:?} {record:?}");
                    assert!(failure.alert.is_some() || is_alert(&failure.error), "{version:?} {record:?}");
                    told += usize::from(failure.alert.is_some());
                }
            }
            let name = ServerName::try_from(HOST).unwrap();
            let provider = rustls_dist::provider::default_provider();
            let config = Arc::new(client_config_with(version, provider));
            let mut client = ClientConnection::new(config, name).unwrap();
            let mut hello = Vec::new();
            client.write_tls(&mut hello).unwrap();
            let mut server = our_server(version);
            let step = server.advance(&hello).unwrap_or_else(|failure| panic!("{failure:?}"));
            let Progress::Continue(next) = step.progress else { panic!("done already") };
            server = next;
            client.read_tls(&mut step.send.as_slice()).unwrap();
            client.process_new_packets().unwrap();
            let Err(failure) = server.advance(record) else { continue };
            client.read_tls(&mut failure.send.as_slice()).unwrap();
            let read = client.process_new_packets();
            match failure.alert {
                Some(alert) => {
                    assert_eq!(read.unwrap_err(), rustls::Error::AlertReceived(alert), "{record:?}")
                }
                None => {
                    assert!(
                        is_alert(&failure.error) && failure.send.is_empty(),
                        "{version:?} {record:?}: {failure:?}"
                    )
                }
            }
            encrypted += usize::from(failure.alert.is_some());
        }
    }
    assert!(told > 10 && encrypted > 5, "{told} {encrypted}");
}

/// A client that spoils its Finished, which nobody but it could seal; what the server answers is encrypted.
#[test]
fn wrong_finished() {
    for version in BOTH {
        let mut client =
            ClientConnection::new(Arc::new(spoiling(version)), ServerName::try_from(HOST).unwrap()).unwrap();
        let mut server = our_server(version);
        let failure = loop {
            let mut to_server = Vec::new();
            client.write_tls(&mut to_server).unwrap();
            match server.advance(&to_server) {
                Ok(step) => {
                    client.read_tls(&mut step.send.as_slice()).unwrap();
                    client.process_new_packets().unwrap();
                    let Progress::Continue(next) = step.progress else { panic!("accepted") };
                    server = next;
                }
                Err(failure) => break failure,
            }
        };
        client.read_tls(&mut failure.send.as_slice()).unwrap();
        let told = client.process_new_packets().unwrap_err();
        assert_eq!(failure.alert, Some(AlertDescription::DecryptError), "{version:?}");
        assert_eq!(told, rustls::Error::AlertReceived(AlertDescription::DecryptError), "{version:?}");
    }
}

/// A client whose Finished is wrong.
fn spoiling(version: ProtocolVersion) -> ClientConfig {
    let mut provider = rustls_dist::provider::default_provider();
    provider.cipher_suites.clone_from(&SPOILING);
    client_config_with(version, provider)
}

static SPOILING: LazyLock<Vec<SupportedCipherSuite>> =
    LazyLock::new(|| wrapped(|encrypter| Box::new(Spoiler(encrypter))));

/// Flips a bit of every handshake message that it seals. A client without certificate seals one: Finished.
struct Spoiler(Box<dyn MessageEncrypter>);

impl MessageEncrypter for Spoiler {
    fn encrypt(
        &mut self,
        message: OutboundPlainMessage<'_>,
        sequence: u64,
    ) -> Result<OutboundOpaqueMessage, rustls::Error> {
        let OutboundPlainMessage { typ, version, payload } = message;
        let mut content = payload.to_vec();
        if typ == ContentType::Handshake
            && let Some(last) = content.last_mut()
        {
            *last ^= 1;
        }
        self.0.encrypt(
            OutboundPlainMessage { typ, version, payload: OutboundChunks::Single(&content) },
            sequence,
        )
    }

    fn encrypted_payload_len(&self, payload_len: usize) -> usize {
        self.0.encrypted_payload_len(payload_len)
    }
}
