use super::*;

#[test]
fn cursor_round_trips() {
    let cursor = Cursor {
        trigger_at: DateTime::from_timestamp_millis(1_800_000_000_123).unwrap(),
        id: CorrelationId::new(DateTime::default(), [7; 10]),
    };
    assert_eq!(decode_cursor(&encode_cursor(cursor)), Some(cursor));
    for wrong in ["", "x", "MTIz", "MS8y", "é"] {
        assert_eq!(decode_cursor(wrong), None, "{wrong}");
    }
}
