//! Attributes of resources, and statements of the policies of buckets, queues, topics and functions.

use serde_json::{Value, json};

use super::super::tools::{terraform, translated};
use super::{expression, local, snake};

/// Paths of a property and of the attribute that stands for it.
type Pairs = &'static [(&'static str, &'static str)];

const EVENT_INVOKE: Pairs = &[
    ("/MaximumEventAgeInSeconds", "/maximum_event_age_in_seconds"),
    ("/MaximumRetryAttempts", "/maximum_retry_attempts"),
    ("/DestinationConfig/OnFailure/Destination", "/destination_config/0/on_failure/0/destination"),
    ("/DestinationConfig/OnSuccess", "/destination_config/0/on_success"),
];
const FUNCTION: Pairs = &[
    ("/Architectures", "/architectures"),
    ("/FunctionName", "/function_name"),
    ("/Handler", "/handler"),
    ("/ReservedConcurrentExecutions", "/reserved_concurrent_executions"),
    ("/Runtime", "/runtime"),
    ("/TracingConfig/Mode", "/tracing_config/0/mode"),
];
const ALIAS: Pairs = &[("/Name", "/name")];
const LOGS: Pairs = &[("/RetentionInDays", "/retention_in_days"), ("/LogGroupName", "/name")];
const PERMISSION: Pairs =
    &[("/Action", "/action"), ("/Principal", "/principal"), ("/SourceArn", "/source_arn"), ("/SourceAccount", "/source_account")];

