use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use super::*;

/// Polls once. Drops the turn if there is one.
fn is_waiting(turn: &mut Pin<Box<impl Future<Output = Turn>>>) -> bool {
    turn_of(turn).is_none()
}

/// Polls once.
fn turn_of(turn: &mut Pin<Box<impl Future<Output = Turn>>>) -> Option<Turn> {
    match turn.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(turn) => Some(turn),
        Poll::Pending => None,
    }
}

fn turns(serving: usize) -> Turns {
    Turns { serving: Queue::of(serving), uploads: Queue::of(1) }
}

#[test]
fn a_due_version_goes_before_a_start_that_waits_longer() {
    let turns = turns(2);
    let running = [Need::Start, Need::Start].map(|need| turn_of(&mut Box::pin(turns.next(need))).unwrap());
    let mut start = Box::pin(turns.next(Need::Start));
    let mut due = Box::pin(turns.next(Need::Due));
    assert!(is_waiting(&mut start) && is_waiting(&mut due));
    let [first, second] = running;
    drop(first);
    assert!(is_waiting(&mut start));
    let due = turn_of(&mut due).unwrap();
    drop(second);
    let start = turn_of(&mut start).unwrap();
    let mut next = Box::pin(turns.next(Need::Start));
    assert!(is_waiting(&mut next));
    drop((due, start));
    assert!(!is_waiting(&mut next));
}

#[test]
fn uploads_take_one_turn_which_is_none_of_the_others() {
    let turns = turns(1);
    let upload = turn_of(&mut Box::pin(turns.next(Need::Upload))).unwrap();
    let mut second = Box::pin(turns.next(Need::Upload));
    assert!(is_waiting(&mut second));
    let serving = turn_of(&mut Box::pin(turns.next(Need::Due))).unwrap();
    assert!(is_waiting(&mut second));
    drop(serving);
    assert!(is_waiting(&mut second));
    drop(upload);
    assert!(!is_waiting(&mut second));
}

#[test]
fn a_waiter_that_is_gone_loses_no_turn() {
    let turns = turns(1);
    let running = turn_of(&mut Box::pin(turns.next(Need::Start))).unwrap();
    let mut gone = Box::pin(turns.next(Need::Due));
    let mut given = Box::pin(turns.next(Need::Due));
    let mut left = Box::pin(turns.next(Need::Start));
    assert!(is_waiting(&mut gone) && is_waiting(&mut given) && is_waiting(&mut left));
    drop(gone);
    drop(running);
    // The turn was given to this waiter, which is dropped before it takes it.
    drop(given);
    assert!(!is_waiting(&mut left));
    assert_eq!(turns.serving.lock().free, 1, "all turns are back");
}

#[test]
fn the_load_counts_turns_and_those_that_still_wait() {
    let turns = turns(1);
    let running = turn_of(&mut Box::pin(turns.next(Need::Start))).unwrap();
    let upload = turn_of(&mut Box::pin(turns.next(Need::Upload))).unwrap();
    let mut due = Box::pin(turns.next(Need::Due));
    let mut given_up = Box::pin(turns.next(Need::Start));
    assert!(is_waiting(&mut due) && is_waiting(&mut given_up));
    drop(given_up);
    assert_eq!(turns.load(), CompileLoad { running: 2, waiting: 1 });
    drop((upload, due, running));
    assert_eq!(turns.load(), CompileLoad::default());
}
