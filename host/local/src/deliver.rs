//! Deliveries on one machine: HTTP, and a clear answer for what is reached from AWS only.

use anyhow::Context;
use postdate_core::plugin::{JobFailure, JobResult};
use postdate_core::ports::{Deliver, Delivery};
use postdate_core::use_case::Target;
use postdate_deliver::HttpTarget;

use crate::clock::Clock;

/// Delivers on this server's clock.
#[derive(Clone)]
pub struct LocalDeliver {
    http: HttpTarget,
    clock: Clock,
}

impl LocalDeliver {
    pub fn new(clock: Clock) -> anyhow::Result<Self> {
        Ok(Self { http: HttpTarget::new().context("cannot make the HTTP client")?, clock })
    }
}

impl Deliver for LocalDeliver {
    async fn deliver(&self, Delivery { target, timeout, claimed }: Delivery<'_>) -> JobResult {
        match target {
            Target::Http { url, .. } => self.http.deliver(url, timeout, claimed, || self.clock.now()).await,
            other => {
                let message = format!("a target of the kind {} is delivered to on AWS only", other.kind());
                Err(JobFailure { message, retry: false, retry_after: None })
            }
        }
    }
}
