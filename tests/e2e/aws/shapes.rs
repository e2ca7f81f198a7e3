//! Every shape of event that AWS sends to the processor and the target, and foreign events.

use std::sync::atomic::{AtomicU32, Ordering};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use chrono::TimeDelta;
use postdate_tests::driver::Source;
use postdate_tests::stack::TABLE;
use postdate_tests::tools;
use serde_json::{Value, json};

use super::bench::call;
use super::scene::Scene;
use crate::harness::{PAYLOAD, text};

/// Returns a sample event (see `host/aws/tests/events/README.md`) with a unique idempotency key.
fn sample(file: &str) -> Value {
    static KEYS: AtomicU32 = AtomicU32::new(0);
    let path = tools::root().join("host/aws/tests/events").join(file);
    let key = format!("\"key-{}\"", KEYS.fetch_add(1, Ordering::Relaxed));
    let event = std::fs::read_to_string(path).expect("a sample event").replace("\"k-1\"", &key);
    serde_json::from_str(&event).expect("JSON")
}

/// Returns the sample as a POST of `body` to `puppet`, with the sample's caller and gateway.
fn post(file: &str, body: &Value) -> Value {
    let mut event = sample(file);
    for (headers, value) in [("headers", json!("application/json")), ("multiValueHeaders", json!(["application/json"]))] {
        if let Some(headers) = event[headers].as_object_mut() {
            headers.retain(|name, _| !name.eq_ignore_ascii_case("content-type"));
            headers.insert("content-type".to_owned(), value);
        }
    }
    let moved = |path: &Value| {
        let path = path.as_str().unwrap_or_default();
        let stage = path.find("/requests").or_else(|| path.find("/use-cases")).map_or("", |end| &path[..end]);
        json!(format!("{stage}/requests/puppet"))
    };
    if event["version"] == "2.0" {
        event["rawPath"] = moved(&event["rawPath"]);
        event["rawQueryString"] = json!("");
        event["requestContext"]["http"]["path"] = moved(&event["requestContext"]["http"]["path"]);
        event["requestContext"]["http"]["method"] = json!("POST");
    } else {
        event["path"] = moved(&event["path"]);
        event["httpMethod"] = json!("POST");
        for query in ["queryStringParameters", "multiValueQueryStringParameters"] {
            if event[query].is_object() {
                event[query] = json!({});
            }
        }
        if event["requestContext"]["path"].is_string() {
            event["requestContext"]["path"] = moved(&event["requestContext"]["path"]);
        }
    }
    let body = body.to_string();
    event["body"] = if event["isBase64Encoded"] == true { json!(BASE64_STANDARD.encode(body)) } else { json!(body) };
    event
}

/// Returns a header of an answer, from `headers` or `multiValueHeaders`; empty if missing.
fn header<'a>(answer: &'a Value, name: &str) -> &'a str {
    let one = answer["headers"][name].as_str();
    one.or_else(|| answer["multiValueHeaders"][name][0].as_str()).unwrap_or_default()
}

/// Returns the body of an answer. Fails unless body and header carry the same correlation id.
#[track_caller]
fn document(answer: &Value) -> Value {
    assert_eq!(answer["isBase64Encoded"], false, "{answer}");
    let body: Value = serde_json::from_str(text(answer, "body")).unwrap();
    assert!(!header(answer, "x-correlation-id").is_empty(), "{answer}");
    assert_eq!(header(answer, "x-correlation-id"), text(&body, "correlationId"), "{answer}");
    body
}

