//! Threads for slow guests. A call begins on its caller's thread, and most end there, within microseconds. A call that has not ended
//! after its first poll continues on these threads. Otherwise dozens of guests in endless loops would delay the requests that the
//! host answers, by ten milliseconds each.

use std::future::{Future, pending, poll_fn};
use std::pin::Pin;
use std::sync::OnceLock;
use std::task::Poll;

use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;

/// The threads, which start when a call first needs them.
#[derive(Default)]
pub struct Threads(OnceLock<Option<Runtime>>);

impl Threads {
    /// Waits for the call. Dropping this future stops the call.
    pub async fn drive<T: Send + 'static>(&self, mut call: Pin<Box<dyn Future<Output = T> + Send>>) -> T {
        if let Poll::Ready(output) = poll_fn(|context| Poll::Ready(call.as_mut().poll(context))).await {
            return output;
        }
        let Some(runtime) = self.0.get_or_init(start) else { return call.await };
        match Task(runtime.spawn(call)).wait().await {
            Ok(output) => output,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // Only the end of the tokio runtime cancels the task, which comes later.
                Err(_) => pending().await,
            },
        }
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        // An async context must not wait for the threads, which are idle by now.
        if let Some(runtime) = self.0.take().flatten() {
            runtime.shutdown_background();
        }
    }
}

/// Starts the threads. Returns `None` if that fails; calls then continue on the host's threads.
fn start() -> Option<Runtime> {
    let started = Builder::new_multi_thread().thread_name("plugins").enable_all().build();
    started.inspect_err(|error| tracing::warn!(%error, "no threads for plugins; they share those of the host")).ok()
}

/// A task that is aborted when its waiter is dropped.
struct Task<T>(JoinHandle<T>);

impl<T> Task<T> {
    async fn wait(mut self) -> Result<T, tokio::task::JoinError> {
        (&mut self.0).await
    }
}

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[cfg(test)]
mod tests;
