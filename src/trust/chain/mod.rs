//! The verdict on a certificate chain. webpki is the judge of record.

pub mod again;
mod copy;
pub(crate) mod rules;
mod signed;

use std::cell::RefCell;
use std::sync::Arc;

use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::{CertificateError, OtherError};
use rustls_pki_types::{CertificateDer, UnixTime};
use webpki::{EndEntityCert, KeyUsage, VerifiedPath};

use crate::error::{Algorithm, ChainFault, HandshakeError};
use crate::provider;
use crate::trust::TrustStore;
use crate::trust::{oddity, outdated};

/// What the peer is in the handshake, and what its certificate has to be good for (extended key usage).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PeerRole {
    /// The peer is the server.
    Server,
    /// The peer is the client.
    Client,
}

/// Whether the authorities of a path, the anchor among them, constrain the names below them (RFC 5280 section 4.2.1.10).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameScope {
    /// None does.
    Free,
    /// One does. Constraints are about alternative names: a common name escapes them, so it may not stand in for one.
    Constrained,
}

/// That a chain leads to a trust anchor and breaks no rule.
#[derive(Debug)]
pub struct ChainVerified {
    names: NameScope,
}

impl ChainVerified {
    /// What its authorities say of names.
    pub fn names(&self) -> NameScope {
        self.names
    }
}

