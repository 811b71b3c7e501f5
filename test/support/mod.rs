//! A temporary folder in which tests make keys and certificates with the `openssl` command; in the modules, what
//! the tests of sessions share.

#![allow(dead_code, reason = "each test program uses a part of it")]

pub mod buffered;
pub mod exact;
pub mod link;
pub mod pki;
pub mod provider;
pub mod raw;
pub mod suites;
pub mod tampering;
pub mod wire;

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

/// A folder of its own for one test; removed with everything in it when dropped.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("rustls_dist_test_{}_{number}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub fn write(&self, name: &str, contents: impl AsRef<[u8]>) -> PathBuf {
        fs::write(self.path(name), contents).unwrap();
        self.path(name)
    }

    /// Writes the contents of `parts`, one after the other, to `name`.
    pub fn join(&self, name: &str, parts: &[&str]) -> PathBuf {
        let contents: Vec<u8> = parts.iter().flat_map(|part| fs::read(self.path(part)).unwrap()).collect();
        self.write(name, contents)
    }

    /// Runs `openssl` with the words of `arguments` in the folder and returns what it printed.
    pub fn openssl(&self, arguments: &str) -> Vec<u8> {
        let mut command = Command::new("openssl");
        let output = command.args(arguments.split_whitespace()).current_dir(&self.0).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "openssl {arguments}: {said}");
        output.stdout
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}
