//! The handshake: rustls drives it, bytes go in and out, and a [`Session`] comes out once.
//!
//! [`Handshake::advance`] consumes the handshake and gives it back only if it is to go on, so a finished or failed one
//! cannot be used again.

mod drive;
mod incoming;
pub(crate) mod sent_alert;

use std::net::IpAddr;

use rustls::client::UnbufferedClientConnection;
use rustls::server::UnbufferedServerConnection;
use rustls::{
    AlertDescription, CommonState, ExtractedSecrets, InvalidMessage, PeerIncompatible, ProtocolVersion,
};
use rustls_pki_types::ServerName;

use self::drive::{Broken, Outcome, drive};
use self::incoming::Incoming;
use self::sent_alert::{PLAIN_ALERT_BYTES, Sealer};
use crate::config::{ClientSide, Lent, ServerSide};
use crate::error::HandshakeError;
use crate::identity::choice::Shown;
use crate::record::keys::{self, Kernel, KeySchedule};
use crate::record::{Dialect, RecordRx, RecordTx};
use crate::session::{Facts, Session};
use crate::trust::policy::ExpectedName;
use crate::trust::referee::LastWord;
use crate::trust::verifier::Findings;

/// The most bytes a peer may send before the handshake is over. rustls limits each message to 64 KiB; this is the
/// certificate message and room for the others.
pub const MAX_HANDSHAKE_BYTES: usize = 128 * 1024;

/// The most bytes a client may send before its hello is complete, with a second hello (RFC 8446 section 4.1.4) in it:
/// many times what any client says there, and all that a stranger can make a server hold who says nothing to the point.
pub const MAX_HELLO_BYTES: usize = 32 * 1024;

/// A handshake under way.
pub struct Handshake {
    connection: Connection,
    incoming: Incoming,
    received_bytes: usize,
    /// Whether this side announced that it encrypts from now on.
    is_encrypting: bool,
    /// The newest of its encrypters.
    sealer: Option<Sealer>,
    key_update_at_bytes: u64,
    findings: Findings,
    shown: Shown,
    /// A client's; it ends with the handshake.
    _lent: Option<Lent>,
}

/// A handshake that goes on, or a session.
pub enum Progress {
    /// More bytes of the peer are needed.
    Continue(Box<Handshake>),
    /// The handshake is over.
    Done(Box<Session>),
}

/// One step's outcome.
pub struct Step {
    /// What is to be sent before anything else.
    pub send: Vec<u8>,
    /// How it goes on.
    pub progress: Progress,
}

/// The end of a handshake that failed.
#[derive(Debug)]
pub struct Failure {
    /// What is to be sent: the end of what this side had to say, and an alert where one can be sent.
    pub send: Vec<u8>,
    /// The alert in it, as it was read there.
    pub alert: Option<AlertDescription>,
    /// Why.
    pub error: HandshakeError,
}

enum Connection {
    Client(Box<UnbufferedClientConnection>),
    Server(Box<UnbufferedServerConnection>),
}

impl Handshake {
    /// Starts as client. `name` is what the server's certificate must say; a host name in it is also sent as SNI.
    ///
    /// # Errors
    /// [`HandshakeError::Tls`] when rustls rejects the configuration.
    pub fn client(
        side: &ClientSide,
        name: ExpectedName,
        last_word: LastWord,
    ) -> Result<Self, HandshakeError> {
        let server_name = sni(&name);
        let (findings, shown) = (Findings::default(), Shown::default());
        let lent = side.lend();
        let config = side.for_server(name, last_word, findings.clone(), shown.clone(), &lent);
        let connection = Connection::Client(Box::new(UnbufferedClientConnection::new(config, server_name)?));
        Ok(Self::new(connection, side.key_update_at_bytes, findings, shown, Some(lent)))
    }

    /// Starts as server.
    ///
    /// # Errors
    /// [`HandshakeError::Tls`] when rustls rejects the configuration.
    pub fn server(side: &ServerSide, last_word: LastWord) -> Result<Self, HandshakeError> {
        let (findings, shown) = (Findings::default(), Shown::default());
        let config = side.for_client(last_word, findings.clone(), shown.clone())?;
        let connection = Connection::Server(Box::new(UnbufferedServerConnection::new(config)?));
        Ok(Self::new(connection, side.key_update_at_bytes, findings, shown, None))
    }

