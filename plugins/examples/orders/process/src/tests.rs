use super::*;

#[test]
fn each_attempt_of_an_order_returns_the_same_receipt() {
    let body = r#"{"item":"book","quantity":2,"total":2500,"currency":"EUR"}"#;
    let job = |attempt| Job { id: "0190b5a4-7e1c-7cc0-8000-00000000002a".into(), attempt, body: body.into(), ..Job::default() };
    let first = process(job(1)).unwrap();
    assert_eq!(first.as_deref(), Some(r#"{"currency":"EUR","receipt":"R-00000000002a","total":2500}"#));
    assert_eq!(process(job(2)).unwrap(), first);
}

#[test]
fn a_body_without_a_total_is_a_permanent_failure() {
    let failure = process(Job { body: r#"{"item":"book"}"#.into(), ..Job::default() }).unwrap_err();
    assert!(failure.message.contains("missing field `total`"), "{}", failure.message);
    assert!(!failure.retry);
}
