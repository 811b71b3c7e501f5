//! The verdict on a peer's certificate: rustls' verifier traits, with webpki as the judge of record.

use std::fmt;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, OtherError, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use webpki::{EndEntityCert, KeyUsage, VerifiedPath};

use crate::certificate::CertificateFacts;
use crate::error::Error;
use crate::hostname::{self, CommonNamePolicy};
use crate::provider;
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

/// Judges servers, for a client.
pub(crate) struct ServerVerifier {
    pub(crate) chain: ChainPolicy,
    pub(crate) name: ExpectedName,
    pub(crate) common_name: CommonNamePolicy,
}

/// Judges clients, for a server that asks for certificates.
pub(crate) struct ClientVerifier {
    pub(crate) trust: Arc<TrustStore>,
    pub(crate) depth: usize,
    pub(crate) auth: ClientAuth,
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
        let ChainPolicy::Anchored { trust, depth } = &self.chain else {
            return Ok(ServerCertVerified::assertion());
        };
        verify_chain(trust, *depth, end_entity, intermediates, KeyUsage::server_auth(), now)?;
        if let ExpectedName::Host(host) = &self.name {
            let facts = CertificateFacts::from_der(end_entity).map_err(into_rustls)?;
            hostname::verify(&facts, host, self.common_name).map_err(into_rustls)?;
        }
        Ok(ServerCertVerified::assertion())
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
        verify_chain(&self.trust, self.depth, end_entity, intermediates, usage, now)?;
        Ok(ClientCertVerified::assertion())
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

/// Path building and validation by webpki (RFC 5280 section 6), with OTP's `depth` on top, which webpki lacks.
fn verify_chain(
    trust: &TrustStore,
    depth: usize,
    end_entity: &CertificateDer<'_>,
    intermediates: &[CertificateDer<'_>],
    usage: KeyUsage,
    now: UnixTime,
) -> Result<(), rustls::Error> {
    let algorithms: WebPkiSupportedAlgorithms = provider::signature_algorithms();
    let certificate = EndEntityCert::try_from(end_entity).map_err(webpki_error)?;
    let candidates: Vec<CertificateDer<'_>> =
        intermediates.iter().chain(trust.intermediates()).cloned().collect();
    let within_depth = |path: &VerifiedPath<'_>| {
        let counted = path
            .intermediate_certificates()
            .filter(|certificate| certificate.subject() != certificate.issuer())
            .count();
        if counted > depth {
            return Err(webpki::Error::MaximumPathDepthExceeded);
        }
        Ok(())
    };
    certificate
        .verify_for_usage(algorithms.all, trust.anchors(), &candidates, now, usage, None, Some(&within_depth))
        .map(|_path| ())
        .map_err(|error| match error {
            webpki::Error::MaximumPathDepthExceeded => {
                into_rustls(Error::ChainTooDeep { intermediates: intermediates.len(), depth })
            }
            other => webpki_error(other),
        })
}

/// Carries one of our errors through rustls, which sends the alert that belongs to it; the handshake takes it out
/// again.
fn into_rustls(error: Error) -> rustls::Error {
    match error {
        Error::Tls(error) => error,
        other => CertificateError::Other(OtherError(Arc::new(other))).into(),
    }
}

/// What rustls itself makes of webpki's errors, for the alert and the text to be the same.
fn webpki_error(error: webpki::Error) -> rustls::Error {
    use webpki::Error as Webpki;
    match error {
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
    }
    .into()
}
