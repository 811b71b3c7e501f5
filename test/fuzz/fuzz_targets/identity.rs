//! The files that a node reads when it starts, and again when they have changed: certificates, trust, private keys. The first byte
//! of the input says what the rest is: the text of a file, or what a section of PEM has in it.
#![no_main]

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use base64ct::{Base64, Encoding};
use libfuzzer_sys::fuzz_target;
use rustls_dist::error::ConfigError;
use rustls_dist::identity::private_key::{self, Password};
use rustls_dist::identity::{Identity, IdentityFiles};
use rustls_dist::pem;
use rustls_dist::trust::{TrustSource, TrustStore};
use rustls_dist_fuzz::folder;

/// The file that is read, one for each process.
static FILE: LazyLock<PathBuf> = LazyLock::new(|| folder().join(format!("file-{}", std::process::id())));

const LABELS: [&str; 7] = [
    "CERTIFICATE",
    "PRIVATE KEY",
    "ENCRYPTED PRIVATE KEY",
    "EC PRIVATE KEY",
    "RSA PRIVATE KEY",
    "DSA PRIVATE KEY",
    "OPENSSH PRIVATE KEY",
];

fuzz_target!(|input: &[u8]| {
    let Some((choice, contents)) = input.split_first() else {
        return;
    };
    let text = match usize::from(choice % 8).checked_sub(1) {
        None => contents.to_vec(),
        Some(label) => {
            let (label, base64) = (LABELS[label], Base64::encode_string(contents));
            format!("-----BEGIN {label}-----\n{base64}\n-----END {label}-----\n").into_bytes()
        }
    };
    std::fs::write(&*FILE, text).unwrap();
    let password = || (choice & 8 != 0).then(|| Password::from(b"password".to_vec()));
    let identity = |certfile: &Path, keyfile: Option<&Path>| {
        let keyfile = keyfile.map(Path::to_owned);
        let files = IdentityFiles { certfile: certfile.to_owned(), keyfile, password: password() };
        has_reason(Identity::load(&files, Some(&TrustSource::File(folder().join("server.pem")))));
    };
    let label = choice % 8;
    if label <= 1 {
        has_reason(pem::certificates(&FILE));
        has_reason(TrustStore::load(&FILE));
        identity(&FILE, Some(&folder().join("server.key")));
    }
    if label != 1 {
        has_reason(private_key::load(&FILE, password().as_ref()));
        identity(&folder().join("server.pem"), Some(&FILE));
    }
    if label == 0 {
        identity(&FILE, None);
    }
});

fn has_reason<T>(outcome: Result<T, ConfigError>) {
    if let Err(error) = outcome {
        let text = error.to_string();
        assert!(!text.is_empty() && text.chars().all(|character| !character.is_control()), "{text:?}");
    }
}
