//! Sealing: the sending direction.

use rustls::crypto::cipher::{MessageEncrypter, OutboundChunks, OutboundPlainMessage};
use rustls::{AlertDescription, ContentType, ProtocolVersion};

use super::keys::KeySchedule;
use super::post_handshake::{self, KeyUpdateRequest};
use super::{MAX_PLAINTEXT_BYTES, Traffic};
use crate::error::RecordError;

/// Records that are left unused below a key's limit, so that the key update, an alert and close_notify always fit.
const RESERVED_RECORDS: u64 = 16;

/// Whether more records may follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    Open,
    /// close_notify or a fatal alert was sealed: nothing may follow (RFC 8446 section 6.1).
    Closed,
}

/// How much an alert means (RFC 5246 section 7.2; in TLS 1.3 it follows from the alert, RFC 8446 section 6).
#[derive(Debug, Clone, Copy)]
enum AlertLevel {
    Warning = 1,
    Fatal = 2,
}

/// The sending half of a session. Every byte handed to it leaves it sealed.
pub struct RecordTx {
    schedule: KeySchedule,
    encrypter: Box<dyn MessageEncrypter>,
    sequence: u64,
    record_limit: u64,
    key_update_at_bytes: u64,
    bytes_under_key: u64,
    traffic: Traffic,
    direction: Direction,
}

impl RecordTx {
    /// `sequence` is the number of the next record; `key_update_at_bytes` the plaintext after which keys are renewed
    /// (`u64::MAX`: only before the suite's own limit).
    pub(crate) fn new(
        schedule: KeySchedule,
        encrypter: Box<dyn MessageEncrypter>,
        sequence: u64,
        key_update_at_bytes: u64,
    ) -> Self {
        let record_limit = schedule.record_limit().saturating_sub(RESERVED_RECORDS);
        Self {
            schedule,
            encrypter,
            sequence,
            record_limit,
            key_update_at_bytes,
            bytes_under_key: 0,
            traffic: Traffic::default(),
            direction: Direction::Open,
        }
    }

    /// Seals the concatenation of `chunks` into as few records as possible, in order, and returns them. An owed key
    /// update goes first, so an empty `chunks` is the way to answer a peer that asked for one.
    ///
    /// # Errors
    /// [`RecordError::Closed`] after [`RecordTx::close_notify`] or [`RecordTx::alert`];
    /// [`RecordError::KeysExhausted`] when this is more than a TLS 1.2 key may still seal. Nothing was sealed then, so that
    /// close_notify can follow.
    pub fn seal(&mut self, chunks: &[&[u8]]) -> Result<Vec<Vec<u8>>, RecordError> {
        if self.direction == Direction::Closed {
            return Err(RecordError::Closed);
        }
        let total_bytes: usize = chunks.iter().map(|chunk| chunk.len()).sum();
        if !self.schedule.can_update() && !self.has_left(total_bytes.div_ceil(MAX_PLAINTEXT_BYTES)) {
            return Err(RecordError::KeysExhausted);
        }
        let mut records = Vec::with_capacity(total_bytes / MAX_PLAINTEXT_BYTES + 2);
        if self.schedule.take_owed_answer() {
            records.push(self.update_keys()?);
        }
        let mut window = Window::new(chunks);
        while let Some(payload) = window.next(MAX_PLAINTEXT_BYTES) {
            if self.must_update_keys() {
                records.push(self.update_keys()?);
            }
            self.bytes_under_key += payload.len() as u64;
            records.push(self.seal_record(ContentType::ApplicationData, payload)?);
        }
        Ok(records)
    }

    /// Renews the sending keys at once (TLS 1.3) and returns the KeyUpdate record that says so.
    ///
    /// # Errors
    /// [`RecordError::Closed`] when the direction is closed;
    /// [`RecordError::KeysExhausted`] on TLS 1.2, which cannot renew keys without renegotiating.
    pub fn update_keys(&mut self) -> Result<Vec<u8>, RecordError> {
        if self.direction == Direction::Closed {
            return Err(RecordError::Closed);
        }
        if !self.schedule.can_update() {
            return Err(RecordError::KeysExhausted);
        }
        let message = post_handshake::key_update(KeyUpdateRequest::NotRequested);
        let record = self.seal_record(ContentType::Handshake, OutboundChunks::Single(&message))?;
        self.encrypter = self.schedule.next_encrypter()?;
        self.sequence = 0;
        self.bytes_under_key = 0;
        self.traffic.key_updates += 1;
        Ok(record)
    }

