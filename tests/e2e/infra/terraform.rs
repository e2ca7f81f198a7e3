//! `infra/terraform` compared with the template: the same resources, parameters, variables of the functions, queues, alarms, and
//! services that may assume the roles. The roles' statements need no comparison: Terraform reads the documents in `infra/policies`.

mod attributes;
mod limits;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::tools::{terraform, translated};

/// A type of the template, and the types that stand for it. SAM's versions and S3's settings are parts of other resources there.
const TYPES: [(&str, &str); 21] = [
    ("AWS::ApiGatewayV2::Api", "aws_apigatewayv2_api"),
    ("AWS::ApiGatewayV2::Authorizer", "aws_apigatewayv2_authorizer"),
    ("AWS::ApiGatewayV2::Integration", "aws_apigatewayv2_integration"),
    ("AWS::ApiGatewayV2::Route", "aws_apigatewayv2_route"),
    ("AWS::ApiGatewayV2::Stage", "aws_apigatewayv2_stage"),
    ("AWS::CloudWatch::Dashboard", "aws_cloudwatch_dashboard"),
    ("AWS::DynamoDB::Table", "aws_dynamodb_table"),
    ("AWS::Events::Rule", "aws_cloudwatch_event_rule"),
    ("AWS::IAM::Role", "aws_iam_role"),
    ("AWS::Lambda::Alias", "aws_lambda_alias"),
    ("AWS::Lambda::EventInvokeConfig", "aws_lambda_function_event_invoke_config"),
    ("AWS::Lambda::EventSourceMapping", "aws_lambda_event_source_mapping"),
    ("AWS::Lambda::Function", "aws_lambda_function"),
    ("AWS::Lambda::Permission", "aws_lambda_permission"),
    ("AWS::Logs::LogGroup", "aws_cloudwatch_log_group"),
    ("AWS::S3::Bucket", "aws_s3_bucket"),
    ("AWS::S3::BucketPolicy", "aws_s3_bucket_policy"),
    ("AWS::SNS::Topic", "aws_sns_topic"),
    ("AWS::SNS::TopicPolicy", "aws_sns_topic_policy"),
    ("AWS::SQS::Queue", "aws_sqs_queue"),
    ("AWS::SQS::QueuePolicy", "aws_sqs_queue_policy"),
];

/// Types of the template that `TYPES` does not count: compared by name, part of a function, or one for each request.
const OTHERS: [&str; 3] = ["AWS::CloudWatch::Alarm", "AWS::Lambda::Version", "AWS::Scheduler::ScheduleGroup"];

/// References of the template, and Terraform's expressions for them. Any other reference is one to a parameter.
const REFERENCES: [(&str, &str); 23] = [
    ("AWS::AccountId", "local.account"),
    ("AWS::Partition", "local.partition"),
    ("AWS::Region", "local.region"),
    ("Alarms", "aws_sns_topic.alarms.arn"),
    ("Api", "aws_apigatewayv2_api.api.id"),
    ("ApiLogs.Arn", "aws_cloudwatch_log_group.api.arn"),
    ("DeadLetters", "aws_sqs_queue.dead_letters.id"),
    ("DeadLetters.Arn", "aws_sqs_queue.dead_letters.arn"),
    ("DelayQueue", "aws_sqs_queue.delay_queue.id"),
    ("DelayQueue.Arn", "aws_sqs_queue.delay_queue.arn"),
    ("Integration", "aws_apigatewayv2_integration.integration.id"),
    ("JanitorAliaslive", "aws_lambda_alias.live[\"janitor\"].arn"),
    ("JanitorClock.Arn", "aws_cloudwatch_event_rule.clock.arn"),
    ("Notifications", "aws_sns_topic.notifications.arn"),
    ("ProcessorAliaslive", "aws_lambda_alias.live[\"processor\"].arn"),
    ("TargetAliaslive", "aws_lambda_alias.live[\"target\"].arn"),
    ("UseCases", "aws_s3_bucket.use_cases.id"),
    ("UseCases.Arn", "aws_s3_bucket.use_cases.arn"),
    ("DeadLetters.QueueName", "aws_sqs_queue.dead_letters.name"),
    ("Janitor", "local.of_function[\"janitor\"].FunctionName"),
    ("Processor", "local.of_function[\"processor\"].FunctionName"),
    ("ScheduleGroup.Arn", "aws_scheduler_schedule_group.schedule_group.arn"),
    ("Target", "local.of_function[\"target\"].FunctionName"),
];