#[tokio::test(flavor = "multi_thread")]
async fn the_caller_of_every_gateway_and_authorizer_reaches_the_validator() {
    let scene = Scene::new().await;
    let iam = |user: &'static str, id: &'static str| vec![("iam:accountId", "123456789012"), ("iam:callerId", id), ("iam:userArn", user)];
    let role = || iam("arn:aws:sts::123456789012:assumed-role/client/client", "AROAEXAMPLE:client");
    let jwt = vec![("exp", "1799648183"), ("iss", "https://issuer.example.com"), ("scope", "orders:write"), ("sub", "a1b2")];
    for (file, base, caller) in [
        ("rest-iam.json", "/prod", role()),
        ("rest-lambda-authorizer.json", "/prod", vec![("level", "3"), ("principalId", "user-7"), ("tenant", "acme")]),
        ("rest-cognito.json", "", vec![("cognito:username", "ann"), ("email_verified", "true"), ("sub", "a1b2")]),
        ("http-iam.json", "/prod", role()),
        ("http-jwt.json", "", jwt),
        ("http-lambda-authorizer.json", "", vec![("roles", r#"["a","b"]"#), ("tenant", "acme")]),
        ("function-url-iam.json", "", iam("arn:aws:iam::123456789012:user/ann", "AIDAEXAMPLE")),
        ("function-url.json", "", vec![]),
        ("alb.json", "", vec![]),
        ("alb-multi-value.json", "", vec![]),
    ] {
        accepts(&scene, file, base, &caller).await;
    }
}

/// Published events, unchanged except for path and body. They cover headers in any case, numbers in an authorizer's context, a
/// client certificate and a missing `host`, which our own samples may lack.
#[tokio::test(flavor = "multi_thread")]
async fn published_sample_events_are_understood() {
    let scene = Scene::new().await;
    let rest = vec![
        ("clientId", "1"),
        ("clientName", "Exata"),
        ("iam:accountId", "theAccountId"),
        ("iam:callerId", "theCaller"),
        ("iam:userArn", "theUserArn"),
        ("principalId", "admin"),
    ];
    let iam = vec![
        ("iam:accountId", "1234567890"),
        ("iam:callerId", "AROA7ZJZYVRE7C3DUXHH6:CognitoIdentityCredentials"),
        ("iam:userArn", "arn:aws:iam::1234567890:user/Admin"),
    ];
    for (file, caller) in [
        ("apigw-request.json", rest),
        ("apigw-v2-request-iam.json", iam),
        ("apigw-v2-request-jwt-authorizer.json", vec![("claim1", "value1"), ("claim2", "value2")]),
        ("apigw-v2-request-lambda-authorizer.json", vec![("key", "value")]),
        ("alb-lambda-target-request-headers-only.json", vec![]),
        ("alb-lambda-target-request-multivalue-headers.json", vec![]),
    ] {
        accepts(&scene, &format!("published/{file}"), "", &caller).await;
    }

    let (id, due) = scene.post(json!({}), "PT1S").await;
    let pending = scene.stack.driver.pending().await;
    let envelope = &pending.iter().find(|due| due.event["correlationId"] == json!(id)).expect("the envelope").event;
    let mut message = sample("published/sqs-event-obj.json");
    message["Records"][0]["body"] = json!(envelope.to_string());
    scene.stack.clock.set(due);
    assert_eq!(scene.target.invoke(&message).await.unwrap(), json!({ "batchItemFailures": [] }));
    assert_eq!(scene.api.request(&id).await["status"], "succeeded");

    let of_a_rule = sample("published/eventbridge-schedule.json");
    let failure = scene.target.invoke(&of_a_rule).await.expect_err("an error");
    assert!(failure.message.contains("not an envelope of Postdate"), "{failure:?}");
}

/// Posts through the sample's gateway. Fails unless the validator sees `caller` and the answer is a 202 of the gateway's form.
async fn accepts(scene: &Scene, file: &str, base: &str, caller: &[(&str, &str)]) {
    let event = post(file, &json!({ "delay": "PT2H", "validate": { "do": "request" } }));
    let answer = scene.processor.invoke(&event).await.unwrap_or_else(|failure| panic!("{file}: {failure:?}"));
    assert_eq!(answer["statusCode"], 202, "{file}: {answer}");
    let accepted = document(&answer);
    let id = text(&accepted, "correlationId");
    assert_eq!(header(&answer, "location"), format!("{base}/requests/{id}"), "{file}");
    assert_eq!(header(&answer, "content-type"), "application/json", "{file}");
    if event["multiValueHeaders"].is_object() && event["headers"].is_null() {
        assert!(answer["multiValueHeaders"].is_object(), "a load balancer accepts an answer only in the form of its event: {answer}");
    }
    // The validator put the request that it saw into the body.
    let item = scene.stack.aws.item(TABLE, id, "request").await.unwrap();
    let body: Value = serde_json::from_str(text(&item["body"], "S")).unwrap();
    assert_eq!(body["seen"]["caller"], json!(caller), "{file}");
    assert_eq!(scene.api.request(id).await["status"], "scheduled", "{file}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invalid_host_protocol_or_query_still_gets_an_answer() {
    let scene = Scene::new().await;
    for host in ["[::1", "a..b", "%zz", "a b", "xn--a", "1.2.3.999", "a:99999"] {
        let call = scene.api.call(reqwest::Method::GET, "/use-cases").header("host", host);
        // `send` checks the correlation id.
        assert_eq!(scene.api.send(call).await.status, 200, "{host}");
        for file in ["rest-iam.json", "http-jwt.json", "function-url.json", "alb.json"] {
            let mut event = post(file, &json!({ "delay": "PT2H" }));
            event["headers"]["host"] = json!(host);
            event["headers"]["x-forwarded-proto"] = json!("gopher ");
            let answer = scene.processor.invoke(&event).await.unwrap_or_else(|failure| panic!("{file} {host}: {failure:?}"));
            assert_eq!((&answer["statusCode"], document(&answer)["status"].as_str()), (&json!(202), Some("scheduled")), "{file} {host}");
        }
    }
    let mut event = post("http-jwt.json", &json!({}));
    event["requestContext"]["http"]["method"] = json!("GET");
    event["rawPath"] = json!("/requests");
    event["rawQueryString"] = json!("status=<\"é \\^`>");
    let answer = scene.processor.invoke(&event).await.unwrap();
    assert_eq!((&answer["statusCode"], document(&answer)["code"].as_str()), (&json!(400), Some("bad-query")), "{answer}");
    assert!(!scene.processor.log().text().contains("panicked"), "{}", scene.processor.log().text());
}

#[tokio::test(flavor = "multi_thread")]
async fn foreign_events_are_refused_without_quoting_their_content() {
    let scene = Scene::new().await;
    let of_a_rule = json!({
        "version": "0", "id": "1", "detail-type": "Scheduled Event", "source": "aws.events", "account": "500000000001",
        "time": "2027-01-01T00:00:00Z", "region": "eu-central-1", "resources": [], "detail": { "note": PAYLOAD },
    });
    let of_s3 = json!({ "Records": [{ "eventSource": "aws:s3", "messageId": "1", "body": PAYLOAD }] });
    let newer = json!({ "v": 2, "correlationId": "x", "note": PAYLOAD });
    for (event, expected) in [
        (&json!({}), "\"correlationId\""),
        (&of_a_rule, "not an envelope of Postdate"),
        (&of_s3, "aws:sqs"),
        (&json!({ "Records": [PAYLOAD] }), "messageId"),
        (&newer, "version 2"),
        (&json!([PAYLOAD]), "not an envelope of Postdate"),
        (&json!(PAYLOAD), "not an envelope of Postdate"),
        (&Value::Null, "not an envelope of Postdate"),
    ] {
        let failure = scene.target.invoke(event).await.expect_err("an error");
        assert!(failure.message.contains(expected) && !failure.message.contains(PAYLOAD), "{event}: {failure:?}");
        let kind = if expected == "version 2" { "unknown-version" } else { "foreign-event" };
        assert_eq!(failure.kind, kind, "{event}");
        // The janitor accepts any event as its trigger. The processor accepts HTTP events only.
        let failure = scene.processor.invoke(event).await.expect_err("an error");
        assert!(failure.message.contains("API Gateway") && !failure.message.contains(PAYLOAD), "{event}: {failure:?}");
        assert_eq!(failure.kind, "foreign-event", "{event}");
    }
    for function in [&scene.processor, &scene.target] {
        assert!(!function.log().text().contains(PAYLOAD), "{}", function.log().text());
    }
    // An envelope of an unknown request is no error: there is nothing to run and nothing to retry.
    let (id, _) = scene.post(json!({}), "PT1S").await;
    let mut envelope = scene.stack.driver.pending().await.remove(0).event;
    envelope["correlationId"] = json!("01890a5d-ac96-774b-bcce-b302099a8057");
    scene.stack.clock.advance(TimeDelta::seconds(2));
    assert_eq!(scene.target.invoke(&envelope).await.unwrap()["outcome"], "unknown");
    scene.settle().await;
    assert_eq!(scene.api.request(&id).await["status"], "succeeded", "the functions serve after foreign events");
}

#[tokio::test(flavor = "multi_thread")]
async fn foreign_events_end_in_the_dead_letter_queue() {
    let scene = Scene::new().await;
    let stack = &scene.stack;
    let message = json!({ "QueueUrl": stack.queue_url, "MessageBody": "{\"n\":\"foreign message\"}", "DelaySeconds": 5 });
    assert_eq!(call(stack, "sqs", "AmazonSQS.SendMessage", &message).await.unwrap().0, 200);
    let at = (stack.clock.now() + TimeDelta::minutes(2)).format("cron(%-M %-H %-d %-m ? %Y)").to_string();
    let rule = json!({ "Name": "by-hand", "ScheduleExpression": at });
    assert_eq!(call(stack, "events", "AWSEvents.PutRule", &rule).await.unwrap().0, 200);
    let queue = json!({ "Arn": stack.aws.arn("sqs", "postdate-dead-letters") });
    let target = json!({ "Id": "it", "Arn": stack.target_arn, "Input": "{\"n\":\"foreign rule\"}", "DeadLetterConfig": queue });
    assert_eq!(call(stack, "events", "AWSEvents.PutTargets", &json!({ "Rule": "by-hand", "Targets": [target] })).await.unwrap().0, 200);

    let delivered = scene.settle().await;
    assert!(delivered.iter().all(|one| one.outcome.is_err()), "{delivered:?}");
    // AWS stops the redeliveries: the queue's redrive policy after 5, Lambda after 3 attempts of an asynchronous event.
    let count = |source| delivered.iter().filter(|one| one.due.source == source).count();
    assert_eq!((count(Source::Message), count(Source::Rule)), (5, 3));
    let dead = stack.aws.take_messages(&stack.dead_letters_url).await;
    assert_eq!(dead.len(), 2, "{dead:?}");
    assert!(dead.iter().any(|message| message.body == "{\"n\":\"foreign message\"}"), "{dead:?}");
    let record = dead.iter().map(|message| message.json()).find(|record| record["requestPayload"]["n"] == "foreign rule").unwrap();
    assert!(text(&record["responsePayload"], "errorMessage").contains("not an envelope of Postdate"), "{record}");
    assert!(scene.settle().await.is_empty());
}
