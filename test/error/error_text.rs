//! Errors as text, tags and alerts.

use std::io::ErrorKind;
use std::path::PathBuf;
use std::time::Duration;

use rustls::pki_types::UnixTime;
use rustls::{AlertDescription, CertificateError, ContentType, InvalidMessage, PeerIncompatible};
use rustls_dist::error::{
    Algorithm, ChainFault, ConfigError, Error, HandshakeError, KINDS, Oddity, RecordError, UnsupportedKey,
    alert_name,
};

fn path() -> PathBuf {
    PathBuf::from("/etc/node.pem")
}

fn about_files() -> Vec<Error> {
    let kinds = [
        UnsupportedKey::EcdsaP521,
        UnsupportedKey::EcdsaOther("1.2.3".into()),
        UnsupportedKey::EcdsaExplicitCurve,
        UnsupportedKey::EcdsaNoPublicPart,
        UnsupportedKey::Dsa,
        UnsupportedKey::Ed448,
        UnsupportedKey::RsaSize { bits: 1024 },
        UnsupportedKey::RsaExponent,
        UnsupportedKey::Other("1.2.3".into()),
    ];
    let mut errors = vec![
        ConfigError::FileNotFound { path: path() },
        ConfigError::FileUnreadable { path: path(), reason: ErrorKind::PermissionDenied },
        ConfigError::FileUnreadable { path: path(), reason: ErrorKind::TimedOut },
        ConfigError::FileNotRegular { path: path() },
        ConfigError::FileTooLarge { path: path(), limit_bytes: 7 },
        ConfigError::NotPem { path: path() },
        ConfigError::NoCertificate { path: path() },
        ConfigError::BadCertificate { path: path(), position: 2 },
        ConfigError::NoPrivateKey { path: path() },
        ConfigError::SeveralPrivateKeys { path: path() },
        ConfigError::BadPrivateKey { path: path() },
        ConfigError::PasswordMissing { path: path() },
        ConfigError::PasswordWrong { path: path() },
        ConfigError::LegacyEncryptedKey { path: path() },
        ConfigError::UnsupportedKeyEncryption { path: path() },
        ConfigError::KeyMismatch { certfile: path(), keyfile: path() },
        ConfigError::ChainTooLong { path: path(), count: 11, limit: 10 },
        ConfigError::NoTrustAnchor { path: path() },
    ];
    errors.extend(kinds.map(|kind| ConfigError::UnsupportedKey { path: path(), kind }));
    errors.into_iter().map(Error::from).collect()
}

fn about_options() -> [ConfigError; 4] {
    [
        ConfigError::UnknownCipher { name: "x".into() },
        ConfigError::UnsupportedCipher { name: "x".into() },
        ConfigError::NoCipherForVersion { version: "tlsv1.3" },
        ConfigError::OptionMissing { option: "cacertfile", because: "verify_peer" },
    ]
}

fn about_handshakes() -> [HandshakeError; 8] {
    [
        HandshakeError::Tls(rustls::Error::DecryptError),
        HandshakeError::ChainTooDeep { intermediates: 3, depth: 2 },
        HandshakeError::NameMismatch { expected: "a".into(), presented: vec![] },
        HandshakeError::NameMismatch { expected: "a".into(), presented: vec!["DNS:b".into()] },
        HandshakeError::AlertReceived(AlertDescription::UnknownCA),
        HandshakeError::HandshakeTooLarge { limit_bytes: 7 },
        HandshakeError::HelloTooLarge { limit_bytes: 7 },
        HandshakeError::Panicked,
    ]
}

