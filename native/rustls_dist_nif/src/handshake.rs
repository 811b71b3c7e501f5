//! Handshakes: each step is asked for by the process that owns the socket, runs on the pool, and answers with a
//! message.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rustler::{
    Atom, Binary, Encoder, Env, Error as NifError, LocalPid, NifResult, OwnedEnv, Resource, ResourceArc, Term,
};
use rustls_dist::cipher_names;
use rustls_dist::config::JudgedBy;
use rustls_dist::error::HandshakeError;
use rustls_dist::group_names;
use rustls_dist::handshake::{Failure, Handshake as Machine, Progress, Step};
use rustls_dist::provider::otp_version_name;
use rustls_dist::session::{Facts, Session};
use rustls_dist::trust::chain::NameScope;
use rustls_dist::trust::policy::ExpectedName;
use rustls_dist::trust::referee::LastWord;

use crate::bytes::into_binary;
use crate::census::{HANDSHAKES, Token};
use crate::config::{Config, Side};
use crate::rx::Receiver;
use crate::tx::Sender;
use crate::verdict::{Desk, MAX_WAIT};
use crate::{atoms, pool, terms};

pub struct Handshake {
    state: Mutex<State>,
    pub desk: Arc<Desk>,
    _alive: Token,
}

/// What a handshake is doing. A step takes what is ready out and puts the next state in.
enum State {
    /// The next step may be asked for.
    Ready(Ready),
    /// A step is queued or runs.
    Busy,
    /// Over, well or badly.
    Over,
}

/// What a step begins with.
enum Ready {
    /// Nothing: making the first message is work for the pool too.
    Fresh(ResourceArc<Config>, ExpectedName),
    /// A handshake that waits for bytes.
    Waiting(Box<Machine>),
}

#[rustler::resource_impl]
impl Resource for Handshake {}

/// `Name` is `any`, or the host that the server's certificate must name, or `{by_referee, Host}` where the verdict on the
/// name is the owner's; a server ignores it. `TimeoutMs` bounds the wait
/// for a verdict.
#[rustler::nif]
fn handshake_new<'a>(
    env: Env<'a>,
    config: ResourceArc<Config>,
    name: Term<'a>,
    timeout_ms: u64,
) -> NifResult<Term<'a>> {
    let expected = expected_name(name)?;
    let deadline = Instant::now() + Duration::from_millis(timeout_ms).min(MAX_WAIT);
    let handshake = ResourceArc::new(Handshake {
        state: Mutex::new(State::Ready(Ready::Fresh(config, expected))),
        desk: Arc::new(Desk::new(deadline)),
        _alive: HANDSHAKES.enter(),
    });
    Ok(handshake.encode(env))
}

/// `any`, a host, or `{by_referee, Host}`.
pub fn expected_name(name: Term<'_>) -> NifResult<ExpectedName> {
    if name.is_atom() {
        return Ok(ExpectedName::Any);
    }
    match name.decode::<(Atom, String)>() {
        Ok((by_referee, host)) if by_referee == atoms::by_referee() => Ok(ExpectedName::HostByReferee(host)),
        _ => name.decode().map(ExpectedName::Host),
    }
}

/// Queues a step with the bytes that arrived: `ok | {error, busy | overloaded}`. The calling process gets
/// `{rustls_dist_handshake, Handshake, {continue, Send} | {done, Send, Tx, Rx, Facts} | {failed, Send, Error}}`.
#[rustler::nif]
fn handshake_advance<'a>(
    env: Env<'a>,
    handshake: ResourceArc<Handshake>,
    input: Binary<'a>,
) -> NifResult<Term<'a>> {
    let Some(ready) = handshake.take_ready() else {
        return Ok((atoms::error(), atoms::busy()).encode(env));
    };
    let owner = env.pid();
    let input = input.as_slice().to_vec();
    let stepping = handshake.clone();
    let job = move || {
        let outcome = catch_unwind(AssertUnwindSafe(|| run(&stepping, owner, ready, &input)));
        report(&owner, &stepping, outcome.unwrap_or_else(|_| Err(failure(HandshakeError::Panicked))));
    };
    match pool::submit(Box::new(job)) {
        Ok(()) => Ok(atoms::ok().encode(env)),
        Err(pool::Overloaded) => {
            // What was ready went with the job.
            *handshake.state.lock() = State::Over;
            Ok((atoms::error(), atoms::overloaded()).encode(env))
        }
    }
}

impl Handshake {
    /// Takes out what a step begins with, unless one is under way or all is over.
    fn take_ready(&self) -> Option<Ready> {
        let mut state = self.state.lock();
        match std::mem::replace(&mut *state, State::Busy) {
            State::Ready(ready) => Some(ready),
            other => {
                *state = other;
                None
            }
        }
    }
}

