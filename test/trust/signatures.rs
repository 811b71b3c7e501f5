//! Wycheproof's vectors against signatures and keys: the proof of a TLS 1.3 and of a TLS 1.2 handshake, as the verifier checks it
//! with the key of a certificate, the signatures of certificates, and private keys that sign.
//!
//! What the provider does not have, or TLS does not allow with a scheme, has to be refused with every vector.

#[path = "../support/mod.rs"]
mod support;

/// The verifier's own functions, which nobody else may call.
#[allow(dead_code, reason = "who signed a certificate is tested with certificates")]
#[path = "../../src/trust/signature.rs"]
mod signature;

mod provider {
    pub(crate) fn signature_algorithms() -> rustls::crypto::WebPkiSupportedAlgorithms {
        rustls_dist::provider::default_provider().signature_verification_algorithms
    }
}

use pkcs8::der::asn1::AnyRef;
use pkcs8::der::{Decode, Encode, Header, Reader, SliceReader, Tag, TagNumber};
use rustls::internal::msgs::codec::{Codec, Reader as TlsReader};
use rustls::pki_types::CertificateDer;
use rustls::{DigitallySignedStruct, SignatureScheme};
use rustls_dist::identity::private_key;
// `signature` looks for it in its crate.
use rustls_dist::certificate;
use support::Folder;
use wycheproof::{
    TestResult, ecdsa, eddsa, mldsa_verify, rsa_pkcs1_decrypt, rsa_pkcs1_verify, rsa_pss_verify,
};

/// One signature: its number, what it is of, and whether it is good. `None`: both answers are right.
struct Vector {
    number: usize,
    message: Vec<u8>,
    signature: Vec<u8>,
    is_good: Option<bool>,
}

/// The vectors of one key, in the form of a SubjectPublicKeyInfo.
struct Keyed {
    spki: Vec<u8>,
    vectors: Vec<Vector>,
}

/// The groups of a set of vectors.
macro_rules! load {
    ($kind:ident, $name:ident) => {{
        let set = $kind::TestSet::load($kind::TestName::$name).unwrap();
        let keyed = |group: $kind::TestGroup| Keyed {
            spki: group.der.to_vec(),
            vectors: group.tests.into_iter().map(|test| vector!(test)).collect(),
        };
        set.test_groups.into_iter().map(keyed).collect::<Vec<Keyed>>()
    }};
}

macro_rules! vector {
    ($test:ident) => {
        Vector {
            number: $test.tc_id,
            message: $test.msg.to_vec(),
            signature: $test.sig.to_vec(),
            is_good: match $test.result {
                TestResult::Valid => Some(true),
                TestResult::Invalid => Some(false),
                TestResult::Acceptable => None,
            },
        }
    };
}

fn der(tag: Tag, parts: &[&[u8]]) -> Vec<u8> {
    let contents = parts.concat();
    let mut bytes = Header::new(tag, contents.len()).unwrap().to_der().unwrap();
    bytes.extend(contents);
    bytes
}

/// A certificate for a key, which nobody signed.
fn certificate_for(spki: &[u8]) -> CertificateDer<'static> {
    let version = der(Tag::ContextSpecific { constructed: true, number: TagNumber::N0 }, &[&[2, 1, 2]]);
    let algorithm = [0x30, 5, 6, 3, 0x2b, 0x65, 0x70];
    let name = [0x30, 0];
    let validity = b"\x30\x1e\x17\x0d700101000000Z\x17\x0d491231235959Z";
    let to_be_signed = der(Tag::Sequence, &[&version, &[2, 1, 1], &algorithm, &name, validity, &name, spki]);
    der(Tag::Sequence, &[&to_be_signed, &algorithm, &[3, 1, 0]]).into()
}

fn signed(scheme: SignatureScheme, signature: &[u8]) -> DigitallySignedStruct {
    let mut bytes = u16::from(scheme).to_be_bytes().to_vec();
    bytes.extend(u16::try_from(signature.len()).unwrap().to_be_bytes());
    bytes.extend(signature);
    DigitallySignedStruct::read(&mut TlsReader::init(&bytes)).unwrap()
}

/// The contents of a key's AlgorithmIdentifier.
fn algorithm_of(spki: &[u8]) -> Vec<u8> {
    let contents = AnyRef::from_der(spki).unwrap().value();
    let mut reader = SliceReader::new(contents).unwrap();
    let algorithm: AnyRef<'_> = reader.decode().unwrap();
    algorithm.value().to_vec()
}