/// A resource of the template, its counterpart in Terraform, and the properties that are compared here.
const COMPARED: [(&str, &str, Pairs); 28] = [
    ("Target", "aws_lambda_function_recursion_config.target", &[("/RecursiveLoop", "/recursive_loop")]),
    ("Processor", "aws_lambda_function.function", FUNCTION),
    ("Target", "aws_lambda_function.function", FUNCTION),
    ("Janitor", "aws_lambda_function.function", FUNCTION),
    ("ProcessorAliaslive", "aws_lambda_alias.live", ALIAS),
    ("TargetAliaslive", "aws_lambda_alias.live", ALIAS),
    ("JanitorAliaslive", "aws_lambda_alias.live", ALIAS),
    ("ProcessorLogs", "aws_cloudwatch_log_group.function", LOGS),
    ("TargetLogs", "aws_cloudwatch_log_group.function", LOGS),
    ("JanitorLogs", "aws_cloudwatch_log_group.function", LOGS),
    ("ApiLogs", "aws_cloudwatch_log_group.api", LOGS),
    ("TargetEventInvokeConfig", "aws_lambda_function_event_invoke_config.target", EVENT_INVOKE),
    ("JanitorEventInvokeConfig", "aws_lambda_function_event_invoke_config.janitor", EVENT_INVOKE),
    (
        "TargetDelayQueue",
        "aws_lambda_event_source_mapping.delay_queue",
        &[
            ("/EventSourceArn", "/event_source_arn"),
            ("/FunctionName", "/function_name"),
            ("/MaximumBatchingWindowInSeconds", "/maximum_batching_window_in_seconds"),
            ("/ScalingConfig/MaximumConcurrency", "/scaling_config/0/maximum_concurrency"),
        ],
    ),
    ("TargetPermission", "aws_lambda_permission.target", PERMISSION),
    ("ProcessorPermission", "aws_lambda_permission.processor", PERMISSION),
    ("JanitorClockPermission", "aws_lambda_permission.clock", PERMISSION),
    ("JanitorClock", "aws_cloudwatch_event_rule.clock", &[("/Name", "/name"), ("/ScheduleExpression", "/schedule_expression")]),
    ("JanitorClock", "aws_cloudwatch_event_target.clock", &[("/Targets/0/Arn", "/arn")]),
    (
        "Table",
        "aws_dynamodb_table.table",
        &[
            ("/BillingMode", "/billing_mode"),
            ("/KeySchema/0/AttributeName", "/hash_key"),
            ("/KeySchema/1/AttributeName", "/range_key"),
            ("/TimeToLiveSpecification/AttributeName", "/ttl/0/attribute_name"),
            ("/TimeToLiveSpecification/Enabled", "/ttl/0/enabled"),
            ("/PointInTimeRecoverySpecification/PointInTimeRecoveryEnabled", "/point_in_time_recovery/0/enabled"),
        ],
    ),
    (
        "UseCases",
        "aws_s3_bucket_public_access_block.use_cases",
        &[
            ("/PublicAccessBlockConfiguration/BlockPublicAcls", "/block_public_acls"),
            ("/PublicAccessBlockConfiguration/BlockPublicPolicy", "/block_public_policy"),
            ("/PublicAccessBlockConfiguration/IgnorePublicAcls", "/ignore_public_acls"),
            ("/PublicAccessBlockConfiguration/RestrictPublicBuckets", "/restrict_public_buckets"),
        ],
    ),
    (
        "UseCases",
        "aws_s3_bucket_ownership_controls.use_cases",
        &[("/OwnershipControls/Rules/0/ObjectOwnership", "/rule/0/object_ownership")],
    ),
    ("UseCases", "aws_s3_bucket_versioning.use_cases", &[("/VersioningConfiguration/Status", "/versioning_configuration/0/status")]),
    (
        "UseCases",
        "aws_s3_bucket_lifecycle_configuration.use_cases",
        &[
            (
                "/LifecycleConfiguration/Rules/0/NoncurrentVersionExpiration/NoncurrentDays",
                "/rule/0/noncurrent_version_expiration/0/noncurrent_days",
            ),
            (
                "/LifecycleConfiguration/Rules/1/AbortIncompleteMultipartUpload/DaysAfterInitiation",
                "/rule/1/abort_incomplete_multipart_upload/0/days_after_initiation",
            ),
            ("/LifecycleConfiguration/Rules/2", "/rule/2"),
        ],
    ),
    (
        "Jwt",
        "aws_apigatewayv2_authorizer.jwt",
        &[
            ("/AuthorizerType", "/authorizer_type"),
            ("/IdentitySource", "/identity_sources"),
            ("/JwtConfiguration/Issuer", "/jwt_configuration/0/issuer"),
            ("/JwtConfiguration/Audience", "/jwt_configuration/0/audience"),
        ],
    ),
    (
        "Integration",
        "aws_apigatewayv2_integration.integration",
        &[
            ("/IntegrationType", "/integration_type"),
            ("/IntegrationUri", "/integration_uri"),
            ("/PayloadFormatVersion", "/payload_format_version"),
            ("/TimeoutInMillis", "/timeout_milliseconds"),
        ],
    ),
    ("Route", "aws_apigatewayv2_route.route", &[("/RouteKey", "/route_key"), ("/Target", "/target")]),
    (
        "Stage",
        "aws_apigatewayv2_stage.stage",
        &[
            ("/StageName", "/name"),
            ("/AutoDeploy", "/auto_deploy"),
            ("/DefaultRouteSettings/ThrottlingRateLimit", "/default_route_settings/0/throttling_rate_limit"),
            ("/DefaultRouteSettings/ThrottlingBurstLimit", "/default_route_settings/0/throttling_burst_limit"),
            ("/AccessLogSettings/DestinationArn", "/access_log_settings/0/destination_arn"),
        ],
    ),
];

/// A policy of the template, its counterpart, and where each names the resource that has the policy.
const POLICIES: [(&str, &str, &str, &str); 5] = [
    ("UseCasesPolicy", "aws_s3_bucket_policy.use_cases", "/Bucket", "bucket"),
    ("DelayQueuePolicy", "aws_sqs_queue_policy.delay_queue", "/Queues/0", "queue_url"),
    ("DeadLettersPolicy", "aws_sqs_queue_policy.dead_letters", "/Queues/0", "queue_url"),
    ("NotificationsPolicy", "aws_sns_topic_policy.notifications", "/Topics/0", "arn"),
    ("AlarmsPolicy", "aws_sns_topic_policy.alarms", "/Topics/0", "arn"),
];

