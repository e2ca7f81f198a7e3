use super::*;

const ID: &str = "0192f0c4-7b1e-7c3a-9a53-2f3f2a1b4c5d";

fn letter(body: &str, attributes: &[(&str, &str)]) -> Letter {
    let attributes = attributes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Letter::new("m1".to_owned(), "r1".to_owned(), body.to_owned(), attributes, "2027-01-01T00:00:00Z".to_owned())
}

fn envelope() -> String {
    format!(
        r#"{{"v":1,"rule":"postdate-orders-{ID}","correlationId":"{ID}","useCase":"orders","attempt":2,"scheduledFor":"2027-01-01T00:00:00.000Z"}}"#
    )
}

#[track_caller]
fn check(letter: &Letter, use_case: &str, reason: &str) {
    assert_eq!(letter.id.map(|id| id.to_string()).as_deref(), Some(ID));
    let envelope = letter.envelope().expect("an envelope");
    assert!(envelope.redrive);
    assert_eq!((envelope.use_case.as_str(), letter.reason().as_str()), (use_case, reason));
}

#[test]
fn the_messages_of_every_service_are_read() {
    let arn = format!("arn:aws:events:eu-west-1:123456789012:rule/postdate-orders-{ID}");
    let rule = [("ERROR_CODE", "NO_PERMISSIONS"), ("ERROR_MESSAGE", "not authorized"), ("RULE_ARN", &arn)];
    check(&letter(&envelope(), &rule), "orders", "NO_PERMISSIONS: not authorized");
    check(&letter("{\"detail\":{}}", &rule), "postdate-orders", "NO_PERMISSIONS: not authorized");
    let schedule = format!("arn:aws:scheduler:eu-west-1:123456789012:schedule/postdate/postdate-orders-{ID}-2");
    check(&letter("", &[("ERROR_CODE", "X"), ("SCHEDULE_ARN", &schedule)]), "postdate-orders", "X");
    let lambda = format!(
        r#"{{"version":"1.0","requestContext":{{"condition":"RetriesExhausted"}},"requestPayload":{},"responsePayload":{{"errorMessage":"ledger"}}}}"#,
        envelope()
    );
    check(&letter(&lambda, &[]), "orders", "RetriesExhausted: ledger");
    check(&letter(&envelope(), &[]), "orders", "received too often from the delay queue");
}

#[test]
fn a_letter_of_a_target_that_no_host_reaches_is_undeliverable() {
    for (target, reason) in [
        ("arn:aws:kinesis:eu-west-1:123456789012:stream/s", Some("Kinesis")),
        ("arn:aws:ecs:eu-west-1:123456789012:cluster/c", Some("ECS")),
        ("arn:aws:events:eu-west-1:123456789012:api-destination/hook/0001", Some("API destination")),
        ("arn:aws:events:eu-west-1:123456789012:event-bus/b", None),
        ("arn:aws:sqs:eu-west-1:123456789012:q", None),
        ("arn:aws:lambda:eu-west-1:123456789012:function:target:live", None),
        ("nonsense", None),
    ] {
        let found = letter("{}", &[("TARGET_ARN", target)]).undeliverable();
        assert_eq!(found.is_some(), reason.is_some(), "{target}: {found:?}");
        assert!(reason.is_none_or(|reason| found.unwrap().contains(reason)), "{target}");
    }
    assert_eq!(letter(&envelope(), &[]).undeliverable(), None);
}

#[test]
fn a_message_without_a_request_has_no_envelope() {
    for body in ["", "hello", "{}", "é".repeat(40).as_str()] {
        let letter = letter(body, &[("RULE_ARN", "arn:aws:events:eu-west-1:123456789012:rule/éééééééééééééééééééééééééééééééééééé")]);
        assert_eq!((letter.id, letter.envelope().is_none()), (None, true));
        assert_eq!(letter.row()[0], "none");
    }
}

#[test]
fn a_document_has_all_but_the_payload() {
    let document = letter(&envelope(), &[("ERROR_CODE", "X")]).document();
    let expected = json!({
        "correlationId": ID, "useCase": "orders", "messageId": "m1", "sent": "2027-01-01T00:00:00Z", "reason": "X",
        "attributes": { "ERROR_CODE": "X" },
    });
    assert_eq!(document, expected);
}
