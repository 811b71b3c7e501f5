//! Opening: the receiving direction.

use std::ops::Range;

use rustls::crypto::cipher::{InboundOpaqueMessage, MessageDecrypter};
use rustls::{AlertDescription, ContentType, PeerMisbehaved, ProtocolVersion};

use super::keys::KeySchedule;
use super::plaintext::{Filled, Plaintext};
use super::post_handshake::{Dialect, Joiner, KeyUpdateRequest, Message};
use super::{HEADER_BYTES, MAX_EXPANSION_TLS12_BYTES, MAX_EXPANSION_TLS13_BYTES, MAX_PLAINTEXT_BYTES};
use crate::error::Error;
use crate::packet;

/// The version field of every record after the handshake, in TLS 1.3 too (RFC 8446 section 5.1).
const PROTOCOL_VERSION: [u8; 2] = [3, 3];

/// Records without content that are accepted in a row. They are legal, and a way to keep a receiver busy.
const MAX_EMPTY_RECORDS: u8 = 32;

/// Renegotiation requests that are refused politely before the connection is ended.
const MAX_RENEGOTIATION_REQUESTS: u8 = 4;

/// What an [`RecordRx::open`] found besides packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// The peer renewed its keys and wants ours renewed: seal something, if only nothing.
    KeyUpdateRequested,
    /// A TLS 1.2 peer wants to renegotiate: send [`super::RecordTx::refuse_renegotiation`].
    RenegotiationRequested,
    /// The peer sent close_notify; nothing follows.
    CloseNotify,
    /// The peer sent a fatal alert; nothing follows.
    Alert(AlertDescription),
}

/// The outcome of an [`RecordRx::open`] into a buffer of the kind `B`.
#[derive(Debug)]
pub struct Opened<B> {
    /// Plaintext; [`Opened::packets`] points into it. `None` when there is no packet.
    pub data: Option<B>,
    /// The complete packets, without their length fields, in order.
    pub packets: Vec<Range<usize>>,
    /// What else there was, in order.
    pub events: Vec<Event>,
}

/// The receiving half of a session: bytes from the socket in, distribution packets out.
pub struct RecordRx {
    schedule: KeySchedule,
    decrypter: Box<dyn MessageDecrypter>,
    sequence: u64,
    dialect: Dialect,
    /// The beginning of a record that has not arrived completely.
    ciphertext: Vec<u8>,
    /// Plaintext that no one has taken yet: a part of a packet, or packets beyond what was asked for.
    plaintext: Vec<u8>,
    messages: Joiner,
    max_packet_bytes: usize,
    empty_records: u8,
    renegotiation_requests: u8,
    key_updates: u64,
    ended: bool,
}

impl RecordRx {
    /// `sequence` is the number of the next record; `ciphertext` what arrived behind the handshake.
    pub(crate) fn new(
        schedule: KeySchedule,
        decrypter: Box<dyn MessageDecrypter>,
        sequence: u64,
        dialect: Dialect,
        ciphertext: Vec<u8>,
    ) -> Self {
        Self {
            schedule,
            decrypter,
            sequence,
            dialect,
            ciphertext,
            plaintext: Vec::new(),
            messages: Joiner::default(),
            max_packet_bytes: packet::MAX_HANDSHAKE_PACKET_BYTES,
            empty_records: 0,
            renegotiation_requests: 0,
            key_updates: 0,
            ended: false,
        }
    }

    /// Accepts packets of up to `max_bytes` from now on. A new session accepts
    /// [`packet::MAX_HANDSHAKE_PACKET_BYTES`], so that a peer that has not shown its cookie cannot fill memory.
    pub fn set_max_packet_bytes(&mut self, max_bytes: usize) {
        self.max_packet_bytes = max_bytes;
    }

    /// How often the peer's keys were renewed.
    pub fn key_updates(&self) -> u64 {
        self.key_updates
    }

    /// Opens every complete record of `input` (preceded by what earlier calls left) and returns up to `max_packets`
    /// complete packets; the others wait for the next call. Incomplete records and packets are kept.
    ///
    /// `allocate` makes the buffer for the packets, of the number of bytes it is given.
    ///
    /// # Errors
    /// Any is final, and [`Error::alert`] tells what the peer is owed: [`Error::BadRecord`], [`Error::RecordTooLong`],
    /// [`Error::UnexpectedRecord`], [`Error::UnexpectedHandshakeMessage`], [`Error::TooManyEmptyRecords`],
    /// [`Error::RenegotiationRefused`], [`Error::PacketTooLong`]; [`Error::Closed`] after any of them, and after the
    /// peer closed and the last complete packet was returned.
    pub fn open<B: AsMut<[u8]>>(
        &mut self,
        input: &[u8],
        max_packets: usize,
        allocate: impl FnOnce(usize) -> B,
    ) -> Result<Opened<B>, Error> {
        if self.ended && packet::split(&self.plaintext, 1, self.max_packet_bytes)?.packets.is_empty() {
            return Err(Error::Closed);
        }
        let opened = self.open_packets(input, max_packets, allocate);
        if opened.is_err() {
            // The record that failed has not used up its sequence number: without this, a caller that goes on in
            // spite of the error would take the next record as if nothing had been injected.
            self.ended = true;
            self.plaintext = Vec::new();
        }
        opened
    }

