//! Errors as text, tags and alerts.

use std::io::ErrorKind;
use std::path::PathBuf;
use std::time::Duration;

use rustls::pki_types::UnixTime;
use rustls::{AlertDescription, CertificateError, ContentType, InvalidMessage, PeerIncompatible};
use rustls_dist::error::{Error, UnsupportedKey, alert_name};

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
        Error::FileNotFound { path: path() },
        Error::FileUnreadable { path: path(), reason: ErrorKind::PermissionDenied },
        Error::FileUnreadable { path: path(), reason: ErrorKind::TimedOut },
        Error::FileNotRegular { path: path() },
        Error::FileTooLarge { path: path(), limit_bytes: 7 },
        Error::NotPem { path: path() },
        Error::NoCertificate { path: path() },
        Error::BadCertificate { path: path(), position: 2 },
        Error::NoPrivateKey { path: path() },
        Error::SeveralPrivateKeys { path: path() },
        Error::BadPrivateKey { path: path() },
        Error::PasswordMissing { path: path() },
        Error::PasswordWrong { path: path() },
        Error::LegacyEncryptedKey { path: path() },
        Error::UnsupportedKeyEncryption { path: path() },
        Error::KeyMismatch { certfile: path(), keyfile: path() },
        Error::ChainTooLong { path: path(), count: 11, limit: 10 },
        Error::NoTrustAnchor { path: path() },
    ];
    errors.extend(kinds.map(|kind| Error::UnsupportedKey { path: path(), kind }));
    errors
}

fn about_the_rest() -> Vec<Error> {
    vec![
        Error::UnknownCipher { name: "x".into() },
        Error::UnsupportedCipher { name: "x".into() },
        Error::NoCipherForVersion { version: "tlsv1.3" },
        Error::OptionMissing { option: "cacertfile", because: "verify_peer" },
        Error::Tls(rustls::Error::DecryptError),
        Error::ChainTooDeep { intermediates: 3, depth: 2 },
        Error::NameMismatch { expected: "a".into(), presented: vec![] },
        Error::NameMismatch { expected: "a".into(), presented: vec!["DNS:b".into()] },
        Error::AlertReceived(AlertDescription::UnknownCA),
        Error::HandshakeTooLarge { limit_bytes: 7 },
        Error::HelloTooLarge { limit_bytes: 7 },
        Error::RecordTooLong { length_bytes: 65535 },
        Error::BadRecord,
        Error::UnexpectedRecord(ContentType::Heartbeat),
        Error::TooManyEmptyRecords,
        Error::TooManyKeyUpdates,
        Error::UnexpectedHandshakeMessage { message_type: 1 },
        Error::RenegotiationRefused,
        Error::PacketTooLong { length_bytes: 9, limit_bytes: 8 },
        Error::KeysExhausted,
        Error::Closed,
    ]
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
fn errors_about_files_name_the_file_and_owe_the_peer_no_details() {
    for error in about_files() {
        assert!(error.to_string().contains("/etc/node.pem"), "{error}");
        assert_eq!(error.alert(), Some(AlertDescription::InternalError));
    }
}

#[test]
fn options_are_added_once_and_only_where_none_is_known() {
    let error = Error::NotPem { path: path() }.in_option("certfile").in_option("keyfile");
    assert_eq!(error.option(), Some("certfile"));
    assert_eq!(error.kind(), "not_pem");
    assert_eq!(*error.cause(), Error::NotPem { path: path() });
    assert!(error.to_string().starts_with("certfile: /etc/node.pem"));
    assert!(std::error::Error::source(&error).is_some());
    let error = Error::PasswordWrong { path: path() };
    assert_eq!(error.clone().in_option("keyfile"), error);
}

#[test]
fn alerts_follow_the_rfc() {
    use AlertDescription as A;
    let certificate = |verdict| Error::Tls(rustls::Error::InvalidCertificate(verdict));
    let cases = [
        (Error::NameMismatch { expected: "a".into(), presented: vec![] }, Some(A::BadCertificate)),
        (Error::ChainTooDeep { intermediates: 3, depth: 2 }, Some(A::UnknownCA)),
        (Error::HandshakeTooLarge { limit_bytes: 7 }, Some(A::DecodeError)),
        (Error::HelloTooLarge { limit_bytes: 7 }, Some(A::DecodeError)),
        (Error::RecordTooLong { length_bytes: 65535 }, Some(A::RecordOverflow)),
        (Error::BadRecord, Some(A::BadRecordMac)),
        (Error::UnexpectedRecord(ContentType::Heartbeat), Some(A::UnexpectedMessage)),
        (Error::TooManyEmptyRecords, Some(A::UnexpectedMessage)),
        (Error::TooManyKeyUpdates, Some(A::UnexpectedMessage)),
        (Error::UnexpectedHandshakeMessage { message_type: 1 }, Some(A::UnexpectedMessage)),
        (Error::RenegotiationRefused, Some(A::NoRenegotiation)),
        (Error::PacketTooLong { length_bytes: 9, limit_bytes: 8 }, Some(A::InternalError)),
        (Error::KeysExhausted, Some(A::CloseNotify)),
        (Error::AlertReceived(A::UnknownCA), None),
        (rustls::Error::AlertReceived(A::UnknownCA).into(), None),
        (Error::Closed, None),
        (certificate(CertificateError::Expired), Some(A::CertificateExpired)),
        (certificate(CertificateError::UnknownIssuer), Some(A::UnknownCA)),
        (certificate(CertificateError::Revoked), Some(A::CertificateRevoked)),
        (certificate(CertificateError::NotValidForName), Some(A::BadCertificate)),
        (certificate(CertificateError::BadSignature), Some(A::DecryptError)),
        (Error::CommonNameConstrained { expected: "a".into() }, Some(A::BadCertificate)),
    ];
    for (error, alert) in cases {
        assert_eq!(error.alert(), alert, "{error}");
    }
}

#[test]
fn verdicts_on_certificates_have_tags_and_dates() {
    let at = |seconds| UnixTime::since_unix_epoch(Duration::from_secs(seconds));
    let (time, not_after) = (at(1_700_000_000), at(1_600_000_000));
    let error = Error::from(rustls::Error::from(CertificateError::ExpiredContext { time, not_after }));
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
        assert_eq!(Error::from(rustls::Error::from(verdict)).kind(), kind);
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
    let error = Error::CertificateExpired {
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
    let mismatch = Error::NameMismatch { expected: "a".into(), presented }.to_string();
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
        let text = Error::from(fault).to_string();
        assert!(text.contains(words) && !text.contains(['{', '"']), "{text}");
        assert!(!text.contains("ServerName"), "{text}");
    }
}
