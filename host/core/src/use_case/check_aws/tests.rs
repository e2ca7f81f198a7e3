use super::*;

fn manifest(target: &str) -> String {
    format!("name = \"orders\"\n[targets]\nit = {{ {target} }}\n")
}

/// Checks that a new manifest is refused with this key and text, and that a stored one still loads.
#[track_caller]
fn check_refused(target: &str, key: &str, expected: &str) {
    let error = UseCase::parse(&manifest(target)).unwrap_err();
    let ManifestError::Value { key: found, message } = &error else { panic!("{error}") };
    assert_eq!(found, &format!("targets.it.{key}"), "{target}");
    assert!(message.contains(expected), "{message}");
    assert!(UseCase::parse_stored(&manifest(target)).is_ok(), "{target}");
}

#[track_caller]
fn check_accepted(target: &str) {
    assert_eq!(UseCase::parse(&manifest(target)).map(drop), Ok(()), "{target}");
}

#[test]
fn a_value_that_the_targets_service_refuses_is_refused_in_a_new_manifest() {
    let queue = r#"kind = "sqs", arn = "arn:aws:sqs:r:1:q.fifo""#;
    let bus = r#"kind = "event-bus", arn = "arn:aws:events:r:1:event-bus/b""#;
    let task =
        r#"kind = "ecs-task", direct = true, role = "arn:aws:iam::1:role/r", task-definition = "t", arn = "arn:aws:ecs:r:1:cluster/c""#;
    check_refused(&format!("{queue}, group = \"\""), "group", "1 to 128");
    check_refused(&format!("{queue}, group = \"{}\"", "g".repeat(129)), "group", "1 to 128");
    check_refused(&format!("{queue}, group = \"a b\""), "group", "punctuation");
    check_refused(r#"kind = "sqs", arn = "arn:aws:sqs:r:1:q", group = "g""#, "group", "FIFO");
    check_refused(r#"kind = "sns", arn = "arn:aws:sns:r:1:t", group = "g""#, "group", "FIFO");
    check_refused(r#"kind = "sns", direct = true, arn = "arn:aws:sns:r:1:t.fifo""#, "direct", "FIFO topics");
    check_refused(&format!("{bus}, source = \"aws.orders\""), "source", "reserved");
    check_refused(&format!("{bus}, source = \"\""), "source", "1 to 256");
    check_refused(&format!("{bus}, source = \"{}\"", "s".repeat(257)), "source", "1 to 256");
    check_refused(&format!("{bus}, detail-type = \"{}\"", "d".repeat(129)), "detail-type", "1 to 128");
    check_refused(&format!("{task}, subnets = [{}]", "\"s\",".repeat(17)), "subnets", "at most 16");

    check_accepted(&format!("{queue}, group = \"{}\"", "g".repeat(128)));
    check_accepted(&format!("{bus}, source = \"{}\", detail-type = \"{}\"", "s".repeat(256), "d".repeat(128)));
    check_accepted(&format!("{bus}, source = \"awsome.orders\""));
    check_accepted(&format!("{task}, subnets = [{}]", "\"s\",".repeat(16)));
    check_accepted(r#"kind = "sns", arn = "arn:aws:sns:r:1:t.fifo", group = "g""#);
}
