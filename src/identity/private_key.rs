//! Private keys: from a PEM file to something that signs.
//!
//! The key never leaves this crate in readable form: every buffer that holds it is wiped when dropped.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use pkcs8::der::asn1::{AnyRef, OctetStringRef};
use pkcs8::der::{Reader, SliceReader};
use pkcs8::{EncryptedPrivateKeyInfo, SecretDocument, pkcs5};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs1KeyDer, PrivatePkcs8KeyDer, PrivateSec1KeyDer};
use rustls::sign::SigningKey;
use zeroize::Zeroizing;

use super::key_diagnosis;
use crate::error::{ConfigError, UnsupportedKey};
use crate::{pem, provider};

/// The password of an encrypted private key. It is wiped when dropped and never printed.
pub struct Password(Zeroizing<Vec<u8>>);

impl From<Vec<u8>> for Password {
    fn from(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(hidden)")
    }
}

/// Loads the private key of a PEM file.
///
/// Formats: PKCS#8 (RFC 5958), SEC 1 (RFC 5915), PKCS#1 (RFC 8017) and PKCS#8 encrypted with PBES2
/// (RFC 8018). Other sections, such as `EC PARAMETERS` or certificates, may stand before and after it, but
/// no second private key, as in OTP (`ssl_config:init_private_key/5`). `password` is only looked at when the
/// key is encrypted.
///
/// Keys: RSA of 2048 to 4096 bits, ECDSA on P-256 and P-384, Ed25519. The errors are the ones about private
/// keys and passwords in [`ConfigError`], and those of reading a file.
pub fn load(path: &Path, password: Option<&Password>) -> Result<Arc<dyn SigningKey>, ConfigError> {
    load_from(&pem::read_file(path)?, path, password, None)
}

/// The same for the key of a certificate: `point` is the contents of the certificate's public key, which completes an ECDSA
/// key that lacks its public part. That they belong together is checked.
pub(crate) fn load_of(
    path: &Path,
    password: Option<&Password>,
    point: &[u8],
) -> Result<Arc<dyn SigningKey>, ConfigError> {
    load_from(&pem::read_file(path)?, path, password, Some(point))
}

/// Loads the private key from `text`, which was read from `path`. Errors as for [`load`].
fn load_from(
    text: &[u8],
    path: &Path,
    password: Option<&Password>,
    point: Option<&[u8]>,
) -> Result<Arc<dyn SigningKey>, ConfigError> {
    let signing_key = |der: &PrivateKeyDer<'_>| signing_key(der, path, point);
    let sections = pem::sections(text, path)?;
    let mut keys = sections.iter().filter_map(|section| Some((section, Format::of(section.label)?)));
    let (section, format) = keys.next().ok_or_else(|| ConfigError::NoPrivateKey { path: path.to_owned() })?;
    if keys.next().is_some() {
        return Err(ConfigError::SeveralPrivateKeys { path: path.to_owned() });
    }
    if section.is_encrypted_by_header() {
        return Err(ConfigError::LegacyEncryptedKey { path: path.to_owned() });
    }
    let der = section.der().ok_or_else(|| ConfigError::BadPrivateKey { path: path.to_owned() })?;
    match format {
        Format::Encrypted => {
            let decrypted = decrypt(&der, path, password)?;
            signing_key(&PrivatePkcs8KeyDer::from(decrypted.as_bytes()).into())
        }
        Format::Pkcs8 => signing_key(&PrivatePkcs8KeyDer::from(der.as_slice()).into()),
        Format::Sec1 => signing_key(&PrivateSec1KeyDer::from(der.as_slice()).into()),
        Format::Pkcs1 => signing_key(&PrivatePkcs1KeyDer::from(der.as_slice()).into()),
        Format::Dsa => Err(ConfigError::UnsupportedKey { path: path.to_owned(), kind: UnsupportedKey::Dsa }),
        Format::OpenSsh => {
            Err(ConfigError::UnsupportedKey { path: path.to_owned(), kind: UnsupportedKey::OpenSshFormat })
        }
    }
}

/// What kinds of PEM sections hold a private key.
enum Format {
    Pkcs8,
    Encrypted,
    Sec1,
    Pkcs1,
    Dsa,
    OpenSsh,
}

