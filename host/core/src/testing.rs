//! Hand-written fakes of the ports, and the contract that every ledger is held to. For tests, of the hosts too.

mod bundle;
mod clock;
mod contract;
mod deliver;
mod ledger;
mod samples;
mod scheduler;
mod use_cases;

use std::future::poll_fn;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

pub use bundle::FakeBundle;
pub use clock::FakeClock;
pub use contract::{adoption_contract, ledger_contract};
pub use deliver::{Delivered, FakeDeliver};
pub use ledger::MemoryLedger;
pub use samples::{LEASE, claim, moment, new_request, sample_id};
pub use scheduler::RecordingScheduler;
pub use use_cases::FakeUseCases;

/// The output of a future that never waits: fakes answer at once.
///
/// # Panics
/// Where the future waits for something after all.
pub fn block_on<F: Future>(future: F) -> F::Output {
    match pin!(future).as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("the future waits for something, and only fakes were expected here"),
    }
}

/// All the outputs, in order; the futures are under way at the same time.
pub async fn join_all<F: Future>(futures: impl IntoIterator<Item = F>) -> Vec<F::Output> {
    let mut slots: Vec<_> = futures.into_iter().map(|future| (Box::pin(future), None)).collect();
    poll_fn(move |context| {
        for (future, output) in slots.iter_mut().filter(|(_, output)| output.is_none()) {
            if let Poll::Ready(value) = future.as_mut().poll(context) {
                *output = Some(value);
            }
        }
        if slots.iter().any(|(_, output)| output.is_none()) {
            return Poll::Pending;
        }
        Poll::Ready(slots.iter_mut().filter_map(|(_, output)| output.take()).collect())
    })
    .await
}

#[cfg(test)]
mod tests;
