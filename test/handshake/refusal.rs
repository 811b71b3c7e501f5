//! Handshakes that have to fail: the reason, the alert that is sent for it, and what the peer makes of that.

#[path = "../support/mod.rs"]
mod support;

use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, CustomExtension, DnType, ExtendedKeyUsagePurpose,
    IsCa, KeyPair, date_time_ymd,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{AlertDescription, ProtocolVersion, ServerConnection};
use rustls_dist::config::JudgedBy;
use rustls_dist::error::HandshakeError;
use rustls_dist::handshake::{Failure, Handshake, Progress};
use rustls_dist::pem;
use rustls_dist::record::Event;
use rustls_dist::trust::TrustStore;
use rustls_dist::trust::chain::{self, PeerRole};
use rustls_dist::trust::policy::ExpectedName;
use rustls_dist::trust::referee::{Case, LastWord, Referee, Ruling};
use support::Folder;
use support::link::{End, Shaken, open, shake, shake_specs, whole};
use support::pki::{CA, HOST, NOW_UNIX_S, OTHER_CA, Pair, Spec, authority, issue};
use support::provider::verifies;
use support::raw::server_config;

const BOTH: [ProtocolVersion; 2] = [ProtocolVersion::TLSv1_3, ProtocolVersion::TLSv1_2];

/// Which end refuses.
#[derive(Debug, Clone, Copy, PartialEq)]
enum By {
    Client,
    Server,
}

/// The end `by` has to fail with `kind` and send `alert`, and the other end has to understand.
fn check(
    shaken: Shaken,
    by: By,
    version: ProtocolVersion,
    kind: &str,
    alert: AlertDescription,
) -> HandshakeError {
    let (refuser, refused, rest) = match by {
        By::Client => (shaken.client, shaken.server, shaken.rest_for_server),
        By::Server => (shaken.server, shaken.client, shaken.rest_for_client),
    };
    let failure = refuser.failure();
    assert_eq!(failure.error.kind(), kind, "{by:?} {version:?}");
    assert_eq!(failure.alert, Some(alert), "{by:?} {version:?} {kind}");
    if version == ProtocolVersion::TLSv1_2 {
        assert_eq!(failure.send, [21, 3, 3, 0, 2, 2, alert.into()], "{by:?} {kind}");
    }
    match refused {
        End::Failed(failure) => {
            assert_eq!(failure.error, HandshakeError::AlertReceived(alert), "{by:?} {version:?}")
        }
        End::Done(mut session) => {
            assert_eq!(version, ProtocolVersion::TLSv1_3, "only there a client is done before it is judged");
            assert_eq!(open(&mut session.rx, &rest), Ok((vec![], vec![Event::Alert(alert)])));
        }
        End::Going(_) => panic!("{by:?} {version:?}: the other end was not told"),
    }
    failure.error
}

/// A certificate that is refused by whoever sees it.
struct Bad {
    identity: Pair,
    kind: &'static str,
    alert: AlertDescription,
}

fn bad_certificates() -> Vec<Bad> {
    let key = || KeyPair::generate().unwrap();
    let bad = |identity, kind, alert| Bad { identity, kind, alert };
    let expired = issue(&CA, key(), |params| {
        params.not_before = date_time_ymd(2024, 1, 1);
        params.not_after = date_time_ymd(2025, 12, 31);
    });
    let early = issue(&CA, key(), |params| params.not_before = date_time_ymd(2026, 1, 2));
    let purpose =
        issue(&CA, key(), |params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::CodeSigning]);
    vec![
        bad(issue(&OTHER_CA, key(), |_| {}), "unknown_issuer", AlertDescription::UnknownCA),
        bad(expired, "certificate_expired", AlertDescription::CertificateExpired),
        bad(early, "certificate_not_yet_valid", AlertDescription::CertificateExpired),
        bad(purpose, "wrong_key_usage", AlertDescription::UnsupportedCertificate),
    ]
}

#[test]
fn bad_certificates_of_either_end() {
    for version in BOTH {
        for Bad { identity, kind, alert } in bad_certificates() {
            let strict = Spec::version(version);
            let bad = Spec { identities: vec![identity], ..strict.clone() };
            for error in [
                check(shake_specs(&strict, &bad), By::Client, version, kind, alert),
                check(shake_specs(&bad, &strict), By::Server, version, kind, alert),
            ] {
                let is_about_time = alert == AlertDescription::CertificateExpired;
                assert_eq!(error.to_string().contains(" with the serial number "), is_about_time, "{error}");
            }
        }
    }
}

