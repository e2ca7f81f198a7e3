use super::*;
use serde_json::json;

#[test]
fn pauses_are_shown_with_target_end_and_caller() {
    let paused = json!({ "paused": [
        { "since": "T0" },
        { "target": "hook", "since": "T1", "until": "T2", "by": "ops" },
    ] });
    assert_eq!(text("orders", &paused), "orders: paused since T0\norders: target hook is paused since T1 until T2 by ops\n");
    assert_eq!(text("orders", &json!({ "paused": [] })), "orders: not paused; requests that waited run, the oldest first\n");
}
