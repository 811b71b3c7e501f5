//! Wycheproof's vectors against the key exchange: ML-KEM-768, with those of FIPS 203 among them, through X25519MLKEM768, and
//! points of X25519, P-256 and P-384 that a peer may send.
//!
//! The providers make keys for one key exchange and take none from outside. So the classical halves' secrets are compared with
//! openssl's alone (`rustls_dist_groups_SUITE`); here is what is refused, and that nothing else is. ML-KEM's random numbers are
//! an argument of the group, which is compiled into this program for that.

#[cfg(not(feature = "aws_lc_rs"))]
#[path = "../../src/key_exchange/hybrid.rs"]
mod hybrid;

use rustls::crypto::SupportedKxGroup;
use rustls::{Error, NamedGroup, PeerMisbehaved};
use rustls_dist::provider::default_provider;
use wycheproof::{TestResult, ecdh, mlkem, xdh};

const KEY_BYTES: usize = 1184;

fn group(name: NamedGroup) -> &'static dyn SupportedKxGroup {
    *default_provider().kx_groups.iter().find(|group| group.name() == name).unwrap()
}

fn refused<T>(outcome: Result<T, Error>) -> bool {
    outcome.err() == Some(PeerMisbehaved::InvalidKeyShare.into())
}

fn ml_kem(name: mlkem::TestName) -> Vec<mlkem::Test> {
    let set = mlkem::TestSet::load(name).unwrap();
    set.test_groups.into_iter().flat_map(|group| group.tests).collect()
}

/// Bytes of a vector that has them.
fn bytes(field: &Option<wycheproof::ByteString>) -> &[u8] {
    field.as_ref().map_or(&[], |bytes| bytes.as_slice())
}

/// Keys of another length, and with numbers that are not reduced (FIPS 203 section 7.2), are refused. All others are not.
#[test]
fn encapsulation_keys() {
    let (hybrid, x25519) = (group(NamedGroup::X25519MLKEM768), group(NamedGroup::X25519));
    let point = x25519.start().unwrap().pub_key().to_vec();
    let (mut good, mut bad) = (0, 0);
    for test in ml_kem(mlkem::TestName::MlKem768Encaps) {
        let share = [bytes(&test.encaps_key), &point].concat();
        let outcome = hybrid.start_and_complete(&share);
        match test.result {
            TestResult::Valid => {
                good += 1;
                assert!(outcome.is_ok(), "{}", test.tc_id);
            }
            _ => {
                bad += 1;
                assert!(refused(outcome), "{}", test.tc_id);
            }
        }
    }
    assert_eq!((good, bad), (133, 132));
}

/// ML-KEM's half of the shares and of the secret, for random numbers that are given.
#[cfg(not(feature = "aws_lc_rs"))]
mod with_given_random_numbers {
    use std::cell::RefCell;

    use super::*;

    thread_local! {
        static RANDOM: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    }

    static HYBRID: std::sync::LazyLock<hybrid::X25519MlKem768> = std::sync::LazyLock::new(|| {
        let random = |filled: &mut [u8]| {
            RANDOM.with_borrow(|given| filled.copy_from_slice(given));
            Ok(())
        };
        hybrid::X25519MlKem768 { x25519: group(NamedGroup::X25519), random }
    });

