//! Where the last word on a certificate chain is not webpki's alone: the user's own rules, in another language and
//! another process.

use rustls::AlertDescription;
use rustls_pki_types::CertificateDer;

use crate::error::HandshakeError;

/// One chain to be judged.
#[derive(Debug, Clone)]
pub struct Case {
    /// The peer's certificates as it sent them, leaf first.
    pub chain: Vec<CertificateDer<'static>>,
    /// The first fault that webpki finds, or the check of the name where that is not left to the referee.
    pub fault: Option<HandshakeError>,
}

/// A referee's word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ruling {
    /// The peer is accepted.
    Accepted,
    /// It is refused.
    Refused {
        /// The alert that the peer is owed.
        alert: AlertDescription,
        /// The reason, for people.
        reason: String,
    },
}

/// Judges a chain after webpki did. It may refuse what webpki accepts, and accept what webpki refuses: that is what a
/// user's verification function is for.
///
/// It is called in the middle of a handshake step, on the thread of that step, and may wait.
pub trait Referee: Send + Sync {
    /// The final verdict.
    fn judge(&self, case: Case) -> Ruling;
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

/// That a referee accepted a peer.
#[derive(Debug)]
pub(super) struct AcceptedByReferee(());

/// Asks for the final verdict on a chain in which webpki, or the check of the name, found `fault`.
///
/// # Errors
/// [`HandshakeError::RefusedByReferee`].
pub(super) fn ask(
    referee: &dyn Referee,
    end_entity: &CertificateDer<'_>,
    intermediates: &[CertificateDer<'_>],
    fault: Option<HandshakeError>,
) -> Result<AcceptedByReferee, HandshakeError> {
    let chain = std::iter::once(end_entity).chain(intermediates);
    let chain = chain.map(|certificate| certificate.clone().into_owned()).collect();
    match referee.judge(Case { chain, fault }) {
        Ruling::Accepted => Ok(AcceptedByReferee(())),
        Ruling::Refused { alert, reason } => Err(HandshakeError::RefusedByReferee { alert, reason }),
    }
}
