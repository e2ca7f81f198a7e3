//! Supervision: the server cannot do without its ledger's threads, its timer, its watcher or its HTTP server. A server that has lost one
//! of them would accept requests and fire none, so the first that fails ends the process.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::{io, thread};

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// The first fatal failure. Clones share it.
#[derive(Debug, Clone)]
pub struct Fatal(Arc<watch::Sender<Option<String>>>);

impl Default for Fatal {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(None)))
    }
}

impl Fatal {
    /// Records a failure, unless there is one already.
    fn report(&self, what: String) {
        self.0.send_if_modified(|first| {
            let is_first = first.is_none();
            if is_first {
                tracing::error!(what, "fatal: the server stops");
                *first = Some(what);
            }
            is_first
        });
    }

    /// Returns the failure, if there is one.
    pub fn get(&self) -> Option<String> {
        self.0.borrow().clone()
    }

    /// Waits for a failure and returns it.
    pub async fn reported(&self) -> String {
        let mut reports = self.0.subscribe();
        // Cannot fail: `self` holds the sender.
        let failure = reports.wait_for(Option::is_some).await.map(|failure| failure.clone());
        failure.ok().flatten().unwrap_or_default()
    }

    /// Starts a thread whose panic is fatal.
    pub fn thread(&self, name: &'static str, run: impl FnOnce() + Send + 'static) -> io::Result<thread::JoinHandle<()>> {
        let fatal = self.clone();
        thread::Builder::new().name(name.to_owned()).spawn(move || {
            if catch_unwind(AssertUnwindSafe(run)).is_err() {
                fatal.report(format!("the thread {name} panicked"));
            }
        })
    }

    /// Starts a task whose panic is fatal, and whose end is fatal before `stop`.
    pub fn task(&self, name: &'static str, stop: &CancellationToken, task: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
        let (fatal, stop) = (self.clone(), stop.clone());
        let task = tokio::spawn(async move {
            #[cfg(test)]
            {
                // Copied, since a panic must not poison the lock.
                let sabotaged = *SABOTAGED.lock().unwrap();
                assert_ne!(sabotaged, Some(name), "this task is to panic");
            }
            task.await;
        });
        tokio::spawn(async move {
            match task.await {
                Err(error) if error.is_panic() => fatal.report(format!("the {name} panicked")),
                Ok(()) if !stop.is_cancelled() => fatal.report(format!("the {name} ended by itself")),
                _ => {}
            }
        })
    }
}

/// The task that panics at its start.
#[cfg(test)]
pub static SABOTAGED: std::sync::Mutex<Option<&'static str>> = std::sync::Mutex::new(None);

#[cfg(test)]
mod tests;
