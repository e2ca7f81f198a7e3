//! The translated template with its references resolved, and tests of its resources.

use serde_json::{Map, Value, json};

use super::tools::translated;

/// References of the template, and the placeholders that the documents in `infra/policies` use for them.
const NAMES: [(&str, &str); 17] = [
    ("AWS::Partition", "aws"),
    ("AWS::Region", "${Region}"),
    ("AWS::AccountId", "${AccountId}"),
    ("Prefix", "${Prefix}"),
    ("Table.Arn", "arn:aws:dynamodb:${Region}:${AccountId}:table/${Table}"),
    ("UseCases.Arn", "arn:aws:s3:::${Bucket}"),
    ("DelayQueue.Arn", "arn:aws:sqs:${Region}:${AccountId}:${DelayQueue}"),
    ("DeadLetters.Arn", "arn:aws:sqs:${Region}:${AccountId}:${DeadLetters}"),
    ("Notifications", "arn:aws:sns:${Region}:${AccountId}:${Notifications}"),
    ("ScheduleGroup", "${ScheduleGroup}"),
    ("SchedulerRole.Arn", "${SchedulerRoleArn}"),
    ("SecretsKeyArn", "${SecretsKeyArn}"),
    ("KmsKeyArn", "${KmsKeyArn}"),
    ("TargetAliaslive", "arn:aws:lambda:${Region}:${AccountId}:function:${Prefix}target:live"),
    ("ProcessorLogs.Arn", "arn:aws:logs:${Region}:${AccountId}:log-group:/aws/lambda/${Prefix}processor:*"),
    ("TargetLogs.Arn", "arn:aws:logs:${Region}:${AccountId}:log-group:/aws/lambda/${Prefix}target:*"),
    ("JanitorLogs.Arn", "arn:aws:logs:${Region}:${AccountId}:log-group:/aws/lambda/${Prefix}janitor:*"),
];

/// Returns a resource's properties with references resolved. Every condition counts as true, so that no part is skipped.
#[track_caller]
pub fn properties(resource: &str) -> Value {
    let found = &translated()["Resources"][resource];
    assert!(found.is_object(), "the template has no {resource}");
    resolve(&found["Properties"])
}

/// Resolves references in a value. `AWS::NoValue` becomes null, and is removed from lists.
fn resolve(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(resolve).filter(|item| !item.is_null()).collect(),
        Value::Object(members) => intrinsic(members)
            .unwrap_or_else(|| members.iter().map(|(name, value)| (name.clone(), resolve(value))).collect::<Map<_, _>>().into()),
        other => other.clone(),
    }
}

fn intrinsic(members: &Map<String, Value>) -> Option<Value> {
    let (function, argument) = members.iter().next().filter(|_| members.len() == 1)?;
    match function.as_str() {
        "Ref" => Some(reference(argument.as_str()?)),
        "Fn::GetAtt" => Some(reference(&format!("{}.{}", argument[0].as_str()?, argument[1].as_str()?))),
        "Fn::If" => Some(resolve(&argument[1])),
        "Fn::Sub" => Some(Value::String(substitute(argument.as_str()?))),
        _ => None,
    }
}

fn reference(name: &str) -> Value {
    match name {
        "AWS::NoValue" => Value::Null,
        "DeliveryTargetArns" => json!(["${DeliveryTargetArn}"]),
        "HostQueueArns" => json!(["${HostQueueArn}"]),
        _ => NAMES.iter().find(|(known, _)| *known == name).map_or_else(|| json!({ "Ref": name }), |(_, text)| json!(text)),
    }
}

/// Resolves `${…}` from left to right. A substituted text is not resolved again.
fn substitute(text: &str) -> String {
    let mut done = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let (name, after) = after.split_once('}').expect("a closed reference");
        done.push_str(before);
        match reference(name) {
            Value::String(text) => done.push_str(&text),
            _ => done.extend(["${", name, "}"]),
        }
        rest = after;
    }
    done + rest
}

