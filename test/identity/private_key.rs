//! Private keys of every kind and format, as the `openssl` command writes them.

#[path = "../support/mod.rs"]
mod support;

use std::path::Path;
use std::process::Command;

use rustls::SignatureScheme;
use rustls_dist::error::{ConfigError, UnsupportedKey};
use rustls_dist::identity::private_key::{Password, load};
use support::Folder;
use support::provider::{completes_ec_keys, has};

const ENCRYPT: &str = "pkcs8 -topk8 -passout pass:secret";

/// A key file has to yield a key that signs and whose public part is the one that openssl sees.
fn check(folder: &Folder, name: &str, password: Option<&str>) {
    let password_of_key = password.map(|text| Password::from(text.as_bytes().to_vec()));
    let key =
        load(&folder.path(name), password_of_key.as_ref()).unwrap_or_else(|error| panic!("{name}: {error}"));
    let pass = password.unwrap_or("");
    let public = folder.openssl(&format!("pkey -in {name} -passin pass:{pass} -pubout -outform DER"));
    assert_eq!(key.public_key().unwrap().as_ref(), public, "{name}");
    let schemes = [
        SignatureScheme::RSA_PSS_SHA256,
        SignatureScheme::ECDSA_NISTP256_SHA256,
        SignatureScheme::ECDSA_NISTP384_SHA384,
        SignatureScheme::ED25519,
    ];
    assert!(!key.choose_scheme(&schemes).unwrap().sign(b"message").unwrap().is_empty());
}

fn failure(path: &Path, password: Option<&str>) -> ConfigError {
    let password = password.map(|text| Password::from(text.as_bytes().to_vec()));
    load(path, password.as_ref()).unwrap_err()
}

fn unsupported(folder: &Folder, name: &str) -> UnsupportedKey {
    match failure(&folder.path(name), None) {
        ConfigError::UnsupportedKey { kind, path } if path == folder.path(name) => kind,
        other => panic!("{name}: {other}"),
    }
}

#[test]
fn every_supported_kind_in_every_format() {
    let folder = Folder::new();
    let kinds = [
        ("rsa2048", "RSA -pkeyopt rsa_keygen_bits:2048"),
        ("rsa3072", "RSA -pkeyopt rsa_keygen_bits:3072"),
        ("rsa4096", "RSA -pkeyopt rsa_keygen_bits:4096"),
        ("p256", "EC -pkeyopt ec_paramgen_curve:P-256"),
        ("p384", "EC -pkeyopt ec_paramgen_curve:P-384"),
        ("ed25519", "ED25519"),
    ];
    for (name, algorithm) in kinds {
        folder.openssl(&format!("genpkey -algorithm {algorithm} -out {name}"));
        check(&folder, name, None);
        folder.openssl(&format!("{ENCRYPT} -in {name} -out {name}.encrypted"));
        check(&folder, &format!("{name}.encrypted"), Some("secret"));
        if name != "ed25519" {
            folder.openssl(&format!("pkey -in {name} -traditional -out {name}.traditional"));
            check(&folder, &format!("{name}.traditional"), None);
        }
    }
}

#[test]
fn older_openssl_commands() {
    let folder = Folder::new();
    folder.openssl("genrsa -out genrsa 2048");
    check(&folder, "genrsa", None);
    folder.openssl("ecparam -name prime256v1 -genkey -out ecparam");
    let text = String::from_utf8(std::fs::read(folder.path("ecparam")).unwrap()).unwrap();
    assert!(text.starts_with("-----BEGIN EC PARAMETERS-----"));
    check(&folder, "ecparam", None);
}

#[test]
fn every_supported_encryption() {
    let folder = Folder::new();
    folder.openssl("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out plain");
    let ways = [
        "-v2 aes-128-cbc",
        "-v2 aes-192-cbc",
        "-v2 aes-256-cbc -iter 10000",
        "-v2 des3",
        "-v2 aes-256-cbc -v2prf hmacWithSHA1",
        "-v2 aes-256-cbc -v2prf hmacWithSHA384",
        "-v2 aes-256-cbc -v2prf hmacWithSHA512",
        "-scrypt",
    ];
    for way in ways {
        folder.openssl(&format!("{ENCRYPT} {way} -in plain -out encrypted"));
        check(&folder, "encrypted", Some("secret"));
    }
}

#[test]
fn text_and_other_sections_around_the_key() {
    let folder = Folder::new();
    folder.openssl("req -x509 -newkey rsa:2048 -nodes -keyout key -out certificate -subj /CN=node");
    folder.write("text", "Subject: someone\n\n");
    folder.join("both", &["text", "certificate", "key", "certificate"]);
    check(&folder, "both", None);
    let dos_lines = std::fs::read_to_string(folder.path("both")).unwrap().replace('\n', "\r\n");
    folder.write("dos", dos_lines);
    check(&folder, "dos", None);
    // A password that is not needed does no harm.
    assert!(load(&folder.path("both"), Some(&Password::from(b"unneeded".to_vec()))).is_ok());
}

