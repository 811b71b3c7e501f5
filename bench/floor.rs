//! `floor TOTAL_BYTES PACKET_BYTES [SUITE]`: what a link costs without the Erlang VM.
//!
//! A sender and a receiver, each a thread with a blocking socket, over loopback: mutual TLS by this crate's
//! handshake, then TOTAL_BYTES (rounded up to whole packets) in distribution packets with contents of
//! PACKET_BYTES, sealed by `RecordTx` in batches and opened by `RecordRx`. SUITE
//! is a cipher suite in OTP's or OpenSSL's spelling (`TLS_AES_256_GCM_SHA384`). erts cuts a message of more
//! than 64 KiB into packets of 64 KiB; this does not.
//!
//! Prints one line of JSON: megabytes (10^6 bytes of content) per second, and CPU seconds per 10^9 bytes of
//! content, of both ends together and of each; the handshake is in neither. Exits with a panic's code when
//! the contents did not all arrive. The checksum that tells costs the receiver about as much as one pass over
//! the data in cache. Linux only: CPU seconds come from /proc.

#[path = "batch.rs"]
mod batch;
#[path = "../test/support/mod.rs"]
mod support;

use std::env;
use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use batch::{Packets, VARIANTS};
use rustls::SupportedCipherSuite;
use rustls_dist::cipher_names;
use rustls_dist::handshake::{Handshake, Progress};
use rustls_dist::packet::{MAX_PACKET_BYTES, Taken};
use rustls_dist::record::Event;
use rustls_dist::session::Session;
use rustls_dist::trust::policy::ExpectedName;
use rustls_dist::trust::referee::LastWord;
use support::pki::{HOST, Spec};

/// Bytes that one read may take: what the carrier sets `buffer` to.
const READ_BYTES: usize = 262_144;

/// What is to be sent.
struct Plan {
    packets: u64,
    packet_bytes: usize,
    suite: SupportedCipherSuite,
}

/// The sender's end of it.
struct Sent {
    started: Instant,
    cpu: Duration,
}

/// The receiver's end of it.
struct Received {
    ended: Instant,
    cpu: Duration,
    packets: u64,
    checksum: Checksum,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match plan(&arguments) {
        Ok(plan) => {
            println!("{}", run(&plan));
            ExitCode::SUCCESS
        }
        Err(reason) => {
            eprintln!("floor: {reason}\nusage: floor TOTAL_BYTES PACKET_BYTES [SUITE]");
            ExitCode::from(2)
        }
    }
}

fn plan(arguments: &[String]) -> Result<Plan, String> {
    let (total, packet, suite) = match arguments {
        [total, packet] => (total, packet, "TLS_AES_256_GCM_SHA384"),
        [total, packet, suite] => (total, packet, suite.as_str()),
        _ => return Err("two or three arguments are needed".to_owned()),
    };
    let total_bytes: u64 = total.parse().map_err(|error| format!("TOTAL_BYTES {total}: {error}"))?;
    let packet_bytes: usize = packet.parse().map_err(|error| format!("PACKET_BYTES {packet}: {error}"))?;
    if total_bytes == 0 || !(1..=MAX_PACKET_BYTES).contains(&packet_bytes) {
        return Err(format!("TOTAL_BYTES must not be 0, and PACKET_BYTES be 1 to {MAX_PACKET_BYTES}"));
    }
    let suite = cipher_names::parse(suite).map_err(|error| error.to_string())?;
    Ok(Plan { packets: total_bytes.div_ceil(packet_bytes as u64), packet_bytes, suite })
}

/// Runs both ends and describes the outcome in JSON.
fn run(plan: &Plan) -> String {
    let spec = Spec::suite(plan.suite);
    let packets = Packets::new(plan.packet_bytes);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let (ready, go) = channel();
    let (sent, received) = thread::scope(|scope| {
        let receiver = scope.spawn(|| receive(&listener.accept().unwrap().0, &spec, ready));
        let sender = scope.spawn(|| send(&TcpStream::connect(address).unwrap(), &spec, plan, &packets, go));
        (sender.join().unwrap(), receiver.join().unwrap())
    });
    assert_eq!(received.packets, plan.packets, "packets arrived, packets sent");
    assert_eq!(received.checksum, Checksum::expected(&packets, plan.packets), "checksum");
    report(plan, &sent, &received)
}

fn report(plan: &Plan, sent: &Sent, received: &Received) -> String {
    let bytes = plan.packets * plan.packet_bytes as u64;
    let seconds = (received.ended - sent.started).as_secs_f64();
    let per_gb = |cpu: Duration| cpu.as_secs_f64() / bytes as f64 * 1e9;
    format!(
        "{{\"mb_per_s\":{:.1},\"cpu_s_per_gb\":{:.4},\"bytes\":{bytes},\"packet_bytes\":{},\"suite\":\"{}\",\
         \"sender_cpu_s_per_gb\":{:.4},\"receiver_cpu_s_per_gb\":{:.4}}}",
        bytes as f64 / seconds / 1e6,
        per_gb(sent.cpu + received.cpu),
        plan.packet_bytes,
        cipher_names::otp_name(plan.suite.suite()),
        per_gb(sent.cpu),
        per_gb(received.cpu),
    )
}

