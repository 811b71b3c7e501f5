//! The end of ours that BoringSSL's test runner plays its cases against (`make bogo`): it is told in flags what to be, dials the
//! runner, makes a handshake, and sends back what it is sent, inverted. Packets of ours begin with their length, which the runner is
//! taught.
//!
//! Peers are judged by a referee who accepts everybody, as BoringSSL's own shim does.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv6Addr, Shutdown, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use rustls::time_provider::DefaultTimeProvider;
use rustls::{AlertDescription, NamedGroup, ProtocolVersion};
use rustls_dist::config::{ClientSide, JudgedBy, Options, ServerSide, Verify};
use rustls_dist::error::{RecordError, alert_name};
use rustls_dist::handshake::{Failure, Handshake, Progress};
use rustls_dist::identity::IdentityFiles;
use rustls_dist::key_exchange::Groups;
use rustls_dist::packet::MAX_PACKET_BYTES;
use rustls_dist::provider::{self, Versions};
use rustls_dist::record::Event;
use rustls_dist::session::Session;
use rustls_dist::trust::hostname::CommonNamePolicy;
use rustls_dist::trust::policy::{ClientAuth, ExpectedName};
use rustls_dist::trust::referee::{Case, LastWord, Referee, Ruling};

/// What the runner understands as "this shim does not do that".
const UNIMPLEMENTED: u8 = 89;

const FAILED: u8 = 1;

/// What a shim that writes first says.
const FIRST_WORDS: &[u8] = b"hello";

/// How long the runner may take to read the last alert.
const LINGER: Duration = Duration::from_secs(2);

/// What the flags say.
#[derive(Default)]
struct Flags {
    port: u16,
    is_server: bool,
    certfile: Option<PathBuf>,
    keyfile: Option<PathBuf>,
    versions: Vec<ProtocolVersion>,
    groups: Vec<NamedGroup>,
    host: Option<String>,
    asks_for_certificate: bool,
    needs_certificate: bool,
    writes_first: bool,
    shuts_down: bool,
    checks_close_notify: bool,
    updates_keys: bool,
    expected_version: Option<u16>,
    expected_group: Option<u16>,
}

/// Why there is no link, or no more.
enum End {
    /// The runner wants what this shim does not do, by the flag that says so.
    Unimplemented(String),
    Failed(String),
}

fn failed(why: impl ToString) -> End {
    End::Failed(why.to_string())
}

impl From<std::io::Error> for End {
    fn from(error: std::io::Error) -> Self {
        failed(error)
    }
}

fn main() -> ExitCode {
    // Asked once, before the cases.
    if std::env::args().nth(1).as_deref() == Some("-is-handshaker-supported") {
        println!("No");
        return ExitCode::SUCCESS;
    }
    match flags(std::env::args().skip(1)).and_then(|flags| play(&flags)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(End::Unimplemented(what)) => {
            note(&what);
            ExitCode::from(UNIMPLEMENTED)
        }
        Err(End::Failed(why)) => {
            eprintln!("{why}");
            ExitCode::from(FAILED)
        }
    }
}

/// Adds what is not done to the list that `.ci/bogo` counts.
fn note(what: &str) {
    let log = std::env::var_os("RUSTLS_DIST_BOGO_LOG")
        .and_then(|path| OpenOptions::new().append(true).open(path).ok());
    if let Some(mut log) = log {
        let _ = log.write_all(format!("{what}\n").as_bytes());
    }
}

