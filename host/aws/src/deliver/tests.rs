//! Deliveries over a fake HTTP connection, which returns one configured answer and records the requests.

use std::sync::{Arc, Mutex};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::retry::RetryConfig;
use postdate_core::request::Claimed;
use postdate_core::testing::{moment, new_request, sample_id};
use postdate_core::use_case::UseCase;
use postdate_runtime::Secrets;

use super::*;

const BODY: &str = r#"{"card":"4111"}"#;
/// The header of X-Ray with the trace of each request.
const TRACE: &str = "Root=1-66f2a1b0-4dea0086f9763ac0667b115a;Parent=53995c3f42cd8ad8;Sampled=1";

/// URI and body of each request that was sent, in order.
type Sent = Arc<Mutex<Vec<(String, String)>>>;

#[derive(Debug, Clone)]
struct Canned {
    status: u16,
    headers: Vec<(&'static str, &'static str)>,
    body: &'static str,
    sent: Sent,
}

impl HttpConnector for Canned {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let body = request.body().bytes().map(|bytes| String::from_utf8_lossy(bytes).into_owned()).unwrap_or_default();
        self.sent.lock().unwrap().push((request.uri().to_owned(), body));
        let mut response = HttpResponse::new(self.status.try_into().unwrap(), SdkBody::from(self.body));
        for (name, value) in &self.headers {
            response.headers_mut().insert(*name, *value);
        }
        HttpConnectorFuture::ready(Ok(response))
    }
}

fn made<C: Send + 'static>(client: C) -> Lazy<C> {
    Lazy::new(|| client)
}

fn deliver(canned: &Canned) -> AwsDeliver {
    let connector = SharedHttpConnector::new(canned.clone());
    let sdk = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-west-1"))
        .credentials_provider(SharedCredentialsProvider::new(Credentials::new("key", "secret", None, None, "test")))
        .retry_config(RetryConfig::disabled())
        .http_client(http_client_fn(move |_, _| connector.clone()))
        .build();
    // `AwsFiring::new` does the same. An error means that a provider is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    AwsDeliver {
        http: HttpDeliver::new(SystemClock, postdate_egress::Network::default(), Secrets::none()).unwrap(),
        lambda: made(aws_sdk_lambda::Client::new(&sdk)),
        queues: made(aws_sdk_sqs::Client::new(&sdk)),
        topics: made(aws_sdk_sns::Client::new(&sdk)),
        events: made(aws_sdk_eventbridge::Client::new(&sdk)),
        executions: made(aws_sdk_sfn::Client::new(&sdk)),
    }
}

/// Makes one delivery to `{ kind = … }`. Returns its result and the calls that it made.
async fn run(
    target: &str,
    status: u16,
    headers: &[(&'static str, &'static str)],
    body: &'static str,
) -> (JobResult, Vec<(String, String)>) {
    let manifest = format!("name = \"orders\"\n[process]\nplugin = \"p.wasm\"\n[targets]\nit = {{ {target} }}\n");
    let use_case = UseCase::parse(&manifest).unwrap();
    let (_, target) = use_case.targets.get("it").unwrap();
    let canned = Canned { status, headers: headers.to_vec(), body, sent: Sent::default() };
    let trace = "00-66f2a1b04dea0086f9763ac0667b115a-53995c3f42cd8ad8-01".parse().ok();
    let request = Request { trace, ..new_request(sample_id(1), "orders", moment()).request };
    let claimed = Claimed { request, body: BODY.to_owned() };
    let timeout = Duration::from_secs(5);
    let result = deliver(&canned).deliver(Delivery { target, timeout, claimed: &claimed }).await.unwrap();
    if let Err(failure) = &result {
        assert!(!failure.message.contains("4111"), "{}", failure.message);
    }
    let sent = canned.sent.lock().unwrap().clone();
    (result, sent)
}

const LAMBDA: &str = r#"kind = "lambda", arn = "arn:aws:lambda:eu-west-1:123456789012:function:f:live""#;
const FIFO: &str = r#"kind = "sqs", arn = "arn:aws:sqs:us-east-2:123456789012:orders.fifo""#;
const BUS: &str = r#"kind = "event-bus", arn = "arn:aws:events:eu-west-1:123456789012:event-bus/b""#;
const FLOW: &str = r#"kind = "step-functions", arn = "arn:aws:states:eu-west-1:123456789012:stateMachine:flow""#;

