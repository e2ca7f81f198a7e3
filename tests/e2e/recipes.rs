//! The recipes of docs/recipes.md: their files as they are, except for the receiver's port, built and served as the page says.

use std::path::Path;
use std::process::Command;

use chrono::{TimeDelta, Utc};
use postdate_tests::files::copy;
use postdate_tests::tools::plugin_tools;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{PAYLOAD, Receiver, Reply, SECRET, START, Server, cli, cli_with, events, root, scratch, text, time};

/// Key of the test itself, which moves the clock.
const OPERATOR: &str = "key-of-the-operator";

fn path(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

/// Returns a new project with a recipe's files, built, whose cases have passed. Its plugin is compiled into the servers' shared cache.
async fn built(recipe: &str) -> TempDir {
    let place = tempfile::tempdir().expect("a directory");
    let project = place.path().join(recipe);
    let dir = path(&project);
    cli(&["plugin", "new", recipe, "--lang", "js", "--template", "blank", "--dir", dir]).await.expect(0);
    std::fs::remove_dir_all(project.join("cases")).expect("the template's cases");
    copy(&root().join("recipes").join(recipe), &project);
    let (tools, cache) = (plugin_tools(), scratch().join("compiled"));
    let variables = [("POSTDATE_PLUGIN_TOOLS", path(&tools)), ("POSTDATE_COMPILE_CACHE", path(&cache))];
    cli_with(&variables, &["plugin", "build", dir]).await.expect(0);
    let cases = std::fs::read_dir(project.join("cases")).expect("the recipe's cases").count();
    cli_with(&variables, &["plugin", "test", dir]).await.expect(0).says(&[&format!("test result: ok. {cases} passed; 0 failed")]);
    place
}

#[tokio::test]
async fn the_reminders_recipe_needs_a_key_and_waits_as_long_as_the_provider_says() {
    let project = built("reminders").await;
    let receiver = Receiver::start(|_, before| match before {
        0 => Reply::status(429).header("retry-after", "120"),
        1 => Reply::status(429).header("retry-after", &(Utc::now() + TimeDelta::hours(1)).format("%a, %d %b %Y %T GMT").to_string()),
        _ => Reply::status(202).body(r#"{"id":"m-1"}"#),
    })
    .await;
    let keys = project.path().join("keys.toml");
    let key = cli(&["api-key", "--keys-file", path(&keys), "new", "shop", "--use-cases", "reminders"]).await.expect(0);
    let builder = Server::builder().key(OPERATOR).arguments(&["--keys-file", path(&keys)]).variable("SECRET_PROVIDER_KEY", SECRET);
    builder.use_cases.copy_bundle(&project.path().join("reminders"), receiver.port);
    let server = builder.test_clock().start().await;

    let shop = server.api.with_key(Some(key.stdout.trim()));
    server.api.with_key(None).post("/requests/reminders", &json!({ "delay": "PT1S" })).await.expect_fault(401, "unauthorized");
    let wrong = json!({ "delay": "PT1S", "to": "ada", "text": "x".repeat(501) });
    let fault = shop.post("/requests/reminders", &wrong).await.expect_fault(422, "rejected");
    let codes: Vec<&str> = fault["problems"].as_array().expect("problems").iter().map(|problem| text(problem, "code")).collect();
    assert_eq!(codes, ["address", "maximum"], "{fault}");

    let reminder = json!({ "to": "ada@example.com", "text": format!("The tickets are on sale: {PAYLOAD}") });
    let mut body = reminder.clone();
    body["delay"] = json!("PT1S");
    let id = shop.submit("reminders", body).await;
    let next = async || {
        let waiting = server.api.request(&id).await;
        assert_eq!(text(&waiting, "failure"), "the provider answered 429", "{waiting}");
        (time(&waiting["nextAttemptAt"]) - time(&json!(START))).num_seconds()
    };
    server.api.advance("PT1S").await;
    // 120 s, or up to a fifth more.
    let second = next().await;
    assert!((121..=145).contains(&second), "{second} s");
    server.api.advance("PT3M").await;
    // An hour by the machine's clock, which is some moments further.
    let third = next().await - second;
    assert!((3_500..=4_320).contains(&third), "{third} s");
    server.api.advance("PT2H").await;
    let done = shop.request(&id).await;
    assert_eq!((text(&done, "status"), &done["result"]), ("succeeded", &json!({ "message": "m-1" })), "{done}");

    let deliveries = receiver.deliveries();
    assert_eq!(deliveries.len(), 3);
    for delivery in &deliveries {
        assert_eq!((delivery.path.as_str(), delivery.json()), ("/v1/messages", reminder.clone()));
        assert_eq!((delivery.header("x-api-key"), delivery.header("idempotency-key")), (SECRET, id.as_str()));
    }
    let found = shop.get("/requests?label.to=ada@example.com").await.expect(200);
    assert_eq!(found["requests"][0]["correlationId"], json!(id), "{found}");
}

#[tokio::test]
async fn the_delayed_webhook_recipe_sends_its_token_and_shows_it_nowhere() {
    let receiver = Receiver::start(|delivery, before| match before {
        0 => Reply::status(503),
        1 => Reply::ok(r#"{"taken":true}"#),
        _ => Reply::status(403).body(&format!("not with {}", delivery.header("authorization"))),
    })
    .await;
    let builder = Server::builder().variable("SECRET_RECEIVER_TOKEN", SECRET).test_clock();
    builder.use_cases.copy_bundle(&root().join("recipes/delayed-webhook"), receiver.port);
    let server = builder.start().await;
    let id = server.api.submit("delayed-webhook", json!({ "delay": "PT1S", "event": "invoice.due", "invoice": 17 })).await;
    server.api.advance("PT1M").await;
    let done = server.api.request(&id).await;
    assert_eq!(events(&done), ["accepted", "started", "attempt-failed", "started", "succeeded"], "{done}");
    assert_eq!(done["result"], json!({ "taken": true }));
    for delivery in &receiver.deliveries() {
        assert_eq!(delivery.header("authorization"), format!("Bearer {SECRET}"));
        assert_eq!((delivery.path.as_str(), delivery.header("idempotency-key")), ("/v1/events", id.as_str()));
        assert_eq!((&delivery.json()["event"], &delivery.json()["invoice"]), (&json!("invoice.due"), &json!(17)));
    }
    let refused = server.api.run("delayed-webhook", json!({ "event": "invoice.due" })).await;
    assert_eq!(text(&refused, "status"), "failed");
    assert!(text(&refused, "failure").contains("403") && !refused.to_string().contains(SECRET), "{refused}");
}

/// Runs the Lambdas of `recipes/renewals/before` on bodies, with a stand-in for EventBridge's client. Returns one document for each.
async fn before(bodies: &[Value], billing: &str) -> Vec<Value> {
    let place = tempfile::tempdir().expect("a directory");
    copy(&root().join("recipes/renewals/before"), place.path());
    let modules = place.path().join("node_modules/@aws-sdk/client-eventbridge");
    std::fs::create_dir_all(&modules).expect("the module's directory");
    for (file, content) in [
        (place.path().join("run.mjs"), include_str!("recipes/run.mjs")),
        (modules.join("index.mjs"), include_str!("recipes/eventbridge.mjs")),
        (modules.join("package.json"), r#"{ "name": "@aws-sdk/client-eventbridge", "exports": "./index.mjs" }"#),
    ] {
        std::fs::write(file, content).expect("a file");
    }
    let mut node = Command::new("node");
    node.arg("run.mjs").arg(json!(bodies).to_string()).current_dir(place.path());
    node.envs([("BILLING_URL", billing), ("BILLING_TOKEN", SECRET), ("TARGET_ARN", "arn:aws:lambda:eu-central-1:1:function:renew")]);
    let output = tokio::task::spawn_blocking(move || node.output()).await.expect("node's thread").expect("node starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("a JSON array")
}

#[tokio::test]
async fn the_renewals_recipe_accepts_rejects_and_bills_as_the_lambdas_before_it() {
    let project = built("renewals").await;
    let receiver = Receiver::start(|_, _| Reply::status(201).body(r#"{"invoice":"I-4"}"#)).await;
    let bodies = [
        json!({ "subscription": "S-17", "months": 12 }),
        json!({ "subscription": "S-17", "months": 25 }),
        json!({ "subscription": "17", "months": 1 }),
        json!({ "months": 1.5 }),
    ];
    let with = |member: &str| -> Vec<Value> {
        let add = |body: &Value| {
            let mut body = body.clone();
            body[member] = json!("2027-03-01T09:30:00Z");
            body["note"] = json!(PAYLOAD);
            body
        };
        bodies.iter().map(add).collect()
    };
    let before = before(&with("renewAt"), &receiver.url("/v1/invoices")).await;
    let calls: Vec<&Value> = before[0]["calls"].as_array().expect("calls").iter().map(|call| &call[0]).collect();
    assert_eq!(calls, ["PutRuleCommand", "PutTargetsCommand", "RemoveTargetsCommand", "DeleteRuleCommand"]);
    assert_eq!(before[0]["calls"][0][1]["ScheduleExpression"], "cron(30 9 1 3 ? *)", "a rule without a year");

    let builder = Server::builder().variable("SECRET_BILLING_TOKEN", SECRET).test_clock();
    builder.use_cases.copy_bundle(&project.path().join("renewals"), receiver.port);
    let server = builder.start().await;
    let mut accepted = Vec::new();
    for (body, before) in with("triggerAt").iter().zip(&before) {
        let answer = server.api.post("/requests/renewals", body).await;
        let told = answer.body["problems"].as_array().cloned().unwrap_or_default();
        let told: Vec<Value> = told.iter().map(|it| json!({ "member": &text(it, "pointer")[1..], "message": it["message"] })).collect();
        assert_eq!((answer.status == 202, json!(told)), (before["status"] == 202, before["errors"].clone()), "{}", answer.body);
        if answer.status == 202 {
            accepted.push((text(&answer.body, "correlationId").to_owned(), &before["invoice"]));
        }
    }
    assert_eq!(accepted.len(), 1);
    server.api.advance("P60D").await;
    for (id, invoice) in accepted {
        let done = server.api.request(&id).await;
        assert_eq!((text(&done, "status"), &done["result"]), ("succeeded", invoice), "{done}");
        assert_eq!(text(&done, "triggerAt"), "2027-03-01T09:30:00.000Z");
    }
    let deliveries = receiver.deliveries();
    let seen = |at: usize| (&deliveries[at].path, deliveries[at].json(), deliveries[at].header("authorization").to_owned());
    assert_eq!(deliveries.len(), 2);
    assert_eq!(seen(0), seen(1), "billing sees no difference");
}
