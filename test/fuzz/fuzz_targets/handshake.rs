//! The first bytes of a connection, as anybody may send them: to a listening node, or to one that connected. The first byte of the
//! input says which, and the versions; the second in pieces of what length they arrive.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use rustls::ProtocolVersion;
use rustls_dist::provider::Versions;
use rustls_dist_fuzz::{End, Sides, pieces};

static SIDES: LazyLock<[Sides; 3]> = LazyLock::new(|| {
    let exactly = |version| Versions::Exactly(vec![version]);
    [Versions::Default, exactly(ProtocolVersion::TLSv1_3), exactly(ProtocolVersion::TLSv1_2)]
        .map(|versions| Sides::new(&versions, None, true))
});

fuzz_target!(|input: &[u8]| {
    let [choice, piece_bytes, bytes @ ..] = input else {
        return;
    };
    let sides = &SIDES[usize::from(choice / 2) % SIDES.len()];
    let mut end = match choice % 2 {
        0 => End::Going(sides.accept()),
        _ => End::Going(sides.connect()).advance(&[]).0,
    };
    for piece in pieces(bytes, usize::from(*piece_bytes)) {
        (end, _) = end.advance(piece);
        assert!(!matches!(end, End::Done(_)), "nobody proves a key by chance");
    }
});
