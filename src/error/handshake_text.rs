//! Failures of a handshake as sentences, in terms of the two nodes.

use std::fmt;

use super::{HandshakeError, peer_text, tls_text};

impl fmt::Display for HandshakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::Tls(error) => Some(tls_text::tls_text(error)),
            Self::NoSession(error) => Some(error.to_string()),
            other => chain_text(other).or_else(|| verdict_text(other)).or_else(|| end_text(other)),
        };
        f.write_str(text.as_deref().unwrap_or_else(|| self.kind()))
    }
}

fn chain_text(error: &HandshakeError) -> Option<String> {
    Some(match error {
        HandshakeError::CertificateExpired { subject, serial, not_after_unix_s, now_unix_s } => format!(
            "a certificate in the peer's chain, that of {} with the serial number {}, expired on {}, and it is {} now",
            peer_text::cut(subject),
            peer_text::cut(serial),
            tls_text::date_of(*not_after_unix_s),
            tls_text::date_of(*now_unix_s)
        ),
        HandshakeError::CertificateNotYetValid { subject, serial, not_before_unix_s, now_unix_s } => format!(
            "a certificate in the peer's chain, that of {} with the serial number {}, is not valid before {}, \
             and it is {} now",
            peer_text::cut(subject),
            peer_text::cut(serial),
            tls_text::date_of(*not_before_unix_s),
            tls_text::date_of(*now_unix_s)
        ),
        HandshakeError::ChainTooDeep { intermediates, depth } => format!(
            "the peer's certificate chain has {intermediates} intermediate certificates, \
             and depth allows {depth}"
        ),
        HandshakeError::ChainRefused(fault) => fault.to_string(),
        HandshakeError::SelfSignedPeer => {
            "the peer's certificate is self-signed; give it one that an authority in \
             cacertfile issued, or pin it with verify_fun {rustls_dist, verify_pinned, [FINGERPRINT]}"
                .to_owned()
        }
        HandshakeError::AuthorityMayNotSign { subject } => {
            format!(
                "the certificate of {} is not meant for signing certificates (keyUsage lacks keyCertSign)",
                peer_text::cut(subject)
            )
        }
        HandshakeError::TrustAnchorNotValid { subject, not_before_unix_s, not_after_unix_s } => format!(
            "the trust anchor {subject} is valid from {} to {} only; replace it in cacertfile",
            tls_text::date_of(*not_before_unix_s),
            tls_text::date_of(*not_after_unix_s)
        ),
        _ => return None,
    })
}

fn verdict_text(error: &HandshakeError) -> Option<String> {
    Some(match error {
        HandshakeError::NameMismatch { expected, presented } if presented.is_empty() => {
            format!("the server's certificate names no host at all, and {expected:?} was dialled")
        }
        HandshakeError::NameMismatch { expected, presented } => format!(
            "the server's certificate does not name the host {expected:?}; it names {}",
            peer_text::cut(&presented.join(", "))
        ),
        HandshakeError::CommonNameConstrained { expected } => format!(
            "the server's certificate names the host {expected:?} by its common name alone, which does not count below an \
             authority that constrains names (nameConstraints); issue one with the host in its subjectAltName"
        ),
        HandshakeError::RefusedByReferee { reason, .. } => reason.clone(),
        HandshakeError::AlertReceived(alert) => tls_text::alert_received_text(*alert),
        _ => return None,
    })
}

fn end_text(error: &HandshakeError) -> Option<String> {
    Some(match error {
        HandshakeError::HandshakeTooLarge { limit_bytes } => {
            format!(
                "the peer's handshake messages are too long: 65535 bytes is the most for one, {limit_bytes} for all; \
                 is its certificate chain that long?"
            )
        }
        HandshakeError::HelloTooLarge { limit_bytes } => {
            format!(
                "the peer's client hello is longer than {limit_bytes} bytes, which is more than any TLS node has to say"
            )
        }
        HandshakeError::Closed => "the connection is closed".to_owned(),
        HandshakeError::Panicked => {
            "a handshake step panicked; this is a fault of rustls_dist, please report it".to_owned()
        }
        _ => return None,
    })
}
