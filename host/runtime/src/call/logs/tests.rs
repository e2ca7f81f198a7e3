use super::*;

fn log() -> Arc<CallLog> {
    CallLog::new(Arc::new(crate::testing::identity("orders", Role::Validate)), "id".into(), Mask::default())
}

#[test]
fn a_line_may_come_from_several_writes() {
    let log = log();
    log.write(Stream::Stdout, b"one\ntw").unwrap();
    log.write(Stream::Stderr, b"err\n").unwrap();
    log.write(Stream::Stdout, b"o\r\n\nthree").unwrap();
    let (lines, tail) = log.finish();
    let texts: Vec<_> = lines.iter().map(|line| (line.stream, line.text.as_str())).collect();
    assert_eq!(
        texts,
        [(Stream::Stdout, "one"), (Stream::Stderr, "err"), (Stream::Stdout, "two"), (Stream::Stdout, ""), (Stream::Stdout, "three")]
    );
    assert_eq!(tail, ["err"]);
}

#[test]
fn control_characters_and_invalid_utf8_are_escaped() {
    let log = log();
    log.write(Stream::Stderr, b"\x1b[31mred\tand \xff\n").unwrap();
    assert_eq!(log.finish().1, ["\\u{1b}[31mred\tand \u{fffd}"]);
}

#[test]
fn a_long_line_is_cut_and_the_next_line_is_complete() {
    let log = log();
    log.write(Stream::Stdout, &vec![b'x'; 3 * MAX_LINE_BYTES]).unwrap();
    log.write(Stream::Stdout, b"\nnext\n").unwrap();
    let (lines, _) = log.finish();
    assert_eq!(lines[0].text.len(), MAX_LINE_BYTES + " [cut]".len());
    assert_eq!(lines[1].text, "next");
}

#[test]
fn too_many_lines_are_dropped_with_one_note_and_the_tail_of_stderr_is_kept() {
    let log = log();
    for n in 0..MAX_LINES + 500 {
        log.write(Stream::Stderr, format!("line {n}\n").as_bytes()).unwrap();
    }
    let (lines, tail) = log.finish();
    assert_eq!(lines.len(), MAX_LINES + 1);
    assert!(lines[MAX_LINES].text.contains("was dropped"), "{:?}", lines[MAX_LINES]);
    assert_eq!(tail.len(), TAIL_LINES);
    assert_eq!(tail[TAIL_LINES - 1], format!("line {}", MAX_LINES + 499));
}

#[test]
fn too_many_bytes_are_dropped_with_one_note() {
    let log = log();
    for _ in 0..40 {
        log.write(Stream::Stdout, &[&[b'x'; 3000][..], b"\n"].concat()).unwrap();
    }
    let (lines, _) = log.finish();
    assert_eq!(lines.len(), MAX_BYTES / 3000 + 1);
    assert!(lines.last().unwrap().text.contains("was dropped"));
}
