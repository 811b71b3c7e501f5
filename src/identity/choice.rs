//! Which of several certificates a peer is shown: RSA beside ECDSA, for example, by what the peer can verify.

use std::sync::Arc;

use parking_lot::Mutex;
use rustls::client::ResolvesClientCert;
use rustls::pki_types::CertificateDer;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{CipherSuite, SignatureAlgorithm, SignatureScheme, SupportedCipherSuite};

use crate::certificate;
use crate::error::ConfigError;
use crate::identity::Identity;
use crate::lease::Lease;
use crate::provider::Offer;

/// A side's certificates and keys, in the order of preference; a client's may be empty.
#[derive(Debug)]
pub(crate) struct Identities {
    all: Vec<Candidate>,
    /// The suites of the versions that are offered.
    suites: Vec<SupportedCipherSuite>,
}

#[derive(Debug)]
struct Candidate {
    key: Arc<CertifiedKey>,
    /// The names of the issuers of its chain.
    issuers: Vec<Vec<u8>>,
}

impl Identities {
    /// # Errors
    /// A certificate that cannot be parsed.
    pub(crate) fn new(identities: Vec<Identity>, offer: &Offer) -> Result<Self, ConfigError> {
        let is_offered = |suite: &&SupportedCipherSuite| {
            offer.versions.iter().any(|version| version.version == suite.version().version)
        };
        let suites = offer.provider.cipher_suites.iter().filter(is_offered).copied().collect();
        let all = identities.iter().map(Candidate::new).collect::<Result<_, _>>()?;
        Ok(Self { all, suites })
    }

    /// The chain of each, the node's own certificate first.
    pub(crate) fn chains(&self) -> Vec<&[CertificateDer<'static>]> {
        self.all.iter().map(|candidate| candidate.key.cert.as_slice()).collect()
    }

    /// Whether a client that offers these cipher suites leaves one for a key of this kind, which in TLS 1.2 belongs to the
    /// suite.
    fn has_suite(&self, offered: &[CipherSuite], kind: SignatureAlgorithm) -> bool {
        self.suites
            .iter()
            .any(|suite| offered.contains(&suite.suite()) && suite.usable_for_signature_algorithm(kind))
    }
}

impl Candidate {
    fn new(identity: &Identity) -> Result<Self, ConfigError> {
        let issuer = |der: &CertificateDer<'_>| {
            certificate::parse(der).map(|parsed| parsed.issuer().as_raw().to_vec())
        };
        let issuers = identity.chain().iter().map(issuer).collect::<Result<_, _>>()?;
        Ok(Self { key: identity.certified_key(), issuers })
    }

    fn can_sign(&self, schemes: &[SignatureScheme]) -> bool {
        self.key.key.choose_scheme(schemes).is_some()
    }
}

/// The identities of a side in one handshake, which remembers what it showed.
#[derive(Debug)]
pub(crate) struct Chooser {
    pub(crate) identities: Lease<Arc<Identities>>,
    pub(crate) shown: Shown,
}

/// What a [`Chooser`] showed, beside rustls, which does not tell.
#[derive(Debug, Clone, Default)]
pub(crate) struct Shown(Arc<Mutex<Choice>>);

#[derive(Debug, Default)]
struct Choice {
    key: Option<Arc<CertifiedKey>>,
    /// Whether there was none whose signatures the peer verifies.
    none_can_sign: bool,
}

impl Shown {
    /// The node's own certificate, if it was shown.
    pub(crate) fn leaf(&self) -> Option<CertificateDer<'static>> {
        self.0.lock().key.as_ref().and_then(|key| key.cert.first().cloned())
    }

    /// Whether a server showed nothing because no key of it can sign what the client verifies.
    pub(crate) fn none_can_sign(&self) -> bool {
        self.0.lock().none_can_sign
    }

    fn note(&self, chosen: Option<&Candidate>) -> Option<Arc<CertifiedKey>> {
        let key = chosen.map(|candidate| Arc::clone(&candidate.key));
        self.0.lock().key.clone_from(&key);
        key
    }
}

impl ResolvesServerCert for Chooser {
    /// The first that the client can verify. Where there is none, one for which the client has no suite, so that the handshake
    /// fails with the reason of rustls; but none that cannot sign, which rustls finds out too late.
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let identities = self.identities.get()?;
        let has_suite = |candidate: &&Candidate| {
            identities.has_suite(hello.cipher_suites(), candidate.key.key.algorithm())
        };
        let able = || identities.all.iter().filter(has_suite);
        let chosen = match able().find(|candidate| candidate.can_sign(hello.signature_schemes())) {
            None if able().next().is_none() => identities.all.first(),
            chosen => chosen,
        };
        self.shown.0.lock().none_can_sign = chosen.is_none();
        self.shown.note(chosen)
    }
}

impl ResolvesClientCert for Chooser {
    /// The first that the server can verify and whose chain comes from an authority that it names; else the first that it
    /// can verify, for a server may trust more than it names.
    fn resolve(
        &self,
        root_hint_subjects: &[&[u8]],
        schemes: &[SignatureScheme],
    ) -> Option<Arc<CertifiedKey>> {
        let is_named = |candidate: &&Candidate| {
            candidate.issuers.iter().any(|issuer| root_hint_subjects.contains(&issuer.as_slice()))
        };
        let identities = self.identities.get()?;
        let able = || identities.all.iter().filter(|candidate| candidate.can_sign(schemes));
        self.shown.note(able().find(is_named).or_else(|| able().next()))
    }

    fn has_certs(&self) -> bool {
        self.identities.get().is_some_and(|identities| !identities.all.is_empty())
    }
}
