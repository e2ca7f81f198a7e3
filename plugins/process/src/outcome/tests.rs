use std::time::{Duration, UNIX_EPOCH};

use super::*;

const ORIGIN: &str = "http://h:9000";

fn request() -> Request {
    let headers = vec![("authorization".to_owned(), "Bearer s3cr3t".to_owned())];
    Request { method: "POST".to_owned(), url: "http://h:9000/services/TOKEN?sig=abc".to_owned(), headers, body: Vec::new() }
}

fn judged(status: u16, headers: &[(&str, &str)], body: &str) -> Result<Option<String>, Failure> {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    judge(Ok(Answer { status, headers, body: body.into(), truncated: false }), ORIGIN, &request(), now())
}

/// 1994-11-06T08:49:30.5Z: 6.5 seconds before the example date in RFC 9110.
fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(784_111_770_500)
}

#[test]
fn a_status_decides_between_success_retry_and_permanent() {
    for status in [200, 201, 202, 204, 299] {
        assert_eq!(judged(status, &[], "done"), Ok(Some("done".to_owned())), "{status}");
    }
    for status in [408, 425, 429, 500, 502, 503, 504, 599] {
        let failure = judged(status, &[], "x").unwrap_err();
        assert!(failure.retry && failure.retry_after_seconds.is_none(), "{status}");
        assert_eq!(failure.message, format!("http://h:9000 answered {status}"));
    }
    for status in [301, 302, 400, 401, 404, 409, 410, 422, 600] {
        let failure = judged(status, &[("retry-after", "1")], " why \n").unwrap_err();
        assert!(!failure.retry && failure.retry_after_seconds.is_none(), "{status}");
        assert_eq!(failure.message, format!("http://h:9000 answered {status}: why"));
    }
}

#[test]
fn retry_after_is_rounded_up_to_seconds() {
    #[track_caller]
    fn check(value: &str, expected: Option<u32>) {
        let failure = judged(503, &[("retry-after", value)], "").unwrap_err();
        assert_eq!(failure.retry_after_seconds, expected, "{value}");
    }
    check("7", Some(7));
    check("18446744073709551615", Some(u32::MAX));
    check("Sunday, 06-Nov-94 08:49:37 GMT", Some(7));
    check("Sun Nov  6 08:49:38 1994", Some(8));
    check("Sun, 06 Nov 1994 08:00:00 GMT", Some(0));
    check("soon", None);
}

#[test]
fn a_missing_answer_is_retried_and_a_refusal_is_permanent() {
    let failure = judge(Err(Error::Failed("connection-refused".into())), ORIGIN, &request(), now()).unwrap_err();
    assert!(failure.retry && failure.message.contains("no answer from http://h:9000: connection-refused"), "{failure:?}");
    let failure = judge(Err(Error::Refused("http-request-denied".into())), ORIGIN, &request(), now()).unwrap_err();
    assert!(!failure.retry && failure.message.contains(r#"allow-http = ["http://h:9000"]"#), "{failure:?}");
}

#[test]
fn a_result_is_text_and_a_cut_result_says_why_it_was_cut() {
    assert_eq!(judged(204, &[], ""), Ok(None));
    let cut = |body: Vec<u8>| {
        let answer = Answer { status: 200, headers: Vec::new(), body, truncated: true };
        judge(Ok(answer), ORIGIN, &request(), now()).unwrap().unwrap()
    };
    assert_eq!(cut(vec![b'a', 0xff]), "a\u{fffd}... [the answer broke off]");
    assert!(cut(vec![b'a'; RESULT_LIMIT_BYTES]).ends_with("a... [cut at 64 KiB]"));
}

#[test]
fn a_failure_that_quotes_the_answer_hides_the_url_and_the_headers() {
    let failure = judged(404, &[], "Cannot POST /services/TOKEN?sig=abc with Bearer s3cr3t").unwrap_err();
    assert_eq!(failure.message, "http://h:9000 answered 404: Cannot POST [hidden] with [hidden]");
}

#[test]
fn a_permanent_failure_quotes_the_first_200_characters_of_the_answer() {
    let failure = judged(400, &[], &"ä".repeat(500)).unwrap_err();
    assert_eq!(failure.message, format!("http://h:9000 answered 400: {}", "ä".repeat(200)));
}
