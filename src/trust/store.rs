//! The certificates that verification starts from.

use std::path::{Path, PathBuf};

use rustls::DistinguishedName;
use rustls::pki_types::{CertificateDer, TrustAnchor};
use webpki::anchor_from_trusted_cert;

use crate::certificate;
use crate::error::ConfigError;
use crate::pem;
use crate::trust::oddity;

/// The most bytes of names that are sent to a client. A certificate request is a handshake message, of which rustls takes
/// 65,535 bytes, and it says other things besides.
const SUBJECTS_LIMIT_BYTES: usize = 65_535 - 1_024;

/// Where the certificates come from that verification starts from, and that complete a node's own chain.
#[derive(Debug, Clone)]
pub enum TrustSource {
    /// A PEM file: OTP's `cacertfile`.
    File(PathBuf),
    /// Certificates in DER: OTP's `cacerts`.
    Certificates(Vec<CertificateDer<'static>>),
}

impl TrustSource {
    /// The option that names it.
    fn option(&self) -> &'static str {
        match self {
            Self::File(_) => "cacertfile",
            Self::Certificates(_) => "cacerts",
        }
    }

    /// The certificates, in order.
    ///
    /// # Errors
    /// Those of [`pem::certificates`], with the option.
    pub(crate) fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, ConfigError> {
        match self {
            Self::File(path) => pem::certificates(path).map_err(|error| error.in_option(self.option())),
            Self::Certificates(certificates) => Ok(certificates.clone()),
        }
    }

    /// What [`ConfigError::NoTrustAnchor`] calls it.
    fn path(&self) -> PathBuf {
        match self {
            Self::File(path) => path.clone(),
            Self::Certificates(_) => self.option().into(),
        }
    }

    fn bad_certificate(&self, position: usize) -> ConfigError {
        match self {
            Self::File(path) => ConfigError::BadCertificate { path: path.clone(), position },
            Self::Certificates(_) => ConfigError::BadTrustedCertificate { position },
        }
    }
}

/// The contents of one `cacertfile`, or of `cacerts`.
///
/// Only a self-issued certificate is a trust anchor. The others are kept because they help to find a path
/// when a peer does not send its intermediates, but a path never ends at one of them, as in OTP
/// (`ssl_certificate:trusted_cert_and_paths/4`).
#[derive(Debug, Clone)]
pub struct TrustStore {
    anchors: Vec<TrustAnchor<'static>>,
    roots: Vec<CertificateDer<'static>>,
    intermediates: Vec<CertificateDer<'static>>,
    certificates: Vec<CertificateDer<'static>>,
    subjects: Vec<DistinguishedName>,
}

impl TrustStore {
    /// A store that trusts nobody, for when a [`crate::trust::referee::Referee`] has the last word.
    pub fn empty() -> Self {
        Self {
            anchors: Vec::new(),
            roots: Vec::new(),
            intermediates: Vec::new(),
            certificates: Vec::new(),
            subjects: Vec::new(),
        }
    }

    /// Loads a PEM file of certificates: see [`TrustStore::from_source`].
    pub fn load(cacertfile: &Path) -> Result<Self, ConfigError> {
        Self::from_source(&TrustSource::File(cacertfile.to_owned()))
    }

    /// Takes the certificates of `source`.
    ///
    /// Roots of X.509 version 1 are accepted.
    ///
    /// # Errors
    /// [`ConfigError::NoTrustAnchor`] when no certificate is self-issued, [`ConfigError::BadCertificate`] or
    /// [`ConfigError::BadTrustedCertificate`] with the position of one that cannot be used, and those of
    /// [`pem::certificates`].
    pub fn from_source(source: &TrustSource) -> Result<Self, ConfigError> {
        let mut store = Self::empty();
        for (index, der) in source.certificates()?.into_iter().enumerate() {
            let oddity = oddity::of(&der);
            store.add(der).ok_or_else(|| {
                let position = index + 1;
                let named = oddity.map(|oddity| ConfigError::OddTrustedCertificate { position, oddity });
                named.unwrap_or_else(|| source.bad_certificate(position)).in_option(source.option())
            })?;
        }
        match store.anchors.is_empty() {
            true => Err(ConfigError::NoTrustAnchor { path: source.path() }.in_option(source.option())),
            false => Ok(store),
        }
    }

    /// The certificates that a path may end at.
    pub fn anchors(&self) -> &[TrustAnchor<'static>] {
        &self.anchors
    }

    /// The certificates of the anchors, in the same order.
    pub fn roots(&self) -> &[CertificateDer<'static>] {
        &self.roots
    }

    /// The certificates that a path may lead through.
    pub fn intermediates(&self) -> &[CertificateDer<'static>] {
        &self.intermediates
    }

    /// All certificates, in the order of the file.
    pub fn certificates(&self) -> &[CertificateDer<'static>] {
        &self.certificates
    }

    /// The names for the authorities field of a certificate request (RFC 8446 section 4.2.4).
    ///
    /// Those of the intermediates are among them: an OTP client that knows only its own certificate looks
    /// for that one's issuer here, and sends nothing if it is not listed. There are none where all of them do not fit
    /// into a message, which the RFC allows, and so does RFC 5246 section 7.4.4.
    pub fn subjects(&self) -> &[DistinguishedName] {
        let bytes: usize = self.subjects.iter().map(|subject| 2 + subject.as_ref().len()).sum();
        match bytes {
            0..=SUBJECTS_LIMIT_BYTES => &self.subjects,
            _ => &[],
        }
    }

    fn add(&mut self, der: CertificateDer<'static>) -> Option<()> {
        let parsed = certificate::parse(&der).ok()?;
        let subject = DistinguishedName::from(parsed.subject().as_raw().to_vec());
        if certificate::is_self_issued(&parsed) {
            self.anchors.push(anchor_from_trusted_cert(&der).ok()?.to_owned());
            self.roots.push(der.clone());
        } else {
            self.intermediates.push(der.clone());
        }
        if !self.subjects.iter().any(|known| known.as_ref() == subject.as_ref()) {
            self.subjects.push(subject);
        }
        self.certificates.push(der);
        Some(())
    }
}
