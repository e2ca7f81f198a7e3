//! The contract of the API: one suite, which `postdate serve` and the functions on AWS both pass. The answers of both
//! are tested here and nowhere else; behaviour of one deployment has tests of its own.

use postdate_tests::{openapi, stack::Options};
use reqwest::Method;
use serde_json::{Value, json};

use crate::aws::scene::Scene;
use crate::harness::{Client, Delivery, PUPPET, Receiver, Server, events, eventually, text};

/// Returns the manifest of `puppet`, whose notices of success go to the receiver.
fn manifest(receiver: &Receiver) -> String {
    let url = receiver.url("/");
    format!(
        "{PUPPET}[labels]\ncustomer = '/customer'\n[retry]\nmax-attempts = 1\n[on]\nsuccess = 'told'\n[targets]\ndefault = 'here'\n\
         here = {{ kind = 'plugin' }}\ntold = {{ kind = 'http', url = '{url}' }}\n\
         hook = {{ kind = 'http', url = 'http://127.0.0.1:9/', concurrency = 5, rate = '100/s' }}\n"
    )
}

/// One of the deployments, with the use case `puppet`.
trait Deployment {
    fn api(&self) -> &Client;

    /// Lets time pass until every scheduled request has run.
    async fn run_all(&self);
}

impl Deployment for Server {
    fn api(&self) -> &Client {
        &self.api
    }

    async fn run_all(&self) {
        self.api.advance("P300D").await;
    }
}

impl Deployment for Scene {
    fn api(&self) -> &Client {
        &self.api
    }

    async fn run_all(&self) {
        self.settle().await;
    }
}

fn order(customer: &Value, delay: &str) -> Value {
    json!({ "customer": customer, "delay": delay })
}

fn ids(list: &Value) -> Vec<&str> {
    list["requests"].as_array().expect("a list").iter().map(|request| text(request, "correlationId")).collect()
}

async fn contract(deployment: &impl Deployment, receiver: &Receiver) {
    describes(deployment).await;
    submits(deployment).await;
    refuses(deployment).await;
    changes(deployment).await;
    lists(deployment).await;
    runs(deployment).await;
    erases_notices(deployment, receiver).await;
    pauses(deployment).await;
    use_cases(deployment).await;
}

async fn describes(deployment: &impl Deployment) {
    let answer = deployment.api().call(Method::GET, "/openapi.json").send().await.expect("an answer");
    assert_eq!((answer.status().as_u16(), answer.headers()["content-type"].to_str().ok()), (200, Some("application/json")));
    assert!(answer.json::<Value>().await.expect("JSON") == *openapi::description(), "the deployment serves another description");
}

async fn submits(deployment: &impl Deployment) {
    let api = deployment.api();
    let post = |key: &str, body: &Value| {
        let call = api.call(Method::POST, "/requests/puppet").header("idempotency-key", key);
        api.send(call.json(body))
    };
    let body = order(&json!("submit"), "P1D");
    let answer = post("k-1", &body).await;
    let (location, id) = (answer.headers["location"].to_str().expect("text").to_owned(), text(&answer.body, "correlationId").to_owned());
    let accepted = answer.expect(202);
    assert_eq!(location, format!("/requests/{id}"));
    assert_eq!((text(&accepted, "status"), text(&accepted, "useCase"), text(&accepted, "target")), ("scheduled", "puppet", "here"));
    assert_eq!(accepted["links"]["self"], json!(location));
    let mut members: Vec<&String> = accepted.as_object().expect("an object").keys().collect();
    members.sort();
    assert_eq!(members, ["correlationId", "links", "status", "target", "triggerAt", "useCase"]);
    assert_eq!(post("k-1", &body).await.expect(202), accepted, "a repeat has the same answer");
    post("k-1", &order(&json!("other"), "P1D")).await.expect_fault(409, "idempotency-key-reused");

    let request = api.request(&id).await;
    assert_eq!(
        (events(&request), &request["attempts"], &request["labels"]),
        (vec!["accepted"], &json!(0), &json!({ "customer": "submit" }))
    );
    let stored = api.send(api.call(Method::GET, &format!("/requests/{id}?wait=1ms"))).await.expect(200);
    assert_eq!(text(&stored, "status"), "scheduled");
    let raw = api.call(Method::GET, &format!("/requests/{id}/body")).send().await.expect("an answer");
    assert_eq!((raw.status().as_u16(), raw.headers()["x-correlation-id"].to_str().ok()), (200, Some(id.as_str())));
    assert_eq!(raw.text().await.expect("a body"), body.to_string());
    let head = api.call(Method::HEAD, &format!("/requests/{id}")).send().await.expect("an answer");
    assert_eq!(head.status().as_u16(), 200);

    let batch = api.post("/requests/puppet/batch", &json!([order(&json!(1), "P1D"), order(&json!({}), "P1D"), 7])).await.expect(200);
    let statuses: Vec<&Value> = batch["outcomes"].as_array().expect("outcomes").iter().map(|outcome| &outcome["status"]).collect();
    assert_eq!(statuses, [202, 422, 400]);
    let zoned = json!({ "customer": "z", "triggerAt": "2027-03-28T09:00:00[Europe/Berlin]" });
    let zoned = api.post("/requests/puppet", &zoned).await.expect(202);
    assert_eq!(text(&zoned, "triggerAt"), "2027-03-28T07:00:00.000Z");
    assert_eq!(text(&zoned, "triggerAtZoned"), "2027-03-28T09:00:00+02:00[Europe/Berlin]");
}

