//! Reads sample events in the forms that AWS documents, and makes calls through the API over fakes.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use postdate_core::lifecycle::Change;
use postdate_core::pause::Pause;
use postdate_core::ports::{Arming, Changed, Inserted, LedgerError, ScheduleError, StoredVersions, UseCaseError, UseCaseInfo};
use postdate_core::request::{HistoryEntry, NewRequest, Page, Query, Request};
use postdate_core::testing::{FakeBundle, FakeUseCases, MemoryLedger, RecordingScheduler, moment, sample_id};
use postdate_core::use_case::Target;
use serde_json::Value;

use super::*;

const BODY: &str = r#"{"triggerAt":"2027-01-15T08:00:30Z","item":"book"}"#;
const ID_PATH: &str = "/requests/01890a5d-ac96-774b-bcce-b302099a8057";

fn event(file: &str) -> lambda_http::Request {
    let path = format!("{}/tests/events/{file}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    lambda_http::request::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Method with path and query; body; base path; caller.
type Read<'a> = (&'a str, &'a str, &'a str, &'a [(&'a str, &'a str)]);

#[track_caller]
fn check(file: &str, base_path: Option<&str>, (call, body, base, caller): Read<'_>) -> Incoming {
    let incoming = Incoming::read(event(file), base_path).unwrap();
    let request = &incoming.request;
    assert_eq!(format!("{} {}", request.method(), request.uri()), call, "{file}");
    assert_eq!(std::str::from_utf8(request.body()).unwrap(), body, "{file}");
    assert_eq!(incoming.base_path, base, "{file}");
    let read: Vec<(&str, &str)> = incoming.caller.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(read, caller, "{file}");
    assert_eq!(request.headers()["x-forwarded-for"], "203.0.113.7", "{file}");
    incoming
}

fn header(incoming: &Incoming, name: &str) -> String {
    incoming.request.headers()[name].to_str().unwrap().to_owned()
}

const ROLE: [(&str, &str); 3] = [
    ("iam:accountId", "123456789012"),
    ("iam:callerId", "AROAEXAMPLE:client"),
    ("iam:userArn", "arn:aws:sts::123456789012:assumed-role/client/client"),
];

#[test]
fn a_rest_api_event_is_read() {
    let read = check("rest-iam.json", None, ("POST /requests/orders", BODY, "/prod", &ROLE));
    assert_eq!((header(&read, "idempotency-key"), header(&read, "content-type")), ("k-1".into(), "application/json".into()));
    let claims = [("level", "3"), ("principalId", "user-7"), ("tenant", "acme")];
    // A REST API's query parameters come as a map, which has no order.
    let incoming = Incoming::read(event("rest-lambda-authorizer.json"), None).unwrap();
    let mut parts: Vec<&str> = incoming.request.uri().query().unwrap().split('&').collect();
    parts.sort_unstable();
    assert_eq!(parts, ["from=2027-01-15T09%3A00%3A00%2B01%3A00", "useCase=orders"]);
    let caller: Vec<(&str, &str)> = incoming.caller.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(caller, claims, "a claim of an authorizer with the prefix of IAM is dropped");
    // With a custom domain name, the path that clients call does not contain the stage.
    let claims = [("cognito:username", "ann"), ("email_verified", "true"), ("sub", "a1b2")];
    check("rest-cognito.json", None, (&format!("DELETE {ID_PATH}"), "", "", &claims));
}

#[test]
fn an_http_api_event_is_read() {
    let claims = [("exp", "1799648183"), ("iss", "https://issuer.example.com"), ("scope", "orders:write"), ("sub", "a1b2")];
    let read = check("http-jwt.json", None, ("POST /requests/orders", BODY, "", &claims));
    assert_eq!((header(&read, "idempotency-key"), header(&read, "cookie")), ("k-1".into(), "session=1; theme=dark".into()));
    check("http-iam.json", None, (&format!("PATCH {ID_PATH}"), r#"{"delay":"PT90S"}"#, "/prod", &ROLE));
    check("http-lambda-authorizer.json", None, ("GET /use-cases", "", "", &[("roles", r#"["a","b"]"#), ("tenant", "acme")]));
}

#[test]
fn a_function_url_event_is_read() {
    let user = [("iam:accountId", "123456789012"), ("iam:callerId", "AIDAEXAMPLE"), ("iam:userArn", "arn:aws:iam::123456789012:user/ann")];
    check("function-url-iam.json", None, ("GET /requests?useCase=orders&cursor=a%2Bb%3D%3D", "", "", &user));
    check("function-url.json", None, ("POST /requests/orders", BODY, "", &[]));
}

#[test]
fn a_load_balancer_event_is_read() {
    let incoming = Incoming::read(event("alb.json"), None).unwrap();
    let mut parts: Vec<&str> = incoming.request.uri().query().unwrap().split('&').collect();
    parts.sort_unstable();
    assert_eq!((incoming.request.uri().path(), parts), ("/requests", vec!["cursor=a%2Bb%3D%3D", "useCase=orders"]));
    let read = check("alb-multi-value.json", None, ("POST /requests/orders", BODY, "", &[]));
    assert_eq!(header(&read, "idempotency-key"), "k-1");
}

/// Returns the path of the call and the base of links.
fn paths(mut event: Value, base_path: Option<&str>) -> (String, String) {
    event["body"] = Value::Null;
    let event = read_event(&event.to_string()).unwrap();
    let read = Incoming::read(event.into(), base_path).unwrap();
    (read.request.uri().path().to_owned(), read.base_path)
}

fn json(file: &str) -> Value {
    let path = format!("{}/tests/events/{file}", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn a_configured_base_path_is_removed_and_used_in_links() {
    for (path, base, expected) in [
        ("/v1/requests/orders", Some("/v1"), ("/requests/orders", "/v1")),
        ("/requests/orders", Some("/v1"), ("/requests/orders", "/v1")),
        ("/v1x/requests/orders", Some("/v1"), ("/v1x/requests/orders", "/v1")),
        ("/v1", Some("/v1"), ("/", "/v1")),
        ("/v1/requests/orders", None, ("/v1/requests/orders", "")),
        ("/requests/or ders", Some(""), ("/requests/or%20ders", "")),
        ("/shop/prod/requests/orders", Some("/shop/prod"), ("/requests/orders", "/shop/prod")),
        ("/requests/orders%2Fx", None, ("/requests/orders%2Fx", "")),
        ("/v1/requests/orders/x/y", Some("/v1"), ("/requests/orders/x/y", "/v1")),
    ] {
        let mut event = json("function-url.json");
        event["rawPath"] = path.into();
        let (path, link) = paths(event, base);
        assert_eq!((path.as_str(), link.as_str()), expected, "{base:?}");
    }
    // A configured base path takes precedence over the stage. The stage is removed from the path in any case.
    check("rest-iam.json", Some(""), ("POST /requests/orders", BODY, "", &ROLE));
}

/// A REST API removes its stage from `path` and not from `requestContext.path`. A custom domain's mapping is in both.
#[test]
fn a_rest_apis_stage_and_base_path_are_cut_off_the_path_of_the_call() {
    for (stage, path, called, base, expected) in [
        ("prod", "/requests/orders", "/prod/requests/orders", None, ("/requests/orders", "/prod")),
        ("requests", "/requests/orders", "/requests/requests/orders", None, ("/requests/orders", "/requests")),
        ("requests", "/requests", "/requests/requests", None, ("/requests", "/requests")),
        ("requests", "/requests/orders", "/requests/orders", None, ("/requests/orders", "")),
        ("health", "/health", "/health/health", None, ("/health", "/health")),
        ("prod", "/openapi.json", "/prod/openapi.json", None, ("/openapi.json", "/prod")),
        ("prod", "/shop/requests/orders", "/shop/requests/orders", Some("/shop"), ("/requests/orders", "/shop")),
        ("prod", "/requests/orders", "/prod/requests/orders", Some("/shop"), ("/requests/orders", "/shop")),
        ("prod", "/shop/prod/requests/orders", "/shop/prod/requests/orders", Some("/shop/prod"), ("/requests/orders", "/shop/prod")),
        ("prod", "/requests/orders", "/prod/requests/orders", Some("/shop/prod"), ("/requests/orders", "/shop/prod")),
        ("requests", "/requests/requests", "/requests/requests/requests", None, ("/requests/requests", "/requests")),
    ] {
        let mut event = json("rest-iam.json");
        (event["path"], event["requestContext"]["path"], event["requestContext"]["stage"]) = (path.into(), called.into(), stage.into());
        let (path, link) = paths(event, base);
        assert_eq!((path.as_str(), link.as_str()), expected, "{stage} {called} {base:?}");
    }
}

/// An HTTP API's `rawPath` begins with the stage on the API's own domain. A custom domain's mapping is not in it.
#[test]
fn an_http_apis_stage_and_base_path_are_cut_off_the_path_of_the_call() {
    let (own, custom) = ("a1b2c3.execute-api.eu-west-1.amazonaws.com", "api.example.com");
    for (domain, stage, raw, base, expected) in [
        (own, "prod", "/prod/requests/orders", None, ("/requests/orders", "/prod")),
        (own, "requests", "/requests/requests/orders", None, ("/requests/orders", "/requests")),
        (own, "requests", "/requests/requests", None, ("/requests", "/requests")),
        (own, "$default", "/requests/requests", None, ("/requests/requests", "")),
        (own, "", "/requests/orders", None, ("/requests/orders", "")),
        (custom, "prod", "/requests/orders", None, ("/requests/orders", "")),
        (custom, "requests", "/requests/orders", None, ("/requests/orders", "")),
        (custom, "requests", "/requests/requests", None, ("/requests/requests", "")),
        (custom, "requests", "/requests/requests/orders", None, ("/requests/orders", "/requests")),
        (custom, "prod", "/prod/requests/orders", None, ("/requests/orders", "/prod")),
        // A proxy in front of either domain, which removes its own base path or does not.
        (own, "prod", "/prod/requests/orders", Some("/shop"), ("/requests/orders", "/shop")),
        (own, "prod", "/prod/shop/requests/orders", Some("/shop"), ("/requests/orders", "/shop")),
        (own, "prod", "/prod/requests/orders", Some("/shop/prod"), ("/requests/orders", "/shop/prod")),
        (own, "prod", "/prod/shop/prod/requests/orders", Some("/shop/prod"), ("/requests/orders", "/shop/prod")),
        (custom, "prod", "/shop/requests/orders", Some("/shop"), ("/requests/orders", "/shop")),
        (custom, "prod", "/shop/prod/requests/orders", Some("/shop/prod"), ("/requests/orders", "/shop/prod")),
        (custom, "prod", "/shop/prod/requests/orders", Some("/shop"), ("/requests/orders", "/shop")),
        (custom, "prod", "/requests/orders", Some(""), ("/requests/orders", "")),
    ] {
        let mut event = json("http-iam.json");
        (event["rawPath"], event["requestContext"]["http"]["path"]) = (raw.into(), raw.into());
        (event["requestContext"]["stage"], event["requestContext"]["domainName"]) = (stage.into(), domain.into());
        event["headers"]["host"] = domain.into();
        let (path, link) = paths(event, base);
        assert_eq!((path.as_str(), link.as_str()), expected, "{domain} {stage} {raw} {base:?}");
    }
}

/// The console's test of an API method sends null for what the caller left empty.
#[test]
fn a_console_test_event_with_null_headers_is_read() {
    for file in ["rest-iam.json", "http-jwt.json", "function-url.json", "alb.json"] {
        let mut event = json(file);
        for member in
            ["headers", "multiValueHeaders", "queryStringParameters", "multiValueQueryStringParameters", "pathParameters", "stageVariables"]
        {
            event[member] = Value::Null;
        }
        event["isBase64Encoded"] = false.into();
        let (path, _) = paths(event, None);
        assert!(path.starts_with("/requests"), "{file}: {path}");
    }
}

/// A fake whose clones share its state.
#[derive(Default)]
struct Shared<T>(Arc<T>);

// A derived `Clone` would require `T: Clone`.
impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl UseCases for Shared<FakeUseCases> {
    type Bundle = FakeBundle;

    async fn current(&self, name: &str) -> Option<Arc<FakeBundle>> {
        self.0.current(name).await
    }

    async fn version(&self, name: &str, version: &str) -> Result<Arc<FakeBundle>, UseCaseError> {
        self.0.version(name, version).await
    }

    async fn list(&self) -> Vec<UseCaseInfo> {
        self.0.list().await
    }

    async fn versions(&self, name: &str) -> Result<Option<StoredVersions>, UseCaseError> {
        self.0.versions(name).await
    }
}

impl Intake for Shared<MemoryLedger> {
    async fn find_by_key(&self, use_case: &str, key: &str) -> Result<Option<Request>, LedgerError> {
        self.0.find_by_key(use_case, key).await
    }

    async fn insert(&self, new: Arc<NewRequest>) -> Result<Inserted, LedgerError> {
        self.0.insert(new).await
    }
}

impl Requests for Shared<MemoryLedger> {
    async fn find(&self, id: CorrelationId) -> Result<Option<(Request, Vec<HistoryEntry>)>, LedgerError> {
        self.0.find(id).await
    }

    async fn list(&self, query: Query) -> Result<Page, LedgerError> {
        self.0.list(query).await
    }

    async fn body(&self, id: CorrelationId) -> Result<Option<String>, LedgerError> {
        Requests::body(&*self.0, id).await
    }

    async fn wait_for_end(&self, id: CorrelationId, time: Duration) {
        self.0.wait_for_end(id, time).await;
    }

    fn longest_wait(&self) -> Duration {
        self.0.longest_wait()
    }
}

impl Pauses for Shared<MemoryLedger> {
    async fn pauses(&self, now: DateTime<Utc>) -> Result<Vec<Pause>, LedgerError> {
        self.0.pauses(now).await
    }

    async fn pause(&self, pause: Pause) -> Result<(), LedgerError> {
        self.0.pause(pause).await
    }

    async fn resume(&self, use_case: &str, target: Option<&str>) -> Result<bool, LedgerError> {
        self.0.resume(use_case, target).await
    }
}

impl Changes for Shared<MemoryLedger> {
    async fn change(&self, id: CorrelationId, change: Change, now: DateTime<Utc>) -> Result<Changed, LedgerError> {
        self.0.change(id, change, now).await
    }
}

impl Scheduler for Shared<RecordingScheduler> {
    fn serves(&self, target: &Target) -> Result<(), String> {
        self.0.serves(target)
    }

    async fn schedule(&self, arming: Arming<'_>) -> Result<(), ScheduleError> {
        self.0.schedule(arming).await
    }

    async fn unschedule(&self, request: &Request) -> Result<(), ScheduleError> {
        self.0.unschedule(request).await
    }
}

type FakeProcessor = Processor<Shared<FakeUseCases>, Shared<MemoryLedger>, Shared<RecordingScheduler>>;

fn processor() -> FakeProcessor {
    let manifest = "name = \"orders\"\n[validate]\nplugin = \"v.wasm\"\n[process]\nplugin = \"p.wasm\"\n";
    Processor {
        use_cases: Shared(Arc::new(FakeUseCases::of(FakeBundle::new("v1", manifest)))),
        ledger: Shared::default(),
        scheduler: Shared::default(),
        base_path: None,
        claims: CallerClaims::default(),
        now: moment,
        new_id: |_| sample_id(1),
    }
}

async fn answer(processor: &FakeProcessor, event: lambda_http::Request) -> (u16, Option<String>, Value) {
    let response = processor.answer(event).await;
    let location = response.headers().get("location").map(|value| value.to_str().unwrap().to_owned());
    assert_eq!(response.headers()["x-correlation-id"], sample_id(1).to_string().as_str());
    (response.status().as_u16(), location, serde_json::from_slice(response.body()).unwrap())
}

#[tokio::test]
async fn an_accepted_call_keeps_its_base_path_and_its_caller() {
    let processor = processor();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let manifest = "name = \"orders\"\n[validate]\nplugin = \"v.wasm\"\n[process]\nplugin = \"p.wasm\"\n";
    let caller = Arc::clone(&seen);
    processor.use_cases.0.put(FakeBundle::new("v2", manifest).on_validate(move |input| {
        *caller.lock().unwrap() = input.caller;
        Ok(Ok(postdate_core::plugin::Acceptance::default()))
    }));
    let (status, location, document) = answer(&processor, event("rest-iam.json")).await;
    assert_eq!((status, location), (202, Some(format!("/prod/requests/{}", sample_id(1)))), "{document}");
    assert_eq!(document["correlationId"], sample_id(1).to_string());
    assert_eq!(*seen.lock().unwrap(), ROLE.map(|(name, value)| (name.to_owned(), value.to_owned())));
    assert_eq!(processor.scheduler.0.scheduled().len(), 1);
}

#[tokio::test]
async fn a_request_keeps_the_context_of_x_ray_unless_its_call_has_a_traceparent() {
    const X_RAY: &str = "Root=1-66f2a1b0-4dea0086f9763ac0667b115a;Parent=53995c3f42cd8ad8;Sampled=1";
    const CLIENTS: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let headers = [("x-amzn-trace-id", X_RAY), ("traceparent", CLIENTS)];
    for (headers, expected) in
        [(&headers[..0], None), (&headers[..1], Some("00-66f2a1b04dea0086f9763ac0667b115a-53995c3f42cd8ad8-01")), (&headers, Some(CLIENTS))]
    {
        let (processor, mut call) = (processor(), event("rest-iam.json"));
        for (name, value) in headers {
            call.headers_mut().insert(*name, value.parse().unwrap());
        }
        assert_eq!(answer(&processor, call).await.0, 202);
        let (request, _) = processor.ledger.0.find(sample_id(1)).await.unwrap().unwrap();
        assert_eq!(request.trace.map(|trace| trace.to_string()).as_deref(), expected);
    }
}

#[tokio::test]
async fn a_rejected_call_is_answered_with_a_problem_document() {
    let processor = processor();
    let (status, _, document) = answer(&processor, event("alb.json")).await;
    assert_eq!((status, &document["code"]), (400, &Value::from("bad-query")), "{document}");
    let mut head = event("alb.json");
    *head.method_mut() = http::Method::HEAD;
    let head = processor.answer(head).await;
    assert_eq!((head.status().as_u16(), head.body().len()), (400, 0));
    let mut large = event("function-url.json");
    *large.body_mut() = lambda_http::Body::Binary(vec![b' '; postdate_core::api::MAX_BODY_BYTES + 1]);
    let (status, _, document) = answer(&processor, large).await;
    assert_eq!((status, &document["code"]), (413, &Value::from("payload-too-large")));
}

#[tokio::test]
async fn the_claims_of_the_authorizer_name_the_owner_and_the_scopes() {
    let mut processor = processor();
    processor.claims = CallerClaims { owner: Some("sub".to_owned()), scopes: None };
    let (status, ..) = answer(&processor, event("http-jwt.json")).await;
    let (stored, history) = processor.ledger.find(sample_id(1)).await.unwrap().expect("the request is stored");
    assert_eq!((status, stored.owner.as_deref(), history[0].by.as_deref()), (202, Some("a1b2"), Some("a1b2")));
    // The token of the sample has the scope `orders:write`, which is none of Postdate's.
    processor.claims.scopes = Some("scope".to_owned());
    let (status, _, document) = answer(&processor, event("http-jwt.json")).await;
    assert_eq!((status, &document["code"], &document["scope"]), (403, &"missing-scope".into(), &"submit".into()));
    processor.claims = CallerClaims { owner: Some("tenant".to_owned()), scopes: None };
    let (status, _, document) = answer(&processor, event("http-jwt.json")).await;
    assert_eq!((status, &document["code"]), (403, &"owner-unknown".into()));
}

#[tokio::test]
async fn an_encoded_slash_and_a_body_that_is_no_base64_are_answered_with_problem_documents() {
    let processor = processor();
    let answered = async |file: &str, change: fn(&mut Value)| {
        let mut event = json(file);
        change(&mut event);
        let event = read_event(&event.to_string()).unwrap();
        let response = processor.answer(event.into()).await;
        assert_eq!(response.headers()["content-type"], "application/problem+json");
        let document: Value = serde_json::from_slice(response.body()).unwrap();
        (response.status().as_u16(), document["code"].as_str().unwrap().to_owned())
    };
    let slash = |event: &mut Value| event["rawPath"] = "/requests/orders%2Fx".into();
    assert_eq!(answered("function-url.json", slash).await, (404, "unknown-use-case".to_owned()));
    let decoded = |event: &mut Value| event["rawPath"] = "/requests/orders/x".into();
    assert_eq!(answered("function-url.json", decoded).await, (404, "not-found".to_owned()));
    let body = |event: &mut Value| (event["isBase64Encoded"], event["body"]) = (true.into(), BODY.into());
    for file in ["rest-iam.json", "http-jwt.json", "function-url.json", "alb-multi-value.json"] {
        assert_eq!(answered(file, body).await, (400, "malformed-body".to_owned()), "{file}");
    }
}
