//! Errors as TLS alerts (RFC 8446 section 6), and the alerts' names.

use rustls::{AlertDescription, InvalidMessage, PeerMisbehaved};

use super::{HandshakeError, RecordError};

impl HandshakeError {
    /// The alert that the peer is owed for this error, as RFC 8446 section 6.2 has it. Whether it is sent, and for what
    /// rustls finds in a handshake which one, is another question.
    ///
    /// `None` when nothing may be sent any more: the peer itself ended the connection.
    /// Where the RFC leaves a choice, the one of rustls is taken, so that it makes no difference which of
    /// the two found the fault.
    pub fn alert(&self) -> Option<AlertDescription> {
        Some(match self {
            Self::AlertReceived(_) | Self::Closed => return None,
            Self::Tls(error) => return tls_alert(error),
            Self::NoSession(error) => return error.alert(),
            Self::NameMismatch { .. } | Self::CommonNameConstrained { .. } | Self::SelfSignedPeer => {
                AlertDescription::BadCertificate
            }
            Self::ChainRefused(fault) => fault.alert(),
            Self::AuthorityMayNotSign { .. } => AlertDescription::UnsupportedCertificate,
            Self::TrustAnchorNotValid { .. }
            | Self::CertificateExpired { .. }
            | Self::CertificateNotYetValid { .. } => AlertDescription::CertificateExpired,
            Self::RefusedByReferee { alert, .. } => *alert,
            // No trust anchor was found within the distance that is looked at, which is what
            // unknown_ca says ("the CA certificate could not be located").
            Self::ChainTooDeep { .. } => AlertDescription::UnknownCA,
            Self::HandshakeTooLarge { .. } | Self::HelloTooLarge { .. } => AlertDescription::DecodeError,
            // It went with the connection.
            Self::Panicked => return None,
        })
    }
}

impl RecordError {
    /// The alert that the peer is owed for this error, as [`HandshakeError::alert`]; `None` when the direction is closed.
    pub fn alert(&self) -> Option<AlertDescription> {
        Some(match self {
            Self::Closed => return None,
            Self::Tls(error) => return tls_alert(error),
            Self::RecordTooLong { .. } | Self::RecordOversized => AlertDescription::RecordOverflow,
            Self::BadRecord => AlertDescription::BadRecordMac,
            Self::UnexpectedRecord(_)
            | Self::UntypedRecord
            | Self::TooManyEmptyRecords
            | Self::TooManyWarnings
            | Self::TooManyKeyUpdates
            | Self::UnexpectedHandshakeMessage { .. } => AlertDescription::UnexpectedMessage,
            Self::MalformedHandshakeMessage { .. } => AlertDescription::DecodeError,
            Self::UnknownKeyUpdate { .. } => AlertDescription::IllegalParameter,
            Self::RenegotiationRefused => AlertDescription::NoRenegotiation,
            // Everything sent so far is whole and nobody is at fault: an orderly end.
            Self::KeysExhausted => AlertDescription::CloseNotify,
            // The TLS stream is in order. A packet that is too long has no alert of its own.
            Self::PacketTooLong { .. } | Self::UnknownKeys => AlertDescription::InternalError,
        })
    }
}

/// What rustls' errors stand for: where it sends an alert itself, the same one but for a few that do not fit its error, and
/// [`crate::handshake::Failure::alert`] says which it was. Some faults it answers with silence; then it is this one.
fn tls_alert(error: &rustls::Error) -> Option<AlertDescription> {
    use rustls::Error as E;
    Some(match error {
        E::AlertReceived(_) => return None,
        E::InvalidCertificate(verdict) => AlertDescription::from(verdict.clone()),
        E::PeerSentOversizedRecord => AlertDescription::RecordOverflow,
        E::DecryptError => AlertDescription::BadRecordMac,
        E::InappropriateMessage { .. } | E::InappropriateHandshakeMessage { .. } => {
            AlertDescription::UnexpectedMessage
        }
        // RFC 8446 section 5: a record type that is unexpected.
        E::InvalidMessage(InvalidMessage::InvalidContentType) => AlertDescription::UnexpectedMessage,
        E::InvalidMessage(_) => AlertDescription::DecodeError,
        E::PeerMisbehaved(fault) => misbehaviour_alert(fault),
        E::PeerIncompatible(_) => AlertDescription::HandshakeFailure,
        E::NoCertificatesPresented => AlertDescription::CertificateRequired,
        _ => AlertDescription::InternalError,
    })
}

/// What comes where it may not, or too often, is unexpected; a value that may not be there is an illegal parameter.
fn misbehaviour_alert(fault: &PeerMisbehaved) -> AlertDescription {
    use PeerMisbehaved as P;
    match fault {
        P::MessageInterleavedWithHandshakeMessage
        | P::RejectedEarlyDataInterleavedWithHandshakeMessage
        | P::KeyEpochWithPendingFragment
        | P::IllegalMiddleboxChangeCipherSpec
        | P::IllegalTlsInnerPlaintext
        | P::TooManyEmptyFragments
        | P::TooManyKeyUpdateRequests
        | P::TooManyRenegotiationRequests
        | P::TooManyWarningAlertsReceived => AlertDescription::UnexpectedMessage,
        P::UnsolicitedCertExtension
        | P::UnsolicitedEncryptedExtension
        | P::UnsolicitedServerHelloExtension => AlertDescription::UnsupportedExtension,
        _ => AlertDescription::IllegalParameter,
    }
}

/// The name of an alert as RFC 8446 section 6 and RFC 5246 section 7.2 spell it, for example
/// `"certificate_expired"`; `"unknown_alert"` for a code that no RFC assigns.
pub fn alert_name(alert: AlertDescription) -> &'static str {
    use AlertDescription as A;
    match alert {
        A::CloseNotify => "close_notify",
        A::UnexpectedMessage => "unexpected_message",
        A::BadRecordMac => "bad_record_mac",
        A::DecryptionFailed => "decryption_failed",
        A::RecordOverflow => "record_overflow",
        A::DecompressionFailure => "decompression_failure",
        A::HandshakeFailure => "handshake_failure",
        A::NoCertificate => "no_certificate",
        A::BadCertificate => "bad_certificate",
        A::UnsupportedCertificate => "unsupported_certificate",
        A::CertificateRevoked => "certificate_revoked",
        A::CertificateExpired => "certificate_expired",
        A::CertificateUnknown => "certificate_unknown",
        A::IllegalParameter => "illegal_parameter",
        A::UnknownCA => "unknown_ca",
        A::AccessDenied => "access_denied",
        A::DecodeError => "decode_error",
        A::DecryptError => "decrypt_error",
        A::ExportRestriction => "export_restriction",
        A::ProtocolVersion => "protocol_version",
        A::InsufficientSecurity => "insufficient_security",
        A::InternalError => "internal_error",
        A::InappropriateFallback => "inappropriate_fallback",
        A::UserCanceled => "user_canceled",
        A::NoRenegotiation => "no_renegotiation",
        A::MissingExtension => "missing_extension",
        A::UnsupportedExtension => "unsupported_extension",
        A::CertificateUnobtainable => "certificate_unobtainable",
        A::UnrecognisedName => "unrecognized_name",
        A::BadCertificateStatusResponse => "bad_certificate_status_response",
        A::BadCertificateHashValue => "bad_certificate_hash_value",
        A::UnknownPSKIdentity => "unknown_psk_identity",
        A::CertificateRequired => "certificate_required",
        A::NoApplicationProtocol => "no_application_protocol",
        A::EncryptedClientHelloRequired => "ech_required",
        _ => "unknown_alert",
    }
}