async fn refuses(deployment: &impl Deployment) {
    let api = deployment.api();
    let unknown = "01a22c20-0a3b-7c50-a5f3-6ab9a4ad9b66";
    for (method, path, body, status, code) in [
        ("GET", "/nothing", "", 404, "not-found"),
        ("POST", "/requests/nobody", r#"{"delay":"PT1S"}"#, 404, "unknown-use-case"),
        ("PUT", "/requests", "", 405, "method-not-allowed"),
        ("POST", "/requests/puppet", "{", 400, "malformed-json"),
        ("POST", "/requests/puppet", "[]", 400, "not-an-object"),
        ("POST", "/requests/puppet", r#"{"a":1,"a":2}"#, 400, "duplicate-key"),
        ("POST", "/requests/puppet", "{}", 422, "trigger-missing"),
        ("POST", "/requests/puppet", r#"{"delay":"PT1S","triggerAt":"2027-01-01T00:00:00Z"}"#, 422, "trigger-ambiguous"),
        ("POST", "/requests/puppet", r#"{"triggerAt":"2020-01-01T00:00:00Z"}"#, 422, "trigger-in-past"),
        ("POST", "/requests/puppet", r#"{"delay":"P900D"}"#, 422, "trigger-too-far"),
        ("POST", "/requests/puppet", r#"{"triggerAt":"2027-03-28T02:30:00[Europe/Berlin]"}"#, 422, "trigger-in-gap"),
        ("POST", "/requests/puppet", r#"{"delay":"PT1S","target":"fax"}"#, 422, "unknown-target"),
        ("POST", "/requests/puppet", r#"{"delay":"PT1S","customer":1.5}"#, 422, "label-unreadable"),
        ("POST", "/requests/puppet/batch", "{}", 400, "malformed-json"),
        ("GET", "/requests?status=done", "", 400, "bad-query"),
        ("GET", "/requests?label.=1", "", 400, "bad-query"),
        ("GET", "/requests?from=2027-01-01T00:00:00Z&dueTo=2027-01-01T00:00:00Z", "", 400, "bad-query"),
        ("GET", "/requests?limit=501", "", 400, "bad-query"),
        ("GET", "/requests/x", "", 404, "unknown-request"),
        ("GET", &format!("/requests/{unknown}"), "", 404, "unknown-request"),
        ("GET", &format!("/requests/{unknown}/body"), "", 404, "unknown-request"),
        ("DELETE", &format!("/requests/{unknown}"), "", 404, "unknown-request"),
        ("POST", &format!("/requests/{unknown}/retry"), "", 404, "unknown-request"),
        ("POST", &format!("/requests/{unknown}/erase"), "", 404, "unknown-request"),
        ("PATCH", &format!("/requests/{unknown}"), r#"{"delay":"PT1S"}"#, 404, "unknown-request"),
        ("PATCH", &format!("/requests/{unknown}"), r#"{"target":"hook"}"#, 422, "not-changeable"),
        ("POST", "/use-cases/nobody/pause", "{}", 404, "unknown-use-case"),
        ("POST", "/use-cases/puppet/pause", r#"{"target":"fax"}"#, 422, "unknown-target"),
        ("POST", "/use-cases/puppet/resume", "", 409, "not-paused"),
    ] {
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        let call = api.call(method, path);
        let call = if body.is_empty() { call } else { call.header("content-type", "application/json").body(body.to_owned()) };
        let answer = api.send(call).await;
        assert_eq!((answer.status, text(&answer.body, "code")), (status, code), "{path} {body}: {}", answer.body);
    }
    let untyped = api.send(api.call(Method::POST, "/requests/puppet").body("{}")).await;
    untyped.expect_fault(415, "unsupported-media-type");
}

async fn changes(deployment: &impl Deployment) {
    let api = deployment.api();
    let id = api.submit("puppet", order(&json!("change"), "P2D")).await;
    let path = format!("/requests/{id}");
    let moved = api.patch(&path, &json!({ "triggerAt": "2027-02-01T00:00:00Z" })).await.expect(200);
    assert_eq!(text(&moved, "triggerAt"), "2027-02-01T00:00:00.000Z");
    api.post(&format!("{path}/retry"), &json!({})).await.expect_fault(409, "not-failed");
    let cancelled = api.delete(&path).await.expect(200);
    assert_eq!(text(&cancelled, "status"), "cancelled");
    api.delete(&path).await.expect_fault(409, "not-scheduled");
    api.patch(&path, &json!({ "delay": "PT1S" })).await.expect_fault(409, "not-scheduled");
    let erased = api.post(&format!("{path}/erase"), &json!({})).await.expect(200);
    assert_eq!((erased.get("labels"), erased.get("erasedAt").is_some()), (None, true));
    api.get(&format!("{path}/body")).await.expect_fault(410, "erased");
    let left = api.request(&id).await;
    assert_eq!(events(&left), ["accepted", "moved", "cancelled", "erased"]);
    assert!(left["history"].as_array().expect("lines").iter().all(|line| line.get("detail").is_none()), "{left}");
    let open = api.submit("puppet", order(&json!("change"), "P2D")).await;
    let erased = api.post(&format!("/requests/{open}/erase"), &json!({})).await.expect(200);
    assert_eq!(text(&erased, "status"), "cancelled", "an erasure cancels");
    assert_eq!(ids(&api.get("/requests?label.customer=change").await.expect(200)), Vec::<&str>::new());
}

async fn lists(deployment: &impl Deployment) {
    let api = deployment.api();
    let mut by_time = Vec::new();
    for day in [3, 1, 2] {
        by_time.push((day, api.submit("puppet", order(&json!("list"), &format!("P10{day}D"))).await));
    }
    by_time.sort();
    let by_time: Vec<&str> = by_time.iter().map(|(_, id)| id.as_str()).collect();
    let of = "label.customer=list";
    let mut found = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = api.get(&format!("/requests?{of}&limit=2{cursor}")).await.expect(200);
        found.extend(ids(&page).into_iter().map(str::to_owned));
        match page["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(found, by_time, "in the order of their times");
    let ended = api.delete(&format!("/requests/{}", by_time[0])).await.expect(200);
    let at = text(&ended, "finishedAt");
    for (query, expected) in [
        (format!("{of}&useCase=puppet"), &by_time[..]),
        (format!("{of}&useCase=other"), &[]),
        (format!("{of}&status=scheduled"), &by_time[1..]),
        (format!("{of}&status=cancelled"), &by_time[..1]),
        (format!("useCase=puppet&endedFrom={at}&limit=500&{of}"), &by_time[..1]),
        (format!("{of}&dueFrom=2020-01-01T00:00:00Z&useCase=puppet"), &by_time[1..]),
        (format!("{of}&dueTo=2020-01-01T00:00:00Z&useCase=puppet"), &[]),
    ] {
        assert_eq!(ids(&api.get(&format!("/requests?{query}")).await.expect(200)), expected, "{query}");
    }
    let due = api.get("/requests?useCase=puppet&dueFrom=2020-01-01T00:00:00Z&limit=500").await.expect(200);
    let due: Vec<&str> = due["requests"].as_array().expect("a list").iter().map(|request| text(request, "triggerAt")).collect();
    assert!(due.len() > 2 && due.is_sorted(), "{due:?}");
}

async fn runs(deployment: &impl Deployment) {
    let api = deployment.api();
    let mut good = order(&json!("run"), "PT10M");
    good["process"] = json!({ "do": "succeed", "result": "{\"n\":1}" });
    let mut bad = order(&json!("run"), "PT11M");
    bad["process"] = json!({ "do": "fail" });
    let (good, bad) = (api.submit("puppet", good).await, api.submit("puppet", bad).await);
    deployment.run_all().await;
    let done = api.reaches(&good, "succeeded").await;
    assert_eq!((events(&done), &done["result"]), (vec!["accepted", "started", "succeeded"], &json!({ "n": 1 })));
    let failed = api.reaches(&bad, "failed").await;
    assert_eq!((events(&failed), &failed["attempts"]), (vec!["accepted", "started", "failed"], &json!(1)));
    assert!(!text(&failed, "failure").is_empty());
    let waited = api.get(&format!("/requests/{bad}?wait=20s")).await.expect(200);
    assert_eq!(text(&waited, "status"), "failed", "an end is not waited for");
    let ended = api.get("/requests?label.customer=run&status=failed").await.expect(200);
    assert_eq!(ids(&ended), [&bad]);
    assert_eq!(ended["requests"][0].get("result"), None);
    let again = api.post(&format!("/requests/{bad}/retry"), &json!({})).await.expect(202);
    assert_eq!(text(&again, "status"), "scheduled");
    deployment.run_all().await;
    assert_eq!(events(&api.reaches(&bad, "failed").await), ["accepted", "started", "failed", "retried", "started", "failed"]);
}

async fn erases_notices(deployment: &impl Deployment, receiver: &Receiver) {
    let api = deployment.api();
    let mut body = order(&json!("told"), "PT10M");
    body["process"] = json!({ "do": "succeed", "result": "done" });
    let id = api.submit("puppet", body).await;
    deployment.run_all().await;
    api.reaches(&id, "succeeded").await;
    let is_about = |delivery: &Delivery| delivery.json()["correlationId"] == json!(id);
    let notice = eventually("the notice", async || receiver.deliveries().into_iter().find(is_about)).await;
    let notice = notice.header("idempotency-key");
    assert_eq!(text(&api.reaches(notice, "succeeded").await, "noticeOf"), id);
    let quoted = api.call(Method::GET, &format!("/requests/{notice}/body")).send().await.expect("an answer");
    let quoted: Value = quoted.json().await.expect("the body of the notice");
    assert_eq!((&quoted["result"], &quoted["labels"]), (&json!("done"), &json!({ "customer": "told" })));
    api.post(&format!("/requests/{id}/erase"), &json!({})).await.expect(200);
    api.get(&format!("/requests/{notice}/body")).await.expect_fault(410, "erased");
    assert_eq!(events(&api.request(notice).await), ["accepted", "started", "succeeded", "erased"]);
}

async fn pauses(deployment: &impl Deployment) {
    let api = deployment.api();
    let paused = api.post("/use-cases/puppet/pause", &json!({ "target": "hook", "until": "2199-01-01T00:00:00Z" })).await.expect(200);
    assert_eq!((text(&paused, "useCase"), text(&paused["paused"][0], "target")), ("puppet", "hook"));
    assert_eq!(text(&paused["paused"][0], "until"), "2199-01-01T00:00:00.000Z");
    assert_eq!(api.use_case("puppet").await.expect("the use case")["paused"], paused["paused"]);
    let further = api.post("/use-cases/puppet/pause", &json!({ "target": "hook" })).await.expect(200);
    assert_eq!((&further["paused"][0]["since"], further["paused"][0].get("until")), (&paused["paused"][0]["since"], None));
    let resumed = api.post("/use-cases/puppet/resume", &json!({ "target": "hook" })).await.expect(200);
    assert_eq!(resumed["paused"], json!([]));
    let health = api.get("/health").await.expect(200);
    assert_eq!(text(&health, "status"), "ok");
}

async fn use_cases(deployment: &impl Deployment) {
    let api = deployment.api();
    let one = api.get("/use-cases/puppet").await.expect(200);
    let listed = api.use_case("puppet").await.expect("the use case");
    for (member, value) in listed.as_object().expect("an object") {
        assert_eq!(&one[member], value, "{member}");
    }
    let roles: Vec<&str> = one["plugins"].as_array().expect("plugins").iter().map(|plugin| text(plugin, "role")).collect();
    assert_eq!(roles, ["validate", "process"]);
    let hook = json!({
        "target": "hook", "kind": "http", "isDefault": false, "isDirect": false, "address": "http://127.0.0.1:9", "secrets": [],
        "concurrency": 5, "rate": "100/s",
    });
    assert_eq!(one["reach"][1], hook);
    let versions = api.get("/use-cases/puppet/versions").await.expect(200);
    assert_eq!(text(&versions, "useCase"), "puppet");
    // Neither host may change a use case that an operator's directory, or the functions' package, brings.
    assert!(!text(&versions, "fixed").is_empty(), "{versions}");
    for path in ["/use-cases/nothing", "/use-cases/nothing/versions"] {
        api.get(path).await.expect_fault(404, "unknown-use-case");
    }
    api.patch("/use-cases/puppet", &json!({})).await.expect_fault(405, "method-not-allowed");
    api.post("/use-cases/puppet/versions", &json!({})).await.expect_fault(405, "method-not-allowed");
    let head = api.call(Method::HEAD, "/use-cases/puppet/versions").send().await.expect("an answer");
    assert_eq!(head.status().as_u16(), 200);
    api.get("/dead-letters").await.expect_fault(404, "not-found");
}

#[tokio::test]
async fn the_server_keeps_the_contract() {
    let receiver = Receiver::accepting().await;
    let server = Server::builder().use_case("puppet", &manifest(&receiver)).test_clock().start().await;
    contract(&server, &receiver).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_functions_keep_the_contract() {
    // Time passes by months, and ended requests must stay.
    let variables = vec![("POSTDATE_RETENTION".to_owned(), "3650d".to_owned())];
    let receiver = Receiver::accepting().await;
    let scene = Scene::of(&manifest(&receiver), Options { variables, ..Options::default() }).await;
    contract(&scene, &receiver).await;
}
