//! The cases of x509-limbo (<https://x509-limbo.com>, C2SP, Apache-2.0): each goes through the judgement of chain and host name, and
//! through a whole handshake where it has a key. Where this library judges otherwise than x509-limbo expects, a row of
//! doc/verification.md says how and why, and this test holds the table against what comes out.
//!
//! The data are not part of this repository: `X509_LIMBO` names their file, limbo.json; else `x509-limbo/limbo.json` is looked
//! for in the folders beside the checkout. Without it nothing is played, and the test says so.

#[path = "../support/mod.rs"]
mod support;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls_dist::certificate::CertificateFacts;
use rustls_dist::error::HandshakeError;
use rustls_dist::handshake::Handshake;
use rustls_dist::provider::NAME;
use rustls_dist::trust::chain::{self, PeerRole};
use rustls_dist::trust::hostname::{self, CommonNamePolicy};
use rustls_dist::trust::policy::ExpectedName;
use rustls_dist::trust::referee::LastWord;
use rustls_dist::trust::{TrustSource, TrustStore};
use serde::Deserialize;
use support::link::{End, shake, whole};
use support::pki::{EC, Pair, Spec};

/// OTP's default.
const DEPTH: usize = 10;

const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/doc/verification.md");
/// How many handshakes there are, and why there are no others: a node does not begin with such a chain, key or trust store, or
/// TLS has no room for it.
const PLAYED: usize = 168;
const TOO_LARGE: &str = "handshake_too_large";
const NOT_SHOWN: [(&str, usize); 4] =
    [("chain_too_long", 4), (TOO_LARGE, 1), ("no_trust_anchor", 4), ("unsupported_key", 4)];

const BEGIN: &str = "<!-- limbo -->";
const END: &str = "<!-- end of limbo -->";

#[derive(Deserialize)]
struct Limbo {
    testcases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    id: String,
    validation_kind: String,
    trusted_certs: Vec<String>,
    untrusted_intermediates: Vec<String>,
    peer_certificate: String,
    peer_certificate_key: Option<String>,
    validation_time: Option<String>,
    expected_result: String,
    expected_peer_name: Option<Name>,
    max_chain_depth: Option<usize>,
    crls: Vec<String>,
}

#[derive(Deserialize)]
struct Name {
    value: String,
}

/// A case's outcome, or what x509-limbo or the document says of it: taken, or refused; for what reason, where there is one.
#[derive(Debug, Clone, PartialEq)]
enum Outcome {
    Takes,
    Refuses(String),
}

impl Outcome {
    fn of(result: Result<(), HandshakeError>) -> (Self, String) {
        match result {
            Ok(()) => (Self::Takes, String::new()),
            Err(error) => (Self::Refuses(error.kind().to_owned()), error.to_string()),
        }
    }

    fn takes(&self) -> bool {
        *self == Self::Takes
    }

    fn cell(&self) -> String {
        match self {
            Self::Takes => "takes".to_owned(),
            Self::Refuses(kind) => format!("refuses: `{kind}`"),
        }
    }
}

impl Case {
    fn expects_success(&self) -> bool {
        self.expected_result == "SUCCESS"
    }

    fn role(&self) -> PeerRole {
        match self.validation_kind.as_str() {
            "SERVER" => PeerRole::Server,
            "CLIENT" => PeerRole::Client,
            other => panic!("{}: a peer of the kind {other}", self.id),
        }
    }

    fn depth(&self) -> usize {
        self.max_chain_depth.unwrap_or(DEPTH)
    }

    fn now(&self) -> UnixTime {
        let since_epoch = match &self.validation_time {
            Some(time) => Duration::from_secs(unix_s(time)),
            None => SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap(),
        };
        UnixTime::since_unix_epoch(since_epoch)
    }

