//! An execution environment: a process, and its Runtime API.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use http_body_util::Full;
use hyper::Response;
use hyper::body::Bytes;
use postdate_tests::process::Process;
use postdate_tests::serve::{Answer, Server};
use serde_json::{Value, json};
use tokio::sync::{Mutex, mpsc};

use super::Stub;

/// Timeout of an answer.
const PATIENCE: Duration = Duration::from_mins(1);

/// An execution environment. Its process is killed when dropped.
pub struct Environment {
    process: Process,
    started: Instant,
    events: mpsc::UnboundedSender<Value>,
    answers: mpsc::UnboundedReceiver<(Instant, Bytes)>,
    asked: mpsc::UnboundedReceiver<Instant>,
    _api: Server,
}

impl Environment {
    /// Starts a program with the variables of a deployment, and with the stub as AWS.
    pub async fn spawn(command: &mut Command, stub: &Stub, use_cases: &str, variables: &[(&str, &str)]) -> anyhow::Result<Self> {
        let (events, queue) = mpsc::unbounded_channel::<Value>();
        let (answered, answers) = mpsc::unbounded_channel();
        let (asks, asked) = mpsc::unbounded_channel();
        let queue = Arc::new(Mutex::new(queue));
        let api = Server::start(move |request: hyper::Request<Bytes>| {
            let (queue, answered, asks) = (Arc::clone(&queue), answered.clone(), asks.clone());
            async move {
                if request.uri().path().ends_with("/invocation/next") {
                    let _ = asks.send(Instant::now());
                    return Some(next(&queue.lock().await.recv().await?));
                }
                let _ = answered.send((Instant::now(), request.into_body()));
                let mut done = Response::new(Full::default());
                *done.status_mut() = hyper::StatusCode::ACCEPTED;
                Some(done)
            }
        })
        .await;
        command
            .env_clear()
            .env("NODE_NO_WARNINGS", "1")
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("AWS_LAMBDA_RUNTIME_API", format!("127.0.0.1:{}", api.port));
        command.env("AWS_LAMBDA_FUNCTION_NAME", "bench").env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST");
        command.env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512").env("AWS_REGION", "eu-central-1");
        command.env("AWS_ACCESS_KEY_ID", "AKIAOFTHEBENCH").env("AWS_SECRET_ACCESS_KEY", "not-a-secret");
        // The other services keep AWS's endpoints, since the hosts prepare TLS only if an endpoint needs it, and each start on AWS does.
        for service in ["DYNAMODB", "EVENTBRIDGE", "LAMBDA", "S3", "SCHEDULER", "SNS", "SQS"] {
            command.env(format!("AWS_ENDPOINT_URL_{service}"), stub.url());
        }
        let target = "arn:aws:lambda:eu-central-1:123456789012:function:target";
        command.env("POSTDATE_TABLE", "postdate").env("POSTDATE_TARGET_ARN", target).env("POSTDATE_USE_CASES", use_cases);
        command.env("POSTDATE_DEAD_LETTER_ARN", "arn:aws:sqs:eu-central-1:123456789012:dead").env("POSTDATE_LOG", "warn");
        command.env("POSTDATE_QUEUE_URL", format!("{}/123456789012/delay", stub.url()));
        command.envs(variables.iter().copied());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::inherit());
        let started = Instant::now();
        let process = Process::spawn(command).with_context(|| format!("cannot start {}", command.get_program().display()))?;
        Ok(Self { process, started, events, answers, asked, _api: api })
    }

    /// Returns the time from start to the first request for an event: the init phase.
    pub async fn ready(&mut self) -> anyhow::Result<Duration> {
        let asked = tokio::time::timeout(PATIENCE, self.asked.recv()).await.context("the program asks for no event")?;
        Ok(asked.context("the Runtime API has ended")? - self.started)
    }

    /// Invokes the program with an event. Returns the time to the answer, and the answer.
    pub async fn invoke(&mut self, event: &Value) -> anyhow::Result<(Duration, Value)> {
        let given = Instant::now();
        self.events.send(event.clone()).context("the Runtime API has ended")?;
        let answer = tokio::time::timeout(PATIENCE, self.answers.recv()).await.context("no answer")?;
        let (at, body) = answer.context("the Runtime API has ended")?;
        Ok((at - given, serde_json::from_slice(&body).unwrap_or_default()))
    }

    /// Invokes the program with its first event. Returns the time from the start to the answer, and the answer.
    pub async fn first_answer(&mut self, event: &Value) -> anyhow::Result<(Duration, Value)> {
        let started = self.started;
        let given = Instant::now();
        let (took, answer) = self.invoke(event).await?;
        Ok((given + took - started, answer))
    }

    /// Returns the resident memory in bytes.
    pub fn memory(&self) -> anyhow::Result<u64> {
        self.process.resident_bytes().context("the program has ended")
    }
}

fn next(event: &Value) -> Answer {
    let deadline = std::time::SystemTime::now() + Duration::from_secs(30);
    let deadline = deadline.duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_millis();
    let answer = Response::builder()
        .header("lambda-runtime-aws-request-id", "00000000-0000-4000-8000-000000000000")
        .header("lambda-runtime-deadline-ms", deadline.to_string())
        .header("lambda-runtime-invoked-function-arn", "arn:aws:lambda:eu-central-1:123456789012:function:bench")
        .header("content-type", "application/json");
    answer.body(Full::from(event.to_string())).unwrap_or_default()
}

/// Returns the event of a POST to a function URL or an HTTP API.
pub fn post(use_case: &str, body: &str) -> Value {
    let path = format!("/requests/{use_case}");
    json!({
        "version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": "",
        "headers": { "content-type": "application/json", "host": "bench.example" },
        "requestContext": {
            "accountId": "123456789012", "apiId": "bench", "domainName": "bench.example", "domainPrefix": "bench",
            "http": { "method": "POST", "path": path, "protocol": "HTTP/1.1", "sourceIp": "203.0.113.7", "userAgent": "bench" },
            "requestId": "bench", "routeKey": "$default", "stage": "$default", "time": "10/Jan/2027:05:16:23 +0000",
            "timeEpoch": 1_799_644_583_000_u64,
        },
        "isBase64Encoded": false, "body": body,
    })
}

/// Fails unless an answer is 202: the time of a refusal must not count as that of an accepted request.
pub fn accepted(answer: &Value) -> anyhow::Result<()> {
    ensure!(answer["statusCode"] == 202, "not accepted: {answer}");
    Ok(())
}

/// Returns the path. Fails if there is no such file.
pub fn built(path: &Path) -> anyhow::Result<&Path> {
    ensure!(path.is_file(), "there is no {}: `cargo xtask bench` builds it", path.display());
    Ok(path)
}
