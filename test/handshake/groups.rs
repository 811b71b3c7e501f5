//! Which group of the key exchange two sides find, and in how many flights.

#[path = "../support/mod.rs"]
mod support;

use std::sync::Arc;

use rustls::crypto::{ActiveKeyExchange, CompletedKeyExchange, SharedSecret, SupportedKxGroup};
use rustls::pki_types::ServerName;
use rustls::{AlertDescription, Error, NamedGroup, PeerMisbehaved, ProtocolVersion};
use rustls_dist::error::{ConfigError, HandshakeError};
use rustls_dist::handshake::{Handshake, Progress, Step};
use rustls_dist::key_exchange::Groups;
use rustls_dist::provider::{Versions, default_provider};
use rustls_dist::trust::policy::ExpectedName;
use rustls_dist::trust::referee::LastWord;
use support::buffered;
use support::link::shake_specs;
use support::pki::{HOST, Spec};
use support::raw::{client_config_with, server_config_with};

const TLS13: ProtocolVersion = ProtocolVersion::TLSv1_3;
const TLS12: ProtocolVersion = ProtocolVersion::TLSv1_2;
const HYBRID: NamedGroup = NamedGroup::X25519MLKEM768;
const X25519: NamedGroup = NamedGroup::X25519;
const P256: NamedGroup = NamedGroup::secp256r1;
const P384: NamedGroup = NamedGroup::secp384r1;

fn spec(in_order: Option<&[NamedGroup]>, for_tls12: Option<&[NamedGroup]>) -> Spec {
    let groups = Groups { in_order: in_order.map(<[_]>::to_vec), for_tls12: for_tls12.map(<[_]>::to_vec) };
    Spec { groups, ..Spec::default() }
}

fn only(version: ProtocolVersion, spec: Spec) -> Spec {
    Spec { versions: Versions::Exactly(vec![version]), ..spec }
}

/// The version and the group that both say they agreed on.
fn agreed(client: &Spec, server: &Spec) -> (ProtocolVersion, NamedGroup) {
    let shaken = shake_specs(client, server);
    let (client, server) = (shaken.client.session().facts, shaken.server.session().facts);
    assert_eq!((client.version, client.group), (server.version, server.group));
    (client.version, client.group.unwrap())
}

/// The length of a client's first flight, and whether the server has to ask for another one (RFC 8446 section 4.1.4).
fn first_flight(client: &Spec, server: &Spec) -> (usize, bool) {
    let name = ExpectedName::Host(HOST.to_owned());
    let client = Handshake::client(&client.client().unwrap(), name, LastWord::Webpki).unwrap();
    let Ok(Step { send: hello, .. }) = Box::new(client).advance(&[]) else { panic!("no hello") };
    let server = Handshake::server(&server.server().unwrap(), LastWord::Webpki).unwrap();
    let Ok(Step { send: answer, .. }) = Box::new(server).advance(&hello) else { panic!("no answer") };
    // It is a server hello whose random is the hash of "HelloRetryRequest" (RFC 8446 section 4.1.3).
    (hello.len(), answer[11..15] == [0xcf, 0x21, 0xad, 0x74])
}

#[test]
fn what_both_have_by_default() {
    let default = Spec::default();
    assert_eq!(agreed(&default, &default), (TLS13, HYBRID));
    assert_eq!(agreed(&only(TLS12, default.clone()), &default), (TLS12, X25519));
    let (bytes, again) = first_flight(&default, &default);
    // Both key shares are in it, and what a stranger may send is more by far (MAX_HELLO_BYTES).
    assert!((1184 + 32 + 32..2048).contains(&bytes), "{bytes}");
    assert!(!again);
}

