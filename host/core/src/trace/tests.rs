use http::HeaderValue;

use super::*;

const VALID: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// Checks that a text is read, and written as `expected`; `None` for a text that is refused.
#[track_caller]
fn check(text: &str, expected: Option<&str>) {
    let parsed = text.parse::<TraceParent>().ok().map(|parent| parent.to_string());
    assert_eq!(parsed.as_deref(), expected, "{text:?}");
}

#[test]
fn a_valid_traceparent_is_written_as_it_came() {
    check(VALID, Some(VALID));
    check(&VALID.replace("-01", "-00"), Some(&VALID.replace("-01", "-00")));
    let parent: TraceParent = VALID.parse().unwrap();
    assert_eq!((parent.trace_id, parent.span_id), (0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c, 0xb7ad_6b71_6920_3331));
}

#[test]
fn unknown_flags_and_fields_of_a_later_version_are_dropped() {
    check(&VALID.replace("-01", "-ff"), Some(VALID));
    check(&VALID.replace("-01", "-02"), Some(&VALID.replace("-01", "-00")));
    check(&VALID.replace("00-0a", "01-0a"), Some(VALID));
    check(&format!("{}-what-comes", VALID.replace("00-0a", "fe-0a")), Some(VALID));
}

#[test]
fn an_invalid_traceparent_is_refused() {
    check("", None);
    check("00", None);
    check(&format!("{VALID}-more"), None);
    check(&format!("{VALID}-"), None);
    check(&format!(" {VALID}"), None);
    check(&VALID.replace("00-0a", "ff-0a"), None);
    check(&VALID.to_uppercase(), None);
    check(&VALID.replace("0af7", "+af7"), None);
    check(&VALID.replace("b7ad", "b7a"), None);
    check(&VALID.replace("-01", "-1"), None);
    check(&VALID.replace("-01", "-0g"), None);
    check(&VALID.replace("0af7651916cd43dd8448eb211c80319c", &"0".repeat(32)), None);
    check(&VALID.replace("b7ad6b7169203331", &"0".repeat(16)), None);
    check(&VALID.replace("b7ad6b7169203331", "ü7ad6b716920333"), None);
}

#[test]
fn a_call_with_two_headers_has_no_context() {
    let mut headers = HeaderMap::new();
    assert_eq!(TraceParent::of(&headers), None);
    headers.append(TRACEPARENT, HeaderValue::from_static(VALID));
    assert_eq!(TraceParent::of(&headers), VALID.parse().ok());
    headers.append(TRACEPARENT, HeaderValue::from_static(VALID));
    assert_eq!(TraceParent::of(&headers), None);
}
