//! What rustls and the peer say, as sentences.

use std::fmt;

use rustls::pki_types::UnixTime;
use rustls::{AlertDescription, CertificateError, OtherError, PeerIncompatible};
use x509_parser::time::ASN1Time;

use super::alert_name;
use crate::certificate;
use crate::provider::SIGNATURES;

/// One sentence for an error of rustls, in terms of the two nodes.
pub(super) fn tls_text(error: &rustls::Error) -> String {
    use rustls::Error as E;
    match error {
        E::InvalidCertificate(verdict) => certificate_text(verdict),
        E::PeerIncompatible(why) => incompatible_text(why),
        E::AlertReceived(alert) => alert_received_text(*alert),
        E::NoCertificatesPresented => format!(
            "the peer sent no certificate, and one is required of it; it has none, or none that this node can check: such as \
             are for keys of, and signed with, {SIGNATURES}"
        ),
        E::InvalidCertRevocationList(why) => {
            format!("a certificate revocation list cannot be used: {}", in_words(why))
        }
        E::InvalidMessage(why) => {
            format!(
                "the peer sent a message that is not valid TLS ({}); is it speaking TLS at all?",
                in_words(why)
            )
        }
        E::PeerMisbehaved(why) => format!("the peer broke the rules of TLS ({})", in_words(why)),
        E::InappropriateMessage { got_type, .. } => {
            format!("the peer sent a record that has no place at this point ({})", in_words(got_type))
        }
        E::InappropriateHandshakeMessage { got_type, .. } => {
            format!(
                "the peer sent a handshake message that has no place at this point ({})",
                in_words(got_type)
            )
        }
        other => other.to_string(),
    }
}

/// One sentence for an alert that the peer sent, with what it usually means between two nodes.
pub(super) fn alert_received_text(alert: AlertDescription) -> String {
    let meaning = match alert {
        AlertDescription::UnknownCA => "it does not trust the authority that issued this node's certificate",
        AlertDescription::CertificateExpired => "this node's certificate has expired or is not valid yet",
        AlertDescription::CertificateRevoked => "this node's certificate is revoked",
        AlertDescription::BadCertificate
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::CertificateUnknown => "it does not accept this node's certificate",
        AlertDescription::CertificateRequired => "it requires a certificate and this node sent none",
        AlertDescription::HandshakeFailure => {
            "the two nodes' options have no common ground, or it refused this node's certificate"
        }
        AlertDescription::ProtocolVersion => "the two nodes have no TLS version in common",
        AlertDescription::InsufficientSecurity => "it asks for stronger cipher suites",
        AlertDescription::DecryptError => "a signature or a key did not check out",
        AlertDescription::AccessDenied => "its own rules refuse this node",
        AlertDescription::InternalError => "it failed for a reason of its own; see its log",
        _ => {
            return format!("the peer ended the connection with the alert {}", alert_name(alert));
        }
    };
    format!("the peer refused the connection with the alert {}: {meaning}", alert_name(alert))
}

fn certificate_text(verdict: &CertificateError) -> String {
    use CertificateError as C;
    let what = match verdict {
        C::BadEncoding => "is not correctly encoded",
        C::Expired => "has expired",
        C::NotValidYet => "is not valid yet",
        C::ExpiredContext { time, not_after } => {
            return format!(
                "a certificate in the peer's chain expired on {}, and it is {} now",
                date(*not_after),
                date(*time)
            );
        }
        C::NotValidYetContext { time, not_before } => {
            return format!(
                "a certificate in the peer's chain is not valid before {}, and it is {} now",
                date(*not_before),
                date(*time)
            );
        }
        C::ExpiredRevocationListContext { time, next_update } => {
            return format!(
                "a certificate revocation list was due to be renewed on {}, and it is {} now",
                date(*next_update),
                date(*time)
            );
        }
        C::Revoked => "has been revoked",
        C::UnhandledCriticalExtension => "has a critical extension that is not understood",
        C::UnknownIssuer => "was issued by an authority that is not in cacertfile",
        C::UnknownRevocationStatus => "is covered by no certificate revocation list",
        C::BadSignature => "is not signed by the authority it names, or the peer does not hold its key",
        C::InvalidPurpose | C::InvalidPurposeContext { .. } => {
            "is not meant for this use (extended key usage); issue one with serverAuth and clientAuth"
        }
        C::ApplicationVerificationFailure => "was refused by this node's own rules",
        C::Other(OtherError(why)) => return format!("the peer's certificate was refused: {}", in_words(why)),
        other => return format!("the peer's certificate was refused: {}", in_words(other)),
    };
    format!("a certificate in the peer's chain {what}")
}

fn incompatible_text(why: &PeerIncompatible) -> String {
    use PeerIncompatible as P;
    let what = match why {
        P::NoCipherSuitesInCommon => "no cipher suite in common (option ciphers)",
        P::NoKxGroupsInCommon => "no key exchange group in common",
        P::NoSignatureSchemesInCommon => {
            "no signature scheme in common; does the kind of key fit the cipher suites?"
        }
        P::ServerDoesNotSupportTls12Or13
        | P::ServerTlsVersionIsDisabledByOurConfig
        | P::SupportedVersionsExtensionRequired
        | P::Tls12NotOffered
        | P::Tls12NotOfferedOrEnabled => "no TLS version in common (option versions)",
        P::ExtendedMasterSecretExtensionRequired => {
            "no extended master secret, which TLS 1.2 is required to have"
        }
        other => return format!("the peer lacks something that is required: {}", in_words(other)),
    };
    format!("this node and the peer have {what}")
}

/// The name of a variant in words, for faults that have no sentence here: `MissingData("name")` is "missing data".
fn in_words(variant: &dyn fmt::Debug) -> String {
    let shown = format!("{variant:?}");
    let mut words = String::new();
    let mut before = ' ';
    for character in shown.chars().take_while(char::is_ascii_alphanumeric) {
        if character.is_ascii_uppercase() && before.is_ascii_lowercase() {
            words.push(' ');
        }
        words.push(character.to_ascii_lowercase());
        before = character;
    }
    words
}

/// A time as `2025-01-31 12:00:00 UTC`.
fn date(time: UnixTime) -> String {
    date_of(certificate::unix_s(time))
}

/// The same for seconds since 1970.
pub(super) fn date_of(unix_s: i64) -> String {
    let Ok(time) = ASN1Time::from_timestamp(unix_s) else {
        return format!("{unix_s} s after 1970");
    };
    let t = time.to_datetime();
    format!(
        "{:04}-{:02}-{:02} {:02}:{:02}:{:02} UTC",
        t.year(),
        u8::from(t.month()),
        t.day(),
        t.hour(),
        t.minute(),
        t.second()
    )
}
