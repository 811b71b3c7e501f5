//! Signature algorithms and kinds of keys that the crypto provider lacks, by name.

use std::fmt;

use pkcs8::der::asn1::{AnyRef, ObjectIdentifier};
use pkcs8::der::{self, Decode, Reader, SliceReader};

use crate::provider;

/// What a certificate is signed with, or what kind its key is of, where that is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Algorithm {
    /// A signature over MD5 or MD2, of whatever key.
    Md5,
    /// A signature over SHA-1, of whatever key.
    Sha1,
    /// A signature over SHA-224.
    Sha224,
    /// ECDSA with SHA-512, which ring has for no curve.
    EcdsaSha512,
    /// ECDSA with parameters where there are none (RFC 5758 section 3.2), as Java 11 writes them.
    EcdsaWithParameters,
    /// RSASSA-PSS with parameters that are not those of TLS (RFC 8446 section 4.2.3), or a key that is for it alone.
    RsaPss,
    /// A key of RSA that is too short.
    ShortRsa,
    /// EC on P-521.
    P521,
    /// EC on secp256k1.
    Secp256k1,
    /// EC on another curve.
    OtherCurve,
    /// EC on a curve that is written out instead of named.
    ExplicitCurve,
    /// Ed448.
    Ed448,
    /// DSA.
    Dsa,
    /// The two places of a certificate that name the algorithm of its signature differ (RFC 5280 section 4.1.1.2).
    Inconsistent,
    /// The key of whoever signed is of another kind than the signature.
    KeyOfAnotherKind,
    /// Anything else.
    Unknown,
}

impl Algorithm {
    /// Of a signature; `id` is the contents of an AlgorithmIdentifier.
    pub(crate) fn of_signature(id: &[u8]) -> Self {
        let Ok((oid, parameters)) = parts(id) else {
            return Self::Unknown;
        };
        match (oid.to_string().as_str(), parameters) {
            ("1.2.840.113549.1.1.2" | "1.2.840.113549.1.1.4", _) => Self::Md5,
            ("1.2.840.113549.1.1.5" | "1.2.840.10045.4.1" | "1.2.840.10040.4.3" | "1.3.14.3.2.29", _) => {
                Self::Sha1
            }
            ("1.2.840.113549.1.1.14" | "1.2.840.10045.4.3.1" | "2.16.840.1.101.3.4.3.1", _) => Self::Sha224,
            ("1.2.840.10045.4.3.4", _) => Self::EcdsaSha512,
            ("1.2.840.10045.4.3.2" | "1.2.840.10045.4.3.3", Some(_)) => Self::EcdsaWithParameters,
            ("1.2.840.113549.1.1.10", _) => Self::RsaPss,
            ("1.3.101.113", _) => Self::Ed448,
            ("2.16.840.1.101.3.4.3.2", _) => Self::Dsa,
            _ => Self::Unknown,
        }
    }

    /// Of a key, if the provider lacks it; `id` is the contents of an AlgorithmIdentifier.
    pub(crate) fn of_key(id: &[u8]) -> Option<Self> {
        if provider::signature_algorithms().all.iter().any(|known| known.public_key_alg_id().as_ref() == id) {
            return None;
        }
        let Ok((oid, parameters)) = parts(id) else {
            return Some(Self::Unknown);
        };
        let curve = parameters.and_then(|parameters| ObjectIdentifier::from_der(parameters).ok());
        match oid.to_string().as_str() {
            "1.2.840.113549.1.1.1" | "1.3.101.112" => None,
            "1.2.840.113549.1.1.10" => Some(Self::RsaPss),
            "1.3.101.113" => Some(Self::Ed448),
            "1.2.840.10040.4.1" => Some(Self::Dsa),
            "1.2.840.10045.2.1" => match curve.map(|curve| curve.to_string()).as_deref() {
                Some("1.3.132.0.35") => Some(Self::P521),
                Some("1.3.132.0.10") => Some(Self::Secp256k1),
                Some(_) => Some(Self::OtherCurve),
                None => Some(Self::ExplicitCurve),
            },
            _ => Some(Self::Unknown),
        }
    }
}

fn parts(id: &[u8]) -> der::Result<(ObjectIdentifier, Option<&[u8]>)> {
    let mut reader = SliceReader::new(id)?;
    let oid = ObjectIdentifier::decode(&mut reader)?;
    let parameters = match reader.is_finished() {
        true => None,
        false => Some(reader.tlv_bytes()?),
    };
    if let Some(parameters) = parameters {
        AnyRef::from_der(parameters)?;
    }
    Ok((oid, parameters))
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Md5 => "MD5",
            Self::Sha1 => "SHA-1",
            Self::Sha224 => "SHA-224",
            Self::EcdsaSha512 => "ECDSA with SHA-512",
            Self::EcdsaWithParameters => "ECDSA with NULL parameters (as Java 11 writes them)",
            Self::RsaPss => "RSASSA-PSS with a key or parameters of its own",
            Self::ShortRsa => "RSA of less than 2048 bits",
            Self::P521 => "EC on P-521",
            Self::Secp256k1 => "EC on secp256k1",
            Self::OtherCurve => "EC on a curve that is neither P-256 nor P-384",
            Self::ExplicitCurve => "EC on a curve that is written out instead of named",
            Self::Ed448 => "Ed448",
            Self::Dsa => "DSA",
            Self::Inconsistent => "two algorithms that differ (inside and outside of what is signed)",
            Self::KeyOfAnotherKind => "another kind of key than its authority has",
            Self::Unknown => "an algorithm that is not known",
        })
    }
}
