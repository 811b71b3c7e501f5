//! A stable tag for every error.
//!
//! The Erlang side makes it an atom and matches on some. The verdicts of rustls get a tag each, so that
//! `certificate_expired` and `unknown_issuer` can be told apart without reading text.

use rustls::{CertificateError, PeerIncompatible};

use super::{ConfigError, HandshakeError, RecordError};

/// A tag in snake case. There are none but those of the list below, so that no error has one that is not in [`KINDS`].
#[derive(Clone, Copy)]
pub(super) struct Kind(&'static str);

impl Kind {
    pub(super) fn name(self) -> &'static str {
        self.0
    }
}

/// Makes each tag a constant, and the list of all.
macro_rules! kinds {
    ($($name:ident = $tag:literal),* $(,)?) => {
        impl Kind {
            $(pub(super) const $name: Self = Self($tag);)*
        }

        /// The tags of all errors.
        pub const KINDS: &[&str] = &[$($tag),*];
    };
}

kinds! {
    FILE_NOT_FOUND = "file_not_found",
    FILE_UNREADABLE = "file_unreadable",
    FILE_NOT_REGULAR = "file_not_regular",
    FILE_TOO_LARGE = "file_too_large",
    NOT_PEM = "not_pem",
    NO_CERTIFICATE = "no_certificate",
    BAD_CERTIFICATE = "bad_certificate",
    NO_PRIVATE_KEY = "no_private_key",
    SEVERAL_PRIVATE_KEYS = "several_private_keys",
    BAD_PRIVATE_KEY = "bad_private_key",
    PASSWORD_MISSING = "password_missing",
    PASSWORD_WRONG = "password_wrong",
    LEGACY_ENCRYPTED_KEY = "legacy_encrypted_key",
    UNSUPPORTED_KEY_ENCRYPTION = "unsupported_key_encryption",
    UNSUPPORTED_KEY = "unsupported_key",
    KEY_MISMATCH = "key_mismatch",
    CHAIN_TOO_LONG = "chain_too_long",
    NO_TRUST_ANCHOR = "no_trust_anchor",
    UNKNOWN_CIPHER = "unknown_cipher",
    UNSUPPORTED_CIPHER = "unsupported_cipher",
    NO_CIPHER_FOR_VERSION = "no_cipher_for_version",
    UNUSABLE_GROUP = "unusable_group",
    NO_GROUP_FOR_VERSION = "no_group_for_version",
    OPTION_MISSING = "option_missing",
    CERTIFICATE_EXPIRED = "certificate_expired",
    CERTIFICATE_NOT_YET_VALID = "certificate_not_yet_valid",
    CHAIN_TOO_DEEP = "chain_too_deep",
    SELF_SIGNED_PEER = "self_signed_peer",
    AUTHORITY_MAY_NOT_SIGN = "authority_may_not_sign",
    TRUST_ANCHOR_NOT_VALID = "trust_anchor_not_valid",
    NAME_MISMATCH = "name_mismatch",
    REFUSED_BY_REFEREE = "refused_by_referee",
    ALERT_RECEIVED = "alert_received",
    HANDSHAKE_TOO_LARGE = "handshake_too_large",
    HELLO_TOO_LARGE = "hello_too_large",
    RECORD_TOO_LONG = "record_too_long",
    BAD_RECORD = "bad_record",
    UNEXPECTED_RECORD = "unexpected_record",
    TOO_MANY_EMPTY_RECORDS = "too_many_empty_records",
    TOO_MANY_WARNINGS = "too_many_warnings",
    TOO_MANY_KEY_UPDATES = "too_many_key_updates",
    UNEXPECTED_HANDSHAKE_MESSAGE = "unexpected_handshake_message",
    MALFORMED_HANDSHAKE_MESSAGE = "malformed_handshake_message",
    RENEGOTIATION_REFUSED = "renegotiation_refused",
    PACKET_TOO_LONG = "packet_too_long",
    KEYS_EXHAUSTED = "keys_exhausted",
    CLOSED = "closed",
    NO_PEER_CERTIFICATE = "no_peer_certificate",
    BAD_REVOCATION_LIST = "bad_revocation_list",
    UNEXPECTED_MESSAGE = "unexpected_message",
    INVALID_MESSAGE = "invalid_message",
    PEER_MISBEHAVED = "peer_misbehaved",
    NO_TIME = "no_time",
    NO_RANDOM_BYTES = "no_random_bytes",
    UNSUPPORTED_NAME = "unsupported_name",
    NO_APPLICATION_PROTOCOL = "no_application_protocol",
    TLS_FAILURE = "tls_failure",
    BAD_CERTIFICATE_ENCODING = "bad_certificate_encoding",
    CERTIFICATE_REVOKED = "certificate_revoked",
    UNHANDLED_CRITICAL_EXTENSION = "unhandled_critical_extension",
    UNKNOWN_ISSUER = "unknown_issuer",
    UNKNOWN_REVOCATION_STATUS = "unknown_revocation_status",
    REVOCATION_LIST_EXPIRED = "revocation_list_expired",
    BAD_SIGNATURE = "bad_signature",
    UNSUPPORTED_SIGNATURE_ALGORITHM = "unsupported_signature_algorithm",
    WRONG_KEY_USAGE = "wrong_key_usage",
    BAD_OCSP_RESPONSE = "bad_ocsp_response",
    REFUSED_BY_APPLICATION = "refused_by_application",
    CERTIFICATE_REFUSED = "certificate_refused",
    NO_SHARED_CIPHER = "no_shared_cipher",
    NO_SHARED_GROUP = "no_shared_group",
    NO_SHARED_SIGNATURE_SCHEME = "no_shared_signature_scheme",
    NO_SHARED_VERSION = "no_shared_version",
    PEER_INCOMPATIBLE = "peer_incompatible",
    PEER_IS_AUTHORITY = "peer_is_authority",
    NOT_AN_AUTHORITY = "not_an_authority",
    PATH_LENGTH_EXCEEDED = "path_length_exceeded",
    NAME_NOT_PERMITTED = "name_not_permitted",
    UNSUPPORTED_CERTIFICATE_VERSION = "unsupported_certificate_version",
    UNSUPPORTED_PEER_KEY = "unsupported_peer_key",
    WEAK_KEY = "weak_key",
    TOO_MANY_INTERMEDIATES = "too_many_intermediates",
    TOO_MUCH_WORK = "too_much_work",
    UNIQUE_IDENTIFIER = "unique_identifier",
    EXTENSION_TWICE = "extension_twice",
    EXTENSION_MALFORMED = "extension_malformed",
    VALIDITY_BEFORE_1970 = "validity_before_1970",
    VALIDITY_MALFORMED = "validity_malformed",
    ISSUER_IN_OTHER_BYTES = "issuer_in_other_bytes",
    PANICKED = "panicked",
}

