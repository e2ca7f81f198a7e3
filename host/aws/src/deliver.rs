//! The core's port `Deliver` on AWS: one attempt at a target that is no plugin. A direct target gets here only if an operator redrives the
//! event that EventBridge could not deliver.

use std::time::Duration;

use aws_sdk_sfn::operation::start_execution::StartExecutionError;
use postdate_core::arn::{Arn, is_fifo};
use postdate_core::fire::MAX_RESULT_BYTES;
use postdate_core::host_fault::HostFault;
use postdate_core::json::for_messages;
use postdate_core::plugin::{JobFailure, JobResult};
use postdate_core::ports::{Deliver, Delivery};
use postdate_core::request::Request;
use postdate_core::use_case::{AwsTarget, Target};
use postdate_deliver::HttpDeliver;
use serde_json::json;

use crate::aws_error::{AwsError, Class};
use crate::clients::{Clients, Lazy};
use crate::clock::SystemClock;
use crate::schedule::limits::CORRELATION_ATTRIBUTE;
use crate::xray;

/// Returns a client for the region that an ARN names, from one for the region of this host.
macro_rules! client_of {
    ($krate:ident, $client:expr, $arn:expr) => {{
        let region = Arn::parse($arn).map(|arn| arn.region).filter(|region| !region.is_empty());
        match region {
            Some(region) if $client.config().region().is_none_or(|own| own.as_ref() != region) => {
                let region = $krate::config::Region::new(region.to_owned());
                $krate::Client::from_conf($client.config().to_builder().region(region).build())
            }
            _ => (*$client).clone(),
        }
    }};
}

/// Delivers with the credentials of the target host.
#[derive(Clone)]
pub struct AwsDeliver {
    http: HttpDeliver<SystemClock>,
    lambda: Lazy<aws_sdk_lambda::Client>,
    queues: Lazy<aws_sdk_sqs::Client>,
    topics: Lazy<aws_sdk_sns::Client>,
    events: Lazy<aws_sdk_eventbridge::Client>,
    executions: Lazy<aws_sdk_sfn::Client>,
}

impl AwsDeliver {
    pub fn new(clients: &Clients, http: HttpDeliver<SystemClock>) -> Self {
        Self {
            http,
            lambda: clients.lazy(Clients::lambda),
            queues: clients.lazy(Clients::sqs),
            topics: clients.lazy(Clients::sns),
            events: clients.lazy(Clients::eventbridge),
            executions: clients.lazy(Clients::sfn),
        }
    }

    async fn invoke(&self, aws: &AwsTarget, body: &str) -> JobResult {
        let call =
            client_of!(aws_sdk_lambda, self.lambda, &aws.arn).invoke().function_name(&aws.arn).payload(body.as_bytes().to_vec().into());
        let answer = call.send().await.map_err(|error| failure("lambda", &aws.arn, &AwsError::of("Invoke", &error)))?;
        if answer.function_error().is_some() {
            let kind = error_type(answer.payload.as_ref().map(AsRef::as_ref).unwrap_or_default());
            return Err(JobFailure::retry(format!("the lambda target {} ended with an error: {kind}", aws.arn)));
        }
        let text = answer.payload.map(aws_sdk_lambda::primitives::Blob::into_inner).unwrap_or_default();
        if text.len() > MAX_RESULT_BYTES {
            return Ok(Some(json!({ "answerBytes": text.len() }).to_string()));
        }
        Ok(String::from_utf8(text).ok().filter(|text| !text.is_empty() && text != "null"))
    }

    async fn send(&self, aws: &AwsTarget, request: &Request, body: &str) -> JobResult {
        use aws_sdk_sqs::types::{MessageAttributeValue, MessageSystemAttributeNameForSends, MessageSystemAttributeValue};
        let url = Arn::parse(&aws.arn)
            .and_then(Arn::queue_url)
            .ok_or_else(|| JobFailure::permanent(format!("{} is not the ARN of a queue", aws.arn)))?;
        let id = MessageAttributeValue::builder().data_type("String").string_value(subject(request)).build();
        let id = id.map_err(|error| JobFailure::permanent(error.to_string()))?;
        let mut call = client_of!(aws_sdk_sqs, self.queues, &aws.arn)
            .send_message()
            .queue_url(url)
            .message_body(for_messages(body))
            .message_attributes(CORRELATION_ATTRIBUTE, id);
        if let Some(trace) = trace_header(request) {
            let trace = MessageSystemAttributeValue::builder().data_type("String").string_value(trace).build();
            let trace = trace.map_err(|error| JobFailure::permanent(error.to_string()))?;
            call = call.message_system_attributes(MessageSystemAttributeNameForSends::AwsTraceHeader, trace);
        }
        if is_fifo(&aws.arn) {
            call = call.message_group_id(group(aws, request)).message_deduplication_id(request.id.to_string());
        }
        let answer = call.send().await.map_err(|error| failure("sqs", &aws.arn, &AwsError::of("SendMessage", &error)))?;
        Ok(answer.message_id.map(|id| json!({ "messageId": id }).to_string()))
    }

