use super::*;

fn client(url: &str) -> Client {
    Client { http: reqwest::Client::new(), base: base_url(url).unwrap(), credentials: Credentials::None }
}

#[test]
fn a_path_is_escaped_and_appended_to_the_base_url() {
    crate::install_tls_provider();
    let query = [("from", "2027-01-01T00:00:00+01:00".to_owned())];
    let url = client("https://api.example.com/prod/").url(&["requests", "a/b"], &query).unwrap();
    assert_eq!(url.as_str(), "https://api.example.com/prod/requests/a%2Fb?from=2027-01-01T00%3A00%3A00%2B01%3A00");
    assert_eq!(client("http://h:1").url(&["health"], &[]).unwrap().as_str(), "http://h:1/health");
}

#[test]
fn a_base_url_needs_scheme_and_host() {
    for wrong in ["localhost:8080", "8080", "ftp://h", "/x"] {
        assert!(base_url(wrong).unwrap_err().contains("http://"), "{wrong}");
    }
}

#[test]
fn only_loopback_bypasses_proxies() {
    for (url, loopback) in [("http://127.0.0.9:1", true), ("http://[::1]:1", true), ("http://LOCALHOST", true), ("http://10.0.0.1", false)]
    {
        assert_eq!(is_loopback(&Url::parse(url).unwrap()), loopback, "{url}");
    }
}

#[test]
fn an_answer_of_another_server_is_an_error() {
    let answer = |status, content: &str| RawAnswer { status, retry_after: None, is_of_api: false, content: content.into() };
    let error = answer(StatusCode::NOT_FOUND, "<html>").read(CallKind::Other).unwrap_err().to_string();
    assert!(error.contains("the answer does not come from a Postdate API (HTTP 404"), "{error}");
    let error = answer(StatusCode::OK, r#"{"ok":true}"#).read(CallKind::Other).unwrap_err().to_string();
    assert!(error.contains("the answer does not come from a Postdate API (HTTP 200"), "{error}");
    let error = answer(StatusCode::TOO_MANY_REQUESTS, r#"{"message":"Too Many Requests"}"#).read(CallKind::Other).unwrap_err();
    assert_eq!(error.downcast_ref::<ProblemReport>().map(|problem| problem.status), Some(429));
    let expected = "a gateway before the API answers HTTP 429 Too Many Requests\n  code: gateway (HTTP 429)\n  next: wait";
    assert!(error.to_string().starts_with(expected), "{error}");
    let error = answer(StatusCode::NOT_FOUND, r#"{"code":"x"}"#).read(CallKind::Other).unwrap_err();
    assert!(error.downcast_ref::<ProblemReport>().is_some());
}

#[test]
fn an_upload_of_ten_minutes_writes_few_progress_lines() {
    let intervals = std::iter::successors(Some(FIRST_PROGRESS), |interval| Some(next_interval(*interval)));
    let lines = intervals.scan(Duration::ZERO, |passed, interval| {
        *passed += interval;
        Some(passed.as_secs())
    });
    let expected = [3, 9, 21, 45, 93, 153, 213, 273, 333, 393, 453, 513, 573];
    assert_eq!(lines.take_while(|seconds| *seconds <= 600).collect::<Vec<_>>(), expected);
}
