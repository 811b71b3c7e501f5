//! The sending direction.

use parking_lot::{Mutex, MutexGuard};
use rustler::{
    Binary, Encoder, Env, Error as NifError, ListIterator, NifResult, Resource, ResourceArc, Term,
};
use rustls::AlertDescription;
use rustls_dist::error::RecordError;
use rustls_dist::record::RecordTx;

use crate::bytes::into_binary;
use crate::census::{SENDERS, Token};
use crate::traffic::Published;
use crate::{atoms, terms, timeslice};

/// What a length field or a binary costs besides its bytes, in bytes of the slowest cipher.
const PART_BYTES: usize = 64;

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
        let sealed = seal(&mut record);
        self.traffic.update(record.traffic(), if sealed.is_ok() { packets } else { 0 });
        sealed
    }
}

/// Seals distribution packets, each `{Bytes, Iovec}`, and gives `{ok, [Record]} | {error, ErrorMap}`. The length field
/// of each packet is added here. The caller bounds the bytes; a tick is `[{0, []}]`, and `[]` only answers an owed
/// key update.
#[rustler::nif]
fn tx_seal<'a>(env: Env<'a>, tx: ResourceArc<Sender>, packets: Term<'a>) -> NifResult<Term<'a>> {
    let gathered = gather(packets)?;
    let chunks = gathered.chunks();
    timeslice::consume(env, chunks.iter().map(|chunk| PART_BYTES + chunk.len()).sum());
    records_term(env, tx.at_once(gathered.lengths.len(), |record| record.seal(&chunks)))
}

/// [`tx_seal`] for more bytes than a normal scheduler may be held for.
#[rustler::nif(schedule = "DirtyCpu")]
fn tx_seal_large<'a>(env: Env<'a>, tx: ResourceArc<Sender>, packets: Term<'a>) -> NifResult<Term<'a>> {
    let gathered = gather(packets)?;
    let chunks = gathered.chunks();
    records_term(env, tx.when_free(gathered.lengths.len(), |record| record.seal(&chunks)))
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

fn records_term(env: Env<'_>, sealed: Result<Vec<Vec<u8>>, RecordError>) -> NifResult<Term<'_>> {
    match sealed {
        Ok(records) => {
            let records: Vec<Binary<'_>> =
                records.into_iter().map(|record| into_binary(env, record)).collect();
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

/// The packets of one call: a length field each, and the binaries they consist of.
struct Gathered<'a> {
    lengths: Vec<[u8; 4]>,
    parts: Vec<Part<'a>>,
}

enum Part<'a> {
    Length(usize),
    Data(&'a [u8]),
}

impl Gathered<'_> {
    fn chunks(&self) -> Vec<&[u8]> {
        self.parts
            .iter()
            .map(|part| match part {
                Part::Length(index) => self.lengths[*index].as_slice(),
                Part::Data(data) => data,
            })
            .collect()
    }
}

fn gather(packets: Term<'_>) -> NifResult<Gathered<'_>> {
    let mut gathered = Gathered { lengths: Vec::new(), parts: Vec::new() };
    let list: ListIterator<'_> = packets.decode()?;
    for packet in list {
        let (length, data): (u32, Term<'_>) = packet.decode()?;
        gathered.parts.push(Part::Length(gathered.lengths.len()));
        gathered.lengths.push(length.to_be_bytes());
        let before = gathered.parts.len();
        collect(data, &mut gathered.parts)?;
        if bytes_in(&gathered.parts[before..]) != length as usize {
            return Err(NifError::BadArg);
        }
    }
    Ok(gathered)
}

/// Takes a binary, or a list of binaries as `erlang:dist_ctrl_get_data/1` returns.
fn collect<'a>(data: Term<'a>, parts: &mut Vec<Part<'a>>) -> NifResult<()> {
    if data.is_binary() {
        parts.push(Part::Data(data.decode::<Binary<'a>>()?.as_slice()));
        return Ok(());
    }
    let list: ListIterator<'a> = data.decode()?;
    for element in list {
        parts.push(Part::Data(element.decode::<Binary<'a>>()?.as_slice()));
    }
    Ok(())
}

fn bytes_in(parts: &[Part<'_>]) -> usize {
    parts
        .iter()
        .map(|part| match part {
            Part::Length(_) => 0,
            Part::Data(data) => data.len(),
        })
        .sum()
}
