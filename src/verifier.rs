//! The verdict on a peer's certificate: rustls' verifier traits, with webpki as the judge of record.

use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;
use rustls::AlertDescription;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, OtherError, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use webpki::{EndEntityCert, KeyUsage, VerifiedPath};

use crate::certificate::CertificateFacts;
use crate::chain_rules;
use crate::error::Error;
use crate::hostname::{self, CommonNamePolicy};
use crate::provider;
use crate::referee::LastWord;
use crate::signature;
use crate::trust::TrustStore;

/// How a peer's certificate chain is judged.
#[derive(Clone)]
pub enum ChainPolicy {
    /// Any certificate will do: the link is encrypted, the peer is anyone.
    Unchecked,
    /// The chain must reach a trust anchor through at most `depth` intermediates that are not self-issued.
    Anchored {
        /// Trust anchors and spare intermediates.
        trust: Arc<TrustStore>,
        /// OTP's `depth`.
        depth: usize,
    },
}

/// Which name the server's certificate must carry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExpectedName {
    /// Any: only for links whose chain is not checked, or where the user turned the check off.
    Any,
    /// This host name or IP address.
    Host(String),
}

/// Whether a server insists on a client certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientAuth {
    /// OTP's `fail_if_no_peer_cert false`: a client without certificate is let in.
    Optional,
    /// OTP's `fail_if_no_peer_cert true`.
    Required,
}

/// Why a verifier refused, kept beside rustls: its own errors have no room for ours, but decide which alert is sent.
#[derive(Clone, Default)]
pub(crate) struct Refusal(Arc<Mutex<Option<Error>>>);

impl Refusal {
    /// Keeps `error` and gives the error of rustls that sends the alert which belongs to it.
    fn note(&self, error: Error) -> rustls::Error {
        let carrier = match error.alert() {
            Some(AlertDescription::BadCertificate) => CertificateError::BadEncoding.into(),
            Some(AlertDescription::UnsupportedCertificate) => CertificateError::InvalidPurpose.into(),
            Some(AlertDescription::CertificateRevoked) => CertificateError::Revoked.into(),
            Some(AlertDescription::CertificateExpired) => CertificateError::Expired.into(),
            Some(AlertDescription::UnknownCA) => CertificateError::UnknownIssuer.into(),
            Some(AlertDescription::DecryptError) => CertificateError::BadSignature.into(),
            Some(AlertDescription::AccessDenied) => CertificateError::ApplicationVerificationFailure.into(),
            Some(AlertDescription::HandshakeFailure) => rustls::Error::General("refused".into()),
            _ => CertificateError::Other(OtherError(Arc::new(error.clone()))).into(),
        };
        *self.0.lock() = Some(error);
        carrier
    }

    /// Takes the reason out, if there is one.
    pub(crate) fn take(&self) -> Option<Error> {
        self.0.lock().take()
    }
}

/// Judges servers, for a client.
pub(crate) struct ServerVerifier {
    pub(crate) chain: ChainPolicy,
    pub(crate) name: ExpectedName,
    pub(crate) common_name: CommonNamePolicy,
    pub(crate) last_word: LastWord,
    pub(crate) refusal: Refusal,
}

/// Judges clients, for a server that asks for certificates.
pub(crate) struct ClientVerifier {
    pub(crate) trust: Arc<TrustStore>,
    pub(crate) depth: usize,
    pub(crate) auth: ClientAuth,
    pub(crate) last_word: LastWord,
    pub(crate) refusal: Refusal,
}

impl ServerVerifier {
    fn judge(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), Error> {
        let ChainPolicy::Anchored { trust, depth } = &self.chain else {
            return Ok(());
        };
        let verdict = verify_chain(trust, *depth, end_entity, intermediates, KeyUsage::server_auth(), now)
            .and_then(|()| self.judge_name(end_entity));
        self.last_word.on(end_entity, intermediates, verdict)
    }

