use serde_json::json;

use super::{calls, check};

const ID: &str = "01a22c20-0a3b-7c50-a5f3-6ab9a4ad9b66";

#[test]
fn an_answer_beside_the_description_is_reported() {
    let clock = json!({ "now": "2027-01-08T00:00:00.000Z", "correlationId": ID });
    assert_eq!(check("GET", "/test-clock", 200, &clock), Ok(()));
    let report = |method: &str, path: &str, status: u16, body| check(method, path, status, &body).unwrap_err();
    assert!(report("GET", "/nothing", 200, json!({})).contains("is not in"));
    assert!(report("GET", "/test-clock", 201, clock.clone()).contains("lacks this status"));
    assert!(report("GET", "/test-clock", 404, json!({ "code": "unknown-request" })).contains("lacks the code"));
    let mut wrong = clock.clone();
    wrong["zone"] = json!("UTC");
    assert!(report("GET", "/test-clock", 200, wrong).contains("zone"));
    let mut wrong = clock.clone();
    wrong["now"] = json!("yesterday");
    assert!(report("GET", "/test-clock", 200, wrong).contains("date-time"));
    assert!(report("GET", "/test-clock", 200, json!({ "now": clock["now"] })).contains("correlationId"));
    assert_eq!(check("BREW", "/nothing", 404, &json!({ "code": "not-found" })), Ok(()));
}

#[test]
fn examples_of_answers_follow_their_schemas() {
    let mut count = 0;
    for call in calls() {
        for (status, response) in call.operation["responses"].as_object().unwrap() {
            let contents = response["content"].as_object().into_iter().flat_map(|content| content.values());
            for example in contents.filter_map(|content| content.get("example")) {
                let path = call.path.replace("{id}", ID);
                check(call.method, &path, status.parse().unwrap(), example).unwrap();
                count += 1;
            }
        }
    }
    assert!(count >= 15, "only {count} examples");
}
