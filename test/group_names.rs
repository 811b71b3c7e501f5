//! Names of groups of the key exchange.

use rustls::NamedGroup;
use rustls_dist::error::{ConfigError, Error};
use rustls_dist::group_names::{otp_name, parse_all};
use rustls_dist::provider::default_provider;

fn parse(names: &[&str]) -> Result<Vec<NamedGroup>, ConfigError> {
    parse_all("supported_groups", &names.iter().map(ToString::to_string).collect::<Vec<_>>())
}

fn unusable(names: &[&str]) -> (Vec<String>, Vec<String>) {
    match parse(names) {
        Err(ConfigError::UnusableGroups { unsupported, unknown, .. }) => (unsupported, unknown),
        other => panic!("{names:?}: {other:?}"),
    }
}

#[test]
fn the_order_is_kept_and_case_does_not_matter() {
    let names = ["secp384r1", " X25519", "X25519MLKEM768", "x25519", "secp256R1 "];
    let groups =
        [NamedGroup::secp384r1, NamedGroup::X25519, NamedGroup::X25519MLKEM768, NamedGroup::secp256r1];
    assert_eq!(parse(&names).unwrap(), groups);
    assert_eq!(parse(&[]).unwrap(), []);
}

#[test]
fn every_group_of_the_provider_has_a_name() {
    for group in default_provider().kx_groups {
        let name = otp_name(group.name()).unwrap();
        assert_eq!(parse(&[&name]).unwrap(), [group.name()]);
    }
    assert_eq!(otp_name(NamedGroup::FFDHE2048).as_deref(), Some("ffdhe2048"));
    assert_eq!(otp_name(NamedGroup::Unknown(0x1a1a)), None);
}

/// What `ssl:groups/0` and `ssl:eccs/0` of OTP 25 to 29 give beyond what the provider has.
#[test]
fn groups_that_exist_elsewhere_and_those_that_do_not_exist() {
    let elsewhere = ["x448", "secp521r1", "ffdhe2048", "mlkem512", "secp384r1mlkem1024", "sect571r1"];
    assert_eq!(unusable(&elsewhere), (elsewhere.map(str::to_owned).to_vec(), vec![]));
    let others = ["brainpoolP256r1", "secp256k1", "sect163k1", "secp224r1"];
    assert_eq!(unusable(&others), (others.map(str::to_owned).to_vec(), vec![]));
    let unknown = ["x25520", "", "secp", "brainpool", "secpr1"];
    assert_eq!(unusable(&unknown), (vec![], unknown.map(str::to_owned).to_vec()));
    assert_eq!(unusable(&["x448", "x25519", "y"]), (vec!["x448".to_owned()], vec!["y".to_owned()]));
}

#[test]
fn the_sentence_says_which_and_what_can_be_used_instead() {
    let error = parse_all("eccs", &["secp521r1".to_owned(), "p256".to_owned()]).unwrap_err();
    assert_eq!((error.kind(), error.option()), ("unusable_group", Some("eccs")));
    let text = Error::from(error).text();
    let begins = "these are no names of groups: \"p256\"; and not supported: \"secp521r1\"; remove them: x25519mlkem768, \
                  x25519, secp256r1, secp384r1";
    assert!(text.starts_with(begins), "{text}");
    assert!(text.ends_with(" can be used"), "{text}");
}
