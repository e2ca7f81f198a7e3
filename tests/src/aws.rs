//! A test's own client of AWS: plain HTTP calls with the headers from which moto reads service and account. No SDK is used,
//! so that the product's use of the SDK is not tested with the same SDK.

mod dynamodb;
mod events;
mod messages;
mod s3;
mod secrets;

use hyper::Method;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use crate::fault_proxy::{ACCOUNT, OF_THE_TEST};
use crate::serve;

pub use dynamodb::LISTED;
pub use messages::Message;

/// Region of every test.
pub const REGION: &str = "eu-central-1";

/// Client of one account's services, at moto or at the fault proxy in front of it, which passes these calls on unchecked.
#[derive(Debug, Clone)]
pub struct Aws {
    http: reqwest::Client,
    endpoint: String,
    pub account: String,
}

/// A service's error response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    pub status: u16,
    pub answer: String,
}

impl Aws {
    /// Returns a client of `endpoint`, `http://host:port`.
    pub fn new(endpoint: &str, account: &str) -> Self {
        Self { http: serve::http(), endpoint: endpoint.to_owned(), account: account.to_owned() }
    }

    /// Returns the ARN of a resource of this account: `arn("sqs", "queue")`.
    pub fn arn(&self, service: &str, resource: &str) -> String {
        format!("arn:aws:{service}:{REGION}:{}:{resource}", self.account)
    }

    /// Calls a service with AWS's JSON protocol: `json("events", "PutRule", …)`. Services: `dynamodb`, `events`,
    /// `secretsmanager`, `sqs`, `ssm`, `states`.
    ///
    /// # Errors
    /// If the service answers with an error.
    pub async fn try_json(&self, service: &str, action: &str, body: &Value) -> Result<Value, Refused> {
        let prefix = match service {
            "dynamodb" => "DynamoDB_20120810",
            "events" => "AWSEvents",
            "secretsmanager" => "secretsmanager",
            "sqs" => "AmazonSQS",
            "ssm" => "AmazonSSM",
            "states" => "AWSStepFunctions",
            other => panic!("{other} has no JSON protocol here"),
        };
        let call = self.call(service, Method::POST, "/").header("x-amz-target", format!("{prefix}.{action}"));
        let call = call.header("content-type", "application/x-amz-json-1.0").body(body.to_string());
        self.send(call).await.map(|answer| serde_json::from_str(&answer).unwrap_or_default())
    }

    /// Calls as [`Self::try_json`]. Panics if the service answers with an error.
    pub async fn json(&self, service: &str, action: &str, body: &Value) -> Value {
        expect(&format!("{service}.{action}"), self.try_json(service, action, body).await)
    }

    /// Calls a service with AWS's query protocol, whose answers are XML. Returns the text of one element of the answer.
    pub async fn query(&self, service: &str, version: &str, action: &str, fields: &[(&str, &str)], element: &str) -> String {
        let mut form = format!("Action={action}&Version={version}");
        for (name, value) in fields {
            form = format!("{form}&{name}={}", utf8_percent_encode(value, NON_ALPHANUMERIC));
        }
        let call = self.call(service, Method::POST, "/").header("content-type", "application/x-www-form-urlencoded").body(form);
        let answer = expect(action, self.send(call).await);
        let document = roxmltree::Document::parse(&answer).expect("XML");
        let found = document.descendants().find(|node| node.tag_name().name() == element);
        found.and_then(|node| node.text()).unwrap_or_else(|| panic!("no {element} in {answer}")).to_owned()
    }

    /// Creates a stack of AWS `CloudFormation` with these outputs and one resource that does nothing.
    pub async fn create_stack(&self, name: &str, outputs: &[(&str, &str)]) {
        let outputs: serde_json::Map<String, Value> =
            outputs.iter().map(|(name, value)| ((*name).to_owned(), serde_json::json!({ "Value": value }))).collect();
        let template = serde_json::json!({ "Resources": { "Nothing": { "Type": "AWS::SNS::Topic" } }, "Outputs": outputs }).to_string();
        self.query("cloudformation", "2010-05-15", "CreateStack", &[("StackName", name), ("TemplateBody", &template)], "StackId").await;
    }

    /// Returns the items of all pages of a call that is paged by `NextToken`.
    async fn pages(&self, service: &str, action: &str, mut body: Value, items: &str) -> Vec<Value> {
        let mut all = Vec::new();
        loop {
            let mut answer = self.json(service, action, &body).await;
            if let Value::Array(page) = answer[items].take() {
                all.extend(page);
            }
            match answer["NextToken"].take() {
                Value::Null => return all,
                next => body["NextToken"] = next,
            }
        }
    }

    fn call(&self, service: &str, method: Method, path: &str) -> reqwest::RequestBuilder {
        // moto reads the service from the credential scope. It does not check the signature.
        let scope = format!("Credential=AKIAOFTHETEST/20270101/{REGION}/{service}/aws4_request");
        let signature = format!("AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=0");
        let call = self.http.request(method, format!("{}{path}", self.endpoint)).header("authorization", signature);
        call.header(ACCOUNT, &self.account).header(OF_THE_TEST, "1")
    }

    async fn send(&self, call: reqwest::RequestBuilder) -> Result<String, Refused> {
        let answer = call.send().await.expect("an answer");
        let status = answer.status().as_u16();
        let text = answer.text().await.expect("an answer's body");
        if status < 300 { Ok(text) } else { Err(Refused { status, answer: text }) }
    }
}

#[track_caller]
fn expect<T>(what: &str, result: Result<T, Refused>) -> T {
    result.unwrap_or_else(|refused| panic!("{what}: {}: {}", refused.status, refused.answer))
}
