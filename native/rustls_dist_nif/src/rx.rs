//! The receiving direction.

use parking_lot::Mutex;
use rustler::{Atom, Binary, Encoder, Env, NifResult, OwnedBinary, Resource, ResourceArc, Term};
use rustls_dist::packet::MAX_PACKET_BYTES;
use rustls_dist::record::{Event, Opened, RecordRx};

use crate::census::{RECEIVERS, Token};
use crate::{atoms, terms};

/// Bytes that cost about a percent of a 1 ms time slice with the slowest cipher.
const BYTES_PER_PERCENT: usize = 4096;

pub struct Receiver {
    record: Mutex<RecordRx>,
    _alive: Token,
}

#[rustler::resource_impl]
impl Resource for Receiver {}

impl Receiver {
    pub fn resource(record: RecordRx) -> ResourceArc<Self> {
        ResourceArc::new(Self { record: Mutex::new(record), _alive: RECEIVERS.enter() })
    }
}

/// Opens what arrived and gives up to `MaxPackets` packets: `{ok, [Packet], [Event]} | {error, ErrorMap}`, where an event
/// is `key_update_requested | renegotiation_requested | close_notify | {alert, {Code, Name}}`. The caller bounds the
/// bytes.
#[rustler::nif]
fn rx_open<'a>(
    env: Env<'a>,
    rx: ResourceArc<Receiver>,
    input: Binary<'a>,
    max_packets: usize,
) -> NifResult<Term<'a>> {
    let opened = rx.record.lock().open(input.as_slice(), max_packets, Buffer::new);
    let percent = (input.len() / BYTES_PER_PERCENT).clamp(1, 100);
    rustler::schedule::consume_timeslice(env, percent as i32);
    match opened {
        Ok(opened) => opened_term(env, opened),
        Err(error) => terms::error_tuple(env, &error),
    }
}

/// The peer has shown its cookie: packets may be as long as a link allows.
#[rustler::nif]
fn rx_established(rx: ResourceArc<Receiver>) -> Atom {
    rx.record.lock().set_max_packet_bytes(MAX_PACKET_BYTES);
    atoms::ok()
}

/// `#{key_updates => N}`.
#[rustler::nif]
fn rx_info(env: Env<'_>, rx: ResourceArc<Receiver>) -> NifResult<Term<'_>> {
    Term::map_from_pairs(env, &[(atoms::key_updates(), rx.record.lock().key_updates())])
}

/// Packets must lie in a binary of the VM's own: erts' decoder of external terms refers into it.
struct Buffer(OwnedBinary);

impl Buffer {
    fn new(bytes: usize) -> Self {
        Self(OwnedBinary::new(bytes))
    }
}

impl AsMut<[u8]> for Buffer {
    fn as_mut(&mut self) -> &mut [u8] {
        self.0.as_mut_slice()
    }
}

fn opened_term(env: Env<'_>, opened: Opened<Buffer>) -> NifResult<Term<'_>> {
    let Opened { data, packets, events } = opened;
    let events = events.into_iter().map(|event| event_term(env, event)).collect::<NifResult<Vec<_>>>()?;
    let Some(Buffer(data)) = data else {
        return Ok((atoms::ok(), Term::list_new_empty(env), events).encode(env));
    };
    let data = data.release(env);
    let packets = packets
        .into_iter()
        .map(|range| data.make_subbinary(range.start, range.len()))
        .collect::<NifResult<Vec<_>>>()?;
    Ok((atoms::ok(), packets, events).encode(env))
}

fn event_term(env: Env<'_>, event: Event) -> NifResult<Term<'_>> {
    Ok(match event {
        Event::KeyUpdateRequested => atoms::key_update_requested().encode(env),
        Event::RenegotiationRequested => atoms::renegotiation_requested().encode(env),
        Event::CloseNotify => atoms::close_notify().encode(env),
        Event::Alert(description) => (atoms::alert(), terms::alert_term(env, description)?).encode(env),
    })
}
