//! Handshake messages that arrive after the handshake (RFC 8446 section 4.6, RFC 5246 section 7.4.1.1). What is asked for is
//! an event for the caller; a KeyUpdate is answered by the next [`super::RecordTx::seal`].

use std::ops::RangeInclusive;

use crate::error::RecordError;

const HELLO_REQUEST: u8 = 0;
const CLIENT_HELLO: u8 = 1;
const NEW_SESSION_TICKET: u8 = 4;
const KEY_UPDATE: u8 = 24;

/// Length of a handshake message header: type and 24 bits of length.
const HEADER_BYTES: usize = 4;

/// The longest NewSessionTicket that its format allows, without its header: lifetime, age, nonce, ticket, extensions
/// (RFC 8446 section 4.6.1).
const MAX_TICKET_BYTES: usize = 4 + 4 + (1 + 0xff) + (2 + 0xffff) + (2 + 0xfffe);

/// The longest ClientHello: version, random, session, cipher suites, compression, extensions (RFC 5246 section 7.4.1.2).
const MAX_CLIENT_HELLO_BYTES: usize = 2 + 32 + (1 + 32) + (2 + 0xfffe) + (1 + 0xff) + (2 + 0xffff);

/// What a KeyUpdate asks of its receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyUpdateRequest {
    /// Nothing.
    NotRequested,
    /// To renew its own sending keys too.
    Requested,
}

/// A whole message, judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Message {
    /// The peer's next record is under its next keys.
    KeyUpdate(KeyUpdateRequest),
    /// A TLS 1.3 session ticket. We never resume: each link proves its certificates anew.
    Ticket,
    /// A TLS 1.2 peer wants to renegotiate.
    Renegotiation,
}

/// Which messages may appear.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// TLS 1.3; only a server sends tickets.
    Tls13 {
        /// Whether the peer is the server.
        peer_is_server: bool,
    },
    /// TLS 1.2; only a server sends HelloRequest, only a client a ClientHello.
    Tls12 {
        /// Whether the peer is the server.
        peer_is_server: bool,
    },
}

/// Length of a KeyUpdate message.
pub(crate) const KEY_UPDATE_BYTES: usize = 5;

/// Encodes a KeyUpdate message.
pub(crate) fn key_update(request: KeyUpdateRequest) -> [u8; KEY_UPDATE_BYTES] {
    [KEY_UPDATE, 0, 0, 1, matches!(request, KeyUpdateRequest::Requested).into()]
}

/// Reads messages, which may span records. Nothing is kept of them but the header: the only content that matters is the
/// one byte of a KeyUpdate.
#[derive(Default)]
pub(crate) struct Joiner {
    /// The header of the message that is being read, as far as it is there.
    header: Vec<u8>,
    /// What is missing of the message's body, once the header is there.
    missing_bytes: usize,
    last_byte: u8,
}

impl Joiner {
    /// Takes the content of one handshake record and gives each completed message to `handle`.
    ///
    /// # Errors
    /// What `handle` returns; [`RecordError::UnexpectedHandshakeMessage`] for a message that `dialect` forbids, or for a
    /// KeyUpdate that does not end its record (RFC 8446 section 5.1); [`RecordError::MalformedHandshakeMessage`] for one whose
    /// length is wrong, and [`RecordError::UnknownKeyUpdate`].
    pub(crate) fn push(
        &mut self,
        dialect: Dialect,
        content: &[u8],
        mut handle: impl FnMut(Message) -> Result<(), RecordError>,
    ) -> Result<(), RecordError> {
        let mut rest = content;
        while let Some(message) = self.next(dialect, &mut rest)? {
            if matches!(message, Message::KeyUpdate(_)) && !rest.is_empty() {
                return Err(RecordError::UnexpectedHandshakeMessage { message_type: KEY_UPDATE });
            }
            handle(message)?;
        }
        Ok(())
    }

    /// Whether a message is incomplete; application data may not appear then (RFC 8446 section 5.1).
    pub(crate) fn is_pending(&self) -> bool {
        !self.header.is_empty()
    }

    /// Reads up to the end of the next message, if `rest` reaches so far.
    fn next(&mut self, dialect: Dialect, rest: &mut &[u8]) -> Result<Option<Message>, RecordError> {
        if self.header.len() < HEADER_BYTES {
            self.header.extend_from_slice(split_off(rest, HEADER_BYTES - self.header.len()));
            let [message_type, a, b, c] = self.header[..] else {
                return Ok(None);
            };
            self.missing_bytes = u32::from_be_bytes([0, a, b, c]) as usize;
            let lengths = lengths_of(dialect, message_type)
                .ok_or(RecordError::UnexpectedHandshakeMessage { message_type })?;
            if !lengths.contains(&self.missing_bytes) {
                return Err(RecordError::MalformedHandshakeMessage { message_type });
            }
        }
        let part = split_off(rest, self.missing_bytes);
        self.missing_bytes -= part.len();
        self.last_byte = part.last().copied().unwrap_or(self.last_byte);
        if self.missing_bytes > 0 {
            return Ok(None);
        }
        let message = judge(self.header[0], self.last_byte)?;
        self.header.clear();
        Ok(Some(message))
    }
}

/// Takes up to `bytes` off the beginning of `rest`.
fn split_off<'a>(rest: &mut &'a [u8], bytes: usize) -> &'a [u8] {
    let (part, behind) = rest.split_at(bytes.min(rest.len()));
    *rest = behind;
    part
}

/// How long a message may be, without its header; `None` for one that may not appear.
fn lengths_of(dialect: Dialect, message_type: u8) -> Option<RangeInclusive<usize>> {
    match (dialect, message_type) {
        (Dialect::Tls13 { .. }, KEY_UPDATE) => Some(1..=1),
        (Dialect::Tls13 { peer_is_server: true }, NEW_SESSION_TICKET) => Some(0..=MAX_TICKET_BYTES),
        (Dialect::Tls12 { peer_is_server: true }, HELLO_REQUEST) => Some(0..=0),
        (Dialect::Tls12 { peer_is_server: false }, CLIENT_HELLO) => Some(0..=MAX_CLIENT_HELLO_BYTES),
        _ => None,
    }
}

/// What a message that is allowed means.
fn judge(message_type: u8, last_byte: u8) -> Result<Message, RecordError> {
    match (message_type, last_byte) {
        (KEY_UPDATE, 0) => Ok(Message::KeyUpdate(KeyUpdateRequest::NotRequested)),
        (KEY_UPDATE, 1) => Ok(Message::KeyUpdate(KeyUpdateRequest::Requested)),
        (KEY_UPDATE, value) => Err(RecordError::UnknownKeyUpdate { value }),
        (NEW_SESSION_TICKET, _) => Ok(Message::Ticket),
        _ => Ok(Message::Renegotiation),
    }
}
