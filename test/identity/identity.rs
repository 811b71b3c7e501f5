//! Identities: certificate, key and chain.

#[path = "../support/mod.rs"]
mod support;

use std::path::PathBuf;

use rustls::pki_types::CertificateDer;
use rustls_dist::error::ConfigError;
use rustls_dist::identity::private_key::Password;
use rustls_dist::identity::{Identity, IdentityFiles};
use rustls_dist::pem;
use rustls_dist::trust::TrustSource;
use support::Folder;

const CA: &str = "-addext basicConstraints=critical,CA:TRUE -addext keyUsage=keyCertSign";

/// A self-signed certificate `name` with the key `name.key`.
fn root(folder: &Folder, name: &str, subject: &str) {
    folder.openssl(&format!("genpkey -algorithm ED25519 -out {name}.key"));
    folder.openssl(&format!("req -x509 -key {name}.key -out {name} -subj {subject} {CA}"));
}

/// A certificate `name` with the key `name.key`, signed by `issuer`; `extensions` is a section of openssl's
/// configuration, and an empty one gives a certificate of version 1.
fn issue(folder: &Folder, name: &str, subject: &str, issuer: &str, extensions: &str) {
    folder.openssl(&format!("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out {name}.key"));
    folder.openssl(&format!("req -new -key {name}.key -out {name}.csr -subj {subject}"));
    folder.write("extensions", extensions);
    let option = if extensions.is_empty() { "" } else { "-extfile extensions" };
    folder.openssl(&format!(
        "x509 -req -in {name}.csr -CA {issuer} -CAkey {issuer}.key -CAcreateserial -days 30 -out {name} {option}"
    ));
}

const CA_EXTENSIONS: &str = "basicConstraints=critical,CA:TRUE\nsubjectKeyIdentifier=hash\n\
                             authorityKeyIdentifier=keyid\n";
const LEAF_EXTENSIONS: &str = "basicConstraints=CA:FALSE\nauthorityKeyIdentifier=keyid\n";

/// root -> middle -> leaf.
fn three_levels() -> Folder {
    let folder = Folder::new();
    root(&folder, "root", "/CN=root");
    issue(&folder, "middle", "/CN=middle", "root", CA_EXTENSIONS);
    issue(&folder, "leaf", "/CN=leaf", "middle", LEAF_EXTENSIONS);
    folder
}

fn files(certfile: PathBuf, keyfile: Option<PathBuf>, password: Option<Password>) -> IdentityFiles {
    IdentityFiles { certfile, keyfile, password }
}

fn certificate(folder: &Folder, name: &str) -> CertificateDer<'static> {
    pem::certificates(&folder.path(name)).unwrap().remove(0)
}

/// The chain that `certfile` and `cacertfile` yield has to be the certificates `expected`, in that order.
fn check_chain(folder: &Folder, certfile: &str, cacertfile: Option<&str>, expected: &[&str]) {
    let above = cacertfile.map(|name| TrustSource::File(folder.path(name)));
    let key = folder.path(&format!("{}.key", expected[0]));
    let identity = Identity::load(&files(folder.path(certfile), Some(key), None), above.as_ref()).unwrap();
    let expected: Vec<_> = expected.iter().map(|name| certificate(folder, name)).collect();
    assert_eq!(identity.chain(), expected);
    assert_eq!(identity.leaf(), &expected[0]);
    assert_eq!(identity.certified_key().cert, expected);
}

fn failure(folder: &Folder, certfile: &str, keyfile: Option<&str>, cacertfile: Option<&str>) -> ConfigError {
    let path = |name: &str| folder.path(name);
    let above = cacertfile.map(|name| TrustSource::File(path(name)));
    Identity::load(&files(path(certfile), keyfile.map(path), None), above.as_ref()).unwrap_err()
}

