//! The script of a test: the calls that meet a fault, or are held.

use std::sync::{Mutex, PoisonError};

use tokio::sync::oneshot;

use crate::wait::PATIENCE;

/// What AWS does to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Too many calls: `ThrottlingException`, `SlowDown`.
    Throttled,
    /// 500.
    Internal,
    /// No answer at all; the call has no effect.
    Timeout,
    /// 200 that says that the first entry failed: `PutTargets`, `RemoveTargets`, `PutEvents`. Nothing is done.
    PartFailed,
    /// Somebody else writes the same: `ConcurrentModificationException`, `TransactionConflict`.
    ConcurrentModification,
    /// A quota is used up: `LimitExceededException`.
    LimitExceeded,
    AccessDenied,
    /// The credentials are too old: `ExpiredTokenException`.
    ExpiredToken,
    /// The call has its effect; then the connection is closed without an answer.
    LostResponse,
    /// The call was stopped with [`super::FaultProxy::hold`].
    Held,
}

/// Where a call is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// The service has not seen the call.
    Before,
    /// The call has had its effect; its caller does not know.
    After,
}

/// A call that is to be stopped, or is. Dropped without [`Self::release`]: the call is lost there, and its connection
/// closed; held before, it has no effect.
#[derive(Debug)]
pub struct Held {
    reached: Option<oneshot::Receiver<()>>,
    release: oneshot::Sender<()>,
}

impl Held {
    /// Waits until the call is there, also once more where the waiting was cut off; fails where none comes.
    pub async fn reached(&mut self) {
        let reached = self.reached.as_mut().expect("it was not there yet");
        let reached = tokio::time::timeout(PATIENCE, reached).await;
        self.reached = None;
        assert!(matches!(reached, Ok(Ok(()))), "the call that is to be held did not come within {PATIENCE:?}");
    }

    /// Lets it go on.
    pub fn release(self) {
        // An error says that it has not come, or that its caller is gone: nothing is held then.
        let _ = self.release.send(());
    }
}

#[derive(Debug)]
pub struct Hold {
    pub moment: Moment,
    reached: Option<oneshot::Sender<()>>,
    released: oneshot::Receiver<()>,
}

impl Hold {
    /// Tells the test that the call is there, and waits; false where it is to be lost.
    pub async fn reached_and_released(&mut self) -> bool {
        if let Some(reached) = self.reached.take() {
            let _ = reached.send(());
        }
        (&mut self.released).await.is_ok()
    }
}

/// What a call meets.
#[derive(Debug)]
pub enum Met {
    Fail(Fault),
    Hold(Hold),
}

impl Met {
    pub fn fault(&self) -> Fault {
        match self {
            Self::Fail(fault) => *fault,
            Self::Hold(_) => Fault::Held,
        }
    }
}

/// A line of the script.
struct Step {
    service: String,
    action: String,
    /// First and last call that it is for, counted from 1.
    calls: std::ops::RangeInclusive<usize>,
    seen: usize,
    what: What,
}

enum What {
    Fail(Fault),
    Hold(Option<Hold>),
}

#[derive(Default)]
pub struct FaultScript(Mutex<Vec<Step>>);

impl FaultScript {
    pub fn add(&self, service: &str, action: &str, first: usize, last: usize, fault: Fault) {
        self.push(service, action, first..=last, What::Fail(fault));
    }

    pub fn hold(&self, service: &str, action: &str, nth: usize, moment: Moment) -> Held {
        let (reached, is_reached) = oneshot::channel();
        let (release, released) = oneshot::channel();
        self.push(service, action, nth..=nth, What::Hold(Some(Hold { moment, reached: Some(reached), released })));
        Held { reached: Some(is_reached), release }
    }

    pub fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Counts the call, and returns what the oldest step for it says.
    pub fn meet(&self, service: &str, action: &str) -> Option<Met> {
        let mut met = None;
        for step in self.0.lock().unwrap_or_else(PoisonError::into_inner).iter_mut() {
            let fits = |pattern: &str, name: &str| pattern == "*" || pattern == name;
            if !fits(&step.service, service) || !fits(&step.action, action) {
                continue;
            }
            step.seen += 1;
            if met.is_none() && step.calls.contains(&step.seen) {
                met = match &mut step.what {
                    What::Fail(fault) => Some(Met::Fail(*fault)),
                    What::Hold(hold) => hold.take().map(Met::Hold),
                };
            }
        }
        met
    }

    fn push(&self, service: &str, action: &str, calls: std::ops::RangeInclusive<usize>, what: What) {
        let step = Step { service: service.to_owned(), action: action.to_owned(), calls, seen: 0, what };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(step);
    }
}

#[cfg(test)]
mod tests;
