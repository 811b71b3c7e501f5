//! The question that a handshake step puts to Erlang about a certificate chain, and the answer.

use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rustler::{Encoder, Env, LocalPid, NifResult, OwnedEnv, ResourceArc, Term};
use rustls::AlertDescription;
use rustls_dist::trust::referee::{Case, Referee, Ruling};

use crate::answer::{Answers, NoAnswer};
use crate::bytes::into_binary;
use crate::handshake::Handshake;
use crate::{atoms, pool, terms};

/// Where the verifier of a handshake finds out whom to ask, and where the answer arrives.
///
/// The verifier is part of rustls' configuration, and that of the handshake, or, for a client of TLS 1.3, of the session
/// that came out of it. If the verifier held the handshake in turn, neither would ever be freed. So the handshake's name
/// lies here only while one of its steps runs.
pub struct Desk {
    asker: Mutex<Option<Asker>>,
    answers: Answers<Ruling>,
}

/// The handshake whose step runs, and the process that asked for the step.
#[derive(Clone)]
struct Asker {
    handshake: ResourceArc<Handshake>,
    owner: LocalPid,
}

/// A step runs; when this is dropped, however it ended, the desk forgets the handshake.
pub struct Open<'a>(&'a Desk);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        // Dropped when the lock is not held any more: this may be the last that names the handshake.
        let _asker = self.0.asker.lock().take();
    }
}

impl Desk {
    /// Questions wait for their answers until `deadline`.
    pub fn new(deadline: Instant) -> Self {
        Self { asker: Mutex::new(None), answers: Answers::new(deadline) }
    }

    /// Lets a step of `handshake` ask `owner` until the value is dropped.
    pub fn open(&self, handshake: ResourceArc<Handshake>, owner: LocalPid) -> Open<'_> {
        *self.asker.lock() = Some(Asker { handshake, owner });
        Open(self)
    }
}

impl Referee for Desk {
    fn judge(&self, case: Case) -> Ruling {
        let Some(asker) = self.asker.lock().clone() else {
            return gone();
        };
        self.answers.forget();
        // The question is put when there is room to wait for the answer, so that no more are worked on than that.
        let answer = pool::while_blocked(|| {
            let mut message = OwnedEnv::new();
            match message.send_and_clear(&asker.owner, |env| asker.question(env, &case)) {
                Ok(()) => self.wait(&asker.owner),
                Err(_) => gone(),
            }
        });
        match answer {
            Ok(answer) => answer,
            Err(pool::Overloaded) => {
                refused("too many handshakes wait for their verification function".into())
            }
        }
    }
}

impl Desk {
    /// Waits for the answer, until the deadline or the owner's end.
    fn wait(&self, owner: &LocalPid) -> Ruling {
        let answer = self.answers.wait(|| OwnedEnv::new().run(|env| owner.is_alive(env)));
        answer.unwrap_or_else(|none| match none {
            NoAnswer::Late => refused("the verification took longer than the set-up may".into()),
            NoAnswer::Gone => gone(),
        })
    }
}

impl Asker {
    /// `{rustls_dist_verify, Handshake, [CertificateDer], ok | {error, ErrorMap}}`.
    fn question<'a>(&self, env: Env<'a>, case: &Case) -> Term<'a> {
        let chain: Vec<_> =
            case.chain.iter().map(|certificate| into_binary(env, certificate.to_vec())).collect();
        let verdict = match &case.fault {
            None => Ok(atoms::ok().encode(env)),
            Some(error) => terms::error_tuple(env, error.clone()),
        };
        match verdict {
            Ok(verdict) => (atoms::verify_question(), &self.handshake, chain, verdict).encode(env),
            Err(_) => atoms::verify_question().encode(env),
        }
    }
}

/// How long a handshake step may wait at most, whatever the caller says.
pub const MAX_WAIT: Duration = Duration::from_secs(120);

fn gone() -> Ruling {
    refused("the process that owned the handshake is gone".into())
}

fn refused(reason: String) -> Ruling {
    Ruling::Refused { alert: AlertDescription::CertificateUnknown, reason }
}

/// Rulings the question: `true`, or `false` when nobody waits for it any more. `Verdict` is `ok` or `{AlertCode, Reason}`.
#[rustler::nif]
fn handshake_verdict<'a>(handshake: ResourceArc<Handshake>, verdict: Term<'a>) -> NifResult<bool> {
    let answer = if verdict.is_atom() {
        Ruling::Accepted
    } else {
        let (code, reason): (u8, String) = verdict.decode()?;
        Ruling::Refused { alert: AlertDescription::from(code), reason }
    };
    Ok(handshake.desk.answers.deliver(answer))
}
