use super::*;

#[track_caller]
fn check(service: &str, method: &str, path: &str, target: &str, body: &str, expected: &str) {
    let scope = format!("AWS4-HMAC-SHA256 Credential=AKID/20270101/eu-central-1/{service}/aws4_request, SignedHeaders=host");
    let mut request = Request::builder().method(method).uri(path).header("authorization", scope);
    if !target.is_empty() {
        request = request.header("x-amz-target", target);
    }
    let (service, action, body) = identify(&request.body(Bytes::from(body.to_owned())).unwrap());
    assert_eq!(format!("{service}.{action} {body}"), expected);
}

#[test]
fn service_and_action_are_identified_in_every_protocol() {
    check("events", "POST", "/", "AWSEvents.PutRule", r#"{"Name":"a"}"#, r#"events.PutRule {"Name":"a"}"#);
    check("dynamodb", "POST", "/", "DynamoDB_20120810.Query", "{}", "dynamodb.Query {}");
    check("sqs", "POST", "/", "AmazonSQS.SendMessage", "{}", "sqs.SendMessage {}");
    let form = "Action=Publish&Message=a%20b+c";
    check("sns", "POST", "/", "", form, r#"sns.Publish {"Action":"Publish","Message":"a b c"}"#);
    check(
        "scheduler",
        "POST",
        "/schedules/a%2Db",
        "",
        r#"{"State":"ENABLED"}"#,
        r#"scheduler.CreateSchedule {"State":"ENABLED","Name":"a-b"}"#,
    );
    let gone = r#"scheduler.DeleteSchedule {"Name":"a","GroupName":"g"}"#;
    check("scheduler", "DELETE", "/schedules/a?groupName=g", "", "", gone);
    check("s3", "GET", "/bucket/orders/use-case.toml", "", "", r#"s3.GetObject {"Bucket":"bucket","Key":"orders/use-case.toml"}"#);
    let listed = r#"s3.ListObjectsV2 {"list-type":"2","Bucket":"bucket","Key":""}"#;
    check("s3", "GET", "/bucket?list-type=2", "", "", listed);
    check("lambda", "POST", "/2015-03-31/functions/a/invocations", "", "{}", "lambda.Invoke {}");
}
