//! Fake of the port `Deliver`.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::host_fault::HostFault;
use crate::id::CorrelationId;
use crate::plugin::JobResult;
use crate::ports::{Deliver, Delivery};
use crate::use_case::Target;

/// A recorded delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivered {
    /// URL or ARN of the target.
    pub url: String,
    pub timeout: Duration,
    pub id: CorrelationId,
    pub attempt: u32,
    pub body: String,
}

/// Records each delivery and always returns the same answer.
pub struct FakeDeliver {
    answer: Result<JobResult, HostFault>,
    delivered: Mutex<Vec<Delivered>>,
}

impl FakeDeliver {
    pub fn answering(answer: JobResult) -> Self {
        Self { answer: Ok(answer), delivered: Mutex::default() }
    }

    /// Creates a fake that cannot begin a delivery.
    pub fn failing(fault: HostFault) -> Self {
        Self { answer: Err(fault), delivered: Mutex::default() }
    }

    pub fn delivered(&self) -> Vec<Delivered> {
        self.delivered.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Deliver for FakeDeliver {
    async fn deliver(&self, delivery: Delivery<'_>) -> Result<JobResult, HostFault> {
        let Delivery { target, timeout, claimed } = delivery;
        let url = match target {
            Target::Http { url, .. } => url.clone(),
            other => other.aws().map(|aws| aws.arn.clone()).unwrap_or_default(),
        };
        let (id, attempt) = (claimed.request.id, claimed.request.attempts);
        let delivered = Delivered { url, timeout, id, attempt, body: claimed.body.clone() };
        self.delivered.lock().unwrap_or_else(PoisonError::into_inner).push(delivered);
        self.answer.clone()
    }
}