#[test]
fn the_chain_is_completed_from_cacertfile() {
    let folder = three_levels();
    root(&folder, "other", "/CN=other");
    folder.join("cas", &["other", "root", "middle"]);
    folder.join("with_middle", &["leaf", "middle"]);
    folder.join("with_all", &["leaf", "middle", "root"]);
    check_chain(&folder, "leaf", None, &["leaf"]);
    check_chain(&folder, "leaf", Some("cas"), &["leaf", "middle", "root"]);
    check_chain(&folder, "leaf", Some("root"), &["leaf"]);
    check_chain(&folder, "leaf", Some("middle"), &["leaf", "middle"]);
    check_chain(&folder, "with_middle", None, &["leaf", "middle"]);
    check_chain(&folder, "with_middle", Some("cas"), &["leaf", "middle", "root"]);
    check_chain(&folder, "with_all", Some("cas"), &["leaf", "middle", "root"]);
    check_chain(&folder, "root", Some("cas"), &["root"]);
}

#[test]
fn issuers_of_the_same_name_are_told_apart() {
    let folder = Folder::new();
    root(&folder, "root1", "/CN=root");
    root(&folder, "root2", "/CN=root");
    folder.join("cas", &["root1", "root2"]);
    for (name, issuer) in [("leaf1", "root1"), ("leaf2", "root2")] {
        issue(&folder, name, "/CN=leaf", issuer, LEAF_EXTENSIONS);
        check_chain(&folder, name, Some("cas"), &[name, issuer]);
        // Without identifiers only the signature is left to go by.
        issue(&folder, name, "/CN=leaf", issuer, "");
        check_chain(&folder, name, Some("cas"), &[name, issuer]);
    }
}

#[test]
fn of_a_renewed_authority_the_longer_living_certificate_is_sent() {
    let folder = Folder::new();
    root(&folder, "old", "/CN=root");
    folder.join("new.key", &["old.key"]);
    folder.openssl(&format!("req -x509 -days 900 -key new.key -out new -subj /CN=root {CA}"));
    issue(&folder, "leaf", "/CN=leaf", "old", LEAF_EXTENSIONS);
    folder.join("cas1", &["old", "new"]);
    folder.join("cas2", &["new", "old"]);
    check_chain(&folder, "leaf", Some("cas1"), &["leaf", "new"]);
    check_chain(&folder, "leaf", Some("cas2"), &["leaf", "new"]);
}

#[test]
fn certificates_that_issued_each_other_make_no_loop() {
    let folder = Folder::new();
    root(&folder, "a_root", "/CN=a");
    root(&folder, "b_root", "/CN=b");
    let certify = |name: &str, subject: &str, issuer: &str| {
        folder.openssl(&format!("req -new -key {subject}_root.key -out {name}.csr -subj /CN={subject}"));
        folder.write("extensions", CA_EXTENSIONS);
        folder.openssl(&format!(
            "x509 -req -in {name}.csr -CA {issuer}_root -CAkey {issuer}_root.key -CAcreateserial -out {name} \
             -extfile extensions"
        ));
    };
    certify("a_by_b", "a", "b");
    certify("b_by_a", "b", "a");
    issue(&folder, "leaf", "/CN=leaf", "a_root", LEAF_EXTENSIONS);
    folder.join("cas", &["a_by_b", "b_by_a"]);
    check_chain(&folder, "leaf", Some("cas"), &["leaf", "a_by_b", "b_by_a"]);
}