fn about_records() -> [RecordError; 16] {
    [
        RecordError::RecordTooLong { length_bytes: 65535 },
        RecordError::BadRecord,
        RecordError::UnexpectedRecord(ContentType::Heartbeat),
        RecordError::TooManyEmptyRecords,
        RecordError::TooManyWarnings,
        RecordError::TooManyKeyUpdates,
        RecordError::UnexpectedHandshakeMessage { message_type: 1 },
        RecordError::MalformedHandshakeMessage { message_type: 1 },
        RecordError::UnknownKeyUpdate { value: 2 },
        RecordError::RenegotiationRefused,
        RecordError::PacketTooLong { length_bytes: 9, limit_bytes: 8 },
        RecordError::KeysExhausted,
        RecordError::Closed,
        RecordError::RecordOversized,
        RecordError::UntypedRecord,
        RecordError::UnknownKeys,
    ]
}

fn about_the_rest() -> Vec<Error> {
    let mut errors: Vec<Error> = about_options().map(Error::from).into();
    errors.extend(about_handshakes().map(Error::from));
    errors.extend(about_records().map(Error::from));
    errors
}

#[test]
fn every_error_is_one_sentence_of_its_own() {
    let errors: Vec<_> = about_files().into_iter().chain(about_the_rest()).collect();
    let mut texts: Vec<_> = errors.iter().map(Error::to_string).collect();
    for (error, text) in errors.iter().zip(&texts) {
        assert!(text.contains(' ') && text != error.kind(), "{error:?}: {text}");
        assert!(!text.contains("  ") && !text.ends_with('.') && !text.contains('\n'), "{text}");
        let is_tag = error.kind().bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        assert!(is_tag, "{}", error.kind());
    }
    texts.sort();
    texts.dedup();
    assert_eq!(texts.len(), errors.len());
}

#[test]
fn the_list_of_kinds_has_each_once() {
    let mut kinds = KINDS.to_vec();
    kinds.sort();
    kinds.dedup();
    assert_eq!(kinds.len(), KINDS.len());
    let errors = about_files().into_iter().chain(about_the_rest());
    assert!(errors.into_iter().all(|error| KINDS.contains(&error.kind())));
}

#[test]
fn errors_about_files_name_the_file_and_owe_the_peer_no_details() {
    for error in about_files() {
        assert!(error.to_string().contains("/etc/node.pem"), "{error}");
        assert_eq!(error.alert(), Some(AlertDescription::InternalError));
    }
}

#[test]
fn options_are_added_once_and_only_where_none_is_known() {
    let error = ConfigError::NotPem { path: path() }.in_option("certfile").in_option("keyfile");
    assert_eq!(error.option(), Some("certfile"));
    assert_eq!(error.kind(), "not_pem");
    assert_eq!(*error.cause(), ConfigError::NotPem { path: path() });
    assert!(error.to_string().starts_with("certfile: /etc/node.pem"));
    assert!(std::error::Error::source(&error).is_some());
    let error = ConfigError::PasswordWrong { path: path() };
    assert_eq!(error.clone().in_option("keyfile"), error);
}

