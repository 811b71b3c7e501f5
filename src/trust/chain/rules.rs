//! What OTP asks of a certificate path and webpki does not: rules on top of a path that webpki accepted.
//!
//! - The trust anchor itself must be valid now (`public_key:pkix_path_validation/3` checks its time; for webpki an anchor
//!   is a name and a key).
//! - A trust anchor has no critical extension that webpki would not take in another certificate (RFC 5280 section 4.2): webpki
//!   passes over those of anchors.
//! - Name constraints constrain something (RFC 5280 section 4.2.1.10).
//! - An authority whose keyUsage is restricted must be allowed to sign certificates (RFC 5280 section 4.2.1.3).
//! - A peer may not be its own authority: a lone self-signed certificate is refused even if the trust store holds it
//!   (`ssl_certificate:trusted_cert_and_paths/4`). To trust single certificates, pin them.
//! - An RSA key of the peer has at least 2048 bits.
//! - At most `depth` authorities between the peer and the anchor, those that are self-issued left out.

use rustls::CertificateError;
use rustls::pki_types::{CertificateDer, UnixTime};
use webpki::VerifiedPath;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::X509Extension;
use x509_parser::public_key::PublicKey;

use crate::certificate;
use crate::error::{Algorithm, BadEncoding, ChainFault, HandshakeError};
use crate::provider::{self, RsaKeys};
use crate::trust::TrustStore;
use crate::trust::chain::NameScope;

/// Extensions that webpki understands, below the arc 2.5.29: keyUsage, subjectAltName, basicConstraints, nameConstraints,
/// cRLDistributionPoints, extKeyUsage.
const UNDERSTOOD: [u8; 6] = [15, 17, 19, 30, 31, 37];

/// Checks a path of `end_entity` that webpki built from anchors of `trust`.
///
/// # Errors
/// [`HandshakeError::SelfSignedPeer`], [`HandshakeError::ChainTooDeep`], [`HandshakeError::AuthorityMayNotSign`],
/// [`HandshakeError::TrustAnchorNotValid`], [`CertificateError::UnhandledCriticalExtension`]; a bad encoding.
pub(crate) fn check(
    path: &VerifiedPath<'_>,
    end_entity: &CertificateDer<'_>,
    trust: &TrustStore,
    depth: usize,
    now: UnixTime,
) -> Result<(), HandshakeError> {
    let peer = certificate::parse(end_entity)?;
    if certificate::is_self_issued(&peer) {
        return Err(HandshakeError::SelfSignedPeer);
    }
    let mut counted = 0;
    for intermediate in path.intermediate_certificates() {
        let der = intermediate.der();
        let authority = certificate::parse(&der)?;
        may_sign(&authority)?;
        counted += usize::from(!certificate::is_self_issued(&authority));
    }
    if counted > depth {
        return Err(HandshakeError::ChainTooDeep { intermediates: counted, depth });
    }
    check_anchor(path, trust, now)
}

/// Checks that a peer's RSA key has 2048 bits or more, as the provider demands of signatures: it would only call a signature of a
/// shorter one wrong.
///
/// # Errors
/// [`ChainFault::WeakKey`]; a bad encoding.
pub(crate) fn check_key(end_entity: &CertificateDer<'_>) -> Result<(), HandshakeError> {
    match short_rsa_bits(&certificate::parse(end_entity)?) {
        Some(bits) => Err(HandshakeError::ChainRefused(ChainFault::WeakKey { bits })),
        None => Ok(()),
    }
}

/// `error` in other words, if it is that a signature is wrong, and an authority among `certificates`, named by another one of them,
/// has an RSA key that is too short: the provider calls whatever that signed wrong.
pub(crate) fn short_authority_named<'a>(
    error: HandshakeError,
    certificates: impl IntoIterator<Item = &'a CertificateDer<'a>>,
) -> HandshakeError {
    if error != HandshakeError::Tls(CertificateError::BadSignature.into()) {
        return error;
    }
    let all: Vec<_> = certificates.into_iter().filter_map(|der| certificate::parse(der).ok()).collect();
    let has_signed = |authority: &X509Certificate<'_>| {
        all.iter()
            .any(|below| below.issuer() == authority.subject() && below.subject() != authority.subject())
    };
    match all.iter().any(|authority| short_rsa_bits(authority).is_some() && has_signed(authority)) {
        true => HandshakeError::ChainRefused(ChainFault::AuthorityKey(Algorithm::ShortRsa)),
        false => error,
    }
}

