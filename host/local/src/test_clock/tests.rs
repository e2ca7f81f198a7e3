use serde_json::json;

use super::*;

#[track_caller]
fn check(body: &Value, expected: &str) {
    let now = time::parse_time("2027-01-01T00:00:00Z").unwrap();
    let answer = read_target(body.to_string().as_bytes(), now);
    assert_eq!(answer.map_or_else(|error| error.code().to_owned(), rfc3339), expected, "{body}");
}

#[test]
fn clock_moves_forward_and_up_to_the_year_9999() {
    check(&json!({ "advance": "P7D" }), "2027-01-08T00:00:00.000Z");
    check(&json!({ "to": "9999-12-31T23:59:59.999Z" }), "9999-12-31T23:59:59.999Z");
    check(&json!({ "to": "2026-12-31T23:59:59Z" }), "test-clock-malformed");
    check(&json!({ "advance": "P3000000D" }), "test-clock-malformed");
    check(&json!({ "advance": "P3660000D" }), "test-clock-malformed");
    check(&json!({ "advance": "P999999999999D" }), "trigger-malformed");
    check(&json!({ "to": "9999-12-31T23:59:59-01:00" }), "trigger-malformed");
    check(&json!({ "to": "2027-06-30T10:00:60Z" }), "trigger-malformed");
    for unclear in [json!({}), json!({ "advance": "P7D", "to": {} }), json!({ "advance": "P7D", "by": 1 }), json!({ "to": null })] {
        check(&unclear, "test-clock-malformed");
    }
}

#[tokio::test]
async fn data_directory_whose_clock_is_beyond_9999_says_how_to_set_it() {
    let directory = tempfile::tempdir().unwrap();
    let ledger = SqliteLedger::open(&directory.path().join("ledger.sqlite")).unwrap();
    assert_eq!(TestClock::stood(&ledger).await.unwrap(), None);
    ledger.set_setting(SETTING, "+10240-08-27T00:00:00.000Z".to_owned()).await.unwrap();
    let error = format!("{:#}", TestClock::stood(&ledger).await.unwrap_err());
    assert!(error.contains("+10240-08-27T00:00:00.000Z") && error.contains("--test-clock 2027-03-01"), "{error}");
    ledger.set_setting(SETTING, "2027-03-01T09:00:00.000Z".to_owned()).await.unwrap();
    assert!(TestClock::stood(&ledger).await.unwrap().is_some());
}