    fn judge_name(&self, end_entity: &CertificateDer<'_>) -> Result<(), Error> {
        match &self.name {
            ExpectedName::Any => Ok(()),
            ExpectedName::Host(host) => {
                hostname::verify(&CertificateFacts::from_der(end_entity)?, host, self.common_name)
            }
        }
    }
}

impl ServerCertVerifier for ServerVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.judge(end_entity, intermediates, now)
            .map(|()| ServerCertVerified::assertion())
            .map_err(|error| self.refusal.note(error))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        signature::verify_tls12(message, cert, dss, &provider::signature_algorithms())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        signature::verify_tls13(message, cert, dss, &provider::signature_algorithms())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider::signature_algorithms().supported_schemes()
    }
}

impl ClientCertVerifier for ClientVerifier {
    fn client_auth_mandatory(&self) -> bool {
        self.auth == ClientAuth::Required
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.trust.subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        let usage = KeyUsage::client_auth();
        let verdict = verify_chain(&self.trust, self.depth, end_entity, intermediates, usage, now);
        self.last_word
            .on(end_entity, intermediates, verdict)
            .map(|()| ClientCertVerified::assertion())
            .map_err(|error| self.refusal.note(error))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        signature::verify_tls12(message, cert, dss, &provider::signature_algorithms())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        signature::verify_tls13(message, cert, dss, &provider::signature_algorithms())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider::signature_algorithms().supported_schemes()
    }
}

impl fmt::Debug for ServerVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerVerifier").field("name", &self.name).finish_non_exhaustive()
    }
}

impl fmt::Debug for ClientVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientVerifier").field("auth", &self.auth).finish_non_exhaustive()
    }
}

/// Path building and validation by webpki (RFC 5280 section 6), with OTP's rules on top that webpki lacks. A path that
/// breaks one is passed over for the next, and the reason kept for when there is none.
fn verify_chain(
    trust: &TrustStore,
    depth: usize,
    end_entity: &CertificateDer<'_>,
    intermediates: &[CertificateDer<'_>],
    usage: KeyUsage,
    now: UnixTime,
) -> Result<(), Error> {
    let algorithms: WebPkiSupportedAlgorithms = provider::signature_algorithms();
    let certificate = EndEntityCert::try_from(end_entity).map_err(webpki_error)?;
    let candidates: Vec<CertificateDer<'_>> =
        intermediates.iter().chain(trust.intermediates()).cloned().collect();
    let refusal = RefCell::new(None);
    let rules = |path: &VerifiedPath<'_>| {
        chain_rules::check(path, end_entity, trust, depth, now).map_err(|error| {
            *refusal.borrow_mut() = Some(error);
            webpki::Error::UnknownIssuer
        })
    };
    certificate
        .verify_for_usage(algorithms.all, trust.anchors(), &candidates, now, usage, None, Some(&rules))
        .map(|_path| ())
        .map_err(|error| refusal.take().unwrap_or_else(|| webpki_error(error)))
}

/// What rustls itself makes of webpki's errors, for the alert and the text to be the same.
fn webpki_error(error: webpki::Error) -> Error {
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
        Webpki::UnsupportedSignatureAlgorithmContext(context) => {
            CertificateError::UnsupportedSignatureAlgorithmContext {
                signature_algorithm_id: context.signature_algorithm_id,
                supported_algorithms: context.supported_algorithms,
            }
        }
        Webpki::UnsupportedSignatureAlgorithmForPublicKeyContext(context) => {
            CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext {
                signature_algorithm_id: context.signature_algorithm_id,
                public_key_algorithm_id: context.public_key_algorithm_id,
            }
        }
        Webpki::RequiredEkuNotFoundContext(_) => CertificateError::InvalidPurpose,
        other => CertificateError::Other(OtherError(Arc::new(other))),
    };
    Error::Tls(verdict.into())
}