#[test]
fn no_more_than_ten_certificates() {
    let folder = Folder::new();
    root(&folder, "level0", "/CN=level0");
    for level in 1..=12 {
        let (name, issuer) = (format!("level{level}"), format!("level{}", level - 1));
        issue(&folder, &name, &format!("/CN={name}"), &issuer, CA_EXTENSIONS);
    }
    let names: Vec<String> = (0..=12).rev().map(|level| format!("level{level}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    folder.join("cas", &names);
    check_chain(&folder, "level12", Some("cas"), &names[..10]);
    folder.join("ten", &names[..10]);
    check_chain(&folder, "ten", Some("cas"), &names[..10]);
    let path = folder.join("eleven", &names[..11]);
    let error = failure(&folder, "eleven", Some("level12.key"), None);
    assert_eq!(error, ConfigError::ChainTooLong { path, count: 11, limit: 10 });
    assert_eq!(error.option(), Some("certfile"));
}

#[test]
fn certificates_of_version_1() {
    let folder = Folder::new();
    root(&folder, "root", "/CN=root");
    issue(&folder, "leaf", "/CN=leaf", "root", "");
    let text = String::from_utf8(folder.openssl("x509 -in leaf -noout -text")).unwrap();
    assert!(text.contains("Version: 1"));
    check_chain(&folder, "leaf", Some("root"), &["leaf", "root"]);
}

#[test]
fn key_and_certificate_in_one_file() {
    let folder = three_levels();
    let certfile = folder.join("both", &["leaf.key", "leaf", "middle"]);
    let identity = Identity::load(&files(certfile, None, None), None).unwrap();
    assert_eq!(identity.chain().len(), 2);

    folder.openssl("pkcs8 -topk8 -passout pass:secret -in leaf.key -out leaf.encrypted");
    let certfile = folder.join("encrypted", &["leaf", "leaf.encrypted"]);
    let password = Password::from(b"secret".to_vec());
    assert!(Identity::load(&files(certfile.clone(), None, Some(password)), None).is_ok());
    let error = Identity::load(&files(certfile.clone(), None, None), None).unwrap_err();
    assert_eq!(error, ConfigError::PasswordMissing { path: certfile });
}

#[test]
fn every_kind_of_key_is_recognised_as_the_certificates() {
    let folder = Folder::new();
    let kinds =
        ["rsa:2048", "ec -pkeyopt ec_paramgen_curve:P-256", "ec -pkeyopt ec_paramgen_curve:P-384", "ed25519"];
    for (number, kind) in kinds.into_iter().enumerate() {
        let make = |name: &str| {
            folder.openssl(&format!(
                "req -x509 -newkey {kind} -nodes -keyout {name}.key -out {name} -subj /CN=a"
            ));
        };
        let (own, other) = (format!("own{number}"), format!("other{number}"));
        make(&own);
        make(&other);
        check_chain(&folder, &own, None, &[&own]);
        let keyfile = format!("{other}.key");
        let error = failure(&folder, &own, Some(&keyfile), None);
        let expected =
            ConfigError::KeyMismatch { certfile: folder.path(&own), keyfile: folder.path(&keyfile) };
        assert_eq!(error, expected);
        assert_eq!(error.option(), Some("keyfile"));
    }
    assert_eq!(failure(&folder, "own0", Some("own1.key"), None).kind(), "key_mismatch");
}

#[test]
fn errors_name_the_option_to_blame() {
    let folder = three_levels();
    let not_found = |name: &str| ConfigError::FileNotFound { path: folder.path(name) };
    let cases = [
        (failure(&folder, "absent", Some("leaf.key"), None), "certfile", not_found("absent")),
        (failure(&folder, "leaf", Some("absent"), None), "keyfile", not_found("absent")),
        (failure(&folder, "leaf", Some("leaf.key"), Some("absent")), "cacertfile", not_found("absent")),
        (
            failure(&folder, "leaf", None, None),
            "certfile",
            ConfigError::NoPrivateKey { path: folder.path("leaf") },
        ),
        (
            failure(&folder, "leaf.key", Some("leaf.key"), None),
            "certfile",
            ConfigError::NoCertificate { path: folder.path("leaf.key") },
        ),
    ];
    for (error, option, cause) in cases {
        assert_eq!(error.option(), Some(option), "{error}");
        assert_eq!(*error.cause(), cause);
        assert_eq!(error.kind(), cause.kind());
        assert_eq!(error.to_string(), format!("{option}: {cause}"));
    }
}

#[test]
fn damaged_certificates_are_found_with_their_position() {
    let folder = three_levels();
    let text = std::fs::read_to_string(folder.path("middle")).unwrap();
    let end = text.find("-----END").unwrap();
    let damaged = [
        text[..end].to_owned(),
        format!("{}{}", &text[..end - 65], &text[end..]),
        text.replace("MII", "MI!"),
        text.replace("-----END CERTIFICATE", "-----END X509 CRL"),
        "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n".to_owned(),
    ];
    for text in damaged {
        folder.write("damaged", text);
        let path = folder.join("list", &["leaf.key", "leaf", "damaged"]);
        assert_eq!(pem::certificates(&path), Err(ConfigError::BadCertificate { path, position: 2 }));
    }
}