    fn new(
        connection: Connection,
        key_update_at_bytes: u64,
        findings: Findings,
        shown: Shown,
        lent: Option<Lent>,
    ) -> Self {
        Self {
            connection,
            incoming: Incoming::default(),
            received_bytes: 0,
            is_encrypting: false,
            sealer: None,
            key_update_at_bytes,
            findings,
            shown,
            _lent: lent,
        }
    }

    /// Takes bytes that arrived (none, for a client's first step) and goes as far as they reach. This verifies
    /// certificates and makes signatures: it takes milliseconds.
    ///
    /// # Errors
    /// A [`Failure`], with the alert to send.
    pub fn advance(mut self: Box<Self>, input: &[u8]) -> Result<Step, Failure> {
        self.received_bytes += input.len();
        if let Some(error) = self.excess() {
            return Err(self.tell(error, Vec::new()));
        }
        self.incoming.extend(input);
        let mut send = Vec::new();
        let outcome = match &mut self.connection {
            Connection::Client(connection) => drive(connection.as_mut(), &mut self.incoming, &mut send),
            Connection::Server(connection) => drive(connection.as_mut(), &mut self.incoming, &mut send),
        };
        self.is_encrypting |= sent_alert::begins_encryption(&send);
        self.sealer = sent_alert::newest().or(self.sealer.take());
        match outcome {
            Ok(Outcome::Blocked) => Ok(Step { send, progress: Progress::Continue(self) }),
            Ok(Outcome::Complete) => match self.finish() {
                Ok(session) => Ok(Step { send, progress: Progress::Done(Box::new(session)) }),
                Err(error) => Err(Failure { send, alert: None, error }),
            },
            Err(broken) => Err(self.failure(broken, send)),
        }
    }

    /// What is made of rustls' error: what this crate knows better, and an alert where rustls has sent none.
    fn failure(&self, broken: Broken, mut send: Vec<u8>) -> Failure {
        let error = match broken.error {
            HandshakeError::Tls(rustls::Error::InvalidMessage(InvalidMessage::HandshakePayloadTooLarge)) => {
                HandshakeError::HandshakeTooLarge { limit_bytes: MAX_HANDSHAKE_BYTES }
            }
            // rustls takes it for a server that wants to show nothing.
            _ if broken.alert == Some(AlertDescription::AccessDenied) && self.shown.none_can_sign() => {
                send.truncate(send.len().saturating_sub(PLAIN_ALERT_BYTES));
                let error = rustls::Error::from(PeerIncompatible::NoSignatureSchemesInCommon);
                return self.tell(error.into(), send);
            }
            error => self.findings.refusal().unwrap_or(error),
        };
        match broken.alert {
            Some(alert) => Failure { send, alert: Some(alert), error },
            None => self.tell(error, send),
        }
    }

    /// Adds the alert that the peer is owed for `error` to what is to be sent.
    fn tell(&self, error: HandshakeError, mut send: Vec<u8>) -> Failure {
        let told = error.alert().and_then(|alert| Some((alert, self.alert_record(alert)?)));
        let alert = told.map(|(alert, record)| {
            send.extend(record);
            alert
        });
        Failure { send, alert, error }
    }

    /// A fatal alert in a record, encrypted from when on rustls encrypts its own. In TLS 1.3 the record that announces
    /// encryption means nothing (RFC 8446 appendix D.4).
    fn alert_record(&self, alert: AlertDescription) -> Option<Vec<u8>> {
        let is_encrypting = match self.connection.version() {
            Some(ProtocolVersion::TLSv1_3) => self.sealer.is_some(),
            _ => self.is_encrypting,
        };
        match &self.sealer {
            Some(sealer) if is_encrypting => sealer.alert(alert),
            _ => Some(sent_alert::plain(alert).to_vec()),
        }
    }