impl ConfigError {
    /// A stable tag in snake case, the same for every error of one kind.
    pub fn kind(&self) -> &'static str {
        self.tag().name()
    }

    fn tag(&self) -> Kind {
        match self {
            Self::FileNotFound { .. } => Kind::FILE_NOT_FOUND,
            Self::FileUnreadable { .. } => Kind::FILE_UNREADABLE,
            Self::FileNotRegular { .. } => Kind::FILE_NOT_REGULAR,
            Self::FileTooLarge { .. } => Kind::FILE_TOO_LARGE,
            Self::NotPem { .. } | Self::BadPem { .. } => Kind::NOT_PEM,
            Self::NoCertificate { .. } => Kind::NO_CERTIFICATE,
            Self::BadCertificate { .. } => Kind::BAD_CERTIFICATE,
            Self::NoPrivateKey { .. } => Kind::NO_PRIVATE_KEY,
            Self::SeveralPrivateKeys { .. } => Kind::SEVERAL_PRIVATE_KEYS,
            Self::BadPrivateKey { .. } => Kind::BAD_PRIVATE_KEY,
            Self::PasswordMissing { .. } => Kind::PASSWORD_MISSING,
            Self::PasswordWrong { .. } => Kind::PASSWORD_WRONG,
            Self::LegacyEncryptedKey { .. } => Kind::LEGACY_ENCRYPTED_KEY,
            Self::UnsupportedKeyEncryption { .. } => Kind::UNSUPPORTED_KEY_ENCRYPTION,
            Self::UnsupportedKey { .. } => Kind::UNSUPPORTED_KEY,
            Self::KeyMismatch { .. } => Kind::KEY_MISMATCH,
            Self::ChainTooLong { .. } | Self::ChainTooLarge { .. } => Kind::CHAIN_TOO_LONG,
            Self::BadTrustedCertificate { .. } | Self::OddTrustedCertificate { .. } => Kind::BAD_CERTIFICATE,
            Self::NoTrustAnchor { .. } => Kind::NO_TRUST_ANCHOR,
            Self::UnknownCipher { .. } => Kind::UNKNOWN_CIPHER,
            Self::UnsupportedCipher { .. } | Self::UnusableCiphers { .. } => Kind::UNSUPPORTED_CIPHER,
            Self::NoCipherForVersion { .. } => Kind::NO_CIPHER_FOR_VERSION,
            Self::UnusableGroups { .. } => Kind::UNUSABLE_GROUP,
            Self::NoGroupForVersion { .. } => Kind::NO_GROUP_FOR_VERSION,
            Self::OptionMissing { .. } => Kind::OPTION_MISSING,
            Self::AtOption { cause, .. } => cause.tag(),
            Self::Tls(error) => tls_tag(error),
        }
    }
}

