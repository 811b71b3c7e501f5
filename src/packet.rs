//! Distribution packets: a length of 4 bytes and that many bytes, back to back in the plaintext stream.
//!
//! Inside TLS every packet has this form, those of the distribution handshake included (`inet_tls_dist` uses
//! `{packet, 4}` throughout).

use std::ops::Range;

use crate::error::Error;

/// Length of the length field.
pub const LENGTH_BYTES: usize = 4;

/// The longest packet that is accepted before the peer has shown its cookie. Handshake packets hold a node name;
/// plain distribution cannot send more than 64 KiB either, with its length field of 2 bytes.
pub const MAX_HANDSHAKE_PACKET_BYTES: usize = 1 << 16;

/// The longest packet that is accepted on a link: what the inet driver allows for `{packet, 4}`. Longer messages
/// travel in fragments (erts, `DFLAG_FRAGMENTS`).
pub const MAX_PACKET_BYTES: usize = 1 << 26;

/// The complete packets at the beginning of a stream.
#[derive(Debug, PartialEq, Eq)]
pub struct Split {
    /// Each packet's content.
    pub packets: Vec<Range<usize>>,
    /// Bytes that the packets and their length fields cover.
    pub consumed_bytes: usize,
}

/// Whether `data`, the beginning of a stream, holds a complete packet once it has grown to `grown_bytes`. With less
/// than a length field there is no telling, and the answer is yes.
///
/// # Errors
/// [`Error::PacketTooLong`] as in [`split`].
pub fn may_complete(data: &[u8], grown_bytes: usize, max_packet_bytes: usize) -> Result<bool, Error> {
    match length_field(data, max_packet_bytes)? {
        Some(length_bytes) => Ok(LENGTH_BYTES + length_bytes <= grown_bytes),
        None => Ok(true),
    }
}

/// Finds up to `max_packets` complete packets in `data`.
///
/// # Errors
/// [`Error::PacketTooLong`] when a length field says more than `max_packet_bytes`; it is judged as soon as it is
/// there, before its packet.
pub fn split(data: &[u8], max_packets: usize, max_packet_bytes: usize) -> Result<Split, Error> {
    let mut packets = Vec::new();
    let mut consumed_bytes = 0;
    while packets.len() < max_packets {
        let Some(length_bytes) = length_field(&data[consumed_bytes..], max_packet_bytes)? else {
            break;
        };
        let start = consumed_bytes + LENGTH_BYTES;
        if data.len() - start < length_bytes {
            break;
        }
        packets.push(start..start + length_bytes);
        consumed_bytes = start + length_bytes;
    }
    Ok(Split { packets, consumed_bytes })
}

fn length_field(data: &[u8], max_packet_bytes: usize) -> Result<Option<usize>, Error> {
    let [a, b, c, d, ..] = *data else {
        return Ok(None);
    };
    let length_bytes = u32::from_be_bytes([a, b, c, d]) as usize;
    if length_bytes > max_packet_bytes {
        return Err(Error::PacketTooLong { length_bytes, limit_bytes: max_packet_bytes });
    }
    Ok(Some(length_bytes))
}
