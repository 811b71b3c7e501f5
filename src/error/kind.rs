//! A stable tag for every error.

use rustls::{CertificateError, PeerIncompatible};

use super::Error;

impl Error {
    /// A stable tag in snake case, the same for every error of one kind; the Erlang side makes it an atom.
    ///
    /// The verdicts of rustls get a tag each, so that `certificate_expired` and `unknown_issuer` can be
    /// told apart without reading text.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::FileNotFound { .. } => "file_not_found",
            Self::FileUnreadable { .. } => "file_unreadable",
            Self::FileNotRegular { .. } => "file_not_regular",
            Self::FileTooLarge { .. } => "file_too_large",
            Self::NotPem { .. } | Self::BadPem { .. } => "not_pem",
            Self::NoCertificate { .. } => "no_certificate",
            Self::BadCertificate { .. } => "bad_certificate",
            Self::NoPrivateKey { .. } => "no_private_key",
            Self::SeveralPrivateKeys { .. } => "several_private_keys",
            Self::BadPrivateKey { .. } => "bad_private_key",
            Self::PasswordMissing { .. } => "password_missing",
            Self::PasswordWrong { .. } => "password_wrong",
            Self::LegacyEncryptedKey { .. } => "legacy_encrypted_key",
            Self::UnsupportedKeyEncryption { .. } => "unsupported_key_encryption",
            Self::UnsupportedKey { .. } => "unsupported_key",
            Self::KeyMismatch { .. } => "key_mismatch",
            Self::ChainTooLong { .. } | Self::ChainTooLarge { .. } => "chain_too_long",
            Self::BadTrustedCertificate { .. } | Self::OddTrustedCertificate { .. } => "bad_certificate",
            Self::NoTrustAnchor { .. } => "no_trust_anchor",
            Self::UnknownCipher { .. } => "unknown_cipher",
            Self::UnsupportedCipher { .. } | Self::UnusableCiphers { .. } => "unsupported_cipher",
            Self::NoCipherForVersion { .. } => "no_cipher_for_version",
            Self::OptionMissing { .. } => "option_missing",
            Self::AtOption { cause, .. } => cause.kind(),
            Self::Tls(error) => tls_kind(error),
            Self::CertificateExpired { .. } => "certificate_expired",
            Self::CertificateNotYetValid { .. } => "certificate_not_yet_valid",
            Self::ChainTooDeep { .. } => "chain_too_deep",
            Self::ChainRefused(fault) => fault.kind(),
            Self::SelfSignedPeer => "self_signed_peer",
            Self::AuthorityMayNotSign { .. } => "authority_may_not_sign",
            Self::TrustAnchorNotValid { .. } => "trust_anchor_not_valid",
            Self::NameMismatch { .. } | Self::CommonNameConstrained { .. } => "name_mismatch",
            Self::RefusedByReferee { .. } => "refused_by_referee",
            Self::AlertReceived(_) => "alert_received",
            Self::HandshakeTooLarge { .. } => "handshake_too_large",
            Self::HelloTooLarge { .. } => "hello_too_large",
            Self::RecordTooLong { .. } => "record_too_long",
            Self::BadRecord => "bad_record",
            Self::UnexpectedRecord(_) => "unexpected_record",
            Self::TooManyEmptyRecords => "too_many_empty_records",
            Self::TooManyKeyUpdates => "too_many_key_updates",
            Self::UnexpectedHandshakeMessage { .. } => "unexpected_handshake_message",
            Self::RenegotiationRefused => "renegotiation_refused",
            Self::PacketTooLong { .. } => "packet_too_long",
            Self::KeysExhausted => "keys_exhausted",
            Self::Closed => "closed",
        }
    }
}

fn tls_kind(error: &rustls::Error) -> &'static str {
    use rustls::Error as E;
    match error {
        E::InvalidCertificate(verdict) => certificate_kind(verdict),
        E::PeerIncompatible(why) => incompatible_kind(why),
        E::NoCertificatesPresented => "no_peer_certificate",
        E::InvalidCertRevocationList(_) => "bad_revocation_list",
        E::AlertReceived(_) => "alert_received",
        E::InappropriateMessage { .. } | E::InappropriateHandshakeMessage { .. } => "unexpected_message",
        E::InvalidMessage(_) => "invalid_message",
        E::PeerMisbehaved(_) => "peer_misbehaved",
        E::PeerSentOversizedRecord => "record_too_long",
        E::DecryptError => "bad_record",
        E::InconsistentKeys(_) => "key_mismatch",
        E::FailedToGetCurrentTime => "no_time",
        E::FailedToGetRandomBytes => "no_random_bytes",
        E::UnsupportedNameType => "unsupported_name",
        E::NoApplicationProtocol => "no_application_protocol",
        _ => "tls_failure",
    }
}

fn certificate_kind(verdict: &CertificateError) -> &'static str {
    use CertificateError as C;
    #[allow(deprecated, reason = "rustls' own verifier still makes the old variant")]
    match verdict {
        C::BadEncoding => "bad_certificate_encoding",
        C::Expired | C::ExpiredContext { .. } => "certificate_expired",
        C::NotValidYet | C::NotValidYetContext { .. } => "certificate_not_yet_valid",
        C::Revoked => "certificate_revoked",
        C::UnhandledCriticalExtension => "unhandled_critical_extension",
        C::UnknownIssuer => "unknown_issuer",
        C::UnknownRevocationStatus => "unknown_revocation_status",
        C::ExpiredRevocationList | C::ExpiredRevocationListContext { .. } => "revocation_list_expired",
        C::BadSignature => "bad_signature",
        C::UnsupportedSignatureAlgorithm
        | C::UnsupportedSignatureAlgorithmContext { .. }
        | C::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => "unsupported_signature_algorithm",
        C::NotValidForName | C::NotValidForNameContext { .. } => "name_mismatch",
        C::InvalidPurpose | C::InvalidPurposeContext { .. } => "wrong_key_usage",
        C::InvalidOcspResponse => "bad_ocsp_response",
        C::ApplicationVerificationFailure => "refused_by_application",
        _ => "certificate_refused",
    }
}

fn incompatible_kind(why: &PeerIncompatible) -> &'static str {
    use PeerIncompatible as P;
    match why {
        P::NoCipherSuitesInCommon => "no_shared_cipher",
        P::NoKxGroupsInCommon => "no_shared_group",
        P::NoSignatureSchemesInCommon | P::NoCertificateRequestSignatureSchemesInCommon => {
            "no_shared_signature_scheme"
        }
        P::ServerDoesNotSupportTls12Or13
        | P::ServerTlsVersionIsDisabledByOurConfig
        | P::SupportedVersionsExtensionRequired
        | P::Tls12NotOffered
        | P::Tls12NotOfferedOrEnabled => "no_shared_version",
        _ => "peer_incompatible",
    }
}