fn flags(mut words: impl Iterator<Item = String>) -> Result<Flags, End> {
    let mut flags = Flags::default();
    let (mut lowest, mut highest) = (0x0303, 0x0304);
    let (mut excluded, mut groups) = (Vec::new(), Vec::new());
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or_else(|| failed(format!("{word} lacks a value")));
        let number = |text: String| text.parse::<u16>().map_err(failed);
        match word.as_str() {
            "-port" => flags.port = number(value()?)?,
            "-server" => flags.is_server = true,
            "-cert-file" => flags.certfile = Some(value()?.into()),
            "-key-file" => flags.keyfile = Some(value()?.into()),
            "-min-version" => lowest = number(value()?)?,
            "-max-version" => highest = number(value()?)?,
            "-no-tls12" => excluded.push(0x0303),
            "-no-tls13" => excluded.push(0x0304),
            "-curves" => groups.push(NamedGroup::from(number(value()?)?)),
            "-host-name" => flags.host = Some(value()?),
            "-verify-peer" => flags.asks_for_certificate = true,
            "-require-any-client-certificate" => flags.needs_certificate = true,
            "-shim-writes-first" => flags.writes_first = true,
            "-shim-shuts-down" => flags.shuts_down = true,
            "-check-close-notify" => flags.checks_close_notify = true,
            "-key-update" => flags.updates_keys = true,
            "-expect-version" => flags.expected_version = Some(number(value()?)?),
            "-expect-curve-id" => flags.expected_group = Some(number(value()?)?),
            // How BoringSSL's shim calls BoringSSL, and what this library does anyway.
            "-async"
            | "-implicit-handshake"
            | "-no-op-extra-handshake"
            | "-no-tls1"
            | "-no-tls11"
            | "-no-ticket"
            | "-use-custom-verify-callback"
            | "-use-early-callback"
            | "-use-old-client-cert-callback"
            | "-expect-extended-master-secret"
            | "-expect-no-session"
            | "-expect-secure-renegotiation"
            | "-partial-write"
            | "-expect-no-session-id" => {}
            "-read-size" => drop(value()?),
            _ => return Err(End::Unimplemented(word)),
        }
    }
    flags.groups = groups.iter().copied().filter(|group| is_known(*group)).collect();
    if flags.groups.is_empty() && !groups.is_empty() {
        return Err(End::Unimplemented("-curves".to_owned()));
    }
    flags.versions = (0x0303..=0x0304)
        .filter(|version| (lowest..=highest).contains(version) && !excluded.contains(version))
        .map(ProtocolVersion::from)
        .collect();
    match flags.versions.is_empty() {
        true => Err(End::Unimplemented("-max-version".to_owned())),
        false => Ok(flags),
    }
}

fn is_known(group: NamedGroup) -> bool {
    provider::default_provider().kx_groups.iter().any(|known| known.name() == group)
}

/// Accepts everybody.
struct Accepts;

impl Referee for Accepts {
    fn judge(&self, _case: Case) -> Ruling {
        Ruling::Accepted
    }
}

fn options(flags: &Flags) -> Options {
    let verify = match flags.is_server && !flags.asks_for_certificate && !flags.needs_certificate {
        true => Verify::None,
        false => Verify::Peer,
    };
    let identity = flags.certfile.clone().map(|certfile| IdentityFiles {
        certfile,
        keyfile: flags.keyfile.clone(),
        password: None,
    });
    Options {
        identities: identity.into_iter().collect(),
        trust: None,
        verify,
        judged_by: JudgedBy::Referee,
        client_auth: if flags.needs_certificate { ClientAuth::Required } else { ClientAuth::Optional },
        depth: 10,
        versions: Versions::Exactly(flags.versions.clone()),
        cipher_suites: None,
        groups: Groups {
            in_order: (!flags.groups.is_empty()).then(|| flags.groups.clone()),
            for_tls12: None,
        },
        key_update_at_bytes: u64::MAX,
        common_name: CommonNamePolicy::Fallback,
    }
}

fn handshake(flags: &Flags) -> Result<Handshake, End> {
    let options = options(flags);
    let clock = Arc::new(DefaultTimeProvider);
    let last_word = LastWord::Referee(Arc::new(Accepts));
    if flags.is_server {
        let side =
            ServerSide::new(&options, clock).map_err(|_| End::Unimplemented("-key-file".to_owned()))?;
        return Handshake::server(&side, last_word).map_err(failed);
    }
    let side = ClientSide::new(&options, clock).map_err(|_| End::Unimplemented("-key-file".to_owned()))?;
    let name = flags.host.clone().map_or(ExpectedName::Any, ExpectedName::HostByReferee);
    Handshake::client(&side, name, last_word).map_err(failed)
}

fn play(flags: &Flags) -> Result<(), End> {
    let handshake = handshake(flags)?;
    let mut socket = TcpStream::connect(SocketAddr::from((Ipv6Addr::LOCALHOST, flags.port)))
        .or_else(|_| TcpStream::connect(("127.0.0.1", flags.port)))?;
    socket.set_nodelay(true)?;
    let mut session = shake(&mut socket, Box::new(handshake))?;
    let version = u16::from(session.facts.version);
    if flags.expected_version.is_some_and(|expected| expected != version) {
        return Err(failed(format!("version {version:#06x} was negotiated")));
    }
    let group = session.facts.group.map(u16::from);
    if flags.expected_group.is_some_and(|expected| group != Some(expected)) {
        return Err(failed(format!("group {group:?} was negotiated")));
    }
    session.rx.set_max_packet_bytes(MAX_PACKET_BYTES);
    if flags.writes_first {
        send(&mut socket, &mut session, FIRST_WORDS)?;
    }
    if flags.shuts_down {
        socket.write_all(&session.tx.close_notify().map_err(failed)?)?;
    }
    talk(flags, &mut socket, &mut session)
}

