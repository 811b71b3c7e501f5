//! The crypto provider, chosen here and nowhere else: the feature `ring`, or `aws_lc_rs`, which wins where both are asked for.

use std::ops::RangeInclusive;
use std::sync::{Arc, LazyLock};

use rustls::crypto::hash::HashAlgorithm;
use rustls::crypto::{CryptoProvider, SupportedKxGroup, WebPkiSupportedAlgorithms};
use rustls::pki_types::PrivateKeyDer;
use rustls::sign::SigningKey;
use rustls::{CipherSuite, NamedGroup, ProtocolVersion, SupportedCipherSuite, SupportedProtocolVersion};

use crate::error::ConfigError;
use crate::handshake::sent_alert;
use crate::key_exchange::{self, Groups};

pub use chosen::NAME;
pub(crate) use chosen::{KEY_KINDS, RSA, SIGNATURES};

#[cfg(not(any(feature = "ring", feature = "aws_lc_rs")))]
compile_error!("rustls_dist needs a crypto provider: the feature `ring` or `aws_lc_rs`");

/// What ring has.
#[cfg(all(feature = "ring", not(feature = "aws_lc_rs")))]
mod chosen {
    use rustls::crypto::ring::{self, kx_group};
    use rustls::crypto::{CryptoProvider, SupportedKxGroup};

    use super::{PROVIDER, RsaKeys};
    use crate::key_exchange::hybrid::X25519MlKem768;

    /// The provider's name, which is its feature's.
    pub const NAME: &str = "ring";

    /// What RSA keys the provider signs and verifies with; it does not tell by itself why it refuses one.
    pub(crate) const RSA: RsaKeys =
        RsaKeys { bits: 2048..=4096, private_bits_step: 1024, private_exponents: 65_537..=(1 << 33) - 1 };
    pub(crate) const SIGNATURES: &str =
        "ECDSA with SHA-256 or SHA-384, RSA with SHA-256 or better, or Ed25519";
    pub(crate) const KEY_KINDS: &str = "on P-256 or P-384, of Ed25519 or RSA";

    /// In the order of preference.
    pub(super) static GROUPS: [&dyn SupportedKxGroup; 4] =
        [&X25519MLKEM768, kx_group::X25519, kx_group::SECP256R1, kx_group::SECP384R1];

    pub(super) const PREFERRED_GROUPS: usize = GROUPS.len();

    static X25519MLKEM768: X25519MlKem768 =
        X25519MlKem768 { x25519: kx_group::X25519, random: |bytes| PROVIDER.secure_random.fill(bytes) };

    pub(super) fn provider() -> CryptoProvider {
        ring::default_provider()
    }
}

/// What AWS-LC has.
#[cfg(feature = "aws_lc_rs")]
mod chosen {
    use rustls::crypto::aws_lc_rs::{self, kx_group};
    use rustls::crypto::{CryptoProvider, SupportedKxGroup};

    use super::RsaKeys;

    /// The provider's name, which is its feature's.
    pub const NAME: &str = "aws_lc_rs";

    /// What RSA keys the provider signs and verifies with; it does not tell by itself why it refuses one.
    pub(crate) const RSA: RsaKeys =
        RsaKeys { bits: 2048..=8192, private_bits_step: 2, private_exponents: 3..=(1 << 33) - 1 };
    pub(crate) const SIGNATURES: &str =
        "ECDSA with SHA-256 or better, RSA with SHA-256 or better, Ed25519, or ML-DSA";
    pub(crate) const KEY_KINDS: &str = "on P-256, P-384 or P-521, of Ed25519, RSA or ML-DSA";

    /// In the order of preference, and behind them those that have to be asked for.
    pub(super) static GROUPS: [&dyn SupportedKxGroup; 7] = [
        kx_group::X25519MLKEM768,
        kx_group::X25519,
        kx_group::SECP256R1,
        kx_group::SECP384R1,
        kx_group::SECP256R1MLKEM768,
        kx_group::MLKEM768,
        kx_group::MLKEM1024,
    ];

    pub(super) const PREFERRED_GROUPS: usize = 4;

    pub(super) fn provider() -> CryptoProvider {
        aws_lc_rs::default_provider()
    }
}

/// The provider that runs.
static PROVIDER: LazyLock<CryptoProvider> = LazyLock::new(|| {
    let provider = chosen::provider();
    let preferred = &chosen::GROUPS[..chosen::PREFERRED_GROUPS];
    let kx_groups = preferred.iter().copied().filter(|group| is_allowed(*group)).collect();
    CryptoProvider { kx_groups, ..provider }
});

/// The RSA keys that a provider takes.
pub(crate) struct RsaKeys {
    /// Lengths of the modulus.
    pub(crate) bits: RangeInclusive<usize>,
    /// A private key's length is a multiple of this, or one bit less: its primes are of half that length. (2: any length.)
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

    /// The lengths of private keys, as `2048, 3072 and 4096`, or `2048 to 8192`.
    pub(crate) fn private_bits_text(&self) -> String {
        if self.private_bits_step == 2 {
            return format!("{} to {}", self.bits.start(), self.bits.end());
        }
        let all: Vec<String> =
            self.bits.clone().step_by(self.private_bits_step).map(|bits| bits.to_string()).collect();
        match all.as_slice() {
            [most @ .., last] if !most.is_empty() => format!("{} and {last}", most.join(", ")),
            few => few.concat(),
        }
    }
}

/// The provider with all its cipher suites, strongest first, and the groups of the key exchange in the order of preference.
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

