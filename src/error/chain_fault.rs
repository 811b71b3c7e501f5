//! Why webpki refuses a chain, where rustls has no name of its own for it.

use std::fmt;

use rustls::AlertDescription;

use super::Algorithm;
use super::kind::Kind;
use crate::provider::{KEY_KINDS, SIGNATURES};

/// A fault of a peer's certificate chain. Each has a tag, so that a user's own rules can forgive one and no other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChainFault {
    /// The peer's own certificate is that of an authority (RFC 5280 section 4.2.1.9).
    PeerIsAuthority,
    /// A certificate that issued another one is not that of an authority.
    NotAnAuthority,
    /// An authority allows fewer authorities below it than there are.
    PathLengthExceeded,
    /// A name lies outside of what an authority may certify (RFC 5280 section 4.2.1.10).
    NameNotPermitted,
    /// A certificate of X.509 version 1 or 2 (RFC 5280 section 4.1.2.1).
    UnsupportedVersion,
    /// A certificate is signed with an algorithm that is not accepted.
    SignatureAlgorithm(Algorithm),
    /// An authority's key is of a kind that is not accepted.
    AuthorityKey(Algorithm),
    /// The peer's key is of a kind that is not accepted.
    PeerKey(Algorithm),
    /// The peer's RSA key is shorter than 2048 bits.
    WeakKey {
        /// Its length.
        bits: usize,
    },
    /// webpki cannot read a certificate that others can.
    Odd(Oddity),
    /// A certificate's issuer and its authority's subject are the same name in other bytes.
    IssuerInOtherBytes,
    /// More intermediates than webpki follows.
    TooManyIntermediates,
    /// The search for a path was given up: too many signatures, names or candidates.
    TooMuchWork,
}

/// What keeps webpki from reading a certificate that other judges read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Oddity {
    /// An issuerUniqueID or a subjectUniqueID (RFC 5280 section 4.1.2.8).
    UniqueIdentifier,
    /// An extension is there twice (RFC 5280 section 4.2).
    ExtensionTwice,
    /// The contents of an extension are not those of its kind.
    ExtensionMalformed,
    /// Its validity begins or ends before 1970.
    BeforeEpoch,
    /// Its validity is not written as RFC 5280 section 4.1.2.5 has it.
    Time,
}

impl Oddity {
    fn tag(self) -> Kind {
        match self {
            Self::UniqueIdentifier => Kind::UNIQUE_IDENTIFIER,
            Self::ExtensionTwice => Kind::EXTENSION_TWICE,
            Self::ExtensionMalformed => Kind::EXTENSION_MALFORMED,
            Self::BeforeEpoch => Kind::VALIDITY_BEFORE_1970,
            Self::Time => Kind::VALIDITY_MALFORMED,
        }
    }
}

impl fmt::Display for Oddity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UniqueIdentifier => {
                "has an issuerUniqueID or a subjectUniqueID, which is not accepted; issue it anew without (RFC 5280 \
                 section 4.1.2.8 says so, too)"
            }
            Self::ExtensionTwice => {
                "has one extension twice, which RFC 5280 section 4.2 forbids; issue it anew with one of them"
            }
            Self::ExtensionMalformed => {
                "has an extension whose contents are not encoded as RFC 5280 section 4.2 has it; issue it anew"
            }
            Self::BeforeEpoch => {
                "has a validity that begins or ends before 1970, which is not accepted; issue it anew with a later one"
            }
            Self::Time => {
                "has a validity that is not written as RFC 5280 section 4.1.2.5 has it, in UTC with seconds and a Z; \
                 issue it anew"
            }
        })
    }
}

