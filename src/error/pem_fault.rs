//! What is wrong with a file that looks like PEM (RFC 7468) to people.

use std::fmt;

/// Why a file that a person takes for PEM cannot be read as such.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PemFault {
    /// It is in UTF-16.
    Utf16,
    /// `BEGIN` does not stand at the start of a line.
    BeginWithinLine {
        /// The line, counted from 1.
        line: usize,
    },
    /// More stands in the line of `BEGIN`, as where the lines were joined.
    BeginNotAlone {
        /// The line, counted from 1.
        line: usize,
    },
    /// `BEGIN` does not stand between five hyphens on each side.
    Hyphens {
        /// The line, counted from 1.
        line: usize,
    },
    /// A certificate in OpenSSL's own form, with what it is trusted for.
    TrustedCertificate,
}

impl fmt::Display for PemFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Utf16 => f.write_str("begins with a byte-order mark of UTF-16; save it as plain text (ASCII or UTF-8)"),
            Self::BeginWithinLine { line } => write!(
                f,
                "has BEGIN in line {line}, but not at the start of a line; remove what stands before the hyphens"
            ),
            Self::BeginNotAlone { line } => write!(
                f,
                "has more than BEGIN in line {line}; end the line after its five hyphens, as the file had it at first"
            ),
            Self::Hyphens { line } => write!(
                f,
                "has BEGIN in line {line}, but not between five hyphens on each side; write -----BEGIN ...-----"
            ),
            Self::TrustedCertificate => f.write_str(
                "holds a TRUSTED CERTIFICATE, which is OpenSSL's own and says what it is trusted for, to which nobody here would \
                 hold; convert it with: openssl x509 -in FILE -out NEW.pem",
            ),
        }
    }
}
