//! TLS for Erlang distribution: sessions, records and certificate verification on rustls.
//!
//! A link's life in three steps, each a type that the next one consumes:
//!
//! 1. [`config::ClientSide`] and [`config::ServerSide`] hold everything one role needs: identity, trust, policy.
//! 2. [`handshake::Handshake`] is fed bytes until it yields a [`session::Session`].
//! 3. The session is a [`record::RecordTx`] and a [`record::RecordRx`], which share nothing but the key schedule,
//!    so that neither direction ever waits for the other.
//!
//! Each folder is a room: [`identity`] is what a node shows, [`trust`] what it believes of others, [`handshake`],
//! [`record`] and [`packet`] are the way of the bytes, [`error`] says what went wrong. What several rooms need lies on top.
//!
//! Nothing here knows Erlang, sockets or the time of day: bytes and the clock are arguments.

#![forbid(unsafe_code)]

pub mod certificate;
pub mod cipher_names;
pub mod config;
pub mod error;
pub mod group_names;
pub mod handshake;
pub mod identity;
pub mod key_exchange;
mod lease;
pub mod packet;
pub mod pem;
pub mod provider;
pub mod record;
pub mod session;
pub mod trust;
pub mod wiping;

pub use error::Error;
