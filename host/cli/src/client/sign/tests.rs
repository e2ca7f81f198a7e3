use std::time::Duration;

use reqwest::{Method, Url};

use super::*;

fn signed(body: &'static str, token: Option<&str>) -> Request {
    let url = Url::parse("https://abc.execute-api.eu-west-1.amazonaws.com/prod/requests/orders?limit=5").unwrap();
    let mut request = Request::new(Method::POST, url);
    request.headers_mut().insert("content-type", HeaderValue::from_static("application/json"));
    *request.body_mut() = Some(body.into());
    let credentials = Credentials::new("AKIDEXAMPLE", "a secret", token.map(str::to_owned), None, "test");
    sign_with(&mut request, credentials, "eu-west-1", SystemTime::UNIX_EPOCH + Duration::from_hours(500_000)).unwrap();
    request
}

fn signature(request: &Request) -> String {
    request.headers()["authorization"].to_str().unwrap().to_owned()
}

#[test]
fn a_call_is_signed_for_the_gateway_with_its_body_and_its_headers() {
    let request = signed("{}", Some("a session"));
    let header = signature(&request);
    assert!(header.starts_with("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20270115/eu-west-1/execute-api/aws4_request, "), "{header}");
    assert!(header.contains("SignedHeaders=content-type;host;x-amz-date;x-amz-security-token, "), "{header}");
    assert_eq!(request.headers()["x-amz-date"], "20270115T080000Z");
    assert_eq!(request.headers()["x-amz-security-token"], "a session");
    assert_ne!(header, signature(&signed("[]", Some("a session"))));
}

#[test]
fn the_region_is_that_of_the_gateways_name() {
    assert_eq!(region_of("abc.execute-api.eu-west-1.amazonaws.com"), Some("eu-west-1"));
    assert_eq!(region_of("api.example.com"), None);
}