#[test]
fn passwords() {
    let folder = Folder::new();
    folder.openssl("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out plain");
    folder.openssl(&format!("{ENCRYPT} -in plain -out encrypted -iter 1"));
    let path = folder.path("encrypted");
    assert_eq!(failure(&path, None), ConfigError::PasswordMissing { path: path.clone() });
    assert_eq!(failure(&path, None).option(), Some("password"));
    // Enough wrong passwords that some leave valid padding behind.
    for number in 0..1000 {
        let password = format!("wrong{number}");
        assert_eq!(failure(&path, Some(&password)), ConfigError::PasswordWrong { path: path.clone() });
    }
    assert_eq!(format!("{:?}", Password::from(b"secret".to_vec())), "Password(hidden)");
}

#[test]
fn encryption_that_is_not_supported() {
    let folder = Folder::new();
    folder.openssl("genrsa -traditional -aes256 -passout pass:secret -out legacy 2048");
    let path = folder.path("legacy");
    assert_eq!(failure(&path, Some("secret")), ConfigError::LegacyEncryptedKey { path: path.clone() });
    assert_eq!(failure(&path, None), ConfigError::LegacyEncryptedKey { path });

    folder.openssl("genrsa -out plain 2048");
    for way in ["-v1 PBE-SHA1-3DES", "-v2 camellia-256-cbc"] {
        folder.openssl(&format!("{ENCRYPT} {way} -in plain -out encrypted"));
        let path = folder.path("encrypted");
        let expected = ConfigError::UnsupportedKeyEncryption { path: path.clone() };
        assert_eq!(failure(&path, Some("secret")), expected, "{way}");
    }
    // The commands in the messages do help.
    folder.openssl("pkcs8 -topk8 -passin pass:secret -passout pass:secret -in legacy -out mended");
    check(&folder, "mended", Some("secret"));
}

#[test]
fn kinds_that_the_provider_does_not_have() {
    let folder = Folder::new();
    let kinds = [
        ("p521", "EC -pkeyopt ec_paramgen_curve:P-521", UnsupportedKey::EcdsaP521),
        (
            "k256",
            "EC -pkeyopt ec_paramgen_curve:secp256k1",
            UnsupportedKey::EcdsaOther("1.3.132.0.10".into()),
        ),
        (
            "explicit",
            "EC -pkeyopt ec_paramgen_curve:P-256 -pkeyopt ec_param_enc:explicit",
            UnsupportedKey::EcdsaExplicitCurve,
        ),
        ("ed448", "ED448", UnsupportedKey::Ed448),
        ("x25519", "X25519", UnsupportedKey::Other("1.3.101.110".into())),
        ("rsa-pss", "RSA-PSS -pkeyopt rsa_keygen_bits:2048", UnsupportedKey::RsaPss),
        ("rsa1024", "RSA -pkeyopt rsa_keygen_bits:1024", UnsupportedKey::RsaSize { bits: 1024 }),
        ("rsa2047", "RSA -pkeyopt rsa_keygen_bits:2047", UnsupportedKey::RsaSize { bits: 2047 }),
        ("rsa2056", "RSA -pkeyopt rsa_keygen_bits:2056", UnsupportedKey::RsaSize { bits: 2056 }),
        ("rsa2560", "RSA -pkeyopt rsa_keygen_bits:2560", UnsupportedKey::RsaSize { bits: 2560 }),
        ("rsa2100", "RSA -pkeyopt rsa_keygen_bits:2100", UnsupportedKey::RsaSize { bits: 2100 }),
        ("rsa4608", "RSA -pkeyopt rsa_keygen_bits:4608", UnsupportedKey::RsaSize { bits: 4608 }),
        (
            "exponent3",
            "RSA -pkeyopt rsa_keygen_bits:2048 -pkeyopt rsa_keygen_pubexp:3",
            UnsupportedKey::RsaExponent,
        ),
        (
            "exponent34",
            "RSA -pkeyopt rsa_keygen_bits:2048 -pkeyopt rsa_keygen_pubexp:8589934593",
            UnsupportedKey::RsaExponent,
        ),
        (
            "primes3",
            "RSA -pkeyopt rsa_keygen_bits:2048 -pkeyopt rsa_keygen_primes:3",
            UnsupportedKey::RsaPrimes,
        ),
        (
            "exponent257",
            "RSA -pkeyopt rsa_keygen_bits:2048 -pkeyopt rsa_keygen_pubexp:257",
            UnsupportedKey::RsaExponent,
        ),
    ];
    for (name, algorithm, expected) in kinds.into_iter().filter(|(name, _, _)| !has(name)) {
        folder.openssl(&format!("genpkey -algorithm {algorithm} -out {name}"));
        assert_eq!(unsupported(&folder, name), expected, "{name}");
        if name.starts_with("rsa1") || name.starts_with("exp") || name == "p521" {
            folder.openssl(&format!("pkey -in {name} -traditional -out {name}.traditional"));
            assert_eq!(unsupported(&folder, &format!("{name}.traditional")), expected, "{name}");
        }
    }
}