/// Attributes of a queue: the template's name, Terraform's name.
const QUEUE: [(&str, &str); 5] = [
    ("KmsMasterKeyId", "kms_master_key_id"),
    ("MessageRetentionPeriod", "message_retention_seconds"),
    ("RedrivePolicy", "redrive_policy"),
    ("SqsManagedSseEnabled", "sqs_managed_sse_enabled"),
    ("VisibilityTimeout", "visibility_timeout_seconds"),
];

/// Returns the number of resources of a Terraform type. A `for_each` over a local value makes one for each of its members.
fn count(kind: &str) -> usize {
    let resources = terraform()["resources"].as_object().expect("resources").iter();
    let of_kind = resources.filter(|(name, _)| name.split('.').next() == Some(kind));
    let each = |resource: &Value| resource["for_each"].as_str().and_then(local).and_then(Value::as_object).map_or(1, serde_json::Map::len);
    of_kind.map(|(_, resource)| each(resource)).sum()
}

/// Returns the local value that an expression names: `${local.NAME}`.
fn local(expression: &str) -> Option<&'static Value> {
    terraform()["locals"].get(expression.strip_prefix("${local.")?.strip_suffix('}')?)
}

/// Returns a name of the template in Terraform's spelling: `SecretsKeyArn` is `secrets_key_arn`.
fn snake(name: &str) -> String {
    let words = name.char_indices().map(|(at, letter)| if letter.is_uppercase() && at > 0 { format!("_{letter}") } else { letter.into() });
    words.collect::<String>().to_lowercase()
}

/// Returns a value as text. A list of nothing is an empty text, as in the template.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) if items.is_empty() => String::new(),
        Value::Null => "none".to_owned(),
        other => other.to_string(),
    }
}

/// Returns a value of the template as Terraform has it: with its expressions in place of references.
fn expression(value: &Value) -> Value {
    match (value["Ref"].as_str(), value["Fn::GetAtt"].as_array().map(Vec::as_slice), value["Fn::Sub"].as_str()) {
        (Some(name), ..) => json!(reference(name)),
        (_, Some([name, attribute]), _) => json!(reference(&[name, attribute].map(|part| part.as_str().expect("text")).join("."))),
        (.., Some(text)) => {
            let mut parts = text.split("${");
            let first = parts.next().unwrap_or_default().to_owned();
            let rest = parts.map(|part| part.split_once('}').expect("a closed reference"));
            json!(rest.fold(first, |done, (name, after)| done + &reference(name) + after))
        }
        _ => match value {
            Value::Object(members) => members.iter().map(|(name, value)| (name.clone(), expression(value))).collect(),
            Value::Array(items) => items.iter().map(expression).collect(),
            other => other.clone(),
        },
    }
}

/// Returns Terraform's expression for a reference of the template.
fn reference(name: &str) -> String {
    let known = REFERENCES.iter().find(|(known, _)| *known == name).map(|(_, theirs)| (*theirs).to_owned());
    format!("${{{}}}", known.unwrap_or_else(|| format!("var.{}", snake(name))))
}

#[test]
fn terraform_has_the_resources_of_the_template() {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for resource in translated()["Resources"].as_object().expect("resources").values() {
        *counts.entry(resource["Type"].as_str().expect("a type")).or_default() += 1;
    }
    for (kind, found) in counts {
        match TYPES.iter().find(|(known, _)| *known == kind) {
            Some((_, theirs)) => assert_eq!(count(theirs), found, "{theirs} for {kind}"),
            None => assert!(OTHERS.contains(&kind), "{kind} has no counterpart in infra/terraform"),
        }
    }
    assert_eq!(count("aws_scheduler_schedule_group"), 1);
}

#[test]
fn terraform_has_the_parameters_of_the_template_with_their_defaults() {
    let parameters = translated()["Parameters"].as_object().expect("parameters");
    let variables = terraform()["variables"].as_object().expect("variables");
    let ours: BTreeMap<String, String> = parameters.iter().map(|(name, one)| (snake(name), text(&one["Default"]))).collect();
    let theirs: BTreeMap<String, String> = variables.iter().map(|(name, one)| (name.clone(), text(&one["default"]))).collect();
    assert_eq!(theirs, ours);
}