/// Whether a cipher suite is the provider's, not another one of the same number.
#[cfg(all(feature = "ring", not(feature = "aws_lc_rs")))]
pub(crate) fn is_own(suite: SupportedCipherSuite) -> bool {
    PROVIDER.cipher_suites.iter().any(|own| is_same(*own, suite))
}

/// Whether two are the very same: two suites of one name may differ in their ciphers or limits.
pub(crate) fn is_same(one: SupportedCipherSuite, other: SupportedCipherSuite) -> bool {
    match (one, other) {
        (SupportedCipherSuite::Tls13(one), SupportedCipherSuite::Tls13(other)) => std::ptr::eq(one, other),
        (SupportedCipherSuite::Tls12(one), SupportedCipherSuite::Tls12(other)) => std::ptr::eq(one, other),
        _ => false,
    }
}

/// The group of a number, if the provider has it.
pub(crate) fn group(number: NamedGroup) -> Option<&'static dyn SupportedKxGroup> {
    chosen::GROUPS.iter().copied().find(|group| group.name() == number && is_allowed(*group))
}

/// Whether a group may be used. In FIPS mode the provider leaves out cipher suites by itself, but of groups those of the default.
fn is_allowed(group: &dyn SupportedKxGroup) -> bool {
    !cfg!(feature = "aws_lc_rs_fips") || group.fips()
}

/// Makes a private key something that signs.
///
/// # Errors
/// The provider's, which says little.
pub(crate) fn signing_key(key: &PrivateKeyDer<'_>) -> Result<Arc<dyn SigningKey>, rustls::Error> {
    // The copy is wiped by rustls' own providers.
    PROVIDER.key_provider.load_private_key(key.clone_key())
}

/// The SHA-256 digest of `bytes`; `None` if no cipher suite of the provider has that hash.
pub(crate) fn sha256(bytes: &[u8]) -> Option<[u8; 32]> {
    let hash = PROVIDER.cipher_suites.iter().find_map(|suite| match suite {
        SupportedCipherSuite::Tls13(suite)
            if suite.common.hash_provider.algorithm() == HashAlgorithm::SHA256 =>
        {
            Some(suite.common.hash_provider)
        }
        _ => None,
    })?;
    hash.hash(bytes).as_ref().try_into().ok()
}

/// TLS versions in the order of preference.
const VERSIONS: [&SupportedProtocolVersion; 2] = [&rustls::version::TLS13, &rustls::version::TLS12];

/// Whether a set of versions was asked for by name or is a default that may shrink.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Versions {
    /// TLS 1.3 and 1.2, as far as the configured cipher suites serve them.
    Default,
    /// Exactly these.
    Exactly(Vec<ProtocolVersion>),
}

/// What a role may negotiate.
pub struct Offer {
    /// The provider, with the configured suites and groups only.
    pub provider: Arc<CryptoProvider>,
    /// The versions, newest first.
    pub versions: Vec<&'static SupportedProtocolVersion>,
}

/// Combines configured versions, cipher suites (`None`: all of the provider's) and groups.
///
/// # Errors
/// [`ConfigError::NoCipherForVersion`] when a version that was asked for has no suite, or no version has any;
/// [`ConfigError::NoGroupForVersion`] likewise.
pub fn offer(
    versions: &Versions,
    suites: Option<&[SupportedCipherSuite]>,
    groups: &Groups,
) -> Result<Offer, ConfigError> {
    let mut provider = default_provider();
    let suites = suites.unwrap_or(&provider.cipher_suites);
    provider.cipher_suites = suites.iter().copied().map(sent_alert::observed).collect();
    let served = narrowed(
        versions,
        VERSIONS.to_vec(),
        |version| provider.cipher_suites.iter().any(|suite| suite.version().version == version),
        |version| ConfigError::NoCipherForVersion { version: otp_version_name(version) },
    )?;
    provider.kx_groups = groups.of(&provider.kx_groups, group, &served);
    let versions = narrowed(
        versions,
        served,
        |version| key_exchange::serve(&provider.kx_groups, version),
        |version| ConfigError::NoGroupForVersion {
            option: groups.option(),
            version: otp_version_name(version),
        },
    )?;
    Ok(Offer { provider: Arc::new(provider), versions })
}

/// Those of `versions` that are wanted, of which each that was asked for by name has to be served, and otherwise one.
fn narrowed(
    wanted: &Versions,
    versions: Vec<&'static SupportedProtocolVersion>,
    is_served: impl Fn(ProtocolVersion) -> bool,
    fault: impl Fn(ProtocolVersion) -> ConfigError,
) -> Result<Vec<&'static SupportedProtocolVersion>, ConfigError> {
    let is_wanted = |version: ProtocolVersion| match wanted {
        Versions::Default => is_served(version),
        Versions::Exactly(wanted) => wanted.contains(&version),
    };
    let newest = versions.first().map_or(ProtocolVersion::TLSv1_3, |version| version.version);
    let kept: Vec<_> = versions.into_iter().filter(|version| is_wanted(version.version)).collect();
    match kept.iter().find(|version| !is_served(version.version)) {
        Some(bare) => Err(fault(bare.version)),
        None if kept.is_empty() => Err(fault(newest)),
        None => Ok(kept),
    }
}

/// A version in OTP's spelling.
pub fn otp_version_name(version: ProtocolVersion) -> &'static str {
    match version {
        ProtocolVersion::TLSv1_3 => "tlsv1.3",
        ProtocolVersion::TLSv1_2 => "tlsv1.2",
        _ => "unknown",
    }
}
