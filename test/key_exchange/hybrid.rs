//! X25519MLKEM768: what its shares and its secret are made of, and what is refused. That others understand it, openssl shows
//! (`rustls_dist_groups_SUITE`).

use rustls::crypto::{ActiveKeyExchange, SharedSecret, SupportedKxGroup};
use rustls::{Error, NamedGroup, PeerMisbehaved, ProtocolVersion};
use rustls_dist::provider::default_provider;

/// An encapsulation key of ML-KEM-768, and a ciphertext of it (FIPS 203 table 3).
const KEY_BYTES: usize = 1184;
const CIPHERTEXT_BYTES: usize = 1088;
const X25519_BYTES: usize = 32;

fn group(name: NamedGroup) -> &'static dyn SupportedKxGroup {
    *default_provider().kx_groups.iter().find(|group| group.name() == name).unwrap()
}

fn hybrid() -> &'static dyn SupportedKxGroup {
    group(NamedGroup::X25519MLKEM768)
}

fn x25519() -> &'static dyn SupportedKxGroup {
    group(NamedGroup::X25519)
}

fn offered() -> Box<dyn ActiveKeyExchange> {
    hybrid().start().unwrap()
}

fn refused<T>(outcome: Result<T, Error>) -> bool {
    outcome.err() == Some(PeerMisbehaved::InvalidKeyShare.into())
}

fn secret(secret: &SharedSecret) -> Vec<u8> {
    secret.secret_bytes().to_vec()
}

#[test]
fn it_comes_first_and_in_tls_1_3_alone() {
    let groups: Vec<_> = default_provider().kx_groups.iter().map(|group| group.name()).collect();
    let expected =
        [NamedGroup::X25519MLKEM768, NamedGroup::X25519, NamedGroup::secp256r1, NamedGroup::secp384r1];
    assert_eq!(groups[..4], expected);
    assert!(hybrid().usable_for_version(ProtocolVersion::TLSv1_3));
    assert!(!hybrid().usable_for_version(ProtocolVersion::TLSv1_2));
}

#[test]
fn both_ends_get_the_same_secret_and_every_time_another_one() {
    let run = || {
        let client = offered();
        assert_eq!(client.group(), NamedGroup::X25519MLKEM768);
        assert_eq!(client.pub_key().len(), KEY_BYTES + X25519_BYTES);
        let server = hybrid().start_and_complete(client.pub_key()).unwrap();
        assert_eq!(server.group, NamedGroup::X25519MLKEM768);
        assert_eq!(server.pub_key.len(), CIPHERTEXT_BYTES + X25519_BYTES);
        let agreed = secret(&server.secret);
        assert_eq!(agreed.len(), 64);
        assert_eq!(secret(&client.complete(&server.pub_key).unwrap()), agreed);
        agreed
    };
    let (one, other) = (run(), run());
    assert_ne!(one[..32], other[..32]);
    assert_ne!(one[32..], other[32..]);
}

/// draft-ietf-tls-ecdhe-mlkem sections 4.1 to 4.3: ML-KEM first, in both shares and in the secret.
#[test]
fn x25519_is_the_second_half_of_everything() {
    let (client, classical) = (offered(), x25519().start().unwrap());
    let share = [&client.pub_key()[..KEY_BYTES], classical.pub_key()].concat();
    let server = hybrid().start_and_complete(&share).unwrap();
    let by_x25519 = classical.complete(&server.pub_key[CIPHERTEXT_BYTES..]).unwrap();
    assert_eq!(server.secret.secret_bytes()[32..], *by_x25519.secret_bytes());

    let classical = x25519().start_and_complete(&client.pub_key()[KEY_BYTES..]).unwrap();
    let answer = [&server.pub_key[..CIPHERTEXT_BYTES], &classical.pub_key].concat();
    let agreed = client.complete(&answer).unwrap();
    assert_eq!(agreed.secret_bytes()[..32], server.secret.secret_bytes()[..32]);
    assert_eq!(agreed.secret_bytes()[32..], *classical.secret.secret_bytes());
}

#[test]
fn x25519_alone_is_offered_with_the_same_key() {
    let client = offered();
    let (name, share) = client.hybrid_component().unwrap();
    assert_eq!((name, share), (NamedGroup::X25519, &client.pub_key()[KEY_BYTES..]));
    let server = x25519().start_and_complete(share).unwrap();
    let agreed = client.complete_hybrid_component(&server.pub_key).unwrap();
    assert_eq!(secret(&agreed), secret(&server.secret));
}

#[test]
fn shares_of_another_length() {
    let share = offered().pub_key().to_vec();
    let answer = hybrid().start_and_complete(&share).unwrap().pub_key;
    for length in [0, 1, X25519_BYTES, KEY_BYTES - 1, KEY_BYTES, share.len() - 1] {
        assert!(refused(hybrid().start_and_complete(&share[..length])), "{length}");
    }
    assert!(refused(hybrid().start_and_complete(&[share.as_slice(), &[0]].concat())));
    for length in [0, 1, X25519_BYTES, CIPHERTEXT_BYTES - 1, CIPHERTEXT_BYTES, answer.len() - 1] {
        assert!(refused(offered().complete(&answer[..length])), "{length}");
    }
    assert!(refused(offered().complete(&[answer.as_slice(), &[0]].concat())));
    assert!(refused(offered().complete(&share)));
    assert!(refused(hybrid().start_and_complete(&answer)));
}

/// The modulus check of FIPS 203 section 7.2: no number may be 3329 or more, wherever it stands.
#[test]
fn keys_whose_numbers_are_not_reduced() {
    for at in [0, 3, KEY_BYTES - 32 - 3] {
        for (low, number) in [(0x01, "the modulus"), (0xff, "the largest number of 12 bits")] {
            let mut share = offered().pub_key().to_vec();
            share[at] = low;
            share[at + 1] = share[at + 1] & 0xf0 | 0x0d | low & 0x0f;
            assert!(refused(hybrid().start_and_complete(&share)), "{number} at {at}");
        }
    }
}

/// RFC 8446 section 7.4.2: a secret of zeros means that the peer's point is one of small order.
#[test]
fn points_of_small_order() {
    let share = offered().pub_key().to_vec();
    let spoilt = [&share[..KEY_BYTES], &[0; X25519_BYTES]].concat();
    assert!(refused(hybrid().start_and_complete(&spoilt)));
    let client = offered();
    let answer = hybrid().start_and_complete(client.pub_key()).unwrap().pub_key;
    let spoilt = [&answer[..CIPHERTEXT_BYTES], &[0; X25519_BYTES]].concat();
    assert!(refused(client.complete(&spoilt)));
    assert!(refused(offered().complete_hybrid_component(&[0; X25519_BYTES])));
}

/// FIPS 203 section 6.3: whoever sends a spoilt ciphertext learns nothing but that the secrets differ.
#[test]
fn a_ciphertext_that_was_not_made_with_the_key() {
    let client = offered();
    let server = hybrid().start_and_complete(client.pub_key()).unwrap();
    let mut answer = server.pub_key;
    answer[CIPHERTEXT_BYTES / 2] ^= 1;
    let agreed = client.complete(&answer).unwrap();
    assert_ne!(agreed.secret_bytes()[..32], server.secret.secret_bytes()[..32]);
    assert_eq!(agreed.secret_bytes()[32..], server.secret.secret_bytes()[32..]);
}
