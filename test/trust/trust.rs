//! The trust store.

#[path = "../support/mod.rs"]
mod support;

use rustls::pki_types::CertificateDer;
use rustls_dist::error::ConfigError;
use rustls_dist::pem;
use rustls_dist::trust::{TrustSource, TrustStore};
use support::Folder;

fn folder_with_certificates() -> Folder {
    let folder = Folder::new();
    for name in ["root", "other"] {
        folder.openssl(&format!(
            "req -x509 -newkey ed25519 -nodes -keyout {name}.key -out {name} -subj /CN={name}"
        ));
    }
    folder.openssl("req -new -newkey ed25519 -nodes -keyout middle.key -out middle.csr -subj /CN=middle");
    folder.write("extensions", "basicConstraints=critical,CA:TRUE");
    folder.openssl(
        "x509 -req -in middle.csr -CA root -CAkey root.key -CAcreateserial -out middle -extfile extensions",
    );
    folder.openssl("req -new -newkey ed25519 -nodes -keyout old.key -out old.csr -subj /CN=old");
    folder.openssl("x509 -req -in old.csr -signkey old.key -out old");
    folder
}

#[test]
fn only_self_issued_certificates_are_anchors() {
    let folder = folder_with_certificates();
    let store = TrustStore::load(&folder.join("cas", &["middle", "root", "other", "root"])).unwrap();
    assert_eq!(store.anchors().len(), 3);
    assert_eq!(store.intermediates(), pem::certificates(&folder.path("middle")).unwrap());
    let names: Vec<_> = store.subjects().iter().map(|name| String::from_utf8_lossy(name.as_ref())).collect();
    assert_eq!(names.len(), 3);
    assert!(names[0].ends_with("middle") && names[1].ends_with("root") && names[2].ends_with("other"));
    // A whole Name, tag and length included, as the certificate request carries it.
    assert!(store.subjects().iter().all(|name| name.as_ref()[0] == 0x30));
    assert!(store.anchors().iter().all(|anchor| anchor.subject.as_ref()[0] == 0x31));
}

#[test]
fn roots_of_version_1() {
    let folder = folder_with_certificates();
    let text = String::from_utf8(folder.openssl("x509 -in old -noout -text")).unwrap();
    assert!(text.contains("Version: 1"));
    assert_eq!(TrustStore::load(&folder.path("old")).unwrap().anchors().len(), 1);
}

#[test]
fn errors() {
    let folder = folder_with_certificates();
    let path = folder.path("middle");
    let error = TrustStore::load(&path).unwrap_err();
    assert_eq!(*error.cause(), ConfigError::NoTrustAnchor { path });
    assert_eq!(error.option(), Some("cacertfile"));

    let path = folder.write("damaged", "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n");
    let error = TrustStore::load(&path).unwrap_err();
    assert_eq!(*error.cause(), ConfigError::BadCertificate { path, position: 1 });
    assert_eq!(error.option(), Some("cacertfile"));

    let path = folder.path("root.key");
    assert_eq!(*TrustStore::load(&path).unwrap_err().cause(), ConfigError::NoCertificate { path });
    let path = folder.path(".");
    assert_eq!(*TrustStore::load(&path).unwrap_err().cause(), ConfigError::FileNotRegular { path });
}

#[test]
fn certificates_instead_of_a_file() {
    let folder = folder_with_certificates();
    let ders = |name: &str| rustls_dist::pem::certificates(&folder.path(name)).unwrap();
    let source = |certificates| TrustSource::Certificates(certificates);
    let store = TrustStore::from_source(&source([ders("root"), ders("middle")].concat())).unwrap();
    assert_eq!((store.anchors().len(), store.intermediates().len()), (1, 1));

    let error = TrustStore::from_source(&source(ders("middle"))).unwrap_err();
    assert_eq!((error.kind(), error.option()), ("no_trust_anchor", Some("cacerts")));
    let garbage = CertificateDer::from(vec![0x30, 0]);
    let error = TrustStore::from_source(&source([ders("root"), vec![garbage]].concat())).unwrap_err();
    assert_eq!(*error.cause(), ConfigError::BadTrustedCertificate { position: 2 });
    assert_eq!(error.option(), Some("cacerts"));
}
