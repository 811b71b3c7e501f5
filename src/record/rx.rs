//! Opening: the receiving direction.

use rustls::crypto::cipher::{InboundOpaqueMessage, MessageDecrypter};
use rustls::{AlertDescription, ContentType, PeerMisbehaved, ProtocolVersion};

use super::ciphertext::Ciphertext;
use super::header::Header;
use super::keys::KeySchedule;
use super::post_handshake::{Dialect, Joiner, KeyUpdateRequest, Message};
use super::work::Work;
use super::{HEADER_BYTES, MAX_PLAINTEXT_BYTES, Traffic};
use crate::error::RecordError;
use crate::packet::{self, Assembly, Buffer, Taken};
use crate::wiping::Computed;

/// The longest protected payload that peers are seen to send; room for more is made when it comes.
const MOST_RECORD_BYTES: usize = MAX_PLAINTEXT_BYTES + 32;

/// Records without content that are accepted in a row. They are legal, and a way to keep a receiver busy.
const MAX_EMPTY_RECORDS: u8 = 32;

/// Warnings that are passed over in a row: as many as rustls and BoringSSL do.
const MAX_WARNINGS: u8 = 4;

/// Key updates that are accepted between records with data, whether they request one of ours or not: as many as rustls
/// and BoringSSL accept.
const MAX_KEY_UPDATES: u8 = 32;

/// Renegotiation requests that are refused politely before the connection is ended.
const MAX_RENEGOTIATION_REQUESTS: u8 = 4;

/// What an [`RecordRx::open`] found besides packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// The peer renewed its keys and wants ours renewed: seal something, if only nothing. It comes once until then.
    KeyUpdateRequested,
    /// A TLS 1.2 peer wants to renegotiate: send [`super::RecordTx::refuse_renegotiation`].
    RenegotiationRequested,
    /// The peer sent close_notify; nothing follows.
    CloseNotify,
    /// The peer sent a fatal alert; nothing follows.
    Alert(AlertDescription),
}

/// The outcome of an [`RecordRx::open`] into buffers of the kind `B`.
#[derive(Debug)]
pub struct Opened<B> {
    /// The complete packets.
    pub taken: Taken<B>,
    /// What else there was, in order and behind the packets.
    pub events: Vec<Event>,
    /// Where the input goes on when there is more to do than one call may: the next call is to be given what begins here,
    /// even if that is nothing. `None` when all of the input is opened or kept.
    pub unopened_at: Option<usize>,
    /// How much was done, in bytes of the slowest cipher.
    pub work_bytes: usize,
}

/// The receiving half of a session: bytes from the socket in, distribution packets out, in buffers of the kind `B`.
pub struct RecordRx<B = Vec<u8>> {
    schedule: KeySchedule,
    decrypter: Box<dyn MessageDecrypter>,
    sequence: u64,
    dialect: Dialect,
    ciphertext: Ciphertext,
    packets: Assembly<B>,
    messages: Joiner,
    empty_records: u8,
    warnings_in_a_row: u8,
    key_updates_in_a_row: u8,
    renegotiation_requests: u8,
    traffic: Traffic,
    ended: bool,
    /// Why it ended, until that is told.
    untold: Option<RecordError>,
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
            ciphertext: Ciphertext::new(ciphertext),
            packets: Assembly::new(packet::MAX_HANDSHAKE_PACKET_BYTES),
            messages: Joiner::default(),
            empty_records: 0,
            warnings_in_a_row: 0,
            key_updates_in_a_row: 0,
            renegotiation_requests: 0,
            traffic: Traffic::default(),
            ended: false,
            untold: None,
        }
    }

    /// The same with buffers of another kind.
    pub fn with_buffers<B: Buffer>(self) -> RecordRx<B> {
        RecordRx {
            schedule: self.schedule,
            decrypter: self.decrypter,
            sequence: self.sequence,
            dialect: self.dialect,
            ciphertext: self.ciphertext,
            packets: self.packets.with_buffers(),
            messages: self.messages,
            empty_records: self.empty_records,
            warnings_in_a_row: self.warnings_in_a_row,
            key_updates_in_a_row: self.key_updates_in_a_row,
            renegotiation_requests: self.renegotiation_requests,
            traffic: self.traffic,
            ended: self.ended,
            untold: self.untold,
        }
    }
}

impl<B: Buffer> RecordRx<B> {
    /// Accepts packets of up to `max_bytes` from now on. A new session accepts
    /// [`packet::MAX_HANDSHAKE_PACKET_BYTES`], so that a peer that has not shown its cookie cannot fill memory.
    pub fn set_max_packet_bytes(&mut self, max_bytes: usize) {
        self.packets.set_max_packet_bytes(max_bytes);
    }

    /// How often the peer's keys were renewed.
    pub fn key_updates(&self) -> u64 {
        self.traffic.key_updates
    }

