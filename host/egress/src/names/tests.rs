use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use super::*;

/// A resolver that never answers for `silent…`, until the test ends, and answers at once for any other name.
struct Silent {
    names: Arc<Names>,
    running: Arc<AtomicUsize>,
    /// Ends the silent look-ups when it is dropped.
    _release: mpsc::Sender<()>,
}

impl Silent {
    fn new() -> Self {
        let (release, released) = mpsc::channel::<()>();
        let (released, running) = (Mutex::new(released), Arc::new(AtomicUsize::new(0)));
        let counter = Arc::clone(&running);
        let look_up = move |name: &str, port| {
            if name.starts_with("silent") {
                counter.fetch_add(1, Ordering::SeqCst);
                let _ = released.lock().unwrap().recv();
            }
            Ok(vec![SocketAddr::from(([192, 0, 2, 1], port))])
        };
        Self {
            names: Arc::new(Names { patience: Duration::from_millis(200), ..Names::new(Arc::new(look_up)) }),
            running,
            _release: release,
        }
    }

    /// Starts this many look-ups of silent names, and waits until as many as are allowed hold a permit.
    async fn flood(&self, use_case: &str, count: usize) -> Vec<tokio::task::JoinHandle<Result<Vec<SocketAddr>, Unreachable>>> {
        let one = |index| {
            let (names, use_case) = (Arc::clone(&self.names), use_case.to_owned());
            tokio::spawn(async move { names.look_up(&use_case, &format!("silent{index}.example"), 80).await })
        };
        let flood: Vec<_> = (0..count).map(one).collect();
        let free = LOOK_UPS.saturating_sub(self.running_permits(use_case) + count.min(SHARE));
        while self.names.all.available_permits() > free {
            tokio::task::yield_now().await;
        }
        flood
    }

    /// Returns the permits that other use cases hold.
    fn running_permits(&self, use_case: &str) -> usize {
        let shares = self.names.shares.lock().unwrap();
        let others = shares.iter().filter(|(name, _)| *name != use_case).filter_map(|(_, share)| share.upgrade());
        others.map(|share| SHARE - share.available_permits()).sum()
    }
}

#[tokio::test]
async fn look_ups_of_one_use_case_that_never_end_leave_room_for_another_one() {
    let silent = Silent::new();
    let flood = silent.flood("hostile", 100).await;
    let found = silent.names.look_up("good", "api.example", 443).await.unwrap();
    assert_eq!(found, ["192.0.2.1:443".parse().unwrap()]);
    for look_up in flood {
        assert!(matches!(look_up.await.unwrap(), Err(Unreachable::Late { .. })));
    }
    // Nobody waits any longer, and the threads are still held: no more may start.
    assert_eq!(LOOK_UPS - silent.names.all.available_permits(), SHARE);
    let error = silent.names.look_up("hostile", "api.example", 443).await.unwrap_err();
    assert_eq!(error.to_string(), "host api.example: the name look-up did not end within 200ms");
}

#[tokio::test]
async fn a_server_whose_look_ups_are_all_taken_by_others_says_that_it_is_busy() {
    let silent = Silent::new();
    for hostile in 0..LOOK_UPS / SHARE {
        silent.flood(&format!("hostile{hostile}"), SHARE).await;
    }
    let error = silent.names.look_up("good", "api.example", 443).await.unwrap_err();
    assert!(matches!(error, Unreachable::Busy { .. }), "{error}");
}

#[tokio::test]
async fn shares_of_use_cases_without_a_look_up_are_forgotten() {
    let silent = Silent::new();
    for use_case in ["a", "b", "c"] {
        silent.names.look_up(use_case, "api.example", 443).await.unwrap();
    }
    assert!(silent.names.shares.lock().unwrap().len() <= 1 && silent.running.load(Ordering::SeqCst) == 0);
}