#[test]
fn peers_without_ml_kem_need_not_ask_again() {
    let (default, classical) = (Spec::default(), spec(Some(&[X25519, P256, P384]), None));
    assert_eq!(agreed(&default, &classical), (TLS13, X25519));
    assert!(!first_flight(&default, &classical).1);
    assert_eq!(agreed(&classical, &default), (TLS13, X25519));
    assert!(!first_flight(&classical, &default).1);
    // Whoever has neither costs a round trip.
    let nist = spec(Some(&[P384]), None);
    assert_eq!(agreed(&default, &nist), (TLS13, P384));
    assert!(first_flight(&default, &nist).1);
    // A client that shows X25519's share alone.
    let later = spec(Some(&[X25519, HYBRID]), None);
    assert_eq!(agreed(&later, &default), (TLS13, X25519));
    assert!(!first_flight(&later, &default).1);
    // One without X25519 has nothing to fall back to in its first flight.
    let (bytes, again) = first_flight(&spec(Some(&[HYBRID, P256]), None), &classical);
    assert!(again && bytes < 1184 + 32 + 32 + 300, "{bytes}");
}

#[test]
fn the_order_is_the_clients_and_either_side_restricts() {
    let orders = [[P384, P256, X25519, HYBRID], [HYBRID, P256, P384, X25519], [P256, X25519, HYBRID, P384]];
    for order in orders {
        assert_eq!(agreed(&spec(Some(&order), None), &Spec::default()), (TLS13, order[0]));
        let without_first = spec(Some(&order[1..]), None);
        assert_eq!(agreed(&spec(Some(&order), None), &without_first), (TLS13, order[1]));
    }
    for group in [HYBRID, X25519, P256, P384] {
        assert_eq!(agreed(&spec(Some(&[group]), None), &Spec::default()), (TLS13, group));
        assert_eq!(agreed(&Spec::default(), &spec(Some(&[group]), None)), (TLS13, group));
    }
}

#[test]
fn no_group_in_common() {
    let (one, other) = (spec(Some(&[HYBRID]), None), spec(Some(&[X25519, P256]), None));
    for (client, server) in [(&one, &other), (&other, &one)] {
        let shaken = shake_specs(client, server);
        let failure = shaken.server.failure();
        assert_eq!(failure.error.kind(), "no_shared_group");
        assert_eq!(failure.alert, Some(AlertDescription::HandshakeFailure));
    }
}

#[test]
fn tls_1_2_takes_what_eccs_names() {
    for eccs in [[P384, P256], [P256, P384], [X25519, P384]] {
        let limited = spec(None, Some(&eccs));
        assert_eq!(agreed(&limited, &limited), (TLS13, HYBRID));
        assert_eq!(agreed(&only(TLS12, limited.clone()), &Spec::default()), (TLS12, eccs[0]));
        let peer = only(TLS12, Spec::default());
        assert!(eccs.contains(&agreed(&limited, &peer).1), "{eccs:?}");
        // The server's turn: the first of the client's that is one of its own.
        let expected = if eccs.contains(&X25519) { X25519 } else { P256 };
        assert_eq!(agreed(&peer, &limited), (TLS12, expected));
    }
    // Of supported_groups, those that it names; without TLS 1.2 it says nothing.
    let both = spec(Some(&[X25519, HYBRID, P384]), Some(&[P384, P256]));
    assert_eq!(agreed(&both, &only(TLS12, Spec::default())), (TLS12, P384));
    assert_eq!(agreed(&both, &Spec::default()), (TLS13, HYBRID));
    assert_eq!(agreed(&only(TLS13, both), &Spec::default()), (TLS13, X25519));
}

