//! Why the provider refuses a key. It says very little, so the key's outline is read again here.

use pkcs8::der::asn1::{AnyRef, BitStringRef, ContextSpecific, ObjectIdentifier, OctetStringRef, UintRef};
use pkcs8::der::{self, Decode, Reader, SliceReader, TagNumber};
use pkcs8::{AlgorithmIdentifierRef, PrivateKeyInfo};
use rustls::pki_types::PrivateKeyDer;
use zeroize::Zeroizing;

use crate::error::UnsupportedKey;
use crate::provider::{self, RsaKeys};

const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const RSA_PSS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.10");
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
        RSA_PSS => Some(UnsupportedKey::RsaPss),
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
    let RsaParts { version, modulus, exponent, primes } = rsa_parts(der).ok()?;
    let rules = provider::RSA;
    let exponent = exponent
        .as_bytes()
        .iter()
        .try_fold(0_u64, |value, &byte| value.checked_mul(0x100).map(|shifted| shifted | u64::from(byte)));
    let half = bits(&modulus).div_ceil(2);
    if !rules.takes_private_bits(bits(&modulus)) {
        Some(UnsupportedKey::RsaSize { bits: bits(&modulus) })
    } else if !exponent.is_some_and(|exponent| rules.private_exponents.contains(&exponent)) {
        Some(UnsupportedKey::RsaExponent)
    } else if version != 0 || primes.iter().any(|prime| bits(prime) != half) {
        Some(UnsupportedKey::RsaPrimes)
    } else {
        None
    }
}

struct RsaParts<'a> {
    /// 0, or 1 where there are more than two primes.
    version: u8,
    modulus: UintRef<'a>,
    exponent: UintRef<'a>,
    /// The first two.
    primes: [UintRef<'a>; 2],
}

fn rsa_parts(der: &[u8]) -> der::Result<RsaParts<'_>> {
    SliceReader::new(der)?.sequence(|fields| {
        let version = fields.decode()?;
        let (modulus, exponent) = (fields.decode()?, fields.decode()?);
        fields.decode::<UintRef<'_>>()?;
        let primes = [fields.decode()?, fields.decode()?];
        fields.read_slice(fields.remaining_len())?;
        Ok(RsaParts { version, modulus, exponent, primes })
    })
}

fn bits(number: &UintRef<'_>) -> usize {
    RsaKeys::bits_of(number.as_bytes())
}

/// An ECPrivateKey (RFC 5915 section 3) on P-256 or P-384 as the provider wants it: its number in full length, its curve,
/// and `point`, the public part in uncompressed form. `None` for other keys. That both parts belong together the provider
/// finds out.
pub(super) fn completed(key: &PrivateKeyDer<'_>, point: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let info;
    let (der, outside) = match key {
        PrivateKeyDer::Pkcs8(der) => {
            info = PrivateKeyInfo::from_der(der.secret_pkcs8_der())
                .ok()
                .filter(|info| info.algorithm.oid == EC)?;
            (info.private_key, info.algorithm.parameters)
        }
        PrivateKeyDer::Sec1(der) => (der.secret_sec1_der(), None),
        _ => return None,
    };
    let EcParts { number, curve, .. } = ec_parts(der).ok()?;
    let curve = outside.or(curve)?.decode_as::<ObjectIdentifier>().ok()?;
    let length: usize = match curve {
        P256 => 32,
        P384 => 48,
        _ => return None,
    };
    let number = number.as_bytes();
    let missing = length.checked_sub(number.len())?;
    if point.len() != 1 + 2 * length || point.first() != Some(&UNCOMPRESSED) {
        return None;
    }
    // One byte tells a length up to 127, as all of them are but the whole's (X.690 section 8.1.3).
    let curve_length = u8::try_from(curve.as_bytes().len()).ok()?;
    let mut body = Zeroizing::new(Vec::with_capacity(256));
    body.extend([2, 1, 1, 4, u8::try_from(length).ok()?]);
    body.extend(std::iter::repeat_n(0, missing));
    body.extend(number);
    body.extend([0xa0, curve_length + 2, 6, curve_length]);
    body.extend(curve.as_bytes());
    let point_length = u8::try_from(point.len()).ok()?;
    body.extend([0xa1, point_length + 3, 3, point_length + 1, 0]);
    body.extend(point);
    let mut whole = Zeroizing::new(Vec::with_capacity(256));
    match u8::try_from(body.len()).ok()? {
        short @ ..=127 => whole.extend([0x30, short]),
        long => whole.extend([0x30, 0x81, long]),
    }
    whole.extend(body.iter());
    Some(whole)
}

/// ECPrivateKey, RFC 5915 section 3. The curve is named within it, or outside in PKCS#8.
fn ec(der: &[u8], algorithm: Option<&AlgorithmIdentifierRef<'_>>) -> Option<UnsupportedKey> {
    let EcParts { curve, point, .. } = ec_parts(der).ok()?;
    let curve = algorithm.and_then(|algorithm| algorithm.parameters).or(curve)?;
    match curve.decode_as::<ObjectIdentifier>() {
        Err(_) => Some(UnsupportedKey::EcdsaExplicitCurve),
        Ok(P521) => Some(UnsupportedKey::EcdsaP521),
        Ok(P256 | P384) => match point.and_then(|point| point.raw_bytes().first().copied()) {
            Some(UNCOMPRESSED) => None,
            _ => Some(UnsupportedKey::EcdsaNoPublicPart),
        },
        Ok(other) => Some(UnsupportedKey::EcdsaOther(other.to_string())),
    }
}

/// What a point in uncompressed form begins with (SEC 1 section 2.3.3).
const UNCOMPRESSED: u8 = 4;

struct EcParts<'a> {
    number: OctetStringRef<'a>,
    curve: Option<AnyRef<'a>>,
    point: Option<BitStringRef<'a>>,
}

fn ec_parts(der: &[u8]) -> der::Result<EcParts<'_>> {
    SliceReader::new(der)?.sequence(|fields| {
        fields.decode::<u8>()?;
        let number = fields.decode()?;
        let curve = ContextSpecific::<AnyRef<'_>>::decode_explicit(fields, TagNumber::N0)?;
        let point = ContextSpecific::<BitStringRef<'_>>::decode_explicit(fields, TagNumber::N1)?;
        Ok(EcParts { number, curve: curve.map(|field| field.value), point: point.map(|field| field.value) })
    })
}
