//! PEM files (RFC 7468): reading them with a bound, and taking them apart.
//!
//! The crates that read PEM either skip the sections that an error message has to know about (encrypted
//! keys in their old and new form) or leave copies of private keys in memory, hence this scanner.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use base64ct::{Base64, Encoding};
use rustls::pki_types::CertificateDer;
use zeroize::Zeroizing;

use crate::certificate;
use crate::error::{ConfigError, PemFault};
use crate::provider;

/// The most bytes that are read of a file. The root certificates of a whole Debian are a quarter of it.
const LIMIT_BYTES: usize = 1024 * 1024;

/// Reads a file, which may hold a private key: the bytes are wiped when dropped.
///
/// `path` has to name a regular file of at most 1 MiB; anything else (a pipe would block for ever) is an
/// error: [`ConfigError::FileNotFound`], [`ConfigError::FileNotRegular`], [`ConfigError::FileTooLarge`] or
/// [`ConfigError::FileUnreadable`].
pub(crate) fn read_file(path: &Path) -> Result<Zeroizing<Vec<u8>>, ConfigError> {
    let unreadable = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => ConfigError::FileNotFound { path: path.to_owned() },
        reason => ConfigError::FileUnreadable { path: path.to_owned(), reason },
    };
    if !fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err(ConfigError::FileNotRegular { path: path.to_owned() });
    }
    let mut file = File::open(path).map_err(unreadable)?;
    // One buffer of full size, since a buffer that grows leaves copies of the key behind.
    let mut text = Zeroizing::new(vec![0; LIMIT_BYTES + 1]);
    let mut filled = 0;
    while filled < text.len() {
        match file.read(&mut text[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(unreadable(error)),
        }
    }
    if filled > LIMIT_BYTES {
        return Err(ConfigError::FileTooLarge { path: path.to_owned(), limit_bytes: LIMIT_BYTES as u64 });
    }
    text.truncate(filled);
    Ok(text)
}

/// The SHA-256 digest of a file, which may hold a private key: it tells whether the file has changed.
///
/// # Errors
/// Those of reading a file: [`ConfigError::FileNotFound`], [`ConfigError::FileNotRegular`], [`ConfigError::FileTooLarge`] or
/// [`ConfigError::FileUnreadable`].
pub fn digest(path: &Path) -> Result<[u8; 32], ConfigError> {
    let unsupported =
        || ConfigError::FileUnreadable { path: path.to_owned(), reason: io::ErrorKind::Unsupported };
    provider::sha256(&read_file(path)?).ok_or_else(unsupported)
}

/// Reads all certificates of a PEM file, in the order they have there.
///
/// Other sections are skipped. Each certificate is parsed once, so that a damaged one is found when the
/// node starts ([`ConfigError::BadCertificate`]) and not when the first peer comes. Further errors are
/// [`ConfigError::NotPem`], [`ConfigError::NoCertificate`] and those of reading a file.
pub fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, ConfigError> {
    certificates_in(&read_file(path)?, path)
}

/// The certificates in `text`, which was read from `path`. Errors as for [`certificates`].
pub(crate) fn certificates_in(text: &[u8], path: &Path) -> Result<Vec<CertificateDer<'static>>, ConfigError> {
    let mut found = Vec::new();
    for section in sections(text, path)?.iter().filter(|section| section.label == "CERTIFICATE") {
        let position = found.len() + 1;
        let der = section.der().filter(|der| certificate::parse(der).is_ok());
        let der = der.ok_or_else(|| ConfigError::BadCertificate { path: path.to_owned(), position })?;
        found.push(CertificateDer::from(der.to_vec()));
    }
    match found.is_empty() {
        true => Err(ConfigError::NoCertificate { path: path.to_owned() }),
        false => Ok(found),
    }
}

/// One section of a PEM file, still encoded.
pub(crate) struct Section<'a> {
    /// What stands between `-----BEGIN ` and `-----`.
    pub(crate) label: &'a str,
    /// The lines between the two markers; `None` when the second one is missing.
    lines: Option<Vec<&'a [u8]>>,
}

impl Section<'_> {
    /// Whether the section is encrypted the way of RFC 1421, which OpenSSL used for keys before version 1.0.
    pub(crate) fn is_encrypted_by_header(&self) -> bool {
        let first = self.lines.as_ref().and_then(|lines| lines.first());
        first.is_some_and(|line| line.starts_with(b"Proc-Type:") && line.ends_with(b"ENCRYPTED"))
    }

    /// The decoded contents; `None` when they are not base64 or the end is missing.
    pub(crate) fn der(&self) -> Option<Zeroizing<Vec<u8>>> {
        let lines = self.lines.as_ref()?;
        let length = lines.iter().map(|line| line.len()).sum();
        let mut encoded = Zeroizing::new(Vec::with_capacity(length));
        let lines = lines.iter().flat_map(|line| line.iter());
        encoded.extend(lines.filter(|byte| !byte.is_ascii_whitespace()));
        // Decoding never needs more room than the text has.
        let mut decoded = Zeroizing::new(vec![0; encoded.len()]);
        let length = Base64::decode(encoded.as_slice(), &mut decoded).ok()?.len();
        decoded.truncate(length);
        (length > 0).then_some(decoded)
    }
}