impl Format {
    fn of(label: &str) -> Option<Self> {
        Some(match label {
            "PRIVATE KEY" => Self::Pkcs8,
            "ENCRYPTED PRIVATE KEY" => Self::Encrypted,
            "EC PRIVATE KEY" => Self::Sec1,
            "RSA PRIVATE KEY" => Self::Pkcs1,
            "DSA PRIVATE KEY" => Self::Dsa,
            "OPENSSH PRIVATE KEY" => Self::OpenSsh,
            _ => return None,
        })
    }
}

fn signing_key(
    der: &PrivateKeyDer<'_>,
    path: &Path,
    point: Option<&[u8]>,
) -> Result<Arc<dyn SigningKey>, ConfigError> {
    let completed = || {
        let whole = key_diagnosis::completed(der, point?)?;
        provider::signing_key(&PrivateSec1KeyDer::from(whole.as_slice()).into()).ok()
    };
    provider::signing_key(der).or_else(|error| completed().ok_or(error)).map_err(|_| {
        match key_diagnosis::unsupported(der) {
            Some(kind) => ConfigError::UnsupportedKey { path: path.to_owned(), kind },
            None => ConfigError::BadPrivateKey { path: path.to_owned() },
        }
    })
}

/// The same characters in UTF-8 and in latin1: a password comes out of a file or a terminal in one of them, and was given
/// to whoever encrypted the key in one of them. `None` where there is no other form.
fn in_other_encoding(password: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    if password.is_ascii() {
        return None;
    }
    // Room for all, since a buffer that grows leaves copies behind.
    let mut other = Zeroizing::new(Vec::with_capacity(2 * password.len()));
    match std::str::from_utf8(password) {
        Ok(text) => {
            for character in text.chars() {
                other.push(u8::try_from(character).ok()?);
            }
        }
        Err(_) => {
            for &byte in password {
                other.extend(char::from(byte).encode_utf8(&mut [0; 2]).as_bytes());
            }
        }
    }
    Some(other)
}

fn decrypt(der: &[u8], path: &Path, password: Option<&Password>) -> Result<SecretDocument, ConfigError> {
    let Some(Password(password)) = password else {
        return decrypt_with(der, path, None);
    };
    match (decrypt_with(der, path, Some(password)), in_other_encoding(password)) {
        (Err(ConfigError::PasswordWrong { .. }), Some(other)) => decrypt_with(der, path, Some(&other)),
        (outcome, _) => outcome,
    }
}

fn decrypt_with(der: &[u8], path: &Path, password: Option<&[u8]>) -> Result<SecretDocument, ConfigError> {
    if !is_encrypted_key(der) {
        return Err(ConfigError::BadPrivateKey { path: path.to_owned() });
    }
    let Some(password) = password else {
        return Err(ConfigError::PasswordMissing { path: path.to_owned() });
    };
    // The algorithms are part of what is parsed here, so failing means that one of them is not known.
    let unsupported = || ConfigError::UnsupportedKeyEncryption { path: path.to_owned() };
    let encrypted = EncryptedPrivateKeyInfo::try_from(der).map_err(|_| unsupported())?;
    let wrong = || ConfigError::PasswordWrong { path: path.to_owned() };
    let decrypted = encrypted.decrypt(password).map_err(|error| match error {
        pkcs8::Error::EncryptedPrivateKey(
            pkcs5::Error::AlgorithmParametersInvalid { .. }
            | pkcs5::Error::NoPbes1CryptSupport
            | pkcs5::Error::UnsupportedAlgorithm { .. },
        ) => unsupported(),
        _ => wrong(),
    })?;
    // One wrong password in 256 or so leaves valid padding behind, and then garbage comes out.
    if !key_diagnosis::is_pkcs8(decrypted.as_bytes()) {
        return Err(wrong());
    }
    Ok(decrypted)
}

/// Whether the outline is that of an EncryptedPrivateKeyInfo (RFC 5958 section 3), with any algorithm.
fn is_encrypted_key(der: &[u8]) -> bool {
    let outline = || -> pkcs8::der::Result<()> {
        SliceReader::new(der)?.sequence(|outer| {
            outer.decode::<AnyRef<'_>>()?.sequence(|algorithm| {
                algorithm.decode::<pkcs8::ObjectIdentifier>()?;
                algorithm.decode::<AnyRef<'_>>().map(|_| ())
            })?;
            outer.decode::<OctetStringRef<'_>>().map(|_| ())
        })
    };
    outline().is_ok()
}