#[tokio::test]
async fn a_functions_answer_is_the_result_and_of_its_error_only_the_type_is_kept() {
    let (result, sent) = run(LAMBDA, 200, &[], r#"{"ok":true}"#).await;
    assert_eq!(result.unwrap().as_deref(), Some(r#"{"ok":true}"#));
    assert_eq!(sent[0].1, BODY);
    assert_eq!(run(LAMBDA, 200, &[], "null").await.0.unwrap(), None);
    let answer = r#"{"errorMessage":"bad card 4111","errorType":"ValueError","stackTrace":["4111"]}"#;
    let (result, _) = run(LAMBDA, 200, &[("x-amz-function-error", "Unhandled")], answer).await;
    let failure = result.unwrap_err();
    assert!(failure.retry && failure.message.ends_with(":live ended with an error: ValueError"), "{}", failure.message);
}

#[tokio::test]
async fn a_fifo_queue_gets_group_and_deduplication_id_in_its_own_region() {
    let (result, sent) = run(FIFO, 200, &[], r#"{"MessageId":"m-1"}"#).await;
    assert_eq!(result.unwrap().as_deref(), Some(r#"{"messageId":"m-1"}"#));
    assert!(sent[0].0.starts_with("https://sqs.us-east-2.amazonaws.com"), "{}", sent[0].0);
    let call: serde_json::Value = serde_json::from_str(&sent[0].1).unwrap();
    assert_eq!(call["QueueUrl"], "https://sqs.us-east-2.amazonaws.com/123456789012/orders.fifo");
    assert_eq!((call["MessageGroupId"].as_str(), call["MessageBody"].as_str()), (Some("orders"), Some(BODY)));
    assert_eq!(call["MessageDeduplicationId"], sample_id(1).to_string());
    assert_eq!(call["MessageAttributes"]["correlation-id"]["StringValue"], sample_id(1).to_string());
    assert_eq!(call["MessageSystemAttributes"]["AWSTraceHeader"]["StringValue"], TRACE);
}

#[tokio::test]
async fn a_rejected_event_is_a_failure_although_the_call_succeeds() {
    let (result, sent) = run(BUS, 200, &[], r#"{"FailedEntryCount":0,"Entries":[{"EventId":"e-1"}]}"#).await;
    assert_eq!(result.unwrap().as_deref(), Some(r#"{"eventId":"e-1"}"#));
    let call: serde_json::Value = serde_json::from_str(&sent[0].1).unwrap();
    let entry = &call["Entries"][0];
    assert_eq!(
        (entry["Source"].as_str(), entry["DetailType"].as_str(), entry["Detail"].as_str()),
        (Some("postdate"), Some("orders"), Some(BODY))
    );
    assert_eq!(entry["TraceHeader"], TRACE);
    for (code, retry) in [("InternalFailure", true), ("ThrottlingException", true), ("MalformedDetail", false)] {
        let answer = format!(r#"{{"FailedEntryCount":1,"Entries":[{{"ErrorCode":"{code}","ErrorMessage":"no"}}]}}"#);
        let failure = run(BUS, 200, &[], answer.leak()).await.0.unwrap_err();
        assert_eq!(failure.retry, retry, "{}", failure.message);
        assert!(failure.message.contains(code) && failure.message.contains("event-bus/b"), "{}", failure.message);
    }
}

#[tokio::test]
async fn an_execution_is_named_after_its_request_and_an_existing_one_is_success() {
    let (result, sent) = run(FLOW, 200, &[], r#"{"executionArn":"arn:x","startDate":1}"#).await;
    assert_eq!(result.unwrap().as_deref(), Some(r#"{"executionArn":"arn:x"}"#));
    assert!(sent[0].1.contains(&format!("\"name\":\"{}\"", sample_id(1))) && sent[0].1.contains(TRACE), "{}", sent[0].1);
    let there = r#"{"__type":"ExecutionAlreadyExists","message":"it is there"}"#;
    assert_eq!(run(FLOW, 400, &[], there).await.0.unwrap(), None);
}

#[tokio::test]
async fn only_transient_errors_are_retried() {
    for (status, code, retry) in [
        (400, "ThrottlingException", true),
        (429, "TooManyRequestsException", true),
        (500, "InternalException", true),
        (503, "ServiceUnavailable", true),
        (403, "ExpiredTokenException", true),
        (400, "ExecutionLimitExceeded", true),
        (400, "AccessDeniedException", false),
        (404, "ResourceNotFoundException", false),
        (400, "ValidationException", false),
    ] {
        for target in [FIFO, BUS, FLOW, LAMBDA] {
            let answer = format!(r#"{{"__type":"{code}","message":"Value '{{4111}}' at 'x' is not good"}}"#);
            let failure = run(target, status, &[("x-amzn-errortype", String::from(code).leak())], answer.leak()).await.0.unwrap_err();
            assert_eq!(failure.retry, retry, "{}", failure.message);
            assert!(failure.message.contains(code), "{}", failure.message);
        }
    }
}

#[tokio::test]
async fn a_direct_target_is_delivered_to_if_a_host_can_reach_its_kind() {
    let direct = r#"kind = "sqs", direct = true, arn = "arn:aws:sqs:eu-west-1:123456789012:q""#;
    let (result, sent) = run(direct, 200, &[], r#"{"MessageId":"m-1"}"#).await;
    assert!(result.is_ok() && sent.len() == 1);
    let stream = r#"kind = "kinesis", direct = true, role = "arn:aws:iam::123456789012:role/postdate-direct-a", arn = "arn:aws:kinesis:eu-west-1:123456789012:stream/s""#;
    let (result, sent) = run(stream, 200, &[], "{}").await;
    let failure = result.unwrap_err();
    assert!(!failure.retry && sent.is_empty() && failure.message.contains("only EventBridge"), "{}", failure.message);
}
