//! Handshake messages that arrive after the handshake (RFC 8446 section 4.6, RFC 5246 section 7.4.1.1).

use crate::error::Error;

const HELLO_REQUEST: u8 = 0;
const CLIENT_HELLO: u8 = 1;
const NEW_SESSION_TICKET: u8 = 4;
const KEY_UPDATE: u8 = 24;

/// Length of a handshake message header: type and 24 bits of length.
const HEADER_BYTES: usize = 4;

/// The most that is kept of an incomplete message. A ticket is at most 64 KiB by its own format; nobody's is near.
const MAX_MESSAGE_BYTES: usize = 1 << 14;

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
    /// TLS 1.2.
    Tls12,
}

/// Encodes a KeyUpdate message.
pub(crate) fn key_update(request: KeyUpdateRequest) -> [u8; 5] {
    [KEY_UPDATE, 0, 0, 1, matches!(request, KeyUpdateRequest::Requested).into()]
}

/// Puts messages together that span records.
#[derive(Default)]
pub(crate) struct Joiner {
    partial: Vec<u8>,
}

impl Joiner {
    /// Takes the content of one handshake record and gives each completed message to `handle`.
    ///
    /// # Errors
    /// What `handle` returns, and [`Error::UnexpectedHandshakeMessage`] for a message that `dialect` forbids, that is
    /// malformed or too long, or for a KeyUpdate that does not end its record (RFC 8446 section 5.1).
    pub(crate) fn push(
        &mut self,
        dialect: Dialect,
        content: &[u8],
        mut handle: impl FnMut(Message) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.partial.extend_from_slice(content);
        let mut rest: &[u8] = &self.partial;
        while let [message_type, a, b, c, tail @ ..] = rest {
            let length = u32::from_be_bytes([0, *a, *b, *c]) as usize;
            let refusal = Error::UnexpectedHandshakeMessage { message_type: *message_type };
            if HEADER_BYTES + length > MAX_MESSAGE_BYTES {
                return Err(refusal);
            }
            let Some((body, behind)) = tail.split_at_checked(length) else {
                break;
            };
            let message = judge(dialect, *message_type, body).ok_or(refusal.clone())?;
            if matches!(message, Message::KeyUpdate(_)) && !behind.is_empty() {
                return Err(refusal);
            }
            handle(message)?;
            rest = behind;
        }
        let left = rest.len();
        let done = self.partial.len() - left;
        self.partial.drain(..done);
        Ok(())
    }

    /// Whether a message is incomplete; application data may not appear then (RFC 8446 section 5.1).
    pub(crate) fn is_pending(&self) -> bool {
        !self.partial.is_empty()
    }
}

fn judge(dialect: Dialect, message_type: u8, body: &[u8]) -> Option<Message> {
    match (dialect, message_type, body) {
        (Dialect::Tls13 { .. }, KEY_UPDATE, [0]) => Some(Message::KeyUpdate(KeyUpdateRequest::NotRequested)),
        (Dialect::Tls13 { .. }, KEY_UPDATE, [1]) => Some(Message::KeyUpdate(KeyUpdateRequest::Requested)),
        (Dialect::Tls13 { peer_is_server: true }, NEW_SESSION_TICKET, _) => Some(Message::Ticket),
        (Dialect::Tls12, HELLO_REQUEST, []) => Some(Message::Renegotiation),
        (Dialect::Tls12, CLIENT_HELLO, _) => Some(Message::Renegotiation),
        _ => None,
    }
}
