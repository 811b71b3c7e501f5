//! Where the last word on a certificate chain is not webpki's alone: the user's own rules, in another language and
//! another process.

use rustls_pki_types::CertificateDer;

use crate::error::HandshakeError;

/// One chain to be judged.
#[derive(Debug, Clone)]
pub struct Case {
    /// The peer's certificates as it sent them, leaf first.
    pub chain: Vec<CertificateDer<'static>>,
    /// What webpki, and the check of the name, say.
    pub verdict: Result<(), HandshakeError>,
}

/// Judges a chain after webpki did. It may refuse what webpki accepts, and accept what webpki refuses: that is what a
/// user's verification function is for.
///
/// It is called in the middle of a handshake step, on the thread of that step, and may wait.
pub trait Referee: Send + Sync {
    /// The final verdict.
    ///
    /// # Errors
    /// Why the chain is refused; [`HandshakeError::alert`] is sent to the peer.
    fn judge(&self, case: Case) -> Result<(), HandshakeError>;
}

/// Who has the last word.
#[derive(Clone, Default)]
pub enum LastWord {
    /// webpki and the check of the name.
    #[default]
    Webpki,
    /// A referee.
    Referee(std::sync::Arc<dyn Referee>),
}

impl LastWord {
    /// The final verdict on a chain that webpki judged with `verdict`.
    ///
    /// # Errors
    /// Why the chain is refused.
    pub(crate) fn on(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        verdict: Result<(), HandshakeError>,
    ) -> Result<(), HandshakeError> {
        match self {
            Self::Webpki => verdict,
            Self::Referee(referee) => {
                let chain = std::iter::once(end_entity).chain(intermediates);
                let chain = chain.map(|certificate| certificate.clone().into_owned()).collect();
                referee.judge(Case { chain, verdict })
            }
        }
    }
}
