//! The roles of the template equal the documents in `infra/policies`, and no statement is wider than necessary.

use serde_json::Value;

use super::template::properties;
use crate::harness::root;

/// Role of the template, its document in `infra/policies`.
const ROLES: [(&str, &str); 4] = [
    ("ProcessorRole", "processor-execution-role"),
    ("TargetRole", "target-execution-role"),
    ("JanitorRole", "janitor-execution-role"),
    ("SchedulerRole", "scheduler-role"),
];

/// Actions without resource types in IAM, which need the resource `*`. Each with the reason.
/// Source: the "Resource types" columns of <https://docs.aws.amazon.com/service-authorization/latest/reference/>.
const WITHOUT_RESOURCE: [(&str, &str); 3] = [
    ("events:ListRules", "finds rules to clean; reads names and times, changes nothing"),
    ("xray:PutTraceSegments", "sends traces"),
    ("xray:PutTelemetryRecords", "sends traces"),
];

/// Allowed endings of a resource with a wildcard, and the resources to which each is limited.
const PATTERNS: [(&str, &str); 8] = [
    (":rule/${Prefix}*", "rules of the prefix"),
    (":schedule/${ScheduleGroup}/${Prefix}*", "schedules of the prefix in our group"),
    (":role/${Prefix}direct-*", "roles that the operator made for direct targets"),
    ("arn:aws:s3:::${Bucket}/use-cases/*", "the use cases"),
    (":parameter/${Prefix}secrets/*", "secrets of use cases"),
    (":secret:${Prefix}secrets/*", "secrets of use cases"),
    (":function:${Prefix}target*", "the target and other hosts"),
    (":*", "log streams, if it begins as a log group of ours"),
];

pub fn document(name: &str) -> Value {
    let path = root().join("infra/policies").join(name).with_extension("json");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Returns the texts of a member that IAM allows as a string or as a list.
pub fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(items) => items.iter().map(|item| item.as_str().expect("text")).collect(),
        other => panic!("{other} is neither text nor a list"),
    }
}

/// Returns the statements of a policy.
pub fn statements(document: &Value) -> &[Value] {
    document["Statement"].as_array().expect("a list of statements")
}

/// Returns all actions that the role of a function (`processor`, `target`, `janitor`) allows.
pub fn allowed(function: &str) -> Vec<String> {
    let document = document(&format!("{function}-execution-role"));
    statements(&document).iter().flat_map(|statement| texts(&statement["Action"])).map(str::to_owned).collect()
}

/// Returns the fault of a statement that is wider than necessary, or `None`.
fn too_wide(statement: &Value) -> Option<String> {
    if statement["Effect"] != "Allow" || statement.get("NotAction").is_some() || statement.get("NotResource").is_some() {
        return Some("has another effect than Allow, or NotAction or NotResource: list what is allowed".to_owned());
    }
    let actions = texts(&statement["Action"]);
    if let Some(action) = actions.iter().find(|action| action.contains('*')) {
        return Some(format!("{action} is a pattern of actions"));
    }
    for resource in texts(&statement["Resource"]) {
        let limited = match resource {
            "*" => actions.iter().all(|action| WITHOUT_RESOURCE.iter().any(|(known, _)| known == action)),
            _ if !resource.contains(['*', '?']) => true,
            _ => PATTERNS.iter().any(|(end, _)| {
                resource.ends_with(end)
                    && resource.matches('*').count() == 1
                    && (*end != ":*" || resource.contains(":log-group:/aws/lambda/${Prefix}"))
            }),
        };
        if !limited {
            return Some(format!("{actions:?} on {resource}"));
        }
    }
    let conditions = [
        ("iam:PassRole", "StringEquals", "iam:PassedToService"),
        ("kms:Decrypt", "StringEquals", "kms:ViaService"),
        ("kms:GenerateDataKey", "StringEquals", "kms:ViaService"),
        // AWS documents the key as one ARN and as a list of ARNs. The two conditions together hold in both readings, and a call
        // without a target does not pass.
        ("events:PutTargets", "ForAllValues:ArnLike", "events:TargetArn"),
        ("events:PutTargets", "Null", "events:TargetArn"),
    ];
    let unlimited = |(action, operator, condition): &(&str, &str, &str)| {
        actions.contains(action) && statement["Condition"][operator].get(condition).is_none()
    };
    let found = conditions.iter().find(|one| unlimited(one));
    found.map(|(action, operator, condition)| format!("{action} for anything, without {operator} of {condition}"))
}

#[test]
fn the_roles_of_the_template_equal_the_documents() {
    for (role, name) in ROLES {
        let properties = properties(role);
        let policies = properties["Policies"].as_array().expect("policies");
        assert_eq!(policies.len(), 1, "{role}");
        assert_eq!(properties.get("ManagedPolicyArns"), None, "{role}");
        let (inline, document) = (&policies[0]["PolicyDocument"], document(name));
        for (in_template, in_document) in statements(inline).iter().zip(statements(&document)) {
            assert_eq!(in_template, in_document, "{role}, {name}.json");
        }
        assert_eq!(statements(inline).len(), statements(&document).len(), "{role}, {name}.json");
    }
}

