use serde_json::{Value, json};

use super::*;

const LAMBDA: &str = "arn:aws:lambda:eu-central-1:500000000001:function:target";
const QUEUE: &str = "arn:aws:sqs:eu-central-1:500000000001:dead-letters";

fn rule() -> Value {
    json!({ "Name": "postdate-orders-1", "ScheduleExpression": "cron(30 12 29 2 ? 2028)" })
}

fn targets() -> Value {
    json!({ "Rule": "postdate-orders-1", "Targets": [{
        "Id": "host", "Arn": LAMBDA, "Input": "{\"v\":1}", "DeadLetterConfig": { "Arn": QUEUE },
        "RetryPolicy": { "MaximumEventAgeInSeconds": 3600, "MaximumRetryAttempts": 185 },
    }] })
}

fn schedule() -> Value {
    json!({
        "Name": "postdate-orders-1-0", "GroupName": "postdate", "ScheduleExpression": "at(2027-01-01T00:00:00)", "ClientToken": "a-1",
        "FlexibleTimeWindow": { "Mode": "OFF" }, "ActionAfterCompletion": "DELETE",
        "Target": { "Arn": LAMBDA, "RoleArn": "arn:aws:iam::500000000001:role/scheduler", "Input": "{}", "DeadLetterConfig": { "Arn": QUEUE } },
    })
}

/// Checks that the call is valid, and that it is refused for `problem` with `value` at `pointer`.
#[track_caller]
fn check(action: (&str, &str), mut body: Value, pointer: &str, value: Value, problem: &str) {
    assert_eq!(problems(action.0, action.1, &body), Vec::<String>::new());
    let (parent, member) = pointer.rsplit_once('/').unwrap();
    body.pointer_mut(parent).unwrap()[member] = value;
    let found = problems(action.0, action.1, &body).join("; ");
    assert!(found.contains(problem), "{found:?} does not say {problem:?}");
}

#[test]
fn a_rule_that_eventbridge_would_refuse_is_found() {
    let put = ("events", "PutRule");
    for (expression, problem) in [
        ("cron(61 99 99 99 ? 1800)", "the minute `61`"),
        ("cron(0 24 1 1 ? 2027)", "the hour `24`"),
        ("cron(0 0 29 2 ? 2027)", "there is no 2027-02-29"),
        ("cron(0 0 31 4 ? 2027)", "there is no 2027-04-31"),
        ("cron(0 0 1 1 ? 1969)", "the year `1969`"),
        ("cron(0 0 1 1 ? 2200)", "the year `2200`"),
        ("cron(0 0 1 13 ? 2027)", "the month `13`"),
        ("cron(* 0 1 1 ? 2027)", "the minute `*`"),
        ("cron(+1 0 1 1 ? 2027)", "the minute `+1`"),
        ("cron(0 0 1 1 * 2027)", "must be `?`"),
        ("cron(0 0 1 1 ?)", "5 fields"),
        ("cron(0 0  1 1 ? 2027)", "7 fields"),
        ("rate(1 minute)", "not of the form"),
    ] {
        check(put, rule(), "/ScheduleExpression", expression.into(), problem);
    }
    check(put, rule(), "/Name", "a".repeat(65).into(), "65 characters");
    check(put, rule(), "/Name", "a/b".into(), "must match");
    check(put, rule(), "/EventBusName", "other".into(), "default event bus");
    assert_eq!(cron_time("cron(59 23 31 12 ? 2027)").unwrap().to_rfc3339(), "2027-12-31T23:59:00+00:00");
}

