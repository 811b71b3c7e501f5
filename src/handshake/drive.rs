//! Runs rustls' unbuffered connections: records in, records out, until they wait, are done, or give up.

use rustls::client::{ClientConnectionData, UnbufferedClientConnection};
use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{ConnectionState, EncodeError, EncodeTlsData, UnbufferedStatus};
use rustls::{AlertDescription, CommonState, ProtocolVersion};

use super::incoming::Incoming;
use super::sent_alert;
use crate::error::HandshakeError;

/// How far it went.
pub(super) enum Outcome {
    /// More bytes of the peer are needed.
    Blocked,
    /// The handshake is over.
    Complete,
}

/// The end of a handshake that failed.
pub(super) struct Broken {
    /// Why.
    pub(super) error: HandshakeError,
    /// The alert that rustls sent; some faults it answers with silence.
    pub(super) alert: Option<AlertDescription>,
}

/// What rustls' two unbuffered connections have in common.
pub(super) trait Unbuffered {
    type Data;

    fn process<'c, 'i>(&'c mut self, incoming: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data>;

    fn is_handshaking(&self) -> bool;

    /// The version, once it is negotiated.
    fn version(&self) -> Option<ProtocolVersion>;

    /// Whether there are records that [`Unbuffered::process`] will give out.
    fn wants_write(&self) -> bool;
}

impl Unbuffered for UnbufferedClientConnection {
    type Data = ClientConnectionData;

    fn process<'c, 'i>(&'c mut self, incoming: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data> {
        self.process_tls_records(incoming)
    }

    fn is_handshaking(&self) -> bool {
        CommonState::is_handshaking(self)
    }

    fn version(&self) -> Option<ProtocolVersion> {
        self.protocol_version()
    }

    fn wants_write(&self) -> bool {
        CommonState::wants_write(self)
    }
}

impl Unbuffered for UnbufferedServerConnection {
    type Data = ServerConnectionData;

    fn process<'c, 'i>(&'c mut self, incoming: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data> {
        self.process_tls_records(incoming)
    }

    fn is_handshaking(&self) -> bool {
        CommonState::is_handshaking(self)
    }

    fn version(&self) -> Option<ProtocolVersion> {
        self.protocol_version()
    }

    fn wants_write(&self) -> bool {
        CommonState::wants_write(self)
    }
}

/// Runs rustls until it is blocked, done or failed. What it wants sent is appended to `send`.
pub(super) fn drive<C: Unbuffered>(
    connection: &mut C,
    incoming: &mut Incoming,
    send: &mut Vec<u8>,
) -> Result<Outcome, Broken> {
    sent_alert::forget();
    loop {
        let UnbufferedStatus { discard, state, .. } = connection.process(incoming.shown());
        let mut blocked = false;
        match state {
            Ok(ConnectionState::EncodeTlsData(mut data)) => encode(&mut data, send),
            Ok(ConnectionState::TransmitTlsData(data)) => data.done(),
            Ok(ConnectionState::BlockedHandshake | ConnectionState::WriteTraffic(_)) => blocked = true,
            Ok(_) => return Err(Broken { error: HandshakeError::Closed, alert: None }),
            Err(error) => {
                let alert = send_alert(connection, incoming, send);
                return Err(Broken { error: error.into(), alert });
            }
        }
        incoming.discard(discard);
        if !connection.is_handshaking() && blocked {
            return Ok(Outcome::Complete);
        }
        if blocked {
            match incoming.show_more(connection.version()) {
                Ok(true) => {}
                Ok(false) => return Ok(Outcome::Blocked),
                Err(error) => return Err(Broken { error: error.into(), alert: None }),
            }
        }
    }
}

/// Takes out the alert that rustls queued for an error. Records that are queued come before it looks at what arrived,
/// and it must not look at that again: it would fail anew.
fn send_alert<C: Unbuffered>(
    connection: &mut C,
    incoming: &mut Incoming,
    send: &mut Vec<u8>,
) -> Option<AlertDescription> {
    let start = send.len();
    while connection.wants_write() {
        let Ok(ConnectionState::EncodeTlsData(mut data)) = connection.process(incoming.shown()).state else {
            break;
        };
        encode(&mut data, send);
    }
    sent_alert::last_in(&send[start..])
}

fn encode<Data>(data: &mut EncodeTlsData<'_, Data>, send: &mut Vec<u8>) {
    let start = send.len();
    if let Err(EncodeError::InsufficientSize(needed)) = data.encode(&mut []) {
        send.resize(start + needed.required_size, 0);
        // Cannot fail: the buffer has the size that was just asked for, and nothing was encoded before.
        let _ = data.encode(&mut send[start..]);
    }
}
