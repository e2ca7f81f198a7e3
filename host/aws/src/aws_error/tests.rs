use super::*;

#[test]
fn each_error_code_has_its_class() {
    for (code, status, class) in [
        ("ThrottlingException", 400, Class::Again),
        ("RequestThrottled", 403, Class::Again),
        ("ConcurrentModificationException", 400, Class::Again),
        ("ProvisionedThroughputExceededException", 400, Class::Again),
        ("TransactionConflictException", 400, Class::Again),
        ("InternalException", 500, Class::Again),
        ("HTTP 502", 502, Class::Again),
        ("ResourceConflictException", 409, Class::Again),
        ("SnapStartNotReadyException", 409, Class::Again),
        ("HTTP 429", 429, Class::Again),
        ("ExpiredTokenException", 400, Class::Later),
        ("LimitExceededException", 400, Class::Full),
        ("ServiceQuotaExceededException", 402, Class::Full),
        ("ResourceNotFoundException", 404, Class::Missing),
        ("AWS.SimpleQueueService.NonExistentQueue", 400, Class::Missing),
        ("AccessDeniedException", 400, Class::Refused),
        ("ValidationException", 400, Class::Refused),
        ("ManagedRuleException", 400, Class::Refused),
    ] {
        assert_eq!(classify(code, status), class, "{code}");
    }
}

#[test]
fn a_message_shows_neither_payload_nor_arn() {
    let said = "1 validation error detected: Value '{\"card\":\"it's 4111\"}' at 'targets.1.member.input' failed to satisfy constraint";
    let shown = AwsError::of_entry("PutTargets", Some("ValidationException"), Some(said)).to_string();
    assert_eq!(
        shown,
        "PutTargets: ValidationException: 1 validation error detected: Value '…' at 'targets.1.member.input' failed to satisfy constraint"
    );
    let denied = "User: arn:aws:sts::123456789012:assumed-role/p/f is not authorized to perform: events:PutRule on resource: arn:aws:e";
    let shown = AwsError::of_entry("PutRule", Some("AccessDeniedException"), Some(denied)).to_string();
    let expected = "PutRule: AccessDeniedException: User: … is not authorized to perform: events:PutRule on resource: …";
    assert_eq!(shown, expected);
    let long = AwsError::of_entry("PutRule", None, Some(&"ä".repeat(1000)));
    assert_eq!(long.message.chars().count(), MAX_MESSAGE_CHARACTERS + 1);
}
