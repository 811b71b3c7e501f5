//! What the fuzz targets share: two sides, ciphers that do nothing, streams in pieces.

pub mod null;
#[path = "../../support/tampering.rs"]
pub mod tampering;
#[path = "../../support/wire.rs"]
mod wire;

use std::path::PathBuf;
use std::sync::Arc;

use rustls::time_provider::DefaultTimeProvider;
use rustls::{NamedGroup, ProtocolVersion, SupportedCipherSuite};
use rustls_dist::config::{ClientSide, JudgedBy, Options, ServerSide, Verify};
use rustls_dist::handshake::{Handshake, Progress};
use rustls_dist::identity::IdentityFiles;
use rustls_dist::key_exchange::Groups;
use rustls_dist::provider::Versions;
use rustls_dist::session::Session;
use rustls_dist::trust::TrustSource;
use rustls_dist::trust::hostname::CommonNamePolicy;
use rustls_dist::trust::policy::{ClientAuth, ExpectedName};
use rustls_dist::trust::referee::{Case, LastWord, Referee, Ruling};

/// Where `make fuzz` put what the targets need.
pub fn folder() -> PathBuf {
    std::env::var_os("RUSTLS_DIST_FUZZ").expect("RUSTLS_DIST_FUZZ names the folder of the seeds").into()
}

/// Two sides with the same certificate.
pub struct Sides {
    pub client: ClientSide,
    pub server: ServerSide,
}

impl Sides {
    /// Both speak `versions`, with these suites or all. The peer's certificate is asked for when it is to be `verified`, and then
    /// judged by webpki and by somebody who takes it in any case.
    pub fn new(versions: &Versions, suites: Option<Vec<SupportedCipherSuite>>, verified: bool) -> Self {
        let (certfile, keyfile) = (folder().join("server.pem"), folder().join("server.key"));
        let options = Options {
            identities: vec![IdentityFiles {
                certfile: certfile.clone(),
                keyfile: Some(keyfile),
                password: None,
            }],
            trust: verified.then_some(TrustSource::File(certfile)),
            verify: if verified { Verify::Peer } else { Verify::None },
            judged_by: JudgedBy::Referee,
            client_auth: ClientAuth::Required,
            depth: 10,
            versions: versions.clone(),
            cipher_suites: suites,
            // The cheapest one.
            groups: Groups { in_order: Some(vec![NamedGroup::X25519]), for_tls12: None },
            key_update_at_bytes: u64::MAX,
            common_name: CommonNamePolicy::Ignore,
        };
        let time = Arc::new(DefaultTimeProvider);
        let client = ClientSide::new(&options, time.clone()).unwrap();
        Self { client, server: ServerSide::new(&options, time).unwrap() }
    }

    /// Sides that take anybody, for each of these suites.
    pub fn of_each(suites: Vec<SupportedCipherSuite>) -> Vec<(ProtocolVersion, Self)> {
        let sides = |suite: SupportedCipherSuite| {
            let version = suite.version().version;
            (version, Self::new(&Versions::Exactly(vec![version]), Some(vec![suite]), false))
        };
        suites.into_iter().map(sides).collect()
    }

    /// A client's handshake.
    pub fn connect(&self) -> Box<Handshake> {
        Box::new(Handshake::client(&self.client, ExpectedName::Any, anybody()).unwrap())
    }

    /// A server's handshake.
    pub fn accept(&self) -> Box<Handshake> {
        Box::new(Handshake::server(&self.server, anybody()).unwrap())
    }

    /// The client's and the server's session of a new link.
    pub fn sessions(&self) -> (Session, Session) {
        let (mut client, mut server) = (End::Going(self.connect()), End::Going(self.accept()));
        let mut flight = Vec::new();
        loop {
            (client, flight) = client.advance(&flight);
            (server, flight) = server.advance(&flight);
            if let (End::Done(_), End::Done(_)) = (&client, &server) {
                return (client.session(), server.session());
            }
        }
    }
}

/// One end of a handshake.
pub enum End {
    Going(Box<Handshake>),
    Done(Box<Session>),
    Failed,
}

impl End {
    /// Takes bytes of the peer, and answers what is to be sent. Nothing comes of it where the handshake is over.
    ///
    /// # Panics
    /// When a failure has no reason, or claims an alert that it does not send.
    pub fn advance(self, input: &[u8]) -> (Self, Vec<u8>) {
        let Self::Going(handshake) = self else {
            return (self, Vec::new());
        };
        match handshake.advance(input) {
            Ok(step) => match step.progress {
                Progress::Continue(handshake) => (Self::Going(handshake), step.send),
                Progress::Done(session) => (Self::Done(session), step.send),
            },
            Err(failure) => {
                assert!(!failure.error.to_string().is_empty());
                assert!(failure.alert.is_none() || !failure.send.is_empty(), "{:?}", failure.alert);
                (Self::Failed, failure.send)
            }
        }
    }

    fn session(self) -> Session {
        match self {
            Self::Done(session) => *session,
            Self::Going(_) | Self::Failed => panic!("there is no session"),
        }
    }
}

/// The suites of the provider that go with an ECDSA key.
pub fn real_suites() -> Vec<SupportedCipherSuite> {
    let suites = rustls_dist::provider::default_provider().cipher_suites;
    suites.into_iter().filter(|suite| !format!("{:?}", suite.suite()).contains("_RSA_")).collect()
}

/// `bytes` in pieces of this length; 0: in one.
pub fn pieces(bytes: &[u8], piece_bytes: usize) -> impl Iterator<Item = &[u8]> {
    bytes.chunks(if piece_bytes == 0 { bytes.len().max(1) } else { piece_bytes })
}

/// A referee for whom every peer is good.
fn anybody() -> LastWord {
    struct Anybody;
    impl Referee for Anybody {
        fn judge(&self, case: Case) -> Ruling {
            if let Some(fault) = case.fault {
                assert!(!fault.to_string().is_empty());
            }
            Ruling::Accepted
        }
    }
    LastWord::Referee(Arc::new(Anybody))
}