/// Judges a chain: path building and validation by webpki (RFC 5280 section 6), with OTP's rules on top that webpki lacks.
/// A path that breaks one is passed over for the next, and the reason kept for when there is none. Paths in which an authority
/// has changed its key webpki is asked about once more (see [`again`]).
///
/// - `trust`: where a path may end, and spare intermediates.
/// - `depth`: the most authorities between, those that are self-issued left out.
/// - `end_entity`, `intermediates`: what the peer sent, its own certificate first.
/// - `role`: the peer's.
/// - `now`: the time at which all has to be valid.
///
/// # Errors
/// [`HandshakeError::Tls`] with webpki's verdict where rustls has a name for it, else [`HandshakeError::ChainRefused`]; and
/// [`HandshakeError::SelfSignedPeer`], [`HandshakeError::ChainTooDeep`], [`HandshakeError::AuthorityMayNotSign`],
/// [`HandshakeError::TrustAnchorNotValid`].
pub fn verify(
    trust: &TrustStore,
    depth: usize,
    end_entity: &CertificateDer<'_>,
    intermediates: &[CertificateDer<'_>],
    role: PeerRole,
    now: UnixTime,
) -> Result<ChainVerified, HandshakeError> {
    let sent = || std::iter::once(end_entity).chain(intermediates);
    find_path(trust, depth, end_entity, intermediates, role, now)
        .or_else(|error| match may_be_a_changed_key(&error) {
            true => {
                signed::find_path(trust, depth, end_entity, intermediates, role, now).unwrap_or(Err(error))
            }
            false => Err(error),
        })
        .map_err(|error| oddity::named(error, sent()))
        .map_err(|error| oddity::issuer_named(error, sent().chain(trust.certificates())))
        .map_err(|error| rules::short_authority_named(error, sent().chain(trust.certificates())))
}

fn find_path(
    trust: &TrustStore,
    depth: usize,
    end_entity: &CertificateDer<'_>,
    intermediates: &[CertificateDer<'_>],
    role: PeerRole,
    now: UnixTime,
) -> Result<ChainVerified, HandshakeError> {
    let algorithms: WebPkiSupportedAlgorithms = provider::signature_algorithms();
    let certificate = EndEntityCert::try_from(end_entity).map_err(webpki_error)?;
    rules::check_key(end_entity)?;
    let candidates: Vec<CertificateDer<'_>> =
        intermediates.iter().chain(trust.intermediates()).cloned().collect();
    let refusal = RefCell::new(None);
    let rules = |path: &VerifiedPath<'_>| {
        rules::check(path, end_entity, trust, depth, now).map_err(|error| {
            *refusal.borrow_mut() = Some(error);
            webpki::Error::UnknownIssuer
        })
    };
    certificate
        .verify_for_usage(algorithms.all, trust.anchors(), &candidates, now, usage(role), None, Some(&rules))
        .map_err(|error| {
            let chain = std::iter::once(end_entity).chain(&candidates);
            refusal.take().unwrap_or_else(|| outdated::named(webpki_error(error), chain))
        })
        .and_then(|path| Ok(ChainVerified { names: rules::name_scope(&path)? }))
}

/// Whether it is what webpki says of a path with two authorities of one name, or with a self-issued one, be it right or wrong.
fn may_be_a_changed_key(error: &HandshakeError) -> bool {
    match error {
        HandshakeError::ChainRefused(ChainFault::PathLengthExceeded | ChainFault::NameNotPermitted) => true,
        HandshakeError::Tls(rustls::Error::InvalidCertificate(verdict)) => {
            *verdict == CertificateError::BadSignature
        }
        _ => false,
    }
}

fn usage(role: PeerRole) -> KeyUsage {
    match role {
        PeerRole::Server => KeyUsage::server_auth(),
        PeerRole::Client => KeyUsage::client_auth(),
    }
}

/// What rustls itself makes of webpki's errors, for the alert and the text to be the same; ours where it has no name.
fn webpki_error(error: webpki::Error) -> HandshakeError {
    use webpki::Error as Webpki;
    let verdict = match error {
        Webpki::BadDer | Webpki::BadDerTime | Webpki::TrailingData(_) => CertificateError::BadEncoding,
        Webpki::CertNotValidYet { time, not_before } => {
            CertificateError::NotValidYetContext { time, not_before }
        }
        Webpki::CertExpired { time, not_after } => CertificateError::ExpiredContext { time, not_after },
        Webpki::InvalidCertValidity => CertificateError::Expired,
        Webpki::UnknownIssuer => CertificateError::UnknownIssuer,
        Webpki::CertRevoked => CertificateError::Revoked,
        Webpki::UnknownRevocationStatus => CertificateError::UnknownRevocationStatus,
        Webpki::UnsupportedCriticalExtension => CertificateError::UnhandledCriticalExtension,
        Webpki::InvalidSignatureForPublicKey => CertificateError::BadSignature,
        Webpki::RequiredEkuNotFoundContext(_) => CertificateError::InvalidPurpose,
        other => match chain_fault(&other) {
            Some(fault) => return HandshakeError::ChainRefused(fault),
            None => CertificateError::Other(OtherError(Arc::new(other))),
        },
    };
    HandshakeError::Tls(verdict.into())
}

/// The errors that rustls passes on without a name.
fn chain_fault(error: &webpki::Error) -> Option<ChainFault> {
    use webpki::Error as Webpki;
    Some(match error {
        Webpki::CaUsedAsEndEntity => ChainFault::PeerIsAuthority,
        Webpki::EndEntityUsedAsCa => ChainFault::NotAnAuthority,
        Webpki::PathLenConstraintViolated => ChainFault::PathLengthExceeded,
        Webpki::NameConstraintViolation => ChainFault::NameNotPermitted,
        Webpki::UnsupportedCertVersion => ChainFault::UnsupportedVersion,
        Webpki::UnsupportedSignatureAlgorithmContext(found) => {
            ChainFault::SignatureAlgorithm(Algorithm::of_signature(&found.signature_algorithm_id))
        }
        Webpki::UnsupportedSignatureAlgorithmForPublicKeyContext(found) => {
            match Algorithm::of_key(&found.public_key_algorithm_id) {
                Some(kind) => ChainFault::AuthorityKey(kind),
                None => ChainFault::SignatureAlgorithm(Algorithm::KeyOfAnotherKind),
            }
        }
        Webpki::SignatureAlgorithmMismatch => ChainFault::SignatureAlgorithm(Algorithm::Inconsistent),
        Webpki::MaximumPathDepthExceeded => ChainFault::TooManyIntermediates,
        Webpki::MaximumPathBuildCallsExceeded
        | Webpki::MaximumSignatureChecksExceeded
        | Webpki::MaximumNameConstraintComparisonsExceeded => ChainFault::TooMuchWork,
        _ => return None,
    })
}
