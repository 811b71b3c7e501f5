//! What a certificate says about itself. Nothing here judges whether that is true.

use std::net::IpAddr;

use rustls::pki_types::{SubjectPublicKeyInfoDer, UnixTime};
use x509_parser::asn1_rs::Any;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{GeneralName, NameConstraints};
use x509_parser::prelude::FromDer;
use x509_parser::x509::X509Name;

use crate::error::{Algorithm, BadEncoding};

/// The readable facts of one X.509 certificate (RFC 5280 section 4.1), of any version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFacts {
    /// The serial number, in hexadecimal digits as openssl prints it.
    pub serial: String,
    /// The subject's name, as in `CN=node1.example.com, O=Example`.
    pub subject: String,
    /// The issuer's name, in the same form.
    pub issuer: String,
    /// Whether there is a subjectAltName extension that holds at least one name, of whatever kind.
    pub has_alt_names: bool,
    /// The DNS names of the subjectAltName extension.
    pub dns_names: Vec<String>,
    /// The IP addresses of the subjectAltName extension.
    pub ip_addresses: Vec<IpAddr>,
    /// The URIs of the subjectAltName extension.
    pub uris: Vec<String>,
    /// The subject's common names, in the order of the name.
    pub common_names: Vec<String>,
    /// Start of validity, in seconds since 1970-01-01 00:00 UTC.
    pub not_before_unix_s: i64,
    /// End of validity, in seconds since 1970-01-01 00:00 UTC.
    pub not_after_unix_s: i64,
    /// What its key may be used for.
    pub usages: Usages,
    /// The X.509 version: 1, 2 or 3.
    pub version: u8,
    /// Whether subject and issuer are the same name, which is what OTP calls self-signed
    /// (`public_key:pkix_is_self_signed/1`).
    pub self_issued: bool,
}

/// What a certificate allows its key to do (RFC 5280 sections 4.2.1.3 and 4.2.1.12). All is allowed by one that does not
/// say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usages {
    /// keyUsage: signatures such as those of a handshake.
    pub digital_signature: bool,
    /// Extended key usage: servers.
    pub server_auth: bool,
    /// Extended key usage: clients.
    pub client_auth: bool,
}

impl CertificateFacts {
    /// Reads the facts from one certificate in DER.
    ///
    /// # Errors
    /// Bytes that are no certificate, and a subjectAltName that is malformed or there twice: names that cannot be read must
    /// not look like names that are not there.
    pub fn from_der(der: &[u8]) -> Result<Self, BadEncoding> {
        let certificate = parse(der)?;
        let (not_before_unix_s, not_after_unix_s) = validity(&certificate);
        let mut facts = Self {
            serial: serial(&certificate),
            subject: subject(&certificate),
            issuer: certificate.issuer().to_string(),
            has_alt_names: false,
            dns_names: Vec::new(),
            ip_addresses: Vec::new(),
            uris: Vec::new(),
            common_names: common_names(certificate.subject()),
            not_before_unix_s,
            not_after_unix_s,
            usages: usages(&certificate),
            version: version(&certificate)?,
            self_issued: is_self_issued(&certificate),
        };
        if let Some(names) = certificate.subject_alternative_name().map_err(|_| BadEncoding)? {
            facts.has_alt_names = !names.value.general_names.is_empty();
            names.value.general_names.iter().for_each(|name| facts.add_alt_name(name));
        }
        Ok(facts)
    }

    /// Every name that a host can be matched with, as `DNS:name`, `IP:address`, `URI:uri` or `CN:name`;
    /// common names are only listed when there is no alternative name (RFC 6125 section 6.4.4).
    pub fn presented_names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.dns_names.iter().map(|name| format!("DNS:{name}")).collect();
        names.extend(self.ip_addresses.iter().map(|address| format!("IP:{address}")));
        names.extend(self.uris.iter().map(|uri| format!("URI:{uri}")));
        names.extend(self.host_common_names().iter().map(|name| format!("CN:{name}")));
        names
    }

    /// The common names that stand for host names: those of a certificate without alternative names (RFC 6125 section
    /// 6.4.4).
    pub fn host_common_names(&self) -> &[String] {
        if self.has_alt_names { &[] } else { &self.common_names }
    }

    fn add_alt_name(&mut self, name: &GeneralName<'_>) {
        match name {
            GeneralName::DNSName(name) => self.dns_names.push((*name).to_owned()),
            GeneralName::URI(uri) => self.uris.push((*uri).to_owned()),
            GeneralName::IPAddress(octets) => self.ip_addresses.extend(address(octets)),
            _ => {}
        }
    }
}

