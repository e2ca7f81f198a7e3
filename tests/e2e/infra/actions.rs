//! Actions and condition keys of the policies exist in IAM: a misspelled one is accepted by every tool, and allows nothing.

use serde_json::Value;

use super::policy::{document, texts};
use super::template::properties;

/// A service's actions and condition keys, as far as this project may use them, from its page in
/// <https://docs.aws.amazon.com/service-authorization/latest/reference/>.
const SERVICES: [(&str, &[&str], &[&str]); 14] = [
    (
        "dynamodb",
        &["BatchGetItem", "ConditionCheckItem", "DeleteItem", "GetItem", "PutItem", "Query", "UpdateItem"],
        &["dynamodb:LeadingKeys"],
    ),
    (
        "events",
        &["DeleteRule", "DescribeRule", "ListRules", "ListTargetsByRule", "PutEvents", "PutRule", "PutTargets", "RemoveTargets"],
        &["events:TargetArn", "events:creatorAccount", "events:source", "events:detail-type", "events:eventBusInvocation"],
    ),
    ("iam", &["PassRole"], &["iam:PassedToService", "iam:AssociatedResourceArn"]),
    (
        "kms",
        &["Decrypt", "DescribeKey", "Encrypt", "GenerateDataKey", "GenerateDataKeyWithoutPlaintext", "ReEncryptFrom", "ReEncryptTo", "*"],
        &["kms:ViaService", "kms:EncryptionContextKeys", "kms:EncryptionContext:aws:logs:arn"],
    ),
    ("lambda", &["InvokeFunction"], &["lambda:FunctionArn", "lambda:SourceFunctionArn"]),
    ("logs", &["CreateLogStream", "PutLogEvents"], &[]),
    ("s3", &["GetObject", "ListBucket", "PutObject", "DeleteObject", "*"], &["s3:prefix", "s3:delimiter", "s3:max-keys"]),
    ("scheduler", &["CreateSchedule", "DeleteSchedule", "GetSchedule", "ListSchedules", "UpdateSchedule"], &[]),
    ("secretsmanager", &["GetSecretValue"], &["secretsmanager:SecretId", "secretsmanager:VersionStage"]),
    ("sns", &["Publish"], &["sns:Endpoint", "sns:Protocol"]),
    ("sqs", &["ChangeMessageVisibility", "DeleteMessage", "GetQueueAttributes", "GetQueueUrl", "ReceiveMessage", "SendMessage", "*"], &[]),
    ("ssm", &["GetParameters"], &["ssm:Recursive", "ssm:Overwrite"]),
    ("states", &["StartExecution"], &["states:StateMachineQualifier"]),
    ("xray", &["PutTelemetryRecords", "PutTraceSegments"], &[]),
];

/// Keys that every service may have, from <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html>.
const GLOBAL: [&str; 5] = ["aws:SecureTransport", "aws:SourceAccount", "aws:SourceArn", "aws:PrincipalAccount", "aws:ResourceAccount"];

/// Condition operators, from <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html>.
const OPERATORS: [&str; 7] = ["ArnLike", "ArnEquals", "Bool", "StringEquals", "StringLike", "Null", "NumericEquals"];

/// Returns what does not exist in a statement.
fn unknown(statement: &Value) -> Vec<String> {
    let mut found = Vec::new();
    for action in texts(&statement["Action"]) {
        let (service, name) = action.split_once(':').unwrap_or((action, ""));
        // A pattern of actions stands only in denials, and in the key policy's statement that lets IAM decide.
        let is_account = statement["Principal"] == serde_json::json!({ "AWS": "arn:aws:iam::${AccountId}:root" });
        let may_be_pattern = statement["Effect"] == "Deny" || is_account;
        let known =
            SERVICES.iter().any(|(known, actions, _)| *known == service && actions.contains(&name) && (name != "*" || may_be_pattern));
        found.extend((!known).then(|| action.to_owned()));
    }
    for (operator, keys) in statement["Condition"].as_object().into_iter().flatten() {
        let plain = operator.split_once(':').map_or(operator.as_str(), |(_, plain)| plain);
        let plain = plain.strip_suffix("IfExists").unwrap_or(plain);
        found.extend((!OPERATORS.contains(&plain)).then(|| operator.clone()));
        for key in keys.as_object().into_iter().flatten().map(|(key, _)| key) {
            // Names of keys are not case-sensitive.
            let is = |known: &&str| known.eq_ignore_ascii_case(key);
            let known = GLOBAL.iter().any(is) || SERVICES.iter().any(|(_, _, keys)| keys.iter().any(is));
            found.extend((!known).then(|| key.clone()));
        }
    }
    found
}

#[test]
fn every_action_condition_key_and_operator_of_a_policy_exists() {
    let documents = [
        "processor-execution-role",
        "target-execution-role",
        "janitor-execution-role",
        "scheduler-role",
        "target-resource-policy",
        "key-policy",
    ];
    let mut statements: Vec<Value> =
        documents.into_iter().flat_map(|name| document(name)["Statement"].as_array().cloned().unwrap()).collect();
    for name in ["UseCasesPolicy", "DelayQueuePolicy", "DeadLettersPolicy", "NotificationsPolicy", "AlarmsPolicy"] {
        statements.extend(properties(name)["PolicyDocument"]["Statement"].as_array().cloned().expect("statements"));
    }
    assert!(statements.len() > 40, "{} statements", statements.len());
    for statement in statements {
        assert_eq!(unknown(&statement), Vec::<String>::new(), "{statement}");
    }
}

#[test]
fn misspelled_names_are_found() {
    let check = |statement: Value| unknown(&statement).join(" ");
    assert_eq!(
        check(serde_json::json!({ "Effect": "Allow", "Action": ["sqs:SendMessages", "sns:*", "kms:*", "s3:GetObject"] })),
        "sqs:SendMessages sns:* kms:*"
    );
    let condition = serde_json::json!({ "StringLikeIfExist": { "s3:prefix": "a" }, "Bool": { "aws:SecureTransports": "false" } });
    assert_eq!(
        check(serde_json::json!({ "Effect": "Deny", "Action": "s3:*", "Condition": condition })),
        "StringLikeIfExist aws:SecureTransports"
    );
}