#[test]
fn the_time_is_an_argument() {
    let short = issue(&CA, KeyPair::generate().unwrap(), |params| {
        params.not_before = date_time_ymd(2025, 12, 31);
        params.not_after = date_time_ymd(2026, 1, 2);
    });
    for version in BOTH {
        let owner = Spec { identities: vec![short.clone()], ..Spec::version(version) };
        let judge = |now_unix_s| Spec { now_unix_s, ..Spec::version(version) };
        let day_s = 24 * 60 * 60;
        shake_specs(&judge(NOW_UNIX_S), &owner).client.session();
        let late = judge(NOW_UNIX_S + 2 * day_s);
        let alert = AlertDescription::CertificateExpired;
        check(shake_specs(&late, &owner), By::Client, version, "certificate_expired", alert);
        check(shake_specs(&owner, &late), By::Server, version, "certificate_expired", alert);
        let early = judge(NOW_UNIX_S - 2 * day_s);
        check(shake_specs(&early, &owner), By::Client, version, "certificate_not_yet_valid", alert);
    }
}

#[test]
fn a_purpose_is_good_for_one_role_only() {
    let for_purpose = |purpose| {
        let identity =
            issue(&CA, KeyPair::generate().unwrap(), |params| params.extended_key_usages = vec![purpose]);
        Spec { identities: vec![identity], ..Spec::default() }
    };
    let server_only = for_purpose(ExtendedKeyUsagePurpose::ServerAuth);
    let client_only = for_purpose(ExtendedKeyUsagePurpose::ClientAuth);
    shake_specs(&client_only, &server_only).server.session();
    let (kind, alert) = ("wrong_key_usage", AlertDescription::UnsupportedCertificate);
    let version = ProtocolVersion::TLSv1_3;
    check(shake_specs(&client_only, &client_only), By::Client, version, kind, alert);
    check(shake_specs(&server_only, &server_only), By::Server, version, kind, alert);
}

#[test]
fn a_chain_deeper_than_allowed() {
    let upper = authority("upper", Some(&CA));
    let lower = authority("lower", Some(&upper));
    let mut identity = issue(&lower, KeyPair::generate().unwrap(), |_| {});
    identity.chain = [identity.chain, lower.pem(), upper.pem()].concat();
    for version in BOTH {
        let owner = Spec { identities: vec![identity.clone()], ..Spec::version(version) };
        let judge = |depth| Spec { depth, ..Spec::version(version) };
        shake_specs(&judge(2), &owner).client.session();
        shake_specs(&owner, &judge(2)).server.session();
        for depth in [0, 1] {
            let alert = AlertDescription::UnknownCA;
            let error =
                check(shake_specs(&judge(depth), &owner), By::Client, version, "chain_too_deep", alert);
            assert!(matches!(error, HandshakeError::ChainTooDeep { depth: said, .. } if said == depth));
            check(shake_specs(&owner, &judge(depth)), By::Server, version, "chain_too_deep", alert);
        }
    }
}

/// An authority that renews its key certifies itself: such a certificate is no step away from the anchor
/// (RFC 5280 section 6.1.4).
#[test]
fn self_issued_intermediates_are_not_counted() {
    let renewed = authority("ca", Some(&CA));
    let mut identity = issue(&renewed, KeyPair::generate().unwrap(), |_| {});
    identity.chain = [identity.chain, renewed.pem()].concat();
    let owner = Spec { identities: vec![identity], ..Spec::default() };
    let judge = Spec { depth: 0, ..Spec::default() };
    shake_specs(&judge, &owner).client.session();
    shake_specs(&owner, &judge).server.session();
}

#[test]
fn a_server_with_another_name() {
    for version in BOTH {
        let spec = Spec::version(version);
        let expected = ExpectedName::Host("other.example".to_owned());
        let client = Handshake::client(&spec.client().unwrap(), expected, LastWord::Webpki).unwrap();
        let server = Handshake::server(&spec.server().unwrap(), LastWord::Webpki).unwrap();
        let shaken = shake(client, server, whole);
        let error = check(shaken, By::Client, version, "name_mismatch", AlertDescription::BadCertificate);
        let HandshakeError::NameMismatch { expected, presented } = error else { panic!("{error:?}") };
        assert_eq!(expected, "other.example");
        assert!(presented.iter().any(|name| name.contains("node.example")), "{presented:?}");
    }
}

#[test]
fn a_client_without_certificate() {
    for version in BOTH {
        let strict = Spec::version(version);
        let anonymous = Spec { identities: vec![], ..strict.clone() };
        let alert = AlertDescription::CertificateRequired;
        check(shake_specs(&anonymous, &strict), By::Server, version, "no_peer_certificate", alert);
    }
}

