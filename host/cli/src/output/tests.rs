use super::*;

#[test]
fn columns_are_as_wide_as_their_widest_cell() {
    let rows = [vec!["a".to_owned(), "bé".to_owned(), "c".to_owned()], vec!["long".to_owned(), "b".to_owned()]];
    assert_eq!(columns(&rows, "  "), "  a     bé  c\n  long  b\n");
    assert_eq!(columns(&[], ""), "");
}

#[test]
fn control_characters_are_shown_and_not_sent() {
    assert_eq!(printable("a\u{1b}[2Jb\nc"), "a\\u{1b}[2Jb\nc");
}

#[test]
fn an_error_says_each_cause_once() {
    let error = anyhow::anyhow!("the disk is full").context("cannot write a").context("cannot write a");
    assert_eq!(error_text(&error), "error: cannot write a\n  because: the disk is full\n");
}