    /// The cipher, as far as it matters for what it leaves in registers.
    pub fn computed(&self) -> Computed {
        self.schedule.computed()
    }

    /// What was opened.
    pub fn traffic(&self) -> Traffic {
        self.traffic
    }

    /// Opens the records of `input` (preceded by what earlier calls left) and returns the complete packets, until there are
    /// `max_packets` of them or as much is done as one call may. In the first case what is left of the input is kept, in
    /// the second the caller has to give it again ([`Opened::unopened_at`]). Incomplete records and packets are kept.
    ///
    /// # Errors
    /// Any is final, and [`RecordError::alert`] tells what the peer is owed; [`RecordError::Closed`] comes after any other, and
    /// after the peer closed. What the call found before the error is not lost: it is returned, as if there were more to do,
    /// and the next call fails.
    pub fn open(&mut self, input: &[u8], max_packets: usize) -> Result<Opened<B>, RecordError> {
        if self.ended {
            return Err(self.untold.take().unwrap_or(RecordError::Closed));
        }
        let mut work = Work::begin();
        self.packets.expect(input.len(), MOST_RECORD_BYTES);
        let mut taken = Taken::default();
        let mut events = Vec::new();
        let unopened_at = match self.open_some(input, max_packets, &mut taken, &mut events, &mut work) {
            Ok(unopened_at) => unopened_at,
            Err(error) => {
                self.give_up();
                if taken.packets.is_empty() && events.is_empty() {
                    return Err(error);
                }
                self.untold = Some(error);
                Some(input.len())
            }
        };
        Ok(Opened { taken, events, unopened_at, work_bytes: work.done_bytes() })
    }

    /// The record that failed has not used up its sequence number: without this, a caller that goes on in spite of the
    /// error would take the next record as if nothing had been injected.
    fn give_up(&mut self) {
        self.ended = true;
        self.ciphertext = Ciphertext::default();
        self.packets.clear();
    }

    /// Opens as [`RecordRx::open`] does, into `taken` and `events`, and answers where the input goes on.
    fn open_some(
        &mut self,
        input: &[u8],
        max_packets: usize,
        taken: &mut Taken<B>,
        events: &mut Vec<Event>,
        work: &mut Work,
    ) -> Result<Option<usize>, RecordError> {
        let mut rest = input;
        let unopened_at = loop {
            let wanted = (max_packets - taken.packets.len()).min(work.packets_left());
            work.spend_packets(self.packets.take(wanted, taken)?);
            if taken.packets.len() == max_packets {
                self.ciphertext.keep(rest);
                break None;
            }
            if self.ended {
                break None;
            }
            if work.is_done() {
                break Some(input.len() - rest.len());
            }
            if !self.open_next(&mut rest, events, work)? {
                break None;
            }
        };
        if unopened_at.is_none() {
            self.packets.settle();
        }
        Ok(unopened_at)
    }

    /// Opens the next record. Answers `false` when it is not there completely; then all of `input` is kept.
    fn open_next(
        &mut self,
        input: &mut &[u8],
        events: &mut Vec<Event>,
        work: &mut Work,
    ) -> Result<bool, RecordError> {
        if !self.ciphertext.is_empty() {
            return self.open_kept(input, events, work);
        }
        if let Some(header) = Header::parse(self.dialect, input)?
            && let Some((record, rest)) = input.split_at_checked(header.record_bytes())
        {
            *input = rest;
            self.open_record(&header, &record[HEADER_BYTES..], events, work)?;
            return Ok(true);
        }
        self.ciphertext.keep(std::mem::take(input));
        Ok(false)
    }

    /// [`RecordRx::open_next`] for a record whose beginning came with an earlier call.
    fn open_kept(
        &mut self,
        input: &mut &[u8],
        events: &mut Vec<Event>,
        work: &mut Work,
    ) -> Result<bool, RecordError> {
        self.ciphertext.fill(HEADER_BYTES, input);
        let Some(header) = Header::parse(self.dialect, self.ciphertext.bytes())? else {
            return Ok(false);
        };
        if !self.ciphertext.fill(header.record_bytes(), input) {
            return Ok(false);
        }
        let mut ciphertext = std::mem::take(&mut self.ciphertext);
        self.open_record(&header, &ciphertext.bytes()[HEADER_BYTES..header.record_bytes()], events, work)?;
        ciphertext.forget(header.record_bytes());
        self.ciphertext = ciphertext;
        Ok(true)
    }