#[test]
fn nothing_in_common() {
    let [new, old] = BOTH.map(Spec::version);
    let failure = shake_specs(&new, &old).server.failure();
    assert_eq!(failure.error.kind(), "no_shared_version");
    assert_eq!(failure.send, [21, 3, 3, 0, 2, 2, AlertDescription::ProtocolVersion.into()]);
    assert_eq!(failure.alert, Some(AlertDescription::ProtocolVersion));
    let failure = shake_specs(&old, &new).server.failure();
    assert_eq!(failure.error.kind(), "no_shared_version");

    let suites = support::link::suites();
    for version in BOTH {
        let mut of_version = suites.iter().filter(|suite| suite.version().version == version);
        let one = Spec::suite(*of_version.next().unwrap());
        let other = Spec::suite(*of_version.next().unwrap());
        let shaken = shake_specs(&one, &other);
        check(
            shaken,
            By::Server,
            ProtocolVersion::TLSv1_2,
            "no_shared_cipher",
            AlertDescription::HandshakeFailure,
        );
    }
}

/// A referee who refuses everybody with one alert.
struct Refuses(AlertDescription);

impl Referee for Refuses {
    fn judge(&self, _case: Case) -> Ruling {
        Ruling::Refused { alert: self.0, reason: "no".to_owned() }
    }
}

/// Whatever alert a referee wishes for: what the error says is what the peer gets.
#[test]
fn the_alert_of_a_referee_is_the_one_that_is_sent() {
    for version in BOTH {
        for code in 0..=120 {
            let wish = AlertDescription::from(code);
            let spec = Spec { judged_by: JudgedBy::Referee, ..Spec::version(version) };
            let referee = LastWord::Referee(Arc::new(Refuses(wish)));
            let expected = ExpectedName::Host(HOST.to_owned());
            let client = Handshake::client(&spec.client().unwrap(), expected, referee).unwrap();
            let server = Handshake::server(&spec.server().unwrap(), LastWord::Webpki).unwrap();
            let shaken = shake(client, server, whole);
            let failure = shaken.client.failure();
            assert_eq!(failure.alert, failure.error.alert());
            let said = failure.alert.unwrap();
            assert!(said == wish || said == AlertDescription::CertificateUnknown, "{wish:?}: {said:?}");
            assert_eq!(shaken.server.failure().error, HandshakeError::AlertReceived(said), "{wish:?}");
        }
    }
}

/// Each fault that webpki finds has a name and an alert of its own.
#[test]
fn faults_of_chains_are_told_apart() {
    let key = || KeyPair::generate().unwrap();
    let authority_as_peer =
        issue(&CA, key(), |params| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained));
    let none_below = CertifiedIssuer::signed_by(
        {
            let mut params = CertificateParams::new(Vec::new()).unwrap();
            params.distinguished_name.push(DnType::CommonName, "none below");
            params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
            params
        },
        key(),
        &*CA,
    )
    .unwrap();
    let below = authority("below", Some(&none_below));
    let mut too_long = issue(&below, key(), |_| {});
    too_long.chain = [too_long.chain, below.pem(), none_below.pem()].concat();
    for (identity, kind, alert) in [
        (authority_as_peer, "peer_is_authority", AlertDescription::UnsupportedCertificate),
        (too_long, "path_length_exceeded", AlertDescription::UnknownCA),
    ] {
        for version in BOTH {
            let strict = Spec::version(version);
            let bad = Spec { identities: vec![identity.clone()], ..strict.clone() };
            check(shake_specs(&strict, &bad), By::Client, version, kind, alert);
            check(shake_specs(&bad, &strict), By::Server, version, kind, alert);
        }
    }
}

/// A chain beyond 64 KiB: the peer hears of it, and the error tells which it was.
#[test]
fn an_oversized_chain() {
    let huge = issue(&CA, KeyPair::generate().unwrap(), |params| {
        let padding = CustomExtension::from_oid_content(&[1, 2, 3, 4], vec![0; 70_000]);
        params.custom_extensions.push(padding);
    });
    let chain: Vec<_> = CertificateDer::pem_slice_iter(huge.chain.as_bytes()).map(Result::unwrap).collect();
    // This side shows no such chain, so the peer is rustls itself.
    for version in BOTH {
        let (failure, mut server) = failed_at_our_client(version, chain.clone());
        let alert = AlertDescription::DecodeError;
        assert_eq!((failure.error.kind(), failure.alert), ("handshake_too_large", Some(alert)));
        let told = server.process_new_packets().err();
        assert_eq!(told, Some(rustls::Error::AlertReceived(alert)));
    }
}

