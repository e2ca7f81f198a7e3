//! The stack, created in moto as far as moto supports its resources.

use postdate_tests::aws::LISTED;
use serde_json::{Value, json};

use super::tools::created;

/// Resource types that moto 5 cannot create in a stack; only cfn-lint checks them. If the list in moto gets shorter, test more here.
const UNKNOWN_TO_MOTO: [&str; 11] = [
    "AWS::ApiGatewayV2::Api",
    "AWS::ApiGatewayV2::Integration",
    "AWS::ApiGatewayV2::Route",
    "AWS::ApiGatewayV2::Stage",
    "AWS::CloudWatch::Alarm",
    "AWS::Lambda::Alias",
    "AWS::Lambda::EventInvokeConfig",
    "AWS::S3::BucketPolicy",
    "AWS::SNS::TopicPolicy",
    "AWS::SQS::QueuePolicy",
    "AWS::Scheduler::ScheduleGroup",
];

#[test]
fn moto_creates_the_stack() {
    let stack = created(&["Authorizer=IAM"]);
    assert_eq!(stack["status"], "CREATE_COMPLETE");
    assert_eq!(stack["left_out"]["unknown"], json!(UNKNOWN_TO_MOTO));
    assert_eq!(stack["left_out"]["because_of_them"], json!({ "Jwt": ["Api"], "ProcessorPermission": ["Api"] }));

    let table = &stack["table"];
    assert_eq!(keys(&table["KeySchema"]), ["pk", "sk"]);
    let mut indexes: Vec<(&str, Vec<&str>, &str, Vec<&str>)> = table["GlobalSecondaryIndexes"]
        .as_array()
        .expect("indexes")
        .iter()
        .map(|index| {
            let Value::Object(projection) = &index["Projection"] else { panic!("{index}") };
            let attributes = projection.get("NonKeyAttributes").and_then(Value::as_array).into_iter().flatten().map(text).collect();
            (text(&index["IndexName"]), keys(&index["KeySchema"]), text(&projection["ProjectionType"]), attributes)
        })
        .collect();
    indexes.sort_unstable();
    let expected = [
        ("lists", vec!["list", "at"], "INCLUDE", LISTED.to_vec()),
        ("open", vec!["open", "wake"], "KEYS_ONLY", vec![]),
        ("pinned", vec!["pin"], "KEYS_ONLY", vec![]),
    ];
    assert_eq!(indexes, expected, "the tests' table, in tests/src/aws/dynamodb.rs, is like the template's");

    let redrive: Value = serde_json::from_str(text(&stack["delay_queue"]["RedrivePolicy"])).expect("JSON");
    assert_eq!(redrive, json!({ "deadLetterTargetArn": stack["dead_letters"]["QueueArn"], "maxReceiveCount": 5 }));
    assert_eq!(stack["delay_queue"]["VisibilityTimeout"], "720");
    for queue in ["delay_queue", "dead_letters"] {
        assert_eq!((&stack[queue]["SqsManagedSseEnabled"], stack[queue].get("KmsMasterKeyId")), (&json!("true"), None), "{queue}");
    }
    assert_eq!(stack["bucket_encryption"], json!({ "SSEAlgorithm": "AES256" }));
    assert_eq!(stack["topic_keys"], json!({ "Notifications": "", "Alarms": "" }));
    assert_eq!(stack["rules"], json!(["clock-of-postdate-janitor"]));
}

#[test]
fn every_function_gets_the_environment_variables_that_it_reads() {
    let stack = created(&[
        "Authorizer=JWT",
        "JwtIssuer=https://issuer.example",
        "JwtAudience=postdate",
        "Prefix=other-",
        "TargetTimeout=300",
        "OwnerClaim=sub",
        "ScopeClaim=scope",
        "DeliveryTargetArns=arn:aws:sqs:us-east-1:123456789012:a,arn:aws:sns:us-east-1:123456789012:*",
    ]);
    for function in ["Processor", "Target", "Janitor"] {
        let variables = &stack["environment"][function];
        assert_eq!(variables["POSTDATE_TABLE"], stack["resources"]["Table"], "{function}");
        assert_eq!(variables["POSTDATE_QUEUE_URL"], stack["resources"]["DelayQueue"], "{function}");
        assert_eq!(variables["POSTDATE_DEAD_LETTER_ARN"], stack["dead_letters"]["QueueArn"], "{function}");
        assert_eq!(variables["POSTDATE_PREFIX"], "other-", "{function}");
        assert_eq!(variables["POSTDATE_SECRETS"], "ssm:/other-secrets/", "{function}");
        let arn = text(&variables["POSTDATE_TARGET_ARN"]);
        assert!(arn.starts_with("arn:aws:lambda:us-east-1:") && arn.ends_with(":function:other-target:live"), "{function}: {arn}");
        assert_eq!(
            (text(&variables["POSTDATE_SCHEDULER"]), text(&variables["POSTDATE_SCHEDULE_GROUP"])),
            ("auto", "other-requests"),
            "{function}"
        );
        assert!(text(&variables["POSTDATE_SCHEDULER_ROLE_ARN"]).contains(":role/"), "{function}: {variables}");
        assert_eq!(variables["POSTDATE_DELIVERY_TARGETS"], "arn:aws:sqs:us-east-1:123456789012:a,arn:aws:sns:us-east-1:123456789012:*");
        let use_cases = format!("s3://{}/use-cases", text(&stack["resources"]["UseCases"]));
        assert_eq!(variables["POSTDATE_USE_CASES"], json!(use_cases), "{function}");
        // The functions treat an empty variable as unset.
        assert!(variables.as_object().expect("variables").values().all(|value| !text(value).is_empty()), "{variables}");
        let topic = if function == "Processor" { &Value::Null } else { &stack["resources"]["Notifications"] };
        assert_eq!(&variables["POSTDATE_TOPIC_ARN"], topic, "{function}");
    }
    assert_eq!(stack["delay_queue"]["VisibilityTimeout"], "1800");
}

#[test]
fn the_key_of_the_parameter_encrypts_the_stacks_bucket_queues_and_topics() {
    let key = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab";
    let stack = created(&["Authorizer=IAM", &format!("KmsKeyArn={key}")]);
    for queue in ["delay_queue", "dead_letters"] {
        assert_eq!((&stack[queue]["SqsManagedSseEnabled"], &stack[queue]["KmsMasterKeyId"]), (&json!("false"), &json!(key)), "{queue}");
    }
    assert_eq!(stack["bucket_encryption"], json!({ "SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key }));
    assert_eq!(stack["topic_keys"], json!({ "Notifications": key, "Alarms": key }));
}

fn keys(schema: &Value) -> Vec<&str> {
    schema.as_array().expect("keys").iter().map(|key| text(&key["AttributeName"])).collect()
}

#[track_caller]
fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is not text"))
}
