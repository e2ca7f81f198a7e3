use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::*;

fn here() -> Option<String> {
    std::thread::current().name().map(str::to_owned)
}

#[tokio::test]
async fn only_a_call_that_waits_moves_to_another_thread() {
    let threads = Threads::default();
    assert_eq!(threads.drive(Box::pin(async { here() })).await, here());
    assert!(threads.0.get().is_none(), "threads were started for a call that does not wait");
    let moved = threads.drive(Box::pin(async {
        tokio::task::yield_now().await;
        here()
    }));
    assert_eq!(moved.await.as_deref(), Some("plugins"));
}

#[tokio::test]
async fn a_call_is_dropped_with_its_waiter() {
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
    panic!("the call still runs");
}

#[tokio::test]
#[should_panic(expected = "of the call")]
async fn a_panic_of_a_call_reaches_its_caller() {
    let call = async {
        tokio::task::yield_now().await;
        panic!("of the call");
    };
    Threads::default().drive(Box::pin(call)).await;
}
