//! Tests of the bench that the AWS tests run on: moto, the fault proxy, the driver and the stack.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use postdate_tests::driver::Source;
use postdate_tests::fault_proxy::{Fault, Moment};
use postdate_tests::stack::{GROUP, Options, Stack, TABLE};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::harness::{PUPPET, UseCases};

/// Calls AWS as a Lambda does: through the proxy, which records and checks the call and injects planned faults.
pub async fn call(stack: &Stack, service: &str, target: &str, body: &Value) -> reqwest::Result<(StatusCode, Value)> {
    call_at(&stack.proxy.url(), service, target, body).await
}

async fn call_at(url: &str, service: &str, target: &str, body: &Value) -> reqwest::Result<(StatusCode, Value)> {
    let scope = format!("AWS4-HMAC-SHA256 Credential=AKID/20270101/eu-central-1/{service}/aws4_request, SignedHeaders=host");
    let call = reqwest::Client::builder().no_proxy().build()?.post(url).header("authorization", scope);
    let answer = call.header("x-amz-target", target).body(body.to_string()).send().await?;
    Ok((answer.status(), serde_json::from_str(&answer.text().await?).unwrap_or_default()))
}

fn cron(at: DateTime<Utc>) -> String {
    at.format("cron(%-M %-H %-d %-m ? %Y)").to_string()
}

/// Creates a rule that fires the target function two minutes from now. Returns that time.
async fn put_rule(stack: &Stack, name: &str, input: &Value) -> DateTime<Utc> {
    let at = stack.clock.now() + TimeDelta::minutes(2);
    let rule = json!({ "Name": name, "ScheduleExpression": cron(at) });
    assert_eq!(call(stack, "events", "AWSEvents.PutRule", &rule).await.unwrap().0, 200);
    let queue = stack.aws.arn("sqs", "postdate-dead-letters");
    let target = json!({ "Id": "host", "Arn": stack.target_arn, "Input": input.to_string(), "DeadLetterConfig": { "Arn": queue } });
    let (status, answer) = call(stack, "events", "AWSEvents.PutTargets", &json!({ "Rule": name, "Targets": [target] })).await.unwrap();
    assert_eq!((status.as_u16(), &answer["FailedEntryCount"]), (200, &json!(0)), "{answer}");
    at
}

