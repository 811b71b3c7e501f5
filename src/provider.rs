//! The crypto provider, chosen here and nowhere else.

use std::sync::Arc;

use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, ring};
use rustls::{SupportedCipherSuite, SupportedProtocolVersion};

use crate::error::Error;
use crate::sent_alert;

/// The provider with all its cipher suites, strongest first.
pub fn default_provider() -> CryptoProvider {
    ring::default_provider()
}

/// The signature algorithms that certificates and handshakes are verified with.
pub fn signature_algorithms() -> WebPkiSupportedAlgorithms {
    default_provider().signature_verification_algorithms
}

/// TLS versions in the order of preference.
const VERSIONS: [&SupportedProtocolVersion; 2] = [&rustls::version::TLS13, &rustls::version::TLS12];

/// Whether a set of versions was asked for by name or is a default that may shrink.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Versions {
    /// TLS 1.3 and 1.2, as far as the configured cipher suites serve them.
    Default,
    /// Exactly these.
    Exactly(Vec<rustls::ProtocolVersion>),
}

/// What a role may negotiate.
pub struct Offer {
    /// The provider, with the configured suites only.
    pub provider: Arc<CryptoProvider>,
    /// The versions, newest first.
    pub versions: Vec<&'static SupportedProtocolVersion>,
}

/// Combines configured versions and cipher suites (`None`: all of the provider's).
///
/// # Errors
/// [`Error::NoCipherForVersion`] when a version that was asked for has no suite, or no version has any.
pub fn offer(versions: &Versions, suites: Option<&[SupportedCipherSuite]>) -> Result<Offer, Error> {
    let mut provider = default_provider();
    let suites = suites.unwrap_or(&provider.cipher_suites);
    provider.cipher_suites = suites.iter().copied().map(sent_alert::observed).collect();
    let has_suite = |version: &&SupportedProtocolVersion| {
        let of_version = |suite: &SupportedCipherSuite| suite.version().version == version.version;
        provider.cipher_suites.iter().any(of_version)
    };
    let versions: Vec<_> = match versions {
        Versions::Default => VERSIONS.into_iter().filter(has_suite).collect(),
        Versions::Exactly(wanted) => {
            let wanted: Vec<_> = VERSIONS.into_iter().filter(|v| wanted.contains(&v.version)).collect();
            if let Some(bare) = wanted.iter().find(|version| !has_suite(version)) {
                return Err(Error::NoCipherForVersion { version: otp_version_name(bare.version) });
            }
            wanted
        }
    };
    if versions.is_empty() {
        return Err(Error::NoCipherForVersion { version: "tlsv1.3" });
    }
    Ok(Offer { provider: Arc::new(provider), versions })
}

/// A version in OTP's spelling.
pub fn otp_version_name(version: rustls::ProtocolVersion) -> &'static str {
    match version {
        rustls::ProtocolVersion::TLSv1_3 => "tlsv1.3",
        rustls::ProtocolVersion::TLSv1_2 => "tlsv1.2",
        _ => "unknown",
    }
}
