//! What is odd about a certificate that webpki cannot read, or whose issuer it cannot find, and that other judges take.
//!
//! webpki says little of it. Here only the reason is looked for; the refusal stands.

use pkcs8::der::asn1::AnyRef;
use pkcs8::der::{Reader, SliceReader, Tag, TagNumber, Tagged};
use rustls::CertificateError;
use rustls::pki_types::CertificateDer;
use x509_parser::extensions::{ParsedExtension, X509Extension};
use x509_parser::x509::X509Name;

use crate::certificate;
use crate::error::{ChainFault, HandshakeError, Oddity};

/// The lengths of a UTCTime and a GeneralizedTime as RFC 5280 section 4.1.2.5 has them.
const TIME_LENGTHS: [(Tag, usize); 2] = [(Tag::UtcTime, 13), (Tag::GeneralizedTime, 15)];

/// `error` in other words, if it is that something cannot be read, and the reason is found in `certificates`.
pub(crate) fn named<'a>(
    error: HandshakeError,
    certificates: impl IntoIterator<Item = &'a CertificateDer<'a>>,
) -> HandshakeError {
    let HandshakeError::Tls(rustls::Error::InvalidCertificate(
        CertificateError::BadEncoding | CertificateError::Other(_),
    )) = &error
    else {
        return error;
    };
    let found = certificates.into_iter().find_map(|der| of(der));
    found.map_or(error, |oddity| HandshakeError::ChainRefused(ChainFault::Odd(oddity)))
}

/// `error` in other words, if it is that an issuer is not known which is there, in `certificates`, in other bytes.
pub(crate) fn issuer_named<'a>(
    error: HandshakeError,
    certificates: impl IntoIterator<Item = &'a CertificateDer<'a>>,
) -> HandshakeError {
    let unknown = HandshakeError::Tls(CertificateError::UnknownIssuer.into());
    match error == unknown && has_issuer_in_other_bytes(certificates) {
        true => HandshakeError::ChainRefused(ChainFault::IssuerInOtherBytes),
        false => error,
    }
}

/// What keeps webpki from reading a certificate that is one otherwise.
pub(crate) fn of(der: &[u8]) -> Option<Oddity> {
    // Whoever reads the rest of a certificate may not read these.
    if has_plain_times(der) == Some(false) {
        return Some(Oddity::Time);
    }
    let parsed = certificate::parse(der).ok()?;
    let extensions = parsed.extensions();
    let is_twice = |(position, extension): (usize, &X509Extension<'_>)| {
        extensions[..position].iter().any(|before| before.oid == extension.oid)
    };
    let is_malformed = |extension: &X509Extension<'_>| match extension.parsed_extension() {
        ParsedExtension::ParseError { .. } => true,
        ParsedExtension::NameConstraints(constraints) => !certificate::constrains(constraints),
        _ => false,
    };
    let validity = parsed.validity();
    if parsed.tbs_certificate.issuer_uid.is_some() || parsed.tbs_certificate.subject_uid.is_some() {
        Some(Oddity::UniqueIdentifier)
    } else if extensions.iter().enumerate().any(is_twice) {
        Some(Oddity::ExtensionTwice)
    } else if extensions.iter().any(is_malformed) {
        Some(Oddity::ExtensionMalformed)
    } else if validity.not_before.timestamp() < 0 || validity.not_after.timestamp() < 0 {
        Some(Oddity::BeforeEpoch)
    } else {
        None
    }
}

/// Whether both times of a certificate (RFC 5280 section 4.1) are of a form that section 4.1.2.5 allows. `None`: it has another
/// outline.
fn has_plain_times(der: &[u8]) -> Option<bool> {
    let outline = || -> pkcs8::der::Result<bool> {
        SliceReader::new(der)?.sequence(|certificate| {
            let plain = certificate.sequence(|fields| {
                if fields.peek_tag()? == (Tag::ContextSpecific { constructed: true, number: TagNumber::N0 }) {
                    fields.decode::<AnyRef<'_>>()?;
                }
                for _before in ["serialNumber", "signature", "issuer"] {
                    fields.decode::<AnyRef<'_>>()?;
                }
                let plain =
                    fields.sequence(|times| Ok(is_plain(times.decode()?) & is_plain(times.decode()?)))?;
                fields.read_slice(fields.remaining_len())?;
                Ok(plain)
            })?;
            certificate.read_slice(certificate.remaining_len())?;
            Ok(plain)
        })
    };
    outline().ok()
}

fn is_plain(time: AnyRef<'_>) -> bool {
    TIME_LENGTHS.contains(&(time.tag(), time.value().len())) && time.value().ends_with(b"Z")
}

/// Whether a certificate's issuer is a subject of `all` in what it says, and of none in its bytes, which is how webpki
/// compares names.
fn has_issuer_in_other_bytes<'a>(all: impl IntoIterator<Item = &'a CertificateDer<'a>>) -> bool {
    let parsed: Vec<_> = all.into_iter().filter_map(|der| certificate::parse(der).ok()).collect();
    parsed.iter().any(|certificate| {
        let issuer = certificate.issuer();
        let subjects = || parsed.iter().map(|other| other.subject());
        let read = readable(issuer);
        !subjects().any(|subject| subject.as_raw() == issuer.as_raw())
            && read.is_some()
            && subjects().any(|subject| readable(subject) == read)
    })
}

/// A name as RFC 5280 section 7.1 compares it: whatever its string types, capitals and blanks. `None` if a part of it is no
/// text.
fn readable(name: &X509Name<'_>) -> Option<Vec<Vec<(String, String)>>> {
    let part = |rdn: &x509_parser::x509::RelativeDistinguishedName<'_>| {
        rdn.iter()
            .map(|attribute| {
                let text = text(attribute.attr_value().tag().0, attribute.attr_value().data)?;
                let words: Vec<_> = text.split_whitespace().map(str::to_lowercase).collect();
                Some((attribute.attr_type().to_id_string(), words.join(" ")))
            })
            .collect::<Option<Vec<_>>>()
    };
    name.iter_rdn().map(part).collect()
}

/// The string types of a DirectoryString (RFC 5280 section 4.1.2.4) and their kin, by their universal tags.
fn text(tag: u32, bytes: &[u8]) -> Option<String> {
    const TELETEX: u32 = 20;
    const UNIVERSAL: u32 = 28;
    const BMP: u32 = 30;
    match tag {
        TELETEX => Some(bytes.iter().map(|&byte| char::from(byte)).collect()),
        BMP => {
            let units: Vec<_> =
                bytes.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect();
            String::from_utf16(&units).ok()
        }
        UNIVERSAL => bytes
            .chunks_exact(4)
            .map(|four| char::from_u32(u32::from_be_bytes([four[0], four[1], four[2], four[3]])))
            .collect(),
        _ => String::from_utf8(bytes.to_vec()).ok(),
    }
}
