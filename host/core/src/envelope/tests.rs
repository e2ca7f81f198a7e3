use super::*;
use crate::testing::{moment, new_request, sample_id};

fn envelope() -> Envelope {
    Envelope::of(&new_request(sample_id(1), "orders", moment()).request, Some("postdate-orders-1".to_owned()))
}

#[test]
fn payload_is_included_up_to_the_limit_of_characters() {
    let envelope = envelope();
    let frame = envelope.to_json(Some("\"\"")).chars().count();
    let body = |characters: usize| format!("\"{}\"", "é".repeat(characters));
    let fits = body(MAX_CHARACTERS - frame);
    let whole = envelope.to_json(Some(&fits));
    assert_eq!(whole.chars().count(), MAX_CHARACTERS);
    assert_eq!(Envelope::parse(&whole).unwrap().body(), Some(fits.as_str()));
    let bare = envelope.to_json(Some(&body(MAX_CHARACTERS - frame + 1)));
    let read = Envelope::parse(&bare).unwrap();
    assert_eq!((read.body(), read.correlation_id, read.attempt), (None, sample_id(1), 1));
    assert_eq!(read.rule.as_deref(), Some("postdate-orders-1"));
}

#[test]
fn payload_is_the_unchanged_text_of_the_body() {
    let body = "{\"b\": 1.0, \"a\":  [1e2]}";
    let text = envelope().to_json(Some(body));
    assert_eq!(Envelope::parse(&text).unwrap().body(), Some(body));
}

#[test]
fn characters_that_no_message_may_contain_are_escaped() {
    let raw = "{\"a\u{FFFE}\":\"\\\\\u{FFFF}\"}";
    let text = envelope().to_json(Some(raw));
    assert!(!text.contains(['\u{FFFE}', '\u{FFFF}']), "{text}");
    let read = Envelope::parse(&text).unwrap();
    let value = |json: &str| serde_json::from_str::<serde_json::Value>(json).unwrap();
    assert_eq!(value(read.body().unwrap()), value(raw));
}

#[test]
fn fields_of_a_later_sender_are_ignored() {
    let later = envelope().to_json(None).replacen('{', "{\"traceId\":\"Root=1\",\"later\":{\"a\":[1]},", 1);
    assert_eq!(Envelope::parse(&later).unwrap().correlation_id, sample_id(1));
}

#[test]
fn end_of_an_attempt_is_kept() {
    let failure = crate::plugin::JobFailure { message: "busy\u{FFFF}".to_owned(), retry: true, retry_after: None };
    let ended = Ended { claim: 3, end: End::Answered(Err(failure)) };
    let text = Envelope { ended: Some(ended.clone()), ..envelope() }.to_json(None);
    assert_eq!(Envelope::parse(&text).unwrap().ended, Some(ended));
}

#[test]
fn a_kept_place_is_read_as_it_was_written() {
    let kept = Kept { target: "hook".to_owned(), place: "00ff".to_owned(), of: 2 };
    let read = Envelope::parse(&Envelope::of_kept(kept.clone(), "orders", sample_id(1), moment()).to_json(None)).unwrap();
    assert_eq!((read.kept, read.correlation_id, read.rule), (Some(kept), sample_id(1), None));
}

#[test]
fn error_of_a_malformed_envelope_does_not_quote_it() {
    let secret = "{\"v\":1,\"card\":\"4111-1111\"}";
    let error = Envelope::parse(secret).unwrap_err().to_string();
    assert!(error.contains("correlationId") && !error.contains("4111"), "{error}");
    assert_eq!(Envelope::parse("{\"v\":2}").unwrap_err(), EnvelopeError::Version(2));
    for foreign in ["", "null", "[]", "{\"source\":\"aws.events\"}", "{\"Records\":[]}"] {
        assert!(matches!(Envelope::parse(foreign), Err(EnvelopeError::Malformed(_))), "{foreign}");
    }
}
