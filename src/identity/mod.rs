//! What a node shows to its peers: its certificate, the chain above it, and the key that belongs to it.

pub(crate) mod choice;
mod key_diagnosis;
pub mod private_key;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::sign::{CertifiedKey, SigningKey};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::ParsedExtension;
use x509_parser::prelude::FromDer;
use x509_parser::x509::SubjectPublicKeyInfo;

use self::private_key::Password;
use crate::certificate;
use crate::error::ConfigError;
use crate::pem;
use crate::trust::TrustSource;
use crate::trust::signature::{self, Signed};

/// The most certificates of a chain, the node's own included. It is what a peer with OTP's default `depth`
/// of 10 still accepts.
const CHAIN_LIMIT: usize = 10;

/// The most bytes of a handshake message.
const MESSAGE_LIMIT_BYTES: usize = 65_535;

/// Where one certificate chain and its key are.
#[derive(Debug)]
pub struct IdentityFiles {
    /// PEM; the first certificate is the node's own, of any X.509 version, and the others are sent after it as they stand.
    pub certfile: PathBuf,
    /// PEM with the private key; `None` means that it is in `certfile`, as in OTP.
    pub keyfile: Option<PathBuf>,
    /// For an encrypted key.
    pub password: Option<Password>,
}

/// A certificate chain and the private key of its first certificate, checked to belong together.
#[derive(Debug, Clone)]
pub struct Identity {
    certified_key: Arc<CertifiedKey>,
}

impl Identity {
    /// Loads certificate and key.
    ///
    /// `above` is where the rest of the chain is looked for when the last certificate of `certfile` is
    /// not self-issued, up to and with the root (`ssl_certificate:certificate_chain/3`). A chain that cannot be
    /// completed is sent as it is, since the peer may know the rest.
    ///
    /// Errors: [`ConfigError::KeyMismatch`], [`ConfigError::ChainTooLong`], and those of [`pem::certificates`] and
    /// [`private_key::load`]; [`ConfigError::option`] says which of the options is to blame.
    pub fn load(files: &IdentityFiles, above: Option<&TrustSource>) -> Result<Self, ConfigError> {
        let IdentityFiles { certfile, keyfile, password } = files;
        let mut chain = own_certificates(certfile).map_err(|error| error.in_option("certfile"))?;
        let key_option = if keyfile.is_some() { "keyfile" } else { "certfile" };
        let keyfile = keyfile.as_ref().unwrap_or(certfile);
        let point = certificate::parse(&chain[0])?.public_key().subject_public_key.data.to_vec();
        let key = private_key::load_of(keyfile, password.as_ref(), &point)
            .map_err(|error| error.in_option(key_option))?;
        if !belongs_to(key.as_ref(), &chain[0])? {
            return Err(ConfigError::KeyMismatch {
                certfile: certfile.to_owned(),
                keyfile: keyfile.to_owned(),
            });
        }
        if let Some(above) = above {
            complete(&mut chain, &above.certificates()?)?;
        }
        Ok(Self { certified_key: Arc::new(CertifiedKey::new(chain, key)) })
    }

    /// Chain and key in the form that rustls' certificate resolvers return.
    pub fn certified_key(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.certified_key)
    }

    /// The node's own certificate.
    pub fn leaf(&self) -> &CertificateDer<'static> {
        &self.certified_key.cert[0] // `load` is the only way here, and it never makes an empty chain
    }

    /// The whole chain, the node's own certificate first.
    pub fn chain(&self) -> &[CertificateDer<'static>] {
        &self.certified_key.cert
    }
}

/// The certificates of `certfile`: at least one, since [`pem::certificates`] returns no empty list.
fn own_certificates(certfile: &Path) -> Result<Vec<CertificateDer<'static>>, ConfigError> {
    let chain = pem::certificates(certfile)?;
    match chain.len() {
        0..=CHAIN_LIMIT => Ok(chain),
        count => Err(ConfigError::ChainTooLong { path: certfile.to_owned(), count, limit: CHAIN_LIMIT }),
    }
}

