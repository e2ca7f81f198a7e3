use std::cell::Cell;
use std::future::poll_fn;

use super::*;

#[test]
fn the_memory_ledger_keeps_the_contract() {
    block_on(ledger_contract(&MemoryLedger::default()));
    block_on(adoption_contract(&MemoryLedger::default()));
    block_on(pause_contract(&MemoryLedger::default()));
}

#[test]
fn joined_futures_run_concurrently_and_keep_their_order() {
    // The first future is ready only after the second has run.
    let stage = &Cell::new(0);
    let wait_for = |wanted: u32| {
        poll_fn(move |context| {
            stage.set(stage.get().max(3 - wanted));
            context.waker().wake_by_ref();
            if stage.get() >= wanted { Poll::Ready(wanted) } else { Poll::Pending }
        })
    };
    let mut joined = pin!(join_all([wait_for(2), wait_for(1)]));
    let mut context = Context::from_waker(Waker::noop());
    assert_eq!(joined.as_mut().poll(&mut context), Poll::Pending);
    assert_eq!(joined.as_mut().poll(&mut context), Poll::Ready(vec![2, 1]));
}
