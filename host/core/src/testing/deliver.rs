//! Fake of the port `Deliver`.

use crate::host_fault::HostFault;
use crate::plugin::JobResult;
use crate::ports::{Deliver, Delivery};

/// Always returns the same answer.
pub struct FakeDeliver(Result<JobResult, HostFault>);

impl FakeDeliver {
    pub fn answering(answer: JobResult) -> Self {
        Self(Ok(answer))
    }

    /// Creates a fake that cannot begin a delivery.
    pub fn failing(fault: HostFault) -> Self {
        Self(Err(fault))
    }
}

impl Deliver for FakeDeliver {
    async fn deliver(&self, _delivery: Delivery<'_>) -> Result<JobResult, HostFault> {
        self.0.clone()
    }
}