#[tokio::test(flavor = "multi_thread")]
async fn moto_stores_rules_items_and_messages_per_account() {
    let (stack, other) = tokio::join!(Stack::new(), Stack::new());
    put_rule(&stack, "postdate-one", &json!({ "v": 1 })).await;
    assert_eq!(stack.aws.list_rules().await[0]["Name"], "postdate-one");
    assert_eq!(stack.aws.list_targets_by_rule("postdate-one").await[0]["Input"], r#"{"v":1}"#);
    assert_eq!(other.aws.list_rules().await, Vec::<Value>::new());

    let item = json!({ "TableName": TABLE, "Item": { "pk": { "S": "a" }, "sk": { "S": "request" } } });
    let (status, answer) = call(&stack, "dynamodb", "DynamoDB_20120810.PutItem", &item).await.unwrap();
    assert_eq!(status, 200, "{answer}");
    assert_eq!(stack.aws.items(TABLE).await.len(), 1);
    assert!(stack.aws.item(TABLE, "a", "request").await.is_some());
    assert!(other.aws.item(TABLE, "a", "request").await.is_none());

    let publish = format!("Action=Publish&Version=2010-03-31&TopicArn={}&Message=hello", stack.topic_arn.replace(':', "%3A"));
    let scope = "AWS4-HMAC-SHA256 Credential=AKID/20270101/eu-central-1/sns/aws4_request";
    let sns = reqwest::Client::new().post(stack.proxy.url()).header("authorization", scope);
    let answer = sns.header("content-type", "application/x-www-form-urlencoded").body(publish).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let notices = stack.aws.take_messages(&stack.notices_url).await;
    assert_eq!(notices.iter().map(|notice| notice.body.as_str()).collect::<Vec<_>>(), ["hello"]);
    assert_eq!(stack.proxy.names(0), ["events.PutRule", "events.PutTargets", "dynamodb.PutItem", "sns.Publish"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_proxy_refuses_calls_that_aws_would_refuse() {
    let stack = Stack::new().await;
    let rule = json!({ "Name": "a".repeat(65), "ScheduleExpression": "cron(61 99 99 99 ? 1800)" });
    let (status, answer) = call(&stack, "events", "AWSEvents.PutRule", &rule).await.unwrap();
    assert_eq!((status.as_u16(), &answer["__type"]), (400, &json!("ValidationException")), "{answer}");
    let refused = &stack.proxy.calls("events", "PutRule")[0].refused;
    for reason in ["Name", "ScheduleExpression"] {
        assert!(refused.iter().any(|text| text.contains(reason)), "{reason}: {refused:?}");
    }
    assert_eq!(stack.aws.list_rules().await, Vec::<Value>::new());
    stack.proxy.forget();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_answers_as_aws_does_and_hits_only_the_planned_call() {
    let stack = Stack::new().await;
    let rule = json!({ "Name": "postdate-one", "ScheduleExpression": "cron(0 0 1 1 ? 2100)" });
    let put = async || call(&stack, "events", "AWSEvents.PutRule", &rule).await;
    for (fault, status, code) in [
        (Fault::Throttled, 400, "ThrottlingException"),
        (Fault::Internal, 500, "InternalException"),
        (Fault::ConcurrentModification, 400, "ConcurrentModificationException"),
        (Fault::LimitExceeded, 400, "LimitExceededException"),
        (Fault::AccessDenied, 400, "AccessDeniedException"),
        (Fault::ExpiredToken, 400, "ExpiredTokenException"),
    ] {
        stack.proxy.fail_once("events", "PutRule", fault);
        let (got, answer) = put().await.unwrap();
        assert_eq!((got.as_u16(), &answer["__type"]), (status, &json!(code)));
    }
    assert_eq!(stack.aws.list_rules().await, Vec::<Value>::new(), "a failed call must have no effect");

    stack.proxy.fail_once("events", "PutRule", Fault::LostResponse);
    put().await.unwrap_err();
    assert_eq!(stack.aws.list_rules().await.len(), 1, "a call with a lost response must have its effect");

    stack.proxy.fail_once("events", "RemoveTargets", Fault::PartFailed);
    let remove = json!({ "Rule": "postdate-one", "Ids": ["host"] });
    let (status, answer) = call(&stack, "events", "AWSEvents.RemoveTargets", &remove).await.unwrap();
    assert_eq!((status.as_u16(), &answer["FailedEntryCount"], &answer["FailedEntries"][0]["TargetId"]), (200, &json!(1), &json!("host")));

    stack.proxy.fail_once("events", "PutRule", Fault::Timeout);
    tokio::time::timeout(Duration::from_millis(300), put()).await.unwrap_err();

    stack.proxy.fail_nth("*", "*", 2, Fault::Throttled);
    assert_eq!(put().await.unwrap().0, 200);
    assert_eq!(put().await.unwrap().0, 400);
    assert_eq!(put().await.unwrap().0, 200);

    let mut held = stack.proxy.hold("events", "PutRule", Moment::Before);
    let (answer, ()) = tokio::join!(put(), async {
        held.reached().await;
        held.release();
    });
    assert_eq!(answer.unwrap().0, 200);
    let delete = json!({ "Name": "postdate-one" });
    let mut held = stack.proxy.hold("events", "DeleteRule", Moment::Before);
    let (answer, ()) = tokio::join!(call(&stack, "events", "AWSEvents.DeleteRule", &delete), async {
        held.reached().await;
        drop(held);
    });
    answer.unwrap_err();
    assert_eq!(stack.aws.list_rules().await.len(), 1, "a call dropped before it reached AWS must have no effect");
    let mut held = stack.proxy.hold("events", "DeleteRule", Moment::After);
    let (answer, ()) = tokio::join!(call(&stack, "events", "AWSEvents.DeleteRule", &delete), async {
        held.reached().await;
        assert_eq!(stack.aws.list_rules().await, Vec::<Value>::new());
        drop(held);
    });
    answer.unwrap_err();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_driver_fires_each_rule_and_message_once_at_its_time_and_no_rule_put_too_late() {
    let stack = Stack::new().await;
    let at = put_rule(&stack, "postdate-one", &json!({ "n": "rule" })).await;
    // A rule that is put within its own minute never fires.
    stack.clock.advance(TimeDelta::minutes(5));
    put_rule(&stack, "postdate-late", &json!({ "n": "late" })).await;
    stack.clock.advance(TimeDelta::minutes(-5));
    let rule = json!({ "Name": "postdate-late", "ScheduleExpression": cron(stack.clock.now()) });
    call(&stack, "events", "AWSEvents.PutRule", &rule).await.unwrap();
    let message = json!({ "QueueUrl": stack.queue_url, "MessageBody": r#"{"n":"message"}"#, "DelaySeconds": 40 });
    assert_eq!(call(&stack, "sqs", "AmazonSQS.SendMessage", &message).await.unwrap().0, 200);

    assert_eq!(stack.driver.run_due(&[]).await.len(), 0, "nothing may fire early");
    let pending = stack.driver.pending().await;
    let seen: Vec<_> = pending.iter().map(|due| (due.source, due.event["n"].as_str().unwrap_or_default())).collect();
    assert_eq!(seen, [(Source::Message, "message"), (Source::Rule, "rule")]);
    assert_eq!(pending[1].at.timestamp(), at.timestamp() / 60 * 60);
    assert_eq!(pending[1].target, stack.target_arn);
    let delivered = stack.driver.settle(&[]).await;
    assert_eq!(delivered.len(), 2);
    assert!(stack.clock.now() >= pending[1].at);
    assert_eq!(stack.driver.settle(&[]).await.len(), 0, "a rule or message must not fire twice");
}

/// The proxy serializes transactions. moto alone runs them concurrently, each on a copy of the table that it may restore, and in
/// about every second run of this test a valid transaction failed.
#[tokio::test(flavor = "multi_thread")]
async fn concurrent_transactions_on_different_items_do_not_conflict() {
    const PRESENT: usize = 200;
    let stack = Stack::new().await;
    // The larger the table, the longer moto's copy takes, and the likelier a conflict.
    for number in 0..PRESENT {
        let item = json!({ "pk": { "S": format!("present-{number}") }, "sk": { "S": "request" } });
        stack.aws.json("dynamodb", "PutItem", &json!({ "TableName": TABLE, "Item": item })).await;
    }
    let transaction = |key: String, condition: &str| {
        let item = json!({ "pk": { "S": key }, "sk": { "S": "request" } });
        json!({ "TransactItems": [{ "Put": { "TableName": TABLE, "Item": item, "ConditionExpression": condition } }] })
    };
    let writes = (0..60).map(|number| {
        let condition = if number % 2 == 0 { "attribute_not_exists(pk)" } else { "attribute_exists(pk)" };
        let (url, body) = (stack.proxy.url(), transaction(format!("item-{number}"), condition));
        tokio::spawn(async move { call_at(&url, "dynamodb", "DynamoDB_20120810.TransactWriteItems", &body).await.unwrap().0.as_u16() })
    });
    let mut done = 0;
    for write in writes.collect::<Vec<_>>() {
        done += usize::from(write.await.unwrap() == 200);
    }
    assert_eq!((done, stack.aws.items(TABLE).await.len()), (30, PRESENT + 30));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_fires_once_at_its_time_and_is_deleted() {
    let stack = Stack::new().await;
    let at = stack.clock.now() + TimeDelta::days(3);
    let schedule = json!({
        "GroupName": GROUP,
        "ScheduleExpression": at.format("at(%Y-%m-%dT%H:%M:%S)").to_string(),
        "ClientToken": "one",
        "FlexibleTimeWindow": { "Mode": "OFF" },
        "ActionAfterCompletion": "DELETE",
        "Target": {
            "Arn": stack.target_arn,
            "RoleArn": "arn:aws:iam::500000000001:role/scheduler",
            "Input": r#"{"n":"schedule"}"#,
            "DeadLetterConfig": { "Arn": stack.aws.arn("sqs", "postdate-dead-letters") },
            "RetryPolicy": { "MaximumEventAgeInSeconds": 3600, "MaximumRetryAttempts": 185 },
        },
    });
    let scope = "AWS4-HMAC-SHA256 Credential=AKID/20270101/eu-central-1/scheduler/aws4_request";
    let create = reqwest::Client::new().post(format!("{}/schedules/postdate-one-0", stack.proxy.url())).header("authorization", scope);
    let answer = create.header("content-type", "application/json").body(schedule.to_string()).send().await.unwrap();
    assert_eq!(answer.status(), 200, "{}", answer.text().await.unwrap());
    assert_eq!(stack.proxy.calls("scheduler", "CreateSchedule")[0].body["Name"], "postdate-one-0");

    assert_eq!(stack.driver.run_due(&[]).await.len(), 0);
    let delivered = stack.driver.settle(&[]).await;
    assert_eq!(
        delivered.iter().map(|one| (one.due.source, &one.due.event)).collect::<Vec<_>>(),
        [(Source::Schedule, &json!({ "n": "schedule" }))]
    );
    assert!((stack.clock.now() - at).abs() < TimeDelta::minutes(1));
    assert_eq!(stack.aws.list_schedules(GROUP).await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn bundles_are_compiled_and_put_into_s3() {
    let use_cases = UseCases::new();
    use_cases.write("puppet", PUPPET);
    super::scene::compile(&use_cases).await;
    let options = Options { use_cases: Some(use_cases.path().to_owned()), use_cases_in_s3: true, ..Options::default() };
    let stack = Stack::start(options).await;
    let place = stack.environment.iter().find(|(name, _)| name == "POSTDATE_USE_CASES").unwrap();
    let prefix = place.1.strip_prefix("s3://").unwrap();

    let scope = "AWS4-HMAC-SHA256 Credential=AKID/20270101/eu-central-1/s3/aws4_request";
    let get = async |path: &str| {
        let call = reqwest::Client::new().get(format!("{}/{prefix}/{path}", stack.proxy.url())).header("authorization", scope);
        call.send().await.unwrap()
    };
    let artifacts = get("puppet/compiled/artifacts.json").await.text().await.unwrap();
    let artifacts: Value = serde_json::from_str(&artifacts).unwrap();
    let payload = base64::Engine::decode(&base64::prelude::BASE64_STANDARD, artifacts["payload"].as_str().unwrap()).unwrap();
    let artifacts: Value = serde_json::from_slice(&payload).unwrap();
    assert_eq!(artifacts["artifacts"].as_array().unwrap().len(), 2, "{artifacts}");
    stack.proxy.fail_once("s3", "GetObject", Fault::Throttled);
    let slow = get("puppet/use-case.toml").await;
    assert_eq!(slow.status(), 503);
    assert!(slow.text().await.unwrap().contains("<Code>SlowDown</Code>"));
    assert_eq!(stack.proxy.calls("s3", "GetObject")[1].body["Key"], "use-cases/puppet/use-case.toml");
}