#[test]
fn alerts_follow_the_rfc() {
    use AlertDescription as A;
    let certificate = |verdict| HandshakeError::Tls(rustls::Error::InvalidCertificate(verdict));
    let cases: [(Error, _); 24] = [
        (
            HandshakeError::NameMismatch { expected: "a".into(), presented: vec![] }.into(),
            Some(A::BadCertificate),
        ),
        (HandshakeError::ChainTooDeep { intermediates: 3, depth: 2 }.into(), Some(A::UnknownCA)),
        (HandshakeError::HandshakeTooLarge { limit_bytes: 7 }.into(), Some(A::DecodeError)),
        (HandshakeError::HelloTooLarge { limit_bytes: 7 }.into(), Some(A::DecodeError)),
        (RecordError::RecordTooLong { length_bytes: 65535 }.into(), Some(A::RecordOverflow)),
        (RecordError::BadRecord.into(), Some(A::BadRecordMac)),
        (RecordError::UnexpectedRecord(ContentType::Heartbeat).into(), Some(A::UnexpectedMessage)),
        (RecordError::TooManyEmptyRecords.into(), Some(A::UnexpectedMessage)),
        (RecordError::TooManyKeyUpdates.into(), Some(A::UnexpectedMessage)),
        (RecordError::UnexpectedHandshakeMessage { message_type: 1 }.into(), Some(A::UnexpectedMessage)),
        (RecordError::MalformedHandshakeMessage { message_type: 1 }.into(), Some(A::DecodeError)),
        (RecordError::UnknownKeyUpdate { value: 2 }.into(), Some(A::IllegalParameter)),
        (RecordError::RenegotiationRefused.into(), Some(A::NoRenegotiation)),
        (RecordError::PacketTooLong { length_bytes: 9, limit_bytes: 8 }.into(), Some(A::InternalError)),
        (RecordError::KeysExhausted.into(), Some(A::CloseNotify)),
        (HandshakeError::AlertReceived(A::UnknownCA).into(), None),
        (HandshakeError::from(rustls::Error::AlertReceived(A::UnknownCA)).into(), None),
        (RecordError::Closed.into(), None),
        (certificate(CertificateError::Expired).into(), Some(A::CertificateExpired)),
        (certificate(CertificateError::UnknownIssuer).into(), Some(A::UnknownCA)),
        (certificate(CertificateError::Revoked).into(), Some(A::CertificateRevoked)),
        (certificate(CertificateError::NotValidForName).into(), Some(A::BadCertificate)),
        (certificate(CertificateError::BadSignature).into(), Some(A::DecryptError)),
        (HandshakeError::CommonNameConstrained { expected: "a".into() }.into(), Some(A::BadCertificate)),
    ];
    for (error, alert) in cases {
        assert_eq!(error.alert(), alert, "{error}");
    }
}

#[test]
fn verdicts_on_certificates_have_tags_and_dates() {
    let at = |seconds| UnixTime::since_unix_epoch(Duration::from_secs(seconds));
    let (time, not_after) = (at(1_700_000_000), at(1_600_000_000));
    let error =
        HandshakeError::from(rustls::Error::from(CertificateError::ExpiredContext { time, not_after }));
    assert_eq!(error.kind(), "certificate_expired");
    let expected = "a certificate in the peer's chain expired on 2020-09-13 12:26:40 UTC, and it is 2023-11-14 \
                    22:13:20 UTC now";
    assert_eq!(error.to_string(), expected);
    let kinds = [
        (
            CertificateError::NotValidYetContext { time: not_after, not_before: time },
            "certificate_not_yet_valid",
        ),
        (CertificateError::UnknownIssuer, "unknown_issuer"),
        (CertificateError::BadSignature, "bad_signature"),
        (CertificateError::Revoked, "certificate_revoked"),
        (CertificateError::InvalidPurpose, "wrong_key_usage"),
    ];
    for (verdict, kind) in kinds {
        assert_eq!(HandshakeError::from(rustls::Error::from(verdict)).kind(), kind);
    }
}

#[test]
fn alerts_have_the_names_of_the_rfc() {
    let names =
        [(0, "close_notify"), (40, "handshake_failure"), (48, "unknown_ca"), (116, "certificate_required")];
    for (code, name) in names {
        assert_eq!(alert_name(AlertDescription::from(code)), name);
    }
    assert_eq!(alert_name(AlertDescription::from(200)), "unknown_alert");
    let known = (0..=255).map(AlertDescription::from).filter(|alert| alert.as_str().is_some());
    assert!(known.into_iter().all(|alert| alert_name(alert) != "unknown_alert"));
}

#[test]
fn texts_of_a_peer_are_cut_and_escaped() {
    let subject = format!("CN=\u{1b}[31mred\n\u{202e}{}", "x".repeat(60_000));
    let error = HandshakeError::CertificateExpired {
        subject,
        serial: "01AB".into(),
        not_after_unix_s: 1_600_000_000,
        now_unix_s: 1_700_000_000,
    };
    let text = error.to_string();
    assert!(text.len() < 500, "{text}");
    assert!(text.contains("CN=\\u{1b}[31mred\\u{a}\\u{202e}xxx"), "{text}");
    assert!(text.contains("serial number 01AB, expired on 2020-09-13 12:26:40 UTC"), "{text}");
    assert_eq!(
        (error.kind(), error.alert()),
        ("certificate_expired", Some(AlertDescription::CertificateExpired))
    );
    let presented = (0..5000).map(|n| format!("DNS:{n}.example")).collect();
    let mismatch = HandshakeError::NameMismatch { expected: "a".into(), presented }.to_string();
    assert!(mismatch.len() < 400, "{mismatch}");
}