impl HandshakeError {
    /// A stable tag in snake case, the same for every error of one kind.
    pub fn kind(&self) -> &'static str {
        self.tag().name()
    }

    fn tag(&self) -> Kind {
        match self {
            Self::Tls(error) => tls_tag(error),
            Self::CertificateExpired { .. } => Kind::CERTIFICATE_EXPIRED,
            Self::CertificateNotYetValid { .. } => Kind::CERTIFICATE_NOT_YET_VALID,
            Self::ChainTooDeep { .. } => Kind::CHAIN_TOO_DEEP,
            Self::ChainRefused(fault) => fault.tag(),
            Self::SelfSignedPeer => Kind::SELF_SIGNED_PEER,
            Self::AuthorityMayNotSign { .. } => Kind::AUTHORITY_MAY_NOT_SIGN,
            Self::TrustAnchorNotValid { .. } => Kind::TRUST_ANCHOR_NOT_VALID,
            Self::NameMismatch { .. } | Self::CommonNameConstrained { .. } => Kind::NAME_MISMATCH,
            Self::RefusedByReferee { .. } => Kind::REFUSED_BY_REFEREE,
            Self::AlertReceived(_) => Kind::ALERT_RECEIVED,
            Self::HandshakeTooLarge { .. } => Kind::HANDSHAKE_TOO_LARGE,
            Self::HelloTooLarge { .. } => Kind::HELLO_TOO_LARGE,
            Self::Closed => Kind::CLOSED,
            Self::NoSession(error) => error.tag(),
            Self::Panicked => Kind::PANICKED,
        }
    }
}

impl RecordError {
    /// A stable tag in snake case, the same for every error of one kind.
    pub fn kind(&self) -> &'static str {
        self.tag().name()
    }

    fn tag(&self) -> Kind {
        match self {
            Self::RecordTooLong { .. } | Self::RecordOversized => Kind::RECORD_TOO_LONG,
            Self::BadRecord => Kind::BAD_RECORD,
            Self::UnexpectedRecord(_) | Self::UntypedRecord => Kind::UNEXPECTED_RECORD,
            Self::TooManyEmptyRecords => Kind::TOO_MANY_EMPTY_RECORDS,
            Self::TooManyWarnings => Kind::TOO_MANY_WARNINGS,
            Self::TooManyKeyUpdates => Kind::TOO_MANY_KEY_UPDATES,
            Self::UnexpectedHandshakeMessage { .. } => Kind::UNEXPECTED_HANDSHAKE_MESSAGE,
            Self::MalformedHandshakeMessage { .. } | Self::UnknownKeyUpdate { .. } => {
                Kind::MALFORMED_HANDSHAKE_MESSAGE
            }
            Self::RenegotiationRefused => Kind::RENEGOTIATION_REFUSED,
            Self::PacketTooLong { .. } => Kind::PACKET_TOO_LONG,
            Self::KeysExhausted => Kind::KEYS_EXHAUSTED,
            Self::Closed => Kind::CLOSED,
            Self::UnknownKeys => Kind::TLS_FAILURE,
            Self::Tls(error) => tls_tag(error),
        }
    }
}

