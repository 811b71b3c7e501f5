//! Distribution packets: a length of 4 bytes and that many bytes, back to back in the plaintext stream.
//!
//! Inside TLS every packet has this form, those of the distribution handshake included (`inet_tls_dist` uses
//! `{packet, 4}` throughout).

mod assembly;
mod buffer;

pub use assembly::{Assembly, Packet, SLACK_BYTES, Taken};
pub use buffer::Buffer;

use crate::error::RecordError;

/// Length of the length field.
pub const LENGTH_BYTES: usize = 4;

/// The longest packet that is accepted before the peer has shown its cookie. Handshake packets hold a node name;
/// plain distribution cannot send more than 64 KiB either, with its length field of 2 bytes.
pub const MAX_HANDSHAKE_PACKET_BYTES: usize = 1 << 16;

/// The longest packet that is accepted on a link: what the inet driver allows for `{packet, 4}`. Longer messages
/// travel in fragments (erts, `DFLAG_FRAGMENTS`).
pub const MAX_PACKET_BYTES: usize = 1 << 26;

/// The length field at the beginning of `data`, if it is there. It is judged before its packet is.
fn length_field(data: &[u8], max_packet_bytes: usize) -> Result<Option<usize>, RecordError> {
    let [a, b, c, d, ..] = *data else {
        return Ok(None);
    };
    let length_bytes = u32::from_be_bytes([a, b, c, d]) as usize;
    if length_bytes > max_packet_bytes {
        return Err(RecordError::PacketTooLong { length_bytes, limit_bytes: max_packet_bytes });
    }
    Ok(Some(length_bytes))
}
