use super::*;

#[test]
fn cursor_round_trips() {
    let cursor =
        Cursor { at: DateTime::from_timestamp_millis(1_800_000_000_123).unwrap(), id: CorrelationId::new(DateTime::default(), [7; 10]) };
    assert_eq!(decode_cursor(&encode_cursor(cursor)), Some(cursor));
    for wrong in ["", "x", "MTIz", "MS8y", "é"] {
        assert_eq!(decode_cursor(wrong), None, "{wrong}");
    }
}

#[test]
fn query_is_parsed_or_the_error_names_the_parameter() {
    let query = parse_query("useCase=orders&status=failed&from=2027-01-01T00%3A00%3A00%2B01:00&limit=2").unwrap();
    assert_eq!((query.use_case.as_deref(), query.status, query.limit), (Some("orders"), Some(Status::Failed), 2));
    assert_eq!(query.from.map(crate::time::rfc3339).as_deref(), Some("2026-12-31T23:00:00.000Z"));
    let query = parse_query("label.customer=4%2F2&label.order=7&endedTo=2027-01-01T00:00:00Z&status=failed").unwrap();
    assert_eq!(query.labels, [("customer", "4/2"), ("order", "7")].map(|(name, value)| (name.to_owned(), value.to_owned())));
    assert_eq!((query.order, query.from, query.to.is_some()), (Order::Ended, None, true));
    for (wrong, name) in [
        ("status=done", "status"),
        ("from=now", "from"),
        ("limit=0", "limit"),
        ("limit=501", "limit"),
        ("cursor=x", "cursor"),
        ("page=2", "page"),
        ("label.=2", "label."),
        ("label.a%3Db=c", "label.a"),
        ("dueFrom=2027-01-01T00:00:00Z&to=2027-01-01T00:00:00Z", "to"),
        ("dueTo=tomorrow", "dueTo"),
        ("endedFrom=2027-01-01T00:00:00Z&status=running", "status"),
        ("status=failed&dueFrom=2027-01-01T00:00:00Z", "status"),
        ("label.a=1&label.b=1&label.c=1&label.d=1&label.e=1&label.f=1", "label"),
    ] {
        let fault = parse_query(wrong).unwrap_err();
        assert_eq!(fault.code(), "bad-query");
        assert!(format!("{fault:?}").contains(name), "{fault:?}");
    }
}