    fn given(random: &[u8]) -> &'static hybrid::X25519MlKem768 {
        RANDOM.set(random.to_vec());
        &HYBRID
    }

    fn point() -> Vec<u8> {
        group(NamedGroup::X25519).start().unwrap().pub_key().to_vec()
    }

    /// FIPS 203 section 7.1.
    #[test]
    fn key_pairs() {
        let tests = ml_kem(mlkem::TestName::MlKem768KeyGenSeed);
        for test in &tests {
            let offered = given(bytes(&test.seed)).start().unwrap();
            assert_eq!(&offered.pub_key()[..KEY_BYTES], bytes(&test.encaps_key), "{}", test.tc_id);
        }
        assert_eq!(tests.len(), 100);
    }

    /// FIPS 203 section 7.2.
    #[test]
    fn encapsulation() {
        let mut played = 0;
        for test in ml_kem(mlkem::TestName::MlKem768Encaps) {
            if test.result == TestResult::Valid {
                let share = [bytes(&test.encaps_key), &point()].concat();
                let answer = given(bytes(&test.msg)).start_and_complete(&share).unwrap();
                let (ciphertext, _point) = answer.pub_key.split_last_chunk::<32>().unwrap();
                assert_eq!(ciphertext, bytes(&test.ct), "{}", test.tc_id);
                assert_eq!(&answer.secret.secret_bytes()[..32], bytes(&test.shared_secret), "{}", test.tc_id);
                played += 1;
            }
        }
        assert_eq!(played, 133);
    }

    /// FIPS 203 section 7.3, with ciphertexts that were not made with the key, and of another length.
    #[test]
    fn decapsulation() {
        let (mut good, mut bad) = (0, 0);
        for test in ml_kem(mlkem::TestName::MlKem768) {
            // A seed of another length is none that the provider's random numbers could be.
            if bytes(&test.seed).len() != 64 {
                assert_eq!(test.result, TestResult::Invalid, "{}", test.tc_id);
                continue;
            }
            let offered = given(bytes(&test.seed)).start().unwrap();
            let outcome = offered.complete(&[bytes(&test.ct), &point()].concat());
            match test.result {
                TestResult::Valid => {
                    good += 1;
                    let secret = outcome.unwrap();
                    assert_eq!(&secret.secret_bytes()[..32], bytes(&test.shared_secret), "{}", test.tc_id);
                }
                _ => {
                    bad += 1;
                    assert!(refused(outcome), "{}", test.tc_id);
                }
            }
        }
        println!("{good} ciphertexts, {bad} of another length");
        assert_eq!(good, 161);
    }
}

/// Points of small order, whose secret would be zero, are refused (RFC 8446 section 7.4.2), alone and as a half; all others are
/// taken, whatever their form (RFC 7748 section 5).
#[test]
fn points_of_x25519() {
    let (hybrid, x25519) = (group(NamedGroup::X25519MLKEM768), group(NamedGroup::X25519));
    let key = hybrid.start().unwrap().pub_key()[..KEY_BYTES].to_vec();
    let set = xdh::TestSet::load(xdh::TestName::X25519).unwrap();
    let (mut good, mut bad) = (0, 0);
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        let outcome = x25519.start_and_complete(&test.public_key);
        match test.flags.contains(&xdh::TestFlag::ZeroSharedSecret) {
            true => {
                bad += 1;
                assert!(outcome.is_err(), "{}", test.tc_id);
                let share = [key.as_slice(), &test.public_key].concat();
                assert!(hybrid.start_and_complete(&share).is_err(), "{}", test.tc_id);
                assert!(x25519.start().unwrap().complete(&test.public_key).is_err(), "{}", test.tc_id);
            }
            false => {
                good += 1;
                assert!(outcome.is_ok(), "{}", test.tc_id);
            }
        }
    }
    assert_eq!((good, bad), (487, 31));
}

/// Points that are on another curve, or in a form that TLS 1.3 does not have (RFC 8446 section 4.2.8.2), are refused.
#[test]
fn points_of_the_nist_curves() {
    for (name, group_name) in [
        (ecdh::TestName::EcdhSecp256r1Ecpoint, NamedGroup::secp256r1),
        (ecdh::TestName::EcdhSecp384r1Ecpoint, NamedGroup::secp384r1),
    ] {
        let group = group(group_name);
        let set = ecdh::TestSet::load(name).unwrap();
        for test in set.test_groups.iter().flat_map(|group| &group.tests) {
            let is_good = test.result == TestResult::Valid;
            assert_eq!(
                group.start_and_complete(&test.public_key).is_ok(),
                is_good,
                "{group_name:?} {}",
                test.tc_id
            );
        }
    }
}
