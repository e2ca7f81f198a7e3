use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Wake, Waker};

use postdate_core::request::Status;
use postdate_core::testing::{at, new_request, sample_id};

use super::*;

#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn a_wait_is_woken_by_the_end_of_its_request_alone() {
    let feed = Feed::default();
    let request = |n, status| Request { status, ..new_request(sample_id(n), "orders", at(0)).request };
    let (first, second) = (feed.wait_for_end(sample_id(1)), feed.wait_for_end(sample_id(1)));
    let woken = Arc::<Wakes>::default();
    let waker = Waker::from(Arc::clone(&woken));
    let mut context = Context::from_waker(&waker);
    let (mut one, mut two) = (pin!(first.ended.notified()), pin!(second.ended.notified()));
    assert!(one.as_mut().poll(&mut context).is_pending() && two.as_mut().poll(&mut context).is_pending());

    feed.send(&request(2, Status::Succeeded));
    feed.send(&request(1, Status::Running));
    assert_eq!(woken.0.load(Ordering::Relaxed), 0, "woken by another change");
    feed.send(&request(1, Status::Failed));
    assert_eq!(woken.0.load(Ordering::Relaxed), 2);
    assert!(one.as_mut().poll(&mut context).is_ready() && two.as_mut().poll(&mut context).is_ready());
}

#[test]
fn the_last_wait_for_a_request_leaves_nothing_behind() {
    let feed = Feed::default();
    let (first, second) = (feed.wait_for_end(sample_id(1)), feed.wait_for_end(sample_id(1)));
    drop(first);
    assert_eq!(feed.ends().len(), 1);
    drop(second);
    assert!(feed.ends().is_empty());
}
