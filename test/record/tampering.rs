//! Whatever is done to a stream of records on its way, in whatever pieces it arrives: what comes out is what was sealed, up to the
//! first record that is another one, and the peer is told the right thing. In each cipher suite of each version, both ways.

#[path = "../support/mod.rs"]
mod support;

use std::sync::LazyLock;

use proptest::collection::vec;
use proptest::prelude::*;
use rustls::{NamedGroup, ProtocolVersion};
use rustls_dist::config::{ClientSide, ServerSide};
use rustls_dist::key_exchange::Groups;
use support::link::{shake_sides, suites, whole};
use support::pki::Spec;
use support::tampering::{Harm, Sent, play};

/// Two sides for each suite, and its version. Those with RSA differ from those with ECDSA in the handshake alone.
static SIDES: LazyLock<Vec<(ProtocolVersion, ClientSide, ServerSide)>> = LazyLock::new(|| {
    let with_ecdsa = suites().into_iter().filter(|suite| !format!("{:?}", suite.suite()).contains("_RSA_"));
    with_ecdsa
        .map(|suite| {
            let groups = Groups { in_order: Some(vec![NamedGroup::X25519]), ..Groups::default() };
            let spec = Spec { groups, ..Spec::suite(suite) }.unchecked();
            (suite.version().version, spec.client().unwrap(), spec.server().unwrap())
        })
        .collect()
});

/// A case that fails is printed, made as small as can be: it needs no file to be played again. PROPTEST_CASES in the environment
/// is another number of cases for each property.
fn config() -> ProptestConfig {
    let default = ProptestConfig::default();
    let cases = std::env::var_os("PROPTEST_CASES").map_or(64, |_| default.cases);
    ProptestConfig { cases, failure_persistence: None, ..default }
}

/// Lengths of packets, with those around the end of a record.
fn length_bytes() -> impl Strategy<Value = usize> {
    prop_oneof![3 => 0..200_usize, 1 => 16_370..16_390_usize, 1 => 0..60_000_usize]
}

fn sent() -> impl Strategy<Value = Sent> {
    let packets = (vec(length_bytes(), 1..6), vec(any::<usize>(), 0..6))
        .prop_map(|(lengths_bytes, cuts)| Sent::Packets { lengths_bytes, cuts });
    prop_oneof![8 => packets, 2 => Just(Sent::KeyUpdate), 1 => Just(Sent::CloseNotify)]
}

fn harm() -> impl Strategy<Value = Harm> {
    // Bits of headers are a small part of all, and the most telling one.
    let bit = prop_oneof![any::<usize>(), 0..40_usize];
    prop_oneof![
        3 => bit.prop_map(|bit| Harm::Flip { bit }),
        1 => any::<usize>().prop_map(|byte| Harm::Truncate { byte }),
        1 => any::<(usize, usize)>().prop_map(|(record, before)| Harm::Repeat { record, before }),
        1 => any::<(usize, usize)>().prop_map(|(one, other)| Harm::Swap { one, other }),
        1 => any::<usize>().prop_map(|record| Harm::Drop { record }),
        1 => (any::<usize>(), vec(any::<u8>(), 1..40)).prop_map(|(byte, bytes)| Harm::Insert { byte, bytes }),
    ]
}

fn pieces_bytes() -> impl Strategy<Value = Vec<usize>> {
    vec(prop_oneof![0..30_usize, 0..40_000_usize], 0..12)
}

fn max_packets() -> impl Strategy<Value = usize> {
    prop_oneof![Just(usize::MAX), 1..4_usize]
}

fn run(to_server: bool, sent: &[Sent], harms: &[Harm], pieces_bytes: &[usize], max_packets: usize) {
    for (version, client, server) in &*SIDES {
        let shaken = shake_sides(client, server, whole);
        let (mut client, mut server) = (shaken.client.session(), shaken.server.session());
        let direction = match to_server {
            true => (&mut client.tx, &mut server.rx),
            false => (&mut server.tx, &mut client.rx),
        };
        play(direction, *version, sent, harms, pieces_bytes, max_packets);
    }
}

#[test]
fn there_are_three_suites_of_each_version() {
    for wanted in [ProtocolVersion::TLSv1_3, ProtocolVersion::TLSv1_2] {
        assert!(SIDES.iter().filter(|(version, ..)| *version == wanted).count() >= 3);
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn nothing_is_done(
        to_server: bool, sent in vec(sent(), 0..6), pieces in pieces_bytes(), max_packets in max_packets()
    ) {
        run(to_server, &sent, &[], &pieces, max_packets);
    }

    #[test]
    fn one_thing_is_done(
        to_server: bool, sent in vec(sent(), 1..6), harm in harm(), pieces in pieces_bytes(), max_packets in max_packets()
    ) {
        run(to_server, &sent, &[harm], &pieces, max_packets);
    }

    #[test]
    fn several_things_are_done(
        to_server: bool,
        sent in vec(sent(), 1..6),
        harms in vec(harm(), 2..5),
        pieces in pieces_bytes(),
        max_packets in max_packets(),
    ) {
        run(to_server, &sent, &harms, &pieces, max_packets);
    }
}
