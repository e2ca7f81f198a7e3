use std::collections::BTreeMap;

use super::*;

const BODY: &str = "a-body-that-nobody-shall-read";

fn letter(message: &str) -> Letter {
    Letter::new(message.to_owned(), "r".to_owned(), BODY.to_owned(), BTreeMap::new(), "2027-01-01T00:00:00Z".to_owned())
}

fn report() -> StepReport {
    StepReport { done: vec![letter("m-1")], refused: vec![(letter("m-2"), "it names no request".to_owned())], read: 5, error: None }
}

#[test]
fn a_redrive_lists_what_was_sent_and_why_the_rest_stays() {
    let document = redriven_document(&report());
    assert_eq!((&document["sent"], &document["left"], &document["letters"][0]["messageId"]), (&json!(1), &json!(4), &json!("m-1")));
    assert_eq!((&document["refused"][0]["messageId"], &document["refused"][0]["stays"]), (&json!("m-2"), &json!("it names no request")));
    assert!(!document.to_string().contains(BODY), "{document}");
}

#[test]
fn a_deletion_is_complete_if_fewer_messages_were_read_than_may() {
    let document = deleted_document(&report(), 6);
    assert_eq!((&document["deleted"], &document["left"], &document["letters"][0]["messageId"]), (&json!(1), &json!(4), &json!("m-1")));
    assert_eq!((&document["isComplete"], &deleted_document(&report(), 5)["isComplete"]), (&json!(true), &json!(false)));
    let cut_off = StepReport { error: Some(anyhow::anyhow!("the queue is gone")), ..report() };
    assert_eq!(deleted_document(&cut_off, 6)["isComplete"], json!(false));
}