    fn open_packets<B: AsMut<[u8]>>(
        &mut self,
        input: &[u8],
        max_packets: usize,
        allocate: impl FnOnce(usize) -> B,
    ) -> Result<Opened<B>, Error> {
        let mut events = Vec::new();
        let room_bytes = self.plaintext.len() + self.ciphertext.len() + input.len();
        if !packet::may_complete(&self.plaintext, room_bytes, self.max_packet_bytes)? {
            self.keep(input, &mut events)?;
            return Ok(Opened { data: None, packets: Vec::new(), events });
        }
        let mut buffer = allocate(room_bytes);
        let mut data = Filled::new(buffer.as_mut());
        data.append(&std::mem::take(&mut self.plaintext));
        self.open_records(input, &mut data, &mut events)?;
        let filled = data.len();
        let found = packet::split(&buffer.as_mut()[..filled], max_packets, self.max_packet_bytes)?;
        self.plaintext = buffer.as_mut()[found.consumed_bytes..filled].to_vec();
        Ok(Opened { data: (!found.packets.is_empty()).then_some(buffer), packets: found.packets, events })
    }

    /// Adds to the beginning of a packet that will not be complete yet, so that a long packet is not copied anew with
    /// every call.
    fn keep(&mut self, input: &[u8], events: &mut Vec<Event>) -> Result<(), Error> {
        let mut plaintext = std::mem::take(&mut self.plaintext);
        self.open_records(input, &mut plaintext, events)?;
        self.plaintext = plaintext;
        Ok(())
    }

    fn open_records<P: Plaintext>(
        &mut self,
        mut input: &[u8],
        data: &mut P,
        events: &mut Vec<Event>,
    ) -> Result<(), Error> {
        while !self.ciphertext.is_empty() && !self.ended {
            let Some(header) = self.complete_header(&mut input)? else {
                return Ok(());
            };
            let missing = (HEADER_BYTES + header.length_bytes).saturating_sub(self.ciphertext.len());
            let Some((tail, rest)) = input.split_at_checked(missing) else {
                self.ciphertext.extend_from_slice(input);
                return Ok(());
            };
            input = rest;
            self.ciphertext.extend_from_slice(tail);
            let buffered = std::mem::take(&mut self.ciphertext);
            let (record, behind) = buffered.split_at(HEADER_BYTES + header.length_bytes);
            self.ciphertext = behind.to_vec();
            self.open_record(&header, &record[HEADER_BYTES..], data, events)?;
        }
        while !self.ended {
            let Some(header) = self.parse_header(input)? else {
                break;
            };
            let Some((record, rest)) = input.split_at_checked(HEADER_BYTES + header.length_bytes) else {
                break;
            };
            self.open_record(&header, &record[HEADER_BYTES..], data, events)?;
            input = rest;
        }
        if !self.ended {
            self.ciphertext.extend_from_slice(input);
        }
        Ok(())
    }

    /// Fills the buffered record beginning up to a whole header, if `input` has enough.
    fn complete_header(&mut self, input: &mut &[u8]) -> Result<Option<Header>, Error> {
        let missing = HEADER_BYTES.saturating_sub(self.ciphertext.len()).min(input.len());
        let (head, rest) = input.split_at(missing);
        self.ciphertext.extend_from_slice(head);
        *input = rest;
        self.parse_header(&self.ciphertext)
    }

    /// Reads and judges a record header: RFC 8446 section 5.1 and 5.2, RFC 5246 section 6.2.
    fn parse_header(&self, bytes: &[u8]) -> Result<Option<Header>, Error> {
        let [typ, major, minor, hi, lo, ..] = bytes else {
            return Ok(None);
        };
        let typ = ContentType::from(*typ);
        let length_bytes = usize::from(u16::from_be_bytes([*hi, *lo]));
        let (allowed, expansion) = match self.dialect {
            Dialect::Tls13 { .. } => (typ == ContentType::ApplicationData, MAX_EXPANSION_TLS13_BYTES),
            Dialect::Tls12 => (
                matches!(typ, ContentType::ApplicationData | ContentType::Alert | ContentType::Handshake),
                MAX_EXPANSION_TLS12_BYTES,
            ),
        };
        if !allowed {
            return Err(Error::UnexpectedRecord(typ));
        }
        // The version is authenticated with the record (RFC 8446 section 5.2, RFC 5246 section 6.2.3.3), but rustls
        // takes it for granted.
        if [*major, *minor] != PROTOCOL_VERSION {
            return Err(Error::BadRecord);
        }
        if length_bytes > MAX_PLAINTEXT_BYTES + expansion {
            return Err(Error::RecordTooLong { length_bytes });
        }
        Ok(Some(Header { typ, length_bytes }))
    }

