//! The JSON that the benchmark leaves, as far as it is shown.

use std::error::Error;
use std::fs;
use std::path::Path;

use serde::Deserialize;

/// One run on one OTP release.
#[derive(Deserialize)]
pub struct Outcome {
    pub rounds: u32,
    pub machine: Machine,
    pub throughput: Vec<Throughput>,
    pub round_trip: Vec<RoundTrip>,
    pub scheduler: Vec<Lateness>,
    pub setup: Vec<Setup>,
    pub at_once: Vec<AtOnce>,
    pub idle_link: Vec<IdleLink>,
    pub nif_calls: Vec<NifCall>,
    pub mesh: Vec<Mesh>,
    pub slow: Vec<Slow>,
    pub ratios: Vec<Ratio>,
}

/// What the figures were measured on.
#[derive(Deserialize)]
pub struct Machine {
    /// What it is called, in small letters, digits and dashes.
    pub name: String,
    pub cpu: String,
    pub cores: u32,
    pub memory_gib: u32,
    pub kernel: String,
    pub system: String,
    pub otp: String,
    pub erts: String,
    pub ssl: String,
    pub openssl: String,
    pub rustc: String,
    pub commit: String,
    pub date: String,
    /// Processes that wanted to run in the minute before the start.
    pub load: f64,
}

/// One carrier in one situation. `size` is in bytes, `directions` 1 or 2.
#[derive(Deserialize)]
pub struct Throughput {
    pub carrier: String,
    pub size: u64,
    pub senders: u32,
    pub peers: u32,
    pub directions: u32,
    pub messages_per_s: f64,
    pub mb_per_s: f64,
    pub cpu_s_per_gb: f64,
    pub cpu_s_per_million: f64,
    /// Messages a second of each run.
    pub runs: Vec<f64>,
}

impl Throughput {
    /// One sender, one peer, one way: the situation that carriers are compared in.
    pub fn is_main(&self) -> bool {
        (self.senders, self.peers, self.directions) == (1, 1, 1)
    }
}

/// `load` is `idle`, `same_link` or `other_link`.
#[derive(Deserialize)]
pub struct RoundTrip {
    pub carrier: String,
    pub load: String,
    pub size: u64,
    pub p50_us: f64,
    pub p99_us: f64,
    /// Of the run where it is highest.
    pub p99_worst_us: f64,
    pub p999_us: f64,
    pub samples: f64,
    pub runs: u32,
}

/// How late a process of the `sender` or `receiver` node runs.
#[derive(Deserialize)]
pub struct Lateness {
    pub carrier: String,
    pub node: String,
    pub p50_us: f64,
    pub p99_us: f64,
    pub p999_us: f64,
    pub max_us: f64,
}

/// Links one after the other.
#[derive(Deserialize)]
pub struct Setup {
    pub carrier: String,
    pub p50_us: f64,
    pub p99_us: f64,
}

/// Links at the same moment.
#[derive(Deserialize)]
pub struct AtOnce {
    pub carrier: String,
    pub nodes: f64,
    pub refused: f64,
    pub p50_ms: f64,
    pub all_ms: f64,
}

/// What one more idle link takes.
#[derive(Deserialize)]
pub struct IdleLink {
    pub carrier: String,
    pub vm_bytes: f64,
    pub rss_bytes: f64,
    pub processes: f64,
}

/// How long a call into Rust holds a normal scheduler.
#[derive(Deserialize)]
pub struct NifCall {
    pub call: String,
    pub cipher: String,
    pub p50_us: f64,
    pub p99_us: f64,
    pub max_us: f64,
    pub samples: f64,
}

/// Nodes that all connect to each other.
#[derive(Deserialize)]
pub struct Mesh {
    pub carrier: String,
    pub nodes: u32,
    pub runs: u32,
    pub p50_ms: f64,
    pub all_ms: f64,
}

/// A receiver that takes no messages: memory for each byte that waits; and one whose node does nothing: what a sender gets
/// rid of before it is suspended, and what its node holds of it.
#[derive(Deserialize)]
pub struct Slow {
    pub carrier: String,
    pub size: u64,
    pub receiver_per_byte: f64,
    pub sender_per_byte: f64,
    pub taken_bytes: f64,
    pub held_bytes: f64,
}

/// One row of the targets.
#[derive(Deserialize)]
pub struct Ratio {
    pub figure: String,
    pub against: String,
    pub value: f64,
    pub bound: f64,
    /// `at_least` or `at_most`.
    pub kind: String,
    pub met: bool,
}

/// The results of full runs in `folder`, `result-MACHINE-otpNN.json`, by machine and release.
///
/// # Errors
/// When the folder cannot be read, or one of the files, or it is not such a result, or the machine has a name that cannot be
/// that of a file.
pub fn read_all(folder: &Path) -> Result<Vec<Outcome>, Box<dyn Error>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        // Files without a machine in their name are those of earlier versions.
        let named = name.starts_with("result-") && !name.starts_with("result-otp");
        if named && name.ends_with(".json") && !name.ends_with("-quick.json") {
            files.push(path);
        }
    }
    files.sort();
    files.iter().map(|file| read(file)).collect()
}

fn read(file: &Path) -> Result<Outcome, Box<dyn Error>> {
    let text = fs::read_to_string(file)?;
    let outcome: Outcome =
        serde_json::from_str(&text).map_err(|error| format!("{}: {error}", file.display()))?;
    let name = &outcome.machine.name;
    if name.is_empty() || !name.chars().all(|char| matches!(char, 'a'..='z' | '0'..='9' | '-')) {
        return Err(format!("{}: a machine cannot be called {name:?}", file.display()).into());
    }
    Ok(outcome)
}
