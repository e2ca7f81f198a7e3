//! Delivering a body to what a target stands for, by the target host.

use std::time::Duration;

use aws_sdk_lambda::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use chrono::{DateTime, Utc};
use postdate_core::fire::MAX_RESULT_BYTES;
use postdate_core::plugin::{JobFailure, JobResult};
use postdate_core::ports::{Deliver, Delivery};
use postdate_core::request::Request;
use postdate_core::use_case::{AwsTarget, Target};
use postdate_deliver::HttpTarget;
use serde_json::json;

use crate::clients::Clients;

/// Delivers with the credentials of the target host.
#[derive(Clone)]
pub struct AwsDeliver {
    http: HttpTarget,
    lambda: aws_sdk_lambda::Client,
    queues: aws_sdk_sqs::Client,
    topics: aws_sdk_sns::Client,
    events: aws_sdk_eventbridge::Client,
    executions: aws_sdk_sfn::Client,
    now: fn() -> DateTime<Utc>,
}

impl AwsDeliver {
    pub fn new(clients: &Clients, http: HttpTarget, now: fn() -> DateTime<Utc>) -> Self {
        Self {
            http,
            lambda: clients.lambda(),
            queues: clients.sqs(),
            topics: clients.sns(),
            events: clients.eventbridge(),
            executions: clients.sfn(),
            now,
        }
    }

    async fn invoke(&self, aws: &AwsTarget, body: &str) -> JobResult {
        let call = self.lambda.invoke().function_name(&aws.arn).payload(body.as_bytes().to_vec().into());
        let answer = call.send().await.map_err(|error| failure("lambda", &aws.arn, &error))?;
        if let Some(kind) = answer.function_error() {
            // What the function said may quote the body.
            return Err(retry(format!("the target {} answered with an error ({kind})", aws.arn)));
        }
        let text = answer.payload.map(aws_sdk_lambda::primitives::Blob::into_inner).unwrap_or_default();
        if text.len() > MAX_RESULT_BYTES {
            return Ok(Some(json!({ "answerBytes": text.len() }).to_string()));
        }
        Ok(String::from_utf8(text).ok().filter(|text| !text.is_empty() && text != "null"))
    }

    async fn send(&self, aws: &AwsTarget, request: &Request, body: &str) -> JobResult {
        use aws_sdk_sqs::types::MessageAttributeValue;
        let url = queue_url(&aws.arn).ok_or_else(|| permanent(format!("{} is not the ARN of a queue", aws.arn)))?;
        let id = MessageAttributeValue::builder().data_type("String").string_value(request.id.to_string()).build();
        let id = id.map_err(|error| permanent(error.to_string()))?;
        let mut call = self.queues.send_message().queue_url(url).message_body(body).message_attributes("correlation-id", id);
        if is_fifo(&aws.arn) {
            call = call.message_group_id(group(aws, request)).message_deduplication_id(request.id.to_string());
        }
        let answer = call.send().await.map_err(|error| failure("sqs", &aws.arn, &error))?;
        Ok(answer.message_id.map(|id| json!({ "messageId": id }).to_string()))
    }

    async fn publish(&self, aws: &AwsTarget, request: &Request, body: &str) -> JobResult {
        use aws_sdk_sns::types::MessageAttributeValue;
        let id = MessageAttributeValue::builder().data_type("String").string_value(request.id.to_string()).build();
        let id = id.map_err(|error| permanent(error.to_string()))?;
        let mut call = self.topics.publish().topic_arn(&aws.arn).message(body).message_attributes("correlation-id", id);
        if is_fifo(&aws.arn) {
            call = call.message_group_id(group(aws, request)).message_deduplication_id(request.id.to_string());
        }
        let answer = call.send().await.map_err(|error| failure("sns", &aws.arn, &error))?;
        Ok(answer.message_id.map(|id| json!({ "messageId": id }).to_string()))
    }

    async fn put_event(&self, aws: &AwsTarget, request: &Request, body: &str) -> JobResult {
        let entry = aws_sdk_eventbridge::types::PutEventsRequestEntry::builder()
            .event_bus_name(&aws.arn)
            .source(aws.source.as_deref().unwrap_or("postdate"))
            .detail_type(aws.detail_type.as_deref().unwrap_or(&request.use_case))
            .detail(body)
            .build();
        let answer = self.events.put_events().entries(entry).send().await.map_err(|error| failure("event-bus", &aws.arn, &error))?;
        let entry = answer.entries().first();
        if answer.failed_entry_count() > 0 {
            let code = entry.and_then(|entry| entry.error_code()).unwrap_or("no error code");
            return Err(retry(format!("the target {} refused the event: {code}", aws.arn)));
        }
        Ok(entry.and_then(|entry| entry.event_id()).map(|id| json!({ "eventId": id }).to_string()))
    }