/// Returns name and definition of every resource of a type.
pub fn resources_of(kind: &str) -> Vec<(&'static str, &'static Value)> {
    let all = translated()["Resources"].as_object().expect("resources");
    all.iter().filter(|(_, resource)| resource["Type"] == kind).map(|(name, resource)| (name.as_str(), resource)).collect()
}

#[test]
fn every_route_needs_an_authorizer_and_the_choice_has_no_default() {
    let authorizer = &translated()["Parameters"]["Authorizer"];
    assert_eq!(authorizer["AllowedValues"], json!(["IAM", "JWT"]));
    assert_eq!(authorizer.get("Default"), None, "a deployment without an authorizer must fail");

    let routes = resources_of("AWS::ApiGatewayV2::Route");
    assert!(!routes.is_empty());
    for (name, route) in routes {
        assert_eq!(route["Properties"]["AuthorizationType"], json!({ "Fn::If": ["UseJwt", "JWT", "AWS_IAM"] }), "{name}");
    }
    assert_eq!(translated()["Conditions"]["UseJwt"], json!({ "Fn::Equals": [{ "Ref": "Authorizer" }, "JWT"] }));
    let assertions = translated()["Rules"]["JwtNeedsAnIssuer"]["Assertions"].as_array().expect("assertions");
    assert_eq!(assertions.len(), 2, "issuer and audience");
}

#[test]
fn messages_stay_hidden_for_six_times_the_targets_timeout() {
    let seconds = translated()["Mappings"]["Visibility"].as_object().expect("a mapping");
    let allowed = translated()["Parameters"]["TargetTimeout"]["AllowedValues"].as_array().expect("values");
    for timeout in allowed {
        let timeout = timeout.as_str().expect("text");
        let visibility = seconds[timeout]["Seconds"].as_u64().expect("a number");
        assert!(visibility >= 6 * timeout.parse::<u64>().expect("a number"), "{timeout}: {visibility}");
    }
    assert_eq!(translated()["Resources"]["Target"]["Properties"]["Timeout"], json!({ "Ref": "TargetTimeout" }));
}

#[test]
fn the_target_gets_batches_and_may_send_to_the_queue_that_invokes_it() {
    assert_eq!(translated()["Resources"]["Target"]["Properties"]["RecursiveLoop"], "Allow");
    let sources = resources_of("AWS::Lambda::EventSourceMapping");
    assert_eq!(sources.len(), 1, "{sources:?}");
    let source = &sources[0].1["Properties"];
    assert_eq!((&source["BatchSize"], &source["FunctionResponseTypes"]), (&json!(10), &json!(["ReportBatchItemFailures"])));
    // With a window, Lambda would wait for more messages while a request is due.
    assert_eq!(source.get("MaximumBatchingWindowInSeconds"), None);
}

#[test]
fn the_stacks_own_rule_does_not_have_the_prefix_of_request_rules() {
    for (name, _) in resources_of("AWS::Events::Rule") {
        let own = properties(name)["Name"].as_str().expect("a name of its own").to_owned();
        assert!(!own.starts_with("${Prefix}"), "{name} is called {own}: rename it, or the janitor removes it");
    }
}

#[test]
fn resources_with_requests_and_plugins_are_retained_when_the_stack_is_deleted() {
    for name in ["Table", "UseCases", "DeadLetters", "ScheduleGroup"] {
        let resource = &translated()["Resources"][name];
        assert_eq!((&resource["DeletionPolicy"], &resource["UpdateReplacePolicy"]), (&json!("Retain"), &json!("Retain")), "{name}");
    }
}

#[test]
fn references_are_resolved_and_conditions_count_as_true() {
    let value = json!({ "a": { "Fn::Sub": "${AWS::Region}/${Prefix}*/${Other}" }, "b": [{ "Fn::If": ["X", { "Ref": "Prefix" }, 1] }, { "Ref": "AWS::NoValue" }] });
    assert_eq!(resolve(&value), json!({ "a": "${Region}/${Prefix}*/${Other}", "b": ["${Prefix}"] }));
}
