use std::sync::atomic::{AtomicU32, Ordering};

use super::*;

fn unusable(reason: &str) -> UseCaseError {
    UseCaseError::Unusable(reason.to_owned())
}

async fn load(loads: &AtomicU32, result: Result<u32, &str>) -> Result<u32, UseCaseError> {
    loads.fetch_add(1, Ordering::SeqCst);
    // Lets the other callers arrive during the load.
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    result.map_err(unusable)
}

#[tokio::test]
async fn callers_of_the_same_version_share_one_load() {
    for (result, expected) in [(Ok(7), Ok(Arc::new(7))), (Err("no"), Err(unusable("no")))] {
        let (pinned, loads) = (Pinned::new(|_| 0), AtomicU32::new(0));
        let get = || pinned.get("orders", "1", load(&loads, result));
        let (a, b, c) = tokio::join!(get(), get(), get());
        assert_eq!((&a, &b, &c), (&expected, &expected, &expected));
        assert_eq!(get().await, expected);
        assert_eq!(loads.load(Ordering::SeqCst), 1);
        let _ = pinned.get("orders", "2", load(&loads, result)).await;
        assert_eq!(loads.load(Ordering::SeqCst), 2, "another version needs its own load");
    }
}

#[tokio::test]
async fn after_a_cancelled_load_the_next_caller_loads() {
    let (pinned, loads) = (Pinned::new(|_| 0), AtomicU32::new(0));
    {
        let mut given_up = std::pin::pin!(pinned.get("orders", "1", load(&loads, Ok(1))));
        assert!(std::future::poll_fn(|context| std::task::Poll::Ready(given_up.as_mut().poll(context).is_pending())).await);
    }
    assert_eq!(pinned.get("orders", "1", load(&loads, Ok(2))).await, Ok(Arc::new(2)));
}

#[tokio::test]
async fn the_bytes_and_the_number_of_cached_versions_are_bounded() {
    async fn cached(pinned: &Pinned<u32>, versions: u32) -> u64 {
        for version in 0..versions {
            pinned.get("orders", &version.to_string(), async move { Ok(version) }).await.unwrap();
        }
        pinned.0.run_pending_tasks().await;
        pinned.0.entry_count()
    }
    assert_eq!(cached(&Pinned::new(|_| 0), 300).await, 256);
    assert_eq!(cached(&Pinned::new(|_| 300 << 20), 10).await, 3);
    assert_eq!(cached(&Pinned::new(|_| usize::MAX), 2).await, 1);
}
