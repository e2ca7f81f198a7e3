//! Threads for guests that take their time. A call begins where it was asked for, and most end there, within microseconds. One
//! that has not ended after its first turn goes on over here: dozens of guests that compute for ever would otherwise take turns
//! with the requests that the host answers, ten milliseconds each.

use std::future::{Future, pending, poll_fn};
use std::pin::Pin;
use std::sync::OnceLock;
use std::task::Poll;

use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;

/// Started when they are first needed.
#[derive(Default)]
pub struct Threads(OnceLock<Option<Runtime>>);

impl Threads {
    /// Waits for the call, which stops where this is dropped.
    pub async fn drive<T: Send + 'static>(&self, mut call: Pin<Box<dyn Future<Output = T> + Send>>) -> T {
        if let Poll::Ready(output) = poll_fn(|context| Poll::Ready(call.as_mut().poll(context))).await {
            return output;
        }
        let Some(runtime) = self.0.get_or_init(start) else { return call.await };
        match Task(runtime.spawn(call)).wait().await {
            Ok(output) => output,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // Only the end of the runtime cancels it, and that comes after this.
                Err(_) => pending().await,
            },
        }
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        // To wait for the threads is not allowed here, and none of them has anything left to do.
        if let Some(runtime) = self.0.take().flatten() {
            runtime.shutdown_background();
        }
    }
}

/// Without threads of its own a call goes on where it began.
fn start() -> Option<Runtime> {
    let started = Builder::new_multi_thread().thread_name("plugins").enable_all().build();
    started.inspect_err(|error| tracing::warn!(%error, "no threads for plugins; they share those of the host")).ok()
}

/// A task that ends with whoever waits for it.
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