    /// Seals close_notify and closes the direction.
    ///
    /// # Errors
    /// [`RecordError::Closed`] when it is closed already.
    pub fn close_notify(&mut self) -> Result<Vec<u8>, RecordError> {
        self.seal_alert(AlertLevel::Warning, AlertDescription::CloseNotify, Direction::Closed)
    }

    /// Seals a fatal alert, or close_notify, and closes the direction (RFC 8446 section 6.2).
    ///
    /// # Errors
    /// [`RecordError::Closed`] when it is closed already.
    pub fn alert(&mut self, description: AlertDescription) -> Result<Vec<u8>, RecordError> {
        let level = match description {
            AlertDescription::CloseNotify => AlertLevel::Warning,
            _ => AlertLevel::Fatal,
        };
        self.seal_alert(level, description, Direction::Closed)
    }

    /// Seals the warning that answers a TLS 1.2 renegotiation request (RFC 5246 section 7.2.2); the connection goes on.
    ///
    /// # Errors
    /// [`RecordError::Closed`] when the direction is closed.
    pub fn refuse_renegotiation(&mut self) -> Result<Vec<u8>, RecordError> {
        self.seal_alert(AlertLevel::Warning, AlertDescription::NoRenegotiation, Direction::Open)
    }

    /// How often the sending keys were renewed.
    pub fn key_updates(&self) -> u64 {
        self.traffic.key_updates
    }

    /// What was sealed.
    pub fn traffic(&self) -> Traffic {
        self.traffic
    }

    fn seal_alert(
        &mut self,
        level: AlertLevel,
        description: AlertDescription,
        then: Direction,
    ) -> Result<Vec<u8>, RecordError> {
        if self.direction == Direction::Closed {
            return Err(RecordError::Closed);
        }
        let message = [level as u8, u8::from(description)];
        let record = self.seal_record(ContentType::Alert, OutboundChunks::Single(&message))?;
        self.direction = then;
        Ok(record)
    }

    /// Whether the keys are good for so many records more.
    fn has_left(&self, records: usize) -> bool {
        self.record_limit.saturating_sub(self.sequence) >= records as u64
    }

    fn must_update_keys(&self) -> bool {
        self.schedule.can_update()
            && (self.sequence >= self.record_limit || self.bytes_under_key >= self.key_update_at_bytes)
    }

    fn seal_record(&mut self, typ: ContentType, payload: OutboundChunks<'_>) -> Result<Vec<u8>, RecordError> {
        let message = OutboundPlainMessage { typ, version: ProtocolVersion::TLSv1_2, payload };
        let record = self.encrypter.encrypt(message, self.sequence)?;
        self.sequence += 1;
        let record = record.encode();
        self.traffic.add_record(record.len());
        Ok(record)
    }
}

/// Cuts a list of chunks into payloads without copying, each step looking only at the chunks it covers.
struct Window<'a> {
    chunks: &'a [&'a [u8]],
    offset: usize,
}

impl<'a> Window<'a> {
    fn new(chunks: &'a [&'a [u8]]) -> Self {
        Self { chunks, offset: 0 }
    }

    fn next(&mut self, max_bytes: usize) -> Option<OutboundChunks<'a>> {
        let start = self.offset;
        let mut covered = 0;
        let mut used = 0;
        while used < self.chunks.len() && covered < start + max_bytes {
            covered += self.chunks[used].len();
            used += 1;
        }
        let end = covered.min(start + max_bytes);
        if end == start {
            return None;
        }
        let payload = OutboundChunks::Multiple { chunks: &self.chunks[..used], start, end };
        self.advance(end, covered, used);
        Some(payload)
    }

    /// The next payload starts at `end`: inside the last used chunk when that was cut, else behind it.
    fn advance(&mut self, end: usize, covered: usize, used: usize) {
        if covered > end {
            let last = self.chunks[used - 1].len();
            self.chunks = &self.chunks[used - 1..];
            self.offset = last - (covered - end);
        } else {
            self.chunks = &self.chunks[used..];
            self.offset = 0;
        }
    }
}
