use super::*;

#[test]
fn a_value_is_split_into_text_and_secrets() {
    assert_eq!(parse("plain $ {text}"), Ok(vec![Part::Text("plain $ {text}")]));
    assert_eq!(parse("Bearer ${secret:TOKEN}"), Ok(vec![Part::Text("Bearer "), Part::Secret("TOKEN")]));
    assert_eq!(parse("${secret:A}:${secret:B}!"), Ok(vec![Part::Secret("A"), Part::Text(":"), Part::Secret("B"), Part::Text("!")]));
    assert_eq!(parse(""), Ok(Vec::new()));
}

#[test]
fn a_placeholder_of_another_form_is_refused() {
    for value in ["${TOKEN}", "${env:TOKEN}", "${secret:TOKEN", "Bearer ${"] {
        assert!(parse(value).unwrap_err().contains("${secret:NAME}"), "{value}");
    }
}