    fn chain(&self) -> Vec<CertificateDer<'static>> {
        ders([&self.peer_certificate].into_iter().chain(&self.untrusted_intermediates))
    }

    /// The judgement of chain and host name, as the verifier puts them together.
    fn judge(&self) -> (Outcome, String) {
        let trusted = TrustSource::Certificates(ders(&self.trusted_certs));
        let trust = match TrustStore::from_source(&trusted) {
            Ok(trust) => trust,
            Err(error) => return (Outcome::Refuses(error.cause().kind().to_owned()), error.to_string()),
        };
        let chain = self.chain();
        Outcome::of(self.judge_with(&trust, &chain))
    }

    fn judge_with(&self, trust: &TrustStore, chain: &[CertificateDer<'_>]) -> Result<(), HandshakeError> {
        let (peer, intermediates) = chain.split_first().unwrap();
        let verified = chain::verify(trust, self.depth(), peer, intermediates, self.role(), self.now())?;
        match &self.expected_peer_name {
            Some(Name { value }) if self.role() == PeerRole::Server => {
                let facts = CertificateFacts::from_der(peer)?;
                hostname::verify(&facts, value, CommonNamePolicy::Fallback, verified.names()).map(|_| ())
            }
            _ => Ok(()),
        }
    }

    /// A handshake in which one end shows the chain and the other judges it. `None`: no end of ours can show it, for the reason
    /// that is given.
    fn handshake(&self, key: &str) -> Result<Outcome, String> {
        let chain = [std::slice::from_ref(&self.peer_certificate), &self.untrusted_intermediates].concat();
        let shown = Pair { chain: chain.concat(), key: key.to_owned() };
        let now_unix_s = self.now().as_secs();
        let shows = Spec { identities: vec![shown], trust: None, now_unix_s, ..Spec::default() }.unchecked();
        let judges = Spec {
            identities: vec![EC.clone()],
            trust: Some(self.trusted_certs.concat()),
            depth: self.depth(),
            now_unix_s,
            ..Spec::default()
        };
        let (client, server, name) = match (self.role(), &self.expected_peer_name) {
            (PeerRole::Server, Some(name)) => (judges, shows, ExpectedName::Host(name.value.clone())),
            (PeerRole::Server, None) => (judges, shows, ExpectedName::Any),
            (PeerRole::Client, _) => (shows, judges, ExpectedName::Any),
        };
        let config = |error: rustls_dist::error::ConfigError| error.cause().kind().to_owned();
        let client = client.client().map_err(config)?;
        let server = server.server().map_err(config)?;
        let client = Handshake::client(&client, name, LastWord::Webpki).unwrap();
        let shaken = shake(client, Handshake::server(&server, LastWord::Webpki).unwrap(), whole);
        let judge = match self.role() {
            PeerRole::Server => shaken.client,
            PeerRole::Client => shaken.server,
        };
        match judge {
            End::Done(_) => Ok(Outcome::Takes),
            End::Failed(failure) => Ok(Outcome::Refuses(failure.error.kind().to_owned())),
            End::Going(_) => panic!("{}: the handshake is not over", self.id),
        }
    }
}

fn ders<'a>(pems: impl IntoIterator<Item = &'a String>) -> Vec<CertificateDer<'static>> {
    pems.into_iter().map(|pem| CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()).collect()
}

/// Seconds since 1970 of a time like `2024-03-01T00:00:00.999+00:00`, without the fraction.
fn unix_s(time: &str) -> u64 {
    assert!(time.ends_with("+00:00"), "{time}");
    let number = |from: usize, to: usize| time[from..to].parse::<u64>().unwrap();
    let (year, month, day) = (number(0, 4), number(5, 7), number(8, 10));
    // Years that begin in March, so that a leap day is the last of one.
    let (year, month) = if month < 3 { (year - 1, month + 9) } else { (year, month - 3) };
    let days_before_1970 = 719_468;
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1;
    (days - days_before_1970) * 86_400 + number(11, 13) * 3_600 + number(14, 16) * 60 + number(17, 19)
}

/// The file of the cases.
fn file() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("X509_LIMBO") {
        return Some(named.into());
    }
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).parent()?;
    let folders = std::fs::read_dir(beside).ok()?.filter_map(Result::ok).map(|entry| entry.path());
    let mut places = std::iter::once(beside.to_owned()).chain(folders);
    places.find_map(|folder| Some(folder.join("x509-limbo/limbo.json")).filter(|file| file.is_file()))
}

fn cases() -> Option<Vec<Case>> {
    let Some(file) = file() else {
        println!(
            "x509-limbo: not played; X509_LIMBO names no limbo.json, and there is none beside the checkout"
        );
        return None;
    };
    let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    Some(serde_json::from_str::<Limbo>(&text).unwrap().testcases)
}

