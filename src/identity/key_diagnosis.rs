//! Why the provider refuses a key. It says very little, so the key's outline is read again here.

use pkcs8::der::asn1::{AnyRef, BitStringRef, ContextSpecific, ObjectIdentifier, OctetStringRef, UintRef};
use pkcs8::der::{self, Decode, Reader, SliceReader, TagNumber};
use pkcs8::{AlgorithmIdentifierRef, PrivateKeyInfo};
use rustls::pki_types::PrivateKeyDer;

use crate::error::UnsupportedKey;
use crate::provider::{self, RsaKeys};

const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const DSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10040.4.1");
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
const ED448: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.113");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const P521: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.35");

/// Why a key that the provider refused cannot be used; `None` when it is not a sound key at all.
pub(super) fn unsupported(key: &PrivateKeyDer<'_>) -> Option<UnsupportedKey> {
    match key {
        PrivateKeyDer::Pkcs8(der) => pkcs8(der.secret_pkcs8_der()),
        PrivateKeyDer::Sec1(der) => ec(der.secret_sec1_der(), None),
        PrivateKeyDer::Pkcs1(der) => rsa(der.secret_pkcs1_der()),
        _ => None,
    }
}

/// Whether `der` is the outline of an unencrypted PKCS#8 key.
pub(super) fn is_pkcs8(der: &[u8]) -> bool {
    PrivateKeyInfo::from_der(der).is_ok()
}

fn pkcs8(der: &[u8]) -> Option<UnsupportedKey> {
    let info = PrivateKeyInfo::from_der(der).ok()?;
    match info.algorithm.oid {
        RSA => rsa(info.private_key),
        EC => ec(info.private_key, Some(&info.algorithm)),
        DSA => Some(UnsupportedKey::Dsa),
        ED448 => Some(UnsupportedKey::Ed448),
        // The provider knows this one, so the key itself is at fault.
        ED25519 => None,
        other => Some(UnsupportedKey::Other(other.to_string())),
    }
}

/// RSAPrivateKey, RFC 8017 appendix A.1.2.
fn rsa(der: &[u8]) -> Option<UnsupportedKey> {
    let (modulus, exponent) = rsa_public_part(der).ok()?;
    let bits = RsaKeys::bits_of(modulus.as_bytes());
    let exponent = exponent.as_bytes();
    let (rules, least) = (provider::RSA, provider::RSA.least_private_exponent);
    if !rules.bits.contains(&bits) || !bits.is_multiple_of(rules.private_bits_step) {
        Some(UnsupportedKey::RsaSize { bits })
    } else if (exponent.len(), exponent) < (least.len(), least) {
        Some(UnsupportedKey::RsaExponent)
    } else {
        None
    }
}

fn rsa_public_part(der: &[u8]) -> der::Result<(UintRef<'_>, UintRef<'_>)> {
    SliceReader::new(der)?.sequence(|fields| {
        fields.decode::<u8>()?;
        let public = (fields.decode()?, fields.decode()?);
        fields.read_slice(fields.remaining_len())?;
        Ok(public)
    })
}

/// ECPrivateKey, RFC 5915 section 3. The curve is named within it, or outside in PKCS#8.
fn ec(der: &[u8], algorithm: Option<&AlgorithmIdentifierRef<'_>>) -> Option<UnsupportedKey> {
    let (inside, point) = ec_parts(der).ok()?;
    let curve = algorithm.and_then(|algorithm| algorithm.parameters).or(inside)?;
    match curve.decode_as::<ObjectIdentifier>() {
        Err(_) => Some(UnsupportedKey::EcdsaExplicitCurve),
        Ok(P521) => Some(UnsupportedKey::EcdsaP521),
        Ok(P256 | P384) => match point.and_then(|point| point.raw_bytes().first().copied()) {
            // 4 marks an uncompressed point (SEC 1 section 2.3.3).
            Some(4) => None,
            _ => Some(UnsupportedKey::EcdsaNoPublicPart),
        },
        Ok(other) => Some(UnsupportedKey::EcdsaOther(other.to_string())),
    }
}

type EcParts<'a> = (Option<AnyRef<'a>>, Option<BitStringRef<'a>>);

fn ec_parts(der: &[u8]) -> der::Result<EcParts<'_>> {
    SliceReader::new(der)?.sequence(|fields| {
        fields.decode::<u8>()?;
        fields.decode::<OctetStringRef<'_>>()?;
        let curve = ContextSpecific::<AnyRef<'_>>::decode_explicit(fields, TagNumber::N0)?;
        let point = ContextSpecific::<BitStringRef<'_>>::decode_explicit(fields, TagNumber::N1)?;
        Ok((curve.map(|field| field.value), point.map(|field| field.value)))
    })
}
