use super::*;

#[track_caller]
fn check(grant: &str, url: &str, allowed: bool) {
    let grant = Origin::parse(grant).unwrap();
    let granted = Origin::parse(url).is_ok_and(|origin| origin == grant);
    assert_eq!(granted, allowed, "{url} under the grant {grant}");
}

#[test]
fn a_grant_matches_scheme_host_and_port() {
    check("https://api.example.com", "https://api.example.com/a?b=c", true);
    check("https://api.example.com", "https://API.Example.COM:443/", true);
    check("http://api.example.com:80", "http://api.example.com", true);
    check("https://api.example.com", "http://api.example.com", false);
    check("https://api.example.com", "https://api.example.com:8443", false);
    check("https://api.example.com", "https://api.example.com.evil.org", false);
    check("https://api.example.com", "https://evil.org/https://api.example.com", false);
    check("https://api.example.com", "https://x.api.example.com", false);
    check("https://api.example.com", "https://api.example.com.", false);
    check("https://api.example.com", "https://api.example.com@evil.org", false);
    check("https://api.example.com", "https://user@api.example.com", false);
    check("http://127.0.0.1:9000", "http://127.0.0.1:9000/hooks", true);
    check("http://127.0.0.1:9000", "http://2130706433:9000", false);
    check("http://127.0.0.1:9000", "http://localhost:9000", false);
    check("http://[::1]:9000", "http://[0:0:0:0:0:0:0:1]:9000/x", true);
    check("http://[::1]:9000", "http://[::2]:9000", false);
}

#[test]
fn a_text_without_an_origin_is_refused_with_the_reason() {
    assert_eq!(Origin::parse("ftp://a.example"), Err(OriginError::Scheme));
    assert_eq!(Origin::parse("/path"), Err(OriginError::Scheme));
    assert_eq!(Origin::parse("http://u:p@a.example"), Err(OriginError::UserInfo));
    assert_eq!(Origin::parse("http://a.example:0"), Err(OriginError::Port));
    assert_eq!(Origin::parse("http://a.example:99999"), Err(OriginError::Port));
}

#[test]
fn an_origin_is_displayed_in_the_form_of_a_manifest() {
    for text in ["https://api.example.com", "http://127.0.0.1:9000", "http://[::1]", "https://a.example:80"] {
        assert_eq!(Origin::parse(text).unwrap().to_string(), text);
    }
}
