//! The receiving direction.

use parking_lot::Mutex;
use rustler::{Atom, Binary, Encoder, Env, Error as NifError, NifResult, Resource, ResourceArc, Term};
use rustls_dist::packet::{MAX_PACKET_BYTES, Taken};
use rustls_dist::record::{Event, Opened, RecordRx};
use rustls_dist::wiping::wiping_behind;

use crate::census::{RECEIVERS, Token};
use crate::traffic::Published;
use crate::tx::RECORDS_STACK_BYTES;
use crate::vm_binary::VmBinary;
use crate::{atoms, terms, timeslice};

pub struct Receiver {
    record: Mutex<RecordRx<VmBinary>>,
    traffic: Published,
    _alive: Token,
}

#[rustler::resource_impl]
impl Resource for Receiver {}

impl Receiver {
    pub fn resource(record: RecordRx) -> ResourceArc<Self> {
        ResourceArc::new(Self {
            record: Mutex::new(record.with_buffers()),
            traffic: Published::default(),
            _alive: RECEIVERS.enter(),
        })
    }
}

/// Opens what arrived and gives up to `MaxPackets` packets: `{ok, [Packet], [Event]} | {more, [Packet], [Event], Rest} |
/// {error, ErrorMap}`, where an event is `key_update_requested | renegotiation_requested | close_notify |
/// {alert, {Code, Name}}`. `more` is said when this call has done what one may and the next is to be given `Rest`, be it
/// empty. What is not opened because there are `MaxPackets` packets already is kept.
#[rustler::nif]
fn rx_open<'a>(
    env: Env<'a>,
    rx: ResourceArc<Receiver>,
    input: Binary<'a>,
    max_packets: usize,
) -> NifResult<Term<'a>> {
    let opened = {
        let mut record = rx.record.lock();
        let opened = wiping_behind::<RECORDS_STACK_BYTES, _>(record.computed(), || {
            record.open(input.as_slice(), max_packets)
        });
        rx.traffic.update(record.traffic(), opened.as_ref().map_or(0, |opened| opened.taken.packets.len()));
        opened
    };
    match opened {
        Ok(opened) => {
            timeslice::consume(env, opened.work_bytes);
            opened_term(env, opened, input)
        }
        Err(error) => terms::error_tuple(env, error),
    }
}

/// The peer has shown its cookie: packets may be as long as a link allows.
#[rustler::nif]
fn rx_established(rx: ResourceArc<Receiver>) -> Atom {
    rx.record.lock().set_max_packet_bytes(MAX_PACKET_BYTES);
    atoms::ok()
}

/// `#{bytes, records, packets, key_updates}`, since the TLS handshake. Never waits.
#[rustler::nif]
fn rx_info(env: Env<'_>, rx: ResourceArc<Receiver>) -> NifResult<Term<'_>> {
    rx.traffic.term(env)
}

fn opened_term<'a>(env: Env<'a>, opened: Opened<VmBinary>, input: Binary<'a>) -> NifResult<Term<'a>> {
    let packets = packet_terms(env, opened.taken)?;
    let events =
        opened.events.into_iter().map(|event| event_term(env, event)).collect::<NifResult<Vec<_>>>()?;
    match opened.unopened_at {
        None => Ok((atoms::ok(), packets, events).encode(env)),
        Some(at) => {
            let rest = input.make_subbinary(at, input.len() - at)?;
            Ok((atoms::more(), packets, events, rest).encode(env))
        }
    }
}

fn packet_terms(env: Env<'_>, taken: Taken<VmBinary>) -> NifResult<Term<'_>> {
    let buffers: Vec<Binary<'_>> =
        taken.buffers.into_iter().filter_map(|buffer| buffer.release(env)).collect();
    let mut list = Term::list_new_empty(env);
    for packet in taken.packets.into_iter().rev() {
        let buffer = buffers.get(packet.buffer).ok_or(NifError::BadArg)?;
        let binary = match packet.content.len() {
            bytes if bytes == buffer.len() => *buffer,
            bytes => buffer.make_subbinary(packet.content.start, bytes)?,
        };
        list = list.list_prepend(binary.to_term(env));
    }
    Ok(list)
}

fn event_term(env: Env<'_>, event: Event) -> NifResult<Term<'_>> {
    Ok(match event {
        Event::KeyUpdateRequested => atoms::key_update_requested().encode(env),
        Event::RenegotiationRequested => atoms::renegotiation_requested().encode(env),
        Event::CloseNotify => atoms::close_notify().encode(env),
        Event::Alert(description) => (atoms::alert(), terms::alert_term(env, description)?).encode(env),
    })
}
