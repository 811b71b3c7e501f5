//! What is asked of a peer, as the user said it. What is not asked for is waived here, and nowhere else.

use std::sync::Arc;

use crate::trust::TrustStore;

/// How a peer's certificate chain is judged.
#[derive(Clone)]
pub(crate) enum ChainPolicy {
    /// Any certificate will do: the link is encrypted, the peer is anyone.
    Unchecked,
    /// The chain must reach a trust anchor through at most `depth` intermediates that are not self-issued.
    Anchored {
        /// Trust anchors and spare intermediates.
        trust: Arc<TrustStore>,
        /// OTP's `depth`.
        depth: usize,
    },
}

/// That the user asks for no chain.
#[derive(Debug)]
pub(super) struct ChainWaived(());

impl ChainPolicy {
    /// Where a chain has to end and how long it may be.
    ///
    /// # Errors
    /// None is asked for.
    pub(super) fn anchors(&self) -> Result<(&TrustStore, usize), ChainWaived> {
        match self {
            Self::Unchecked => Err(ChainWaived(())),
            Self::Anchored { trust, depth } => Ok((trust, *depth)),
        }
    }
}

/// Which name the server's certificate must carry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExpectedName {
    /// Any: only for links whose chain is not checked, or where the user turned the check off.
    Any,
    /// This host name or IP address.
    Host(String),
    /// The same, which a [`crate::trust::referee::Referee`] compares in its own way; without one it is like [`Self::Host`].
    HostByReferee(String),
}

/// That the user asks for no name.
#[derive(Debug)]
pub(super) struct NameWaived(());

impl ExpectedName {
    /// The host to compare with.
    ///
    /// # Errors
    /// None is asked for.
    pub(super) fn host(&self) -> Result<&str, NameWaived> {
        match self {
            Self::Any => Err(NameWaived(())),
            Self::Host(host) | Self::HostByReferee(host) => Ok(host),
        }
    }
}

/// Whether a server insists on a client certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientAuth {
    /// OTP's `fail_if_no_peer_cert false`: a client without certificate is let in.
    Optional,
    /// OTP's `fail_if_no_peer_cert true`.
    Required,
}
