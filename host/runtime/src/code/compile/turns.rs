//! Turns at the compiler: how many components are compiled at the same time, and which is next.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::available_parallelism;

use tokio::sync::oneshot;

use super::settings::Need;

/// Most processes for what serves, on any machine. Each may take [`CompileLimits::memory`](super::CompileLimits::memory).
const MOST: usize = 8;

/// The two queues of a compiler. Uploads have one turn of their own, so that they neither take the turns of what serves nor wait for
/// one.
pub struct Turns {
    serving: Arc<Queue>,
    uploads: Arc<Queue>,
}

impl Default for Turns {
    /// Makes one turn for each processor, at most [`MOST`], and one for uploads.
    fn default() -> Self {
        Self { serving: Queue::of(available_parallelism().map_or(1, usize::from).min(MOST)), uploads: Queue::of(1) }
    }
}

impl Turns {
    /// Returns the components that are being compiled, and those that wait for a turn.
    pub fn load(&self) -> CompileLoad {
        let (serving, uploads) = (self.serving.load(), self.uploads.load());
        CompileLoad { running: serving.running + uploads.running, waiting: serving.waiting + uploads.waiting }
    }

    /// Waits for a turn, which ends when it is dropped.
    pub async fn next(&self, need: Need) -> Turn {
        match need {
            Need::Upload => self.uploads.wait(need),
            Need::Due | Need::Start => self.serving.wait(need),
        }
        .await
    }
}

/// Numbers of components at a compiler.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CompileLoad {
    pub running: usize,
    pub waiting: usize,
}

struct Queue {
    turns: usize,
    state: Mutex<State>,
}

struct State {
    free: usize,
    arrivals: u64,
    /// The waiting tasks, most urgent first, and in the order of their arrival.
    waiting: BTreeMap<(Need, u64), oneshot::Sender<Turn>>,
}

/// Permission to compile one component.
pub struct Turn(Arc<Queue>);

impl Queue {
    fn of(turns: usize) -> Arc<Self> {
        Arc::new(Self { turns, state: Mutex::new(State { free: turns, arrivals: 0, waiting: BTreeMap::new() }) })
    }

    fn load(&self) -> CompileLoad {
        let state = self.lock();
        let waiting = state.waiting.values().filter(|give| !give.is_closed()).count();
        CompileLoad { running: self.turns - state.free, waiting }
    }

    async fn wait(self: &Arc<Self>, need: Need) -> Turn {
        let turn = {
            let mut state = self.lock();
            if state.free > 0 {
                state.free -= 1;
                return Turn(Arc::clone(self));
            }
            let (give, turn) = oneshot::channel();
            state.arrivals += 1;
            let arrival = state.arrivals;
            state.waiting.insert((need, arrival), give);
            turn
        };
        // Cannot fail: the queue keeps the sender until it sends.
        turn.await.unwrap_or_else(|_| Turn(Arc::clone(self)))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let next = {
            let mut state = self.0.lock();
            let next = state.waiting.pop_first();
            if next.is_none() {
                state.free += 1;
            }
            next
        };
        if let Some((_, next)) = next {
            // A waiter that is gone drops its turn here, which gives it to the one after it.
            let _ = next.send(Self(Arc::clone(&self.0)));
        }
    }
}

#[cfg(test)]
mod tests;