    async fn start(&self, aws: &AwsTarget, request: &Request, body: &str) -> JobResult {
        // Named after the request, so that a repetition starts nothing.
        let call = self.executions.start_execution().state_machine_arn(&aws.arn).name(request.id.to_string()).input(body);
        match call.send().await {
            Ok(answer) => Ok(Some(json!({ "executionArn": answer.execution_arn }).to_string())),
            Err(error) if error.code() == Some("ExecutionAlreadyExists") => Ok(None),
            Err(error) => Err(failure("step-functions", &aws.arn, &error)),
        }
    }
}

impl Deliver for AwsDeliver {
    async fn deliver(&self, Delivery { target, timeout, claimed }: Delivery<'_>) -> JobResult {
        let (request, body) = (&claimed.request, claimed.body.as_str());
        let delivery = async {
            match target {
                Target::Http { url, .. } => self.http.deliver(url, timeout, claimed, self.now).await,
                Target::Lambda(aws) => self.invoke(aws, body).await,
                Target::Sqs(aws) => self.send(aws, request, body).await,
                Target::Sns(aws) => self.publish(aws, request, body).await,
                Target::EventBus(aws) => self.put_event(aws, request, body).await,
                Target::StepFunctions(aws) => self.start(aws, request, body).await,
                other => Err(permanent(format!("no host delivers to a target of the kind {}", other.kind()))),
            }
        };
        match tokio::time::timeout(timeout, delivery).await {
            Ok(result) => result,
            Err(_) => Err(retry(format!("the target of the kind {} did not answer within {}", target.kind(), seconds(timeout)))),
        }
    }
}

/// Queues and topics say by their name that they keep an order.
#[expect(clippy::case_sensitive_file_extension_comparisons, reason = "AWS asks for exactly this ending")]
fn is_fifo(arn: &str) -> bool {
    arn.ends_with(".fifo")
}

fn seconds(timeout: Duration) -> String {
    format!("{:.1} s", timeout.as_secs_f64())
}

fn group<'a>(aws: &'a AwsTarget, request: &'a Request) -> &'a str {
    aws.group.as_deref().unwrap_or(&request.use_case)
}

/// `arn:aws:sqs:region:account:name`; another partition has another domain.
pub(crate) fn queue_url(arn: &str) -> Option<String> {
    let parts: Vec<&str> = arn.split(':').collect();
    let ["arn", partition, "sqs", region, account, name] = parts[..] else { return None };
    let domain = if partition == "aws-cn" { "amazonaws.com.cn" } else { "amazonaws.com" };
    Some(format!("https://sqs.{region}.{domain}/{account}/{name}"))
}

fn permanent(message: String) -> JobFailure {
    JobFailure { message, retry: false, retry_after: None }
}

fn retry(message: String) -> JobFailure {
    JobFailure { message, retry: true, retry_after: None }
}

/// What may pass is tried again: the service is busy, broken, or out of reach.
fn failure<E: ProvideErrorMetadata + std::error::Error + 'static>(kind: &str, arn: &str, error: &SdkError<E>) -> JobFailure {
    match error {
        SdkError::ServiceError(service) => {
            let code = error.code().unwrap_or("no error code");
            let passing = service.raw().status().is_server_error()
                || ["Throttl", "TooManyRequests", "Limit", "ExpiredToken"].iter().any(|word| code.contains(word));
            let message = format!("the {kind} target {arn} refused: {code}: {}", error.message().unwrap_or("no message"));
            JobFailure { message, retry: passing, retry_after: None }
        }
        SdkError::ConstructionFailure(_) => permanent(format!("the {kind} target {arn}: {}", DisplayErrorContext(error))),
        _ => retry(format!("the {kind} target {arn} could not be reached: {}", DisplayErrorContext(error))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_is_called_by_its_url() {
        let url = queue_url("arn:aws:sqs:eu-west-1:123456789012:orders.fifo");
        assert_eq!(url.as_deref(), Some("https://sqs.eu-west-1.amazonaws.com/123456789012/orders.fifo"));
        assert_eq!(queue_url("arn:aws:sns:eu-west-1:123456789012:t"), None);
    }
}
