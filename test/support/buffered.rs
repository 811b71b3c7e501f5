//! A peer that is rustls' own buffered connection.

use std::io::{Read, Write};

use rustls::Connection;
use rustls_dist::handshake::{Handshake, Progress};
use rustls_dist::session::Session;

/// What the peer wants sent.
pub fn outgoing(peer: &mut Connection) -> Vec<u8> {
    let mut bytes = Vec::new();
    while peer.wants_write() {
        peer.write_tls(&mut bytes).unwrap();
    }
    bytes
}

/// Hands `bytes` to the peer and returns what it read out of them.
pub fn incoming(peer: &mut Connection, mut bytes: &[u8]) -> Vec<u8> {
    let mut read = Vec::new();
    while !bytes.is_empty() {
        peer.read_tls(&mut bytes).unwrap();
        let state = peer.process_new_packets().unwrap();
        let start = read.len();
        read.resize(start + state.plaintext_bytes_to_read(), 0);
        peer.reader().read_exact(&mut read[start..]).unwrap();
    }
    read
}

/// What the peer sends when it is given `plaintext`.
pub fn write(peer: &mut Connection, plaintext: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for part in plaintext.chunks(1 << 14) {
        peer.writer().write_all(part).unwrap();
        bytes.extend(outgoing(peer));
    }
    bytes
}

/// A handshake with our end; returns the session, and what the peer sent after we were done. The peer writes `first`
/// as soon as it can.
pub fn shake(ours: Handshake, peer: &mut Connection, first: &[u8]) -> (Session, Vec<u8>) {
    peer.writer().write_all(first).unwrap();
    let mut ours = Box::new(ours);
    let mut to_ours = Vec::new();
    loop {
        let step = ours.advance(&to_ours).unwrap_or_else(|failure| panic!("{failure:?}"));
        assert!(incoming(peer, &step.send).is_empty());
        to_ours = outgoing(peer);
        ours = match step.progress {
            Progress::Continue(ours) => ours,
            Progress::Done(session) => return (*session, to_ours),
        };
    }
}