#[test]
fn dsa_in_both_formats() {
    let folder = Folder::new();
    folder.openssl("dsaparam -out parameters 1024");
    folder.openssl("gendsa -out pkcs8 parameters");
    assert_eq!(unsupported(&folder, "pkcs8"), UnsupportedKey::Dsa);
    folder.openssl("pkey -in pkcs8 -traditional -out traditional");
    assert_eq!(unsupported(&folder, "traditional"), UnsupportedKey::Dsa);
}

#[test]
fn elliptic_keys_without_a_usable_public_part() {
    let folder = Folder::new();
    folder.openssl("ecparam -name secp384r1 -genkey -noout -out full");
    folder.openssl("ec -in full -no_public -out private");
    folder.openssl("ec -in full -conv_form compressed -out compressed");
    folder.openssl("pkcs8 -topk8 -nocrypt -in private -out pkcs8");
    for name in ["private", "compressed", "pkcs8"] {
        if completes_ec_keys() {
            assert!(load(&folder.path(name), None).is_ok(), "{name}");
            continue;
        }
        assert_eq!(unsupported(&folder, name), UnsupportedKey::EcdsaNoPublicPart, "{name}");
        // The command in the message does help.
        folder.openssl(&format!("ec -conv_form uncompressed -in {name} -out mended"));
        check(&folder, "mended", None);
    }
}

#[test]
fn explicit_curves_can_be_mended() {
    let folder = Folder::new();
    folder.openssl("ecparam -name prime256v1 -param_enc explicit -genkey -noout -out explicit");
    if has("explicit") {
        assert!(load(&folder.path("explicit"), None).is_ok());
        return;
    }
    assert_eq!(unsupported(&folder, "explicit"), UnsupportedKey::EcdsaExplicitCurve);
    folder.openssl("ec -param_enc named_curve -in explicit -out mended");
    check(&folder, "mended", None);
}

#[test]
fn files_without_a_usable_key() {
    let folder = Folder::new();
    folder.openssl("req -x509 -newkey rsa:2048 -nodes -keyout key -out certificate -subj /CN=node");
    let path = folder.path("certificate");
    assert_eq!(failure(&path, None), ConfigError::NoPrivateKey { path });
    let path = folder.join("two", &["key", "certificate", "key"]);
    assert_eq!(failure(&path, None), ConfigError::SeveralPrivateKeys { path });
    folder.openssl("pkey -in key -outform DER -out der");
    let path = folder.path("der");
    assert_eq!(failure(&path, None), ConfigError::NotPem { path });
    let path = folder.write("empty", "");
    assert_eq!(failure(&path, None), ConfigError::NotPem { path });

    let key = std::fs::read_to_string(folder.path("key")).unwrap();
    let end = key.find("-----END").unwrap();
    let damaged = [
        key[..end].to_owned(),
        key.replace("BEGIN PRIVATE", "BEGIN RSA PRIVATE"),
        format!("{}!{}", &key[..end - 2], &key[end..]),
        format!("{}{}", &key[..end - 65], &key[end..]),
        "-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n".to_owned(),
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMAA=\n-----END ENCRYPTED PRIVATE KEY-----\n".to_owned(),
    ];
    for text in damaged {
        let path = folder.write("damaged", text);
        assert_eq!(failure(&path, None), ConfigError::BadPrivateKey { path });
    }
}

#[test]
fn files_that_cannot_be_read() {
    let folder = Folder::new();
    let path = folder.path("absent");
    assert_eq!(failure(&path, None), ConfigError::FileNotFound { path });
    let path = folder.path(".");
    assert_eq!(failure(&path, None), ConfigError::FileNotRegular { path });
    let path = folder.write("large", vec![b'\n'; 1024 * 1024 + 1]);
    assert_eq!(failure(&path, None), ConfigError::FileTooLarge { path, limit_bytes: 1024 * 1024 });
    let path = folder.write("allowed", vec![b'\n'; 1024 * 1024]);
    assert_eq!(failure(&path, None), ConfigError::NotPem { path });
    let path = folder.path("absent/under/file");
    assert_eq!(failure(&path, None), ConfigError::FileNotFound { path });
    let path = folder.path("allowed").join("below");
    assert_eq!(
        failure(&path, None),
        ConfigError::FileUnreadable { path, reason: std::io::ErrorKind::NotADirectory }
    );
    // Opening a pipe would block for ever.
    let pipe = folder.path("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    assert_eq!(failure(&pipe, None), ConfigError::FileNotRegular { path: pipe });
}
