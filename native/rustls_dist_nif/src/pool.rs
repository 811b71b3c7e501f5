//! The threads on which handshake steps run.
//!
//! A thread is held only while bytes are worked on, so a silent peer holds none. The queue is bounded; when it is
//! full the caller hears so at once.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;
use std::thread;

use crossbeam_channel::{Receiver, Sender, bounded};

/// One piece of work. It must not block on a peer.
pub type Job = Box<dyn FnOnce() + Send>;

/// Jobs that may wait. Each handshake has at most one, so this is also a bound on handshakes with unread bytes.
const MAX_QUEUED_JOBS: usize = 4096;

/// Threads beyond which more only compete with the schedulers.
const MAX_THREADS: usize = 8;

static POOL: OnceLock<Sender<Job>> = OnceLock::new();

/// The queue is full.
#[derive(Debug)]
pub struct Overloaded;

/// Runs `job` on a thread of the pool.
///
/// # Errors
/// [`Overloaded`] when too many jobs wait, or no thread could be started.
pub fn submit(job: Job) -> Result<(), Overloaded> {
    POOL.get_or_init(start).try_send(job).map_err(|_| Overloaded)
}

fn start() -> Sender<Job> {
    let (sender, receiver) = bounded(MAX_QUEUED_JOBS);
    let threads = thread::available_parallelism().map_or(1, |cores| cores.get().min(MAX_THREADS));
    for number in 0..threads {
        let receiver: Receiver<Job> = receiver.clone();
        // A thread that cannot be started leaves the others to do the work; with none, the receiver is gone and
        // every submit says so.
        let _ = thread::Builder::new().name(format!("rustls_dist_{number}")).spawn(move || work(&receiver));
    }
    sender
}

fn work(receiver: &Receiver<Job>) {
    for job in receiver {
        // A job reports its own panic to whoever waits for it; here the thread is only kept alive.
        let _ = catch_unwind(AssertUnwindSafe(job));
    }
}
