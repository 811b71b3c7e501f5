//! What a handshake yields.

use rustls::{NamedGroup, ProtocolVersion, SupportedCipherSuite};
use rustls_pki_types::CertificateDer;

use crate::record::{RecordRx, RecordTx};
use crate::trust::chain::NameScope;

/// An established TLS connection: two directions that share nothing but the key schedule, and what was agreed.
pub struct Session {
    /// The sending direction.
    pub tx: RecordTx,
    /// The receiving direction.
    pub rx: RecordRx,
    /// What was agreed.
    pub facts: Facts,
}

/// What two peers agreed on, for people and for policy.
#[derive(Debug, Clone)]
pub struct Facts {
    /// TLS 1.3 or 1.2.
    pub version: ProtocolVersion,
    /// The cipher suite.
    pub suite: SupportedCipherSuite,
    /// The group of the key exchange.
    pub group: Option<NamedGroup>,
    /// The peer's certificates as it sent them, leaf first; empty when it sent none.
    pub peer_chain: Vec<CertificateDer<'static>>,
    /// This side's own certificate, if it was shown.
    pub own_certificate: Option<CertificateDer<'static>>,
    /// Whether the peer's common name may stand in for alternative names; `None` where no chain was asked for, so that
    /// nobody looked.
    pub names: Option<NameScope>,
}
