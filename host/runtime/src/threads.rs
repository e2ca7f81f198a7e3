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
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

    use super::*;

    fn here() -> Option<String> {
        std::thread::current().name().map(str::to_owned)
    }

    #[tokio::test]
    async fn what_ends_at_once_stays_and_the_rest_moves() {
        let threads = Threads::default();
        assert_eq!(threads.drive(Box::pin(async { here() })).await, here());
        assert!(threads.0.get().is_none(), "threads were started for nothing");
        let moved = threads.drive(Box::pin(async {
            tokio::task::yield_now().await;
            here()
        }));
        assert_eq!(moved.await.as_deref(), Some("plugins"));
    }

    #[tokio::test]
    async fn what_nobody_waits_for_is_dropped() {
        struct Told(Arc<AtomicBool>);
        impl Drop for Told {
            fn drop(&mut self) {
                self.0.store(true, Ordering::SeqCst);
            }
        }
        let (threads, dropped) = (Threads::default(), Arc::new(AtomicBool::new(false)));
        let told = Told(Arc::clone(&dropped));
        let call = threads.drive(Box::pin(async move {
            pending::<()>().await;
            drop(told);
        }));
        assert!(tokio::time::timeout(Duration::from_millis(20), call).await.is_err());
        for _ in 0..1000 {
            if dropped.load(Ordering::SeqCst) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("the call goes on");
    }

    #[tokio::test]
    #[should_panic(expected = "of the call")]
    async fn a_panic_is_the_callers() {
        let call = async {
            tokio::task::yield_now().await;
            panic!("of the call");
        };
        Threads::default().drive(Box::pin(call)).await;
    }
}
