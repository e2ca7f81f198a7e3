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
    assert_eq!(problems(action.0, action.1, &body, None), Vec::<String>::new());
    let (parent, member) = pointer.rsplit_once('/').unwrap();
    body.pointer_mut(parent).unwrap()[member] = value;
    let found = problems(action.0, action.1, &body, None).join("; ");
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
    let attribute = |name: &str, value: String| json!({ name: { "DataType": "String", "StringValue": value } });
    let with_attributes = json!({ "QueueUrl": queue, "MessageBody": "{}", "MessageAttributes": {} });
    check(send, with_attributes.clone(), "/MessageAttributes", attribute("a", "x".repeat(1_048_570)), "the message has 1048579 bytes");
    check(send, with_attributes.clone(), "/MessageAttributes", attribute("aws.a", "b".to_owned()), "is reserved");
    check(send, with_attributes, "/MessageAttributes", attribute("a..b", "b".to_owned()), "must match");
    let many = json!({ "QueueUrl": queue, "Entries": [{ "Id": "1", "MessageBody": "a" }, { "Id": "2", "MessageBody": "b" }] });
    let batch = ("sqs", "SendMessageBatch");
    check(batch, many.clone(), "/Entries/1/Id", "1".into(), "two entries have the Id `1`");
    check(batch, many.clone(), "/Entries/1/Id", "a.b".into(), "must match [A-Za-z0-9_-]{1,80}");
    check(batch, many, "/Entries/1/MessageBody", "x".repeat(1_048_576).into(), "the batch has 1048577 bytes");
    check(send, message, "/QueueUrl", format!("{queue}.fifo").into(), "MessageGroupId");
    let publish = json!({ "TopicArn": "arn:aws:sns:eu-central-1:500000000001:notices", "Message": "{}" });
    check(("sns", "Publish"), publish.clone(), "/Subject", "two\nlines".into(), "Subject");
    check(("sns", "Publish"), publish, "/Message", "x".repeat(262_145).into(), "262145 bytes");
    let entry = json!({ "Entries": [{ "Source": "postdate", "DetailType": "done", "Detail": "{}" }] });
    check(("events", "PutEvents"), entry.clone(), "/Entries/0/Source", "aws.postdate".into(), "reserved");
    check(("events", "PutEvents"), entry.clone(), "/Entries/0/Detail", "text".into(), "not JSON");
    let detail = format!("\"{}\"", "x".repeat(1_048_576 - "postdate".len() - "done".len() - 2));
    check(("events", "PutEvents"), entry, "/Entries/0/Detail", detail.into(), "less than 1048576");
}

#[test]
fn an_item_or_a_transaction_that_dynamodb_would_refuse_is_found() {
    let put = json!({ "TableName": "t", "Item": { "pk": { "S": "a" }, "sk": { "S": "b" }, "body": { "S": "c" } } });
    let action = ("dynamodb", "PutItem");
    check(action, put.clone(), "/Item/body", json!({ "S": "x".repeat(409_600) }), "Item has 409610 bytes");
    check(action, put.clone(), "/Item/pk", json!({ "S": "x".repeat(2049) }), "Item.pk has 2049 bytes: 1 to 2048");
    check(action, put.clone(), "/Item/sk", json!({ "S": "" }), "Item.sk has 0 bytes: 1 to 1024");
    check(action, put.clone(), "/ConditionExpression", "x".repeat(4097).into(), "ConditionExpression has 4097 bytes");
    let transaction =
        json!({ "TransactItems": [{ "Put": put }, { "Delete": { "TableName": "t", "Key": { "pk": { "S": "a" }, "sk": { "S": "c" } } } }] });
    let write = ("dynamodb", "TransactWriteItems");
    check(write, transaction.clone(), "/TransactItems/1/Delete/Key/sk", json!({ "S": "b" }), "a second action on one item");
    check(write, transaction, "/TransactItems", json!([]), "0 actions");
}

#[test]
fn the_size_of_an_item_counts_names_and_values() {
    for (item, bytes) in [
        (json!({ "a": { "S": "é" } }), 1 + 2),
        (json!({ "n": { "N": "-123" } }), 1 + 3),
        (json!({ "n": { "N": "1798761600000" } }), 1 + 5),
        (json!({ "n": { "N": "-0.50" } }), 1 + 2),
        (json!({ "n": { "N": "0" } }), 1 + 1),
        (json!({ "s": { "NS": ["100", "12"] } }), 1 + 2 + 2),
        (json!({ "l": { "L": [{ "M": { "a": { "BOOL": true } } }] } }), 1 + 3 + 1 + (3 + 1 + 1 + 1)),
        (json!({ "m": { "M": { "k": { "NULL": true } } } }), 1 + 3 + 1 + 2),
        (json!({ "b": { "B": "AAAA" } }), 1 + 3),
    ] {
        assert_eq!(item_bytes(&item), bytes, "{item}");
    }
}

#[test]
fn an_invocation_or_an_execution_beyond_its_limits_is_found() {
    let invoke = ("lambda", "Invoke");
    let event = json!({ "FunctionName": "f", "InvocationType": "Event", "Payload": "{}" });
    check(invoke, event.clone(), "/Payload", format!("\"{}\"", "x".repeat(1 << 20)).into(), "at most 1048576");
    check(invoke, event, "/Payload", "text".into(), "not JSON");
    let start = ("states", "StartExecution");
    let execution = json!({ "stateMachineArn": "arn:aws:states:eu-central-1:500000000001:stateMachine:a", "name": "a-1", "input": "{}" });
    check(start, execution.clone(), "/name", "a b".into(), "does not allow");
    check(start, execution, "/input", format!("\"{}\"", "x".repeat(262_144)).into(), "262146 bytes");
}

#[test]
fn a_schedule_in_the_past_is_found_when_it_is_made() {
    let now = at_time("at(2027-01-01T00:00:00)").ok();
    let found = problems("scheduler", "CreateSchedule", &schedule(), now);
    assert_eq!(found, ["`at(2027-01-01T00:00:00)` is not in the future"]);
}