/// Makes the handshake.
fn shake(socket: &mut TcpStream, mut handshake: Box<Handshake>) -> Result<Session, End> {
    let mut input = Vec::new();
    loop {
        match handshake.advance(&input) {
            Ok(step) => {
                socket.write_all(&step.send)?;
                match step.progress {
                    Progress::Done(session) => return Ok(*session),
                    Progress::Continue(next) => handshake = next,
                }
            }
            Err(Failure { send, alert, error }) => {
                // A peer that ended the connection is not answered: rustls_dist_handshake does the same.
                let told = alert.map_or("no alert", alert_name);
                last_words(socket, if error.alert().is_some() { &send } else { &[] });
                return Err(failed(format!("{} ({error}), told {told}", error.kind())));
            }
        }
        input = receive(socket)?;
        if input.is_empty() {
            return Err(failed("closed in the handshake"));
        }
    }
}

/// Sends back what comes, until the peer ends the connection.
fn talk(flags: &Flags, socket: &mut TcpStream, session: &mut Session) -> Result<(), End> {
    let mut input = Vec::new();
    loop {
        let opened = match session.rx.open(&input, usize::MAX) {
            Ok(opened) => opened,
            Err(error) => return Err(refuse(socket, session, &error)),
        };
        for packet in opened.taken.packets {
            let content = &opened.taken.buffers[packet.buffer][packet.content];
            let length = u32::try_from(content.len()).map_err(failed)?.to_be_bytes();
            if flags.shuts_down {
                continue;
            }
            if flags.updates_keys {
                socket.write_all(&session.tx.update_keys().map_err(failed)?)?;
            }
            let inverted: Vec<u8> = length.iter().chain(content).map(|byte| byte ^ 0xff).collect();
            send(socket, session, &inverted)?;
        }
        for event in opened.events {
            match event {
                // With the next data; several requests before that have one answer (RFC 8446 section 4.6.3).
                Event::KeyUpdateRequested => {}
                Event::RenegotiationRequested => {
                    socket.write_all(&session.tx.refuse_renegotiation().map_err(failed)?)?;
                }
                Event::CloseNotify => {
                    if let Ok(record) = session.tx.close_notify() {
                        last_words(socket, &record);
                    }
                    return Ok(());
                }
                Event::Alert(alert) => return Err(failed(format!("the peer sent {}", alert_name(alert)))),
            }
        }
        input = match opened.unopened_at {
            Some(at) => input.split_off(at),
            None => {
                let more = receive(socket)?;
                if more.is_empty() {
                    return match flags.checks_close_notify {
                        true => Err(failed("closed without close_notify")),
                        false => Ok(()),
                    };
                }
                more
            }
        };
    }
}

fn refuse(socket: &mut TcpStream, session: &mut Session, error: &RecordError) -> End {
    let record = error.alert().and_then(|alert: AlertDescription| session.tx.alert(alert).ok());
    last_words(socket, &record.unwrap_or_default());
    failed(format!("{} ({error}), told {}", error.kind(), error.alert().map_or("no alert", alert_name)))
}

fn send(socket: &mut TcpStream, session: &mut Session, bytes: &[u8]) -> Result<(), End> {
    let records = session.tx.seal(&[bytes]).map_err(failed)?;
    Ok(socket.write_all(&records)?)
}

fn receive(socket: &mut TcpStream) -> Result<Vec<u8>, End> {
    let mut buffer = vec![0; 32 * 1024];
    let bytes = match socket.read(&mut buffer) {
        Err(error) if error.kind() == ErrorKind::ConnectionReset => 0,
        read => read?,
    };
    buffer.truncate(bytes);
    Ok(buffer)
}

/// Sends the last bytes so that they arrive: a socket that is closed with input unread resets the connection.
fn last_words(socket: &mut TcpStream, bytes: &[u8]) {
    let _ = socket.write_all(bytes);
    let _ = socket.shutdown(Shutdown::Write);
    let _ = socket.set_read_timeout(Some(LINGER));
    let _ = std::io::copy(socket, &mut std::io::sink());
}
