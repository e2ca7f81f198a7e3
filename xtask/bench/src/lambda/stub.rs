//! A stub of AWS: stores items, serves a bucket, and answers all other calls with success.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use http_body_util::Full;
use hyper::Response;
use hyper::body::Bytes;
use postdate_tests::serve::{Answer, Server};
use serde_json::{Value, json};

/// A stub on 127.0.0.1. Runs until it is dropped.
pub struct Stub {
    server: Server,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    /// Items by `pk` and `sk`.
    items: Mutex<BTreeMap<(String, String), Value>>,
    calls: Mutex<Vec<String>>,
    /// Bodies of `SendMessage`, and inputs of `PutTargets`.
    events: Mutex<Vec<String>>,
    /// Directory with the objects of `s3://bench/`.
    bucket: Option<PathBuf>,
}

impl Stub {
    pub async fn start(bucket: Option<&Path>) -> Self {
        let state = Arc::new(State { bucket: bucket.map(Path::to_owned), ..State::default() });
        let shared = Arc::clone(&state);
        let server = Server::start(move |request: hyper::Request<Bytes>| {
            let state = Arc::clone(&shared);
            async move { Some(state.answer(&request)) }
        })
        .await;
        Self { server, state }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.server.port)
    }

    /// Returns the calls since the last time, as `Service.Action`.
    pub fn take_calls(&self) -> Vec<String> {
        std::mem::take(&mut *lock(&self.state.calls))
    }

    /// Returns the envelopes that were sent to the queue or put into a rule since the last time.
    pub fn take_events(&self) -> Vec<String> {
        std::mem::take(&mut *lock(&self.state.events))
    }
}

impl State {
    fn answer(&self, request: &hyper::Request<Bytes>) -> Answer {
        let target = request.headers().get("x-amz-target").and_then(|target| target.to_str().ok()).unwrap_or_default();
        if target.is_empty() {
            lock(&self.calls).push("S3.GetObject".to_owned());
            return self.object(request.uri().path());
        }
        let (service, action) = target.split_once('.').unwrap_or_default();
        lock(&self.calls).push(format!("{}.{action}", service.split('_').next().unwrap_or_default()));
        let body: Value = serde_json::from_slice(request.body()).unwrap_or_default();
        let answer = match action {
            // The names of use cases that have had requests.
            "GetItem" if body["Key"]["pk"]["S"] == "use-cases" => json!({ "Item": { "names": { "SS": ["js", "orders"] } } }),
            "GetItem" => match self.find(&body["Key"]) {
                Some(item) => json!({ "Item": item }),
                None => json!({}),
            },
            "Query" => json!({ "Items": self.query(&body["ExpressionAttributeValues"]) }),
            "PutItem" => self.put(&body["Item"]),
            "TransactWriteItems" => {
                for put in body["TransactItems"].as_array().into_iter().flatten() {
                    if put["Put"].is_object() {
                        self.put(&put["Put"]["Item"]);
                    }
                }
                json!({})
            }
            "PutTargets" => {
                let input = body["Targets"][0]["Input"].as_str().unwrap_or_default();
                lock(&self.events).push(input.to_owned());
                json!({ "FailedEntryCount": 0, "FailedEntries": [] })
            }
            "RemoveTargets" => json!({ "FailedEntryCount": 0, "FailedEntries": [] }),
            "PutRule" => json!({ "RuleArn": "arn:aws:events:eu-central-1:123456789012:rule/x" }),
            "SendMessage" => {
                lock(&self.events).push(body["MessageBody"].as_str().unwrap_or_default().to_owned());
                json!({ "MessageId": "00000000-0000-4000-8000-000000000000" })
            }
            _ => json!({}),
        };
        respond(200, answer.to_string().into())
    }

    /// Returns the object of a path-style URL, `/bench/KEY`.
    fn object(&self, path: &str) -> Answer {
        let file = self.bucket.as_ref().zip(path.strip_prefix("/bench/")).map(|(bucket, key)| bucket.join(key));
        match file.and_then(|file| std::fs::read(file).ok()) {
            Some(content) => respond(200, content.into()),
            None => respond(404, Bytes::from_static(b"<Error><Code>NoSuchKey</Code></Error>")),
        }
    }

    fn find(&self, key: &Value) -> Option<Value> {
        lock(&self.items).get(&(text(&key["pk"]), text(&key["sk"]))).cloned()
    }

    fn put(&self, item: &Value) -> Value {
        lock(&self.items).insert((text(&item["pk"]), text(&item["sk"])), item.clone());
        json!({})
    }

    /// Returns the items whose `pk` is one of the expression's values.
    fn query(&self, values: &Value) -> Vec<Value> {
        let names: Vec<String> = values.as_object().into_iter().flatten().map(|(_, value)| text(value)).collect();
        lock(&self.items).iter().filter(|((pk, _), _)| names.contains(pk)).map(|(_, item)| item.clone()).collect()
    }
}

fn respond(status: u16, content: Bytes) -> Answer {
    let mut answer = Response::new(Full::new(content));
    *answer.status_mut() = hyper::StatusCode::from_u16(status).unwrap_or_default();
    answer
}

fn text(attribute: &Value) -> String {
    attribute["S"].as_str().unwrap_or_default().to_owned()
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