fn tls_tag(error: &rustls::Error) -> Kind {
    use rustls::Error as E;
    match error {
        E::InvalidCertificate(verdict) => certificate_tag(verdict),
        E::PeerIncompatible(why) => incompatible_tag(why),
        E::NoCertificatesPresented => Kind::NO_PEER_CERTIFICATE,
        E::InvalidCertRevocationList(_) => Kind::BAD_REVOCATION_LIST,
        E::AlertReceived(_) => Kind::ALERT_RECEIVED,
        E::InappropriateMessage { .. } | E::InappropriateHandshakeMessage { .. } => Kind::UNEXPECTED_MESSAGE,
        E::InvalidMessage(_) => Kind::INVALID_MESSAGE,
        E::PeerMisbehaved(_) => Kind::PEER_MISBEHAVED,
        E::PeerSentOversizedRecord => Kind::RECORD_TOO_LONG,
        E::DecryptError => Kind::BAD_RECORD,
        E::InconsistentKeys(_) => Kind::KEY_MISMATCH,
        E::FailedToGetCurrentTime => Kind::NO_TIME,
        E::FailedToGetRandomBytes => Kind::NO_RANDOM_BYTES,
        E::UnsupportedNameType => Kind::UNSUPPORTED_NAME,
        E::NoApplicationProtocol => Kind::NO_APPLICATION_PROTOCOL,
        _ => Kind::TLS_FAILURE,
    }
}

fn certificate_tag(verdict: &CertificateError) -> Kind {
    use CertificateError as C;
    #[allow(deprecated, reason = "rustls' own verifier still makes the old variant")]
    match verdict {
        C::BadEncoding => Kind::BAD_CERTIFICATE_ENCODING,
        C::Expired | C::ExpiredContext { .. } => Kind::CERTIFICATE_EXPIRED,
        C::NotValidYet | C::NotValidYetContext { .. } => Kind::CERTIFICATE_NOT_YET_VALID,
        C::Revoked => Kind::CERTIFICATE_REVOKED,
        C::UnhandledCriticalExtension => Kind::UNHANDLED_CRITICAL_EXTENSION,
        C::UnknownIssuer => Kind::UNKNOWN_ISSUER,
        C::UnknownRevocationStatus => Kind::UNKNOWN_REVOCATION_STATUS,
        C::ExpiredRevocationList | C::ExpiredRevocationListContext { .. } => Kind::REVOCATION_LIST_EXPIRED,
        C::BadSignature => Kind::BAD_SIGNATURE,
        C::UnsupportedSignatureAlgorithm
        | C::UnsupportedSignatureAlgorithmContext { .. }
        | C::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => Kind::UNSUPPORTED_SIGNATURE_ALGORITHM,
        C::NotValidForName | C::NotValidForNameContext { .. } => Kind::NAME_MISMATCH,
        C::InvalidPurpose | C::InvalidPurposeContext { .. } => Kind::WRONG_KEY_USAGE,
        C::InvalidOcspResponse => Kind::BAD_OCSP_RESPONSE,
        C::ApplicationVerificationFailure => Kind::REFUSED_BY_APPLICATION,
        _ => Kind::CERTIFICATE_REFUSED,
    }
}

fn incompatible_tag(why: &PeerIncompatible) -> Kind {
    use PeerIncompatible as P;
    match why {
        P::NoCipherSuitesInCommon => Kind::NO_SHARED_CIPHER,
        P::NoKxGroupsInCommon => Kind::NO_SHARED_GROUP,
        P::NoSignatureSchemesInCommon | P::NoCertificateRequestSignatureSchemesInCommon => {
            Kind::NO_SHARED_SIGNATURE_SCHEME
        }
        P::ServerDoesNotSupportTls12Or13
        | P::ServerTlsVersionIsDisabledByOurConfig
        | P::SupportedVersionsExtensionRequired
        | P::Tls12NotOffered
        | P::Tls12NotOfferedOrEnabled => Kind::NO_SHARED_VERSION,
        _ => Kind::PEER_INCOMPATIBLE,
    }
}
