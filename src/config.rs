//! Everything one role of one node needs to make handshakes: a value, built once from files and handed to each
//! handshake. Reloading means building another.

use std::sync::Arc;

use rustls::client::Resumption;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoClientAuth, NoServerSessionStorage};
use rustls::time_provider::TimeProvider;
use rustls::{ClientConfig, ServerConfig, SupportedCipherSuite};
use rustls_pki_types::{CertificateDer, UnixTime};

use crate::error::{ConfigError, HandshakeError};
use crate::identity::choice::{Chooser, Identities, Shown};
use crate::identity::{Identity, IdentityFiles};
use crate::key_exchange::Groups;
use crate::lease::Lease;
use crate::provider::{self, Offer, Versions};
use crate::trust::hostname::CommonNamePolicy;
use crate::trust::policy::{ChainPolicy, ClientAuth, ExpectedName};
use crate::trust::referee::LastWord;
use crate::trust::verifier::{ClientVerifier, Findings, ServerVerifier};
use crate::trust::{TrustSource, TrustStore};

/// Whether the peer's chain is verified: OTP's `verify`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verify {
    /// `verify_none`.
    None,
    /// `verify_peer`.
    Peer,
}

/// Who judges a peer that is verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JudgedBy {
    /// webpki, which needs a trust store.
    Webpki,
    /// A referee, who has the last word; without a trust store webpki finds no path, and says so.
    Referee,
}

/// The options of one role, as the user gave them and with defaults filled in.
#[derive(Debug)]
pub struct Options {
    /// This side's certificate chains and keys, in the order of preference. A server must have one.
    pub identities: Vec<IdentityFiles>,
    /// Trust anchors, and issuers that complete our own chains.
    pub trust: Option<TrustSource>,
    /// Whether the peer is verified.
    pub verify: Verify,
    /// Whether every handshake brings a [`crate::trust::referee::Referee`] with it, so that a trust store may be absent.
    pub judged_by: JudgedBy,
    /// Whether a server insists on a client certificate.
    pub client_auth: ClientAuth,
    /// The most intermediates between leaf and trust anchor.
    pub depth: usize,
    /// Which TLS versions are offered.
    pub versions: Versions,
    /// Which cipher suites are offered; `None`: all.
    pub cipher_suites: Option<Vec<SupportedCipherSuite>>,
    /// Which groups of the key exchange are offered.
    pub groups: Groups,
    /// Plaintext bytes after which sending keys are renewed.
    pub key_update_at_bytes: u64,
    /// What a certificate without subjectAltName is called.
    pub common_name: CommonNamePolicy,
}

/// What a server needs.
pub struct ServerSide {
    offer: Offer,
    time: Arc<dyn TimeProvider>,
    clients: Clients,
    identities: Arc<Identities>,
    pub(crate) key_update_at_bytes: u64,
}

/// How a server treats client certificates.
enum Clients {
    /// They are not asked for.
    Anonymous,
    /// They are asked for and verified.
    Verified { trust: Arc<TrustStore>, depth: usize, auth: ClientAuth },
}

/// What a client needs.
pub struct ClientSide {
    template: ClientConfig,
    chain: ChainPolicy,
    common_name: CommonNamePolicy,
    identities: Arc<Identities>,
    pub(crate) key_update_at_bytes: u64,
}

/// What a client's session would hold as long as it lives: trust store and private keys.
pub(crate) struct Lent {
    chain: Lease<ChainPolicy>,
    identities: Lease<Arc<Identities>>,
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.chain.end();
        self.identities.end();
    }
}

impl ServerSide {
    /// Reads the files and checks that everything fits together.
    ///
    /// # Errors
    /// [`ConfigError::option`] names the option to blame.
    pub fn new(options: &Options, time: Arc<dyn TimeProvider>) -> Result<Self, ConfigError> {
        let offer = provider::offer(&options.versions, options.cipher_suites.as_deref(), &options.groups)?;
        if options.identities.is_empty() {
            return Err(ConfigError::OptionMissing { option: "certfile", because: "a TLS server" });
        }
        let identities = Arc::new(load_identities(options, &offer)?);
        let clients = match options.verify {
            Verify::None => Clients::Anonymous,
            Verify::Peer => Clients::Verified {
                trust: Arc::new(load_trust(options)?),
                depth: options.depth,
                auth: options.client_auth,
            },
        };
        Ok(Self { offer, time, clients, identities, key_update_at_bytes: options.key_update_at_bytes })
    }

    /// The certificates of `cacertfile`, when clients are verified.
    pub fn trusted(&self) -> Vec<CertificateDer<'static>> {
        match &self.clients {
            Clients::Anonymous => Vec::new(),
            Clients::Verified { trust, .. } => trust.certificates().to_vec(),
        }
    }

    /// Judges a chain, leaf first, that a client shows or showed: what a handshake would say of it at the time `now`, where no
    /// referee has a say.
    ///
    /// # Errors
    /// Those of a handshake.
    pub fn judge(&self, chain: &[CertificateDer<'_>], now: UnixTime) -> Result<(), HandshakeError> {
        match (&self.clients, chain) {
            (Clients::Anonymous, _) | (Clients::Verified { auth: ClientAuth::Optional, .. }, []) => Ok(()),
            (Clients::Verified { .. }, []) => {
                Err(HandshakeError::Tls(rustls::Error::NoCertificatesPresented))
            }
            (Clients::Verified { trust, depth, auth }, [leaf, others @ ..]) => ClientVerifier {
                trust: Arc::clone(trust),
                depth: *depth,
                auth: *auth,
                last_word: LastWord::default(),
                findings: Findings::default(),
            }
            .check(leaf, others, now),
        }
    }

    /// The rustls configuration for one connection, whose verifier leaves what it finds out in `findings`,
    /// and which notes in `shown` what certificate it showed.
    pub(crate) fn for_client(
        &self,
        last_word: LastWord,
        findings: Findings,
        shown: Shown,
    ) -> Result<Arc<ServerConfig>, rustls::Error> {
        let verifier: Arc<dyn ClientCertVerifier> = match &self.clients {
            Clients::Anonymous => Arc::new(NoClientAuth),
            Clients::Verified { trust, depth, auth } => Arc::new(ClientVerifier {
                trust: Arc::clone(trust),
                depth: *depth,
                auth: *auth,
                last_word,
                findings,
            }),
        };
        let mut config = ServerConfig::builder_with_details(self.offer.provider.clone(), self.time.clone())
            .with_protocol_versions(&self.offer.versions)?
            .with_client_cert_verifier(verifier)
            .with_cert_resolver(Arc::new(Chooser { identities: Lease::new(self.identities.clone()), shown }));
        config.enable_secret_extraction = true;
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(Arc::new(config))
    }

    /// The certificate chains of which one is presented, in the order of preference, each leaf first.
    pub fn own_chains(&self) -> Vec<&[CertificateDer<'static>]> {
        self.identities.chains()
    }
}

