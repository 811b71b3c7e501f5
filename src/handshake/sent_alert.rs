//! Which alert a handshake sends, read from what is sent: rustls chooses it and does not tell. And one where rustls sends
//! none.
//!
//! An alert in the clear can be read in its record. One that is encrypted has to be looked at when it is sealed: the cipher
//! suites that handshakes are made with are rustls' own, whose encrypters note it, and can be asked for one more. The record
//! layer has the suites as they are, so that it costs a record nothing.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use parking_lot::Mutex;
use rustls::crypto::CipherSuiteCommon;
use rustls::crypto::cipher::{
    AeadKey, Iv, KeyBlockShape, MessageDecrypter, MessageEncrypter, OutboundChunks, OutboundOpaqueMessage,
    OutboundPlainMessage, Tls12AeadAlgorithm, Tls13AeadAlgorithm, UnsupportedOperationError,
};
use rustls::{
    AlertDescription, ConnectionTrafficSecrets, ContentType, Error, ProtocolVersion, SupportedCipherSuite,
    Tls12CipherSuite, Tls13CipherSuite,
};

use crate::provider::is_same;
use crate::record::HEADER_BYTES;

thread_local! {
    /// The alert that was sealed last. A handshake's step runs on one thread from end to end, and begins with
    /// [`forget`]: what is found here after it is its own.
    static SEALED: Cell<Option<AlertDescription>> = const { Cell::new(None) };

    /// The encrypter that was made last, likewise.
    static NEWEST: RefCell<Option<Sealer>> = const { RefCell::new(None) };
}

/// The suites that were asked for, each with the one that handshakes are made with in its place. They have to live as long as
/// the process (rustls keeps references), and so do those that they are made of: there are no more than of these.
static KNOWN: Mutex<Vec<Pair>> = Mutex::new(Vec::new());

struct Pair {
    given: SupportedCipherSuite,
    observed: SupportedCipherSuite,
}

/// The suite for handshakes in the place of `given`.
pub(crate) fn observed(given: SupportedCipherSuite) -> SupportedCipherSuite {
    let mut known = KNOWN.lock();
    match known.iter().find(|pair| is_same(pair.given, given)) {
        Some(pair) => pair.observed,
        None => {
            let observed = observing(given);
            known.push(Pair { given, observed });
            observed
        }
    }
}

/// The suite in whose place there is one for handshakes.
pub(crate) fn unobserved(suite: SupportedCipherSuite) -> SupportedCipherSuite {
    KNOWN.lock().iter().find(|pair| is_same(pair.observed, suite)).map_or(suite, |pair| pair.given)
}

/// Begins anew.
pub(super) fn forget() {
    SEALED.set(None);
    NEWEST.set(None);
}

/// The encrypter that was made last; asking takes it.
pub(super) fn newest() -> Option<Sealer> {
    NEWEST.take()
}

/// Length of the record of [`plain`].
pub(super) const PLAIN_ALERT_BYTES: usize = 7;

const FATAL: u8 = 2;

/// A fatal alert as an unencrypted record (RFC 5246 sections 6.2.1 and 7.2).
pub(super) fn plain(alert: AlertDescription) -> [u8; PLAIN_ALERT_BYTES] {
    [ContentType::Alert.into(), 3, 3, 0, 2, FATAL, alert.into()]
}

/// The alert that the last of these records is, if it is one.
pub(crate) fn last_in(mut records: &[u8]) -> Option<AlertDescription> {
    let mut last = None;
    while let [typ, _, _, hi, lo, ..] = *records {
        let end = HEADER_BYTES + usize::from(u16::from_be_bytes([hi, lo]));
        last = Some((ContentType::from(typ), records.get(HEADER_BYTES..end)?));
        records = &records[end..];
    }
    match last? {
        (ContentType::Alert, &[_level, description]) => Some(AlertDescription::from(description)),
        (ContentType::Alert | ContentType::ApplicationData, _) => SEALED.get(),
        _ => None,
    }
}

/// Whether there is one among these records after which everything is encrypted in TLS 1.2.
pub(crate) fn begins_encryption(mut records: &[u8]) -> bool {
    while let [typ, _, _, hi, lo, ..] = *records {
        if ContentType::from(typ) == ContentType::ChangeCipherSpec {
            return true;
        }
        let end = HEADER_BYTES + usize::from(u16::from_be_bytes([hi, lo]));
        records = records.get(end..).unwrap_or_default();
    }
    false
}