#[test]
fn faults_without_a_sentence_are_told_in_words() {
    let faults = [
        (rustls::Error::from(InvalidMessage::MissingData("ServerName")), "missing data"),
        (
            rustls::Error::from(PeerIncompatible::UncompressedEcPointsRequired),
            "uncompressed ec points required",
        ),
        (
            rustls::PeerMisbehaved::IllegalMiddleboxChangeCipherSpec.into(),
            "illegal middlebox change cipher spec",
        ),
        (CertificateError::InvalidOcspResponse.into(), "invalid ocsp response"),
    ];
    for (fault, words) in faults {
        let text = HandshakeError::from(fault).to_string();
        assert!(text.contains(words) && !text.contains(['{', '"']), "{text}");
        assert!(!text.contains("ServerName"), "{text}");
    }
}

/// One of each sentence that a failed or broken link can end with, but for the words that rustls has for what has no sentence here.
fn of_links() -> Vec<Error> {
    let mut errors: Vec<Error> = of_peers_chains().into_iter().map(Error::from).collect();
    errors.extend(of_verdicts().map(|verdict| HandshakeError::from(rustls::Error::from(verdict)).into()));
    errors.extend(of_faults().map(|fault| HandshakeError::ChainRefused(fault).into()));
    errors.extend(of_rustls().map(|error| HandshakeError::from(error).into()));
    errors.extend(about_handshakes().map(Error::from));
    errors.extend(about_records().map(Error::from));
    errors
}

fn of_peers_chains() -> [HandshakeError; 8] {
    let (subject, serial) = ("CN=node".to_owned(), "01ab".to_owned());
    let (begin, end, now) = (1_600_000_000, 1_700_000_000, 1_800_000_000);
    [
        HandshakeError::CertificateExpired {
            subject: subject.clone(),
            serial: serial.clone(),
            not_after_unix_s: end,
            now_unix_s: now,
        },
        HandshakeError::CertificateNotYetValid {
            subject: subject.clone(),
            serial,
            not_before_unix_s: end,
            now_unix_s: begin,
        },
        HandshakeError::SelfSignedPeer,
        HandshakeError::AuthorityMayNotSign { subject: subject.clone() },
        HandshakeError::TrustAnchorNotValid { subject, not_before_unix_s: begin, not_after_unix_s: end },
        HandshakeError::CommonNameConstrained { expected: "a".into() },
        HandshakeError::RefusedByReferee {
            alert: AlertDescription::CertificateRevoked,
            reason: "what verify_fun or the check of revocation said".into(),
        },
        HandshakeError::Closed,
    ]
}

fn of_verdicts() -> [CertificateError; 13] {
    let at = |seconds| UnixTime::since_unix_epoch(Duration::from_secs(seconds));
    [
        CertificateError::BadEncoding,
        CertificateError::Expired,
        CertificateError::NotValidYet,
        CertificateError::ExpiredRevocationListContext {
            time: at(1_800_000_000),
            next_update: at(1_700_000_000),
        },
        CertificateError::Revoked,
        CertificateError::UnhandledCriticalExtension,
        CertificateError::UnknownIssuer,
        CertificateError::UnknownRevocationStatus,
        CertificateError::BadSignature,
        CertificateError::InvalidPurpose,
        CertificateError::ApplicationVerificationFailure,
        CertificateError::InvalidOcspResponse,
        CertificateError::NotValidForName,
    ]
}