    async fn publish(&self, aws: &AwsTarget, request: &Request, body: &str) -> JobResult {
        use aws_sdk_sns::types::MessageAttributeValue;
        let id = MessageAttributeValue::builder().data_type("String").string_value(subject(request)).build();
        let id = id.map_err(|error| JobFailure::permanent(error.to_string()))?;
        let mut call = client_of!(aws_sdk_sns, self.topics, &aws.arn)
            .publish()
            .topic_arn(&aws.arn)
            .message(for_messages(body))
            .message_attributes(CORRELATION_ATTRIBUTE, id);
        if is_fifo(&aws.arn) {
            call = call.message_group_id(group(aws, request)).message_deduplication_id(request.id.to_string());
        }
        let answer = call.send().await.map_err(|error| failure("sns", &aws.arn, &AwsError::of("Publish", &error)))?;
        Ok(answer.message_id.map(|id| json!({ "messageId": id }).to_string()))
    }

    async fn put_event(&self, aws: &AwsTarget, request: &Request, body: &str) -> JobResult {
        let entry = aws_sdk_eventbridge::types::PutEventsRequestEntry::builder()
            .event_bus_name(&aws.arn)
            .source(aws.source.as_deref().unwrap_or("postdate"))
            .detail_type(aws.detail_type.as_deref().unwrap_or(&request.use_case))
            .detail(for_messages(body))
            .set_trace_header(trace_header(request))
            .build();
        let answer = client_of!(aws_sdk_eventbridge, self.events, &aws.arn)
            .put_events()
            .entries(entry)
            .send()
            .await
            .map_err(|error| failure("event-bus", &aws.arn, &AwsError::of("PutEvents", &error)))?;
        let entry = answer.entries().first();
        if answer.failed_entry_count() > 0 {
            let (code, message) = (entry.and_then(|entry| entry.error_code()), entry.and_then(|entry| entry.error_message()));
            return Err(failure("event-bus", &aws.arn, &AwsError::of_entry("PutEvents", code, message)));
        }
        Ok(entry.and_then(|entry| entry.event_id()).map(|id| json!({ "eventId": id }).to_string()))
    }

    async fn start(&self, aws: &AwsTarget, request: &Request, body: &str) -> JobResult {
        // The execution's name makes the call idempotent.
        let call = client_of!(aws_sdk_sfn, self.executions, &aws.arn)
            .start_execution()
            .state_machine_arn(&aws.arn)
            .name(request.id.to_string())
            .input(for_messages(body))
            .set_trace_header(trace_header(request));
        match call.send().await {
            Ok(answer) => Ok(Some(json!({ "executionArn": answer.execution_arn }).to_string())),
            Err(error) if error.as_service_error().is_some_and(StartExecutionError::is_execution_already_exists) => Ok(None),
            Err(error) => Err(failure("step-functions", &aws.arn, &AwsError::of("StartExecution", &error))),
        }
    }
}

impl Deliver for AwsDeliver {
    async fn deliver(&self, delivery: Delivery<'_>) -> Result<JobResult, HostFault> {
        let Delivery { target, timeout, claimed } = delivery;
        if matches!(target, Target::Http { .. }) {
            return self.http.deliver(delivery).await;
        }
        let (request, body) = (&claimed.request, claimed.body.as_str());
        let delivery = async {
            match target {
                Target::Lambda(aws) => self.invoke(aws, body).await,
                Target::Sqs(aws) => self.send(aws, request, body).await,
                Target::Sns(aws) => self.publish(aws, request, body).await,
                Target::EventBus(aws) => self.put_event(aws, request, body).await,
                Target::StepFunctions(aws) => self.start(aws, request, body).await,
                other => Err(JobFailure::permanent(format!("only EventBridge delivers to a target of the kind {}", other.kind()))),
            }
        };
        #[expect(clippy::single_match_else, reason = "the answer first, then its absence")]
        let result = match tokio::time::timeout(timeout, delivery).await {
            Ok(result) => result,
            Err(_) => {
                let place = target.aws().map_or("", |aws| aws.arn.as_str());
                Err(JobFailure::retry(format!("the {} target {place} did not answer within {}", target.kind(), seconds(timeout))))
            }
        };
        Ok(result)
    }
}

fn seconds(timeout: Duration) -> String {
    format!("{:.1} s", timeout.as_secs_f64())
}

fn group<'a>(aws: &'a AwsTarget, request: &'a Request) -> &'a str {
    aws.group.as_deref().unwrap_or(&request.use_case)
}

/// Returns a failure. The request is retried if the service is throttled, broken or unreachable, or a quota is used up.
fn failure(kind: &str, arn: &str, error: &AwsError) -> JobFailure {
    let message = format!("the call to the {kind} target {arn} failed: {error}");
    match error.class {
        Class::Again | Class::Later | Class::Full => JobFailure::retry(message),
        Class::Missing | Class::Refused => JobFailure::permanent(message),
    }
}

/// Returns the `errorType` of a function's error, which is a name in its code. The rest of the error may quote the body.
fn error_type(answer: &[u8]) -> String {
    let answer: serde_json::Value = serde_json::from_slice(answer).unwrap_or_default();
    let named = answer["errorType"].as_str().unwrap_or("of no type");
    named.chars().filter(|c| c.is_ascii_alphanumeric() || " ._:-".contains(*c)).take(100).collect()
}

/// Returns the id of the request that the receiver knows: for a notice, the id of the request that it is about.
fn subject(request: &Request) -> String {
    request.notice_of.unwrap_or(request.id).to_string()
}

/// Returns the request's trace in the header of X-Ray, which these services pass on.
fn trace_header(request: &Request) -> Option<String> {
    request.trace.map(xray::header)
}

#[cfg(test)]
mod tests;
