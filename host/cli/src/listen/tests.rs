use super::*;

#[test]
fn the_last_status_is_repeated() {
    let receiver = Receiver { statuses: vec![503, 429, 200], received: AtomicUsize::new(0) };
    let given: Vec<u16> = (0..5).map(|n| receiver.status_of(n).as_u16()).collect();
    assert_eq!(given, [503, 429, 200, 200, 200]);
}

#[test]
fn a_request_is_shown_without_its_credentials() {
    let mut headers = HeaderMap::new();
    for (name, value) in [("authorization", "Bearer s3cret"), ("x-api-key", "s3cret"), ("accept", "*/*"), ("webhook-id", "7")] {
        headers.insert(name, value.parse().unwrap());
    }
    let text = request_text("POST /x", &headers, br#"{"a":1}"#);
    assert_eq!(text, "POST /x\n  authorization: (not shown)\n  x-api-key: (not shown)\n  webhook-id: 7\n    {\n      \"a\": 1\n    }\n\n");
    assert_eq!(request_text("POST /x", &HeaderMap::new(), b"\x1b[2J"), "POST /x\n    \\u{1b}[2J\n\n");
}