fn run(
    handshake: &ResourceArc<Handshake>,
    owner: LocalPid,
    ready: Ready,
    input: &[u8],
) -> Result<Step, Failure> {
    let _open = handshake.desk.open(handshake.clone(), owner);
    let machine = match ready {
        Ready::Fresh(config, name) => {
            let last_word = match config.judged_by {
                JudgedBy::Webpki => LastWord::Webpki,
                JudgedBy::Referee => LastWord::Referee(handshake.desk.clone()),
            };
            Box::new(begin(&config, name, last_word)?)
        }
        Ready::Waiting(machine) => machine,
    };
    machine.advance(input)
}

fn begin(config: &Config, name: ExpectedName, last_word: LastWord) -> Result<Machine, Failure> {
    match &config.side {
        Side::Client(side) => Machine::client(side, name, last_word),
        Side::Server(side) => Machine::server(side, last_word),
    }
    .map_err(failure)
}

fn failure(error: HandshakeError) -> Failure {
    Failure { send: Vec::new(), alert: None, error }
}

/// Sends the outcome to the owner. An owner that died meanwhile is no error.
fn report(owner: &LocalPid, handshake: &ResourceArc<Handshake>, outcome: Result<Step, Failure>) {
    let mut message = OwnedEnv::new();
    let _ = message.send_and_clear(owner, |env| {
        let (next, step) =
            encode_outcome(env, outcome).unwrap_or_else(|_| (State::Over, atoms::failed().encode(env)));
        // Before the owner hears of it and asks for the next step.
        *handshake.state.lock() = next;
        (atoms::handshake_step(), handshake, step).encode(env)
    });
}

fn encode_outcome(env: Env<'_>, outcome: Result<Step, Failure>) -> NifResult<(State, Term<'_>)> {
    match outcome {
        Ok(Step { send, progress }) => {
            let send = into_binary(env, send);
            match progress {
                Progress::Continue(machine) => {
                    Ok((State::Ready(Ready::Waiting(machine)), (atoms::go_on(), send).encode(env)))
                }
                Progress::Done(session) => Ok((State::Over, done_term(env, send, *session)?)),
            }
        }
        Err(Failure { send, alert, error }) => {
            let send = into_binary(env, send);
            let failed = (atoms::failed(), send, terms::error_map(env, &error.into(), alert)?).encode(env);
            Ok((State::Over, failed))
        }
    }
}

fn done_term<'a>(env: Env<'a>, send: Binary<'a>, session: Session) -> NifResult<Term<'a>> {
    let facts = facts_map(env, &session.facts)?;
    let tx = Sender::resource(session.tx);
    let rx = Receiver::resource(session.rx);
    Ok((atoms::done(), send, tx, rx, facts).encode(env))
}

fn facts_map<'a>(env: Env<'a>, facts: &Facts) -> NifResult<Term<'a>> {
    let leaf = facts.peer_chain.first();
    let group = facts.group.and_then(group_names::otp_name);
    let (peer, peer_der) = match leaf {
        Some(der) => (terms::certificate_map(env, der)?, into_binary(env, der.to_vec()).encode(env)),
        None => (atoms::none().encode(env), atoms::none().encode(env)),
    };
    let chain: Vec<_> = facts.peer_chain.iter().map(|der| into_binary(env, der.to_vec())).collect();
    let own = match &facts.own_certificate {
        Some(der) => terms::certificate_map(env, der)?,
        None => atoms::none().encode(env),
    };
    let names = match facts.names {
        // Where no chain was asked for, no authority has a say.
        None | Some(NameScope::Free) => atoms::free(),
        Some(NameScope::Constrained) => atoms::constrained(),
    };
    Term::map_from_term_arrays(
        env,
        &[
            atoms::version().encode(env),
            atoms::cipher().encode(env),
            atoms::group().encode(env),
            atoms::peer().encode(env),
            atoms::peer_der().encode(env),
            atoms::peer_chain().encode(env),
            atoms::own().encode(env),
            atoms::names().encode(env),
        ],
        &[
            version_atom(env, facts)?.encode(env),
            cipher_names::otp_name(facts.suite.suite()).encode(env),
            group.encode(env),
            peer,
            peer_der,
            chain.encode(env),
            own,
            names.encode(env),
        ],
    )
}

fn version_atom(env: Env<'_>, facts: &Facts) -> Result<Atom, NifError> {
    Atom::from_str(env, otp_version_name(facts.version))
}
