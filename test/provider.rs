//! What the two providers have, and in what they differ: all of it is in the tables below. Other tests ask `support::provider`.

mod support;

use rustls::crypto::SupportedKxGroup;
use rustls::{NamedGroup, SignatureScheme};
use rustls_dist::group_names;
use rustls_dist::identity::private_key::load;
use rustls_dist::provider::{NAME, default_provider};
use support::Folder;
use support::provider::{KEYS, has};

/// A group, whether it is offered by default, and whether the provider has it, ring and AWS-LC.
const GROUPS: [(NamedGroup, [Offered; 2]); 9] = [
    (NamedGroup::X25519MLKEM768, [Offered::Always, Offered::Always]),
    (NamedGroup::X25519, [Offered::Always, Offered::Always]),
    (NamedGroup::secp256r1, [Offered::Always, Offered::Always]),
    (NamedGroup::secp384r1, [Offered::Always, Offered::Always]),
    (NamedGroup::secp256r1MLKEM768, [Offered::Never, Offered::WhenAsked]),
    (NamedGroup::MLKEM768, [Offered::Never, Offered::WhenAsked]),
    (NamedGroup::MLKEM1024, [Offered::Never, Offered::WhenAsked]),
    (NamedGroup::secp521r1, [Offered::Never, Offered::Never]),
    (NamedGroup::X448, [Offered::Never, Offered::Never]),
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Offered {
    Always,
    WhenAsked,
    Never,
}

/// Signatures that certificates and handshakes are verified with, in ring and in AWS-LC.
const SCHEMES: [(SignatureScheme, [bool; 2]); 14] = [
    (SignatureScheme::ECDSA_NISTP256_SHA256, [true, true]),
    (SignatureScheme::ECDSA_NISTP384_SHA384, [true, true]),
    (SignatureScheme::ECDSA_NISTP521_SHA512, [false, true]),
    (SignatureScheme::ED25519, [true, true]),
    (SignatureScheme::ED448, [false, false]),
    (SignatureScheme::RSA_PKCS1_SHA256, [true, true]),
    (SignatureScheme::RSA_PKCS1_SHA384, [true, true]),
    (SignatureScheme::RSA_PKCS1_SHA512, [true, true]),
    (SignatureScheme::RSA_PSS_SHA256, [true, true]),
    (SignatureScheme::RSA_PSS_SHA384, [true, true]),
    (SignatureScheme::RSA_PSS_SHA512, [true, true]),
    (SignatureScheme::ML_DSA_44, [false, true]),
    (SignatureScheme::ML_DSA_65, [false, true]),
    (SignatureScheme::ML_DSA_87, [false, true]),
];

fn of<T: Copy>(both: [T; 2]) -> T {
    both[usize::from(NAME == "aws_lc_rs")]
}

fn names(groups: &[&'static dyn SupportedKxGroup]) -> Vec<NamedGroup> {
    groups.iter().map(|group| group.name()).collect()
}

#[test]
fn it_is_one_of_two() {
    assert!(["ring", "aws_lc_rs"].contains(&NAME), "{NAME}");
    assert_eq!(NAME == "aws_lc_rs", cfg!(feature = "aws_lc_rs"));
}

#[test]
fn groups() {
    let preferred: Vec<_> =
        GROUPS.iter().filter(|(_, both)| of(*both) == Offered::Always).map(|(group, _)| *group).collect();
    assert_eq!(names(&default_provider().kx_groups), preferred);
    for (group, both) in GROUPS {
        let name = group_names::otp_name(group).unwrap();
        let found = group_names::parse_all("supported_groups", std::slice::from_ref(&name));
        assert_eq!(found.is_ok(), of(both) != Offered::Never, "{name}");
    }
}

/// The same in both: what ciphers takes does not depend on how the library was built.
#[test]
fn cipher_suites() {
    let suites: Vec<_> = default_provider().cipher_suites.iter().map(|suite| suite.suite()).collect();
    assert_eq!(suites.len(), 9);
    for name in ["AES_256_GCM_SHA384", "AES_128_GCM_SHA256", "CHACHA20_POLY1305_SHA256"] {
        for beginning in ["TLS13_", "TLS_ECDHE_ECDSA_WITH_", "TLS_ECDHE_RSA_WITH_"] {
            let full = format!("{beginning}{name}");
            assert!(suites.iter().any(|suite| suite.as_str() == Some(&full)), "{full}");
        }
    }
}

#[test]
fn signature_schemes() {
    let schemes = default_provider().signature_verification_algorithms.supported_schemes();
    for (scheme, both) in SCHEMES {
        assert_eq!(schemes.contains(&scheme), of(both), "{scheme:?}");
    }
    assert_eq!(schemes.len(), SCHEMES.iter().filter(|(_, both)| of(*both)).count());
}

#[test]
fn private_keys() {
    let folder = Folder::new();
    for (name, algorithm, _) in KEYS {
        folder.openssl(&format!("genpkey -algorithm {algorithm} -out {name}"));
        let loaded = load(&folder.path(name), None);
        assert_eq!(loaded.is_ok(), has(name), "{name}: {:?}", loaded.err());
    }
}
