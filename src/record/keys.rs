//! From traffic secrets to record ciphers, and from one generation of secrets to the next.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use rustls::client::ClientConnectionData;
use rustls::crypto::cipher::{MessageDecrypter, MessageEncrypter};
use rustls::kernel::KernelConnection;
use rustls::server::ServerConnectionData;
use rustls::{CipherSuite, ConnectionTrafficSecrets, ContentType, SupportedCipherSuite};

#[cfg(all(feature = "ring", not(feature = "aws_lc_rs")))]
use super::in_place::InPlace;
use super::payload::Payload;
use super::sealer::Sealer;
use crate::error::RecordError;
#[cfg(all(feature = "ring", not(feature = "aws_lc_rs")))]
use crate::provider;
use crate::wiping::{Computed, wiping_behind};

/// What two expansions and a cipher's key schedule take of the stack, with room to spare.
const UPDATE_STACK_BYTES: usize = 16 * 1024;

/// rustls' key schedule of one connection, for either role.
pub(crate) enum Kernel {
    /// We connected.
    Client(KernelConnection<ClientConnectionData>),
    /// We accepted.
    Server(KernelConnection<ServerConnectionData>),
}

/// The part of a session that both directions may touch: the next traffic secrets, and the wish of one direction
/// that the other one acts on.
///
/// The lock is held for one HKDF expansion, and only at a key update.
#[derive(Clone)]
pub(crate) struct KeySchedule {
    suite: SupportedCipherSuite,
    kernel: Arc<Mutex<Kernel>>,
    answer_owed: Arc<AtomicBool>,
}

impl KeySchedule {
    pub(crate) fn new(suite: SupportedCipherSuite, kernel: Kernel) -> Self {
        Self { suite, kernel: Arc::new(Mutex::new(kernel)), answer_owed: Arc::new(AtomicBool::new(false)) }
    }

    /// Whether keys can be renewed on the connection (TLS 1.3 only, RFC 8446 section 4.6.3).
    pub(crate) fn can_update(&self) -> bool {
        matches!(self.suite, SupportedCipherSuite::Tls13(_))
    }

    /// The number of records one key may seal.
    pub(crate) fn record_limit(&self) -> u64 {
        match self.suite {
            SupportedCipherSuite::Tls13(suite) => suite.common.confidentiality_limit,
            SupportedCipherSuite::Tls12(suite) => suite.common.confidentiality_limit,
        }
    }

    /// Notes that the peer asked us to renew our sending keys, and says whether that is new. Any number of requests before
    /// the answer is one request (RFC 8446 section 4.6.3), so a flood costs one bit.
    pub(crate) fn owe_answer(&self) -> bool {
        !self.answer_owed.swap(true, Ordering::AcqRel)
    }

    /// Whether an answer is owed; asking settles it.
    pub(crate) fn take_owed_answer(&self) -> bool {
        self.answer_owed.swap(false, Ordering::AcqRel)
    }

    /// The next generation of our sending keys.
    pub(crate) fn next_sealer(&self) -> Result<Box<dyn Sealer>, RecordError> {
        self.renewed(
            |kernel| match kernel {
                Kernel::Client(kernel) => kernel.update_tx_secret(),
                Kernel::Server(kernel) => kernel.update_tx_secret(),
            },
            sealer,
        )
    }

    /// The cipher, as far as it matters for what it leaves in registers.
    pub(crate) fn computed(&self) -> Computed {
        match self.suite.suite() {
            CipherSuite::TLS13_CHACHA20_POLY1305_SHA256
            | CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256
            | CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256 => Computed::ChaCha20,
            _ => Computed::AesGcm,
        }
    }

    /// The next generation of the peer's sending keys.
    pub(crate) fn next_decrypter(&self) -> Result<Box<dyn MessageDecrypter>, RecordError> {
        self.renewed(
            |kernel| match kernel {
                Kernel::Client(kernel) => kernel.update_rx_secret(),
                Kernel::Server(kernel) => kernel.update_rx_secret(),
            },
            decrypter,
        )
    }

