//! Handshakes: each step is asked for by the process that owns the socket, runs on the pool, and answers with a
//! message.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rustler::{
    Atom, Binary, Encoder, Env, Error as NifError, LocalPid, NifResult, OwnedEnv, Resource, ResourceArc, Term,
};
use rustls_dist::chain::NameScope;
use rustls_dist::cipher_names;
use rustls_dist::config::JudgedBy;
use rustls_dist::handshake::{Failure, Handshake as Machine, Progress, Step};
use rustls_dist::provider::otp_version_name;
use rustls_dist::referee::LastWord;
use rustls_dist::session::{Facts, Session};
use rustls_dist::verifier::ExpectedName;

use crate::bytes::into_binary;
use crate::census::{HANDSHAKES, Token};
use crate::config::{Config, Side};
use crate::rx::Receiver;
use crate::tx::Sender;
use crate::verdict::{AskOwner, MAX_WAIT, Mailbox};
use crate::{atoms, pool, terms};

pub struct Handshake {
    state: Mutex<State>,
    pub mailbox: Mailbox,
    _alive: Token,
}

/// What a handshake is doing. A step takes the state out and puts the next one in.
enum State {
    /// Not begun: making the first message is work for the pool too.
    Fresh(ResourceArc<Config>, ExpectedName, Instant),
    /// Waiting for bytes.
    Waiting(Box<Machine>),
    /// A step is queued or runs.
    Busy,
    /// Over, well or badly.
    Over,
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
        state: Mutex::new(State::Fresh(config, expected, deadline)),
        mailbox: Mailbox::new(),
        _alive: HANDSHAKES.enter(),
    });
    Ok(handshake.encode(env))
}

fn expected_name(name: Term<'_>) -> NifResult<ExpectedName> {
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
    let before = std::mem::replace(&mut *handshake.state.lock(), State::Busy);
    if matches!(before, State::Busy | State::Over) {
        return Ok((atoms::error(), atoms::busy()).encode(env));
    }
    let owner = env.pid();
    let input = input.as_slice().to_vec();
    let job = move || {
        let outcome = catch_unwind(AssertUnwindSafe(|| run(&handshake, owner, before, &input)));
        report(&owner, &handshake, outcome.ok());
    };
    match pool::submit(Box::new(job)) {
        Ok(()) => Ok(atoms::ok().encode(env)),
        Err(pool::Overloaded) => Ok((atoms::error(), atoms::overloaded()).encode(env)),
    }
}

fn run(
    handshake: &ResourceArc<Handshake>,
    owner: LocalPid,
    state: State,
    input: &[u8],
) -> Result<Step, Failure> {
    let machine = match state {
        State::Fresh(config, name, deadline) => {
            let last_word = match config.judged_by {
                JudgedBy::Webpki => LastWord::Webpki,
                JudgedBy::Referee => {
                    LastWord::Referee(Arc::new(AskOwner { handshake: handshake.clone(), owner, deadline }))
                }
            };
            Box::new(begin(&config, name, last_word)?)
        }
        State::Waiting(machine) => machine,
        State::Busy | State::Over => return Err(failure(rustls_dist::Error::Closed)),
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

fn failure(error: rustls_dist::Error) -> Failure {
    Failure { send: Vec::new(), alert: None, error }
}

/// Sends the outcome to the owner; `None` is a panic. An owner that died meanwhile is no error.
fn report(owner: &LocalPid, handshake: &ResourceArc<Handshake>, outcome: Option<Result<Step, Failure>>) {
    let mut message = OwnedEnv::new();
    let _ = message.send_and_clear(owner, |env| {
        let step = encode_outcome(env, handshake, outcome).unwrap_or_else(|_| panic_term(env));
        (atoms::handshake_step(), handshake, step).encode(env)
    });
}

fn encode_outcome<'a>(
    env: Env<'a>,
    handshake: &ResourceArc<Handshake>,
    outcome: Option<Result<Step, Failure>>,
) -> NifResult<Term<'a>> {
    let mut next = State::Over;
    let term = match outcome {
        Some(Ok(Step { send, progress })) => {
            let send = into_binary(env, send);
            match progress {
                Progress::Continue(machine) => {
                    next = State::Waiting(machine);
                    (atoms::go_on(), send).encode(env)
                }
                Progress::Done(session) => done_term(env, send, *session)?,
            }
        }
        Some(Err(Failure { send, alert, error })) => {
            let send = into_binary(env, send);
            (atoms::failed(), send, terms::error_map(env, &error, alert)?).encode(env)
        }
        None => panic_term(env),
    };
    *handshake.state.lock() = next;
    Ok(term)
}

fn done_term<'a>(env: Env<'a>, send: Binary<'a>, session: Session) -> NifResult<Term<'a>> {
    let facts = facts_map(env, &session.facts)?;
    let tx = Sender::resource(session.tx);
    let rx = Receiver::resource(session.rx);
    Ok((atoms::done(), send, tx, rx, facts).encode(env))
}

fn panic_term(env: Env<'_>) -> Term<'_> {
    let text = "a handshake step panicked; this is a fault of rustls_dist, please report it";
    let none = atoms::none().encode(env);
    let map = Term::map_from_pairs(
        env,
        &[
            (atoms::kind(), atoms::panicked().encode(env)),
            (atoms::option(), none),
            (atoms::text(), text.encode(env)),
            (atoms::alert(), none),
            (atoms::received(), none),
        ],
    );
    let empty = into_binary(env, Vec::new());
    match map {
        Ok(map) => (atoms::failed(), empty, map).encode(env),
        Err(_) => atoms::failed().encode(env),
    }
}

fn facts_map<'a>(env: Env<'a>, facts: &Facts) -> NifResult<Term<'a>> {
    let leaf = facts.peer_chain.first();
    let group = facts.group.and_then(|group| group.as_str().map(str::to_lowercase));
    let (peer, peer_der) = match leaf {
        Some(der) => (terms::certificate_map(env, der)?, into_binary(env, der.to_vec()).encode(env)),
        None => (atoms::none().encode(env), atoms::none().encode(env)),
    };
    let own = match &facts.own_certificate {
        Some(der) => terms::certificate_map(env, der)?,
        None => atoms::none().encode(env),
    };
    let names = match facts.names {
        NameScope::Free => atoms::free(),
        NameScope::Constrained => atoms::constrained(),
    };
    Term::map_from_term_arrays(
        env,
        &[
            atoms::version().encode(env),
            atoms::cipher().encode(env),
            atoms::group().encode(env),
            atoms::peer().encode(env),
            atoms::peer_der().encode(env),
            atoms::own().encode(env),
            atoms::names().encode(env),
        ],
        &[
            version_atom(env, facts)?.encode(env),
            cipher_names::otp_name(facts.suite.suite()).encode(env),
            group.encode(env),
            peer,
            peer_der,
            own,
            names.encode(env),
        ],
    )
}

fn version_atom(env: Env<'_>, facts: &Facts) -> Result<Atom, NifError> {
    Atom::from_str(env, otp_version_name(facts.version))
}
