//! What a side refuses to be built of, and what it offers.

mod support;

use rustls::{ProtocolVersion, SupportedCipherSuite};
use rustls_dist::config::{ClientSide, ServerSide};
use rustls_dist::error::ConfigError;
use rustls_dist::identity::private_key::Password;
use rustls_dist::key_exchange::Groups;
use rustls_dist::provider::{self, Versions};
use support::Folder;
use support::link::{shake_specs, suites};
use support::pki::{CA, EC, NOW_UNIX_S, Spec, clock};

const TLS13: ProtocolVersion = ProtocolVersion::TLSv1_3;
const TLS12: ProtocolVersion = ProtocolVersion::TLSv1_2;

fn client_error(spec: &Spec) -> ConfigError {
    spec.client().err().unwrap()
}

fn server_error(spec: &Spec) -> ConfigError {
    spec.server().err().unwrap()
}

fn suites_of(version: ProtocolVersion) -> Vec<SupportedCipherSuite> {
    suites().into_iter().filter(|suite| suite.version().version == version).collect()
}

#[test]
fn a_server_needs_a_certificate() {
    for spec in [
        Spec { identities: vec![], ..Spec::default() },
        Spec { identities: vec![], ..Spec::default() }.unchecked(),
    ] {
        let error = server_error(&spec);
        assert_eq!(error, ConfigError::OptionMissing { option: "certfile", because: "a TLS server" });
        assert_eq!((error.kind(), error.option()), ("option_missing", Some("certfile")));
        assert!(spec.client().unwrap().own_chains().is_empty());
    }
}

#[test]
fn verification_needs_trust_anchors() {
    let spec = Spec { trust: None, ..Spec::default() };
    let missing = ConfigError::OptionMissing { option: "cacertfile", because: "verify_peer" };
    assert_eq!(client_error(&spec), missing);
    assert_eq!(server_error(&spec), missing);
    assert!(spec.clone().unchecked().client().is_ok());
    assert!(spec.unchecked().server().is_ok());
}

#[test]
fn errors_name_the_option() {
    let garbage = Spec { trust: Some("no certificates".to_owned()), ..Spec::default() };
    for error in [client_error(&garbage), server_error(&garbage)] {
        assert_eq!((error.kind(), error.option()), ("not_pem", Some("cacertfile")));
    }
    let mut mixed = EC.clone();
    mixed.key = support::pki::RSA.key.clone();
    let mixed = Spec { identities: vec![mixed], ..Spec::default() };
    for error in [client_error(&mixed), server_error(&mixed)] {
        assert_eq!((error.kind(), error.option()), ("key_mismatch", Some("keyfile")));
    }
}

#[test]
fn the_chain_that_is_presented() {
    let spec = Spec::default();
    let server = spec.server().unwrap();
    assert_eq!(server.own_chains()[0].len(), 2);
    assert_eq!(server.own_chains()[0][1], *CA.der());
    assert_eq!(spec.client().unwrap().own_chains(), server.own_chains());
}

#[test]
fn a_version_that_was_asked_for_needs_a_cipher_suite() {
    for (version, other, name) in [(TLS13, TLS12, "tlsv1.3"), (TLS12, TLS13, "tlsv1.2")] {
        for wanted in [vec![version], vec![version, other], vec![other, version]] {
            let spec = Spec {
                versions: Versions::Exactly(wanted),
                suites: Some(suites_of(other)),
                ..Spec::default()
            };
            for error in [client_error(&spec), server_error(&spec)] {
                assert_eq!(error, ConfigError::NoCipherForVersion { version: name });
                assert_eq!(error.option(), Some("ciphers"));
            }
        }
    }
}

#[test]
fn no_cipher_suite_and_no_version_at_all() {
    let nothing = Spec { suites: Some(vec![]), ..Spec::default() };
    assert_eq!(client_error(&nothing).kind(), "no_cipher_for_version");
    assert_eq!(server_error(&nothing).kind(), "no_cipher_for_version");
    for versions in [vec![], vec![ProtocolVersion::TLSv1_1]] {
        let spec = Spec { versions: Versions::Exactly(versions), ..Spec::default() };
        assert!(spec.client().is_err() && spec.server().is_err());
    }
}

#[test]
fn default_versions_shrink_to_what_the_suites_serve() {
    for version in [TLS13, TLS12] {
        let offer =
            provider::offer(&Versions::Default, Some(&suites_of(version)), &Groups::default()).unwrap();
        let offered: Vec<_> = offer.versions.iter().map(|offered| offered.version).collect();
        assert_eq!(offered, [version]);
        assert_eq!(offer.provider.cipher_suites, suites_of(version));

        let shrunk = Spec { suites: Some(suites_of(version)), ..Spec::default() };
        let shaken = shake_specs(&shrunk, &Spec::default());
        assert_eq!(shaken.client.session().facts.version, version);
        let shaken = shake_specs(&Spec::default(), &shrunk);
        assert_eq!(shaken.server.session().facts.version, version);
    }
}

#[test]
fn versions_are_offered_newest_first_and_suites_as_configured() {
    let offer = provider::offer(&Versions::Default, None, &Groups::default()).unwrap();
    let all: Vec<_> = offer.versions.iter().map(|offered| offered.version).collect();
    assert_eq!(all, [TLS13, TLS12]);
    assert_eq!(offer.provider.cipher_suites, suites());
    let offer = provider::offer(&Versions::Exactly(vec![TLS12, TLS13]), None, &Groups::default()).unwrap();
    assert_eq!(offer.versions.iter().map(|offered| offered.version).collect::<Vec<_>>(), all);

    let mut reversed = suites();
    reversed.reverse();
    let offer = provider::offer(&Versions::Default, Some(&reversed), &Groups::default()).unwrap();
    assert_eq!(offer.provider.cipher_suites, reversed);
}

#[test]
fn the_password_reaches_the_key_and_no_one_else() {
    let folder = Folder::new();
    let mut options = Spec::default().options(&folder);
    folder.openssl("pkcs8 -topk8 -in key0 -v2 aes-256-cbc -passout pass:tr0ubador -out encrypted");
    options.identities[0].keyfile = Some(folder.path("encrypted"));
    let both = |options: &_| {
        let client = ClientSide::new(options, clock(NOW_UNIX_S)).map(|side| side.own_chains()[0].len());
        let server = ServerSide::new(options, clock(NOW_UNIX_S)).map(|side| side.own_chains()[0].len());
        assert_eq!(client, server);
        client
    };
    let path = folder.path("encrypted");
    let refused = |error: ConfigError| (error.option(), error.cause().clone());
    assert_eq!(
        both(&options).map_err(refused),
        Err((Some("password"), ConfigError::PasswordMissing { path: path.clone() }))
    );
    options.identities[0].password = Some(Password::from(b"wrong".to_vec()));
    assert_eq!(both(&options).map_err(refused), Err((Some("password"), ConfigError::PasswordWrong { path })));
    options.identities[0].password = Some(Password::from(b"tr0ubador".to_vec()));
    assert_eq!(both(&options), Ok(2));
    assert!(!format!("{options:?}").contains("tr0ub"));
}
