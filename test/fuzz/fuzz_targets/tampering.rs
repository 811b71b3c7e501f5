//! Records of each cipher suite on the way to their receiver, in the hands of somebody without the keys: test/support/tampering.rs
//! says what he does, and what has to come of it.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::arbitrary::{Result, Unstructured};
use libfuzzer_sys::fuzz_target;
use rustls::ProtocolVersion;
use rustls_dist_fuzz::tampering::{Harm, Sent, play};
use rustls_dist_fuzz::{Sides, real_suites};

static SIDES: LazyLock<Vec<(ProtocolVersion, Sides)>> = LazyLock::new(|| Sides::of_each(real_suites()));

struct Game {
    choice: u8,
    sent: Vec<Sent>,
    harms: Vec<Harm>,
    pieces_bytes: Vec<usize>,
    max_packets: usize,
}

impl Game {
    fn of(u: &mut Unstructured<'_>) -> Result<Self> {
        Ok(Self {
            choice: u.arbitrary()?,
            sent: some(u, 6, sent)?,
            harms: some(u, 5, harm)?,
            pieces_bytes: some(u, 12, number)?,
            max_packets: if u.arbitrary()? { usize::MAX } else { u.int_in_range(1..=3)? },
        })
    }
}

fn some<T>(
    u: &mut Unstructured<'_>,
    most: usize,
    of: fn(&mut Unstructured<'_>) -> Result<T>,
) -> Result<Vec<T>> {
    let count = u.int_in_range(0..=most)?;
    (0..count).map(|_| of(u)).collect()
}

fn number(u: &mut Unstructured<'_>) -> Result<usize> {
    Ok(u.arbitrary::<u16>()?.into())
}

fn sent(u: &mut Unstructured<'_>) -> Result<Sent> {
    Ok(match u.int_in_range(0..=9)? {
        0 => Sent::CloseNotify,
        1 | 2 => Sent::KeyUpdate,
        _ => Sent::Packets { lengths_bytes: some(u, 5, number)?, cuts: some(u, 5, number)? },
    })
}

fn harm(u: &mut Unstructured<'_>) -> Result<Harm> {
    Ok(match u.int_in_range(0..=6)? {
        0 | 1 => Harm::Flip { bit: u.int_in_range(0..=1_000_000)? },
        2 => Harm::Truncate { byte: number(u)? },
        3 => Harm::Repeat { record: number(u)?, before: number(u)? },
        4 => Harm::Swap { one: number(u)?, other: number(u)? },
        5 => Harm::Drop { record: number(u)? },
        _ => {
            let (byte, count) = (number(u)?, u.int_in_range(1..=40)?);
            Harm::Insert { byte, bytes: u.bytes(count)?.to_vec() }
        }
    })
}

fuzz_target!(|input: &[u8]| {
    let Ok(game) = Game::of(&mut Unstructured::new(input)) else {
        return;
    };
    let (version, sides) = &SIDES[usize::from(game.choice / 2) % SIDES.len()];
    let (mut client, mut server) = sides.sessions();
    let direction = match game.choice % 2 {
        0 => (&mut client.tx, &mut server.rx),
        _ => (&mut server.tx, &mut client.rx),
    };
    play(direction, *version, &game.sent, &game.harms, &game.pieces_bytes, game.max_packets);
});