    /// Whether the peer has sent more than it may have by now.
    fn excess(&self) -> Option<HandshakeError> {
        let awaits_hello = self.connection.awaits_client_hello();
        match self.received_bytes {
            bytes if awaits_hello && bytes > MAX_HELLO_BYTES => {
                Some(HandshakeError::HelloTooLarge { limit_bytes: MAX_HELLO_BYTES })
            }
            bytes if bytes > MAX_HANDSHAKE_BYTES => {
                Some(HandshakeError::HandshakeTooLarge { limit_bytes: MAX_HANDSHAKE_BYTES })
            }
            _ => None,
        }
    }

    fn finish(self) -> Result<Session, HandshakeError> {
        let (secrets, kernel, mut facts, peer_is_server) = self.connection.into_parts()?;
        facts.own_certificate = self.shown.leaf();
        facts.names = self.findings.names();
        let dialect = match facts.version {
            ProtocolVersion::TLSv1_3 => Dialect::Tls13 { peer_is_server },
            _ => Dialect::Tls12 { peer_is_server },
        };
        let schedule = KeySchedule::new(facts.suite, kernel);
        let (tx_sequence, tx_secrets) = secrets.tx;
        let (rx_sequence, rx_secrets) = secrets.rx;
        let sealer = keys::sealer_at(tx_sequence, facts.suite, tx_secrets)?;
        let decrypter = keys::decrypter(facts.suite, rx_secrets)?;
        Ok(Session {
            tx: RecordTx::new(schedule.clone(), sealer, tx_sequence, self.key_update_at_bytes),
            rx: RecordRx::new(schedule, decrypter, rx_sequence, dialect, self.incoming.into_rest()),
            facts,
        })
    }
}

impl Connection {
    /// The version, once it is negotiated.
    fn version(&self) -> Option<ProtocolVersion> {
        match self {
            Self::Client(connection) => connection.protocol_version(),
            Self::Server(connection) => connection.protocol_version(),
        }
    }

    /// Whether a server has no hello yet that it can answer: with TLS 1.3 the key exchange is over when it does.
    fn awaits_client_hello(&self) -> bool {
        match self {
            Self::Client(_) => false,
            Self::Server(connection) => match connection.protocol_version() {
                None => true,
                Some(ProtocolVersion::TLSv1_3) => connection.negotiated_key_exchange_group().is_none(),
                Some(_) => false,
            },
        }
    }

    fn into_parts(self) -> Result<(ExtractedSecrets, Kernel, Facts, bool), HandshakeError> {
        match self {
            Self::Client(connection) => {
                let facts = facts(&connection)?;
                let (secrets, kernel) = connection.dangerous_into_kernel_connection()?;
                Ok((secrets, Kernel::Client(kernel), facts, true))
            }
            Self::Server(connection) => {
                let facts = facts(&connection)?;
                let (secrets, kernel) = connection.dangerous_into_kernel_connection()?;
                Ok((secrets, Kernel::Server(kernel), facts, false))
            }
        }
    }
}

fn facts(state: &CommonState) -> Result<Facts, HandshakeError> {
    let incomplete = HandshakeError::Tls(rustls::Error::HandshakeNotComplete);
    Ok(Facts {
        version: state.protocol_version().ok_or(incomplete.clone())?,
        suite: sent_alert::unobserved(state.negotiated_cipher_suite().ok_or(incomplete)?),
        group: state.negotiated_key_exchange_group().map(|group| group.name()),
        peer_chain: state
            .peer_certificates()
            .map(|chain| chain.iter().map(|certificate| certificate.clone().into_owned()).collect())
            .unwrap_or_default(),
        own_certificate: None,
        names: None,
    })
}

/// The name for SNI. Where there is none to send, an IP address makes rustls leave the extension out.
fn sni(name: &ExpectedName) -> ServerName<'static> {
    let no_sni = ServerName::from(IpAddr::from([0, 0, 0, 0]));
    match name {
        ExpectedName::Any => no_sni,
        ExpectedName::Host(host) | ExpectedName::HostByReferee(host) => {
            ServerName::try_from(host.clone()).unwrap_or(no_sni)
        }
    }
}