    /// What `keys` makes of the secrets that `update` derives.
    fn renewed<T>(
        &self,
        update: impl FnOnce(&mut Kernel) -> Result<(u64, ConnectionTrafficSecrets), rustls::Error>,
        keys: impl FnOnce(SupportedCipherSuite, ConnectionTrafficSecrets) -> Result<T, RecordError>,
    ) -> Result<T, RecordError> {
        wiping_behind::<UPDATE_STACK_BYTES, _>(Computed::Handshake, || {
            let (_, secrets) = update(&mut self.kernel.lock())?;
            keys(self.suite, secrets)
        })
    }
}

/// Bytes of a TLS 1.2 GCM nonce that are fixed for the connection; the rest is sent with each record
/// (RFC 5288 section 3).
pub(super) const GCM_SALT_BYTES: usize = 4;

/// Builds the sealing half for `secrets`, which are consumed and wiped; its first record is number `sequence`.
pub(crate) fn sealer_at(
    sequence: u64,
    suite: SupportedCipherSuite,
    secrets: ConnectionTrafficSecrets,
) -> Result<Box<dyn Sealer>, RecordError> {
    let mut sealer = sealer(suite, secrets)?;
    if cfg!(feature = "aws_lc_rs") && sequence > 0 {
        // AWS-LC counts records itself, from the first that it seals, and refuses those that do not fit: it is shown number 0,
        // which the handshake has used. Nobody gets to see what comes of it.
        let mut record = vec![0; sealer.record_bytes(0)];
        sealer.seal(ContentType::ApplicationData, Payload::whole(&[]), 0, &mut record)?;
    }
    Ok(sealer)
}

/// AWS-LC's keys count records, and cannot be had without what rustls puts around them.
fn sealer(
    suite: SupportedCipherSuite,
    secrets: ConnectionTrafficSecrets,
) -> Result<Box<dyn Sealer>, RecordError> {
    #[cfg(all(feature = "ring", not(feature = "aws_lc_rs")))]
    if provider::is_own(suite) {
        return Ok(Box::new(InPlace::new(suite.version().version, secrets)?));
    }
    Ok(Box::new(encrypter(suite, secrets)?))
}

fn encrypter(
    suite: SupportedCipherSuite,
    secrets: ConnectionTrafficSecrets,
) -> Result<Box<dyn MessageEncrypter>, RecordError> {
    let (key, iv, is_gcm) = parts(secrets)?;
    Ok(match suite {
        SupportedCipherSuite::Tls13(suite) => suite.aead_alg.encrypter(key, iv),
        SupportedCipherSuite::Tls12(suite) if is_gcm => {
            let (salt, explicit) = iv.as_ref().split_at(GCM_SALT_BYTES);
            suite.aead_alg.encrypter(key, salt, explicit)
        }
        SupportedCipherSuite::Tls12(suite) => suite.aead_alg.encrypter(key, iv.as_ref(), &[]),
    })
}

/// Builds the opening half for `secrets`, which are consumed and wiped.
pub(crate) fn decrypter(
    suite: SupportedCipherSuite,
    secrets: ConnectionTrafficSecrets,
) -> Result<Box<dyn MessageDecrypter>, RecordError> {
    let (key, iv, is_gcm) = parts(secrets)?;
    Ok(match suite {
        SupportedCipherSuite::Tls13(suite) => suite.aead_alg.decrypter(key, iv),
        SupportedCipherSuite::Tls12(suite) if is_gcm => {
            suite.aead_alg.decrypter(key, &iv.as_ref()[..GCM_SALT_BYTES])
        }
        SupportedCipherSuite::Tls12(suite) => suite.aead_alg.decrypter(key, iv.as_ref()),
    })
}

fn parts(
    secrets: ConnectionTrafficSecrets,
) -> Result<(rustls::crypto::cipher::AeadKey, rustls::crypto::cipher::Iv, bool), RecordError> {
    match secrets {
        ConnectionTrafficSecrets::Aes128Gcm { key, iv } => Ok((key, iv, true)),
        ConnectionTrafficSecrets::Aes256Gcm { key, iv } => Ok((key, iv, true)),
        ConnectionTrafficSecrets::Chacha20Poly1305 { key, iv } => Ok((key, iv, false)),
        _ => Err(RecordError::UnknownKeys),
    }
}
