//! Two ends of ours and the wire between them.

use rustls::SupportedCipherSuite;
use rustls_dist::config::{ClientSide, ServerSide};
use rustls_dist::error::{HandshakeError, RecordError};
use rustls_dist::handshake::{Failure, Handshake, Progress};
use rustls_dist::packet::{Packet, Taken};
use rustls_dist::record::{Event, RecordRx};
use rustls_dist::session::Session;
use rustls_dist::trust::policy::ExpectedName;
use rustls_dist::trust::referee::LastWord;

use super::pki::{HOST, Spec};

/// One end of a handshake.
pub enum End {
    Going(Box<Handshake>),
    Done(Box<Session>),
    Failed(Failure),
}

impl End {
    /// Takes bytes of the peer while the handshake lasts, then adds them to `rest`; returns what is to be sent.
    fn feed(&mut self, input: &[u8], rest: &mut Vec<u8>) -> Vec<u8> {
        // Put back by every arm but the first.
        let placeholder =
            Self::Failed(Failure { send: Vec::new(), alert: None, error: HandshakeError::Closed });
        let (next, send) = match std::mem::replace(self, placeholder) {
            Self::Going(handshake) => match handshake.advance(input) {
                Ok(step) => match step.progress {
                    Progress::Continue(handshake) => (Self::Going(handshake), step.send),
                    Progress::Done(session) => (Self::Done(session), step.send),
                },
                Err(failure) => {
                    let send = failure.send.clone();
                    (Self::Failed(failure), send)
                }
            },
            other => {
                rest.extend_from_slice(input);
                (other, Vec::new())
            }
        };
        *self = next;
        send
    }

    pub fn session(self) -> Session {
        match self {
            Self::Done(session) => *session,
            Self::Going(_) => panic!("the handshake is not over"),
            Self::Failed(failure) => panic!("the handshake failed: {:?}", failure.error),
        }
    }

    pub fn failure(self) -> Failure {
        match self {
            Self::Failed(failure) => failure,
            Self::Going(_) => panic!("the handshake is not over"),
            Self::Done(_) => panic!("the handshake succeeded"),
        }
    }
}

/// How both ends came out, and what arrived after each was over.
pub struct Shaken {
    pub client: End,
    pub server: End,
    pub rest_for_client: Vec<u8>,
    pub rest_for_server: Vec<u8>,
}

/// Runs a handshake to its end; `cut` decides in what pieces a flight arrives.
pub fn shake(client: Handshake, server: Handshake, cut: impl Fn(&[u8]) -> Vec<Vec<u8>>) -> Shaken {
    let mut shaken = Shaken {
        client: End::Going(Box::new(client)),
        server: End::Going(Box::new(server)),
        rest_for_client: Vec::new(),
        rest_for_server: Vec::new(),
    };
    let mut to_server = shaken.client.feed(&[], &mut Vec::new());
    while !to_server.is_empty() {
        let pieces = cut(&to_server);
        let answers = pieces.iter().flat_map(|piece| shaken.server.feed(piece, &mut shaken.rest_for_server));
        let to_client: Vec<u8> = answers.collect();
        let pieces = cut(&to_client);
        let answers = pieces.iter().flat_map(|piece| shaken.client.feed(piece, &mut shaken.rest_for_client));
        to_server = answers.collect();
    }
    shaken
}

/// A flight in one piece.
pub fn whole(flight: &[u8]) -> Vec<Vec<u8>> {
    vec![flight.to_vec()]
}

/// A handshake between the two sides, for [`HOST`].
pub fn shake_sides(client: &ClientSide, server: &ServerSide, cut: impl Fn(&[u8]) -> Vec<Vec<u8>>) -> Shaken {
    let client = Handshake::client(client, ExpectedName::Host(HOST.to_owned()), LastWord::Webpki).unwrap();
    shake(client, Handshake::server(server, LastWord::Webpki).unwrap(), cut)
}

/// A handshake between sides made of `client` and `server`.
pub fn shake_specs(client: &Spec, server: &Spec) -> Shaken {
    shake_sides(&client.client().unwrap(), &server.server().unwrap(), whole)
}

/// The client's and the server's session of a link where both sides are made of `spec`.
pub fn sessions(spec: &Spec) -> (Session, Session) {
    let shaken = shake_specs(spec, spec);
    assert!(shaken.rest_for_client.is_empty() && shaken.rest_for_server.is_empty());
    (shaken.client.session(), shaken.server.session())
}

/// Every cipher suite of the provider.
pub fn suites() -> Vec<SupportedCipherSuite> {
    rustls_dist::provider::default_provider().cipher_suites
}

/// A packet with its length field.
pub fn packet(content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).unwrap();
    [&length.to_be_bytes(), content].concat()
}

/// Content that repeats only after 64 KiB or so.
pub fn content(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|index| ((index % 251) ^ (index / 251)) as u8).collect()
}

/// Opens `input` and returns all packets and events.
pub fn open(rx: &mut RecordRx, input: &[u8]) -> Result<(Vec<Vec<u8>>, Vec<Event>), RecordError> {
    open_some(rx, input, usize::MAX)
}

/// Opens `input`, with as many calls as that takes, and returns up to `max_packets` packets and the events.
pub fn open_some(
    rx: &mut RecordRx,
    input: &[u8],
    max_packets: usize,
) -> Result<(Vec<Vec<u8>>, Vec<Event>), RecordError> {
    let (mut packets, mut events) = (Vec::new(), Vec::new());
    let mut rest = input;
    loop {
        let opened = rx.open(rest, max_packets - packets.len())?;
        packets.extend(contents(&opened.taken));
        events.extend(opened.events);
        match opened.unopened_at {
            Some(at) => rest = &rest[at..],
            None => return Ok((packets, events)),
        }
    }
}

/// What is in the packets.
pub fn contents(taken: &Taken<Vec<u8>>) -> Vec<Vec<u8>> {
    let content = |packet: &Packet| taken.buffers[packet.buffer][packet.content.clone()].to_vec();
    taken.packets.iter().map(content).collect()
}

/// Opens `input`, in which there may be nothing but packets.
pub fn packets(rx: &mut RecordRx, input: &[u8]) -> Vec<Vec<u8>> {
    let (packets, events) = open(rx, input).unwrap();
    assert_eq!(events, []);
    packets
}
