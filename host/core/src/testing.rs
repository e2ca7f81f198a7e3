//! Hand-written fakes of the ports, and the contract test that every ledger must pass. For the tests of the core and of the hosts.

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
pub use contract::{adoption_contract, ledger_contract, pause_contract};
pub use deliver::{Delivered, FakeDeliver};
pub use ledger::MemoryLedger;
pub use samples::{LEASE, at, claim, moment, new_request, sample_id};
pub use scheduler::RecordingScheduler;
pub use use_cases::FakeUseCases;

/// Returns the output of a future that is ready at the first poll, as those of the fakes are.
///
/// # Panics
/// If the future is pending.
pub fn block_on<F: Future>(future: F) -> F::Output {
    match pin!(future).as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("the future is pending: block_on takes only futures of fakes, which are ready at once"),
    }
}

/// Runs the futures concurrently and returns their outputs in the order of the futures.
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
