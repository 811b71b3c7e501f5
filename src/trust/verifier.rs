//! rustls' verifier traits: chain, name, and the referee's last word, in this order.

use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;
use rustls::AlertDescription;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, OtherError, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use crate::certificate::{self, CertificateFacts};
use crate::error::{ChainFault, HandshakeError};
use crate::lease::Lease;
use crate::trust::TrustStore;
use crate::trust::accepted;
use crate::trust::chain::{self, ChainVerified, NameScope, PeerRole, rules};
use crate::trust::hostname::{self, CommonNamePolicy};
use crate::trust::policy::{ChainPolicy, ClientAuth, ExpectedName};
use crate::trust::referee::{self, LastWord};
use crate::trust::signature;

/// What a verifier finds out, kept beside rustls, which has no room for it.
#[derive(Clone, Default)]
pub(crate) struct Findings(Arc<Mutex<Found>>);

#[derive(Default)]
struct Found {
    /// Why it refused. rustls' own errors decide which alert is sent.
    refusal: Option<HandshakeError>,
    /// What the path that it accepted says of names.
    names: Option<NameScope>,
}

impl Findings {
    /// Keeps `error` and gives the error of rustls that sends the alert which belongs to it. rustls sends no other
    /// alerts for a certificate than these: a referee's wish for one becomes certificate_unknown, in the reason, too.
    fn refuse(&self, error: HandshakeError) -> rustls::Error {
        let carrier = match error.alert() {
            Some(AlertDescription::BadCertificate) => CertificateError::BadEncoding.into(),
            Some(AlertDescription::UnsupportedCertificate) => CertificateError::InvalidPurpose.into(),
            Some(AlertDescription::CertificateRevoked) => CertificateError::Revoked.into(),
            Some(AlertDescription::CertificateExpired) => CertificateError::Expired.into(),
            Some(AlertDescription::UnknownCA) => CertificateError::UnknownIssuer.into(),
            Some(AlertDescription::DecryptError) => CertificateError::BadSignature.into(),
            Some(AlertDescription::AccessDenied) => CertificateError::ApplicationVerificationFailure.into(),
            Some(AlertDescription::HandshakeFailure) => {
                rustls::Error::Other(OtherError(Arc::new(error.clone())))
            }
            _ => CertificateError::Other(OtherError(Arc::new(error.clone()))).into(),
        };
        self.0.lock().refusal = Some(match (error, &carrier) {
            (
                HandshakeError::RefusedByReferee { reason, .. },
                rustls::Error::InvalidCertificate(CertificateError::Other(_)),
            ) => HandshakeError::RefusedByReferee { alert: AlertDescription::CertificateUnknown, reason },
            (error, _) => error,
        });
        carrier
    }

    /// The outcome of checking the proof that the peer holds its key: where it cannot be checked at all, that is no forgery.
    fn proof(
        &self,
        certificate: &CertificateDer<'_>,
        outcome: Result<HandshakeSignatureValid, rustls::Error>,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        outcome.map_err(|error| match certificate::unsupported_key(certificate) {
            Some(kind) => self.refuse(HandshakeError::ChainRefused(ChainFault::PeerKey(kind))),
            None => error,
        })
    }

    /// Takes the reason for a refusal out, if there is one.
    pub(crate) fn refusal(&self) -> Option<HandshakeError> {
        self.0.lock().refusal.take()
    }

    /// What the peer's path says of names, if one was looked at.
    pub(crate) fn names(&self) -> Option<NameScope> {
        self.0.lock().names
    }