/// Whether the provider checks signatures of a scheme with keys of that kind, in TLS 1.2, and in TLS 1.3, which binds a scheme to
/// one curve and has none of PKCS #1 v1.5 (RFC 8446 section 4.2.3).
fn is_supported(scheme: SignatureScheme, spki: &[u8]) -> (bool, bool) {
    let algorithms = provider::signature_algorithms();
    let candidates =
        algorithms.mapping.iter().find(|(known, _)| *known == scheme).map_or(&[][..], |(_, all)| *all);
    let fits = |algorithm: &&dyn rustls::pki_types::SignatureVerificationAlgorithm| {
        algorithm.public_key_alg_id().as_ref() == algorithm_of(spki)
    };
    let in_tls13 = !matches!(
        scheme,
        SignatureScheme::RSA_PKCS1_SHA256
            | SignatureScheme::RSA_PKCS1_SHA384
            | SignatureScheme::RSA_PKCS1_SHA512
    );
    (candidates.iter().any(fits), in_tls13 && candidates.first().is_some_and(fits))
}

/// Plays vectors in both versions of TLS. Returns how many were taken and refused in TLS 1.2.
fn play(name: &str, scheme: SignatureScheme, keys: &[Keyed]) -> (usize, usize) {
    let (mut taken, mut refused) = (0, 0);
    for Keyed { spki, vectors } in keys {
        let certificate = certificate_for(spki);
        let (tls12, tls13) = is_supported(scheme, spki);
        for Vector { number, message, signature, is_good } in vectors {
            let signed = signed(scheme, signature);
            let in_tls12 = signature::verify_tls12(message, &certificate, &signed).is_ok();
            let in_tls13 = signature::verify_tls13(message, &certificate, &signed).is_ok();
            for (is_supported, outcome, version) in [(tls12, in_tls12, "1.2"), (tls13, in_tls13, "1.3")] {
                match is_good {
                    Some(good) => {
                        assert_eq!(outcome, *good && is_supported, "{name} {number} with TLS {version}")
                    }
                    None => assert!(!outcome || is_supported, "{name} {number} with TLS {version}"),
                }
            }
            taken += usize::from(in_tls12);
            refused += usize::from(!in_tls12);
        }
    }
    println!("{name}: {taken} taken, {refused} refused");
    (taken, refused)
}

/// A set that TLS does not allow with the scheme: nothing that is good in it is taken. (What is bad in it may be so for the hash or
/// the salt that TLS has.)
fn play_in_vain(name: &str, scheme: SignatureScheme, keys: Vec<Keyed>) {
    let refused = |vector: Vector| match vector.is_good {
        Some(true) => Some(Vector { is_good: Some(false), ..vector }),
        _ => None,
    };
    let keys: Vec<_> = keys
        .into_iter()
        .map(|Keyed { spki, vectors }| Keyed {
            spki,
            vectors: vectors.into_iter().filter_map(refused).collect(),
        })
        .collect();
    let (taken, refused) = play(name, scheme, &keys);
    assert!(taken == 0 && refused > 0, "{name}");
}

#[test]
fn ecdsa() {
    use SignatureScheme as Scheme;
    let p256 = play("P-256 SHA-256", Scheme::ECDSA_NISTP256_SHA256, &load!(ecdsa, EcdsaSecp256r1Sha256));
    assert!(p256.0 > 100 && p256.1 > 300);
    let p384 = play("P-384 SHA-384", Scheme::ECDSA_NISTP384_SHA384, &load!(ecdsa, EcdsaSecp384r1Sha384));
    assert!(p384.0 > 100 && p384.1 > 300);
    // In TLS 1.2 a scheme names a hash alone.
    let mixed = play("P-384 SHA-256", Scheme::ECDSA_NISTP256_SHA256, &load!(ecdsa, EcdsaSecp384r1Sha256));
    assert!(mixed.0 > 100);
    play("P-256 SHA-512", Scheme::ECDSA_NISTP521_SHA512, &load!(ecdsa, EcdsaSecp256r1Sha512));
    play("P-384 SHA-512", Scheme::ECDSA_NISTP521_SHA512, &load!(ecdsa, EcdsaSecp384r1Sha512));
    play("P-521 SHA-512", Scheme::ECDSA_NISTP521_SHA512, &load!(ecdsa, EcdsaSecp521r1Sha512));
    play_in_vain("P-521, the wrong hash", Scheme::ECDSA_NISTP256_SHA256, load!(ecdsa, EcdsaSecp521r1Sha512));
    play_in_vain("secp256k1", Scheme::ECDSA_NISTP256_SHA256, load!(ecdsa, EcdsaSecp256k1Sha256));
    play_in_vain(
        "r and s side by side",
        Scheme::ECDSA_NISTP256_SHA256,
        load!(ecdsa, EcdsaSecp256r1Sha256P1363),
    );
}

