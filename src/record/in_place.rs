//! Sealing with ring's keys where a record is to lie. What rustls does for it otherwise makes each record in memory of its own,
//! which has to be found, wiped and given back: at 64 KiB a message that is a tenth of what a link costs. Nonces and additional
//! data are made by the functions that rustls has for providers.

use ring::aead::{
    AES_128_GCM, AES_256_GCM, Aad, Algorithm, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey,
};
use rustls::crypto::cipher::{self, AeadKey, Iv, NONCE_LEN, make_tls12_aad, make_tls13_aad};
use rustls::{ConnectionTrafficSecrets, ContentType, ProtocolVersion};

use super::HEADER_BYTES;
use super::keys::GCM_SALT_BYTES;
use super::payload::Payload;
use super::sealer::Sealer;
use crate::error::RecordError;

/// What protects a record besides the cipher.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// The content type is sealed, too (RFC 8446 section 5.2).
    Tls13,
    /// The nonce is told in part (RFC 5288 section 3).
    Tls12Gcm,
    /// RFC 7905 section 2.
    Tls12ChaCha20,
}

/// One generation of sending keys.
pub(super) struct InPlace {
    key: LessSafeKey,
    iv: Iv,
    form: Form,
}

impl InPlace {
    /// For `secrets` of one of ring's cipher suites, which are consumed and wiped.
    ///
    /// # Errors
    /// [`RecordError::UnknownKeys`]: ring does not know the cipher.
    pub(super) fn new(
        version: ProtocolVersion,
        secrets: ConnectionTrafficSecrets,
    ) -> Result<Self, RecordError> {
        let is_tls13 = version == ProtocolVersion::TLSv1_3;
        let gcm = if is_tls13 { Form::Tls13 } else { Form::Tls12Gcm };
        let chacha20 = if is_tls13 { Form::Tls13 } else { Form::Tls12ChaCha20 };
        match secrets {
            ConnectionTrafficSecrets::Aes128Gcm { key, iv } => Self::of(&AES_128_GCM, &key, iv, gcm),
            ConnectionTrafficSecrets::Aes256Gcm { key, iv } => Self::of(&AES_256_GCM, &key, iv, gcm),
            ConnectionTrafficSecrets::Chacha20Poly1305 { key, iv } => {
                Self::of(&CHACHA20_POLY1305, &key, iv, chacha20)
            }
            _ => Err(RecordError::UnknownKeys),
        }
    }

    fn of(algorithm: &'static Algorithm, key: &AeadKey, iv: Iv, form: Form) -> Result<Self, RecordError> {
        let key = UnboundKey::new(algorithm, key.as_ref()).map_err(|_| RecordError::UnknownKeys)?;
        Ok(Self { key: LessSafeKey::new(key), iv, form })
    }

    /// Bytes between header and content.
    fn explicit_nonce_bytes(&self) -> usize {
        match self.form {
            Form::Tls12Gcm => NONCE_LEN - GCM_SALT_BYTES,
            Form::Tls13 | Form::Tls12ChaCha20 => 0,
        }
    }
}

impl Sealer for InPlace {
    fn record_bytes(&self, payload_bytes: usize) -> usize {
        let type_bytes = usize::from(self.form == Form::Tls13);
        let protection_bytes = self.explicit_nonce_bytes() + type_bytes + self.key.algorithm().tag_len();
        HEADER_BYTES + payload_bytes + protection_bytes
    }

    fn seal(
        &mut self,
        typ: ContentType,
        payload: Payload<'_>,
        sequence: u64,
        record: &mut [u8],
    ) -> Result<(), RecordError> {
        let nonce = cipher::Nonce::new(&self.iv, sequence).0;
        let protected_bytes = record.len() - HEADER_BYTES;
        let (header, rest) = record.split_at_mut(HEADER_BYTES);
        let (explicit_nonce, rest) = rest.split_at_mut(self.explicit_nonce_bytes());
        let (content, tag) = rest.split_at_mut(rest.len() - self.key.algorithm().tag_len());
        explicit_nonce.copy_from_slice(&nonce[NONCE_LEN - explicit_nonce.len()..]);
        let behind = put(payload, content);
        // A nonce serves one record: no number comes twice under a key.
        let nonce = Nonce::assume_unique_for_key(nonce);
        let sealed = match self.form {
            Form::Tls13 => {
                let additional = make_tls13_aad(protected_bytes);
                header.copy_from_slice(&additional);
                behind.fill(typ.into());
                self.key.seal_in_place_separate_tag(nonce, Aad::from(additional), content)
            }
            Form::Tls12Gcm | Form::Tls12ChaCha20 => {
                let [.., hi, lo] = protected_bytes.to_be_bytes();
                let [major, minor] = ProtocolVersion::TLSv1_2.to_array();
                header.copy_from_slice(&[typ.into(), major, minor, hi, lo]);
                let additional = make_tls12_aad(sequence, typ, ProtocolVersion::TLSv1_2, payload.len());
                self.key.seal_in_place_separate_tag(nonce, Aad::from(additional), content)
            }
        };
        tag.copy_from_slice(sealed.map_err(|_| rustls::Error::EncryptError)?.as_ref());
        Ok(())
    }
}

/// Puts a payload to where it is to be sealed, and gives what is behind it.
fn put<'a>(payload: Payload<'_>, content: &'a mut [u8]) -> &'a mut [u8] {
    let mut behind = content;
    for piece in payload.pieces() {
        let (place, rest) = behind.split_at_mut(piece.len());
        place.copy_from_slice(piece);
        behind = rest;
    }
    behind
}