    /// Opens one record at the end of `data`: the ciphertext is copied to where the plaintext belongs and opened in
    /// place, which is the only copy on the way.
    fn open_record<P: Plaintext>(
        &mut self,
        header: &Header,
        payload: &[u8],
        data: &mut P,
        events: &mut Vec<Event>,
    ) -> Result<(), Error> {
        let start = data.len();
        let message = InboundOpaqueMessage::new(header.typ, ProtocolVersion::TLSv1_2, data.append(payload));
        let plain = self.decrypter.decrypt(message, self.sequence).map_err(record_error)?;
        let (typ, length) = (plain.typ, plain.payload.len());
        self.sequence += 1;
        data.truncate(start + length);
        if typ == ContentType::ApplicationData {
            return self.application_data(length);
        }
        let content = data.take_from(start);
        match typ {
            ContentType::Handshake if length > 0 => self.handshake(&content, events),
            ContentType::Alert => self.alert(&content, events),
            other => Err(Error::UnexpectedRecord(other)),
        }
    }

    fn application_data(&mut self, length: usize) -> Result<(), Error> {
        if self.messages.is_pending() {
            return Err(Error::UnexpectedRecord(ContentType::ApplicationData));
        }
        if length > 0 {
            self.empty_records = 0;
            return Ok(());
        }
        self.empty_records += 1;
        if self.empty_records > MAX_EMPTY_RECORDS {
            return Err(Error::TooManyEmptyRecords);
        }
        Ok(())
    }

    fn handshake(&mut self, content: &[u8], events: &mut Vec<Event>) -> Result<(), Error> {
        let mut update = None;
        let mut renegotiations = 0;
        self.messages.push(self.dialect, content, |message| {
            match message {
                Message::KeyUpdate(request) => update = Some(request),
                Message::Renegotiation => renegotiations += 1,
                Message::Ticket => {}
            }
            Ok(())
        })?;
        if let Some(request) = update {
            self.update_keys(request, events)?;
        }
        for _ in 0..renegotiations {
            self.renegotiation_requests += 1;
            if self.renegotiation_requests > MAX_RENEGOTIATION_REQUESTS {
                return Err(Error::RenegotiationRefused);
            }
            events.push(Event::RenegotiationRequested);
        }
        Ok(())
    }

    fn update_keys(&mut self, request: KeyUpdateRequest, events: &mut Vec<Event>) -> Result<(), Error> {
        self.decrypter = self.schedule.next_decrypter()?;
        self.sequence = 0;
        self.key_updates += 1;
        if request == KeyUpdateRequest::Requested {
            self.schedule.owe_answer();
            if !events.contains(&Event::KeyUpdateRequested) {
                events.push(Event::KeyUpdateRequested);
            }
        }
        Ok(())
    }

    /// RFC 8446 section 6: an alert is two bytes in a record of its own; the level means nothing in TLS 1.3, and in
    /// TLS 1.2 a warning other than close_notify does not end the connection.
    fn alert(&mut self, content: &[u8], events: &mut Vec<Event>) -> Result<(), Error> {
        const WARNING: u8 = 1;
        let [level, description] = *content else {
            return Err(Error::UnexpectedRecord(ContentType::Alert));
        };
        match AlertDescription::from(description) {
            AlertDescription::CloseNotify => {
                self.ended = true;
                events.push(Event::CloseNotify);
            }
            AlertDescription::UserCanceled => return self.application_data(0),
            _ if level == WARNING && self.dialect == Dialect::Tls12 => return self.application_data(0),
            fatal => {
                self.ended = true;
                events.push(Event::Alert(fatal));
            }
        }
        Ok(())
    }
}

/// A record header that passed the rules.
struct Header {
    typ: ContentType,
    length_bytes: usize,
}

fn record_error(error: rustls::Error) -> Error {
    match error {
        rustls::Error::DecryptError => Error::BadRecord,
        rustls::Error::PeerSentOversizedRecord => {
            Error::RecordTooLong { length_bytes: MAX_PLAINTEXT_BYTES + 1 }
        }
        rustls::Error::PeerMisbehaved(PeerMisbehaved::IllegalTlsInnerPlaintext) => {
            Error::UnexpectedRecord(ContentType::Unknown(0))
        }
        rustls::Error::PeerMisbehaved(PeerMisbehaved::IllegalMiddleboxChangeCipherSpec) => {
            Error::UnexpectedRecord(ContentType::ChangeCipherSpec)
        }
        other => Error::Tls(other),
    }
}