#[test]
fn ed25519() {
    let (taken, refused) = play("Ed25519", SignatureScheme::ED25519, &load!(eddsa, Ed25519));
    assert_eq!((taken, refused), (88, 63));
    play_in_vain("Ed448", SignatureScheme::ED448, load!(eddsa, Ed448));
    play_in_vain("Ed448 as Ed25519", SignatureScheme::ED25519, load!(eddsa, Ed448));
}

#[test]
fn rsa_pkcs1() {
    use SignatureScheme as Scheme;
    for (name, scheme, keys) in [
        ("2048 SHA-256", Scheme::RSA_PKCS1_SHA256, load!(rsa_pkcs1_verify, Rsa2048Sha256)),
        ("2048 SHA-384", Scheme::RSA_PKCS1_SHA384, load!(rsa_pkcs1_verify, Rsa2048Sha384)),
        ("2048 SHA-512", Scheme::RSA_PKCS1_SHA512, load!(rsa_pkcs1_verify, Rsa2048Sha512)),
        ("3072 SHA-256", Scheme::RSA_PKCS1_SHA256, load!(rsa_pkcs1_verify, Rsa3072Sha256)),
        ("3072 SHA-384", Scheme::RSA_PKCS1_SHA384, load!(rsa_pkcs1_verify, Rsa3072Sha384)),
        ("3072 SHA-512", Scheme::RSA_PKCS1_SHA512, load!(rsa_pkcs1_verify, Rsa3072Sha512)),
        ("4096 SHA-256", Scheme::RSA_PKCS1_SHA256, load!(rsa_pkcs1_verify, Rsa4096Sha256)),
        ("4096 SHA-384", Scheme::RSA_PKCS1_SHA384, load!(rsa_pkcs1_verify, Rsa4096Sha384)),
        ("4096 SHA-512", Scheme::RSA_PKCS1_SHA512, load!(rsa_pkcs1_verify, Rsa4096Sha512)),
        ("8192 SHA-256", Scheme::RSA_PKCS1_SHA256, load!(rsa_pkcs1_verify, Rsa8192Sha256)),
        ("8192 SHA-384", Scheme::RSA_PKCS1_SHA384, load!(rsa_pkcs1_verify, Rsa8192Sha384)),
        ("8192 SHA-512", Scheme::RSA_PKCS1_SHA512, load!(rsa_pkcs1_verify, Rsa8192Sha512)),
    ] {
        let (taken, refused) = play(name, scheme, &keys);
        assert!(taken > 5 && refused > 200, "{name}");
    }
    play_in_vain("SHA-224", Scheme::RSA_PKCS1_SHA256, load!(rsa_pkcs1_verify, Rsa2048Sha224));
    play_in_vain("SHA-512/256", Scheme::RSA_PKCS1_SHA256, load!(rsa_pkcs1_verify, Rsa2048Sha512_256));
    play_in_vain("SHA3-256", Scheme::RSA_PKCS1_SHA256, load!(rsa_pkcs1_verify, Rsa2048Sha3_256));
}

