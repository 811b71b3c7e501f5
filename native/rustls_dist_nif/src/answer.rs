//! One question at a time, whose answer comes from another thread.

use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

/// Where the answers arrive. There is room for one.
pub struct Answers<T> {
    sender: Sender<T>,
    receiver: Receiver<T>,
    deadline: Instant,
}

/// Why there is no answer.
#[derive(Debug, PartialEq, Eq)]
pub enum NoAnswer {
    /// The deadline has passed.
    Late,
    /// Nobody is there any more who may answer.
    Gone,
}

/// How often it is looked whether there still is somebody who may answer.
const LIVENESS_PERIOD: Duration = Duration::from_millis(100);

impl<T> Answers<T> {
    /// Questions wait for their answers until `deadline`.
    pub fn new(deadline: Instant) -> Self {
        let (sender, receiver) = bounded(1);
        Self { sender, receiver, deadline }
    }

    /// Before a question is put: forgets an answer to an earlier one that came too late.
    pub fn forget(&self) {
        let _ = self.receiver.try_recv();
    }

    /// Whether the answer was taken: the first one to a question is.
    pub fn deliver(&self, answer: T) -> bool {
        self.sender.try_send(answer).is_ok()
    }

    /// Waits for the answer, until the deadline or until nobody is there who may give it.
    ///
    /// # Errors
    /// [`NoAnswer`].
    pub fn wait(&self, is_somebody_there: impl Fn() -> bool) -> Result<T, NoAnswer> {
        loop {
            let left = self.deadline.saturating_duration_since(Instant::now());
            match self.receiver.recv_timeout(left.min(LIVENESS_PERIOD)) {
                Ok(answer) => return Ok(answer),
                Err(RecvTimeoutError::Disconnected) => return Err(NoAnswer::Gone),
                Err(RecvTimeoutError::Timeout) if left <= LIVENESS_PERIOD => return Err(NoAnswer::Late),
                Err(RecvTimeoutError::Timeout) if !is_somebody_there() => return Err(NoAnswer::Gone),
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }
}