impl ChainFault {
    /// Its tag.
    pub(super) fn tag(self) -> Kind {
        match self {
            Self::PeerIsAuthority => Kind::PEER_IS_AUTHORITY,
            Self::NotAnAuthority => Kind::NOT_AN_AUTHORITY,
            Self::PathLengthExceeded => Kind::PATH_LENGTH_EXCEEDED,
            Self::NameNotPermitted => Kind::NAME_NOT_PERMITTED,
            Self::UnsupportedVersion => Kind::UNSUPPORTED_CERTIFICATE_VERSION,
            Self::SignatureAlgorithm(_) | Self::AuthorityKey(_) => Kind::UNSUPPORTED_SIGNATURE_ALGORITHM,
            Self::PeerKey(_) => Kind::UNSUPPORTED_PEER_KEY,
            Self::WeakKey { .. } => Kind::WEAK_KEY,
            Self::Odd(oddity) => oddity.tag(),
            Self::IssuerInOtherBytes => Kind::ISSUER_IN_OTHER_BYTES,
            Self::TooManyIntermediates => Kind::TOO_MANY_INTERMEDIATES,
            Self::TooMuchWork => Kind::TOO_MUCH_WORK,
        }
    }

    /// The alert that says it best (RFC 8446 section 6.2, and section 4.4.2.4 for algorithms).
    pub(super) fn alert(self) -> AlertDescription {
        match self {
            Self::NotAnAuthority
            | Self::Odd(_)
            | Self::NameNotPermitted
            | Self::SignatureAlgorithm(_)
            | Self::AuthorityKey(_) => AlertDescription::BadCertificate,
            Self::PeerIsAuthority | Self::UnsupportedVersion | Self::WeakKey { .. } | Self::PeerKey(_) => {
                AlertDescription::UnsupportedCertificate
            }
            Self::PathLengthExceeded | Self::TooManyIntermediates | Self::IssuerInOtherBytes => {
                AlertDescription::UnknownCA
            }
            Self::TooMuchWork => AlertDescription::CertificateUnknown,
        }
    }
}

impl fmt::Display for ChainFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::PeerIsAuthority => {
                "the peer's certificate is that of an authority (CA:TRUE); issue one with basicConstraints=CA:FALSE"
            }
            Self::NotAnAuthority => {
                "a certificate in the peer's chain issued another one and is not that of an authority \
                 (basicConstraints lacks CA:TRUE)"
            }
            Self::PathLengthExceeded => {
                "the peer's chain has more authorities than one of them allows (pathlen of basicConstraints)"
            }
            Self::NameNotPermitted => {
                "a name in the peer's certificate is not one that its authority may certify (nameConstraints)"
            }
            Self::UnsupportedVersion => {
                "a certificate in the peer's chain is of X.509 version 1 or 2; issue it as version 3"
            }
            Self::SignatureAlgorithm(algorithm) => {
                return write!(
                    f,
                    "a certificate in the peer's chain is signed with an algorithm that is not accepted: {algorithm}; \
                     issue it anew with {SIGNATURES}"
                );
            }
            Self::AuthorityKey(kind) => {
                return write!(
                    f,
                    "an authority in the peer's chain has a key of a kind that is not accepted: {kind}; make a new one \
                     {KEY_KINDS}"
                );
            }
            Self::PeerKey(kind) => {
                return write!(
                    f,
                    "the peer's certificate is for a key of a kind that is not accepted: {kind}; make a new key \
                     {KEY_KINDS}, and a certificate for it"
                );
            }
            Self::WeakKey { bits } => {
                return write!(
                    f,
                    "the peer's RSA key has {bits} bits only, and at least 2048 are needed; make a new key and \
                     certificate"
                );
            }
            Self::Odd(oddity) => return write!(f, "a certificate in the peer's chain {oddity}"),
            Self::IssuerInOtherBytes => {
                "a certificate in the peer's chain writes its issuer's name in other bytes than the authority's subject: in \
                 another string type (PrintableString, UTF8String), or with other capitals or blanks; issue it anew with \
                 the name as the authority has it"
            }
            Self::TooManyIntermediates => {
                "the peer's chain has more than six intermediate certificates, which is the most that are followed"
            }
            Self::TooMuchWork => {
                "the search for a path through the peer's certificates was given up: too many of them have the same names, or \
                 authorities constrain too many names"
            }
        };
        f.write_str(text)
    }
}