/// Connects, waits until the receiver is ready, and sends all packets and close_notify.
fn send(mut stream: &TcpStream, spec: &Spec, plan: &Plan, packets: &Packets, go: Receiver<()>) -> Sent {
    stream.set_nodelay(true).unwrap();
    let name = ExpectedName::Host(HOST.to_owned());
    let handshake = Handshake::client(&spec.client().unwrap(), name, LastWord::Webpki).unwrap();
    let mut tx = shake(stream, handshake).tx;
    go.recv().unwrap();
    let (started, cpu_before) = (Instant::now(), thread_cpu());
    let mut next = 0;
    while next < plan.packets {
        let end = plan.packets.min(next + packets.per_batch());
        stream.write_all(&tx.seal(&packets.chunks(next..end)).unwrap()).unwrap();
        next = end;
    }
    stream.write_all(&tx.close_notify().unwrap()).unwrap();
    Sent { started, cpu: thread_cpu() - cpu_before }
}

/// Accepts, says that it is ready, and takes packets until close_notify.
fn receive(mut stream: &TcpStream, spec: &Spec, ready: Sender<()>) -> Received {
    let handshake = Handshake::server(&spec.server().unwrap(), LastWord::Webpki).unwrap();
    let mut rx = shake(stream, handshake).rx;
    rx.set_max_packet_bytes(MAX_PACKET_BYTES);
    let mut input = vec![0; READ_BYTES];
    let (mut packets, mut checksum) = (0, Checksum::default());
    ready.send(()).unwrap();
    let cpu_before = thread_cpu();
    loop {
        let read = stream.read(&mut input).unwrap();
        assert!(read > 0, "the connection ended without close_notify");
        let mut next = Some(0);
        while let Some(at) = next {
            let opened = rx.open(&input[at..read], usize::MAX).unwrap();
            let Taken { buffers, packets: taken } = opened.taken;
            packets += taken.len() as u64;
            taken.into_iter().for_each(|packet| checksum.add(sum(&buffers[packet.buffer][packet.content])));
            if opened.events.contains(&Event::CloseNotify) {
                return Received { ended: Instant::now(), cpu: thread_cpu() - cpu_before, packets, checksum };
            }
            next = opened.unopened_at.map(|behind| at + behind);
        }
    }
}

/// Makes the handshake on a socket.
fn shake(mut stream: &TcpStream, handshake: Handshake) -> Session {
    let mut handshake = Box::new(handshake);
    let mut input = [0; 16_384];
    let mut read = 0;
    loop {
        let step = handshake.advance(&input[..read]).unwrap_or_else(|failure| panic!("{failure:?}"));
        stream.write_all(&step.send).unwrap();
        handshake = match step.progress {
            Progress::Continue(handshake) => handshake,
            Progress::Done(session) => return *session,
        };
        read = stream.read(&mut input).unwrap();
        assert!(read > 0, "the connection ended during the handshake");
    }
}

/// CPU time of the calling thread since it began.
fn thread_cpu() -> Duration {
    let path = "/proc/thread-self/schedstat";
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}"));
    Duration::from_nanos(text.split(' ').next().unwrap().parse().unwrap())
}

/// Tells whether the right packets arrived in the right order. TLS guards the bytes; this guards against a
/// benchmark that leaves some out.
#[derive(Debug, Default, PartialEq, Eq)]
struct Checksum(u64);

impl Checksum {
    /// What the first `count` of `packets` give.
    fn expected(packets: &Packets, count: u64) -> Self {
        let sums: Vec<u64> = (0..VARIANTS).map(|number| sum(packets.content(number))).collect();
        let mut checksum = Self::default();
        (0..count).for_each(|number| checksum.add(sums[(number % VARIANTS) as usize]));
        checksum
    }

    fn add(&mut self, sum: u64) {
        self.0 = self.0.rotate_left(1).wrapping_add(sum);
    }
}

/// The sum of a packet's content in words of 8 bytes, and its length.
fn sum(content: &[u8]) -> u64 {
    let (words, rest) = content.as_chunks::<8>();
    let words = words.iter().fold(0u64, |sum, word| sum.wrapping_add(u64::from_le_bytes(*word)));
    let rest: u64 = rest.iter().map(|byte| u64::from(*byte)).sum();
    words.wrapping_add(rest).wrapping_add(content.len() as u64)
}
