//! The fault script of a test: the calls that get a fault or are held.

use std::sync::{Mutex, PoisonError};

use tokio::sync::oneshot;

use crate::wait::PATIENCE;

/// A fault of AWS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Rate limit: `ThrottlingException`, `SlowDown`.
    Throttled,
    /// Status 500.
    Internal,
    /// No answer, and no effect.
    Timeout,
    /// Status 200 with a failure of the first entry, without effect: `PutTargets`, `RemoveTargets`, `PutEvents`.
    PartFailed,
    /// Conflict with a concurrent write: `ConcurrentModificationException`, `TransactionConflict`.
    ConcurrentModification,
    /// Quota exceeded: `LimitExceededException`.
    LimitExceeded,
    AccessDenied,
    /// Expired credentials: `ExpiredTokenException`.
    ExpiredToken,
    /// The call takes effect, and the connection closes without an answer.
    LostResponse,
    /// The call was held with [`super::FaultProxy::hold`].
    Held,
}

/// The moment at which a call is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// Before the service gets the call.
    Before,
    /// After the call took effect, and before its caller gets the answer.
    After,
}

/// A call to hold, or a held call. If this is dropped without [`Self::release`], the call's connection closes; a call held
/// `Before` then has no effect.
#[derive(Debug)]
pub struct Held {
    reached: Option<oneshot::Receiver<()>>,
    release: oneshot::Sender<()>,
}

impl Held {
    /// Waits until the call is held. A cancelled wait can be repeated. Panics if no call comes within [`PATIENCE`].
    pub async fn reached(&mut self) {
        let reached = self.reached.as_mut().expect("the call was not waited for yet");
        let reached = tokio::time::timeout(PATIENCE, reached).await;
        self.reached = None;
        assert!(matches!(reached, Ok(Ok(()))), "no call to hold came within {PATIENCE:?}");
    }

    /// Continues the call.
    pub fn release(self) {
        // An error means that the call has not come, or that its caller has disconnected. Nothing is held then.
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
    /// Tells the test that the call is held, and waits. Returns `false` if the call is to be lost.
    pub async fn reached_and_released(&mut self) -> bool {
        if let Some(reached) = self.reached.take() {
            let _ = reached.send(());
        }
        (&mut self.released).await.is_ok()
    }
}

/// The effect of the script on a call.
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
    /// First and last matching call with the effect, counted from 1.
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

    /// Counts the call in every matching step, and returns the effect of the oldest one that applies.
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