/// The whole SubjectPublicKeyInfo of a certificate (RFC 5280 section 4.1.2.7), tag and length included.
///
/// `certificate` is DER and may be of any X.509 version.
///
/// # Errors
/// It cannot be read.
pub fn spki_der(certificate: &[u8]) -> Result<SubjectPublicKeyInfoDer<'static>, BadEncoding> {
    let certificate = parse(certificate)?;
    Ok(SubjectPublicKeyInfoDer::from(certificate.public_key().raw.to_vec()))
}

/// What kind the key of a certificate is of, if it is none that a signature could be checked with. A certificate that cannot be
/// parsed is another fault.
pub(crate) fn unsupported_key(certificate: &[u8]) -> Option<Algorithm> {
    let parsed = parse(certificate).ok()?;
    let (_, algorithm) =
        Any::from_der(parsed.public_key().raw).and_then(|(_, key)| Any::from_der(key.data)).ok()?;
    Algorithm::of_key(algorithm.data)
}

/// Parses a certificate that fills `der` to the last byte.
pub(crate) fn parse(der: &[u8]) -> Result<X509Certificate<'_>, BadEncoding> {
    match X509Certificate::from_der(der) {
        Ok(([], certificate)) => Ok(certificate),
        _ => Err(BadEncoding),
    }
}

/// The subject's name, as in `CN=node1.example.com, O=Example`.
pub(crate) fn subject(certificate: &X509Certificate<'_>) -> String {
    certificate.subject().to_string()
}

/// Start and end of validity, in seconds since 1970.
pub(crate) fn validity(certificate: &X509Certificate<'_>) -> (i64, i64) {
    let validity = certificate.validity();
    (validity.not_before.timestamp(), validity.not_after.timestamp())
}

/// A time as validity counts it.
pub(crate) fn unix_s(time: UnixTime) -> i64 {
    i64::try_from(time.as_secs()).unwrap_or(i64::MAX)
}

/// Whether subject and issuer are the same bytes, which is how webpki compares names.
pub(crate) fn is_self_issued(certificate: &X509Certificate<'_>) -> bool {
    certificate.subject().as_raw() == certificate.issuer().as_raw()
}

/// Whether name constraints permit or exclude anything, as they have to (RFC 5280 section 4.2.1.10).
pub(crate) fn constrains(constraints: &NameConstraints<'_>) -> bool {
    let lists = [&constraints.permitted_subtrees, &constraints.excluded_subtrees];
    lists.into_iter().flatten().any(|subtrees| !subtrees.is_empty())
}

/// anyExtendedKeyUsage allows neither role, as for webpki and OTP. An extension that cannot be read allows nothing.
fn usages(certificate: &X509Certificate<'_>) -> Usages {
    let (server_auth, client_auth) = match certificate.extended_key_usage() {
        Ok(None) => (true, true),
        Ok(Some(extended)) => (extended.value.server_auth, extended.value.client_auth),
        Err(_) => (false, false),
    };
    let digital_signature = match certificate.key_usage() {
        Ok(None) => true,
        Ok(Some(usage)) => usage.value.digital_signature(),
        Err(_) => false,
    };
    Usages { digital_signature, server_auth, client_auth }
}

fn serial(certificate: &X509Certificate<'_>) -> String {
    let bytes = certificate.raw_serial();
    // A DER integer begins with a zero byte where its first bit would make it negative.
    let digits = match bytes {
        [0, rest @ ..] if !rest.is_empty() => rest,
        all => all,
    };
    digits.iter().map(|byte| format!("{byte:02X}")).collect()
}

fn version(certificate: &X509Certificate<'_>) -> Result<u8, BadEncoding> {
    match certificate.version().0 {
        coded @ 0..=2 => Ok(coded as u8 + 1),
        _ => Err(BadEncoding),
    }
}

fn common_names(name: &X509Name<'_>) -> Vec<String> {
    name.iter_common_name().filter_map(|attribute| attribute.as_str().ok()).map(str::to_owned).collect()
}

fn address(octets: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(octets).ok().map(IpAddr::from);
    v4.or_else(|| <[u8; 16]>::try_from(octets).ok().map(IpAddr::from))
}
