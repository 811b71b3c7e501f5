//! What goes over the wire.

use rustls_dist::record::HEADER_BYTES;

/// The records of a stream, which has nothing else.
pub fn records(stream: &[u8]) -> Vec<Vec<u8>> {
    let mut records = Vec::new();
    let mut rest = stream;
    while let [_, 3, 3, hi, lo, ..] = *rest {
        let (record, behind) = rest.split_at(HEADER_BYTES + usize::from(u16::from_be_bytes([hi, lo])));
        records.push(record.to_vec());
        rest = behind;
    }
    assert!(rest.is_empty());
    records
}
