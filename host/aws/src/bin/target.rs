//! The target Lambda: runs requests when they are due.

#![recursion_limit = "256"]

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use lambda_runtime::{Context, Diagnostic, Error, LambdaEvent, service_fn};
use postdate_aws::firing::{AwsFiring, reason};
use postdate_aws::host::Host;
use postdate_aws::metrics::{self, Service, Unit};
use postdate_aws::target::{DeliveryOutcome, Invocation, QueueMessage, batch_response};
use postdate_aws::xray::spans;
use postdate_core::envelope::Envelope;
use postdate_core::fire::FireError;
use postdate_core::request::Status;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tracing::Instrument as _;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), Error> {
    let host = Box::pin(Host::from_env(Service::Target)).await?;
    let firing = Arc::new(AwsFiring::new(&host)?);
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Box<RawValue>>| {
        let firing = Arc::clone(&firing);
        let segment = spans::invocation(event.context.xray_trace_id.as_deref());
        async move { Box::pin(handle(&firing, event)).await }.instrument(segment)
    }))
    .await
}

async fn handle(firing: &Arc<AwsFiring>, event: LambdaEvent<Box<RawValue>>) -> Result<Value, Diagnostic> {
    let deadline = deadline(&event.context);
    let request_id = event.context.request_id.clone();
    match Invocation::parse(&event.payload) {
        Ok(Invocation::Direct(envelope)) => {
            let fired = fire(firing, *envelope, deadline, request_id).await;
            let fired = fired.map_err(|error| failed(reason(&error), &error))?;
            Ok(json!({ "outcome": name(&fired) }))
        }
        Ok(Invocation::Queue(messages)) => {
            let mut running = tokio::task::JoinSet::new();
            let mut left = HashMap::new();
            for QueueMessage { id, envelope } in messages {
                let (firing, request_id, message_id) = (Arc::clone(firing), request_id.clone(), id.clone());
                let delivery = async move {
                    match envelope {
                        Ok(envelope) => fire(&firing, envelope, deadline, request_id).await.is_ok(),
                        Err(error) => {
                            tracing::error!(request_id, message_id, %error, "the message is not an envelope of Postdate");
                            false
                        }
                    }
                };
                let task = running.spawn(delivery.in_current_span());
                left.insert(task.id(), id);
            }
            while let Some(ended) = running.join_next_with_id().await {
                match ended {
                    Ok((task, true)) => drop(left.remove(&task)),
                    Ok((_, false)) => {}
                    Err(error) => tracing::error!(request_id, %error, "the delivery of a message panicked"),
                }
            }
            // The rest has failed, a message whose task panicked as well. The other messages are done.
            let failed: Vec<String> = left.into_values().collect();
            Ok(batch_response(&failed))
        }
        Err(error) => {
            tracing::error!(request_id, %error, "the event is not from Postdate");
            Err(failed(error.code(), &error))
        }
    }
}

fn failed(error_type: &str, error: &impl ToString) -> Diagnostic {
    Diagnostic { error_type: error_type.to_owned(), error_message: error.to_string() }
}

async fn fire(firing: &AwsFiring, envelope: Envelope, deadline: Instant, request_id: String) -> Result<DeliveryOutcome, FireError> {
    let span = tracing::info_span!("fire", request_id, correlation_id = %envelope.correlation_id);
    async {
        let fired = Box::pin(firing.fire(&envelope, deadline)).await;
        match &fired {
            Ok(fired) => report(&envelope, fired),
            Err(error) => tracing::error!(%error, "the delivery failed and must be repeated"),
        }
        fired
    }
    .instrument(span)
    .await
}

fn report(envelope: &Envelope, fired: &DeliveryOutcome) {
    let DeliveryOutcome::Ran { request, started } = fired else {
        tracing::info!(outcome = name(fired), "the delivery ran no attempt");
        if let DeliveryOutcome::Expired(request) = fired {
            metrics::emit(Service::Target, Some(&request.use_case), &[("Expired", 1.0, Unit::Count)]);
        }
        if let DeliveryOutcome::Deferred(request) = fired {
            let waited = metrics::waited_ms(request, postdate_aws::clock::now());
            let measured = [("Deferred", 1.0, Unit::Count), ("WaitedMs", waited, Unit::Milliseconds)];
            metrics::emit(Service::Target, Some(&request.use_case), &measured);
        }
        if let DeliveryOutcome::Waits(request) = fired {
            metrics::emit_waits(request, postdate_aws::clock::now());
        }
        return;
    };
    // Lateness counts from the time that the envelope was scheduled for.
    let due = postdate_core::time::parse_time(&envelope.scheduled_for).unwrap_or(request.trigger_at);
    let lateness = (*started - due).num_milliseconds().max(0);
    tracing::info!(use_case = request.use_case, attempt = request.attempts, status = %request.status, lateness_ms = lateness, "ran");
    #[expect(clippy::cast_precision_loss, reason = "milliseconds of a lateness are far below 2^52")]
    let mut measured = vec![("Fired", 1.0, Unit::Count), ("LatenessMs", lateness as f64, Unit::Milliseconds)];
    measured.push(("Attempts", f64::from(request.attempts), Unit::Count));
    if request.status == Status::Failed {
        measured.push(("Failed", 1.0, Unit::Count));
    }
    if request.finished_at.is_some() && envelope.rule.is_some() {
        measured.push(("Cleaned", 1.0, Unit::Count));
    }
    metrics::emit(Service::Target, Some(&request.use_case), &measured);
}

fn name(fired: &DeliveryOutcome) -> &'static str {
    match fired {
        DeliveryOutcome::Ran { .. } => "ran",
        DeliveryOutcome::Deferred(_) => "deferred",
        DeliveryOutcome::Waits(_) => "waits",
        DeliveryOutcome::Expired(_) => "expired",
        DeliveryOutcome::Early => "early",
        DeliveryOutcome::Busy => "busy",
        DeliveryOutcome::Parked => "parked",
        DeliveryOutcome::Ended(_) => "ended",
        DeliveryOutcome::Lost => "claim-lost",
        DeliveryOutcome::Unknown => "unknown",
    }
}

/// Returns the time when Lambda stops this invocation.
fn deadline(context: &Context) -> Instant {
    let at = SystemTime::UNIX_EPOCH + Duration::from_millis(context.deadline);
    Instant::now() + at.duration_since(SystemTime::now()).unwrap_or_default()
}
