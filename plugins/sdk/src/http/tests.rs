use super::*;

#[track_caller]
fn check(url: &str, expected: Result<(&str, &str), &str>) {
    match (Url::parse(url), expected) {
        (Ok(url), Ok((origin, path))) => assert_eq!((url.origin().as_str(), url.path.as_str()), (origin, path)),
        (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{error}"),
        (actual, expected) => panic!("{actual:?} is not {expected:?}"),
    }
}

#[test]
fn a_url_is_absolute_http_or_https_without_user_and_spaces() {
    check("https://api.example.com/a?b=c#d", Ok(("https://api.example.com", "/a?b=c")));
    check("HTTP://127.0.0.1:9000", Ok(("http://127.0.0.1:9000", "/")));
    check("http://h?q", Ok(("http://h", "/?q")));
    check("http://[::1]:80/x", Ok(("http://[::1]:80", "/x")));
    check("/hooks", Err("not absolute"));
    check("ftp://h/", Err("neither http nor https"));
    check("http:///x", Err("no host"));
    check("http://user:pw@h/", Err("send a header instead"));
    check("http://h/a b", Err("a space"));
}

#[test]
fn error_codes_keep_their_wit_names_and_a_refusal_differs_from_a_failure() {
    assert_eq!(Error::from(ErrorCode::ConnectionRefused), Error::Failed("connection-refused".into()));
    assert_eq!(Error::from(ErrorCode::HttpRequestDenied), Error::Refused("http-request-denied".into()));
    assert_eq!(Error::from(ErrorCode::InternalError(Some("x(y".into()))), Error::Failed("internal-error".into()));
}
