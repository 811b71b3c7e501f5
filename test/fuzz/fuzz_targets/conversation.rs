//! A handshake of two nodes with somebody between them who changes what they say, with real ciphers and with none, so that all of
//! the messages lie open to him; and in pieces of whatever length. Where nothing is changed, a link must come of it.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::arbitrary::{self, Unstructured};
use libfuzzer_sys::fuzz_target;
use rustls::ProtocolVersion;
use rustls_dist::provider::Versions;
use rustls_dist_fuzz::{End, Sides, null, pieces};

/// More flights than any handshake has.
const MAX_FLIGHTS: u8 = 12;

static SIDES: LazyLock<Vec<Sides>> = LazyLock::new(|| {
    let mut sides = Vec::new();
    for version in [ProtocolVersion::TLSv1_3, ProtocolVersion::TLSv1_2] {
        for suites in [None, Some(null::suites())] {
            for verified in [false, true] {
                sides.push(Sides::new(&Versions::Exactly(vec![version]), suites.clone(), verified));
            }
        }
    }
    sides
});

/// What is done to one flight.
struct Change {
    flight: u8,
    at: usize,
    kind: u8,
    bytes: Vec<u8>,
}

impl Change {
    fn of(u: &mut Unstructured<'_>) -> arbitrary::Result<Self> {
        let (flight, at, kind) = (u.int_in_range(0..=5)?, usize::from(u.arbitrary::<u16>()?), u.arbitrary()?);
        let count = u.int_in_range(1..=16)?;
        Ok(Self { flight, at, kind, bytes: u.bytes(count)?.to_vec() })
    }

    fn apply(&self, flight: &mut Vec<u8>) {
        let at = self.at % (flight.len() + 1);
        let end = flight.len().min(at + self.bytes.len());
        match self.kind % 5 {
            0 => drop(flight.splice(at..end, self.bytes.iter().copied())),
            1 => drop(flight.splice(at..at, self.bytes.iter().copied())),
            2 => drop(flight.drain(at..end)),
            3 => flight.truncate(at),
            _ => flight.extend_from_within(at..),
        }
    }
}

fuzz_target!(|input: &[u8]| {
    let mut u = Unstructured::new(input);
    let (Ok(choice), Ok(piece_bytes)) = (u.arbitrary::<u8>(), u.arbitrary::<u8>()) else {
        return;
    };
    let mut changes = Vec::new();
    while !u.is_empty()
        && let Ok(change) = Change::of(&mut u)
    {
        changes.push(change);
    }
    let sides = &SIDES[usize::from(choice) % SIDES.len()];
    let (mut speaks, mut flight) = End::Going(sides.connect()).advance(&[]);
    let mut listens = End::Going(sides.accept());
    for number in 0..MAX_FLIGHTS {
        changes.iter().filter(|change| change.flight == number).for_each(|change| change.apply(&mut flight));
        let mut answer = Vec::new();
        for piece in pieces(&flight, usize::from(piece_bytes)) {
            let said;
            (listens, said) = listens.advance(piece);
            answer.extend(said);
        }
        flight = answer;
        std::mem::swap(&mut speaks, &mut listens);
    }
    if changes.is_empty() {
        assert!(matches!((speaks, listens), (End::Done(_), End::Done(_))), "a link comes of it");
    }
});
