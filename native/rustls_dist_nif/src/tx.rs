//! The sending direction.

use parking_lot::{Mutex, MutexGuard};
use rustler::{
    Binary, Encoder, Env, Error as NifError, ListIterator, NifResult, Resource, ResourceArc, Term,
};
use rustls::AlertDescription;
use rustls_dist::error::RecordError;
use rustls_dist::packet::{Buffer, LENGTH_BYTES};
use rustls_dist::record::RecordTx;
use rustls_dist::wiping::wiping_behind;

use crate::bytes::into_binary;
use crate::census::{SENDERS, Token};
use crate::traffic::Published;
use crate::vm_binary::VmBinary;
use crate::{atoms, terms, timeslice};

/// What a length field or a binary costs besides its bytes, in bytes of the slowest cipher.
const PART_BYTES: usize = 64;

/// More than ciphers take of a scheduler's stack, where ring's ChaCha20 leaves its key.
pub const RECORDS_STACK_BYTES: usize = 8 * 1024;

/// The chunks that most packets are sealed from: the length field, the VM's header and the message. Those with binaries
/// in their messages have more.
const USUAL_CHUNKS: usize = 4;

pub struct Sender {
    record: Mutex<RecordTx>,
    traffic: Published,
    _alive: Token,
}

#[rustler::resource_impl]
impl Resource for Sender {}

impl Sender {
    pub fn resource(record: RecordTx) -> ResourceArc<Self> {
        ResourceArc::new(Self {
            record: Mutex::new(record),
            traffic: Published::default(),
            _alive: SENDERS.enter(),
        })
    }

    /// For a normal scheduler, which must not wait for the lock. Whoever finds it taken comes too late: it is held by a
    /// seal on a dirty scheduler whose process has ended meanwhile, so the records of that seal will not be sent, and
    /// nothing that is sealed behind them can be read.
    fn at_once<T>(
        &self,
        packets: usize,
        seal: impl FnOnce(&mut RecordTx) -> Result<T, RecordError>,
    ) -> Result<T, RecordError> {
        match self.record.try_lock() {
            Some(record) => self.seal(record, packets, seal),
            None => Err(RecordError::Closed),
        }
    }

    /// For a dirty scheduler.
    fn when_free<T>(
        &self,
        packets: usize,
        seal: impl FnOnce(&mut RecordTx) -> Result<T, RecordError>,
    ) -> Result<T, RecordError> {
        self.seal(self.record.lock(), packets, seal)
    }

    fn seal<T>(
        &self,
        mut record: MutexGuard<'_, RecordTx>,
        packets: usize,
        seal: impl FnOnce(&mut RecordTx) -> Result<T, RecordError>,
    ) -> Result<T, RecordError> {
        let sealed = wiping_behind::<RECORDS_STACK_BYTES, _>(record.computed(), || seal(&mut record));
        self.traffic.update(record.traffic(), if sealed.is_ok() { packets } else { 0 });
        sealed
    }
}

/// Seals distribution packets, each `{Bytes, Iovec}`, and gives `{ok, Records} | {error, ErrorMap}`. The length field
/// of each packet is added here. The caller bounds the bytes; a tick is `[{0, []}]`, and `[]` only answers an owed
/// key update.
#[rustler::nif]
fn tx_seal<'a>(env: Env<'a>, tx: ResourceArc<Sender>, packets: Term<'a>) -> NifResult<Term<'a>> {
    let packets = packets_of(packets)?;
    let chunks = chunks_of(&packets)?;
    timeslice::consume(env, chunks.iter().map(|chunk| PART_BYTES + chunk.len()).sum());
    records_term(env, tx.at_once(packets.len(), |record| record.seal_in(&chunks)))
}

/// [`tx_seal`] for more bytes than a normal scheduler may be held for.
#[rustler::nif(schedule = "DirtyCpu")]
fn tx_seal_large<'a>(env: Env<'a>, tx: ResourceArc<Sender>, packets: Term<'a>) -> NifResult<Term<'a>> {
    let packets = packets_of(packets)?;
    let chunks = chunks_of(&packets)?;
    records_term(env, tx.when_free(packets.len(), |record| record.seal_in(&chunks)))
}

