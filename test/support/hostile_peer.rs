//! `hostile_peer PORT tlsv1.2|tlsv1.3 CERTIFICATE KEY`: a client of a node on this host that has shown its certificate and now does
//! what it is told, rightly or wrongly. rustls_dist_raw_peer drives it.
//!
//! Commands come on standard input, and what happens is told on standard output, each with its length in 4 bytes before
//! it. It ends with its standard input.
//!
//! | command | what it does |
//! |---|---|
//! | `s` TYPE CONTENT | seals a record of that type and sends it |
//! | `c` TYPE BYTES:32 | seals and sends records of one byte each, so many |
//! | `k` REQUEST | sends a KeyUpdate and renews its keys |
//! | `w` BYTES | sends bytes as they are |
//! | `t` MS:32 TYPE CONTENT | seals a record and sends it byte by byte, with a pause behind each |
//! | `f` COUNT:32 LENGTH:32 COMMAND ... | does the commands behind it so many times; each has its LENGTH before it |
//! | `l` MS:32 | reads from now on; with a pause behind each byte unless MS is 0 |
//! | `q` | reads nothing any more, but for what is read just now |
//! | `F` | ends its direction (FIN) |
//!
//! | it says | when |
//! |---|---|
//! | `h` | the TLS handshake is over |
//! | `r` TYPE CONTENT | a record arrived |
//! | `e` TEXT | the node ended the connection: `closed` or what the system calls it |

#[path = "mod.rs"]
mod support;

use std::env;
use std::fs;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpStream};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rustls::{ContentType, ProtocolVersion};
use support::pki::Pair;
use support::raw::{Raw, client_config_showing};

const HEADER_BYTES: usize = 5;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [port, version, certificate, key] = &arguments[..] else {
        eprintln!("usage: hostile_peer PORT tlsv1.2|tlsv1.3 CERTIFICATE KEY");
        return ExitCode::from(2);
    };
    let version = match version.as_str() {
        "tlsv1.2" => ProtocolVersion::TLSv1_2,
        _ => ProtocolVersion::TLSv1_3,
    };
    let read = |file| fs::read_to_string(file).unwrap();
    let identity = Pair { chain: read(certificate), key: read(key) };
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port.parse().unwrap())).unwrap();
    stream.set_nodelay(true).unwrap();
    match Raw::dial(&mut stream, client_config_showing(version, &identity)) {
        Ok((raw, behind)) => {
            say(b'h', &[]);
            let raw = Arc::new(Mutex::new(raw));
            Peer { stream, raw, behind: Some(behind), deaf: Arc::default() }.obey();
        }
        Err(error) => say(b'e', error.to_string().as_bytes()),
    }
    // What is left to say is said when whoever listens has gone.
    let _ = io::copy(&mut io::stdin(), &mut io::sink());
    ExitCode::SUCCESS
}

struct Peer {
    stream: TcpStream,
    raw: Arc<Mutex<Raw>>,
    /// What arrived behind the handshake, until it is read.
    behind: Option<Vec<u8>>,
    deaf: Arc<AtomicBool>,
}

impl Peer {
    /// Does what standard input says. That the node has gone is told by who reads.
    fn obey(&mut self) {
        while let Some(command) = heard() {
            if self.act(&command).is_err() {
                return;
            }
        }
    }

    fn act(&mut self, command: &[u8]) -> io::Result<()> {
        match command {
            [b's', typ, content @ ..] => {
                let record = self.seal(*typ, content);
                self.stream.write_all(&record)
            }
            [b'c', typ, rest @ ..] => {
                let records: Vec<u8> = (0..number(rest).0).flat_map(|_| self.seal(*typ, &[0])).collect();
                self.stream.write_all(&records)
            }
            [b'k', request] => {
                let record = self.raw.lock().unwrap().key_update(*request);
                self.stream.write_all(&record)
            }
            [b'w', bytes @ ..] => self.stream.write_all(bytes),
            [b't', rest @ ..] => {
                let (pause_ms, rest) = number(rest);
                let record = self.seal(rest[0], &rest[1..]);
                record.iter().try_for_each(|byte| {
                    self.stream.write_all(&[*byte])?;
                    pause(pause_ms);
                    Ok(())
                })
            }
            [b'f', rest @ ..] => {
                let (count, commands) = number(rest);
                (0..count).try_for_each(|_| self.act_each(commands))
            }
            [b'l', rest @ ..] => {
                self.listen(number(rest).0);
                Ok(())
            }
            [b'q'] => {
                self.deaf.store(true, Ordering::Relaxed);
                Ok(())
            }
            [b'F'] => self.stream.shutdown(Shutdown::Write),
            other => panic!("{other:?} is no command"),
        }
    }

    fn act_each(&mut self, mut commands: &[u8]) -> io::Result<()> {
        while !commands.is_empty() {
            let (length, rest) = number(commands);
            let (command, rest) = rest.split_at(length as usize);
            self.act(command)?;
            commands = rest;
        }
        Ok(())
    }

    fn seal(&self, typ: u8, content: &[u8]) -> Vec<u8> {
        self.raw.lock().unwrap().seal(ContentType::from(typ), content)
    }

    fn listen(&mut self, pause_ms: u32) {
        let Some(mut received) = self.behind.take() else { return };
        let mut stream = self.stream.try_clone().unwrap();
        let (raw, deaf) = (Arc::clone(&self.raw), Arc::clone(&self.deaf));
        thread::spawn(move || {
            let mut buffer = vec![0; if pause_ms == 0 { 65536 } else { 1 }];
            while !deaf.load(Ordering::Relaxed) {
                tell(&mut received, &raw);
                match stream.read(&mut buffer) {
                    Ok(0) => return say(b'e', b"closed"),
                    Ok(read) => received.extend_from_slice(&buffer[..read]),
                    Err(error) => return say(b'e', text(&error).as_bytes()),
                }
                pause(pause_ms);
            }
        });
    }
}

/// Says what is in the records that are complete.
fn tell(received: &mut Vec<u8>, raw: &Mutex<Raw>) {
    while let [_, _, _, hi, lo, ..] = received[..] {
        let length = HEADER_BYTES + usize::from(u16::from_be_bytes([hi, lo]));
        if received.len() < length {
            return;
        }
        let record: Vec<u8> = received.drain(..length).collect();
        for (typ, content) in raw.lock().unwrap().open(&record) {
            say(b'r', &[&[u8::from(typ)], &content[..]].concat());
        }
    }
}

fn pause(pause_ms: u32) {
    thread::sleep(Duration::from_millis(pause_ms.into()));
}

fn number(bytes: &[u8]) -> (u32, &[u8]) {
    let (number, rest) = bytes.split_first_chunk().expect("a number has four bytes");
    (u32::from_be_bytes(*number), rest)
}

fn text(error: &io::Error) -> String {
    format!("{:?}", error.kind())
}

fn heard() -> Option<Vec<u8>> {
    let mut length = [0; 4];
    io::stdin().read_exact(&mut length).ok()?;
    let mut command = vec![0; u32::from_be_bytes(length) as usize];
    io::stdin().read_exact(&mut command).ok()?;
    Some(command)
}

fn say(what: u8, content: &[u8]) {
    let length = u32::try_from(1 + content.len()).expect("records are short");
    let mut out = io::stdout().lock();
    // Who does not listen any more wants to hear nothing.
    let _ = out.write_all(&[&length.to_be_bytes()[..], &[what], content].concat()).and_then(|()| out.flush());
}
