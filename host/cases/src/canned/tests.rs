use super::*;

fn exchange(url: &str) -> Exchange {
    Exchange {
        method: Some("POST".into()),
        url: Some(url.into()),
        headers: BTreeMap::from([("X-Attempt".into(), "1".into())]),
        body: Some(r#"{"a": 1, "b": [2]}"#.into()),
        answer: CannedAnswer::Response { status: 200, headers: BTreeMap::from([("retry-after".into(), "7".into())]), body: "ok".into() },
    }
}

fn post(url: &str, attempt: &str, body: &'static str) -> Request<Bytes> {
    Request::post(url).header("x-attempt", attempt).body(body.into()).unwrap()
}

#[test]
fn a_request_that_fits_gets_its_answer() {
    let canned = Canned::new(vec![exchange("http://a.example:80/x")]).unwrap();
    assert_eq!(canned.complaints(), ["http[0]: POST http://a.example:80/x was not requested"]);
    let response = canned.respond(post("http://A.example/x", "1", r#"{"b":[2],"a":1}"#)).unwrap();
    assert_eq!((response.status().as_u16(), &response.headers()["retry-after"]), (200, &HeaderValue::from_static("7")));
    assert_eq!(response.into_body(), "ok");
    assert_eq!(canned.complaints(), Vec::<String>::new());
}

#[test]
fn every_difference_is_an_error_and_a_complaint() {
    let good = r#"{"a":1,"b":[2]}"#;
    for (request, complaint) in [
        (post("http://a.example/y", "1", good), "expected the URL"),
        (post("https://a.example/x", "1", good), "expected the URL"),
        (post("http://a.example/x", "2", good), "the header X-Attempt has another value"),
        (post("http://a.example/x", "1", r#"{"a":2}"#), "expected the body"),
    ] {
        let canned = Canned::new(vec![exchange("http://a.example/x")]).unwrap();
        assert!(matches!(canned.respond(request), Err(HttpError::InternalError(_))));
        let complaints = canned.complaints();
        assert_eq!(canned.different_bodies().is_some(), complaint.ends_with("the body"), "{complaint}");
        assert!(complaints.len() == 1 && complaints[0].contains(complaint), "{complaints:?}");
    }
    let canned = Canned::new(Vec::new()).unwrap();
    assert!(canned.respond(post("http://a.example/x", "1", good)).is_err());
    assert_eq!(canned.complaints(), ["request 1 (POST http://a.example/x) is one more than there are answers for"]);
}

#[test]
fn errors_are_answered_by_name() {
    for name in Canned::ERRORS {
        let exchange = Exchange { method: None, url: None, headers: BTreeMap::new(), body: None, answer: CannedAnswer::Error(name.into()) };
        let canned = Canned::new(vec![exchange]).unwrap();
        let error = canned.respond(post("http://a.example/", "1", "")).unwrap_err();
        assert!(!matches!(error, HttpError::ConfigurationError | HttpError::InternalError(_)), "{name}: {error}");
    }
    let mut wrong = exchange("http://a.example/");
    wrong.answer = CannedAnswer::Error("oops".into());
    let error = Canned::new(vec![exchange("http://a.example/"), wrong]).unwrap_err();
    assert!(error.to_string().starts_with("http[1]: \"oops\" is not an error"), "{error}");
}
