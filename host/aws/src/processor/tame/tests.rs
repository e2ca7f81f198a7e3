use std::panic::catch_unwind;

use serde_json::Value;

use super::*;

fn event(file: &str) -> Value {
    let path = format!("{}/tests/events/{file}", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn read(event: &Value, tamed: bool) -> Option<lambda_http::Request> {
    let event = if tamed { read_event(&event.to_string()).unwrap() } else { serde_json::from_value(event.clone()).unwrap() };
    catch_unwind(|| lambda_http::Request::from(event)).ok()
}

#[test]
fn an_invalid_host_is_removed_without_panic_and_a_valid_host_stays() {
    let bad = ["a b", "[::1", "%zz", "", "a:b", "a:99999", "1.2.3.999", "xn--a", "a..b", "a@b@c", "#", "<script>", ":", "a:+1"];
    let mut panics = 0;
    for file in ["rest-iam.json", "http-jwt.json", "function-url.json", "alb.json"] {
        let good = event(file);
        let path = read(&good, false).unwrap().uri().path().to_owned();
        for host in bad {
            let mut event = good.clone();
            event["headers"]["host"] = host.into();
            panics += usize::from(read(&event, false).is_none());
            let request = read(&event, true).unwrap_or_else(|| panic!("{file}: {host:?}"));
            assert_eq!(request.uri().path(), path, "{file}: {host:?}");
        }
        for host in ["example.com", "127.0.0.1:9000", "localhost", "a-b.c_d.example:1"] {
            let mut event = good.clone();
            event["headers"]["host"] = host.into();
            assert_eq!(read(&event, true).unwrap().headers()["host"], host, "{file}");
        }
    }
    assert!(panics > 0, "lambda_http no longer panics on an invalid host: remove `tame`");
}

#[test]
fn an_invalid_scheme_path_or_query_causes_no_panic() {
    let mut event = event("function-url.json");
    event["headers"]["x-forwarded-proto"] = "ht tp".into();
    event["rawQueryString"] = "useCase=a b&x=<\"é\">&y=%20#z".into();
    event["rawPath"] = "requests/ü <x>".into();
    event["requestContext"]["domainName"] = "no domain".into();
    assert!(read(&event, false).is_none());
    let request = read(&event, true).unwrap();
    assert_eq!(request.uri().path(), "/requests/%C3%BC%20%3Cx%3E");
    assert_eq!(request.uri().query().unwrap(), "useCase=a%20b&x=%3C%22%C3%A9%22%3E&y=%20%23z");
}

#[test]
fn a_body_that_is_no_base64_is_marked_without_panic_and_a_client_cannot_set_the_mark() {
    let mut panics = 0;
    for file in ["rest-iam.json", "http-jwt.json", "function-url.json", "alb-multi-value.json"] {
        let mut event = event(file);
        event["isBase64Encoded"] = true.into();
        for (body, good) in
            [("e30=", true), ("", true), ("{\"n\":1}", false), ("e30", false), ("e3=", false), ("e31=", false), ("e30=\n", false)]
        {
            event["body"] = body.into();
            panics += usize::from(read(&event, false).is_none());
            let request = read(&event, true).unwrap_or_else(|| panic!("{file}: {body:?}"));
            assert_eq!(is_malformed(request.headers()), !good, "{file}: {body:?}");
        }
        // Bytes that are no text reach the API.
        event["body"] = "/w==".into();
        assert_eq!(read(&event, true).unwrap().body().to_vec(), [0xff], "{file}");
        event["isBase64Encoded"] = false.into();
        for headers in ["headers", "multiValueHeaders"] {
            if event[headers].is_object() {
                let value = if headers == "headers" { serde_json::json!("x") } else { serde_json::json!(["x"]) };
                event[headers]["X-Postdate-Malformed-Body"] = value;
            }
        }
        assert!(!is_malformed(read(&event, true).unwrap().headers()), "{file}");
    }
    assert!(panics > 0, "lambda_http no longer panics on such a body: remove `tame_body`");
}
