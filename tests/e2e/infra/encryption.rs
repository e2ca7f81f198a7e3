//! `KmsKeyArn`: the template and Terraform encrypt the same resources with this key, each role may use it through the services that the
//! role calls, and the documented key policy admits the services that use the key themselves.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::policy::{document, statements, texts};
use super::template::{properties, resources_of};
use super::tools::{terraform, translated};

/// Services whose resources the key encrypts, by the prefix of their actions, which is also their name in `kms:ViaService`.
const ENCRYPTED: [&str; 5] = ["dynamodb", "logs", "s3", "sns", "sqs"];

/// Returns the template's value of a property that is set only with `KmsKeyArn`.
fn with_key(value: &Value) -> Value {
    json!({ "Fn::If": ["HasKmsKey", value, { "Ref": "AWS::NoValue" }] })
}

#[test]
fn the_parameter_encrypts_table_bucket_queues_topics_and_log_groups() {
    let parameter = &translated()["Parameters"]["KmsKeyArn"];
    assert_eq!(parameter["Default"], "", "without a key of the operator, the keys are those of AWS");
    assert_eq!(translated()["Conditions"]["HasKmsKey"], json!({ "Fn::Not": [{ "Fn::Equals": [{ "Ref": "KmsKeyArn" }, ""] }] }));

    let key = json!({ "Ref": "KmsKeyArn" });
    for (kind, property, count) in
        [("AWS::SQS::Queue", "KmsMasterKeyId", 2), ("AWS::SNS::Topic", "KmsMasterKeyId", 2), ("AWS::Logs::LogGroup", "KmsKeyId", 4)]
    {
        let found = resources_of(kind);
        assert_eq!(found.len(), count, "{kind}");
        for (name, resource) in found {
            assert_eq!(resource["Properties"][property], with_key(&key), "{name}");
        }
    }
    for (name, queue) in resources_of("AWS::SQS::Queue") {
        assert_eq!(queue["Properties"]["SqsManagedSseEnabled"], json!({ "Fn::If": ["HasKmsKey", false, true] }), "{name}");
    }
    let resources = &translated()["Resources"];
    let expected = with_key(&json!({ "SSEEnabled": true, "SSEType": "KMS", "KMSMasterKeyId": key }));
    assert_eq!(resources["Table"]["Properties"]["SSESpecification"], expected);
    let by_default = json!({
        "Fn::If": ["HasKmsKey", { "SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key }, { "SSEAlgorithm": "AES256" }],
    });
    assert_eq!(
        resources["UseCases"]["Properties"]["BucketEncryption"]["ServerSideEncryptionConfiguration"],
        json!([{ "ServerSideEncryptionByDefault": by_default, "BucketKeyEnabled": with_key(&json!(true)) }])
    );
}

#[test]
fn terraform_encrypts_the_resources_of_the_template() {
    let locals = &terraform()["locals"];
    assert_eq!(locals["has_kms_key"], "${var.kms_key_arn != \"\"}");
    assert_eq!(locals["kms_key"], "${local.has_kms_key ? var.kms_key_arn : null}");

    let resources = terraform()["resources"].as_object().expect("resources");
    for (kind, attribute) in
        [("aws_sqs_queue", "kms_master_key_id"), ("aws_sns_topic", "kms_master_key_id"), ("aws_cloudwatch_log_group", "kms_key_id")]
    {
        let of_kind: Vec<_> = resources.iter().filter(|(name, _)| name.split('.').next() == Some(kind)).collect();
        assert_eq!(of_kind.len(), 2, "{kind}");
        for (name, resource) in of_kind {
            assert_eq!(resource[attribute], "${local.kms_key}", "{name}");
        }
    }
    let table = resources["aws_dynamodb_table.table"]["dynamic"].as_array().expect("dynamic blocks");
    let blocks: Vec<&Value> = table.iter().filter_map(|block| block.get("server_side_encryption")).collect();
    let content = json!([{ "enabled": true, "kms_key_arn": "${server_side_encryption.value}" }]);
    assert_eq!(blocks, [&json!({ "for_each": "${local.has_kms_key ? [local.kms_key] : []}", "content": content })]);
    let algorithm = "${local.has_kms_key ? \"aws:kms\" : \"AES256\"}";
    assert_eq!(
        resources["aws_s3_bucket_server_side_encryption_configuration.use_cases"]["rule"],
        json!([{
            "apply_server_side_encryption_by_default": [{ "sse_algorithm": algorithm, "kms_master_key_id": "${local.kms_key}" }],
            "bucket_key_enabled": "${local.has_kms_key ? true : null}",
        }])
    );
}

#[test]
fn without_a_key_neither_template_nor_terraform_has_the_roles_statement() {
    let omitted = terraform()["locals"]["omitted"].as_str().expect("an expression");
    assert!(omitted.contains("local.has_kms_key ? [] : [\"Key\"]"), "{omitted}");
    for (name, role) in resources_of("AWS::IAM::Role") {
        let statements = statements(&role["Properties"]["Policies"][0]["PolicyDocument"]);
        let of_key = |statement: &Value| statement["Sid"] == "Key";
        assert!(!statements.iter().any(of_key), "{name} has the statement without a condition");
        let conditional = statements.iter().filter(|statement| {
            statement["Fn::If"][0] == "HasKmsKey"
                && of_key(&statement["Fn::If"][1])
                && statement["Fn::If"][2] == json!({ "Ref": "AWS::NoValue" })
        });
        assert_eq!(conditional.count(), 1, "{name}");
    }
}

/// A queue's sender needs both actions, its receiver `kms:Decrypt`:
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-key-management.html>
#[test]
fn each_role_uses_the_key_through_the_encrypted_services_that_it_calls_and_no_other() {
    for name in ["processor-execution-role", "target-execution-role", "janitor-execution-role", "scheduler-role"] {
        let document = document(name);
        let (of_key, others): (Vec<&Value>, Vec<&Value>) = statements(&document).iter().partition(|statement| statement["Sid"] == "Key");
        let [of_key] = of_key.as_slice() else { panic!("{name}: {of_key:?}") };
        assert_eq!(of_key["Action"], json!(["kms:Decrypt", "kms:GenerateDataKey"]), "{name}");
        assert_eq!(of_key["Resource"], "${KmsKeyArn}", "{name}");
        let actions = others.iter().flat_map(|statement| texts(&statement["Action"]));
        let called: BTreeSet<&str> = actions.filter_map(|action| Some(action.split_once(':')?.0)).collect();
        let expected: BTreeSet<String> = ENCRYPTED
            .iter()
            .filter(|service| called.contains(*service))
            .map(|service| format!("{service}.${{Region}}.amazonaws.com"))
            .collect();
        let allowed: BTreeSet<String> =
            texts(&of_key["Condition"]["StringEquals"]["kms:ViaService"]).into_iter().map(str::to_owned).collect();
        assert_eq!(allowed, expected, "{name}");
    }
}

/// AWS services that call KMS as themselves are not covered by the statement for the account:
/// <https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-default.html>
#[test]
fn the_key_policy_admits_each_service_that_sends_to_an_encrypted_queue_or_topic() {
    let policy = document("key-policy");
    let statements = statements(&policy);
    let admitted = |service: &Value| statements.iter().find(|statement| statement["Principal"]["Service"] == *service);
    let mut senders = 0;
    for name in ["DelayQueuePolicy", "DeadLettersPolicy", "NotificationsPolicy", "AlarmsPolicy"] {
        for allowing in super::policy::statements(&properties(name)["PolicyDocument"]) {
            if allowing["Effect"] != "Allow" {
                continue;
            }
            senders += 1;
            let service = &allowing["Principal"]["Service"];
            let statement = admitted(service).unwrap_or_else(|| panic!("{name}: the key policy does not admit {service}"));
            assert_eq!(statement["Action"], json!(["kms:Decrypt", "kms:GenerateDataKey"]), "{service}");
        }
    }
    assert_eq!(senders, 2, "EventBridge and CloudWatch");
    // The same rules that may send to the dead letters. SQS documents the key for EventBridge, under its old name.
    let rules = &properties("DeadLettersPolicy")["PolicyDocument"]["Statement"][0]["Condition"];
    assert_eq!(admitted(&json!("events.amazonaws.com")).map(|statement| &statement["Condition"]), Some(rules));
    // AWS documents no condition that CloudWatch sends to KMS. One on a missing key would refuse every alarm.
    assert_eq!(admitted(&json!("cloudwatch.amazonaws.com")).and_then(|statement| statement.get("Condition")), None);
}

#[test]
fn the_key_policy_admits_cloudwatch_logs_for_the_log_groups_of_the_template() {
    let policy = document("key-policy");
    let statements = statements(&policy);
    let logs =
        statements.iter().find(|statement| statement["Principal"]["Service"] == "logs.${Region}.amazonaws.com").expect("a statement");
    let groups: BTreeSet<String> = resources_of("AWS::Logs::LogGroup")
        .into_iter()
        .map(|(name, _)| {
            let group = properties(name)["LogGroupName"].as_str().expect("a name").to_owned();
            format!("arn:aws:logs:${{Region}}:${{AccountId}}:log-group:{group}")
        })
        .collect();
    let admitted = texts(&logs["Condition"]["ArnEquals"]["kms:EncryptionContext:aws:logs:arn"]);
    assert_eq!(admitted.into_iter().map(str::to_owned).collect::<BTreeSet<_>>(), groups);
}

#[test]
fn the_key_policy_lets_iam_of_the_account_decide_and_has_no_other_pattern_of_actions() {
    let policy = document("key-policy");
    let statements = statements(&policy);
    assert_eq!(statements.len(), 4);
    let account = json!({
        "Sid": "Account", "Effect": "Allow", "Principal": { "AWS": "arn:aws:iam::${AccountId}:root" }, "Action": "kms:*", "Resource": "*",
    });
    assert_eq!(statements[0], account);
    for statement in statements {
        // In a key policy, `*` is the key that has the policy.
        assert_eq!((&statement["Effect"], &statement["Resource"]), (&json!("Allow"), &json!("*")), "{statement}");
        let is_wide = texts(&statement["Action"]).iter().any(|action| action.contains('*'));
        assert!(!is_wide || *statement == account, "{statement}");
    }
}
