//! TLS for Erlang distribution: sessions, records and certificate verification on rustls.
//!
//! A link's life in three steps, each a type that the next one consumes:
//!
//! 1. [`config::ClientSide`] and [`config::ServerSide`] hold everything one role needs: identity, trust, policy.
//! 2. [`handshake::Handshake`] is fed bytes until it yields a [`session::Session`].
//! 3. The session is a [`record::RecordTx`] and a [`record::RecordRx`], which share nothing but the key schedule,
//!    so that neither direction ever waits for the other.
//!
//! Nothing here knows Erlang, sockets or the time of day: bytes and the clock are arguments.

#![forbid(unsafe_code)]

pub mod certificate;
pub mod chain;
mod chain_rules;
pub mod cipher_names;
pub mod config;
pub mod error;
pub mod handshake;
pub mod hostname;
pub mod identity;
mod identity_choice;
mod outdated;
pub mod packet;
pub mod pem;
pub mod private_key;
pub mod provider;
pub mod record;
pub mod referee;
mod sent_alert;
pub mod session;
pub mod signature;
pub mod trust;
pub mod verifier;

pub use error::Error;
