//! The certificates that verification starts from.

use std::path::Path;

use rustls::DistinguishedName;
use rustls::pki_types::{CertificateDer, TrustAnchor};
use webpki::anchor_from_trusted_cert;

use crate::certificate;
use crate::error::Error;
use crate::pem;

const OPTION: &str = "cacertfile";

/// The contents of one `cacertfile`.
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
    /// A store that trusts nobody, for when a [`crate::referee::Referee`] has the last word.
    pub fn empty() -> Self {
        Self {
            anchors: Vec::new(),
            roots: Vec::new(),
            intermediates: Vec::new(),
            certificates: Vec::new(),
            subjects: Vec::new(),
        }
    }

    /// Loads a PEM file of certificates.
    ///
    /// Roots of X.509 version 1 are accepted. Errors: [`Error::NoTrustAnchor`] when no certificate is
    /// self-issued, [`Error::BadCertificate`] with the position of one that cannot be used, and those of
    /// [`pem::certificates`].
    pub fn load(cacertfile: &Path) -> Result<Self, Error> {
        Self::load_file(cacertfile).map_err(|error| error.in_option(OPTION))
    }

    fn load_file(path: &Path) -> Result<Self, Error> {
        let mut store = Self::empty();
        for (index, der) in pem::certificates(path)?.into_iter().enumerate() {
            store
                .add(der)
                .ok_or_else(|| Error::BadCertificate { path: path.to_owned(), position: index + 1 })?;
        }
        match store.anchors.is_empty() {
            true => Err(Error::NoTrustAnchor { path: path.to_owned() }),
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
    /// for that one's issuer here, and sends nothing if it is not listed.
    pub fn subjects(&self) -> &[DistinguishedName] {
        &self.subjects
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