    /// Keeps what `verdict` says of names. Where webpki found no path and may be overruled, every certificate that might be
    /// in one counts.
    fn note_names(
        &self,
        verdict: &Result<ChainVerified, HandshakeError>,
        intermediates: &[CertificateDer<'_>],
        trust: &TrustStore,
    ) {
        let of_any = |certificates| rules::name_scope_of(certificates).unwrap_or(NameScope::Constrained);
        self.0.lock().names = Some(match verdict {
            Ok(chain) => chain.names(),
            Err(_) if of_any(trust.certificates()) == NameScope::Free => of_any(intermediates),
            Err(_) => NameScope::Constrained,
        });
    }
}

/// Judges servers, for a client.
pub(crate) struct ServerVerifier {
    pub(crate) chain: Lease<ChainPolicy>,
    pub(crate) name: ExpectedName,
    pub(crate) common_name: CommonNamePolicy,
    pub(crate) last_word: LastWord,
    pub(crate) findings: Findings,
}

/// Judges clients, for a server that asks for certificates.
pub(crate) struct ClientVerifier {
    pub(crate) trust: Arc<TrustStore>,
    pub(crate) depth: usize,
    pub(crate) auth: ClientAuth,
    pub(crate) last_word: LastWord,
    pub(crate) findings: Findings,
}

impl ServerVerifier {
    /// The verdict on a chain, without a handshake.
    pub(crate) fn check(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), HandshakeError> {
        self.judge(end_entity, intermediates, now).map(|_accepted| ())
    }

    fn judge(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<accepted::Server, HandshakeError> {
        // Nobody asks when the handshake is over.
        let chain = self.chain.get().ok_or(HandshakeError::Closed)?;
        let (trust, depth) = match chain.anchors() {
            Ok(anchors) => anchors,
            Err(waived) => return Ok(accepted::Server::Unchecked(waived)),
        };
        let chain = chain::verify(trust, depth, end_entity, intermediates, PeerRole::Server, now);
        self.findings.note_names(&chain, intermediates, trust);
        match &self.last_word {
            LastWord::Webpki => {
                let chain = chain?;
                let name = self.judge_name(end_entity, chain.names())?;
                Ok(accepted::Server::Verified(chain, name))
            }
            LastWord::Referee(referee) => {
                let fault = chain.and_then(|chain| self.judge_name_before_referee(end_entity, &chain)).err();
                let word = referee::ask(referee.as_ref(), end_entity, intermediates, fault)?;
                Ok(accepted::Server::ByReferee(word))
            }
        }
    }

    fn judge_name(
        &self,
        end_entity: &CertificateDer<'_>,
        names: NameScope,
    ) -> Result<accepted::Name, HandshakeError> {
        match self.name.host() {
            Err(waived) => Ok(accepted::Name::Unchecked(waived)),
            Ok(host) => {
                let facts = CertificateFacts::from_der(end_entity)?;
                hostname::verify(&facts, host, self.common_name, names).map(accepted::Name::Verified)
            }
        }
    }

    /// The name's fault for a referee, who has the last word on it; one that is left to it is not compared here.
    fn judge_name_before_referee(
        &self,
        end_entity: &CertificateDer<'_>,
        chain: &ChainVerified,
    ) -> Result<(), HandshakeError> {
        match self.name {
            ExpectedName::HostByReferee(_) => Ok(()),
            _ => self.judge_name(end_entity, chain.names()).map(|_| ()),
        }
    }
}

impl ClientVerifier {
    /// The verdict on a chain, without a handshake.
    pub(crate) fn check(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), HandshakeError> {
        self.judge(end_entity, intermediates, now).map(|_accepted| ())
    }

    fn judge(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<accepted::Client, HandshakeError> {
        let role = PeerRole::Client;
        let chain = chain::verify(&self.trust, self.depth, end_entity, intermediates, role, now);
        self.findings.note_names(&chain, intermediates, &self.trust);
        match &self.last_word {
            LastWord::Webpki => chain.map(accepted::Client::Verified),
            LastWord::Referee(referee) => {
                referee::ask(referee.as_ref(), end_entity, intermediates, chain.err())
                    .map(accepted::Client::ByReferee)
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
            .map(accepted::Server::assertion)
            .map_err(|error| self.findings.refuse(error))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.findings.proof(cert, signature::verify_tls12(message, cert, dss))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.findings.proof(cert, signature::verify_tls13(message, cert, dss))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        signature::schemes()
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
        self.judge(end_entity, intermediates, now)
            .map(accepted::Client::assertion)
            .map_err(|error| self.findings.refuse(error))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.findings.proof(cert, signature::verify_tls12(message, cert, dss))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.findings.proof(cert, signature::verify_tls13(message, cert, dss))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        signature::schemes()
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
