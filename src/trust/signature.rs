//! Signatures: the proof that the peer holds its certificate's private key, and who signed a certificate.
//!
//! The proof is checked against the public key alone, so that it also works for certificates that webpki does not parse
//! (X.509 version 1), and it is never skipped, whatever the certificate policy.

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::verify_tls13_signature_with_raw_key;
use rustls::{CertificateError, DigitallySignedStruct, PeerMisbehaved, SignatureScheme};
use rustls_pki_types::{CertificateDer, SignatureVerificationAlgorithm, SubjectPublicKeyInfoDer};
use x509_parser::certificate::X509Certificate;

use crate::{certificate, provider};

/// What the signature on a certificate says about a possible issuer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signed {
    /// It is by the issuer's key.
    ByIssuer,
    /// It is by another key.
    ByAnother,
    /// The provider cannot check signatures of this kind, or by keys of this kind.
    Unknown,
}

/// Whether the key of `issuer` signed `subject`.
pub(crate) fn on_certificate(subject: &X509Certificate<'_>, issuer: &X509Certificate<'_>) -> Signed {
    let spki = SubjectPublicKeyInfoDer::from(issuer.public_key().raw);
    let Ok(key) = webpki::RawPublicKeyEntity::try_from(&spki) else {
        return Signed::Unknown;
    };
    let identifier = subject.signature_algorithm.algorithm.as_bytes();
    let mut found = Signed::Unknown;
    for algorithm in provider::signature_algorithms().all {
        // An AlgorithmIdentifier begins with its object identifier: tag, length, content (RFC 5280 section 4.1.1.2).
        let known = algorithm.signature_alg_id();
        let [6, length, content @ ..] = known.as_ref() else {
            continue;
        };
        if content.get(..usize::from(*length)) != Some(identifier) {
            continue;
        }
        let message = subject.tbs_certificate.as_ref();
        match key.verify_signature(*algorithm, message, &subject.signature_value.data) {
            Ok(()) => return Signed::ByIssuer,
            Err(webpki::Error::InvalidSignatureForPublicKey) => found = Signed::ByAnother,
            Err(_) => {}
        }
    }
    found
}

/// The schemes that can be checked, which a peer is told.
pub(crate) fn schemes() -> Vec<SignatureScheme> {
    provider::signature_algorithms().supported_schemes()
}

/// Checks a TLS 1.3 CertificateVerify (RFC 8446 section 4.4.3).
///
/// # Errors
/// A bad encoding, a scheme that TLS 1.3 forbids, or a signature that is not by the certificate's key.
pub(crate) fn verify_tls13(
    message: &[u8],
    certificate: &CertificateDer<'_>,
    signature: &DigitallySignedStruct,
) -> Result<HandshakeSignatureValid, rustls::Error> {
    let key = certificate::spki_der(certificate)?;
    verify_tls13_signature_with_raw_key(message, &key, signature, &provider::signature_algorithms())
}

/// Checks a TLS 1.2 ServerKeyExchange or CertificateVerify (RFC 5246 section 7.4.3 and 7.4.8), whose signature
/// schemes do not name a curve, so that each algorithm of the scheme is tried.
///
/// # Errors
/// A bad encoding, a scheme that was not offered, or a signature that is not by the certificate's key.
pub(crate) fn verify_tls12(
    message: &[u8],
    certificate: &CertificateDer<'_>,
    signature: &DigitallySignedStruct,
) -> Result<HandshakeSignatureValid, rustls::Error> {
    let spki = certificate::spki_der(certificate)?;
    let key = webpki::RawPublicKeyEntity::try_from(&spki)
        .map_err(|_| rustls::Error::from(CertificateError::BadEncoding))?;
    let (_, candidates) = provider::signature_algorithms()
        .mapping
        .iter()
        .find(|(scheme, _)| *scheme == signature.scheme)
        .ok_or(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme)?;
    let proofs =
        candidates.iter().filter_map(|algorithm| KeyProven::by(&key, *algorithm, message, signature));
    proofs.map(KeyProven::assertion).next().ok_or_else(|| CertificateError::BadSignature.into())
}

/// That a message was signed with the key of a certificate.
struct KeyProven(());

impl KeyProven {
    fn by(
        key: &webpki::RawPublicKeyEntity<'_>,
        algorithm: &dyn SignatureVerificationAlgorithm,
        message: &[u8],
        signature: &DigitallySignedStruct,
    ) -> Option<Self> {
        key.verify_signature(algorithm, message, signature.signature()).ok().map(|()| Self(()))
    }

    /// What rustls wants to hear.
    fn assertion(self) -> HandshakeSignatureValid {
        HandshakeSignatureValid::assertion()
    }
}