/// How many bits the RSA key of a certificate has, if it is one that the provider finds too short.
fn short_rsa_bits(certificate: &X509Certificate<'_>) -> Option<usize> {
    let Ok(PublicKey::RSA(key)) = certificate.public_key().parsed() else {
        return None;
    };
    let bits = RsaKeys::bits_of(key.modulus);
    (bits < *provider::RSA.bits.start()).then_some(bits)
}

/// Whether an authority of the path constrains names.
///
/// # Errors
/// A bad encoding.
pub(crate) fn name_scope(path: &VerifiedPath<'_>) -> Result<NameScope, BadEncoding> {
    let ders: Vec<_> = path.intermediate_certificates().map(|authority| authority.der()).collect();
    match (&path.anchor().name_constraints, name_scope_of(&ders)?) {
        (Some(constraints), _) if constraints.is_empty() => Err(BadEncoding),
        (Some(_), _) => Ok(NameScope::Constrained),
        (None, scope) => Ok(scope),
    }
}

/// Whether one of `certificates` constrains names.
///
/// # Errors
/// A bad encoding, among them constraints that neither permit nor exclude anything.
pub(crate) fn name_scope_of(certificates: &[CertificateDer<'_>]) -> Result<NameScope, BadEncoding> {
    let mut scope = NameScope::Free;
    for der in certificates {
        if let Some(constraints) = certificate::parse(der)?.name_constraints().map_err(|_| BadEncoding)? {
            if !certificate::constrains(constraints.value) {
                return Err(BadEncoding);
            }
            scope = NameScope::Constrained;
        }
    }
    Ok(scope)
}

/// Checks that an authority is allowed to sign certificates.
///
/// # Errors
/// [`HandshakeError::AuthorityMayNotSign`]; a bad encoding.
pub(crate) fn may_sign(authority: &X509Certificate<'_>) -> Result<(), HandshakeError> {
    match authority.key_usage() {
        Ok(Some(usage)) if !usage.value.key_cert_sign() => {
            Err(HandshakeError::AuthorityMayNotSign { subject: certificate::subject(authority) })
        }
        Ok(_) => Ok(()),
        Err(_) => Err(BadEncoding.into()),
    }
}

/// Of the certificates that share the anchor's name and key, as a renewed root does with its predecessor, one has to be
/// valid.
fn check_anchor(path: &VerifiedPath<'_>, trust: &TrustStore, now: UnixTime) -> Result<(), HandshakeError> {
    let anchor = path.anchor();
    let mut refusal = HandshakeError::from(BadEncoding);
    for (candidate, der) in trust.anchors().iter().zip(trust.roots()) {
        if candidate.subject != anchor.subject
            || candidate.subject_public_key_info != anchor.subject_public_key_info
        {
            continue;
        }
        let root = certificate::parse(der)?;
        let is_good = may_sign(&root)
            .and_then(|()| valid_at(&root, now))
            .and_then(|()| is_understood(&root, |_id| false));
        match is_good {
            Ok(()) => return Ok(()),
            Err(error) => refusal = error,
        }
    }
    Err(refusal)
}

/// Checks that a trust anchor has no critical extension besides those that webpki understands in other certificates, and those
/// that `is_forgiven` says of their object identifiers, in dotted form.
///
/// # Errors
/// [`CertificateError::UnhandledCriticalExtension`].
pub(crate) fn is_understood(
    root: &X509Certificate<'_>,
    is_forgiven: impl Fn(&str) -> bool,
) -> Result<(), HandshakeError> {
    let is_unknown = |extension: &&X509Extension<'_>| {
        extension.critical
            && !UNDERSTOOD.iter().any(|known| extension.oid.as_bytes() == [0x55, 0x1d, *known])
            && !is_forgiven(&extension.oid.to_id_string())
    };
    match root.extensions().iter().find(is_unknown) {
        Some(_) => Err(HandshakeError::Tls(CertificateError::UnhandledCriticalExtension.into())),
        None => Ok(()),
    }
}

/// Checks that a trust anchor is valid.
///
/// # Errors
/// [`HandshakeError::TrustAnchorNotValid`].
pub(crate) fn valid_at(root: &X509Certificate<'_>, now: UnixTime) -> Result<(), HandshakeError> {
    let (not_before_unix_s, not_after_unix_s) = certificate::validity(root);
    match (not_before_unix_s..=not_after_unix_s).contains(&certificate::unix_s(now)) {
        true => Ok(()),
        false => {
            let subject = certificate::subject(root);
            Err(HandshakeError::TrustAnchorNotValid { subject, not_before_unix_s, not_after_unix_s })
        }
    }
}