impl ClientSide {
    /// Reads the files and checks that everything fits together.
    ///
    /// # Errors
    /// [`ConfigError::option`] names the option to blame.
    pub fn new(options: &Options, time: Arc<dyn TimeProvider>) -> Result<Self, ConfigError> {
        let offer = provider::offer(&options.versions, options.cipher_suites.as_deref(), &options.groups)?;
        let identities = Arc::new(load_identities(options, &offer)?);
        let chain = match options.verify {
            Verify::None => ChainPolicy::Unchecked,
            Verify::Peer => {
                ChainPolicy::Anchored { trust: Arc::new(load_trust(options)?), depth: options.depth }
            }
        };
        let common_name = options.common_name;
        let builder = ClientConfig::builder_with_details(offer.provider, time)
            .with_protocol_versions(&offer.versions)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(ServerVerifier {
                chain: Lease::new(chain.clone()),
                name: ExpectedName::Any,
                common_name,
                last_word: LastWord::default(),
                findings: Findings::default(),
            }));
        let chooser = Chooser { identities: Lease::new(identities.clone()), shown: Shown::default() };
        let mut template = builder.with_client_cert_resolver(Arc::new(chooser));
        template.enable_secret_extraction = true;
        template.resumption = Resumption::disabled();
        Ok(Self {
            template,
            chain,
            common_name,
            identities,
            key_update_at_bytes: options.key_update_at_bytes,
        })
    }

    /// The certificate chains of which one is presented, in the order of preference, each leaf first; none may be there.
    pub fn own_chains(&self) -> Vec<&[CertificateDer<'static>]> {
        self.identities.chains()
    }

    /// The certificates of `cacertfile`, when servers are verified.
    pub fn trusted(&self) -> Vec<CertificateDer<'static>> {
        match &self.chain {
            ChainPolicy::Unchecked => Vec::new(),
            ChainPolicy::Anchored { trust, .. } => trust.certificates().to_vec(),
        }
    }

    /// Judges a chain, leaf first, that a server shows or showed: what a handshake would say of it at the time `now`, where no
    /// referee has a say. A name that is left to a referee is not compared.
    ///
    /// # Errors
    /// Those of a handshake.
    pub fn judge(
        &self,
        name: ExpectedName,
        chain: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), HandshakeError> {
        let [leaf, others @ ..] = chain else {
            return Err(HandshakeError::Tls(rustls::Error::NoCertificatesPresented));
        };
        let name = match name {
            ExpectedName::HostByReferee(_) => ExpectedName::Any,
            name => name,
        };
        ServerVerifier {
            chain: Lease::new(self.chain.clone()),
            name,
            common_name: self.common_name,
            last_word: LastWord::default(),
            findings: Findings::default(),
        }
        .check(leaf, others, now)
    }

    /// What one handshake borrows.
    pub(crate) fn lend(&self) -> Lent {
        Lent { chain: Lease::new(self.chain.clone()), identities: Lease::new(self.identities.clone()) }
    }

    /// The rustls configuration for one connection, whose server must be called `name`, and whose verifier leaves
    /// what it finds out in `findings`, and which notes in `shown` what certificate it showed. It is good until `lent` ends.
    pub(crate) fn for_server(
        &self,
        name: ExpectedName,
        last_word: LastWord,
        findings: Findings,
        shown: Shown,
        lent: &Lent,
    ) -> Arc<ClientConfig> {
        let mut config = self.template.clone();
        config.client_auth_cert_resolver = Arc::new(Chooser { identities: lent.identities.clone(), shown });
        config.dangerous().set_certificate_verifier(Arc::new(ServerVerifier {
            chain: lent.chain.clone(),
            name,
            common_name: self.common_name,
            last_word,
            findings,
        }));
        Arc::new(config)
    }
}

fn load_identities(options: &Options, offer: &Offer) -> Result<Identities, ConfigError> {
    let load = |files| Identity::load(files, options.trust.as_ref());
    let identities = options.identities.iter().map(load).collect::<Result<_, _>>()?;
    Identities::new(identities, offer)
}

fn load_trust(options: &Options) -> Result<TrustStore, ConfigError> {
    match (&options.trust, options.judged_by) {
        (Some(source), _) => TrustStore::from_source(source),
        (None, JudgedBy::Referee) => Ok(TrustStore::empty()),
        (None, JudgedBy::Webpki) => {
            Err(ConfigError::OptionMissing { option: "cacertfile", because: "verify_peer" })
        }
    }
}
