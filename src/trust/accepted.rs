//! Why a peer is accepted. rustls takes a verifier's word; here that word is made, out of proofs.
//!
//! Each proof can be made in one place only: where what it says was checked ([`ChainVerified`], [`NameVerified`],
//! [`AcceptedByReferee`]), or where the user's options are seen to ask for no check ([`ChainWaived`], [`NameWaived`]). So a
//! check that is passed over, by mistake too, leaves nothing to accept a peer with.

use rustls::client::danger::ServerCertVerified;
use rustls::server::danger::ClientCertVerified;

use super::chain::ChainVerified;
use super::hostname::NameVerified;
use super::policy::{ChainWaived, NameWaived};
use super::referee::AcceptedByReferee;

/// What a server is accepted for.
#[derive(Debug)]
pub(super) enum Server {
    /// Its chain, and its name.
    Verified(ChainVerified, Name),
    /// The referee's word, which is about chain and name.
    ByReferee(AcceptedByReferee),
    /// Nothing: the user asks for nothing.
    Unchecked(ChainWaived),
}

/// What a server's name is accepted for.
#[derive(Debug)]
pub(super) enum Name {
    /// It is the one that was dialled.
    Verified(NameVerified),
    /// Nothing: the user asks for none.
    Unchecked(NameWaived),
}

/// What a client that showed a certificate is accepted for. Which node it says to be is compared when it has said so.
#[derive(Debug)]
pub(super) enum Client {
    /// Its chain.
    Verified(ChainVerified),
    /// The referee's word.
    ByReferee(AcceptedByReferee),
}

impl Server {
    /// What rustls wants to hear.
    pub(super) fn assertion(self) -> ServerCertVerified {
        match self {
            Self::Verified(ChainVerified { .. }, Name::Verified(_) | Name::Unchecked(_))
            | Self::ByReferee(_)
            | Self::Unchecked(_) => ServerCertVerified::assertion(),
        }
    }
}

impl Client {
    /// What rustls wants to hear.
    pub(super) fn assertion(self) -> ClientCertVerified {
        match self {
            Self::Verified(ChainVerified { .. }) | Self::ByReferee(_) => ClientCertVerified::assertion(),
        }
    }
}