    /// Opens one record: the ciphertext is copied to where the plaintext belongs and opened in place.
    fn open_record(
        &mut self,
        header: &Header,
        payload: &[u8],
        events: &mut Vec<Event>,
        work: &mut Work,
    ) -> Result<(), RecordError> {
        work.spend_record(payload.len());
        let (decrypter, sequence) = (&mut self.decrypter, self.sequence);
        let (mut typ, mut content) = (ContentType::ApplicationData, Vec::new());
        let mut data_bytes = 0;
        self.packets.add(payload, |copy| {
            let copy_at = copy.as_ptr().addr();
            let message = InboundOpaqueMessage::new(header.typ, ProtocolVersion::TLSv1_2, &mut *copy);
            let plain = decrypter.decrypt(message, sequence).map_err(record_error)?;
            typ = plain.typ;
            // AWS-LC leaves the explicit nonce of TLS 1.2 (RFC 5288 section 3) in front of it, ring does not.
            let begin = plain.payload.as_ptr().addr().wrapping_sub(copy_at);
            match typ {
                ContentType::ApplicationData => data_bytes = plain.payload.len(),
                _ => content = plain.payload.to_vec(),
            }
            if begin > 0 && data_bytes > 0 {
                copy.copy_within(begin..begin + data_bytes, 0);
            }
            Ok(data_bytes)
        })?;
        self.sequence += 1;
        self.traffic.add_record(header.record_bytes());
        match typ {
            ContentType::ApplicationData => self.application_data(data_bytes),
            ContentType::Handshake if !content.is_empty() => self.handshake(&content, events, work),
            ContentType::Alert => self.alert(&content, events),
            other => Err(RecordError::UnexpectedRecord(other)),
        }
    }

    fn application_data(&mut self, length: usize) -> Result<(), RecordError> {
        if self.messages.is_pending() {
            return Err(RecordError::UnexpectedRecord(ContentType::ApplicationData));
        }
        if length > 0 {
            self.empty_records = 0;
            self.warnings_in_a_row = 0;
            self.key_updates_in_a_row = 0;
            return Ok(());
        }
        self.empty_records += 1;
        if self.empty_records > MAX_EMPTY_RECORDS {
            return Err(RecordError::TooManyEmptyRecords);
        }
        Ok(())
    }

    fn handshake(
        &mut self,
        content: &[u8],
        events: &mut Vec<Event>,
        work: &mut Work,
    ) -> Result<(), RecordError> {
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
            work.spend_key_update();
            self.update_keys(request, events)?;
        }
        for _ in 0..renegotiations {
            self.renegotiation_requests += 1;
            if self.renegotiation_requests > MAX_RENEGOTIATION_REQUESTS {
                return Err(RecordError::RenegotiationRefused);
            }
            events.push(Event::RenegotiationRequested);
        }
        Ok(())
    }

    fn update_keys(&mut self, request: KeyUpdateRequest, events: &mut Vec<Event>) -> Result<(), RecordError> {
        self.key_updates_in_a_row += 1;
        if self.key_updates_in_a_row > MAX_KEY_UPDATES {
            return Err(RecordError::TooManyKeyUpdates);
        }
        self.decrypter = self.schedule.next_decrypter()?;
        self.sequence = 0;
        self.traffic.key_updates += 1;
        if request == KeyUpdateRequest::Requested && self.schedule.owe_answer() {
            events.push(Event::KeyUpdateRequested);
        }
        Ok(())
    }

    /// RFC 8446 section 6: an alert is two bytes in a record of its own; the level means nothing in TLS 1.3, and in
    /// TLS 1.2 a warning other than close_notify does not end the connection.
    fn alert(&mut self, content: &[u8], events: &mut Vec<Event>) -> Result<(), RecordError> {
        const WARNING: u8 = 1;
        let [level, description] = *content else {
            return Err(RecordError::UnexpectedRecord(ContentType::Alert));
        };
        match AlertDescription::from(description) {
            AlertDescription::CloseNotify => {
                self.ended = true;
                events.push(Event::CloseNotify);
            }
            AlertDescription::UserCanceled => return self.warning(),
            _ if level == WARNING && matches!(self.dialect, Dialect::Tls12 { .. }) => return self.warning(),
            fatal => {
                self.ended = true;
                events.push(Event::Alert(fatal));
            }
        }
        Ok(())
    }

    fn warning(&mut self) -> Result<(), RecordError> {
        self.warnings_in_a_row += 1;
        if self.warnings_in_a_row > MAX_WARNINGS {
            return Err(RecordError::TooManyWarnings);
        }
        Ok(())
    }
}

fn record_error(error: rustls::Error) -> RecordError {
    match error {
        rustls::Error::DecryptError => RecordError::BadRecord,
        rustls::Error::PeerSentOversizedRecord => RecordError::RecordOversized,
        rustls::Error::PeerMisbehaved(PeerMisbehaved::IllegalTlsInnerPlaintext) => RecordError::UntypedRecord,
        rustls::Error::PeerMisbehaved(PeerMisbehaved::IllegalMiddleboxChangeCipherSpec) => {
            RecordError::UnexpectedRecord(ContentType::ChangeCipherSpec)
        }
        other => RecordError::Tls(other),
    }
}
