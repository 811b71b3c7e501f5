//! Cipher suites whose encrypters a test has its fingers in.

use std::cell::RefCell;

use rustls::crypto::CipherSuiteCommon;
use rustls::crypto::cipher::{
    AeadKey, Iv, KeyBlockShape, MessageDecrypter, MessageEncrypter, OutboundChunks, OutboundOpaqueMessage,
    OutboundPlainMessage, PrefixedPayload, Tls12AeadAlgorithm, Tls13AeadAlgorithm, UnsupportedOperationError,
};
use rustls::{
    ConnectionTrafficSecrets, ContentType, ProtocolVersion, SupportedCipherSuite, Tls12CipherSuite,
    Tls13CipherSuite,
};

/// What becomes of each encrypter.
pub type Wrap = fn(Box<dyn MessageEncrypter>) -> Box<dyn MessageEncrypter>;

/// Every cipher suite of the provider, with `wrap` applied to its encrypters.
pub fn wrapped(wrap: Wrap) -> Vec<SupportedCipherSuite> {
    super::link::suites().into_iter().map(|suite| wrapped_suite(suite, wrap)).collect()
}

fn wrapped_suite(suite: SupportedCipherSuite, wrap: Wrap) -> SupportedCipherSuite {
    match suite {
        SupportedCipherSuite::Tls13(suite) => {
            SupportedCipherSuite::Tls13(Box::leak(Box::new(Tls13CipherSuite {
                common: common(&suite.common),
                hkdf_provider: suite.hkdf_provider,
                aead_alg: Box::leak(Box::new(Wrapped13(suite.aead_alg, wrap))),
                quic: None,
            })))
        }
        SupportedCipherSuite::Tls12(suite) => {
            SupportedCipherSuite::Tls12(Box::leak(Box::new(Tls12CipherSuite {
                common: common(&suite.common),
                prf_provider: suite.prf_provider,
                kx: suite.kx,
                sign: suite.sign,
                aead_alg: Box::leak(Box::new(Wrapped12(suite.aead_alg, wrap))),
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

struct Wrapped13(&'static dyn Tls13AeadAlgorithm, Wrap);

impl Tls13AeadAlgorithm for Wrapped13 {
    fn encrypter(&self, key: AeadKey, iv: Iv) -> Box<dyn MessageEncrypter> {
        (self.1)(self.0.encrypter(key, iv))
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
}

struct Wrapped12(&'static dyn Tls12AeadAlgorithm, Wrap);

impl Tls12AeadAlgorithm for Wrapped12 {
    fn encrypter(&self, key: AeadKey, iv: &[u8], extra: &[u8]) -> Box<dyn MessageEncrypter> {
        (self.1)(self.0.encrypter(key, iv, extra))
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
}

thread_local! {
    static STOLEN: RefCell<Vec<Stolen>> = const { RefCell::new(Vec::new()) };
}

/// An encrypter that a connection made and never got: what it seals is rubbish instead.
pub struct Stolen {
    encrypter: Box<dyn MessageEncrypter>,
    sequence: u64,
}

/// Every cipher suite of the provider, whose encrypters are for [`stolen`].
pub fn stealing() -> Vec<SupportedCipherSuite> {
    wrapped(|encrypter| {
        STOLEN.with_borrow_mut(|stolen| stolen.push(Stolen { encrypter, sequence: 0 }));
        Box::new(Rubbish)
    })
}

/// What was stolen on this thread since the last call, in the order in which it was made.
pub fn stolen() -> Vec<Stolen> {
    STOLEN.take()
}

impl Stolen {
    /// Seals one record, whatever it says.
    pub fn seal(&mut self, typ: ContentType, payload: &[u8]) -> Vec<u8> {
        let message = OutboundPlainMessage {
            typ,
            version: ProtocolVersion::TLSv1_2,
            payload: OutboundChunks::Single(payload),
        };
        let record = self.encrypter.encrypt(message, self.sequence).unwrap().encode();
        self.sequence += 1;
        record
    }
}

struct Rubbish;

impl MessageEncrypter for Rubbish {
    fn encrypt(
        &mut self,
        message: OutboundPlainMessage<'_>,
        _sequence: u64,
    ) -> Result<OutboundOpaqueMessage, rustls::Error> {
        let mut payload = PrefixedPayload::with_capacity(1);
        payload.extend_from_slice(&[0]);
        Ok(OutboundOpaqueMessage::new(message.typ, ProtocolVersion::TLSv1_2, payload))
    }

    fn encrypted_payload_len(&self, _payload_len: usize) -> usize {
        1
    }
}
