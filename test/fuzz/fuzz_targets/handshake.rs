//! The first bytes of a connection, as anybody may send them to a listening node, in two pieces: the first byte of the
//! input says where the cut is.
#![no_main]

use std::sync::{Arc, LazyLock};

use libfuzzer_sys::fuzz_target;
use rustls::time_provider::DefaultTimeProvider;
use rustls_dist::config::{JudgedBy, Options, ServerSide, Verify};
use rustls_dist::handshake::{Handshake, Progress};
use rustls_dist::trust::hostname::CommonNamePolicy;
use rustls_dist::identity::IdentityFiles;
use rustls_dist::key_exchange::Groups;
use rustls_dist::provider::Versions;
use rustls_dist::trust::referee::LastWord;
use rustls_dist::trust::policy::ClientAuth;

/// Its certificate and key are where `make fuzz` put them.
static SERVER: LazyLock<ServerSide> = LazyLock::new(|| {
    let folder = std::path::PathBuf::from(std::env::var_os("RUSTLS_DIST_FUZZ").unwrap());
    let identity = IdentityFiles {
        certfile: folder.join("server.pem"),
        keyfile: Some(folder.join("server.key")),
        password: None,
    };
    let options = Options {
        identities: vec![identity],
        trust: None,
        verify: Verify::Peer,
        judged_by: JudgedBy::Referee,
        client_auth: ClientAuth::Required,
        depth: 10,
        versions: Versions::Default,
        cipher_suites: None,
        groups: Groups::default(),
        key_update_at_bytes: u64::MAX,
        common_name: CommonNamePolicy::Ignore,
    };
    ServerSide::new(&options, Arc::new(DefaultTimeProvider)).unwrap()
});

fuzz_target!(|input: &[u8]| {
    let Some((&cut, bytes)) = input.split_first() else {
        return;
    };
    let handshake = Box::new(Handshake::server(&SERVER, LastWord::Webpki).unwrap());
    let (first, second) = bytes.split_at(usize::from(cut).min(bytes.len()));
    match handshake.advance(first) {
        Ok(step) => {
            if let Progress::Continue(handshake) = step.progress {
                let _ = handshake.advance(second);
            }
        }
        Err(failure) => assert!(!failure.error.to_string().is_empty()),
    }
});
