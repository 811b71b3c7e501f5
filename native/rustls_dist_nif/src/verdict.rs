//! The question that a handshake step puts to Erlang about a certificate chain, and the answer.

use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use rustler::{Encoder, Env, LocalPid, NifResult, OwnedEnv, ResourceArc, Term};
use rustls::AlertDescription;
use rustls_dist::Error;
use rustls_dist::referee::{Case, Referee};

use crate::bytes::into_binary;
use crate::handshake::Handshake;
use crate::{atoms, pool, terms};

/// What Erlang answers.
pub type Answer = Result<(), Error>;

/// Where the answer arrives. It lives with the handshake, so that an answer to a step that is over goes nowhere.
pub struct Mailbox {
    sender: Sender<Answer>,
    receiver: Receiver<Answer>,
}

impl Mailbox {
    pub fn new() -> Self {
        let (sender, receiver) = bounded(1);
        Self { sender, receiver }
    }

    /// Whether the answer was taken: the first one to a question is.
    pub fn deliver(&self, answer: Answer) -> bool {
        self.sender.try_send(answer).is_ok()
    }
}

/// Asks the process that owns the handshake, and waits for its answer until the handshake's deadline.
pub struct AskOwner {
    pub handshake: ResourceArc<Handshake>,
    pub owner: LocalPid,
    pub deadline: Instant,
}

impl Referee for AskOwner {
    fn judge(&self, case: Case) -> Result<(), Error> {
        let mailbox = &self.handshake.mailbox;
        // An answer to an earlier question that came too late.
        let _ = mailbox.receiver.try_recv();
        // The question is put when there is room to wait for the answer, so that no more are worked on than that.
        let answer = pool::while_blocked(|| {
            let mut message = OwnedEnv::new();
            match message.send_and_clear(&self.owner, |env| self.question(env, &case)) {
                Ok(()) => self.wait(),
                Err(_) => Err(gone()),
            }
        });
        match answer {
            Ok(answer) => answer,
            Err(pool::Overloaded) => {
                Err(refused("too many handshakes wait for their verification function".into()))
            }
        }
    }
}

/// How often it is looked whether there still is somebody who may answer.
const LIVENESS_PERIOD: Duration = Duration::from_millis(100);

impl AskOwner {
    /// Waits for the answer, until the deadline or the owner's end.
    fn wait(&self) -> Answer {
        loop {
            let left = self.deadline.saturating_duration_since(Instant::now());
            match self.handshake.mailbox.receiver.recv_timeout(left.min(LIVENESS_PERIOD)) {
                Ok(answer) => return answer,
                Err(RecvTimeoutError::Disconnected) => return Err(gone()),
                Err(RecvTimeoutError::Timeout) if left <= LIVENESS_PERIOD => {
                    return Err(refused("the verification took longer than the set-up may".into()));
                }
                Err(RecvTimeoutError::Timeout) => {
                    if !OwnedEnv::new().run(|env| self.owner.is_alive(env)) {
                        return Err(gone());
                    }
                }
            }
        }
    }

    /// `{rustls_dist_verify, Handshake, [CertificateDer], ok | {error, ErrorMap}}`.
    fn question<'a>(&self, env: Env<'a>, case: &Case) -> Term<'a> {
        let chain: Vec<_> =
            case.chain.iter().map(|certificate| into_binary(env, certificate.to_vec())).collect();
        let verdict = match &case.verdict {
            Ok(()) => Ok(atoms::ok().encode(env)),
            Err(error) => terms::error_tuple(env, error),
        };
        match verdict {
            Ok(verdict) => (atoms::verify_question(), &self.handshake, chain, verdict).encode(env),
            Err(_) => atoms::verify_question().encode(env),
        }
    }
}

/// How long a handshake step may wait at most, whatever the caller says.
pub const MAX_WAIT: Duration = Duration::from_secs(120);

fn gone() -> Error {
    refused("the process that owned the handshake is gone".into())
}

fn refused(reason: String) -> Error {
    Error::RefusedByReferee { alert: AlertDescription::CertificateUnknown, reason }
}

/// Answers the question: `true`, or `false` when nobody waits for it any more. `Verdict` is `ok` or `{AlertCode, Reason}`.
#[rustler::nif]
fn handshake_verdict<'a>(handshake: ResourceArc<Handshake>, verdict: Term<'a>) -> NifResult<bool> {
    let answer = if verdict.is_atom() {
        Ok(())
    } else {
        let (code, reason): (u8, String) = verdict.decode()?;
        Err(Error::RefusedByReferee { alert: AlertDescription::from(code), reason })
    };
    Ok(handshake.mailbox.deliver(answer))
}
