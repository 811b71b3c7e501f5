//! The crypto provider, chosen here and nowhere else.

use std::ops::RangeInclusive;
use std::sync::{Arc, LazyLock};

use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, ring};
use rustls::pki_types::PrivateKeyDer;
use rustls::sign::SigningKey;
use rustls::{CipherSuite, SupportedCipherSuite, SupportedProtocolVersion};

use crate::error::ConfigError;
use crate::handshake::sent_alert;

/// The provider that runs.
static PROVIDER: LazyLock<CryptoProvider> = LazyLock::new(ring::default_provider);

/// What RSA keys the provider signs and verifies with; it does not tell by itself why it refuses one.
pub(crate) const RSA: RsaKeys =
    RsaKeys { bits: 2048..=4096, private_bits_step: 1024, private_exponents: 65_537..=(1 << 33) - 1 };

/// The RSA keys that a provider takes.
pub(crate) struct RsaKeys {
    /// Lengths of the modulus.
    pub(crate) bits: RangeInclusive<usize>,
    /// A private key's length is a multiple of this, or one bit less: its primes are of half that length.
    pub(crate) private_bits_step: usize,
    /// The public exponents of private keys.
    pub(crate) private_exponents: RangeInclusive<u64>,
}

impl RsaKeys {
    /// The length of a modulus, in big-endian bytes. As a DER integer it may begin with a zero byte, which does not count.
    pub(crate) fn bits_of(modulus: &[u8]) -> usize {
        let zeros = modulus.iter().take_while(|&&byte| byte == 0).count();
        let bytes = &modulus[zeros..];
        bytes.first().map_or(0, |first| 8 * bytes.len() - first.leading_zeros() as usize)
    }

    /// Whether a private key may be that long.
    pub(crate) fn takes_private_bits(&self, bits: usize) -> bool {
        self.bits.contains(&bits) && bits.next_multiple_of(2).is_multiple_of(self.private_bits_step)
    }

    /// The lengths of private keys, as `2048, 2560 and 3072`.
    pub(crate) fn private_bits_text(&self) -> String {
        let all: Vec<String> =
            self.bits.clone().step_by(self.private_bits_step).map(|bits| bits.to_string()).collect();
        match all.as_slice() {
            [most @ .., last] if !most.is_empty() => format!("{} and {last}", most.join(", ")),
            few => few.concat(),
        }
    }
}

/// The provider with all its cipher suites, strongest first.
pub fn default_provider() -> CryptoProvider {
    PROVIDER.clone()
}

/// The signature algorithms that certificates and handshakes are verified with.
pub(crate) fn signature_algorithms() -> WebPkiSupportedAlgorithms {
    PROVIDER.signature_verification_algorithms
}

/// The cipher suite of a number, if the provider has it.
pub(crate) fn suite(number: CipherSuite) -> Option<SupportedCipherSuite> {
    PROVIDER.cipher_suites.iter().find(|suite| suite.suite() == number).copied()
}

/// Makes a private key something that signs.
///
/// # Errors
/// The provider's, which says little.
pub(crate) fn signing_key(key: &PrivateKeyDer<'_>) -> Result<Arc<dyn SigningKey>, rustls::Error> {
    // The copy is wiped by rustls' own providers.
    PROVIDER.key_provider.load_private_key(key.clone_key())
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
/// [`ConfigError::NoCipherForVersion`] when a version that was asked for has no suite, or no version has any.
pub fn offer(versions: &Versions, suites: Option<&[SupportedCipherSuite]>) -> Result<Offer, ConfigError> {
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
                return Err(ConfigError::NoCipherForVersion { version: otp_version_name(bare.version) });
            }
            wanted
        }
    };
    if versions.is_empty() {
        return Err(ConfigError::NoCipherForVersion { version: "tlsv1.3" });
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
