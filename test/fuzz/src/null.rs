//! Cipher suites that encrypt nothing, and check nothing: with them an input gets behind the tags, as what a peer that has the
//! keys may send. Names, hashes and the key schedule are those of AES-128-GCM.

use rustls::crypto::CipherSuiteCommon;
use rustls::crypto::cipher::{
    AeadKey, InboundOpaqueMessage, InboundPlainMessage, Iv, KeyBlockShape, MessageDecrypter,
    MessageEncrypter, OutboundOpaqueMessage, OutboundPlainMessage, PrefixedPayload, Tls12AeadAlgorithm,
    Tls13AeadAlgorithm, UnsupportedOperationError,
};
use rustls::crypto::ring::cipher_suite::{TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, TLS13_AES_128_GCM_SHA256};
use rustls::{
    ConnectionTrafficSecrets, ContentType, Error, ProtocolVersion, SupportedCipherSuite, Tls12CipherSuite,
    Tls13CipherSuite,
};

/// One for each version. They live as long as the process.
pub fn suites() -> Vec<SupportedCipherSuite> {
    [TLS13_AES_128_GCM_SHA256, TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256]
        .into_iter()
        .map(without_cipher)
        .collect()
}

fn without_cipher(suite: SupportedCipherSuite) -> SupportedCipherSuite {
    match suite {
        SupportedCipherSuite::Tls13(suite) => {
            SupportedCipherSuite::Tls13(Box::leak(Box::new(Tls13CipherSuite {
                common: common(&suite.common),
                hkdf_provider: suite.hkdf_provider,
                aead_alg: &Nothing,
                quic: None,
            })))
        }
        SupportedCipherSuite::Tls12(suite) => {
            SupportedCipherSuite::Tls12(Box::leak(Box::new(Tls12CipherSuite {
                common: common(&suite.common),
                prf_provider: suite.prf_provider,
                kx: suite.kx,
                sign: suite.sign,
                aead_alg: &Nothing,
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

/// A record of either version as it looks without its cipher: only TLS 1.3 hides the type (RFC 8446 section 5.2).
pub fn record(version: ProtocolVersion, typ: ContentType, content: &[u8], padding_bytes: usize) -> Vec<u8> {
    let mut payload = content.to_vec();
    let mut outer = typ;
    if version == ProtocolVersion::TLSv1_3 {
        outer = ContentType::ApplicationData;
        payload.push(typ.into());
        payload.resize(payload.len() + padding_bytes, 0);
    }
    let [hi, lo] = u16::try_from(payload.len()).unwrap_or(u16::MAX).to_be_bytes();
    [&[outer.into(), 3, 3, hi, lo], &payload[..]].concat()
}

struct Nothing;

impl Tls13AeadAlgorithm for Nothing {
    fn encrypter(&self, _key: AeadKey, _iv: Iv) -> Box<dyn MessageEncrypter> {
        Box::new(Plain { hides_type: true })
    }

    fn decrypter(&self, _key: AeadKey, _iv: Iv) -> Box<dyn MessageDecrypter> {
        Box::new(Plain { hides_type: true })
    }

    fn key_len(&self) -> usize {
        16
    }

    fn extract_keys(
        &self,
        key: AeadKey,
        iv: Iv,
    ) -> Result<ConnectionTrafficSecrets, UnsupportedOperationError> {
        Ok(ConnectionTrafficSecrets::Aes128Gcm { key, iv })
    }
}

impl Tls12AeadAlgorithm for Nothing {
    fn encrypter(&self, _key: AeadKey, _iv: &[u8], _extra: &[u8]) -> Box<dyn MessageEncrypter> {
        Box::new(Plain { hides_type: false })
    }

    fn decrypter(&self, _key: AeadKey, _iv: &[u8]) -> Box<dyn MessageDecrypter> {
        Box::new(Plain { hides_type: false })
    }

    fn key_block_shape(&self) -> KeyBlockShape {
        KeyBlockShape { enc_key_len: 16, fixed_iv_len: 4, explicit_nonce_len: 8 }
    }

    fn extract_keys(
        &self,
        key: AeadKey,
        iv: &[u8],
        explicit: &[u8],
    ) -> Result<ConnectionTrafficSecrets, UnsupportedOperationError> {
        let iv = Iv::copy(&[iv, explicit].concat());
        Ok(ConnectionTrafficSecrets::Aes128Gcm { key, iv })
    }
}

/// Both directions of a connection without a cipher.
struct Plain {
    hides_type: bool,
}

impl MessageEncrypter for Plain {
    fn encrypt(
        &mut self,
        message: OutboundPlainMessage<'_>,
        _sequence: u64,
    ) -> Result<OutboundOpaqueMessage, Error> {
        let mut payload = PrefixedPayload::with_capacity(self.encrypted_payload_len(message.payload.len()));
        payload.extend_from_chunks(&message.payload);
        let mut typ = message.typ;
        if self.hides_type {
            payload.extend_from_slice(&[typ.into()]);
            typ = ContentType::ApplicationData;
        }
        Ok(OutboundOpaqueMessage::new(typ, ProtocolVersion::TLSv1_2, payload))
    }

    fn encrypted_payload_len(&self, payload_len: usize) -> usize {
        payload_len + usize::from(self.hides_type)
    }
}

impl MessageDecrypter for Plain {
    fn decrypt<'a>(
        &mut self,
        message: InboundOpaqueMessage<'a>,
        _sequence: u64,
    ) -> Result<InboundPlainMessage<'a>, Error> {
        match self.hides_type {
            true => message.into_tls13_unpadded_message(),
            false => Ok(message.into_plain_message()),
        }
    }
}
