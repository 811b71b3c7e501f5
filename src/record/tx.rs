//! Sealing: the sending direction.

use rustls::{AlertDescription, ContentType};

use super::keys::KeySchedule;
use super::payload::{Payload, Window};
use super::post_handshake::{self, KEY_UPDATE_BYTES, KeyUpdateRequest};
use super::sealer::Sealer;
use super::{MAX_PLAINTEXT_BYTES, Traffic};
use crate::error::RecordError;
use crate::packet::Buffer;
use crate::wiping::Computed;

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
    sealer: Box<dyn Sealer>,
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
        sealer: Box<dyn Sealer>,
        sequence: u64,
        key_update_at_bytes: u64,
    ) -> Self {
        let record_limit = schedule.record_limit().saturating_sub(RESERVED_RECORDS);
        Self {
            schedule,
            sealer,
            sequence,
            record_limit,
            key_update_at_bytes,
            bytes_under_key: 0,
            traffic: Traffic::default(),
            direction: Direction::Open,
        }
    }

    /// Seals the concatenation of `chunks` into as few records as possible and returns them in a row. An owed key
    /// update goes first, so an empty `chunks` is the way to answer a peer that asked for one.
    ///
    /// # Errors
    /// [`RecordError::Closed`] after [`RecordTx::close_notify`] or [`RecordTx::alert`];
    /// [`RecordError::KeysExhausted`] when this is more than a TLS 1.2 key may still seal. Nothing was sealed then, so that
    /// close_notify can follow.
    pub fn seal(&mut self, chunks: &[&[u8]]) -> Result<Vec<u8>, RecordError> {
        self.seal_in(chunks)
    }

    /// [`RecordTx::seal`] in memory of another kind.
    ///
    /// # Errors
    /// The same.
    pub fn seal_in<B: Buffer>(&mut self, chunks: &[&[u8]]) -> Result<B, RecordError> {
        if self.direction == Direction::Closed {
            return Err(RecordError::Closed);
        }
        let total_bytes: usize = chunks.iter().map(|chunk| chunk.len()).sum();
        let records = total_bytes.div_ceil(MAX_PLAINTEXT_BYTES);
        if !self.schedule.can_update() && !self.has_left(records) {
            return Err(RecordError::KeysExhausted);
        }
        let answer = self.schedule.take_owed_answer();
        let key_updates = usize::from(answer) + self.key_updates_within(total_bytes, records);
        let mut out = B::with_capacity(self.room_bytes(total_bytes, key_updates));
        if answer {
            self.renew_keys(&mut out)?;
        }
        let mut window = Window::new(chunks);
        while let Some(payload) = window.next(MAX_PLAINTEXT_BYTES) {
            if self.must_update_keys() {
                self.renew_keys(&mut out)?;
            }
            self.bytes_under_key += payload.len() as u64;
            self.seal_record(ContentType::ApplicationData, payload, &mut out)?;
        }
        Ok(out)
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
        let mut record = Vec::new();
        self.renew_keys(&mut record)?;
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

    /// The cipher, as far as it matters for what it leaves in registers.
    pub fn computed(&self) -> Computed {
        self.schedule.computed()
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
        let mut record = Vec::new();
        self.seal_record(ContentType::Alert, Payload::whole(&[&message]), &mut record)?;
        self.direction = then;
        Ok(record)
    }

    /// Whether the keys are good for so many records more.
    fn has_left(&self, records: usize) -> bool {
        self.record_limit.saturating_sub(self.sequence) >= records as u64
    }

    /// At most how many key updates there are between so many records, which hold so many bytes: mostly none, else there may
    /// be one before each.
    fn key_updates_within(&self, total_bytes: usize, records: usize) -> usize {
        let is_near = self.sequence.saturating_add(records as u64) >= self.record_limit
            || self.bytes_under_key.saturating_add(total_bytes as u64) >= self.key_update_at_bytes;
        if self.schedule.can_update() && is_near { records } else { 0 }
    }

    /// Room for so many bytes in as few records as possible and so many key updates, whose records are as long under each key.
    fn room_bytes(&self, total_bytes: usize, key_updates: usize) -> usize {
        let full = total_bytes / MAX_PLAINTEXT_BYTES * self.sealer.record_bytes(MAX_PLAINTEXT_BYTES);
        let last = match total_bytes % MAX_PLAINTEXT_BYTES {
            0 => 0,
            bytes => self.sealer.record_bytes(bytes),
        };
        full + last + key_updates * self.sealer.record_bytes(KEY_UPDATE_BYTES)
    }

    fn must_update_keys(&self) -> bool {
        self.schedule.can_update()
            && (self.sequence >= self.record_limit || self.bytes_under_key >= self.key_update_at_bytes)
    }

    /// Says that the keys are renewed, and renews them.
    fn renew_keys(&mut self, out: &mut impl Buffer) -> Result<(), RecordError> {
        let message = post_handshake::key_update(KeyUpdateRequest::NotRequested);
        self.seal_record(ContentType::Handshake, Payload::whole(&[&message]), out)?;
        self.sealer = self.schedule.next_sealer()?;
        self.sequence = 0;
        self.bytes_under_key = 0;
        self.traffic.key_updates += 1;
        Ok(())
    }

    fn seal_record(
        &mut self,
        typ: ContentType,
        payload: Payload<'_>,
        out: &mut impl Buffer,
    ) -> Result<(), RecordError> {
        let record = out.grow(self.sealer.record_bytes(payload.len()));
        self.sealer.seal(typ, payload, self.sequence, record)?;
        self.sequence += 1;
        self.traffic.add_record(record.len());
        Ok(())
    }
}
