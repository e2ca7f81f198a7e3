//! The janitor Lambda: repairs overdue requests and deletes orphaned rules.

#![recursion_limit = "256"]

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use lambda_runtime::{Error, LambdaEvent, service_fn};
use postdate_aws::firing::AwsFiring;
use postdate_aws::host::Host;
use postdate_aws::janitor::{Sweep, SweepLimits, SweepReport};
use postdate_aws::metrics::{self, Service, count};
use serde_json::Value;

/// Requests that the janitor reads at once, by a query of each partition of `open`. It examines as many as it has time for.
const PAGE: usize = 1_000;
/// Most rules that one run examines.
const RULES: usize = 500;
/// A run begins nothing new when less than this time is left before the function's deadline.
const MARGIN: Duration = Duration::from_secs(10);

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), Error> {
    let host = Box::pin(Host::from_env(Service::Janitor)).await?;
    let max_event_age = host.config.max_event_age;
    let firing = Arc::new(AwsFiring::new(&host)?);
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Value>| {
        let firing = Arc::clone(&firing);
        async move {
            let end = SystemTime::UNIX_EPOCH + Duration::from_millis(event.context.deadline);
            let left = end.duration_since(SystemTime::now()).unwrap_or_default();
            let deadline = Instant::now() + left.saturating_sub(MARGIN);
            let limits = SweepLimits { page: PAGE, rules: RULES, deadline, max_event_age };
            let report = Box::pin(Sweep { host: &*firing, limits }.run()).await;
            tell(&event.context.request_id, &report);
            Ok::<_, Error>(report)
        }
    }))
    .await
}

fn tell(request_id: &str, report: &SweepReport) {
    let SweepReport { rules, cleaned, not_cleaned, released, expired, rearmed, settled, notified, ref not_mended, errors, more } = *report;
    tracing::info!(
        request_id,
        rules,
        cleaned,
        not_cleaned,
        released,
        expired,
        rearmed,
        settled,
        notified,
        ?not_mended,
        errors,
        more,
        "cleaned up"
    );
    metrics::emit(
        Service::Janitor,
        None,
        &[
            count("Rules", rules),
            count("Cleaned", cleaned),
            count("CleanFailed", not_cleaned),
            count("Released", released),
            count("Rearmed", rearmed),
            count("Errors", errors),
        ],
    );
    if expired > 0 {
        metrics::emit(Service::Janitor, None, &[count("Expired", expired)]);
    }
    for (&reason, &requests) in not_mended {
        metrics::emit_not_mended(reason, requests);
    }
}