/// Takes the text of a PEM file apart; text outside the sections is skipped, as RFC 7468 section 2 asks.
///
/// What the way to a node's files adds is passed over where it can mean nothing else: a byte-order mark, blanks around a
/// line, line ends written as `\n`, a line end that is missing between two sections. `path` is for the errors:
/// [`ConfigError::BadPem`] where there is no section and something that looks like one, else [`ConfigError::NotPem`].
pub(crate) fn sections<'a>(text: &'a [u8], path: &Path) -> Result<Vec<Section<'a>>, ConfigError> {
    let mut lines = lines(text).into_iter();
    let mut found = Vec::new();
    while let Some(line) = lines.next() {
        if let Some(label) = marker(line, BEGIN) {
            let mut contents = Vec::new();
            let end = lines.by_ref().find_map(|line| match marker(line, b"-----END ") {
                Some(end) => Some(end),
                None => {
                    contents.extend((!line.is_empty()).then_some(line));
                    None
                }
            });
            found.push(Section { label, lines: (end == Some(label)).then_some(contents) });
        }
    }
    let refused = |fault| ConfigError::BadPem { path: path.to_owned(), fault };
    if found.iter().any(|section| section.label == "TRUSTED CERTIFICATE") {
        return Err(refused(PemFault::TrustedCertificate));
    }
    match (found.is_empty(), fault(text)) {
        (false, _) => Ok(found),
        (true, Some(fault)) => Err(refused(fault)),
        (true, None) => Err(ConfigError::NotPem { path: path.to_owned() }),
    }
}

const BEGIN: &[u8] = b"-----BEGIN ";
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The lines of `text` without blanks around them. No character of a marker or of base64 is a backslash.
fn lines(text: &[u8]) -> Vec<&[u8]> {
    let ends_line = |(position, byte): (usize, &u8)| {
        matches!(byte, b'\n' | b'\r')
            || (*byte == b'\\' && matches!(text.get(position + 1), Some(b'n' | b'r')))
    };
    let mut lines = Vec::new();
    let mut start = 0;
    for (position, byte) in text.iter().enumerate() {
        if position >= start && ends_line((position, byte)) {
            lines.push(&text[start..position]);
            start = position + if *byte == b'\\' { 2 } else { 1 };
        }
    }
    lines.push(&text[start.min(text.len())..]);
    lines.into_iter().flat_map(unjoined).map(trimmed).collect()
}

fn trimmed(line: &[u8]) -> &[u8] {
    line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line).trim_ascii()
}

/// Two lines, if one section ends and another begins in it: files were joined and the first had no line end.
fn unjoined(line: &[u8]) -> Vec<&[u8]> {
    const JOINT: &[u8] = b"----------BEGIN ";
    match line.windows(JOINT.len()).position(|window| window == JOINT) {
        Some(position) if trimmed(line).starts_with(b"-----END ") => {
            let (end, begin) = line.split_at(position + 5);
            vec![end, begin]
        }
        _ => vec![line],
    }
}

/// What a person who sees PEM in `text` has to be told.
fn fault(text: &[u8]) -> Option<PemFault> {
    if text.starts_with(&[0xff, 0xfe]) || text.starts_with(&[0xfe, 0xff]) {
        return Some(PemFault::Utf16);
    }
    text.split(|byte| *byte == b'\n').enumerate().find_map(|(index, physical)| {
        let line = index + 1;
        let position = physical.windows(6).position(|window| window == b"BEGIN ")?;
        let before = physical[..position].strip_suffix(b"-----");
        Some(match before {
            None => PemFault::Hyphens { line },
            Some(before) if !trimmed(before).is_empty() => PemFault::BeginWithinLine { line },
            Some(_) if physical[position..].windows(5).any(|window| window == b"-----") => {
                PemFault::BeginNotAlone { line }
            }
            Some(_) => PemFault::Hyphens { line },
        })
    })
}

fn marker<'a>(line: &'a [u8], start: &[u8]) -> Option<&'a str> {
    let label = line.strip_prefix(start)?.strip_suffix(b"-----")?;
    let label = std::str::from_utf8(label).ok().filter(|label| !label.contains("--"))?;
    // The name of old: OpenSSL reads it, too.
    Some(if label == "X509 CERTIFICATE" { "CERTIFICATE" } else { label })
}