#[test]
fn terraform_sets_the_variables_of_the_functions() {
    let words = |text: String| -> BTreeSet<String> {
        let all = text.split(|letter: char| !letter.is_ascii_uppercase() && letter != '_').map(str::to_owned).collect::<Vec<_>>();
        all.into_iter().filter(|word| word.starts_with("POSTDATE_")).collect()
    };
    let theirs = words(format!("{}{}", terraform()["locals"], terraform()["resources"]));
    assert_eq!(theirs, words(translated()["Resources"].to_string()));
}

#[test]
fn terraforms_functions_and_table_are_those_of_the_template() {
    for name in ["Processor", "Target", "Janitor"] {
        let (ours, theirs) = (&translated()["Resources"][name]["Properties"], &terraform()["locals"]["functions"][snake(name)]);
        assert_eq!((&theirs["memory"], &theirs["timeout"]), (&expression(&ours["MemorySize"]), &expression(&ours["Timeout"])), "{name}");
    }
    let mappings = super::template::resources_of("AWS::Lambda::EventSourceMapping");
    let [(_, ours)] = mappings[..] else { panic!("{mappings:?}") };
    let (ours, theirs) = (&ours["Properties"], &terraform()["resources"]["aws_lambda_event_source_mapping.delay_queue"]);
    assert_eq!(
        (&theirs["batch_size"], &theirs["function_response_types"]),
        (&ours["BatchSize"], &ours["FunctionResponseTypes"]),
        "{theirs}"
    );
    let (ours, theirs) = (&translated()["Resources"]["Table"]["Properties"], &terraform()["resources"]["aws_dynamodb_table.table"]);
    let attributes: BTreeMap<&str, &str> = ours["AttributeDefinitions"]
        .as_array()
        .expect("attributes")
        .iter()
        .filter_map(|one| Some((one["AttributeName"].as_str()?, one["AttributeType"].as_str()?)))
        .collect();
    assert_eq!(theirs["dynamic"][0]["attribute"]["for_each"], json!(attributes));
    for (index, ours) in ours["GlobalSecondaryIndexes"].as_array().expect("indexes").iter().enumerate() {
        let theirs = &theirs["global_secondary_index"][index];
        let keys = (&theirs["hash_key"], &theirs["range_key"], &theirs["projection_type"]);
        let expected =
            (&ours["KeySchema"][0]["AttributeName"], &ours["KeySchema"][1]["AttributeName"], &ours["Projection"]["ProjectionType"]);
        assert_eq!((&theirs["name"], keys), (&ours["IndexName"], expected));
        assert_eq!(theirs.get("non_key_attributes"), ours["Projection"].get("NonKeyAttributes"), "{}", ours["IndexName"]);
    }
}

#[test]
fn terraforms_alarms_are_those_of_the_template() {
    let theirs = terraform()["locals"]["alarms"].as_object().expect("alarms");
    let ours = super::template::resources_of("AWS::CloudWatch::Alarm");
    assert_eq!(theirs.keys().map(String::as_str).collect::<BTreeSet<_>>(), ours.iter().map(|(name, _)| *name).collect());
    for (name, alarm) in ours {
        let (ours, theirs) = (&alarm["Properties"], &theirs[name]);
        let or = |member: &str, default: Value| theirs.get(member).cloned().unwrap_or(default);
        assert_eq!((&theirs["namespace"], &theirs["metric"]), (&ours["Namespace"], &ours["MetricName"]), "{name}");
        assert_eq!(or("periods", json!(1)), ours["EvaluationPeriods"], "{name}");
        assert_eq!(or("comparison", json!("GreaterThanOrEqualToThreshold")), ours["ComparisonOperator"], "{name}");
        assert_eq!(or("missing", json!("notBreaching")), ours["TreatMissingData"], "{name}");
        let statistic = ours.get("ExtendedStatistic").unwrap_or(&ours["Statistic"]);
        assert_eq!(&or("extended", or("statistic", json!("Sum"))), statistic, "{name}");
        assert_eq!(or("threshold", json!(1)), expression(&ours["Threshold"]), "{name}");
        assert_eq!(theirs.get("datapoints"), ours.get("DatapointsToAlarm"), "{name}");
        let dimensions = ours["Dimensions"].as_array().expect("dimensions").iter();
        let dimensions: Value = dimensions.map(|one| (text(&one["Name"]), expression(&one["Value"]))).collect();
        assert_eq!(dimensions_of(&theirs["dimensions"]), dimensions, "{name}");
    }
    let of_function = "${{for name, function in aws_lambda_function.function : name => {FunctionName = function.function_name}}}";
    assert_eq!(terraform()["locals"]["of_function"], of_function);
}

