use super::*;

#[test]
fn columns_are_as_wide_as_their_widest_cell() {
    let rows = [vec!["a".to_owned(), "bé".to_owned(), "c".to_owned()], vec!["long".to_owned(), "b".to_owned()]];
    assert_eq!(columns(&rows, "  "), "  a     bé  c\n  long  b\n");
    assert_eq!(columns(&[], ""), "");
}

#[test]
fn control_characters_are_escaped() {
    assert_eq!(printable("a\u{1b}[2Jb\nc"), "a\\u{1b}[2Jb\nc");
}

#[test]
fn each_cause_of_an_error_is_printed_once() {
    let error = anyhow::anyhow!("the disk is full").context("cannot write a").context("cannot write a");
    assert_eq!(error_text(&error), "error: cannot write a\n  because: the disk is full\n");
}

#[test]
fn sizes_are_cut_to_one_decimal() {
    let sizes = [0, 1023, 1024, 1536, 0x10_0000 - 1, 0x10_0000, 0x19_0000].map(size_text);
    assert_eq!(sizes, ["0 bytes", "1023 bytes", "1.0 KiB", "1.5 KiB", "1023.9 KiB", "1.0 MiB", "1.5 MiB"]);
}