fn of_faults() -> [ChainFault; 18] {
    [
        ChainFault::PeerIsAuthority,
        ChainFault::NotAnAuthority,
        ChainFault::PathLengthExceeded,
        ChainFault::NameNotPermitted,
        ChainFault::UnsupportedVersion,
        ChainFault::SignatureAlgorithm(Algorithm::Sha1),
        ChainFault::AuthorityKey(Algorithm::Dsa),
        ChainFault::PeerKey(Algorithm::Dsa),
        ChainFault::WeakKey { bits: 1024 },
        ChainFault::Odd(Oddity::UniqueIdentifier),
        ChainFault::Odd(Oddity::ExtensionTwice),
        ChainFault::Odd(Oddity::ExtensionMalformed),
        ChainFault::Odd(Oddity::BeforeEpoch),
        ChainFault::Odd(Oddity::Time),
        ChainFault::IssuerInOtherBytes,
        ChainFault::TooManyIntermediates,
        ChainFault::TooMuchWork,
        ChainFault::SignatureAlgorithm(Algorithm::KeyOfAnotherKind),
    ]
}

fn of_rustls() -> [rustls::Error; 17] {
    use rustls::{CertRevocationListError, ContentType, HandshakeType, InconsistentKeys, PeerMisbehaved};
    [
        PeerIncompatible::NoCipherSuitesInCommon.into(),
        PeerIncompatible::NoKxGroupsInCommon.into(),
        PeerIncompatible::NoSignatureSchemesInCommon.into(),
        PeerIncompatible::Tls12NotOffered.into(),
        PeerIncompatible::ExtendedMasterSecretExtensionRequired.into(),
        PeerIncompatible::UncompressedEcPointsRequired.into(),
        rustls::Error::NoCertificatesPresented,
        rustls::Error::InvalidCertRevocationList(CertRevocationListError::BadSignature),
        rustls::Error::InappropriateMessage { expect_types: vec![], got_type: ContentType::Heartbeat },
        rustls::Error::InappropriateHandshakeMessage {
            expect_types: vec![],
            got_type: HandshakeType::Finished,
        },
        InvalidMessage::MissingData("ServerName").into(),
        PeerMisbehaved::IllegalMiddleboxChangeCipherSpec.into(),
        rustls::Error::PeerSentOversizedRecord,
        rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch),
        rustls::Error::FailedToGetCurrentTime,
        rustls::Error::FailedToGetRandomBytes,
        rustls::Error::NoApplicationProtocol,
    ]
}

/// The lines of a table of doc/operations.md, which `make operations` writes.
fn listed(mark: &str) -> Vec<String> {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/operations.md")).unwrap();
    let (_, from) = page.split_once(&format!("<!-- {mark}: made by make operations -->")).unwrap();
    let (table, _) = from.split_once(&format!("<!-- end of {mark} -->")).unwrap();
    let rows = table.lines().filter(|line| line.starts_with("| `") && line.contains("` | ")).skip(1);
    rows.flat_map(|row| row.split(" | ").nth(1).unwrap_or_default().split("<br>"))
        .map(str::to_owned)
        .collect()
}

/// The list of incidents shows the sentences as they are, and no others; rustls_dist_incidents_SUITE compares the reasons.
#[test]
#[cfg(not(feature = "aws_lc_rs"))]
fn the_list_of_incidents_has_these_sentences() {
    let listed = (listed("incidents-tls"), listed("incidents-files"));
    let of_links: Vec<_> = of_links().iter().map(Error::to_string).collect();
    let of_files: Vec<_> = about_files()
        .into_iter()
        .chain(about_options().map(Error::from))
        .map(|error| error.to_string())
        .collect();
    for (said, listed) in [(of_links, listed.0), (of_files, listed.1)] {
        let missing: Vec<_> = said.iter().filter(|text| !listed.contains(text)).collect();
        assert!(missing.is_empty(), "not in the list: {missing:#?}");
        let stale: Vec<_> = listed.iter().filter(|line| !said.contains(line)).collect();
        assert!(stale.is_empty(), "nobody says: {stale:#?}");
    }
}