fn properties(name: &str) -> &'static Value {
    let resource = &translated()["Resources"][name];
    assert!(resource.is_object(), "the template has no {name}");
    &resource["Properties"]
}

fn resource(name: &str) -> &'static Value {
    let resource = &terraform()["resources"][name];
    assert!(resource.is_object(), "infra/terraform has no {name}");
    resource
}

/// Returns a value of Terraform with the values of locals in place of their names, but those that Terraform asks AWS for, and with this
/// key of a `for_each`.
fn resolved(value: &Value, key: &str) -> Value {
    match value {
        Value::String(text) => match local(text).filter(|value| !value.as_str().is_some_and(|text| text.starts_with("${data."))) {
            Some(value) => resolved(value, key),
            None => json!(text.replace("${each.key}", key)),
        },
        Value::Array(items) => items.iter().map(|item| resolved(item, key)).collect(),
        Value::Object(members) => members.iter().map(|(name, value)| (name.clone(), resolved(value, key))).collect(),
        other => other.clone(),
    }
}

/// Returns the name of a function in Terraform, of a resource of the template that belongs to it.
fn function(name: &str) -> String {
    ["Processor", "Target", "Janitor"].into_iter().find(|function| name.starts_with(function)).map_or_else(String::new, snake)
}

#[test]
fn attributes_are_those_of_the_template() {
    for (ours, theirs, pairs) in COMPARED {
        for (property, attribute) in pairs {
            let expected = properties(ours).pointer(property).map(expression);
            let found = resource(theirs).pointer(attribute).map(|value| resolved(value, &function(ours)));
            // Terraform has the first part of the ARN as an attribute.
            let api = "arn:${local.partition}:execute-api:${local.region}:${local.account}:${aws_apigatewayv2_api.api.id}";
            let expected = expected.map(|value| {
                value.as_str().map_or(value.clone(), |text| json!(text.replace(api, "${aws_apigatewayv2_api.api.execution_arn}")))
            });
            assert_eq!(found, expected, "{theirs}{attribute} for {ours}{property}");
        }
    }
}

#[test]
fn policies_have_the_statements_of_the_template() {
    let policies = terraform()["policies"].as_object().expect("policies");
    assert_eq!(policies.len(), POLICIES.len(), "{:?}", policies.keys());
    for (ours, theirs, place, attribute) in POLICIES {
        assert_eq!(resolved(&policies[theirs], ""), expression(&properties(ours)["PolicyDocument"]), "{theirs}");
        let of_template = properties(ours).pointer(place).map(expression);
        assert_eq!(resource(theirs).get(attribute), of_template.as_ref(), "{theirs}");
    }
}

#[test]
fn permissions_and_settings_of_events_belong_to_the_alias() {
    for (ours, theirs) in [
        ("TargetPermission", "aws_lambda_permission.target"),
        ("ProcessorPermission", "aws_lambda_permission.processor"),
        ("JanitorClockPermission", "aws_lambda_permission.clock"),
        ("TargetEventInvokeConfig", "aws_lambda_function_event_invoke_config.target"),
        ("JanitorEventInvokeConfig", "aws_lambda_function_event_invoke_config.janitor"),
    ] {
        let name = properties(ours)["FunctionName"]["Ref"].as_str().expect("a reference");
        let function = match (name.strip_suffix("Aliaslive"), properties(ours).get("Qualifier")) {
            (Some(function), None) => snake(function),
            (None, Some(qualifier)) if qualifier == "live" => snake(name),
            other => panic!("{ours}: {other:?}"),
        };
        let of_alias = |attribute| json!(format!("${{aws_lambda_alias.live[\"{function}\"].{attribute}}}"));
        let found = resource(theirs);
        assert_eq!((&found["function_name"], &found["qualifier"]), (&of_alias("function_name"), &of_alias("name")), "{theirs}");
    }
}
