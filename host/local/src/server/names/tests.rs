use http::Request;

use super::*;

const LOCAL: &str = "192.0.2.7";

/// Checks a call with these headers against a server at [`LOCAL`] with the name `api.example.com`.
fn call(version: Version, uri: &str, headers: &[(&str, &str)]) -> String {
    let mut request = Request::builder().version(version).uri(uri);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let (parts, ()) = request.body(()).unwrap().into_parts();
    let names = [HostName::parse("API.example.com").unwrap()];
    check(&parts, LOCAL.parse().unwrap(), &names).map_or_else(|error| error.code().to_owned(), |()| "ok".to_owned())
}

#[track_caller]
fn check_host(host: &str, expected: &str) {
    assert_eq!(call(Version::HTTP_11, "/requests", &[("host", host)]), expected, "{host}");
}

#[test]
fn host_is_a_name_of_the_server() {
    for ours in [
        "localhost",
        "LOCALHOST:8080",
        "localhost.",
        "127.0.0.1:8080",
        "127.9.9.9",
        "[::1]:8080",
        "[::ffff:127.0.0.1]",
        LOCAL,
        "192.0.2.7:80",
        "[::ffff:192.0.2.7]",
        "api.example.com",
        "Api.Example.Com.:443",
    ] {
        check_host(ours, "ok");
    }
    for foreign in [
        "evil.example",
        "evil.example:8080",
        "192.0.2.8",
        "0.0.0.0",
        "localhost.evil.example",
        "api.example.com.evil.example",
        "127.0.0.1.nip.io",
        "[::]",
    ] {
        check_host(foreign, "unknown-host");
    }
    for bad in ["", ":80", "a b", "user@localhost", "localhost/x"] {
        check_host(bad, "bad-host");
    }
}

#[test]
fn http_1_1_has_exactly_one_host() {
    assert_eq!(call(Version::HTTP_11, "/", &[]), "bad-host");
    assert_eq!(call(Version::HTTP_11, "/", &[("host", "localhost"), ("host", "localhost")]), "bad-host");
    assert_eq!(call(Version::HTTP_10, "/", &[]), "ok");
    assert_eq!(call(Version::HTTP_10, "/", &[("host", "evil.example")]), "unknown-host");
}

#[test]
fn an_absolute_target_is_a_host_too() {
    let host = &[("host", "localhost")];
    assert_eq!(call(Version::HTTP_11, "http://evil.example/requests", host), "unknown-host");
    assert_eq!(call(Version::HTTP_11, "http://localhost:8080/requests", host), "ok");
    assert_eq!(call(Version::HTTP_10, "http://evil.example/requests", &[]), "unknown-host");
}

#[test]
fn a_call_of_another_origin_is_refused() {
    for (host, origin, expected) in [
        ("localhost:8080", "http://localhost:8080", "ok"),
        ("localhost:8080", "http://localhost:3000", "cross-origin"),
        ("localhost:8080", "http://localhost", "cross-origin"),
        ("localhost:8080", "https://evil.example", "cross-origin"),
        ("localhost:8080", "null", "cross-origin"),
        ("localhost:8080", "", "cross-origin"),
        ("localhost:8080", "file://localhost:8080", "cross-origin"),
        ("api.example.com", "https://api.example.com", "ok"),
        ("127.0.0.1:8080", "https://api.example.com", "ok"),
        ("127.0.0.1:8080", "https://api.example.com:8443", "cross-origin"),
    ] {
        assert_eq!(call(Version::HTTP_11, "/", &[("host", host), ("origin", origin)]), expected, "{origin} to {host}");
    }
    let two = [("host", "localhost"), ("origin", "http://localhost"), ("origin", "https://evil.example")];
    assert_eq!(call(Version::HTTP_11, "/", &two), "cross-origin");
    assert_eq!(call(Version::HTTP_10, "/", &[("origin", "https://evil.example")]), "cross-origin");
}

#[test]
fn a_browser_says_whether_a_call_is_its_own() {
    for (site, expected) in [
        ("same-origin", "ok"),
        ("none", "ok"),
        ("None", "ok"),
        ("same-site", "cross-origin"),
        ("cross-site", "cross-origin"),
        ("x", "cross-origin"),
    ] {
        assert_eq!(call(Version::HTTP_11, "/", &[("host", "localhost"), ("sec-fetch-site", site)]), expected, "{site}");
    }
}

#[test]
fn a_host_name_has_no_port_and_no_scheme() {
    for good in ["example.com", "192.0.2.1", "[2001:db8::1]", "a"] {
        assert!(HostName::parse(good).is_ok(), "{good}");
    }
    for bad in ["", "example.com:80", "example.com:", "https://example.com", "a/b", "a b", "user@example.com"] {
        assert!(HostName::parse(bad).is_err(), "{bad}");
    }
}
