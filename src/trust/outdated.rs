//! Which certificate of a chain is out of date: webpki tells the time that was missed, and not whose it was.

use rustls::CertificateError;
use rustls::pki_types::CertificateDer;

use crate::certificate::{self, CertificateFacts};
use crate::error::HandshakeError;

/// `error` with the certificate of `chain` that it is about, if it is one about time and the certificate is found.
pub(crate) fn named<'a>(
    error: HandshakeError,
    chain: impl IntoIterator<Item = &'a CertificateDer<'a>>,
) -> HandshakeError {
    let HandshakeError::Tls(rustls::Error::InvalidCertificate(verdict)) = &error else {
        return error;
    };
    let (now, limit, expired) = match verdict {
        CertificateError::ExpiredContext { time, not_after } => {
            (certificate::unix_s(*time), certificate::unix_s(*not_after), true)
        }
        CertificateError::NotValidYetContext { time, not_before } => {
            (certificate::unix_s(*time), certificate::unix_s(*not_before), false)
        }
        _ => return error,
    };
    let found = chain
        .into_iter()
        .filter_map(|der| CertificateFacts::from_der(der).ok())
        .find(|facts| limit == if expired { facts.not_after_unix_s } else { facts.not_before_unix_s });
    match found {
        Some(CertificateFacts { subject, serial, .. }) if expired => {
            HandshakeError::CertificateExpired { subject, serial, not_after_unix_s: limit, now_unix_s: now }
        }
        Some(CertificateFacts { subject, serial, .. }) => HandshakeError::CertificateNotYetValid {
            subject,
            serial,
            not_before_unix_s: limit,
            now_unix_s: now,
        },
        None => error,
    }
}
