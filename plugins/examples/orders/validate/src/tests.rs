use super::*;

#[track_caller]
fn accepted(item: &str, quantity: u64, expected: (u64, Option<&str>)) {
    assert_eq!(check(&Order { item: item.into(), quantity }), Ok(expected));
}

#[track_caller]
fn rejected(item: &str, quantity: u64, expected: &[(&str, &str)]) {
    let problems = check(&Order { item: item.into(), quantity }).unwrap_err();
    let actual: Vec<_> = problems.iter().map(|p| (p.pointer.as_str(), p.code.as_str())).collect();
    assert_eq!(actual, expected);
}

#[test]
fn big_orders_go_to_heavy_and_bad_orders_get_all_problems() {
    accepted("book", 1, (1_250, None));
    accepted("pen", 50, (300, None));
    accepted("pen", 51, (300, Some("heavy")));
    accepted("lamp", 100, (4_900, Some("heavy")));
    rejected("lamp", 101, &[("/quantity", "maximum")]);
    rejected("tank", 0, &[("/item", "unknown-item"), ("/quantity", "minimum")]);
}

#[test]
fn members_that_the_price_does_not_change_stay_as_they_were_written() {
    let order = r#"{"item": "pen", "total": 1, "voucher": 18446744073709551616, "weight": 1.10, "note": "\u00e9"}"#;
    let text = serde_json::to_string(&priced(order, 600, "EUR")).unwrap();
    assert_eq!(text, r#"{"currency":"EUR","item":"pen","note":"\u00e9","total":600,"voucher":18446744073709551616,"weight":1.10}"#);
}