/// Keys and signatures that the provider cannot check are called by their names, and not forged.
#[test]
fn what_cannot_be_checked_is_named() {
    let folder = Folder::new();
    let generate = |name: &str, key: &str, more: &str| {
        folder.openssl(&format!(
            "req -x509 -newkey {key} -nodes -subj /CN={name} -keyout {name}.key -out {name} {more}"
        ));
        folder.path(name)
    };
    let ec = |curve: &str| format!("ec -pkeyopt ec_paramgen_curve:{curve}");
    folder.openssl(
        "req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout l.key -out l.csr -subj /CN=l",
    );
    folder.write("leaf_extensions", "basicConstraints=CA:FALSE");
    for (authority, digest, named) in [
        (ec("P-256"), "sha512", "ECDSA with SHA-512"),
        (ec("P-256"), "sha1", "SHA-1"),
        (ec("P-256"), "sha224", "SHA-224"),
        (ec("P-521"), "sha256", "EC on P-521"),
        (ec("secp256k1"), "sha256", "EC on secp256k1"),
        (ec("brainpoolP256r1"), "sha384", "neither P-256 nor P-384"),
        ("rsa:2048".to_owned(), "sha1", "SHA-1"),
        ("rsa:2048".to_owned(), "md5", "MD5"),
        ("rsa:1024".to_owned(), "sha256", "RSA of less than 2048 bits"),
        ("ed448".to_owned(), "null", "Ed448"),
    ] {
        let root = generate("root", &authority, "");
        let digest = match digest {
            "null" => String::new(),
            digest => format!("-{digest}"),
        };
        folder.openssl(&format!(
            "x509 -req -in l.csr -CA root -CAkey root.key -CAcreateserial -out leaf {digest} -extfile leaf_extensions"
        ));
        let leaf = pem::certificates(&folder.path("leaf")).unwrap().remove(0);
        let trust = TrustStore::load(&root).unwrap();
        let verdict = chain::verify(&trust, 10, &leaf, &[], PeerRole::Server, UnixTime::now());
        if verifies(named) {
            assert!(verdict.is_ok(), "{named}: {verdict:?}");
            continue;
        }
        let error = verdict.unwrap_err();
        assert_eq!(error.kind(), "unsupported_signature_algorithm", "{error}");
        assert!(error.to_string().contains(named), "{named}: {error}");
    }
    let peers =
        [(ec("P-521"), "EC on P-521"), (ec("secp256k1"), "EC on secp256k1"), ("ed448".to_owned(), "Ed448")];
    for (key, named) in peers.into_iter().filter(|(_, named)| !verifies(named)) {
        let chain = pem::certificates(&generate("peer", &key, "")).unwrap();
        for version in BOTH {
            let (failure, mut server) = failed_at_our_client(version, chain.clone());
            let told = server.process_new_packets().unwrap_err();
            assert_eq!(failure.error.kind(), "unsupported_peer_key", "{:?}", failure.error);
            assert!(failure.error.to_string().contains(named), "{}", failure.error);
            assert_eq!(failure.alert, Some(AlertDescription::UnsupportedCertificate));
            assert_eq!(told, rustls::Error::AlertReceived(AlertDescription::UnsupportedCertificate));
        }
    }
}

/// A server that shows `chain` without its key: how our client fails, and the server, which has yet to look at what it got.
fn failed_at_our_client(
    version: ProtocolVersion,
    chain: Vec<CertificateDer<'static>>,
) -> (Failure, ServerConnection) {
    #[derive(Debug)]
    struct Shows(Arc<CertifiedKey>);
    impl ResolvesServerCert for Shows {
        fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
            Some(self.0.clone())
        }
    }
    let key = PrivateKeyDer::from_pem_slice(Spec::default().identities[0].key.as_bytes()).unwrap();
    let key = rustls_dist::provider::default_provider().key_provider.load_private_key(key).unwrap();
    let mut config = server_config(version, &Spec::default().identities[0]);
    config.cert_resolver = Arc::new(Shows(Arc::new(CertifiedKey::new(chain, key))));
    let mut server = ServerConnection::new(Arc::new(config)).unwrap();
    let side = Spec::version(version).unchecked().client().unwrap();
    let mut client = Box::new(Handshake::client(&side, ExpectedName::Any, LastWord::Webpki).unwrap());
    let mut to_client = Vec::new();
    loop {
        match client.advance(&to_client) {
            Ok(step) => {
                let Progress::Continue(next) = step.progress else { panic!("accepted") };
                client = next;
                server.read_tls(&mut step.send.as_slice()).unwrap();
                server.process_new_packets().unwrap();
                to_client.clear();
                server.write_tls(&mut to_client).unwrap();
            }
            Err(failure) => {
                server.read_tls(&mut failure.send.as_slice()).unwrap();
                return (failure, server);
            }
        }
    }
}
