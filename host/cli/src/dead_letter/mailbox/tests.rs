use std::collections::BTreeMap;

use super::*;

const ID: &str = "0192f0c4-7b1e-7c3a-9a53-2f3f2a1b4c5d";

fn letter(message: &str, of_request: bool) -> Letter {
    let arn = format!("arn:aws:events:eu-west-1:123456789012:rule/postdate-orders-{ID}");
    let attributes = if of_request { BTreeMap::from([("RULE_ARN".to_owned(), arn)]) } else { BTreeMap::new() };
    Letter::new(message.to_owned(), "r1".to_owned(), "{}".to_owned(), attributes, "2027-01-01T00:00:00Z".to_owned())
}

fn named(ids: &[&str]) -> Chosen {
    Chosen::Named(ids.iter().map(|id| id.parse().unwrap()).collect())
}

#[test]
fn letters_are_named_by_their_request_or_by_their_message() {
    let letters = [letter("m-1", true), letter("m-2", true), letter("m-3", false)];
    let chosen = |which: &Chosen| letters.iter().map(|letter| which.has(letter)).collect::<Vec<_>>();
    assert_eq!(chosen(&named(&[ID])), [true, true, false]);
    assert_eq!(chosen(&named(&[&ID.to_uppercase()])), [true, true, false], "an id may be written in upper case");
    assert_eq!(chosen(&named(&["m-2", "m-3"])), [false, true, true]);
    assert_eq!(chosen(&Chosen::All), [true; 3]);
    assert!(named(&[ID, "m-3"]).check(&letters).is_ok());
    let missing = named(&[ID, "m-4"]).check(&letters).unwrap_err();
    assert_eq!(missing.to_string(), "none of the 3 messages read is of request m-4, or has this id");
}

#[test]
fn a_text_that_is_no_id_is_refused() {
    for text in ["", "a/b", "é", "a b", &"a".repeat(101)] {
        assert!(text.parse::<LetterId>().is_err(), "{text:?}");
    }
}

#[test]
fn a_letter_stays_without_a_request() {
    assert_eq!(letter("m", false).stays().as_deref(), Some("it names no request"));
    assert_eq!(letter("m", true).stays(), None);
}
