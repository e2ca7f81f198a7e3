use super::*;
use postdate_core::testing::sample_id;

fn message<T: std::fmt::Debug>(result: Result<T, ScheduleError>) -> String {
    match result {
        Err(ScheduleError::Failed(message) | ScheduleError::TooLarge(message)) => message,
        other => panic!("{other:?}"),
    }
}

#[test]
fn only_names_of_this_deployment_are_accepted() {
    let name = name::of_rule("postdate-", "orders", sample_id(1));
    assert!(check_name(&name, "postdate-").is_ok());
    assert!(message(check_name(&name, "other-")).contains("not a rule of this deployment"));
    for wrong in [format!("{name}ü"), format!("postdate-{name}-and-much-more"), format!("{name} ")] {
        assert!(message(check_name(&wrong, "postdate-")).contains("1 to 64"), "{wrong}");
    }
    assert!(check_name("", "").is_err());
}

#[test]
fn an_input_longer_than_the_limit_is_refused() {
    assert!(check_rule_input(&"é".repeat(8192)).is_ok());
    assert!(message(check_rule_input(&"é".repeat(8193))).contains("8193 characters"));
    assert!(check_schedule_input(&"a".repeat(MAX_SCHEDULE_INPUT_BYTES)).is_ok());
    assert!(message(check_schedule_input(&"é".repeat(MAX_SCHEDULE_INPUT_BYTES / 2 + 1))).contains("262146 bytes"));
}

#[test]
fn an_event_age_beyond_the_range_is_refused() {
    assert_eq!(event_age(Duration::from_hours(1)).unwrap(), 3600);
    assert_eq!(event_age(Duration::from_hours(24)).unwrap(), 86_400);
    for wrong in [Duration::ZERO, Duration::from_secs(59), Duration::from_secs(86_401), Duration::MAX] {
        assert!(message(event_age(wrong)).contains("60 s"));
    }
}

fn target(toml: &str) -> Target {
    let manifest = format!("name = \"orders\"\n[targets]\nit = {{ {toml} }}\n");
    postdate_core::use_case::UseCase::parse(&manifest).unwrap().targets.get("it").unwrap().1.clone()
}

/// Checks that a body of the limit passes, and that one of one character more is refused with the limit.
#[track_caller]
fn check_service(toml: &str, limit: usize, unit: &str) {
    let request = postdate_core::testing::new_request(sample_id(1), "orders", postdate_core::testing::moment()).request;
    let check = |length| check_body(&target(toml), &request, &"x".repeat(length));
    assert_eq!(check(limit), Ok(()), "{toml}");
    let error = check(limit + 1).unwrap_err();
    assert_eq!((error.size, error.limit, error.unit), (limit + 1, limit, unit), "{toml}");
    assert!(error.to_string().contains("docs.aws.amazon.com"), "{error}");
}

#[test]
fn a_body_is_checked_against_the_limit_of_its_targets_service() {
    // The attribute: "correlation-id" (14), "String" (6), an id (36).
    check_service(r#"kind = "sns", arn = "arn:aws:sns:r:1:t""#, 262_144 - 56, "bytes");
    check_service(r#"kind = "sns", direct = true, arn = "arn:aws:sns:r:1:t""#, 262_144, "bytes");
    check_service(r#"kind = "sqs", arn = "arn:aws:sqs:r:1:q""#, 1_048_576 - 56, "bytes");
    check_service(r#"kind = "lambda", arn = "arn:aws:lambda:r:1:function:f""#, 6_291_456, "bytes");
    check_service(r#"kind = "lambda", direct = true, arn = "arn:aws:lambda:r:1:function:f""#, 1_048_576, "bytes");
    check_service(r#"kind = "step-functions", arn = "arn:aws:states:r:1:stateMachine:s""#, 262_144, "bytes");
    // "postdate" and "orders" stand beside the detail.
    check_service(r#"kind = "event-bus", arn = "arn:aws:events:r:1:event-bus/b""#, 1_048_575 - 14, "bytes");
    check_service(r#"kind = "event-bus", source = "s", detail-type = "d", arn = "arn:aws:events:r:1:event-bus/b""#, 1_048_575 - 2, "bytes");
    let task =
        r#"kind = "ecs-task", direct = true, role = "arn:aws:iam::1:role/r", task-definition = "t", arn = "arn:aws:ecs:r:1:cluster/c""#;
    check_service(task, 8192, "characters");
}

#[test]
fn only_a_direct_targets_body_must_fit_its_rule_or_schedule() {
    let direct = target(r#"kind = "sqs", direct = true, arn = "arn:aws:sqs:r:1:q""#);
    let delivered = target(r#"kind = "sqs", arn = "arn:aws:sqs:r:1:q""#);
    for (kind, limit) in [(ScheduleKind::Rule, 8192), (ScheduleKind::Schedule, 262_144), (ScheduleKind::KeptSchedule, 262_144)] {
        let (fits, over) = ("x".repeat(limit), "x".repeat(limit + 1));
        assert_eq!(check_input(kind, &direct, &fits), Ok(()), "{kind:?}");
        assert_eq!(check_input(kind, &direct, &over).unwrap_err().limit, limit, "{kind:?}");
        assert_eq!(check_input(kind, &delivered, &over), Ok(()), "{kind:?}");
    }
}