/// `{ok, Record} | {error, ErrorMap}`.
#[rustler::nif]
fn tx_close_notify(env: Env<'_>, tx: ResourceArc<Sender>) -> NifResult<Term<'_>> {
    one_record(env, tx.at_once(0, RecordTx::close_notify))
}

/// Seals a fatal alert by its code: `{ok, Record} | {error, ErrorMap}`.
#[rustler::nif]
fn tx_alert(env: Env<'_>, tx: ResourceArc<Sender>, code: u8) -> NifResult<Term<'_>> {
    one_record(env, tx.at_once(0, |record| record.alert(AlertDescription::from(code))))
}

/// Seals the TLS 1.2 warning that refuses a renegotiation: `{ok, Record} | {error, ErrorMap}`.
#[rustler::nif]
fn tx_refuse_renegotiation(env: Env<'_>, tx: ResourceArc<Sender>) -> NifResult<Term<'_>> {
    one_record(env, tx.at_once(0, RecordTx::refuse_renegotiation))
}

/// `#{bytes, records, packets, key_updates}`, since the TLS handshake. Never waits.
#[rustler::nif]
fn tx_info(env: Env<'_>, tx: ResourceArc<Sender>) -> NifResult<Term<'_>> {
    tx.traffic.term(env)
}

fn records_term(env: Env<'_>, sealed: Result<VmBinary, RecordError>) -> NifResult<Term<'_>> {
    match sealed {
        Ok(records) => {
            let filled_bytes = records.filled_bytes();
            let whole = records.release(env).ok_or(NifError::BadArg)?;
            let records = match whole.len() {
                bytes if bytes == filled_bytes => whole,
                _ => whole.make_subbinary(0, filled_bytes)?,
            };
            Ok((atoms::ok(), records).encode(env))
        }
        Err(error) => terms::error_tuple(env, error),
    }
}

fn one_record(env: Env<'_>, record: Result<Vec<u8>, RecordError>) -> NifResult<Term<'_>> {
    match record {
        Ok(record) => Ok((atoms::ok(), into_binary(env, record)).encode(env)),
        Err(error) => terms::error_tuple(env, error),
    }
}

/// A packet that is to be sealed.
struct Packet<'a> {
    /// What goes in front of its content: how long that is.
    length: [u8; LENGTH_BYTES],
    content_bytes: usize,
    content: Term<'a>,
}

fn packets_of(term: Term<'_>) -> NifResult<Vec<Packet<'_>>> {
    let list: ListIterator<'_> = term.decode()?;
    let mut packets = Vec::with_capacity(term.list_length()?);
    for packet in list {
        let (bytes, content): (u32, Term<'_>) = packet.decode()?;
        packets.push(Packet { length: bytes.to_be_bytes(), content_bytes: bytes as usize, content });
    }
    Ok(packets)
}

/// The length fields and what the contents consist of, in order.
fn chunks_of<'p, 'a: 'p>(packets: &'p [Packet<'a>]) -> NifResult<Vec<&'p [u8]>> {
    let mut chunks = Vec::with_capacity(packets.len() * USUAL_CHUNKS);
    for packet in packets {
        chunks.push(packet.length.as_slice());
        if collect(packet.content, &mut chunks)? != packet.content_bytes {
            return Err(NifError::BadArg);
        }
    }
    Ok(chunks)
}

/// Takes a list of binaries as `erlang:dist_ctrl_get_data/1` returns, or a binary, and gives its bytes. Whatever it is not
/// it does not ask the VM about: for small packets those questions are most of the work.
fn collect<'p, 'a: 'p>(content: Term<'a>, chunks: &mut Vec<&'p [u8]>) -> NifResult<usize> {
    let mut bytes = 0;
    let mut left = content;
    while let Ok((element, tail)) = left.list_get_cell() {
        bytes += collect_binary(element, chunks)?;
        left = tail;
    }
    if left.is_empty_list() { Ok(bytes) } else { Ok(bytes + collect_binary(left, chunks)?) }
}

fn collect_binary<'p, 'a: 'p>(term: Term<'a>, chunks: &mut Vec<&'p [u8]>) -> NifResult<usize> {
    let chunk = Binary::from_term(term)?.as_slice();
    chunks.push(chunk);
    Ok(chunk.len())
}
