//! `infra/terraform` compared with the template: the same resources, parameters, variables of the functions and alarms. The roles'
//! statements need no comparison: Terraform reads the documents in `infra/policies`.

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

/// Returns the number of resources of a Terraform type. A `for_each` over the functions makes one of each.
fn count(kind: &str) -> usize {
    let resources = terraform()["resources"].as_object().expect("resources").iter();
    let of_kind = resources.filter(|(name, _)| name.split('.').next() == Some(kind));
    let functions = terraform()["locals"]["functions"].as_object().expect("functions").len();
    of_kind.map(|(_, resource)| if resource["for_each"] == "${local.functions}" { functions } else { 1 }).sum()
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

/// Returns a value of the template as Terraform has it: a reference to a parameter becomes one to a variable.
fn variable(value: &Value) -> Value {
    value["Ref"].as_str().map_or_else(|| value.clone(), |name| json!(format!("${{var.{}}}", snake(name))))
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
        assert_eq!((&theirs["memory"], &theirs["timeout"]), (&variable(&ours["MemorySize"]), &variable(&ours["Timeout"])), "{name}");
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
        assert_eq!(or("threshold", json!(1)), variable(&ours["Threshold"]), "{name}");
        assert_eq!(theirs.get("datapoints"), ours.get("DatapointsToAlarm"), "{name}");
    }
}