/// The salt is as long as the hash (RFC 8446 section 4.2.3); keys that are for PSS alone have schemes of their own, which are not
/// offered.
#[test]
fn rsa_pss() {
    use SignatureScheme as Scheme;
    for (name, scheme, keys) in [
        ("2048 SHA-256", Scheme::RSA_PSS_SHA256, load!(rsa_pss_verify, RsaPss2048Sha256Mgf1SaltLen32)),
        ("2048 SHA-384", Scheme::RSA_PSS_SHA384, load!(rsa_pss_verify, RsaPss2048Sha384Mgf1SaltLen48)),
        ("3072 SHA-256", Scheme::RSA_PSS_SHA256, load!(rsa_pss_verify, RsaPss3072Sha256Mgf1SaltLen32)),
        ("4096 SHA-256", Scheme::RSA_PSS_SHA256, load!(rsa_pss_verify, RsaPss4096Sha256Mgf1SaltLen32)),
        ("4096 SHA-384", Scheme::RSA_PSS_SHA384, load!(rsa_pss_verify, RsaPss4096Sha384Mgf1SaltLen48)),
        ("4096 SHA-512", Scheme::RSA_PSS_SHA512, load!(rsa_pss_verify, RsaPss4096Sha512Mgf1SaltLen64)),
    ] {
        let (taken, refused) = play(name, scheme, &keys);
        assert!(taken > 50 && refused > 40, "{name}");
    }
    for (name, scheme, keys) in [
        ("no salt", Scheme::RSA_PSS_SHA256, load!(rsa_pss_verify, RsaPss2048Sha256Mgf1SaltLen0)),
        ("short salt", Scheme::RSA_PSS_SHA512, load!(rsa_pss_verify, RsaPss4096Sha512Mgf1SaltLen32)),
        ("SHA-1", Scheme::RSA_PSS_SHA256, load!(rsa_pss_verify, RsaPss2048Sha1Mgf1SaltLen20)),
        ("MGF1 with SHA-1", Scheme::RSA_PSS_SHA256, load!(rsa_pss_verify, RsaPss2048Sha256Mgf1Sha1_20)),
        ("SHA-512/256", Scheme::RSA_PSS_SHA256, load!(rsa_pss_verify, RsaPss2048Sha512_256Mgf1SaltLen32)),
        ("SHAKE128", Scheme::RSA_PSS_SHA256, load!(rsa_pss_verify, RsaPss2048Shake128)),
        (
            "key for PSS",
            Scheme::RSA_PSS_SHA256,
            load!(rsa_pss_verify, RsaPss2048Sha256Mgf1SaltLen32WithParams),
        ),
    ] {
        play_in_vain(name, scheme, keys);
    }
}

/// A signature that is good for a context is none for TLS, which has no context.
#[test]
fn ml_dsa() {
    for (name, scheme, set) in [
        ("ML-DSA-44", SignatureScheme::ML_DSA_44, mldsa_verify::TestName::MlDsa44Verify),
        ("ML-DSA-65", SignatureScheme::ML_DSA_65, mldsa_verify::TestName::MlDsa65Verify),
        ("ML-DSA-87", SignatureScheme::ML_DSA_87, mldsa_verify::TestName::MlDsa87Verify),
    ] {
        let set = mldsa_verify::TestSet::load(set).unwrap();
        let with_context = |test: &mldsa_verify::Test| test.ctx.as_ref().is_some_and(|ctx| !ctx.is_empty());
        // A key of another length is no key, and has no certificate.
        let keys: Vec<_> = set
            .test_groups
            .into_iter()
            .filter(|group| !group.der.is_empty())
            .map(|group| Keyed {
                spki: group.der.to_vec(),
                vectors: group
                    .tests
                    .into_iter()
                    .map(|test| {
                        let is_good = if with_context(&test) { Some(false) } else { vector!(test).is_good };
                        Vector { is_good, ..vector!(test) }
                    })
                    .collect(),
            })
            .collect();
        play(name, scheme, &keys);
    }
}

/// RSA's private keys in PKCS #8: each that the provider takes signs, and its signature is one.
#[test]
fn private_keys() {
    let folder = Folder::new();
    let mut signed_with = 0;
    for name in [
        rsa_pkcs1_decrypt::TestName::Rsa2048,
        rsa_pkcs1_decrypt::TestName::Rsa3072,
        rsa_pkcs1_decrypt::TestName::Rsa4096,
    ] {
        for group in rsa_pkcs1_decrypt::TestSet::load(name).unwrap().test_groups {
            let path = folder.write("key", &group.pem);
            let Ok(key) = private_key::load(&path, None) else {
                println!("{name:?}: a key of {} bits is not taken", group.key_size);
                continue;
            };
            let signer = key.choose_scheme(&[SignatureScheme::RSA_PSS_SHA256]).unwrap();
            let proof = signed(SignatureScheme::RSA_PSS_SHA256, &signer.sign(b"message").unwrap());
            let certificate = certificate_for(key.public_key().unwrap().as_ref());
            assert!(signature::verify_tls13(b"message", &certificate, &proof).is_ok());
            assert!(signature::verify_tls13(b"massage", &certificate, &proof).is_err());
            signed_with += 1;
        }
    }
    println!("{signed_with} keys");
    assert!(signed_with > 50);
}