fn observing(suite: SupportedCipherSuite) -> SupportedCipherSuite {
    match suite {
        SupportedCipherSuite::Tls13(suite) => {
            SupportedCipherSuite::Tls13(Box::leak(Box::new(Tls13CipherSuite {
                common: common(&suite.common),
                hkdf_provider: suite.hkdf_provider,
                aead_alg: Box::leak(Box::new(Observed13(suite.aead_alg))),
                quic: None,
            })))
        }
        SupportedCipherSuite::Tls12(suite) => {
            SupportedCipherSuite::Tls12(Box::leak(Box::new(Tls12CipherSuite {
                common: common(&suite.common),
                prf_provider: suite.prf_provider,
                kx: suite.kx,
                sign: suite.sign,
                aead_alg: Box::leak(Box::new(Observed12(suite.aead_alg))),
            })))
        }
    }
}

fn common(suite: &CipherSuiteCommon) -> CipherSuiteCommon {
    CipherSuiteCommon {
        suite: suite.suite,
        hash_provider: suite.hash_provider,
        confidentiality_limit: suite.confidentiality_limit,
    }
}

struct Observed13(&'static dyn Tls13AeadAlgorithm);

impl Tls13AeadAlgorithm for Observed13 {
    fn encrypter(&self, key: AeadKey, iv: Iv) -> Box<dyn MessageEncrypter> {
        Box::new(Sealer::new(self.0.encrypter(key, iv)))
    }

    fn decrypter(&self, key: AeadKey, iv: Iv) -> Box<dyn MessageDecrypter> {
        self.0.decrypter(key, iv)
    }

    fn key_len(&self) -> usize {
        self.0.key_len()
    }

    fn extract_keys(
        &self,
        key: AeadKey,
        iv: Iv,
    ) -> Result<ConnectionTrafficSecrets, UnsupportedOperationError> {
        self.0.extract_keys(key, iv)
    }

    fn fips(&self) -> bool {
        self.0.fips()
    }
}

struct Observed12(&'static dyn Tls12AeadAlgorithm);

impl Tls12AeadAlgorithm for Observed12 {
    fn encrypter(&self, key: AeadKey, iv: &[u8], extra: &[u8]) -> Box<dyn MessageEncrypter> {
        Box::new(Sealer::new(self.0.encrypter(key, iv, extra)))
    }

    fn decrypter(&self, key: AeadKey, iv: &[u8]) -> Box<dyn MessageDecrypter> {
        self.0.decrypter(key, iv)
    }

    fn key_block_shape(&self) -> KeyBlockShape {
        self.0.key_block_shape()
    }

    fn extract_keys(
        &self,
        key: AeadKey,
        iv: &[u8],
        explicit: &[u8],
    ) -> Result<ConnectionTrafficSecrets, UnsupportedOperationError> {
        self.0.extract_keys(key, iv, explicit)
    }

    fn fips(&self) -> bool {
        self.0.fips()
    }
}

/// An encrypter that rustls has and this crate too.
#[derive(Clone)]
pub(super) struct Sealer(Arc<Mutex<Sealing>>);

struct Sealing {
    encrypter: Box<dyn MessageEncrypter>,
    next_sequence: u64,
}

impl Sealer {
    fn new(encrypter: Box<dyn MessageEncrypter>) -> Self {
        let sealer = Self(Arc::new(Mutex::new(Sealing { encrypter, next_sequence: 0 })));
        NEWEST.set(Some(sealer.clone()));
        sealer
    }

    /// A fatal alert in a record, behind all that rustls sealed. It must not seal anything more: the record has used the
    /// number of its next.
    pub(super) fn alert(&self, alert: AlertDescription) -> Option<Vec<u8>> {
        let payload = [FATAL, alert.into()];
        let message = OutboundPlainMessage {
            typ: ContentType::Alert,
            version: ProtocolVersion::TLSv1_2,
            payload: OutboundChunks::Single(&payload),
        };
        let mut sealing = self.0.lock();
        let sequence = sealing.next_sequence;
        sealing.encrypter.encrypt(message, sequence).ok().map(OutboundOpaqueMessage::encode)
    }
}

impl MessageEncrypter for Sealer {
    fn encrypt(
        &mut self,
        message: OutboundPlainMessage<'_>,
        sequence: u64,
    ) -> Result<OutboundOpaqueMessage, Error> {
        if message.typ == ContentType::Alert {
            SEALED
                .set(message.payload.to_vec().get(1).map(|description| AlertDescription::from(*description)));
        }
        let mut sealing = self.0.lock();
        sealing.next_sequence = sequence + 1;
        sealing.encrypter.encrypt(message, sequence)
    }

    fn encrypted_payload_len(&self, payload_len: usize) -> usize {
        self.0.lock().encrypter.encrypted_payload_len(payload_len)
    }
}
