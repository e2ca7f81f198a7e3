use super::*;

const NOW_SECONDS: u64 = 1_800_000_007;

fn built(body: &str, config: &[(&str, &str)]) -> Result<http::Request, Failure> {
    let job = Job { id: "id-1".into(), attempt: 3, body: body.into(), ..Job::default() };
    let lookup = |key: &str| config.iter().find(|(name, _)| *name == key).map(|(_, value)| (*value).to_owned());
    build(&job, &lookup, UNIX_EPOCH + Duration::from_secs(NOW_SECONDS))
}

#[track_caller]
fn refused(body: &str, config: &[(&str, &str)], part: &str) {
    let failure = built(body, config).unwrap_err();
    assert!(failure.message.contains(part) && !failure.retry, "{failure:?}");
}

fn pairs(headers: &[(String, String)]) -> Vec<(&str, &str)> {
    headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

#[test]
fn a_config_with_only_a_url_posts_the_body_unchanged() {
    let request = built(r#"{"a": 1}"#, &[("url", "http://h/x")]).unwrap();
    assert_eq!((request.method.as_str(), request.url.as_str()), ("POST", "http://h/x"));
    assert_eq!(request.body, br#"{"a": 1}"#, "the body is not changed");
    let expected = [("content-type", "application/json"), ("x-correlation-id", "id-1"), ("x-postdate-attempt", "3")];
    assert_eq!(pairs(&request.headers), expected);
}

#[test]
fn url_method_headers_and_body_are_templates() {
    let headers = r#"{"Content-Type": "text/plain", "X-Event": "{{ body.e }}", "X-Correlation-ID": "forged"}"#;
    let config = [("url", "http://h/{{ body.e|urlencode }}"), ("method", "{{ body.m }}"), ("headers", headers), ("body", "e={{ body.e }}")];
    let request = built(r#"{"e":"a/b","m":"put"}"#, &config).unwrap();
    assert_eq!((request.method.as_str(), request.url.as_str()), ("PUT", "http://h/a%2Fb"));
    assert_eq!(request.body, b"e=a/b");
    let expected = [("content-type", "text/plain"), ("x-event", "a/b"), ("x-correlation-id", "id-1"), ("x-postdate-attempt", "3")];
    assert_eq!(pairs(&request.headers), expected);
}

#[test]
fn the_signature_is_over_the_rendered_body() {
    let config = [("url", "http://h/"), ("body", "B"), ("signing-secret", "KEY"), ("KEY", "secret")];
    let request = built("{}", &config).unwrap();
    let signed = signed_headers(&[Key::parse("secret").unwrap()], "id-1", NOW_SECONDS, b"B");
    let sent = pairs(&request.headers);
    assert!(sent.ends_with(&signed.each_ref().map(|(name, value)| (*name, value.as_str()))), "{sent:?}");
}

#[test]
fn a_failure_names_the_wrong_config_key() {
    refused("{}", &[], "config `url` is missing");
    refused("{}", &[("url", "/hooks")], "config `url`: the request cannot be sent: the URL is not absolute");
    refused("{}", &[("url", "http://h/{{ body.x }}")], "config `url`, line 1");
    refused("{}", &[("url", "http://h/"), ("headers", "7")], "config `headers` is not a table");
    refused("{}", &[("url", "http://h/"), ("headers", r#"{"a":7}"#)], "config `headers.a` is not a string");
    refused("{}", &[("url", "http://h/"), ("headers", r#"{"a":"{{ x }}"}"#)], "config `headers.a`, line 1");
    refused("{}", &[("url", "http://h/"), ("signing-secret", "KEY")], "`KEY` is not granted");
    refused("{}", &[("url", "http://h/"), ("signing-secret", "KEY"), ("KEY", "whsec_!")], "secret `KEY` cannot sign");
    refused("[", &[("url", "http://h/")], "body at ``");
}

#[test]
fn dot_segments_from_a_body_are_refused() {
    let config = [("url", "http://h/hooks/{{ body.e|urlencode }}")];
    refused(r#"{"e":".."}"#, &config, "`..`");
    refused(r#"{"e":"%2E."}"#, &[("url", "http://h/hooks/{{ body.e }}")], "`..`");
    assert_eq!(built(r#"{"e":"../x"}"#, &config).unwrap().url, "http://h/hooks/..%2Fx");
    assert_eq!(built(r#"{"e":"a..b"}"#, &config).unwrap().url, "http://h/hooks/a..b");
}
