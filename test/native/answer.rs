//! The question that a handshake's step puts to Erlang, and its answer, without Erlang: the NIF's own file. `make sanitizers` runs
//! this under ThreadSanitizer, too.

#[allow(dead_code, reason = "the NIF uses all of it")]
#[path = "../../native/rustls_dist_nif/src/answer.rs"]
mod answer;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use answer::{Answers, NoAnswer};

const QUESTIONS: usize = if cfg!(miri) { 20 } else { 300 };
const ANSWERERS: usize = 3;

fn in_ms(ms: u64) -> Instant {
    Instant::now() + Duration::from_millis(ms)
}

/// All answer every question at the same time: one is heard, and it is an answer to this question.
#[test]
fn of_several_answers_one_is_taken() {
    let answers = Arc::new(Answers::new(in_ms(60_000)));
    let (put, done) = (Arc::new(Barrier::new(ANSWERERS + 1)), Arc::new(Barrier::new(ANSWERERS + 1)));
    let taken = Arc::new(AtomicUsize::new(0));
    let threads: Vec<_> = (0..ANSWERERS)
        .map(|_| {
            let (answers, taken) = (answers.clone(), taken.clone());
            let (put, done) = (put.clone(), done.clone());
            thread::spawn(move || {
                for question in 0..QUESTIONS {
                    put.wait();
                    if answers.deliver(question) {
                        taken.fetch_add(1, Ordering::Relaxed);
                    }
                    done.wait();
                }
            })
        })
        .collect();
    for question in 0..QUESTIONS {
        answers.forget();
        put.wait();
        assert_eq!(answers.wait(|| true), Ok(question));
        done.wait();
    }
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    // Whoever comes when the first answer was heard already leaves one that is forgotten before the next question.
    assert!((QUESTIONS..=2 * QUESTIONS).contains(&taken.load(Ordering::Relaxed)));
}

#[test]
fn an_answer_that_came_too_late_is_no_answer_to_the_next_question() {
    let answers = Answers::new(in_ms(300));
    assert!(answers.deliver("late"));
    assert!(!answers.deliver("later"));
    answers.forget();
    assert_eq!(answers.wait(|| true), Err(NoAnswer::Late));
}

#[test]
fn nobody_waits_beyond_the_deadline() {
    let begun = Instant::now();
    assert_eq!(Answers::<()>::new(in_ms(150)).wait(|| true), Err(NoAnswer::Late));
    assert!((150..5000).contains(&begun.elapsed().as_millis()));
    assert_eq!(Answers::<()>::new(in_ms(0)).wait(|| true), Err(NoAnswer::Late));
}

#[test]
fn nobody_waits_for_who_is_gone() {
    let is_there = Arc::new(AtomicBool::new(true));
    let seen = is_there.clone();
    let waits =
        thread::spawn(move || Answers::<()>::new(in_ms(60_000)).wait(|| seen.load(Ordering::Relaxed)));
    is_there.store(false, Ordering::Relaxed);
    assert_eq!(waits.join().unwrap(), Err(NoAnswer::Gone));
}
