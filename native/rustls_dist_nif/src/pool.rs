//! The threads on which handshake steps run.
//!
//! A thread is held only while bytes are worked on, so a silent peer holds none. A step that waits for Erlang's verdict on
//! a certificate holds its thread, and another thread takes its place meanwhile, so that no handshake waits for another.
//! Queue and threads are bounded; when a bound is reached the caller hears so at once.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;
use std::thread;

use crossbeam_channel::{Receiver, Sender, bounded};
use parking_lot::Mutex;
use rustls_dist::wiping::{Computed, wiping_behind};

/// One piece of work. It must not block on a peer, and on anything else only within [`while_blocked`].
pub type Job = Box<dyn FnOnce() + Send>;

/// Jobs that may wait. Each handshake has at most one, so this is also a bound on handshakes with unread bytes.
const MAX_QUEUED_JOBS: usize = 4096;

/// Threads that work at once; more would only compete with the schedulers.
const MAX_WORKING: usize = 8;

/// Steps that may wait for a verdict at once.
const MAX_BLOCKED: usize = 256;

/// More than the steps of a handshake take of a thread's stack, which is wiped behind each.
const STEP_STACK_BYTES: usize = 128 * 1024;

static POOL: OnceLock<Pool> = OnceLock::new();

/// Too much is going on.
#[derive(Debug)]
pub struct Overloaded;

struct Pool {
    jobs: Sender<Job>,
    queue: Receiver<Job>,
    target: usize,
    threads: Mutex<Threads>,
}

/// Threads by what they do. Those that work and those that wait for a job count as working.
#[derive(Default)]
struct Threads {
    working: usize,
    blocked: usize,
}

/// Runs `job` on a thread of the pool.
///
/// # Errors
/// [`Overloaded`] when too many jobs wait, or no thread could be started.
pub fn submit(job: Job) -> Result<(), Overloaded> {
    let pool = pool();
    pool.fill_up();
    if pool.threads.lock().working == 0 {
        return Err(Overloaded);
    }
    pool.jobs.try_send(job).map_err(|_| Overloaded)
}

/// Runs `wait`, which blocks, on a thread of the pool, while another one does the work.
///
/// # Errors
/// [`Overloaded`] when too many threads are blocked already; `wait` is not run then.
pub fn while_blocked<T>(wait: impl FnOnce() -> T) -> Result<T, Overloaded> {
    let pool = pool();
    {
        let mut threads = pool.threads.lock();
        if threads.blocked >= MAX_BLOCKED {
            return Err(Overloaded);
        }
        threads.blocked += 1;
        threads.working -= 1;
    }
    let _guard = Unblock(pool);
    pool.fill_up();
    Ok(wait())
}

/// Counts a thread as working again, however its wait ended.
struct Unblock(&'static Pool);

impl Drop for Unblock {
    fn drop(&mut self) {
        let mut threads = self.0.threads.lock();
        threads.blocked -= 1;
        threads.working += 1;
    }
}

fn pool() -> &'static Pool {
    POOL.get_or_init(|| {
        let (jobs, queue) = bounded(MAX_QUEUED_JOBS);
        let cores = thread::available_parallelism().map_or(1, |cores| cores.get());
        Pool { jobs, queue, target: cores.min(MAX_WORKING), threads: Mutex::default() }
    })
}

impl Pool {
    /// Starts threads until enough of them work. One that cannot be started leaves the others to do the work.
    fn fill_up(&'static self) {
        let mut threads = self.threads.lock();
        while threads.working < self.target {
            let builder = thread::Builder::new().name("rustls_dist".into());
            if builder.spawn(move || self.work()).is_err() {
                return;
            }
            threads.working += 1;
        }
    }

    /// Does one job after the other. A thread that is one too many, since a blocked one came back, ends between jobs.
    fn work(&'static self) {
        for job in &self.queue {
            // A job reports its own panic to whoever waits for it; here the thread is only kept alive.
            let _ = wiping_behind::<STEP_STACK_BYTES, _>(Computed::Handshake, || {
                catch_unwind(AssertUnwindSafe(job))
            });
            let mut threads = self.threads.lock();
            if threads.working > self.target {
                threads.working -= 1;
                return;
            }
        }
    }
}