#[test]
fn a_version_without_a_group() {
    let errors = |spec: &Spec| [spec.client().err().unwrap(), spec.server().err().unwrap()];
    let (hybrid, x25519) = (spec(Some(&[HYBRID]), None), spec(Some(&[HYBRID, X25519]), Some(&[P384])));
    for (spec, option) in [(&hybrid, "supported_groups"), (&x25519, "eccs")] {
        // By default there is just no TLS 1.2 then, as with cipher suites.
        assert_eq!(agreed(spec, &Spec::default()).0, TLS13);
        let shaken = shake_specs(spec, &only(TLS12, Spec::default()));
        assert_eq!(shaken.server.failure().error.kind(), "no_shared_version");
        let both = Spec { versions: Versions::Exactly(vec![TLS12, TLS13]), ..spec.clone() };
        for error in errors(&both) {
            assert_eq!(error, ConfigError::NoGroupForVersion { option, version: "tlsv1.2" });
            assert_eq!((error.kind(), error.option()), ("no_group_for_version", Some(option)));
        }
    }
    // Options that leave nothing at all.
    for error in errors(&spec(Some(&[X25519]), Some(&[P384]))) {
        assert_eq!(error, ConfigError::NoGroupForVersion { option: "eccs", version: "tlsv1.3" });
    }
    for error in errors(&only(TLS12, hybrid)) {
        assert_eq!(error, ConfigError::NoGroupForVersion { option: "supported_groups", version: "tlsv1.2" });
    }
}

/// A peer whose shares for X25519MLKEM768 are what they are not.
#[derive(Debug)]
struct Spoilt {
    cut: usize,
}

impl SupportedKxGroup for Spoilt {
    fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, Error> {
        let active = default_provider().kx_groups[0].start()?;
        Ok(Box::new(SpoiltShare(active.pub_key()[self.cut..].to_vec())))
    }

    fn start_and_complete(&self, client_share: &[u8]) -> Result<CompletedKeyExchange, Error> {
        let mut completed = default_provider().kx_groups[0].start_and_complete(client_share)?;
        completed.pub_key.drain(..self.cut);
        Ok(completed)
    }

    fn name(&self) -> NamedGroup {
        HYBRID
    }
}

struct SpoiltShare(Vec<u8>);

impl ActiveKeyExchange for SpoiltShare {
    fn complete(self: Box<Self>, _peer_pub_key: &[u8]) -> Result<SharedSecret, Error> {
        Err(Error::General("never".into()))
    }

    fn pub_key(&self) -> &[u8] {
        &self.0
    }

    fn group(&self) -> NamedGroup {
        HYBRID
    }
}

#[test]
fn a_share_that_is_none_ends_with_illegal_parameter() {
    let expected = HandshakeError::Tls(PeerMisbehaved::InvalidKeyShare.into());
    for cut in [1, 32, 1000] {
        let mut provider = default_provider();
        provider.kx_groups = vec![Box::leak(Box::new(Spoilt { cut }))];
        let config = client_config_with(TLS13, provider.clone());
        let name = ServerName::try_from(HOST).unwrap();
        let mut peer = rustls::ClientConnection::new(Arc::new(config), name).unwrap().into();
        let hello = buffered::outgoing(&mut peer);
        let ours =
            Handshake::server(&Spec::default().unchecked().server().unwrap(), LastWord::Webpki).unwrap();
        let failure = Box::new(ours).advance(&hello).err().unwrap();
        assert_eq!(
            (failure.error, failure.alert),
            (expected.clone(), Some(AlertDescription::IllegalParameter))
        );

        let config = server_config_with(TLS13, &support::pki::EC, provider);
        let mut peer = rustls::ServerConnection::new(Arc::new(config)).unwrap().into();
        let ours = Handshake::client(
            &Spec::default().client().unwrap(),
            ExpectedName::Host(HOST.to_owned()),
            LastWord::Webpki,
        );
        let Step { send, progress } = Box::new(ours.unwrap()).advance(&[]).unwrap();
        let Progress::Continue(ours) = progress else { panic!("done without an answer") };
        buffered::incoming(&mut peer, &send);
        let failure = ours.advance(&buffered::outgoing(&mut peer)).err().unwrap();
        assert_eq!(
            (failure.error, failure.alert),
            (expected.clone(), Some(AlertDescription::IllegalParameter))
        );
    }
}