#[test]
fn the_documented_resource_policy_equals_the_target_permission_of_the_template() {
    let permission = properties("TargetPermission");
    let document = document("target-resource-policy");
    let [statement] = statements(&document) else { panic!("one statement for all rules, not {document}") };
    assert_eq!(statement["Principal"]["Service"], permission["Principal"]);
    assert_eq!(statement["Action"], permission["Action"]);
    assert_eq!(statement["Resource"], permission["FunctionName"]);
    assert_eq!(statement["Condition"]["ArnLike"]["AWS:SourceArn"], permission["SourceArn"]);
    // Nobody documents that EventBridge sends it. A condition on a missing key would refuse every event.
    assert!(permission.get("SourceAccount").is_none() && statement["Condition"].as_object().is_some_and(|all| all.len() == 1));
    assert_eq!(permission["SourceArn"], "arn:aws:events:${Region}:${AccountId}:rule/${Prefix}*");
}

#[test]
fn no_statement_is_wider_than_necessary() {
    for (_, name) in ROLES {
        for statement in statements(&document(name)) {
            assert_eq!(too_wide(statement), None, "{name}.json: {statement}");
        }
    }
}

/// A rule reaches what the deployment lists, and target hosts. The documents allow no other target, and no other function than a host.
#[test]
fn rules_and_schedules_may_only_reach_target_hosts_and_listed_targets() {
    let hosts = "arn:aws:lambda:${Region}:${AccountId}:function:${Prefix}target*";
    for function in ["processor", "target", "janitor"] {
        let document = document(&format!("{function}-execution-role"));
        let put = statements(&document).iter().filter(|statement| texts(&statement["Action"]).contains(&"events:PutTargets"));
        let targets: Vec<&Value> = put
            .map(|statement| {
                assert_eq!(statement["Condition"]["Null"]["events:TargetArn"], "false", "{function}");
                &statement["Condition"]["ForAllValues:ArnLike"]["events:TargetArn"]
            })
            .collect();
        assert_eq!(targets, [&serde_json::json!(hosts), &serde_json::json!(["${DeliveryTargetArn}"])], "{function}");
    }
    let document = document("scheduler-role");
    let invoked = |action| {
        let allowing = statements(&document).iter().filter(move |statement| texts(&statement["Action"]).contains(&action));
        allowing.flat_map(|statement| texts(&statement["Resource"])).collect::<Vec<_>>()
    };
    assert_eq!(invoked("lambda:InvokeFunction"), [hosts, "${DeliveryTargetArn}"]);
    assert_eq!(invoked("sns:Publish"), ["${DeliveryTargetArn}"]);
}

#[test]
fn wide_statements_are_found() {
    let check = |action: &str, resource: &str| {
        too_wide(&serde_json::json!({ "Effect": "Allow", "Action": action, "Resource": resource })).is_some()
    };
    assert!(check("events:PutRule", "*"));
    assert!(check("events:*", "arn:aws:events:${Region}:${AccountId}:rule/${Prefix}*"));
    assert!(check("events:PutRule", "arn:aws:events:${Region}:${AccountId}:rule/*"));
    assert!(check("events:PutRule", "arn:aws:events:*:${AccountId}:rule/${Prefix}*"));
    assert!(check("dynamodb:Query", "arn:aws:dynamodb:${Region}:${AccountId}:table/*"));
    assert!(check("sqs:SendMessage", "arn:aws:sqs:${Region}:${AccountId}:*"));
    assert!(check("iam:PassRole", "${SchedulerRoleArn}"));
    assert!(check("kms:Decrypt", "${SecretsKeyArn}"));
    assert!(check("kms:GenerateDataKey", "${KmsKeyArn}"));
    assert!(check("events:PutTargets", "arn:aws:events:${Region}:${AccountId}:rule/${Prefix}*"));
    assert!(check("ssm:GetParameters", "arn:aws:ssm:${Region}:${AccountId}:parameter/${Prefix}*"));
    assert!(check("secretsmanager:GetSecretValue", "arn:aws:secretsmanager:${Region}:${AccountId}:secret:*"));
    assert!(!check("events:PutRule", "arn:aws:events:${Region}:${AccountId}:rule/${Prefix}*"));
    assert!(!check("events:ListRules", "*"));
}

#[test]
fn only_rules_of_the_prefix_in_this_account_may_fill_the_dead_letters() {
    let properties = properties("DeadLettersPolicy");
    let allowing: Vec<&Value> =
        statements(&properties["PolicyDocument"]).iter().filter(|statement| statement["Effect"] == "Allow").collect();
    let [statement] = allowing.as_slice() else { panic!("one statement, not {allowing:?}") };
    assert_eq!(statement["Principal"]["Service"], "events.amazonaws.com");
    assert_eq!(statement["Condition"]["ArnLike"]["aws:SourceArn"], "arn:aws:events:${Region}:${AccountId}:rule/${Prefix}*");
    assert!(statement["Condition"].as_object().is_some_and(|all| all.len() == 1), "a condition on a key that EventBridge may not send");
}

/// S3 answers 404 for a missing object to a caller with `s3:ListBucket`, and 403 to any other. The permission is checked during
/// `GetObject`, which has no `prefix`: a condition that requires the key might not hold there.
/// Source: "Permissions" of <https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html>.
#[test]
fn listing_is_allowed_with_the_prefix_or_without_one() {
    for function in ["processor", "target", "janitor"] {
        let document = document(&format!("{function}-execution-role"));
        let listing = statements(&document).iter().find(|statement| statement["Action"] == "s3:ListBucket").expect("a statement");
        assert_eq!(listing["Condition"], serde_json::json!({ "StringLikeIfExists": { "s3:prefix": "use-cases/*" } }), "{function}");
    }
}
