//! What a node believes of its peers: the trust store, the verdict on a chain, the name, the proof of the key, and rustls'
//! verifiers, which put these together. Nothing here knows what this node shows of itself.

mod accepted;
pub mod chain;
pub mod hostname;
mod oddity;
mod outdated;
pub mod policy;
pub mod referee;
pub(crate) mod signature;
mod store;
pub(crate) mod verifier;

pub use store::{TrustSource, TrustStore};