/// The part of the document that is about this.
fn section() -> String {
    let page = std::fs::read_to_string(DOCUMENT).unwrap();
    let (_, after) = page.split_once(BEGIN).unwrap();
    after.split_once(END).unwrap().0.to_owned()
}

/// The document's table, by the case: what x509-limbo expects, and what this library does.
fn documented(section: &str) -> BTreeMap<String, (String, String)> {
    let mut rows = BTreeMap::new();
    for line in section.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<_> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let [cases, limbo, webpki, _erlang, why] = cells[..] else { panic!("five columns: {line}") };
        assert!(!why.is_empty(), "a reason is missing: {line}");
        for case in cases.split('`').skip(1).step_by(2) {
            let row = (limbo.to_owned(), webpki.to_owned());
            assert!(rows.insert(case.to_owned(), row).is_none(), "{case} is there twice");
        }
    }
    rows
}

/// Revocation is looked at in Erlang, where a suite plays these cases.
fn needs_lists(case: &Case) -> bool {
    !case.crls.is_empty()
}

#[test]
fn every_case_comes_out_as_expected_or_as_documented() {
    let Some(cases) = cases() else { return };
    let section = section();
    let documented = documented(&section);
    let mut wrong = Vec::new();
    let (mut agree, mut looser, mut stricter) = (0, 0, 0);
    for case in cases.iter().filter(|case| !needs_lists(case)) {
        let (outcome, text) = case.judge();
        println!("{}\t{}\t{}\t{text}", case.id, case.expected_result, outcome.cell());
        let expected = if case.expects_success() { "takes" } else { "refuses" };
        match (outcome.takes(), case.expects_success()) {
            (true, false) => looser += 1,
            (false, true) => stricter += 1,
            _ => agree += 1,
        }
        let row = documented.get(&case.id);
        if outcome.takes() != case.expects_success() || row.is_some() {
            let found = (expected.to_owned(), outcome.cell());
            let is_documented = match row {
                Some(row) if NAME == "ring" => *row == found,
                // Other providers know other keys.
                Some(row) => row.0 == found.0,
                None => false,
            };
            if !is_documented {
                wrong.push(format!("{} ({text}): | {} | {}", case.id, found.0, found.1));
            }
        }
    }
    let known = |id: &str| cases.iter().any(|case| case.id == *id);
    wrong.extend(documented.keys().filter(|id| !known(id)).map(|id| format!("{id}: no such case")));
    let counts =
        format!("{agree} come out as expected, {looser} are taken all the same, {stricter} are refused");
    println!("{counts}");
    if NAME == "ring" && !section.contains(&counts) {
        wrong.push(format!("the counts: {counts}"));
    }
    assert!(wrong.is_empty(), "not as doc/verification.md has it:\n{}", wrong.join("\n"));
}

/// A handshake comes to what the judgement alone came to, in either role.
#[test]
fn every_case_with_a_key_in_a_handshake() {
    let Some(cases) = cases() else { return };
    let (mut played, mut wrong) = (0, Vec::new());
    let mut not_shown = BTreeMap::<String, Vec<&str>>::new();
    for case in &cases {
        let Some(key) = case.peer_certificate_key.as_ref().filter(|_| !needs_lists(case)) else { continue };
        match case.handshake(key) {
            Ok(Outcome::Refuses(kind)) if kind == TOO_LARGE => {
                not_shown.entry(kind).or_default().push(&case.id)
            }
            Ok(outcome) => {
                played += 1;
                let (judged, _text) = case.judge();
                if outcome != judged {
                    wrong.push(format!("{}: judged {judged:?}, handshake {outcome:?}", case.id));
                }
            }
            Err(kind) => not_shown.entry(kind).or_default().push(&case.id),
        }
    }
    println!("{played} handshakes; no end of ours shows: {not_shown:#?}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let counts: Vec<_> = not_shown.iter().map(|(kind, ids)| (kind.as_str(), ids.len())).collect();
    if NAME == "ring" {
        assert_eq!((played, counts), (PLAYED, NOT_SHOWN.to_vec()));
    }
}
