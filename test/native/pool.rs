//! The threads of the NIF's handshakes, without the NIF: its own file. `make sanitizers` runs this under ThreadSanitizer, too. There
//! is one pool in a process, so that the cases take turns.

#[path = "../../native/rustls_dist_nif/src/pool.rs"]
mod pool;

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use parking_lot::{Mutex, MutexGuard};
use pool::{Overloaded, submit, while_blocked};

/// As in pool.rs.
const MAX_QUEUED_JOBS: usize = 4096;
const MAX_WORKING: usize = 8;
const MAX_BLOCKED: usize = 256;

fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock()
}

/// How many work at once.
static WORKING: LazyLock<usize> =
    LazyLock::new(|| thread::available_parallelism().map_or(1, |cores| cores.get()).min(MAX_WORKING));

fn next<T>(receiver: &Receiver<T>) -> T {
    receiver.recv_timeout(Duration::from_secs(60)).expect("it takes a minute")
}

/// Submits until there is room.
fn insist(job: impl Fn() -> pool::Job) {
    let begun = Instant::now();
    while submit(job()).is_err() {
        assert!(begun.elapsed() < Duration::from_secs(60), "there is no room");
        thread::yield_now();
    }
}

#[test]
fn each_job_runs_once() {
    let _turn = alone();
    const SUBMITTERS: usize = 4;
    const JOBS: usize = if cfg!(miri) { 50 } else { 2000 };
    let (sender, receiver) = unbounded();
    let submitters: Vec<_> = (0..SUBMITTERS)
        .map(|submitter| {
            let sender = sender.clone();
            thread::spawn(move || {
                for job in 0..JOBS {
                    let sender = &sender;
                    insist(|| {
                        let sender = sender.clone();
                        Box::new(move || sender.send(submitter * JOBS + job).unwrap())
                    });
                }
            })
        })
        .collect();
    let done: HashSet<usize> = (0..SUBMITTERS * JOBS).map(|_| next(&receiver)).collect();
    assert_eq!(done.len(), SUBMITTERS * JOBS);
    submitters.into_iter().for_each(|submitter| submitter.join().unwrap());
    assert!(receiver.is_empty());
}

#[test]
fn a_job_that_panics_takes_no_thread_with_it() {
    let _turn = alone();
    let (sender, receiver) = unbounded();
    for _ in 0..4 * *WORKING {
        let sender = sender.clone();
        insist(|| {
            let sender = sender.clone();
            Box::new(move || {
                let _told = Told(sender);
                panic!("as it should")
            })
        });
    }
    (0..4 * *WORKING).for_each(|_| next(&receiver));
    work_goes_on();
}

/// Tells that a job is over, however it ended.
struct Told(Sender<()>);

impl Drop for Told {
    fn drop(&mut self) {
        self.0.send(()).unwrap();
    }
}

/// As many as may wait for a verdict do so, and jobs that come then are done all the same; one more is refused at once.
#[test]
fn those_that_wait_hold_up_nobody() {
    let _turn = alone();
    let (begins, has_begun) = unbounded();
    let (let_go, waits) = bounded::<()>(0);
    let (ends, has_ended) = unbounded();
    for _ in 0..MAX_BLOCKED {
        let (begins, waits, ends) = (begins.clone(), waits.clone(), ends.clone());
        insist(|| {
            let (begins, waits, ends) = (begins.clone(), waits.clone(), ends.clone());
            Box::new(move || {
                let outcome = while_blocked(|| {
                    begins.send(()).unwrap();
                    assert!(waits.recv().is_err(), "nobody sends");
                });
                ends.send(outcome.is_ok()).unwrap();
            })
        });
        next(&has_begun);
    }
    work_goes_on();
    let (refused, is_refused) = unbounded();
    insist(|| {
        let refused = refused.clone();
        Box::new(move || {
            let outcome = while_blocked(|| ());
            refused.send(matches!(outcome, Err(Overloaded))).unwrap();
        })
    });
    assert!(next(&is_refused), "{MAX_BLOCKED} wait already");
    drop(let_go);
    (0..MAX_BLOCKED).for_each(|_| assert!(next(&has_ended)));
    let begun = Instant::now();
    while threads_at_work().len() > *WORKING {
        assert!(begun.elapsed() < Duration::from_secs(60), "those that came back are too many, and end");
    }
}

/// When all threads are busy the queue fills, to its bound.
#[test]
#[cfg_attr(miri, ignore = "it takes minutes there")]
fn the_queue_is_bounded() {
    let _turn = alone();
    let (begins, has_begun) = unbounded();
    let (let_go, waits) = bounded::<()>(0);
    for _ in 0..*WORKING {
        let (begins, waits) = (begins.clone(), waits.clone());
        insist(|| {
            let (begins, waits) = (begins.clone(), waits.clone());
            Box::new(move || {
                begins.send(()).unwrap();
                let _ = waits.recv();
            })
        });
    }
    (0..*WORKING).for_each(|_| next(&has_begun));
    let done = Arc::new(AtomicUsize::new(0));
    let (finished, is_finished) = unbounded();
    let mut accepted = 0;
    loop {
        let (done, finished) = (done.clone(), finished.clone());
        let job = move || {
            done.fetch_add(1, Ordering::Relaxed);
            finished.send(()).unwrap();
        };
        if submit(Box::new(job)).is_err() {
            break;
        }
        accepted += 1;
    }
    assert_eq!(accepted, MAX_QUEUED_JOBS);
    drop(let_go);
    (0..accepted).for_each(|_| next(&is_finished));
    assert_eq!(done.load(Ordering::Relaxed), accepted);
}

fn work_goes_on() {
    assert!(!threads_at_work().is_empty());
}

/// The threads that do a hundred jobs.
fn threads_at_work() -> HashSet<ThreadId> {
    let (sender, receiver) = unbounded();
    for _ in 0..100 {
        let sender = sender.clone();
        insist(|| {
            let sender = sender.clone();
            Box::new(move || sender.send(thread::current().id()).unwrap())
        });
    }
    (0..100).map(|_| next(&receiver)).collect()
}