/// Refuses a chain, that of `certfile`, which is longer than a Certificate message may be: rustls, and so any peer that runs
/// this, takes 65,535 bytes of a message.
///
/// # Errors
/// [`ConfigError::ChainTooLarge`].
pub fn fits_message(chain: &[CertificateDer<'_>], certfile: &Path) -> Result<(), ConfigError> {
    // What is beside the certificates in TLS 1.3, which takes more (RFC 8446 section 4.4.2).
    let bytes: usize = 4 + chain.iter().map(|der| 5 + der.len()).sum::<usize>();
    match bytes {
        0..=MESSAGE_LIMIT_BYTES => Ok(()),
        _ => Err(ConfigError::ChainTooLarge {
            path: certfile.to_owned(),
            bytes,
            limit_bytes: MESSAGE_LIMIT_BYTES,
        }),
    }
}

/// Compares algorithm and key bits. The algorithm's parameters are left out because a missing NULL makes no
/// difference to an RSA key, and the length of an ECDSA key already tells its curve.
fn belongs_to(key: &dyn SigningKey, leaf: &CertificateDer<'_>) -> Result<bool, ConfigError> {
    let leaf = certificate::parse(leaf)?;
    let Some(spki) = key.public_key() else {
        return Ok(false);
    };
    Ok(SubjectPublicKeyInfo::from_der(&spki).is_ok_and(|(_, own)| {
        let certified = leaf.public_key();
        own.algorithm.algorithm == certified.algorithm.algorithm
            && own.subject_public_key.data == certified.subject_public_key.data
    }))
}

/// Adds issuers from `pool` until the chain ends at a self-issued certificate or no issuer is found.
fn complete(
    chain: &mut Vec<CertificateDer<'static>>,
    pool: &[CertificateDer<'static>],
) -> Result<(), ConfigError> {
    while chain.len() < CHAIN_LIMIT {
        let last = certificate::parse(&chain[chain.len() - 1])?;
        if certificate::is_self_issued(&last) {
            return Ok(());
        }
        let unused = pool.iter().filter(|candidate| !chain.contains(candidate));
        let issuers = unused.filter_map(|der| {
            let candidate = certificate::parse(der).ok()?;
            may_have_issued(&candidate, &last).then(|| (candidate.validity().not_after, der))
        });
        // An authority whose certificate was renewed with the same key is there twice: the one that lives
        // longer is sent.
        let Some((_, issuer)) = issuers.max_by_key(|(not_after, _)| *not_after) else {
            return Ok(());
        };
        chain.push(issuer.clone());
    }
    Ok(())
}

/// Whether `issuer` signed `subject`, as far as can be told: names, key identifiers and signature. A
/// signature of a kind that the provider cannot check does not count against it.
fn may_have_issued(issuer: &X509Certificate<'_>, subject: &X509Certificate<'_>) -> bool {
    issuer.subject().as_raw() == subject.issuer().as_raw()
        && key_identifiers_agree(issuer, subject)
        && signature::on_certificate(subject, issuer) != Signed::ByAnother
}

/// RFC 5280 sections 4.2.1.1 and 4.2.1.2; identifiers that are absent agree with anything.
fn key_identifiers_agree(issuer: &X509Certificate<'_>, subject: &X509Certificate<'_>) -> bool {
    let wanted = subject.extensions().iter().find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::AuthorityKeyIdentifier(identifier) => identifier.key_identifier.as_ref(),
        _ => None,
    });
    let offered = issuer.extensions().iter().find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::SubjectKeyIdentifier(identifier) => Some(identifier),
        _ => None,
    });
    match (wanted, offered) {
        (Some(wanted), Some(offered)) => wanted.0 == offered.0,
        _ => true,
    }
}
