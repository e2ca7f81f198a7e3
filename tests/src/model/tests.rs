use hyper::Request;
use hyper::body::Bytes;

use super::check::compiled;
use super::*;

/// A request of a service: method, path, `x-amz-target`, body.
fn call(service: &str, method: &str, path: &str, target: &str, body: &str) -> Call {
    let scope = format!("AWS4-HMAC-SHA256 Credential=AKID/20270101/eu-central-1/{service}/aws4_request, SignedHeaders=host");
    let mut request = Request::builder().method(method).uri(path).header("authorization", scope);
    if !target.is_empty() {
        request = request.header("x-amz-target", target);
    }
    read(&request.body(Bytes::from(body.to_owned())).unwrap())
}

#[track_caller]
fn check(service: &str, method: &str, path: &str, target: &str, body: &str, expected: &str) {
    let call = call(service, method, path, target, body);
    let (name, input) = expected.split_once(' ').unwrap();
    assert_eq!((format!("{}.{}", call.service, call.action).as_str(), call.body), (name, serde_json::from_str(input).unwrap()));
    assert_eq!(call.problems, Vec::<String>::new());
}

#[test]
fn service_operation_and_input_are_read_in_every_protocol() {
    let rule = r#"{"Name":"a"}"#;
    check("events", "POST", "/", "AWSEvents.PutRule", rule, r#"events.PutRule {"Name":"a"}"#);
    let item = r#"{"Key":{"pk":{"S":"a"}},"TableName":"abc"}"#;
    check("dynamodb", "POST", "/", "DynamoDB_20120810.GetItem", item, &format!("dynamodb.GetItem {item}"));
    let message = r#"{"DelaySeconds":3,"MessageBody":"b","QueueUrl":"u"}"#;
    check("sqs", "POST", "/", "AmazonSQS.SendMessage", message, &format!("sqs.SendMessage {message}"));
    let attribute = "MessageAttributes.entry.1.Name=n&MessageAttributes.entry.1.Value.DataType=String";
    check(
        "sns",
        "POST",
        "/",
        "",
        &format!("Action=Publish&Version=2010-03-31&Message=a%20b+c&{attribute}"),
        r#"sns.Publish {"Message":"a b c","MessageAttributes":{"n":{"DataType":"String"}}}"#,
    );
    check("scheduler", "DELETE", "/schedules/a%2Db?groupName=g", "", "", r#"scheduler.DeleteSchedule {"GroupName":"g","Name":"a-b"}"#);
    check("s3", "GET", "/bucket/orders/a%20b+c?x-id=GetObject", "", "", r#"s3.GetObject {"Bucket":"bucket","Key":"orders/a b+c"}"#);
    let listed = r#"s3.ListObjectsV2 {"Bucket":"bucket","MaxKeys":7,"Prefix":"a/"}"#;
    check("s3", "GET", "/bucket/?list-type=2&prefix=a%2F&max-keys=7", "", "", listed);
    check("s3", "PUT", "/bucket/key", "", "text", r#"s3.PutObject {"Body":"text","Bucket":"bucket","Key":"key"}"#);
    let invoke = "/2015-03-31/functions/a/invocations";
    check("lambda", "POST", invoke, "", "{}", r#"lambda.Invoke {"FunctionName":"a","Payload":"{}"}"#);
}

#[track_caller]
fn check_problem(service: &str, target: &str, body: &str, problem: &str) {
    let found = call(service, "POST", "/", target, body).problems.join("; ");
    assert!(found.contains(problem), "{found:?} does not say {problem:?}");
}

#[test]
fn a_breach_of_the_model_is_found() {
    let put = "AWSEvents.PutRule";
    check_problem("events", put, "{}", "Name is required");
    check_problem("events", put, r#"{"Name":null}"#, "Name is required");
    check_problem("events", put, r#"{"Name":"a","Colour":1}"#, "there is no member Colour");
    check_problem("events", put, r#"{"Name":7}"#, "Name must be a string: 7");
    check_problem("events", put, r#"{"Name":"a/b"}"#, "Name `a/b` must match");
    check_problem("events", put, &format!(r#"{{"Name":"{}"}}"#, "a".repeat(65)), "Name has 65 characters: 1 to 64");
    check_problem("events", put, r#"{"Name":"a","State":"ON"}"#, "State is `ON`");
    check_problem("events", put, "[]", "the body is no JSON object");
    check_problem("events", "AWSEvents.PutRules", "{}", "is no operation of events");
    check_problem("events", "AmazonSQS.PutRule", "{}", "is no operation of events");
    check_problem("events", "AWSEvents.PutTargets", r#"{"Rule":"a","Targets":[]}"#, "Targets has 0 elements: 1 to 100");
    let nested = r#"{"Rule":"a","Targets":[{"Id":"a","Arn":"b","RetryPolicy":{"MaximumRetryAttempts":186}}]}"#;
    check_problem("events", "AWSEvents.PutTargets", nested, "Targets[0].RetryPolicy.MaximumRetryAttempts is 186: 0 to 185");
    check_problem("dynamodb", "DynamoDB_20120810.Query", r#"{"TableName":"abc","Limit":0}"#, "Limit is 0: 1 to any");
    check_problem("sns", "", "Action=Publish&Version=2010-03-31&Message=a&MessageText=b", "there is no member MessageText");
    check_problem("sns", "", "Action=Publish&Message=a", "Version is");
    check_problem("route53", "", "", "no model for the service `route53`");
    let problems = call("scheduler", "GET", "/schedules/a?group=g", "", "").problems;
    assert_eq!(problems, ["there is no member group"]);
}

/// Collects the patterns of a shape and of all that it refers to.
fn patterns<'a>(model: &'a Model, name: &'a str, seen: &mut Vec<&'a str>, found: &mut Vec<&'a str>) {
    if seen.contains(&name) {
        return;
    }
    seen.push(name);
    let shape = model.shape(name);
    found.extend(shape["pattern"].as_str());
    let members = shape["members"].as_object().into_iter().flatten().map(|(_, member)| member);
    for reference in members.chain([&shape["member"], &shape["key"], &shape["value"]]) {
        if let Some(name) = reference["shape"].as_str() {
            patterns(model, name, seen, found);
        }
    }
}

#[test]
fn uncheckable_patterns_are_known() {
    let mut uncheckable = Vec::new();
    for (service, operations) in [
        ("dynamodb", vec!["Query", "PutItem", "UpdateItem", "TransactWriteItems"]),
        ("events", vec!["PutRule", "PutTargets", "RemoveTargets", "DeleteRule", "ListRules", "DescribeRule", "PutEvents"]),
        ("lambda", vec!["Invoke"]),
        ("scheduler", vec!["CreateSchedule", "UpdateSchedule", "GetSchedule", "DeleteSchedule"]),
        ("secretsmanager", vec!["GetSecretValue"]),
        ("ssm", vec!["GetParameters"]),
        ("states", vec!["StartExecution"]),
    ] {
        let model = Model::of(service).unwrap();
        for operation in operations {
            let input = model.0["operations"][operation]["input"]["shape"].as_str().expect("an input");
            let mut found = Vec::new();
            patterns(model, input, &mut Vec::new(), &mut found);
            uncheckable.extend(found.into_iter().filter(|pattern| compiled(pattern).is_none()));
        }
    }
    uncheckable.sort_unstable();
    uncheckable.dedup();
    // A path parameter of an API destination, which no target of ours has; and the source of an event that a schedule sends to a bus.
    assert_eq!(uncheckable, [r"^(?!\s*$).+", r"^(?=[/\.\-_A-Za-z0-9]+)((?!aws\.).*)|(\$(\.[\w_-]+(\[(\d+|\*)\])*)*)$"]);
}