/// Returns an alarm's dimensions by name, also where an expression stands for all of them.
fn dimensions_of(theirs: &Value) -> Value {
    match theirs.as_str().and_then(|text| text.strip_suffix('}')) {
        Some(function) => json!({ "FunctionName": format!("{function}.FunctionName}}") }),
        None => theirs.clone(),
    }
}

#[test]
fn terraforms_roles_are_assumed_by_the_services_of_the_template() {
    let locals = &terraform()["locals"];
    let ours = super::template::resources_of("AWS::IAM::Role");
    let theirs = locals["roles"].as_object().expect("roles");
    assert_eq!(ours.len(), theirs.len(), "{theirs:?}");
    for (name, role) in ours {
        let statements = role["Properties"]["AssumeRolePolicyDocument"]["Statement"].as_array().expect("statements");
        let [statement] = statements.as_slice() else { panic!("{name}: {statements:?}") };
        let theirs = &theirs[&snake(name.strip_suffix("Role").expect("a name that ends in Role"))];
        let trust = theirs["trust"].as_str().and_then(local).and_then(Value::as_object).expect("who assumes the role");
        let merged: Value =
            locals["assume_role"].as_object().expect("members").iter().chain(trust).map(|(k, v)| (k.clone(), v.clone())).collect();
        assert_eq!(merged, expression(statement), "{name}");
    }
    let document = "${jsonencode({Version = \"2012-10-17\", Statement = [merge(local.assume_role, each.value.trust)]})}";
    assert_eq!(terraform()["resources"]["aws_iam_role.role"]["assume_role_policy"], document);
}

#[test]
fn terraforms_queues_have_the_attributes_of_the_template() {
    let queues = super::template::resources_of("AWS::SQS::Queue");
    assert_eq!(queues.len(), 2, "{queues:?}");
    for (name, queue) in queues {
        let value = |member: &str, ours: &Value| match (member, &ours["Fn::FindInMap"]) {
            ("RedrivePolicy", _) => {
                let dead_letters = text(&expression(&ours["deadLetterTargetArn"])).replace(['$', '{', '}'], "");
                json!(format!("${{jsonencode({{deadLetterTargetArn = {dead_letters}, maxReceiveCount = {}}})}}", ours["maxReceiveCount"]))
            }
            ("VisibilityTimeout", Value::Array(_)) => json!("${local.queue_visibility}"),
            // `encryption.rs` compares the two conditions.
            ("KmsMasterKeyId", _) => json!("${local.kms_key}"),
            ("SqsManagedSseEnabled", _) => json!("${local.has_kms_key ? null : true}"),
            _ => expression(ours),
        };
        let theirs_of = |member: &str| QUEUE.iter().find(|(known, _)| *known == member).map(|(_, theirs)| (*theirs).to_owned());
        let ours: BTreeMap<String, Value> = queue["Properties"]
            .as_object()
            .expect("properties")
            .iter()
            .map(|(member, ours)| {
                (theirs_of(member).unwrap_or_else(|| format!("{member}, which QUEUE does not name")), value(member, ours))
            })
            .collect();
        let theirs = terraform()["resources"][format!("aws_sqs_queue.{}", snake(name))].as_object().expect("a queue");
        let of_terraform = ["name", "lifecycle"];
        let theirs: BTreeMap<String, Value> =
            theirs.iter().filter(|(name, _)| !of_terraform.contains(&name.as_str())).map(|(k, v)| (k.clone(), v.clone())).collect();
        assert_eq!(theirs, ours, "{name}");
    }
    assert_eq!(terraform()["locals"]["queue_visibility"], "${6 * var.target_timeout}");
    for (timeout, visibility) in translated()["Mappings"]["Visibility"].as_object().expect("a mapping") {
        assert_eq!(visibility["Seconds"], 6 * timeout.parse::<u64>().expect("seconds"), "{timeout}");
    }
}