#[test]
fn a_target_needs_an_arn_an_input_a_dead_letter_queue_and_for_some_services_a_role() {
    let put = ("events", "PutTargets");
    check(put, targets(), "/Targets/0/Input", format!("\"{}\"", "x".repeat(10_240)).into(), "10242 characters");
    check(put, targets(), "/Targets/0/Input", "{".into(), "not JSON");
    check(put, targets(), "/Targets/0/Input", Value::Null, "Input is missing");
    check(put, targets(), "/Targets/0/Input", "\"\u{FFFE}\"".into(), "characters that SQS does not allow");
    check(put, targets(), "/Targets/0/Arn", "target".into(), "not an ARN");
    check(put, targets(), "/Targets/0/Arn", "arn:aws:states:eu-central-1:500000000001:stateMachine:a".into(), "RoleArn is not an ARN");
    check(put, targets(), "/Targets/0/Arn", "arn:aws:sqs:eu-central-1:500000000001:a.fifo".into(), "MessageGroupId is missing");
    check(put, targets(), "/Targets/0/DeadLetterConfig", Value::Null, "DeadLetterConfig.Arn is not an ARN");
    check(put, targets(), "/Targets/0/DeadLetterConfig/Arn", format!("{QUEUE}.fifo").into(), "a standard SQS queue");
    check(put, targets(), "/Targets/0/RetryPolicy/MaximumEventAgeInSeconds", 59.into(), "60 to 86400");
    check(put, targets(), "/Targets/0/RetryPolicy/MaximumRetryAttempts", 186.into(), "0 to 185");
    check(put, targets(), "/Targets", json!([]), "0 targets");
    let target = targets()["Targets"][0].clone();
    check(put, targets(), "/Targets", Value::Array(vec![target; 6]), "6 targets");
}

#[test]
fn a_schedule_needs_a_single_time_a_role_and_a_token() {
    for action in ["CreateSchedule", "UpdateSchedule"] {
        let put = ("scheduler", action);
        check(put, schedule(), "/ScheduleExpression", "at(2027-01-01T00:00:00Z)".into(), "not of the form at(");
        check(put, schedule(), "/ScheduleExpression", "at(2027-02-29T00:00:00)".into(), "not of the form at(");
        check(put, schedule(), "/ClientToken", Value::Null, "ClientToken has 0");
        check(put, schedule(), "/ClientToken", "a.b".into(), "ClientToken must match");
        check(put, schedule(), "/FlexibleTimeWindow", Value::Null, "FlexibleTimeWindow.Mode");
        check(put, schedule(), "/ActionAfterCompletion", "KEEP".into(), "`KEEP`");
        check(put, schedule(), "/Target/RoleArn", Value::Null, "Target.RoleArn is not an ARN");
        check(put, schedule(), "/Name", "a".repeat(65).into(), "65 characters");
    }
}

#[test]
fn a_message_beyond_the_limits_of_queue_topic_or_bus_is_found() {
    let send = ("sqs", "SendMessage");
    let queue = "http://127.0.0.1/500000000001/queue";
    let message = json!({ "QueueUrl": queue, "MessageBody": "{}", "DelaySeconds": 900 });
    check(send, message.clone(), "/DelaySeconds", 901.into(), "0 to 900");
    check(send, message.clone(), "/DelaySeconds", (-1).into(), "0 to 900");
    check(send, message.clone(), "/MessageBody", "x".repeat(1_048_577).into(), "1048577 bytes");
    for character in ["\u{1}", "\u{FFFE}", "\u{FFFF}"] {
        check(send, message.clone(), "/MessageBody", character.into(), "characters that SQS does not allow");
    }
    check(send, message, "/QueueUrl", format!("{queue}.fifo").into(), "MessageGroupId");
    let publish = json!({ "TopicArn": "arn:aws:sns:eu-central-1:500000000001:notices", "Message": "{}" });
    check(("sns", "Publish"), publish.clone(), "/Subject", "two\nlines".into(), "Subject");
    check(("sns", "Publish"), publish, "/Message", "x".repeat(262_145).into(), "262145 bytes");
    let entry = json!({ "Entries": [{ "Source": "postdate", "DetailType": "done", "Detail": "{}" }] });
    check(("events", "PutEvents"), entry.clone(), "/Entries/0/Source", "aws.postdate".into(), "reserved");
    check(("events", "PutEvents"), entry, "/Entries/0/Detail", "text".into(), "not JSON");
}
